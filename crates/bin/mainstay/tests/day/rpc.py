"""gRPC of all four kinds, by grpcio: `rpc.py serve PORT`, `rpc.py call ADDRESS NAME CA_FILE SECONDS`.

The server ends gracefully on SIGTERM. The caller prints one line of JSON: kind -> asked, well, and status codes with counts.
"""
import collections, concurrent.futures, json, signal, sys, threading, time
import grpc

MESSAGES = 20


def unary(request, context):
    time.sleep(0.01)
    return request


def gather(requests, context):
    return str(sum(1 for _ in requests)).encode()


def scatter(request, context):
    for n in range(MESSAGES):
        time.sleep(0.005)
        yield str(n).encode()


def chat(requests, context):
    for request in requests:
        time.sleep(0.005)
        yield request


def serve(port):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("day.Rpc", {
        "unary": grpc.unary_unary_rpc_method_handler(unary),
        "client_stream": grpc.stream_unary_rpc_method_handler(gather),
        "server_stream": grpc.unary_stream_rpc_method_handler(scatter),
        "bidi": grpc.stream_stream_rpc_method_handler(chat),
    }),))
    if not server.add_insecure_port(f"127.0.0.1:{port}"):
        sys.exit(f"port {port} is taken")
    server.start()
    ends = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ends.set())
    ends.wait()
    server.stop(5).wait(6)


def paced():
    for n in range(MESSAGES):
        time.sleep(0.005)
        yield str(n).encode()


EXPECTED = [str(n).encode() for n in range(MESSAGES)]


def calls(channel):
    """Kind -> a call that is true when its answer is right."""
    one = channel.unary_unary("/day.Rpc/unary")
    many_in = channel.stream_unary("/day.Rpc/client_stream")
    many_out = channel.unary_stream("/day.Rpc/server_stream")
    both = channel.stream_stream("/day.Rpc/bidi")
    return {
        "unary": lambda: one(b"hello", timeout=20) == b"hello",
        "client_stream": lambda: many_in(paced(), timeout=20) == str(MESSAGES).encode(),
        "server_stream": lambda: list(many_out(b"", timeout=20)) == EXPECTED,
        "bidi": lambda: list(both(paced(), timeout=20)) == EXPECTED,
    }


def call(address, name, ca, seconds):
    credentials = grpc.ssl_channel_credentials(open(ca, "rb").read())
    channel = grpc.secure_channel(address, credentials, options=[("grpc.ssl_target_name_override", name)])
    counts = collections.defaultdict(collections.Counter)
    ends = time.monotonic() + seconds

    def go(kind, ask):
        while time.monotonic() < ends:
            counts[kind]["asked"] += 1
            try:
                counts[kind]["well" if ask() else "wrong content"] += 1
            except grpc.RpcError as error:
                counts[kind][f"{error.code().name}: {error.details()[:80]}"] += 1
                time.sleep(0.02)

    threads = [threading.Thread(target=go, args=item) for item in calls(channel).items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(counts))


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    call(sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]))
