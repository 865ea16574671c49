#!/usr/bin/env bash
# Thousands of WebSockets that reconnect: a pool of 20 servers goes away, 2 come back, half a minute later the others.
source "$(dirname "$0")/world.sh"
clients=${CLIENTS:-9000} each=${EACH:-100} limit=${LIMIT:-600} most=${MOST:-300}
out=${OUT:-bench/results/reconnect.md}
export FOLDER=$folder HTTP SITE LIMIT=$limit SERVERS HAPROXY_SERVERS
HTTP=$(free_port) SITE=$(free_port)
ports=()
for _ in $(seq 20); do ports+=("$(free_port)"); done
SERVERS=$(printf '"127.0.0.1:%s", ' "${ports[@]}")
HAPROXY_SERVERS=$(for port in "${ports[@]}"; do echo "  server s$port 127.0.0.1:$port check inter 1s fall 1 rise 1"; done)
ulimit -n "$(ulimit -Hn)"
for peer in ${PEERS:-mainstay haproxy}; do
    mkfifo "$folder/go.$peer"
    taskset -c 1 python3 bench/reconnect.py "$HTTP" "$clients" "$each" "$most" "${ports[@]}" <"$folder/go.$peer" >"$folder/result.$peer" 2>"$folder/errors.$peer" & driver=$!
    pids+=("$driver")
    exec 9>"$folder/go.$peer"
    for _ in $(seq 100); do grep -q up "$folder/result.$peer" && break; sleep 0.1; done
    start_peer "$peer" bench/peers/reconnect
    until_answers "http://localhost:$HTTP/"
    echo go >&9
    exec 9>&-
    wait "$driver" || { cat "$folder/errors.$peer" >&2; exit 1; }
    stop "$server_pid"
done
mkdir -p "$(dirname "$out")"
python3 - "$folder" "$limit" ${PEERS:-mainstay haproxy} >"$out" <<P
import json, sys
folder, limit, *peers = sys.argv[1:]
print("# $clients WebSockets reconnect\n")
print("$(machine). $(haproxy -v | awk 'NR == 1 { print "HAProxy " $3 }'); proxy with one thread on core 0, everything else on core 1.")
print("20 servers that open $each WebSockets a second each, one after the other. All go away; after 5 s two come back, 30 s later the others.")
print("Clients wait 10 s for an answer and retry as phoenix.js does (10 ms first, no jitter). Limit of a server: $limit (mainstay only). Load of the machine: $(load).\n")
print("| proxy | all back after, s | open after 30 s with two servers | highest of one server | opens that servers did | attempts of clients |\n|---|---|---|---|---|---|")
failed = False
for peer in peers:
    got = json.loads(open(f"{folder}/result.{peer}").read().splitlines()[-1])
    back = "never" if got["back"] is None else f"{got['back']:.0f}"
    print(f"| {peer} | {back} | {got['with_two']} | {got['highest']} | {got['opens']} | {got['attempts']} |")
    if peer == "mainstay":
        failed = got["back"] is None or got["highest"] > int(limit)
sys.exit(failed)
P
cat "$out"
