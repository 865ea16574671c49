#!/usr/bin/env bash
# HTTP/2 and gRPC beside the same peers; TLS sessions resumed; what an idle WebSocket and an idle connection cost.
source "$(dirname "$0")/world.sh"
rounds=${ROUNDS:-3} secs=${SECS:-3} sockets=${SOCKETS:-9500} idle=${IDLE:-5000} reconnects=${RECONNECTS:-2000}
peers=${PEERS:-haproxy nginx caddy mainstay}
out=${OUT:-bench/results/edge-h2.md}
ulimit -n "$(ulimit -Hn)"
export FOLDER=$folder BACKEND ORIGIN HTTP TLS SITE
BACKEND=$(free_port) ORIGIN=$(free_port)
certificate
mkdir -p "$folder/www"
chmod 755 "$folder" "$folder/www"
fill bench/peers/backend.nginx.conf "$folder/backend.conf"
begin 1 nginx -c "$folder/backend.conf" -p "$folder"
begin 1 "$lab_origin" "127.0.0.1:$ORIGIN"
until_answers "http://127.0.0.1:$BACKEND/"
head -c 5 /dev/zero >"$folder/message" # an empty gRPC message in its frame
load_before=$(load)
# What a peer cannot do is a "-" in the table and a sentence under it; the others go on.
cannot() { # peer, what, why
    echo "$1, $2: $3" | tee -a "$folder/cannot" >&2
    rm -f "$folder/$2.$1"
    touch "$folder/cannot.$2.$1"
}
can() { [ ! -e "$folder/cannot.$2.$1" ]; }
why() { tail -n 1 "$1" | cut -c1-160; }

# h2load and curl resolve bench.test and grpc.test only by these options.
ask() { curl -fsS --cacert "$folder/bench.crt" --resolve "*:$TLS:127.0.0.1" "$@"; }
declare -A tls worker
servers=()
for peer in $peers; do
    HTTP=$(free_port) TLS=$(free_port) SITE=$(free_port)
    rm -rf "$folder/data"
    start_peer "$peer" bench/peers/edge
    tls[$peer]=$TLS worker[$peer]=$worker_pid
    servers+=("$server_pid")
    until_answers "http://localhost:$HTTP/"
    answer=$(ask --http2 -o /dev/null -w '%{http_version} %{http_code}' "https://bench.test:$TLS/") || true
    [ "$answer" = "2 200" ] || cannot "$peer" h2 "answered \"$answer\", not \"2 200\""
    ask --http2 -D - -o /dev/null --data-binary "@$folder/message" -H 'content-type: application/grpc' -H 'te: trailers' \
        "https://grpc.test:$TLS/bench.Echo/Unary" | tr -d '\r' | grep -qi '^grpc-status: 0$' ||
        cannot "$peer" grpc "no trailer grpc-status: 0"
