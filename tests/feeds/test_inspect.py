import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard

from engine.core.errors import UsageError
from engine.core.types import EVENT_DTYPE, EventType, pack_event
from engine.feeds.formats import FileFormat, detect_format
from engine.feeds.inspect import MAX_GAPS_NAMED, inspect_file, inspection_json, inspection_text
from tests.feeds.captures import MadeMarket, depth, line, trade, write


def events(count: int) -> bytes:
    kinds = (EventType.ADD, EventType.CANCEL)
    return b"".join(
        pack_event(i, 100 + i % 5, 1 + i, 1 + i // 2, 1, kinds[i % 2], i % 2) for i in range(count)
    )


def itch_frame(letter: str, length: int) -> bytes:
    return length.to_bytes(2, "big") + letter.encode() + bytes(length - 1)


ITCH = itch_frame("S", 12) + itch_frame("A", 36) * 3 + itch_frame("D", 19)


@pytest.mark.parametrize("packed", [False, True])
def test_a_capture_is_described_whole(tmp_path: Path, packed: bool) -> None:
    path = write(tmp_path / "whatever.bin", MadeMarket(seed=1).lines, packed=packed)
    inspection = inspect_file(path)
    assert inspection.format is FileFormat.VENUE
    assert inspection.packing == ("gzip" if packed else "plain")
    facts = inspection.capture
    assert facts is not None
    assert facts.instrument.symbol == "BTCUSDT"
    assert facts.sequence_gaps == facts.book.gaps == facts.book.crossed_states == 0
    assert facts.agreement.share_equal == 1.0
    assert facts.book.is_synchronised
    assert facts.exchange_ahead_ms == 1000
    assert facts.start_utc.startswith("2024-08-08T23:54:13.")
    assert facts.rates.peak == sum(facts.streams.values())


def test_gaps_and_drops_are_named_with_their_place(tmp_path: Path) -> None:
    lines = [depth(1, 5), b"nonsense", *(depth(10 * n, 10 * n + 1, at_ms=n) for n in range(1, 30))]
    inspection = inspect_file(write(tmp_path / "a", lines))
    facts = inspection.capture
    assert facts is not None
    assert facts.sequence_gaps == 29
    assert facts.trade_gaps == 0
    assert len(facts.first_gaps) == MAX_GAPS_NAMED
    assert (facts.first_gaps[0].expected, facts.first_gaps[0].got) == (6, 10)
    assert not facts.book.is_synchronised
    text = inspection_text(inspection)
    assert "expected 6, got 10" in text
    assert "1 x not `<local ns> <JSON>`, first in line 2" in text
    assert "not synchronised at the end" in text


def test_the_peak_is_the_fullest_second(tmp_path: Path) -> None:
    lines = [trade(n, at_ms=at) for n, at in enumerate((0, 999, 1000, 1001, 1999, 4000))]
    facts = inspect_file(write(tmp_path / "a", lines)).capture
    assert facts is not None
    assert (facts.rates.peak, facts.rates.peak_at_s, facts.rates.mean) == (3, 1, 1.5)


def test_an_inspection_is_json_with_named_fields(tmp_path: Path) -> None:
    inspection = inspect_file(write(tmp_path / "a", [*MadeMarket(seed=1).lines, b"x", depth(1, 99999)]))
    plain = json.loads(json.dumps(inspection_json(inspection)))
    assert plain["format"] == "venue capture"
    assert plain["capture"]["agreement"]["quotes"] > 0
    assert plain["capture"]["dropped"][0]["lines"] == 1
    assert plain["capture"]["first_gaps"][0]["got"] == 1
    assert plain["events"] is None


@pytest.mark.parametrize("packed", [False, True])
def test_an_event_file_is_told_by_content_and_digested(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("a.bin.gz" if packed else "a.bin")
    path.write_bytes(gzip.compress(events(1000)) if packed else events(1000))
    inspection = inspect_file(path)
    assert inspection.format is FileFormat.EVENTS
    facts = inspection.events
    assert facts is not None
    assert (facts.events, facts.by_type) == (1000, {"ADD": 500, "CANCEL": 500})
    assert facts.instruments == 1
    assert "book digest" in inspection_text(inspection)


def test_a_cut_off_event_file_is_a_named_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(events(100)[:-7])
    inspection = inspect_file(path)
    assert inspection.format is FileFormat.EVENTS
    assert inspection.problem is not None
    assert "problem" in inspection_text(inspection)


def test_a_file_of_itch_is_told_by_content_though_some_of_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(ITCH + itch_frame("z", 5))
    inspection = inspect_file(path)
    assert inspection.format is FileFormat.ITCH
    assert inspection.itch is not None
    assert (inspection.itch.unknown_type, inspection.itch.first_damage_offset) == (1, len(ITCH))
    assert "A add order" in inspection_text(inspection)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x00" * 4000,
        b"\xff" * 4000,
        itch_frame("A", 35) + ITCH,
        ITCH + itch_frame("A", 35) * 2,
        line({"channel": "nobody's", "data": {}}),
        np.zeros(3, EVENT_DTYPE).tobytes(),
    ],
)
def test_anything_else_is_unknown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    inspection = inspect_file(path)
    assert inspection.format is FileFormat.UNKNOWN
    assert "unknown" in inspection_text(inspection)


