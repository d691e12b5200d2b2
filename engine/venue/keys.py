"""API keys: who may trade at the venue, and whether a signature is theirs.

Place on the data path: edge of every gateway. An API key itself is kept only as its SHA-256; public keys as
they are; HMAC secrets as they are, because the scheme needs them on both sides, in a file of mode 0600.
Invariant: no repr, message or statistic of this module shows a secret or an API key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import stat
import string
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engine.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = ["API_KEY_CHARS", "Key", "KeyKind", "KeyStore", "NewKey", "Permission"]

API_KEY_CHARS = 64
"""Length of the API keys and HMAC secrets that are made here."""
KEY_LIMIT = 64
"""Keys in one store: as many accounts as a session has."""
FILE_LIMIT_BYTES = 1 << 20
_ALPHABET = string.ascii_letters + string.digits
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}\Z")


class KeyKind(StrEnum):
    """How a key signs."""

    HMAC = "hmac"
    ED25519 = "ed25519"
    RSA = "rsa"


class Permission(StrEnum):
    """What a key may do."""

    READ = "read"
    TRADE = "trade"


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One API key as the store knows it."""

    name: str
    """Also the name of its account."""
    digest: str
    """SHA-256 of the API key, hex."""
    kind: KeyKind
    material: str
    """HMAC: the secret. Others: the public key, PEM."""
    permissions: tuple[Permission, ...] = (Permission.READ, Permission.TRADE)
    maker_ppm: int | None = None
    """Fees of its account; None: the scenario's."""
    taker_ppm: int | None = None
    created_ms: int = 0

    def __repr__(self) -> str:
        return f"Key({self.name!r}, {self.kind.value})"

    def may(self, permission: Permission) -> bool:
        """Whether the key has this permission."""
        return permission in self.permissions


class NewKey(NamedTuple):
    """What its owner is shown once."""

    name: str
    api_key: str
    secret: str
    """Empty when the owner holds the private key."""

    def __repr__(self) -> str:
        return f"NewKey({self.name!r})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    keys: tuple[Key, ...]


