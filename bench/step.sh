#!/usr/bin/env bash
# A step of offered load from 0.7 to 1.4 times what the origin can do: how soon goodput is steady, and what the first second is like.
source "$(dirname "$0")/world.sh"
runs=${RUNS:-5} warm=${WARM:-15} later=${LATER:-9}
peers=${PEERS:-haproxy mainstay}
out=${OUT:-bench/results/step.md}
# 1,000 a second: enough for slots of a tenth of a second to say something.
export FOLDER=$folder ORIGIN HTTP SITE CAPACITY=1000 PLACES=50
load_before=$(load)
run() { # peer, number
    local origin_pid
    ORIGIN=$(free_port) HTTP=$(free_port) SITE=$(free_port)
    begin 1 "$lab_origin" "127.0.0.1:$ORIGIN" --places "$PLACES" --each-ms 50; origin_pid=$pid
    until_answers "http://127.0.0.1:$ORIGIN/"
    rm -rf "$folder/data"
    start_peer "$1" bench/peers/overload
    until_answers "-H Host:bench.test http://127.0.0.1:$HTTP/"
    python3 - "$HTTP" "$CAPACITY" "$warm" "$later" "$2" >"$folder/scenario.json" <<'P'
import json, sys
port, capacity, warm, later, seed = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
step = {"method": "POST", "path": "/work", "body": "x"}
group = {"name": "clients", "recognized": False, "steps": [step], "clients": [{"first": "127.30.0.0", "subnets": 8, "count": 2000}]}
phases = [("warm", warm, 0.7), ("to 0.1", 0.1, 1.4), ("to 0.5", 0.4, 1.4), ("to 1.0", 0.5, 1.4), ("later", later, 1.4)]
json.dump({"target": f"127.0.0.1:{port}", "host": "bench.test", "deadline_ms": 1000, "seed": seed, "groups": [group],
    "phases": [{"name": name, "secs": secs, "rates": [capacity * times]} for name, secs, times in phases]}, sys.stdout)
P
    taskset -c 1 "$lab_load" flood "$folder/scenario.json" >"$folder/$1.$2.json"
    [ -z "${RAW:-}" ] || { mkdir -p "$RAW" && cp "$folder/$1.$2.json" "$RAW/"; }
    stop "$server_pid" "$origin_pid"
}
for n in $(seq "$runs"); do for peer in $peers; do run "$peer" "$n"; done; done
mkdir -p "$(dirname "$out")"
python3 - "$folder" >"$out" <<P
import json, statistics as st, sys
folder, capacity = sys.argv[1], $CAPACITY
print("# A step from 0.7 to 1.4 of what the origin can do\n")
print("$(machine). $(peer_versions).")
print("An origin of $PLACES places x 50 ms, $CAPACITY a second; the open-loop generator of testbed, 2,000 clients, deadline 1 s; $warm s at 0.7, then 1.4. Median of $runs runs in turns.")
print("The proxy with one thread pinned to core 0; origin and generator on core 1. HAProxy is configured with the capacity, mainstay measures it. Configurations: bench/peers/overload/.")
print("steady after: from the step to the begin of the first 250 ms (100 ms) whose answers, and those of all such slots that begin within a second after, reach")
print("0.9 of the mean of the last 5 s.")
print("goodput: answered with success within a second, of what the origin can do, by when it was asked; p99 of these. Other work on the machine: load $load_before before, $(load) after.\n")
print("| | steady after ms (250 ms) | (100 ms) | goodput at 0.7 | p99 ms at 0.7 | 0-0.1 s | p99 ms | 0.1-0.5 s | p99 ms | 0.5-1 s | p99 ms | later | p99 ms | unsent |")
print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
def steady(report, window_ms):
    slot = report["slot_ms"] / 1e3
    answers = [sum(column) for column in zip(*[[marks[2] for marks in group] for group in report["course"]])]
    phases = {phase["name"]: phase for phase in report["phases"]}
    begin = phases["to 0.1"]["begun_secs"]
    end = phases["later"]["begun_secs"] + phases["later"]["secs"]
    width = round(window_ms / 1e3 / slot)
    at = lambda first: sum(answers[first : first + width]) / (width * slot)
    last = int(end / slot)
    mean = sum(answers[last - round(5 / slot) : last]) / 5
    first = int(begin / slot)
    for start in range(first, last - round(1 / slot) - width):
        if all(at(n) >= 0.9 * mean for n in range(start, start + round(1 / slot))):
            return max(0.0, (start * slot - begin) * 1e3)
    return None
def median(values):
    known = [value for value in values if value is not None]
    # Never steady in most runs is never.
    return st.median(known) if 2 * len(known) > len(values) else None
show = lambda value, form: "never" if value is None else format(value, form)
for peer in "$peers".split():
    reports = [json.load(open(f"{folder}/{peer}.{n}.json")) for n in range(1, $runs + 1)]
    cells = [peer] + [show(median([steady(report, ms) for report in reports]), ".0f") for ms in (250, 100)]
    unsent = 0
    for name in ("warm", "to 0.1", "to 0.5", "to 1.0", "later"):
        phases = [next(phase for phase in report["phases"] if phase["name"] == name) for report in reports]
        unsent += sum(group["unsent"] for phase in phases for group in phase["groups"])
        cells.append(f"{st.median(sum(group['good'] for group in phase['groups']) / phase['secs'] / capacity for phase in phases):.2f}")
        cells.append(show(median([phase["p99_ms"] for phase in phases]), ".0f"))
    print("| " + " | ".join(cells + [str(unsent)]) + " |")
P
cat "$out"
