"""What a hole in a stream may cost, and how it is reported.

Stop on the data path: beside the gap tracker (sequencer.py). Invariant: every limit has a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.core.clock import NS_PER_MS, NS_PER_S

__all__ = ["Gap", "GapLimits", "SessionChange"]


@dataclass(frozen=True, kw_only=True)
class GapLimits:
    """How much a hole may cost before it is given up."""

    waiting_messages: int = 65_536
    """Messages kept behind a hole."""
    waiting_bytes: int = 16 << 20
    """Their bytes."""
    patience_packets: int = 1_000
    """Packets seen without progress before the sequencer halts (without requests), and packets of another
    session in a row before it does."""
    patience_ns: int = 2 * NS_PER_S
    """The same by the clock."""
    ask_after_packets: int = 2
    """Packets seen without progress before the first request: overtaking is no loss yet."""
    ask_after_ns: int = 5 * NS_PER_MS
    ask_again_packets: int = 500
    """Packets seen without progress since the last request before the next one."""
    ask_again_ns: int = 200 * NS_PER_MS
    attempts: int = 10
    """Requests in a row that bring no progress."""
    requests_ahead: int = 8
    """Requests under way at a time, once the first answer has shown how much a packet holds: a server answers
    each with one packet."""
    requests: int = 1_000_000
    """Requests for one hole in all."""


class Gap(NamedTuple):
    """A hole that was given up."""

    session: bytes
    expected: int
    """First missing message."""
    got: int
    """First message behind the hole, or the next sequence that a heartbeat named."""
    waiting: int
    """Messages that waited behind it."""
    requests: int
    """Requests that were sent for it."""


class SessionChange(NamedTuple):
    """Packets of another session than the one that is followed."""

    old: bytes
    new: bytes
    expected: int
    """Next message of the old session."""
    got: int
    """Sequence of the first packet of the new one."""
