import gzip
import pickle
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from engine.core.errors import DataError, UsageError
from engine.feeds import files
from engine.feeds.book_sync import SPOT, USDM
from engine.feeds.records import QuoteTick
from engine.feeds.source import open_source
from tests.feeds.captures import EPOCH_NS, MadeMarket, depth, quote, snapshot, trade, write


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return write(tmp_path / "made.jsonl.gz", MadeMarket(seed=1).lines, packed=True)


def test_a_source_knows_its_instrument_and_extent(tmp_path: Path) -> None:
    lines = [
        snapshot(10, bids=[("99.90", "1.25")], asks=[("100.00", "2")]),
        depth(11, 11, bids=[("99.95", "0.001")], at_ms=100),
        *(trade(number, qty=qty, at_ms=200) for number, qty in enumerate(("0.500", "0.003", "7.000"))),
        quote(11, ("99.95", "0.001"), ("100.00", "2"), at_ms=1500),
    ]
    source = open_source(write(tmp_path / "a.jsonl", lines))
    assert source.kind == SPOT
    assert source.instrument.symbol == "BTCUSDT"
    assert source.instrument.tick_size == Decimal("0.01")
    assert source.instrument.lot_size == Decimal("0.001")
    assert source.instrument.currency == "USD"
    assert source.instrument.unit_lots == 2501  # the mean of 500, 3 and 7000
    assert source.epoch_ns == EPOCH_NS
    assert source.duration_ns == 1_500_000_000
    assert not source.starts_without_snapshot
    assert source.counts._asdict() == {
        "lines": 6,
        "snapshots": 1,
        "depth_updates": 1,
        "trades": 3,
        "quotes": 1,
        "dropped": 0,
        "levels": 8,
        "clock_backwards": 0,
    }
    assert source.record_count == 6 == len(list(source.records()))


def test_a_futures_capture_is_told_by_its_content(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a", MadeMarket(seed=2, futures=True).lines))
    assert source.kind == USDM


@pytest.mark.parametrize(
    ("symbol", "currency"),
    [
        ("BTCUSDT", "USD"),
        ("ETHUSDC", "USD"),
        ("BNBBUSD", "USD"),
        ("BTCFDUSD", "USD"),
        ("ETHBTC", "BTC"),
        ("BTCEUR", "EUR"),
        ("BTCUSDT_240927", "USD"),
    ],
)
def test_dollar_like_quotes_count_as_dollars(tmp_path: Path, symbol: str, currency: str) -> None:
    source = open_source(write(tmp_path / "a", [trade(1, s=symbol)]))
    assert source.instrument.currency == currency


def test_plain_and_packed_files_give_the_same_records(tmp_path: Path, capture: Path) -> None:
    plain = write(tmp_path / "no_ending", MadeMarket(seed=1).lines)
    assert list(open_source(plain).records()) == list(open_source(capture).records())


def test_records_can_be_entered_at_any_index(capture: Path) -> None:
    source = open_source(capture)
    everything = list(source.records())
    assert list(source.records()) == everything
    for start in (0, 1, 57, len(everything) - 1, len(everything)):
        assert list(source.records(start)) == everything[start:]
    assert [source.record(index) for index in range(source.record_count)] == everything
    assert [source.record_time_ns(i) for i in range(len(everything))] == [r.time_ns for r in everything]
    with pytest.raises(IndexError):
        source.record(len(everything))


def test_the_last_quote_at_a_time_is_found(capture: Path) -> None:
    source = open_source(capture)
    quotes = [record for record in source.records() if isinstance(record, QuoteTick)]
    assert source.quote_at(quotes[0].time_ns - 1) is None
    assert source.quote_at(10**18) == quotes[-1]
    for time_ns in range(quotes[0].time_ns, quotes[-1].time_ns, 7_300_000):
        assert source.quote_at(time_ns) == [quote for quote in quotes if quote.time_ns <= time_ns][-1]


def test_a_pickled_source_is_small_and_reads_the_same_file_again(capture: Path) -> None:
    source = open_source(capture)
    pickled = pickle.dumps(source)
    assert len(pickled) < 2000
    again = pickle.loads(pickled)
    assert again.instrument == source.instrument
    assert again.record_count == source.record_count
    assert list(again.records(100)) == list(source.records(100))


def test_a_pickled_source_can_borrow_loaded_records(capture: Path) -> None:
    source = open_source(capture)
    again = pickle.loads(pickle.dumps(source))
    again.share_records(source)
    capture.unlink()
    assert list(again.records()) == list(source.records())


def test_a_file_that_changed_meanwhile_is_refused(capture: Path) -> None:
    pickled = pickle.dumps(open_source(capture))
    write(capture, MadeMarket(seed=3).lines, packed=True)
    with pytest.raises(DataError, match="changed since"):
        next(pickle.loads(pickled).records())


def test_a_missing_file_or_a_folder_is_wrong_use(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            open_source(path)


def test_a_file_without_a_record_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\nworld\n")
    with pytest.raises(DataError, match="2 x not `<local ns> <JSON>`"):
        open_source(tmp_path / "text")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(DataError, match="0 lines"):
        open_source(tmp_path / "empty")


def test_a_cut_off_or_damaged_gzip_file_is_refused(capture: Path) -> None:
    data = capture.read_bytes()
    capture.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="damaged"):
        open_source(capture)
    capture.write_bytes(data[:200] + bytes(20) + data[220:])
    with pytest.raises(DataError, match="damaged"):
        open_source(capture)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_above_the_limit_is_refused_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 10_000)
    path = write(tmp_path / "big", [trade(number) for number in range(1000)], packed=packed)
    with pytest.raises(DataError, match="limit"):
        open_source(path)
    path = write(path, [trade(1), b"x" * 20_000], packed=packed)
    with pytest.raises(DataError, match="limit"):
        open_source(path)


def test_an_endless_line_is_skipped_and_counted_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 1000)
    source = open_source(write(tmp_path / "a", [trade(1), b"9" * 5000, trade(2)]))
    (drop,) = source.dropped
    assert (drop.lines, drop.first_line, drop.first_offset) == (1, 2, len(trade(1)) + 1)
    assert source.counts.trades == 2


def test_windows_line_ends_and_several_gzip_members_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(trade(1) + b"\r\n") + gzip.compress(b"\r\n" + trade(2)))
    source = open_source(path)
    assert (source.counts.trades, source.counts.lines, source.counts.dropped) == (2, 2, 0)


def test_statistics_name_the_limit(capture: Path) -> None:
    source = open_source(capture)
    statistics = source.statistics()
    assert statistics["unpacked_bytes"] == len(gzip.decompress(capture.read_bytes()))
    assert statistics["unpacked_bytes_limit"] == files.MAX_UNPACKED_BYTES
    assert len(list(islice(source.records(), statistics["records"] + 1))) == statistics["records"]
