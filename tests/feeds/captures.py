"""Made-up Binance captures: single lines, and whole small markets whose truth is known."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engine.core.rng import Stream
from engine.core.types import Side
from engine.feeds.capture_reader import CaptureReader
from engine.feeds.captures import read_messages
from engine.feeds.records import DepthUpdate

EPOCH_NS = 1_723_161_253_000_000_000
"""Local time of the first line; the exchange's clock is 1 s ahead."""

Levels = Sequence[tuple[str, str]]


def line(payload: dict[str, Any], *, at_ms: int = 0) -> bytes:
    """`<local ns> <JSON>` without a line end, `at_ms` after EPOCH_NS."""
    return b"%d %s" % (EPOCH_NS + at_ms * 1_000_000, json.dumps(payload).encode())


def depth(
    first: int,
    last: int,
    *,
    bids: Levels = (),
    asks: Levels = (),
    at_ms: int = 0,
    previous: int | None = None,
    **extra: Any,
) -> bytes:
    """A depth update: spot, or futures when `previous` is given."""
    stamp = EPOCH_NS // 1_000_000 + at_ms + 1000
    data: dict[str, Any] = {"e": "depthUpdate", "E": stamp, "s": "BTCUSDT", "U": first, "u": last}
    if previous is not None:
        data |= {"pu": previous, "T": stamp - 3}
    data |= {"b": [list(level) for level in bids], "a": [list(level) for level in asks], **extra}
    return line({"stream": "btcusdt@depth@100ms", "data": data}, at_ms=at_ms)


def snapshot(last: int, *, bids: Levels = (), asks: Levels = (), at_ms: int = 0) -> bytes:
    """An inline REST order book."""
    sides = {"bids": [list(level) for level in bids], "asks": [list(level) for level in asks]}
    return line({"lastUpdateId": last, **sides}, at_ms=at_ms)


def trade(
    trade_id: int,
    price: str = "100.00",
    qty: str = "0.5",
    *,
    at_ms: int = 0,
    buyer_is_maker: bool = False,
    **extra: Any,
) -> bytes:
    """One execution."""
    stamp = EPOCH_NS // 1_000_000 + at_ms + 1000
    data = {"e": "trade", "E": stamp, "s": "BTCUSDT", "t": trade_id, "p": price, "q": qty, "T": stamp}
    return line({"stream": "btcusdt@trade", "data": data | {"m": buyer_is_maker} | extra}, at_ms=at_ms)


def quote(update_id: int, bid: tuple[str, str], ask: tuple[str, str], *, at_ms: int = 0) -> bytes:
    """The exchange's best prices."""
    data = {"u": update_id, "s": "BTCUSDT", "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}
    return line({"stream": "btcusdt@bookTicker", "data": data}, at_ms=at_ms)


def decode(*lines: bytes) -> CaptureReader:
    """A reader that has taken these lines of Binance; its table is settled when it holds something."""
    reader = CaptureReader("binance")
    reader.read(read_messages(Path("test"), io.BytesIO(b"".join(text + b"\n" for text in lines))))
    if reader.records.table:
        reader.records.table.settle()
    return reader


def write(path: Path, lines: Iterable[bytes], *, packed: bool = False) -> Path:
    """A capture file of these lines."""
    data = b"".join(text + b"\n" for text in lines)
    path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    return path


def update(first: int, last: int, previous: int | None = None, *, is_snapshot: bool = False) -> DepthUpdate:
    """A decoded depth update without levels; `previous` defaults to spot's U - 1."""
    return DepthUpdate(
        time_ns=last,
        previous_id=first - 1 if previous is None else previous,
        first_id=first,
        last_id=last,
        exchange_time_ms=0,
        bids=(),
        asks=(),
        is_snapshot=is_snapshot,
    )


class MadeMarket:
    """A random book at a known exchange, and its capture: every truth it has is known here.

    Each step changes one level; quotes come when the top changed, depth updates every few steps, the
    snapshot after some of them, as it was a few updates ago.
    """

    def __init__(self, seed: int, *, steps: int = 300, futures: bool = False) -> None:
        self._draw = Stream(seed, 1)
        self._futures = futures
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for offset in range(1, 8):
            self.sides[Side.BID][1000 - offset] = offset * 10
            self.sides[Side.ASK][1000 + offset] = offset * 10
        self.lines: list[bytes] = []
        self.states: list[tuple[dict[int, int], dict[int, int]]] = []
        """The book after each depth update that was sent, and after the snapshot."""
        self.last_ids: list[int] = []
        """Last id of each depth update that was sent."""
        self._id = 5000
        self._sent_id = self._id
        self._changed: tuple[dict[int, None], dict[int, None]] = ({}, {})
        for step in range(steps):
            self._step(step)

    def _step(self, step: int) -> None:
        top_before = self._top()
        self._change_one_level()
        if self._top() != top_before:
            self.lines.append(quote(self._id, *self._top(), at_ms=step))
        if step == 40:
            sides = [[_text(level) for level in side.items()] for side in self.sides]
            self.lines.append(snapshot(self._id, bids=sides[0], asks=sides[1], at_ms=step))
        if self._draw.below(4) == 0:
            self._send(step)

    def _change_one_level(self) -> None:
        self._id += 1 + (self._draw.below(5) if self._futures else 0)
        side = Side(self._draw.below(2))
        price = 1000 + self._near() * (1 if side == Side.ASK else -1)
        qty = self._draw.below(3) * self._draw.between(1, 50)
        book = self.sides[side]
        if qty:
            book[price] = qty
        elif len(book) > 1:
            book.pop(price, None)
        self._changed[side][price] = None

    def _near(self) -> int:
        """Distance from the middle, small ones more often: the top should move."""
        return 1 + self._draw.below(1 + self._draw.below(12))

    def _send(self, step: int) -> None:
        sides = []
        for side, changed in zip(self.sides, self._changed, strict=True):
            sides.append([_text((price, side.get(price, 0))) for price in changed])
            changed.clear()
        first, previous = self._sent_id + 1, self._sent_id if self._futures else None
        self.lines.append(depth(first, self._id, bids=sides[0], asks=sides[1], at_ms=step, previous=previous))
        self._sent_id = self._id
        self.last_ids.append(self._id)
        self.states.append((dict(self.sides[0]), dict(self.sides[1])))

    def _top(self) -> tuple[tuple[str, str], tuple[str, str]]:
        bid, ask = max(self.sides[Side.BID]), min(self.sides[Side.ASK])
        return _text((bid, self.sides[Side.BID][bid])), _text((ask, self.sides[Side.ASK][ask]))


def _text(level: tuple[int, int]) -> tuple[str, str]:
    """Ticks of 0.01 and lots of 0.001 in the exchange's eight decimals."""
    return f"{level[0] // 100}.{level[0] % 100:02d}000000", f"{level[1] // 1000}.{level[1] % 1000:03d}00000"
