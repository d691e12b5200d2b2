"""One request on its way to a handler, and what a handler may return.

    def handler(call: Call) -> Answer

Handlers run on the gateway's loop and return at once: bytes (JSON already), any object that msgspec can
encode, or `Waiting` when the broker has to answer first. What cannot be done they raise as RequestRefused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.broker.terms import BrokerRequest, Reply

if TYPE_CHECKING:
    from engine.venue.binance.endpoints import Endpoint
    from engine.venue.binance.gateway import Gateway
    from engine.venue.keys import Key

__all__ = ["Answer", "Call", "Handler", "Route", "Waiting"]


class Call:
    """A checked request; `params` holds what the endpoint's table declares, no timestamp, no signature."""

    __slots__ = ("account", "endpoint", "gateway", "key", "over_socket", "params")

    def __init__(
        self,
        gateway: Gateway,
        endpoint: Endpoint,
        params: dict[str, str],
        *,
        key: Key | None = None,
        account: int = -1,
        over_socket: bool = False,
    ) -> None:
        self.gateway = gateway
        self.endpoint = endpoint
        self.params = params
        self.key = key
        self.account = account
        """-1: a public request."""
        self.over_socket = over_socket
        """Whether it came over the WS-API."""


class Waiting(NamedTuple):
    """The broker answers: `request` is queued, and `render` makes the client's answer of its reply.

    `render` may raise RequestRefused.
    """

    request: BrokerRequest
    render: Callable[[Reply], Any]


Answer = Any
Handler = Callable[[Call], Answer]
Route = tuple[str, str, Handler]
"""(method, path, handler), e.g. ("GET", "/api/v3/depth", depth)."""
