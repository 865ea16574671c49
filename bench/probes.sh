#!/usr/bin/env bash
# 1,000 HTTP probes every 10 s on one core, beside prometheus + blackbox_exporter asking the same targets.
source "$(dirname "$0")/world.sh"
count=${COUNT:-1000} secs=${SECS:-90}
out=bench/results/probes.md
port=$(free_port) target=$(free_port) blackbox=$(free_port) prometheus=$(free_port)

probe_target
cat >"$folder/mainstay.toml" <<P
[site]
name = "Bench"
data = "$folder/data"
listen = "127.0.0.1:$port"
url = "http://127.0.0.1:$port"
allow_private = ["127.0.0.0/8"]
[service.all]
title = "All"
P
prometheus_peer 10s
python3 - <<P
import json
n = $count
with open("$folder/mainstay.toml", "a") as config:
    for i in range(n):
        config.write(f'[probe.p{i}]\nhttp = "http://127.0.0.1:$target/{i}"\ninterval = "10s"\ntimeout = "5s"\nservice = "all"\n')
json.dump([{"targets": [f"http://127.0.0.1:$target/{i}" for i in range(n)]}], open("$folder/targets.json", "w"))
P
begin 1 nginx -c "$folder/nginx.conf" -p "$folder"
until_answers "http://127.0.0.1:$target/"

begin 0 "$mainstay" run --config "$folder/mainstay.toml" --log warn; ours=$pid
until_answers "http://127.0.0.1:$port/"
sleep 20
our_cpu=$(share "$secs" "$ours"); our_rss=$(rss_mb "$ours")
lag=$(curl -fsS -H "Authorization: Bearer $(cat "$folder/data/api-token")" "http://127.0.0.1:$port/api/v1/now" |
    python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)["probe_lag_p99_seconds"]))')
kill "$ours"; wait "$ours" 2>/dev/null || true

begin 0 prometheus-blackbox-exporter --config.file="$folder/blackbox.yml" --web.listen-address="127.0.0.1:$blackbox" --log.level=error; bb=$pid
begin 0 prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" --web.listen-address="127.0.0.1:$prometheus" --log.level=error; pm=$pid
until_answers "http://127.0.0.1:$prometheus/-/ready"
sleep 20
their_cpu=$(share "$secs" "$bb" "$pm"); bb_rss=$(rss_mb "$bb"); pm_rss=$(rss_mb "$pm")
interval=$(curl -fsS "http://127.0.0.1:$prometheus/metrics" | awk '/^prometheus_target_interval_length_seconds\{.*quantile="0.99"/ { print $2 }')
answered=$(curl -fsS "http://127.0.0.1:$prometheus/api/v1/query?query=count(probe_success==1)" | python3 -c 'import json,sys; r=json.load(sys.stdin)["data"]["result"]; print(r[0]["value"][1] if r else 0)')
mkdir -p bench/results
python3 - >"$out" <<P
import json
lag_ms = json.loads('$lag') * 1000 # seconds
ours, theirs = $our_cpu, $their_cpu
print("# $count HTTP probes every 10 s on one core\n")
print("$(machine). $(prometheus --version 2>&1 | head -1 | cut -d'(' -f1), $(prometheus-blackbox-exporter --version 2>&1 | head -1 | cut -d'(' -f1).")
print("What is measured is pinned to core 0, the target (nginx) to core 1; $secs s each after 20 s of warming up.\n")
print("| | CPU of one core | resident MB | lag of the schedule, p99 |\n|---|---|---|---|")
print(f"| mainstay | {ours:.2f} % | $our_rss | {lag_ms:.1f} ms |")
print(f"| blackbox_exporter + prometheus | {theirs:.2f} % | $bb_rss + $pm_rss | {(float('${interval:-nan}') - 10) * 1000:.1f} ms |")
print(f"| **ratio** | **{ours / max(theirs, 1e-9):.2f}** | **{$our_rss / ($bb_rss + $pm_rss):.2f}** | |")
print("\nprobes that the peer answered: $answered of $count")
P
cat "$out"
