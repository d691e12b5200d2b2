"""Keys, signatures and the time window."""

from __future__ import annotations

import base64
import hmac
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.core.errors import DataError, UsageError
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.signing import (
    admit,
    check_time,
    parse_query,
    signed_bytes,
    socket_payload,
)
from engine.venue.keys import Key, KeyKind, KeyStore, Permission

# Published examples of the Binance Spot API documentation.
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
HEAD = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
TAIL = "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
NOW_MS = 1_499_827_319_559


@pytest.fixture
def example() -> tuple[KeyStore, Key]:
    key = Key("example", "0" * 64, KeyKind.HMAC, SECRET)
    return KeyStore([key]), key


@pytest.mark.parametrize(
    ("query", "body", "signature"),
    [
        (f"{HEAD}&{TAIL}", "", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        ("", f"{HEAD}&{TAIL}", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (HEAD, TAIL, "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"),
    ],
)
def test_the_published_examples_are_signed_as_they_say(
    example: tuple[KeyStore, Key], query: str, body: str, signature: str
) -> None:
    store, key = example
    sent_query = query if body else f"{query}&signature={signature}"
    sent_body = f"{body}&signature={signature}" if body else ""
    params = parse_query(sent_query, sent_body)
    admitted = admit(store, key, params, signed_bytes(sent_query, sent_body), NOW_MS)
    assert "signature" not in admitted
    assert admitted["symbol"] == "LTCBTC"
    assert store.verify(key, (query + body).encode(), signature.upper())


def test_a_signature_is_of_the_bytes_as_sent_not_of_what_they_mean(example: tuple[KeyStore, Key]) -> None:
    store, key = example
    text = "a=%5b%22x%22%5d&timestamp=1499827319559"
    good = hmac.digest(SECRET.encode(), text.encode(), "sha256").hex()
    assert signed_bytes(f"{text}&signature={good}", "") == text.encode()
    assert signed_bytes(f"signature={good}&{text}", "") == text.encode()
    assert signed_bytes(f"a=1&signature={good}&b=2", "") == b"a=1&b=2"
    with pytest.raises(RequestRefused) as refused:
        admit(
            store,
            key,
            parse_query(text) | {"signature": good},
            text.replace("%5b", "%5B").encode(),
            NOW_MS,
        )
    assert (refused.value.code, refused.value.message) == (-1022, "Signature for this request is not valid.")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_public_keys_verify_base64_signatures(kind: str) -> None:
    private = (
        ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65_537, 2_048)
    )
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    store = KeyStore()
    shown = store.create("bot", public_key_pem=pem)
    key = store.find(shown.api_key)
    assert key is not None
    assert key.kind == kind
    assert shown.secret == ""
    payload = socket_payload({"b": "2", "a": "1", "signature": "x"})
    assert payload == b"a=1&b=2"
    raw = (
        private.sign(payload)
        if isinstance(private, ed25519.Ed25519PrivateKey)
        else private.sign(payload, padding.PKCS1v15(), SHA256())
    )
    assert store.verify(key, payload, base64.b64encode(raw).decode())
    assert not store.verify(key, payload + b"x", base64.b64encode(raw).decode())
    assert not store.verify(key, payload, "not base64!")


@pytest.mark.parametrize(
    ("stamp", "window", "code"),
    [
        (NOW_MS, None, 0),
        (NOW_MS + 999, None, 0),
        (NOW_MS + 1_000, None, -1021),
        (NOW_MS - 5_000, None, 0),
        (NOW_MS - 5_001, None, -1021),
        (NOW_MS - 59_999, "60000", 0),
        (NOW_MS, "60001", -1131),
        (NOW_MS * 1_000, None, 0),
        (NOW_MS * 1_000 - 6_000_000, None, -1021),
        (10**19, None, -1108),
    ],
)
def test_a_timestamp_is_valid_in_its_window_only(stamp: int, window: str | None, code: int) -> None:
    params = {"timestamp": str(stamp)} | ({"recvWindow": window} if window else {})
    if code == 0:
        check_time(params, NOW_MS)
        return
    with pytest.raises(RequestRefused) as refused:
        check_time(params, NOW_MS)
    assert refused.value.code == code


def test_a_parameter_in_the_query_wins_over_the_body_and_doubles_are_refused() -> None:
    assert parse_query("a=1&b=2", "a=3&c=4") == {"a": "1", "b": "2", "c": "4"}
    with pytest.raises(RequestRefused, match="Duplicate values"):
        parse_query("a=1&a=2")


def test_keys_survive_a_file_that_only_their_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    store = KeyStore()
    shown = store.create("bot", maker_ppm=-10, permissions=(Permission.READ,))
    store.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = KeyStore.load(path).find(shown.api_key)
    assert key is not None
    assert (key.name, key.maker_ppm, key.may(Permission.TRADE)) == ("bot", -10, False)
    assert shown.api_key not in path.read_text()
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        KeyStore.load(path)


def test_no_secret_shows_in_reprs_or_errors(tmp_path: Path) -> None:
    store = KeyStore()
    shown = store.create("bot")
    key = store.find(shown.api_key)
    assert shown.secret not in f"{shown!r} {key!r} {store.statistics()}"
    assert shown.api_key not in f"{shown!r} {key!r} {store!r}"
    path = tmp_path / "keys.json"
    path.write_text('{"version": 1, "keys": [{"name": "secret-word", "material": 5}]}')
    path.chmod(0o600)
    with pytest.raises(DataError) as error:
        KeyStore.load(path)
    assert "secret-word" not in str(error.value)


def test_names_are_unique_and_a_removed_key_is_unknown() -> None:
    store = KeyStore()
    shown = store.create("bot")
    with pytest.raises(UsageError, match="exists already"):
        store.create("bot")
    with pytest.raises(UsageError, match="key name"):
        store.create("../etc")
    assert store.remove("bot")
    assert not store.remove("bot")
    assert store.find(shown.api_key) is None
