"""Events by hand, and recorded markets, for detectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.book.interface import EventArray, as_event_array
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import EVENT_DTYPE, EventType, StormKind
from engine.detectors import Alarm, AlarmKind, FileDetection
from engine.inputs import storm_command
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest

__all__ = ["ASK", "BID", "MS", "Recorded", "Tape", "kinds", "record", "watched"]

MS = NS_PER_MS
BID, ASK = 0, 1


class Tape:
    """A quiet market made by hand: an order of QTY lots on each of LEVELS levels of both sides, one order of
    a few lots a side that comes and goes every 100 ms, and one small trade a second against each side."""

    LEVELS = 12
    QTY = 100
    MID = 10_000

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int, int, int, int, int]] = []
        self.order_id = 0
        self.now_ns = 0
        for level in range(1, self.LEVELS + 1):
            for side in (BID, ASK):
                self.add(0, side, self.price(side, level), self.QTY)

    def price(self, side: int, level: int) -> int:
        """Of the level-th level of the quiet market."""
        return self.MID - level if side == BID else self.MID + level

    def add(self, time_ns: int, side: int, price: int, qty: int) -> int:
        """Returns the order's id."""
        self.order_id += 1
        self._put(time_ns, EventType.ADD, self.order_id, side, price, qty)
        return self.order_id

    def cancel(self, time_ns: int, order_id: int) -> None:
        """All of it."""
        self._put(time_ns, EventType.CANCEL, order_id, 0, 0, 0)

    def trade(self, time_ns: int, order_id: int, side: int, price: int, qty: int) -> None:
        """`side` is the resting order's."""
        self._put(time_ns, EventType.TRADE, order_id, side, price, qty)

    def quiet(self, seconds: float) -> None:
        """Goes on quietly."""
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        at_ns = self.now_ns
        while at_ns < until_ns:
            at_ns += 100 * MS
            for side in (BID, ASK):
                order = self.add(at_ns - 90 * MS, side, self.price(side, 3), 5)
                self.cancel(at_ns - 10 * MS, order)
                if at_ns % NS_PER_S == 0:
                    lots = 7 + at_ns // NS_PER_S  # never the same twice
                    order = self.add(at_ns - 50 * MS, side, self.price(side, 1), lots)
                    self.trade(at_ns - 40 * MS, order, side, self.price(side, 1), lots)
        self.now_ns = until_ns

    def events(self) -> EventArray:
        """All, by time."""
        rows = sorted(self._rows, key=lambda row: row[0])
        return as_event_array(np.array(rows, EVENT_DTYPE))

    def _put(self, time_ns: int, kind: EventType, order_id: int, side: int, price: int, qty: int) -> None:
        self._rows.append((time_ns, price, qty, order_id, 0, int(kind), side))


class Recorded(NamedTuple):
    """A session's public events, and its alarms."""

    events: EventArray
    alarms: list[Alarm]
    session: Session


def record(
    seed: int,
    storm: StormKind | None = None,
    severity: float = 0.8,
    *,
    seconds: int = 75,
    start_s: int = 45,
    scenario: str = "balanced",
    detectors: bool = True,
    shuffled: bool = False,
    slice_s: float | None = None,
) -> Recorded:
    """A session with a storm of 15 s, or calm. `shuffled`: names and kinds of accounts are turned by one;
    `slice_s`: it advances in steps of so long."""
    session = Session(SessionConfig(load_scenario(scenario), seed, detectors=detectors))
    if shuffled:
        infos = list(session.accounts.values())
        session.accounts = dict(zip(session.accounts, infos[1:] + infos[:1], strict=True))
    parts: list[EventArray] = []
    session.exchange.watch_events(parts.append)
    if storm is not None:
        session.advance(start_s * NS_PER_S)
        session.accept(session.stamp(storm_command(StormRequest(storm, severity, 15))))
    while slice_s is not None and session.now_ns + slice_s * NS_PER_S < seconds * NS_PER_S:
        session.advance(session.now_ns + int(slice_s * NS_PER_S))
    session.advance(seconds * NS_PER_S)
    copied = np.concatenate(parts)
    # Copies leave the padding as it was in memory; in a file it is zero.
    events = np.zeros(len(copied), EVENT_DTYPE)
    events[:] = copied
    alarms = [] if session.detection is None else session.detection.alarms()
    return Recorded(as_event_array(events), alarms, session)


def watched(tape: Tape | EventArray) -> list[Alarm]:
    """The alarms over events."""
    detection = FileDetection()
    detection.take_events(tape.events() if isinstance(tape, Tape) else tape)
    return detection.alarms()


def kinds(alarms: list[Alarm]) -> set[AlarmKind]:
    """Which there are."""
    return {alarm.kind for alarm in alarms}
