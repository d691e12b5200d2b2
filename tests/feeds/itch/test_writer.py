"""What is written as ITCH reads back as the same book, after every event."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book import ReferenceBook
from engine.book.books import HotBooks
from engine.core.errors import DataError, UsageError
from engine.core.types import EVENT_DTYPE, EventType, Instrument
from engine.feeds.itch.decoder import ItchDecoder
from engine.feeds.itch.messages import AddOrder, OrderReplace, read_message
from engine.feeds.itch.writer import LOCATE, OPEN_NS, ItchWriter, framed
from engine.scenarios.loader import load_scenario
from engine.session import Session, SessionConfig

INSTRUMENT = Instrument(
    symbol="SIM-USD/9", tick_size=Decimal("0.01"), lot_size=Decimal(1), currency="USD", unit_lots=100
)
events = st.tuples(
    st.just(5),
    st.sampled_from((100, 101, 102)),
    st.sampled_from((0, 1, 2, 5, 10)),
    st.integers(1, 5),
    st.just(1),
    st.sampled_from([int(kind) for kind in EventType]),
    st.integers(0, 1),
)


def with_same_side(rows):
    """A market's modify keeps the side of its order."""
    sides: dict[int, int] = {}
    for row in rows:
        if row[5] in (EventType.ADD, EventType.MODIFY):
            sides.setdefault(row[3], row[6])
        yield (*row[:6], sides.get(row[3], row[6]))


class ReadBack:
    """The other end of the wire."""

    def __init__(self) -> None:
        self.decoder, self.books = ItchDecoder(), HotBooks()

    def take(self, messages: list[bytes]) -> int:
        octets = np.frombuffer(b"".join(map(framed, messages)) or b"\0", np.uint8)
        part = self.decoder.decode(octets, 0, len(octets))
        self.books.apply(part.rows)
        return self.books.digest(LOCATE)


@settings(max_examples=300)
@given(rows=st.lists(events, max_size=40))
def test_any_events_read_back_as_the_same_book(rows):
    writer, back = ItchWriter(INSTRUMENT), ReadBack()
    book, cents = ReferenceBook(), ReferenceBook()
    for row in with_same_side(rows):
        kind, qty, order_id = row[5], row[2], row[3]
        if kind in (EventType.ADD, EventType.MODIFY) and qty == 0:
            continue  # no market publishes these
        if kind == EventType.ADD and book.order(order_id) is not None:
            continue
        event = np.array([row], EVENT_DTYPE)
        book.apply(event)
        event["price"] *= 100
        cents.apply(event)
        digest = back.take(writer.messages_of(np.array([row], EVENT_DTYPE)))
        assert digest == cents.digest()
        assert writer.order_count == book.order_count


def test_a_storm_reads_back_as_the_same_book():
    session = Session(SessionConfig(scenario=load_scenario("balanced"), seed=7))
    writer, back = ItchWriter(session.exchange.instrument), ReadBack()
    seen = 0
    back.take(writer.opening())
    for second in range(1, 6):
        session.advance(second * 200_000_000)
        log = session.exchange.log
        digest = back.take(writer.messages_of(log.recent(log.count - seen)))
        seen = log.count
    tick = int(session.exchange.instrument.tick_size * 10_000)
    for side in (0, 1):
        read = [(level.price_ticks, level.qty_lots) for level in back.books.levels(LOCATE, side)]
        ours = [(level.price_ticks * tick, level.qty_lots) for level in session.exchange.book.levels(side)]
        assert read == ours
    assert digest == back.books.digest(LOCATE)
    assert back.books.counts.unknown_order == 0


def test_a_modify_that_loses_its_place_goes_on_under_a_new_reference():
    writer = ItchWriter(INSTRUMENT)
    rows = [(0, 100, 5, 7, 1, EventType.ADD, 0), (1, 101, 5, 7, 1, EventType.MODIFY, 0)]
    added, replaced = map(read_message, writer.messages_of(np.array(rows, EVENT_DTYPE)))
    assert isinstance(added, AddOrder)
    assert isinstance(replaced, OrderReplace)
    assert (added.order_id, added.price, added.time_ns, added.stock) == (7, 10_000, OPEN_NS, "SIM-USD9")
    assert replaced.order_id == 7 != replaced.new_order_id


def test_what_itch_cannot_say_is_refused_with_the_reason():
    writer = ItchWriter(INSTRUMENT)
    with pytest.raises(DataError, match="4294967296 lots is more than 32 bits"):
        writer.messages_of(np.array([(0, 1, 1 << 32, 1, 1, 1, 0)], EVENT_DTYPE))
    with pytest.raises(DataError, match=r"price of 42949673 ticks is above 429,496\.7295"):
        writer.messages_of(np.array([(0, 42_949_673, 1, 1, 1, 1, 0)], EVENT_DTYPE))
    with pytest.raises(DataError, match="68 hours"):
        writer.messages_of(np.array([(1 << 48, 1, 1, 1, 1, 1, 0)], EVENT_DTYPE))
    with pytest.raises(UsageError, match=r"a tick of 0\.00001 is finer"):
        ItchWriter(INSTRUMENT._replace(tick_size=Decimal("0.00001")))
