"""Captures of connections: line kinds, problems with their places, detection, and merging by time."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.captures import CaptureFormat, Message, detect_capture, merge_messages, read_messages
from engine.feeds.drops import DropReason
from engine.feeds.files import MAX_LINE_BYTES
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
T_NS = 1_633_998_512_063_356_900

CRYPTOFEED = (
    b"wss://stream.example:9443/stream?streams=a@depth/b@trade <-> 1633998511.5\n"
    b'wss://stream.example:9443/stream <- 1633998511.6: {"op":"subscribe"}\n'
    b'1633998512.0633569: {"u":1}\n'
    b'https://api.example/depth?symbol=BTCUSDT&limit=1000 -> 1633998512.32: {"lastUpdateId":7}\n'
    b"\n"
)
EPOCH_LINES = b'1633998512063356900 {"u":1}\n1633998512063357000 {"u":2}\r\n'
LONG_LINE = b'{"a":"' + b"x" * MAX_LINE_BYTES + b'"}\n'


def read(data: bytes) -> list[Message]:
    return list(read_messages(Path("capture"), io.BytesIO(data)))


def test_epoch_lines_have_time_text_and_place() -> None:
    assert read(EPOCH_LINES) == [
        Message(T_NS, b'{"u":1}', "", 1, 0, None),
        Message(T_NS + 100, b'{"u":2}', "", 2, 28, None),
    ]


def test_server_messages_and_rest_answers_are_taken_and_the_clients_own_lines_are_not() -> None:
    first, second = read(CRYPTOFEED)
    assert first[:3] == (T_NS, b'{"u":1}', "")
    assert second[:3] == (
        1_633_998_512_320_000_000,
        b'{"lastUpdateId":7}',
        "https://api.example/depth?symbol=BTCUSDT&limit=1000",
    )
    assert (first.line, second.line) == (3, 4)


def test_plain_json_lines_have_no_time() -> None:
    assert read(b'[1,2]\n{"a":1}') == [
        Message(None, b"[1,2]", "", 1, 0, None),
        Message(None, b'{"a":1}', "", 2, 6, None),
    ]


@pytest.mark.parametrize(
    "stamp", [b"1633998512", b"1633998512000", b"1633998512000000", b"1633998512000000000"]
)
def test_whole_stamps_are_read_in_the_unit_that_their_size_tells(stamp: bytes) -> None:
    assert read(stamp + b" {}")[0].receive_time_ns == 1_633_998_512_000_000_000


def test_seconds_keep_every_digit_of_their_fraction() -> None:
    (message,) = read(b"1633998512.0633569: pong")
    assert message[:2] == (T_NS, b"pong")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"hello", DropReason.BAD_LINE),
        (b"0 {}", DropReason.BAD_TIME),
        (b"99999999999999999999 {}", DropReason.BAD_TIME),
        (b"9223372037.0: {}", DropReason.BAD_TIME),
        (b"https://a.b/c -> 0.0: {}", DropReason.BAD_TIME),
        (b"123456789012345678901 {}", DropReason.BAD_LINE),
        (b"\x00\xff", DropReason.BAD_LINE),
    ],
)
def test_what_is_no_message_is_named_with_its_place(line: bytes, problem: DropReason) -> None:
    good, bad, last = read(b'{"a":1}\n' + line + b"\n{}")
    assert (good.problem, last.problem) == (None, None)
    assert (bad.text, bad.line, bad.offset, bad.problem) == (line, 2, 8, problem)


def test_a_line_beyond_the_limit_is_named_and_the_next_one_is_read() -> None:
    long, good = read(LONG_LINE + b"{}")
    assert (long.problem, good.problem) == (DropReason.LINE_TOO_LONG, None)
    assert good.offset == len(LONG_LINE)


@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b""))))
def test_every_line_is_a_message_a_problem_or_the_clients_own(lines: list[bytes]) -> None:
    messages = read(b"\n".join(lines))
    assert len(messages) <= len(lines)
    assert [message.line for message in messages] == sorted({message.line for message in messages})
    left = {number for number, line in enumerate(lines, 1) if line.strip()} - {m.line for m in messages}
    assert all(b"://" in lines[number - 1] for number in left)


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (EPOCH_LINES, CaptureFormat.EPOCH_LINES),
        (CRYPTOFEED, CaptureFormat.CRYPTOFEED),
        (b'https://api.example/depth -> 1633998512.32: {"bids":[["1",', CaptureFormat.CRYPTOFEED),
        (b'{"a":1}\n{"b":2}\n', CaptureFormat.JSON_LINES),
        (b"damaged\n" + EPOCH_LINES, CaptureFormat.EPOCH_LINES),
        (b"1,2,3\n4,5,6\n", None),
        (b"some text\n{}\n", None),
        (b"", None),
        (bytes(range(256)), None),
    ],
)
def test_the_format_is_told_by_content(head: bytes, format: CaptureFormat | None) -> None:
    assert detect_capture(head) is format


def test_captures_merge_by_time_and_keep_their_own_order() -> None:
    stream = read(b"1633998512.3: a\n1633998512.2: b\nbroken\n1633998512.9: c\n")
    answers = read(b"https://x.y/z -> 1633998512.2: d\nhttps://x.y/z -> 1633998512.3: e\n")
    merged = [message.text for message in merge_messages(iter(stream), iter(answers))]
    assert merged == [b"d", b"a", b"b", b"broken", b"e", b"c"]
    assert list(merge_messages()) == []


def _survives(buffers: Iterator[bytes]) -> None:
    for buffer in buffers:
        detect_capture(buffer)
        for message in read(buffer):
            assert message.receive_time_ns is None or 0 < message.receive_time_ns < 1 << 63


def test_mutated_captures_are_read() -> None:
    _survives(mutations([CRYPTOFEED, EPOCH_LINES], seed=1, count=2000))


@pytest.mark.fuzz
def test_mutated_captures_are_read_in_the_long_run() -> None:
    _survives(mutations([CRYPTOFEED, EPOCH_LINES], seed=2, count=FUZZ_BUFFERS))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["KUCOIN", "BITSTAMP", "BINANCE", "BINANCE_DELIVERY"])
def test_a_stream_and_its_rest_answers_merge_without_a_problem(name: str) -> None:
    folder = SHARED / "venue_ws_captures_2021"
    paths = [folder / f"{name}.http.0.0.txt.gz", folder / f"{name}.ws.1.0.txt.gz"]
    if not all(path.is_file() for path in paths):
        pytest.skip(f"no {name} captures in ../shared")
    parts = [gzip.decompress(path.read_bytes()) for path in paths]
    assert all(detect_capture(part[:65536]) is CaptureFormat.CRYPTOFEED for part in parts)
    messages = list(merge_messages(*(iter(read(part)) for part in parts)))
    times = [message.receive_time_ns for message in messages]
    assert times == sorted(times, key=lambda time_ns: time_ns or 0)
    assert all(message.problem is None for message in messages)
    assert sum(message.about != "" for message in messages) == parts[0].count(b" -> ")
