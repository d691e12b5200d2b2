"""Market data over FIX: snapshots and increments give the book, in both dialects."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from engine.core.clock import NS_PER_MS
from engine.core.rng import Stream
from engine.core.types import Side
from tests.venue.fix.bench import Answer, Bench, Client

BOUNDARY_NS = 100 * NS_PER_MS


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture(params=["standard", "binance"])
def client(request: pytest.FixtureRequest, bench: Bench) -> Client:
    return bench.client() if request.param == "standard" else bench.binance()


def subscribe(
    name: str, depth: int, *types: int, kind: int = 1, symbol: str = "ACMEUSD"
) -> list[tuple[int, Any]]:
    fields: list[tuple[int, Any]] = [(262, name), (263, kind), (264, depth), (265, 1), (266, "Y")]
    fields += [(146, 1), (55, symbol), (267, len(types))]
    return fields + [(269, value) for value in types]


class Book:
    """A book that a client keeps from W and X, with the standard's rules for actions."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"0": {}, "1": {}}

    def take(self, message: Answer) -> None:
        pairs = [(int(tag), value.decode()) for tag, value in message.message.pairs]
        first = 269 if message.type == "W" else 279
        found: list[dict[int, str]] = []
        for tag, value in pairs:
            if tag == first:
                found.append({})
            if found:
                found[-1].setdefault(tag, value)
        if message.type == "W":
            self.sides = {"0": {}, "1": {}}
        for entry in found:
            side, price = self.sides[entry[269]], Decimal(entry[270])
            action = entry.get(279, "0")
            assert (price in side) == (action != "0"), f"{message}: action {action} at {price}"
            if action == "2":
                del side[price]
            else:
                side[price] = Decimal(entry[271])

    def best(self, n: int) -> list[list[tuple[Decimal, Decimal]]]:
        return [
            sorted(self.sides["0"].items(), reverse=True)[:n],
            sorted(self.sides["1"].items())[:n],
        ]


def real_book(bench: Bench, n: int) -> list[list[tuple[Decimal, Decimal]]]:
    assert bench.market is not None
    image = bench.market.market_data.image
    return [
        [
            (Decimal(price) / 100, Decimal(lots))
            for price, lots in zip(side.prices.tolist()[:n], side.lots.tolist()[:n], strict=True)
        ]
        for side in (image.bids, image.asks)
    ]


@pytest.mark.parametrize("depth", [0, 3, 5_000])
def test_snapshot_and_increments_give_the_book(bench: Bench, client: Client, depth: int) -> None:
    if client.target == "SPOT" and depth == 0:
        depth = 5_000
    market, draw = bench.market, Stream(7, 1)
    assert market is not None
    book = Book()
    client.send("V", subscribe("d", depth, 0, 1))
    for _ in range(40):
        for _ in range(3):
            side = draw.below(2)
            price = 9_990 - draw.below(8) if side == 0 else 10_010 + draw.below(8)
            if draw.below(6) == 0:
                price = 10_010 if side == 0 else 9_990
            market.quote(side, price, 1 + draw.below(9), account=market.rival if side else market.other)
        bench.step(BOUNDARY_NS)
        for message in client.heard():
            book.take(message)
        levels = depth or 5_000
        limited = client.target != "SPOT" and depth
        assert book.best(levels) == real_book(bench, levels)
        assert not limited or max(len(side) for side in book.sides.values()) <= depth


def test_the_best_prices_follow_every_change(bench: Bench, client: Client) -> None:
    market = bench.market
    assert market is not None
    market.quote(Side.BID, 9_990, 5)
    bench.step(BOUNDARY_NS)
    (snapshot,) = client.ask("V", subscribe("t", 1, 0, 1))
    assert (snapshot.type, snapshot[268], Decimal(snapshot[270])) == ("W", "1", Decimal("99.90"))
    market.quote(Side.BID, 9_991, 2)
    market.quote(Side.ASK, 10_000, 3)
    bench.step(BOUNDARY_NS)
    last = client.heard()[-1]
    assert (last.type, last[262]) == ("X", "t")
    assert [Decimal(price) for price in last.all(270)] == [Decimal("99.91"), 100]
    assert last.all(279)[0] == "1"


