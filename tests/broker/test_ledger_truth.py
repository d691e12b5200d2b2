"""Random flows of several bots at once: balances, locks, events and replies agree to the last unit."""

from __future__ import annotations

import pytest

from engine.broker.accounts import BotAccount
from engine.broker.terms import (
    BalanceEvent,
    CancelAllOrders,
    Execution,
    OrderEvent,
    OrderState,
    OrderStatus,
    Told,
)
from engine.core.rng import Stream
from tests.broker.bots import Market, random_requests


def _run(scene: Market, seed: int, requests: int) -> list[Told]:
    draw = Stream(seed, 99)
    told: list[Told] = []
    seen = scene.session.broker.boundary.told_count
    for serial in range(requests):
        account = scene.accounts[draw.below(len(scene.accounts))]
        for request in random_requests(scene, draw, account, serial):
            scene.ask(request)
        if draw.below(3):
            scene.run(draw.below(40) / 10)
        if serial % 500 == 499:
            told += scene.session.broker.boundary.told(seen)
            seen = scene.session.broker.boundary.told_count
            for account in scene.accounts:
                _check_account(scene, account)
    for account in scene.accounts:
        scene.ask(CancelAllOrders(account, scene.number()))
    scene.run(2)
    return told + list(scene.session.broker.boundary.told(seen))


def _check_account(scene: Market, number: int) -> None:
    broker = scene.session.broker
    balances = broker.balances(number)
    assert balances is not None
    assert balances.base_lots >= 0
    assert 0 <= balances.base_locked_lots <= balances.base_lots
    assert 0 <= balances.quote_locked_micro <= balances.quote_micro
    resting = scene.session.exchange.open_orders(number)
    in_book = {order.market_id for order in broker.open_orders(number) if order.market_id in resting}
    assert in_book == set(resting), "every resting order belongs to an open one"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_balances_are_conserved_each_fill_is_told_once_and_nothing_stays_locked(seed: int) -> None:
    scene = Market(seed=seed, bots=3)
    told = _run(scene, seed, 1_500)
    broker, exchange = scene.session.broker, scene.session.exchange
    exchange._check()
    for account in broker.accounts():
        _check_account(scene, account.number)
        _check_told(account, [one for one in told if one.account == account.number])
        balances = broker.balances(account.number)
        assert balances is not None
        assert (balances.base_locked_lots, balances.quote_locked_micro) == (0, 0)
        entry = exchange.ledger.entry(account.number)
        assert balances.base_lots == account.start_base_lots + entry.position_lots
        assert balances.quote_micro == account.start_quote_micro + entry.cash
        fills = account.fills()
        signed = sum(fill.qty_lots * (1 - 2 * fill.side) for fill in fills)
        assert signed == entry.position_lots
        assert sum(fill.fee_micro for fill in fills) == entry.fees
        assert entry.fills == len(fills) > 50


def _check_told(account: BotAccount, told: list[Told]) -> None:
    assert [one.sequence for one in told] == sorted(one.sequence for one in told)
    events = [one.message for one in told if isinstance(one.message, OrderEvent)]
    told_fills = [event.fill for event in events if event.fill is not None]
    assert told_fills == account.fills(), "each fill is told exactly once, in order"
    last: dict[int, OrderState] = {}
    for event in events:
        before = last.get(event.order.order_id)
        if before is None:
            assert event.execution == Execution.NEW
        else:
            assert before.status.is_open
            assert event.order.executed_lots >= before.executed_lots
        last[event.order.order_id] = event.order
    for order in last.values():
        assert not order.status.is_open
        assert account.order(order.order_id) == order
        if order.status == OrderStatus.FILLED:
            assert order.remaining_lots == 0
    balances = [one.message for one in told if isinstance(one.message, BalanceEvent)]
    assert balances[-1].balances == account.balances


@pytest.mark.parametrize("seed", [4, 5])
def test_any_slicing_of_time_tells_the_same(seed: int) -> None:
    digests = set()
    for step_ms in (0.37, 50.0):
        scene = Market(seed=seed, bots=2)
        _run(scene, seed, 300)
        end = scene.session.now_ns + 500_000_000
        while scene.session.now_ns < end:
            scene.session.advance(min(end, scene.session.now_ns + int(step_ms * 1e6)))
        digests.add((scene.session.event_digest, scene.session.told_digest))
    assert len(digests) == 1


def test_a_fork_tells_what_the_original_tells() -> None:
    scene = Market(seed=6, bots=2)
    draw = Stream(6, 99)
    for serial in range(200):
        for request in random_requests(scene, draw, scene.accounts[serial % 2], serial):
            scene.ask(request)
        scene.run(0.3)
    fork = scene.session.fork()
    end = scene.session.now_ns + 20_000_000_000
    fork.advance(end)
    scene.session.advance(end)
    assert fork.told_digest == scene.session.told_digest
    assert fork.event_digest == scene.session.event_digest
    assert fork.broker.state() == scene.session.broker.state()
