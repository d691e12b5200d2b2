"""What a transport could not use, by reason and place: the readers' answer to bad input.

Stop on the data path: inside every reader of this room. Invariant: input is either used or counted here,
once, and counting it costs no memory beyond one entry a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Damage", "DamageCount", "DamageCounts", "DamageReason"]


class DamageReason(StrEnum):
    """Why a packet, a record or a part of a stream was not used."""

    # MoldUDP64
    HEADER_CUT_OFF = "shorter than a MoldUDP64 header"
    BLOCKS_CUT_OFF = "message blocks end before the packet's count is reached"
    TRAILING_BYTES = "bytes behind the last message block"
    IS_REQUEST = "a request for retransmission, not a downstream packet"
    BAD_SEQUENCE = "sequence numbers outside 1 to 2**64 - 1"
    TOO_MANY_SESSIONS = "more sessions than are followed"

    # Capture files
    NOT_A_CAPTURE = "neither pcap nor pcapng"
    FILE_CUT_OFF = "the file ends inside a record"
    RECORD_TOO_LONG = "record length beyond any capture's: the rest cannot be framed"
    BLOCK_TOO_SHORT = "block too short for its type"
    BAD_BLOCK_LENGTH = "block lengths disagree"
    FRAMING_LOST = "block length is none: skipped to the next section"
    UNKNOWN_INTERFACE = "packet of an interface that was not described"
    TOO_MANY_INTERFACES = "more interfaces than are followed"
    BAD_SECTION = "section header without a byte order"

    # Frames
    UNKNOWN_LINK = "unknown link type"
    FRAME_CUT_OFF = "frame shorter than its headers say"
    NOT_IP = "not IP"
    BAD_IP = "bad IP header"
    FRAGMENT = "IP fragment"
    NOT_UDP = "not UDP"
    BAD_UDP = "bad UDP length"

    # SoupBinTCP
    EMPTY_PACKET = "logical packet without a type"
    UNKNOWN_TYPE = "unknown packet type"
    WRONG_LENGTH = "packet length is not its type's"
    BAD_NUMBER = "not a sequence number"
    BAD_NAME = "a name that is not printable ASCII"
    OUT_OF_PLACE = "packet at a time when it may not come"


class Damage(NamedTuple):
    """One thing that could not be used."""

    reason: DamageReason
    offset: int
    """Byte offset of the trouble: within the packet for packets, within the file for captures."""


class DamageCount(NamedTuple):
    """All that could not be used for one reason."""

    reason: DamageReason
    times: int
    first_offset: int


class DamageCounts:
    """Damage of one input, in order of first appearance of its reasons."""

    def __init__(self) -> None:
        self._counts: dict[DamageReason, DamageCount] = {}

    def add(self, reason: DamageReason, offset: int = 0) -> None:
        """One more; the first one's `offset` is kept."""
        held = self._counts.get(reason) or DamageCount(reason, 0, offset)
        self._counts[reason] = held._replace(times=held.times + 1)

    def __iter__(self) -> Iterator[DamageCount]:
        return iter(self._counts.values())

    def __getitem__(self, reason: DamageReason) -> int:
        held = self._counts.get(reason)
        return held.times if held is not None else 0

    @property
    def total(self) -> int:
        """All of it."""
        return sum(held.times for held in self._counts.values())

    def statistics(self) -> dict[str, int]:
        """Counts by reason."""
        # A copy first: another thread may be counting.
        return {str(held.reason): held.times for held in list(self._counts.values())}
