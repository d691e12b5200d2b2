"""What the detectors remember, as records.

    Detectors (watch.py) ─► one record of each detector (in its own file)
                         └► Sight ─► lives    what is known of recent orders, by order id
                                  ├► taking   who took liquidity in this instant
                                  ├► bars     what happened in each tenth of a second
                                  ├► scores   how near each detector was to its alarm in it
                                  └► alarms   what was found

They are made of public events and of the public book alone: no field here leads to accounts, agents, storms
or the ledger, and no kernel of this room takes anything but these records, a Book and Events. Rings: row n
of a ring of length L (a power of two) stands at n & (L - 1).
"""

from __future__ import annotations

from enum import IntEnum

from engine.arena.layout import Byte, Half, Real, Record, Table, Word
from engine.core.clock import NS_PER_MS

__all__ = [
    "ALARMS_KEPT",
    "BARS_KEPT",
    "BAR_NS",
    "DEPTH_LEVELS",
    "LIVES",
    "SCORE_BARS",
    "SCORE_KINDS",
    "WARM_UP_BARS",
    "AlarmKind",
    "AlarmRow",
    "Bar",
    "Life",
    "ScoreRow",
    "Sight",
    "Taking",
]

BAR_NS = 100 * NS_PER_MS
BARS_KEPT = 1_024
DEPTH_LEVELS = 10
SCORE_BARS = 256
"""Bars whose scores are kept: longer than anybody leaves them unread."""
SCORE_KINDS = 16
"""Rows of a bar in the table of scores: one of each AlarmKind, at its number."""
WARM_UP_BARS = 100
"""What is usual has to be known before anything can be unusual: ten seconds."""
LIVES = 1 << 14
"""Orders remembered; an order that is older than so many others is forgotten."""
ALARMS_KEPT = 4_096
"""Alarms kept for readers, and taken by Python at every sample."""


class AlarmKind(IntEnum):
    """What a detector says has happened."""

    QUOTE_STUFFING = 1
    LIQUIDITY_SHOCK = 2
    SPOOFING = 3
    PHANTOM_LIQUIDITY = 4
    CANCELLATION_STORM = 5
    MOMENTUM_IGNITION = 6
    FLASH_CRASH_WARNING = 7
    LATENCY_ARBITRAGE = 8
    NATIVE_ICEBERG = 9
    SYNTHETIC_ICEBERG = 10
    TWAP_CHILDREN = 11


class Life(Record, itemsize=64):
    """One order, from its birth on: a cache line."""

    order_id: Word
    price_ticks: Word
    qty_lots: Word
    """What is left of it."""
    shown_lots: Word
    """When it came."""
    born_ns: Word
    born_event: Word
    met_lots: Word
    """What had traded of the other side when it came (Sight.sold_lots or bought_lots)."""
    distance_ticks: Half
    """From the best price of its side when it came; negative = it was better. Clamped to 30 bits."""
    side: Byte
    traded: Byte
    """Whether any of it has traded."""


class Bar(Record):
    """What happened in a tenth of a second, and what stood at its end."""

    adds: Word
    cancels: Word
    trades: Word
    bid_add_lots: Word
    """What orders to buy brought."""
    ask_add_lots: Word
    cancel_lots: Word
    buy_lots: Word
    """Traded against offers."""
    sell_lots: Word
    swept_lots: Word
    """Of both, in instants after which the best price was another."""
    bid_depth_lots: Word
    ask_depth_lots: Word
    bid_ticks: Word
    """0 while the side is empty."""
    ask_ticks: Word
    twice_mid_ticks: Word
    """Bid plus ask when both last stood; 0 before that."""
    events: Word
    """Public events of the market up to its end."""


class ScoreRow(Record):
    """How near one detector came to its alarm in one bar: above 1 it is over the threshold."""

    value: Real


class AlarmRow(Record):
    """One alarm."""

    kind: Word
    time_ns: Word
    """When it was raised."""
    start_ns: Word
    """Since when, as far as the detector can tell."""
    first_event: Word
    """The events that caused it are among first_event .. last_event, counted from 1."""
    last_event: Word
    price_ticks: Word
    """0 = it is about no price."""
    side: Word
    """NO_SIDE = it is about no side."""
    severity: Real
    """0 to 1."""
    statistic: Real
    """What passed the threshold."""
    order_id: Word
    """An order that it is about; 0 = none."""


class Taking(Record):
    """Trades of one instant, as the work of one taker."""

    lots: Word
    """0: nothing has traded."""
    side: Byte
    """The taker's."""
    first_ticks: Word
    last_ticks: Word
    touch_ticks: Word
    """Best price on the other side before it came; 0 while that was empty."""


class Sight(Record):
    """What all detectors see."""

    seen: Word
    """Public events taken."""
    now_ns: Word
    """Time of the last event taken."""
    bid_ticks: Word
    """The touch after the last instant; 0 while a side is empty."""
    ask_ticks: Word
    bid_lots: Word
    ask_lots: Word
    taking: Taking
    bought_lots: Word
    """All that has traded against offers."""
    sold_lots: Word
    usual_side_lots: Real
    """Slow mean of a side's depth."""
    usual_order_lots: Real
    """Slow mean of what an order brings."""
    large_lots: Word
    """From this on an order is large: it moves what is shown."""
    bar_ends_ns: Word
    """When the bar that is filling ends; 0 before the first event."""
    bar_count: Word
    """Bars that have ended."""
    bars: Table[Bar]
    """Ring; row bar_count is the one that is filling."""
    lives: Table[Life]
    """By the low bits of the order id."""
    alarm_count: Word
    alarms_told: Word
    """Alarms that Python has taken."""
    alarms: Table[AlarmRow]
    """Ring."""
    scores: Table[ScoreRow]
    """Ring of SCORE_BARS, SCORE_KINDS rows a bar."""
    shows_orders: Byte
    """Whether an order id of this feed is one order of somebody. On feeds of levels it is a change of a
    total, and whoever judges single orders is silent."""
