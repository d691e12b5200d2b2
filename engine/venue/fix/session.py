"""The FIX session: sequence numbers, heartbeats, resends, rejects; a machine without sockets or clocks.

Place on the data path: between a link's messages and the application. It outlives its links: what is sent
without one takes its number and waits to be asked for.

    in: connect receive tick disconnect send        out: what it writes to the link, what it hands up

Invariant (a property test): over any pattern of lost links each application message of either side is
handed up exactly once and in order. Messages after a gap are not kept: the resend brings them again.
Rules: FIX 4.4 volume 2, and the test cases of the FIX session layer.
"""

from __future__ import annotations

from typing import Protocol

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.venue.fix.rules import STANDARD_TYPES, Dialect, Fault, Reject, check
from engine.venue.fix.store import Sent, SequenceStore
from engine.venue.fix.wire import (
    BEGIN_STRING,
    Fields,
    Message,
    body_bytes,
    encode,
    parse_timestamp_ns,
    timestamp,
)

__all__ = ["SENDING_TIME_NS", "Session", "Wire"]

SENDING_TIME_NS = 120 * NS_PER_S
"""How far SendingTime may be from our clock."""
LOGOUT_PATIENCE_NS = 2 * NS_PER_S
"""How long an answer to our Logout is waited for."""
LATE_SHARE = 1.2
"""So many heartbeat intervals of silence make a TestRequest, and after it the end."""
FUTURE_NS = NS_PER_S
"""How far ahead a SendingTime with a RecvWindow may be."""
_ADMIN = frozenset("012345A")


class Wire(Protocol):
    """A connection as the session sees it; both return at once."""

    def write(self, data: bytes, /) -> None: ...

    def close(self) -> None:
        """After what was written."""


