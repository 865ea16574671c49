#!/usr/bin/env bash
# Load tests beside h2load on the same servers: rate achieved and percentiles of latency at given rates, in turns.
# nginx answers at once; the origin takes 20 ms, 40 at a time, so that its capacity is 2,000/s.
source "$(dirname "$0")/world.sh"
rounds=${ROUNDS:-5} secs=${SECS:-8} rates=${RATES:-"200 1000"}
out=${OUT:-bench/results/load.md}
target=$(free_port) origin_port=$(free_port) port=$(free_port)
probe_target
begin 0 nginx -c "$folder/nginx.conf" -p "$folder"
begin 0 "$lab_origin" "127.0.0.1:$origin_port" --places 40 --each-ms 20
until_answers "http://127.0.0.1:$target/"
until_answers "http://127.0.0.1:$origin_port/"
cat >"$folder/mainstay.toml" <<P
[site]
name = "Bench"
data = "$folder/data"
listen = "127.0.0.1:$port"
[load.nginx]
target = "http://127.0.0.1:$target/"
allow = { rate = "20000/s" }
[load.origin]
target = "http://127.0.0.1:$origin_port/work"
allow = { rate = "4000/s" }
max_latency = "500ms"
P
url_of() { if [ "$1" = nginx ]; then echo "http://127.0.0.1:$target/"; else echo "http://127.0.0.1:$origin_port/work"; fi; }
# Rate achieved, p50, p90, p99, in requests per second and microseconds.
ours() { # target, rate
    taskset -c 1 "$mainstay" load "$1" --rate "$2" --for "${secs}s" --json --config "$folder/mainstay.toml" |
        python3 -c 'import json,sys; s=json.load(sys.stdin)["test"]["steps"][0]; print(s["achieved_milli"]/1000, s["p50_us"], s["p90_us"], s["p99_us"])' >>"$folder/ours.$1.$2"
}
theirs() {
    rm -f "$folder/log.h2load"
    taskset -c 1 h2load --h1 -t1 -c50 --rps "$(($2 / 50))" -D "$secs" --log-file="$folder/log.h2load" "$(url_of "$1")" >"$folder/out.h2load"
    python3 - "$folder/log.h2load" <<'P' >>"$folder/theirs.$1.$2"
import sys
rows = [line.split() for line in open(sys.argv[1])]
# Without the first second: h2load opens all of its connections then.
first = min(int(row[0]) for row in rows) + 1_000_000
rows = [(int(row[0]), int(row[2])) for row in rows if int(row[0]) >= first]
times = sorted(took for _, took in rows)
part = lambda share: times[min(len(times) - 1, int(len(times) * share))]
span = (max(at for at, _ in rows) - first) / 1e6
print(len(rows) / span, part(0.5), part(0.9), part(0.99))
P
}
load_before=$(cut -d' ' -f1 /proc/loadavg)
for round in $(seq "$rounds"); do
    for server in nginx origin; do
        for rate in $rates; do
            if [ $((round % 2)) = 1 ]; then ours $server $rate; theirs $server $rate; else theirs $server $rate; ours $server $rate; fi
        done
    done
done
# The knee of the origin, whose capacity is known.
taskset -c 1 "$mainstay" load origin --config "$folder/mainstay.toml" >"$folder/knee"
mkdir -p bench/results
python3 - "$folder" >"$out" <<P
import statistics as st, sys
def read(name): return [tuple(map(float, line.split())) for line in open(sys.argv[1] + "/" + name)]
print("# Load tests beside h2load\n")
print("$(machine). $(nginx -v 2>&1 | sed 's/.*: //'), $(h2load --version). ${BUILD_NOTE:-}")
print("Servers pinned to core 0, the senders to core 1; $rounds rounds of $secs s in turns; medians of the rounds.")
print("nginx answers at once; the origin takes 20 ms. h2load has 50 connections and counts from when a request was sent; mainstay opens those that it")
print("needs and counts from when a request was due.")
print("Other work on the machine meanwhile: load $load_before before, $(cut -d' ' -f1 /proc/loadavg) after.\n")
print("| server | asked/s | sender | achieved/s | p50 ms | p90 ms | p99 ms | p99 by round, ms |\n|---|---|---|---|---|---|---|---|")
for server in ("nginx", "origin"):
    for rate in "$rates".split():
        for sender, name in (("mainstay", "ours"), ("h2load", "theirs")):
            rows = read(f"{name}.{server}.{rate}")
            median = lambda column: st.median(row[column] for row in rows)
            p99 = sorted(row[3] / 1000 for row in rows)
            print(f"| {server} | {rate} | {sender} | {median(0):.1f} | {median(1) / 1000:.2f} | {median(2) / 1000:.2f} | {median(3) / 1000:.2f} | {p99[0]:.2f} to {p99[-1]:.2f} |")
print("\nThe knee of the origin, whose capacity is 2,000/s:\n\n\`\`\`text")
print(open(sys.argv[1] + "/knee").read().strip() + "\n\`\`\`")
P
cat "$out"
