"""Messages of venues with what tardis-node's mappers make of them, compared with our normalisers.

`compare(venue, make)` gives the table of one venue: how many messages (cases) end equal, different or not
comparable, and why not. Two mappers that both are right still differ in when they speak: tardis holds changes
of a book back until its snapshot has come and then gives one merged snapshot, while a normaliser passes both
on at once and the chain joins them. So book events wait here until tardis tells the same, as equal levels or
as an equal book; whatever is told differently is `different`.

Times are compared where tardis has one of the exchange; where it has none it puts the time of receipt. Where
a message has two (Binance: of the matching engine and of sending) either may be taken, which is noted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from engine.core.clock import parse_iso_ns
from engine.core.types import Side
from engine.feeds.book_sync import rules_of
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Level, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import Normaliser

__all__ = ["EXCHANGES", "PATH", "Case", "Table", "compare", "read_cases"]

PATH = (
    Path(__file__).parents[3] / ".." / "shared" / "data" / "venue_mapper_cases" / "tardis_mapper_cases.jsonl"
)

EXCHANGES = {
    "binance": ("binance", "binance-futures", "binance-delivery"),
    "bitstamp": ("bitstamp",),
    "deribit": ("deribit",),
    "gemini": ("gemini",),
    "kraken": ("kraken",),
    "kucoin": ("kucoin", "kucoin-futures"),
    "okx": ("okex", "okex-futures", "okex-swap", "okex-options", "okex-spreads"),
}
"""Our venues and their names in the file; Bybit, Coinbase, Hyperliquid and Alpaca are not in it."""

ABOUT = {"map gemini v3 messages": "wss://ws.gemini.com?snapshot=-1"}
"""What the connections of a test were opened with, where that decides."""

BY_RULE = frozenset(
    (
        DropReason.CROSSED,
        DropReason.NEGATIVE,
        DropReason.NOT_POSITIVE,
        DropReason.IDS_REVERSED,
        DropReason.NOT_A_MARKET_TRADE,
        DropReason.TOLD_TWICE,
        DropReason.BEFORE_START,
        DropReason.NO_SIZES,
    )
)
"""Drops that are decisions about good messages: tardis decides otherwise, and nothing can be compared."""

SNAPSHOT_MISSING = "tardis holds a change back for a snapshot that does not come in the test"
OTHER_CHANNEL = "tardis reads another depth channel at that date"

DEFECTS = {
    ("kraken", "book-1000"): "tardis takes the channel's name for the symbol (a message with a null in it)"
}
"""Exchange and symbol of rows that cannot be meant."""


class Difference(NamedTuple):
    """One thing that is told differently."""

    what: str
    ours: Any
    expected: Any


class Case(NamedTuple):
    """One message and what tardis makes of it."""

    exchange: str
    test: str
    local: str
    message: Any
    expected: list[dict[str, Any]]


@dataclass
class Table:
    """Of one venue."""

    venue: str
    cases: int = 0
    equal: int = 0
    empty: int = 0
    """Of the equal ones: those where both give nothing."""
    different: list[str] = field(default_factory=list)
    not_comparable: Counter[str] = field(default_factory=Counter)
    """Cases by reason."""
    other_time: int = 0
    """Of the equal ones: those whose message has two times, of which tardis takes the other."""

    def __str__(self) -> str:
        reasons = "; ".join(f"{count}x {reason}" for reason, count in self.not_comparable.most_common())
        other_time = f", {self.other_time} with the other one of two times" if self.other_time else ""
        return (
            f"{self.venue}: {self.cases} cases, {self.equal} equal ({self.empty} of them empty{other_time}), "
            f"{len(self.different)} different, {self.not_comparable.total()} not comparable"
            + (f" ({reasons})" if reasons else "")
        )


@dataclass
class _Verdict:
    """What is known of one case so far."""

    case: Case
    problems: list[Difference] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    is_empty: bool = False
    other_time: bool = False
    waiting: int = 0
    """Book events of ours that tardis has not told yet."""


@cache
def read_cases() -> tuple[Case, ...]:
    """All cases of the file."""
    lines = PATH.read_text(encoding="utf-8").splitlines()
    rows = (json.loads(line) for line in lines)
    return tuple(
        Case(row["exchange"], row["test"], row["localTimestamp"], row["message"], row["expected"])
        for row in rows
    )


def compare(venue: str, make: Callable[[], Normaliser]) -> Table:
    """The table of a venue; `make` makes its normaliser, one for each test of the file."""
    table = Table(venue)
    cases = [case for case in read_cases() if case.exchange in EXCHANGES[venue]]
    for _, of_test in groupby(cases, key=lambda case: (case.exchange, case.test)):
        for verdict in _compare_test(list(of_test), make()):
            table.cases += 1
            if verdict.problems:
                where = f"{verdict.case.exchange}: {json.dumps(verdict.case.message)[:200]}"
                table.different.append(f"{where}\n    " + "\n    ".join(map(str, verdict.problems)))
            elif verdict.reasons or verdict.waiting:
                asked_for = not rules_of(venue).snapshots_in_stream or venue == "binance"
                silence = SNAPSHOT_MISSING if asked_for else OTHER_CHANNEL
                table.not_comparable[[*verdict.reasons, silence][0]] += 1
            else:
                table.equal += 1
                table.empty += verdict.is_empty
                table.other_time += verdict.other_time
    return table


def _compare_test(cases: list[Case], normaliser: Normaliser) -> list[_Verdict]:
    books: dict[str, _Waiting] = {}
    verdicts = []
    normaliser.begin([_text(case) for case in cases])
    for case in cases:
        verdict = _Verdict(case)
        verdicts.append(verdict)
        drops = normaliser.drops.statistics()
        about = next((about for test, about in ABOUT.items() if test in case.test), "")
        events = normaliser.take(_text(case), parse_iso_ns(case.local) or 0, about)
        after = normaliser.drops.statistics()
        by_rule = [str(reason) for reason in BY_RULE if after.get(reason, 0) > drops.get(reason, 0)]
        _compare_rows(verdict, "trade", _of(events, Trade), by_rule)
        _compare_rows(verdict, "book_ticker", _of(events, Quote), by_rule)
        _compare_books(verdict, events, books, by_rule)
        kinds = {row["type"] for row in case.expected} & {"trade", "book_ticker", "book_change"}
        verdict.is_empty = not events and not kinds
    return verdicts


def _text(case: Case) -> bytes:
    return json.dumps(case.message).encode()


def _of(events: list[MarketEvent], kind: type[Trade] | type[Quote]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def _compare_rows(verdict: _Verdict, kind: str, ours: list[Any], by_rule: list[str]) -> None:
    """Trades or quotes, one by one."""
    rows = [row for row in verdict.case.expected if row["type"] == kind]
    if len(ours) < len(rows) and not any(
        "bidPrice" in row or "askPrice" in row or "id" in row for row in rows
    ):
        verdict.reasons.append("a quote without any side: dropped by rule")
    elif len(ours) < len(rows) and by_rule:
        verdict.reasons.append(f"dropped by rule: {by_rule[0]}")
    elif kind == "book_ticker" and ours and not rows:
        verdict.reasons.append("a channel that tardis reads for something else gives a quote")
    elif len(ours) != len(rows):
        verdict.problems.append(Difference(f"number of {kind}", len(ours), len(rows)))
    else:
        differ = _trade_differences if kind == "trade" else _quote_differences
        for event, row in zip(ours, rows, strict=True):
            _note(verdict, list(differ(event, row)))


def _trade_differences(trade: Trade, row: dict[str, Any]) -> Iterator[Difference]:
    side = {"buy": Side.BID, "sell": Side.ASK}.get(row["side"])
    yield from _differences(
        row,
        trade,
        symbol=(trade.symbol, row["symbol"].upper()),
        id=(trade.trade_id, row.get("id")),
        price=(float(trade.price), float(row["price"])),
        amount=(float(trade.size), float(row["amount"])),
        side=(trade.aggressor_side, side),
    )


def _quote_differences(quote: Quote, row: dict[str, Any]) -> Iterator[Difference]:
    def level(side: str) -> tuple[float, float] | None:
        price, amount = row.get(f"{side}Price"), row.get(f"{side}Amount")
        return (float(price), float(amount)) if price and amount else None

    yield from _differences(
        row,
        quote,
        symbol=(quote.symbol, row["symbol"].upper()),
        bid=(quote.bid and tuple(map(float, quote.bid)), level("bid")),
        ask=(quote.ask and tuple(map(float, quote.ask)), level("ask")),
    )


def _told(book: BookL2 | BookDelta, row: dict[str, Any]) -> list[Difference]:
    """How a book event differs from what tardis tells."""
    differences = _differences(
        row,
        book,
        symbol=(book.symbol, row["symbol"].upper()),
        is_snapshot=(isinstance(book, BookL2), row["isSnapshot"]),
        bids=(_floats(book.bids), _row_floats(row, "bids")),
        asks=(_floats(book.asks), _row_floats(row, "asks")),
    )
    return list(differences)


def _differences(
    row: dict[str, Any], event: Trade | Quote | BookL2 | BookDelta, **pairs: tuple[Any, Any]
) -> Iterator[Difference]:
    for name, (ours, expected) in pairs.items():
        if ours != expected:
            yield Difference(name, ours, expected)
    if row["timestamp"] != row["localTimestamp"]:
        digits = len(row["timestamp"].partition(".")[2].rstrip("Z"))
        unit = 10 ** (9 - digits)
        expected_ns = parse_iso_ns(row["timestamp"])
        if event.exchange_time_ns is None or event.exchange_time_ns // unit * unit != expected_ns:
            yield Difference("time", event.exchange_time_ns, expected_ns)


def _floats(levels: tuple[Level, ...]) -> list[tuple[float, float]]:
    return sorted((float(price), float(size)) for price, size in levels)


def _row_floats(row: dict[str, Any], side: str) -> list[tuple[float, float]]:
    levels = ((float(level["price"]), float(level["amount"])) for level in row[side])
    # A level of size 0 in a snapshot is none.
    return sorted(level for level in levels if level[1] or not row["isSnapshot"])


_WaitingEvent: TypeAlias = tuple[BookL2 | BookDelta, _Verdict]


@dataclass
class _Waiting:
    """Our book events of one symbol that tardis has not told yet."""

    events: list[_WaitingEvent] = field(default_factory=list)
    snapshot_id: int | None = None

    def add(self, event: BookL2 | BookDelta, verdict: _Verdict) -> None:
        is_void = isinstance(event, BookDelta) and not event.bids and not event.asks
        if is_void or self._is_old(event):
            return
        self.events.append((event, verdict))
        verdict.waiting += 1

    def told(self, row: dict[str, Any], of_case: _Verdict) -> list[Difference]:
        """Take what tardis tells now, at this case; the differences."""
        if row["isSnapshot"]:
            return self._told_snapshot(row)
        if not self.events:
            return [Difference("book_change", None, row)]
        # Equal ones first: a test may send the same update twice, of which tardis tells one.
        ranked = sorted(
            range(len(self.events)),
            key=lambda at: (bool(_told(self.events[at][0], row)), self.events[at][1] is not of_case),
        )
        event, verdict = self.events.pop(ranked[0])
        verdict.waiting -= 1
        return _told(event, row)

    def _told_snapshot(self, row: dict[str, Any]) -> list[Difference]:
        snapshots = [event for event, _ in self.events if isinstance(event, BookL2)]
        if not snapshots:
            return [Difference("snapshot", None, row)]
        snapshot = snapshots[-1]
        self.snapshot_id = snapshot.last_id
        alone = not _told(snapshot, row)
        deltas = (
            [] if alone else [e for e, _ in self.events if isinstance(e, BookDelta) and not self._is_old(e)]
        )
        kept: list[_WaitingEvent] = []
        for event, verdict in self.events:
            if alone and isinstance(event, BookDelta) and not self._is_old(event):
                kept.append((event, verdict))
            else:
                verdict.waiting -= 1
        self.events = kept
        bids, asks = (_joined(side, snapshot, deltas) for side in ("bids", "asks"))
        return _told(snapshot._replace(bids=bids, asks=asks), row)

    def _is_old(self, event: BookL2 | BookDelta) -> bool:
        return (
            isinstance(event, BookDelta)
            and self.snapshot_id is not None
            and event.last_id is not None
            and event.last_id <= self.snapshot_id
        )


def _joined(side: str, snapshot: BookL2, deltas: list[BookDelta]) -> tuple[Level, ...]:
    levels: dict[Decimal, Decimal] = dict(getattr(snapshot, side))
    for delta in deltas:
        levels |= dict(getattr(delta, side))
    return tuple(level for level in levels.items() if level[1])


def _compare_books(
    verdict: _Verdict, events: list[MarketEvent], books: dict[str, _Waiting], by_rule: list[str]
) -> None:
    for event in events:
        if isinstance(event, BookL2 | BookDelta):
            books.setdefault(event.symbol, _Waiting()).add(event, verdict)
    for row in verdict.case.expected:
        if row["type"] != "book_change":
            continue
        if defect := DEFECTS.get((verdict.case.exchange, row["symbol"])):
            verdict.reasons.append(defect)
            continue
        problems = books.setdefault(row["symbol"].upper(), _Waiting()).told(row, verdict)
        if problems and by_rule:
            verdict.reasons.append(f"dropped by rule: {by_rule[0]}")
        else:
            _note(verdict, problems)


def _note(verdict: _Verdict, differences: list[Difference]) -> None:
    """They are problems, but for a time that the message states beside the one that tardis takes."""
    stated = set(re.findall(r"\d{13}", json.dumps(verdict.case.message)))
    for difference in differences:
        times_ms = {str(time_ns)[:-6] for time_ns in difference[1:]}
        if difference.what == "time" and times_ms <= stated:
            verdict.other_time = True
        else:
            verdict.problems.append(difference)
