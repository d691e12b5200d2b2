from __future__ import annotations

import pytest

from engine.core.clock import NS_PER_S
from engine.core.identity import engine_source_hash
from engine.core.types import Command, CommandKind, StormKind
from engine.journal import RunHeader
from tests.recording.fake_session import FakeHost


@pytest.fixture
def header() -> RunHeader:
    return RunHeader(
        engine_version="0.1.0",
        source_hash=engine_source_hash(),
        scenario_name="tiny",
        scenario_toml='name = "tiny"\n',
        seed=7,
        target="demo",
        thresholds={"damaged": -10.0, "killed": -100.0, "damaged_fraction": None, "killed_fraction": None},
    )


@pytest.fixture
def host() -> FakeHost:
    """A session that has run for 2.3 s with a few inputs, not yet recorded."""
    host = FakeHost()
    host.run(NS_PER_S)
    host.put(Command(CommandKind.SUBMIT, account=1, price_ticks=100, qty_lots=5))
    host.run(1_300_000_000)
    host.sample(1_000.0)
    return host


@pytest.fixture
def finished(tmp_path, host, header):
    """(host, recorder, verdict) of a run with storms in tmp_path/runs."""
    recorder = host.record(tmp_path / "runs", header)
    host.put(Command(CommandKind.RECORD_START))
    host.run(NS_PER_S)
    host.storm(StormKind.CRASH, severity=0.8, duration_s=5)
    host.run(2 * NS_PER_S)
    host.storm(StormKind.PHANTOM, duration_s=20)
    host.sample(995.0)
    host.run(4 * NS_PER_S)
    host.put(Command(CommandKind.STORM_STOP, storm=StormKind.PHANTOM))
    host.run(1_500_000_000)
    host.sample(980.0)
    host.put(Command(CommandKind.RECORD_STOP))
    return host, recorder, host.stop()
