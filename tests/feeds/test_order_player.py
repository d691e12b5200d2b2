"""HISTORY of single orders: alone it is the feed's book; with others in the queue it follows its rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book import HotBook
from engine.core.clock import NS_PER_S
from engine.core.types import EVENT_DTYPE, Account, Side, StormKind, TimeInForce
from engine.feeds.itch.messages import (
    AddOrder,
    CrossTrade,
    ItchMessage,
    OrderCancel,
    OrderDelete,
    OrderExecuted,
    OrderExecutedAtPrice,
    OrderReplace,
    TradeMessage,
)
from engine.feeds.itch.source import ItchSource, open_itch
from engine.feeds.order_player import OrderPlayer
from engine.inputs import storm_command
from engine.scenarios import history_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from tests.feeds.itch.days import framed, itch_day
from tests.feeds.itch.test_decoder import SHARED
from tests.paths import PATHS, running

pytestmark = pytest.mark.usefixtures("machine_code")

CENT = 100
"""A tick in ITCH's prices."""


def message_at(kind: type[ItchMessage], time_ns: int, *fields: object) -> ItchMessage:
    return kind(1, 0, time_ns, *fields)


def add(time_ns: int, order_id: int, side: str, shares: int, ticks: int) -> ItchMessage:
    return message_at(AddOrder, time_ns, order_id, side, shares, "TEST", ticks * CENT)


def session_of(path: Path, messages: list[ItchMessage]) -> Session:
    path.write_bytes(framed(messages))
    return open_session(path)


def open_session(path: Path, symbol: str | None = None) -> Session:
    return Session(SessionConfig(history_scenario(), source=str(path), symbol=symbol))


def player_of(session: Session) -> OrderPlayer:
    assert isinstance(session.history, OrderPlayer)
    return session.history


def levels_of(session: Session) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    bids, asks = ([(p, q) for p, q, _ in session.exchange.book.levels(side)] for side in (0, 1))
    return bids, asks


def enter(session: Session, side: Side, ticks: int, lots: int, tif: TimeInForce = TimeInForce.GTC) -> int:
    """An order of the desk's that arrives at once."""
    return session.exchange.enter(
        account=Account.DESK, side=side, price_ticks=ticks, qty_lots=lots, time_in_force=tif
    )


def assert_follows(source: ItchSource, session: Session, *, every: int, most: int | None = None) -> int:
    """Plays all rows, or the first `most`; at every `every`th the book must be the plain one of them."""
    plain, at, looks = HotBook(), 0, 0
    rows = source.rows.view(EVENT_DTYPE)[:most]
    while at < len(rows):
        stop = source.next_time_index(min(at + every, len(rows)) - 1)
        session.advance(source.record_time_ns(stop - 1))
        plain.apply(rows[at:stop].copy())
        assert session.exchange.book.digest() == plain.digest(), f"after row {stop}"
        at, looks = stop, looks + 1
    session.exchange._check()
    player = player_of(session)
    assert (player.divergence_count, player.counts.met_others) == (0, 0)
    return looks


# -- alone -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_alone_it_is_the_feeds_book(tmp_path, path):
    file = tmp_path / "day.itch"
    messages = 12_000
    file.write_bytes(itch_day(messages, stocks=3, seed=11).data)
    # Interpreted, the tenths of a second of this day of 6.5 hours take minutes: its beginning is enough.
    most = 100 if path == "interpreted" else None
    with running(path):
        session = open_session(file)
        assert isinstance(session.source, ItchSource)
        every = messages // 12 if most is None else most // 6
        assert assert_follows(session.source, session, every=every, most=most) >= 4
        assert player_of(session).ended == (most is None)
        assert player_of(session).counts.missing_lots == 0


PRICES = st.integers(99, 102)
IDS = st.integers(1, 6)
LOTS = st.integers(1, 4)


