"""The loop: it does what is due and stops where it must, on every path and across paths."""

from __future__ import annotations

from collections import Counter

import pytest

import engine.loop as loop_module
import engine.session  # noqa: F401 - all entries of the engine
from engine.arena.functions import ENTRIES
from engine.arena.machine import live
from engine.book.hot import HotBook
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.rng import Stream
from engine.core.types import Account, StormKind, TimeInForce
from engine.inputs import storm_command
from engine.loop import Loop, Stop, World, run_until
from engine.market import entries
from engine.market.exchange import Exchange
from engine.market.orders import ExecutionReport
from engine.market.records import Due
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from tests.market.checked_market import INSTRUMENT, LoopedExchange
from tests.market.oracle import ListMarket
from tests.paths import PATHS, running
from tests.traders import Trader, Wish


def test_every_entry_of_the_engine_has_machine_code(kernel_path):
    """One that is left out would run interpreted, and nobody would be told."""
    ours = [entry for entry in ENTRIES if entry.__module__.startswith("engine.")]
    assert len(ours) > 15
    interpreted = [entry.__name__ for entry in ours if live(entry) is entry]
    assert len(interpreted) == (len(ours) if kernel_path == "interpreted" else 0), interpreted


# -- stops -------------------------------------------------------------------------------------------


def call(exchange: LoopedExchange, until_ns: int) -> tuple[Stop, bool, int]:
    """The entry itself, without what Python does at a stop: why, whether reports wait, the handle."""
    world = exchange.arena.table("world", World)[0]
    came = live(run_until)(world.address, until_ns)
    return Stop(came & 7), bool(came & 8), came >> 4


def test_it_stops_for_python_with_the_handle_at_the_right_time(kernel_path):
    exchange = LoopedExchange()
    market = exchange.market
    for _ in range(3):
        exchange.kernel.schedule(100, print)
    exchange.send(account=1, side=0, price_ticks=50, qty_lots=1, latency_ns=5)
    exchange.kernel.schedule(5, print)
    exchange.send(account=1, side=0, price_ticks=51, qty_lots=1, latency_ns=5)
    assert call(exchange, 10) == (Stop.PYTHON, False, 4)
    assert (market.now_ns, market.processed, market.waiting, exchange.best_bid) == (5, 2, 4, 50)
    assert call(exchange, 10) == (Stop.DONE, False, 0)
    assert (market.now_ns, market.processed, market.waiting, exchange.best_bid) == (10, 3, 3, 51)


def test_it_says_whether_reports_wait(kernel_path):
    exchange = LoopedExchange()
    exchange.listen(1)
    exchange.send(account=1, side=0, price_ticks=50, qty_lots=1, latency_ns=5)
    exchange.kernel.schedule(5, print)
    assert call(exchange, 4) == (Stop.DONE, False, 0)
    assert call(exchange, 10) == (Stop.PYTHON, True, 1)
    exchange.deliver_reports()
    assert call(exchange, 10) == (Stop.DONE, False, 0)


def test_reports_of_before_are_heard_before_a_callback_runs(kernel_path):
    exchange = LoopedExchange()
    reports, seen = exchange.listen(1), []
    exchange.send(account=1, side=0, price_ticks=50, qty_lots=1, latency_ns=5)
    exchange.kernel.schedule(5, lambda *_: seen.append(len(reports)))
    exchange.loop.run_until(10)
    assert seen == [1]


def test_it_stops_for_room_before_it_touches_anything(kernel_path, monkeypatch):
    monkeypatch.setattr(LoopedExchange, "first_messages", entries.SPARE_MESSAGES + 1)
    exchange = LoopedExchange()
    for price_ticks in (50, 51):  # the second leaves one entry too few for whatever comes next
        exchange.send(account=1, side=0, price_ticks=price_ticks, qty_lots=1, latency_ns=5)
    before = {name: exchange.arena.rows(name).tobytes() for name in exchange.arena.names()}
    assert call(exchange, 10) == (Stop.ROOM, False, 0)
    assert before == {name: exchange.arena.rows(name).tobytes() for name in exchange.arena.names()}
    exchange.make_room()
    assert call(exchange, 10) == (Stop.DONE, False, 0)
    assert exchange.best_bid == 51
    exchange._check()


