"""The score follows from scenario, seed and inputs, changes nothing, and goes along with forks and runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from engine.core.clock import NS_PER_S
from engine.core.errors import DataError, VerificationFailed
from engine.core.rng import Stream
from engine.core.types import Account, Command, CommandKind
from engine.feeds.source import sample_path
from engine.host.replay import ReplayHost
from engine.journal.snapshot import decode_snapshot, encode_snapshot
from engine.rebuild import header_for, rebuild_session
from engine.recording.recompute import replay_inputs
from engine.recording.score_file import compare_score, score_document, take_score
from engine.recording.verify import verify_run
from engine.scenarios import history_scenario
from engine.score.card import BotCard
from engine.session import Session, SessionConfig
from tests.recording.fake_session import FakeHost
from tests.score.flows import STEPS, Trading, fresh


@pytest.fixture(scope="module")
def traded() -> Trading:
    scene = Trading(4)
    for _ in range(STEPS):
        scene.step()
    return scene


def test_the_flow_has_something_of_everything(traded):
    cards = traded.session.bot_cards()
    assert [card.account for card in cards] == [2, *traded.accounts]
    assert all(card.fills for card in cards)
    faults = [fault for card in cards for fault in card.faults]
    assert {fault.kind for fault in faults} >= {"fault.ghost", "crash", "fault.limit", "fault.timeout"}
    assert any(fault.astray for fault in faults)
    assert any(fault.refused for fault in faults)
    assert any(fault.noticed_ns for fault in faults)
    assert any(fault.recovered_ns for fault in faults)
    assert sum(card.rate_limited for card in cards) > 0
    assert sum(card.limit_offences for card in cards) > 0
    assert cards[0].self_report is not None
    assert all(len(card.reasons) > 0 for card in cards)


def test_the_same_inputs_give_the_same_cards(traded):
    again = fresh(4)
    replay_inputs(again, traded.commands, traded.session.now_ns)
    assert again.bot_cards() == traded.session.bot_cards()


def test_the_slicing_of_time_is_not_in_the_cards(traded):
    sliced = Trading(4)
    for _ in range(STEPS // 2):
        sliced.step(slice_ns=7_777_777)
    until = [command for command in traded.commands if command.time_ns < sliced.session.now_ns]
    again = fresh(4)
    replay_inputs(again, until, sliced.session.now_ns)
    assert again.bot_cards() == sliced.session.bot_cards()


@pytest.mark.parametrize("at_step", [1, 37, 90])
def test_a_fork_goes_on_with_the_score(at_step):
    scene = Trading(5)
    for _ in range(at_step):
        scene.step()
    fork = scene.session.fork()
    assert fork.bot_cards() == scene.session.bot_cards()
    taken = len(scene.commands)
    for _ in range(STEPS - at_step):
        scene.step()
    replay_inputs(fork, scene.commands[taken:], scene.session.now_ns)
    assert fork.bot_cards() == scene.session.bot_cards()
    assert fork.score.state() == scene.session.score.state()


def test_an_image_on_disk_holds_the_score():
    scene = Trading(6)
    for _ in range(60):
        scene.step()
    bytes_on_disk = encode_snapshot(scene.session.image(), engine_hash="x")
    later = scene.session.resume(decode_snapshot(bytes_on_disk, engine_hash="x", where="here"))
    for session in (later, scene.session):
        session.advance(session.now_ns + 3 * NS_PER_S)
    assert later.bot_cards() == scene.session.bot_cards()


def test_without_the_score_nothing_else_is_different(traded):
    blind = fresh(4)
    blind.score.take_report = lambda _report: None
    blind.score.open_account = lambda _number, _label: None
    blind.score.take_command = lambda _command: None
    blind.score.take_word = lambda _sample: None
    blind.broker.boundary.witness = None
    replay_inputs(blind, traded.commands, traded.session.now_ns)
    assert blind.bot_cards() == ()
    assert blind.event_digest == traded.session.event_digest
    assert blind.told_digest == traded.session.told_digest


# -- runs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Path, Session]:
    host = FakeHost(session=fresh(4))
    header = header_for(host.session.config, target="none", record_from_ns=0)
    recorder = host.record(tmp_path_factory.mktemp("runs"), header)
    scene = Trading(4, host)
    for _ in range(60):
        scene.step()
    host.stop()
    return Path(recorder.path), host.session


def test_a_run_with_bots_has_a_score_that_verifies(recorded):
    path, session = recorded
    cards: tuple[BotCard, ...] = session.bot_cards()
    document = json.loads((path / "score.json").read_bytes())
    assert [bot["name"] for bot in document["bots"]] == [card.name for card in cards]
    money = [float(document["bots"][1][part]) for part in ("spread_pnl", "inventory_pnl", "fees", "pnl")]
    assert money[0] + money[1] - money[2] == pytest.approx(money[3])
    listed = yaml.safe_load((path / "run.yaml").read_text())["bots"]
    assert [(one["name"], one["verdict"]) for one in listed] == [(c.name, c.verdict) for c in cards]
    result = verify_run(path, build=rebuild_session)
    assert result.first_difference is None
    assert result.cards_compared == len(cards) == 3


@pytest.mark.parametrize(
    ("field", "value"), [("pnl", "1.00000000"), ("verdict", "INTACT!"), ("ghost_orders", 77)]
)
def test_a_changed_score_is_found(recorded, tmp_path, field, value):
    path, session = recorded
    document = json.loads((path / "score.json").read_bytes())
    document["bots"][1][field] = value
    other = tmp_path / "score.json"
    other.write_text(json.dumps(document))
    with pytest.raises(VerificationFailed, match=rf"score.json: bot-\d+: {field} recorded"):
        compare_score(other, take_score(session).document)


def test_a_changed_reaction_is_found_by_its_name(recorded, tmp_path):
    path, session = recorded
    document = json.loads((path / "score.json").read_bytes())
    document["bots"][0]["faults"][0]["astray"] += 1
    other = tmp_path / "score.json"
    other.write_text(json.dumps(document))
    with pytest.raises(VerificationFailed, match=r"score.json: bot: fault.ghost at \d+ ns: astray recorded"):
        compare_score(other, take_score(session).document)


def test_a_score_that_is_missing_cut_or_too_many_is_found(recorded, tmp_path):
    path, session = recorded
    expected = take_score(session).document
    with pytest.raises(VerificationFailed, match="missing, recomputed cards of 3 bots"):
        compare_score(tmp_path / "none.json", expected)
    cut = tmp_path / "cut.json"
    cut.write_bytes((path / "score.json").read_bytes()[:100])
    with pytest.raises(DataError, match="not JSON"):
        compare_score(cut, expected)
    with pytest.raises(VerificationFailed, match="3 bots recorded, 0 recomputed"):
        compare_score(path / "score.json", {"bots": []})


def test_a_run_without_bots_has_no_score(tmp_path):
    host = FakeHost(session=fresh(3))
    recorder = host.record(tmp_path, header_for(host.session.config, target="none", record_from_ns=0))
    host.run(2 * NS_PER_S)
    host.stop()
    assert not (Path(recorder.path) / "score.json").exists()
    assert verify_run(Path(recorder.path), build=rebuild_session).cards_compared == 0


def test_money_in_the_file_is_exact(traded):
    cards = traded.session.bot_cards()
    huge = cards[0]._replace(pnl=10**30 + 1)
    instrument = traded.session.exchange.instrument
    (row,) = score_document([huge], instrument, 0)["bots"]  # type: ignore[misc]
    assert row["pnl"].endswith("00000001")


def test_a_replay_shows_the_same_cards_after_any_seek(recorded):
    path, session = recorded
    replay = ReplayHost(path)
    end_ns = session.now_ns
    for time_ns in (end_ns, end_ns // 2, end_ns):
        replay._seek(time_ns)
        replay._publish()
    assert replay.frame().bots == session.bot_cards()


def history_of(slice_ns: int, *, is_watched: bool) -> tuple[tuple[BotCard, ...], Session]:
    """A target that trades against a recorded exchange, taken in slices of this length."""
    session = Session(SessionConfig(history_scenario(), source=str(sample_path())))
    if is_watched:
        session.exchange.watch_events(lambda _events: None)
    draw, step_ns = Stream(3, 3), NS_PER_S // 4
    for number in range(1, 60):
        until_ns = number * step_ns
        while session.now_ns < until_ns:
            session.advance(min(until_ns, session.now_ns + slice_ns))
        bid, ask = session.exchange.best_bid, session.exchange.best_ask
        if bid is None or ask is None:
            continue
        side = draw.below(2)
        price_ticks = (0, bid, ask)[draw.below(3)]
        order = Command(
            kind=CommandKind.SUBMIT,
            account=Account.TARGET,
            side=side,
            price_ticks=price_ticks,
            qty_lots=1 + draw.below(5),
            order_id=number,
        )
        session.accept(session.stamp(order))
    return session.bot_cards(), session


def test_on_a_recorded_exchange_neither_slices_nor_a_watcher_change_the_card():
    cards, session = history_of(NS_PER_S, is_watched=False)
    (card,) = cards
    assert card.fills > 10
    assert card.maker_share is not None
    assert 0 < card.maker_share < 1
    assert card.pnl == session.exchange.ledger.equity(2, session.exchange.mark_twice_ticks)
    assert history_of(3_333_333, is_watched=False)[0] == cards
    assert history_of(NS_PER_S, is_watched=True)[0] == cards
