"""Alarms put together: clusters of what is one event, and windows of stress (flowlab.md section 4).

A cluster holds alarms of one family, ordered by when they began; it closes when the next one begins more than
a gap after all so far were over. Crash and ignition are one family: the same run seen twice.

    composite = peak severity x (1 + ln n)
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.detectors.readings import Alarm
from engine.detectors.records import AlarmKind

__all__ = ["Cluster", "Window", "cluster_alarms", "stress_windows"]

GAP_NS = 5 * NS_PER_S
_FAMILY = {AlarmKind.FLASH_CRASH_WARNING: AlarmKind.MOMENTUM_IGNITION}


class Cluster(NamedTuple):
    """Alarms of one event."""

    kinds: tuple[AlarmKind, ...]
    start_ns: int
    end_ns: int
    first_event: int
    last_event: int
    peak: float
    composite: float
    alarms: tuple[Alarm, ...]


class Window(NamedTuple):
    """A time in which the market was under stress."""

    start_ns: int
    end_ns: int
    peak: int
    """Highest level in it."""


def cluster_alarms(alarms: Iterable[Alarm], *, gap_ns: int = GAP_NS) -> list[Cluster]:
    """The clusters of these alarms, by their start."""
    open_ones: dict[AlarmKind, list[Alarm]] = {}
    closed: list[list[Alarm]] = []
    for alarm in sorted(alarms, key=lambda alarm: (alarm.start_ns, alarm.number)):
        family = _FAMILY.get(alarm.kind, alarm.kind)
        members = open_ones.get(family)
        if members is None or alarm.start_ns > max(member.time_ns for member in members) + gap_ns:
            members = open_ones[family] = []
            closed.append(members)
        members.append(alarm)
    return [_cluster(members) for members in closed]


def stress_windows(
    levels: Iterable[tuple[int, int]], *, least: int, merge_gap_ns: int = NS_PER_S
) -> list[Window]:
    """Where samples (time_ns, level) in order of time stand at `least` or above, from the first to the last
    such sample; windows no more than merge_gap_ns apart are one."""
    windows: list[Window] = []
    for time_ns, level in levels:
        if level < least:
            continue
        if windows and time_ns - windows[-1].end_ns <= merge_gap_ns:
            start_ns, _, peak = windows[-1]
            windows[-1] = Window(start_ns, time_ns, max(peak, level))
        else:
            windows.append(Window(time_ns, time_ns, level))
    return windows


def _cluster(members: list[Alarm]) -> Cluster:
    peak = max(alarm.severity for alarm in members)
    return Cluster(
        kinds=tuple(sorted({alarm.kind for alarm in members})),
        start_ns=members[0].start_ns,
        end_ns=max(alarm.time_ns for alarm in members),
        first_event=min(alarm.first_event for alarm in members),
        last_event=max(alarm.last_event for alarm in members),
        peak=peak,
        composite=peak * (1.0 + log(len(members))),
        alarms=tuple(members),
    )
