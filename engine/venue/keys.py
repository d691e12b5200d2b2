"""API keys: who may trade at the venue, and whether a signature is theirs.

Place on the data path: edge of every gateway. An API key itself is kept only as its SHA-256; public keys as
they are; HMAC secrets as they are, because the scheme needs them on both sides, in a file of mode 0600.
A store that came from a file follows it: keys that another process adds or removes count within a second.
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
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import DataError, UsageError
from engine.venue.public_keys import is_signed_by, kind_of, load_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = ["API_KEY", "API_KEY_CHARS", "Key", "KeyKind", "KeyStore", "NewKey", "Permission"]

API_KEY_CHARS = 64
"""Length of the API keys and HMAC secrets that are made here."""
KEY_LIMIT = 64
"""Keys in one store: as many accounts as a session has."""
FILE_LIMIT_BYTES = 1 << 20
FOLLOW_NS = NS_PER_S
"""How long a look at the file counts, as long as only known keys come."""
API_KEY = re.compile(r"[A-Za-z0-9]{16,128}\Z")
"""What an API key looks like."""
_SECRET = re.compile(r"[!-~]{16,256}\Z")
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

    Look up   find keys verify
    Change    create remove     (then `save`)
    Files     load save refresh; changes
    """

    def __init__(self, keys: Iterable[Key] = (), *, clock: Callable[[], int] = monotonic_ns) -> None:
        self.changes = 0
        """How often keys went or came."""
        self._by_digest: dict[str, Key] = {}
        self._public: dict[str, PublicKeyTypes] = {}
        self._macs: dict[str, hmac.HMAC] = {}
        self._clock = clock
        self._path: Path | None = None
        """The file that is followed; None while there are changes that are not in it."""
        self._seen: _Stamp | None = None
        self._looked_ns = 0
        self._unreadable = 0
        for key in keys:
            self._add(key)

    @classmethod
    def load(cls, path: Path, *, clock: Callable[[], int] = monotonic_ns) -> KeyStore:
        """The keys in a file, which is followed from now on; none while there is no file.

        Raises UsageError when others may read it, DataError when it is not a key file.
        """
        keys, seen = _read(path)
        try:
            store = cls(keys, clock=clock)
        except UsageError:
            raise DataError(f"key file {path}: not a key file (keys that cannot stand together)") from None
        store._follow(path, seen)
        return store

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
        self._follow(path, _stamp(path))

    def refresh(self, *, now: bool = False) -> None:
        """Take up the file as it is, if it has changed; at most once in FOLLOW_NS, unless it must be `now`.

        While the file cannot be read, the keys stay as they are (counted).
        """
        path = self._path
        if path is None:
            return
        now_ns = self._clock()
        if not now and now_ns - self._looked_ns < FOLLOW_NS:
            return
        self._looked_ns = now_ns
        if (seen := _stamp(path)) == self._seen:
            return
        try:
            keys, seen = _read(path)
            fresh = KeyStore(keys)
        except (UsageError, DataError):
            self._unreadable += 1
        else:
            self._by_digest, self._public, self._macs = fresh._by_digest, fresh._public, fresh._macs
            self.changes += 1
        self._seen = seen

    def _follow(self, path: Path, seen: _Stamp | None) -> None:
        self._path, self._seen, self._looked_ns = path, seen, self._clock()

    @property
    def keys(self) -> list[Key]:
        """All keys, oldest first, as the file is now."""
        self.refresh(now=True)
        return list(self._by_digest.values())

    def find(self, api_key: str) -> Key | None:
        """The key whose API key this is."""
        digest = _digest(api_key)
        self.refresh(now=digest not in self._by_digest)
        return self._by_digest.get(digest)

    def create(
        self,
        name: str,
        *,
        api_key: str = "",
        secret: str = "",
        public_key_pem: str = "",
        permissions: tuple[Permission, ...] = (Permission.READ, Permission.TRADE),
        maker_ppm: int | None = None,
        taker_ppm: int | None = None,
        created_ms: int = 0,
    ) -> NewKey:
        """Make a key: HMAC, or of the kind of the given public key. The answer is shown to its owner once.

        API key and secret are drawn, unless their owner brings them. Raises UsageError for a name or API key
        that is taken or malformed, for a secret that is malformed, and for what is no public key.
        """
        if api_key and API_KEY.match(api_key) is None:
            raise UsageError("API key: 16 to 128 letters and digits are wanted")
        if secret and (_SECRET.match(secret) is None or public_key_pem):
            raise UsageError("secret: 16 to 256 printable characters are wanted, and no public key beside it")
        api_key = api_key or _random_text()
        secret = "" if public_key_pem else secret or _random_text()
        kind = KeyKind(kind_of(public_key_pem)) if public_key_pem else KeyKind.HMAC
        self._path = None
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
                self._path = None
                self.changes += 1
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
        return is_signed_by(self._public_key(key), payload, raw)

    def statistics(self) -> dict[str, int]:
        """Fill and limit."""
        return {"keys": len(self._by_digest), "limit": KEY_LIMIT, "unreadable": self._unreadable}

    def _add(self, key: Key) -> None:
        if not _NAME.match(key.name):
            raise UsageError(f"key name {key.name[:40]!r}: use 1 to 32 letters, digits, dots, dashes")
        if any(other.name == key.name for other in self._by_digest.values()):
            raise UsageError(f"key {key.name!r} exists already; remove it first, or choose another name")
        if key.digest in self._by_digest:
            raise UsageError(f"this API key is that of key {self._by_digest[key.digest].name!r} already")
        if len(self._by_digest) >= KEY_LIMIT:
            raise UsageError(f"{KEY_LIMIT} keys exist already; remove one first")
        self._by_digest[key.digest] = key
        self.changes += 1
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
            public = self._public[key.digest] = load_public_key(key.material)
        return public


_Stamp = tuple[int, ...]
"""Inode, size, time of change and mode of a file."""


def _stamp(path: Path) -> _Stamp | None:
    """What tells that a file has changed; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def _read(path: Path) -> tuple[tuple[Key, ...], _Stamp | None]:
    """The keys in a file, and its stamp before it was read. Raises UsageError, DataError."""
    seen = _stamp(path)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(FILE_LIMIT_BYTES + 1)
    except FileNotFoundError:
        return (), None
    except OSError as error:
        raise UsageError(f"key file {path}: {error.strerror}") from error
    if os.name == "posix" and mode & 0o077:
        raise UsageError(f"key file {path}: mode {mode:04o} lets others read the secrets in it; chmod 600 it")
    try:
        return msgspec.json.decode(data, type=_File).keys, seen
    except ValueError as error:
        # Without the cause: a parser's message may quote what it could not parse.
        raise DataError(f"key file {path}: not a key file ({type(error).__name__})") from None


def _digest(api_key: str) -> str:
    return hashlib.sha256(api_key.encode("utf-8", "surrogateescape")).hexdigest()


def _random_text() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(API_KEY_CHARS))
