"""What a finished run says of itself, read once from its files: what the report is made of (report.py).

A function of run.yaml, events.jsonl, ticks.jsonl and score.json alone, in memory that has a bound: storms,
gate lines and marks up to their limits (further ones are counted), ticks in COLUMNS columns of equal time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.core.clock import NS_PER_S
from engine.recording.rows import GATE_ROWS, STORM_RECOVERED, read_json_lines
from engine.recording.run_directory import RunDirectory

__all__ = ["COLUMNS", "AlertCount", "RunFacts", "Series", "StormFacts", "read_run_facts"]

COLUMNS = 960
STORMS_KEPT = 1_000
MARKS_KEPT = 2_000
"""Alerts that are marked in the picture; further ones are counted."""
GATE_LINES_KEPT = 100
ALERT_KINDS_KEPT = 100
AFTERMATH_NS = NS_PER_S
"""A storm's impact is looked for until so long after its end: ticks come once a second."""


@dataclass(slots=True)
class StormFacts:
    """One storm or fault."""

    kind: str
    start_ns: int
    severity: object
    end_ns: int | None = None
    cause: str = "still on"
    attacker: Mapping[str, Any] | None = None
    """Of its last row: what it has cost."""
    recovery_ms: int | None = None
    recovery: str = "–"
    """ "recovered", "not recovered" or "–" (the run ended before that was known, or it was a fault)."""
    target_delta: float | None = None
    mid_before: float | None = None
    mid_move_bps: float | None = None
    """The largest, with its sign, by ticks."""
    depth_before: int | None = None
    least_depth: int | None = None
    widest_bps: float | None = None


@dataclass(slots=True)
class AlertCount:
    """Alerts of one kind."""

    severity: str
    """The worst of them."""
    count: int
    first_ns: int
    last_ns: int


@dataclass(slots=True)
class Series:
    """One figure over time: lowest, highest and last value of each column; None where nothing is known."""

    low: list[float | None] = field(default_factory=lambda: [None] * COLUMNS)
    high: list[float | None] = field(default_factory=lambda: [None] * COLUMNS)
    last: list[float | None] = field(default_factory=lambda: [None] * COLUMNS)

    def take(self, column: int, value: float | None) -> None:
        """The next tick's."""
        if value is None:
            return
        low, high = self.low[column], self.high[column]
        self.low[column] = value if low is None else min(low, value)
        self.high[column] = value if high is None else max(high, value)
        self.last[column] = value


@dataclass(slots=True)
class RunFacts:
    """The facts of one run."""

    summary: Mapping[str, Any]
    from_ns: int
    to_ns: int
    storms: list[StormFacts] = field(default_factory=list)
    storm_count: int = 0
    gate: list[Mapping[str, Any]] = field(default_factory=list)
    gate_count: int = 0
    alerts: dict[str, AlertCount] = field(default_factory=dict)
    """By kind, in the order of their first."""
    alert_count: int = 0
    marks: list[tuple[int, str]] = field(default_factory=list)
    """Time and severity of alerts."""
    bots: list[Mapping[str, Any]] = field(default_factory=list)
    """Cards of score.json."""
    ticks: int = 0
    mid: Series = field(default_factory=Series)
    bid_depth: Series = field(default_factory=Series)
    ask_depth: Series = field(default_factory=Series)
    equity: Series = field(default_factory=Series)


def read_run_facts(run: RunDirectory) -> RunFacts:
    """The facts of a run, finished or not. Raises DataError where a file of it cannot be understood."""
    summary = run.read_summary()
    from_ns = _whole(summary.get("record_from_ns"))
    facts = RunFacts(summary, from_ns, max(from_ns, _whole(summary.get("record_to_ns"))))
    if "record_to_ns" not in summary:
        facts.to_ns = max((_whole(tick.get("ts_ns")) for tick in _lines(run, "ticks")), default=from_ns)
    _read_events(run, facts)
    _read_ticks(run, facts)
    facts.bots = _read_bots(run)
    return facts


def _lines(run: RunDirectory, name: str) -> Any:
    return read_json_lines(run.path / f"{name}.jsonl", allow_torn=True)


# -- events ------------------------------------------------------------------------------------------


