#!/usr/bin/env bash
# Builds the Python module (python/) and installs it into the environment of scripts/python_env.sh,
# as `pip install ./python` does, but in the dev profile. Its tests: target/venv/bin/python -m pytest python
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(scripts/python_env.sh)
MATURIN_PEP517_ARGS="--profile dev" "$python" -m pip install \
    --quiet --disable-pip-version-check --no-deps --force-reinstall ./python
