"""Targets of a run: judged by the ledger where they trade here, and held against their own word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_S
from engine.core.target_sample import SampleFlag, pack_counts, pack_position, read_sample
from engine.core.types import Command, CommandKind
from engine.recording.agreement import (
    DISAGREEMENT_ANSWERS,
    DISAGREEMENTS_KEPT,
    EQUITY_TOLERANCE_MILLIONTHS,
    Agreement,
)
from engine.recording.targets import TargetRecords
from engine.scenarios.loader import Thresholds

LEDGER = SampleFlag.VALID | SampleFlag.LEDGER | SampleFlag.HAS_POSITION | SampleFlag.HAS_ROUND_TRIPS
WORD = SampleFlag.VALID | SampleFlag.HAS_POSITION | SampleFlag.HAS_ROUND_TRIPS | SampleFlag.HAS_TRADES


def sample(
    flags: int,
    equity: float,
    *,
    time_s: float = 1,
    number: int = 0,
    trips: int = 0,
    position: int = 0,
    worth: float = 0,
) -> Command:
    counts = (0, trips, 0) if flags & SampleFlag.LEDGER else (trips, 0, 0)
    return Command(
        CommandKind.TARGET_SAMPLE,
        time_ns=round(time_s * NS_PER_S),
        side=number,
        flags=flags,
        a=round(equity * 1_000_000),
        b=pack_counts(*counts),
        order_id=pack_position(position),
        qty_lots=round(worth * 1_000_000),
    )


def ledger(equity: float, **more) -> Command:
    return sample(LEDGER, equity, **more)


def word(equity: float, **more) -> Command:
    return sample(WORD, equity, **more)


def silence(**more) -> Command:
    return sample(0, 0, **more)


@given(st.integers(-(1 << 62), 1 << 62), st.tuples(*[st.integers(0, (1 << 21) - 1)] * 3))
def test_a_short_position_and_counts_survive_the_journal(position, counts):
    command = Command(
        CommandKind.TARGET_SAMPLE, flags=WORD | SampleFlag.HAS_WINS, b=pack_counts(*counts),
        order_id=pack_position(position),
    )  # fmt: skip
    figures = read_sample(Command.unpack(command.pack()))
    assert figures.position_lots == position
    assert (figures.total_trades, figures.wins, figures.losses) == counts


def records(*samples: Command) -> TargetRecords:
    return TargetRecords.over(samples, record_from_ns=NS_PER_S)


def judged(*samples: Command, number: int = 0):
    return records(*samples).judge(number, Thresholds(), has_target=True)


def test_a_target_with_an_account_here_is_judged_by_the_ledger():
    verdict = judged(ledger(1000), word(1000), ledger(850, time_s=5), word(1001, time_s=5))
    assert (verdict.verdict, verdict.delta) == ("TARGET_KILLED", -150.0)


def test_a_target_that_trades_elsewhere_is_judged_by_its_word():
    verdict = judged(word(1000), word(980, time_s=5))
    assert (verdict.verdict, verdict.delta) == ("TARGET_DAMAGED", -20.0)


def test_silence_of_a_bot_that_the_ledger_knows_leaves_the_verdict_and_is_told():
    verdict = judged(ledger(1000), word(1000), ledger(995, time_s=5), silence(time_s=5))
    assert (verdict.verdict, verdict.bot_unreachable) == ("TARGET_INTACT", True)


def test_each_target_has_a_verdict_of_its_own():
    both = records(ledger(1000), word(500, number=1), ledger(700, time_s=3), word(500, number=1, time_s=3))
    assert both.judge(0, Thresholds(), has_target=True).verdict == "TARGET_KILLED"
    assert both.judge(1, Thresholds(), has_target=True).verdict == "TARGET_INTACT"
    assert (both.judged_by(0), both.judged_by(1)) == ("ledger", "self-report")


def answers(agreement: Agreement, pairs) -> list:
    news = []
    for true, said in pairs:
        agreement.observe(true)
        news += agreement.observe(said)
    return news


def test_a_difference_counts_after_some_answers_in_a_row():
    agreement = Agreement(0)
    start = [(ledger(100), word(9_000))]
    off = [(ledger(100, time_s=2 + n), word(8_990, time_s=2 + n)) for n in range(DISAGREEMENT_ANSWERS)]
    assert answers(agreement, start + off[:-1]) == []
    (found,) = answers(agreement, off[-1:])
    assert (found.what, found.said, found.true) == ("equity_change", -10_000_000, 0)
    assert (found.began_ns, found.found_ns) == (2 * NS_PER_S, (1 + DISAGREEMENT_ANSWERS) * NS_PER_S)
    assert agreement.standing == (found,)
    assert "it says -10.00, the ledger 0.00" in found.line
    (ended,) = answers(agreement, [(ledger(100, time_s=20), word(9_000, time_s=20))])
    assert ended is found
    assert (ended.ended_ns, agreement.standing) == (20 * NS_PER_S, ())


def test_one_agreeing_answer_begins_the_count_anew():
    agreement = Agreement(0)
    off = [(ledger(100), word(50, position=3))] * (DISAGREEMENT_ANSWERS - 1)
    good = [(ledger(100), word(50))]
    assert answers(agreement, good + (off + good) * 3) == []


@pytest.mark.parametrize(("excess", "found"), [(0, 0), (1, 1)])
def test_equity_may_differ_by_the_tolerance_and_a_share_of_the_position(excess, found):
    worth = 10_000
    allowed = EQUITY_TOLERANCE_MILLIONTHS / 1_000_000 + worth * 0.005
    agreement = Agreement(0)
    pairs = [(ledger(0), word(0))] + [
        (ledger(0, position=5, worth=worth), word(allowed + excess, position=5))
    ] * DISAGREEMENT_ANSWERS
    assert len(answers(agreement, pairs)) == found


def test_trades_and_position_are_compared_where_both_are_known():
    agreement = Agreement(0)
    pairs = [(ledger(0), word(0))]
    pairs += [(ledger(0, trips=4, position=7), word(0, trips=2, position=0))] * DISAGREEMENT_ANSWERS
    assert [found.what for found in answers(agreement, pairs)] == ["trades", "position"]
    plain = Agreement(0)
    only_equity = SampleFlag.VALID | SampleFlag.HAS_TRADES
    pairs = [(ledger(0, trips=4, position=7), sample(only_equity, 0, trips=2))] * (2 * DISAGREEMENT_ANSWERS)
    assert answers(plain, pairs) == []


def test_the_list_of_findings_is_bounded_and_goes_on_counting():
    agreement = Agreement(0)
    off = [(ledger(0, position=1), word(0))] * DISAGREEMENT_ANSWERS
    good = [(ledger(0), word(0))]
    answers(agreement, (off + good) * (DISAGREEMENTS_KEPT + 5))
    assert (len(agreement.found), agreement.count) == (DISAGREEMENTS_KEPT, DISAGREEMENTS_KEPT + 5)


def test_a_row_says_both_sides():
    pairs = [
        one
        for time_s in range(1, 9)
        for one in (
            ledger(1000 - 10 * time_s, time_s=time_s, trips=2), word(500, time_s=time_s, trips=2)
        )
    ]  # fmt: skip
    row = records(*pairs).row(0, "key:bot", Thresholds())
    assert row["judged_by"] == "ledger"
    assert row["ledger"] == {
        "start_equity": 990.0, "end_equity": 920.0, "delta": -70.0, "last_equity": 920.0,
        "fills": None, "round_trips": 2, "position_lots": 0,
    }  # fmt: skip
    assert row["self_report"] == {
        "start_equity": 500.0, "end_equity": 500.0, "delta": 0.0, "last_equity": 500.0
    }  # fmt: skip
    (found,) = row["disagreements"]
    assert (found["what"], found["said"], found["ledger"]) == ("equity_change", 0.0, -50.0)
    assert (row["answers_compared"], row["disagreement_count"]) == (8, 1)


def test_a_first_answer_that_comes_late_still_stands_beside_the_ledger():
    late = [ledger(10), word(7, time_s=30), word(5, time_s=40)]
    said = records(*late).row(0, "key:bot", Thresholds())["self_report"]
    assert said == {"start_equity": 7.0, "end_equity": 5.0, "delta": -2.0, "last_equity": 5.0}
    said = records(*late, silence(time_s=41)).row(0, "key:bot", Thresholds())["self_report"]
    assert said == {"start_equity": 7.0, "end_equity": None, "delta": None, "last_equity": 5.0}
