#!/usr/bin/env bash
# Times three queries in one process, and over 1, 2 and 3 workers on this machine, which shows what
# distribution costs, not what more machines bring. Seconds of the best of three runs, processes
# started and files opened anew each time.
#
#     scripts/distributed_times.sh [ROWS] [BINARY]
set -euo pipefail

rows=${1:-5000000}
tolerant=$(realpath "${2:-$(dirname "$0")/../target/release/tolerant}")
folder=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

for part in 0 1 2 3; do
    "$tolerant" query "COPY (SELECT value AS id, value % 1000 AS part, sin(value / 1000.0) * 100 AS x,
        cos(value * 0.7) * 1000 AS z FROM generate_series($part * $rows / 4 + 1, ($part + 1) * $rows / 4))
        TO 'data/$part.parquet' STORED AS TOLERANT OPTIONS (bound 'rel:0.001')" >/dev/null
done

addresses=()
for _ in 1 2 3; do
    coproc "$tolerant" worker --bind 127.0.0.1:0
    pids+=("$COPROC_PID")
    read -r _ address <&"${COPROC[0]}"
    addresses+=("$address")
done 2>/dev/null

# The best of three.
seconds() {
    local best="" start end
    for _ in 1 2 3; do
        start=$(date +%s%N)
        "$tolerant" query "$@" >/dev/null
        end=$((($(date +%s%N) - start) / 1000000))
        if [ -z "$best" ] || [ "$end" -lt "$best" ]; then best=$end; fi
    done
    printf '%d.%03d' $((best / 1000)) $((best % 1000))
}

queries=(
    "SELECT count(*), avg(x), max(z) FROM 'data/' WHERE x > 0"
    "SELECT part, avg(x), sum_interval(z) FROM 'data/' GROUP BY part ORDER BY part LIMIT 10"
    "SELECT count(*) FROM 'data/' a JOIN 'data/' b ON a.id = b.id WHERE a.x > 50 AND b.z > 0"
)
printf '%s rows on %s cores\n%-8s %8s %8s %8s %8s\n' "$rows" "$(nproc)" query local "1 worker" 2 3
for i in "${!queries[@]}"; do
    line=$(printf '%-8s %8s' $((i + 1)) "$(seconds "${queries[$i]}")")
    for n in 1 2 3; do
        workers=$(IFS=,; echo "${addresses[*]:0:$n}")
        line+=$(printf ' %8s' "$(seconds --workers "$workers" "SET distributed.file_scan_config_bytes_per_partition = 100000; ${queries[$i]}")")
    done
    echo "$line"
done
