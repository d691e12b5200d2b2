"""The WebSocket stream over a fake host: greeting, books, reports without loss, orders inward."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from engine.api import gateway, stream
from engine.api.server import OrderApi
from engine.core.types import Account, Side, TimeInForce
from engine.market.orders import ReportKind
from tests.api.fake_host import FakeHost

DEADLINE_S = 20.0


class Client:
    """A stream's client that waits for the message it wants."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, message: Any) -> None:
        self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def receive(self, wanted: str, when: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self.connection.recv(timeout=DEADLINE_S))
            if message["type"] == wanted and when(message):
                return message


@contextmanager
def streaming(api: OrderApi, query: str = "", **headers: str) -> Iterator[Client]:
    assert api.url is not None
    url = api.url.replace("http:", "ws:") + "/api/v1/stream" + query
    with connect(url, proxy=None, additional_headers=headers, open_timeout=DEADLINE_S) as connection:
        yield Client(connection)


def test_a_stream_begins_with_hello_and_the_book(api: OrderApi, host: FakeHost) -> None:
    host.report(ReportKind.ACCEPTED, 7)
    with streaming(api) as client:
        hello = json.loads(client.connection.recv(timeout=DEADLINE_S))
        assert hello["type"] == "hello"
        assert hello["session_id"] == host.session_id
        assert hello["instrument"]["unit_lots"] == 100
        assert [order["client_id"] for order in hello["account"]["orders"]] == [7]
        assert hello["sequence"] == 1
        book = client.receive("book")
        assert (book["bid"], book["ask"], book["bids"]) == (100, 102, [[100, 7, 2], [99, 5, 1]])
        assert api.clients == 1


def test_a_new_frame_brings_a_new_book(api: OrderApi, host: FakeHost) -> None:
    with streaming(api) as client:
        client.receive("book")
        host.show([(90, 1)], [])
        book = client.receive("book", lambda message: bool(message["bid"] == 90))
        assert (book["ask"], book["asks"]) == (None, [])


def test_reports_come_in_order_and_without_loss(api: OrderApi, host: FakeHost) -> None:
    with streaming(api) as client:
        client.receive("hello")
        for client_id in range(1, 501):
            host.report(ReportKind.ACCEPTED, client_id, side=client_id % 2)
        reports = [client.receive("report") for _ in range(500)]
    assert [report["sequence"] for report in reports] == list(range(1, 501))
    assert reports[0] == {
        "type": "report", "sequence": 1, "time_ns": 5, "account": 2, "client_id": 1, "order_id": 1001,
        "kind": "accepted", "side": "sell", "price_ticks": 100, "qty_lots": 10, "filled_lots_last": 0,
        "fill_price_ticks": 0, "remaining_lots": 10, "reason": "", "fee": 0,
    }  # fmt: skip


def test_a_client_that_returns_gets_what_it_missed(api: OrderApi, host: FakeHost) -> None:
    for client_id in (1, 2, 3, 4):
        host.report(ReportKind.ACCEPTED, client_id)
    with streaming(api, f"?session={host.session_id}&since=2") as client:
        assert client.receive("hello")["sequence"] == 2
        assert [client.receive("report")["sequence"] for _ in range(2)] == [3, 4]


@pytest.mark.parametrize(
    "query", ["?session=another&since=2", "?since=2", "?session={}&since=x", "?since=99"]
)
def test_another_session_is_not_continued(api: OrderApi, host: FakeHost, query: str) -> None:
    for client_id in (1, 2, 3, 4):
        host.report(ReportKind.ACCEPTED, client_id)
    with streaming(api, query.format(host.session_id)) as client:
        assert client.receive("hello")["sequence"] == 4
        host.report(ReportKind.ACCEPTED, 5)
        assert client.receive("report")["sequence"] == 5


def test_orders_and_cancels_go_in(api: OrderApi, host: FakeHost) -> None:
    order = {"side": "sell", "type": "limit", "price_ticks": 105, "qty_lots": 3, "client_id": 9}
    with streaming(api) as client:
        client.send(order)
        assert client.receive("ack") == {"type": "ack", "op": "submit", "queued": True, "client_id": 9}
        client.send({"op": "submit", **order, "time_in_force": "POST_ONLY"})
        client.send({"op": "cancel", "client_id": 9})
        client.send(json.dumps({"op": "cancel_all"}).encode())
        assert [client.receive("ack")["op"] for _ in range(3)] == ["submit", "cancel", "cancel_all"]
    assert host.calls == [
        ("submit", Account.TARGET, Side.ASK, 105, 3, TimeInForce.GTC, 9),
        ("submit", Account.TARGET, Side.ASK, 105, 3, TimeInForce.POST_ONLY, 9),
        ("cancel", Account.TARGET, 9),
        ("cancel_all", Account.TARGET),
    ]


