"""What all connections of the order API share: the host, the account's state, and the open streams.

Place on the data path: between the API's event loop and the host. Orders go down through the host's bounded
input queue; frames and execution reports come up by polling, POLL_HZ times a second: the engine thread never
calls into this loop, so a stuck client cannot hold it. One poll without news is two attribute reads.

Everything here runs on the API's event loop; only `host` may be swapped from another thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from engine.api.account import AccountState
from engine.api.messages import (
    CancelAllMessage,
    CancelMessage,
    OrderRequest,
    RequestRefusedError,
    book_json,
    encode,
    instrument_json,
    order_terms,
    report_json,
    request_json,
)
from engine.core.errors import StormdeskError
from engine.core.types import Account
from engine.frame import Frame
from engine.market.orders import ExecutionReport

__all__ = ["POLL_HZ", "STREAM_LEVELS", "STREAM_LIMIT", "Gateway", "OrderHost", "Outlet"]

POLL_HZ = 40
"""How often a new frame and new reports are looked for."""
STREAM_LEVELS = 10
"""Levels a side in a stream's book message."""
STREAM_LIMIT = 16
"""Streams open at the same time."""
CATCH_UP_LIMIT = 512
"""Missed reports that a returning client gets; one that missed more starts anew from its hello."""


class OrderHost(Protocol):
    """The part of a session's host that the API calls; all of it is thread-safe and returns at once."""

    @property
    def session_id(self) -> str: ...

    def frame(self) -> Frame: ...

    def submit_order(
        self, account: int, side: int, price_ticks: int, qty_lots: int, tif: int, client_id: int, /
    ) -> bool: ...

    def cancel_order(self, account: int, client_id: int, /) -> object: ...

    def cancel_all(self, account: int, /) -> object: ...

    def reports(self, account: int, since: int, /) -> tuple[ExecutionReport, ...]: ...


class Outlet(Protocol):
    """A stream as the gateway sees it: somewhere to put messages without waiting."""

    def put(self, message: bytes) -> None:
        """Queue a message that must not be lost."""

    def put_book(self, message: bytes) -> None:
        """Replace the book that waits to be sent."""

    def close(self, reason: str) -> None:
        """Give this stream up."""


