"""Events, commands and the small enums: the words in which all parts speak.

Event   what the market says: a 40-byte record of the public feed (flowlab.md section 1).
Command what comes in: a 64-byte record, journaled before it has an effect.

Prices are integer ticks, sizes integer lots, times int64 ns since the session's start.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

import numpy as np

__all__ = [
    "ALL_ACCOUNTS",
    "EVENT_BYTES",
    "EVENT_DTYPE",
    "NO_SIDE",
    "Account",
    "Command",
    "CommandKind",
    "EventType",
    "FaultKind",
    "GateAction",
    "Instrument",
    "Regime",
    "SelfTrade",
    "Side",
    "StormKind",
    "TimeInForce",
    "pack_event",
]

EVENT_BYTES = 40
EVENT_DTYPE = np.dtype(
    {
        "names": ["ts", "price", "qty", "order_id", "instrument_id", "event_type", "side"],
        "formats": ["<u8", "<u8", "<u8", "<u8", "<u4", "u1", "u1"],
        "offsets": [0, 8, 16, 24, 32, 36, 37],
        "itemsize": EVENT_BYTES,
    }
)
"""One public event. `price` in ticks, `qty` in lots, `ts` in ns (informational)."""

pack_event = struct.Struct("<QQQQIBB2x").pack
"""pack_event(ts, price, qty, order_id, instrument_id, event_type, side) -> 40 bytes."""


class EventType(IntEnum):
    """Event numbers. 1-5 are the shared layout; ours start at 16, and this is their one table."""

    ADD = 1
    """A new order rests: level quantity and order count grow."""
    CANCEL = 2
    """qty 0 or >= resting: the order leaves; less: it shrinks and keeps its place."""
    MODIFY = 3
    """Replace: the order leaves whole and comes back at the new price and qty. It keeps its place in
    the queue only at the same price with no more qty. An unknown id is an add."""
    TRADE = 4
    """The resting order `order_id` is executed for qty; `side` is the resting order's side, so the
    aggressor is on the other one."""
    SNAPSHOT = 5
    """No-op in every book (counted)."""
    PRINT = 16
    """A historical trade that touched no order of this book: volume and tape only, `side` is the side
    that was resting, or NO_SIDE. No-op in every book."""


class Side(IntEnum):
    """Side of the book. `1 - side` is the other one."""

    BID = 0
    ASK = 1


NO_SIDE = 2
"""Where a feed does not say which side was meant: a cross has no aggressor."""


class TimeInForce(IntEnum):
    """What happens to the part of an order that does not trade at once."""

    GTC = 0
    """It rests."""
    IOC = 1
    """It is cancelled."""
    FOK = 2
    """All or nothing: the order trades whole or not at all."""
    POST_ONLY = 3
    """It must rest: an order that would trade is rejected."""


class SelfTrade(IntEnum):
    """What happens where an arriving order meets a resting one of its own account; the arriving one says.

    HISTORY is many participants: it always trades with itself.
    """

    CANCEL_MAKER = 0
    """The resting order gives way; the arriving one goes on."""
    CANCEL_TAKER = 1
    """What is left of the arriving order is cancelled; the resting one stays."""
    CANCEL_BOTH = 2
    """Both are cancelled."""
    ALLOW = 3
    """They trade."""
    DECREMENT = 4
    """Both lose the lots of the smaller one, without a trade; what is left of either goes on."""


class StormKind(IntEnum):
    """Storms in the market, then harmless look-alikes. Journals hold the numbers: new ones come last."""

    PHANTOM = 1
    CANCEL = 2
    IGNITION = 3
    CRASH = 4
    LATARB = 5
    STUFFING = 6
    SPOOFING = 7
    DRAIN = 8
    STOPRUN = 9
    FATFINGER = 10
    ICEBERG = 11
    NEWS = 12
    BLEED = 13
    CHURN = 14
    BURST = 15
    REPRICE = 16
    BLOCK = 17
    SLICES = 18
    REFILL = 19


class FaultKind(IntEnum):
    """Faults of the venue; their numbers stand beside those of the storms in one byte."""

    LATENCY = 64
    STALE = 65
    GAP = 66
    DUPLICATE = 67
    REORDER = 68
    GHOST = 69
    ECHO = 70
    REJECT = 71
    TIMEOUT = 72
    LIMIT = 73
    DISCONNECT = 74
    SLOWACK = 75
    SKEW = 76
    HALT = 77
    DOWN = 78


class Regime(IntEnum):
    """Market regime (flowlab.md section 3)."""

    CALM = 0
    VOLATILE = 1
    AGGRESSIVE = 2
    CRISIS = 3


class Account(IntEnum):
    """Fixed account numbers. Agents of the scenario follow from FIRST_AGENT."""

    HISTORY = 0
    """Liquidity of a replayed exchange."""
    DESK = 1
    """The person at the keyboard."""
    TARGET = 2
    """The bot under test."""
    FIRST_STORM = 2
    """Attackers up to StormKind 13 trade as FIRST_STORM + kind; the accounts of later ones stand at the end
    of the table (engine/storms/accounts.py)."""
    FIRST_AGENT = 16
    """The scenario's agents, in file order."""


