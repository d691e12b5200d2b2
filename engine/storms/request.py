"""What a storm is asked to be: kind, severity and its course, duration, seed, side; and how people write it.

    crash@20s:0.8x15s       severity 0.8 all the time
    crash@20s:0.2..0.9x15s  from 0.2 to 0.9 in a straight line
    crash@20s:0.2~0.9x15s   a seeded random walk between the two, one step a second

Invariant: severity at a moment is a function of the request, the session's seed and the time since the
start, in whole millionths, so it is the same in every replay and fork.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.durations import parse_duration_ns
from engine.core.errors import StormError
from engine.core.rng import Stream, mix64
from engine.core.types import FaultKind, StormKind

__all__ = [
    "JUMPS",
    "MAX_DURATION_S",
    "MILLION",
    "MIN_DURATION_S",
    "SIDED",
    "ChaosKind",
    "Course",
    "StormRequest",
    "Where",
    "is_decoy",
    "kind_named",
    "kind_of",
    "name_of",
    "parse_severity",
    "parse_storm",
    "severity_course",
]

MIN_DURATION_S = 5
MAX_DURATION_S = 120
MILLION = 1_000_000
WALK_STEP_NS = NS_PER_S
WALK_SHARE = 4
"""A step of a walk is at most this part of what lies between its ends."""
_WALK_BASE = 0x3A1C_0000_0000
_FAULT_PREFIX = "fault."
_DECOY_PREFIX = "decoy."

ChaosKind = StormKind | FaultKind
"""What the deck starts: a storm in the market, or a fault of the venue."""

SIDED = frozenset(
    {
        StormKind.IGNITION,
        StormKind.SPOOFING,
        StormKind.STOPRUN,
        StormKind.FATFINGER,
        StormKind.ICEBERG,
        StormKind.NEWS,
        StormKind.BLEED,
        StormKind.REPRICE,
        StormKind.BLOCK,
        StormKind.SLICES,
        StormKind.REFILL,
    }
)
"""Kinds that act on one side of the book and can be told on which."""


JUMPS = frozenset({StormKind.NEWS, StormKind.REPRICE})
"""Kinds that change what the instrument is worth."""


class Course(IntEnum):
    """How severity goes while a storm lasts."""

    CONSTANT = 0
    RAMP = 1
    """In a straight line to its other end."""
    WALK = 2
    """At random between its two ends."""


class Where(IntEnum):
    """The side of the book at which it acts: where its orders rest, or whose orders it takes."""

    ANYWHERE = 0
    """Its seed decides."""
    BID = 1
    ASK = 2


def kind_of(number: int) -> ChaosKind:
    """The storm or fault of this number. Raises StormError."""
    if number in tuple(StormKind):
        return StormKind(number)
    if number in tuple(FaultKind):
        return FaultKind(number)
    raise StormError(
        f"storm {number} is unknown: use 1 to {max(StormKind)}, "
        f"or a fault, {min(FaultKind)} to {max(FaultKind)}"
    )


def is_decoy(kind: ChaosKind) -> bool:
    """Whether it only looks like a storm."""
    return isinstance(kind, StormKind) and kind >= StormKind.CHURN


def name_of(kind: ChaosKind) -> str:
    """As people write it: `crash`, `decoy.churn`, `fault.ghost`."""
    prefix = _FAULT_PREFIX if isinstance(kind, FaultKind) else _DECOY_PREFIX if is_decoy(kind) else ""
    return prefix + kind.name.lower()


_NAMED: dict[str, ChaosKind] = {name_of(kind): kind for kind in (*StormKind, *FaultKind)}


def kind_named(name: str) -> ChaosKind:
    """The kind of this name. Raises StormError."""
    kind = _NAMED.get(name)
    if kind is None:
        storms = ", ".join(known for known in _NAMED if not known.startswith(_FAULT_PREFIX))
        faults = ", ".join(known for known in _NAMED if known.startswith(_FAULT_PREFIX))
        raise StormError(f"unknown storm {name!r}: use one of {storms}, or a fault: {faults}")
    return kind


class StormRequest(NamedTuple):
    """A storm or fault as asked for; `checked()` refuses what is out of range."""

    kind: ChaosKind
    severity: float
    """Of a ramp its beginning, of a walk its lower end."""
    duration_s: float
    seed: int = 0
    start_ns: int = 0
    """Session time of its start, for scheduled storms."""
    course: int = Course.CONSTANT
    severity_to: float = 0.0
    """The other end of a ramp or walk; 0 where severity is constant."""
    where: int = Where.ANYWHERE

    def checked(self) -> StormRequest:
        """Itself, when legal. Raises StormError."""
        for severity in (self.severity, self.severity_to):
            if not 0.0 <= severity <= 1.0:  # refuses NaN too
                raise StormError(f"storm severity {severity} is out of range: use 0 (no-op) to 1")
        if not MIN_DURATION_S <= self.duration_s <= MAX_DURATION_S:
            raise StormError(
                f"storm duration {self.duration_s:g}s is out of range: "
                f"use {MIN_DURATION_S}s to {MAX_DURATION_S}s"
            )
        if not 0 <= self.seed < 1 << 63:
            raise StormError(f"storm seed {self.seed} is out of range: use 0 to 2^63-1")
        if self.start_ns < 0:
            raise StormError("a storm cannot start before the session")
        self._check_course()
        if self.where not in tuple(Where):
            raise StormError(f"side {self.where} is unknown: use 0 (its seed decides), 1 (bid) or 2 (ask)")
        if self.where and self.kind not in SIDED:
            raise StormError(f"{name_of(self.kind)} has no side: leave 'where' out")
        return self

    def _check_course(self) -> None:
        if self.course not in tuple(Course):
            raise StormError(f"course {self.course} of severity is unknown: use 0, 1 (ramp) or 2 (walk)")
        if self.course == Course.CONSTANT and self.severity_to:
            raise StormError("a constant severity has one number")
        if self.course == Course.WALK and self.severity > self.severity_to:
            raise StormError(
                f"a walk goes between a lower and a higher severity, not {self.severity}~{self.severity_to}"
            )
        if self.course != Course.CONSTANT and isinstance(self.kind, FaultKind):
            raise StormError(f"{name_of(self.kind)} keeps one severity: ramps and walks are for storms")

    @property
    def severity_micro(self) -> int:
        """Severity in millionths, as journaled."""
        return round(self.severity * MILLION)

    @property
    def severity_to_micro(self) -> int:
        """Its other end."""
        return round(self.severity_to * MILLION)

    @property
    def is_idle(self) -> bool:
        """Whether it never does anything."""
        return not self.severity_micro and not self.severity_to_micro

    @property
    def duration_ns(self) -> int:
        """Duration in ns."""
        return round(self.duration_s * NS_PER_S)

    @property
    def severity_text(self) -> str:
        """`0.8`, `0.2..0.9`, `0.2~0.9`."""
        between = {Course.RAMP: "..", Course.WALK: "~"}.get(Course(self.course))
        return f"{self.severity:g}" if between is None else f"{self.severity:g}{between}{self.severity_to:g}"


def severity_course(request: StormRequest, seed: int) -> Callable[[int], int]:
    """Severity in millionths as a function of the ns since the start; `seed` is the session's."""
    first, last = request.severity_micro, request.severity_to_micro
    duration_ns = request.duration_ns
    if request.course == Course.CONSTANT:
        return lambda _elapsed_ns: first
    if request.course == Course.RAMP:
        return lambda elapsed_ns: first + (last - first) * min(elapsed_ns, duration_ns) // duration_ns
    steps = _walk(request, seed)
    return lambda elapsed_ns: steps[min(elapsed_ns // WALK_STEP_NS, len(steps) - 1)]


def _walk(request: StormRequest, seed: int) -> list[int]:
    """Severity second by second; it turns back at its ends."""
    low, high = request.severity_micro, request.severity_to_micro
    stream = Stream(seed, mix64(mix64(_WALK_BASE + request.kind) ^ request.seed))
    most = max(1, (high - low) // WALK_SHARE)
    steps = [low + stream.below(high - low + 1)]
    for _ in range(request.duration_ns // WALK_STEP_NS):
        value = steps[-1] + stream.between(-most, most)
        value = 2 * low - value if value < low else 2 * high - value if value > high else value
        steps.append(min(high, max(low, value)))
    return steps


def parse_severity(text: str) -> tuple[Course, float, float]:
    """`0.8`, a ramp `0.2..0.9` or a walk `0.2~0.9`: (course, severity, its other end). Raises ValueError."""
    for between, course in (("..", Course.RAMP), ("~", Course.WALK)):
        first, found, last = text.partition(between)
        if found:
            return course, float(first), float(last)
    return Course.CONSTANT, float(text), 0.0


def parse_storm(text: str) -> StormRequest:
    """`KIND@START:SEVERITYxDURATION`: `crash@20s:0.8x15s`, `fault.ghost@5s:0.3x1m`. Raises StormError."""
    match = re.fullmatch(r"((?:[a-z]+\.)?[a-z]+)@([^:]+):([^x]+)x(.+)", text)
    if match is None:
        raise StormError(f"{text!r} is not a storm: write KIND@START:SEVERITYxDURATION, as crash@20s:0.8x15s")
    name, start, severity, duration = match.groups()
    try:
        course, first, last = parse_severity(severity)
        request = StormRequest(
            kind=kind_named(name),
            severity=first,
            duration_s=parse_duration_ns(duration) / NS_PER_S,
            start_ns=parse_duration_ns(start),
            course=course,
            severity_to=last,
        )
    except ValueError as error:
        raise StormError(f"storm {text!r}: {error}") from error
    return request.checked()
