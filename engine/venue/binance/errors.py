"""What the venue says when it says no: codes and texts of the Binance Spot API (its public errors.md).

Place on the data path: at the very edge; the broker knows only `Refusal`, this file turns it into what
clients match on, letter by letter. Invariant: each refusal of the broker has exactly one answer here.
"""

from __future__ import annotations

from typing import Any

from engine.broker.terms import Refusal
from engine.core.errors import UsageError

__all__ = [
    "TOO_MANY_REQUESTS",
    "RequestRefused",
    "bad_combination",
    "bad_precision",
    "banned",
    "disconnected",
    "duplicate_value",
    "empty",
    "illegal",
    "invalid_data",
    "invalid_symbol",
    "mandatory",
    "mandatory_one_of",
    "no_such_order",
    "not_required",
    "overflowed",
    "refused",
    "timed_out",
    "too_many_parameters",
    "unknown",
    "unread_parameters",
]


TOO_MANY_REQUESTS = -1003
"""Of every 429 for weight and every 418."""


class RequestRefused(UsageError):
    """A request that is answered with {"code": code, "msg": message} and this HTTP status."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        data: Any = None,
        retry_at_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data
        """What stands beside code and msg (cancel-replace)."""
        self.retry_at_ms = retry_at_ms
        """Wall clock time from which a request has a chance again (429, 418)."""

    def body(self) -> dict[str, Any]:
        """The answer's body."""
        body: dict[str, Any] = {"code": self.code, "msg": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


def mandatory(name: str) -> RequestRefused:
    """A parameter is missing."""
    return RequestRefused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def mandatory_one_of(first: str, second: str) -> RequestRefused:
    """One of two parameters is needed."""
    return RequestRefused(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def illegal(name: str, legal: str) -> RequestRefused:
    """A value that does not match the parameter's pattern."""
    return RequestRefused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def duplicate_value() -> RequestRefused:
    """A parameter came twice."""
    return RequestRefused(-1101, "Duplicate values for a parameter detected.")


def too_many_parameters(expected: int, received: int) -> RequestRefused:
    """More parameters than the endpoint has."""
    return RequestRefused(-1101, f"Too many parameters; expected '{expected}' and received '{received}'.")


def unread_parameters(read: int, sent: int) -> RequestRefused:
    """Parameters that the endpoint does not have."""
    return RequestRefused(
        -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    )


def empty(name: str) -> RequestRefused:
    """A parameter without a value."""
    return RequestRefused(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> RequestRefused:
    """A parameter that has no place in this kind of order."""
    return RequestRefused(-1106, f"Parameter '{name}' sent when not required.")


def overflowed(name: str) -> RequestRefused:
    """A number beyond 64 bits."""
    return RequestRefused(-1108, f"Parameter '{name}' overflowed.")


def bad_precision(name: str) -> RequestRefused:
    """More digits after the point than the asset has."""
    return RequestRefused(-1111, f"Parameter '{name}' has too much precision.")


def bad_combination() -> RequestRefused:
    """Optional parameters that do not go together."""
    return RequestRefused(-1128, "Combination of optional parameters invalid.")


def invalid_data(name: str) -> RequestRefused:
    """A value out of its range."""
    return RequestRefused(-1130, f"Data sent for parameter '{name}' is not valid.")


def invalid_symbol() -> RequestRefused:
    """No such market here."""
    return RequestRefused(-1121, "Invalid symbol.")


def no_such_order() -> RequestRefused:
    """A question about an order that the account never had."""
    return RequestRefused(-2013, "Order does not exist.")


def timed_out() -> RequestRefused:
    """No reply in time: the request may have been carried out, or not."""
    return refused(Refusal.TIMEOUT_UNKNOWN)


def disconnected() -> RequestRefused:
    """The session that should have answered is gone."""
    return refused(Refusal.DISCONNECTED)


def banned(until_ms: int) -> RequestRefused:
    """The address may send nothing until then."""
    return RequestRefused(
        TOO_MANY_REQUESTS,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        status=418,
        retry_at_ms=until_ms,
    )


def unknown() -> RequestRefused:
    """A defect of ours."""
    return RequestRefused(-1000, "An unknown error occurred while processing the request.", status=500)


def refused(refusal: Refusal, detail: str = "", *, cancelling: bool = False) -> RequestRefused:
    """What a refusal of the broker reads like; `cancelling`: of a cancel or amendment.

    `detail`: the risk gate's reason, or the ms since 1970 until which a ban lasts.
    """
    if refusal is Refusal.BANNED and detail.isdigit():
        return banned(int(detail))
    status, code, message = ANSWERS[refusal]
    if cancelling and code == -2010:
        code = -2011
    if refusal is Refusal.GATE and detail:
        message = f"{message[:-1]}: {detail}"
    return RequestRefused(code, message, status=status)


def _filter(refusal: Refusal) -> tuple[int, int, str]:
    return (400, -1013, f"Filter failure: {refusal.value}")


ANSWERS: dict[Refusal, tuple[int, int, str]] = {
    Refusal.NONE: (200, 0, ""),
    Refusal.UNKNOWN_ORDER: (400, -2011, "Unknown order sent."),
    Refusal.DUPLICATE_ORDER: (400, -2010, "Duplicate order sent."),
    Refusal.INSUFFICIENT_BALANCE: (400, -2010, "Account has insufficient balance for requested action."),
    Refusal.WOULD_TAKE: (400, -2010, "Order would immediately match and take."),
    Refusal.WOULD_TRIGGER: (400, -2010, "Order would trigger immediately."),
    Refusal.MARKET_CLOSED: (400, -1013, "Market is closed."),
    Refusal.NO_ACCOUNT: (401, -2015, "Invalid API-key, IP, or permissions for action."),
    Refusal.PRICE_FILTER: _filter(Refusal.PRICE_FILTER),
    Refusal.LOT_SIZE: _filter(Refusal.LOT_SIZE),
    Refusal.MARKET_LOT_SIZE: _filter(Refusal.MARKET_LOT_SIZE),
    Refusal.NOTIONAL: _filter(Refusal.NOTIONAL),
    Refusal.PERCENT_PRICE: _filter(Refusal.PERCENT_PRICE),
    Refusal.MAX_ORDERS: _filter(Refusal.MAX_ORDERS),
    Refusal.MAX_ALGO_ORDERS: _filter(Refusal.MAX_ALGO_ORDERS),
    Refusal.ICEBERG_PARTS: _filter(Refusal.ICEBERG_PARTS),
    Refusal.TRAILING_DELTA: _filter(Refusal.TRAILING_DELTA),
    # Binance has no such gate: its own text, under the code of a refused order.
    Refusal.GATE: (400, -2010, "Order rejected by the risk gate."),
    Refusal.AMEND_NOT_LESS: (
        400,
        -2038,
        "Order amend (quantity increase) is not supported.",
    ),
    Refusal.RESTRICTED: (400, -2011, "Order was not canceled due to cancel restrictions."),
    Refusal.CANCEL_FAILED: (400, -2022, "Order cancel-replace failed."),
    Refusal.REPLACE_PARTLY: (409, -2021, "Order cancel-replace partially failed."),
    Refusal.OCO_PRICES: (400, -2010, "The relationship of the prices for the orders is not correct."),
    Refusal.LIST_SHAPE: (400, -1014, "Unsupported order combination."),
    Refusal.TIMEOUT_UNKNOWN: (
        503,
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    ),
    Refusal.OVERLOADED: (
        503,
        -1008,
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
    ),
    Refusal.RATE_LIMITED: (429, -1003, "Too many requests queued."),
    Refusal.BANNED: (
        418,
        -1003,
        "Way too much request weight used; IP banned. Please use WebSocket Streams for live updates to avoid "
        "bans.",
    ),
    Refusal.DISCONNECTED: (500, -1001, "Internal error; unable to process your request. Please try again."),
    Refusal.REJECTED: (400, -2010, "NEW_ORDER_REJECTED"),
}
