#!/usr/bin/env bash
# Requests a second on one core, p99 and CPU a request, beside Debian's haproxy, nginx and caddy, and without a proxy.
source "$(dirname "$0")/world.sh"
rounds=${ROUNDS:-5} secs=${SECS:-3} steady=${STEADY:-10000}
peers=${PEERS:-haproxy nginx caddy mainstay}
out=${OUT:-bench/results/edge.md}
export FOLDER=$folder BACKEND ORIGIN HTTP TLS SITE
BACKEND=$(free_port) ORIGIN=$(free_port)
certificate
mkdir -p "$folder/www"
head -c 16384 /dev/zero | tr '\0' x >"$folder/www/16k"
chmod 755 "$folder" "$folder/www"
fill bench/peers/backend.nginx.conf "$folder/backend.conf"
begin 1 nginx -c "$folder/backend.conf" -p "$folder"
begin 1 "$lab_origin" "127.0.0.1:$ORIGIN"
until_answers "http://127.0.0.1:$BACKEND/"

declare -A http tls worker
for peer in $peers; do
    HTTP=$(free_port) TLS=$(free_port) SITE=$(free_port)
    start_peer "$peer" bench/peers/edge
    http[$peer]=$HTTP tls[$peer]=$TLS worker[$peer]=$worker_pid
    until_answers "http://localhost:$HTTP/"
    # What is measured is what was asked for.
    [ "$(curl -fsS "http://localhost:$HTTP/")" = ok ]
    [ "$(curl -fsS "http://localhost:$HTTP/16k" | wc -c)" = 16384 ]
    [ "$(curl -fsS --cacert "$folder/bench.crt" "https://localhost:$TLS/")" = ok ]
done
http[direct]=$BACKEND worker[direct]=

round_of() { # url: one round of $peer
    measure "$1" "${worker[$peer]}" >>"$folder/$what.$peer"
}
offer() { # peer: p99 at a fixed rate, far under what any can bear, by an open-loop generator
    cat >"$folder/steady.json" <<J
{"target": "127.0.0.1:${http[$1]}", "host": "localhost", "deadline_ms": 1000,
 "groups": [{"name": "visitors", "clients": [{"first": "127.50.0.0", "subnets": 2, "count": 256}], "steps": [{"method": "GET", "path": "/"}]}],
 "phases": [{"name": "warm", "secs": 0.5, "rates": [$steady]}, {"name": "steady", "secs": $secs, "rates": [$steady]}]}
J
    taskset -c 1 "$lab_load" flood "$folder/steady.json" | python3 -c '
import json, sys
group = json.load(sys.stdin)["phases"][1]["groups"][0]
sent = group["visits"] - group["unsent"]
print(group["sent_per_sec"], group["p50_ms"] or 0, group["p99_ms"] or 0, 1 - group["good"] / max(sent, 1))' >>"$folder/steady.$1"
}
load_before=$(load)
all=(direct $peers)
for round in $(seq "$rounds"); do
    for what in small large tls steady; do
        for turn in $(seq ${#all[@]}); do
            # The first peer of a round changes, so that no peer always follows the same one.
            peer=${all[$(((turn + round) % ${#all[@]}))]}
            case $what in
            small) round_of "http://localhost:${http[$peer]}/" ;;
            large) round_of "http://localhost:${http[$peer]}/16k" ;;
            tls) [ "$peer" = direct ] || round_of "https://localhost:${tls[$peer]}/" ;;
            steady) offer "$peer" ;;
            esac
        done
    done
done
mkdir -p bench/results
PYTHONPATH=bench python3 -B - "$folder" >"$out" <<P
import sys
from table import median, print_table, read
folder = sys.argv[1]
peers = "direct $peers".split()
print("# The edge beside other proxies: HTTP/1.1 on one core\n")
print("$(machine). $(peer_versions), wrk $(wrk -v 2>&1 | awk 'NR==1{print $2}').")
print("Each proxy with one thread pinned to core 0; wrk (1 thread, 64 connections, keepalive) and the backend (nginx, from memory) on core 1;")
print("$rounds rounds of $secs s in turns, the first one changes; medians. Configurations: bench/peers/edge/. No access log anywhere.")
print("mainstay with health, limits, recognized clients, ids and metrics on; the others with what their configurations say (health where they have it).")
print("Other work on the machine meanwhile: load $load_before before, $(load) after (the bench itself is about 2).")
print("In brackets: the ratio to HAProxy of the medians, and for requests/s its range over the rounds.")
for what, title in (("small", "Two bytes, keepalive"), ("large", "16 KiB, keepalive"), ("tls", "Two bytes over TLS, keepalive")):
    print_table(folder, what, title, peers, "haproxy")
print("\n## At a fixed rate\n\nThe open-loop generator of testbed, $steady/s from 256 clients, timetable in milliseconds: requests due within one millisecond are sent together.\n")
print("| | sent/s | p50 ms | p99 ms | not served |\n|---|---|---|---|---|")
for peer in peers:
    rows = read(folder, "steady", peer)
    if rows: print(f"| {peer} | {median(rows, 0):.0f} | {median(rows, 1):.2f} | {median(rows, 2):.2f} | {max(row[3] for row in rows):.1%} |")
P
cat "$out"
