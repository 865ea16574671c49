"""Page loads in a real Chromium over WebDriver: `browser.py LOADS OUT_FOLDER NAME=URL...`, interleaved over all names.

Each line of OUT_FOLDER/page.NAME is one load: ms of `loadEventEnd - startTime` (Navigation Timing), resources that were answered 200, resources
asked for. The first load of each name, with the connection's set-up in it, goes to OUT_FOLDER/first.NAME. Every URL may hold `{n}`: the number of
the load. One browser with a window of its own for each name; profiles are thrown away.
"""
import json, os, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

HOSTS = os.environ.get("RESOLVE", "MAP bench.test 127.0.0.1")
SCRIPT = """const page = performance.getEntriesByType("navigation")[0];
const parts = performance.getEntriesByType("resource").filter(entry => entry.name.includes("/part/"));
return [page.loadEventEnd - page.startTime, page.responseStatus, page.nextHopProtocol,
    parts.filter(entry => entry.responseStatus == 200).length, document.querySelectorAll("img, script, link").length];"""


def ask(url, body=None, method=None, timeout=90):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["value"]["message"].splitlines()[0]) from None


class Browser:
    def __init__(self, profile):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}", "--silent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        ends = time.monotonic() + 30
        while True:
            try:
                if ask(f"{self.base}/status", timeout=5)["ready"]:
                    break
            except OSError:
                pass
            if time.monotonic() > ends:
                raise RuntimeError("chromedriver does not start")
            time.sleep(0.05)
        args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--no-proxy-server",
                "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}", f"--host-resolver-rules={HOSTS}"]
        wanted = {"browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": {"args": args}}
        self.session = f"{self.base}/session/" + ask(f"{self.base}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def window(self):
        return ask(f"{self.session}/window/new", {"type": "window"})["handle"]

    def load(self, window, url):
        ask(f"{self.session}/window", {"handle": window})
        ask(f"{self.session}/url", {"url": url})
        return ask(f"{self.session}/execute/sync", {"script": SCRIPT, "args": []})

    def end(self):
        try:
            ask(self.session, method="DELETE")
        except (OSError, RuntimeError):
            pass
        self.driver.terminate()
        self.driver.wait(20)


def main(loads, folder, targets):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            windows = {name: browser.window() for name in targets}
            for n in range(loads + 1):
                # The first one of a round has the quietest machine: each name is it in turn.
                names = list(targets)
                turn = n % len(names)
                for name in names[turn:] + names[:turn]:
                    url = targets[name].replace("{n}", str(n))
                    try:
                        ms, status, protocol, good, asked = browser.load(windows[name], url)
                    except RuntimeError as error:
                        print(f"{name}: {error}", file=sys.stderr)
                        ms, status, protocol, good, asked = 0, 0, "-", 0, 60
                    with open(f"{folder}/{'page' if n else 'first'}.{name}", "a") as out:
                        print(f"{ms:.1f} {good if status == 200 else 0} {max(asked, 60)} {protocol}", file=out)
        finally:
            browser.end()


main(int(sys.argv[1]), sys.argv[2], dict(word.split("=", 1) for word in sys.argv[3:]))
