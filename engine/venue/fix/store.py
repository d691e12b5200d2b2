"""What one counterparty has been sent, so that it can be sent again; and where both counts stand.

Place on the data path: beside the session machine, one for each (sender, key), in memory, over reconnects.
Invariant: a sequence number is given once, link or no link; what had to be forgotten is resent as a gap.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

__all__ = ["STORED_BYTES", "STORED_MESSAGES", "Sent", "SequenceStore"]

STORED_MESSAGES = 20_000
"""Application messages kept for one counterparty."""
STORED_BYTES = 4 << 20
"""Their bodies together."""


class Sent(NamedTuple):
    """An application message as it was, or would have been, sent."""

    sequence: int
    message_type: str
    body: bytes
    sent: str
    """SendingTime."""


class SequenceStore:
    """Sequence numbers of both directions, and what may have to be sent again."""

    def __init__(self, messages: int = STORED_MESSAGES, size_bytes: int = STORED_BYTES) -> None:
        self.next_in = 1
        """The sequence number that the counterparty's next message has to have."""
        self.next_out = 1
        self.forgotten = 0
        """Application messages that did not fit any more."""
        self._kept: OrderedDict[int, Sent] = OrderedDict()
        self._bytes = 0
        self._most = messages
        self._most_bytes = size_bytes

    def reset(self) -> None:
        """Both directions begin again at 1."""
        self.next_in = self.next_out = 1
        self._kept.clear()
        self._bytes = 0

    def take_number(self) -> int:
        """The next outgoing sequence number."""
        number = self.next_out
        self.next_out += 1
        return number

    def keep(self, sent: Sent) -> None:
        """Keeps a message for a resend; the oldest go when there are too many."""
        self._kept[sent.sequence] = sent
        self._bytes += len(sent.body)
        while self._kept and (len(self._kept) > self._most or self._bytes > self._most_bytes):
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)
            self.forgotten += 1

    def get(self, sequence: int) -> Sent | None:
        """What was sent with this number; None: an administrative message, market data, or forgotten."""
        return self._kept.get(sequence)

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {"stored": len(self._kept), "stored_bytes": self._bytes, "forgotten": self.forgotten}
