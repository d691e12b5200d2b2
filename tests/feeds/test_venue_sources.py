"""Captures of any venue as sources of records; Binance's line by line in test_event_records.py."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.core.errors import DataError, UsageError
from engine.core.types import Side
from engine.feeds.book_sync import find_halt, trade_gaps
from engine.feeds.capture_reader import HEAD_MESSAGES, CaptureReader
from engine.feeds.captures import Message
from engine.feeds.drops import DropReason
from engine.feeds.l2book import BookRebuild
from engine.feeds.records import NO_ID, DepthUpdate, TradeTick
from engine.feeds.source import HistoricalSource, _currency, open_source
from engine.scenarios import history_scenario
from engine.session import Session, SessionConfig
from tests.feeds.captures import depth, line, snapshot, trade, write
from tests.feeds.venues import test_kraken
from tests.feeds.venues.taking import CAPTURES, encoded

START_S = 1_700_000_000


def capture(path: Path, *messages: Any) -> Path:
    """A capture in cryptofeed's shape, 100 ms between messages."""
    lines = [b"%d.%d: %s" % (START_S + at // 10, at % 10, encoded(one)) for at, one in enumerate(messages)]
    return write(path, [b"wss://venue <-> 1.5", *lines])


def bybit_book(
    kind: str, update_id: int, bids: Any = (), asks: Any = (), symbol: str = "BTCUSDT"
) -> dict[str, Any]:
    data = {"s": symbol, "b": list(bids), "a": list(asks), "u": update_id}
    return {"topic": f"orderbook.50.{symbol}", "type": kind, "ts": START_S * 1000, "data": data}


def bybit_trade(
    identity: str, side: str = "Buy", symbol: str = "BTCUSDT", price: str = "100.5"
) -> dict[str, Any]:
    row = {"T": START_S * 1000, "s": symbol, "S": side, "v": "0.25", "p": price, "i": identity}
    return {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": START_S * 1000, "data": [row]}


BYBIT = [
    bybit_trade("a3f1-77"),
    bybit_book("snapshot", 10, [["100.5", "1"]], [["101", "2"]]),
    bybit_book("delta", 11, [["100.5", "0"], ["100", "1"]]),
    bybit_trade("00b2-11", "Sell", price="100"),
    bybit_book("delta", 12, [], [["101", "1.75"]]),
]


def halt(source: HistoricalSource) -> str | None:
    found = find_halt(source.records(), BookRebuild(source).sync, where="file")
    return None if found is None else str(found)


def test_a_capture_of_another_venue_is_read_like_any(tmp_path: Path) -> None:
    source = open_source(capture(tmp_path / "a", *BYBIT))
    assert (source.venue, source.kind, source.instrument.symbol) == ("bybit", "bybit", "BTCUSDT")
    assert (source.instrument.tick_size, source.instrument.lot_size) == (Decimal("0.1"), Decimal("0.01"))
    assert (source.epoch_ns, source.duration_ns) == (START_S * 10**9, 400_000_000)
    assert source.counts._replace(levels=0) == (5, 1, 2, 2, 0, 0, 0, 0)
    assert halt(source) is None
    rebuild = BookRebuild(source)
    assert len(list(rebuild)) == 3
    assert rebuild.book.levels(Side.BID) == [(1000, 100)]
    assert rebuild.book.levels(Side.ASK) == [(1010, 175)]


def test_trade_ids_that_are_no_numbers_leave_no_hole(tmp_path: Path) -> None:
    source = open_source(capture(tmp_path / "a", *BYBIT))
    ticks = [record for record in source.records() if isinstance(record, TradeTick)]
    assert [(tick.previous_id, tick.trade_id) for tick in ticks] == [(0, 1), (1, 2)]
    assert list(trade_gaps(ticks)) == []


def test_history_plays_it(tmp_path: Path) -> None:
    session = Session(SessionConfig(history_scenario(), source=str(capture(tmp_path / "a", *BYBIT))))
    session.advance(500_000_000)
    feed = session.market_view().feed
    assert feed is not None
    assert (feed.gaps, feed.ended, feed.halted) == (0, True, None)


def test_a_hole_in_the_venues_numbers_halts_it(tmp_path: Path) -> None:
    source = open_source(capture(tmp_path / "a", *BYBIT, bybit_book("delta", 14), bybit_book("delta", 15)))
    report = halt(source)
    assert report is not None
    assert "sequence gap, expected 12, got 13" in report


def test_a_wrong_checksum_halts_it_and_the_next_snapshot_goes_on(tmp_path: Path) -> None:
    wrong = [0, {"a": [["0.05010", "0.00000600", "1582905488.7"]], "c": "974947235"}, "book-10", "XBT/USD"]
    first, again = test_kraken.SNAPSHOT, test_kraken.SPLIT_UPDATE
    source = open_source(capture(tmp_path / "a", first, again, wrong, first, again))
    assert (source.venue, source.kind, source.instrument.currency) == ("kraken", "kraken", "USD")
    report = halt(source)
    assert report is not None
    assert "depth update at 0.200 s, checksum of the book: sequence gap, expected 974947235, got " in report
    rebuild = BookRebuild(source)
    assert [update.is_snapshot for update in rebuild] == [True, False, True, False]
    assert rebuild.sync.statistics()["gaps"] == 1


def test_levels_that_kraken_drops_without_a_word_are_gone_in_the_records(tmp_path: Path) -> None:
    better = [0, {"a": [["0.05001", "0.00000700", "1582905488.7"]]}, "book-10", "XBT/USD"]
    source = open_source(capture(tmp_path / "a", test_kraken.SNAPSHOT, better))
    last = source.record(1)
    assert isinstance(last, DepthUpdate)
    assert last.asks == ((5001, 7), (5050, 0))
    assert (last.previous_id, last.first_id, last.last_id) == (NO_ID, NO_ID, NO_ID)


def test_the_symbol_is_the_first_with_a_book_or_the_one_that_is_asked_for(tmp_path: Path) -> None:
    other = [bybit_trade("1", symbol="ETHUSDT"), bybit_book("snapshot", 5, [["9", "1"]], symbol="ETHUSDT")]
    path = capture(tmp_path / "a", other[0], *BYBIT, other[1], bybit_trade("2", symbol="SOLUSDT"))
    source = open_source(path)
    assert source.instrument.symbol == "BTCUSDT"
    assert source.symbols == {"BTCUSDT": 5, "ETHUSDT": 2, "SOLUSDT": 1}
    assert [(drop.reason, drop.lines) for drop in source.dropped] == [(DropReason.OTHER_SYMBOL, 3)]
    asked = open_source(path, symbol="ethusdt")
    assert (asked.instrument.symbol, asked.record_count) == ("ETHUSDT", 2)
    with pytest.raises(DataError, match=r"Symbols in it: ETHUSDT, BTCUSDT, SOLUSDT\."):
        open_source(path, symbol="XRPUSDT")


def test_without_a_book_in_the_head_the_symbol_is_the_first_of_all(tmp_path: Path) -> None:
    trades = [bybit_trade(str(number), symbol="ETHUSDT") for number in range(HEAD_MESSAGES)]
    source = open_source(capture(tmp_path / "a", *trades, *BYBIT))
    assert (source.instrument.symbol, source.record_count) == ("ETHUSDT", HEAD_MESSAGES)


def test_the_venue_may_be_told(tmp_path: Path) -> None:
    path = capture(tmp_path / "a", *BYBIT)
    assert open_source(path, venue="bybit").record_count == 5
    with pytest.raises(DataError, match="no record of okx in 5 lines"):
        open_source(path, venue="okx")
    with pytest.raises(UsageError, match=r"no venue is called 'mars': there are alpaca, binance, .*okx"):
        open_source(path, venue="mars")


def test_messages_of_an_unknown_venue_are_no_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no record of a known venue in 2 lines"):
        open_source(capture(tmp_path / "a", {"hello": 1}, {"hello": 2}))


def test_a_pickled_source_reads_the_same_venue_and_symbol_again(tmp_path: Path) -> None:
    path = capture(tmp_path / "a", *BYBIT, bybit_trade("1", symbol="ETHUSDT"))
    source = open_source(path, symbol="ETHUSDT")
    again = pickle.loads(pickle.dumps(source))
    assert list(again.records()) == list(source.records())
    assert (again.venue, again.instrument.symbol) == ("bybit", "ETHUSDT")


def test_without_times_of_receipt_the_exchange_tells_the_time(tmp_path: Path) -> None:
    lines = [encoded(message | {"ts": START_S * 1000 + 250 * at}) for at, message in enumerate(BYBIT[1:3])]
    source = open_source(write(tmp_path / "a", lines))
    assert (source.epoch_ns, source.duration_ns) == (START_S * 10**9, 250_000_000)


def test_prices_finer_than_1e_8_have_their_own_grid(tmp_path: Path) -> None:
    books = [
        bybit_book(
            "snapshot", 1, [["0.000000001234", "1000000000000"]], [["0.000000001235", "2500000000000.00"]]
        ),
        bybit_book("delta", 2, [["0.000000001233", "7"]]),
    ]
    source = open_source(capture(tmp_path / "a", *books))
    assert (source.instrument.tick_size, source.instrument.lot_size) == (Decimal("1E-12"), 1)
    first = source.record(0)
    assert isinstance(first, DepthUpdate)
    assert (first.bids, first.asks) == (((1234, 10**12),), ((1235, 25 * 10**11),))


def test_a_coin_margined_capture_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [depth(1, 2, previous=0, ps="BTCUSD", bids=[("1", "1")])])
    with pytest.raises(DataError, match="COIN-M"):
        open_source(path)


def test_aggregated_trades_are_read_where_there_are_no_others(tmp_path: Path) -> None:
    data = {
        "e": "aggTrade",
        "s": "BTCUSDT",
        "p": "100",
        "q": "1",
        "f": 7,
        "l": 9,
        "T": START_S * 1000,
        "m": True,
    }
    lines = [
        line({"stream": "btcusdt@aggTrade", "data": data | {"a": number}}, at_ms=number) for number in (4, 5)
    ]
    source = open_source(write(tmp_path / "a", [snapshot(1, bids=[("99", "1")]), *lines]))
    ticks = [record for record in source.records() if isinstance(record, TradeTick)]
    assert [(tick.previous_id, tick.trade_id) for tick in ticks] == [(3, 4), (4, 5)]
    both = open_source(write(tmp_path / "b", [*lines, trade(1), *lines]))
    assert (both.counts.trades, both.counts.dropped) == (1, 4)


@pytest.mark.parametrize(
    ("venue", "symbol", "currency"),
    [
        ("kraken", "XBT/EUR", "EUR"),
        ("okx", "BTC-USDT-SWAP", "USD"),
        ("okx", "ETH-BTC", "BTC"),
        ("coinbase", "YFI-BTC", "BTC"),
        ("binance", "BTCUSD_PERP", "USD"),
        ("deribit", "BTC-PERPETUAL", "BTC"),
        ("bitstamp", "BTCGBP", "GBP"),
        ("hyperliquid", "BTC", "USD"),
        ("alpaca", "AAPL", "USD"),
    ],
)
def test_the_currency_is_what_the_symbol_names(venue: str, symbol: str, currency: str) -> None:
    assert _currency(venue, symbol) == currency


def test_reading_in_batches_is_reading_one_by_one() -> None:
    def read(batches: bool, monkeypatch: pytest.MonkeyPatch) -> CaptureReader:
        monkeypatch.setattr("engine.feeds.capture_reader.BATCH_MESSAGES", 64 if batches else 1)
        reader = CaptureReader()
        texts = [json.dumps(message).encode() for message in BYBIT * 40]
        reader.read(Message(at + 1, text, "", at, at * 10, None) for at, text in enumerate(texts))
        reader.records.table.settle()
        return reader

    with pytest.MonkeyPatch.context() as monkeypatch:
        batched, single = read(True, monkeypatch), read(False, monkeypatch)
    assert list(batched.records.table.records()) == list(single.records.table.records())
    assert list(batched.drops) == list(single.drops)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "venue"),
    [
        ("BINANCE.ws.1.0", "binance"),
        ("BINANCE_US.ws.1.0", "binance"),
        ("BINANCE_FUTURES.ws.1.0", "binance"),
        ("BITSTAMP.ws.1.0", "bitstamp"),
        ("BYBIT.ws.25.0", "bybit"),
        ("BYBIT.ws.26.0", "bybit"),
        ("COINBASE.ws.28.0", "coinbase"),
        ("DERIBIT.ws.1.0", "deribit"),
        ("GEMINI.ws.1.0", "gemini"),
        ("KRAKEN.ws.49.0", "kraken"),
        ("KUCOIN.ws.1.0", "kucoin"),
    ],
)
def test_captured_connections_are_sources(name: str, venue: str) -> None:
    path = CAPTURES / f"{name}.txt.gz"
    if not path.is_file():
        pytest.skip(f"no {path.name} in ../shared")
    source = open_source(path)
    assert source.venue == venue
    assert source.record_count > 0
    assert halt(source) is None
    rebuild = BookRebuild(source)
    if source.starts_without_snapshot:
        return  # the books are in the REST answers: levels that have not been named are not known
    assert not any(rebuild.book.is_crossed for _ in rebuild)
