"""Does a target's word agree with the ledger? Folded over its samples; the same in a replay.

Compared are the change of equity and the number of trades since both were first known, and the position.
A bot answers from what it last looked at, so a difference counts only when it is larger than the tolerance
in DISAGREEMENT_ANSWERS answers in a row. Such a difference is a finding: under a fault of the venue it says
that the bot does not know how it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.target_sample import SampleFlag, TargetFigures, is_ledgers, read_sample
from engine.core.types import Command

__all__ = ["DISAGREEMENTS_KEPT", "Agreement", "Disagreement"]

DISAGREEMENT_ANSWERS = 5
"""Answers in a row that must differ."""
EQUITY_TOLERANCE_MILLIONTHS = 1_000_000
"""One unit of currency: rounding, and fees under way."""
POSITION_TOLERANCE_PPM = 5_000
"""Of the position's value: bots mark it at the bid less the fee of selling, the ledger at mid."""
TRADES_TOLERANCE = 1
"""A trade that is ending while the bot answers."""
DISAGREEMENTS_KEPT = 100
"""Disagreements of one target in run.yaml; further ones are counted."""


@dataclass(slots=True)
class Disagreement:
    """The target said one thing for a while, and the ledger another."""

    number: int
    """Of the target."""
    what: str
    """One of: "equity_change" (millionths), "trades", "position" (lots)."""
    began_ns: int
    found_ns: int
    said: int
    """When it was found."""
    true: int
    tolerance: int
    largest: int
    """Difference, over the whole time."""
    ended_ns: int | None = None
    """None: it stands."""

    @property
    def line(self) -> str:
        """For people."""
        unit = 1_000_000 if self.what == "equity_change" else 1
        said, true = (f"{value / unit:.2f}" if unit > 1 else str(value) for value in (self.said, self.true))
        return f"{self.what.replace('_', ' ')}: it says {said}, the ledger {true}"

    def row(self) -> dict[str, object]:
        """For run.yaml and events.jsonl."""
        unit = 1_000_000 if self.what == "equity_change" else 1
        figures = {"said": self.said, "ledger": self.true, "tolerance": self.tolerance}
        scaled = {key: value / unit if unit > 1 else value for key, value in figures.items()}
        return {"what": self.what, "began_ns": self.began_ns, "found_ns": self.found_ns, **scaled}


@dataclass(slots=True)
class _Doubt:
    """A difference that has not stood long enough yet, or stands."""

    began_ns: int
    answers: int = 0
    finding: Disagreement | None = None


class Agreement:
    """Folds the samples of one target; `observe` returns what has just been found or has just ended."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.found: list[Disagreement] = []
        """Oldest first, at most DISAGREEMENTS_KEPT."""
        self.count = 0
        self.compared = 0
        """Answers that could be held against the ledger."""
        self._true: TargetFigures | None = None
        self._first: tuple[TargetFigures, TargetFigures] | None = None
        self._doubts: dict[str, _Doubt] = {}

    @property
    def standing(self) -> tuple[Disagreement, ...]:
        """Those that stand now."""
        return tuple(doubt.finding for doubt in self._doubts.values() if doubt.finding is not None)

    def observe(self, sample: Command) -> list[Disagreement]:
        """Take the next sample of this target."""
        if not sample.flags & SampleFlag.VALID:
            return []
        if is_ledgers(sample):
            self._true = read_sample(sample)
            return []
        return [] if self._true is None else self._compare(sample.time_ns, read_sample(sample), self._true)

    def _compare(self, now_ns: int, said: TargetFigures, true: TargetFigures) -> list[Disagreement]:
        if self._first is None:
            self._first = (said, true)
        self.compared += 1
        first_said, first_true = self._first
        worth = true.position_value_millionths * POSITION_TOLERANCE_PPM // 1_000_000
        news = self._judge(
            "equity_change",
            now_ns,
            said.equity_millionths - first_said.equity_millionths,
            true.equity_millionths - first_true.equity_millionths,
            EQUITY_TOLERANCE_MILLIONTHS + worth,
        )
        counts = (said.round_trips, first_said.round_trips, true.round_trips, first_true.round_trips)
        if None not in counts:
            said_now, said_first, true_now, true_first = (count or 0 for count in counts)
            news += self._judge(
                "trades", now_ns, said_now - said_first, true_now - true_first, TRADES_TOLERANCE
            )
        if said.position_lots is not None and true.position_lots is not None:
            news += self._judge("position", now_ns, said.position_lots, true.position_lots, 0)
        return news

    def _judge(self, what: str, now_ns: int, said: int, true: int, tolerance: int) -> list[Disagreement]:
        difference = abs(said - true)
        if difference <= tolerance:
            doubt = self._doubts.pop(what, None)
            if doubt is None or doubt.finding is None:
                return []
            doubt.finding.ended_ns = now_ns
            return [doubt.finding]
        doubt = self._doubts.setdefault(what, _Doubt(now_ns))
        doubt.answers += 1
        if doubt.finding is not None:
            doubt.finding.largest = max(doubt.finding.largest, difference)
            return []
        if doubt.answers < DISAGREEMENT_ANSWERS:
            return []
        doubt.finding = Disagreement(
            self.number, what, doubt.began_ns, now_ns, said, true, tolerance, difference
        )
        self.count += 1
        if len(self.found) < DISAGREEMENTS_KEPT:
            self.found.append(doubt.finding)
        return [doubt.finding]
