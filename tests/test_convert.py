"""What is converted and read back is the same market, whatever the way."""

from __future__ import annotations

import gzip
import io
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desk.keys import Doors
from desk.launch import Launch, run_headless
from engine.book.books import ROW_DTYPE, HotBooks
from engine.book.hot import HotBook
from engine.convert import Conversion, convert
from engine.core.errors import DataError, UsageError
from engine.core.types import EVENT_DTYPE, NO_SIDE, EventType
from engine.feeds.files import open_data
from engine.feeds.inspect import inspect_file
from engine.feeds.itch.messages import MESSAGES, OrderExecuted, OrderExecutedAtPrice, SystemEvent
from engine.feeds.source import sample_path
from engine.feeds.transport.addresses import PASSWORD_VARIABLE, Address, PublishAddress
from engine.feeds.transport.moldudp64 import pack_packet
from engine.feeds.transport.pcap_writer import CaptureWriter
from engine.feeds.transport.publisher import MoldPublisher
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soup_listen import SoupPublisher
from engine.recording.run_directory import RunDirectory
from tests.feeds.captures import MadeMarket, depth, trade, write
from tests.feeds.itch.days import ItchDay, framed, itch_day
from tests.feeds.itch.oracle import PlainFeed, messages_of
from tests.feeds.transport.test_live import LOOPBACK, free_port
from tests.feeds.transport.wire import SESSION, SOURCE

SHARED = Path(__file__).parents[1] / "../shared/data"
STOCKS = 12
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")


@pytest.fixture(scope="module")
def day() -> ItchDay:
    return itch_day(6_000, stocks=STOCKS)


@pytest.fixture
def day_file(tmp_path: Path, day: ItchDay) -> Path:
    path = tmp_path / "day.itch"
    path.write_bytes(day.data)
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a recorded run with a storm and a bot."""
    launch = Launch.of(
        scenario="minimal", source="sim", seed=3, speed="max", targets=("agent",),
        out=tmp_path_factory.mktemp("runs"), storms=["crash@1s:0.5x5s"], duration="3s",
    )  # fmt: skip
    return Path(run_headless(launch, record=True, doors=Doors())["path"])


def events_in(path: Path) -> np.ndarray:
    with open_data(path) as stream:
        return np.frombuffer(stream.read(), EVENT_DTYPE)


def digests(events: np.ndarray) -> dict[int, int]:
    """Of every instrument's book."""
    books = HotBooks()
    books.apply(events.copy().view(ROW_DTYPE))
    return {number: books.digest(number) for number in np.unique(events["instrument_id"]).tolist()}


def to(source: Path | str, out: Path, **options: Any) -> Conversion:
    return convert(str(source), out, **options)


