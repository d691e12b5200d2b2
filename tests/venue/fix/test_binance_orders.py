"""Order entry in Binance's dialect, against a real market."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.core.types import Side, TimeInForce
from tests.venue.fix.bench import Answer, Bench, Client


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def client(bench: Bench) -> Client:
    return bench.binance()


def kinds(found: list[Answer]) -> list[tuple[str, str]]:
    return [(one[150], one[39]) for one in found]


def stop(direction: str, price: str) -> dict[str, Any]:
    return {"_1100": 4, "_1101": 1, "_1107": 2, "_1109": direction, "_1102": price}


def test_an_order_is_acknowledged_as_the_documents_say(client: Client) -> None:
    (new,) = client.ask("D", client.order("a"))
    assert (new[150], new[39], new[25001], new[636]) == ("0", "0", "3", "Y")
    assert (Decimal(new[25017]), Decimal(new[14]), Decimal(new[151])) == (0, 0, 10)
    assert new[25018] == new[25023] == new[60]
    assert len(new[52].partition(".")[2]) == 6


def test_a_trade_says_who_took_and_what_it_cost(client: Client) -> None:
    client.bench.market.quote(Side.ASK, 10_000, 4)
    _, trade = client.ask("D", client.order("a"))
    assert (trade[150], trade[39], trade[1057], trade[136], trade[138]) == ("F", "1", "Y", "1", "USD")
    assert (Decimal(trade[25017]), Decimal(trade[31]), Decimal(trade[32])) == (400, 100, 4)
    assert trade[1003].isdigit()
    assert "E" not in trade[137]


def test_all_sessions_of_an_account_hear_all_its_orders_unless_they_want_acks_only(bench: Bench) -> None:
    first = bench.binance("both")
    second = Client(bench, first.key, comp_id="second", target="SPOT", private=first.private)
    second.log_on_binance()
    third = Client(bench, first.key, comp_id="third", target="SPOT", private=first.private)
    third.log_on_binance(fields={25036: 2})
    for client in (second, third):
        assert client.take().type == "A"
    bench.market.quote(Side.ASK, 10_000, 10)
    assert kinds(first.ask("D", first.order("a"))) == [("0", "0"), ("F", "2")]
    assert kinds(second.heard()) == [("0", "0"), ("F", "2")]
    assert third.heard() == []
    bench.market.quote(Side.ASK, 10_000, 10)
    assert kinds(third.ask("D", third.order("b"))) == [("0", "0")]


@pytest.mark.parametrize(
    ("change", "code", "tag"),
    [
        ({"_55": "OTHER"}, "-1121", "55"),
        ({"_59": None}, "-1102", "59"),
        ({"_38": None}, "-1102", "38"),
        ({"_40": "P"}, "-1116", "40"),
        ({"_25001": 9}, "-1130", "25001"),
        ({"_11": "with space"}, "-1100", "11"),
        ({"_847": 5}, "-1130", "847"),
        ({"_40": 1}, "-1106", "44"),
    ],
)
def test_a_wrong_field_is_rejected_with_tag_and_code(
    client: Client, change: dict[str, Any], code: str, tag: str
) -> None:
    (no,) = client.ask("D", client.order("a", **change))
    assert (no.type, no[25016], no[371], no[372], no[45]) == ("3", code, tag, "D", "2")


def test_a_refused_order_is_a_rejected_report_with_binances_code(client: Client) -> None:
    (no,) = client.ask("D", client.order("a", _38=90_000))
    assert (no.type, no[150], no[39], no[103], no[25016]) == ("8", "8", "8", "99", "-2010")
    (no,) = client.ask("D", client.order("b", _44="100.001"))
    assert (no[25016], no[58]) == ("-1013", "Filter failure: PRICE_FILTER")
    assert 17 not in no


def test_stops_and_take_profits_are_told_apart_by_their_direction(client: Client) -> None:
    client.bench.market.trade(10_000)
    (loss,) = client.ask("D", client.order("a", _40=3, _44=None, _59=None, **stop("U", "101.00")))
    assert (loss[40], loss[1109], Decimal(loss[1102]), loss[636]) == ("3", "U", 101, "N")
    (profit,) = client.ask("D", client.order("b", _40=4, _44="98.00", **stop("D", "98.50")))
    assert (profit[40], profit[1109]) == ("4", "D")
    (trailing,) = client.ask(
        "D", client.order("c", _40=3, _44=None, _59=None, _1100=4, _1101=1, _1107=2, _25009=100)
    )
    assert trailing[25009] == "100"


def test_a_cancel_carries_both_ids_and_a_wrong_one_binances_code(client: Client) -> None:
    (new,) = client.ask("D", client.order("a"))
    (no,) = client.ask("F", {11: "x", 41: "nobody", 55: "ACMEUSD"})
    assert (no.type, no[25016], no[58], no[434]) == ("9", "-2011", "Unknown order sent.", "1")
    (no,) = client.ask("F", {11: "y", 37: new[37], 55: "ACMEUSD", 25002: 2})
    assert (no[25002], no[58]) == ("2", "Order was not canceled due to cancel restrictions.")
    (done,) = client.ask("F", {11: "z", 37: new[37], 55: "ACMEUSD"})
    assert (done[150], done[11], done[41]) == ("4", "z", "a")


def test_cancel_and_replace_tells_both_halves(client: Client) -> None:
    client.ask("D", client.order("a"))
    found = client.ask("XCN", client.order("b", _41="a", _25033=1, _25034="c", _44="99.00"))
    assert [(one[150], one[11]) for one in found] == [("4", "c"), ("0", "b")]
    (no,) = client.ask("XCN", client.order("d", _41="a", _25033=1))
    assert (no.type, no[11]) == ("9", "d")
    found = client.ask("XCN", client.order("e", _41="a", _25033=2, _44="98.00"))
    assert [one.type for one in found] == ["9", "8"]
    found = client.ask("XCN", client.order("f", _41="e", _25033=1, _38=90_000))
    assert sorted((one[150], one[11]) for one in found) == [("4", "e"), ("8", "f")]


def test_an_amendment_keeps_the_order(client: Client) -> None:
    (new,) = client.ask("D", client.order("a"))
    (replaced,) = client.ask("XAK", {11: "b", 41: "a", 55: "ACMEUSD", 38: 4})
    assert (replaced[150], replaced[37], replaced[11], replaced[41]) == ("5", new[37], "b", "a")
    (no,) = client.ask("XAK", {11: "c", 37: new[37], 55: "ACMEUSD", 38: 7})
    assert (no.type, no[25016], no[38]) == ("XAR", "-2038", "7")


def test_a_mass_cancel_of_nothing_is_refused(client: Client) -> None:
    (no,) = client.ask("q", {11: "c", 530: 1, 55: "ACMEUSD"})
    assert (no.type, no[531], no[532], no[25016]) == ("r", "0", "99", "-2011")
    client.ask("D", client.order("a"))
    found = client.ask("q", {11: "d", 530: 1, 55: "ACMEUSD"})
    assert next(one for one in found if one.type == "r")[533] == "1"


def a_list(contingency: int, *orders: dict[int, Any], name: str = "list") -> list[tuple[int, Any]]:
    fields: list[tuple[int, Any]] = [(73, len(orders))]
    for order in orders:
        fields += list(order.items())
    return [*fields, (1385, contingency), (25014, name)]


def test_an_oco_is_a_list_of_two_and_one_ends_the_other(client: Client) -> None:
    market = client.bench.market
    market.trade(10_000)
    below = client.order("below", _60=None, _54=2, _40=3, _44=None, _59=None, **stop("D", "99.00"))
    below |= {25010: 1, 25011: 2, 25012: 1, 25013: 2}
    above = client.order("above", _60=None, _54=2, _18=6, _44="101.00", _59=None)
    found = client.ask("E", a_list(1, below, above))
    status = next(one for one in found if one.type == "N")
    assert (status[429], status[431], status[1385], status[25014], status[73]) == ("4", "3", "1", "list", "2")
    assert {one[11] for one in found if one.type == "8"} == {"above", "below"}
    found = client.ask("F", {11: "end", 25015: "list", 55: "ACMEUSD"})
    assert [one[429] for one in found if one.type == "N"] == ["5"]
    assert sorted(one[41] for one in found if one.type == "8") == ["above", "below"]


def test_an_oto_waits_and_an_impossible_list_is_refused_with_its_orders(client: Client) -> None:
    client.bench.market.trade(10_000)
    working = client.order("w", _60=None)
    pending = client.order("p", _60=None, _54=2, _44="105.00") | {25010: 1, 25011: 3, 25012: 0, 25013: 1}
    found = client.ask("E", a_list(2, working, pending))
    assert {one[11]: one[39] for one in found if one.type == "8"} == {"w": "0", "p": "A"}
    client.bench.market.quote(Side.ASK, 10_000, 10, TimeInForce.IOC)
    client.bench.step()
    assert ("p", "0") in [(one[11], one[39]) for one in client.heard() if one.type == "8"]
    (no,) = client.ask("E", a_list(1, working, pending, name="two"))
    assert (no.type, no[429], no[431], no[1386]) == ("N", "2", "7", "99")
    (no,) = client.ask("E", a_list(1, working, name="three"))
    assert (no.type, no[25016]) == ("3", "-1014")


def test_limits_tell_their_use(client: Client) -> None:
    client.ask("D", client.order("a"))
    (limits,) = client.ask("XLQ", {6136: "q"})
    assert (limits.type, limits[6136], limits[25003]) == ("XLR", "q", "2")
    assert limits.all(25005) == ["2", "1"]


def test_too_many_messages_end_the_session(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.venue.fix.binance.MESSAGE_LIMIT", 3)
    for _ in range(4):
        client.send("0")
    assert [one.type for one in client.heard()] == ["5"]
    assert client.is_closed


def test_what_the_dialect_does_not_have_is_rejected(client: Client) -> None:
    for kind, fields in (("G", client.order("a", _41="b")), ("H", {11: "a"}), ("2", {7: 1, 16: 0})):
        (no,) = client.ask(kind, fields)
        assert (no.type, no[373]) == ("3", "11")


def test_an_unknown_outcome_is_said_to_be_unknown(bench: Bench, client: Client) -> None:
    broker = bench.market.session.broker
    broker.boundary.loses_reply = lambda request: True
    found = client.ask("D", client.order("a"))
    assert sorted(one.type for one in found) == ["3", "8"]
    assert next(one for one in found if one.type == "3")[25016] == "-1007"
