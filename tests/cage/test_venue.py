"""A bot without any library trades from inside a cage at the venue of a live session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.api.server import OrderApi, VenueOptions
from engine.host.live import LiveOptions, SessionHost
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from engine.venue.keys import KeyStore
from tests.cage.test_cage import Cage, in_namespaces

pytestmark = [in_namespaces, pytest.mark.usefixtures("machine_code")]

BOT = """
import asyncio, hashlib, hmac, json, sys, time, urllib.parse, urllib.request
from websockets.asyncio.client import connect

HOST, KEY, SECRET = sys.argv[1:]

def ask(path, **params):
    address = f"https://{HOST}{path}?{urllib.parse.urlencode(params)}"
    with urllib.request.urlopen(address, timeout=20) as answer:
        return json.load(answer)

def signed(method, path, **params):
    query = urllib.parse.urlencode(params | {"timestamp": int(time.time() * 1000)})
    query += "&signature=" + hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    address, headers = f"https://{HOST}{path}?{query}", {"X-MBX-APIKEY": KEY}
    request = urllib.request.Request(address, None, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)

async def streams():
    async with connect("wss://stream.binance.com:9443/ws/btcusdt@bookTicker") as stream:
        told = json.loads(await stream.recv())
    async with connect("wss://ws-api.binance.com/ws-api/v3") as api:
        await api.send(json.dumps({"id": 1, "method": "time"}))
        return told["s"], json.loads(await api.recv())["status"]

(rules,) = ask("/api/v3/exchangeInfo")["symbols"]
low = float(ask("/api/v3/depth", symbol=rules["symbol"], limit=5)["bids"][0][0]) - 1000
order = {"symbol": rules["symbol"], "side": "BUY", "quantity": "0.002"}
resting = signed("POST", "/api/v3/order", **order, type="LIMIT", timeInForce="GTC", price=low)
bought = signed("POST", "/api/v3/order", **order, type="MARKET")
gone = signed("DELETE", "/api/v3/order", symbol=rules["symbol"], orderId=resting["orderId"])
balances = {one["asset"]: one["free"] for one in signed("GET", "/api/v3/account")["balances"]}
statuses = [one["status"] for one in (resting, bought, gone)]
print(json.dumps([*statuses, balances["BTC"], asyncio.run(streams())]))
"""


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[tuple[Cage, str, str]]:
    """A cage at a live session, and the key of a bot."""
    keys = KeyStore()
    key = keys.create("bot")
    host = SessionHost(SessionConfig(load_scenario("btcusdt"), seed=5), LiveOptions(runs_root=tmp_path))
    api = OrderApi(host, venue=VenueOptions(keys))
    host.run_thread()
    api.start()
    try:
        assert api.wait_listening(20), api.error
        assert api.url is not None
        folder = tmp_path / "temporary"
        folder.mkdir()
        yield Cage(int(api.url.rpartition(":")[2]), folder), key.api_key, key.secret
    finally:
        api.stop()
        host.stop(5)


@pytest.mark.parametrize("name", ["api.binance.com", "testnet.binance.vision", "api.other.exchange"])
def test_a_bot_trades_at_the_venue_under_any_name_of_the_exchange(venue, name):
    """The last of them is none of Binance's: the user named it (`--host`)."""
    cage, key, secret = venue
    resting, bought, gone, base, streams = json.loads(cage.python(BOT, name, key, secret))
    assert (resting, bought, gone) == ("NEW", "FILLED", "CANCELED")
    assert Decimal(base) == Decimal("1.002")
    assert streams == ["BTCUSDT", 200]
