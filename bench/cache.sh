#!/usr/bin/env bash
# What a hit in the response cache costs, beside nginx's proxy_cache and Varnish.
source "$(dirname "$0")/world.sh"
rounds=${ROUNDS:-5} secs=${SECS:-3}
peers=${PEERS:-nginx varnish mainstay}
out=${OUT:-bench/results/cache.md}
export FOLDER=$folder BACKEND HTTP SITE CACHE
BACKEND=$(free_port)
CACHE=$folder/cache
[ ! -w /dev/shm ] || CACHE=$(mktemp -d /dev/shm/bench-cache.XXXXXX)
trap 'rm -rf "$CACHE"; finish' EXIT
mkdir -p "$folder/www/kept"
head -c 1024 /dev/zero | tr '\0' x >"$folder/www/kept/1k"
head -c 65536 /dev/zero | tr '\0' x >"$folder/www/kept/64k"
chmod -R a+rX "$folder"
chmod 777 "$CACHE" 2>/dev/null || true
fill bench/peers/cache/backend.conf "$folder/backend.conf"
begin 1 nginx -c "$folder/backend.conf" -p "$folder"
until_answers "http://127.0.0.1:$BACKEND/"
declare -A http worker
for peer in $peers; do
    HTTP=$(free_port) SITE=$(free_port)
    case $peer in
    varnish)
        fill bench/peers/cache/varnish.vcl "$folder/varnish.vcl"
        # Two threads at least: one that accepts, and those that serve.
        begin 0 varnishd -F -n "$folder/varnish" -a "127.0.0.1:$HTTP" -f "$folder/varnish.vcl" -s malloc,64m \
            -p thread_pools=1 -p thread_pool_min=100 -p thread_pool_max=200
        server_pid=$pid
        find_worker cache-main ;;
    *) start_peer "$peer" bench/peers/cache ;;
    esac
    http[$peer]=$HTTP worker[$peer]=$worker_pid
    until_answers "http://localhost:$HTTP/"
    for size in 1k 64k; do
        curl -fsS -o /dev/null "http://localhost:$HTTP/kept/$size"
        # What is measured is a hit: nothing changes when the file is gone.
        [ "$(curl -fsS "http://localhost:$HTTP/kept/$size" | wc -c)" = "$(stat -c %s "$folder/www/kept/$size")" ]
    done
done
mv "$folder/www/kept" "$folder/www/gone"
for peer in $peers; do
    for size in 1k 64k; do curl -fsS -o /dev/null "http://localhost:${http[$peer]}/kept/$size"; done
done
load_before=$(load)
all=($peers)
for round in $(seq "$rounds"); do
    for size in 1k 64k; do
        for turn in $(seq ${#all[@]}); do
            # The first peer of a round changes, so that no peer always follows the same one.
            peer=${all[$(((turn + round) % ${#all[@]}))]}
            measure "http://localhost:${http[$peer]}/kept/$size" "${worker[$peer]}" >>"$folder/$size.$peer"
        done
    done
done
mkdir -p bench/results
PYTHONPATH=bench python3 -B - "$folder" >"$out" <<P
import sys
from table import print_table
folder = sys.argv[1]
peers = "$peers".split()
print("# A hit in the response cache, on one core\n")
print("$(machine). $(nginx -v 2>&1 | sed 's/.*: //'), $(varnishd -V 2>&1 | sed -n '1s/.*(\(varnish-[0-9.]*\).*/\1/p'), wrk $(wrk -v 2>&1 | awk 'NR==1{print $2}').${BUILD:+ mainstay: $BUILD.}")
print("Each cache pinned to core 0 (Varnish has a thread for each connection, the others one); wrk (1 thread, 64 connections, keepalive) on core 1; HTTP/1.1.")
print("nginx keeps its files on a RAM disk. $rounds rounds of $secs s in turns, the first one changes; medians. Configurations: bench/peers/cache/.")
print("mainstay with limits, ids, metrics and traces on. The origin has lost the files before the first round: every response is a hit.")
print("Other work on the machine meanwhile: load $load_before before, $(load) after (the bench itself is about 2).")
print("In brackets: the ratio to nginx of the medians, and for requests/s its range over the rounds.")
for what, title in (("1k", "1 KiB"), ("64k", "64 KiB")):
    print_table(folder, what, title, peers, "nginx")
P
cat "$out"
