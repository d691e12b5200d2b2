"""The gap tracker: packets in any order in, messages in sequence out, each exactly once.

Stop on the data path: behind `read_packet`, before any decoder. Invariant: what comes out is a prefix of the
session (from `start` on), in order, without a hole and without a repetition; at a hole that does not close
nothing behind it gets out.

    received = delivered + duplicate + waiting + dropped          (messages, at any time)

A packet ahead of its turn waits, up to the limits. The hole before it closes by itself (packets overtake each
other on a network), or by a retransmission, or it gets too old. Age is counted in packets seen without
progress, so that a capture halts at the same packet on every machine; live, where a feed may fall silent, it
is also measured by an injected clock (`tick`). Then
    without `request`   the sequencer halts: FeedGap, with the sequence expected and the one that came;
    with `request`      it asks for what is missing, again and again while that brings progress, at most
                        `attempts` times without; then it halts as well.

A heartbeat and the end of a session carry the next sequence, so they show a hole at the end of the stream.
Packets of another session are not used; once the own session has ended, the next one is followed from its
first message.
"""

from __future__ import annotations

from collections.abc import Callable

from sortedcontainers import SortedDict

from engine.core.errors import DataError, FeedGap
from engine.feeds.transport.gaps import Gap, GapLimits, SessionChange
from engine.feeds.transport.moldudp64 import MAX_COUNT, MAX_SEQUENCE, Packet, Request

__all__ = ["Sequencer"]