@pytest.mark.parametrize("message", ["", "{", "[]", '{"op": "buy"}', '{"op": "cancel"}', b"\xff\xfe"])
def test_a_wrong_message_gets_an_error_and_the_stream_goes_on(api: OrderApi, message: str | bytes) -> None:
    with streaming(api) as client:
        client.send(message)
        error = client.receive("error")
        assert error["code"] == "bad_request"
        assert error["message"]
        client.send({"op": "cancel_all"})
        client.receive("ack")


def test_a_refused_request_names_its_order(api: OrderApi, host: FakeHost) -> None:
    host.queue_full = True
    with streaming(api) as client:
        client.send({"op": "submit", "side": "buy", "price_ticks": 5, "qty_lots": 3, "client_id": 9})
        error = client.receive("error")
        assert (error["code"], error["op"], error["client_id"]) == ("queue_full", "submit", 9)
        client.send({"op": "cancel_all"})
        assert client.receive("error")["op"] == "cancel_all"


def test_a_message_that_is_too_long_ends_the_stream(api: OrderApi) -> None:
    with streaming(api) as client:
        client.send(" " * 20_000)
        with pytest.raises(ConnectionClosed) as closed:
            client.receive("ack")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_a_new_session_is_announced_in_an_open_stream(api: OrderApi, host: FakeHost) -> None:
    host.report(ReportKind.ACCEPTED, 7)
    with streaming(api) as client:
        client.receive("hello")
        restarted = FakeHost(host.session_id + "-again")
        restarted.report(ReportKind.ACCEPTED, 8)
        api.attach(restarted)
        hello = client.receive("hello")
        assert (hello["session_id"], hello["sequence"]) == (restarted.session_id, 0)
        assert (hello["account"]["position_lots"], hello["account"]["orders"]) == (0, [])
        report = client.receive("report")
        assert (report["sequence"], report["client_id"]) == (1, 8)


def test_a_hole_in_the_reports_ends_the_stream(api: OrderApi) -> None:
    host = FakeHost("small ring", ring=2)
    api.attach(host)
    with streaming(api) as client:
        client.receive("hello")
        skipped = [host.report(ReportKind.ACCEPTED, client_id) for client_id in range(1, 50)]
        with pytest.raises(ConnectionClosed) as closed:
            client.receive("report", lambda report: bool(report["sequence"] == len(skipped)))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


def test_a_client_that_does_not_read_is_closed_with_1013(
    api: OrderApi, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "REPORT_QUEUE_LIMIT", 10)
    with streaming(api) as client:
        client.receive("hello")
        for client_id in range(1, 100):
            host.report(ReportKind.ACCEPTED, client_id)
        with pytest.raises(ConnectionClosed) as closed:
            client.receive("report", lambda report: bool(report["sequence"] == 99))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        assert api.statistics()["slow_streams"] >= 1


def test_a_client_that_never_reads_does_not_hold_the_others(api: OrderApi, host: FakeHost) -> None:
    before = api.statistics()["slow_streams"]
    assert api.url is not None
    port = int(api.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as deaf, streaming(api) as client:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(
            b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert deaf.recv(12) == b"HTTP/1.1 101"
        client.receive("hello")
        sent = 0
        while api.statistics()["slow_streams"] == before:
            for _ in range(200):
                sent += 1
                host.report(ReportKind.ACCEPTED, sent)
            while client.receive("report")["sequence"] < sent:
                continue
            assert sent < 1_000_000
        assert api.clients == 1


def test_too_many_streams_are_refused(api: OrderApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "STREAM_LIMIT", 1)
    with streaming(api) as client:
        client.receive("hello")
        with pytest.raises(InvalidStatus) as refused, streaming(api):
            raise AssertionError("a second stream was opened")
        assert refused.value.response.status_code == 503


def test_a_foreign_origin_gets_no_stream(api: OrderApi) -> None:
    with pytest.raises(InvalidStatus) as refused, streaming(api, Origin="http://evil.example"):
        raise AssertionError("the stream was opened")
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body or b"")["error"]["code"] == "foreign_origin"


def test_a_stream_needs_the_token(host: FakeHost) -> None:
    server = OrderApi(host, token="s3cret")
    server.start()
    assert server.wait_listening(20)
    with pytest.raises(InvalidStatus) as refused, streaming(server):
        raise AssertionError("the stream was opened")
    assert refused.value.response.status_code == 401
    with streaming(server, Authorization="Bearer s3cret") as client:
        client.receive("hello")
        server.stop()
        with pytest.raises(ConnectionClosed):
            client.receive("ack")


def test_an_http_request_to_the_stream_is_refused(client: httpx.Client) -> None:
    response = client.get("/api/v1/stream")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "no_such_route"


def test_a_failing_host_does_not_end_the_feed(api: OrderApi, host: FakeHost) -> None:
    with streaming(api) as client:
        client.receive("book")
        before = api.statistics()["internal_errors"]
        host.failure = RuntimeError("a defect of the host")
        while api.statistics()["internal_errors"] == before:
            client.connection.ping().wait(DEADLINE_S)
        host.failure = None
        host.show([(91, 1)], [])
        client.receive("book", lambda message: bool(message["bid"] == 91))
