"""What is said of a capture, symbol by symbol."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.feeds.inspect import inspect_file, inspection_json, inspection_text
from engine.feeds.venue_inspection import VenueFacts, inspect_venue, sibling_captures
from tests.feeds.captures import MadeMarket, depth, quote, snapshot, trade, write

SHARED = Path(__file__).parents[2] / "../shared/data"
RAW = SHARED / "venue_ws_captures_2021"


def facts_of(path: Path, *others: Path) -> VenueFacts:
    facts = inspect_venue(path, others)
    assert facts is not None
    return facts


def test_every_event_of_a_symbol_is_counted(tmp_path: Path) -> None:
    lines = [
        snapshot(10, bids=[("99", "1")], asks=[("101", "2")]),
        depth(10, 11, bids=[("99.5", "3")], at_ms=1),
        trade(1, at_ms=2),
        quote(11, ("99.5", "3"), ("101", "2"), at_ms=2_000),
        b"junk",
    ]
    facts = facts_of(write(tmp_path / "a", lines))
    (symbol,) = facts.symbols
    assert (symbol.trades, symbol.quotes, symbol.snapshots, symbol.updates) == (1, 1, 1, 1)
    assert (symbol.is_synchronised, symbol.best_bid, symbol.best_ask) == (True, "99.5 x 3", "101 x 2")
    assert (facts.venue, facts.duration_s, facts.dropped[0].first_line) == ("binance", 2.0, 5)


def test_a_hole_is_counted_and_named_and_the_book_is_not_known_behind_it(tmp_path: Path) -> None:
    lines = [snapshot(10, bids=[("99", "1")]), depth(10, 11, at_ms=1), depth(14, 15, at_ms=2)]
    facts = facts_of(write(tmp_path / "a", lines))
    (symbol,) = facts.symbols
    assert (facts.gaps, symbol.gaps, symbol.is_synchronised, symbol.best_bid) == (1, 1, False, None)
    assert "expected 12, got 14" in facts.first_gaps[0]


def test_a_crossed_state_is_counted(tmp_path: Path) -> None:
    lines = [
        snapshot(10, bids=[("99", "1")], asks=[("101", "1")]),
        depth(10, 11, bids=[("102", "1")], at_ms=1),
    ]
    assert facts_of(write(tmp_path / "a", lines)).symbols[0].crossed_states == 1


def test_rest_answers_beside_a_stream_are_joined_by_time(tmp_path: Path) -> None:
    url = b"https://api.binance.com/api/v3/depth?symbol=BTCUSDT -> 1723161253.5: "
    answer = snapshot(10, bids=[("99", "1")], asks=[("101", "1")]).split(b" ", 1)[1]
    stream = write(
        tmp_path / "X.ws.1.0.txt", [depth(9, 10, at_ms=100), depth(11, 12, bids=[("98", "1")], at_ms=900)]
    )
    rest = write(tmp_path / "X.http.0.0.txt", [url + answer])
    write(tmp_path / "Y.http.0.0.txt", [url + answer])
    assert sibling_captures(stream) == (rest,)
    assert sibling_captures(rest) == ()
    inspection = inspect_file(stream)
    assert inspection.venue is not None
    assert inspection.venue.joined == ("X.http.0.0.txt",)
    assert inspection.venue.symbols[0].is_synchronised
    assert "joined with X.http.0.0.txt" in inspection_text(inspection)
    alone = inspect_file(stream, others=[]).venue
    assert alone is not None
    assert (alone.joined, alone.symbols[0].is_synchronised) == ((), False)
    assert facts_of(stream, rest).symbols == inspection.venue.symbols


def test_a_made_market_is_whole(tmp_path: Path) -> None:
    inspection = inspect_file(write(tmp_path / "a", MadeMarket(seed=1).lines))
    plain = inspection_json(inspection)
    assert plain["venue"]["gaps"] == 0
    assert plain["venue"]["symbols"][0]["crossed_states"] == 0
    assert plain["venue"]["symbols"][0]["symbol"] == "BTCUSDT"


def test_what_is_of_no_venue_is_none(tmp_path: Path) -> None:
    assert inspect_venue(write(tmp_path / "a", [b"{}", b"1723161253000000000 {}"])) is None


WHOLE = [
    ("BINANCE.ws.1.0.txt.gz", "binance", 4),
    ("BINANCE_US.ws.1.0.txt.gz", "binance", 4),
    ("BINANCE_FUTURES.ws.1.0.txt.gz", "binance", 4),
    ("BINANCE_DELIVERY.ws.1.0.txt.gz", "binance", 10),
    ("BITSTAMP.ws.1.0.txt.gz", "bitstamp", 10),
    ("BYBIT.ws.25.0.txt.gz", "bybit", 8),
    ("BYBIT.ws.26.0.txt.gz", "bybit", 2),
    ("COINBASE.ws.28.0.txt.gz", "coinbase", 10),
    ("DERIBIT.ws.1.0.txt.gz", "deribit", None),
    ("GEMINI.ws.1.0.txt.gz", "gemini", None),
    ("KRAKEN.ws.49.0.txt.gz", "kraken", None),
    ("KUCOIN.ws.1.0.txt.gz", "kucoin", 9),
]


@pytest.mark.shared
@pytest.mark.skipif(not RAW.is_dir(), reason="../shared/data/venue_ws_captures_2021 is not there")
@pytest.mark.parametrize(("name", "venue", "books"), WHOLE)
def test_real_captures_have_no_gap_and_no_crossed_book(name: str, venue: str, books: int | None) -> None:
    facts = facts_of(RAW / name, *sibling_captures(RAW / name))
    assert (facts.venue, facts.gaps, facts.checksums_wrong) == (venue, 0, 0)
    assert sum(symbol.crossed_states for symbol in facts.symbols) == 0
    known = [symbol for symbol in facts.symbols if symbol.is_synchronised]
    if books is not None:
        assert len(known) == books
