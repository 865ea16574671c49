#!/usr/bin/env bash
# A client far away: 5 MB up and down a line of 100 ms and 100 Mbit/s, by HTTP/2 and HTTP/1.1, and a page of 60 resources in a browser.
source "$(dirname "$0")/world.sh"
rounds=${ROUNDS:-5} loads=${LOADS:-10} size=${SIZE:-5000000} rtt=${RTT:-100} megabits=${MEGABITS:-100}
peers=${PEERS:-haproxy nginx mainstay}
out=${OUT:-bench/results/upload.md}
# nginx passes bodies on as they come, as the others do; BUFFERING=on is its default.
export FOLDER=$folder ORIGIN HTTP TLS SITE BUFFERING=${BUFFERING:-off}
ORIGIN=$(free_port)
certificate
head -c "$size" /dev/urandom >"$folder/up"
begin 1 "$lab_origin" "127.0.0.1:$ORIGIN"
until_answers "http://127.0.0.1:$ORIGIN/"
load_before=$(load)
declare -A far
relay() { # name, port: a line to it
    far[$1]=$(free_port)
    begin 1 "$lab_load" relay "127.0.0.1:${far[$1]}" "127.0.0.1:$2" --rtt-ms "$rtt" --megabits "$megabits"
}
targets=()
relay direct "$ORIGIN"
for peer in $peers; do
    HTTP=$(free_port) TLS=$(free_port) SITE=$(free_port)
    start_peer "$peer" bench/peers/page
    until_answers "http://localhost:$HTTP/"
    relay "$peer" "$TLS"
    targets+=("$peer=https://bench.test:${far[$peer]}/page/{n}")
done
transfer() { # name, what, options of curl, path: appends "seconds status"
    local scheme=https
    [ "$1" != direct ] || scheme=http
    curl -sS -m 60 -o /dev/null -w '%{time_total} %{http_code}\n' --cacert "$folder/bench.crt" --resolve "bench.test:${far[$1]}:127.0.0.1" \
        $3 "$scheme://bench.test:${far[$1]}$4" >>"$folder/$2.$1" 2>>"$folder/log" || echo "failed" >>"$folder/$2.$1"
}
for peer in direct $peers; do until_answers "-k --resolve bench.test:${far[$peer]}:127.0.0.1 $([ "$peer" = direct ] && echo http || echo https)://bench.test:${far[$peer]}/"; done
for _ in $(seq "$rounds"); do
    for peer in direct $peers; do
        transfer "$peer" up1 "--http1.1 -H expect: --data-binary @$folder/up" /upload
        transfer "$peer" down1 --http1.1 "/bytes/$size"
        [ "$peer" != direct ] || continue
        transfer "$peer" up2 "--http2 --data-binary @$folder/up" /upload
        transfer "$peer" down2 --http2 "/bytes/$size"
    done
done
timeout 300 taskset -c 1 python3 bench/browser.py "$loads" "$folder" "${targets[@]}"
mkdir -p "$(dirname "$out")"
python3 - "$folder" >"$out" <<P
import os, statistics as st, sys
folder, peers = sys.argv[1], ["direct"] + "$peers".split()
def seconds(what, peer):
    """Median of what succeeded, and how many did not."""
    path = f"{folder}/{what}.{peer}"
    if not os.path.exists(path):
        return None, 0
    rows = [line.split() for line in open(path)]
    good = [float(row[0]) for row in rows if row[-1] == "200"]
    return (st.median(good) if good else None), len(rows) - len(good)
def pages(peer):
    path = f"{folder}/page.{peer}"
    if not os.path.exists(path):
        return None, 0
    rows = [line.split() for line in open(path)]
    good = [float(row[0]) / 1e3 for row in rows if row[1] == row[2]]
    return (st.median(good) if good else None), sum(int(row[2]) - int(row[1]) for row in rows)
kinds = ["up2", "up1", "down2", "down1", "page"]
found = {(kind, peer): pages(peer) if kind == "page" else seconds(kind, peer) for kind in kinds for peer in peers}
print("# A client far away: uploads, downloads and pages\n")
print("$(machine). $(peer_versions), $(curl --version | awk 'NR == 1 { print $1, $2 }'), $(chromium --version 2>/dev/null | cut -d' ' -f1-2).")
print("A path (testbed-load relay) of $rtt ms for a round trip and $megabits Mbit/s; $size bytes each way, a new connection each time; nginx with proxy_request_buffering $BUFFERING.")
print("The proxy with one thread pinned to core 0, the rest on core 1. direct: the origin at the other end of the line, HTTP/1.1 without TLS.")
print("Median seconds of $rounds transfers in turns, and of $loads loads of the page (bench page); (n): n transfers or resources not answered 200. Configurations: bench/peers/page/.")
print("Other work on the machine: load $load_before before, $(load) after.\n")
print("| | upload h2 | / nginx | / haproxy | upload h1 | download h2 | / nginx | download h1 | page h2 | / nginx | / haproxy |")
print("|---|---|---|---|---|---|---|---|---|---|---|")
def show(kind, peer):
    value, bad = found[kind, peer]
    return (f"{value:.2f}" if value else "-") + (f" ({bad})" if bad else "")
def ratio(kind, peer, other):
    mine, theirs = found[kind, peer][0], found.get((kind, other), (None, 0))[0]
    return f"{mine / theirs:.2f}" if mine and theirs else "-"
for peer in peers:
    cells = [peer, show("up2", peer), ratio("up2", peer, "nginx"), ratio("up2", peer, "haproxy"), show("up1", peer), show("down2", peer),
        ratio("down2", peer, "nginx"), show("down1", peer), show("page", peer), ratio("page", peer, "nginx"), ratio("page", peer, "haproxy")]
    print("| " + " | ".join(cells) + " |")
P
cat "$out"
