"""API keys of bots, and where the running desk says that it is: the venue's surroundings on this machine."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from desk.config import config_path
from engine.core.clock import NS_PER_MS, wall_ns
from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.api.server import VenueOptions

__all__ = [
    "Doors",
    "announced",
    "import_key",
    "keys_path",
    "list_keys",
    "new_key",
    "remove_key",
    "venue_options",
]


class Doors(NamedTuple):
    """Where bots come in, on loopback. A port of 0 is a free one."""

    port: int = 0
    """Of the desk's own API, and the venue's."""
    venue: bool = True
    legacy_listen_keys: bool = False
    fix: int | None = None
    """None: not served."""
    ouch: int | None = None
    itch: int | None = None

    @property
    def has_wires(self) -> bool:
        """Whether FIX, OUCH or ITCH was asked for."""
        return (self.fix, self.ouch, self.itch) != (None, None, None)


SECRET_VARIABLE = "STORMDESK_KEY_SECRET"
"""Of the environment: the secret of a key that is imported."""
SECRET_LINE_CHARS = 1_024


def keys_path() -> Path:
    """Where keys are kept: beside the configuration, readable for their owner only."""
    return config_path().with_name("keys.json")


def venue_options(doors: Doors) -> VenueOptions | None:
    """The venue with the user's keys; None: none is wanted. Raises UsageError when others may read them, and
    for FIX, OUCH or ITCH without the venue."""
    if not doors.venue:
        if doors.has_wires:
            raise UsageError("FIX, OUCH and ITCH are doors of the venue: leave --no-venue out")
        return None
    from engine.api.server import VenueOptions
    from engine.venue.keys import KeyStore
    from engine.venue.wire_ports import WirePorts

    return VenueOptions(
        KeyStore.load(keys_path()),
        legacy_listen_keys=doors.legacy_listen_keys,
        wires=WirePorts(doors.fix, doors.ouch, doors.itch),
    )


@contextlib.contextmanager
def announced(url: str | None, doors: Doors) -> Iterator[None]:
    """While it lasts, bots on this machine find the desk by a file of its user."""
    from engine.client.discovery import announce, withdraw

    if url is not None:
        with contextlib.suppress(OSError):  # no runtime directory: bots must be told the address
            announce(url, venue=url if doors.venue else None)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            withdraw()


def new_key(
    name: str,
    *,
    api_key: str = "",
    secret: str = "",
    public_key: Path | None = None,
    read_only: bool = False,
    maker_ppm: int | None = None,
    taker_ppm: int | None = None,
) -> dict[str, Any]:
    """Makes a key and keeps it; what its owner has to know, once. API key and secret are drawn, unless given.
    Raises UsageError."""
    from engine.venue.keys import KeyStore, Permission

    store = KeyStore.load(keys_path())
    pem = "" if public_key is None else _read(public_key)
    made = store.create(
        name,
        api_key=api_key,
        secret=secret,
        public_key_pem=pem,
        permissions=(Permission.READ,) if read_only else (Permission.READ, Permission.TRADE),
        maker_ppm=maker_ppm,
        taker_ppm=taker_ppm,
        created_ms=wall_ns() // NS_PER_MS,
    )
    store.save(keys_path())
    fields = {"name": made.name, "api_key": made.api_key}
    if made.secret:
        from engine.venue.ouch.logins import soup_password, soup_user

        fields |= {
            "secret": made.secret,
            "soup_user": soup_user(made.name),
            "soup_password": soup_password(made.secret),
        }
    return fields | {"note": "a desk that runs takes the key at once"}


def import_key(
    name: str,
    api_key: str,
    *,
    public_key: Path | None = None,
    read_only: bool = False,
    maker_ppm: int | None = None,
    taker_ppm: int | None = None,
) -> dict[str, Any]:
    """Keeps a key that a bot has already. Its secret comes from SECRET_VARIABLE, the standard input or a
    prompt, never from the command line, which others can see. Raises UsageError."""
    fields = new_key(
        name,
        api_key=api_key,
        secret="" if public_key is not None else _read_secret(),
        public_key=public_key,
        read_only=read_only,
        maker_ppm=maker_ppm,
        taker_ppm=taker_ppm,
    )
    fields.pop("secret", None)
    return fields


def list_keys() -> list[dict[str, Any]]:
    """All keys, without what is secret of them."""
    from engine.venue.keys import KeyStore

    return [
        {"name": key.name, "kind": str(key.kind), "permissions": " ".join(map(str, key.permissions))}
        for key in KeyStore.load(keys_path()).keys
    ]


def remove_key(name: str) -> None:
    """Forgets a key. Raises UsageError when there is none."""
    from engine.venue.keys import KeyStore

    store = KeyStore.load(keys_path())
    if not store.remove(name):
        raise UsageError(f"no key {name!r}: `stormdesk key list` names them")
    store.save(keys_path())


def _read_secret() -> str:
    secret = os.environ.get(SECRET_VARIABLE, "")
    if not secret and sys.stdin.isatty():
        secret = getpass.getpass("Secret: ")
    elif not secret:
        secret = sys.stdin.readline(SECRET_LINE_CHARS).strip()
    if not secret:
        raise UsageError(f"no secret: set {SECRET_VARIABLE}, or give it on the standard input")
    return secret


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"public key {path}: cannot be read ({error})") from error
