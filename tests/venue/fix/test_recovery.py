"""Sequence recovery as a property: over lost links, nothing is lost, told twice, or out of order.

The counterparty is an initiator written for this test, with its own rules; it reads with simplefix.
"""

from __future__ import annotations

from typing import Any

import simplefix
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.clock import NS_PER_S
from engine.venue.fix.rules import Dialect
from engine.venue.fix.session import Session
from engine.venue.fix.store import SequenceStore
from engine.venue.fix.wire import Framer, timestamp

NOW_NS = 1_700_000_000 * NS_PER_S


class Initiator:
    """The other end: FIX's rules for an initiator, nothing more."""

    def __init__(self) -> None:
        self.next_out = self.expected = 1
        self.sent: dict[int, str] = {}
        self.received: list[str] = []
        self.is_asking = False
        self.asked_until = self.highest = 0
        self.pieces = 0
        """Ends of ranges it asks for: 0 = all."""
        self.out: list[bytes] = []

    def put(
        self, kind: str, fields: list[tuple[int, Any]], *, sequence: int = 0, again: bool = False
    ) -> None:
        message = simplefix.FixMessage()
        number = sequence or self.next_out
        for tag, value in ((8, "FIX.4.4"), (35, kind), (49, "C"), (56, "S"), (34, number)):
            message.append_pair(tag, value)
        message.append_pair(52, timestamp(NOW_NS))
        if again:
            message.append_pair(43, "Y")
            message.append_pair(122, timestamp(NOW_NS))
        for tag, value in fields:
            message.append_pair(tag, value)
        if not sequence:
            self.next_out += 1
        self.out.append(message.encode())

    def say(self, text: str) -> None:
        self.sent[self.next_out] = text
        self.put("D", [(11, text), (55, "X"), (54, 1), (40, 1)])

    def hear(self, data: bytes) -> None:
        parser = simplefix.FixParser()
        parser.append_buffer(data)
        while (message := parser.get_message()) is not None:
            self.take({int(tag): value.decode() for tag, value in message.pairs})

    def take(self, fields: dict[int, str]) -> None:
        number, kind = int(fields[34]), fields[35]
        self.highest = max(self.highest, number)
        if number > self.expected:
            if kind == "2":
                self.resend(int(fields[7]), int(fields[16]))
            self.ask()
            return
        if number < self.expected:
            assert fields.get(43) == "Y", "a number came twice"
            return
        self.expected += 1
        if kind == "4":
            self.expected = int(fields[36])
        elif kind == "2":
            self.resend(int(fields[7]), int(fields[16]))
        elif kind == "8":
            self.received.append(fields[58])
        if fields.get(43) != "Y":
            self.is_asking = False
        elif self.is_asking and self.pieces and self.expected > self.asked_until:
            self.is_asking = False
            if self.expected <= self.highest:
                self.ask()

    def ask(self) -> None:
        if not self.is_asking:
            self.is_asking = True
            self.asked_until = self.expected + self.pieces - 1 if self.pieces else 0
            self.put("2", [(7, self.expected), (16, self.asked_until)])

    def resend(self, first: int, last: int) -> None:
        gap = 0
        stop = self.next_out if last == 0 else min(last + 1, self.next_out)
        for number in range(first, stop):
            text = self.sent.get(number)
            if text is None:
                gap = gap or number
                continue
            if gap:
                self.put("4", [(123, "Y"), (36, number)], sequence=gap, again=True)
                gap = 0
            fields = [(11, text), (55, "X"), (54, 1), (40, 1)]
            self.put("D", fields, sequence=number, again=True)
        if gap:
            self.put("4", [(123, "Y"), (36, stop)], sequence=gap, again=True)


class Wires:
    """Both directions of one connection; a lost connection loses what is under way."""

    def __init__(self, session: Session, initiator: Initiator) -> None:
        self.session, self.initiator = session, initiator
        self.to_initiator: list[bytes] = []
        self.taken: list[str] = []
        self.is_up = False
        self.framer = Framer()

    def write(self, data: bytes) -> None:
        self.to_initiator.append(data)

    def close(self) -> None:
        raise AssertionError("the session closed a link of a right counterparty")

    def connect(self) -> None:
        if self.is_up:
            return
        self.is_up = True
        self.framer = Framer()
        self.initiator.is_asking = False
        self.initiator.out.clear()
        self.initiator.put("A", [(98, 0), (108, 30)])
        (logon,) = self.framer.feed(self.initiator.out.pop())
        assert self.session.connect(logon, self, NOW_NS)

    def lose(self) -> None:
        if self.is_up:
            self.is_up = False
            self.session.disconnect(self)
            self.to_initiator.clear()
            self.initiator.out.clear()

    def deliver_out(self) -> None:
        if self.is_up and self.initiator.out:
            for message in self.framer.feed(self.initiator.out.pop(0)):
                asked = self.session.receive(message, NOW_NS)
                if asked is not None:
                    self.taken.append(asked.get(11))

    def deliver_in(self) -> None:
        if self.is_up and self.to_initiator:
            self.initiator.hear(self.to_initiator.pop(0))


STEPS = st.lists(
    st.sampled_from(["say", "report", "quote", "connect", "connect", "lose", "out", "out", "in", "in", "in"]),
    max_size=120,
)


def play(steps: list[str], *, pieces: int, kept: int = 10_000) -> tuple[Wires, list[str], list[str]]:
    session = Session("S", "C", "key", Dialect.STANDARD, SequenceStore(messages=kept))
    wires = Wires(session, Initiator())
    wires.initiator.pieces = pieces
    said: list[str] = []
    reported: list[str] = []
    for number, step in enumerate(steps):
        if step == "say" and wires.is_up:
            said.append(f"c{number}")
            wires.initiator.say(said[-1])
        elif step == "report":
            reported.append(f"r{number}")
            session.send("8", [(58, reported[-1])], NOW_NS)
        elif step == "quote":
            session.send("X", [(262, "old news")], NOW_NS, keep=False)
        elif step == "connect":
            wires.connect()
        elif step == "lose":
            wires.lose()
        elif step == "out":
            wires.deliver_out()
        elif step == "in":
            wires.deliver_in()
    settle(wires)
    return wires, said, reported


def settle(wires: Wires) -> None:
    """A last connection that holds: all that is under way arrives, and then something new."""
    wires.lose()
    wires.connect()
    for _ in range(4):
        wires.initiator.put("0", [])
        wires.session.send("X", [(262, "still here")], NOW_NS, keep=False)
        for _ in range(2_000):
            if not (wires.initiator.out or wires.to_initiator):
                break
            wires.deliver_out()
            wires.deliver_in()


@settings(max_examples=300)
@given(STEPS, st.sampled_from([0, 0, 1, 3]))
def test_over_lost_links_each_application_message_arrives_once_and_in_order(
    steps: list[str], pieces: int
) -> None:
    wires, said, reported = play(steps, pieces=pieces)
    assert wires.taken == said
    assert wires.initiator.received == reported


@settings(max_examples=100)
@given(STEPS)
def test_what_was_forgotten_is_a_gap_and_never_a_stall(steps: list[str]) -> None:
    wires, said, reported = play(steps, pieces=0, kept=3)
    assert wires.taken == said
    received = wires.initiator.received
    assert received == [one for one in reported if one in set(received)]
    assert received[-3:] == reported[-3:]
    assert len(reported) - len(received) <= wires.session.store.forgotten
