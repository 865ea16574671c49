#!/usr/bin/env bash
# An origin of a fixed pace under 1 to 8000 times what it can do: who is served, how fast, at what price for a refusal.
source "$(dirname "$0")/world.sh"
peers=${PEERS:-nginx haproxy mainstay}
times=${TIMES:-1 2 10 100 8000}
quick=${QUICK:-1} # 0.5 halves every phase: to try the script
out=${OUT:-bench/results/overload.md}
export FOLDER=$folder ORIGIN HTTP SITE CAPACITY PLACES BUSY RATE
load_before=$(load)

run() { # peer, times: one flood against fresh processes; the generator's report goes to $folder/PEER.TIMES.json
    local each origin_pid
    # 8000 times 200 a second is more than a core can send: a slower origin then, and a usual traffic of 4 a second.
    if [ "$2" -ge 1000 ]; then PLACES=2 each=100; else PLACES=10 each=50; fi
    CAPACITY=$((PLACES * 1000 / each)) BUSY=$((PLACES * 3)) RATE=$((PLACES * 54000 / each))
    ORIGIN=$(free_port) HTTP=$(free_port) SITE=$(free_port)
    begin 1 "$lab_origin" "127.0.0.1:$ORIGIN" --places "$PLACES" --each-ms "$each"; origin_pid=$pid
    until_answers "http://127.0.0.1:$ORIGIN/"
    rm -rf "$folder/data"
    start_peer "$1" bench/peers/overload
    until_answers "-H Host:bench.test http://127.0.0.1:$HTTP/"
    python3 - "$HTTP" "$CAPACITY" "$2" "$quick" >"$folder/scenario.json" <<'P'
import json, sys
port, capacity, times, quick = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
slow = capacity < 50
usual = 4 if slow else capacity
known = 20 if slow else 100
sign_in = [{"method": "POST", "path": "/login", "body": "user=ana&password=x"}]
group = lambda name, recognized, *clients: {"name": name, "recognized": recognized, "steps": sign_in,
    "clients": [{"first": first, "subnets": subnets, "count": count} for first, subnets, count in clients]}
half, quarter = usual / 2, usual / 4
json.dump({
    "target": f"127.0.0.1:{port}", "host": "bench.test", "deadline_ms": 1000, "seed": 1, "back_in": "after",
    "groups": [
        group("recognized", True, ("127.20.0.0", known, known)),
        group("first", False, ("127.30.0.0", 200, 400)),
        # 92 % of the flood from three networks.
        group("flood", False, ("127.66.0.0", 3, 3680), ("127.70.0.0", 200, 320)),
    ],
    "phases": [
        {"name": "known sign in", "secs": known / half * 1.1, "rates": [half, 0, 0]},
        {"name": "unloaded", "secs": (10 if slow else 4) * quick, "rates": [quarter, quarter, 0]},
        # The clients of the flood connect: the backlog of a listener is 4,096, and handshakes are not measured here.
        {"name": "rising", "secs": 1.5, "rates": [half, quarter, min(usual * times, 3000)]},
        {"name": "surge", "secs": (20 if slow else 8) * quick, "rates": [half, quarter, max(usual * times - half - quarter, 0)]},
        {"name": "after", "secs": 8 * quick, "rates": [quarter, quarter, 0]},
    ]}, sys.stdout)
P
    taskset -c 1 "$lab_load" flood "$folder/scenario.json" --watch "$worker_pid" >"$folder/$1.$2.json"
    [ -z "${RAW:-}" ] || { mkdir -p "$RAW" && cp "$folder/$1.$2.json" "$RAW/"; } # everything that the generator saw
    stop "$server_pid" "$origin_pid"
}
for n in $times; do for peer in $peers; do run "$peer" "$n"; done; done
mkdir -p bench/results
python3 - "$folder" >"$out" <<P
import json, sys
print("# Overload: an origin of 10 places x 50 ms, and the proxy in front of it\n")
print("$(machine). $(peer_versions).")
print("The proxy with one thread pinned to core 0; origin (it sleeps) and the open-loop generator of testbed on core 1. Configurations: bench/peers/overload/.")
print("nginx and HAProxy are configured with the origin's capacity; mainstay measures it. Every client disconnects after a second; POST /login.")
print("Times are those of the usual traffic, of which recognized clients are half and first-time clients a quarter; the flood is the rest: 4,000 clients, 92 % from 3 subnets,")
print("each below the limit per client; they come within 1.5 s before the surge is measured. Up to 100 times the usual traffic is the origin's capacity, 200/s; at 8000 times it is 4/s before an origin of 2 places x 100 ms, 20/s. Other work on the machine: load $load_before before, $(load) after.\n")
print("goodput: successful responses within one second, as a share of the origin's capacity (or of the requests, if fewer). recognized, first: share of their requests.")
print("p99: of admitted requests during the surge, and its factor over that before it. normal: time after the surge until 90 % are served for one second.")
print("CPU: of the proxy during the surge, per refusal (all its work included).\n")
print("| times | | sent/s (of) | unsent | goodput | recognized | first | p99 ms | x unloaded | normal after s | refused 429 / 503 (Retry-After) | CPU µs |")
print("|---|---|---|---|---|---|---|---|---|---|---|---|")
for times in "$times".split():
    for peer in "$peers".split():
        report = json.load(open(f"{sys.argv[1]}/{peer}.{times}.json"))
        phases = {phase["name"]: phase for phase in report["phases"]}
        surge, unloaded = phases["surge"], phases["unloaded"]
        capacity = 20 if int(times) >= 1000 else 200
        groups = {group["name"]: group for group in surge["groups"]}
        total = lambda key: sum(group[key] for group in groups.values())
        due = min(capacity * surge["secs"], total("visits"))
        share = lambda name: groups[name]["good"] / max(groups[name]["visits"], 1)
        answers = lambda status: [group["answers"].get(status, {"count": 0, "with_retry_after": 0}) for group in groups.values()]
        count = lambda status, key="count": sum(answer[key] for answer in answers(status))
        refused = count("429") + count("503")
        after = count("429", "with_retry_after") + count("503", "with_retry_after")
        p99, base = surge["p99_ms"], unloaded["p99_ms"]
        back = report["back_to_90_secs"]
        cells = [times, peer, f"{sum(g['sent_per_sec'] for g in groups.values()):.0f} ({sum(g['wanted_per_sec'] for g in groups.values()):.0f})",
            total("unsent"), f"**{total('good') / due:.2f}**", f"{share('recognized'):.2f}", f"{share('first'):.2f}",
            f"{p99:.0f}" if p99 else "-", f"{p99 / base:.1f}" if p99 and base else "-",
            "never" if back is None else f"{back:.1f}",
            f"{count('429')} / {count('503')} ({after / refused:.0%})" if refused else "none",
            f"{report['cpu_secs']['surge'] / refused * 1e6:.1f}" if refused > 1000 else "-"]
        print("| " + " | ".join(map(str, cells)) + " |")
P
cat "$out"
