"""The words of the order API: what comes in as JSON, and how the session's things go out as JSON.

Edge of the data path, inward and outward. Invariant: a request that gets past `decode_*` is well-typed and
in range; everything else is a RequestRefusedError with code, place and advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from engine.core.errors import UsageError
from engine.core.types import Instrument, Side, TimeInForce
from engine.frame import Frame
from engine.market.orders import ExecutionReport

__all__ = [
    "CancelAllMessage",
    "CancelMessage",
    "OrderRequest",
    "RequestRefusedError",
    "SubmitMessage",
    "book_json",
    "decode_message",
    "decode_order",
    "encode",
    "error_json",
    "instrument_json",
    "ladder_json",
    "order_terms",
    "report_json",
    "request_json",
]

CLIENT_ID_LIMIT = 2**63 - 1
PRICE_TICKS_LIMIT = 2**50
QTY_LOTS_LIMIT = 2**40

ClientId = Annotated[int, msgspec.Meta(ge=1, le=CLIENT_ID_LIMIT)]
Rung = tuple[int, int, int]
_Request = TypeVar("_Request")


class RequestRefusedError(UsageError):
    """A request that is not carried out. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str, *, http_status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status


class OrderRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/orders."""

    side: Literal["buy", "sell"]
    qty_lots: Annotated[int, msgspec.Meta(ge=1, le=QTY_LOTS_LIMIT)]
    client_id: ClientId
    """The client's own number for the order: unique among its live orders, echoed in every report."""
    type: Literal["limit", "market"] = "limit"
    price_ticks: Annotated[int, msgspec.Meta(ge=1, le=PRICE_TICKS_LIMIT)] | None = None
    """Limit orders need it, market orders must not have it."""
    time_in_force: Literal["GTC", "IOC", "FOK", "POST_ONLY"] | None = None
    """Default: GTC for limit, IOC for market orders."""


class SubmitMessage(OrderRequest, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="submit"):
    """The same over the stream."""


class CancelMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="cancel"):
    """Cancel one order, over the stream."""

    client_id: ClientId


class CancelAllMessage(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="cancel_all"
):
    """Cancel every order of the account, over the stream."""


StreamMessage = SubmitMessage | CancelMessage | CancelAllMessage

encode = msgspec.json.Encoder(decimal_format="number").encode
_order_decoder = msgspec.json.Decoder(OrderRequest)
_message_decoder = msgspec.json.Decoder[StreamMessage](StreamMessage)


def decode_order(body: bytes) -> OrderRequest:
    """The order in a request body. Raises RequestRefusedError."""
    return _decode(_order_decoder, body)


def decode_message(data: bytes) -> OrderRequest | CancelMessage | CancelAllMessage:
    """The request in a stream message; one without "op" is an order. Raises RequestRefusedError."""
    if b'"op"' not in data:
        return decode_order(data)
    message: StreamMessage = _decode(_message_decoder, data)
    return message


def _decode(decoder: msgspec.json.Decoder[_Request], data: bytes) -> _Request:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestRefusedError("bad_request", f"not a valid request: {error}") from error


def order_terms(order: OrderRequest) -> tuple[Side, int, TimeInForce]:
    """(side, price_ticks with 0 = market, time in force). Raises RequestRefusedError on a contradiction."""
    side = Side.BID if order.side == "buy" else Side.ASK
    if order.type == "limit":
        if order.price_ticks is None:
            raise RequestRefusedError("bad_request", "price_ticks: a limit order needs it")
        return side, order.price_ticks, TimeInForce[order.time_in_force or "GTC"]
    if order.price_ticks is not None:
        raise RequestRefusedError("bad_request", "price_ticks: a market order has none; leave it out")
    if order.time_in_force not in (None, "IOC", "FOK"):
        raise RequestRefusedError(
            "bad_request", f"time_in_force: a market order cannot be {order.time_in_force}; use IOC or FOK"
        )
    return side, 0, TimeInForce[order.time_in_force or "IOC"]


def error_json(error: RequestRefusedError) -> dict[str, Any]:
    """The one shape of errors."""
    return {"error": {"code": error.code, "message": str(error)}}


def request_json(request: OrderRequest | CancelMessage | CancelAllMessage) -> dict[str, Any]:
    """Which request an acknowledgement or an error speaks of."""
    if isinstance(request, CancelAllMessage):
        return {"op": "cancel_all"}
    op = "cancel" if isinstance(request, CancelMessage) else "submit"
    return {"op": op, "client_id": request.client_id}


def instrument_json(instrument: Instrument, session_id: str) -> dict[str, Any]:
    """What a bot must know to price and size; tick_size and lot_size are exact decimals in strings."""
    return {
        "symbol": instrument.symbol,
        "instrument_id": instrument.instrument_id,
        "tick_size": format(instrument.tick_size, "f"),
        "lot_size": format(instrument.lot_size, "f"),
        "currency": instrument.currency,
        "unit_lots": instrument.unit_lots,
        "price_decimals": instrument.price_decimals,
        "session_id": session_id,
    }


def book_json(frame: Frame, levels: int) -> dict[str, Any]:
    """Best prices (null on an empty side) and `levels` levels a side as [price_ticks, qty_lots, orders]."""
    market = frame.market
    return ladder_json(frame.number, market.time_ns, market.bids[:levels], market.asks[:levels])


def ladder_json(number: int, time_ns: int, bids: Sequence[Rung], asks: Sequence[Rung]) -> dict[str, Any]:
    """The same of levels, best first, each (price_ticks, qty_lots, orders)."""
    bid, bid_lots, _ = bids[0] if bids else (None, 0, 0)
    ask, ask_lots, _ = asks[0] if asks else (None, 0, 0)
    return {
        "number": number,
        "time_ns": time_ns,
        "bid": bid,
        "bid_lots": bid_lots,
        "ask": ask,
        "ask_lots": ask_lots,
        "bids": bids,
        "asks": asks,
    }


def report_json(report: ExecutionReport) -> dict[str, Any]:
    """An execution report; side as the API spells it. Trade ids and who rested are not in it."""
    answer = {"type": "report", **report._asdict(), "side": "buy" if report.side == Side.BID else "sell"}
    del answer["trade_id"], answer["is_maker"]
    return answer | {"kind": str(report.kind), "reason": str(report.reason)}
