"""Addresses, headers and time-outs: what connecting takes, whichever client connects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from engine.client.discovery import find_desk
from engine.client.errors import DeskError, DeskNotFound, refusal
from engine.client.state import DeskState

__all__ = ["FIRST_RETRY_S", "PATIENCE_S", "Address", "answer_error", "retry_waits_s"]

PATIENCE_S = 10.0
"""How long a client tries to reach a desk that does not answer."""
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 1.0
"""Waiting between attempts doubles from the first to the last."""
MESSAGE_LIMIT_BYTES = 1 << 24
"""Longest message: a step with many reports, a greeting with many orders."""
OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0


class Address:
    """Where the desk is, and what it takes to be let in. Raises DeskNotFound."""

    def __init__(self, url: str | None, token: str | None) -> None:
        self.url = (find_desk().url if url is None else url).rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DeskNotFound(f"{url!r} is no address of a desk; one looks like http://127.0.0.1:8765")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def stream(self, state: DeskState, *, lockstep: bool, on_reports: bool) -> str:
        """The address of the stream, from where we left off."""
        query = {}
        if lockstep:
            query = {"lockstep": "1"} | ({"on_reports": "1"} if on_reports else {})
        elif state.hello is not None:
            query = {"session": state.hello.session_id, "since": str(state.sequence)}
        suffix = f"?{urlencode(query)}" if query else ""
        return self.url.replace("http", "ws", 1) + "/api/v1/stream" + suffix

    def connect_options(self) -> dict[str, Any]:
        """For websockets' connect(), sync or asyncio."""
        return {
            "additional_headers": self.headers,
            "compression": None,
            "proxy": None,
            "open_timeout": OPEN_TIMEOUT_S,
            "close_timeout": CLOSE_TIMEOUT_S,
            "max_size": MESSAGE_LIMIT_BYTES,
        }


def retry_waits_s(patience_s: float) -> Iterator[float]:
    """How long to wait before each further attempt, until patience has run out."""
    wait_s, waited_s = FIRST_RETRY_S, 0.0
    while waited_s < patience_s:
        yield wait_s
        waited_s += wait_s
        wait_s = min(LAST_RETRY_S, 2 * wait_s)


def answer_error(status: int, body: bytes) -> DeskError:
    """The error for an HTTP answer that is not a success."""
    try:
        error = msgspec.json.decode(body)["error"]
        return refusal(str(error["code"]), str(error["message"]))
    except (msgspec.DecodeError, KeyError, TypeError):
        return DeskNotFound(f"something answers there, but it is no desk (HTTP {status})")
