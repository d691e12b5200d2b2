"""Why a target is what it is: computed while the run goes on, and again by `verify`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.core.clock import NS_PER_S
from engine.core.types import Account, GateAction, StormKind, TimeInForce
from engine.host import LiveOptions, SessionHost
from engine.rebuild import rebuild_session
from engine.recording.run_directory import RunDirectory
from engine.recording.verdict import judge
from engine.recording.verify import verify_run
from engine.scenarios.loader import Thresholds, load_scenario, parse_scenario
from engine.session import SessionConfig
from engine.storms import StormRequest
from tests.recording.test_verdict import START_NS, sample
from tests.recording.test_verify import edit_line

DESK, TARGET = int(Account.DESK), int(Account.TARGET)
CRASH = StormRequest(StormKind.CRASH, 0.9, 6, start_ns=3 * NS_PER_S)


def host_of(tmp_path: Path, terms: str = "", *, seconds: int = 14, agent: bool = True) -> SessionHost:
    scenario = parse_scenario(load_scenario("balanced").toml + terms, where="test")
    config = SessionConfig(scenario, seed=5, target_agent=agent)
    options = LiveOptions(
        tmp_path, speed=None, target="agent", storms=(CRASH,), record=True, until_ns=seconds * NS_PER_S
    )
    return SessionHost(config, options)


def run_of(host: SessionHost) -> RunDirectory:
    host.run_to_end()
    assert host.recorder is not None
    assert host.recorder.error is None
    return RunDirectory(Path(host.recorder.path))


@pytest.fixture(scope="module")
def crashed(tmp_path_factory) -> RunDirectory:
    return run_of(host_of(tmp_path_factory.mktemp("runs")))


def grounds(run: RunDirectory) -> dict:
    return run.read_summary()["targets"][0]["grounds"]


def test_a_run_says_how_far_its_target_fell_and_what_it_held_then(crashed):
    summary, why = crashed.read_summary(), grounds(crashed)
    ticks = [json.loads(line) for line in crashed.ticks_path.read_text().splitlines()]
    equity = [tick["target_equity"] for tick in ticks]
    assert why["low"]["equity"] <= min(equity)
    assert why["drawdown"]["amount"] >= max(equity) - min(equity) - 1e-6
    assert 0 < why["drawdown"]["fraction"] < 0.1
    assert isinstance(why["low"]["position_lots"], int)
    assert summary["verdict_reasons"][0] == summary["verdict_reason"]
    assert summary["verdict_reasons"] == summary["targets"][0]["verdict_reasons"]
    assert any(line.startswith("largest drawdown") for line in summary["verdict_reasons"])


def test_each_storm_says_whether_market_and_equity_came_back(crashed):
    (storm,) = crashed.read_summary()["storms_fired"]
    assert storm["target_fell"] > 0
    assert storm["target_recovered"] is (storm["target_recovery_ms"] is not None)
    assert storm["market_recovered"] in (True, False, None)


def test_verify_recomputes_the_reasons(crashed):
    result = verify_run(crashed.path, build=rebuild_session)
    assert result.first_difference is None
    assert result.complete


@pytest.mark.parametrize("field", ["verdict_reasons", "targets", "storms_fired"])
def test_a_changed_reason_is_found(crashed, field):
    summary = crashed.read_summary()
    changed = crashed.read_summary()
    if field == "verdict_reasons":
        changed[field] = changed[field][:-1]
    elif field == "targets":
        changed[field][0]["grounds"]["low"]["position_lots"] += 1
    else:
        changed[field][0]["target_fell"] = 0.0
    try:
        crashed.write_summary(changed)
        assert "run.yaml" in (verify_run(crashed.path, build=rebuild_session).first_difference or "")
    finally:
        crashed.write_summary(summary)


def test_orders_left_in_the_book_through_a_storm_are_stuck(tmp_path):
    host = host_of(tmp_path, agent=False)
    far = 1
    host.submit_order(TARGET, 0, far, 1, TimeInForce.GTC, 1)
    host.submit_order(TARGET, 0, far + 1, 1, TimeInForce.GTC, 2)
    run = run_of(host)
    assert grounds(run)["orders_stuck"] == {
        "through_storms": 2, "at_end": 0, "in_doubt": 0, "open_at_end": 2
    }  # fmt: skip
    assert "2 orders left in the book untouched through storms" in run.read_summary()["verdict_reasons"]


def test_a_guard_that_latched_the_target_is_a_reason_with_its_name_and_time(tmp_path):
    run = run_of(host_of(tmp_path, "[risk]\nmax_position_lots = 1\n"))
    (breach,) = grounds(run)["limits_breached"]
    assert breach["guard"] == "position_limit"
    trips = [
        row
        for row in map(json.loads, run.events_path.read_text().splitlines())
        if row["type"] == "breaker_trip"
    ]
    assert [(row["reason"], row["time_ns"]) for row in trips] == [("position_limit", breach["time_ns"])]
    said = f"latched by the risk gate: position limit at {breach['time_ns'] / NS_PER_S:.1f} s"
    assert said in run.read_summary()["verdict_reasons"]
    assert verify_run(run.path, build=rebuild_session).gate_rows_compared == 1


@pytest.mark.parametrize("number", [0, 1])
def test_a_changed_line_of_the_gate_is_found(tmp_path, number):
    host = host_of(tmp_path, "[risk]\nmax_position_lots = 1\n", seconds=5)
    host.throw_gate(GateAction.KILL, DESK)
    run = run_of(host)
    lines = run.events_path.read_text().splitlines()
    places = [at for at, line in enumerate(lines) if json.loads(line)["type"] in ("gate", "breaker_trip")]
    assert [json.loads(lines[at])["type"] for at in places] == ["gate", "breaker_trip"]
    assert verify_run(run.path, build=rebuild_session).ok
    kept = run.events_path.read_text()
    for field, value in (("reason", "because"), ("account", "nobody"), ("time_ns", 7)):
        edit_line(run.events_path, places[number], **{field: value})
        difference = verify_run(run.path, build=rebuild_session).first_difference
        assert difference is not None
        assert difference.startswith("events.jsonl: ")
        assert f"{field} recorded {value!r}" in difference
        run.events_path.write_text(kept)
    gone = [line for at, line in enumerate(kept.splitlines(keepends=True)) if at != places[number]]
    run.events_path.write_text("".join(gone))
    assert not verify_run(run.path, build=rebuild_session).ok
    run.events_path.write_text(kept + kept.splitlines(keepends=True)[places[1]])
    difference = verify_run(run.path, build=rebuild_session).first_difference
    assert difference is not None
    assert "breaker_trip 'bot' at" in difference
    assert "recorded, not recomputed" in difference


@pytest.mark.parametrize(
    ("thresholds", "reason"),
    [
        (Thresholds(max_drawdown=4.0), "drawdown 5.00 is above 4.00"),
        (Thresholds(max_drawdown_fraction=0.004), "drawdown 5.00 is above 4.02"),
        (Thresholds(max_drawdown=5.0, max_drawdown_fraction=0.005, max_exposure=1.0), None),
        (Thresholds(), None),
    ],
)
def test_a_limit_of_drawdown_damages_only_where_it_is_set_and_exceeded(thresholds, reason):
    """From 1,000 up to 1,005, down to 1,000 again: the equity has not changed."""
    equities = (1_000_000_000, 1_005_000_000, 1_000_000_000)
    samples = [sample(9 + number, equity) for number, equity in enumerate(equities)]
    verdict = judge(samples, thresholds, record_from_ns=START_NS, has_target=True)
    assert verdict.verdict == ("TARGET_INTACT" if reason is None else "TARGET_DAMAGED")
    if reason is not None:
        assert verdict.reason == reason


def test_who_holds_more_than_the_scenario_allows_is_damaged(tmp_path):
    wide = "[thresholds]\ndamaged = -1e9\nkilled = -1e9\nmax_exposure = 1.0\n"
    run = run_of(host_of(tmp_path, wide, seconds=6))
    summary = run.read_summary()
    assert summary["verdict"] == "TARGET_DAMAGED"
    assert summary["verdict_reason"].startswith("exposure ")
    assert [bot["verdict"] for bot in summary["bots"]] == ["DAMAGED"]
    assert any("exposure of" in reason for reason in summary["bots"][0]["reasons"])
