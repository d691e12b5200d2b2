"""TARGET_SAMPLE commands: what a target said of itself, or what our ledger says of its account.

Layout (engine.core.types.Command), by `flags`:

    side            number of the target, 0 is the one that the run's verdict is about
    a               equity in millionths of its currency
    b               total trades, wins, losses, 21 bits each; of the ledger: fills, round trips, nothing
    order_id        position in lots modulo 2^64 (it may be short), with HAS_POSITION
    price_ticks     realised profit in millionths, with HAS_REALISED
    qty_lots        unrealised profit in millionths, with HAS_UNREALISED; of the ledger: what the position is
                    worth at mid, in millionths
    account         of the ledger: whose

A sample without VALID stands for a poll that brought no answer.
"""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

from engine.core.types import Command

__all__ = [
    "TARGETS_LIMIT",
    "SampleFlag",
    "TargetFigures",
    "is_ledgers",
    "pack_counts",
    "pack_position",
    "read_sample",
]

TARGETS_LIMIT = 8
"""Targets of one session."""
_COUNT_BITS = 21
_COUNT_MAX = (1 << _COUNT_BITS) - 1
_FIELD = 1 << 64


class SampleFlag(IntFlag):
    """What a sample says, and who says it."""

    VALID = 1
    HAS_REALISED = 2
    HAS_UNREALISED = 4
    HAS_TRADES = 8
    HAS_WINS = 16
    LEDGER = 32
    """The desk's own ledger says so, not the target."""
    HAS_POSITION = 64
    HAS_ROUND_TRIPS = 128
    """The target's total trades are round trips (from flat to flat), as the ledger counts them."""
    NATIVE = 256
    """Of the ledger: the account trades by the desk's own API and started with the demo bot's equity."""


class TargetFigures(NamedTuple):
    """A valid sample, unpacked; None is unknown."""

    equity_millionths: int
    total_trades: int | None
    """Of the ledger: fills."""
    wins: int | None
    losses: int | None
    round_trips: int | None
    position_lots: int | None
    realised_millionths: int | None
    unrealised_millionths: int | None
    position_value_millionths: int
    """Of the ledger."""


def is_ledgers(sample: Command) -> bool:
    """Whether the desk's ledger speaks here."""
    return bool(sample.flags & SampleFlag.LEDGER)


def pack_counts(first: int, second: int, third: int) -> int:
    """Three counts in one field; above 2^21 - 1 they read as that."""
    return sum(
        min(count, _COUNT_MAX) << (_COUNT_BITS * place) for place, count in enumerate((first, second, third))
    )


def pack_position(lots: int) -> int:
    """A position as the unsigned field holds it."""
    return lots % _FIELD


def read_sample(sample: Command) -> TargetFigures:
    """The figures of a valid sample."""
    flags = SampleFlag(sample.flags)
    first, second, third = (sample.b >> (_COUNT_BITS * place) & _COUNT_MAX for place in range(3))
    has_wins = bool(flags & SampleFlag.HAS_WINS)
    round_trips: int | None = None
    if flags & SampleFlag.HAS_ROUND_TRIPS:
        round_trips = second if flags & SampleFlag.LEDGER else first
    return TargetFigures(
        equity_millionths=sample.a,
        total_trades=first if flags & SampleFlag.HAS_TRADES else None,
        wins=second if has_wins else None,
        losses=third if has_wins else None,
        round_trips=round_trips,
        position_lots=_signed(sample.order_id) if flags & SampleFlag.HAS_POSITION else None,
        realised_millionths=sample.price_ticks if flags & SampleFlag.HAS_REALISED else None,
        unrealised_millionths=sample.qty_lots if flags & SampleFlag.HAS_UNREALISED else None,
        position_value_millionths=sample.qty_lots if flags & SampleFlag.LEDGER else 0,
    )


def _signed(field: int) -> int:
    return field - _FIELD if field >= _FIELD // 2 else field
