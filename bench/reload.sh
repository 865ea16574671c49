#!/usr/bin/env bash
# 100 changes of the configuration under load: failed requests, and lost WebSockets.
source "$(dirname "$0")/world.sh"
wanted=${WANTED:-1000000} reloads=${RELOADS:-100} sockets=${SOCKETS:-500} most=${MOST:-240}
out=${OUT:-bench/results/reload.md}
export FOLDER=$folder BACKEND ORIGIN HTTP TLS SITE QUOTA POOL DENY
BACKEND=$(free_port) ORIGIN=$(free_port) HTTP=$(free_port) TLS=$(free_port) SITE=$(free_port)
certificate
cp "$folder/bench.crt" "$folder/ca.crt"
mkdir -p "$folder/www"
chmod 755 "$folder" "$folder/www"
fill bench/peers/backend.nginx.conf "$folder/backend.conf"
begin 1 nginx -c "$folder/backend.conf" -p "$folder"
begin 1 "$lab_origin" "127.0.0.1:$ORIGIN"
QUOTA=900000 POOL=even DENY=
start_peer mainstay bench/peers/reload
until_answers "http://localhost:$HTTP/"
load_before=$(load)

"$lab_load" hold websocket "$sockets" "127.0.0.1:$HTTP" --host ws.test --path /ws --secs "$most" >"$folder/sockets" 2>&1 & holder=$!
pids+=("$holder")
for _ in $(seq 300); do grep -q open "$folder/sockets" && break; sleep 0.1; done
grep -q open "$folder/sockets" || { cat "$folder/sockets" >&2; exit 1; }

# Three kinds of clients concurrently: keepalive, one connection per request, and TLS.
drive() { # name, threads of wrk..., until $folder/enough
    local name=$1
    shift
    while [ ! -e "$folder/enough" ]; do taskset -c 1 wrk -t1 -d4s "$@" >>"$folder/wrk.$name" 2>&1; done
}
drive kept -c16 "http://localhost:$HTTP/" & drivers=($!)
drive fresh -c2 -H 'Connection: close' "http://localhost:$HTTP/" & drivers+=($!)
drive tls -c8 "https://localhost:$TLS/" & drivers+=($!)
pids+=("${drivers[@]}")

flag() { curl -sS -m 5 -o /dev/null -w '%{http_code}' -H 'Host: flag.test' "http://127.0.0.1:$HTTP/"; }
answered() { cat "$folder"/wrk.* 2>/dev/null | awk '/requests in/ { n += $1 } END { print n + 0 }'; }
done_reloads=0 slowest=0 started=$(date +%s)
until [ "$done_reloads" -ge "$reloads" ] && [ "$(answered)" -ge "$wanted" ]; do
    [ $(($(date +%s) - started)) -lt "$most" ] || break
    if [ "$done_reloads" -lt "$reloads" ]; then
        QUOTA=$((900001 + done_reloads))
        if [ $((done_reloads % 2)) = 0 ]; then POOL=odd DENY='"127.0.0.0/8"' expected=403; else POOL=even DENY='' expected=200; fi
        # Every tenth time the certificate changes too.
        [ $((done_reloads % 10)) != 9 ] || certificate
        fill bench/peers/reload/mainstay.toml "$folder/mainstay.new"
        mv "$folder/mainstay.new" "$folder/mainstay.toml"
        begun=$(date +%s%N)
        kill -HUP "$server_pid"
        # It counts only when it is in force.
        for _ in $(seq 100); do [ "$(flag)" = "$expected" ] && break; sleep 0.05; done
        [ "$(flag)" = "$expected" ] || { echo "reload $done_reloads never came into force" >&2; tail -5 "$folder/log" >&2; exit 1; }
        took=$((($(date +%s%N) - begun) / 1000000))
        [ "$took" -le "$slowest" ] || slowest=$took
        done_reloads=$((done_reloads + 1))
    fi
    sleep 0.2
done
touch "$folder/enough"
for pid in "${drivers[@]}"; do wait "$pid" || true; done
kill -0 "$holder" 2>/dev/null && held="still open" || held="gone"
mkdir -p bench/results
failed=0
python3 - "$folder" >"$out" <<P || failed=1
import re, sys
folder = sys.argv[1]
print("# $done_reloads reloads under load\n")
print("$(machine). wrk $(wrk -v 2>&1 | awk 'NR==1{print $2}'), mainstay with one thread on core 0, everything else on core 1.")
print("Each reload changes a limit, moves the service from one pool to another of other weights, every tenth the certificate, and counts when it is in force")
print("(slowest: $slowest ms, the request of curl included). Other work on the machine meanwhile: load $load_before before, $(load) after.\n")
print("| clients | requests | not 2xx | socket errors |\n|---|---|---|---|")
total = bad = 0
for name, words in (("kept", "16 connections kept"), ("fresh", "2 at a time, one connection a request"), ("tls", "8 connections kept, TLS")):
    text = open(f"{folder}/wrk.{name}").read()
    n = sum(int(found) for found in re.findall(r"(\d+) requests in", text))
    other = sum(int(found) for found in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    errors = sum(int(found) for line in re.findall(r"Socket errors: (.*)", text) for found in re.findall(r"\d+", line))
    print(f"| {words} | {n} | {other} | {errors} |")
    total, bad = total + n, bad + other + errors
print(f"| **together** | **{total}** | **{bad} failed** | |")
fate = open(f"{folder}/sockets").read().strip().splitlines()[-1]
print(f"\n$sockets WebSockets with an echo each second throughout: $held{'' if '$held' == 'still open' else ', ' + fate}.")
sys.exit(bad > 0 or total < $wanted or "$held" != "still open" or $done_reloads < $reloads)
P
cat "$out"
exit "$failed"