class Gateway:
    """Requests of the account TARGET, and the fan-out of what the market answers."""

    def __init__(self, host: OrderHost) -> None:
        self.host = host
        self.account = int(Account.TARGET)
        self.state = AccountState()
        self.internal_errors = 0
        self.slow_streams = 0
        self.report_gaps = 0
        self.orders_queued = 0
        self.orders_refused = 0
        self._streams: list[Outlet] = []
        self._served = host
        self._session_id = host.session_id
        self._frame_number = -1
        self._report_count = 0

    # -- requests ----------------------------------------------------------------------------------------

    def carry_out(self, request: OrderRequest | CancelMessage | CancelAllMessage) -> dict[str, Any]:
        """Queue one request; returns its acknowledgement. Raises RequestRefusedError."""
        if self.host.frame().host.mode == "replay":
            raise RequestRefusedError(
                "replaying", "a recorded run takes no orders; start a live session", http_status=409
            )
        try:
            queued = self._queue(request)
        except RequestRefusedError:
            raise
        except StormdeskError as error:
            raise RequestRefusedError("refused", str(error)) from error
        if queued is False:
            self.orders_refused += 1
            raise RequestRefusedError(
                "queue_full", "the market's input queue is full: send less, then try again", http_status=503
            )
        self.orders_queued += 1
        return {**request_json(request), "queued": True}

    def _queue(self, request: OrderRequest | CancelMessage | CancelAllMessage) -> object:
        if isinstance(request, CancelAllMessage):
            return self.host.cancel_all(self.account)
        if isinstance(request, CancelMessage):
            return self.host.cancel_order(self.account, request.client_id)
        side, price_ticks, tif = order_terms(request)
        return self.host.submit_order(
            self.account, side, price_ticks, request.qty_lots, tif, request.client_id
        )

    # -- views -------------------------------------------------------------------------------------------

    def instrument(self) -> dict[str, Any]:
        """The instrument and the session it trades in."""
        return instrument_json(self.host.frame().market.instrument, self.host.session_id)

    def book(self, levels: int) -> dict[str, Any]:
        """The book of the latest frame."""
        return book_json(self.host.frame(), levels)

    def account_view(self) -> dict[str, Any]:
        """Position and open orders as of the last report, profit as of the latest frame."""
        self.poll()
        ledger = self._in_ledger()
        position = self.state.position_lots if self.state.complete else ledger[0]
        return {
            "account": "target",
            "position_lots": position,
            "pnl": ledger[1],
            "open_orders": len(self.state.orders),
            "sequence": self.state.sequence,
            "complete": self.state.complete,
        }

    def orders(self) -> list[dict[str, Any]]:
        """Resting orders, oldest first; `ahead_lots` from the latest frame, null when it is not in it."""
        self.poll()
        ahead = {order.order_id: order.ahead_lots for order in self.host.frame().market.orders}
        return [
            order._asdict() | {"ahead_lots": ahead.get(order.order_id)}
            for order in self.state.orders.values()
        ]

    def status(self) -> dict[str, Any]:
        """State of the session and of this API."""
        frame = self.host.frame()
        return {
            "mode": frame.host.mode,
            "state": frame.host.state,
            "replaying": frame.host.mode == "replay",
            "symbol": frame.market.instrument.symbol,
            "instrument_id": frame.market.instrument.instrument_id,
            "session_id": self.host.session_id,
            "api": self.statistics(),
        }

    @property
    def client_count(self) -> int:
        """Open streams."""
        return len(self._streams)

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "streams": len(self._streams),
            "stream_limit": STREAM_LIMIT,
            "slow_streams": self.slow_streams,
            "reports": self._report_count,
            "report_gaps": self.report_gaps,
            "requests_queued": self.orders_queued,
            "requests_refused": self.orders_refused,
            "internal_errors": self.internal_errors,
        }

    def _in_ledger(self) -> tuple[int, float]:
        """Position and profit of the account TARGET, in which the API's orders trade, in the latest frame."""
        frame = self.host.frame()
        for target in (frame.host.target, *frame.host.targets):
            if target.account in (None, Account.TARGET):
                return target.ledger_position_lots, target.ledger_pnl
        own = [agent for agent in frame.market.agents if agent.account == Account.TARGET]
        return (own[0].position_lots, own[0].pnl) if own else (0, 0.0)

    def hello(self) -> dict[str, Any]:
        """The greeting, with everything that has been reported so far."""
        self.poll()
        return self._hello(self.state.sequence)

    def _hello(self, sequence: int) -> dict[str, Any]:
        return {
            "type": "hello",
            "session_id": self._session_id,
            "instrument": self.instrument(),
            "account": {
                "position_lots": self.state.position_lots,
                "pnl": self._in_ledger()[1],
                "orders": [order._asdict() for order in self.state.orders.values()],
            },
            "sequence": sequence,
            "waits_for_client": hasattr(self.host, "meeting"),
        }

    # -- streams -----------------------------------------------------------------------------------------

    def open_stream(self, stream: Outlet, *, session_id: str | None = None, since: int | None = None) -> None:
        """Greet a stream and feed it from now on, or from report `since` when the session is the same.

        Raises RequestRefusedError when too many are open.
        """
        if len(self._streams) >= STREAM_LIMIT:
            raise RequestRefusedError(
                "too_many_streams", f"{STREAM_LIMIT} streams are open; close one first", http_status=503
            )
        self.poll()
        missed: tuple[ExecutionReport, ...] = ()
        sequence = self.state.sequence
        if since is not None and session_id == self._session_id and 0 <= since < sequence:
            later = self.host.reports(self.account, since)
            missed = tuple(report for report in later if report.sequence <= sequence)
            if len(missed) > CATCH_UP_LIMIT:
                missed = ()
            sequence = missed[0].sequence - 1 if missed else sequence
        self._greet(stream, sequence)
        self._feed(stream, missed)
        self._streams.append(stream)

    def close_stream(self, stream: Outlet) -> None:
        """Feed it no longer."""
        if stream in self._streams:
            self._streams.remove(stream)

    def close_streams(self, reason: str) -> None:
        """Give all streams up."""
        for stream in tuple(self._streams):
            stream.close(reason)

    async def pump(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                self.poll()
            except Exception:  # a defect of a host must not end the feed; it shows in statistics()
                self.internal_errors += 1
            await asyncio.sleep(1 / POLL_HZ)

    def poll(self) -> None:
        """Hand what is new to every stream: a new session, reports, the book."""
        host = self.host
        if host is not self._served or host.session_id != self._session_id:
            self._served = host
            self._session_id = host.session_id
            self._frame_number = -1
            self.state = AccountState()
            for stream in tuple(self._streams):
                self._greet(stream, 0)
        reports = host.reports(self.account, self.state.sequence)
        if reports:
            self._take(reports)
        frame = host.frame()
        if frame.number != self._frame_number:
            self._frame_number = frame.number
            if self._streams:
                message = self._book_message(frame)
                for stream in self._streams:
                    stream.put_book(message)

    def _take(self, reports: Iterable[ExecutionReport]) -> None:
        new = tuple(reports)
        self._report_count += len(new)
        gaps = [report.sequence for report in new if not self.state.apply(report)]
        for stream in tuple(self._streams):
            if gaps:
                stream.close(f"reports before {gaps[-1]} were lost; reconnect")
            else:
                self._feed(stream, new)
        self.report_gaps += len(gaps)

    def _greet(self, stream: Outlet, sequence: int) -> None:
        """`sequence`: the reports that follow start after it."""
        stream.put(encode(self._hello(sequence)))
        stream.put_book(self._book_message(self.host.frame()))

    @staticmethod
    def _feed(stream: Outlet, reports: Iterable[ExecutionReport]) -> None:
        for report in reports:
            stream.put(encode(report_json(report)))

    @staticmethod
    def _book_message(frame: Frame) -> bytes:
        return encode({"type": "book", **book_json(frame, STREAM_LEVELS)})
