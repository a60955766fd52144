#!/usr/bin/env bash
# All tests: the workspace's, with the Python readers they ask for, and the codec's on its own.
# TOLERANT_SKIP_STRANGERS=1 leaves Python out.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${TOLERANT_SKIP_STRANGERS:-}" != 1 ]; then
    TOLERANT_PYTHON=$(scripts/python_env.sh)
    export TOLERANT_PYTHON
fi

cargo test --workspace
cargo build --no-default-features
cargo test --no-default-features --lib
