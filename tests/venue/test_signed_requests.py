"""Signed requests of all three kinds of keys against a running venue: bytes as sent, windows, replays."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.sync.client import connect

from engine.core.clock import NS_PER_MS, wall_ns
from tests.venue.live import SYMBOL, LiveVenue

KINDS = ("hmac", "ed25519", "rsa")


def _now_ms() -> int:
    return wall_ns() // NS_PER_MS


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_each_kind_trade_and_read(live: LiveVenue, kind: str) -> None:
    book = live.http.get("/api/v3/ticker/bookTicker", params={"symbol": SYMBOL}).json()
    price = f"{float(book['bidPrice']) * 0.9:.2f}"
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "10",
             "price": price}  # fmt: skip
    placed = live.send("POST", "/api/v3/order", bot=kind, in_body=True, **terms)
    assert placed.status_code == 200, placed.text
    number = placed.json()["orderId"]
    opened = live.send("GET", "/api/v3/openOrders", bot=kind, symbol=SYMBOL).json()
    assert [order["orderId"] for order in opened] == [number]
    gone = live.send("DELETE", "/api/v3/order", bot=kind, symbol=SYMBOL, orderId=number)
    assert gone.json()["status"] == "CANCELED"
    stamp_us = live.send("GET", "/api/v3/account", bot=kind, timestamp=wall_ns() // 1_000)
    assert stamp_us.status_code == 200, "a timestamp may count microseconds"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("escape", [quote, str.lower, str])
def test_a_signature_is_of_the_bytes_as_they_are_sent(live: LiveVenue, kind: str, escape: Any) -> None:
    name = escape(quote("a:b/c", safe=""))
    text = f"symbol={SYMBOL}&origClientOrderId={name}&timestamp={_now_ms()}"
    answer = live.send_text("GET", "/api/v3/order", text, live.bots[kind])
    expected = -1100 if escape is quote else -2013  # quoted twice: a name with percent signs
    assert answer.json()["code"] == expected
    signer = live.bots[kind]
    other = text.replace("%3A", ":").replace("%3a", ":").replace("%253A", ":")
    forged = live.http.get(
        f"/api/v3/order?{text}&signature={quote(signer.sign(other), safe='')}", headers=signer.headers
    )
    assert forged.json() == {"code": -1022, "msg": "Signature for this request is not valid."}


@pytest.mark.parametrize("kind", KINDS)
def test_query_and_body_are_signed_one_after_the_other(live: LiveVenue, kind: str) -> None:
    signer = live.bots[kind]
    query, body = f"symbol={SYMBOL}&side=BUY&type=MARKET", f"quantity=1&timestamp={_now_ms()}"
    signature = quote(signer.sign(query + body), safe="")
    headers = signer.headers | {"Content-Type": "application/x-www-form-urlencoded"}
    good = live.http.post(
        f"/api/v3/order/test?{query}", content=f"{body}&signature={signature}", headers=headers
    )
    assert good.json() == {}
    swapped = quote(signer.sign(body + query), safe="")
    bad = live.http.post(
        f"/api/v3/order/test?{query}", content=f"{body}&signature={swapped}", headers=headers
    )
    assert bad.json()["code"] == -1022


def test_a_key_s_signature_is_no_other_key_s(live: LiveVenue) -> None:
    text = f"timestamp={_now_ms()}"
    for kind in KINDS:
        for other in KINDS:
            signature = quote(live.bots[other].sign(text), safe="")
            answer = live.http.get(
                f"/api/v3/account?{text}&signature={signature}", headers=live.bots[kind].headers
            )
            assert (answer.status_code == 200) == (kind == other), (kind, other)
            if kind != other:
                assert answer.json()["code"] in (-1022, -1100)


def test_a_replayed_request_is_refused_once_its_window_is_over(live: LiveVenue) -> None:
    signer = live.bots["hmac"]
    sent_ms = _now_ms() - 10_000
    for window, code in (("60000", None), ("5000", -1021), ("9999.999", -1021)):
        text = f"recvWindow={window}&timestamp={sent_ms}"
        answer = live.send_text("GET", "/api/v3/account", text, signer)
        assert answer.json().get("code") == code, window
    first = live.send_text("GET", "/api/v3/account", f"recvWindow=1&timestamp={_now_ms() - 50}", signer)
    assert first.json() == {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}


@pytest.mark.parametrize(
    ("signature", "code", "text"),
    [
        (None, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."),
        ("", -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."),
        ("0" * 64, -1022, "Signature for this request is not valid."),
        ("zz", -1022, "Signature for this request is not valid."),
        (
            "not hex!", -1100,
            "Illegal characters found in parameter 'signature'; legal range is '^[A-Fa-f0-9]{64}$'.",
        ),
    ],
)  # fmt: skip
def test_wrong_signatures(live: LiveVenue, signature: str | None, code: int, text: str) -> None:
    params: dict[str, Any] = {"timestamp": _now_ms()}
    if signature is not None:
        params["signature"] = signature
    answer = live.http.get("/api/v3/account", params=params, headers=live.bots["hmac"].headers)
    assert (answer.status_code, answer.json()) == (400, {"code": code, "msg": text})


@pytest.mark.parametrize(
    ("api_key", "code"),
    [(None, -2014), ("short", -2014), ("x" * 64, -2015), ("a b" * 20, -2014), ("Ä" * 64, -2014)],
)
def test_wrong_keys(live: LiveVenue, api_key: str | None, code: int) -> None:
    headers = {} if api_key is None else {"X-MBX-APIKEY": api_key.encode("latin-1")}
    text = {-2014: "API-key format invalid.", -2015: "Invalid API-key, IP, or permissions for action."}[code]
    answer = live.http.get("/api/v3/account", params={"timestamp": _now_ms()}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"code": code, "msg": text})


@pytest.mark.parametrize("kind", KINDS)
def test_the_socket_signs_sorted_parameters(live: LiveVenue, kind: str) -> None:
    signer = live.bots[kind]
    url = str(live.http.base_url).replace("http", "ws")
    with connect(f"{url}/ws-api/v3") as connection:
        params: dict[str, Any] = {
            "timestamp": _now_ms(), "symbol": SYMBOL, "apiKey": signer.shown.api_key,
            "returnRateLimits": False,
        }  # fmt: skip
        text = "&".join(
            f"{name}={'false' if value is False else value}" for name, value in sorted(params.items())
        )
        params["signature"] = signer.sign(text)
        connection.send(json.dumps({"id": "a", "method": "openOrders.status", "params": params}))
        answer = json.loads(connection.recv(5))
        assert (answer["id"], answer["status"], answer["result"]) == ("a", 200, []), answer
        assert "rateLimits" not in answer
        params["signature"] = signer.sign("&".join(f"{name}={value}" for name, value in params.items()))
        connection.send(json.dumps({"id": 7, "method": "openOrders.status", "params": params}))
        answer = json.loads(connection.recv(5))
        assert (answer["id"], answer["error"]["code"]) == (7, -1022)


def test_no_secret_shows_in_statistics_reprs_or_refusals(live: LiveVenue) -> None:
    shown = live.bots["hmac"].shown
    wrong = live.http.get(
        "/api/v3/account", params={"timestamp": _now_ms(), "signature": "0" * 64},
        headers=live.bots["hmac"].headers,
    )  # fmt: skip
    unknown = live.http.get("/api/v3/account", headers={"X-MBX-APIKEY": shown.secret})
    texts = [
        wrong.text, unknown.text, repr(live.api.statistics()), repr(live.keys), repr(live.keys.keys),
        repr(shown), str(wrong.headers), live.http.get("/status").text,
        live.http.get("/api/v3/openapi.json").text,
    ]  # fmt: skip
    for text in texts:
        assert shown.secret not in text
        assert shown.api_key not in text


def test_many_clients_at_once_each_get_their_own_answers(live: LiveVenue) -> None:
    async def ask(number: int) -> list[str]:
        signer = live.bots[KINDS[number % 3]]
        async with httpx.AsyncClient(base_url=live.http.base_url, trust_env=False) as http:
            names = []
            for turn in range(3):
                asked = f"symbol={SYMBOL}&origClientOrderId=n{number}.{turn}&recvWindow=60000"
                text = f"{asked}&timestamp={_now_ms()}"
                signature = quote(signer.sign(text), safe="")
                answer = await http.get(f"/api/v3/order?{text}&signature={signature}", headers=signer.headers)
                names.append(answer.json()["msg"])
            return names

    async def all_of_them() -> list[list[str]]:
        return await asyncio.gather(*(ask(number) for number in range(12)))

    assert asyncio.run(all_of_them()) == [["Order does not exist."] * 3] * 12