def _read_events(run: RunDirectory, facts: RunFacts) -> None:
    latest: dict[str, StormFacts] = {}
    for row in _lines(run, "events"):
        kind = row.get("type")
        if kind == "storm_start":
            facts.storm_count += 1
            storm = StormFacts(str(row.get("kind")), _whole(row.get("time_ns")), _severity(row))
            latest[storm.kind] = storm
            if len(facts.storms) < STORMS_KEPT:
                facts.storms.append(storm)
        elif kind in ("storm_stop", STORM_RECOVERED):
            if (known := latest.get(str(row.get("kind")))) is not None:
                _note_end(known, row)
        elif kind in GATE_ROWS:
            facts.gate_count += 1
            if len(facts.gate) < GATE_LINES_KEPT:
                facts.gate.append(row)
        elif kind == "alert":
            _count_alert(facts, row)


def _severity(row: Mapping[str, Any]) -> str:
    text = f"{row.get('severity')}"
    course = {"ramp": "..", "walk": "~"}.get(str(row.get("course")))
    return text if course is None else f"{text}{course}{row.get('severity_to')}"


def _note_end(storm: StormFacts, row: Mapping[str, Any]) -> None:
    attacker = row.get("attacker")
    if isinstance(attacker, dict):
        storm.attacker = attacker
    if row.get("type") == STORM_RECOVERED:
        after_ms = row.get("recovery_ms")
        storm.recovery_ms = after_ms if isinstance(after_ms, int) else None
        storm.recovery = "not recovered" if storm.recovery_ms is None else "recovered"
        return
    storm.end_ns, storm.cause = _whole(row.get("time_ns")), str(row.get("cause"))
    delta = next((row[key] for key in row if key.startswith("target_delta_")), None)
    storm.target_delta = _number(delta)


def _count_alert(facts: RunFacts, row: Mapping[str, Any]) -> None:
    time_ns, severity, kind = _whole(row.get("time_ns")), str(row.get("severity")), str(row.get("kind"))
    facts.alert_count += 1
    if len(facts.marks) < MARKS_KEPT:
        facts.marks.append((time_ns, severity))
    known = facts.alerts.get(kind)
    if known is None:
        if len(facts.alerts) < ALERT_KINDS_KEPT:
            facts.alerts[kind] = AlertCount(severity, 1, time_ns, time_ns)
        return
    known.count += 1
    known.last_ns = time_ns
    if severity == "critical":
        known.severity = severity


# -- ticks -------------------------------------------------------------------------------------------


def _read_ticks(run: RunDirectory, facts: RunFacts) -> None:
    length_ns = max(1, facts.to_ns - facts.from_ns)
    waiting = list(reversed(facts.storms))
    running: list[StormFacts] = []
    before: Mapping[str, Any] = {}
    for tick in _lines(run, "ticks"):
        time_ns = _whole(tick.get("ts_ns"))
        column = min(COLUMNS - 1, max(0, (time_ns - facts.from_ns) * COLUMNS // length_ns))
        facts.ticks += 1
        for series, name in (
            (facts.mid, "mid"),
            (facts.bid_depth, "bid_depth"),
            (facts.ask_depth, "ask_depth"),
            (facts.equity, "target_equity"),
        ):
            series.take(column, _number(tick.get(name)))
        while waiting and waiting[-1].start_ns < time_ns:
            storm = waiting.pop()
            storm.mid_before, storm.depth_before = _number(before.get("mid")), _depth(before)
            running.append(storm)
        for storm in running:
            _look_at_impact(storm, tick)
        running = [one for one in running if one.end_ns is None or time_ns < one.end_ns + AFTERMATH_NS]
        before = tick


def _look_at_impact(storm: StormFacts, tick: Mapping[str, Any]) -> None:
    mid, spread, depth = _number(tick.get("mid")), _number(tick.get("spread_bps")), _depth(tick)
    if mid is not None and storm.mid_before:
        move = (mid / storm.mid_before - 1) * 10_000
        if storm.mid_move_bps is None or abs(move) > abs(storm.mid_move_bps):
            storm.mid_move_bps = move
    if spread is not None:
        storm.widest_bps = max(storm.widest_bps or 0.0, spread)
    if depth is not None:
        storm.least_depth = depth if storm.least_depth is None else min(storm.least_depth, depth)


def _depth(tick: Mapping[str, Any]) -> int | None:
    bid, ask = _number(tick.get("bid_depth")), _number(tick.get("ask_depth"))
    return None if bid is None or ask is None else int(bid + ask)


def _read_bots(run: RunDirectory) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(run.score_path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    bots = document.get("bots") if isinstance(document, dict) else None
    return [bot for bot in bots if isinstance(bot, dict)] if isinstance(bots, list) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
