#!/bin/sh
# Real clients against the real desk: tests/real/run.sh [CLIENT ...]; see harness.py.
# STORMDESK_PYTHON names a Python with stormdesk in it (default: .venv of the repository, else python3),
# STORMDESK_REAL_VENVS the folder with the clients' environments, which are made where they are missing.
set -eu
cd "$(dirname "$0")/../.."
python="${STORMDESK_PYTHON:-}"
if [ -z "$python" ]; then
    if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=python3; fi
fi
exec "$python" -m tests.real.harness "$@"
