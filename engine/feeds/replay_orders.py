"""Plays a full-depth feed into the market, order by order, as the account HISTORY (kernels, stop 1b).

Rules (promise: honest; what history cannot tell us is counted, never invented):
- Each historical order rests as one order of HISTORY, under its exchange's id with the top bit set (so ids
  of our own senders never meet it), at the back of its queue, with ours around it where we stand.
- A historical order that arrives trades first with orders of others that it reaches, as long as such a one
  is the best of the other side. The rest of it joins its queue, even if it crosses HISTORY's own: where the
  exchange did not match (before the open, in a halt), the replay does not match either.
- An execution is an aggressor. Orders of others that stand before the historical order (at a better price,
  or at its price and at the front) are filled first; then the historical order, with what is left; what then
  finds nothing, because others took it, becomes a print: tape and volume only.
- The recorded participants do not know about us. Each order of HISTORY remembers how many lots its exchange
  states (its ticket's quantity): after every message it holds that many, or fewer where others took some.
- Trades with hidden orders and crosses of auctions are prints; an execution that was not printed leaves the
  book as a cancel, because its lots are in the print of its cross.

At zero interference all this comes to the feed's own book, digest for digest.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined, routine
from engine.arena.layout import Record, Word
from engine.arena.leaves import signed
from engine.book.rows import UNPRINTED, FeedRow
from engine.core.types import NO_SIDE, Account, EventType, TimeInForce
from engine.market.actions import new_message, release_message
from engine.market.entries import has_room
from engine.market.feed import publish_print
from engine.market.matching import cancel, execute, reaches, rest, slot_of
from engine.market.orders import REASON_CODES, Reason
from engine.market.records import Market, Message
from engine.market.risk import gate_order

__all__ = ["PlayCounts", "play_rows"]

_HISTORY = int(Account.HISTORY)
_ADD, _CANCEL, _TRADE, _PRINT = (
    int(kind) for kind in (EventType.ADD, EventType.CANCEL, EventType.TRADE, EventType.PRINT)
)
_GTC = int(TimeInForce.GTC)
_NONE = REASON_CODES[Reason.NONE]
_TOP_BIT = signed(1 << 63)


class PlayCounts(Record):
    """What became of the rows so far."""

    added: Word
    cancelled: Word
    executed: Word
    prints: Word
    unknown: Word
    """Rows about orders that the feed never introduced: passed over."""
    refused: Word
    """Orders that the gate refused, and rows whose id or lots are not below 2^63."""
    met_others: Word
    """Times that a historical order or execution traded with an order of somebody else."""
    met_lots: Word
    missing_lots: Word
    """Lots of historical executions whose order others had already taken."""


@entry
def play_rows(market_address: int, rows_address: int, start: int, stop: int, counts_address: int) -> int:
    """Plays rows[start:stop] at this very moment. Returns `stop`, or the first row that had no room."""
    market = Market.at(market_address)
    rows = FeedRow.table(rows_address, stop)
    counts = PlayCounts.at(counts_address)
    for at in range(start, stop):
        if not has_room(market):
            return at
        row = rows[at]
        kind = row.event_type
        if row.qty < 0 or row.order_id < 0:
            counts.refused += 1
        elif kind == _PRINT:
            counts.prints += 1
            publish_print(market, row.side, row.price, row.qty)
        elif kind == _ADD or kind == _CANCEL or kind == _TRADE:
            if row.side == NO_SIDE:
                counts.unknown += 1
            elif kind == _ADD:
                _come(market, row, counts)
            elif kind == _TRADE and row.flags != UNPRINTED:
                _trade(market, row, counts)
            else:
                _leave(market, row, counts)
    return stop


@inlined
def _come(market: Market, row: FeedRow, counts: PlayCounts) -> None:
    """A historical order arrives."""
    slot = _message(market, row.side, row)
    order = market.messages[slot]
    if gate_order(market, _HISTORY, row.side, row.price, row.qty, 0) != _NONE:
        counts.refused += 1
    else:
        counts.added += 1
        _meet_others(market, order, counts)
        if order.remaining_lots > 0:
            rest(market, order)
    release_message(market, slot)


@inlined
def _leave(market: Market, row: FeedRow, counts: PlayCounts) -> None:
    """A historical order leaves, or shrinks by row.qty lots (0 = it leaves)."""
    counts.cancelled += 1
    slot = slot_of(market, row.order_id | _TOP_BIT)
    if slot != 0:
        if row.qty == 0:
            cancel(market, slot, 0)
        else:
            _state(market, slot, row.qty)


@inlined
def _trade(market: Market, row: FeedRow, counts: PlayCounts) -> None:
    """A historical order is executed for row.qty lots."""
    counts.executed += 1
    resting = slot_of(market, row.order_id | _TOP_BIT)
    slot = _message(market, 1 - row.side, row)
    taker = market.messages[slot]
    if resting != 0:
        taker.price_ticks = market.book.levels[market.book.orders[resting].level].price
    _meet_others(market, taker, counts)
    if resting != 0:
        left = market.book.orders[resting].qty - taker.remaining_lots
        if taker.remaining_lots > 0:
            execute(market, taker, resting, _HISTORY, row.price)
        if left > 0:
            _state(market, resting, row.qty)
    if taker.remaining_lots > 0:
        counts.missing_lots += taker.remaining_lots
        publish_print(market, row.side, row.price, taker.remaining_lots)
    release_message(market, slot)


@routine
def _meet_others(market: Market, order: Message, counts: PlayCounts) -> None:
    """Trades with orders of others while such a one is the best of the other side, and reached."""
    book = market.book
    other = 1 - order.side
    while order.remaining_lots > 0:
        level = book.levels[book.sides[other].best]
        if level.count == 0 or not reaches(order.side, order.price_ticks, level.price):
            break
        slot = level.head
        maker = market.tickets[slot].account
        if maker == _HISTORY:
            break
        before = order.remaining_lots
        execute(market, order, slot, maker, level.price)
        counts.met_others += 1
        counts.met_lots += before - order.remaining_lots


@routine
def _state(market: Market, slot: int, gone_lots: int) -> None:
    """The exchange has taken lots from an order, which then holds at most what the exchange states."""
    stated = market.tickets[slot].qty_lots - gone_lots
    excess = market.book.orders[slot].qty - stated
    if stated <= 0:
        cancel(market, slot, 0)
    else:
        if excess > 0:
            cancel(market, slot, excess)
        market.tickets[slot].qty_lots = stated


@routine
def _message(market: Market, side: int, row: FeedRow) -> int:
    """An order of HISTORY as it arrives, in a message."""
    slot = new_message(market)
    order = market.messages[slot]
    order.order_id = row.order_id | _TOP_BIT
    order.account = _HISTORY
    order.client_id = 0
    order.side = side
    order.time_in_force = _GTC
    order.self_trade = 0
    order.price_ticks = row.price
    order.qty_lots = row.qty
    order.remaining_lots = row.qty
    return slot
