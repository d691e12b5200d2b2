"""The demo bot without wires: what it sends for what it hears, and the limits it keeps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agents.demo_maker import LIMIT_UNITS, PAUSE_MS, SIZE_UNITS, quote
from engine.target.contract import TargetSample, parse_state
from engine.target.demo import DemoTrader, Message
from engine.target.demo_bot import _encode

UNIT = 10


def hello(session_id: str = "s1", *, sequence: int = 0, position_lots: int = 0) -> Message:
    return {
        "type": "hello",
        "session_id": session_id,
        "instrument": {
            "symbol": "ACME", "tick_size": "0.01", "lot_size": "1", "currency": "USD", "unit_lots": UNIT
        },
        "account": {"position_lots": position_lots, "pnl": 0.0, "orders": []},
        "sequence": sequence,
    }  # fmt: skip


def book(bids: list[list[int]], asks: list[list[int]], *, time_ns: int = 1) -> Message:
    return {
        "type": "book",
        "time_ns": time_ns,
        "bid": bids[0][0] if bids else None,
        "ask": asks[0][0] if asks else None,
        "bids": bids,
        "asks": asks,
    }


class Market:
    """Answers the trader's requests with reports, the way the desk would."""

    def __init__(self) -> None:
        self.trader = DemoTrader(first_client_id=100)
        self.orders: dict[int, dict[str, Any]] = {}
        self.sequence = 0

    def act(self) -> list[Message]:
        requests = self.trader.act()
        for request in requests:
            if request["op"] == "submit":
                self.orders[request["client_id"]] = request
                if request["type"] == "limit":
                    self.report(request["client_id"], "accepted")
            elif request["op"] == "cancel":
                self.report(request["client_id"], "cancelled")
            else:
                for client_id in list(self.orders):
                    self.report(client_id, "cancelled")
        return requests

    def report(self, client_id: int, kind: str, *, filled: int = 0, price_ticks: int = 0) -> None:
        order = self.orders[client_id]
        order["qty_lots"] -= filled
        if kind in ("filled", "cancelled", "rejected"):
            del self.orders[client_id]
        self.sequence += 1
        self.trader.take(
            {
                "type": "report", "sequence": self.sequence, "client_id": client_id, "kind": kind,
                "side": order["side"], "filled_lots_last": filled, "fill_price_ticks": price_ticks,
                "remaining_lots": order["qty_lots"], "fee": 0,
            }
        )  # fmt: skip


@pytest.fixture
def market() -> Market:
    started = Market()
    started.trader.take(hello())
    started.trader.take(book([[9990, 50, 1]], [[10010, 50, 1]]))
    return started


def test_it_says_nothing_before_it_is_greeted() -> None:
    assert DemoTrader().act() == []
    assert DemoTrader().leave() == []


def test_it_first_cancels_what_an_earlier_life_left_behind(market: Market) -> None:
    requests = market.act()
    assert requests[0] == {"op": "cancel_all"}
    assert [request["op"] for request in requests[1:]] == ["submit", "submit"]
    assert market.trader.leave() == [{"op": "cancel_all"}]


def test_it_quotes_one_level_a_side_post_only(market: Market) -> None:
    bid, ask = market.act()[1:]
    assert (bid["side"], ask["side"]) == ("buy", "sell")
    assert bid["time_in_force"] == ask["time_in_force"] == "POST_ONLY"
    assert bid["price_ticks"] < ask["price_ticks"]
    assert bid["client_id"] != ask["client_id"]


def test_it_keeps_its_quotes_while_the_touch_stays(market: Market) -> None:
    market.act()
    assert market.act() == []


def test_it_does_not_follow_its_own_quotes(market: Market) -> None:
    bid, ask = market.act()[1:]
    market.trader.take(
        book(
            sorted([[9990, 50, 1], [bid["price_ticks"], bid["qty_lots"], 1]], reverse=True),
            sorted([[10010, 50, 1], [ask["price_ticks"], ask["qty_lots"], 1]]),
        )
    )
    assert market.act() == []


