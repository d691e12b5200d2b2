"""One account: names, locks, what is forgotten, and what goes on after an image."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from engine.broker import accounts as module
from engine.broker.accounts import BotAccount, cost_micro
from engine.broker.terms import (
    Fill,
    ListKind,
    ListState,
    OrderState,
    OrderStatus,
    OrderType,
    Refusal,
)
from engine.core.types import Side
from engine.market.ledger import FeeSchedule, LedgerEntry

MICRO = 1_000_000


class Books:
    """A ledger of one entry."""

    def __init__(self) -> None:
        self.now = LedgerEntry()

    def holdings(self, number: int) -> tuple[int, int]:
        entry = self.entry(number)
        return entry.cash, entry.position_lots

    def entry(self, _number: int) -> LedgerEntry:
        return self.now


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def account(books: Books) -> BotAccount:
    return make(books)


def make(books: Books) -> BotAccount:
    return BotAccount(
        number=9,
        label="bot",
        fees=FeeSchedule(10, 20),
        base_lots=100,
        quote_micro=1_000 * MICRO,
        ledger=books,  # type: ignore[arg-type]
    )


def order(number: int, side: Side = Side.ASK, lots: int = 10, price: int = 5, **more: object) -> OrderState:
    values = {"client_order_id": f"c{number}", "status": OrderStatus.NEW, "type": OrderType.LIMIT} | more
    return OrderState(
        order_id=number,
        account=9,
        side=int(side),
        time_in_force=0,
        price_ticks=price,
        qty_lots=lots,
        **values,
    )  # type: ignore[arg-type]


def pair(kind: ListKind = ListKind.OCO, *numbers: int) -> ListState:
    return ListState(0, 9, kind, "list", numbers, "EXECUTING", 0)


def locked(account: BotAccount) -> tuple[int, int]:
    balances = account.update_balances(1)
    return balances.base_locked_lots, balances.quote_locked_micro


def test_a_sell_locks_lots_and_a_buy_its_price_with_the_dearer_fee(account: BotAccount) -> None:
    account.put(order(1))
    account.put(order(2, Side.BID, 3, 7))
    assert locked(account) == (10, 7 * 3 * (MICRO + 20))
    assert cost_micro(7, 3, -5) == 21 * MICRO, "a rebate is not counted on"


def test_what_has_traded_or_was_prevented_is_not_locked_any_more(account: BotAccount) -> None:
    account.put(order(1, status=OrderStatus.PARTIALLY_FILLED, executed_lots=4, prevented_lots=1))
    assert locked(account) == (5, 0)
    account.put(order(1, status=OrderStatus.CANCELED, executed_lots=4, prevented_lots=1))
    assert locked(account) == (0, 0)


def test_a_buy_that_waits_locks_its_limit_or_else_its_stop_price(account: BotAccount) -> None:
    account.put(order(1, Side.BID, 2, 0, type=OrderType.STOP_LOSS, stop_price_ticks=9))
    assert locked(account) == (0, cost_micro(9, 2, 20))
    account.put(order(1, Side.BID, 2, 8, type=OrderType.STOP_LOSS_LIMIT, stop_price_ticks=9))
    assert locked(account) == (0, cost_micro(8, 2, 20))


def test_of_two_orders_of_which_one_trades_the_dearer_locks(account: BotAccount) -> None:
    account.put_list(pair(ListKind.OCO, 1, 2))
    for number, price in ((1, 9), (2, 5)):
        account.put(order(number, Side.BID, 2, price, list_id=0))
    assert locked(account) == (0, cost_micro(9, 2, 20))


@pytest.mark.parametrize("ended", [1, 2])
def test_when_one_of_two_ends_the_other_locks_for_itself(account: BotAccount, ended: int) -> None:
    account.put_list(pair(ListKind.OCO, 1, 2))
    orders = {number: order(number, Side.BID, 2, price, list_id=0) for number, price in ((1, 9), (2, 5))}
    for one in orders.values():
        account.put(one)
    other = orders[3 - ended]
    account.put(replace(other, status=OrderStatus.PARTIALLY_FILLED, executed_lots=1))
    account.put(replace(orders[ended], status=OrderStatus.EXPIRED))
    assert locked(account) == (0, cost_micro(other.price_ticks, 1, 20))


def test_a_pending_order_locks_nothing(account: BotAccount) -> None:
    account.put_list(pair(ListKind.OTO, 1, 2))
    account.put(order(1, list_id=0))
    account.put(order(2, list_id=0, status=OrderStatus.PENDING_NEW))
    assert locked(account) == (10, 0)


def test_what_is_locked_cannot_be_spent(account: BotAccount, books: Books) -> None:
    account.put(order(1, lots=60))
    assert account.lacks(40, 0) == Refusal.NONE
    assert account.lacks(41, 0) == Refusal.INSUFFICIENT_BALANCE
    books.now = LedgerEntry(cash=-400 * MICRO, position_lots=-10)
    assert account.lacks(30, 600 * MICRO) == Refusal.NONE
    assert account.lacks(31, 0) == Refusal.INSUFFICIENT_BALANCE
    assert account.lacks(0, 600 * MICRO + 1) == Refusal.INSUFFICIENT_BALANCE


def test_an_amended_order_is_found_by_its_new_name_alone(account: BotAccount) -> None:
    account.put(order(1, client_order_id="old"))
    account.put(order(1, lots=5, client_order_id="new"))
    found = account.by_client_id("new")
    assert found is not None
    assert found.qty_lots == 5
    assert account.by_client_id("old") is None
    assert account.has_open_client_id("new")
    assert not account.has_open_client_id("old")
    account.put(order(2, client_order_id="old"))
    assert account.has_open_client_id("old")
    account.put(order(1, client_order_id="new", status=OrderStatus.FILLED))
    assert not account.has_open_client_id("new")


def test_a_name_finds_the_latest_order_and_an_older_one_does_not_take_it_back(account: BotAccount) -> None:
    account.put(order(1, client_order_id="a"))
    account.put(order(1, client_order_id="a", status=OrderStatus.CANCELED))
    account.put(order(2, client_order_id="a"))
    latest = account.by_client_id("a")
    assert latest is not None
    assert latest.order_id == 2


def test_the_oldest_closed_orders_and_ended_lists_are_forgotten(
    account: BotAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSED_ORDERS_KEPT", 2)
    account.put_list(pair(ListKind.OCO, 1, 2))
    for number in range(1, 5):
        account.put(order(number))
        account.put(order(number, status=OrderStatus.CANCELED))
        account.put_list(ListState(number, 9, ListKind.OCO, "l", (), "ALL_DONE", 0))
    assert [one.order_id for one in account.all_orders()] == [3, 4]
    assert account.by_client_id("c1") is None
    assert account.statistics()["forgotten_orders"] == 2
    assert [one.list_id for one in account.list_states()] == [0, 4], "the one that is not over stays"


def test_fills_are_those_of_one_order_and_the_newest_are_found_from_the_end(account: BotAccount) -> None:
    for trade, (number, time_ns) in enumerate([(1, 5), (2, 7), (1, 9), (3, 9), (3, 9)]):
        account.add_fill(Fill(trade, number, 9, time_ns, 0, 5, 1, 0, is_maker=True))
    assert [one.trade_id for one in account.order_fills(1)] == [0, 2]
    assert [one.trade_id for one in account.newest_fills(order(3, created_ns=9))] == [3, 4]
    assert account.fill_count == 5


def test_an_account_goes_on_after_an_image_as_it_was(account: BotAccount, books: Books) -> None:
    account.put(order(1, client_order_id="b"))
    account.put(order(2, client_order_id="a"))
    account.put(order(2, client_order_id="a", status=OrderStatus.FILLED))
    account.put(order(1, lots=7, client_order_id="a"))
    account.put_list(pair(ListKind.OCO, 3, 4))
    for number in (3, 4):
        account.put(order(number, Side.BID, 2, number, list_id=0))
    account.update_balances(3)
    copy = make(books)
    copy.restore(msgspec.json.decode(msgspec.json.encode(account.state())))
    assert copy.state() == account.state()
    found = copy.by_client_id("a")
    assert found is not None
    assert found.order_id == 1, "the name is with the order that took it last"
    assert copy.balances == account.balances
    assert locked(copy) == locked(account)
