"""Live hosts for tests."""

from __future__ import annotations

from pathlib import Path

from engine.host import LiveOptions, SessionHost
from engine.scenarios import load_scenario
from engine.session import SessionConfig


def live(tmp_path: Path, *, seed: int = 4, target_agent: bool = False, **options) -> SessionHost:
    config = SessionConfig(load_scenario("minimal"), seed=seed, target_agent=target_agent)
    return SessionHost(config, LiveOptions(**{"runs_root": tmp_path, "speed": None} | options))