def test_nothing_after_the_end_of_the_slice_runs(kernel_path):
    exchange = LoopedExchange()
    for latency_ns in (10, 11):
        exchange.send(account=1, side=0, price_ticks=40 + latency_ns, qty_lots=1, latency_ns=latency_ns)
    assert exchange.loop.run_until(10) == 1
    assert (exchange.best_bid, exchange.kernel.now_ns, exchange.kernel.next_time_ns()) == (50, 10, 11)
    assert exchange.loop.run_until(10) == 0
    assert exchange.loop.run_until(11) == 1


def test_who_looks_at_samples_hears_of_those_that_matter_only(kernel_path):
    """A storm raises the regime; a listener is called in the instant of such a sample."""
    session = Session(SessionConfig(load_scenario("balanced"), seed=9))
    looks: list[tuple[int, int]] = []
    session.loop.on_look.append(
        lambda: looks.append((session.now_ns, session.analytics.latest.time_ns))  # type: ignore[union-attr]
    )
    session.advance(NS_PER_S)
    session.accept(session.stamp(storm_command(StormRequest(StormKind.CRASH, 1.0, 5))))
    session.advance(4 * NS_PER_S)
    assert looks
    assert len(looks) < 10 < session.analytics.statistics()["samples"]
    assert all(now_ns == sample_ns for now_ns, sample_ns in looks)


# -- attention ---------------------------------------------------------------------------------------


def test_it_stops_at_once_for_a_report_to_who_acts_and_for_nobody_else(kernel_path):
    exchange = LoopedExchange()
    reports = exchange.listen(1)
    exchange.hear(2, reports.append, acts=True)
    for account in (1, 2, 1):
        exchange.send(account=account, side=0, price_ticks=50, qty_lots=1, latency_ns=5)
    assert call(exchange, 10) == (Stop.ATTENTION, True, 0)
    assert (exchange.market.now_ns, exchange.market.processed, exchange.market.attention) == (5, 2, 1)
    exchange.hear(2, reports.append)
    exchange.market.attention = 0
    exchange.send(account=2, side=0, price_ticks=50, qty_lots=1, latency_ns=1)
    assert call(exchange, 10) == (Stop.DONE, True, 0)


@pytest.mark.parametrize(
    ("above", "below", "prices", "heard"),
    [
        (0, 0, (1, 100, 1 << 40), []),
        (100, 0, (99, 100, 101, 1), [100, 101]),
        (0, 100, (101, 100, 99), [100, 99]),
        (102, 100, (101, 102, 100), [102, 100]),
    ],
)
def test_it_stops_at_once_for_executions_and_prints_beyond_a_trigger(
    kernel_path, above, below, prices, heard
):
    exchange = LoopedExchange()
    seen: list[int | None] = []
    exchange.on_attention = lambda: seen.append(exchange.last_price_ticks)
    exchange.set_triggers(above, below)
    for number, price_ticks in enumerate(prices, 1):
        for account in (1, 2):
            order = {"side": account - 1, "price_ticks": price_ticks, "qty_lots": 1}
            exchange.send(account=account, latency_ns=number, **order)
    exchange.loop.run_until(100)
    assert seen == heard
    seen.clear()
    for number, price_ticks in enumerate(prices, 101):
        exchange.kernel.schedule(
            number, lambda _, p: exchange.print_trade(side=0, price_ticks=p, qty_lots=1), price_ticks
        )
    exchange.loop.run_until(200)
    assert seen == heard


