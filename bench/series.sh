#!/usr/bin/env bash
# Stored samples: bytes of a sample, cost of writing, memory, time of queries. Takes about ten minutes and 1 GB.
source "$(dirname "$0")/world.sh"
out=${OUT:-bench/results/series.md}
[ -n "${BUILT:-}" ] || cargo build -q --release -p mainstay-journal --example series-bench
built=$(cargo metadata --no-deps --format-version 1 | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')/release
rows=${ROWS:-500,90,0 500,10,500 10000,2,0 20,10,edge}
load_before=$(load)
for row in $rows; do
    IFS=, read -r series days jitter <<<"$row"
    mkdir "$folder/$row"
    "$built/examples/series-bench" "$folder/$row" "$series" "$days" "$jitter" >"$folder/$row.out" 2>"$folder/$row.err" ||
        { cat "$folder/$row.err" >&2; exit 1; }
    rm -r "$folder/$row"
done
{
    echo "# Stored samples"
    echo
    echo "$(machine). A sample of each series every 30 s, of services at the edge every second; release build, file on the disk of /tmp."
    echo "Other work on the machine: load $load_before before, $(load) after."
    echo "Latencies are generated: a median of 5 to 300 ms, AR(1) and daily wandering, 8 % noise, 1 % spikes, failures in bursts, results some ms late (crates/io/journal/examples/series-bench.rs)."
    echo "Bytes: pages in use by closed days with keys and roll-ups, over their samples; columns: times and values alone. put: wall time of the caller."
    echo "CPU: of the whole process without the generator, so with log, both compactions and checkpoints."
    echo
    echo "| series | days | jitter of timing | samples | bytes a sample | columns | put ns | CPU ns a sample | file GB | peak MB |"
    echo "|---|---|---|---|---|---|---|---|---|---|"
    for row in $rows; do grep -m1 '^| [0-9]' "$folder/$row.out"; done
    for row in $rows; do sed '/^| [0-9]/d' "$folder/$row.out"; done
} >"$out"
cat "$out"