class Sequencer:
    """Follows one session.

    Input    take, tick (live), finish (files), resume (who may)
    State    session, expected, is_ended, is_halted, missing, waiting_packets
    Reports  gap, session_change, statistics
    """

    def __init__(
        self,
        *,
        where: str = "MoldUDP64",
        session: bytes | None = None,
        start: int | None = 1,
        limits: GapLimits | None = None,
        request: Callable[[Request], None] | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """`session` None: the first packet's. `start`: first message wanted; None: the first one that is
        seen. `request` sends a request to a re-request server; the answer comes through `take`."""
        self.session = session
        self.gap: Gap | None = None
        self.session_change: SessionChange | None = None
        self._where = where
        self._start = start
        self._limits = limits or GapLimits()
        self._request = request
        self._clock = clock
        self._waiting: SortedDict[int, Packet] = SortedDict()
        self._foreign_in_a_row = 0
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._waiting_messages = self._waiting_bytes = 0
        self._restart(start or 1)

    def _restart(self, expected: int) -> None:
        self.expected = expected
        self._known_end = expected
        self._end: int | None = None
        self._is_anchored = self._start is not None
        self._settle()

    def _settle(self) -> None:
        """No hole is open."""
        self._is_stalled = False
        self._stalled_packets = 0
        self._stalled_since_ns = 0
        self._asked_at_packets = 0
        self._asked_at_ns = 0
        self._attempts = 0
        self._asked = 0
        self._asked_until = 0
        self._request_size = 0

    @property
    def is_ended(self) -> bool:
        """The session said that it is over, and all of it was handed on."""
        return self._end is not None and self.expected >= self._end

    @property
    def is_halted(self) -> bool:
        """Nothing more will come out."""
        return self.gap is not None or (
            self.session_change is not None and self._foreign_in_a_row >= self._limits.patience_packets
        )

    @property
    def missing(self) -> tuple[int, int] | None:
        """The first open hole: its first message and the one behind it."""
        if self._known_end <= self.expected:
            return None
        return self.expected, self._waiting.peekitem(0)[0] if self._waiting else self._known_end

    @property
    def waiting_packets(self) -> int:
        """Packets kept behind a hole: so many, and one more, the next `take` can hand on at the most."""
        return len(self._waiting)

    def take(self, packet: Packet) -> tuple[Packet, ...]:
        """What can be handed on now: consecutive packets of messages.

        Raises FeedGap when a hole is given up, DataError when another session has taken over; and again at
        every call behind that.
        """
        if self.is_halted:
            raise self._error()
        self._counts["packets"] += 1
        if packet.session != self.session and not self._adopt(packet):
            if self.is_halted:
                raise self._error()
            return ()
        self._foreign_in_a_row = 0
        if not self._is_anchored:
            self._is_anchored = True
            self.expected = self._known_end = max(1, packet.sequence)
        ready = self._take_messages(packet) if packet.message_count else self._take_notice(packet)
        if self._known_end > self.expected:
            self._mind_hole(ready)
        elif self._is_stalled:
            self._settle()
        if self.gap is not None and not ready:
            raise self._error()
        return ready

    def tick(self) -> None:
        """Looks at the clock: asks again or gives a hole up. Raises FeedGap as `take` does."""
        if self.is_halted:
            raise self._error()
        if self._clock is None or not self._is_stalled:
            return
        now_ns = self._clock()
        stalled_ns = now_ns - self._stalled_since_ns
        if self._request is None:
            if stalled_ns >= self._limits.patience_ns:
                self._give_up()
        elif self._attempts == 0:
            if stalled_ns >= self._limits.ask_after_ns:
                self._ask()
        elif now_ns - self._asked_at_ns >= self._limits.ask_again_ns:
            self._ask()
        if self.gap is not None:
            raise self._error()

    def finish(self) -> None:
        """The input is over. Raises FeedGap when a hole is open, for nothing can close it any more."""
        if not self.is_halted and self._known_end > self.expected:
            self._give_up()
        if self.is_halted:
            raise self._error()

    def resume(self) -> tuple[Packet, ...]:
        """Go on behind the hole that was given up, with what waited there. For those who only count messages:
        a book that is continued so is wrong."""
        assert self.gap is not None
        self._counts["skipped"] += self.gap.got - self.expected
        self.expected = self.gap.got
        self.gap = None
        self._settle()
        return tuple(self._release())

    def statistics(self) -> dict[str, int]:
        """Fill of the reorder buffer with its limits, and what came, went on and was dropped."""
        return {
            **self._counts,
            "waiting": self._waiting_messages,
            "waiting_limit": self._limits.waiting_messages,
            "waiting_bytes": self._waiting_bytes,
            "waiting_bytes_limit": self._limits.waiting_bytes,
        }

    def _adopt(self, packet: Packet) -> bool:
        """Whether this packet's session is, from now on, the one that is followed."""
        if self.session is None:
            self.session = packet.session
            return True
        if self.is_ended:
            self._note_change(packet)
            self.session = packet.session
            self._start = 1
            self._restart(1)
            return True
        self._counts["other_session"] += 1
        if self._foreign_in_a_row == 0:
            self._note_change(packet)
        self._foreign_in_a_row += 1
        return False

    def _note_change(self, packet: Packet) -> None:
        assert self.session is not None
        self._counts["session_changes"] += 1
        self.session_change = SessionChange(self.session, packet.session, self.expected, packet.sequence)

    def _take_notice(self, packet: Packet) -> tuple[Packet, ...]:
        """A heartbeat or the end: nothing to hand on, but the next sequence."""
        self._counts["ends" if packet.is_end else "heartbeats"] += 1
        self._known_end = max(self._known_end, packet.sequence)
        if packet.is_end:
            self._end = max(packet.sequence, self._end or 0)
        return ()

    def _take_messages(self, packet: Packet) -> tuple[Packet, ...]:
        end = packet.sequence + packet.message_count
        self._counts["received"] += packet.message_count
        if end > self._known_end:
            self._known_end = end
            if self._end is not None and end > self._end:
                self._end = None  # it was none: the session goes on
        if packet.sequence > self.expected:
            self._keep(packet)
            return ()
        if end <= self.expected:
            self._counts["duplicate"] += packet.message_count
            return ()
        first = self._hand_on(packet)
        return (first, *self._release()) if self._waiting else (first,)

    def _hand_on(self, packet: Packet) -> Packet:
        """The part of a packet that is new; it begins at or before `expected` and ends behind it."""
        known = self.expected - packet.sequence
        if known:
            self._counts["duplicate"] += known
            packet = packet.without_first(known)
        self.expected += packet.message_count
        self._counts["delivered"] += packet.message_count
        return packet

    def _release(self) -> list[Packet]:
        """Packets that waited and whose turn has come."""
        ready = []
        while self._waiting and self._waiting.peekitem(0)[0] <= self.expected:
            packet = self._waiting.peekitem(0)[1]
            self._forget(packet)
            if packet.end <= self.expected:
                self._counts["duplicate"] += packet.message_count
            else:
                ready.append(self._hand_on(packet))
        return ready

    def _keep(self, packet: Packet) -> None:
        held = self._waiting.get(packet.sequence)
        if held is not None and held.message_count >= packet.message_count:
            self._counts["duplicate"] += packet.message_count
            return
        messages, size = (held.message_count, len(held.blocks)) if held is not None else (0, 0)
        if (
            self._waiting_messages + packet.message_count - messages > self._limits.waiting_messages
            or self._waiting_bytes + len(packet.blocks) - size > self._limits.waiting_bytes
        ):
            # With requests it comes again when its turn comes; without, nothing could bring it back.
            self._counts["dropped"] += packet.message_count
            if self._request is None:
                self._give_up(packet.sequence)
            return
        if held is not None:
            self._forget(held)
            self._counts["duplicate"] += held.message_count
        self._waiting[packet.sequence] = packet
        self._waiting_messages += packet.message_count
        self._waiting_bytes += len(packet.blocks)

    def _forget(self, packet: Packet) -> None:
        del self._waiting[packet.sequence]
        self._waiting_messages -= packet.message_count
        self._waiting_bytes -= len(packet.blocks)

    def _mind_hole(self, ready: tuple[Packet, ...]) -> None:
        """A hole is open after a packet that let `ready` go on: count its age, ask, or give it up."""
        if ready or not self._is_stalled:
            was_asking = self._attempts > 0
            self._is_stalled = True
            self._stalled_packets = self._asked_at_packets = self._attempts = 0
            self._stalled_since_ns = self._clock() if self._clock is not None else 0
            if was_asking:
                self._ask_on(ready[0].message_count)
            return
        self._stalled_packets += 1
        if self._request is None:
            if self._stalled_packets >= self._limits.patience_packets:
                self._give_up()
            return
        age = self._stalled_packets - self._asked_at_packets
        if age >= (self._limits.ask_again_packets if self._attempts else self._limits.ask_after_packets):
            self._ask()

    def _ask(self) -> None:
        """For all that is missing, in one request; the first, or after one that brought nothing."""
        self._asked_until = self.expected
        self._request_size = MAX_COUNT
        self._send_requests(1)

    def _ask_on(self, answered: int) -> None:
        """For what is missing behind an answer of so many messages. Half as many always fit into a packet, as
        good as; where they do not, what is left over is asked for when nothing more comes."""
        if self._request_size == MAX_COUNT:
            self._asked_until = self.expected
            self._request_size = max(_LEAST_REQUEST, answered // 2)
        self._send_requests(self._limits.requests_ahead)

    def _send_requests(self, ahead: int) -> None:
        """Requests for the next messages of the hole, until so many are under way."""
        assert self._request is not None
        assert self.session is not None
        hole = self.missing
        assert hole is not None
        if self._attempts >= self._limits.attempts or self._asked >= self._limits.requests:
            self._give_up()
            return
        self._attempts += 1
        self._asked_at_packets = self._stalled_packets
        self._asked_at_ns = self._clock() if self._clock is not None else 0
        sequence = max(self._asked_until, self.expected)
        end = min(hole[1], self.expected + ahead * self._request_size)
        while sequence < end:
            count = min(self._request_size, hole[1] - sequence)
            self._asked += 1
            self._counts["requests"] += 1
            self._request(Request(self.session, sequence, count))
            sequence += count
        self._asked_until = sequence

    def _give_up(self, behind: int = MAX_SEQUENCE) -> None:
        """Halt at the first hole; `behind` is a message that came and is not kept."""
        hole = self.missing
        assert hole is not None
        assert self.session is not None
        self.gap = Gap(self.session, hole[0], min(hole[1], behind), self._waiting_messages, self._asked)

    def _error(self) -> DataError:
        assert self.session is not None
        where = f"{self._where}: session {_text(self.session)}"
        if self.gap is not None:
            return FeedGap(where, expected=self.gap.expected, got=self.gap.got)
        assert self.session_change is not None
        return DataError(
            f"{where}: packets of session {_text(self.session_change.new)} instead, the next message due was "
            f"{self.session_change.expected}. Open the feed again to follow the new session."
        )


_COUNTED = (
    "packets",
    "received",
    "delivered",
    "duplicate",
    "dropped",
    "skipped",
    "heartbeats",
    "ends",
    "other_session",
    "session_changes",
    "requests",
)


_LEAST_REQUEST = 16
"""Messages of a request at the least, when they are asked for piece by piece."""


def _text(session: bytes) -> str:
    """A session's name as text that is safe to show."""
    return repr(session.decode("ascii", "backslashreplace").strip())
