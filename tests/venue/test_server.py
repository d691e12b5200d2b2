"""The order API's server with the venue on its port, around a live host."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

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
