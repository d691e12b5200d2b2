"""A storm script: sequences and overlaps of storms and faults, as a file that can be kept and shared.

    name = "crash while the feed is stale"

    [[storm]]
    kind = "crash"              # as `stormdesk storm list` names them
    start = "20s"               # session time
    severity = 0.8              # or "0.2..0.9", a ramp; or "0.2~0.9", a random walk
    duration = "15s"
    seed = 7                    # may be left out: 0
    where = "bid"               # the side of the book, for kinds that have one; left out: the seed decides

Invariant: the text alone says what is started and when. The starts are inputs in a run's journal, as those
from the keyboard are, and the text goes into its header beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.core.clock import NS_PER_S
from engine.core.durations import parse_duration_ns
from engine.core.errors import StormError
from engine.storms.request import ChaosKind, Course, StormRequest, Where, kind_named, name_of, parse_severity

__all__ = [
    "SCRIPT_BYTES",
    "SCRIPT_STORMS",
    "TEMPLATE",
    "StormScript",
    "load_script",
    "parse_script",
    "script_rows",
]

SCRIPT_BYTES = 256 * 1024
"""A larger file is refused unread."""
SCRIPT_STORMS = 1_000
"""Storms of one script at the most."""

TEMPLATE = """\
# A storm script: stormdesk storm check FILE, then stormdesk run --storm-script FILE.
# Kinds and what they do: stormdesk storm list, stormdesk storm show KIND.
name = "crash while the feed is stale"

[[storm]]
kind = "fault.stale"
start = "10s"
severity = 0.5
duration = "30s"

[[storm]]
kind = "crash"
start = "20s"
severity = "0.2..0.8"  # a ramp; "0.2~0.8" is a random walk; 0.8 stays as it is
duration = "15s"
seed = 7

[[storm]]
kind = "spoofing"
start = "50s"
severity = 0.7
duration = "20s"
where = "bid"  # bid or ask; left out: the seed decides
"""


class _StormTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    start: str
    severity: float | str
    duration: str
    seed: int = 0
    where: str | None = None


class _ScriptTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    storm: list[_StormTable]
    name: str = ""


class StormScript(NamedTuple):
    """A script that was read."""

    name: str
    storms: tuple[StormRequest, ...]
    """In the order of their starts."""
    text: str

    @property
    def end_ns(self) -> int:
        """Session time at which the last one is over."""
        return max((one.start_ns + one.duration_ns for one in self.storms), default=0)


def load_script(path: Path) -> StormScript:
    """The script in this file. Raises StormError that names the file, the storm and the field."""
    try:
        if path.stat().st_size > SCRIPT_BYTES:
            raise StormError(f"{path}: larger than {SCRIPT_BYTES} bytes, which no storm script is")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StormError(f"{path}: cannot be read: {reason}") from error
    return parse_script(text, where=str(path))


def parse_script(text: str, *, where: str) -> StormScript:
    """A script from TOML text. Raises StormError that names `where`, the storm and the field."""
    try:
        table = msgspec.toml.decode(text, type=_ScriptTable)
    except msgspec.ValidationError as error:
        raise StormError(f"{where}: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise StormError(f"{where}: not valid TOML: {error}") from error
    if len(table.storm) > SCRIPT_STORMS:
        raise StormError(f"{where}: {len(table.storm)} storms; a script has {SCRIPT_STORMS} at the most")
    storms = [_request(row, f"{where}: storm {number}") for number, row in enumerate(table.storm, 1)]
    storms.sort(key=lambda one: (one.start_ns, one.kind))
    _check_overlaps(storms, where)
    return StormScript(table.name, tuple(storms), text)


def _request(row: _StormTable, where: str) -> StormRequest:
    try:
        kind = kind_named(row.kind)
        course, severity, severity_to = _severity(row.severity)
        return StormRequest(
            kind=kind,
            severity=severity,
            duration_s=_duration_ns("duration", row.duration) / NS_PER_S,
            seed=row.seed,
            start_ns=_duration_ns("start", row.start),
            course=course,
            severity_to=severity_to,
            where=_where(row.where),
        ).checked()
    except StormError as error:
        raise StormError(f"{where} ({row.kind[:40]}): {error}") from error


def _severity(value: float | str) -> tuple[Course, float, float]:
    try:
        return parse_severity(value) if isinstance(value, str) else (Course.CONSTANT, float(value), 0.0)
    except ValueError as error:
        raise StormError(
            f'severity {value!r} is neither a number, nor a ramp "0.2..0.9", nor a walk "0.2~0.9"'
        ) from error


def _duration_ns(field: str, text: str) -> int:
    try:
        return parse_duration_ns(text)
    except ValueError as error:
        raise StormError(f"{field}: {error}") from error


def _where(text: str | None) -> Where:
    if text is None:
        return Where.ANYWHERE
    if text not in ("bid", "ask"):
        raise StormError(f'where = {text!r} is no side: use "bid" or "ask"')
    return Where[text.upper()]


def _check_overlaps(storms: list[StormRequest], where: str) -> None:
    """One of a kind runs at a time: a second one that begins earlier would cut the first one off."""
    last: dict[ChaosKind, StormRequest] = {}
    for one in storms:
        before = last.get(one.kind)
        if before is not None and one.start_ns < before.start_ns + before.duration_ns:
            raise StormError(
                f"{where}: {name_of(one.kind)} at {one.start_ns / NS_PER_S:g}s begins while the one from "
                f"{before.start_ns / NS_PER_S:g}s still runs: one of a kind at a time; "
                "severity that changes is a ramp or a walk"
            )
        last[one.kind] = one


def script_rows(script: StormScript) -> list[dict[str, Any]]:
    """What it starts, for people to read."""
    return [
        {
            "start_s": one.start_ns / NS_PER_S,
            "end_s": (one.start_ns + one.duration_ns) / NS_PER_S,
            "kind": name_of(one.kind),
            "severity": one.severity_text,
            "seed": one.seed,
            "where": Where(one.where).name.lower() if one.where else None,
        }
        for one in script.storms
    ]
