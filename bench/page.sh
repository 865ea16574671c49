#!/usr/bin/env bash
# A page with 60 resources in a real browser over TLS and HTTP/2: how long until it is loaded, beside haproxy and nginx.
source "$(dirname "$0")/world.sh"
loads=${LOADS:-30}
peers=${PEERS:-haproxy nginx mainstay}
out=${OUT:-bench/results/page.md}
export FOLDER=$folder ORIGIN HTTP TLS SITE BUFFERING=off
ORIGIN=$(free_port)
certificate
begin 1 "$lab_origin" "127.0.0.1:$ORIGIN"
until_answers "http://127.0.0.1:$ORIGIN/"
load_before=$(load)
targets=("direct=http://bench.test:$ORIGIN/page/{n}")
for peer in $peers; do
    HTTP=$(free_port) TLS=$(free_port) SITE=$(free_port)
    start_peer "$peer" bench/peers/page
    until_answers "http://localhost:$HTTP/"
    targets+=("$peer=https://bench.test:$TLS/page/{n}")
done
# The browser is killed by its driver, the driver by the script; five minutes at most.
timeout 300 taskset -c 1 python3 bench/browser.py "$loads" "$folder" "${targets[@]}"
mkdir -p "$(dirname "$out")"
python3 - "$folder" >"$out" <<P
import statistics as st, sys
folder, peers = sys.argv[1], ["direct"] + "$peers".split()
def read(what, peer):
    return [line.split() for line in open(f"{folder}/{what}.{peer}")]
def figures(peer):
    rows = read("page", peer)
    times = sorted(float(row[0]) for row in rows if row[1] == row[2])
    broken = sum(int(row[2]) - int(row[1]) for row in rows)
    if not times:
        return None, None, broken, rows
    return st.median(times), times[min(len(times) - 1, int(len(times) * 0.95))], broken, rows
print("# A page of 60 resources in Chromium, TLS and HTTP/2\n")
print("$(machine). $(peer_versions), $(chromium --version 2>/dev/null | cut -d' ' -f1-2).")
print("Resources of 2 to 200 ms and 1 to 100 kB, $loads different pages, every page through each proxy in turn; a warm connection. The proxy with one")
print("thread pinned to core 0; origin and browser on core 1. direct: the browser at the origin, HTTP/1.1 without TLS, six connections.")
print("Times are loadEventEnd - startTime of the Navigation Timing API. broken: resources not answered 200;\nonly loads without any are timed, so a page is never quick because it is not whole. Configurations: bench/peers/page/.")
print("Other work on the machine: load $load_before before, $(load) after.\n")
print("| | median ms | p95 ms | median / haproxy | median / nginx | first load ms | broken |")
print("|---|---|---|---|---|---|---|")
all = {peer: figures(peer) for peer in peers}
def ratio(peer, other):
    mine, theirs = all[peer][0], all.get(other, (None,))[0]
    return f"{mine / theirs:.2f}" if mine and theirs else "-"
show = lambda value: f"{value:.0f}" if value else "-"
for peer in peers:
    median, p95, broken, rows = all[peer]
    print(f"| {peer} | {show(median)} | {show(p95)} | {ratio(peer, 'haproxy')} | {ratio(peer, 'nginx')} | {float(read('first', peer)[0][0]):.0f} | {broken} of {sum(int(row[2]) for row in rows)} |")
protocols = {peer: {row[3] for row in all[peer][3]} for peer in peers}
odd = {peer: sorted(seen) for peer, seen in protocols.items() if peer != "direct" and seen != {"h2"}}
if odd:
    print(f"\nNot all by HTTP/2: {odd}")
P
cat "$out"
