"""API keys of bots, and where the running desk says that it is: the venue's surroundings on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desk.config import config_path
from engine.core.clock import NS_PER_MS, wall_ns
from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.api.server import VenueOptions

__all__ = ["announced", "keys_path", "list_keys", "new_key", "remove_key", "venue_options"]


def keys_path() -> Path:
    """Where keys are kept: beside the configuration, readable for their owner only."""
    return config_path().with_name("keys.json")


def venue_options() -> VenueOptions:
    """The venue with the user's keys. Raises UsageError when others may read them."""
    from engine.api.server import VenueOptions
    from engine.venue.keys import KeyStore

    return VenueOptions(KeyStore.load(keys_path()))


@contextlib.contextmanager
def announced(url: str | None, *, venue: bool) -> Iterator[None]:
    """While it lasts, bots on this machine find the desk by a file of its user."""
    from engine.client.discovery import announce, withdraw

    if url is not None:
        with contextlib.suppress(OSError):  # no runtime directory: bots must be told the address
            announce(url, venue=url if venue else None)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            withdraw()


def new_key(
    name: str,
    *,
    public_key: Path | None = None,
    read_only: bool = False,
    maker_ppm: int | None = None,
    taker_ppm: int | None = None,
) -> dict[str, Any]:
    """Makes a key and keeps it; what its owner has to know, once. Raises UsageError."""
    from engine.venue.keys import KeyStore, Permission

    store = KeyStore.load(keys_path())
    pem = "" if public_key is None else _read(public_key)
    made = store.create(
        name,
        public_key_pem=pem,
        permissions=(Permission.READ,) if read_only else (Permission.READ, Permission.TRADE),
        maker_ppm=maker_ppm,
        taker_ppm=taker_ppm,
        created_ms=wall_ns() // NS_PER_MS,
    )
    store.save(keys_path())
    fields = {"name": made.name, "api_key": made.api_key}
    if made.secret:
        fields["secret"] = made.secret
    return fields | {"note": "a desk that runs takes up new keys at its next start"}


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


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"public key {path}: cannot be read ({error})") from error
