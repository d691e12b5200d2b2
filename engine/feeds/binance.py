"""Binance combined-stream captures: `<local epoch ns> <raw JSON>` per line, spot and USD-M futures.

Stop on the data path: raw lines in, rows of a RecordTable out. Shapes: binance-docs, "Diff. Depth Stream",
"Individual Symbol Book Ticker Streams", "Trade Streams" and the REST order book (`lastUpdateId`), inline.
Invariant: a line becomes exactly one record or exactly one counted drop, never an exception and never half
a record: a depth update with one bad level goes whole, and so does a trade, so that its absence shows as a
sequence gap instead of a silently wrong book.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from engine.core.errors import DataError
from engine.core.types import Side
from engine.feeds.decimals import FixedPoint
from engine.feeds.drops import Drop, DropReason
from engine.feeds.files import Line
from engine.feeds.record_table import RecordTable

__all__ = ["MAX_NAMES", "SPOT", "USDM", "CaptureDecoder"]

SPOT = "binance_spot"
USDM = "binance_usdm"

MAX_NAMES = 64
"""Stream names and symbols that are counted one by one; further ones are counted as "(others)"."""

_MAX_TIME_NS = (1 << 63) - 1
_Id = Annotated[int, msgspec.Meta(ge=0, le=_MAX_TIME_NS)]
_WireLevels = list[tuple[str, str]]


class _Envelope(msgspec.Struct):
    """What tells the kind of a line."""

    stream: str = ""


class _Depth(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    event_time_ms: _Id = msgspec.field(name="E")
    first_id: _Id = msgspec.field(name="U")
    last_id: _Id = msgspec.field(name="u")
    bids: _WireLevels = msgspec.field(name="b")
    asks: _WireLevels = msgspec.field(name="a")
    previous_id: _Id | None = msgspec.field(name="pu", default=None)
    transaction_time_ms: _Id | None = msgspec.field(name="T", default=None)
    pair: str | None = msgspec.field(name="ps", default=None)


class _Trade(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    trade_id: _Id = msgspec.field(name="t")
    trade_time_ms: _Id = msgspec.field(name="T")
    price: str = msgspec.field(name="p")
    qty: str = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")
    execution: str = msgspec.field(name="X", default="MARKET")


class _Quote(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    update_id: _Id = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_qty: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_qty: str = msgspec.field(name="A")


class _Snapshot(msgspec.Struct):
    last_id: _Id = msgspec.field(name="lastUpdateId")
    bids: _WireLevels
    asks: _WireLevels
    event_time_ms: _Id = msgspec.field(name="E", default=0)
    transaction_time_ms: _Id = msgspec.field(name="T", default=0)


class _DepthLine(msgspec.Struct):
    data: _Depth


class _TradeLine(msgspec.Struct):
    data: _Trade


class _QuoteLine(msgspec.Struct):
    data: _Quote


_Refusal = DropReason | None
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class CaptureDecoder:
    """Decodes the lines of one capture into a RecordTable and keeps the account of what it saw.

    `decode` takes all lines; afterwards `table` (settled by the caller), `symbol`, `kind`, `epoch_ns`,
    `drops()`, `streams`, `symbols`, `lines`, `clock_backwards` describe the capture.
    """

    def __init__(self, where: str) -> None:
        self.table = RecordTable()
        self.symbol = ""
        """Of the first record that names one; lines of others are dropped and counted."""
        self.kind = ""
        """SPOT or USDM, by the first depth update (USD-M has `pu`); without one, SPOT."""
        self.epoch_ns = -1
        """Wall time of the first record; -1 before it."""
        self.lines = 0
        self.clock_backwards = 0
        """Lines whose local time was before the line above: held at that one's time."""
        self.streams: dict[str, int] = {}
        self.symbols: dict[str, int] = {}
        self._where = where
        self._last_wall_ns = 0
        self._last_trade_id = -1
        self._drops: dict[DropReason, Drop] = {}
        self._fixed = FixedPoint()
        self._envelope = msgspec.json.Decoder(_Envelope)
        self._depth = msgspec.json.Decoder(_DepthLine)
        self._trade = msgspec.json.Decoder(_TradeLine)
        self._quote = msgspec.json.Decoder(_QuoteLine)
        self._snapshot = msgspec.json.Decoder(_Snapshot)
        self._routes = {"depth": self._take_depth, "trade": self._take_trade, "bookTicker": self._take_quote}

    def decode(self, lines: Iterable[Line]) -> None:
        """Take every line. Raises DataError only for a COIN-M capture, whose money is another one."""
        for number, offset, content, is_whole in lines:
            if not content and is_whole:
                continue
            self.lines += 1
            refusal = self._take_line(content) if is_whole else DropReason.LINE_TOO_LONG
            if refusal is not None:
                drop = self._drops.get(refusal) or Drop(refusal, 0, number, offset)
                self._drops[refusal] = drop._replace(lines=drop.lines + 1)

    def drops(self) -> tuple[Drop, ...]:
        """What was dropped, by reason, in order of first appearance."""
        return tuple(self._drops.values())

    def statistics(self) -> dict[str, int]:
        """Fill of the decoder's memory of number texts."""
        return {"number_texts": len(self._fixed)}

    def _take_line(self, content: bytes) -> _Refusal:
        stamp, _, text = content.partition(b" ")
        if not stamp.isdigit() or len(stamp) > 19 or not text or (wall_ns := int(stamp)) > _MAX_TIME_NS:
            return DropReason.BAD_LINE
        try:
            stream = self._envelope.decode(text).stream
            _count_name(self.streams, stream or "(no stream)")
            take = self._routes.get(stream.partition("@")[2].partition("@")[0])
            if take is None:
                return DropReason.UNKNOWN_STREAM if stream else self._take_snapshot(wall_ns, text)
            return take(wall_ns, text)
        except msgspec.ValidationError:
            return DropReason.BAD_FIELD
        except _UNDECODABLE:
            return DropReason.BAD_JSON

    def _take_depth(self, wall_ns: int, text: bytes) -> _Refusal:
        data = self._depth.decode(text).data
        if not self._is_ours(data.symbol):
            return DropReason.OTHER_SYMBOL
        if data.pair is not None:
            raise DataError(
                f"{self._where}: a COIN-M capture (inverse contracts of {data.pair}), whose money is not "
                "price x quantity. Use a spot or USD-M capture."
            )
        kind = SPOT if data.previous_id is None else USDM
        if self.kind and kind != self.kind:
            return DropReason.BAD_FIELD
        previous_id = max(0, data.first_id - 1) if data.previous_id is None else data.previous_id
        if data.first_id > data.last_id or previous_id > data.last_id:
            return DropReason.IDS_REVERSED
        time_ms = data.event_time_ms if data.transaction_time_ms is None else data.transaction_time_ms
        ids = (previous_id, data.first_id, data.last_id)
        refusal = self._add_depth(wall_ns, ids, time_ms, data.bids, data.asks, is_snapshot=False)
        if refusal is None:
            self.kind = kind
        return refusal

    def _take_snapshot(self, wall_ns: int, text: bytes) -> _Refusal:
        data = self._snapshot.decode(text)
        ids = (0, data.last_id, data.last_id)
        time_ms = data.transaction_time_ms or data.event_time_ms
        return self._add_depth(wall_ns, ids, time_ms, data.bids, data.asks, is_snapshot=True)

    def _add_depth(
        self,
        wall_ns: int,
        ids: tuple[int, int, int],
        time_ms: int,
        bids: _WireLevels,
        asks: _WireLevels,
        *,
        is_snapshot: bool,
    ) -> _Refusal:
        fixed = self._fixed
        bids.extend(asks)
        bid_count = len(bids) - len(asks)
        prices = [fixed[price] for price, _ in bids]
        quantities = [fixed[qty] for _, qty in bids]
        if bids and (worst := min(prices)) <= 0:
            return fixed.refusal(worst)
        if bids and (worst := min(quantities)) < 0:
            return fixed.refusal(worst)
        self.table.append_depth(
            self._session_time(wall_ns),
            ids,
            time_ms,
            prices,
            quantities,
            bid_count=bid_count,
            is_snapshot=is_snapshot,
        )
        return None

    def _take_trade(self, wall_ns: int, text: bytes) -> _Refusal:
        data = self._trade.decode(text).data
        if not self._is_ours(data.symbol):
            return DropReason.OTHER_SYMBOL
        previous_id = data.trade_id - 1 if self._last_trade_id < 0 else self._last_trade_id
        if data.execution != "MARKET":  # insurance fund and the like: no order of the book was hit
            self._last_trade_id = max(previous_id, data.trade_id)
            return DropReason.NOT_A_MARKET_TRADE
        price, qty = self._fixed[data.price], self._fixed[data.qty]
        if price <= 0 or qty <= 0:
            return self._fixed.refusal(min(price, qty))
        self._last_trade_id = max(previous_id, data.trade_id)
        aggressor = Side.ASK if data.buyer_is_maker else Side.BID
        time_ns = self._session_time(wall_ns)
        ids = (previous_id, data.trade_id)
        self.table.append_trade(time_ns, ids, data.trade_time_ms, price, qty, aggressor=aggressor)
        return None

    def _take_quote(self, wall_ns: int, text: bytes) -> _Refusal:
        data = self._quote.decode(text).data
        if not self._is_ours(data.symbol):
            return DropReason.OTHER_SYMBOL
        fixed = self._fixed
        prices = [fixed[data.bid], fixed[data.ask]]
        quantities = [fixed[data.bid_qty], fixed[data.ask_qty]]
        if (worst := min(min(prices), min(quantities))) <= 0:
            return fixed.refusal(worst)
        self.table.append_quote(self._session_time(wall_ns), data.update_id, prices, quantities)
        return None

    def _is_ours(self, symbol: str) -> bool:
        _count_name(self.symbols, symbol)
        if not self.symbol:
            self.symbol = symbol
        return symbol == self.symbol

    def _session_time(self, wall_ns: int) -> int:
        """ns since the first record; a clock that went back is held at its last time."""
        if self.epoch_ns < 0:
            self.epoch_ns = self._last_wall_ns = wall_ns
        if wall_ns < self._last_wall_ns:
            self.clock_backwards += 1
            wall_ns = self._last_wall_ns
        self._last_wall_ns = wall_ns
        return wall_ns - self.epoch_ns


def _count_name(names: dict[str, int], name: str) -> None:
    """Count, with a bound on distinct names: they come from outside."""
    if name not in names and len(names) >= MAX_NAMES:
        name = "(others)"
    names[name] = names.get(name, 0) + 1
