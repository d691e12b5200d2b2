"""Verdict and reasons of one card, in words.

The verdict compares the ledger's PnL with the scenario's thresholds, exactly as the run's verdict compares
what a target says of itself (recording/verdict.py): KILLED below the one, DAMAGED below the other, INTACT
otherwise. Where the scenario limits drawdown or exposure, who exceeds that is DAMAGED at the least. An
account that has not traded has no verdict: UNKNOWN.

Reasons say what the figures of the card say, the weightiest first. They are texts for people, made of the
card alone.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.types import Instrument
from engine.scenarios.loader import Thresholds
from engine.score.card import BotCard, FaultReaction
from engine.score.lows import Lows

__all__ = [
    "REASONS_LIMIT",
    "Limits",
    "beyond",
    "limit_millionths",
    "limits_of",
    "millionths_of",
    "reasons_of",
    "share_of",
    "verdict_of",
]

REASONS_LIMIT = 12
_MINOR = 0.05
"""A part of a loss below this share is not worth a word."""


class Limits(NamedTuple):
    """What an account may lose, fall by and hold, in ledger money; None: no limit."""

    damaged: int
    """PnL below which it is damaged, rounded up: no PnL lies between."""
    killed: int
    drawdown: int | None = None
    """Above this it is damaged, rounded down."""
    drawdown_share: Fraction | None = None
    """The same as a share of the equity from which it fell."""
    exposure: int | None = None
    start: Fraction = Fraction(0)
    """Equity to begin with."""


def limits_of(thresholds: Thresholds, start_millionths: Fraction | int, instrument: Instrument) -> Limits:
    """The limits of an account with this equity to begin with, in millionths of currency."""
    unit = millionths_of(1, instrument)
    damaged = limit_millionths(thresholds.damaged, thresholds.damaged_fraction, start_millionths)
    killed = limit_millionths(thresholds.killed, thresholds.killed_fraction, start_millionths)
    return Limits(
        ceil(damaged / unit),
        ceil(killed / unit),
        _in_units(thresholds.max_drawdown, unit),
        share_of(thresholds.max_drawdown_fraction),
        _in_units(thresholds.max_exposure, unit),
        Fraction(start_millionths) / unit,
    )


def verdict_of(pnl: int, fills: int, limits: Limits, lows: Lows) -> str:
    """INTACT, DAMAGED, KILLED or UNKNOWN."""
    if fills == 0:
        return "UNKNOWN"
    if pnl < limits.killed:
        return "KILLED"
    return "DAMAGED" if pnl < limits.damaged or beyond(limits, lows) else "INTACT"


def beyond(limits: Limits, lows: Lows) -> str | None:
    """Which of the further limits is exceeded ("drawdown", "exposure"), the first of them; None: none is."""
    fall = lows.max_drawdown
    share = limits.drawdown_share
    if limits.drawdown is not None and fall > limits.drawdown:
        return "drawdown"
    if share is not None and fall > share * max(limits.start + lows.fell_from, Fraction(0)):
        return "drawdown"
    if limits.exposure is not None and (lows.max_exposure or 0) > limits.exposure:
        return "exposure"
    return None


def limit_millionths(absolute: float, fraction: float | None, start: Fraction | int) -> Fraction:
    """The change of equity below which a threshold is broken, in millionths of currency."""
    if fraction is None:
        return Fraction(repr(absolute)) * 1_000_000
    return -Fraction(repr(fraction)) * abs(Fraction(start))


def millionths_of(money: int, instrument: Instrument) -> Fraction:
    """Ledger money (millionths of tick-lots) in millionths of currency."""
    return money * Fraction(instrument.tick_size) * Fraction(instrument.lot_size)


def share_of(fraction: float | None) -> Fraction | None:
    """A share as it was written in decimals."""
    return None if fraction is None else Fraction(repr(fraction))


def _in_units(money: float | None, unit: Fraction) -> int | None:
    return None if money is None else floor(Fraction(repr(money)) * 1_000_000 / unit)


def reasons_of(card: BotCard, currency: str, exceeded: str | None = None) -> tuple[str, ...]:
    """Why the card is what it is, `exceeded` being the further limit that is (`beyond`); at most
    REASONS_LIMIT lines."""
    if card.fills == 0:
        trades = [f"has not traded: {_count(card.orders, 'order')}, no fill"]
    else:
        trades = [*_of_money(card, currency), *_of_worst_window(card, currency)]
        if exceeded is not None:
            figure = card.amount(card.max_drawdown if exceeded == "drawdown" else card.max_exposure)
            trades.insert(0, f"{exceeded} of {figure:,.2f} {currency} is above the scenario's limit")
    lines = [
        *trades,
        *_of_gate(card),
        *_of_orders(card),
        *_of_limits(card),
        *_of_faults(card),
        *_of_end(card),
    ]
    return tuple(lines[:REASONS_LIMIT])


def _of_money(card: BotCard, currency: str) -> list[str]:
    said = "lost" if card.pnl < 0 else "won"
    lines = [
        f"{said} {card.amount(abs(card.pnl)):,.2f} {currency}: spread {card.amount(card.spread_pnl):+,.2f}, "
        f"inventory {card.amount(card.inventory_pnl):+,.2f}, fees {card.amount(-card.fees):+,.2f}"
    ]
    if card.pnl < 0 and card.max_drawdown > -card.pnl and card.worst_ns is not None:
        fall = card.amount(card.max_drawdown)
        lines.append(f"deepest fall {fall:,.2f} {currency} at {card.worst_ns / NS_PER_S:.1f} s")
    return lines


def _of_gate(card: BotCard) -> list[str]:
    if not card.limits_breached:
        return []
    named = ", ".join(
        f"{one.guard.replace('_', ' ')} at {one.time_ns / NS_PER_S:.1f} s" for one in card.limits_breached[:3]
    )
    more = card.limit_breaches - min(len(card.limits_breached), 3)
    return [f"latched by the risk gate: {named}" + (f", and {more} times more" if more else "")]


def _of_worst_window(card: BotCard, currency: str) -> list[str]:
    """The storm or fault during which most was lost."""
    worst = min(card.faults, key=lambda one: one.pnl, default=None)
    if worst is None or worst.pnl >= 0:
        return []
    loss = f"lost {card.amount(-worst.pnl):,.2f} {currency} during {_name(worst)}"
    share = worst.inventory_pnl / worst.pnl
    if share < _MINOR:
        return [loss]
    return [f"{loss}, {'all' if share >= 1 else f'{share:.0%}'} of it as inventory"]


def _of_orders(card: BotCard) -> list[str]:
    lines = []
    if card.ghost_orders:
        lines.append(f"{_count(card.ghost_orders, 'ghost order')}: acted on what was not so any more")
    if card.stuck_orders:
        lines.append(f"{_count(card.stuck_orders, 'stuck order')}: open, and not told of what became of them")
    worst = max(card.faults, key=lambda one: one.stuck, default=None)
    if worst is not None and worst.stuck:
        lines.append(f"{_count(worst.stuck, 'order')} left in the book untouched through {_name(worst)}")
    return lines


def _of_limits(card: BotCard) -> list[str]:
    if not card.rate_limited:
        return []
    line = f"{_count(card.rate_limited, 'request')} refused for the rate"
    return [f"{line}, {card.limit_offences} of them sent after it was told" if card.limit_offences else line]


def _of_faults(card: BotCard) -> list[str]:
    lines = []
    for fault in card.faults:
        if fault.unreconciled:
            orders = _count(fault.unreconciled, "order")
            lines.append(f"{orders} astray since {_name(fault)} never came right")
        elif fault.astray and fault.longest_astray_ns is not None:
            took_s = fault.longest_astray_ns / NS_PER_S
            orders = _count(fault.astray, "order")
            lines.append(f"{orders} astray by {_name(fault)}, each right within {took_s:.1f} s")
        if fault.ended_ns is not None and fault.recovered_ns is None and fault.pnl < 0:
            lines.append(f"did not recover from {_name(fault)}")
    return lines


def _of_end(card: BotCard) -> list[str]:
    lines = []
    if card.position_lots:
        way = "long" if card.position_lots > 0 else "short"
        lines.append(f"still {way} {_count(abs(card.position_lots), 'lot')}")
    if card.open_orders:
        lines.append(f"{_count(card.open_orders, 'order')} still open")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _name(fault: FaultReaction) -> str:
    return f"{fault.kind}@{fault.at_ns / NS_PER_S:.0f}s"