def test_trades_are_told_each_once(bench: Bench, client: Client) -> None:
    market = bench.market
    assert market is not None
    client.ask("V", subscribe("t", 1, 2))
    for price in (10_000, 10_002, 10_001):
        market.trade(price)
    bench.step(BOUNDARY_NS)
    found = client.heard()
    assert [Decimal(price) for one in found for price in one.all(270)] == [
        100,
        Decimal("100.02"),
        Decimal("100.01"),
    ]
    ids = [int(value) for one in found for value in one.all(1003 if client.target == "SPOT" else 278)]
    assert all(before < after for before, after in pairwise(ids))


def test_an_ended_subscription_is_silent_and_its_id_is_free(bench: Bench, client: Client) -> None:
    market = bench.market
    assert market is not None
    client.ask("V", subscribe("t", 1, 2))
    (no,) = client.ask("V", subscribe("t", 1, 2))
    assert (no.type, no[281]) == ("Y", "1")
    assert client.ask("V", [(262, "t"), (263, 2)]) == []
    market.trade(10_000)
    bench.step(BOUNDARY_NS)
    assert client.heard() == []
    (no,) = client.ask("V", [(262, "t"), (263, 2)])
    assert no.type == "Y"


def test_a_bad_request_is_refused(client: Client) -> None:
    (no,) = client.ask("V", subscribe("a", 1, 0, symbol="OTHER"))
    assert (no.type, no[262]) == ("Y", "a")
    (no,) = client.ask("V", subscribe("b", 9_999, 0))
    assert no.type == "Y"
    (no,) = client.ask("V", subscribe("c", 1, 7))
    assert no.type == "Y"
    (no,) = client.ask("V", [(262, "d"), (263, 1)])
    assert (no.type, no[371]) == ("3", "146")


def test_subscriptions_are_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.venue.fix.quotes.SUBSCRIPTION_LIMIT", 1)
    client.ask("V", subscribe("a", 1, 2))
    (no,) = client.ask("V", subscribe("b", 1, 2))
    assert no[281] == "2"


def test_a_lost_link_ends_subscriptions_and_market_data_are_not_sent_again(bench: Bench) -> None:
    client = bench.client()
    market = bench.market
    assert market is not None
    client.ask("V", subscribe("t", 1, 2))
    market.trade(10_000)
    bench.step()
    client.heard()
    client.lose()
    market.trade(10_001)
    bench.step()
    client.connect()
    client.log_on(reset=False)
    client.heard()
    assert [one.type for one in client.ask("2", {7: 1, 16: 0})] == ["4"]
    assert bench.gateway.statistics()["subscriptions"] == 0


def test_who_falls_too_far_behind_gets_a_new_snapshot(bench: Bench) -> None:
    client = bench.client()
    market = bench.market
    assert market is not None
    client.ask("V", subscribe("d", 0, 0, 1))
    market.quote(Side.BID, 9_990, 5)
    market.run(BOUNDARY_NS)
    data = market.market_data
    data._updates = list(data.updates_since(data.update_count - 1))  # all older ones have left
    bench.step(0)
    (snapshot,) = client.heard()
    assert (snapshot.type, snapshot[268]) == ("W", "1")


def test_one_snapshot_can_be_had_alone(bench: Bench) -> None:
    client = bench.client()
    assert bench.market is not None
    bench.market.quote(Side.BID, 9_990, 5)
    bench.step(BOUNDARY_NS)
    (snapshot,) = client.ask("V", subscribe("s", 0, 0, 1, kind=0))
    assert (snapshot.type, snapshot[268], snapshot[269]) == ("W", "1", "0")
    assert bench.gateway.statistics()["subscriptions"] == 0


def test_the_instrument_is_listed(client: Client) -> None:
    (found,) = client.ask("x", {320: "q", 559: 4})
    assert (found[320], found[146], found[55], found[15]) == ("q", "1", "ACMEUSD", "USD")
    if client.target == "SPOT":
        assert Decimal(found[969]) == Decimal("0.01")
    (no,) = client.ask("x", {320: "q", 559: 0, 55: "OTHER"})
    assert (no.type, no[371]) == ("3", "55")
