"""The scalar operations of the reference book: what the matching engine stands on."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.book import ReferenceBook
from engine.core.types import Side

BID, ASK = Side.BID, Side.ASK
LIMIT = 2**63 - 1


@pytest.fixture
def book():
    made = ReferenceBook()
    assert made.add(1, BID, 100, 10)
    assert made.add(2, BID, 100, 20)
    assert made.add(3, BID, 99, 30)
    assert made.add(4, ASK, 102, 40)
    yield made
    made._check()


def test_an_add_says_whether_it_rests(book):
    assert not book.add(1, BID, 100, 10)
    assert not book.add(5, BID, 100, 0)
    assert not book.add(5, 2, 100, 1)
    assert not book.add(5, -1, 100, 1)
    assert not book.add(5, BID, 100, LIMIT)
    assert not book.add(5, BID, LIMIT + 1, 1)
    assert book.add(5, BID, 98, LIMIT)


def test_a_cancel_says_how_many_lots_left(book):
    assert book.cancel(1, 4) == 4
    assert book.cancel(1, 7) == 6
    assert book.cancel(1) == 0
    assert book.cancel(2) == 20
    assert not book.has(2)


def test_a_trade_says_how_many_lots_were_filled(book):
    assert book.trade(4, 15) == 15
    assert book.trade(4, 0) == 0
    assert book.trade(4, 50) == 25
    assert book.trade(4, 1) == 0
    assert book.best_ask is None


def test_a_modify_says_whether_it_was_accepted(book):
    assert book.modify(1, BID, 101, 5)
    assert book.order(1) == (BID, 101, 5)
    assert not book.modify(1, BID, 101, 0)
    assert not book.modify(1, 3, 101, 5)
    assert not book.modify(1, BID, 100, LIMIT)
    assert not book.modify(1, BID, LIMIT + 1, 5)
    assert book.order(1) == (BID, 101, 5)
    assert book.modify(9, ASK, 103, 5)


def test_the_front_is_the_oldest_order_at_the_best_price(book):
    assert (book.front(BID), book.front(ASK)) == (1, 4)
    book.trade(1, 10)
    assert book.front(BID) == 2
    book.cancel(2)
    assert book.front(BID) == 3
    book.cancel(3)
    assert book.front(BID) is None


def test_a_walk_through_a_queue_survives_its_own_trades(book):
    filled = [book.trade(order_id, 15) for order_id in book.orders_at(BID, 100)]
    assert filled == [10, 15]
    assert book.orders_at(BID, 100) == (2,)
    assert book.orders_at(BID, 50) == ()


def test_quantities_and_levels_are_told(book):
    assert (book.quantity(3), book.quantity(9)) == (30, 0)
    assert (book.level(BID, 100), book.level(BID, 101)) == ((30, 2), (0, 0))
    assert [book.depth(BID, n) for n in (0, 1, 2, 9)] == [0, 30, 60, 60]
    assert book.depth(ASK, 1) == 40
    assert (book.has(3), book.has(9), book.order(9)) == (True, False, None)


def test_quantity_ahead_counts_only_older_orders_at_the_price(book):
    assert [book.quantity_ahead(order_id) for order_id in (1, 2, 3, 9)] == [0, 10, 0, 0]
    book.cancel(1, 3)
    assert book.quantity_ahead(2) == 7
    book.modify(1, BID, 100, 50)
    assert (book.quantity_ahead(1), book.quantity_ahead(2)) == (20, 0)


def test_a_negative_price_or_an_id_outside_u64_is_a_defect_of_the_caller(book):
    for order_id, price in ((-1, 100), (2**64, 100), (9, -1)):
        with pytest.raises(AssertionError):
            book.add(order_id, BID, price, 1)
    with pytest.raises(AssertionError):
        book.modify(1, BID, -1, 1)
    with pytest.raises(AssertionError):
        book.cancel(1, -1)
    assert book.order(1) == (BID, 100, 10)


def test_equal_histories_make_equal_snapshots():
    def snapshot():
        book = ReferenceBook()
        for order_id in range(50):
            book.add(order_id, order_id % 2, 100 + order_id * 7 % 5, 1 + order_id)
        for order_id in range(0, 50, 3):
            book.modify(order_id, 0, 101, 5)
        return pickle.dumps(book)

    assert snapshot() == snapshot()
    assert pickle.dumps(pickle.loads(snapshot())) == snapshot()


class MatchingUse(RuleBasedStateMachine):
    """The book as a matching engine uses it, against plain lists of queues."""

    def __init__(self):
        super().__init__()
        self.book = ReferenceBook()
        self.queues: dict[tuple[int, int], list[list[int]]] = {}
        self.next_id = 0

    @rule(side=st.integers(0, 1), price=st.integers(95, 105), qty=st.integers(1, 9))
    def add(self, side, price, qty):
        assert self.book.add(self.next_id, side, price, qty)
        self.queues.setdefault((side, price), []).append([self.next_id, qty])
        self.next_id += 1

    @precondition(lambda self: self.queues)
    @rule(data=st.data(), qty=st.integers(0, 9))
    def cancel(self, data, qty):
        key, row = self._any_order(data)
        expected = min(qty, row[1]) or row[1]
        assert self.book.cancel(row[0], qty) == expected
        self._take(key, row, expected)

    @precondition(lambda self: self.queues)
    @rule(side=st.integers(0, 1), qty=st.integers(1, 25))
    def sweep(self, side, qty):
        while qty and (front := self.book.front(side)) is not None:
            prices = [price for queue_side, price in self.queues if queue_side == side]
            key = (side, max(prices) if side == 0 else min(prices))
            row = self.queues[key][0]
            assert row[0] == front
            filled = self.book.trade(front, qty)
            assert filled == min(qty, row[1])
            qty -= filled
            self._take(key, row, filled)

    @precondition(lambda self: self.queues)
    @rule(data=st.data(), side=st.integers(0, 1), price=st.integers(95, 105), qty=st.integers(1, 9))
    def modify(self, data, side, price, qty):
        key, row = self._any_order(data)
        assert self.book.modify(row[0], side, price, qty)
        if key == (side, price) and qty <= row[1]:
            row[1] = qty
            return
        self._take(key, row, row[1])
        self.queues.setdefault((side, price), []).append([row[0], qty])

    @invariant()
    def everything_agrees(self):
        self.book._check()
        for side in (0, 1):
            prices = sorted((p for s, p in self.queues if s == side), reverse=side == 0)
            assert [level.price_ticks for level in self.book.levels(side)] == prices
            assert self.book.depth(side, 3) == sum(
                qty for price in prices[:3] for _, qty in self.queues[side, price]
            )
        for (side, price), queue in self.queues.items():
            assert self.book.orders_at(side, price) == tuple(order_id for order_id, _ in queue)
            assert self.book.level(side, price) == (sum(qty for _, qty in queue), len(queue))
            ahead = 0
            for order_id, qty in queue:
                assert self.book.quantity_ahead(order_id) == ahead
                assert self.book.order(order_id) == (side, price, qty)
                ahead += qty

    def _any_order(self, data):
        key = data.draw(st.sampled_from(sorted(self.queues)))
        return key, data.draw(st.sampled_from(self.queues[key]))

    def _take(self, key, row, qty):
        row[1] -= qty
        if row[1] == 0:
            self.queues[key].remove(row)
        if not self.queues[key]:
            del self.queues[key]


TestMatchingUse = MatchingUse.TestCase
TestMatchingUse.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
