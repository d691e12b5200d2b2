"""Inputs at the door of a session: what may come in, and storms as commands (stop 1 on the data path).

Invariant: a command that passes `check_command` fits the journal and is understood by every session.
"""

from __future__ import annotations

import struct

from engine.broker.journaling import PIECE_BYTES
from engine.core.errors import UsageError
from engine.core.target_sample import TARGETS_LIMIT
from engine.core.types import Account, Command, CommandKind, Side, TimeInForce
from engine.gatekeeper import check_gate_command
from engine.storms.request import MILLION, StormRequest, kind_of

__all__ = ["check_command", "storm_command", "storm_request"]

_OF_AN_ACCOUNT = (CommandKind.SUBMIT, CommandKind.CANCEL, CommandKind.CANCEL_ALL, CommandKind.REPLACE)


def check_command(command: Command) -> None:
    """Raises UsageError (StormError) for what no session takes as an input.

    Prices and quantities are the risk gate's business: an order with bad ones is answered by a report.
    """
    try:
        command.pack()
    except struct.error as error:
        raise UsageError(f"{command}: a field is too large for the journal ({error})") from error
    kind = command.kind
    if kind in _OF_AN_ACCOUNT:
        if command.account not in (Account.DESK, Account.TARGET):
            raise UsageError(
                f"account {command.account} takes no orders from outside: use the desk's or target's"
            )
        if command.side not in tuple(Side):
            raise UsageError(f"side {command.side} is unknown: use 0 (bid) or 1 (ask)")
        if command.time_in_force not in tuple(TimeInForce):
            raise UsageError(f"time in force {command.time_in_force} is unknown: use 0 to {max(TimeInForce)}")
    elif kind == CommandKind.STORM_START:
        storm_request(command)
    elif kind == CommandKind.STORM_STOP:
        if command.storm:
            kind_of(command.storm)
    elif kind in (CommandKind.TEXT, CommandKind.BROKER):
        if not 0 < command.flags <= PIECE_BYTES:
            raise UsageError(f"a piece of a broker request has 1 to {PIECE_BYTES} bytes, not {command.flags}")
    elif kind == CommandKind.GATE:
        check_gate_command(command)
    elif kind == CommandKind.TARGET_SAMPLE:
        if not 0 <= command.side < TARGETS_LIMIT:
            raise UsageError(f"there is no target {command.side}: targets are 0 to {TARGETS_LIMIT - 1}")
    elif kind not in (CommandKind.RECORD_START, CommandKind.RECORD_STOP):
        raise UsageError(f"a command of kind {kind} is not an input")


def storm_request(command: Command) -> StormRequest:
    """The storm or fault that a STORM_START command asks for. Raises StormError out of range."""
    return StormRequest(
        kind=kind_of(command.storm),
        severity=command.a / MILLION,
        duration_s=command.b / 1e9,
        seed=command.qty_lots,
        course=command.side,
        severity_to=command.price_ticks / MILLION,
        where=command.flags,
    ).checked()


def storm_command(request: StormRequest) -> Command:
    """The STORM_START command for a storm or fault."""
    return Command(
        kind=CommandKind.STORM_START,
        storm=request.kind,
        a=request.severity_micro,
        b=request.duration_ns,
        qty_lots=request.seed,
        side=request.course,
        price_ticks=request.severity_to_micro,
        flags=request.where,
    )
