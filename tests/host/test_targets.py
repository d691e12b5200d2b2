"""Several targets of a live session: the ledger's word, self-reports beside it, in frames and in runs."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from engine.api.server import VenueOptions
from engine.broker.terms import OrderTerms, OrderType, PlaceOrder
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.target_sample import TARGETS_LIMIT
from engine.core.types import Command, CommandKind, Side, StormKind, TimeInForce
from engine.host import SessionHost
from engine.host.replay import ReplayHost
from engine.host.service import LiveService
from engine.inputs import check_command
from engine.rebuild import rebuild_session
from engine.recording.run_directory import RunDirectory
from engine.recording.verify import verify_run
from engine.target.contract import TargetSample, TargetStatus
from engine.target.freqtrade import PASSWORD_VARIABLE
from engine.venue.keys import KeyStore
from tests.host.hosts import live
from tests.target.freqtrade_server import PASSWORD, USER, freqtrade_server
from tests.target.misbehaviour import DEADLINE_S, answer, bad_target


def said(equity: float, trades: int = 0, position: str | None = None) -> TargetStatus:
    place = None if position is None else Decimal(position)
    sample = TargetSample(
        round(equity * 1_000_000), "USD", trades, 0, 0, trades_are_round_trips=True, position=place
    )
    return TargetStatus("ok", sample=sample)


def host_with(tmp_path: Path, *targets: str, **options) -> SessionHost:
    host = live(tmp_path, target=targets[0], more_targets=targets[1:], **options)
    for target in targets:
        if "key" in target:
            host.venue.open_account(target.rpartition("=")[2].rpartition(":")[2])
    return host


def trade(host: SessionHost, key: str, side: Side, lots: int) -> None:
    account = host.venue.open_account(key)
    number = host.venue.next_request_id()
    terms = OrderTerms(f"o{number}", side, OrderType.MARKET, time_in_force=TimeInForce.IOC, qty_lots=lots)
    assert host.venue.request(PlaceOrder(account, number, terms))


def run(host: SessionHost, seconds: float) -> None:
    host.turn()
    host.advance_to(host.session.now_ns + int(seconds * NS_PER_S))
    host.turn()


def test_a_venue_account_is_a_target_without_being_asked(tmp_path):
    host = host_with(tmp_path, "key:bot")
    run(host, 2)
    view = host.frame().host.target
    assert (view.status, view.judged_by, view.equity) == ("ok", "ledger", view.start_equity)
    trade(host, "bot", Side.BID, 5)
    run(host, 2)
    view = host.frame().host.target
    assert (view.ledger_position_lots, view.ledger_round_trips, view.bot) == (5, 0, "bot")
    assert view.ledger_fills >= 1
    trade(host, "bot", Side.ASK, 5)
    run(host, 2)
    view = host.frame().host.target
    assert (view.ledger_position_lots, view.ledger_round_trips) == (0, 1)
    assert view.equity - view.start_equity == pytest.approx(view.ledger_pnl, abs=1e-5)


def test_the_word_stands_beside_the_ledger_and_a_lie_is_found(tmp_path):
    host = host_with(tmp_path, "http://127.0.0.1:1,key=bot", record=True)
    run(host, 1)
    for second in range(12):
        host.set_target(said(100.0, position="0"))
        if second == 3:
            trade(host, "bot", Side.BID, 5)
        run(host, 1)
    view = host.frame().host.target
    assert view.equity == 100.0
    assert view.ledger_equity is not None
    assert view.disagreements == ("position: it says 0, the ledger 5",)
    assert any("position: it says 0" in alert.text for alert in host.frame().market.alerts)
    host.toggle_recording()
    host.turn()
    host.set_target(said(100.0, position="0"))
    host.turn()
    recorder = host.recorder
    assert recorder is not None
    assert not recorder.active
    path = Path(recorder.path)
    summary = RunDirectory(path).read_summary()
    assert summary["target"]["judged_by"] == "ledger"
    (row,) = summary["targets"]
    assert row["disagreements"][0]["what"] == "position"
    assert row["said"]["currency"] == "USD"
    lines = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    (event,) = [line for line in lines if line["type"] == "target_disagreement"]
    assert (event["target"], event["said"], event["ledger"]) == ("http://127.0.0.1:1,key=bot", 0, 5)
    result = verify_run(path, build=rebuild_session)
    assert (result.ok, result.first_difference) == (True, None)
    assert result.ledger_samples_compared > 12
    assert result.disagreements_compared == 1


def test_a_replay_shows_what_was_live(tmp_path):
    host = host_with(tmp_path, "http://127.0.0.1:1,key=bot", "key:other", "http://127.0.0.1:2", record=True)
    run(host, 1)
    for number in range(8):
        host.set_target(said(50.0 + number, position="3"))
        host.set_target(said(7.0), number=2)
        if number == 2:
            trade(host, "other", Side.ASK, 4)
        run(host, 1)
    host.toggle_recording()
    host.turn()
    host.set_target(said(57.0, position="3"))
    host.set_target(said(7.0), number=2)
    host.turn()
    path = Path(host.recorder.path)
    rows = RunDirectory(path).read_summary()["targets"]
    replay = ReplayHost(path)
    replay.advance_to(1 << 62)
    replay.turn()
    views = replay.frame().host.targets
    assert [view.url for view in views] == [row["target"] for row in rows]
    assert [view.judged_by for view in views] == ["ledger", "ledger", "self-report"]
    assert [view.verdict.verdict for view in views] == [row["verdict"] for row in rows]
    assert [view.ledger_equity for view in views[:2]] == [row["ledger"]["end_equity"] for row in rows[:2]]
    assert len(views[0].disagreements) == rows[0]["disagreement_count"] == 2
    assert any("position: it says 3" in alert.text for alert in replay.frame().market.alerts)


@pytest.mark.parametrize(
    ("field", "value"), [("judged_by", "self-report"), ("verdict", "TARGET_KILLED"), ("disagreements", [])]
)
def test_a_changed_row_of_a_target_is_found(tmp_path, field, value):
    host = host_with(tmp_path, "http://127.0.0.1:1,key=bot", record=True)
    for _ in range(8):
        host.set_target(said(1.0, position="2"))
        run(host, 1)
    host.toggle_recording()
    host.turn()
    host.set_target(said(1.0, position="2"))
    host.turn()
    directory = RunDirectory(Path(host.recorder.path))
    summary = directory.read_summary()
    summary["targets"][0][field] = value
    directory.write_summary(summary)
    result = verify_run(directory.path, build=rebuild_session)
    assert result.first_difference is not None
    assert result.first_difference.startswith(f"run.yaml: targets 1: {field} recorded")


def test_what_a_storm_has_cost_is_the_ledgers(tmp_path):
    host = host_with(tmp_path, "http://127.0.0.1:1,key=bot", record=True)
    run(host, 1)
    trade(host, "bot", Side.BID, 20)
    host.set_target(said(100.0))
    run(host, 1)
    host.start_storm(StormKind.CRASH, 1.0, 5.0)
    run(host, 6.5)
    host.set_target(said(100.0))
    host.turn()
    host.toggle_recording()
    host.turn()
    host.set_target(said(100.0))
    host.turn()
    summary = RunDirectory(Path(host.recorder.path)).read_summary()
    (fired,) = summary["storms_fired"]
    assert fired["target_pnl_delta_usd"] < 0
    assert summary["targets"][0]["self_report"]["delta"] == 0.0


def test_a_key_that_is_not_there_is_refused_at_the_door(tmp_path):
    host = live(tmp_path, target="key:nobody")
    with pytest.raises(UsageError, match="stormdesk key new nobody"):
        LiveService(host, "key:nobody", venue=VenueOptions(KeyStore()))
    with pytest.raises(UsageError, match="the venue is closed"):
        LiveService(host, "key:nobody")


def test_the_accounts_of_targets_are_open_from_the_start(tmp_path):
    keys = KeyStore()
    keys.create("bot", maker_ppm=1, taker_ppm=77)
    host = live(tmp_path, target="key:bot")
    with LiveService(host, "key:bot", venue=VenueOptions(keys)):
        run(host, 1.5)
        assert host.frame().host.target.status == "ok"
        (account,) = host.session.broker.accounts()
        assert (account.label, account.fees.taker_ppm) == ("bot", 77)


def test_every_target_is_asked_in_its_own_words_and_no_secret_is_kept(tmp_path, monkeypatch):
    keys = KeyStore()
    keys.create("bot")
    state = b'{"equity": 12.5, "currency": "EUR", "total_trades": 1, "wins": 1, "losses": 0}'
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with (
        freqtrade_server() as bot,
        bad_target(lambda stage, connection: stage.send(connection, answer(state))) as other,
    ):
        first = f"freqtrade+{bot.url.replace('//', f'//{USER}@')},key=bot"
        host = live(tmp_path, target=first, more_targets=(other.url,), record=True, speed=1.0)
        with LiveService(host, first, venue=VenueOptions(keys)):
            host.await_target(DEADLINE_S)
            run(host, 1)
            host.toggle_recording()
            host.turn()
            host.await_target(DEADLINE_S)
            views = host.frame().host.targets
            assert host.stop(DEADLINE_S) is None
    assert [(view.status, view.currency, view.total_trades) for view in views] == [
        ("ok", "USDT", 3), ("ok", "EUR", 1)
    ]  # fmt: skip
    assert views[0].ledger_equity is not None
    assert views[1].ledger_equity is None
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not any(PASSWORD.encode() in text for text in written)


def test_silence_of_one_target_is_told_of_that_one(tmp_path):
    host = host_with(tmp_path, "key:bot", "http://127.0.0.1:2")
    run(host, 1)
    host.set_target(TargetStatus("unreachable", "gone"), number=1)
    run(host, 1)
    told = [alert.text for alert in host.frame().market.alerts if "target" in alert.text]
    assert told == ["target 2 does not answer"]
    assert [view.status for view in host.frame().host.targets] == ["ok", "unreachable"]


def test_a_sample_of_a_target_that_cannot_be_is_no_input():
    check_command(Command(CommandKind.TARGET_SAMPLE, side=TARGETS_LIMIT - 1))
    with pytest.raises(UsageError, match="there is no target"):
        check_command(Command(CommandKind.TARGET_SAMPLE, side=TARGETS_LIMIT))
