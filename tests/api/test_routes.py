"""The HTTP routes over a fake host: requests, refusals, and who may come in."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.api.messages import RequestRefusedError, decode_message, decode_order, order_terms
from engine.api.server import OrderApi
from engine.core.errors import StormError, UsageError
from engine.core.types import Account, Side, TimeInForce
from engine.frame import OrderView
from engine.market.orders import ReportKind
from tests.api.fake_host import FakeHost

LIMIT = {"side": "buy", "type": "limit", "price_ticks": 99, "qty_lots": 5, "client_id": 1}


def error_of(response: httpx.Response) -> tuple[int, str]:
    answer = response.json()
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"code", "message"}
    assert answer["error"]["message"]
    return response.status_code, answer["error"]["code"]


# -- views


def test_health_and_status_answer(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    status = client.get("/status").json()
    assert status["service"] == "stormdesk-order-api"
    assert (status["mode"], status["replaying"], status["symbol"]) == ("live", False, "BTCUSDT")
    assert status["api"]["streams"] == 0


def test_the_instrument_is_told_exactly(client: httpx.Client) -> None:
    assert client.get("/api/v1/instrument").json() == {
        "symbol": "BTCUSDT",
        "instrument_id": 1,
        "tick_size": "0.01",
        "lot_size": "0.00001",
        "currency": "USD",
        "unit_lots": 100,
        "price_decimals": 2,
        "session_id": "session-1",
    }


def test_the_book_has_the_levels_asked_for(client: httpx.Client, host: FakeHost) -> None:
    book = client.get("/api/v1/book", params={"levels": 1}).json()
    assert (book["bid"], book["bid_lots"], book["ask"], book["ask_lots"]) == (100, 7, 102, 3)
    assert book["bids"] == [[100, 7, 2]]
    assert len(client.get("/api/v1/book").json()["bids"]) == 2
    host.show([], [])
    book = client.get("/api/v1/book").json()
    assert (book["bid"], book["bid_lots"], book["bids"]) == (None, 0, [])


@pytest.mark.parametrize("levels", ["0", "121", "-1", "x", "1.5", "", "9" * 5000])
def test_a_wrong_number_of_levels_is_refused(client: httpx.Client, levels: str) -> None:
    assert error_of(client.get("/api/v1/book", params={"levels": levels})) == (400, "bad_request")


def test_orders_and_account_follow_the_reports(client: httpx.Client, host: FakeHost) -> None:
    host.report(ReportKind.ACCEPTED, 7)
    host.report(ReportKind.PARTIALLY_FILLED, 7, filled_lots_last=4, fill_price_ticks=100, remaining_lots=6)
    host.show_orders(OrderView(1007, "bot", 0, 100, 6, 55))
    (order,) = client.get("/api/v1/orders").json()["orders"]
    assert (order["client_id"], order["side"], order["remaining_lots"]) == (7, "buy", 6)
    assert order["ahead_lots"] == 55
    account = client.get("/api/v1/account").json()
    assert (account["position_lots"], account["open_orders"], account["complete"]) == (4, 1, True)


# -- requests


def test_a_limit_order_reaches_the_host_as_target(client: httpx.Client, host: FakeHost) -> None:
    response = client.post("/api/v1/orders", json=LIMIT)
    assert response.status_code == 202
    assert response.json() == {"op": "submit", "queued": True, "client_id": 1}
    assert host.calls == [("submit", Account.TARGET, Side.BID, 99, 5, TimeInForce.GTC, 1)]


def test_a_market_order_has_price_0_and_is_ioc(client: httpx.Client, host: FakeHost) -> None:
    order = {"side": "sell", "type": "market", "qty_lots": 5, "client_id": 2}
    assert client.post("/api/v1/orders", json=order).status_code == 202
    assert host.calls == [("submit", Account.TARGET, Side.ASK, 0, 5, TimeInForce.IOC, 2)]


def test_cancels_reach_the_host(client: httpx.Client, host: FakeHost) -> None:
    assert client.delete("/api/v1/orders/12").status_code == 202
    assert client.delete("/api/v1/orders").status_code == 202
    assert host.calls == [("cancel", Account.TARGET, 12), ("cancel_all", Account.TARGET)]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"side": "long"}, "side"),
        ({"price_ticks": 1.5}, "price_ticks"),
        ({"price_ticks": "99"}, "price_ticks"),
        ({"price_ticks": 0}, "price_ticks"),
        ({"price_ticks": None}, "price_ticks"),
        ({"qty_lots": -1}, "qty_lots"),
        ({"qty_lots": 10**30}, "qty_lots"),
        ({"client_id": 0}, "client_id"),
        ({"client_id": True}, "client_id"),
        ({"time_in_force": "DAY"}, "time_in_force"),
        ({"type": "stop"}, "type"),
        ({"type": "market"}, "price_ticks"),
        ({"type": "market", "price_ticks": None, "time_in_force": "GTC"}, "time_in_force"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_order_is_refused_with_its_key(
    client: httpx.Client, host: FakeHost, change: dict[str, Any], word: str
) -> None:
    response = client.post("/api/v1/orders", json=LIMIT | change)
    assert error_of(response) == (400, "bad_request")
    assert word in response.json()["error"]["message"]
    assert host.calls == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"NaN", b"[" * 9_000])
def test_a_body_that_is_no_order_is_refused(client: httpx.Client, body: bytes) -> None:
    assert error_of(client.post("/api/v1/orders", content=body)) == (400, "bad_request")


def test_a_body_that_is_too_long_is_refused(client: httpx.Client) -> None:
    assert error_of(client.post("/api/v1/orders", content=b" " * 20_000)) == (413, "body_too_long")


def test_a_full_queue_is_told(client: httpx.Client, host: FakeHost) -> None:
    host.queue_full = True
    assert error_of(client.post("/api/v1/orders", json=LIMIT)) == (503, "queue_full")


def test_a_replay_takes_no_orders(client: httpx.Client, host: FakeHost) -> None:
    host.set_mode("replay")
    assert error_of(client.post("/api/v1/orders", json=LIMIT)) == (409, "replaying")


def test_a_refusal_of_the_host_is_passed_on(client: httpx.Client, host: FakeHost) -> None:
    host.submit_order = refuse  # type: ignore[method-assign]
    response = client.post("/api/v1/orders", json=LIMIT)
    assert error_of(response) == (400, "refused")
    assert response.json()["error"]["message"] == "not now"


def refuse(*_: object) -> bool:
    raise StormError("not now")


def test_a_defect_of_the_host_is_a_500_and_counted(client: httpx.Client, host: FakeHost) -> None:
    host.failure = RuntimeError("secret detail")
    response = client.get("/api/v1/book")
    assert error_of(response) == (500, "internal_error")
    assert "secret" not in response.text
    host.failure = None
    assert client.get("/status").json()["api"]["internal_errors"] >= 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v2/book", 404),
        ("PUT", "/api/v1/orders", 405),
        ("POST", "/health", 405),
    ],
)
def test_unknown_routes_answer_in_the_one_shape_of_errors(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    assert error_of(client.request(method, path))[0] == status


# -- the door


def test_a_foreign_origin_is_refused(client: httpx.Client, host: FakeHost) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"):
        response = client.post("/api/v1/orders", json=LIMIT, headers={"Origin": origin})
        assert error_of(response) == (403, "foreign_origin")
    assert host.calls == []
    own = str(client.base_url).rstrip("/")
    assert client.get("/status", headers={"Origin": own}).status_code == 200


def test_a_foreign_host_is_refused(client: httpx.Client) -> None:
    for name in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:1:evil"):
        assert error_of(client.get("/status", headers={"Host": name})) == (403, "foreign_host")
    for name in ("localhost", "localhost:1234", "127.0.0.1", "[::1]:5"):
        assert client.get("/status", headers={"Host": name}).status_code == 200


def test_another_account_is_refused(client: httpx.Client) -> None:
    assert client.get("/status", headers={"X-Account": "target"}).status_code == 200
    assert error_of(client.get("/status", headers={"X-Account": "desk"})) == (403, "unknown_account")


def test_with_a_token_only_health_is_open(host: FakeHost) -> None:
    server = OrderApi(host, token="s3cret")
    server.start()
    assert server.wait_listening(20)
    with httpx.Client(base_url=server.url or "", trust_env=False) as http:
        assert http.get("/health").status_code == 200
        assert error_of(http.get("/status")) == (401, "no_token")
        assert error_of(http.get("/status", headers={"Authorization": "Bearer s3cre"})) == (401, "no_token")
        assert http.get("/status", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    server.stop()


@pytest.mark.parametrize("name", ["0.0.0.0", "192.168.1.1", "::", "example.org", ""])
def test_an_address_beyond_loopback_needs_a_token(host: FakeHost, name: str) -> None:
    with pytest.raises(UsageError, match="set a token"):
        OrderApi(host, host_name=name)
    OrderApi(host, host_name=name, token="t")


# -- the server's life


def test_a_taken_port_is_told_when_starting(host: FakeHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = OrderApi(host, port=other.getsockname()[1])
        with pytest.raises(UsageError, match="choose another port"):
            server.start()


def test_a_port_that_is_none_is_told_when_starting(host: FakeHost) -> None:
    for port in (-1, 65_536):
        with pytest.raises(UsageError, match="not a port"):
            OrderApi(host, port=port).start()


def test_the_url_is_known_while_it_listens(host: FakeHost) -> None:
    server = OrderApi(host)
    assert server.url is None
    server.start()
    url = server.address
    assert url is not None
    assert server.wait_listening(20)
    assert server.url == url
    server.stop()
    assert (server.url, server.error) == (None, None)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health", trust_env=False)


def test_it_can_be_stopped_before_it_listens(host: FakeHost) -> None:
    server = OrderApi(host)
    server.stop()
    server.start()
    server.stop()
    assert server.error is None


def test_importing_the_server_imports_no_web_library() -> None:
    code = (
        "import sys, engine.api.server\n"
        "sys.exit(any(name in sys.modules for name in ('uvicorn', 'starlette', 'websockets', 'msgspec')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


# -- the decoder

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from([*LIMIT, "time_in_force", "op", "x"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES) | st.lists(VALUES))
def test_no_json_gets_past_the_decoder_out_of_range(changes: Any) -> None:
    answer = LIMIT | changes if isinstance(changes, dict) else changes
    data = json.dumps(answer).encode()
    try:
        side, price_ticks, tif = order_terms(decode_order(data))
    except RequestRefusedError:
        return
    assert side in Side
    assert 0 <= price_ticks < 2**63
    assert tif in TimeInForce


@given(st.binary(max_size=100))
def test_no_bytes_make_the_decoder_raise_anything_else(data: bytes) -> None:
    for message in (data, data + b'"op"'):
        with pytest.raises(RequestRefusedError):
            decode_message(message)
