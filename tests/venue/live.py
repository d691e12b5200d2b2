"""A real venue: session host and order API in threads of their own, keys of every kind, signed requests."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.api.server import OrderApi, VenueOptions
from engine.core.clock import NS_PER_MS, wall_ns
from engine.host.live import LiveOptions, SessionHost
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from engine.venue.binance.limits import Limits
from engine.venue.keys import KeyStore

WIDE = Limits(weight_1m=10**9, orders_10s=10**9, orders_1d=10**9)
SYMBOL = "ACMEUSD"


class Signer:
    """A bot's side of a key."""

    def __init__(self, keys: KeyStore, kind: str) -> None:
        self.private: Any = None
        if kind == "ed25519":
            self.private = ed25519.Ed25519PrivateKey.generate()
        elif kind == "rsa":
            self.private = rsa.generate_private_key(65_537, 2_048)
        pem = ""
        if self.private is not None:
            public = self.private.public_key()
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.shown = keys.create(f"{kind}-bot", public_key_pem=pem)
        self.headers = {"X-MBX-APIKEY": self.shown.api_key}

    def sign(self, payload: str) -> str:
        """As the exchange wants it: hex for HMAC, base64 for the others."""
        data = payload.encode()
        if self.private is None:
            return hmac.digest(self.shown.secret.encode(), data, hashlib.sha256).hex()
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return base64.b64encode(self.private.sign(data)).decode()
        return base64.b64encode(self.private.sign(data, padding.PKCS1v15(), SHA256())).decode()


class LiveVenue:
    """Where it is, and who may trade there."""

    def __init__(self, api: OrderApi, keys: KeyStore, http: httpx.Client, kinds: Iterable[str]) -> None:
        self.api = api
        self.keys = keys
        self.http = http
        self.bots = {kind: Signer(keys, kind) for kind in kinds}

    def send(self, method: str, path: str, *, bot: str = "hmac", in_body: bool = False, **params: Any) -> Any:
        """A signed request."""
        signer = self.bots[bot]
        text = urlencode({"timestamp": wall_ns() // NS_PER_MS} | params)
        return self.send_text(method, path, text, signer, in_body=in_body)

    def send_text(
        self, method: str, path: str, text: str, signer: Signer, *, in_body: bool = False
    ) -> httpx.Response:
        """A request whose parameters are these bytes, and the signature."""
        text += f"&{urlencode({'signature': signer.sign(text)})}"
        headers = dict(signer.headers)
        if in_body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return self.http.request(method, path, content=text, headers=headers)
        return self.http.request(method, f"{path}?{text}", headers=headers)


@contextlib.contextmanager
def serve_live(
    folder: Path, keys: KeyStore | None = None, kinds: Iterable[str] = ("hmac", "ed25519", "rsa")
) -> Iterator[LiveVenue]:
    """A running session and its server, with a bot for a key of each of these kinds."""
    keys = keys or KeyStore()
    host = SessionHost(SessionConfig(load_scenario("minimal"), seed=3), LiveOptions(runs_root=folder))
    api = OrderApi(host, venue=VenueOptions(keys, limits=WIDE))
    host.run_thread()
    api.start()
    try:
        assert api.wait_listening(20), api.error
        assert api.url is not None
        with httpx.Client(base_url=api.url, trust_env=False) as http:
            yield LiveVenue(api, keys, http, kinds)
        assert api.statistics()["venue_internal_errors"] == 0
    finally:
        api.stop()
        host.stop(5)
