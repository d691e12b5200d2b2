"""Recorded runs of every sort verify; a flipped byte anywhere in the journal does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import NS_PER_S
from engine.core.rng import Stream
from engine.core.types import StormKind
from engine.feeds.source import sample_path
from engine.host import LiveOptions, SessionHost
from engine.host.service import surroundings
from engine.rebuild import rebuild_session
from engine.recording.verify import verify_run
from engine.scenarios import history_scenario, list_scenarios, load_scenario
from engine.session import SessionConfig
from engine.storms import StormRequest

pytestmark = pytest.mark.long


def record(folder: Path, number: int) -> Path:
    """Record the random run of this number: scenario, seed, target, storms and length are drawn from it."""
    rng = Stream(20_26, number)
    on_sample = number % 5 == 4
    target = ("none", "agent")[rng.below(2)]
    scenarios = list_scenarios()
    config = SessionConfig(
        scenario=history_scenario() if on_sample else load_scenario(scenarios[rng.below(len(scenarios))]),
        seed=rng.below(1 << 62),
        source=str(sample_path()) if on_sample else None,
        target_agent=target == "agent",
    )
    storms = tuple(
        StormRequest(
            kind=StormKind(rng.between(1, 5)),
            severity=rng.below(101) / 100,
            duration_s=rng.between(5, 12),
            seed=rng.below(1000),
            start_ns=rng.below(20 * NS_PER_S),
        )
        for _ in range(rng.below(4))
    )
    until_ns = rng.between(5 * NS_PER_S, 30 * NS_PER_S)
    host = SessionHost(
        config,
        LiveOptions(
            runs_root=folder,
            speed=None,
            target=target,
            storms=storms,
            record=number % 3 > 0,
            until_ns=until_ns,
        ),
    )
    if number % 3 == 0:  # pressed r in the middle
        host.advance_to(until_ns // 2)
        host.toggle_recording()
    host.run_to_end()
    assert host.recorder is not None
    assert host.recorder.error is None
    return Path(host.recorder.path)


@pytest.mark.parametrize("number", range(20))
def test_a_random_run_verifies_and_fails_after_one_flipped_byte(number: int, tmp_path: Path) -> None:
    run = record(tmp_path, number)
    result = verify_run(run, build=rebuild_session)
    assert result.ok, result.first_difference
    assert result.complete
    segment = sorted((run / "journal").iterdir())[0]
    data = bytearray(segment.read_bytes())
    rng = Stream(number, 7)
    for _ in range(10):
        position = rng.below(len(data))
        mask = rng.between(1, 255)
        data[position] ^= mask
        segment.write_bytes(data)
        damaged = verify_run(run, build=rebuild_session)
        assert not damaged.ok, f"byte {position} xor {mask} went unseen"
        assert damaged.first_difference
        data[position] ^= mask
    segment.write_bytes(data)


@pytest.mark.parametrize("number", range(3))
def test_a_run_driven_by_the_demo_bot_over_the_wire_verifies(number: int, tmp_path: Path) -> None:
    host = SessionHost(
        SessionConfig(load_scenario("balanced"), seed=number),
        LiveOptions(
            runs_root=tmp_path,
            speed=4.0,
            target="demo",
            storms=(StormRequest(StormKind.CRASH, 0.9, 10.0, start_ns=20 * NS_PER_S),),
            record=True,
            until_ns=40 * NS_PER_S,
        ),
    )
    with surroundings(host, "demo"):
        host.await_target(10.0)
        host.run_to_end()
    assert host.recorder is not None
    result = verify_run(Path(host.recorder.path), build=rebuild_session)
    assert result.ok, result.first_difference
    assert host.session.exchange.orders_sent(2) > 0, "the bot traded"
    assert host.session.exchange.ledger.entry(2).fills > 0
    assert host.verdict.verdict in ("TARGET_DAMAGED", "TARGET_KILLED", "TARGET_INTACT")
    print(f"inputs {result.inputs}, verdict {host.verdict.verdict} {host.verdict.delta}")
