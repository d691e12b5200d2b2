"""The state of one market, as records: what matching, kernel, ledger and gate work on.

    Market ─► Book ─► orders, levels, ids          (engine/book/kernels.py)
           ├► tickets    who owns a resting order; same slots as the book's orders
           ├► accounts   ledger and open orders of everybody; the index is the account number
           ├► heap       what will happen, by (time_ns, sequence)
           ├► messages   orders and requests under way, and what they carry
           ├► events, trades, reports      rings of what has happened
           └► volume     traded lots by price

Rings: row n of a ring of length L (a power of two) stands at n & (L - 1); a counter says how many there
have been. Slot 0 of pools means "none". int64 everywhere; money is Wide.
"""

from __future__ import annotations

from enum import IntEnum

from engine.arena.layout import Byte, Half, Record, Table, Wide, Word
from engine.arena.memory import Arena
from engine.arena.wordmap import MapEntry
from engine.book.kernels import Book, Count, Event

__all__ = [
    "AccountRow",
    "Due",
    "Guard",
    "HeapEntry",
    "Hearing",
    "Market",
    "MarketReader",
    "Message",
    "OrderRow",
    "ReportRow",
    "Ticket",
    "TradeRow",
]


class Hearing(IntEnum):
    """What happens to execution reports of an account."""

    NOTHING = 0
    """They are counted and dropped."""
    REPORTS = 1
    """They are written."""
    AT_ONCE = 2
    """And the loop stops after the happening in which one was written, so that Python may act."""


class Due(IntEnum):
    """What a heap entry does when its time comes; `target` is a slot or number of the kind said."""

    ORDER = 1
    """An order arrives; target: its message."""
    CANCEL = 2
    """A cancel arrives (of qty lots; 0 = all); target: its message."""
    CANCEL_ALL = 3
    """A request to cancel all of an account; target: its message."""
    REPLACE = 4
    """A replace arrives; target: its message."""
    WAKE = 5
    """A built-in agent wakes; target: its number."""
    SAMPLE = 6
    """The features are sampled."""
    PYTHON = 7
    """Something that Python does; target: a handle that only Python understands."""


class HeapEntry(Record):
    """Something that will happen. Equal times run in the order of `sequence`."""

    time_ns: Word
    sequence: Word
    kind: Half
    target: Half


class Message(Record):
    """An order or a request on its way into the book; also the order while it trades on arrival."""

    order_id: Word
    account: Word
    client_id: Word
    price_ticks: Word
    """0 = market."""
    qty_lots: Word
    remaining_lots: Word
    side: Half
    time_in_force: Half
    next: Half
    self_trade: Half
    """What it does where it meets an order of its own account (SelfTrade)."""


class Ticket(Record):
    """What the market knows of a resting order beside the book's row of the same slot."""

    client_id: Word
    qty_lots: Word
    """As ordered."""
    account: Half
    time_in_force: Half
    previous: Half
    """Neighbours among the account's resting orders, which are linked oldest first."""
    next: Half


class AccountRow(Record):
    """Ledger and open orders of one account. Money in millionths of tick-lots."""

    cash: Wide
    fees: Wide
    position_lots: Word
    fills: Word
    aggressive_lots: Word
    bought_lots: Word
    sold_lots: Word
    orders_sent: Word
    reports: Word
    """Execution reports so far."""
    open_orders: Word
    maker_ppm: Word
    """Fee of its executions as the maker, in parts per million of notional."""
    taker_ppm: Word
    first_order: Half
    """Oldest resting order; 0 = none."""
    last_order: Half
    opened: Byte
    """Whether the account has ever traded."""
    hears: Byte
    """What happens to its execution reports (Hearing)."""
    latched: Byte
    """Why the gate refuses all its orders (Reason), until somebody resets it; 0 = it does not."""
    guard: Byte
    """Its row in Market.guards; 0 = it has no limits of its own."""


class Guard(Record):
    """What the risk gate holds against one account: its limits, and where it stands (risk.py). A limit of 0
    is no limit. Notional and exposure in tick-lots, a loss in millionths of them."""

    # Guards: what trips one of them latches the account.
    orders_per_s: Word
    max_position_lots: Word
    max_loss: Word
    max_orders_per_trade: Word
    min_orders: Word
    """Orders from which the ratio counts."""
    max_gaps: Word
    gap_window_ns: Word
    # Rails: what is beyond one of them is refused, no more.
    is_closed: Word
    """Whether it may not trade at all."""
    max_order_lots: Word
    min_notional: Word
    max_notional: Word
    max_exposure: Word
    collar_ppm: Word
    """Farthest that a bid may be above the mid, or an offer below it; millionths of the mid."""
    # Where it stands.
    latched_ns: Word
    latched_count: Word
    latched_told: Word
    """Of which somebody has been told."""
    tokens: Word
    """What is left in its bucket; an order takes NS_PER_S of them."""
    refilled_ns: Word
    orders: Word
    """Since the start of its day, those refused included."""
    fills_before: Word
    """Fills of the account when its day began."""
    before: Wide
    """Minus its equity when its day began."""
    headroom: Wide
    """Loss that was left to it when the gate looked last."""