def test_damage_is_part_of_the_answer_and_a_missing_file_is_not(tmp_path: Path) -> None:
    path = write(tmp_path / "a", MadeMarket(seed=1).lines, packed=True)
    path.write_bytes(path.read_bytes()[:-300])
    inspection = inspect_file(path)
    assert inspection.problem is not None
    assert "damaged packed data" in inspection.problem
    with pytest.raises(UsageError):
        inspect_file(tmp_path / "nothing")


def test_a_format_is_found_below_blank_and_bad_lines(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path / "a", [b"", b"junk", trade(1), trade(2)])) is FileFormat.VENUE


@pytest.mark.parametrize(
    ("packing", "pack"),
    [("plain", bytes), ("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)],
)
def test_the_packing_is_told_by_content(tmp_path: Path, packing: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a"
    path.write_bytes(pack(events(100)))
    inspection = inspect_file(path)
    assert inspection.packing == packing
    assert inspection.events is not None
    assert inspection.events.events == 100


def test_progress_is_heard_to_the_end_of_the_file(tmp_path: Path) -> None:
    for name, content in (("a", events(100)), ("b", ITCH)):
        heard: list[int] = []
        (tmp_path / name).write_bytes(content)
        inspect_file(tmp_path / name, report=heard.append)
        assert heard[-1] == len(content)
    capture = write(tmp_path / "c", MadeMarket(seed=1).lines)
    inspect_file(capture, report=heard.append)
    assert heard[-1] == capture.stat().st_size


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_described_as_far_as_it_can_be_read_once(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, pack(ITCH))
    inspection = inspect_file("-")
    assert inspection.itch is not None
    assert (inspection.itch.messages, inspection.sha256, inspection.file_bytes) == (5, None, None)
    assert "sha256" not in inspection_text(inspection)
    pipe(monkeypatch, pack(events(100)))
    facts = inspect_file("-").events
    assert facts is not None
    assert facts.events == 100
    pipe(monkeypatch, pack(trade(1) + b"\n"))
    with pytest.raises(UsageError, match="save it to a file"):
        inspect_file("-")


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not of a run"):
        inspect_file(tmp_path)


def test_a_damaged_run_is_a_named_problem(tmp_path: Path) -> None:
    (tmp_path / "run" / "journal").mkdir(parents=True)
    inspection = inspect_file(tmp_path / "run")
    assert (inspection.format, inspection.run) == (FileFormat.RUN, None)
    assert inspection.problem
