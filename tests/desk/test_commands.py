"""The command line's language."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.actions import Actions
from desk.commands import VERBS, CommandError, Parsed, complete, parse
from engine.core.clock import NS_PER_S
from engine.core.types import ALL_ACCOUNTS, Account, GateAction
from tests.desk.fake_host import AUGUST_8, BTC, FakeHost, feed_view, gates

LIVE = FakeHost().frame()
RECORDED = FakeHost(feed=feed_view()).frame()
CAPTURED = FakeHost(feed=feed_view(epoch_ns=AUGUST_8)).frame()
REPLAY = FakeHost(mode="replay").frame()
BITCOIN = FakeHost(instrument=BTC).frame()


def test_an_order_is_previewed_with_notional_and_queue() -> None:
    parsed = parse("buy 200 100.56", LIVE)
    assert parsed is not None
    assert "limit BUY 200 ACME @100.56" in parsed.preview
    assert "20 112.00 USD" in parsed.preview
    assert "ahead in the queue" in parsed.preview


def test_a_marketable_order_says_what_it_would_take() -> None:
    parsed = parse("sell 100", LIVE)
    assert parsed is not None
    assert "takes all at" in parsed.preview


def test_quantities_are_exact_lots_of_the_instrument() -> None:
    parsed = parse("buy 0.00001 61000.01", BITCOIN)
    assert parsed is not None
    assert "BUY 0.00001 BTCUSDT" in parsed.preview


@pytest.mark.parametrize(
    ("line", "word", "says"),
    [
        ("storm crush 0.8", "crush", "crash"),
        ("storm crash 1.2", "1.2", "0 to 1"),
        ("storm crash 0.8 200s", "200s", "5 s to 120 s"),
        ("storm crash 0.8 20s now", "now", "too many"),
        ("buy 1.5", "1.5", "lots of 1"),
        ("buy 100 100.565", "100.565", "ticks of 0.01"),
        ("buy -3", "-3", "above zero"),
        ("buy nan", "nan", "no number"),
        ("speed fast", "fast", "no number"),
        ("speed 5000", "5000", "0.1 to 1000"),
        ("theme pink", "pink", "classic"),
        ("goto 1m", "1m", "cannot go back"),
        ("goto 25:00", "25:00", "no time of day"),
        ("goto 10:3", "10:3", "no time of day"),
        ("goto soon", "soon", "soon"),
        ("source nowhere.itch", "nowhere.itch", "no data file"),
        ("symbol AAPL", "symbol", "one symbol"),
        ("explode", "explode", "no command"),
        ("cancel x", "x", "no order number"),
        ("kill him", "him", "everybody desk target"),
        ("kill everybody now", "now", "too many"),
    ],
)
def test_an_error_says_what_is_wrong_and_where_and_what_would_work(line: str, word: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        parse(line, LIVE)
    assert line[caught.value.start : caught.value.end] == word


def test_a_missing_argument_shows_the_usage() -> None:
    with pytest.raises(CommandError, match=r"storm KIND"):
        parse("storm", LIVE)


def test_a_replay_seeks_relative_and_absolute() -> None:
    for line, shown in (("goto 1m30s", "00:01:30"), ("goto +10s", "00:01:33"), ("goto -1h", "00:00:00")):
        parsed = parse(line, REPLAY)
        assert parsed is not None
        assert shown in parsed.preview
    with pytest.raises(CommandError, match=r"run goes from 00:00:00\.000 to 00:04:00"):
        parse("goto 1h", REPLAY)


def test_a_time_of_day_is_the_exchanges_where_it_has_a_clock() -> None:
    asked: list[int] = []
    for frame, line, shown, session_s in (
        (RECORDED, "goto 10:30", "10:30:00.000", 3_600),
        (RECORDED, "goto 10:30:05.250", "10:30:05.250", 3_605.25),
        (RECORDED, "goto +5m", "09:36:23.400", 383.4),
        (RECORDED, "goto 90s", "09:31:30.000", 90),
        (CAPTURED, "goto 14:30", "2024-08-08 14:30:00.000 UTC", 1_800),
        (LIVE, "goto 00:10", "00:10:00.000", 600),
    ):
        parsed = parse(line, frame)
        assert parsed is not None
        assert shown in parsed.preview
        parsed.run(cast(Actions, SimpleNamespace(goto=asked.append)))
        assert asked[-1] == round(session_s * NS_PER_S)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("goto 16:30", r"from 09:30:00\.000 to 16:00:00\.000"),
        ("goto 09:00", r"from 09:30:00\.000 to 16:00:00\.000"),
        ("goto 09:31", r"it is 09:31:23\.400: .*cannot go back"),
        ("symbol AAPL", r"day\.itch has no AAPL; ACME"),
        ("symbol ACME", "already"),
    ],
)
def test_what_a_recorded_day_cannot_do_is_said(line: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        parse(line, RECORDED)


def test_a_symbol_and_a_source_are_previewed() -> None:
    for line, shown in (
        ("symbol s0002", "S0002 at the same time of day"),
        ("symbol", "list of symbols"),
        ("source", "list of sources"),
        ("source minimal", "minimal"),
        ("source sample", "spot_btcusdt"),
    ):
        parsed = parse(line, RECORDED)
        assert parsed is not None
        assert shown in parsed.preview


def test_a_replay_keeps_its_source() -> None:
    for line in ("source", "symbol S0001"):
        with pytest.raises(CommandError, match="replay plays its own source"):
            parse(line, REPLAY)


def test_the_kill_switch_wants_a_word_and_says_what_it_does() -> None:
    thrown: list[tuple[GateAction, int, str]] = []
    actions = cast(Actions, SimpleNamespace(throw_gate=lambda *what: thrown.append(what)))
    with pytest.raises(CommandError, match="whom"):
        parse("kill ", LIVE)
    for line, action, account in (
        ("kill everybody", GateAction.KILL, ALL_ACCOUNTS),
        ("reset desk", GateAction.RESET, Account.DESK),
        ("day target", GateAction.START_OF_DAY, Account.TARGET),
    ):
        parsed = parse(line, LIVE)
        assert parsed is not None
        parsed.run(actions)
        assert thrown[-1][:2] == (action, account)
    with pytest.raises(CommandError, match="has happened"):
        parse("kill everybody", REPLAY)


def test_completion_walks_through_verb_and_arguments() -> None:
    assert complete("st")[0].strip() == "storm"
    assert complete("storm cr") == ["storm crash"]
    assert "storm crash 0.8" in complete("storm crash 0.")
    assert complete("theme c") == ["theme classic"]
    assert complete("buy 100 ") == []


def test_every_completion_of_a_verb_can_be_parsed() -> None:
    for name, verb in VERBS.items():
        if verb.choices:
            for line in complete(name + " "):
                rest = " max_position 5" if name == "limit" else ""
                assert isinstance(parse(line + rest, LIVE), Parsed)


WORDS = st.lists(st.one_of(st.sampled_from(sorted(VERBS)), st.text(max_size=12)), max_size=5)


@given(st.one_of(st.text(max_size=60), WORDS.map(" ".join)))
def test_any_line_is_a_command_nothing_or_a_clear_error(line: str) -> None:
    for frame in (LIVE, REPLAY, RECORDED):
        error = None
        parsed = None
        try:
            parsed = parse(line, frame)
        except CommandError as caught:
            error = caught
        if error is None:
            assert parsed is None or parsed.preview
        else:
            assert str(error)
            assert 0 <= error.start <= error.end
    complete(line)


# -- the gate ----------------------------------------------------------------------------------

GATED = FakeHost(gates=gates()).frame()


class Thrown:
    """Stands for the actions: remembers what was thrown."""

    def __init__(self) -> None:
        self.thrown: list[tuple[object, ...]] = []

    def throw_gate(self, action: GateAction, account: int, said: str, **more: object) -> None:
        self.thrown.append((action, account, *more.values()))


@pytest.mark.parametrize(
    ("line", "thrown"),
    [
        ("limit target max_position 500", (GateAction.LIMIT, 2, "max_position_lots", 500)),
        ("limit target position 500", (GateAction.LIMIT, 2, "max_position_lots", 500)),
        ("limit desk max_daily_loss 12.5", (GateAction.LIMIT, 1, "max_loss", 1_250_000_000)),
        ("limit everybody max_notional 1000", (GateAction.LIMIT, ALL_ACCOUNTS, "max_notional", 100_000)),
        ("limit maker-1 orders_per_s 20", (GateAction.LIMIT, 40, "orders_per_s", 20)),
        ("limit desk price_collar_bps 1.5", (GateAction.LIMIT, 1, "collar_ppm", 150)),
        ("limit desk max_order off", (GateAction.LIMIT, 1, "max_order_lots", 0)),
        ("limit desk trading off", (GateAction.LIMIT, 1, "is_closed", 1)),
        ("limit desk trading on", (GateAction.LIMIT, 1, "is_closed", 0)),
        ("reset maker-1", (GateAction.RESET, 40)),
        ("kill MAKER-1", (GateAction.KILL, 40)),
    ],
)
def test_the_gate_is_set_by_names_and_units_of_people(line: str, thrown: tuple[object, ...]) -> None:
    parsed = parse(line, GATED)
    assert parsed is not None
    actions = Thrown()
    parsed.run(cast(Actions, actions))
    assert actions.thrown == [thrown]


@pytest.mark.parametrize(
    ("line", "word", "says"),
    [
        ("limit nobody max_position 5", "nobody", "desk target maker-1"),
        ("limit desk max_hope 5", "max_hope", "no limit"),
        ("limit desk max_position 1.5", "1.5", "in lots of 1"),
        ("limit desk orders_per_s 2.5", "2.5", "not whole"),
        ("limit desk max_position -5", "-5", "above zero"),
        ("limit desk max_position nan", "nan", "above zero"),
        ("limit desk max_position lots", "lots", "no number"),
        ("limit desk max_feed_gaps 65", "65", "0 (none) to 64"),
        ("limit desk max_notional 1e30", "1e30", "out of range"),
        ("limit desk trading maybe", "maybe", "neither on nor off"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_at_its_word(line: str, word: str, says: str) -> None:
    with pytest.raises(CommandError, match=re.escape(says)) as caught:
        parse(line, GATED)
    assert line[caught.value.start : caught.value.end] == word


def test_a_limit_that_is_set_is_never_none() -> None:
    parsed = parse("limit desk max_notional 0.001", GATED)
    assert parsed is not None
    actions = Thrown()
    parsed.run(cast(Actions, actions))
    assert actions.thrown == [(GateAction.LIMIT, 1, "max_notional", 1)]


def test_in_a_replay_nobody_is_limited() -> None:
    with pytest.raises(CommandError, match="it has happened"):
        parse("limit desk max_position 5", REPLAY)