@st.composite
def feeds(draw) -> list[ItchMessage]:
    """Any order of any messages, also about unknown orders, in a market that may be crossed (an auction)."""
    messages: list[ItchMessage] = [add(1, 1, "B", 5, 100)]
    for number in range(draw(st.integers(0, 30))):
        time_ns = 2 + number // 2
        kind = draw(st.sampled_from("AAAECXDUPQN"))
        if kind == "A":
            messages.append(add(time_ns, draw(IDS), draw(st.sampled_from("BS")), draw(LOTS), draw(PRICES)))
        elif kind == "E":
            messages.append(message_at(OrderExecuted, time_ns, draw(IDS), draw(LOTS), 1))
        elif kind in "CN":
            fields = draw(IDS), draw(LOTS), 1, "N" if kind == "N" else "Y", draw(PRICES) * CENT
            messages.append(message_at(OrderExecutedAtPrice, time_ns, *fields))
        elif kind == "X":
            messages.append(message_at(OrderCancel, time_ns, draw(IDS), draw(LOTS)))
        elif kind == "D":
            messages.append(message_at(OrderDelete, time_ns, draw(IDS)))
        elif kind == "U":
            fields = draw(IDS), draw(IDS) + 6, draw(LOTS), draw(PRICES) * CENT
            messages.append(message_at(OrderReplace, time_ns, *fields))
        elif kind == "P":
            fields = 0, "B", draw(LOTS), "TEST", draw(PRICES) * CENT, 1
            messages.append(message_at(TradeMessage, time_ns, *fields))
        else:
            messages.append(message_at(CrossTrade, time_ns, draw(LOTS), "TEST", draw(PRICES) * CENT, 1, "O"))
    return messages


@settings(max_examples=80, deadline=None)
@given(messages=feeds())
def test_alone_it_is_the_feeds_book_whatever_the_feed_says(tmp_path_factory, messages):
    session = session_of(tmp_path_factory.mktemp("feed") / "any.itch", messages)
    assert isinstance(session.source, ItchSource)
    assert_follows(session.source, session, every=1)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside the repository")
def test_every_stock_of_the_real_slice_follows_its_feed():
    file = SHARED / "20191230_0400_book500.itch"
    stocks = open_itch(file).stocks
    for stock in stocks[:40]:
        session = open_session(file, stock.symbol)
        assert isinstance(session.source, ItchSource)
        assert assert_follows(session.source, session, every=1)


# -- with others -------------------------------------------------------------------------------------

LATER = 10 * NS_PER_S
"""Session times in these tests: the first message is at 0, what is about others at LATER."""


def test_an_execution_fills_our_older_order_first(tmp_path):
    """At a better price we stand before the historical order; it keeps what its exchange states."""
    feed = [add(0, 1, "S", 10, 101), message_at(OrderExecuted, LATER, 1, 4, 7)]
    session = session_of(tmp_path / "a.itch", feed)
    session.advance(1)
    ours = enter(session, Side.ASK, 100, 3)
    session.advance(LATER)
    player = player_of(session)
    assert session.exchange.order(ours) is None
    assert levels_of(session) == ([], [(101, 6)]), "ten stated, four executed: six, whoever was hit"
    assert (player.counts.met_others, player.counts.met_lots) == (1, 3)
    assert player.divergence_count == 0, "we took nothing of history's"


