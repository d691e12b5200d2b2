"""The verdict: did the target survive the recorded window? A pure function of the journaled samples.

    delta = end equity - start equity
    TARGET_KILLED   delta < killed threshold        (flowlab.md section 6; a delta on the threshold is
    TARGET_DAMAGED  delta < damaged threshold        not below it)
    TARGET_INTACT   otherwise
    UNKNOWN         the two equities are not both known, or the target does not answer at the end

Where the scenario limits drawdown or exposure ([thresholds] max_*), a target that exceeds that is damaged at
the least. Start equity is the last valid sample up to the start of recording, else the first valid one within
START_GRACE_NS after it. End equity is the last sample of the window. An unreachable target has no equity:
it is never taken for 0. Equities are whole millionths, thresholds are compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.target_sample import is_ledgers, read_sample
from engine.core.types import Command, CommandKind
from engine.market.ledger import MICRO
from engine.recording.falls import EquityFalls
from engine.scenarios.loader import Thresholds
from engine.score.judgement import limit_millionths, share_of
from engine.score.lows import Lows

__all__ = ["EquityRecord", "Verdict", "judge", "money"]

START_GRACE_NS = 10 * NS_PER_S
"""How long after the start of recording a first sample still counts as start equity."""


class Verdict(NamedTuple):
    """What became of the target."""

    verdict: str
    """One of: "TARGET_INTACT", "TARGET_DAMAGED", "TARGET_KILLED", "UNKNOWN"."""
    delta_millionths: int | None
    """End minus start equity; None when not both are known."""
    reason: str
    """One line; begins with a code for UNKNOWN: no_target, bot_unreachable, no_start_equity,
    no_end_equity."""
    start_millionths: int | None = None
    end_millionths: int | None = None
    bot_unreachable: bool = False
    """The target did not answer the last poll of the window."""

    @property
    def delta(self) -> float | None:
        """Delta in units of the target's currency."""
        return money(self.delta_millionths)


class EquityRecord:
    """What the verdict needs of the samples, folded in one by one: constant memory for any length."""

    def __init__(self, record_from_ns: int) -> None:
        self.record_from_ns = record_from_ns
        self.start_millionths: int | None = None
        self.last_millionths: int | None = None
        """Of the last valid sample, also before the window."""
        self.window_samples = 0
        """Samples after the start one, valid or not."""
        self.reachable = True
        """Whether the last sample was valid; True before the first."""
        self.lows = Lows()
        """Of the equity within the window."""
        self.falls = EquityFalls()

    def observe(self, sample: Command) -> None:
        """Fold in the next TARGET_SAMPLE."""
        assert sample.kind == CommandKind.TARGET_SAMPLE
        self.reachable = sample.flags & 1 == 1
        sets_start = self.reachable and (
            sample.time_ns <= self.record_from_ns
            or (self.start_millionths is None and sample.time_ns <= self.record_from_ns + START_GRACE_NS)
        )
        if self.reachable:
            self.last_millionths = sample.a
            self.falls.observe(sample.time_ns, sample.a)
        if sets_start:
            self.start_millionths = sample.a
            self.window_samples = 0
            self.lows = Lows.begin(sample.a)
            self._look(sample)
        elif sample.time_ns >= self.record_from_ns:
            self.window_samples += 1
            if self.reachable and self.start_millionths is not None:
                self._look(sample)

    def _look(self, sample: Command) -> None:
        figures = read_sample(sample)
        exposure = figures.position_value_millionths if is_ledgers(sample) else None
        self.lows.look(sample.time_ns, sample.a, figures.position_lots, exposure)

    def judge(self, thresholds: Thresholds, *, has_target: bool) -> Verdict:
        """The verdict as of the last sample."""
        start, end = self.start_millionths, self.last_millionths
        if not self.reachable:
            reason = "bot_unreachable: the target did not answer at the end"
            return Verdict("UNKNOWN", None, reason, start, None, bot_unreachable=True)
        if start is None and end is None and not has_target:
            return Verdict("UNKNOWN", None, "no_target: this run has no target")
        if start is None:
            reason = "no_start_equity: no valid sample up to 10 s after the start of recording"
            return Verdict("UNKNOWN", None, reason, None, end)
        if end is None or self.window_samples == 0:
            reason = "no_end_equity: no sample after the start of recording"
            return Verdict("UNKNOWN", None, reason, start, None)
        return _compare(start, end, self.lows, thresholds)


def judge(
    samples: Iterable[Command], thresholds: Thresholds, *, record_from_ns: int, has_target: bool
) -> Verdict:
    """The verdict over TARGET_SAMPLE commands in order, of which the last is in the window."""
    record = EquityRecord(record_from_ns)
    for sample in samples:
        record.observe(sample)
    return record.judge(thresholds, has_target=has_target)


def money(millionths: int | None) -> float | None:
    """Units of currency for files and screens; None stays None."""
    return None if millionths is None else millionths / 1_000_000


def _compare(start: int, end: int, lows: Lows, thresholds: Thresholds) -> Verdict:
    delta = end - start
    killed = limit_millionths(thresholds.killed, thresholds.killed_fraction, start)
    damaged = limit_millionths(thresholds.damaged, thresholds.damaged_fraction, start)
    if delta < killed:
        name, limit = "TARGET_KILLED", killed
    elif delta < damaged:
        name, limit = "TARGET_DAMAGED", damaged
    else:
        name, limit = "TARGET_INTACT", damaged
    relation = "below" if delta < limit else "not below"
    reason = f"delta {_said(delta)} is {relation} {_said(limit)}"
    if name == "TARGET_INTACT" and (further := _further_reason(lows, thresholds)) is not None:
        name, reason = "TARGET_DAMAGED", further
    return Verdict(name, delta, reason, start, end)


def _further_reason(lows: Lows, thresholds: Thresholds) -> str | None:
    """Which limit of drawdown or exposure is exceeded, in words; None: none is set, or none is."""
    fall, share = lows.max_drawdown, share_of(thresholds.max_drawdown_fraction)
    limits = []
    if thresholds.max_drawdown is not None:
        limits.append(("drawdown", fall, Fraction(repr(thresholds.max_drawdown)) * MICRO))
    if share is not None:
        limits.append(("drawdown", fall, share * abs(lows.fell_from)))
    if thresholds.max_exposure is not None and lows.max_exposure is not None:
        limits.append(("exposure", lows.max_exposure, Fraction(repr(thresholds.max_exposure)) * MICRO))
    exceeded = next((one for one in limits if one[1] > one[2]), None)
    if exceeded is None:
        return None
    what, value, limit = exceeded
    return f"{what} {_said(value)} is above {_said(limit)}"


def _said(millionths: int | Fraction) -> str:
    """Units with two decimals, or as many more as the value has (six at the most)."""
    text = f"{float(millionths) / 1_000_000:.6f}"
    return text.rstrip("0").ljust(text.index(".") + 3, "0")
