"""What a client knows, without its wires: words in, requests out. Sync and async clients share it.

Invariant: orders and position stand on execution reports alone, each applied once, in sequence; after a
hole they are taken anew from the desk's greeting, and the caller is told.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple

import msgspec

from engine.client.errors import DeskError, InvalidRequest, ReportsMissed, SessionChanged
from engine.client.words import Book, Hello, Instrument, Order, Report, Side
from engine.core.clock import wall_ns

__all__ = ["REPORTS_KEPT", "DeskState", "Exact", "Request", "TimeInForce", "Wanted", "encode"]

REPORTS_KEPT = 10_000
"""Reports that wait to be taken; the oldest beyond that are dropped, and counted."""
CLIENT_ID_LIMIT = 2**63 - 1

TimeInForce = Literal["GTC", "IOC", "FOK", "POST_ONLY"]
Exact = Decimal | str | int
"""An exact number; floats are none."""
Request = dict[str, Any]

encode = msgspec.json.Encoder().encode


class Wanted(NamedTuple):
    """An order as the bot wants it: ticks and lots, or exact price and quantity."""

    side: Side
    is_market: bool
    price_ticks: int | None
    qty_lots: int | None
    price: Exact | None
    quantity: Exact | None
    time_in_force: TimeInForce
    client_id: int | None


class DeskState:
    """The session, its instrument, our orders and position, the last book, and reports not taken yet."""

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self.sequence = 0
        self.position_lots = 0
        self.orders: dict[int, Order] = {}
        """Sent and not known to have ended, by client id."""
        self.book: Book | None = None
        self.reports: deque[Report] = deque(maxlen=REPORTS_KEPT)
        self.dropped_reports = 0
        self._next_client_id = wall_ns()  # a bot that starts again in the same session takes no id twice

    @property
    def instrument(self) -> Instrument:
        """What is traded; known once greeted."""
        assert self.hello is not None, "greeted first"
        return self.hello.instrument

    # -- inward --------------------------------------------------------------------------------------------

    def greet(self, hello: Hello) -> DeskError | None:
        """Take a greeting; what the bot must be told of it, if anything."""
        before, self.hello = self.hello, hello
        if before is not None and before.session_id == hello.session_id:
            if hello.sequence == self.sequence or hello.lockstep is not None:
                return None
            missed = hello.sequence - self.sequence
            self._adopt(hello)
            return ReportsMissed(
                f"{missed} execution reports were missed; orders and position were taken anew from the desk: "
                "go on from desk.orders and desk.position_lots"
            )
        self._adopt(hello)
        self.book = None
        self.reports.clear()
        if hello.lockstep is not None:  # the clock has no say in lockstep
            self._next_client_id = hello.lockstep.next_client_id
        if before is None:
            return None
        return SessionChanged(
            "the desk runs another session now: old orders and position are gone; begin anew with "
            "desk.instrument, desk.orders and desk.position_lots"
        )

    def apply(self, report: Report) -> DeskError | None:
        """Take the next report; one that was taken already changes nothing."""
        if report.sequence <= self.sequence:
            return None
        gapless = report.sequence == self.sequence + 1
        self.sequence = report.sequence
        self.position_lots += report.signed_lots
        self._keep_order(report)
        self.dropped_reports += len(self.reports) == REPORTS_KEPT
        self.reports.append(report)
        return None if gapless else ReportsMissed(f"reports before {report.sequence} were lost; reconnect")

    def take_reports(self) -> list[Report]:
        """All reports since the last call, oldest first."""
        taken = list(self.reports)
        self.reports.clear()
        return taken

    def _adopt(self, hello: Hello) -> None:
        self.sequence = hello.sequence
        self.position_lots = hello.account.position_lots
        self.orders = {order.client_id: order for order in hello.account.orders}

    def _keep_order(self, report: Report) -> None:
        order = self.orders.get(report.client_id)
        if report.kind == "rejected":
            # A cancel that finds nothing, or an order that never lived; not a second one under a live id.
            if order is not None and (order.order_id == 0 or report.reason == "unknown_order"):
                del self.orders[report.client_id]
        elif report.is_final:
            self.orders.pop(report.client_id, None)
        elif order is not None:
            order.order_id, order.remaining_lots = report.order_id, report.remaining_lots
            order.price_ticks = report.price_ticks or order.price_ticks
        elif report.kind == "accepted":
            self.orders[report.client_id] = Order(
                client_id=report.client_id,
                side=report.side,
                price_ticks=report.price_ticks,
                qty_lots=report.qty_lots,
                remaining_lots=report.remaining_lots,
                order_id=report.order_id,
            )

    # -- outward -------------------------------------------------------------------------------------------

    def submit(self, wanted: Wanted) -> tuple[Order, Request]:
        """The order, which counts as ours from now on, and the request for it. Raises InvalidRequest."""
        instrument = self.instrument
        price_ticks = None
        if not wanted.is_market:
            price_ticks = _whole("price", wanted.price_ticks, wanted.price, instrument.tick_size, "tick")
        qty_lots = _whole("quantity", wanted.qty_lots, wanted.quantity, instrument.lot_size, "lot")
        client_id = self._client_id(wanted.client_id)
        request: Request = {"op": "submit", "side": wanted.side, "qty_lots": qty_lots, "client_id": client_id}
        if price_ticks is None:
            request["type"] = "market"
        else:
            request["price_ticks"] = price_ticks
        if wanted.time_in_force != "GTC":
            request["time_in_force"] = wanted.time_in_force
        order = Order(client_id, wanted.side, price_ticks, qty_lots, qty_lots)
        self.orders[client_id] = order
        return order, request

    def forget(self, client_id: int) -> None:
        """The order never came to the market."""
        self.orders.pop(client_id, None)

    def _client_id(self, chosen: int | None) -> int:
        if chosen is None:
            chosen = self._next_client_id
        elif type(chosen) is not int or not 1 <= chosen <= CLIENT_ID_LIMIT:
            raise InvalidRequest(f"client_id {chosen!r}: wanted a whole number from 1 to {CLIENT_ID_LIMIT}")
        if chosen in self.orders:
            raise InvalidRequest(f"client_id {chosen} is taken by a live order; leave it out for a new one")
        self._next_client_id = max(self._next_client_id, chosen + 1)
        return chosen


def _whole(name: str, units: int | None, exact: Exact | None, unit: Decimal, unit_name: str) -> int:
    """A price in ticks or a quantity in lots, however it was given. Raises InvalidRequest."""
    if (units is None) == (exact is None):
        got = "neither (is that side of the book empty?)" if units is None else "both"
        raise InvalidRequest(f"{name}: give whole {unit_name}s, or an exact {name} as {name}=…; got {got}")
    if units is not None:
        if type(units) is not int or units < 1:
            raise InvalidRequest(
                f"{name}: {units!r} {unit_name}s; wanted a whole number from 1, or an exact "
                f"{name} as {name}=…"
            )
        return units
    if isinstance(exact, float):
        raise InvalidRequest(f"{name}: {exact!r} is a float, which is not exact; use Decimal or text")
    try:
        count = Decimal(exact or 0) / unit
    except (InvalidOperation, TypeError, ValueError) as error:
        raise InvalidRequest(f"{name}: {exact!r} is not a number; use Decimal or text") from error
    if not count.is_finite() or count != count.to_integral_value() or count < 1:
        raise InvalidRequest(f"{name}: {exact} is no positive multiple of the {unit_name} size {unit}")
    return int(count)
