"""What `--target` says: where a target answers, and with which account it trades here.

    none                              no target
    agent                             the demo strategy inside the session
    demo                              the demo bot as a process of its own
    http://127.0.0.1:3001             a bot that answers GET /api/state
    freqtrade+http://USER@HOST:PORT   freqtrade's REST server; its password stands in the environment
    key:NAME                          the account of that venue key, asked nothing
    http://127.0.0.1:3001,key=NAME    both: what it says, beside what its account says

Invariant: a specification holds no secret, so it may stand in command lines, logs and run files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from engine.core.errors import UsageError
from engine.core.target_sample import TARGETS_LIMIT

__all__ = ["TargetSpec", "check_target_url", "parse_target", "parse_targets"]

FREQTRADE = "freqtrade+"
_KEY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)


class TargetSpec(NamedTuple):
    """One `--target`, checked."""

    text: str
    """As it was given."""
    kind: str
    """One of: "none", "agent", "demo", "contract", "freqtrade", "ledger"."""
    url: str | None = None
    """Where it answers, without user."""
    user: str | None = None
    """Of freqtrade's REST server."""
    key: str | None = None
    """Name of the venue key whose account it trades with; None: none that the desk knows of."""

    @property
    def is_asked(self) -> bool:
        """Whether it is polled."""
        return self.kind in ("demo", "contract", "freqtrade")

    @property
    def is_native(self) -> bool:
        """Whether it trades the account TARGET by the desk's own API, or inside."""
        return self.kind in ("agent", "demo")

    @property
    def has_account(self) -> bool:
        """Whether the desk's ledger knows its account."""
        return self.is_native or self.key is not None


def parse_target(text: str) -> TargetSpec:
    """Raises UsageError that says what is wrong; the text is named without what could be a secret."""
    if text in ("none", "agent", "demo"):
        return TargetSpec(text, text)
    if text.startswith("key:"):
        return TargetSpec(text, "ledger", key=_key_name(text.removeprefix("key:")))
    address, comma, key_name = text.partition(",key=")
    key = _key_name(key_name) if comma else None
    if not address.startswith(FREQTRADE):
        check_target_url(address)
        return TargetSpec(text, "contract", url=address, key=key)
    url = address.removeprefix(FREQTRADE)
    check_target_url(url, wanted="freqtrade+http://USER@127.0.0.1:8080")
    parts = urlsplit(url)
    if not parts.username:
        raise UsageError(
            f"target {address!r}: names no user; give it as freqtrade+http://USER@127.0.0.1:8080"
        )
    place = parts.netloc.rpartition("@")[2]
    return TargetSpec(
        text, "freqtrade", url=f"{parts.scheme}://{place}{parts.path}", user=unquote(parts.username), key=key
    )


def parse_targets(texts: Sequence[str]) -> tuple[TargetSpec, ...]:
    """All targets of a session, the first being the one that the verdict is about; none: ("none",).

    Raises UsageError.
    """
    specs = tuple(parse_target(text) for text in texts) or (parse_target("none"),)
    if len(specs) > TARGETS_LIMIT:
        raise UsageError(f"{len(specs)} targets: at most {TARGETS_LIMIT} at once")
    if len(specs) > 1 and any(spec.kind == "none" for spec in specs):
        raise UsageError("--target none stands alone")
    if len({spec.text for spec in specs}) < len(specs):
        raise UsageError("the same target twice: name each once")
    if sum(spec.is_native for spec in specs) > 1:
        raise UsageError("agent and demo trade with one account: choose one of them")
    return specs


def check_target_url(url: str, *, wanted: str = "http://127.0.0.1:3001") -> None:
    """Raises UsageError unless `url` is http://host[:port][/path] (or https), without a password."""
    user = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    if ":" in user:  # looked for first: no other message may repeat it
        raise UsageError(
            "a target's password does not belong into a command line: freqtrade's is read from the "
            "environment variable STORMDESK_FREQTRADE_PASSWORD"
        )
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"target {url!r}: not an address; give it as {wanted}")


def _key_name(name: str) -> str:
    if _KEY_NAME.fullmatch(name) is None:
        raise UsageError(f"target key {name[:40]!r}: no name of a key; stormdesk key list shows them")
    return name
