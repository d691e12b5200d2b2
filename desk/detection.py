"""`stormdesk detect`: what the command line adds to engine/evaluate/tape.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from desk.conversion import progress_bar
from engine.arena import machine
from engine.core.clock import NS_PER_S
from engine.core.errors import RunNotFound, UsageError
from engine.core.types import NO_SIDE
from engine.detectors import Alarm, AlarmKind, cluster_alarms
from engine.evaluate import TapeResult, detect_file, detect_run
from engine.recording.run_directory import runs_root

__all__ = ["alarm_name", "aligned", "detection_json", "detection_of", "detection_text"]

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
        "silent": [alarm_name(kind) for kind in result.silent],
        "alarms": [_alarm_json(alarm) for alarm in result.alarms],
        "clusters": [
            {
                "kinds": [alarm_name(kind) for kind in cluster.kinds],
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
            alarm_name(alarm.kind),
            f"{alarm.severity:.2f}",
            "–" if alarm.side == NO_SIDE else _SIDES[alarm.side],
            str(alarm.price_ticks or "–"),
            str(alarm.order_id or "–"),
            f"{alarm.first_event}..{alarm.last_event}",
        )
        for alarm in result.alarms
    )
    lines = aligned(rows) if result.alarms else []
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
    if result.silent:
        lines.append(
            f"silent, for they need order ids and this feed shows levels: "
            f"{', '.join(map(alarm_name, result.silent))}"
        )
    return "\n".join(lines)


def _alarm_json(alarm: Alarm) -> dict[str, Any]:
    return {
        **alarm._asdict(),
        "kind": alarm_name(alarm.kind),
        "side": None if alarm.side == NO_SIDE else _SIDES[alarm.side],
        "price_ticks": alarm.price_ticks or None,
        "order_id": alarm.order_id or None,
    }


def alarm_name(kind: AlarmKind) -> str:
    """As people read it."""
    return kind.name.lower().replace("_", " ")


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines, the columns under each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