def test_it_replaces_its_quotes_when_the_touch_moves(market: Market) -> None:
    old = [request["client_id"] for request in market.act()[1:]]
    market.trader.take(book([[9890, 50, 1]], [[9910, 50, 1]]))
    requests = market.act()
    assert [request["client_id"] for request in requests if request["op"] == "cancel"] == old
    assert [request["op"] for request in requests].count("submit") == 2


def test_it_waits_when_a_side_is_empty(market: Market) -> None:
    market.act()
    market.trader.take(book([], [[10010, 50, 1]]))
    assert market.act() == []


def test_fills_show_in_its_state(market: Market) -> None:
    bid, ask = market.act()[1:]
    market.report(bid["client_id"], "filled", filled=bid["qty_lots"], price_ticks=bid["price_ticks"])
    market.report(ask["client_id"], "filled", filled=ask["qty_lots"], price_ticks=ask["price_ticks"])
    sample = parse_state(_encode(market.trader.state()))
    assert isinstance(sample, TargetSample)
    gain = (ask["price_ticks"] - bid["price_ticks"]) * SIZE_UNITS * UNIT
    assert sample.equity_millionths == 10_000_000_000 + gain * 10_000
    assert (sample.currency, sample.total_trades, sample.wins, sample.losses) == ("USD", 1, 1, 0)
    assert (sample.bot, sample.open_positions, sample.win_rate) == ("demo-maker", 0, 1.0)
    assert sample.last_signal == f"SOLD {SIZE_UNITS * UNIT}@{ask['price_ticks']}"
    assert sample.remarks == ()


def test_a_refused_order_is_sent_again(market: Market) -> None:
    bid, _ = market.act()[1:]
    market.report(bid["client_id"], "rejected")
    (again,) = market.act()
    assert (again["side"], again["price_ticks"]) == ("buy", bid["price_ticks"])


def refusal(request: Message) -> Message:
    about = {key: request[key] for key in ("op", "client_id") if key in request}
    return {"type": "error", "code": "queue_full", "message": "", **about}


def test_requests_that_never_got_to_the_market_are_made_again() -> None:
    trader = DemoTrader()
    trader.take(hello())
    trader.take(book([[9990, 50, 1]], [[10010, 50, 1]]))
    first = trader.act()
    for request in first:
        trader.take(refusal(request))
    again = trader.act()
    assert [request["op"] for request in again] == ["cancel_all", "submit", "submit"]
    assert [request.get("side") for request in again] == [request.get("side") for request in first]


def test_a_cancel_that_never_got_to_the_market_is_made_again(market: Market) -> None:
    market.act()
    market.trader.take(book([[9890, 50, 1]], [[9910, 50, 1]]))
    first = [request for request in market.trader.act() if request["op"] == "cancel"]
    for request in first:
        market.trader.take(refusal(request))
    assert [request for request in market.trader.act() if request["op"] == "cancel"] == first


