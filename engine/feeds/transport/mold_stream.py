"""The sending side of MoldUDP64 without input or output: what to send next, and the answer to a request.

Stop on the data path: between the retained messages of a session and a socket. Invariant: every message goes
out once as part of the stream, in sequence, in a packet of at most MAX_PACKET_BYTES and never split; whatever
is still retained is given again on request, and nothing is that was not sent before.
"""

from __future__ import annotations

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.feeds.transport.damage import Damage, DamageCounts
from engine.feeds.transport.moldudp64 import (
    HEADER_BYTES,
    LENGTH_BYTES,
    pack_end_of_session,
    pack_heartbeat,
    pack_packet,
    read_request,
    session_name,
)
from engine.feeds.transport.retained import RetainedMessages

__all__ = ["END_NS", "HEARTBEAT_NS", "MAX_MESSAGE_BYTES", "MAX_PACKET_BYTES", "MoldStream"]

MAX_PACKET_BYTES = 1_400
"""UDP payload of a packet: with all headers below the 1,500 bytes of an Ethernet frame."""
MAX_MESSAGE_BYTES = MAX_PACKET_BYTES - HEADER_BYTES - LENGTH_BYTES
"""Longest message that is published."""
HEARTBEAT_NS = NS_PER_S
"""A heartbeat follows so long after the last packet."""
END_NS = 100 * NS_PER_MS
"""Time between the packets that say that the session is over."""

_BLOCKS_BYTES = MAX_PACKET_BYTES - HEADER_BYTES


class MoldStream:
    """One session on its way out.

    Stream    next_packet, is_sent, has_ended, due_ns
    Requests  answer
    """

    def __init__(self, session: str, log: RetainedMessages, *, now_ns: int) -> None:
        """Raises UsageError for a session name that is none."""
        self.session = session_name(session)
        self.next_sequence = log.first_sequence
        """Next message to go out."""
        self.damage = DamageCounts()
        """Of requests."""
        self._log = log
        self._due_ns = now_ns
        self._counts = dict.fromkeys(
            (
                "packets",
                "messages",
                "bytes",
                "heartbeats",
                "ends",
                "requests",
                "resent_packets",
                "resent_messages",
                "not_retained",
                "other_session",
            ),
            0,
        )
        log.protect(self.next_sequence)

    @property
    def is_sent(self) -> bool:
        """Every message that is in the log has gone out."""
        return self.next_sequence == self._log.next_sequence

    @property
    def has_ended(self) -> bool:
        """Everything has gone out, and that it was everything has been said."""
        return self.is_sent and self._counts["ends"] > 0

    @property
    def due_ns(self) -> int:
        """When the next packet is due even if no message comes."""
        return self._due_ns

    def next_packet(self, now_ns: int) -> bytes | None:
        """The next packet of the stream: messages, or what is due without; None: nothing now."""
        run = self._log.read(self.next_sequence, _BLOCKS_BYTES)
        if run is not None:
            packet = pack_packet(self.session, run.sequence, run.message_count, run.blocks)
            self.next_sequence += run.message_count
            self._log.protect(self.next_sequence)
            self._counts["messages"] += run.message_count
            self._due_ns = now_ns + (END_NS if self._log.is_closed else HEARTBEAT_NS)
        elif now_ns < self._due_ns and not (self._log.is_closed and self._counts["ends"] == 0):
            return None
        elif self._log.is_closed:
            packet = pack_end_of_session(self.session, self.next_sequence)
            self._counts["ends"] += 1
            self._due_ns = now_ns + END_NS
        else:
            packet = pack_heartbeat(self.session, self.next_sequence)
            self._counts["heartbeats"] += 1
            self._due_ns = now_ns + HEARTBEAT_NS
        self._counts["packets"] += 1
        self._counts["bytes"] += len(packet)
        return packet

    def answer(self, data: bytes) -> bytes | None:
        """The packet that answers a request: as many of the messages as fit; None when there is none."""
        request = read_request(data)
        if isinstance(request, Damage):
            self.damage.add(request.reason, request.offset)
            return None
        self._counts["requests"] += 1
        if request.session != self.session:
            self._counts["other_session"] += 1
            return None
        count = min(request.message_count, self.next_sequence - request.sequence)
        run = self._log.read(request.sequence, _BLOCKS_BYTES, count) if count > 0 else None
        if run is None:
            self._counts["not_retained"] += 1
            return None
        self._counts["resent_packets"] += 1
        self._counts["resent_messages"] += run.message_count
        return pack_packet(self.session, run.sequence, run.message_count, run.blocks)

    def statistics(self) -> dict[str, int]:
        """What went out, what was asked for again, and how far the stream is behind the log."""
        return {
            **self._counts,
            "behind_messages": self._log.next_sequence - self.next_sequence,
            **self.damage.statistics(),
        }