class KeyStore:
    """Keys by what clients send.

    Look up   find names keys
    Change    create remove     (then `save`)
    Files     load save
    """

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._by_digest: dict[str, Key] = {}
        self._public: dict[str, PublicKeyTypes] = {}
        self._macs: dict[str, hmac.HMAC] = {}
        for key in keys:
            self._add(key)

    @classmethod
    def load(cls, path: Path) -> KeyStore:
        """The keys in a file; none when there is no file.

        Raises UsageError when others may read it, DataError when it is not a key file.
        """
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                data = file.read(FILE_LIMIT_BYTES + 1)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise UsageError(f"key file {path}: {error.strerror}") from error
        if os.name == "posix" and mode & 0o077:
            raise UsageError(
                f"key file {path}: mode {mode:04o} lets others read the secrets in it; chmod 600 it"
            )
        try:
            return cls(msgspec.json.decode(data, type=_File).keys)
        except (msgspec.MsgspecError, UsageError, ValueError) as error:
            # Without the cause: a parser's message may quote what it could not parse.
            raise DataError(f"key file {path}: not a key file ({type(error).__name__})") from None

    def save(self, path: Path) -> None:
        """Write the keys, readable for their owner only; the file is replaced as a whole."""
        data = msgspec.json.format(msgspec.json.encode(_File(1, tuple(self.keys))), indent=2)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UsageError(f"key file {path}: {error.strerror}") from error

    @property
    def keys(self) -> list[Key]:
        """All keys, oldest first."""
        return list(self._by_digest.values())

    def find(self, api_key: str) -> Key | None:
        """The key whose API key this is."""
        return self._by_digest.get(_digest(api_key))

    def create(
        self,
        name: str,
        *,
        public_key_pem: str = "",
        permissions: tuple[Permission, ...] = (Permission.READ, Permission.TRADE),
        maker_ppm: int | None = None,
        taker_ppm: int | None = None,
        created_ms: int = 0,
    ) -> NewKey:
        """Make a key: HMAC, or of the kind of the given public key. The answer is shown to its owner once.

        Raises UsageError for a name that is taken or malformed, or for what is no public key.
        """
        api_key = _random_text()
        secret = "" if public_key_pem else _random_text()
        kind = _kind_of(public_key_pem) if public_key_pem else KeyKind.HMAC
        self._add(
            Key(
                name=name,
                digest=_digest(api_key),
                kind=kind,
                material=public_key_pem or secret,
                permissions=permissions,
                maker_ppm=maker_ppm,
                taker_ppm=taker_ppm,
                created_ms=created_ms,
            )
        )
        return NewKey(name, api_key, secret)

    def remove(self, name: str) -> bool:
        """Forget a key; False when there is none of this name."""
        for digest, key in self._by_digest.items():
            if key.name == name:
                del self._by_digest[digest]
                self._public.pop(digest, None)
                self._macs.pop(digest, None)
                return True
        return False

    def verify(self, key: Key, payload: bytes, signature: str) -> bool:
        """Whether this is the key's signature of `payload`: HMAC in hex (any case), others in base64."""
        if key.kind is KeyKind.HMAC:
            mac = self._prepared(key).copy()
            mac.update(payload)
            return hmac.compare_digest(mac.hexdigest().encode(), signature.lower().encode())
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        return _verify_asymmetric(self._public_key(key), payload, raw)

    def statistics(self) -> dict[str, int]:
        """Fill and limit."""
        return {"keys": len(self._by_digest), "limit": KEY_LIMIT}

    def _add(self, key: Key) -> None:
        if not _NAME.match(key.name):
            raise UsageError(f"key name {key.name[:40]!r}: use 1 to 32 letters, digits, dots, dashes")
        if any(other.name == key.name for other in self._by_digest.values()):
            raise UsageError(f"key {key.name!r} exists already; remove it first, or choose another name")
        if len(self._by_digest) >= KEY_LIMIT:
            raise UsageError(f"{KEY_LIMIT} keys exist already; remove one first")
        self._by_digest[key.digest] = key
        if key.kind is not KeyKind.HMAC:
            self._public_key(key)

    def _prepared(self, key: Key) -> hmac.HMAC:
        """An HMAC that has taken the secret in already.

        hmac.digest() would give the interpreter lock away for its microsecond, and get it back only when the
        market's thread lets go of it.
        """
        prepared = self._macs.get(key.digest)
        if prepared is None:
            prepared = self._macs[key.digest] = hmac.new(key.material.encode(), digestmod="sha256")
        return prepared

    def _public_key(self, key: Key) -> PublicKeyTypes:
        public = self._public.get(key.digest)
        if public is None:
            public = self._public[key.digest] = _load_public_key(key.material)
        return public


def _digest(api_key: str) -> str:
    return hashlib.sha256(api_key.encode("utf-8", "surrogateescape")).hexdigest()


def _random_text() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(API_KEY_CHARS))


def _load_public_key(pem: str) -> PublicKeyTypes:
    # Imported here: most sessions have HMAC keys only, and the library takes a while to load.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            "public key: not a PEM public key; make one with `openssl pkey -in private.pem -pubout`"
        ) from error


def _kind_of(pem: str) -> KeyKind:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    public = _load_public_key(pem)
    if isinstance(public, Ed25519PublicKey):
        return KeyKind.ED25519
    if isinstance(public, RSAPublicKey):
        return KeyKind.RSA
    raise UsageError("public key: only Ed25519 and RSA keys can sign requests")


def _verify_asymmetric(public: PublicKeyTypes, payload: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, payload)
        elif isinstance(public, RSAPublicKey):
            public.verify(signature, payload, PKCS1v15(), SHA256())
        else:
            return False
    except InvalidSignature:
        return False
    return True
