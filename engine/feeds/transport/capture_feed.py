"""A capture file of MoldUDP64 -> the messages of its sessions, in sequence.

Stop on the data path: from the capture reader to the decoders, for files what live.py is for sockets.
Invariant: a pure function of the file's bytes and the arguments; per session what comes out is in order,
without a hole, each message once, also when the capture holds the A and the B line of a feed.

A capture may hold several sessions (one a channel); they are told apart by name, and a packet says whose it
is. Which datagrams are MoldUDP64 is told by their content: a datagram that is not a whole packet is counted
and left out, so captures with other traffic need no filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from engine.core.errors import FeedGap
from engine.feeds.transport.damage import Damage, DamageCounts, DamageReason
from engine.feeds.transport.gaps import Gap, GapLimits
from engine.feeds.transport.moldudp64 import Packet, read_packet
from engine.feeds.transport.pcap import CaptureReader
from engine.feeds.transport.sequencer import Sequencer

__all__ = ["MAX_SESSIONS", "CaptureFeed", "TimedPacket"]

MAX_SESSIONS = 32
"""Sessions followed in one capture, each with a reorder buffer of its own; packets of others are counted."""


class TimedPacket(NamedTuple):
    """Messages in sequence, and when they were captured (when the packet came that let them go on)."""

    time_ns: int | None
    packet: Packet


class CaptureFeed:
    """The packets of a capture, once: `for time_ns, packet in CaptureFeed(stream)`.

    Raises FeedGap at a hole that does not close, and what the stream's unpacker raises.

    State   reader, damage, sequencers, statistics
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        port: int | None = None,
        start: int | None = None,
        limits: GapLimits | None = None,
        where: str = "capture",
        on_gap: Callable[[Gap], None] | None = None,
    ) -> None:
        """`port`: only datagrams to it. `start`: first message wanted of each session; None: the first one
        captured. With `on_gap` a hole is told there and stepped over, for those who only count messages."""
        self.reader = CaptureReader(stream)
        self.damage = DamageCounts()
        """Datagrams that are no MoldUDP64 packets, by the offset of their record."""
        self.sequencers: dict[bytes, Sequencer] = {}
        """By session, in order of appearance."""
        self.datagrams_elsewhere = 0
        """To other ports."""
        self._port = port
        self._start = start
        self._limits = limits
        self._where = where
        self._on_gap = on_gap

    def __iter__(self) -> Iterator[TimedPacket]:
        for datagram in self.reader:
            if self._port is not None and datagram.destination.port != self._port:
                self.datagrams_elsewhere += 1
                continue
            packet = read_packet(datagram.payload)
            if isinstance(packet, Damage):
                self.damage.add(packet.reason, datagram.offset)
                continue
            sequencer = self.sequencers.get(packet.session) or self._follow(packet.session)
            if sequencer is None:
                self.damage.add(DamageReason.TOO_MANY_SESSIONS, datagram.offset)
                continue
            for ready in self._take(sequencer, packet):
                yield TimedPacket(datagram.time_ns, ready)
        for sequencer in self.sequencers.values():
            for ready in self._finish(sequencer):
                yield TimedPacket(None, ready)

    def statistics(self) -> dict[str, int]:
        """What the file held, and what the sequencers of all sessions counted, added up."""
        totals: dict[str, int] = {}
        for sequencer in self.sequencers.values():
            for name, value in sequencer.statistics().items():
                totals[name] = totals.get(name, 0) + value
        return {
            **self.reader.statistics(),
            **self.damage.statistics(),
            "elsewhere": self.datagrams_elsewhere,
            "sessions": len(self.sequencers),
            "sessions_limit": MAX_SESSIONS,
            **totals,
        }

    def _take(self, sequencer: Sequencer, packet: Packet) -> Iterator[Packet]:
        try:
            yield from sequencer.take(packet)
        except FeedGap:
            yield from self._step_over(sequencer)
            if packet.end > sequencer.expected:  # it did not fit into the reorder buffer: now it may
                yield from self._take(sequencer, packet)

    def _finish(self, sequencer: Sequencer) -> Iterator[Packet]:
        while sequencer.missing is not None:
            try:
                sequencer.finish()
            except FeedGap:
                yield from self._step_over(sequencer)

    def _step_over(self, sequencer: Sequencer) -> tuple[Packet, ...]:
        """Go on behind the hole at which the sequencer has halted. Raises the FeedGap being handled when
        nobody wants that."""
        if self._on_gap is None:
            raise
        assert sequencer.gap is not None
        self._on_gap(sequencer.gap)
        return sequencer.resume()

    def _follow(self, session: bytes) -> Sequencer | None:
        if len(self.sequencers) >= MAX_SESSIONS:
            return None
        sequencer = Sequencer(where=self._where, session=session, start=self._start, limits=self._limits)
        self.sequencers[session] = sequencer
        return sequencer
