"""A hole in a feed's sequence halts HISTORY at once, always at the same place, and everybody says so."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from engine.core.clock import NS_PER_MS
from engine.core.types import Account, Command, CommandKind
from engine.feeds.book_sync import trade_gaps
from engine.feeds.inspect import inspect_file, inspection_json, inspection_text
from engine.feeds.records import TradeTick
from engine.feeds.source import open_source
from engine.market.orders import Reason
from engine.scenarios import history_scenario
from engine.session import Session, SessionConfig
from tests.feeds.captures import decode, depth, quote, snapshot, trade, write

BIDS, ASKS = [("99.01", "0.5"), ("98.00", "7")], [("101.00", "5"), ("102.00", "7")]
START = snapshot(10, bids=BIDS, asks=ASKS)
QUOTE = quote(10, BIDS[0], ASKS[0])


class Hole(NamedTuple):
    before: list[bytes]
    """Lines up to the hole."""
    behind: list[bytes]
    """The line that shows it, at 300 ms, and what must not be played any more."""
    report: str


def behind(first: bytes) -> list[bytes]:
    later = [trade(90 + n, at_ms=400 + n) for n in range(3)]
    return [
        first,
        *later,
        depth(900, 901, bids=[("1.00", "1")], at_ms=500),
        quote(901, BIDS[0], ASKS[0], at_ms=600),
    ]


HOLES = {
    "a spot update is missing": Hole(
        [START, depth(11, 12, bids=[("99.50", "1")], at_ms=100)],
        behind(depth(14, 15, bids=[("99.60", "9")], at_ms=300)),
        "depth update at 0.300 s: sequence gap, expected 13, got 14",
    ),
    "a spot update overlaps the one before": Hole(
        [START, depth(11, 14, bids=[("99.50", "1")], at_ms=100)],
        behind(depth(13, 15, bids=[("99.60", "9")], at_ms=300)),
        "depth update at 0.300 s: sequence gap, expected 15, got 13",
    ),
    "the first update does not continue the snapshot": Hole(
        [START, QUOTE],
        behind(depth(12, 13, at_ms=300)),
        "depth update at 0.300 s: sequence gap, expected 11, got 12",
    ),
    "a futures update is missing": Hole(
        [START, depth(9, 20, previous=8, at_ms=100), depth(31, 40, previous=20, at_ms=200)],
        behind(depth(61, 70, previous=50, at_ms=300)),
        "depth update at 0.300 s: sequence gap, expected 40, got 50",
    ),
    "the first futures update does not continue the snapshot": Hole(
        [START, QUOTE],
        behind(depth(15, 20, previous=14, at_ms=300)),
        "depth update at 0.300 s: sequence gap, expected 10, got 14",
    ),
    "one of the updates that waited for the snapshot is missing": Hole(
        [depth(11, 12), QUOTE],
        [
            depth(20, 22, at_ms=300),
            snapshot(10, bids=BIDS, asks=ASKS, at_ms=300),
            *behind(depth(23, 24, at_ms=300)),
        ],
        "depth update at 0.300 s: sequence gap, expected 13, got 20",
    ),
    "an update is missing in a file without a snapshot": Hole(
        [depth(500, 510, bids=BIDS, asks=ASKS)],
        behind(depth(512, 513, at_ms=300)),
        "depth update at 0.300 s: sequence gap, expected 511, got 512",
    ),
    "an update could not be read": Hole(
        [START, depth(11, 12, at_ms=100), depth(13, 14, bids=[("nonsense", "1")], at_ms=200)],
        behind(depth(15, 16, at_ms=300)),
        "depth update at 0.300 s: sequence gap, expected 13, got 15",
    ),
    "a trade is missing": Hole(
        [START, trade(5, "101.00", at_ms=100)],
        behind(trade(7, "101.00", at_ms=300)),
        "trade at 0.300 s: sequence gap, expected 6, got 7",
    ),
    "a trade could not be read": Hole(
        [START, trade(5, "101.00", at_ms=100), trade(6, "nonsense", at_ms=200)],
        behind(trade(7, "101.00", at_ms=300)),
        "trade at 0.300 s: sequence gap, expected 6, got 7",
    ),
}


@pytest.fixture(params=HOLES)
def hole(request: pytest.FixtureRequest) -> Hole:
    return HOLES[request.param]


def play(path: Path, *, slice_ns: int) -> Session:
    session = Session(SessionConfig(history_scenario(), source=str(path)))
    while session.now_ns < 700 * NS_PER_MS:
        session.advance(session.now_ns + slice_ns)
    return session


def test_history_halts_at_a_hole_and_everybody_says_so(tmp_path: Path, hole: Hole) -> None:
    path = write(tmp_path / "holed.jsonl", [*hole.before, *hole.behind])
    whole = write(tmp_path / "whole.jsonl", hole.before)
    report = f"holed.jsonl: {hole.report}"
    session, before = play(path, slice_ns=700 * NS_PER_MS), play(whole, slice_ns=700 * NS_PER_MS)
    assert session.event_count == before.event_count, "nothing behind the hole was played"
    assert session.event_digest == before.event_digest
    assert session.book_digest() == before.book_digest()
    view = session.market_view()
    assert view.feed is not None
    assert (view.feed.gaps, view.feed.ended) == (1, True)
    assert view.feed.halted is not None
    assert view.feed.halted.startswith(report)
    (alert,) = view.alerts
    assert (alert.severity, alert.time_ns) == ("critical", 300 * NS_PER_MS)
    assert report in alert.text
    assert [(marker.kind, marker.time_ns) for marker in view.markers] == [("gap", 300 * NS_PER_MS)]
    assert session.history is not None
    assert session.history.lead_twice_mid(session.now_ns) is None, "nobody hears what comes behind it"
    feed = before.market_view().feed
    assert feed is not None
    assert (feed.gaps, feed.halted) == (0, None)


@pytest.mark.parametrize(("allowed", "reason"), [(1, Reason.FEED_GAPS), (2, "")])
def test_the_hole_is_a_gap_to_the_risk_gate(tmp_path: Path, hole: Hole, allowed: int, reason: str) -> None:
    path = write(tmp_path / "holed.jsonl", [*hole.before, *hole.behind])
    scenario = history_scenario()
    scenario = scenario._replace(risk=msgspec.structs.replace(scenario.risk, max_feed_gaps=allowed))
    session = Session(SessionConfig(scenario, source=str(path)))
    order = Command(CommandKind.SUBMIT, account=int(Account.DESK), price_ticks=1, qty_lots=1)
    for order_id, at_ms in ((1, 200), (2, 400)):
        session.advance(at_ms * NS_PER_MS)
        session.accept(session.stamp(order._replace(order_id=order_id)))
    session.advance(500 * NS_PER_MS)
    assert [report.reason for report in session.reports(int(Account.DESK), 0)] == ["", reason]
    assert session.exchange.gate.latched(int(Account.DESK)) == reason


@pytest.mark.parametrize("slice_ms", [1, 7, 300])
def test_it_halts_at_the_same_place_whatever_the_slices(tmp_path: Path, hole: Hole, slice_ms: int) -> None:
    path = write(tmp_path / "holed.jsonl", [*hole.before, *hole.behind])
    one, many = play(path, slice_ns=700 * NS_PER_MS), play(path, slice_ns=slice_ms * NS_PER_MS)
    assert many.event_digest == one.event_digest
    assert many.market_view().alerts == one.market_view().alerts


def test_inspect_names_the_hole_at_which_a_replay_halts(tmp_path: Path, hole: Hole) -> None:
    inspection = inspect_file(write(tmp_path / "holed.jsonl", [*hole.before, *hole.behind]))
    assert inspection.capture is not None
    assert inspection.capture.halt is not None
    assert inspection.capture.halt.startswith(f"holed.jsonl: {hole.report}")
    assert f"halts: holed.jsonl: {hole.report}" in inspection_text(inspection)
    assert hole.report in inspection_json(inspection)["capture"]["halt"]
    whole = inspect_file(write(tmp_path / "whole.jsonl", hole.before))
    assert whole.capture is not None
    assert whole.capture.halt is None
    assert "plays to the end" in inspection_text(whole)


def test_trades_that_are_left_out_on_purpose_leave_no_hole() -> None:
    """Ids count up over all executions; those of the insurance fund met no order of the book."""
    decoder = decode(
        trade(5), trade(6, X="INSURANCE_FUND"), trade(7, X="NA"), trade(8), trade(9, s="OTHER"), trade(9)
    )
    ticks = [record for record in decoder.records.table.records() if isinstance(record, TradeTick)]
    assert [(tick.previous_id, tick.trade_id) for tick in ticks] == [(4, 5), (7, 8), (8, 9)]
    assert list(trade_gaps(ticks)) == []


def test_a_repeated_trade_is_left_out_and_counted(tmp_path: Path) -> None:
    lines = [
        START,
        *(trade(n, "101.00", at_ms=10 * n) for n in (5, 6)),
        trade(5, at_ms=70),
        trade(6, at_ms=80),
    ]
    lines.append(trade(7, "101.00", at_ms=90))
    session = play(write(tmp_path / "a.jsonl", lines), slice_ns=700 * NS_PER_MS)
    assert session.history is not None
    assert (session.history.trades, session.history.repeated_trades, session.history.gaps) == (3, 2, 0)
    assert session.market_view().trade_count == 3


def test_holes_in_trades_are_counted_and_the_first_ones_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [START, *(trade(3 * n, at_ms=n) for n in range(1, 31))])
    facts = inspect_file(path).capture
    assert facts is not None
    assert (facts.trade_gaps, len(facts.first_trade_gaps), facts.sequence_gaps) == (29, 10, 0)
    assert (facts.first_trade_gaps[0].expected, facts.first_trade_gaps[0].got) == (4, 6)
    text = inspection_text(inspect_file(path))
    assert "29 in the ids of trades" in text
    assert "expected 4, got 6" in text
    assert len(list(trade_gaps(t for t in open_source(path).records() if isinstance(t, TradeTick)))) == 29
