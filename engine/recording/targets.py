"""All that a run knows of its targets, folded over the TARGET_SAMPLE inputs: verdicts and agreement.

A target with an account in this market is judged by the ledger's samples, any other by its own word. Live,
replayed and verified runs fold the same inputs, so they say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.core.target_sample import SampleFlag, TargetFigures, is_ledgers, read_sample
from engine.core.types import Command
from engine.recording.agreement import Agreement, Disagreement
from engine.recording.falls import Fall
from engine.recording.verdict import EquityRecord, Verdict, money
from engine.scenarios.loader import Thresholds
from engine.score.lows import Lows

__all__ = ["TargetRecords", "TargetSummary"]

JUDGED_BY_LEDGER = "ledger"
JUDGED_BY_WORD = "self-report"


class TargetSummary(NamedTuple):
    """What the target says of itself; None is unknown."""

    bot: str | None = None
    currency: str | None = None
    total_trades: int | None = None
    wins: int | None = None
    losses: int | None = None
    win_rate: float | None = None


class _OneTarget:
    """The samples of one target."""

    def __init__(self, number: int, record_from_ns: int) -> None:
        self.ledger = EquityRecord(record_from_ns)
        self.word = EquityRecord(record_from_ns)
        self.true: TargetFigures | None = None
        """What the ledger said last."""
        self.account: int | None = None
        """The account of which it spoke."""
        self.has_word = False
        """Whether it was ever asked."""
        self.first_word_millionths: int | None = None
        """Equity in its first answer of the window, which may come too late to judge it by."""
        self.agreement = Agreement(number)

    @property
    def judged(self) -> EquityRecord:
        """The samples that the verdict stands on."""
        return self.word if self.true is None else self.ledger


class TargetRecords:
    """Folds the samples of all targets of a run."""

    def __init__(self, record_from_ns: int) -> None:
        self.record_from_ns = record_from_ns
        self._targets: dict[int, _OneTarget] = {}

    @classmethod
    def over(cls, samples: Iterable[Command], record_from_ns: int) -> TargetRecords:
        """Those of these TARGET_SAMPLE commands."""
        records = cls(record_from_ns)
        for sample in samples:
            records.observe(sample)
        return records

    def observe(self, sample: Command) -> list[Disagreement]:
        """Take the next TARGET_SAMPLE; what has just been found, or has just ended."""
        one = self._one(sample.side)
        if is_ledgers(sample):
            if sample.flags & SampleFlag.VALID:
                one.true = read_sample(sample)
                one.account = sample.account
            one.ledger.observe(sample)
        else:
            one.has_word = True
            one.word.observe(sample)
            if one.first_word_millionths is None and one.word.reachable:
                one.first_word_millionths = sample.a if sample.time_ns >= self.record_from_ns else None
        return one.agreement.observe(sample)

    def judge(self, number: int, thresholds: Thresholds, *, has_target: bool) -> Verdict:
        """The verdict on a target as of its last sample."""
        one = self._one(number)
        verdict = one.judged.judge(thresholds, has_target=has_target)
        return verdict._replace(bot_unreachable=not (one.word.reachable and one.judged.reachable))

    def judged_by(self, number: int) -> str:
        """Whose figures the verdict stands on."""
        return JUDGED_BY_WORD if self._one(number).true is None else JUDGED_BY_LEDGER

    def equity_millionths(self, number: int = 0) -> int | None:
        """The last equity that counts for the verdict."""
        return self._one(number).judged.last_millionths

    def start_millionths(self, number: int = 0) -> int | None:
        """The equity from which the verdict counts."""
        return self._one(number).judged.start_millionths

    def account(self, number: int) -> int | None:
        """The account that it trades with here; None: it has none, as far as the ledger has said."""
        one = self._targets.get(number)
        return None if one is None else one.account

    def lows(self, number: int) -> Lows:
        """Drawdown and lowest equity, by the samples that count for the verdict."""
        return self._one(number).judged.lows

    def begin_storm(self, storm: int, time_ns: int) -> None:
        """A storm of the window begins, numbered from 0; told at once or soon after."""
        for one in self._targets.values():
            for equity in (one.ledger, one.word):
                equity.falls.begin(storm, time_ns)

    def end_storm(self, storm: int, time_ns: int) -> None:
        """It is over."""
        for one in self._targets.values():
            for equity in (one.ledger, one.word):
                equity.falls.end(storm, time_ns)

    def fall(self, number: int, storm: int) -> Fall | None:
        """What a storm did to the equity of a target; None: nothing was known of it then."""
        one = self._targets.get(number)
        return None if one is None else one.judged.falls.falls.get(storm)

    def can_settle(self, number: int = 0) -> bool:
        """Whether the last equity that counts is of now, not of before silence."""
        return self._one(number).judged.reachable

    def answers(self, number: int) -> bool:
        """Whether the target answered its last poll; True before the first."""
        return self._one(number).word.reachable

    def standing(self, number: int) -> tuple[Disagreement, ...]:
        """Disagreements between word and ledger that stand now."""
        return self._one(number).agreement.standing

    def row(self, number: int, name: str, thresholds: Thresholds) -> dict[str, object]:
        """What run.yaml says of a target, as far as it is a function of the journal."""
        one = self._one(number)
        verdict = self.judge(number, thresholds, has_target=name != "none")
        agreement = one.agreement
        return {
            "target": name,
            "judged_by": self.judged_by(number),
            "verdict": verdict.verdict,
            "verdict_reason": verdict.reason,
            "bot_unreachable": verdict.bot_unreachable,
            "ledger": None if one.true is None else {**_change(one.ledger), **_ledger_counts(one.true)},
            "self_report": _change(one.word, one.first_word_millionths) if one.has_word else None,
            "answers_compared": agreement.compared,
            "disagreement_count": agreement.count,
            "disagreements": [_finding_row(found) for found in agreement.found],
        }

    def _one(self, number: int) -> _OneTarget:
        one = self._targets.get(number)
        if one is None:
            one = self._targets[number] = _OneTarget(number, self.record_from_ns)
        return one


def _change(equity: EquityRecord, first: int | None = None) -> dict[str, object]:
    start = first if equity.start_millionths is None else equity.start_millionths
    end = equity.last_millionths if equity.reachable else None
    delta = None if start is None or end is None else end - start
    return {
        "start_equity": money(start),
        "end_equity": money(end),
        "delta": money(delta),
        "last_equity": money(equity.last_millionths),
    }


def _ledger_counts(true: TargetFigures) -> dict[str, object]:
    return {"fills": true.total_trades, "round_trips": true.round_trips, "position_lots": true.position_lots}


def _finding_row(found: Disagreement) -> dict[str, object]:
    largest = money(found.largest) if found.what == "equity_change" else found.largest
    return {**found.row(), "largest_difference": largest, "ended_ns": found.ended_ns}