done
measure() { # peer, name, h2load's further arguments...: appends "requests/s mean-ms µs-of-CPU-a-request failed-of-1"
    local peer=$1 name=$2 before after
    shift 2
    can "$peer" "$name" || return 0
    before=$(cpu_ticks "${worker[$peer]}")
    taskset -c 1 h2load -t1 -c16 -m8 -D"$secs" --connect-to="127.0.0.1:${tls[$peer]}" "$@" >"$folder/h2load" 2>&1 || true
    after=$(cpu_ticks "${worker[$peer]}")
    awk -v busy=$((after - before)) -v hz="$(getconf CLK_TCK)" '
        function ms(text) { if (text ~ /us$/) return text / 1000; if (text ~ /ms$/) return text + 0; return text * 1000 }
        /^finished in/ { rate = $4 }
        /^requests:/ { n = $2 }
        /^status codes:/ { ok = $3 }
        /^time for request:/ { mean = ms($6) }
        END { if (!n) exit 1; printf "%.0f %.3f %.2f %.6f\n", rate, mean, busy / hz * 1e6 / n, (n - ok) / n }' "$folder/h2load" >>"$folder/$name.$peer" ||
        cannot "$peer" "$name" "$(why "$folder/h2load")"
}
all=($peers)
for round in $(seq "$rounds"); do
    for what in h2 grpc; do
        for turn in $(seq ${#all[@]}); do
            peer=${all[$(((turn + round) % ${#all[@]}))]}
            case $what in
            h2) measure "$peer" h2 "https://bench.test:${tls[$peer]}/" ;;
            grpc) measure "$peer" grpc -d "$folder/message" -H 'content-type: application/grpc' -H 'te: trailers' "https://grpc.test:${tls[$peer]}/bench.Echo/Unary" ;;
            esac
        done
    done
done
for peer in $peers; do
    taskset -c 1 "$lab_load" resume "127.0.0.1:${tls[$peer]}" bench.test "$folder/bench.crt" --count "$reconnects" >"$folder/resume.$peer" 2>"$folder/resume" ||
        cannot "$peer" resume "$(why "$folder/resume")"
done

rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
hold() { # peer, websocket|idle, count, host, path: appends KB a connection, of a process that did nothing else before
    local before after holder
    HTTP=$(free_port) TLS=$(free_port) SITE=$(free_port)
    rm -rf "$folder/data"
    start_peer "$1" bench/peers/edge
    until_answers "http://localhost:$HTTP/"
    # A few first, so that what is allocated once is not counted.
    if "$lab_load" hold "$2" 50 "127.0.0.1:$HTTP" --host "$4" --path "$5" --secs 0 >"$folder/hold" 2>&1; then
        before=$(rss_kb "$worker_pid")
        taskset -c 1 "$lab_load" hold "$2" "$3" "127.0.0.1:$HTTP" --host "$4" --path "$5" --secs 8 >"$folder/hold" 2>&1 &
        holder=$!
        for _ in $(seq 600); do grep -q . "$folder/hold" && break; sleep 0.1; done
        sleep 3 # idle ones may be put aside after a while
        after=$(rss_kb "$worker_pid")
        wait "$holder" && tail -n 1 "$folder/hold" | python3 -c "
import json, sys
fate = json.load(sys.stdin)
print(($after - $before) / $3, fate['alive'], fate['lost'])" >>"$folder/$2.$1" || cannot "$1" "$2" "$(why "$folder/hold")"
    else
        cannot "$1" "$2" "$(why "$folder/hold")"
    fi
    stop "$server_pid"
}
# Those of the first part have nothing more to do, and their memory and ports are wanted.
stop "${servers[@]}"
for peer in $peers; do
    if [ "$peer" = mainstay ]; then host=ws.test; else host=localhost; fi
    hold "$peer" websocket "$sockets" "$host" /ws
    hold "$peer" idle "$idle" localhost /
done
mkdir -p bench/results
python3 - "$folder" >"$out" <<P
import json, os, statistics as st, sys
folder, peers = sys.argv[1], "$peers".split()
def read(what, peer):
    try:
        return [tuple(map(float, line.split())) for line in open(f"{folder}/{what}.{peer}")]
    except FileNotFoundError:
        return []
median = lambda rows, column: st.median(row[column] for row in rows)
print("# The edge beside other proxies: HTTP/2, gRPC, resumption, memory\n")
print("$(machine). $(peer_versions), $(h2load --version).")
print("Each proxy with one thread pinned to core 0; h2load (16 connections x 8 streams, TLS) and the backend on core 1; $rounds rounds of $secs s in turns; medians.")
print("h2 to a backend of HTTP/1.1 (nginx), gRPC to one of h2c (testbed-origin), unary, with trailers. Configurations: bench/peers/edge/.")
print("Other work on the machine meanwhile: load $load_before before, $(load) after. In brackets: the ratio to HAProxy.")
for what, words in (("h2", "HTTP/2, two bytes"), ("grpc", "gRPC, unary")):
    print(f"\n## {words}\n\n| | requests/s | mean ms | CPU µs a request |\n|---|---|---|---|")
    for peer in peers:
        rows = read(what, peer)
        if not rows:
            print(f"| {peer} | - | - | - |")
            continue
        base = read(what, "haproxy") if "haproxy" in peers else []
        base = base or rows
        cell = lambda column, digits: f"{median(rows, column):.{digits}f} ({median(rows, column) / median(base, column):.2f})"
        failed = max(row[3] for row in rows)
        name = peer if failed < 1e-4 else f"{peer} (**up to {failed:.1%} of a round not answered with success: not comparable**)"
        print(f"| {name} | {cell(0, 0)} | {cell(1, 2)} | {cell(2, 1)} |")
print("\n## TLS sessions\n\nA client of rustls connects again $reconnects times with what it was given.\n\n| | resumed |\n|---|---|")
for peer in peers:
    try:
        seen = json.load(open(f"{folder}/resume.{peer}"))
    except FileNotFoundError:
        print(f"| {peer} | - |")
        continue
    print(f"| {peer} | {seen['resumed'] / max(seen['resumed'] + seen['full'], 1):.1%} |")
print("\n## Memory\n\nGrowth of the resident set of a fresh process per open connection, each from its own client; connections closed before the end count as lost.\n")
print("| | KB a WebSocket ($sockets) | KB an idle connection ($idle) |\n|---|---|---|")
for peer in peers:
    cells = []
    for what, count in (("websocket", $sockets), ("idle", $idle)):
        rows = read(what, peer)
        cells.append("".join(f"{kb:.1f}" + (f" ({lost:.0f} lost)" if lost else "") for kb, alive, lost in rows) or "-")
    print(f"| {peer} | {' | '.join(cells)} |")
if os.path.exists(f"{folder}/cannot"):
    print("\nNot measured (-):\n")
    for line in open(f"{folder}/cannot"):
        print("*", line.strip())
P
cat "$out"
