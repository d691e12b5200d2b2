"""The protocol: what is planned, what a case brings, how rows, targets and benchmarks come of outcomes."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.detectors import AlarmKind
from engine.detectors.records import SCORE_KINDS
from engine.evaluate import (
    DEVELOPMENT,
    HELD_OUT,
    Case,
    Outcome,
    judge,
    judge_benchmarks,
    judge_regimes,
    judge_targets,
    plan_cases,
    run_case,
    run_cases,
)
from engine.evaluate.benchmarks import _episodes
from engine.evaluate.targets import Condition
from engine.evaluate.watching import AFTER_S, READINGS, WINDOW_S

CASES = (
    Case("balanced", 51, duration_s=300),
    Case("balanced", 52, duration_s=300),
    *(
        Case("balanced", seed, storm, 0.72, 20)
        for seed in (51, 52)
        for storm in (StormKind.STUFFING, StormKind.CRASH, StormKind.ICEBERG, StormKind.NEWS)
    ),
    *(Case("balanced", seed, StormKind.SLICES, 0.72, 20, institutions=False) for seed in (51, 52)),
)


@cache
def outcomes() -> tuple[Outcome, ...]:
    return tuple(run_cases(CASES))


def test_no_severity_and_no_duration_is_in_both_regions():
    assert not set(DEVELOPMENT.severities) & set(HELD_OUT.severities)
    assert not {*DEVELOPMENT.durations_s, *DEVELOPMENT.long_s} & {*HELD_OUT.durations_s, *HELD_OUT.long_s}


def test_the_plan_has_every_storm_at_every_severity_and_duration_and_calm_in_all_scenarios():
    cases = list(plan_cases([1, 2], HELD_OUT))
    assert len(set(cases)) == len(cases)
    home = Counter(case.storm for case in cases if case.institutions)
    assert all(home[storm] >= 2 * 3 * 3 for storm in StormKind)
    assert home[StormKind.CRASH] == 2 * 3 * (3 + 1)
    assert {case.scenario for case in cases if case.storm is None} == {"balanced", "institutional"}


def test_the_plan_keeps_storms_rare():
    cases = list(plan_cases([1], HELD_OUT))
    windows = sum(1 if case.storm is not None else case.duration_s // WINDOW_S for case in cases)
    own = Counter(case.storm for case in cases if case.storm is not None and case.institutions)
    assert max(own.values()) < 0.01 * windows


def test_a_calm_case_is_cut_in_windows_and_a_storm_is_one():
    calm, storm = outcomes()[0], outcomes()[2]
    assert calm.windows.shape == (300 // WINDOW_S, SCORE_KINDS + len(READINGS))
    assert storm.windows.shape == (1, SCORE_KINDS + len(READINGS))
    assert storm.end_ns - storm.start_ns == (20 + AFTER_S) * NS_PER_S
    assert np.all(np.diff(storm.course[:, 0]) > 0)
    assert storm.course[-1, 0] == 20 + AFTER_S


def test_a_storm_that_is_told_scores_above_its_threshold_and_calm_does_not():
    for outcome in outcomes():
        highest = outcome.windows.max(axis=0)
        for kind in AlarmKind:
            if any(a.kind == kind and a.time_ns >= outcome.start_ns for a in outcome.alarms):
                assert highest[kind] >= 1.0, kind
        if outcome.case.storm is StormKind.STUFFING:
            assert highest[AlarmKind.QUOTE_STUFFING] > 1.0
        if outcome.case.storm is None:
            assert highest[AlarmKind.QUOTE_STUFFING] < 1.0


def test_several_processes_give_what_one_gives():
    some = CASES[2:4]
    one, two = run_cases(some), run_cases(some, processes=2)
    assert [o.alarms for o in one] == [o.alarms for o in two]
    assert all(np.array_equal(a.windows, b.windows) for a, b in zip(one, two, strict=True))


def test_rows_say_what_was_found():
    rows = {row.kind: row for row in judge(outcomes())}
    stuffing = rows[AlarmKind.QUOTE_STUFFING]
    assert (stuffing.storms, stuffing.recall.value, stuffing.auc.value) == (2, 1.0, 1.0)
    assert stuffing.false_per_hour == 0.0
    assert stuffing.false_bound_per_hour == pytest.approx(3 / (600 / 3_600), rel=0.01)
    assert rows[AlarmKind.TWAP_CHILDREN].storms == 2, "those without institutions"
    assert rows[AlarmKind.NATIVE_ICEBERG].size_error is not None
    assert rows[AlarmKind.NATIVE_ICEBERG].delay_refills is not None
    assert rows[AlarmKind.SPOOFING].recall.value is None, "no storm of its own was run"


def test_an_iceberg_that_did_not_trade_is_not_judged():
    shown = [o._replace(showed=o.case.storm is not StormKind.ICEBERG) for o in outcomes()]
    rows = {row.kind: row for row in judge(shown)}
    assert rows[AlarmKind.NATIVE_ICEBERG].storms == 0


def test_there_are_nine_targets_and_what_is_unknown_is_not_reached():
    rows, benchmarks = judge(outcomes()), judge_benchmarks(outcomes())
    targets = judge_targets(rows, benchmarks)
    assert len(targets) == 9
    by_kind = {target.kind: target for target in targets}
    assert not by_kind[AlarmKind.SPOOFING].reached
    assert not Condition("recall", None, 0.5, True).reached
    assert Condition("delay", 2.0, 2.0, False).reached
    assert not Condition("recall", 0.94, 0.95, True).reached


def test_benchmarks_have_the_false_alarms_that_they_are_granted():
    rows = judge_benchmarks(outcomes())
    assert [row.name for row in rows] == ["vpin", "volume and volatility"]
    assert all(row.false_per_hour <= 0.5 for row in rows)


def test_windows_above_in_a_row_are_one_episode():
    assert _episodes(np.array([0.0, 2.0, 2.0, 0.0, 2.0]), 1.0) == 2
    assert _episodes(np.array([2.0, 0.0]), 1.0) == 1
    assert _episodes(np.array([]), 1.0) == 0


def test_a_calm_market_reads_calmer_than_a_crash():
    regimes = judge_regimes(outcomes())
    rows = {row.name: row for row in regimes.rows}
    assert sum(rows["calm"].shares) == pytest.approx(1.0)
    assert rows["calm"].shares[0] > 0.8 > rows["storms of 0.72"].shares[0]
    assert regimes.balanced[0] == pytest.approx(0.5)
    assert regimes.balanced[-1] is not None
    assert regimes.balanced[-1] > 0.9


def test_an_outcome_does_not_depend_on_what_ran_before():
    again = run_case(CASES[2])
    assert np.array_equal(again.windows, outcomes()[2].windows)
    assert again.alarms == outcomes()[2].alarms
