#!/usr/bin/env bash
# The board from memory beside Debian's nginx serving the same bytes as a file: same run, same generator, in turns.
source "$(dirname "$0")/world.sh"
rounds=${ROUNDS:-6} secs=${SECS:-8}
out=bench/results/board.md
port=$(free_port) nginx_port=$(free_port)

cat >"$folder/mainstay.toml" <<P
[site]
name = "Bench"
data = "$folder/data"
listen = "127.0.0.1:$port"
url = "http://127.0.0.1:$port"
inner = ["127.0.0.0/8"]
P
for n in 1 2 3 4 5 6 7 8 9; do
    cat >>"$folder/mainstay.toml" <<P
[service.s$n]
title = "Service $n"
group = "Group $(((n + 2) / 3))"
[probe.p$n]
http = "http://127.0.0.1:$nginx_port/"
every = "30s"
service = "s$n"
P
done

mkdir -p "$folder/www"
cat >"$folder/nginx.conf" <<N
worker_processes 1; pid $folder/nginx.pid; error_log $folder/nginx.err; daemon off;
events { worker_connections 4096; }
http { access_log off; sendfile on; tcp_nopush on; open_file_cache max=100; keepalive_requests 100000000;
  client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f; uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
  server { listen 127.0.0.1:$nginx_port; root $folder/www; default_type text/html;
    location / { add_header Cache-Control "public, max-age=5"; } } }
N
echo starting >"$folder/www/index.html"
chmod 755 "$folder" "$folder/www"
begin 0 nginx -c "$folder/nginx.conf" -p "$folder"; nginx_pid=$pid
begin 0 "$mainstay" run --plan "$folder/mainstay.toml" --log warn; mainstay_pid=$pid
until_answers "http://127.0.0.1:$nginx_port/"
until_answers "http://127.0.0.1:$port/"
sleep 8 # the probes' first answers: the board says "operational", as it does in life
curl -fsS "http://127.0.0.1:$port/" >"$folder/www/index.html"
bytes=$(stat -c %s "$folder/www/index.html")

measure() { # url -> "requests/s p99-ms"
    taskset -c 1 wrk -t1 -c64 -d"${secs}s" --latency "$1" | awk '
        /Requests\/sec/ { rate = $2 }
        /99%/ { p = $2; if (p ~ /us$/) p = p / 1000; else if (p ~ /ms$/) p = p + 0; else p = p * 1000 }
        /Non-2xx|Socket errors/ { bad = 1 }
        END { if (bad) { print "errors"; exit 1 } printf "%.0f %.3f\n", rate, p }'
}
: >"$folder/ours"; : >"$folder/theirs"
for _ in $(seq "$rounds"); do
    measure "http://127.0.0.1:$port/" >>"$folder/ours"
    measure "http://127.0.0.1:$nginx_port/" >>"$folder/theirs"
done
requests=$(awk -v s="$secs" '{ n += $1 * s } END { printf "%.0f", n }' "$folder/ours")
mkdir -p bench/results
python3 - "$folder" >"$out" <<P
import statistics as st, sys
def read(name): return [tuple(map(float, line.split())) for line in open(sys.argv[1] + "/" + name)]
ours, theirs = read("ours"), read("theirs")
rate = lambda rows: st.median(r for r, _ in rows)
tail = lambda rows: st.median(p for _, p in rows)
print("# The board from memory beside nginx serving the same bytes as a file\n")
print("$(machine). $(nginx -v 2>&1 | sed 's/.*: //'), wrk $(wrk -v 2>&1 | awk 'NR==1{print $2}').")
print("Each server pinned to core 0, wrk (1 thread, 64 connections, keepalive) to core 1; $rounds rounds of $secs s in turns;")
print("medians. GET / of $bytes bytes, no compression asked; $requests requests answered by mainstay.\n")
print("| | requests/s | p99 ms | resident MB |\n|---|---|---|---|")
print(f"| mainstay | {rate(ours):.0f} | {tail(ours):.2f} | $(rss_mb "$mainstay_pid") |")
print(f"| nginx | {rate(theirs):.0f} | {tail(theirs):.2f} | $(rss_mb "$nginx_pid") (master) |")
print(f"| **ratio** | **{rate(ours) / rate(theirs):.2f}** | {tail(ours) / tail(theirs):.2f} | |")
P
cat "$out"