class Session:
    """One counterparty: (its comp id, its key), whether a link is up or not.

    Link         connect receive tick disconnect log_out
    Application  send reject business_reject
    """

    def __init__(
        self, sender: str, target: str, key_name: str, dialect: Dialect, store: SequenceStore | None = None
    ) -> None:
        self.sender = sender
        """Our comp id."""
        self.target = target
        """The counterparty's."""
        self.key_name = key_name
        self.dialect = dialect
        self.store = store or SequenceStore()
        self.skew_ns = 0
        """By how much our clock is said to be ahead."""
        self.counts = {"received": 0, "sent": 0, "rejected": 0, "resent": 0, "resend_requests": 0,
                       "duplicates": 0, "logons": 0}  # fmt: skip
        self._wire: Wire | None = None
        self._interval_ns = 0
        self._heard_ns = 0
        self._spoke_ns = 0
        self._tested_ns = 0
        """When the TestRequest was sent that nobody has answered; 0: none."""
        self._asked_ns = 0
        """When a resend was last asked for; 0: nothing is missing."""
        self._logout_ns = 0
        """When we said Logout; 0: not."""

    @property
    def is_connected(self) -> bool:
        """Whether a link is up."""
        return self._wire is not None

    # -- link ------------------------------------------------------------------------------------------

    def connect(self, logon: Message, wire: Wire, now_ns: int, extra: Fields = ()) -> bool:
        """Takes up a link after a Logon whose sender is known. False: its numbers are wrong."""
        store = self.store
        self._wire = wire
        self._interval_ns = (logon.number(108) or 0) * NS_PER_S
        self._heard_ns = now_ns
        self._tested_ns = self._asked_ns = self._logout_ns = 0
        resets = logon.is_set(141)
        if resets:
            store.reset()
        sequence = logon.sequence
        if sequence < store.next_in and not logon.is_set(43):
            self._end(f"MsgSeqNum too low, expecting {store.next_in} but received {sequence}", now_ns)
            return False
        expected = logon.number(789)
        if expected is not None and expected > store.next_out:
            self._end(f"NextExpectedMsgSeqNum {expected} is beyond {store.next_out}", now_ns)
            return False
        self.counts["logons"] += 1
        first_missed = store.next_out if expected is None else expected
        is_gap = sequence > store.next_in
        if sequence == store.next_in:
            store.next_in += 1
        answer = [(98, "0"), (108, str(self._interval_ns // NS_PER_S))]
        if resets:
            answer.append((141, "Y"))
        if expected is not None:
            answer.append((789, str(store.next_in)))
        last_missed = store.next_out - 1
        self._write("A", [*answer, *extra], now_ns)
        if last_missed >= first_missed:
            self._replay(first_missed, last_missed, now_ns)
        if is_gap and expected is None:
            self._ask_for_missing(now_ns)
        return True

    def disconnect(self, wire: Wire) -> None:
        """A link is gone; numbers and messages stay."""
        if self._wire is wire:
            self._wire = None

    def receive(self, message: Message, now_ns: int) -> Message | None:
        """Takes one message of the link; the message when the application has to act on it."""
        self.counts["received"] += 1
        self._heard_ns = now_ns
        if not self._is_ours(message, now_ns):
            return None
        store = self.store
        sequence = message.sequence
        if message.type == "4" and not message.is_set(123):
            self._reset_sequence(message, now_ns)
            return None
        if sequence > store.next_in:
            self._take_early(message, now_ns)
            return None
        if sequence < store.next_in:
            if message.is_set(43):
                self.counts["duplicates"] += 1
            else:
                self._end(f"MsgSeqNum too low, expecting {store.next_in} but received {sequence}", now_ns)
            return None
        store.next_in += 1
        if not message.is_set(43):
            self._asked_ns = 0
        fault = self._time_fault(message, now_ns) or check(message, self.dialect)
        if fault is not None:
            self._refuse(message, fault, now_ns)
            return None
        if message.type in _ADMIN:
            self._administer(message, now_ns)
            return None
        if message.type == "j":
            return None
        return message

    def tick(self, now_ns: int) -> None:
        """Heartbeats, tests and time-outs; call it several times a second."""
        if self._wire is None:
            return
        if self._logout_ns:
            if now_ns - self._logout_ns >= LOGOUT_PATIENCE_NS:
                self._close()
            return
        if self._interval_ns == 0:
            return
        if now_ns - self._spoke_ns >= self._interval_ns:
            self._write("0", (), now_ns)
        if self._tested_ns:
            if now_ns - self._tested_ns >= LATE_SHARE * self._interval_ns:
                self._end("no answer to the TestRequest", now_ns)
        elif now_ns - self._heard_ns >= LATE_SHARE * self._interval_ns:
            self._tested_ns = now_ns
            self._write("1", [(112, f"TEST-{self.store.next_out}")], now_ns)

    def log_out(self, text: str, now_ns: int) -> None:
        """Says Logout and waits a little for the answer."""
        if self._wire is not None and not self._logout_ns:
            self._write("5", [(58, text)], now_ns)
            self._logout_ns = now_ns

    # -- application -----------------------------------------------------------------------------------

    def send(self, message_type: str, fields: Fields, now_ns: int, *, keep: bool = True) -> None:
        """Sends an application message; without a link it takes its number and is told on a resend.

        `keep=False`: old news is no news (market data), a resend skips it; without a link it is not sent.
        """
        if self._wire is None and not keep:
            return
        body = body_bytes(fields)
        sent = timestamp(now_ns + self.skew_ns)
        number = self.store.take_number()
        if keep:
            self.store.keep(Sent(number, message_type, body, sent))
        if self._wire is not None and not self._logout_ns:
            self._put(encode(message_type, self.sender, self.target, number, sent, body), now_ns)

    def reject(self, message: Message, fault: Fault, now_ns: int, code: int | None = None) -> None:
        """Session-level Reject of a message that came in order."""
        self.counts["rejected"] += 1
        fields = [(45, str(message.sequence))]
        if fault.tag is not None:
            fields.append((371, str(fault.tag)))
        if message.type:
            fields.append((372, message.type))
        fields.append((373, str(int(fault.reason))))
        fields.append((58, fault.text))
        if self.dialect is Dialect.BINANCE:
            fields.append((25016, str(code if code is not None else _code_of(fault.reason))))
        self._write("3", fields, now_ns)

    def business_reject(self, message: Message, reason: int, text: str, now_ns: int) -> None:
        """BusinessMessageReject: the message is right, but cannot be acted on."""
        self.counts["rejected"] += 1
        fields = [(45, str(message.sequence)), (372, message.type), (380, str(reason)), (58, text)]
        self.send("j", fields, now_ns)

    # -- receiving -------------------------------------------------------------------------------------

    def _is_ours(self, message: Message, now_ns: int) -> bool:
        """Whether version, comp ids and number are such that the message can be looked at."""
        if message.begin != BEGIN_STRING:
            self._end(f"BeginString must be {BEGIN_STRING}", now_ns)
            return False
        if message.sequence == 0:
            self._end("MsgSeqNum is missing or no number", now_ns)
            return False
        for tag, expected in ((49, self.target), (56, self.sender)):
            if message.get(tag) != expected:
                if message.sequence == self.store.next_in:
                    self.store.next_in += 1
                self.reject(message, Fault(Reject.COMP_ID, tag, "CompID problem"), now_ns)
                self._end("CompID problem", now_ns)
                return False
        return True

    def _take_early(self, message: Message, now_ns: int) -> None:
        """A message from behind a gap: what cannot wait is done, and the gap is asked for."""
        if self.dialect is Dialect.BINANCE:
            text = f"MsgSeqNum too high, expecting {self.store.next_in} but received {message.sequence}"
            self._end(text, now_ns)
            return
        if message.type == "2" and check(message, self.dialect) is None:
            self._resend(message, now_ns)  # both sides may have a gap: each answers before it asks
        if message.type == "5":
            self._answer_logout(now_ns)
            return
        patience_ns = max(self._interval_ns, NS_PER_S)
        if self._asked_ns == 0 or now_ns - self._asked_ns >= patience_ns:
            self._ask_for_missing(now_ns)

    def _ask_for_missing(self, now_ns: int) -> None:
        self._asked_ns = now_ns
        self.counts["resend_requests"] += 1
        self._write("2", [(7, str(self.store.next_in)), (16, "0")], now_ns)

    def _time_fault(self, message: Message, now_ns: int) -> Fault | None:
        sent_ns = parse_timestamp_ns(message.get(52))
        if sent_ns is None:
            reason = Reject.WRONG_FORMAT if 52 in message.values else Reject.REQUIRED_TAG_MISSING
            return Fault(reason, 52, "SendingTime is missing or malformed.")
        if message.is_set(43):
            original_ns = parse_timestamp_ns(message.get(122))
            if original_ns is None:
                return Fault(Reject.REQUIRED_TAG_MISSING, 122, "Required tag 122 is missing.")
            if original_ns > sent_ns:
                return Fault(Reject.SENDING_TIME, 122, "OrigSendingTime is after SendingTime.")
        here_ns = now_ns + self.skew_ns
        if abs(here_ns - sent_ns) > SENDING_TIME_NS:
            return Fault(Reject.SENDING_TIME, 52, "SendingTime accuracy problem")
        window_ms = message.number(25000)
        if window_ms is not None and not -FUTURE_NS < here_ns - sent_ns <= window_ms * NS_PER_MS:
            return Fault(Reject.SENDING_TIME, 52, "Timestamp for this request is outside of the recvWindow.")
        return None

    def _refuse(self, message: Message, fault: Fault, now_ns: int) -> None:
        is_standard = self.dialect is Dialect.STANDARD
        if fault.reason == Reject.INVALID_TYPE and is_standard and message.type in STANDARD_TYPES:
            self.business_reject(message, 3, "Unsupported Message Type", now_ns)
            return
        self.reject(message, fault, now_ns)
        if fault.reason == Reject.SENDING_TIME and 25000 not in message.values:
            self.log_out(fault.text, now_ns)

    def _administer(self, message: Message, now_ns: int) -> None:
        kind = message.type
        if kind == "0":
            self._tested_ns = 0
        elif kind == "1":
            self._write("0", [(112, message.get(112))], now_ns)
        elif kind == "2":
            self._resend(message, now_ns)
        elif kind == "4":
            self._fill_gap(message, now_ns)
        elif kind == "5":
            self._answer_logout(now_ns)
        elif kind == "A":
            self.reject(message, Fault(Reject.OTHER, None, "already logged on"), now_ns)

    def _answer_logout(self, now_ns: int) -> None:
        if not self._logout_ns:
            self._write("5", [(58, "Logout acknowledgment.")], now_ns)
        self._close()

    def _fill_gap(self, message: Message, now_ns: int) -> None:
        number = message.number(36) or 0
        if number <= message.sequence:
            text = f"attempt to lower the sequence number to {number}"
            self.reject(message, Fault(Reject.VALUE_INCORRECT, 36, text), now_ns)
            return
        self.store.next_in = number

    def _reset_sequence(self, message: Message, now_ns: int) -> None:
        """SequenceReset in reset mode: its own number does not count."""
        fault = check(message, self.dialect)
        number = message.number(36) or 0
        if fault is None and number < self.store.next_in:
            text = f"attempt to lower the sequence number to {number}"
            fault = Fault(Reject.VALUE_INCORRECT, 36, text)
        if fault is not None:
            self.reject(message, fault, now_ns)
            return
        self.store.next_in = number
        self._asked_ns = 0

    # -- resending -------------------------------------------------------------------------------------

    def _resend(self, message: Message, now_ns: int) -> None:
        first, last = message.number(7) or 0, message.number(16)
        newest = self.store.next_out - 1
        if first == 0 or first > newest or last is None or (last and last < first):
            tag = 16 if last is None else 7
            self.reject(message, Fault(Reject.VALUE_INCORRECT, tag, "no such range was sent"), now_ns)
            return
        self._replay(first, min(last or newest, newest), now_ns)

    def _replay(self, first: int, last: int, now_ns: int) -> None:
        """Sends a range again: application messages as they were, runs of anything else as a gap fill."""
        sent_now = timestamp(now_ns + self.skew_ns)
        gap = 0
        for number in range(first, last + 1):
            sent = self.store.get(number)
            if sent is None:
                gap = gap or number
                continue
            if gap:
                self._put_gap(gap, number, sent_now, now_ns)
                gap = 0
            self.counts["resent"] += 1
            self._put(
                encode(sent.message_type, self.sender, self.target, number, sent_now, sent.body, sent.sent),
                now_ns,
            )
        if gap:
            self._put_gap(gap, last + 1, sent_now, now_ns)

    def _put_gap(self, first: int, following: int, sent: str, now_ns: int) -> None:
        body = body_bytes([(123, "Y"), (36, str(following))])
        self._put(encode("4", self.sender, self.target, first, sent, body, sent), now_ns)

    # -- sending ---------------------------------------------------------------------------------------

    def _write(self, message_type: str, fields: Fields, now_ns: int) -> None:
        """An administrative message: never kept, and nothing without a link."""
        if self._wire is None:
            return
        sent = timestamp(now_ns + self.skew_ns)
        number = self.store.take_number()
        self._put(encode(message_type, self.sender, self.target, number, sent, body_bytes(fields)), now_ns)

    def _put(self, data: bytes, now_ns: int) -> None:
        if self._wire is not None:
            self._spoke_ns = now_ns
            self.counts["sent"] += 1
            self._wire.write(data)

    def _end(self, text: str, now_ns: int) -> None:
        """Logout, and the link is closed at once: the other side is not as it should be."""
        if not self._logout_ns:
            self._write("5", [(58, text)], now_ns)
        self._close()

    def _close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()


def _code_of(reason: int) -> int:
    """Binance's code for a session-level reject (its public errors.md)."""
    if reason == Reject.SENDING_TIME:
        return -1021
    if reason == Reject.REQUIRED_TAG_MISSING:
        return -1102
    return -1130 if reason == Reject.VALUE_INCORRECT else -1169