def test_who_acts_does_so_before_anything_else_and_again_for_what_that_brings(kernel_path):
    """A fill has the second order cancelled before the order that would have taken it arrives, though both
    arrive at one time."""
    exchange = LoopedExchange()
    told: list[tuple[str, int]] = []
    exchange.hear(1, lambda report: told.append((report.kind, report.order_id)), acts=True)
    calls: list[tuple[int, int]] = []

    def act() -> None:
        calls.append((exchange.kernel.now_ns, len(told)))
        if told[-1] == ("filled", first):
            assert exchange.cancel_now(account=1, order_id=second) == 1

    exchange.on_attention = act
    first, second = (exchange.enter(account=1, side=0, price_ticks=p, qty_lots=1) for p in (51, 50))
    for _ in range(2):
        exchange.send(account=2, side=1, price_ticks=50, qty_lots=1, latency_ns=7)
    exchange.loop.run_until(100)
    assert told == [("accepted", 1), ("accepted", 2), ("filled", 1), ("cancelled", 2)]
    assert calls == [(0, 2), (7, 3), (7, 4)]
    assert [(t.time_ns, t.maker) for t in exchange.tape.since(0)] == [(7, 1)]
    exchange._check()


def test_what_a_callback_or_a_listener_to_samples_does_is_acted_upon_at_once(kernel_path):
    exchange = LoopedExchange()
    seen: list[int] = []
    exchange.hear(1, lambda _: None, acts=True)
    exchange.on_attention = lambda: seen.append(exchange.kernel.now_ns)
    exchange.kernel.schedule(5, lambda *_: exchange.enter(account=1, side=0, price_ticks=50, qty_lots=1))
    exchange.kernel.schedule(6, lambda *_: exchange.cancel_now(account=1, order_id=1))
    exchange.kernel.schedule(7, lambda *_: None)
    exchange.loop.run_until(100)
    assert seen == [5, 6]


def test_who_calls_for_attention_without_end_is_stopped(kernel_path, monkeypatch):
    monkeypatch.setattr(loop_module, "ATTENTION_ROUNDS", 20)
    exchange = LoopedExchange()
    exchange.hear(1, lambda _: None, acts=True)
    exchange.on_attention = lambda: void(exchange.enter(account=1, side=0, price_ticks=50, qty_lots=1))
    exchange.send(account=1, side=0, price_ticks=50, qty_lots=1)
    with pytest.raises(AssertionError, match="20 times in one instant"):
        exchange.loop.run_until(100)


def void(_: object) -> None:
    """For requests that return something."""


