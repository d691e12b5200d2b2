"""The order API's server with the venue on its port, around a live host."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import httpx
import pytest
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

from engine.api.server import OrderApi, VenueOptions
from engine.host.live import LiveOptions, SessionHost
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from engine.venue.keys import KeyStore


def _host(tmp_path: Path) -> SessionHost:
    return SessionHost(SessionConfig(load_scenario("balanced"), seed=3), LiveOptions(runs_root=tmp_path))


def test_one_port_serves_the_order_api_and_the_venue_and_outlives_its_session(tmp_path: Path) -> None:
    first, second = _host(tmp_path), _host(tmp_path)
    before_s = sys.getswitchinterval()
    api = OrderApi(first, venue=VenueOptions(KeyStore()))
    first.run_thread()
    api.start()
    try:
        assert api.wait_listening(20), api.error
        assert api.url is not None
        with httpx.Client(base_url=api.url) as http:
            assert http.get("/health").json() == {"status": "ok"}
            assert http.get("/api/v1/instrument").json()["symbol"] == "ACME"
            assert http.get("/api/v3/exchangeInfo").json()["symbols"][0]["symbol"] == "ACMEUSD"
            first.stop(5)
            api.attach(second)
            second.run_thread()
            assert http.get("/api/v3/ping").status_code == 200
            assert http.get("/api/v3/depth", params={"symbol": "ACMEUSD"}).status_code == 200
        assert api.statistics()["venue_internal_errors"] == 0
    finally:
        api.stop()
        first.stop(5)
        second.stop(5)
    assert sys.getswitchinterval() == before_s


def test_without_options_there_is_no_venue(tmp_path: Path) -> None:
    host = _host(tmp_path)
    api = OrderApi(host)
    api.start()
    try:
        assert api.wait_listening(20), api.error
        assert api.url is not None
        assert httpx.get(f"{api.url}/api/v3/ping").json()["error"]["code"] == "no_such_route"
    finally:
        api.stop()


@pytest.mark.parametrize("path", ["/ws", "/stream?streams=acmeusd@trade", "/ws-api/v3"])
def test_pings_say_a_text_since_clients_may_take_them_for_one(tmp_path: Path, monkeypatch, path: str) -> None:
    monkeypatch.setattr("engine.venue.binance.socket.PING_S", 0.01)
    host = _host(tmp_path)
    api = OrderApi(host, venue=VenueOptions(KeyStore()))
    api.start()
    try:
        assert api.wait_listening(20), api.error
        assert api.url is not None
        client = ClientProtocol(parse_uri(f"ws{api.url.removeprefix('http')}{path}"))
        address, _, port = api.url.removeprefix("http://").partition(":")
        with socket.create_connection((address, int(port)), timeout=20) as connection:
            client.send_request(client.connect())
            connection.sendall(b"".join(client.data_to_send()))
            pings: list[bytes] = []
            while len(pings) < 2:
                client.receive_data(connection.recv(4096))
                frames = [event for event in client.events_received() if hasattr(event, "opcode")]
                pings += [bytes(frame.data) for frame in frames if frame.opcode is Opcode.PING]
                connection.sendall(b"".join(client.data_to_send()))
        assert all(ping.isdigit() for ping in pings)
    finally:
        api.stop()