def test_it_dumps_its_position_at_the_stop_and_stays_out(market: Market) -> None:
    bid, ask = market.act()[1:]
    market.report(bid["client_id"], "filled", filled=bid["qty_lots"], price_ticks=bid["price_ticks"])
    market.trader.take(book([[8000, 50, 1]], [[8010, 50, 1]]))
    requests = market.act()
    assert [request["op"] for request in requests] == ["cancel", "submit"]
    assert requests[0]["client_id"] == ask["client_id"]
    assert (requests[1]["side"], requests[1]["type"]) == ("sell", "market")
    held = market.trader.books.position_lots
    assert requests[1]["qty_lots"] == held
    assert market.act() == []
    market.report(requests[1]["client_id"], "cancelled", filled=held // 2, price_ticks=8000)
    (again,) = market.act()
    assert (again["side"], again["type"], again["qty_lots"]) == ("sell", "market", held - held // 2)
    market.report(again["client_id"], "filled", filled=held - held // 2, price_ticks=7990)
    assert market.act() == []
    market.trader.take(book([[8000, 50, 1]], [[8010, 50, 1]], time_ns=PAUSE_MS * 1_000_000))
    assert market.act() == []
    market.trader.take(book([[8000, 50, 1]], [[8010, 50, 1]], time_ns=PAUSE_MS * 1_000_000 + 1))
    assert [request["op"] for request in market.act()] == ["submit", "submit"]


def test_a_new_session_resets_the_position_and_keeps_the_equity(market: Market) -> None:
    bid = market.act()[1]
    market.report(bid["client_id"], "filled", filled=bid["qty_lots"], price_ticks=bid["price_ticks"])
    before = market.trader.state()
    market.trader.take(hello("s2"))
    after = market.trader.state()
    assert before["position_lots"] > 0
    assert (after["position_lots"], after["equity"]) == (0, before["equity"])
    assert (market.trader.session_id, market.trader.sequence) == ("s2", 0)
    assert market.act() == [{"op": "cancel_all"}]


def test_the_same_session_goes_on_where_it_was(market: Market) -> None:
    bid = market.act()[1]
    market.report(bid["client_id"], "filled", filled=bid["qty_lots"], price_ticks=bid["price_ticks"])
    held = market.trader.books.position_lots
    market.trader.take(hello(sequence=market.trader.sequence, position_lots=999))
    assert market.trader.books.position_lots == held
    market.trader.take(hello(sequence=market.trader.sequence + 5, position_lots=999))
    assert market.trader.books.position_lots == 999


TOUCHES = st.tuples(st.integers(1, 20_000), st.integers(1, 50)).map(lambda t: (t[0], t[0] + t[1]))


@given(TOUCHES, st.integers(-2 * LIMIT_UNITS, 2 * LIMIT_UNITS), st.integers(1, 1000), st.integers(1, 20_000))
def test_quotes_are_never_crossed_and_keep_the_inventory_limit(
    touch: tuple[int, int], held_units: int, unit_lots: int, paid_ticks: int
) -> None:
    position = held_units * unit_lots
    quotes = quote(
        best_bid=touch[0],
        best_ask=touch[1],
        position_lots=position,
        cost=position * paid_ticks,
        unit_lots=unit_lots,
    )
    assert all(isinstance(value, int) for value in quotes if value is not None)
    if quotes.dump_lots:
        assert quotes.dump_lots == position
        assert (quotes.bid_ticks, quotes.ask_ticks) == (None, None)
    if quotes.bid_ticks is not None:
        assert 0 < quotes.bid_ticks < touch[1]
        assert 0 < quotes.bid_lots <= SIZE_UNITS * unit_lots
        assert position + quotes.bid_lots <= LIMIT_UNITS * unit_lots
    if quotes.ask_ticks is not None:
        assert quotes.ask_ticks > touch[0]
        assert 0 < quotes.ask_lots <= SIZE_UNITS * unit_lots
        assert position - quotes.ask_lots >= -LIMIT_UNITS * unit_lots
    if quotes.bid_ticks is not None and quotes.ask_ticks is not None:
        assert quotes.bid_ticks < quotes.ask_ticks


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("touch"), TOUCHES),
        st.tuples(st.just("fill"), st.tuples(st.integers(0, 3), st.integers(1, 25))),
        st.tuples(st.just("greet"), st.sampled_from(["s1", "s2"])),
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_happens_it_has_one_live_quote_a_side(steps: list[tuple[str, Any]]) -> None:
    market = Market()
    market.trader.take(hello())
    for name, value in steps:
        if name == "touch":
            market.trader.take(book([[value[0], 50, 1]], [[value[1], 50, 1]]))
        elif name == "greet":
            if value != market.trader.session_id:
                market.orders.clear()
                market.sequence = 0
            market.trader.take(hello(value, sequence=market.sequence))
        elif market.orders:
            client_id = sorted(market.orders)[value[0] % len(market.orders)]
            order = market.orders[client_id]
            lots = min(value[1], order["qty_lots"])
            kind = "filled" if lots == order["qty_lots"] else "partially_filled"
            market.report(client_id, kind, filled=lots, price_ticks=order.get("price_ticks", 50))
        market.act()
        assert isinstance(parse_state(_encode(market.trader.state())), TargetSample)
        live = [order["side"] for order in market.orders.values() if order["type"] == "limit"]
        assert live.count("buy") <= 1
        assert live.count("sell") <= 1
