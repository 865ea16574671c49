# Sourced by every bench: a folder, a way to start and end own processes, and words for the machine.
set -eu
folder=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
begin() { # core, command...: starts it pinned, remembers its id in $pid
    local core=$1
    shift
    taskset -c "$core" "$@" >>"$folder/log" 2>&1 &
    pid=$!
    pids+=("$pid")
}
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
until_answers() { # url, or options of curl and a url: waits at most 20 s
    for _ in $(seq 200); do curl -fsS -o /dev/null $1 2>/dev/null && return 0; sleep 0.1; done
    echo "no answer from $1" >&2
    tail -20 "$folder/log" >&2
    return 1
}
rss_mb() { awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
share() { # seconds, pids... -> per cent of one core
    local secs=$1 before=0 after=0 p
    shift
    for p in "$@"; do before=$((before + $(cpu_ticks "$p"))); done
    sleep "$secs"
    for p in "$@"; do after=$((after + $(cpu_ticks "$p"))); done
    awk -v d=$((after - before)) -v s="$secs" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f", 100 * d / hz / s }'
}
# The server that every probe asks, on $target: $folder/nginx.conf.
probe_target() {
cat >"$folder/nginx.conf" <<N
worker_processes 1; pid $folder/nginx.pid; error_log $folder/nginx.err; daemon off;
events { worker_connections 8192; }
http { access_log off; client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f; uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
  server { listen 127.0.0.1:$target backlog=4096; location / { return 200 "ok"; } } }
N
}
# blackbox_exporter and prometheus that ask what $folder/targets.json lists, on $blackbox and $prometheus.
prometheus_peer() { # interval
cat >"$folder/blackbox.yml" <<P
modules: { http_2xx: { prober: http, timeout: 5s, http: { preferred_ip_protocol: ip4 } } }
P
cat >"$folder/prometheus.yml" <<P
global: { scrape_interval: $1, scrape_timeout: 6s }
scrape_configs:
  - job_name: probes
    metrics_path: /probe
    params: { module: [http_2xx] }
    file_sd_configs: [ { files: [ "$folder/targets.json" ] } ]
    relabel_configs:
      - { source_labels: [__address__], target_label: __param_target }
      - { source_labels: [__param_target], target_label: instance }
      - { target_label: __address__, replacement: "127.0.0.1:$blackbox" }
  - job_name: self
    static_configs: [ { targets: [ "127.0.0.1:$prometheus" ] } ]
P
}
machine() {
    local cpu
    cpu=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)
    echo "$cpu, $(nproc) cores, $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r), $(date -u +%F)"
}
# Fills a configuration of bench/peers/ in: each @WORD@ is the variable of that name.
fill() { # file, destination
    python3 - "$1" >"$2" <<'P'
import os, re, sys
print(re.sub(r"@([A-Z0-9_]+)@", lambda found: os.environ[found[1]], open(sys.argv[1]).read()), end="")
P
}
# A key and a certificate for bench.test and localhost, signed by itself: $folder/bench.{key,crt}, both in bench.pem.
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench.test -addext basicConstraints=critical,CA:FALSE \
        -addext "subjectAltName=DNS:bench.test,DNS:grpc.test,DNS:localhost" -keyout "$folder/bench.key" -out "$folder/bench.crt" 2>/dev/null
    cat "$folder/bench.crt" "$folder/bench.key" >"$folder/bench.pem"
}
stop() { # pids: ends them now, waits for their end
    local pid
    for pid in "$@"; do kill "$pid" 2>/dev/null || true; done
    for pid in "$@"; do
        wait "$pid" 2>/dev/null || true
        mapfile -t pids < <(printf '%s\n' "${pids[@]}" | grep -vx "$pid")
    done
}
# Sets $worker_pid to the process that $server_pid starts for requests. Others beside it manage a cache or compile.
find_worker() { # which one: name, or options of pgrep
    for _ in $(seq 100); do worker_pid=$(pgrep -P "$server_pid" -n "$@" || true); [ -n "$worker_pid" ] && break; sleep 0.05; done
}
# The proxies of which a bench speaks. Each is one process of one thread, pinned to core 0.
# Sets $server_pid (to end it) and $worker_pid (whose CPU and memory count).
start_peer() { # name, folder of its configuration
    local conf=$folder/$1.conf
    case $1 in
    haproxy) fill "$2/haproxy.cfg" "$conf"; begin 0 haproxy -db -f "$conf"; server_pid=$pid worker_pid=$pid ;;
    nginx)
        fill "$2/nginx.conf" "$conf"; begin 0 nginx -c "$conf" -p "$folder"; server_pid=$pid
        find_worker -f "worker process" ;;
    caddy)
        fill "$2/Caddyfile" "$conf"
        begin 0 env GOMAXPROCS=1 XDG_DATA_HOME="$folder" XDG_CONFIG_HOME="$folder" caddy run --adapter caddyfile --config "$conf"
        server_pid=$pid worker_pid=$pid ;;
    mainstay)
        fill "$2/mainstay.toml" "$folder/mainstay.toml"
        begin 0 "$mainstay" run --only edge --config "$folder/mainstay.toml" --log warn; server_pid=$pid worker_pid=$pid ;;
    esac
}
# Loads a server on core 0 by wrk on core 1, for $secs: "requests/s p99-ms µs-of-CPU-a-request failed-of-1".
measure() { # url, pid of the server or nothing
    local before=0 after=0
    [ -z "$2" ] || before=$(cpu_ticks "$2")
    taskset -c 1 wrk -t1 -c64 -d"${secs}s" --latency "$1" >"$folder/wrk"
    [ -z "$2" ] || after=$(cpu_ticks "$2")
    awk -v busy=$((after - before)) -v hz="$(getconf CLK_TCK)" '
        /Requests\/sec/ { rate = $2 }
        /requests in/ { n = $1 }
        /99%/ { p = $2; if (p ~ /us$/) p = p / 1000; else if (p ~ /ms$/) p = p + 0; else p = p * 1000 }
        /Non-2xx/ { bad += $NF }
        /Socket errors/ { gsub(",", ""); bad += $4 + $6 + $8 + $10 }
        END { if (!n) exit 1; printf "%.0f %.3f %.2f %.6f\n", rate, p, busy / hz * 1e6 / n, bad / n }' "$folder/wrk"
}
peer_versions() {
    echo "$(haproxy -v | awk 'NR == 1 { print "HAProxy " $3 }'), $(nginx -v 2>&1 | sed 's/.*: //')$(! command -v caddy >/dev/null || echo ", caddy $(caddy version | cut -d' ' -f1)")"
}
load() { cut -d' ' -f1 /proc/loadavg; }
