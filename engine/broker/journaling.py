"""Broker requests as commands of the journal: a request's bytes in pieces of 40 (stop 1 on the data path).

A command has five 8-byte fields, which carry a piece each. TEXT commands hold the pieces before the last,
BROKER the last one; `flags` says how many bytes count. All are inputs like any other, so the journal needs
no second kind of record, and what was cut off at its end is an unfinished text that nobody reads.
"""

from __future__ import annotations

import struct

from engine.broker.terms import BrokerNote, BrokerRequest, decode_request, encode_request
from engine.core.errors import UsageError
from engine.core.types import Command, CommandKind

__all__ = ["MAX_REQUEST_BYTES", "PIECE_BYTES", "RequestText", "request_commands"]

_FIELDS = struct.Struct("<Qqqqq")
PIECE_BYTES = _FIELDS.size
MAX_REQUEST_BYTES = 4_096
"""Longest encoded request."""


def request_commands(request: BrokerRequest | BrokerNote) -> list[Command]:
    """The commands that stand for a request or note, in order. Raises UsageError when it is too long."""
    data = encode_request(request)
    if len(data) > MAX_REQUEST_BYTES:
        raise UsageError(f"a request of {len(data)} bytes: at most {MAX_REQUEST_BYTES} fit the journal")
    last = (len(data) - 1) // PIECE_BYTES * PIECE_BYTES
    return [
        _command(
            CommandKind.BROKER if start == last else CommandKind.TEXT,
            request.account,
            data[start : start + PIECE_BYTES],
        )
        for start in range(0, last + 1, PIECE_BYTES)
    ]


class RequestText:
    """Puts requests together again from accepted commands."""

    def __init__(self) -> None:
        self.waiting = b""
        """Pieces of a request whose end has not come yet."""

    def take(self, command: Command) -> BrokerRequest | BrokerNote | None:
        """The request or note that this command ends, if it ends one. Raises UsageError when it is none."""
        piece = _FIELDS.pack(command.order_id, command.price_ticks, command.qty_lots, command.a, command.b)
        if not 0 < command.flags <= PIECE_BYTES:
            raise UsageError(f"a piece of {command.flags} bytes: 1 to {PIECE_BYTES} fit one command")
        text = self.waiting + piece[: command.flags]
        if len(text) > MAX_REQUEST_BYTES:
            self.waiting = b""
            raise UsageError(f"a request of more than {MAX_REQUEST_BYTES} bytes")
        if command.kind == CommandKind.TEXT:
            self.waiting = text
            return None
        self.waiting = b""
        try:
            return decode_request(text)
        except ValueError as error:
            raise UsageError(f"the bytes of a broker request cannot be read: {error}") from error


def _command(kind: CommandKind, account: int, piece: bytes) -> Command:
    first, second, third, fourth, fifth = _FIELDS.unpack(piece.ljust(PIECE_BYTES, b"\0"))
    return Command(
        kind=kind,
        account=account,
        flags=len(piece),
        order_id=first,
        price_ticks=second,
        qty_lots=third,
        a=fourth,
        b=fifth,
    )
