"""A bot starts at once: the client brings small types along, and nothing of the engine that weighs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_importing_the_client_imports_no_engine():
    code = (
        "import sys, engine.client, engine.client.examples.market_maker, engine.client.examples.ccxt_bot\n"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in "
        "('engine', 'numpy', 'numba', 'starlette', 'uvicorn', 'httpx', 'ccxt', 'platformdirs')))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    others = [name for name in answer.stdout.split() if not name.startswith("engine.client")]
    assert others == ["engine", "engine.core", "engine.core.clock", "engine.core.errors"]
