"""Benchmark `itch`: reading ITCH 5.0, alone and into the books of 500 stocks, beside other readers.

One generated day in the mix of a real one (tests/feeds/itch/days.py), in memory. A plain copy of the bytes is
the floor of any reading. itchcpp makes a Python object of each message in C++, itchfeed in Python (alone: it
would take itchcpp's place silently, where that is installed); both read the day's beginning, because a rate
needs no more. itch-book (C++) builds books and rows of best prices, as ours does: a row where the best prices
of a stock have changed; ours writes one for every order and trade message.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.arena.machine import load
from engine.book.books import HotBooks
from engine.book.interface import TOP_DTYPE
from engine.core.types import EventType
from engine.feeds.itch.decoder import ROWS_A_CALL, ItchDecoder
from tests.bench.measure import (
    Benchmark,
    Contender,
    NotHere,
    Requirement,
    Row,
    Step,
    Steps,
    compare,
    take_turns,
)
from tests.feeds.itch.days import itch_day

__all__ = ["BENCHMARK"]

STOCKS = 500
MESSAGES = 6_900_000
"""Some 210 MB."""
SLOW_BYTES = 8 << 20
"""Of the day, for readers that make objects."""
CHECKED_BYTES = 32 << 20
"""Of the day, in which all rows of best prices are compared."""
CHUNK_BYTES = 1 << 20
RUNS = 5
OF_A_COPY = Requirement(0.3, "times better")
ITCHCPP = Requirement(40, "times better")
ITCHFEED = Requirement(150, "times better")
ITCH_BOOK = Requirement(1.5, "times better")
_MIB = 1 << 20

_Octets = npt.NDArray[np.uint8]


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """MiB of ITCH a CPU-second."""
    messages, slow, runs = (60_000, 1 << 18, 1) if quick else (MESSAGES, SLOW_BYTES, RUNS)
    load()
    steps = Steps(report, 1 + 4 * runs + 3)
    steps.next("the day")
    data = np.frombuffer(itch_day(messages, stocks=STOCKS).data, np.uint8).copy()
    return [*_decoding(data, data[:slow], runs, steps), _books(data, runs, steps)]


BENCHMARK = Benchmark(
    name="itch",
    work="decode ITCH 5.0; decode it into the books of 500 stocks with rows of best prices",
    reference="a plain copy; itchcpp; itchfeed; itch-book",
    requires=(OF_A_COPY, ITCHCPP, ITCHFEED, ITCH_BOOK),
    measure=measure,
)


def _decoding(data: _Octets, head: _Octets, runs: int, steps: Steps) -> list[Row]:
    room = np.zeros_like(data)

    def copy(_state: Any) -> None:
        room[:] = data

    contenders = [
        Contender("ours", lambda: None, lambda _state: _decode(data), runs=runs),
        Contender("copy", lambda: None, copy, runs=runs),
    ]
    sizes, missing = {"ours": len(data), "copy": len(data)}, {}
    for name, prepare in (("itchcpp", _itchcpp), ("itchfeed", _itchfeed)):
        try:
            contenders.append(_parsing(name, prepare(), head.tobytes()))
            sizes[name] = len(head)
        except NotHere as reason:
            missing[name] = str(reason)
    timings = take_turns(contenders, steps, where="decoding")
    rates = {name: _rate(sizes[name], timing.cpu_ns) for name, timing in timings.items()}
    references = (("copy", OF_A_COPY), ("itchcpp", ITCHCPP), ("itchfeed", ITCHFEED))
    return [
        compare(
            "itch",
            "decode",
            "MiB/s",
            ours=rates["ours"],
            reference={"copy": "a plain copy", "itchfeed": "itchfeed, in Python"}.get(name, name),
            theirs=rates.get(name),
            requires=requires,
            why=missing.get(name, ""),
        )
        for name, requires in references
    ]


def _books(data: _Octets, runs: int, steps: Steps) -> Row:
    work = f"decode, {STOCKS} books, best prices"
    contenders = [Contender("ours", lambda: None, lambda _state: _build(data), runs=runs)]
    why = ""
    try:
        session = _itch_book()
        _check_rows(data[:CHECKED_BYTES], session)
        contenders.append(Contender("itch-book", session, lambda state: _feed(state, data), runs=runs))
    except NotHere as reason:
        why = str(reason)
    timings = take_turns(contenders, steps, where="books")
    rates = {name: _rate(len(data), timing.cpu_ns) for name, timing in timings.items()}
    return compare(
        "itch",
        work,
        "MiB/s",
        ours=rates["ours"],
        reference="itch-book (C++)",
        theirs=rates.get("itch-book"),
        requires=ITCH_BOOK,
        why=why,
    )


def _rate(octets: int, cpu_ns: float) -> float:
    return octets / _MIB / (cpu_ns / 1e9)


def _decode(data: _Octets) -> None:
    decoder, at = ItchDecoder(), 0
    while at < len(data):
        at = decoder.decode(data, at, len(data)).end


def _build(data: _Octets, take: Callable[[Any, Any], None] | None = None) -> HotBooks:
    decoder, books, at = ItchDecoder(), HotBooks(near_shift=2), 0
    tops = np.zeros(ROWS_A_CALL, TOP_DTYPE)
    while at < len(data):
        part = decoder.decode(data, at, len(data))
        books.apply(part.rows, tops)
        if take is not None:
            take(part.rows, tops[: len(part.rows)])
        if part.end == at:
            break  # the frame that the end cuts off
        at = part.end
    return books


# -- others ------------------------------------------------------------------------------------------


def _parsing(name: str, parser: Any, head: bytes) -> Contender:
    def work(_state: Any) -> None:
        for _message in parser.parse_stream(head):
            pass

    return Contender(name, lambda: None, work, runs=1)


def _itchcpp() -> Any:
    try:
        from itchcpp.parser import MessageParser
    except ImportError as error:
        raise NotHere("needs itchcpp: pip install 'stormdesk[bench]'") from error
    return MessageParser()


def _itchfeed() -> Any:
    os.environ["ITCH_NO_CPP"] = "1"
    try:
        from itch.parser import MessageParser
    except ImportError as error:
        raise NotHere("needs itchfeed: pip install 'stormdesk[bench]'") from error
    return MessageParser()


def _itch_book() -> Callable[[], Any]:
    try:
        from itch_book._core import Session
    except ImportError as error:
        raise NotHere("needs itch-book: pip install 'stormdesk[bench]'") from error
    return lambda: Session(["bbo"], 0, [])


def _feed(session: Any, data: _Octets) -> list[Any]:
    rows = []
    for at in range(0, len(data), CHUNK_BYTES):
        session.feed(data[at : at + CHUNK_BYTES])
        rows.append(session.take_bbo())
    return rows


def _check_rows(data: _Octets, session: Callable[[], Any]) -> None:
    """Raises AssertionError unless both have the same best prices after the same messages."""
    theirs = _feed(session(), data)
    columns = ("ts", "locate", "bid_px", "bid_sz", "ask_px", "ask_sz")
    parts = [np.concatenate([part[name] for part in theirs]) for name in columns]
    expected = np.stack([part.astype(np.int64) for part in parts])
    found: list[npt.NDArray[np.int64]] = []

    def take(rows: Any, tops: Any) -> None:
        # A replacement is one message: what the book looks like half-way is nobody's row.
        whole = ~((rows["letter"] == ord("U")) & (rows["event_type"] == EventType.CANCEL))
        names = ("bid_price", "bid_qty", "ask_price", "ask_qty")
        parts = [rows["ts"], rows["instrument_id"], *(tops[name] for name in names)]
        found.append(np.stack([part[whole].astype(np.int64) for part in parts]))

    _build(data, take)
    ours = _changes(np.concatenate(found, axis=1))
    assert np.array_equal(ours, expected), "itch: other best prices than itch-book's"


def _changes(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Only the rows in which a stock's best prices differ from its row before."""
    order = np.argsort(rows[1], kind="stable")
    by_stock = rows[:, order]
    before = np.zeros_like(by_stock[2:])
    before[:, 1:] = np.where(by_stock[1, 1:] == by_stock[1, :-1], by_stock[2:, :-1], 0)
    changed = np.zeros(rows.shape[1], bool)
    changed[order] = (by_stock[2:] != before).any(axis=0)
    return rows[:, changed]