class Instrument(NamedTuple):
    """What is traded, and how its integers read as money.

    `tick_size` in quote currency per tick, `lot_size` in base units per lot, both exact decimals;
    `unit_lots` is a usual order size here, by which bots and storms scale.
    """

    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    currency: str
    unit_lots: int
    instrument_id: int = 1

    @property
    def price_decimals(self) -> int:
        """Digits after the point that a price needs."""
        exponent = self.tick_size.normalize().as_tuple().exponent
        return max(0, -int(exponent))

    @property
    def lot_decimals(self) -> int:
        """Digits after the point that a quantity needs."""
        exponent = self.lot_size.normalize().as_tuple().exponent
        return max(0, -int(exponent))

    @property
    def tick_lot_value(self) -> float:
        """Quote currency of one tick x one lot; display only."""
        return float(self.tick_size * self.lot_size)


class CommandKind(IntEnum):
    """What a command asks for. From 128 up: notes in the journal that change nothing."""

    SUBMIT = 1
    CANCEL = 2
    CANCEL_ALL = 3
    REPLACE = 4
    STORM_START = 5
    STORM_STOP = 6
    TARGET_SAMPLE = 7
    """What the target said of itself: equity in 1e-6 currency units (or unreachable)."""
    RECORD_START = 8
    RECORD_STOP = 9
    TEXT = 10
    """A piece of a broker request, not its last."""
    BROKER = 11
    """The last piece of a broker request (engine/broker/journaling.py)."""
    GATE = 12
    """A switch of the risk gate is thrown, or a limit set."""
    CHECKPOINT = 128
    """State of the session at this time: event count and digests."""


class GateAction(IntEnum):
    """What is done to an account at the risk gate."""

    KILL = 1
    """All its orders are cancelled, and nothing passes until it is reset."""
    RESET = 2
    START_OF_DAY = 3
    LIMIT = 4


ALL_ACCOUNTS = 0xFFFF
"""Instead of an account: all that are not part of the market itself."""


class Command(NamedTuple):
    """One input, or one note, of the journal: 64 bytes on disk.

    Which fields mean something depends on `kind`:

    SUBMIT         account side price_ticks qty_lots time_in_force order_id(client's); price 0 = market
    CANCEL         account order_id
    CANCEL_ALL     account
    REPLACE        account order_id price_ticks qty_lots
    STORM_START    storm a=severity in millionths b=duration_ns qty_lots=storm seed; side=Course of the
                   severity, price_ticks=its other end in millionths, flags=Where
    STORM_STOP     storm (0 = all)
    TARGET_SAMPLE  a=equity in millionths; the other fields: engine/core/target_sample.py
    TEXT, BROKER   account flags=bytes; the five 8-byte fields from order_id on hold them
    GATE           account (ALL_ACCOUNTS: everybody from outside, and the storms) flags=GateAction;
                   of LIMIT: storm=which (its place in AccountLimits) a=value
    CHECKPOINT     order_id=event digest, price_ticks=book digest, qty_lots=event count, a=told digest
    """

    kind: int
    time_ns: int = 0
    """Session time at which it was accepted; it takes effect strictly later."""
    sequence: int = 0
    account: int = 0
    side: int = 0
    time_in_force: int = 0
    storm: int = 0
    flags: int = 0
    order_id: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    a: int = 0
    b: int = 0

    def pack(self) -> bytes:
        """The 64 bytes of this command."""
        return _COMMAND.pack(
            self.sequence,
            self.time_ns,
            self.kind,
            self.side,
            self.time_in_force,
            self.storm,
            self.account,
            self.flags,
            self.order_id,
            self.price_ticks,
            self.qty_lots,
            self.a,
            self.b,
        )

    @classmethod
    def unpack(cls, data: bytes) -> Command:
        """The command in these 64 bytes. Raises ValueError on another length or an unknown kind."""
        if len(data) != COMMAND_BYTES:
            raise ValueError(f"a command has {COMMAND_BYTES} bytes, not {len(data)}")
        seq, time_ns, kind, side, tif, storm, account, flags, order_id, price, qty, a, b = _COMMAND.unpack(
            data
        )
        return cls(
            kind=CommandKind(kind),
            time_ns=time_ns,
            sequence=seq,
            account=account,
            side=side,
            time_in_force=tif,
            storm=storm,
            flags=flags,
            order_id=order_id,
            price_ticks=price,
            qty_lots=qty,
            a=a,
            b=b,
        )


_COMMAND = struct.Struct("<QqBBBBHHQqqqq")
COMMAND_BYTES = _COMMAND.size
assert COMMAND_BYTES == 64
