"""The real session, recorded at random and rebuilt from the run's header."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import msgspec
import pytest

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import Account, Command, CommandKind, StormKind
from engine.rebuild import SAMPLES, header_for, rebuild_session
from engine.recording.recompute import replay_inputs, take_checkpoint
from engine.recording.verify import verify_run
from engine.scenarios.loader import history_scenario, load_scenario
from engine.session import Session, SessionConfig
from tests.recording.fake_session import FakeHost


def act_at_random(host: FakeHost, draw: random.Random) -> None:
    """One input of some kind, then some time in slices of any length."""
    kind = draw.randrange(5)
    if kind == 0:
        host.storm(StormKind(draw.randrange(1, 6)), severity=draw.randrange(11) / 10)
    elif kind == 1:
        host.put(Command(CommandKind.STORM_STOP))
    elif kind == 2:
        host.sample(draw.choice([None, 1_000.0, 900.5]))
    elif kind == 3:
        host.put(Command(CommandKind.CANCEL_ALL, account=Account.TARGET))
    else:
        side, order_id = draw.randrange(2), host.session.input_count + 1
        order = Command(CommandKind.SUBMIT, account=Account.TARGET, side=side, qty_lots=3, order_id=order_id)
        host.put(order)
    host.run(draw.randrange(1, 900) * NS_PER_MS, slice_ns=draw.randrange(1, 400) * NS_PER_MS)


@pytest.mark.parametrize("seed", range(4))
def test_a_random_run_verifies(tmp_path, seed):
    draw = random.Random(seed)
    config = SessionConfig(load_scenario("minimal"), seed=seed, target_agent=seed % 2 == 1)
    host = FakeHost(session=Session(config))
    for _ in range(draw.randrange(4)):
        act_at_random(host, draw)
    header = header_for(config, target="demo", record_from_ns=host.session.now_ns)
    recorder = host.record(tmp_path, header)
    for _ in range(10):
        act_at_random(host, draw)
    host.stop()
    result = verify_run(Path(recorder.path), build=rebuild_session)
    assert result.first_difference is None
    assert (result.ok, result.complete) == (True, True)
    assert result.events == host.session.event_count > 0


@pytest.mark.parametrize("target_agent", [False, True])
def test_a_rebuilt_session_is_the_one_its_header_was_made_from(target_agent):
    config = SessionConfig(load_scenario("minimal"), seed=11, target_agent=target_agent)
    session = Session(config)
    session.advance(2 * NS_PER_S)
    rebuilt = rebuild_session(header_for(config, target="none", record_from_ns=0))
    replay_inputs(rebuilt, [], 2 * NS_PER_S)
    assert take_checkpoint(rebuilt) == take_checkpoint(session)


@pytest.fixture
def sample() -> Path:
    found = sorted(path for path in SAMPLES.glob("*") if "jsonl" in path.name)
    if not found:
        pytest.skip("no sample data in this package")
    return found[0]


def test_a_source_is_found_again_by_its_content(tmp_path, sample):
    moved = tmp_path / f"x-{sample.name}"
    shutil.copy(sample, moved)
    header = header_for(SessionConfig(history_scenario(), source=str(moved)), target="none", record_from_ns=0)
    assert (header.source, len(header.source_sha256)) == (moved.name, 64)
    assert rebuild_session(header).end_ns == rebuild_session(header, str(sample)).end_ns
    moved.unlink()
    with pytest.raises(UsageError, match="--source"):
        rebuild_session(header)
    moved.write_bytes(b"another file")
    with pytest.raises(UsageError, match="not the source of run"):
        rebuild_session(header)


def test_a_sample_of_the_package_is_found_by_name(sample):
    config = SessionConfig(history_scenario(), source=str(sample))
    header = header_for(config, target="none", record_from_ns=0)
    elsewhere = msgspec.structs.replace(header, source_path=f"/nowhere/{sample.name}")
    assert rebuild_session(elsewhere).end_ns is not None
