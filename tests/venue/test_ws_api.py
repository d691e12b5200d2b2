"""The WS-API over a real connection: requests, sessions, user events."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from engine.venue.binance import socket as wire
from engine.venue.binance.endpoints import ENDPOINTS
from engine.venue.binance.limits import Limits
from engine.venue.binance.ws_api import ApiSession, WsApi
from tests.venue.rig import Api, Rig, new_port, sign_params

EXECUTION_FIELDS = set("eEscSofqpPFgCxXrilzLnNTtIwmMOZYQWV")


async def test_an_id_comes_back_as_it_was_sent() -> None:
    async with Rig().socket() as api:
        for number in ("7", '"a-b_1"', "null", "-3", '"7"'):
            await api.connection.send(f'{{"id": {number}, "method": "ping"}}')
            text = await api.connection.recv()
            assert isinstance(text, str)
            assert text.startswith(f'{{"id":{number},"status":200,"result":{{}},"rateLimits":[')


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", -1135),
        ("[]", -1135),
        ('{"id": 1}', -1135),
        ('{"id": {}, "method": "ping"}', -1100),
        ('{"id": 1, "method": "nope"}', -1130),
        ('{"id": 1, "method": "depth", "params": {"symbol": null}}', -1102),
        ('{"id": 1, "method": "depth", "params": {"symbol": ["x"]}}', -1100),
        ('{"id": 1, "method": "order.place"}', -1102),
        ('{"id": 1, "method": "userDataStream.subscribe"}', -2015),
        ('{"id": 1, "method": "userDataStream.unsubscribe"}', -2036),
    ],
)
async def test_a_request_that_makes_no_sense_gets_an_error_and_the_connection_stays(
    text: str, code: int
) -> None:
    async with Rig().socket() as api:
        await api.connection.send(text)
        answer = await api.receive()
        assert answer["error"]["code"] == code
        assert answer["status"] >= 400
        assert (await api.ask("ping"))["status"] == 200


async def test_public_data_take_an_api_key_that_nobody_asked_for() -> None:
    async with Rig().socket() as api:
        asked = {"symbol": api.rig.symbol, "apiKey": api.rig.key.api_key, "limit": 1}
        assert (await api.ask("trades.historical", **asked))["status"] == 200


async def test_rate_limits_show_unless_they_are_not_wanted() -> None:
    rig = Rig(limits=Limits(weight_1m=100))
    async with rig.socket() as api:
        shown = (await api.ask("ping"))["rateLimits"]
        assert shown == [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": 100,
                "count": 3,
            }
        ]
        assert "rateLimits" not in await api.ask("ping", returnRateLimits=False)
        async with connect(f"ws://{rig.url}/ws-api/v3?returnRateLimits=false") as quiet:
            await quiet.send('{"id":1,"method":"ping"}')
            assert "rateLimits" not in json.loads(await quiet.recv())
        for _ in range(4):
            answer = await api.ask("exchangeInfo")
        answer = await api.ask("exchangeInfo")
        assert (answer["status"], answer["error"]["code"]) == (429, -1003)
        assert answer["error"]["data"]["retryAfter"] > answer["error"]["data"]["serverTime"]


async def test_an_order_over_the_socket_shows_order_counts() -> None:
    async with Rig().socket() as api:
        await api.order()
        answer = await api.receive()
        assert answer["result"]["status"] == "NEW"
        assert [limit["rateLimitType"] for limit in answer["rateLimits"]] == [
            "REQUEST_WEIGHT",
            "ORDERS",
            "ORDERS",
        ]
        assert [limit["count"] for limit in answer["rateLimits"][1:]] == [1, 1]


async def test_numbers_and_strings_are_signed_as_they_are_written() -> None:
    async with Rig().socket() as api:
        price = float(api.rig.price("bid", 6))
        await api.order(price=price, quantity=10)
        assert (await api.receive())["status"] == 200
        params = sign_params(api.rig, {"symbol": api.rig.symbol}) | {"signature": "0" * 64}
        answer = await api.ask("openOrders.status", **params)
        assert answer["error"] == {"code": -1022, "msg": "Signature for this request is not valid."}


async def test_user_events_come_in_order_after_the_answer_that_caused_them() -> None:
    async with Rig().socket() as api:
        await api.ask("account.status", signed=True)
        assert (await api.ask("userDataStream.subscribe.signature", signed=True))["result"] == {
            "subscriptionId": 0
        }
        again = await api.ask("userDataStream.subscribe.signature", signed=True)
        assert again["error"]["code"] == -2035
        await api.order(newClientOrderId="mine")
        assert (await api.receive())["result"]["clientOrderId"] == "mine"
        new = await _event(api)
        assert set(new) == EXECUTION_FIELDS
        assert (new["x"], new["X"], new["c"], new["C"], new["w"]) == ("NEW", "NEW", "mine", "", True)
        locked = await _event(api)
        assert locked["e"] == "outboundAccountPosition"
        assert any(float(balance["l"]) > 0 for balance in locked["B"])
        await api.send(
            "order.cancel",
            signed=True,
            symbol=api.rig.symbol,
            origClientOrderId="mine",
            newClientOrderId="bye",
        )
        assert (await api.receive())["result"]["status"] == "CANCELED"
        gone = await _event(api)
        assert (gone["x"], gone["c"], gone["C"]) == ("CANCELED", "bye", "mine")
        assert gone["I"] > new["I"]
        await _event(api)
        assert (await api.ask("userDataStream.unsubscribe", subscriptionId=0))["result"] == {}
        await api.order()
        assert "result" in await api.receive()


async def test_every_fill_is_told_once_and_agrees_with_the_answer() -> None:
    async with Rig().socket() as api:
        await api.ask("account.status", signed=True)
        await api.ask("userDataStream.subscribe.signature", signed=True)
        await api.order(price=api.rig.price("ask", 3), quantity="400", timeInForce="IOC")
        answer = (await api.receive())["result"]
        events = []
        while not events or events[-1]["e"] != "outboundAccountPosition":
            events.append(await _event(api))
        trades = [event for event in events if event.get("x") == "TRADE"]
        assert [trade["t"] for trade in trades] == [fill["tradeId"] for fill in answer["fills"]]
        assert [trade["n"] for trade in trades] == [fill["commission"] for fill in answer["fills"]]
        assert {trade["N"] for trade in trades} == {answer["fills"][0]["commissionAsset"]}


async def test_an_ed25519_session_needs_no_more_signatures_and_others_may_not_log_on() -> None:
    rig = Rig()
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    key = rig.keys.create("ed", public_key_pem=pem)
    async with rig.socket() as api:
        refused = await api.ask("session.logon", signed=True)
        assert refused["error"] == {"code": -4056, "msg": "HMAC_SHA256 API key is not supported."}
        text = f"apiKey={key.api_key}&timestamp={rig.now_ms}"
        signature = base64.b64encode(private.sign(text.encode())).decode()
        on = await api.ask("session.logon", apiKey=key.api_key, timestamp=rig.now_ms, signature=signature)
        assert (on["result"]["apiKey"], on["result"]["userDataStream"]) == (key.api_key, False)
        account = await api.ask("account.status", timestamp=rig.now_ms)
        assert account["result"]["canTrade"] is True
        assert (await api.ask("userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
        assert (await api.ask("session.status"))["result"]["userDataStream"] is True
        assert (await api.ask("account.status"))["error"]["code"] == -1102
        rig.keys.remove("ed")
        assert (await api.ask("account.status", timestamp=rig.now_ms))["error"]["code"] == -2015
        assert (await api.ask("session.logout"))["result"]["apiKey"] is None
        assert (await api.ask("account.status", timestamp=rig.now_ms))["error"]["code"] == -1102


async def test_a_new_session_ends_user_streams_and_answers_who_waits() -> None:
    async with Rig().socket() as api:
        rig = api.rig
        await api.ask("account.status", signed=True)
        await api.ask("userDataStream.subscribe.signature", signed=True)
        rig.port.silent = True
        await api.order()
        while not rig.gateway.statistics()["waiters"]:
            await asyncio.sleep(0)
        rig.app.attach(new_port("two"))
        assert (await _event(api))["e"] == "eventStreamTerminated"
        assert (await api.receive())["error"]["code"] == -1001
        assert (await api.ask("userDataStream.subscribe.signature", signed=True))["result"] == {
            "subscriptionId": 1
        }


async def test_lost_connections_and_the_end_of_the_venue_close_the_socket() -> None:
    rig = Rig()
    async with rig.socket() as api:
        rig.port.boundary.connections_lost += 1
        rig.port.advance(2_000_000_000)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(api.connection.recv(), 5)
        rig.port.boundary.is_down = True
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{rig.url}/ws-api/v3")
        rig.port.boundary.is_down = False
        async with connect(f"ws://{rig.url}/ws-api/v3") as last:
            await last.send('{"id":1,"method":"ping"}')
            await last.recv()
            rig.app.stop()
            assert json.loads(await last.recv())["event"]["e"] == "serverShutdown"
            with pytest.raises(ConnectionClosed):
                await last.recv()


async def test_foreign_origins_may_not_connect_and_closed_connections_leave_nothing() -> None:
    rig = Rig()
    async with rig.socket() as api:
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{rig.url}/ws-api/v3", origin="https://evil.example")  # type: ignore[arg-type]
        await api.ask("userDataStream.subscribe.signature", signed=True)
        assert rig.gateway.statistics()["users_listeners"] == 1
        await api.connection.close()
        while rig.gateway.statistics()["connections"]:
            await asyncio.sleep(0)
        assert rig.gateway.statistics()["users_listeners"] == 0


async def test_fragments_pings_and_oversized_messages_follow_the_protocol() -> None:
    async with Rig().socket() as api:
        await api.connection.send(['{"id":1,', '"method":', '"ping"}'])
        assert (await api.receive())["status"] == 200
        await asyncio.wait_for(await api.connection.ping(b"hello"), 5)
        await api.connection.send("x" * (wire.MESSAGE_LIMIT_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await api.connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize(
    "frame", [b"\x81\x02hi", b"\xc1\x80abcd", b"\x80\x80abcd", b"\x89\xfe\x00\x80abcd", b"\x83\x80abcd"]
)
async def test_frames_against_the_protocol_close_the_connection(frame: bytes) -> None:
    async with Rig().serve() as rig:
        host, port = rig.url.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /ws-api/v3 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # the answer in RFC 6455 to its own example
        writer.write(frame + b"\x00" * 200)
        rest = await asyncio.wait_for(reader.read(), 5)
        assert rest[:1] == b"\x88"
        writer.close()


async def test_a_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "OUT_LIMIT_BYTES", 100_000)
    async with Rig().serve() as rig:
        async with connect(f"ws://{rig.url}/ws-api/v3", max_queue=1, compression=None) as slow:
            with contextlib.suppress(ConnectionClosed):
                while not rig.gateway.slow_clients:
                    await slow.send('{"id":1,"method":"exchangeInfo"}')
        assert rig.gateway.slow_clients == 1
        async with connect(f"ws://{rig.url}/ws-api/v3") as other:
            await other.send('{"id":1,"method":"ping"}')
            assert json.loads(await other.recv())["status"] == 200


@settings(max_examples=150, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.from_regex(r'\{"id":\d,"method":"(depth|klines)","params":.*\}').map(str.encode),
    )
)
def test_no_message_raises_or_goes_unanswered(data: bytes) -> None:
    sent: list[bytes] = []
    session = _sessionless(sent)
    session.receive(data)
    assert len(sent) == 1
    assert json.loads(sent[0])["status"] in (200, 400, 401)
    assert session._gateway.internal_errors == 0


_RIG: list[Rig] = []


def _sessionless(sent: list[bytes]) -> ApiSession:
    if not _RIG:
        _RIG.append(Rig())
    rig = _RIG[0]
    handlers: dict[str, Any] = {
        endpoint.socket: rig.app._routes[endpoint.method, endpoint.path]
        for endpoint in ENDPOINTS
        if endpoint.socket and not endpoint.legacy
    }
    return ApiSession(WsApi(rig.gateway, handlers), "", "", sent.append, lambda code, reason: None)


async def _event(api: Api) -> dict[str, Any]:
    message = await api.receive()
    assert "event" in message, message
    event: dict[str, Any] = message["event"]
    return event
