"""What Python sees of the detectors: alarms as tuples; and detection in files.

This file owns the tables of records.py, in the market's arena or in one of its own; watch.py changes them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.arena.machine import live
from engine.arena.memory import Arena, Rows
from engine.book.hot import HotBook
from engine.book.interface import EventArray, as_event_array
from engine.detectors.cancels import CancelsState
from engine.detectors.crash import CrashState
from engine.detectors.flow import Flow
from engine.detectors.icebergs import TIPS, IcebergState, TipRow
from engine.detectors.ignition import IgnitionState
from engine.detectors.latency import PICK_OFFS, LatencyState, PickOff
from engine.detectors.phantom import PhantomSide, PhantomState
from engine.detectors.records import (
    ALARMS_KEPT,
    BARS_KEPT,
    LIVES,
    SCORE_BARS,
    SCORE_KINDS,
    AlarmKind,
    AlarmRow,
    Bar,
    Life,
    ScoreRow,
    Sight,
    Taking,
)
from engine.detectors.shock import ShockSide, ShockState
from engine.detectors.spoofing import SpoofingSide, SpoofingState
from engine.detectors.stuffing import StuffingState
from engine.detectors.twap import KEYS, KeyRow, TwapState
from engine.detectors.watch import Detectors, detect_rows

__all__ = ["NEED_ORDERS", "Alarm", "Detection", "FileDetection"]


class Alarm(NamedTuple):
    """Something that a detector has found in the public feed."""

    number: int
    """From 1."""
    kind: AlarmKind
    time_ns: int
    start_ns: int
    first_event: int
    """The events that caused it are among first_event .. last_event, counted from 1."""
    last_event: int
    price_ticks: int
    """0: it is about no price."""
    side: int
    """NO_SIDE: it is about no side."""
    severity: float
    statistic: float
    order_id: int
    """0: it is about no one order."""


NEED_ORDERS = (
    AlarmKind.SPOOFING,
    AlarmKind.PHANTOM_LIQUIDITY,
    AlarmKind.NATIVE_ICEBERG,
    AlarmKind.SYNTHETIC_ICEBERG,
)
"""They judge single orders; where a feed shows totals of levels only, they are silent."""


class Detection:
    """The detectors of one market."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        new = arena.new
        row = new("detectors", Detectors)[0]
        row.sight = new("sight", Sight)[0]
        row.sight.bars = new("bars", Bar, BARS_KEPT)
        row.sight.lives = new("lives", Life, LIVES)
        row.sight.taking = new("taking", Taking)[0]
        row.sight.alarms = new("alarms", AlarmRow, ALARMS_KEPT)
        row.sight.scores = new("scores", ScoreRow, SCORE_BARS * SCORE_KINDS)
        row.sight.shows_orders = 1
        row.flow = new("flow", Flow)[0]
        row.stuffing = new("stuffing", StuffingState)[0]
        row.cancels = new("cancels", CancelsState)[0]
        row.ignition = new("ignition", IgnitionState)[0]
        row.crash = new("crash", CrashState)[0]
        row.shock = new("shock", ShockState)[0]
        row.shock.bids = new("shock_bids", ShockSide)[0]
        row.shock.asks = new("shock_asks", ShockSide)[0]
        row.phantom = new("phantom", PhantomState)[0]
        row.phantom.bids = new("phantom_bids", PhantomSide)[0]
        row.phantom.asks = new("phantom_asks", PhantomSide)[0]
        row.spoofing = new("spoofing", SpoofingState)[0]
        row.spoofing.bids = new("spoofing_bids", SpoofingSide)[0]
        row.spoofing.asks = new("spoofing_asks", SpoofingSide)[0]
        row.latency = new("latency", LatencyState)[0]
        row.latency.pick_offs = new("pick_offs", PickOff, PICK_OFFS)
        row.icebergs = new("icebergs", IcebergState)[0]
        row.icebergs.tips = new("iceberg_tips", TipRow, TIPS)
        row.twap = new("twap_children", TwapState)[0]
        row.twap.keys = new("twap_keys", KeyRow, KEYS)

    @property
    def row(self) -> Detectors:
        """The root of the tables."""
        return self._arena.row("detectors", Detectors)

    def see_orders(self, shown: bool) -> None:
        """Says whether the feed shows single orders, as it does unless told otherwise, or levels."""
        self._arena.row("sight", Sight).shows_orders = int(shown)

    @property
    def silent(self) -> tuple[AlarmKind, ...]:
        """Who says nothing here, for the feed shows no orders."""
        return () if self._arena.row("sight", Sight).shows_orders else NEED_ORDERS

    def scores(self, since_bar: int) -> npt.NDArray[np.float64]:
        """How near each detector was to its alarm (1 = the threshold) in the bars that have ended, from
        number since_bar on, oldest first; at most SCORE_BARS - 1. Shape (bars, SCORE_KINDS), an AlarmKind a
        column."""
        count = self.bar_count
        bars = np.arange(max(since_bar, count - SCORE_BARS + 1, 0), count)
        rows = self._arena.rows("scores")["value"].reshape(SCORE_BARS, SCORE_KINDS)
        taken: npt.NDArray[np.float64] = rows[bars & (SCORE_BARS - 1)]
        return taken

    @property
    def bar_count(self) -> int:
        """Bars that have ended."""
        return self._arena.row("sight", Sight).bar_count

    @property
    def alarm_count(self) -> int:
        """Alarms so far."""
        return self._arena.row("sight", Sight).alarm_count

    def alarms(self, since: int = 0) -> list[Alarm]:
        """The alarms after the first `since`, oldest first; at most ALARMS_KEPT."""
        count = self.alarm_count
        rows = self._arena.rows("alarms")
        numbers = np.arange(max(since, count - ALARMS_KEPT), count)
        return [
            Alarm(number + 1, AlarmKind(kind), *values)
            for number, (kind, *values) in zip(
                numbers.tolist(), rows[numbers & (len(rows) - 1)].tolist(), strict=True
            )
        ]

    def rows(self, table: str) -> Rows:
        """One of the detectors' tables, as it is: not a copy."""
        return self._arena.rows(table)

    def take(self) -> list[Alarm]:
        """The alarms since the last call."""
        sight = self._arena.row("sight", Sight)
        told, sight.alarms_told = sight.alarms_told, sight.alarm_count
        return self.alarms(told)

    def statistics(self) -> dict[str, int]:
        """Fill and limits."""
        sight = self._arena.row("sight", Sight)
        return {
            "events": sight.seen,
            "bars": min(sight.bar_count, BARS_KEPT),
            "bars_limit": BARS_KEPT,
            "lives_limit": LIVES,
            "alarms": sight.alarm_count,
            "alarms_kept_limit": ALARMS_KEPT,
        }


class FileDetection(Detection):
    """Detectors over events from anywhere, with a book of their own."""

    def __init__(self) -> None:
        super().__init__(Arena())
        self.book = HotBook()

    def take_events(self, events: EventArray) -> None:
        """Watches events in their order, shape (n,), dtype EVENT_DTYPE. The last instant of one call may not
        go on in the next. Raises UsageError on another array."""
        rows = as_event_array(events)
        at, stop = 0, len(rows)
        while at < stop:
            detectors, book = self.row.address, self.book.row.address
            done = live(detect_rows)(detectors, book, rows.ctypes.data, at, stop)
            if done < stop:
                instant = rows["ts"][done]
                self.book.make_room(int(np.count_nonzero(rows["ts"][done:] == instant)))
            at = done
