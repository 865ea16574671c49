"""Clients and servers of bench/reconnect.sh.

Servers do their opens one after the other, as a server does that signs a user in and loads state. Clients retry as
phoenix.js does. All servers go away; after some seconds two of them come back, half a minute later the others.
"""
import asyncio, base64, hashlib, json, multiprocessing, os, resource, sys, time

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
STEPS = [0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0]  # then 5 s, without jitter: phoenix.js 1.7
TIMEOUT = 10.0


class Server:
    def __init__(self, port, each, stats, index):
        self.port, self.each, self.stats, self.index = port, each, stats, index
        self.listener, self.free, self.open = None, 0.0, set()

    async def up(self):
        self.free = 0.0
        self.listener = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=4096)

    def down(self):
        self.listener.close()
        self.listener = None
        for writer in list(self.open):
            writer.transport.abort()

    async def serve(self, reader, writer):
        row = self.stats[self.index]
        self.open.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            key = next((line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")), None)
            if key is None:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                await writer.drain()
                return
            now = time.monotonic()
            self.free = max(self.free, now) + 1 / self.each
            await asyncio.sleep(self.free - now)
            row[2] += 1  # also where its client has gone meanwhile
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: " + accept + b"\r\n\r\n")
            row[0] += 1
            row[1] = max(row[1], row[0])
            try:
                while await reader.read(4096):
                    pass
            finally:
                row[0] -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()


def servers(ports, each, stats, orders):
    async def run():
        all_of = [Server(port, each, stats, index) for index, port in enumerate(ports)]
        for server in all_of:
            await server.up()
        orders.send("up")
        loop = asyncio.get_running_loop()
        while True:
            order = await loop.run_in_executor(None, orders.recv)
            if order is None:
                return
            which, up = order
            for server in (all_of[index] for index in which):
                if up and server.listener is None:
                    await server.up()
                elif not up and server.listener is not None:
                    server.down()
            orders.send("done")

    asyncio.run(run())


class Clients:
    def __init__(self, port, count):
        self.port, self.count, self.open, self.attempts, self.refused, self.timeouts = port, count, 0, 0, 0, 0

    async def one(self, number):
        await asyncio.sleep(number / 2000)
        tries = 0
        while True:
            self.attempts += 1
            try:
                reader, writer = await asyncio.wait_for(self.connect(number), TIMEOUT)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, asyncio.LimitOverrunError) as why:
                self.timeouts += isinstance(why, asyncio.TimeoutError)
                await asyncio.sleep(STEPS[tries] if tries < len(STEPS) else 5.0)
                tries += 1
                continue
            tries = 0
            self.open += 1
            try:
                while await reader.read(4096):
                    pass
            except OSError:
                pass
            self.open -= 1
            writer.close()
            await asyncio.sleep(STEPS[0])

    async def connect(self, number):
        local = (f"127.1.{number % 50}.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=local)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(f"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101 "):
                self.refused += 1
                raise ConnectionRefusedError(head)
            return reader, writer
        except BaseException:
            writer.close()
            raise

    async def until(self, wanted, most):
        begun = time.monotonic()
        while not wanted():
            if time.monotonic() - begun > most:
                return None
            await asyncio.sleep(0.1)
        return time.monotonic() - begun


async def drive(port, count, stats, orders, most):
    ask = lambda which, up: (orders.send((which, up)), orders.recv())
    everyone, two = range(len(stats)), range(2)
    clients = Clients(port, count)
    tasks = [asyncio.create_task(clients.one(number)) for number in range(count)]
    first = await clients.until(lambda: clients.open == count, most)
    ask(everyone, False)
    await clients.until(lambda: clients.open == 0, 30)
    await asyncio.sleep(5)
    for row in stats:
        row[1] = row[2] = 0
    before, refused, timeouts, begun = clients.attempts, clients.refused, clients.timeouts, time.monotonic()
    ask(two, True)
    await asyncio.sleep(30)
    with_two = clients.open
    ask(everyone, True)
    back = await clients.until(lambda: clients.open == count, most)
    result = dict(
        first=first, with_two=with_two, back=None if back is None else time.monotonic() - begun, open=clients.open,
        highest=max(row[1] for row in stats), lowest=min(row[0] for row in stats), opens=sum(row[2] for row in stats),
        attempts=clients.attempts - before, refused=clients.refused - refused,
        timeouts=clients.timeouts - timeouts,
    )
    for task in tasks:
        task.cancel()
    return result


def main():
    port, count, each, most, *ports = map(int, sys.argv[1:])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Of each server: open, highest, opens.
    stats = [multiprocessing.Array("i", 3, lock=False) for _ in ports]
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=servers, args=(ports, each, stats, theirs), daemon=True)
    process.start()
    ours.recv()
    print("up", flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(drive(port, count, stats, ours, most))), flush=True)
    ours.send(None)
    process.join(5)
    process.kill()


main()
