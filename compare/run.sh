#!/bin/sh
# Compares Tolerant with its peers on the float columns of Parquet tables, on one thread:
#   compare/run.sh TABLE.parquet... [--bounds 1e-1,1e-2,1e-3] [--peers SZ3,ZFP] [--out docs]
# Builds the peers from source the first time (10 minutes); what that needs comes from apt.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

missing=
command -v cmake >/dev/null || missing="$missing cmake"
command -v pkg-config >/dev/null || missing="$missing pkg-config"
command -v c++ >/dev/null || missing="$missing g++"
find /usr/lib /usr/local/lib -name 'libclang*.so*' ! -name 'libclang-cpp*' 2>/dev/null | grep -q . ||
    missing="$missing libclang-dev"
[ -e /usr/include/zstd.h ] || missing="$missing libzstd-dev"
if [ -n "$missing" ]; then
    echo "installing$missing" >&2
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    $sudo apt-get install -y -qq $missing >&2
fi

export RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1
exec cargo run --release --locked --manifest-path "$here/Cargo.toml" -- "$@"
