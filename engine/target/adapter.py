"""What the poller needs of a kind of target, and what it gives it: the edge's two small contracts.

    TargetAdapter   knows what to ask and what the answers mean (contract.py, freqtrade.py)
    Web             asks, within the poll's budget (poller.py); a bad answer is a BadAnswer with one line

Invariant: an adapter raises nothing but BadAnswer for whatever it is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from engine.core.errors import StormdeskError
from engine.target.contract import TargetSample, parse_state
from engine.target.spec import check_target_url

__all__ = ["Address", "BadAnswer", "ContractAdapter", "TargetAdapter", "Web"]

Address = str | Callable[[], str | None]


class BadAnswer(StormdeskError):
    """What a target answered is not what was asked for. `code`: the HTTP status, when that was it."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


class Web(Protocol):
    """One poll's requests: each within the poll's time budget and the body limit."""

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The body of a plain 200; raises BadAnswer for anything else."""

    async def post(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The same with POST and no body."""


class TargetAdapter(Protocol):
    """One target. `read` may only be called by one poll at a time; it may keep what it learned."""

    timeout_ms: int
    """Wall time that one poll may take."""

    def locate(self) -> str | None:
        """Where it answers; None: not known yet. Raises StormdeskError when it will never be known."""

    async def read(self, web: Web, url: str) -> TargetSample | str:
        """What it says of itself, or in one line why that is not to be had. Raises BadAnswer."""


class ContractAdapter:
    """A bot that answers GET /api/state (contract.py). Raises UsageError for an address that is none."""

    def __init__(self, address: Address, *, timeout_ms: int = 800) -> None:
        if isinstance(address, str):
            check_target_url(address)
        self.timeout_ms = timeout_ms
        self._address = address

    def locate(self) -> str | None:
        """Its address."""
        if isinstance(self._address, str):
            return self._address
        url = self._address()
        if url is not None:
            check_target_url(url)
        return url

    async def read(self, web: Web, url: str) -> TargetSample | str:
        """One question, one answer."""
        return parse_state(await web.get(url.rstrip("/") + "/api/state"))
