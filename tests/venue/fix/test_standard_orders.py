"""Order entry in the standard dialect, against a real market, read by simplefix."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.broker.terms import OrderStatus
from engine.core.types import Side, TimeInForce
from engine.venue.keys import Permission
from tests.venue.fix.bench import Answer, Bench, Client, Market


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def client(bench: Bench) -> Client:
    return bench.client()


def kinds(found: list[Answer]) -> list[tuple[str, str]]:
    """(ExecType, OrdStatus) of reports."""
    return [(one[150], one[39]) for one in found]


def open_quantities_add_up(report: Answer) -> bool:
    return Decimal(report[38]) == Decimal(report[14]) + Decimal(report[151])


def test_a_limit_order_is_acknowledged_with_all_its_terms(client: Client) -> None:
    (new,) = client.ask("D", client.order("a"))
    assert (new.type, new[150], new[39], new[11]) == ("8", "0", "0", "a")
    assert (new[55], new[54], new[40], new[59]) == ("ACMEUSD", "1", "2", "1")
    assert (Decimal(new[38]), Decimal(new[44]), Decimal(new[151])) == (10, 100, 10)
    assert Decimal(new[14]) == Decimal(new[6]) == 0
    assert "E" not in new[14]


def test_a_partial_fill_tells_price_quantity_and_fee(client: Client) -> None:
    client.ask("D", client.order("a"))
    client.bench.market.quote(Side.ASK, 10_000, 4, TimeInForce.IOC)
    client.bench.step()
    (trade,) = client.heard()
    assert kinds([trade]) == [("F", "1")]
    assert (Decimal(trade[32]), Decimal(trade[31]), Decimal(trade[6])) == (4, 100, 100)
    assert (trade[851], trade[479], trade[13]) == ("1", "USD", "3")
    assert open_quantities_add_up(trade)


def test_the_average_price_of_two_fills_is_exact(client: Client) -> None:
    market = client.bench.market
    market.quote(Side.ASK, 10_000, 1)
    market.quote(Side.ASK, 10_001, 2)
    found = client.ask("D", client.order("a", _44="100.01", _38=3))
    assert kinds(found) == [("0", "0"), ("F", "1"), ("F", "2")]
    assert found[-1][6] == "100.00666667"


def test_a_cancel_is_pending_and_then_done(client: Client) -> None:
    client.ask("D", client.order("a"))
    found = client.ask("F", {11: "b", 41: "a", 55: "ACMEUSD", 54: 1, 60: "20240101-00:00:00"})
    assert kinds(found) == [("6", "6"), ("4", "4")]
    assert [(one[11], one[41]) for one in found] == [("b", "a"), ("b", "a")]
    assert Decimal(found[-1][151]) == 0


def test_an_unknown_order_cannot_be_cancelled(client: Client) -> None:
    (no,) = client.ask("F", {11: "b", 41: "nobody", 55: "ACMEUSD", 54: 1})
    assert (no.type, no[102], no[39], no[37], no[434]) == ("9", "1", "8", "NONE", "1")


def test_a_filled_order_is_too_late_to_cancel(client: Client) -> None:
    client.bench.market.quote(Side.ASK, 10_000, 10)
    client.ask("D", client.order("a"))
    (no,) = client.ask("F", {11: "b", 41: "a", 55: "ACMEUSD", 54: 1})
    assert (no.type, no[102], no[39], no[41]) == ("9", "0", "2", "a")


def test_less_quantity_keeps_the_order_and_its_id(client: Client) -> None:
    (new,) = client.ask("D", client.order("a"))
    found = client.ask("G", client.order("b", _41="a", _38=6))
    assert kinds(found) == [("E", "E"), ("5", "0")]
    assert found[-1][37] == new[37]
    assert (found[-1][11], found[-1][41]) == ("b", "a")
    assert Decimal(found[-1][38]) == Decimal(found[-1][151]) == 6
    found = client.ask("F", {11: "c", 41: "b", 55: "ACMEUSD", 54: 1})
    assert [(one[150], one[11], one[41]) for one in found] == [("6", "c", "b"), ("4", "c", "b")]


def test_another_price_is_one_report_replaced(client: Client) -> None:
    client.ask("D", client.order("a"))
    found = client.ask("G", client.order("b", _41="a", _44="99.50"))
    assert kinds(found) == [("E", "E"), ("5", "0")]
    assert (found[-1][11], found[-1][41], Decimal(found[-1][44])) == ("b", "a", Decimal("99.5"))
    assert kinds(client.ask("F", {11: "c", 41: "b", 55: "ACMEUSD", 54: 1})) == [("6", "6"), ("4", "4")]


def test_what_was_traded_before_a_replacement_counts_to_it(client: Client) -> None:
    market = client.bench.market
    client.ask("D", client.order("a"))
    market.quote(Side.ASK, 10_000, 4, TimeInForce.IOC)
    client.bench.step()
    client.heard()
    *_, replaced = client.ask("G", client.order("b", _41="a", _44="101.00", _38=12))
    assert (replaced[150], replaced[39]) == ("5", "1")
    assert (Decimal(replaced[38]), Decimal(replaced[14]), Decimal(replaced[151])) == (12, 4, 8)
    market.quote(Side.ASK, 10_100, 8, TimeInForce.IOC)
    client.bench.step()
    (trade,) = client.heard()
    assert (trade[39], Decimal(trade[14]), Decimal(trade[151])) == ("2", 12, 0)
    assert trade[6] == "100.66666667"
    assert sum(fill.qty_lots for fill in market.broker.fills(market.open_account("bot"))) == 12


def _overtake(client: Client, lots: int, replacement: Any) -> list[Answer]:
    """A fill of order a that is not yet known when its replacement is sent."""
    client.ask("D", client.order("a"))
    client.bench.market.quote(Side.ASK, 10_000, lots, TimeInForce.IOC)
    broker = client.bench.market.session.broker
    known = broker.order_by_client_id(client.bench.market.open_account("bot"), "a")
    untold = msgspec.structs.replace(known, executed_lots=0, status=OrderStatus.NEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker, "order", lambda *_: untold)
        client.send("G", replacement)
    client.bench.step()
    return client.heard()


def test_a_fill_that_overtakes_a_replacement_counts_to_its_quantity(client: Client) -> None:
    *_, replaced = _overtake(client, 4, client.order("b", _41="a", _44="99.00"))
    assert (replaced[150], replaced[39], replaced[11], replaced[41]) == ("5", "1", "b", "a")
    assert [float(replaced[tag]) for tag in (38, 14, 151)] == [10, 4, 6]
    client.bench.market.quote(Side.ASK, 9_900, 50, TimeInForce.IOC)
    client.bench.step()
    (filled,) = client.heard()
    assert (filled[39], float(filled[32]), float(filled[14])) == ("2", 6, 10)


def test_a_fill_that_leaves_nothing_of_a_replacement_makes_it_too_late(client: Client) -> None:
    found = _overtake(client, 4, client.order("b", _41="a", _38=4, _44="99.00"))
    assert [one.type for one in found] == ["8", "8", "9"]
    assert (found[-1][434], found[-1][102], found[-1][39]) == ("2", "0", "1")
    (order,) = client.bench.market.broker.open_orders(client.bench.market.open_account("bot"))
    assert (order.client_order_id, order.remaining_lots) == ("a", 6)


def test_a_replacement_for_less_than_was_traded_is_refused(client: Client) -> None:
    client.ask("D", client.order("a"))
    client.bench.market.quote(Side.ASK, 10_000, 4, TimeInForce.IOC)
    client.bench.step()
    client.heard()
    (no,) = client.ask("G", client.order("b", _41="a", _38=4))
    assert (no.type, no[434], no[41], no[39]) == ("9", "2", "a", "1")
    assert (no[102], no[58]) == ("0", "OrderQty must be greater than CumQty.")


def test_a_client_order_id_is_used_once(client: Client) -> None:
    client.ask("D", client.order("a"))
    (no,) = client.ask("D", client.order("a"))
    assert (no[150], no[39], no[103], no[37]) == ("8", "8", "6", "NONE")
    (no,) = client.ask("F", {11: "a", 41: "a", 55: "ACMEUSD", 54: 1})
    assert (no.type, no[102]) == ("9", "6")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"_55": "OTHER"}, "1"),
        ({"_40": 9}, "11"),
        ({"_59": 6}, "11"),
        ({"_44": "100.001"}, "99"),
        ({"_38": "0.5"}, "13"),
        ({"_38": "100000000000"}, "13"),
        ({"_38": "90000000"}, "13"),
        ({"_44": "0.00"}, "99"),
        ({"_44": "1.00"}, "99"),
    ],
)
def test_a_bad_order_is_rejected_with_its_reason(
    bench: Bench, client: Client, change: dict[str, object], reason: str
) -> None:
    bench.market.trade(10_050)
    (no,) = client.ask("D", client.order("a", **change))
    assert (no.type, no[150], no[39], no[11]) == ("8", "8", "8", "a")
    assert no[103] == reason, no
    assert no[58]


def test_an_order_beyond_the_balance_is_rejected(client: Client) -> None:
    (no,) = client.ask("D", client.order("a", _38=90_000))
    assert (no[39], no[103]) == ("8", "3")
    assert no[58] == "Account has insufficient balance for requested action."


def test_post_only_rests_or_is_rejected(client: Client) -> None:
    client.bench.market.quote(Side.ASK, 10_000, 5)
    (no,) = client.ask("D", client.order("a", _18=6))
    assert (no[39], no[58]) == ("8", "Order would immediately match and take.")
    (new,) = client.ask("D", client.order("b", _18=6, _44="99.00"))
    assert (new[39], new[18]) == ("0", "6")


def test_immediate_or_cancel_and_fill_or_kill_end_as_cancelled(client: Client) -> None:
    client.bench.market.quote(Side.ASK, 10_000, 3)
    assert kinds(client.ask("D", client.order("a", _59=4))) == [("0", "0"), ("4", "4")]
    assert kinds(client.ask("D", client.order("b", _59=3))) == [("0", "0"), ("F", "1"), ("4", "4")]


def test_a_market_order_takes_a_quantity_or_an_amount(client: Client) -> None:
    client.bench.market.quote(Side.ASK, 10_000, 20)
    found = client.ask("D", client.order("a", _40=1, _44=None, _38=3))
    assert kinds(found) == [("0", "0"), ("F", "2")]
    found = client.ask("D", client.order("b", _40=1, _44=None, _38=None, _152="550.00"))
    assert kinds(found) == [("0", "0"), ("F", "2")]
    assert Decimal(found[-1][14]) == 5


def test_an_iceberg_shows_a_part(client: Client) -> None:
    (new,) = client.ask("D", client.order("a", _111=2))
    assert Decimal(new[111]) == 2
    client.bench.step(200_000_000)
    assert client.bench.market.market_data.image.bids.lots.tolist() == [2]


def test_a_stop_waits_and_then_trades(client: Client) -> None:
    market = client.bench.market
    market.trade(10_000)
    (new,) = client.ask("D", client.order("a", _40=3, _44=None, _99="101.00"))
    assert (new[39], new[40], Decimal(new[99])) == ("0", "3", 101)
    market.quote(Side.ASK, 10_101, 30)
    market.trade(10_100)
    client.bench.step()
    assert [one[150] for one in client.heard()][-1] == "F"


def test_a_stop_that_would_trigger_is_rejected(client: Client) -> None:
    market = client.bench.market
    market.trade(10_000)
    (no,) = client.ask("D", client.order("a", _40=4, _44="99.00", _99="99.50"))
    assert (no[39], no[58]) == ("8", "Order would trigger immediately.")


def test_self_trade_prevention_is_asked_for_by_tag_25001(client: Client) -> None:
    client.ask("D", client.order("a"))
    found = client.ask("D", client.order("b", _54=2, _25001=2))
    assert [(one[11], one[150], one[39]) for one in found] == [("b", "0", "0"), ("b", "4", "4")]


def test_a_status_request_tells_how_an_order_stands(client: Client) -> None:
    (new,) = client.ask("D", client.order("a"))
    (status,) = client.ask("H", {11: "a", 55: "ACMEUSD", 54: 1, 790: "q1"})
    assert (status[150], status[39], status[37], status[790]) == ("I", "0", new[37], "q1")
    (unknown,) = client.ask("H", {11: "zzz", 55: "ACMEUSD", 54: 1})
    assert (unknown[150], unknown[39], unknown[103]) == ("I", "8", "5")


def test_answers_to_questions_are_late_when_the_venue_says_so(client: Client) -> None:
    client.bench.market.session.broker.boundary.read_delay_ns = 5
    assert client.ask("H", {11: "zzz", 55: "ACMEUSD", 54: 1}) == []
    ((delay_ns, action),) = client.bench.delayed
    action()
    assert delay_ns == 5
    assert client.take()[150] == "I"


def test_a_mass_cancel_ends_all_orders(client: Client) -> None:
    client.ask("D", client.order("a"))
    client.ask("D", client.order("b", _44="99.00"))
    found = client.ask("q", {11: "c", 530: 7, 60: "20240101-00:00:00"})
    assert sorted(one.type for one in found) == ["8", "8", "r"]
    report = next(one for one in found if one.type == "r")
    assert (report[531], report[533]) == ("7", "2")
    (report,) = client.ask("q", {11: "d", 530: 1, 55: "ACMEUSD"})
    assert (report[531], report[533]) == ("1", "0")


def test_a_session_hears_only_of_its_own_orders(bench: Bench) -> None:
    key = bench.key("shared")
    first, second = Client(bench, key, comp_id="ONE"), Client(bench, key, comp_id="TWO")
    for client in (first, second):
        client.log_on()
        client.take()
    assert len(first.ask("D", first.order("a"))) == 1
    assert second.heard() == []


def test_an_event_told_twice_has_one_exec_id_and_events_have_their_own(client: Client) -> None:
    client.bench.market.quote(Side.ASK, 10_000, 3)
    found = client.ask("D", client.order("a"))
    told = [one for one in client.bench.market.told(0) if type(one.message).__name__ == "OrderEvent"]
    events = [one.message for one in told if one.message.order.client_order_id == "a"]
    again = [client.bench.gateway.exec_id(event) for event in events]
    assert again == [one[17] for one in found]
    assert len(set(again)) == len(again)


def test_a_key_without_trading_may_not_trade(bench: Bench) -> None:
    client = Client(bench, bench.key("reader", permissions=(Permission.READ,)))
    client.log_on()
    client.take()
    (no,) = client.ask("D", client.order("a"))
    assert no[39] == "8"
    assert "permissions" in no[58]


def test_a_full_queue_and_a_limited_venue_refuse(bench: Bench, client: Client) -> None:
    bench.market.is_full = True
    (no,) = client.ask("D", client.order("a"))
    assert no[58].startswith("Server is currently overloaded")
    bench.market.is_full = False
    bench.market.session.broker.boundary.limited_until_ns = bench.now_ns + 10**12
    (no,) = client.ask("D", client.order("b"))
    assert no[58] == "Too many requests queued."
    bench.market.session.broker.boundary.is_banned = True
    (no,) = client.ask("D", client.order("c"))
    until_ns = bench.market.epoch_ns + bench.market.session.broker.boundary.limited_until_ns
    until_ms = until_ns // 10**6
    assert no[58].startswith(f"Way too much request weight used; IP banned until {until_ms}. Please")
    bench.market.session.broker.boundary.limited_until_ns = 0
    (yes,) = client.ask("D", client.order("d"))
    assert yes[39] == "0"


def test_another_market_is_announced_and_orders_of_the_old_one_are_gone(bench: Bench, client: Client) -> None:
    client.ask("D", client.order("a"))
    bench.market = Market("two")
    bench.step()
    news = client.take()
    assert (news.type, news[33]) == ("B", "1")
    (new,) = client.ask("D", client.order("a"))
    assert new[39] == "0"


def test_without_a_market_nobody_logs_on_and_requests_are_not_acted_on(bench: Bench, client: Client) -> None:
    bench.market = None
    bench.step()
    assert client.take().type == "B"
    (no,) = client.ask("D", client.order("a"))
    assert (no.type, no[380]) == ("j", "4")
    other = Client(bench, bench.key("late"))
    other.log_on()
    assert other.take()[58] == "No market is open."
    assert other.is_closed


def test_a_venue_fault_that_cuts_connections_closes_them(bench: Bench, client: Client) -> None:
    bench.market.session.broker.boundary.connections_lost += 1
    bench.step()
    assert client.is_closed
