"""`stormdesk detect` and `stormdesk evaluate`: what the command line adds to engine/evaluate/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from desk.conversion import progress_bar
from engine.arena import machine
from engine.core.clock import NS_PER_S
from engine.core.errors import RunNotFound, UsageError
from engine.core.types import NO_SIDE
from engine.detectors import Alarm, AlarmKind, cluster_alarms
from engine.evaluate import Row, TapeResult, detect_file, detect_run, judge, plan_cases, run_case
from engine.evaluate.table import Interval
from engine.recording.run_directory import runs_root

__all__ = [
    "detection_json",
    "detection_of",
    "detection_text",
    "evaluation_json",
    "evaluation_of",
    "evaluation_text",
]

_SIDES = ("bid", "ask")


def detection_of(what: str, *, symbol: str | None, out: Path | None, source: str | None) -> TapeResult:
    """Detectors over a data file or a run, with a progress bar."""
    machine.load()
    path = Path(what)
    if path.is_file():
        with progress_bar(f"detect {path.name}") as progress:
            return detect_file(path, symbol=symbol, progress=progress)
    if symbol is not None:
        raise UsageError("a run has one instrument: leave --symbol out")
    try:
        return detect_run(what, runs_root(out), source=source)
    except RunNotFound:
        raise UsageError(f"{what}: no such file, and no such run. Check the path.") from None


def detection_json(result: TapeResult) -> dict[str, Any]:
    """As JSON."""
    hours = result.length_ns / (3_600 * NS_PER_S)
    return {
        "source": result.name,
        "symbol": result.symbol,
        "events": result.events,
        "seconds": round(result.length_ns / NS_PER_S, 3),
        "alarms_per_hour": round(len(result.alarms) / hours, 3) if hours else None,
        "bound_per_hour_if_none": round(3 / hours, 3) if hours else None,
        "problem": result.problem,
        "alarms": [_alarm_json(alarm) for alarm in result.alarms],
        "clusters": [
            {
                "kinds": [_name(kind) for kind in cluster.kinds],
                "start_s": cluster.start_ns / NS_PER_S,
                "end_s": cluster.end_ns / NS_PER_S,
                "events": [cluster.first_event, cluster.last_event],
                "alarms": len(cluster.alarms),
                "composite": round(cluster.composite, 3),
            }
            for cluster in cluster_alarms(result.alarms)
        ],
    }


def detection_text(result: TapeResult) -> str:
    """As aligned text."""
    rows: list[tuple[str, ...]] = [("time", "alarm", "severity", "side", "price", "order", "events")]
    rows.extend(
        (
            f"{alarm.time_ns / NS_PER_S:.3f} s",
            _name(alarm.kind),
            f"{alarm.severity:.2f}",
            "–" if alarm.side == NO_SIDE else _SIDES[alarm.side],
            str(alarm.price_ticks or "–"),
            str(alarm.order_id or "–"),
            f"{alarm.first_event}..{alarm.last_event}",
        )
        for alarm in result.alarms
    )
    lines = _aligned(rows) if result.alarms else []
    hours = result.length_ns / (3_600 * NS_PER_S)
    bound = (
        f" (none in {hours:.3g} h bounds the rate at {3 / hours:.3g} an hour)"
        if hours and not result.alarms
        else ""
    )
    lines.append(
        f"{len(result.alarms)} alarms, {result.events:,} events, {result.length_ns / NS_PER_S:.1f} s of "
        f"{result.symbol or result.name}{bound}"
    )
    return "\n".join(lines)


def evaluation_of(*, first_seed: int, seeds: int, severities: list[float]) -> list[Row]:
    """The whole protocol, with a progress bar."""
    machine.load()
    cases = list(plan_cases(range(first_seed, first_seed + seeds), severities))
    outcomes = []
    with progress_bar("evaluate") as progress:
        for done, case in enumerate(cases):
            progress(done, len(cases))
            outcomes.append(run_case(case))
    return judge(outcomes)


def evaluation_json(rows: list[Row]) -> list[dict[str, Any]]:
    """As JSON."""
    return [
        {
            **row._asdict(),
            "kind": _name(row.kind),
            "recall": row.recall._asdict(),
            "precision": row.precision._asdict(),
        }
        for row in rows
    ]


def evaluation_text(rows: list[Row]) -> str:
    """As aligned text, and what the columns mean."""
    table: list[tuple[str, ...]] = [
        ("detector", "storms", "recall", "precision", "F1", "delay", "false/h calm", "elsewhere")
    ]
    for row in rows:
        none = f" (<= {row.false_bound_per_hour:.2g})" if row.false_per_hour == 0 else ""
        table.append(
            (
                _name(row.kind),
                str(row.storms),
                _interval(row.recall),
                _interval(row.precision),
                "–" if row.f1 is None else f"{row.f1:.2f}",
                "–" if row.delay_s is None else f"{row.delay_s:.1f} s",
                f"{row.false_per_hour:.2f}{none}",
                "–" if row.decoys is None else f"{row.decoys:.1%}",
            )
        )
    hours = rows[0].calm_hours
    return "\n".join(
        [
            *_aligned(table),
            f"95 % intervals by bootstrap over seeds; {hours:.2g} h of calm; (<= x): none, which bounds the",
            "rate at 3/hours; elsewhere: share of foreign storms and decoys with an alarm",
        ]
    )


def _alarm_json(alarm: Alarm) -> dict[str, Any]:
    return {
        **alarm._asdict(),
        "kind": _name(alarm.kind),
        "side": None if alarm.side == NO_SIDE else _SIDES[alarm.side],
        "price_ticks": alarm.price_ticks or None,
        "order_id": alarm.order_id or None,
    }


def _name(kind: AlarmKind) -> str:
    return kind.name.lower().replace("_", " ")


def _interval(interval: Interval) -> str:
    if interval.value is None:
        return "–"
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
