"""The only place that reads the wall clock (tested). Wall time paces and labels; it never decides.

Simulation time is an int64 count of nanoseconds since the session's start. The functions here serve
pacing, latency measurements and the names of runs.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

__all__ = [
    "NS_PER_MS",
    "NS_PER_S",
    "monotonic_ns",
    "parse_iso_ns",
    "utc_iso",
    "utc_run_id",
    "utc_seconds",
    "utc_time",
    "wall_ns",
]

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def monotonic_ns() -> int:
    """Nanoseconds of a clock that never steps back; for pacing and measuring."""
    return time.perf_counter_ns()


def wall_ns() -> int:
    """Nanoseconds since the Unix epoch; for labels in run files only."""
    return time.time_ns()


def utc_time(epoch_ns: int) -> datetime:
    """A wall time in ns, cut to whole seconds, as a datetime in UTC."""
    return datetime.fromtimestamp(epoch_ns // NS_PER_S, UTC)


def utc_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Seconds since 1970 of a date and time in UTC. Raises ValueError when there is no such."""
    return round(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


def utc_iso(epoch_ns: int) -> str:
    """`2026-01-02T03:04:05.678Z` for a wall time in ns."""
    stamp = datetime.fromtimestamp(epoch_ns // NS_PER_S, UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{epoch_ns % NS_PER_S // NS_PER_MS:03d}Z"


def utc_run_id(epoch_ns: int) -> str:
    """`2026-01-02T03-04-05Z`: the name of a run that starts at this wall time (flowlab.md section 6)."""
    return f"{datetime.fromtimestamp(epoch_ns // NS_PER_S, UTC):%Y-%m-%dT%H-%M-%SZ}"


_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,18}))?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


def parse_iso_ns(text: str) -> int | None:
    """Unix time in ns of ISO 8601 text, to the nanosecond; without a zone it is UTC. None: it is not one."""
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    day, time_of_day, fraction, zone = match.groups()
    try:
        stamp = datetime.fromisoformat(f"{day}T{time_of_day}{(zone or 'Z').upper()}")
    except ValueError:
        return None
    return round(stamp.timestamp()) * NS_PER_S + int((fraction or "0").ljust(9, "0")[:9])
