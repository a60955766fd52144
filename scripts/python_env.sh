#!/usr/bin/env bash
# Makes the Python environment of the interoperability tests (tests/strangers) in target/venv and
# prints its interpreter's path, alone, on standard output. Quick when it is there already.
set -euo pipefail

PACKAGES=(
    pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.0 numpy==2.4.6 pandas==3.1.1
    fsspec==2026.9.0 aiohttp==3.14.5 "moto[server]==5.2.5"
    datafusion==55.0.0 pytest==9.2.0
    adbc-driver-manager==1.13.0 adbc-driver-flightsql==1.13.0
)

root=$(cd "$(dirname "$0")/.." && pwd)
venv="$root/target/venv"
python="$venv/bin/python"
stamp="$venv/packages.txt"

if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "${PACKAGES[*]}" ]; then
    echo "$python"
    exit 0
fi

{
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv
        else
            echo "python_env.sh: Python 3 with its venv module is needed: install it (Debian and" \
                "Ubuntu: apt-get install python3 python3-venv), or run the tests without it:" \
                "TOLERANT_SKIP_STRANGERS=1 scripts/test.sh"
            exit 1
        fi
    fi
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    python3 -m venv "$venv"
    "$python" -m pip install --quiet --disable-pip-version-check "${PACKAGES[@]}"
    echo "${PACKAGES[*]}" >"$stamp"
} >&2

echo "$python"
