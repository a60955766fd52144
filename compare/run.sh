#!/bin/sh
# Compares Tolerant with its peers on the float columns of Parquet tables, on one thread:
#   compare/run.sh TABLE.parquet... [--bounds 1e-1,1e-2,1e-3] [--peers SZ3,ZFP] [--out docs]
# (--reuse docs/comparison.json measures Tolerant only, and takes the peers from an earlier run.)
# Builds the peers from source the first time (10 minutes); what that needs comes from apt.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

missing=
command -v cmake >/dev/null || missing="$missing cmake"
command -v pkg-config >/dev/null || missing="$missing pkg-config"
command -v c++ >/dev/null || missing="$missing g++"
find /usr/lib /usr/local/lib -name 'libclang*.so*' ! -name 'libclang-cpp*' 2>/dev/null | grep -q . ||
    missing="$missing libclang-dev"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
[ -e /usr/include/zstd.h ] || missing="$missing libzstd-dev"
if [ -n "$missing" ]; then
    echo "installing$missing" >&2
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    $sudo apt-get install -y -qq $missing >&2
fi

# SZ3's newest release comes as a wheel.
venv=${COMPARE_VENV:-$here/target/venv}
if [ -z "${COMPARE_PYTHON:-}" ]; then
    COMPARE_PYTHON=$venv/bin/python
    if ! "$COMPARE_PYTHON" -c 'import pysz' 2>/dev/null; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install -q pysz==1.1.0
    fi
fi
export COMPARE_PYTHON

export RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1
exec cargo run --release --manifest-path "$here/Cargo.toml" -- "$@"
