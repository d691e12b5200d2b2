"""The WS-API: the same endpoints over one connection, with ids, session logon and user events.

Place on the data path: between socket.py and the handlers. A request is {id, method, params}; its answer
{id, status, result | error, rateLimits} carries the id as it came. Answers and events of one connection
leave in the order in which they were told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from engine.venue.binance import errors
from engine.venue.binance.call import Call, Handler, Waiting
from engine.venue.binance.codec import encode
from engine.venue.binance.endpoints import Endpoint, Security
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.gateway import Gateway
from engine.venue.binance.guard import refuse_foreign
from engine.venue.binance.parameters import check
from engine.venue.binance.signing import SIGNATURE_NAMES, admit, check_time, find_key, socket_payload
from engine.venue.binance.socket import OUT_LIMIT_BYTES, Session
from engine.venue.binance.user_data import Listener
from engine.venue.keys import Key, KeyKind

__all__ = ["SUBSCRIPTION_LIMIT", "WsApi"]

SUBSCRIPTION_LIMIT = 64
"""User data subscriptions over one connection."""
SOCKET_LIMIT = 256
"""WS-API connections at the same time."""
CONNECT_WEIGHT = 2
ID_LIMIT_BYTES = 64


class _Request(msgspec.Struct):
    method: str
    id: msgspec.Raw = msgspec.Raw(b"null")
    params: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Request, float_hook=str).decode


class WsApi:
    """All WS-API connections of a gateway (socket.Sessions)."""

    def __init__(self, gateway: Gateway, handlers: Mapping[str, tuple[Endpoint, Handler]]) -> None:
        self.gateway = gateway
        self.handlers = handlers
        self.check_host = True
        self._sessions: dict[ApiSession, Callable[[], int]] = {}
        """What waits for each client to read it, in bytes."""

    def refuse(self, address: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """(status, reason) against a handshake."""
        if self.gateway.host.boundary.is_down:
            return 503, "Service Unavailable"
        if len(self._sessions) >= SOCKET_LIMIT:
            return 503, "Service Unavailable"
        foreign = refuse_foreign(
            headers.get("host", ""), headers.get("origin"), address=address, check_host=self.check_host
        )
        return (403, "Forbidden") if foreign else None

    def open(
        self,
        *,
        address: str,
        query: str,
        send: Callable[[bytes], None],
        close: Callable[[int, str], None],
        queued: Callable[[], int] = lambda: 0,
    ) -> Session:
        """A new connection."""
        session = ApiSession(self, address, query, send, close)
        self._sessions[session] = queued
        self.gateway.track(session, session.end)
        return session

    def forget(self, session: ApiSession) -> None:
        """A connection is gone."""
        self._sessions.pop(session, None)
        self.gateway.untrack(session)

    def dropped_slow(self) -> None:
        """A client that does not read was dropped."""
        self.gateway.slow_clients += 1

    def statistics(self) -> dict[str, int]:
        """Fill and limits; bytes are those of the connection for which most wait."""
        return {
            "sockets": len(self._sessions),
            "socket_limit": SOCKET_LIMIT,
            "queued_bytes": max((queued() for queued in list(self._sessions.values())), default=0),
            "queued_limit_bytes": OUT_LIMIT_BYTES,
        }


class ApiSession:
    """One connection: who is logged on, and what it listens to."""

    def __init__(
        self,
        api: WsApi,
        address: str,
        query: str,
        send: Callable[[bytes], None],
        close: Callable[[int, str], None],
    ) -> None:
        self._api = api
        self._gateway = api.gateway
        self._address = address
        self._send = send
        self._close = close
        self._key: Key | None = None
        self._api_key = ""
        self._authorized_ms = 0
        self._connected_ms = api.gateway.now_ms()
        self._listeners: dict[int, Listener] = {}
        self._next_subscription = 0
        self._is_open = True
        options = parse_qs(query[:1_000])
        self._show_limits = options.get("returnRateLimits", ["true"])[-1].lower() != "false"
        self._own: dict[str, Callable[[dict[str, str]], Any]] = {
            "session.logon": self._log_on,
            "session.status": self._status,
            "session.logout": self._log_out,
            "session.subscriptions": self._subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }
        # A connection costs weight, but is not refused for it: its first request will be.
        api.gateway.windows.count(address, CONNECT_WEIGHT, self._connected_ms)

    # -- socket.Session ------------------------------------------------------------------------------------

    def receive(self, message: bytes) -> None:
        """One request."""
        gateway = self._gateway
        if gateway.host.boundary.is_down:
            self._close(1006, "")
            return
        try:
            request = _decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._fail(b"null", RequestRefused(-1135, "Invalid JSON Request"), -1)
            return
        request_id = bytes(request.id)
        if not _is_id(request_id):
            self._fail(b"null", errors.illegal("id", "^[a-zA-Z0-9-_]{1,36}$"), -1)
            return
        try:
            self._handle(request_id, request)
        except RequestRefused as refusal:
            self._fail(request_id, refusal, -1)
            api_key = request.params.get("apiKey")
            gateway.note_limited(refusal, api_key if isinstance(api_key, str) else self._api_key)
        except Exception:
            gateway.internal_errors += 1
            self._fail(request_id, errors.unknown(), -1)

    def closed(self) -> None:
        """The connection is gone."""
        self._is_open = False
        for listener in self._listeners.values():
            self._gateway.users.unlisten(listener)
        self._listeners.clear()
        self._api.forget(self)

    def end(self, code: int, reason: str) -> None:
        """The venue closes the connection."""
        if code == 1001:
            self._send(b'{"event":' + self._gateway.users.shutting_down() + b"}")
        self._close(code, reason)

    # -- requests ------------------------------------------------------------------------------------------

    def _handle(self, request_id: bytes, request: _Request) -> None:
        gateway = self._gateway
        params = _texts(request.params)
        now_ms = gateway.now_ms()
        gateway.check_service()
        own = self._own.get(request.method)
        if own is not None:
            gateway.windows.charge(self._address, 2, now_ms)
            self._answer(request_id, own(params), -1, params)
            return
        found = self._api.handlers.get(request.method)
        if found is None:
            gateway.windows.charge(self._address, 1, now_ms)
            raise RequestRefused(-1130, "Data sent for parameter 'method' is not valid.")
        endpoint, handler = found
        gateway.windows.charge(self._address, endpoint.weigh(_countable(params)), now_ms)
        call = self._admitted(endpoint, params, now_ms)
        account = call.account if endpoint.security is Security.TRADE else -1
        show_limits = call.params.pop("returnRateLimits", "")
        params = {"returnRateLimits": show_limits} if show_limits else {}
        try:
            check(endpoint.parameters, call.params, gateway.symbol)
            if endpoint.orders:
                gateway.windows.charge_orders(account, endpoint.orders, now_ms)
            answer = handler(call)
            if isinstance(answer, Waiting):
                gateway.ask(answer, lambda result: self._late(request_id, result, account, params))
                return
        except RequestRefused as refusal:
            self._fail(request_id, refusal, account)
            gateway.note_limited(refusal, "", call.account)
            return
        delay_ns = gateway.host.boundary.read_delay_ns
        if delay_ns > 0:
            asyncio.get_running_loop().call_later(
                delay_ns / 1e9, self._late, request_id, answer, account, params
            )
            return
        self._answer(request_id, answer, account, params)

    def _admitted(self, endpoint: Endpoint, params: dict[str, str], now_ms: int) -> Call:
        gateway, security = self._gateway, endpoint.security
        if security is Security.NONE:
            params.pop("apiKey", None)  # clients of when some public data wanted a key still send it
            return Call(gateway, endpoint, params, over_socket=True)
        api_key = params.pop("apiKey", None)
        key = self._key
        if api_key is None and key is not None and "signature" not in params:
            find_key(gateway.keys, self._api_key, security)
            if security.is_signed:
                check_time(params, now_ms)
            params = _unsigned(params)
        else:
            if api_key is None:
                raise errors.mandatory("apiKey")
            key = find_key(gateway.keys, api_key, security)
            if security.is_signed:
                payload = socket_payload(params | {"apiKey": api_key})
                params = admit(gateway.keys, key, params, payload, now_ms)
            else:
                params = _unsigned(params)
        account = gateway.account_of(key)
        return Call(gateway, endpoint, params, key=key, account=account, over_socket=True)

    # -- the connection's own methods ----------------------------------------------------------------------

    def _log_on(self, params: dict[str, str]) -> Any:
        key, api_key = self._signed_key(params)
        if key.kind is not KeyKind.ED25519:
            name = "HMAC_SHA256" if key.kind is KeyKind.HMAC else "RSA"
            raise RequestRefused(-4056, f"{name} API key is not supported.")
        self._key, self._api_key, self._authorized_ms = key, api_key, self._gateway.now_ms()
        return self._status({})

    def _status(self, _params: dict[str, str]) -> Any:
        return {
            "apiKey": self._api_key or None,
            "authorizedSince": self._authorized_ms or None,
            "connectedSince": self._connected_ms,
            "returnRateLimits": self._show_limits,
            "serverTime": self._gateway.now_ms(),
            "userDataStream": bool(self._listeners),
        }

    def _log_out(self, _params: dict[str, str]) -> Any:
        self._key, self._api_key, self._authorized_ms = None, "", 0
        return self._status({})

    def _subscriptions(self, _params: dict[str, str]) -> Any:
        return [{"subscriptionId": number} for number in self._listeners]

    def _subscribe(self, _params: dict[str, str]) -> Any:
        if self._key is None:
            raise RequestRefused(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        return self._listen(self._key)

    def _subscribe_signed(self, params: dict[str, str]) -> Any:
        return self._listen(self._signed_key(params)[0])

    def _unsubscribe(self, params: dict[str, str]) -> Any:
        text = params.get("subscriptionId")
        if text is None:
            wanted = list(self._listeners)
        else:
            wanted = [int(text)] if text.isascii() and text.isdigit() and len(text) < 10 else [-1]
        if not wanted or any(number not in self._listeners for number in wanted):
            raise RequestRefused(-2036, "User Data Stream subscription not active.")
        for number in wanted:
            self._gateway.users.unlisten(self._listeners.pop(number))
        return {}

    def _signed_key(self, params: dict[str, str]) -> tuple[Key, str]:
        gateway = self._gateway
        api_key = params.get("apiKey")
        if api_key is None:
            raise errors.mandatory("apiKey")
        key = find_key(gateway.keys, api_key, Security.USER_DATA)
        admit(gateway.keys, key, params, socket_payload(params), gateway.now_ms())
        return key, api_key

    def _listen(self, key: Key) -> Any:
        account = self._gateway.account_of(key)
        if any(listener.account == account for listener in self._listeners.values()):
            raise RequestRefused(-2035, "User Data Stream subscription already active.")
        if len(self._listeners) >= SUBSCRIPTION_LIMIT:
            raise RequestRefused(-2042, "Maximum subscription ID reached for this connection.")
        number = self._next_subscription
        self._next_subscription += 1
        head = b'{"subscriptionId":%d,"event":' % number
        send = self._send

        def put(event: bytes) -> None:
            send(head + event + b"}")

        def end() -> None:
            put(self._gateway.users.terminated())
            self._listeners.pop(number, None)

        self._listeners[number] = self._gateway.users.listen(account, put, end)
        return {"subscriptionId": number}

    # -- answers -------------------------------------------------------------------------------------------

    def _late(self, request_id: bytes, answer: Any, account: int, params: dict[str, str]) -> None:
        if not self._is_open:
            return
        if isinstance(answer, RequestRefused):
            self._fail(request_id, answer, account)
        else:
            self._answer(request_id, answer, account, params)

    def _answer(self, request_id: bytes, answer: Any, account: int, params: dict[str, str]) -> None:
        result = answer if isinstance(answer, bytes) else encode(answer)
        shown = params.get("returnRateLimits")
        tail = self._limits(account) if (shown.lower() != "false" if shown else self._show_limits) else b"}"
        self._send(b'{"id":' + request_id + b',"status":200,"result":' + result + tail)

    def _fail(self, request_id: bytes, refusal: RequestRefused, account: int) -> None:
        body = refusal.body()
        if refusal.retry_at_ms is not None:
            body["data"] = {"serverTime": self._gateway.now_ms(), "retryAfter": refusal.retry_at_ms}
        tail = self._limits(account) if self._show_limits else b"}"
        self._send(b'{"id":' + request_id + b',"status":%d,"error":' % refusal.status + encode(body) + tail)

    def _limits(self, account: int) -> bytes:
        gateway = self._gateway
        now_ms, limits = gateway.now_ms(), gateway.limits
        used = gateway.windows.used(self._address, now_ms)
        text = (
            '[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,'
            f'"limit":{limits.weight_1m},"count":{used}}}'
        )
        if account >= 0:
            short, day = gateway.windows.order_counts(account, now_ms)
            text += (
                ',{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,'
                f'"limit":{limits.orders_10s},"count":{short}}}'
                ',{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,'
                f'"limit":{limits.orders_1d},"count":{day}}}'
            )
        return f',"rateLimits":{text}]}}'.encode()


def _texts(params: dict[str, Any]) -> dict[str, str]:
    """The parameters as REST would send them."""
    for name, value in params.items():
        if type(value) is str:
            continue
        if value is True or value is False:
            params[name] = "true" if value else "false"
        elif type(value) is int:
            params[name] = str(value)
        else:
            params[name] = "" if value is None else encode(value).decode()
    return params


def _countable(params: dict[str, str]) -> dict[str, str]:
    """Parameters that a weight may be computed from before they are checked."""
    limit = params.get("limit")
    if limit is not None and not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        return {name: value for name, value in params.items() if name != "limit"}
    return params


def _unsigned(params: dict[str, str]) -> dict[str, str]:
    for name in SIGNATURE_NAMES:
        params.pop(name, None)
    return params


def _is_id(raw: bytes) -> bool:
    return len(raw) <= ID_LIMIT_BYTES and (raw == b"null" or raw[:1] in b'"-0123456789')