class OrderRow(Record):
    """A resting order, for readers; fields as in orders.Order."""

    order_id: Word
    account: Word
    client_id: Word
    side: Word
    price_ticks: Word
    qty_lots: Word
    remaining_lots: Word
    time_in_force: Word


class TradeRow(Record):
    """One execution with both owners: inside knowledge, not part of the public feed."""

    trade_id: Word
    time_ns: Word
    price_ticks: Word
    qty_lots: Word
    aggressor_side: Half
    aggressor: Half
    maker: Half
    spare: Half


class ReportRow(Record):
    """One execution report, as numbers; orders.py makes words of it."""

    sequence: Word
    time_ns: Word
    client_id: Word
    order_id: Word
    price_ticks: Word
    qty_lots: Word
    filled_lots_last: Word
    fill_price_ticks: Word
    remaining_lots: Word
    fee_ppm: Word
    """Of this fill's notional."""
    trade_id: Word
    """Of this fill, as in TradeRow; 0 when the report tells of no fill."""
    account: Half
    kind: Byte
    side: Byte
    reason: Byte
    is_maker: Byte
    """Whether the order that was filled is the one that rested."""


class Market(Record):
    """One instrument's market. The rows and tables that it leads to live as long as it does."""

    book: Book
    now_ns: Word
    processed: Word
    """Heap entries that have run."""
    sequence: Word
    """Heap entries ever scheduled."""
    waiting: Word
    """Entries in the heap."""
    heap: Table[HeapEntry]
    messages: Table[Message]
    used_messages: Word
    free_message: Word
    live_messages: Word
    scratch: Message
    """A resting order in the shape of an arriving one: what a report is made of."""
    tickets: Table[Ticket]
    accounts: Table[AccountRow]
    next_order_id: Word
    """Id that was given last."""
    max_order_lots: Word
    max_price_ticks: Word
    max_open_orders: Word
    guards: Table[Guard]
    """Row 0 is nobody's."""
    gap_times: Table[Count]
    """Ring of the times of feed gaps."""
    gap_count: Word
    trip_count: Word
    """Guards that have tripped."""
    trips_told: Word
    """Of which Python has been told."""
    passed: Word
    """Orders that the gate let through."""
    refused: Table[Count]
    """Orders that it did not, by Reason."""
    instrument_id: Word
    event_count: Word
    event_digest: Word
    """Running digest of all public events; 64 bits, the sign unused."""
    events_by_type: Table[Count]
    events: Table[Event]
    """Ring of public events."""
    events_taken: Word
    """Events that have been handed over to who watches them."""
    is_watched: Byte
    """Whether somebody does, who must miss none."""
    events_detected: Word
    """Events that the detectors have seen."""
    has_detectors: Byte
    """Whether there are any; they must miss none."""
    trade_count: Word
    trades: Table[TradeRow]
    """Ring of executions; as long as `tickets` at least, so one arrival's trades are all there."""
    trades_taken: Word
    """Executions that the analytics have seen."""
    traded_lots: Word
    """Lots of all executions."""
    last_price_ticks: Word
    """Of the last trade; 0 before the first."""
    trigger_above_ticks: Word
    """An execution at this price or above calls for attention; 0 = none does."""
    trigger_below_ticks: Word
    """The same at this price or below."""
    attention: Byte
    """Whether something has happened at which Python is to act in this very instant: one of these
    executions, or a report to an account that hears at once."""
    report_count: Word
    reports_taken: Word
    """Reports that Python has fetched."""
    reports: Table[ReportRow]
    """Ring of reports that Python has yet to fetch; four times as long as `tickets`."""
    volume: Table[MapEntry]
    """Price -> traded lots."""
    volume_order: Table[Count]
    """Ring of the prices in `volume`, first seen first."""
    volume_first: Word
    volume_last: Word
    """The ring's ends: prices ever entered into `volume`, and those forgotten again."""
    divergence_count: Word
    divergence_lots: Word
    """What others took of HISTORY's liquidity."""
    first_divergence: TradeRow


class MarketReader:
    """Base of the classes through which Python reads a market; they hold no rows, only the arena."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena

    @property
    def market(self) -> Market:
        """The root of the market's records."""
        try:
            return self.arena.roots["market"]  # type: ignore[return-value]  # what `row` has put there
        except KeyError:
            return self.arena.row("market", Market)
