"""Storms in a frame as a timeline: what runs and has run, its course, its cost, the market's recovery (stop 6
on the data path). It only reads the deck."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.frame import STORM_RUNS, StormRunView
from engine.market.ledger import MICRO
from engine.storms.base import Storm
from engine.storms.catalogue import entry_of
from engine.storms.deck import StormLogEntry
from engine.storms.request import MILLION, Course, StormRequest, severity_course

if TYPE_CHECKING:
    from engine.session import Session

__all__ = ["COURSE_POINTS", "course_of", "storm_runs"]

COURSE_POINTS = 33
"""Points of a course that changes."""
LOG_READ = 3 * STORM_RUNS
"""Rows of the deck's log that are looked at: a storm leaves three at the most."""


def storm_runs(session: Session) -> tuple[StormRunView, ...]:
    """The last STORM_RUNS, by start."""
    runs: list[StormRunView] = []
    open_runs: dict[int, int] = {}
    for row in session.storms.log[-LOG_READ:]:
        kind = int(row.kind)
        if row.started:
            open_runs[kind] = len(runs)
            runs.append(_begun(session, row))
        elif kind in open_runs:  # else its start is too long ago
            at = open_runs[kind]
            runs[at] = _after(runs[at], row)
    return tuple(_as_it_stands(session, run) if run.ended_ns is None else run for run in runs[-STORM_RUNS:])


@lru_cache(maxsize=256)
def course_of(request: StormRequest, seed: int) -> tuple[float, ...]:
    """Severity at COURSE_POINTS equal times from start to end; of a constant one, one value."""
    if request.course == Course.CONSTANT:
        return (request.severity,)
    at = severity_course(request, seed)
    last = COURSE_POINTS - 1
    return tuple(at(request.duration_ns * point // last) / MILLION for point in range(COURSE_POINTS))


def _begun(session: Session, row: StormLogEntry) -> StormRunView:
    request = StormRequest(
        kind=row.kind,
        severity=row.severity,
        duration_s=row.duration_ns / NS_PER_S,
        seed=row.seed,
        course=row.course,
        severity_to=row.severity_to,
        where=row.where,
    )
    return StormRunView(
        kind=int(row.kind),
        name=entry_of(row.kind).name,
        started_ns=row.time_ns,
        ends_ns=row.time_ns + row.duration_ns,
        ended_ns=None,
        cause="",
        severity=row.severity,
        severity_text=request.severity_text,
        course=course_of(request, session.seed),
        seed=row.seed,
    )


def _after(run: StormRunView, row: StormLogEntry) -> StormRunView:
    """With its end, or with what the market did after it."""
    if row.is_about_recovery:
        seconds = None if row.recovery_ns is None else row.recovery_ns / NS_PER_S
        return run._replace(recovery=row.cause, recovery_s=seconds, pnl=row.pnl)
    watched = isinstance(row.kind, StormKind) and row.cause != "replaced" and max(run.course) > 0
    share = (row.time_ns - run.started_ns) / max(1, run.ends_ns - run.started_ns)
    return run._replace(
        ended_ns=row.time_ns,
        cause=row.cause,
        severity=run.course[round(min(1.0, share) * (len(run.course) - 1))],
        orders=row.orders,
        lots=row.lots,
        position_lots=row.position_lots,
        fees=row.fees,
        pnl=row.pnl,
        recovery="watched" if watched else "",
    )


def _as_it_stands(session: Session, run: StormRunView) -> StormRunView:
    storm = next((one for kind, one in session.storms.active.items() if int(kind) == run.kind), None)
    if storm is None:
        return run
    if not isinstance(storm, Storm):
        return run._replace(severity=storm.severity)
    standing, value = storm.standing(), session.exchange.instrument.tick_lot_value / MICRO
    return run._replace(
        severity=storm.severity,
        orders=standing.orders,
        lots=standing.lots,
        position_lots=standing.position_lots,
        fees=standing.fees * value,
        pnl=standing.equity * value,
    )