class TestItch:
    """From ITCH to events and back."""

    def test_its_events_are_those_of_a_plain_reading(self, day_file: Path, day: ItchDay) -> None:
        out = day_file.with_name("a.events.bin")
        result = to(day_file, out)
        plain = PlainFeed()
        plain.take(day.data)
        events = events_in(out)
        assert events.tolist() == plain.rows
        assert (result.read, result.written) == (day.messages, len(plain.rows))
        assert not np.frombuffer(out.read_bytes(), np.uint8).reshape(-1, 40)[:, 38:].any(), "padding is zero"
        assert digests(events) == {locate: book.digest() for locate, book in plain.books.items()}

    @pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
    def test_there_and_back_again_gives_the_same_books(self, day_file: Path, packing: str) -> None:
        there, back, again = (
            day_file.with_name(name + packing) for name in ("a.events.bin", "b.itch", "c.events.bin")
        )
        to(day_file, there)
        to(there, back)
        to(back, again)
        assert digests(events_in(again)) == digests(events_in(there))
        assert len(digests(events_in(again))) == STOCKS
        assert events_in(again)["ts"].tolist() == events_in(there)["ts"].tolist()

    def test_the_same_bytes_give_the_same_file(self, day_file: Path) -> None:
        results = [to(day_file, day_file.with_name(name)) for name in ("a.itch.gz", "b.itch.gz")]
        assert results[0].out_sha256 == results[1].out_sha256

    def test_a_symbol_takes_its_messages_and_those_of_the_market(self, day_file: Path, day: ItchDay) -> None:
        out = day_file.with_name("c.itch")
        to(day_file, out, symbol="c")
        kept = list(messages_of(out.read_bytes()))
        whole = [m for m in messages_of(day.data) if m is not None and m.locate in (0, 3)]
        assert kept == whole
        assert {m.letter for m in kept if m is not None} >= set("SRHAD")
        facts = inspect_file(out).itch
        assert facts is not None
        assert [stock.symbol for stock in facts.busiest] == ["C"]

    def test_a_symbol_of_events_is_the_same_choice(self, day_file: Path) -> None:
        whole, chosen = day_file.with_name("a.events.bin"), day_file.with_name("c.events.bin")
        to(day_file, whole)
        to(day_file, chosen, symbol="C")
        assert digests(events_in(chosen)) == {3: digests(events_in(whole))[3]}
        numbered = day_file.with_name("d.events.bin")
        to(whole, numbered, symbol="#3")
        assert numbered.read_bytes() == chosen.read_bytes()

    @pytest.mark.parametrize("name", ["x.itch", "x.events.bin"])
    def test_a_symbol_that_is_not_there_is_refused_with_those_that_are(
        self, day_file: Path, name: str
    ) -> None:
        with pytest.raises(UsageError, match="no message names 'NOSUCH'; busiest: "):
            to(day_file, day_file.with_name(name), symbol="NOSUCH")
        assert not day_file.with_name(name).exists()

    def test_damage_is_copied_as_it_is_and_left_out_of_events(self, tmp_path: Path) -> None:
        path = tmp_path / "a.itch"
        whole = framed([SystemEvent(0, 0, 1, "O")])
        path.write_bytes(9 * whole + b"\0\3zzz" + b"\0\5A1234" + b"\0\0" + whole + b"\0\x24A12")
        copied = to(path, tmp_path / "b.itch")
        assert (tmp_path / "b.itch").read_bytes() == path.read_bytes()[:-5]
        assert (copied.read, copied.written, copied.damaged, copied.cut_off_bytes) == (13, 13, 3, 5)
        converted = to(path, tmp_path / "b.events.bin")
        assert (converted.read, converted.written, converted.damaged) == (13, 0, 3)
        assert converted.cut_off_bytes == 5

    def test_time_ends_where_it_was_asked_to(self, day_file: Path) -> None:
        second = 1_000_000_000
        first_ns = 11_000_000_000_000
        until_ns = 35_000_000_000_000
        out = day_file.with_name("a.itch")
        to(day_file, out, duration_ns=until_ns - first_ns)
        times = [m.time_ns for m in messages_of(out.read_bytes()) if m is not None]
        assert until_ns - 60 * second < max(times) <= until_ns
        part = day_file.with_name("a.events.bin")
        to(day_file, part, duration_ns=until_ns - first_ns)
        via = day_file.with_name("b.events.bin")
        to(out, via)
        assert part.read_bytes() == via.read_bytes()

    def test_executions_of_unknown_orders_stay_what_they_are(self, tmp_path: Path) -> None:
        path = tmp_path / "a.itch"
        path.write_bytes(framed([OrderExecuted(1, 0, 5, 77, 10, 1)]))
        result = to(path, tmp_path / "a.events.bin")
        (event,) = events_in(tmp_path / "a.events.bin").tolist()
        assert event == (5, 0, 10, 77, 1, EventType.TRADE, NO_SIDE)
        assert result.unknown_orders == 1
        to(tmp_path / "a.events.bin", tmp_path / "b.itch")
        assert all(
            m is not None and m.letter in "SRH" for m in messages_of((tmp_path / "b.itch").read_bytes())
        )

    def test_standard_input_is_read_once(
        self, tmp_path: Path, day: ItchDay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, data in (("a.itch", day.data), ("b.itch", gzip.compress(day.data))):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
            to("-", tmp_path / name, symbol="C")
        (tmp_path / "day.itch").write_bytes(day.data)
        to(tmp_path / "day.itch", tmp_path / "c.itch", symbol="C")
        assert (tmp_path / "a.itch").read_bytes() == (tmp_path / "c.itch").read_bytes()
        assert (tmp_path / "b.itch").read_bytes() == (tmp_path / "c.itch").read_bytes()


class TestPackets:
    """From captures of packets, and from the wire itself."""

    @staticmethod
    def capture(path: Path, day: ItchDay, *, without: int | None = None) -> list[bytes]:
        """A capture of the day, 20 messages a packet; gives the frames of each packet."""
        frames = [framed([m]) for m in messages_of(day.data) if m is not None]
        packets = [b"".join(frames[at : at + 20]) for at in range(0, len(frames), 20)]
        with path.open("wb") as stream:
            writer = CaptureWriter(stream)
            for number, blocks in enumerate(packets):
                count = min(20, len(frames) - 20 * number)
                if number != without:
                    payload = pack_packet(SESSION, 20 * number + 1, count, blocks)
                    writer.write(number * 1_000, SOURCE, Address("239.1.2.3", 5_000), payload)
        return packets

    def test_a_packet_capture_is_the_file_that_was_sent(self, tmp_path: Path, day: ItchDay) -> None:
        self.capture(tmp_path / "a.pcap", day)
        result = to(tmp_path / "a.pcap", tmp_path / "a.itch")
        assert (tmp_path / "a.itch").read_bytes() == day.data
        assert (result.problem, result.source_format) == (None, "packet capture")

    def test_a_hole_ends_it_and_is_told(self, tmp_path: Path, day: ItchDay) -> None:
        packets = self.capture(tmp_path / "a.pcap", day, without=9)
        result = to(tmp_path / "a.pcap", tmp_path / "a.itch")
        assert (tmp_path / "a.itch").read_bytes() == b"".join(packets[:9])
        assert "181" in str(result.problem)

    @pytest.mark.parametrize("name", ["a.itch", "a.events.bin"])
    def test_a_live_address_is_read_until_its_session_ends(
        self, tmp_path: Path, day: ItchDay, name: str
    ) -> None:
        port = free_port()
        publisher = MoldPublisher(
            PublishAddress(Address(LOOPBACK, port)), session="STORM00042", linger_ns=1_000_000_000
        )
        for message in messages_of(day.data):
            assert message is not None
            publisher.publish(framed([message])[2:])
        publisher.start()
        closing = threading.Thread(target=publisher.close)
        closing.start()
        url = f"mold://{LOOPBACK}:{port}?rerequest={publisher.request_address}&sequence=1"
        result = to(url, tmp_path / name, duration_ns=60_000_000_000)
        closing.join()
        assert (result.read, result.problem) == (day.messages, None)
        (tmp_path / "day.itch").write_bytes(day.data)
        to(tmp_path / "day.itch", tmp_path / f"b{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"b{name}").read_bytes()

    def test_a_live_connection_is_read_until_its_session_ends(
        self, tmp_path: Path, day: ItchDay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
        log = RetainedMessages()
        for message in messages_of(day.data):
            assert message is not None
            log.append(framed([message])[2:])
        log.close()
        publisher = SoupPublisher(
            Address(LOOPBACK, 0), session="DAY1", accounts={"trader": "secret"}, log=log
        )
        publisher.start()
        try:
            result = to(f"soup://trader@{publisher.address}", tmp_path / "a.itch", duration_ns=60_000_000_000)
        finally:
            publisher.close()
        assert (result.read, result.problem) == (day.messages, None)
        assert (tmp_path / "a.itch").read_bytes() == day.data

    def test_a_live_address_is_left_when_its_time_is_over_or_it_is_told_to(self, tmp_path: Path) -> None:
        url = f"mold://{LOOPBACK}:{free_port()}"
        assert to(url, tmp_path / "a.itch", duration_ns=1).read == 0
        assert to(url, tmp_path / "b.itch", stopped=lambda: True).read == 0
        with pytest.raises(UsageError, match="--allow-remote"):
            to("mold://192.0.2.1:4000", tmp_path / "c.itch", duration_ns=1)
        assert not (tmp_path / "c.itch").exists()


class TestSessions:
    """What a session plays: captures of levels, and recorded runs."""

    def test_a_capture_reads_back_as_the_book_it_ended_with(self, tmp_path: Path) -> None:
        capture = write(tmp_path / "a.jsonl", MadeMarket(seed=1).lines)
        as_events, as_itch = to(capture, tmp_path / "a.events.bin"), to(capture, tmp_path / "a.itch")
        assert as_events.book_digest == as_itch.book_digest
        assert (as_events.symbol, as_events.source_format) == ("BTCUSDT", "venue capture")
        book = HotBook()
        book.apply(events_in(tmp_path / "a.events.bin"))
        assert f"{book.digest():#018x}" == as_events.book_digest
        assert self.digest_of_itch(tmp_path / "a.itch", tick=100) == as_itch.book_digest

    def test_the_sample_reads_back_as_the_book_it_ended_with(self, tmp_path: Path) -> None:
        result = to(sample_path(), tmp_path / "a.itch.zst")
        assert self.digest_of_itch(tmp_path / "a.itch.zst", tick=100) == result.book_digest

    def test_a_hole_in_a_capture_is_told(self, tmp_path: Path) -> None:
        lines = [depth(500, 510, bids=[("99", "1")]), depth(512, 513, at_ms=300), trade(7, at_ms=900)]
        result = to(write(tmp_path / "a.jsonl", lines), tmp_path / "a.events.bin")
        assert "expected 511, got 512" in str(result.problem)

    def test_the_time_of_a_capture_is_its_own(self, tmp_path: Path) -> None:
        capture = write(tmp_path / "a.jsonl", MadeMarket(seed=1).lines)
        whole, part = (
            to(capture, tmp_path / "a.events.bin"),
            to(capture, tmp_path / "b.events.bin", duration_ns=50_000_000),
        )
        assert 0 < part.written < whole.written
        events = events_in(tmp_path / "b.events.bin")
        assert events["ts"].max() <= 50_000_000
        assert events.tolist() == events_in(tmp_path / "a.events.bin")[: len(events)].tolist()

    def test_a_recorded_run_is_its_public_events(self, recorded: Path, tmp_path: Path) -> None:
        run = RunDirectory(recorded).read_summary()
        result = to(recorded, tmp_path / "run.itch")
        assert self.digest_of_itch(tmp_path / "run.itch", tick=100) == result.book_digest
        to(recorded.name, tmp_path / "run.events.bin", runs_root=recorded.parent)
        facts, told = inspect_file(tmp_path / "run.events.bin").events, inspect_file(recorded).run
        assert facts is not None
        assert told is not None
        assert (facts.events, facts.event_digest) == (told.events, told.event_digest)
        assert facts.l2_digest == told.book_digest == result.book_digest
        assert told.is_this_engine
        assert (told.run, told.state) == (recorded.name, "complete")
        assert f"0x{run['event_digest']}" == told.event_digest

    def test_a_run_that_comes_out_otherwise_is_refused(
        self, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from engine import convert as module

        before = module.take_checkpoint
        monkeypatch.setattr(
            module, "take_checkpoint", lambda session: before(session)._replace(event_digest=1)
        )
        with pytest.raises(DataError, match="another market than the recorded one"):
            to(recorded, tmp_path / "run.itch")
        assert list(tmp_path.glob("*run.itch*")) == []
        with pytest.raises(UsageError, match="leave --symbol"):
            to(recorded, tmp_path / "run.itch", symbol="X")

    @staticmethod
    def digest_of_itch(path: Path, *, tick: int) -> str:
        out = path.with_name("read back.events.bin")
        convert(str(path), out, force=True)
        events = events_in(out).copy()
        events["price"] //= tick
        book = HotBook()
        book.apply(events)
        return f"{book.digest():#018x}"


class TestParquet:
    """What pyarrow reads back is what was written."""

    def test_its_rows_are_the_events(self, day_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pq = pytest.importorskip("pyarrow.parquet")
        monkeypatch.setattr("engine.feeds.parquet.ROW_GROUP", 2_000)
        to(day_file, day_file.with_name("a.events.bin"))
        to(day_file, day_file.with_name("a.parquet"))
        table, events = (
            pq.read_table(day_file.with_name("a.parquet")),
            events_in(day_file.with_name("a.events.bin")),
        )
        for column, field in (
            ("time_ns", "ts"), ("instrument_id", "instrument_id"), ("price_ticks", "price"),
            ("qty_lots", "qty"), ("order_id", "order_id"),
        ):  # fmt: skip
            assert table[column].to_pylist() == events[field].tolist(), column
        assert table["price"].to_pylist() == [price / 10_000 for price in events["price"].tolist()]
        sides = {0: "BID", 1: "ASK", NO_SIDE: None}
        assert table["side"].to_pylist() == [sides[side] for side in events["side"].tolist()]
        assert table["event_type"].to_pylist() == [
            EventType(kind).name for kind in events["event_type"].tolist()
        ]
        names = "ABCDEFGHIJKL"
        assert table["symbol"].to_pylist() == [names[n - 1] for n in events["instrument_id"].tolist()]
        groups = pq.ParquetFile(day_file.with_name("a.parquet")).metadata.num_row_groups
        assert groups > 1, "written as it comes, not at the end"

    def test_it_says_where_it_comes_from(self, tmp_path: Path) -> None:
        pq = pytest.importorskip("pyarrow.parquet")
        to(sample_path(), tmp_path / "a.parquet")
        facts = {k.decode(): v.decode() for k, v in pq.read_schema(tmp_path / "a.parquet").metadata.items()}
        assert facts["stormdesk.source"] == sample_path().name
        assert facts["stormdesk.source_sha256"] == inspect_file(sample_path()).sha256
        assert (facts["stormdesk.tick_size"], facts["stormdesk.lot_size"]) == ("0.01", "0.000001")
        assert facts["stormdesk.time_zero_unix_ns"] == "1723161253937085768"
        assert facts["stormdesk.engine_version"]

    def test_what_is_not_printed_is_told(self, tmp_path: Path) -> None:
        pq = pytest.importorskip("pyarrow.parquet")
        add = MESSAGES["A"](1, 0, 1, 9, "B", 100, "A", 10_000)
        rest = [OrderExecutedAtPrice(1, 0, 2, 9, 5, 1, "N", 9_000), OrderExecuted(1, 0, 3, 9, 5, 2)]
        (tmp_path / "a.itch").write_bytes(framed([add, *rest]))
        to(tmp_path / "a.itch", tmp_path / "a.parquet")
        table = pq.read_table(tmp_path / "a.parquet")
        assert table["printed"].to_pylist() == [False, False, True]
        assert table["price"].to_pylist() == [1.0, 0.9, 1.0]

    def test_without_pyarrow_it_says_what_to_install(
        self, day_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(UsageError, match=r"pip install 'stormdesk\[parquet\]'"):
            to(day_file, day_file.with_name("a.parquet"))
        assert not day_file.with_name("a.parquet").exists()


class TestOut:
    """The file appears whole or not at all."""

    def test_what_is_there_stays_without_force(self, day_file: Path) -> None:
        out = day_file.with_name("a.itch")
        out.write_bytes(b"precious")
        with pytest.raises(UsageError, match="--force"):
            to(day_file, out)
        assert out.read_bytes() == b"precious"
        to(day_file, out, force=True)
        assert out.read_bytes() == day_file.read_bytes()
        with pytest.raises(UsageError, match="into itself"):
            to(out, out, force=True)

    def test_a_source_that_breaks_off_leaves_nothing(self, tmp_path: Path, day: ItchDay) -> None:
        broken = tmp_path / "a.itch.gz"
        broken.write_bytes(gzip.compress(day.data)[:-2_000])
        out = tmp_path / "b.events.bin"
        out.write_bytes(b"old")
        with pytest.raises(DataError, match="damaged packed data"):
            to(broken, out, force=True)
        assert out.read_bytes() == b"old"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.itch.gz", "b.events.bin"]

    @pytest.mark.parametrize(
        ("name", "options", "hint"),
        [
            ("out.txt", {}, "--to events, itch or parquet"),
            ("out.txt", {"to": "csv"}, "use events, itch, parquet"),
            ("out.parquet.gz", {}, "packed inside already"),
            ("nowhere/a.itch", {}, "cannot be written"),
        ],
    )
    def test_a_name_that_cannot_be_written_is_refused(
        self, day_file: Path, name: str, options: dict[str, Any], hint: str
    ) -> None:
        with pytest.raises(UsageError, match=hint):
            to(day_file, day_file.parent / name, **options)

    def test_a_source_that_is_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no such file, and no such run"):
            to("nosuch", tmp_path / "a.itch")
        (tmp_path / "junk").write_bytes(b"junk" * 100)
        with pytest.raises(DataError, match="stormdesk inspect"):
            to(tmp_path / "junk", tmp_path / "a.itch")

    def test_a_cut_off_file_of_events_is_refused_with_its_place(self, day_file: Path) -> None:
        events = day_file.with_name("a.events.bin")
        to(day_file, events)
        events.write_bytes(events.read_bytes()[:4_007])
        with pytest.raises(DataError, match="7 bytes left over behind event 100"):
            to(events, day_file.with_name("b.itch"))

    def test_progress_is_told_to_its_end(self, day_file: Path) -> None:
        heard: list[tuple[int, int]] = []
        to(day_file, day_file.with_name("a.itch"), progress=lambda done, total: heard.append((done, total)))
        assert heard[-1] == (day_file.stat().st_size, day_file.stat().st_size)


@pytest.mark.shared
@needs_shared
class TestShared:
    """Real files."""

    def test_the_real_book_goes_there_and_back(self, tmp_path: Path) -> None:
        source = SHARED / "itch50_2019/20191230_0400_book500.itch"
        to(source, tmp_path / "a.events.bin")
        to(tmp_path / "a.events.bin", tmp_path / "b.itch")
        to(tmp_path / "b.itch", tmp_path / "c.events.bin")
        assert digests(events_in(tmp_path / "c.events.bin")) == digests(events_in(tmp_path / "a.events.bin"))
        facts = inspect_file(tmp_path / "b.itch").itch
        assert facts is not None
        assert facts.live_orders == 491

    def test_a_copy_of_a_real_file_is_that_file(self, tmp_path: Path) -> None:
        for source in sorted((SHARED / "itch50_2019").glob("*.itch")):
            to(source, tmp_path / source.name)
            assert (tmp_path / source.name).read_bytes() == source.read_bytes()

    @pytest.mark.parametrize(
        "name",
        ["venue_ws_captures_2021/BYBIT.ws.25.0.txt.gz", "venue_ws_captures_2021/COINBASE.ws.28.0.txt.gz"],
    )
    def test_a_real_capture_reads_back_as_its_book(self, tmp_path: Path, name: str) -> None:
        pytest.importorskip("pyarrow")
        result = to(SHARED / name, tmp_path / "a.events.bin")
        book = HotBook()
        book.apply(events_in(tmp_path / "a.events.bin"))
        assert f"{book.digest():#018x}" == result.book_digest
        assert to(SHARED / name, tmp_path / "a.parquet").written == result.written
