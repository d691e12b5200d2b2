"""What a verdict stands on, and the reasons in words: drawdown, exposure at the worst moment, orders stuck,
limits breached, recovery of market and equity.

Computed while the run goes on, in memory that has a bound: equity by the samples that the verdict stands on,
about one a second (verdict.py, falls.py); the worst moment, orders and limits by the score card of the
target's account (engine/score/), the market's recovery by the storm deck's rows. All of it is a function of
the journal, so `verify` computes it again. A target that has no account here has no orders and no limits that
the desk knows: those are None.

*Orders stuck* are three counts: `through_storms`, orders that rested untouched from the beginning to the end
of a storm or fault (score/windows.py), summed; `at_end`, open orders of which the bot had not been told for
five seconds (score/picture.py); `in_doubt`, orders carried out unanswered of which it has not asked since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.recording.falls import FALLS_KEPT
from engine.recording.targets import TargetRecords
from engine.recording.verdict import Verdict, money
from engine.score.card import BotCard
from engine.storms.catalogue import entry_of
from engine.storms.deck import StormLogEntry

__all__ = ["Grounds", "RunGrounds"]

REASONS_LIMIT = 12
BREACHES_NAMED = 8
STORMS_NAMED = 4


class Grounds(NamedTuple):
    """Of one target."""

    fields: dict[str, object]
    """As in run.yaml."""
    reasons: list[str]
    """In words; the first is that of the verdict."""


@dataclass(slots=True)
class _Storm:
    """One storm or fault of the window."""

    name: str
    kind: object
    began_ns: int
    market: bool | None = None
    """Whether the market has recovered; None: it is being watched, or it was a fault."""
    market_ns: int | None = None

    @property
    def title(self) -> str:
        return f"{self.name}@{self.began_ns / NS_PER_S:.0f}s"


class RunGrounds:
    """Folds the storm deck's rows of a run beside the samples of its targets."""

    def __init__(self, records: TargetRecords) -> None:
        """`records`: folded by whoever folds this."""
        self._records = records
        self._storms: list[_Storm] = []
        """The first FALLS_KEPT."""
        self._latest: dict[object, int] = {}
        """Number of the last one of each kind."""

    def take_storm(self, entry: StormLogEntry) -> None:
        """Fold in a row of the deck."""
        if entry.started:
            if len(self._storms) < FALLS_KEPT:
                self._latest[entry.kind] = len(self._storms)
                self._records.begin_storm(len(self._storms), entry.time_ns)
                self._storms.append(_Storm(entry_of(entry.kind).name, entry.kind, entry.time_ns))
            else:
                self._latest.pop(entry.kind, None)
            return
        number = self._latest.get(entry.kind)
        if number is None:
            return
        if entry.is_about_recovery:
            storm = self._storms[number]
            storm.market, storm.market_ns = entry.recovery_ns is not None, entry.recovery_ns
        else:
            self._records.end_storm(number, entry.time_ns)

    def storm_fields(self, number: int) -> dict[str, object]:
        """What run.yaml's `storms_fired` says of a storm beside how it was fired; of the first target."""
        if number >= len(self._storms):
            return {}
        storm, fall = self._storms[number], self._records.fall(0, number)
        is_known = fall is not None and fall.fell is not None
        return {
            "market_recovered": storm.market,
            "market_recovery_ms": _ms(storm.market_ns),
            "target_fell": money(fall.fell) if fall is not None else None,
            "target_recovered": fall.recovery_ns is not None if is_known and fall is not None else None,
            "target_recovery_ms": _ms(fall.recovery_ns) if fall is not None else None,
        }

    def of(self, number: int, verdict: Verdict, cards: Sequence[BotCard]) -> Grounds:
        """The grounds of the verdict on this target, as of its last sample."""
        account = self._records.account(number)
        card = next((card for card in cards if card.account == account), None)
        return Grounds(self._fields(number, card), self._reasons(number, verdict, card))

    def _worst(self, card: BotCard | None) -> dict[str, object] | None:
        """The lowest PnL as the ledger saw it, at each fill and every 100 ms; None where there is no card, or
        it was before the window."""
        if card is None or card.low_ns is None or card.low_ns < self._records.record_from_ns:
            return None
        return {
            "time_ns": card.low_ns,
            "pnl": card.amount(card.low_pnl),
            "position_lots": card.low_position_lots,
            "notional": card.amount(card.low_exposure),
        }

    def _fields(self, number: int, card: BotCard | None) -> dict[str, object]:
        lows = self._records.lows(number)
        has_equity = self._records.start_millionths(number) is not None
        fall = lows.max_drawdown if has_equity else None
        return {
            "drawdown": {
                "amount": money(fall),
                "fraction": None if not fall or lows.fell_from <= 0 else fall / lows.fell_from,
                "time_ns": _known(lows.worst_ns),
            },
            "low": {
                "equity": money(lows.low) if has_equity else None,
                "time_ns": _known(lows.low_ns),
                "position_lots": lows.low_position,
                "notional": money(lows.low_exposure),
            },
            "worst_moment": self._worst(card),
            "max_notional": money(lows.max_exposure),
            "orders_stuck": None if card is None else self._stuck(card),
            "limits_breached": None if card is None else self._breaches(card),
            "recovery": self._recovery(number),
        }

    def _stuck(self, card: BotCard) -> dict[str, object]:
        through = [one.stuck for one in card.faults if one.at_ns >= self._records.record_from_ns]
        return {
            "through_storms": sum(through),
            "at_end": card.stuck_orders,
            "in_doubt": card.orders_in_doubt,
            "open_at_end": card.open_orders,
        }

    def _breaches(self, card: BotCard) -> list[dict[str, object]]:
        since_ns = self._records.record_from_ns
        named = [one._asdict() for one in card.limits_breached if one.time_ns >= since_ns]
        return named[:BREACHES_NAMED]

    def _recovery(self, number: int) -> dict[str, object]:
        """Over the storms and faults by which the equity fell."""
        falls = [self._records.fall(number, storm) for storm in range(len(self._storms))]
        hurt = [fall for fall in falls if fall is not None and fall.fell]
        times = [fall.recovery_ns for fall in hurt if fall.recovery_ns is not None]
        return {
            "storms": len(self._storms),
            "fell": len(hurt),
            "recovered": len(times),
            "longest_ms": _ms(max(times, default=None)),
        }

    # -- in words --------------------------------------------------------------------------------------

    def _reasons(self, number: int, verdict: Verdict, card: BotCard | None) -> list[str]:
        lines = [verdict.reason]
        if self._records.start_millionths(number) is not None:
            lines += self._of_equity(number, card)
        if card is not None:
            lines += self._of_orders(card)
        lines += self._of_storms(number)
        return lines[:REASONS_LIMIT]

    def _of_equity(self, number: int, card: BotCard | None) -> list[str]:
        lows, lines = self._records.lows(number), []
        if lows.max_drawdown:
            share = f" ({lows.max_drawdown / lows.fell_from:.1%})" if lows.fell_from > 0 else ""
            fall = f"{lows.max_drawdown / 1e6:,.2f}{share} at {_at(lows.worst_ns)}"
            lines.append(f"largest drawdown {fall}")
        worst = self._worst(card)
        if worst is not None:
            held = f"holding {worst['position_lots']:,} lots worth {worst['notional']:,.2f}"
            held = held if worst["position_lots"] else "flat"
            lines.append(f"worst moment {_at(worst['time_ns'])}: PnL {worst['pnl']:+,.2f}, {held}")
        elif lows.low_ns >= 0:
            line = f"lowest equity {lows.low / 1e6:,.2f} at {_at(lows.low_ns)}"
            if lows.low_position is not None:
                line += f", holding {lows.low_position:,} lots"
            if lows.low_exposure:
                line += f" worth {lows.low_exposure / 1e6:,.2f}"
            lines.append(line)
        if lows.max_exposure:
            lines.append(f"largest exposure {lows.max_exposure / 1e6:,.2f}")
        return lines

    def _of_orders(self, card: BotCard) -> list[str]:
        lines = []
        breaches = self._breaches(card)
        if breaches:
            named = ", ".join(
                f"{str(one['guard']).replace('_', ' ')} at {_at(one['time_ns'])}" for one in breaches[:3]
            )
            lines.append(f"latched by the risk gate: {named}")
        stuck = self._stuck(card)
        said = {
            "through_storms": "left in the book untouched through storms",
            "at_end": "open at the end, and not told of for 5 s",
            "in_doubt": "carried out unanswered, and not asked about",
        }
        lines += [f"{_orders(stuck[key])} {words}" for key, words in said.items() if stuck[key]]
        return lines

    def _of_storms(self, number: int) -> list[str]:
        """The storms that hurt most, and those that left the market ill."""
        found = [
            (fall.fell, storm, fall)
            for place, storm in enumerate(self._storms)
            if (fall := self._records.fall(number, place)) is not None and fall.fell
        ]
        found.sort(key=lambda one: (-one[0], one[1].began_ns))
        lines = []
        for fell, storm, fall in found[:STORMS_NAMED]:
            took = fall.recovery_ns
            came = "has not come back" if took is None else f"came back {_span(took)} after its low"
            lines.append(f"during {storm.title} equity fell by {fell / 1e6:,.2f} and {came}")
        ill = [storm.title for storm in self._storms if storm.market is False]
        if ill:
            more = f" and {len(ill) - STORMS_NAMED} more" if len(ill) > STORMS_NAMED else ""
            lines.append(f"the market did not recover from {', '.join(ill[:STORMS_NAMED])}{more}")
        return lines


def _ms(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns // NS_PER_MS


def _known(time_ns: int) -> int | None:
    return None if time_ns < 0 else time_ns


def _at(time_ns: object) -> str:
    assert isinstance(time_ns, int)
    return f"{time_ns / NS_PER_S:.1f} s"


def _span(duration_ns: int) -> str:
    return f"{duration_ns / NS_PER_S:.1f} s"


def _orders(count: object) -> str:
    return f"{count} order{'' if count == 1 else 's'}"
