#!/usr/bin/env bash
# Status page from memory beside Debian's nginx serving the same bytes as a file: same run, same generator, in turns.
source "$(dirname "$0")/world.sh"
rounds=${ROUNDS:-8} secs=${SECS:-5}
out=bench/results/status_page.md
port=$(free_port) nginx_port=$(free_port)

cat >"$folder/mainstay.toml" <<P
[site]
name = "Bench"
data = "$folder/data"
listen = "127.0.0.1:$port"
url = "http://127.0.0.1:$port"
allow_private = ["127.0.0.0/8"]
P
for n in 1 2 3 4 5 6 7 8 9; do
    cat >>"$folder/mainstay.toml" <<P
[service.s$n]
title = "Service $n"
group = "Group $(((n + 2) / 3))"
[probe.p$n]
http = "http://127.0.0.1:$nginx_port/"
interval = "30s"
service = "s$n"
P
done

mkdir -p "$folder/www"
cat >"$folder/nginx.conf" <<N
worker_processes 1; pid $folder/nginx.pid; error_log $folder/nginx.err; daemon off;
events { worker_connections 4096; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  open_file_cache max=100; open_file_cache_valid 60s;
  client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f; uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
  include $folder/server.conf; }
N
# Reloaded when the headers of the status page are known.
echo "server { listen 127.0.0.1:$nginx_port; root $folder/www; }" >"$folder/server.conf"
echo starting >"$folder/www/index.html"
chmod 755 "$folder" "$folder/www"
begin 0 nginx -c "$folder/nginx.conf" -p "$folder"; nginx_pid=$pid
begin 0 "$mainstay" run --config "$folder/mainstay.toml" --log warn; mainstay_pid=$pid
until_answers "http://127.0.0.1:$nginx_port/"
until_answers "http://127.0.0.1:$port/"
sleep 8 # the first results of the probes: the status page shows "operational"
curl -fsS -D "$folder/head" "http://127.0.0.1:$port/" >"$folder/www/index.html"
bytes=$(stat -c %s "$folder/www/index.html")
# nginx sends the same headers: the bytes of both answers differ by a few tens.
{
    echo "server { listen 127.0.0.1:$nginx_port; root $folder/www; charset utf-8; server_tokens off; gzip_static on;"
    tr -d '\r' <"$folder/head" | sed -En 's/^(vary|x-content-type-options|cache-control|content-security-policy|referrer-policy): (.*)$/add_header \1 "\2";/p'
    echo "}"
} >"$folder/server.conf"
kill -HUP "$nginx_pid"
sleep 2
worker_pid=$(pgrep -P "$nginx_pid" -n)
curl -fsS -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/" >"$folder/www/index.html.gz"
small=$(stat -c %s "$folder/www/index.html.gz")
diff <(curl -fsS "http://127.0.0.1:$nginx_port/") "$folder/www/index.html"
headers() { curl -fsS -o /dev/null -w '%{size_header}' "$1"; }

measure() { # url, pid of the server, encoding -> "requests/s p99-ms µs-of-CPU-per-request"
    local before after
    before=$(cpu_ticks "$2")
    taskset -c 1 wrk -t1 -c64 -d"${secs}s" -H "Accept-Encoding: $3" --latency "$1" >"$folder/wrk"
    after=$(cpu_ticks "$2")
    awk -v busy=$((after - before)) -v hz="$(getconf CLK_TCK)" '
        /Requests\/sec/ { rate = $2 }
        /requests in/ { n = $1 }
        /99%/ { p = $2; if (p ~ /us$/) p = p / 1000; else if (p ~ /ms$/) p = p + 0; else p = p * 1000 }
        /Non-2xx|Socket errors/ { bad = 1 }
        END { if (bad) { print "errors"; exit 1 } printf "%.0f %.3f %.2f\n", rate, p, busy / hz * 1e6 / n }' "$folder/wrk"
}
load_before=$(cut -d' ' -f1 /proc/loadavg)
ours() { measure "http://127.0.0.1:$port/" "$mainstay_pid" "$1" >>"$folder/ours.$1"; }
theirs() { measure "http://127.0.0.1:$nginx_port/" "$worker_pid" "$1" >>"$folder/theirs.$1"; }
for round in $(seq "$rounds"); do
    for encoding in identity gzip; do
        # The first server of a round changes, so that no server always follows the same one.
        if [ $((round % 2)) = 1 ]; then ours $encoding; theirs $encoding; else theirs $encoding; ours $encoding; fi
    done
done
requests=$(cat "$folder"/ours.* | awk -v s="$secs" '{ n += $1 * s } END { printf "%.0f", n }')
mkdir -p bench/results
python3 - "$folder" >"$out" <<P
import statistics as st, sys
def read(name): return [tuple(map(float, line.split())) for line in open(sys.argv[1] + "/" + name)]
median = lambda rows, column: st.median(row[column] for row in rows)
print("# Status page from memory beside nginx serving the same bytes as a file\n")
print("$(machine). $(nginx -v 2>&1 | sed 's/.*: //'), wrk $(wrk -v 2>&1 | awk 'NR==1{print $2}').")
print("Each server pinned to core 0, wrk (1 thread, 64 connections, keepalive) to core 1; $rounds rounds of $secs s in turns;")
print("medians of GET /; $requests requests answered by mainstay.")
print("Heads of $(headers "http://127.0.0.1:$port/") and $(headers "http://127.0.0.1:$nginx_port/") bytes with the same headers;")
print("nginx with sendfile, tcp_nopush, open_file_cache and gzip_static, without a log of accesses.")
print("Other work on the machine meanwhile: load $load_before before, $(cut -d' ' -f1 /proc/loadavg) after (the bench itself is about 2).")
print("Resident: mainstay, all of it, $(rss_mb "$mainstay_pid") MB; nginx $(rss_mb "$nginx_pid") MB (master) + $(rss_mb "$worker_pid") MB (worker).")
for encoding, words in (("identity", "No compression asked: $bytes bytes"), ("gzip", "gzip, as compressed by mainstay before: $small bytes")):
    ours, theirs = read(f"ours.{encoding}"), read(f"theirs.{encoding}")
    print(f"\n{words}\n\n| | requests/s | p99 ms | CPU µs a request |\n|---|---|---|---|")
    print(f"| mainstay | {median(ours, 0):.0f} | {median(ours, 1):.2f} | {median(ours, 2):.1f} |")
    print(f"| nginx | {median(theirs, 0):.0f} | {median(theirs, 1):.2f} | {median(theirs, 2):.1f} |")
    by_round = sorted(mine[0] / peer[0] for mine, peer in zip(ours, theirs))
    print(f"| **ratio** | **{median(ours, 0) / median(theirs, 0):.2f}** | {median(ours, 1) / median(theirs, 1):.2f} | {median(ours, 2) / median(theirs, 2):.2f} |")
    print(f"\nrequests/s by round: {by_round[0]:.2f} to {by_round[-1]:.2f} of nginx")
P
cat "$out"