def test_at_the_same_price_the_queue_decides(tmp_path):
    feed = [
        add(0, 1, "S", 5, 101),
        add(LATER // 2, 2, "S", 5, 101),
        message_at(OrderExecuted, LATER, 1, 5, 7),
        message_at(OrderExecuted, LATER + 1, 2, 2, 8),
    ]
    session = session_of(tmp_path / "a.itch", feed)
    session.advance(1)
    ours = enter(session, Side.ASK, 101, 3)  # behind 1, before 2
    session.advance(LATER)
    assert session.exchange.order(ours).remaining_lots == 3, "1 stands before us and is filled first"
    session.advance(LATER + 1)
    assert session.exchange.order(ours).remaining_lots == 1, "the next execution meets us"
    assert levels_of(session)[1] == [(101, 3 + 1)]


def test_liquidity_that_we_took_is_missing_when_history_wants_it(tmp_path):
    feed = [add(0, 1, "S", 10, 101), message_at(OrderExecuted, LATER, 1, 6, 7), add(LATER + 1, 2, "B", 1, 90)]
    session = session_of(tmp_path / "a.itch", feed)
    session.advance(5)
    enter(session, Side.BID, 101, 8, TimeInForce.IOC)
    assert levels_of(session)[1] == [(101, 2)]
    session.advance(LATER)
    player = player_of(session)
    assert levels_of(session)[1] == [], "two were left; history takes them"
    assert player.counts.missing_lots == 4
    assert (player.divergence_count, player.divergence_lots) == (1, 8)
    assert player.first_divergence == (5, 101, 8)
    assert session.exchange.recent_trades()[-1].qty_lots == 4, "what found nothing is a print"


def test_an_order_holds_at_most_what_its_exchange_states(tmp_path):
    feed = [
        add(0, 1, "S", 10, 101),
        message_at(OrderCancel, LATER, 1, 7),
        message_at(OrderDelete, LATER + 1, 1),
    ]
    session = session_of(tmp_path / "a.itch", feed)
    session.advance(1)
    enter(session, Side.BID, 101, 2, TimeInForce.IOC)
    session.advance(LATER)
    assert levels_of(session)[1] == [(101, 3)], "three stated; of the eight that were left, five go"
    session.advance(LATER + 1)
    assert levels_of(session) == ([], [])


def test_a_historical_order_trades_with_ours_when_it_reaches_us(tmp_path):
    feed = [add(0, 1, "B", 5, 99), add(LATER, 2, "B", 10, 101)]
    session = session_of(tmp_path / "a.itch", feed)
    session.advance(1)
    enter(session, Side.ASK, 100, 4)
    session.advance(LATER)
    assert levels_of(session) == ([(101, 6), (99, 5)], [])
    assert session.exchange.ledger.position(Account.DESK) == -4


def test_history_does_not_match_what_its_exchange_did_not(tmp_path):
    """Before the open a book may be crossed; nobody trades, and we neither behind a historical order."""
    feed = [add(0, 1, "S", 5, 100), add(LATER, 2, "B", 5, 101)]
    session = session_of(tmp_path / "a.itch", feed)
    session.advance(1)
    ours = enter(session, Side.ASK, 100, 4)
    session.advance(LATER)
    assert session.exchange.book.crossed
    assert session.exchange.order(ours).remaining_lots == 4


@pytest.mark.parametrize("cut", [0, 3_333, 9_000])
def test_a_storm_inside_history_goes_on_from_an_image(tmp_path, cut):
    """Fork: the same rows, storm and divergence, bit for bit."""
    file = tmp_path / "day.itch"
    file.write_bytes(itch_day(12_000, stocks=1, seed=4).data)
    one, end_ns = open_session(file), 3_600 * NS_PER_S
    storm = storm_command(StormRequest(StormKind.CRASH, 0.8, 20.0))
    one.advance(cut * NS_PER_S // 3)
    one.accept(one.stamp(storm))
    one.advance(one.now_ns + 5 * NS_PER_S)
    other = one.fork()
    for session in (one, other):
        session.advance(end_ns + cut * NS_PER_S)
    assert one.exchange.log.digest == other.exchange.log.digest
    assert player_of(one).statistics() == player_of(other).statistics()
    assert player_of(one).divergence_lots > 0
    one.exchange._check()


def test_hidden_trades_and_crosses_are_prints_without_an_aggressor(tmp_path):
    feed = [
        add(0, 1, "B", 5, 100),
        message_at(TradeMessage, LATER, 0, "B", 3, "TEST", 100 * CENT, 1),
        message_at(CrossTrade, LATER + 1, 50, "TEST", 101 * CENT, 2, "O"),
    ]
    session = session_of(tmp_path / "a.itch", feed)
    session.advance(LATER + 1)
    assert [(trade.qty_lots, trade.aggressor_side) for trade in session.exchange.recent_trades()] == [
        (3, 2),
        (50, 2),
    ]
    assert levels_of(session) == ([(100, 5)], [])
    assert session.market_view().feed.status == "crossed 50"


def test_huge_ids_and_quantities_are_refused_not_wrapped(tmp_path):
    feed = [
        add(0, 1, "B", 5, 100),
        add(1, 2**64 - 1, "S", 5, 105),
        message_at(CrossTrade, 2, 2**64 - 1, "TEST", 100, 1, "O"),
    ]
    session = session_of(tmp_path / "a.itch", feed)
    session.advance(5)
    assert player_of(session).counts.refused == 2
    assert levels_of(session)[1] == []


def test_rows_of_a_moment_are_played_together(tmp_path):
    source = open_itch(_file(tmp_path, [add(7, 1, "B", 1, 1), add(7, 2, "B", 1, 1), add(8, 3, "B", 1, 1)]))
    assert [source.next_time_index(index) for index in range(3)] == [2, 2, 3]
    assert np.array_equal(source.rows["ts"], [0, 0, 1])
    assert source.epoch_ns == 7


def _file(folder: Path, messages: list[ItchMessage]) -> Path:
    path = folder / "x.itch"
    path.write_bytes(framed(messages))
    return path
