"""What an OUCH order asks for, in the broker's words, or why it cannot be."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.broker.terms import OrderTerms, OrderType
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import Instrument, SelfTrade, Side, TimeInForce
from engine.feeds.itch.writer import OPEN_NS
from engine.venue.ouch.codes import RejectReason
from engine.venue.ouch.orders import OrderRules, Ticket
from engine.venue.ouch.wire import Options, Tag

ACME = Instrument("ACME", Decimal("0.01"), Decimal(1), "USD", 10)
PLAIN = Ticket(0, 1, "B", 100, "ACME", 1_000_000, "0", "Y", "P", "N", "N", "ID", {})
OPEN_S = OPEN_NS // NS_PER_S


def terms(ticket: Ticket, **more: int) -> OrderTerms | RejectReason:
    return OrderRules(ACME).terms(ticket, client_order_id="OU1", firm="TRAD", now_ns=0, **more)


def test_a_day_order_rests_at_its_price() -> None:
    assert terms(PLAIN) == OrderTerms("OU1", Side.BID, OrderType.LIMIT, TimeInForce.GTC, 10_000, 100)


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({"side": "S"}, {}, {"side": Side.ASK}),
        ({"symbol": "ACMEUSD"}, {}, {}),
        ({"time_in_force": "5"}, {}, {}),
        ({"display": "A", "capacity": "A", "sweep": "Y"}, {}, {}),
        ({"time_in_force": "3"}, {}, {"time_in_force": TimeInForce.IOC}),
        ({"time_in_force": "3"}, {Tag.MIN_QTY: 100}, {"time_in_force": TimeInForce.FOK}),
        ({"price": 0x7FFF_FFFF, "time_in_force": "3"}, {}, {"type": OrderType.MARKET, "price_ticks": 0}),
        ({"price": 2_000_000_000}, {}, {"type": OrderType.MARKET, "price_ticks": 0}),
        ({}, {Tag.POST_ONLY: "P"}, {"type": OrderType.LIMIT_MAKER}),
        ({}, {Tag.POST_ONLY: "N", Tag.TRADE_NOW: "N", Tag.HANDLE_INST: ""}, {}),
        ({}, {Tag.MAX_FLOOR: 10}, {"iceberg_lots": 10}),
        ({}, {Tag.MAX_FLOOR: 100}, {}),
        ({}, {Tag.AIQ_STRATEGY: "O"}, {"self_trade": SelfTrade.CANCEL_MAKER}),
        ({}, {Tag.AIQ_STRATEGY: "W"}, {"self_trade": SelfTrade.CANCEL_TAKER}),
        ({}, {Tag.AIQ_STRATEGY: "d"}, {"self_trade": SelfTrade.DECREMENT}),
        ({}, {Tag.FIRM: "TRAD", Tag.GROUP_ID: 7, Tag.CUSTOMER_TYPE: "R", Tag.SHARES_LOCATED: "Y"}, {}),
        ({"time_in_force": "6"}, {Tag.EXPIRE_TIME: OPEN_S + 1}, {}),
    ],
)
def test_what_an_order_asks_for_is_what_the_broker_gets(
    changes: dict[str, object], options: Options, expected: dict[str, object]
) -> None:
    wanted = terms(PLAIN._replace(**changes, options=options))  # type: ignore[arg-type]
    plain = terms(PLAIN)
    assert isinstance(wanted, OrderTerms)
    for name in OrderTerms.__struct_fields__:
        assert getattr(wanted, name) == expected.get(name, getattr(plain, name)), name


@pytest.mark.parametrize(
    ("changes", "options", "reason"),
    [
        ({"side": "X"}, {}, RejectReason.INVALID_SIDE),
        ({"side": ""}, {}, RejectReason.INVALID_SIDE),
        ({"side": "T"}, {}, RejectReason.RISK_SHORT_SALE),
        ({"side": "E"}, {}, RejectReason.RISK_SHORT_SALE_EXEMPT),
        ({"quantity": 0}, {}, RejectReason.INVALID_QUANTITY),
        ({"quantity": 1_000_000}, {}, RejectReason.INVALID_QUANTITY),
        ({"symbol": "ACM"}, {}, RejectReason.INVALID_SYMBOL),
        ({"price": 0}, {}, RejectReason.INVALID_PRICE),
        ({"price": 1_000_050}, {}, RejectReason.INVALID_PRICE),
        ({"price": 1_999_999_901}, {}, RejectReason.INVALID_PRICE),
        ({"price": 2**64 - 1}, {}, RejectReason.INVALID_PRICE),
        ({"time_in_force": "E"}, {}, RejectReason.DESTINATION_CLOSED),
        ({"time_in_force": "1"}, {}, RejectReason.OTHER),
        ({"time_in_force": ""}, {}, RejectReason.OTHER),
        ({"display": "N"}, {}, RejectReason.INVALID_DISPLAY),
        ({"display": "Z"}, {}, RejectReason.INVALID_DISPLAY),
        ({"capacity": "B"}, {}, RejectReason.OTHER),
        ({"sweep": "X"}, {}, RejectReason.OTHER),
        ({"cross_type": "O"}, {}, RejectReason.INVALID_CROSS_ORDER),
        ({}, {Tag.FIRM: "EVIL"}, RejectReason.FIRM_NOT_AUTHORIZED),
        ({}, {Tag.MIN_QTY: 100}, RejectReason.INVALID_MIN_QUANTITY),
        ({"time_in_force": "3"}, {Tag.MIN_QTY: 50}, RejectReason.INVALID_MIN_QUANTITY),
        ({}, {Tag.MAX_FLOOR: 101}, RejectReason.INVALID_MAX_FLOOR),
        ({"time_in_force": "3"}, {Tag.MAX_FLOOR: 10}, RejectReason.INVALID_MAX_FLOOR),
        ({}, {Tag.PRICE_TYPE: "M"}, RejectReason.PEGGING_NOT_ALLOWED),
        ({}, {Tag.PEG_OFFSET: -100}, RejectReason.PEGGING_NOT_ALLOWED),
        ({"time_in_force": "3"}, {Tag.POST_ONLY: "P"}, RejectReason.OTHER),
        ({}, {Tag.POST_ONLY: "Q"}, RejectReason.OTHER),
        ({"time_in_force": "6"}, {}, RejectReason.OTHER),
        ({"time_in_force": "6"}, {Tag.EXPIRE_TIME: OPEN_S}, RejectReason.OTHER),
        ({"time_in_force": "6"}, {Tag.EXPIRE_TIME: 86_400}, RejectReason.OTHER),
        ({}, {Tag.HANDLE_INST: "O"}, RejectReason.RETAIL_NOT_ALLOWED),
        ({}, {Tag.HANDLE_INST: "I"}, RejectReason.OTHER),
        ({}, {Tag.DISCRETION_PRICE: 1}, RejectReason.OTHER),
        ({}, {Tag.RANDOM_RESERVES: 1}, RejectReason.OTHER),
        ({}, {Tag.TRADE_NOW: "Y"}, RejectReason.OTHER),
        ({}, {Tag.AIQ_STRATEGY: "3"}, RejectReason.INVALID_AIQ),
        ({}, {Tag.AIQ_GROUP_ID: "AB"}, RejectReason.INVALID_AIQ),
    ],
)
def test_what_cannot_be_is_refused_with_the_specifications_reason(
    changes: dict[str, object], options: Options, reason: RejectReason
) -> None:
    assert terms(PLAIN._replace(**changes, options=options)) == reason  # type: ignore[arg-type]


def test_ticks_finer_than_four_decimals_are_told_at_the_start() -> None:
    with pytest.raises(UsageError, match=r"tick of 0\.00001"):
        OrderRules(ACME._replace(tick_size=Decimal("0.00001")))
