#!/usr/bin/env bash
# Large configurations: 10,000 probes every 30 s beside prometheus + blackbox_exporter, and 50,000 every 5 minutes: CPU, memory, lag
# of the schedule, and the time from "everything refuses connections" to the first page.
source "$(dirname "$0")/world.sh"
secs=${SECS:-60}
out=bench/results/size.md
target=$(free_port) blackbox=$(free_port) prometheus=$(free_port) hook=$(free_port)

probe_target
# A webhook that writes down when the first page came.
cat >"$folder/hook.py" <<P
import http.server, json, time
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200); self.end_headers()
        with open("$folder/pages", "a") as pages:
            if body.get("urgency") == "page": pages.write(f"{time.time()} {body['title']}\n")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", $hook), Hook).serve_forever()
P
config() { # file, port, probes, services, interval
    python3 - "$@" <<P
import sys
file, port, probes, services, interval = sys.argv[1], *sys.argv[2:]
with open(file, "w") as config_file:
    config_file.write(f'[site]\nname = "Bench"\ndata = "$folder/data-{probes}"\nlisten = "127.0.0.1:{port}"\nurl = "http://127.0.0.1:{port}"\nallow_private = ["127.0.0.0/8"]\n')
    config_file.write('[person.ana]\ncontacts = ["hook:ana"]\n[channel.hook]\nwebhook = "http://127.0.0.1:$hook/"\n')
    for i in range(int(services)):
        config_file.write(f'[service.s{i}]\ntitle = "Service {i}"\n')
    for i in range(int(probes)):
        config_file.write(f'[probe.p{i}]\nhttp = "http://127.0.0.1:$target/{i}"\ninterval = "{interval}"\ntimeout = "5s"\nservice = "s{i % int(services)}"\n')
P
}
target_begins() { begin 1 nginx -c "$folder/nginx.conf" -p "$folder"; nginx=$pid; until_answers "http://127.0.0.1:$target/"; }
now() { python3 -c 'import time; print(time.time())'; }
begin 1 python3 "$folder/hook.py"

measure() { # probes, services, every, seconds of warming up: sets cpu rss lag page pages
    local port; port=$(free_port)
    target_begins
    config "$folder/$1.toml" "$port" "$1" "$2" "$3"
    : >"$folder/pages"
    begin 0 "$mainstay" run --config "$folder/$1.toml" --log warn; local ours=$pid
    until_answers "http://127.0.0.1:$port/"
    sleep "$4"
    cpu=$(share "$secs" "$ours"); rss=$(rss_mb "$ours")
    lag=$(curl -fsS -H "Authorization: Bearer $(cat "$folder/data-$1/api-token")" "http://127.0.0.1:$port/api/v1/now" | python3 -c '
import json, sys
now = json.load(sys.stdin)
late = now["probe_lag_p99_seconds"] # seconds; null in the first half minute
print("nan" if late is None else late * 1000)')
    local died; died=$(now)
    stop "$nginx"
    for _ in $(seq 1200); do [ -s "$folder/pages" ] && break; sleep 0.1; done
    page=$(awk -v died="$died" 'NR == 1 { printf "%.1f", $1 - died }' "$folder/pages")
    sleep 30
    pages=$(wc -l <"$folder/pages")
    stop "$ours"
}
measure 10000 3000 30s 40
our_cpu=$cpu our_rss=$rss our_lag=$lag our_page=$page our_pages=$pages
measure 50000 3000 5m 330
big_cpu=$cpu big_rss=$rss big_lag=$lag big_page=$page big_pages=$pages

prometheus_peer 30s
python3 -c "
import json
json.dump([{'targets': ['http://127.0.0.1:$target/%d' % i for i in range(10000)]}], open('$folder/targets.json', 'w'))"
target_begins
begin 0 prometheus-blackbox-exporter --config.file="$folder/blackbox.yml" --web.listen-address="127.0.0.1:$blackbox" --log.level=error; bb=$pid
begin 0 prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" --web.listen-address="127.0.0.1:$prometheus" --log.level=error; pm=$pid
until_answers "http://127.0.0.1:$prometheus/-/ready"
sleep 40
their_cpu=$(share "$secs" "$bb" "$pm"); bb_rss=$(rss_mb "$bb"); pm_rss=$(rss_mb "$pm")
interval=$(curl -fsS "http://127.0.0.1:$prometheus/metrics" | awk '/^prometheus_target_interval_length_seconds\{.*quantile="0.99"/ { print $2 }')
answered=$(curl -fsS "http://127.0.0.1:$prometheus/api/v1/query?query=count(probe_success==1)" | python3 -c 'import json,sys; r=json.load(sys.stdin)["data"]["result"]; print(r[0]["value"][1] if r else 0)')
mkdir -p bench/results
python3 - >"$out" <<P
ours, theirs, big = $our_cpu, $their_cpu, $big_cpu
each = lambda share, probes, every: share / 100 * every / probes * 1e6
print("# Large configurations: 10,000 and 50,000 HTTP probes of 3,000 services\n")
print("$(machine). $(prometheus --version 2>&1 | head -1 | cut -d'(' -f1), $(prometheus-blackbox-exporter --version 2>&1 | head -1 | cut -d'(' -f1).")
print("mainstay or its peer is pinned to core 0, the target (nginx) to core 1; $secs s each after warming up. Then the target ends: every probe is refused.\n")
print("| | CPU of one core | CPU a probe | resident MB | lag of the schedule, p99 | first page after all fail | pages in 30 s more |\n|---|---|---|---|---|---|---|")
print(f"| mainstay, 10,000 every 30 s | {ours:.2f} % | {each(ours, 10000, 30):.0f} us | $our_rss | {float('$our_lag'):.1f} ms | $our_page s | $our_pages |")
print(f"| blackbox_exporter + prometheus, 10,000 every 30 s | {theirs:.2f} % | {each(theirs, 10000, 30):.0f} us | $bb_rss + $pm_rss | {(float('${interval:-nan}') - 30) * 1000:.1f} ms | | |")
print(f"| **ratio** | **{ours / max(theirs, 1e-9):.2f}** | | **{$our_rss / ($bb_rss + $pm_rss):.2f}** | | | |")
print(f"| mainstay, 50,000 every 5 min | {big:.2f} % | {each(big, 50000, 300):.0f} us | $big_rss | {float('$big_lag'):.1f} ms | $big_page s | $big_pages |")
print("\nprobes that the peer answered: $answered of 10000")
P
cat "$out"
