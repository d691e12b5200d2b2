"""The ladder: a static price axis with depth, own orders and traded volume.

Prices stay where they are until the person moves them (moving prices cause wrong clicks); arrows at the
edge say where the market has gone. Bids are grouped downwards and asks upwards, so that at any grouping
the best bid and the best ask never share a row.
"""

from __future__ import annotations

from typing import NamedTuple

from textual import events

from desk.draw import Piece, Row, bar_from_left, bar_from_right, pad
from desk.formats import Units, units_of
from desk.view import DEPTH_PRESETS, GROUPINGS, LadderAxis, View
from desk.widgets.panel import Panel
from engine.core.types import NO_SIDE, Side
from engine.frame import Frame, LevelView, MarketView, OrderView

__all__ = ["Ladder"]

FULL_BOOK_LEVELS = 8
"""With this many levels a side the first axis is final."""


class _Columns(NamedTuple):
    """Widths of the ladder's columns at one panel width."""

    mine: int
    bar: int
    qty: int
    price: int
    volume: int

    @classmethod
    def at(cls, width: int, price: int) -> _Columns:
        """Columns that fill `width`: bars take what is left, volume appears from 52 columns on."""
        qty = 6 if width < 50 else 7
        mine = 0 if width < 30 else 4 if width < 40 else 6 if width < 52 else 9 if width < 70 else 11
        volume = 0 if width < 52 else width // 9
        rest = width - 2 * mine - 2 * qty - (price + 5) - (volume + 1 if volume else 0)
        return cls(mine, max(0, rest // 2), qty, price, volume)


class Ladder(Panel):
    """Depth by price."""

    title = "Ladder"
    key = "panel_ladder"
    help = (
        "Resting quantity by price. Bids stand left, asks right; bars share one scale. mine: own orders "
        "(quantity, then · and what is ahead in the queue), b marks the TARGET's. ▶ is the last trade. "
        "The axis is static: c centres it, C lets it follow, + and - group ticks, d sets how many "
        "levels show, page keys and wheel move it. Clicking a price starts an order in the command "
        "line."
    )

    def heading(self, frame: Frame, view: View) -> str:
        return f"Ladder {frame.market.instrument.symbol}"

    def note(self, frame: Frame, view: View) -> str:
        axis = view.axis
        way = "follows" if axis.follow else "static"
        depth = DEPTH_PRESETS[axis.depth]
        return f"{way} · ×{axis.grouping} tick · {'all' if depth == DEPTH_PRESETS[-1] else depth} lvl"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        market, axis = frame.market, view.axis
        axis.height = max(1, height - 1)
        place_axis(axis, market)
        units = units_of(market.instrument)
        columns = _Columns.at(width, max(len(units.price(axis.top * axis.grouping)), 5))
        header = self._header(view, columns)
        if axis.centre is None:
            return [header, ((" no book yet", view.palette.dim),)]
        book = _Book.of(market, axis, DEPTH_PRESETS[axis.depth])
        rows = [
            _draw_row(view, units, columns, book, index)
            for index in range(axis.top, axis.top - axis.height, -1)
        ]
        _mark_edges(rows, view, units, market, self.keys.shown("centre"))
        return [header, *rows]

    def _header(self, view: View, columns: _Columns) -> Row:
        mine = pad("mine", columns.mine)
        text = (
            f"{mine}{pad('', columns.bar)}{pad('bid', columns.qty, right=True)}"
            f"   {pad('price', columns.price, right=True)}  {pad('ask', columns.qty)}"
            f"{pad('', columns.bar)}{pad('mine', columns.mine, right=True)}"
        )
        if columns.volume:
            text += " " + pad("vol@px", columns.volume)
        return ((text, view.palette.dim),)

    def scroll_wheel(self, lines: int) -> None:
        self.desk.actions.attempt(lambda: self.desk.actions.shift_axis(-lines))

    def on_click(self, event: events.Click) -> None:
        super().on_click(event)
        frame, axis = self.desk.host.frame(), self.desk.view.axis
        row = event.y - (2 if self.chrome == "box" else 1)
        if axis.centre is None or not 1 <= row + 1 <= axis.height or row < 0:
            return
        price_ticks = (axis.top - row) * axis.grouping
        best = frame.market.bids[0].price_ticks if frame.market.bids else None
        verb = "buy" if best is not None and price_ticks <= best else "sell"
        instrument = frame.market.instrument
        size = instrument.unit_lots * instrument.lot_size
        self.desk.open_command(f"{verb} {size.normalize():f} {units_of(instrument).price(price_ticks)}")


class _Book(NamedTuple):
    """What the rows of one drawing show, by row index."""

    bids: dict[int, int]
    asks: dict[int, int]
    bid_edge: int | None
    """Highest row with bids; rows above it and below `ask_edge` are the spread."""
    ask_edge: int | None
    scale: int
    volume: dict[int, int]
    volume_scale: int
    orders: dict[tuple[int, int], list[OrderView]]
    last: int | None
    last_side: int | None

    @classmethod
    def of(cls, market: MarketView, axis: LadderAxis, depth: int) -> _Book:
        group = axis.grouping
        low, high = axis.top - axis.height, axis.top
        bids = _grouped(market.bids[:depth], group, up=False)
        asks = _grouped(market.asks[:depth], group, up=True)
        seen = [q for side in (bids, asks) for row, q in side.items() if low < row <= high]
        volume: dict[int, int] = {}
        for price_ticks, lots in market.volume_at_price.items():
            row = price_ticks // group
            if low < row <= high:
                volume[row] = volume.get(row, 0) + lots
        orders: dict[tuple[int, int], list[OrderView]] = {}
        for order in market.orders:
            row = order.price_ticks // group if order.side == Side.BID else -(-order.price_ticks // group)
            orders.setdefault((order.side, row), []).append(order)
        last = None if market.last_price_ticks is None else market.last_price_ticks // group
        return cls(
            bids=bids,
            asks=asks,
            bid_edge=max(bids) if bids else None,
            ask_edge=min(asks) if asks else None,
            scale=nice_scale(max(seen, default=0)),
            volume=volume,
            volume_scale=nice_scale(max(volume.values(), default=0)),
            orders=orders,
            last=last,
            last_side=market.last_aggressor_side,
        )


def _grouped(levels: tuple[LevelView, ...], group: int, *, up: bool) -> dict[int, int]:
    rows: dict[int, int] = {}
    for price_ticks, qty_lots, _count in levels:
        row = -(-price_ticks // group) if up else price_ticks // group
        rows[row] = rows.get(row, 0) + qty_lots
    return rows


def nice_scale(value: int) -> int:
    """The next 1, 2 or 5 times a power of ten: bars do not rescale with every order."""
    if value <= 0:
        return 1
    power: int = 10 ** (len(str(value)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power)


def _draw_row(view: View, units: Units, columns: _Columns, book: _Book, index: int) -> Row:
    palette = view.palette
    bid, ask = book.bids.get(index, 0), book.asks.get(index, 0)
    pieces: list[Piece] = [_mine(view, units, book.orders.get((Side.BID, index)), columns.mine, right=False)]
    pieces += bar_from_right(bid, book.scale, columns.bar, palette.bid_bar, palette.bid_gap, palette.text)
    inside = index in (book.bid_edge, book.ask_edge)
    pieces.append((pad(units.qty(bid, columns.qty - 1) if bid else "", columns.qty, right=True), palette.bid))
    price = pad(units.price(index * view.axis.grouping), columns.price, right=True)
    if index == book.last:
        inks = (palette.up, palette.down, palette.dim)
        mark, style = "▶", inks[NO_SIDE if book.last_side is None else book.last_side]
        pieces += [(f" {mark} ", style), (price, palette.last), ("  ", palette.text)]
    else:
        ink = palette.dim if _in_spread(book, index) else palette.price
        if inside or index % 10 == 0:
            ink = palette.price_round
        pieces.append((f"   {price}  ", ink))
    pieces.append((pad(units.qty(ask, columns.qty - 1) if ask else "", columns.qty), palette.ask))
    pieces.append((bar_from_left(ask, book.scale, columns.bar), palette.ask_bar))
    pieces.append(_mine(view, units, book.orders.get((Side.ASK, index)), columns.mine, right=True))
    if columns.volume:
        lots = book.volume.get(index, 0)
        pieces.append((" " + bar_from_left(lots, book.volume_scale, columns.volume), palette.volume))
    return tuple(pieces)


def _in_spread(book: _Book, index: int) -> bool:
    low, high = book.bid_edge, book.ask_edge
    return low is not None and high is not None and low < index < high


def _mine(view: View, units: Units, orders: list[OrderView] | None, width: int, *, right: bool) -> Piece:
    """Own quantity and what is ahead of it; the TARGET's with a `b`, when none is our own."""
    if not orders or not width:
        return (" " * width, view.palette.text)
    own = [order for order in orders if order.owner == "me"]
    shown = own or orders
    text = ("" if own else "b") + units.qty(sum(order.qty_lots for order in shown), 5)
    ahead = "·" + units.qty(min(order.ahead_lots for order in shown), 5)
    if len(text) + len(ahead) < width:
        text += ahead
    return (pad(text, width, right=right), view.palette.mine if own else view.palette.bot)


def _mark_edges(rows: list[Row], view: View, units: Units, market: MarketView, centre_key: str) -> None:
    """Arrows in the first or last row when the inside market is outside the panel."""
    axis = view.axis
    group = axis.grouping
    for levels, up in ((market.bids, False), (market.asks, True)):
        if not levels:
            continue
        best = levels[0].price_ticks
        index = -(-best // group) if up else best // group
        name, style = ("ask", view.palette.ask) if up else ("bid", view.palette.bid)
        away = index - axis.top if index > axis.top else axis.top - axis.height + 1 - index
        if away <= 0 or not rows:
            continue
        arrow, at = ("▲", 0) if index > axis.top else ("▼", len(rows) - 1)
        text = f"{arrow} {name} {units.price(best)}, {away} rows {'up' if arrow == '▲' else 'down'} {arrow}"
        if at and len(rows) > 1 and any(piece[0].startswith("▼") for piece in rows[at][1:2]):
            at -= 1
        elif not at and len(rows) > 1 and any(piece[0].startswith("▲") for piece in rows[at][1:2]):
            at += 1
        rows[at] = ((" ", view.palette.text), (text, style), (f"  {centre_key} centres", view.palette.dim))


def place_axis(axis: LadderAxis, market: MarketView) -> None:
    """Choose grouping and centre once, when the first book is there; later only when asked or following."""
    if not market.bids or not market.asks:
        return
    bid, ask = market.bids[0].price_ticks, market.asks[0].price_ticks
    if not axis.settled:
        axis.grouping = first_grouping(market, axis.height)
        axis.centre = None
        axis.settled = min(len(market.bids), len(market.asks)) >= FULL_BOOK_LEVELS
    middle = (bid + ask) // 2 // axis.grouping
    if axis.centre is None or (axis.follow and abs(middle - axis.centre) > axis.height // 4):
        axis.centre = middle


def first_grouping(market: MarketView, height: int) -> int:
    """The smallest grouping that is no finer than the usual gap between levels near the market.

    A book in cents is full at one tick a row (holes in it are no reason to group); one quoted in 0.01 at
    60 000 has a level every few hundred ticks, and at one tick a row shows an empty ladder.
    """
    gap = 1.0
    for levels in (market.bids, market.asks):
        near = levels[: max(3, height // 2)]
        if len(near) > 1:
            gap = max(gap, abs(near[-1].price_ticks - near[0].price_ticks) / (len(near) - 1))
    if gap < 2:
        return 1
    return next((size for size in GROUPINGS if size >= gap), GROUPINGS[-1])
