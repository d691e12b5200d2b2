"""The sync client over a real server and a fake host: orders out, books and reports in, errors by class."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from engine.api.server import OrderApi
from engine.client import (
    Book,
    Desk,
    DeskNotFound,
    InvalidRequest,
    NotAuthorised,
    NotInLockstep,
    QueueFull,
    Replaying,
    Report,
    RequestRefused,
    SessionChanged,
)
from engine.core.types import Account, Side, TimeInForce
from engine.market.orders import ReportKind
from tests.api.fake_host import FakeHost

TARGET = int(Account.TARGET)


def next_report(desk: Desk) -> Report:
    return next(event for event in desk.events() if isinstance(event, Report))


def book_with_bid(books: Iterator[Book], bid: int) -> Book:
    return next(book for book in books if book.best_bid == bid)


def test_ten_lines_quote_both_sides(desk: Desk, host: FakeHost):
    for book in desk.books():
        desk.cancel_all()
        desk.buy(book.best_bid, 5)
        desk.sell(book.best_ask, 5)
        break
    buy, sell = host.wait_for_call("submit", 2)
    assert buy[1:6] == (TARGET, Side.BID, 100, 5, TimeInForce.GTC)
    assert sell[1:6] == (TARGET, Side.ASK, 102, 5, TimeInForce.GTC)
    assert host.calls[0] == ("cancel_all", TARGET)


def test_exact_prices_and_quantities_have_names(desk: Desk, host: FakeHost):
    desk.buy(price="1.25", quantity=Decimal("0.00003"), time_in_force="POST_ONLY")
    assert host.wait_for_call("submit")[0][1:6] == (TARGET, Side.BID, 125, 3, TimeInForce.POST_ONLY)
    assert desk.instrument.price(125) == Decimal("1.25")
    assert desk.instrument.quantity(3) == Decimal("0.00003")


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"price": 1.25, "qty_lots": 1}, "float"),
        ({"price": "1.255", "qty_lots": 1}, "multiple of the tick size"),
        ({"price": "a lot", "qty_lots": 1}, "not a number"),
        ({"price": "Infinity", "qty_lots": 1}, "multiple"),
        ({"price_ticks": 5, "price": "0.05", "qty_lots": 1}, "both"),
        ({"price_ticks": None, "qty_lots": 1}, "neither"),
        ({"price_ticks": 5}, "neither"),
        ({"price_ticks": 5, "qty_lots": 0}, "whole number"),
        ({"price_ticks": True, "qty_lots": 1}, "whole number"),
        ({"price_ticks": 5, "qty_lots": 1, "client_id": 0}, "client_id"),
    ],
)
def test_what_is_no_order_is_not_sent(desk: Desk, host: FakeHost, order: dict, says: str):
    with pytest.raises(InvalidRequest, match=says):
        desk.buy(**order)
    assert host.calls == []


def test_market_orders_and_cancels(desk: Desk, host: FakeHost):
    order = desk.sell_market(7, client_id=9)
    desk.cancel(order)
    desk.cancel(12)
    assert host.wait_for_call("cancel", 2) == [("cancel", TARGET, 9), ("cancel", TARGET, 12)]
    assert host.calls[0] == ("submit", TARGET, Side.ASK, 0, 7, TimeInForce.IOC, 9)


def test_orders_and_position_stand_on_reports(desk: Desk, host: FakeHost):
    order = desk.buy(100, 10)
    assert [known.order_id for known in desk.orders] == [0]
    host.report(ReportKind.ACCEPTED, order.client_id, price_ticks=100)
    assert next_report(desk).kind == "accepted"
    assert desk.orders == [order]
    assert order.order_id == order.client_id + 1000
    host.report(
        ReportKind.PARTIALLY_FILLED,
        order.client_id,
        filled_lots_last=4,
        fill_price_ticks=100,
        remaining_lots=6,
    )
    assert next_report(desk).is_fill
    assert (order.remaining_lots, desk.position_lots) == (6, 4)
    host.report(ReportKind.CANCELLED, order.client_id, remaining_lots=6)
    assert next_report(desk).is_final
    assert desk.orders == []


def test_reports_wait_while_books_are_read(desk: Desk, host: FakeHost):
    books = desk.books()
    next(books)
    host.report(ReportKind.ACCEPTED, 5)
    host.show([(90, 1)], [(91, 1)])
    book_with_bid(books, 90)
    assert [report.client_id for report in desk.take_reports()] == [5]
    assert desk.take_reports() == []


def test_only_the_newest_book_is_told(desk: Desk, host: FakeHost):
    books = desk.books()
    next(books)
    for bid in range(1, 51):
        host.show([(bid, 1)], [(bid + 1, 1)])
    assert book_with_bid(books, 50).number == 51


def test_a_one_sided_book_is_skipped_unless_wanted(desk: Desk, host: FakeHost):
    host.show([(90, 1)], [])
    assert next(desk.books(one_sided=True)).best_bid in (90, 100)
    host.show([(91, 1)], [(92, 1)])
    assert next(desk.books()).is_two_sided


def test_a_taken_client_id_is_refused_before_it_is_sent(desk: Desk, host: FakeHost):
    desk.buy(100, 1, client_id=3)
    with pytest.raises(InvalidRequest, match="taken by a live order"):
        desk.buy(100, 1, client_id=3)
    assert desk.buy(100, 1).client_id > 3


def test_refusals_have_classes(desk: Desk, host: FakeHost):
    host.queue_full = True
    with pytest.raises(QueueFull, match="send less") as caught:
        desk.buy(100, 1)
    assert caught.value.code == "queue_full"
    assert desk.orders == []
    host.set_mode("replay")
    with pytest.raises(Replaying):
        desk.cancel_all()


def test_lockstep_is_refused_where_nothing_waits(desk: Desk):
    with pytest.raises(NotInLockstep, match="--lockstep"):
        desk.lockstep()


def test_the_account_is_asked_of_the_desk(desk: Desk):
    account = desk.account()
    assert (account.position_lots, account.open_orders) == (0, 0)


def test_a_new_session_is_told_once_and_then_traded(api: OrderApi, desk: Desk):
    next(desk.books())
    other = FakeHost("session-2")
    api.attach(other)
    with pytest.raises(SessionChanged, match="begin anew"):
        list(desk.books())
    assert next(desk.books()).best_bid == 100
    desk.buy(100, 1)
    other.wait_for_call("submit")


def test_a_broken_stream_goes_on_after_the_last_report(api: OrderApi, host: FakeHost, desk: Desk):
    host.report(ReportKind.ACCEPTED, 1)
    next(desk.books())
    assert [order.client_id for order in desk.orders] == [1]
    assert api._gateway is not None
    assert api._loop is not None
    api._loop.call_soon_threadsafe(api._gateway.close_streams, "the test breaks it")
    host.report(ReportKind.ACCEPTED, 2)
    assert next_report(desk).client_id == 2
    host.report(ReportKind.ACCEPTED, 3)
    assert next_report(desk).sequence == 3
    assert [order.client_id for order in desk.orders] == [1, 2, 3]


def test_nobody_there_is_said_so(desk: Desk):
    with (
        Desk("http://127.0.0.1:9", patience_s=0.01) as nobody,
        pytest.raises(DeskNotFound, match="stormdesk"),
    ):
        nobody.cancel_all()


@pytest.mark.parametrize("url", ["127.0.0.1:8765", "ftp://127.0.0.1", "http://"])
def test_what_is_no_address_is_said_so(url: str):
    with pytest.raises(DeskNotFound, match="no address"):
        Desk(url)


def test_a_missing_token_is_said_so(host: FakeHost):
    api = OrderApi(host, token="secret-word")
    api.start()
    assert api.wait_listening(20)
    try:
        with Desk(api.url) as desk, pytest.raises(NotAuthorised) as caught:
            desk.cancel_all()
        assert isinstance(caught.value, RequestRefused)
        with Desk(api.url, token="secret-word") as desk:
            desk.cancel_all()
            assert desk.account().position_lots == 0
    finally:
        api.stop()
