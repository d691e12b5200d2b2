"""The lines of ticks.jsonl and events.jsonl, and the file they are appended to.

Fields as in flowlab.md section 6; `ts_ms` and `started_at_ms` are wall time (ms since 1970), `ts_ns` and
`time_ns` session time, by which a recomputed run is compared.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine.core.alerts import Alert
from engine.core.errors import DataError
from engine.core.types import StormKind
from engine.gatekeeper import GateEntry
from engine.journal.durable import create_exclusively, write_all
from engine.storms.catalogue import entry_of
from engine.storms.deck import StormLogEntry
from engine.storms.request import Course, Where

__all__ = [
    "GATE_ROWS",
    "STORM_RECOVERED",
    "STORM_ROWS",
    "JsonLines",
    "TickRow",
    "alert_row",
    "fields_that_differ",
    "gate_row",
    "hex_digest",
    "read_json_lines",
    "storm_row",
]

STORM_RECOVERED = "storm_recovered"
STORM_ROWS = ("storm_start", "storm_stop", STORM_RECOVERED)
"""Types of the lines that `storm_row` makes."""
GATE_ROWS = ("breaker_trip", "gate")
"""Types of the lines that `gate_row` makes."""
LINE_LIMIT_BYTES = 1024 * 1024
"""A longer line is refused."""


class TickRow(msgspec.Struct, kw_only=True, frozen=True):
    """The market at one second of session time; None is what is not known then.

    All but `lat_*` are functions of scenario, seed and inputs (`Session.tick_row()`).
    """

    ts_ns: int
    seq: int
    """Public events so far."""
    mid: float | None = None
    microprice: float | None = None
    spread_bps: float | None = None
    vpin: float | None = None
    imbalance: float | None = None
    bid_depth: int | None = None
    ask_depth: int | None = None
    regime: int | None = None
    events_per_sec: float | None = None
    lat_p50_ns: int | None = None
    """Measured wall time, never compared."""
    lat_p99_ns: int | None = None
    storm_active: bool = False
    storm_kind: str | None = None
    target_equity: float | None = None
    """The last one that counts for the verdict, in units of the target's currency."""
    event_digest: str = ""
    """16 hex digits."""
    book_digest: str = ""


class JsonLines:
    """A file of JSON objects, one a line, each handed to the system as it comes."""

    def __init__(self, path: Path) -> None:
        """Create it; raises OSError, also when it exists."""
        self._descriptor = create_exclusively(path)
        self.bytes = 0
        self.lines = 0

    def append(self, row: object) -> None:
        """Write one line; raises OSError (the line may then be cut)."""
        self.append_lines([msgspec.json.encode(row)])

    def append_lines(self, lines: Sequence[bytes]) -> None:
        """Write these encoded objects, one a line; raises OSError (the last may then be cut)."""
        data = b"\n".join(lines) + b"\n"
        write_all(self._descriptor, data)
        self.bytes += len(data)
        self.lines += len(lines)

    def sync(self) -> None:
        """Make the lines so far survive a power cut."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Release the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_json_lines(path: Path, *, allow_torn: bool) -> Iterator[dict[str, Any]]:
    """The objects of a JSON lines file. A missing file has none; with `allow_torn` a last line without
    its newline is left out. Raises DataError with the line's number."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        number = 0
        while line := file.readline(LINE_LIMIT_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                if allow_torn and len(line) < LINE_LIMIT_BYTES:
                    return
                raise DataError(f"{path}: line {number} is cut off or too long")
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError) as error:
                raise DataError(f"{path}: line {number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}: line {number} is not a JSON object")
            yield row


def storm_row(entry: StormLogEntry) -> dict[str, object]:
    """The part of a line about a storm (STORM_ROWS) that the session alone decides."""
    kind = {"kind": entry_of(entry.kind).label}
    if entry.is_about_recovery:
        after_ns = entry.recovery_ns
        return {
            "time_ns": entry.time_ns,
            "type": STORM_RECOVERED,
            **kind,
            "recovery_ms": None if after_ns is None else after_ns // 1_000_000,
            "attacker": _attacker(entry),
        }
    row: dict[str, object] = {
        "time_ns": entry.time_ns,
        "type": "storm_start" if entry.started else "storm_stop",
        **kind,
    }
    if entry.started:
        row |= {"severity": entry.severity, "duration_ms": entry.duration_ns // 1_000_000, "seed": entry.seed}
        if entry.course:
            row |= {"course": Course(entry.course).name.lower(), "severity_to": entry.severity_to}
        if entry.where:
            row["where"] = Where(entry.where).name.lower()
        return row
    row["cause"] = entry.cause
    if isinstance(entry.kind, StormKind):
        row["attacker"] = _attacker(entry)
    return row


def gate_row(entry: GateEntry, account_name: str) -> dict[str, object]:
    """A line of events.jsonl about the risk gate: breaker_trip when a guard has latched an account."""
    row: dict[str, object] = {"time_ns": entry.time_ns, "type": "gate", "account": account_name}
    if entry.what == "trip":
        row["type"] = "breaker_trip"
    else:
        row["what"] = entry.what
    if entry.reason:
        row["reason"] = entry.reason
    if entry.detail:
        row["detail"] = entry.detail
    return row


def alert_row(alert: Alert) -> dict[str, object]:
    """A line of events.jsonl about an alert. Its kind is what its text says before any figure of its own."""
    kind = re.split(r"[:(,]", alert.text, maxsplit=1)[0].strip()
    evidence = alert.evidence
    events = {"first_event": evidence.first_event, "last_event": evidence.last_event} if evidence else {}
    return {"kind": kind, "from": alert.kind, "severity": alert.severity, "text": alert.text, **events}


def _attacker(entry: StormLogEntry) -> dict[str, object]:
    """What a storm has cost the one who made it."""
    return {
        "orders": entry.orders,
        "lots": entry.lots,
        "position_lots": entry.position_lots,
        "fees": entry.fees,
        "pnl": entry.pnl,
    }


def hex_digest(value: int) -> str:
    """16 hex digits of a u64, as digests are written in run files."""
    return f"{value:016x}"


def fields_that_differ(
    recorded: Mapping[str, Any], recomputed: Mapping[str, object], *, may_lack: bool = False
) -> list[str]:
    """Keys of `recomputed` whose value reads differently in `recorded`, after one trip through JSON.
    `may_lack`: another engine wrote it, which did not know all of them."""
    expected = msgspec.json.decode(msgspec.json.encode(recomputed))
    missing = object()
    return [
        key
        for key, value in expected.items()
        if not _same(recorded.get(key, missing), value) and not (may_lack and key not in recorded)
    ]


def _same(left: object, right: object) -> bool:
    return type(left) is type(right) and left == right
