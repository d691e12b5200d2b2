from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_S
from engine.core.types import Command, CommandKind
from engine.recording.verdict import judge
from engine.scenarios.loader import Thresholds

DEFAULT = Thresholds()
START_NS = 10 * NS_PER_S


def sample(time_s: float, equity_micro: int | None) -> Command:
    return Command(
        CommandKind.TARGET_SAMPLE,
        time_ns=round(time_s * NS_PER_S),
        a=equity_micro or 0,
        flags=int(equity_micro is not None),
    )


def judge_samples(*samples: Command, thresholds: Thresholds = DEFAULT, has_target: bool = True):
    return judge(samples, thresholds, record_from_ns=START_NS, has_target=has_target)


@pytest.mark.parametrize(
    ("delta_micro", "verdict"),
    [
        (5_000_000, "TARGET_INTACT"),
        (0, "TARGET_INTACT"),
        (-10_000_000, "TARGET_INTACT"),
        (-10_000_001, "TARGET_DAMAGED"),
        (-100_000_000, "TARGET_DAMAGED"),
        (-100_000_001, "TARGET_KILLED"),
    ],
)
def test_a_delta_on_the_threshold_is_not_below_it(delta_micro, verdict):
    judged = judge_samples(sample(9, 1_000_000_000), sample(20, 1_000_000_000 + delta_micro))
    assert (judged.verdict, judged.delta_millionths) == (verdict, delta_micro)


@pytest.mark.parametrize(
    ("delta_micro", "verdict"),
    [
        (-2_000, "TARGET_INTACT"),
        (-2_001, "TARGET_DAMAGED"),
        (-20_000, "TARGET_DAMAGED"),
        (-20_001, "TARGET_KILLED"),
    ],
)
def test_thresholds_scale_with_the_equity_when_configured(delta_micro, verdict):
    thresholds = Thresholds(damaged_fraction=0.01, killed_fraction=0.1)
    judged = judge_samples(sample(9, 200_000), sample(20, 200_000 + delta_micro), thresholds=thresholds)
    assert judged.verdict == verdict


def test_decimal_thresholds_are_taken_at_their_word():
    """0.1 is one tenth, not the nearest binary fraction."""
    thresholds = Thresholds(damaged=-0.1, killed=-0.3)
    assert judge_samples(sample(9, 0), sample(20, -100_000), thresholds=thresholds).verdict == "TARGET_INTACT"
    assert (
        judge_samples(sample(9, 0), sample(20, -300_000), thresholds=thresholds).verdict == "TARGET_DAMAGED"
    )


def test_start_equity_is_the_last_one_before_the_recording():
    judged = judge_samples(sample(1, 5), sample(10, 7), sample(11, 9), sample(12, None), sample(13, 8))
    assert (judged.start_millionths, judged.end_millionths) == (7, 8)


def test_without_one_before_it_is_the_first_within_ten_seconds():
    assert judge_samples(sample(9, None), sample(20, 7), sample(21, 9)).start_millionths == 7
    late = judge_samples(sample(9, None), sample(20.1, 7), sample(21, 9))
    assert (late.verdict, late.start_millionths) == ("UNKNOWN", None)
    assert late.reason.startswith("no_start_equity")


def test_one_sample_is_not_a_start_and_an_end():
    for polls in ([sample(10, 7)], [sample(11, 7)], [sample(10.5, None), sample(11, 7)]):
        judged = judge_samples(*polls)
        assert judged.verdict == "UNKNOWN"
        assert judged.reason.startswith("no_end_equity")


def test_a_silent_bot_at_the_end_is_unknown_and_never_killed():
    judged = judge_samples(sample(9, 1_000_000_000), sample(15, 1_000_000_000), sample(20, None))
    assert (judged.verdict, judged.bot_unreachable, judged.delta) == ("UNKNOWN", True, None)
    assert judged.reason.startswith("bot_unreachable")


def test_a_bot_that_came_back_is_judged():
    judged = judge_samples(sample(9, 1_000_000_000), sample(15, None), sample(20, 999_000_000))
    assert (judged.verdict, judged.bot_unreachable, judged.delta) == ("TARGET_INTACT", False, -1.0)


def test_no_target_is_said_as_such():
    judged = judge_samples(has_target=False)
    assert (judged.verdict, judged.bot_unreachable) == ("UNKNOWN", False)
    assert judged.reason.startswith("no_target")
    assert judge_samples(has_target=True).reason.startswith("no_start_equity")


@given(st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(-(10**15), 10**15)), max_size=12))
def test_an_unknown_verdict_has_no_delta_and_a_known_one_has(polls):
    judged = judge_samples(*(sample(*poll) for poll in sorted(polls, key=lambda poll: poll[0])))
    assert (judged.verdict == "UNKNOWN") == (judged.delta_millionths is None)
    if judged.delta_millionths is not None:
        assert judged.delta_millionths == judged.end_millionths - judged.start_millionths