class Pairs:
    """Acts as a broker does: of two orders around the touch the second goes when the first fills, then it
    shows two others; and it follows the price with triggers, at which it takes."""

    account = int(Account.TARGET)

    def __init__(self, session: Session) -> None:
        self.exchange = session.exchange
        self.fills: list[tuple[int, int, int]] = []
        self.news: list[ExecutionReport] = []
        self.pulled, self.pulled_ns = 0, 0
        self.exchange.hear(self.account, self.news.append, acts=True)
        self.exchange.on_attention = self.act
        self.exchange.kernel.schedule(NS_PER_S // 2 + 5, lambda *_: self.show())

    def act(self) -> None:
        news, self.news[:] = self.news[:], []
        fills = [report for report in news if report.trade_id]
        self.fills += [(report.time_ns, report.trade_id, report.is_maker) for report in fills]
        assert all(report.time_ns == self.exchange.kernel.now_ns for report in news)
        market, now_ns = self.exchange.market, self.exchange.kernel.now_ns
        beyond = not market.trigger_below_ticks < market.last_price_ticks < market.trigger_above_ticks
        if beyond and now_ns != self.pulled_ns:
            self.pulled, self.pulled_ns = self.pulled + 1, now_ns
            order = {"side": self.pulled & 1, "price_ticks": 0, "qty_lots": 1}
            self.exchange.enter(account=self.account, time_in_force=TimeInForce.IOC, **order)
        if beyond or any(report.is_maker for report in fills):
            self.exchange.enter_cancel_all(self.account)
            self.show()

    def show(self) -> None:
        last = self.exchange.last_price_ticks or 10_000
        self.exchange.set_triggers(last + 2, last - 2)
        ask = self.exchange.best_ask
        for side, price_ticks in enumerate((ask - 1, ask) if ask else ()):
            self.exchange.enter(account=self.account, side=side, price_ticks=price_ticks, qty_lots=1)


@pytest.mark.parametrize("slice_ns", [NS_PER_MS, 2 * NS_PER_S])
def test_who_acts_at_once_does_the_same_in_slices_of_any_length(kernel_path, slice_ns, acted):
    assert act_in_pairs(slice_ns) == acted


def act_in_pairs(slice_ns: int) -> tuple[object, ...]:
    """Some of a market in which somebody acts at once: all that must be the same."""
    session = busy_session()
    pairs = Pairs(session)
    while session.now_ns < 2 * NS_PER_S:
        session.advance(min(2 * NS_PER_S, session.now_ns + slice_ns))
    session.exchange._check()
    assert sum(is_maker for _, _, is_maker in pairs.fills) > 10
    assert pairs.pulled > 2
    return *picture(session), pairs.fills, pairs.pulled


@pytest.fixture(scope="module")
def acted(machine_code: None) -> tuple[object, ...]:
    return act_in_pairs(2 * NS_PER_S)


# -- one market, whatever runs it ----------------------------------------------------------------------


def busy_session(agents: tuple[type[Trader], ...] = ()) -> Session:
    """A market with a storm under way."""
    session = Session(SessionConfig(load_scenario("balanced"), seed=11, target_agent=True, agents=agents))
    session.advance(NS_PER_S // 2)
    for kind in (StormKind.CRASH, StormKind.PHANTOM):
        session.accept(session.stamp(storm_command(StormRequest(kind, 0.9, 5))))
    return session


def picture(session: Session) -> tuple[object, ...]:
    """Everything that must be the same."""
    exchange = session.exchange
    return (
        session.event_count,
        session.event_digest,
        session.book_digest(),
        session.kernel.processed,
        session.analytics.latest,
        session.reports(int(Account.TARGET), 0),
        exchange.ledger.accounts(),
        exchange.tape.recent(50),
    )


def test_a_market_changes_paths_at_any_moment_and_nobody_can_tell():
    """As it does when machine code comes in behind a running market: the memory is the same."""
    session, changing = busy_session(), busy_session()
    paths = Counter[str]()
    session.advance(3 * NS_PER_S)
    draw = Stream(0, 0)
    while changing.now_ns < 3 * NS_PER_S:
        path = PATHS[draw.below(len(PATHS))]
        paths[path] += 1
        with running(path):
            changing.advance(min(3 * NS_PER_S, changing.now_ns + 1 + draw.below(80 * NS_PER_MS)))
        changing.exchange._check()
    assert len(paths) == len(PATHS)
    assert picture(changing) == picture(session)


def test_a_whole_market_that_starts_with_next_to_nothing_grows_and_gives_the_same(kernel_path, monkeypatch):
    seconds = 1 if kernel_path == "interpreted" else 4
    large = busy_session()
    large.advance(seconds * NS_PER_S)
    monkeypatch.setattr(HotBook, "first_orders", 2)
    monkeypatch.setattr(HotBook, "first_rungs", 1)
    # Enough for the first wake-ups, which are scheduled before anything can grow.
    monkeypatch.setattr(Exchange, "first_messages", 64)
    small = busy_session()
    assert len(small.exchange.market.tickets) < len(large.exchange.market.tickets)
    small.advance(seconds * NS_PER_S)
    small.exchange._check()
    assert picture(small)[:-1] == picture(large)[:-1]
    assert len(small.exchange.market.tickets) > 64


# -- agents in Python ----------------------------------------------------------------------------------


def replay(wishes: list[Wish]) -> tuple[list[tuple[int, int, int, int]], ListMarket]:
    """What the list oracle makes of requests in the order of their arrival: (maker, taker, price, lots)."""
    market, owners = ListMarket(), {wish.order_id: wish.account for wish in wishes}
    trades = []
    for wish in wishes:
        if wish.side < 0:
            if any(order.order_id == wish.order_id for order in market.orders):
                market.cancel(wish.order_id, 0)
            continue
        outcome = market.submit(
            wish.order_id, wish.account, wish.side, wish.price_ticks, wish.qty_lots, wish.time_in_force
        )
        trades += [(owners[maker], wish.account, price, lots) for maker, price, lots in outcome.fills]
    return trades, market


def test_ten_agents_in_python_trade_as_the_list_of_orders_says(kernel_path):
    """Nobody else is in the market: the judge sees all that they send, by time of arrival."""
    exchange = LoopedExchange()
    wishes: list[Wish] = []
    traders = [
        Trader(
            account=16 + number,
            name=f"trader-{number}",
            rng=Stream(5, 16 + number),
            exchange=exchange,
            fundamental=None,
            latency_ns=(1 + number % 4) * 3 * NS_PER_MS,
        )
        for number in range(10)
    ]
    for trader in traders:
        trader.wishes = wishes
        trader.start()
    exchange.loop.run_until(10 * NS_PER_S)
    exchange._check()
    expected, market = replay(sorted((w for w in wishes if w.arrival_ns <= 10 * NS_PER_S), key=arrival))
    told = [(t.maker, t.aggressor, t.price_ticks, t.qty_lots) for t in exchange.tape.since(0)]
    assert told == expected
    assert len(told) > 200
    for side in (0, 1):
        prices = [level.price_ticks for level in exchange.book.levels(side)]
        assert prices == market.prices(side)
        for price in prices:
            queue = [order_id for order_id, _ in market.queue(side, price)]
            assert list(exchange.book.orders_at(side, price)) == queue
    for trader in traders:
        bought = sum(lots for maker, taker, _, lots in told if trader.account in (maker, taker))
        entry = exchange.ledger.entry(trader.account)
        assert entry.bought_lots + entry.sold_lots == bought > 0


def arrival(wish: Wish) -> int:
    """Stable: at one time in the order of sending."""
    return wish.arrival_ns


@pytest.mark.parametrize("slice_ns", [7 * NS_PER_MS, 4 * NS_PER_S])
def test_ten_agents_in_python_among_those_of_the_scenario(kernel_path, slice_ns, ten_among_others):
    session = busy_session((Trader,) * 10)
    while session.now_ns < 4 * NS_PER_S:
        session.advance(min(4 * NS_PER_S, session.now_ns + slice_ns))
    session.exchange._check()
    assert picture(session) == ten_among_others
    for agent in session.python_agents[1:]:
        assert session.exchange.ledger.entry(agent.account).fills > 3
        assert session.exchange.orders_sent(agent.account) > 20


@pytest.fixture(scope="module")
def ten_among_others(machine_code: None) -> tuple[object, ...]:
    session = busy_session((Trader,) * 10)
    session.advance(4 * NS_PER_S)
    return picture(session)


def test_an_order_from_python_arrives_its_latency_later_between_those_of_others(kernel_path):
    """Order by time, then by sending, whether an agent or an arrival was there first."""
    exchange = Exchange(instrument=INSTRUMENT, fees=(0, 0))  # type: ignore[arg-type]
    loop = Loop(exchange)
    seen: list[tuple[int, int | None]] = []

    def look(now_ns: int, _payload: None) -> None:
        seen.append((now_ns, exchange.best_ask))
        exchange.send(
            account=1, side=0, price_ticks=60, qty_lots=1, latency_ns=10, time_in_force=TimeInForce.IOC
        )

    exchange.kernel.schedule(10, look)
    exchange.send(account=2, side=1, price_ticks=60, qty_lots=1, latency_ns=20)
    exchange.kernel.schedule(20, look)
    loop.run_until(19)
    assert exchange.kernel.next_time_ns() == 20
    loop.run_until(100)
    assert seen == [(10, None), (20, 60)]
    assert [(t.time_ns, t.aggressor, t.maker) for t in exchange.tape.since(0)] == [(20, 1, 2)]
    assert exchange.kernel.processed == 5
    assert exchange.market.waiting == 0
    assert Due.PYTHON not in {exchange.market.heap[at].kind for at in range(exchange.market.waiting)}
