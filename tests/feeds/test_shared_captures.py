"""The full captures beside the repository: sequence, book and quotes of each, once per test session."""

from functools import cache
from pathlib import Path

import pytest

from engine.feeds.formats import FileFormat
from engine.feeds.inspect import inspect_file
from engine.feeds.inspection import CaptureFacts, Inspection

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "binance_l2_2024"
VECTORS = FOLDER.parent.parent / "vectors"
ITCH = FOLDER.parent / "itch50_2019"

pytestmark = pytest.mark.shared

CAPTURES = {
    "spot_btcusdt_20240808": (41_249, 3_451, 28_040, 9_757, 1),
    "spot_btcusdt_20240809": (58_325, 3_044, 45_134, 10_147, 0),
    "spot_ethusdt_20240809": (46_126, 3_036, 34_681, 8_409, 0),
    "usdm_btcusdt_20240808": (93_954, 6_551, 66_089, 21_313, 1),
}
"""Lines, depth updates, quotes, trades, snapshots."""

UNKNOWN_LEVEL_STATES = {"spot_btcusdt_20240809": 2}
"""Book states that differ from the quote because the file starts without a snapshot, and the level that
was best had not been named since."""


@cache
def inspected(path: Path) -> Inspection:
    if not path.is_file():
        pytest.skip(f"no {path.name} in ../shared")
    return inspect_file(path)


@pytest.fixture(params=CAPTURES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def facts(name: str) -> CaptureFacts:
    found = inspected(FOLDER / f"{name}.jsonl.gz").capture
    assert found is not None
    return found


def test_every_line_of_the_capture_is_a_record(facts: CaptureFacts, name: str) -> None:
    counts = facts.counts
    found = [counts[key] for key in ("lines", "depth_updates", "quotes", "trades", "snapshots")]
    assert tuple(found) == CAPTURES[name]
    assert facts.dropped == ()
    assert counts["clock_backwards"] == 0


def test_the_capture_has_no_sequence_gap(facts: CaptureFacts) -> None:
    assert facts.sequence_gaps == facts.trade_gaps == 0
    assert facts.halt is None
    assert facts.book.gaps == 0
    assert facts.book.is_synchronised


def test_the_captured_book_never_crosses(facts: CaptureFacts) -> None:
    assert facts.book.crossed_states == 0
    assert facts.book.states + facts.book.dropped_before_sync == facts.counts["depth_updates"] + (
        not facts.starts_without_snapshot
    )


def test_the_captured_book_equals_the_exchange_quotes(facts: CaptureFacts, name: str) -> None:
    agreement = facts.agreement
    print(
        f"\n{name}: {agreement.comparable} of {agreement.quotes} quotes comparable "
        f"({agreement.share_comparable:.2%}), equal {agreement.share_equal:.2%}; "
        f"book states {agreement.states}, equal {agreement.states_equal}"
    )
    assert agreement.comparable > 2500
    assert agreement.unexplained == 0
    assert agreement.states - agreement.states_equal == UNKNOWN_LEVEL_STATES.get(name, 0)
    if not facts.starts_without_snapshot:
        assert agreement.equal == agreement.comparable


def test_another_exchange_is_told_by_its_messages() -> None:
    inspection = inspected(FOLDER / "hyperliquid_btcusd_20250126.jsonl.gz")
    assert inspection.format is FileFormat.VENUE
    assert inspection.venue is not None
    assert (inspection.venue.venue, inspection.problem) == ("hyperliquid", None)


@pytest.mark.parametrize(
    ("file", "digest"),
    [
        ("flowlab_5000.events.bin", "0x838bee05028a68e4"),
        ("flowlab_50000.events.bin", "0xf54ce1b763823e87"),
        ("warmup_50k.events.bin", "0x5daba27c063d94b7"),
    ],
)
def test_event_files_show_the_published_digest(file: str, digest: str) -> None:
    events = inspected(VECTORS / file).events
    assert events is not None
    assert events.l2_digest == digest


@pytest.mark.parametrize(
    ("file", "by_type"),
    [
        ("20191230_0400_book500.itch", {"A": 495, "D": 4, "U": 1}),
        ("20191230_first1000_directory.itch", {"S": 1, "R": 993, "H": 3, "Y": 3}),
        ("20191230_two_per_type.itch", {"A": 2, "D": 2, "U": 2, "X": 2, "E": 2, "C": 2}),
    ],
)
def test_itch_files_show_their_message_counts(file: str, by_type: dict[str, int]) -> None:
    counts = inspected(ITCH / file).itch
    assert counts is not None
    assert {name[0]: count for name, count in counts.by_type.items()} == by_type
    assert (counts.unknown_type, counts.wrong_length, counts.cut_off_bytes) == (0, 0, 0)
