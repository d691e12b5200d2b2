"""Runs a case and keeps what the evaluation wants to know of it.

A window is what is judged: the storm with AFTER_S behind it, or WINDOW_S of a calm market. Of each window
there is the highest score of every detector, and of three readings that detectors are held against: VPIN, a
benchmark of volume and volatility, and the score of the regime.

What the kernel knows of an alarm of TWAP children, and nobody else, is taken from the trades: whether most
prints of its size and side in its time came from an institution.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.core.clock import NS_PER_S
from engine.core.types import Account, StormKind
from engine.detectors import Alarm, AlarmKind
from engine.detectors.records import SCORE_KINDS
from engine.detectors.sizes import expected_tips
from engine.evaluate.cases import TAIL_S, WARM_UP_S, Case
from engine.inputs import storm_command
from engine.market.tape import Trade
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from engine.storms.base import Storm, standing_of
from engine.storms.iceberg import TIP_MULTIPLE

__all__ = ["AFTER_S", "READINGS", "WINDOW_S", "Floats", "Outcome", "Size", "run_case"]

AFTER_S = 5
"""An alarm so long after a storm's end is still the storm's."""
WINDOW_S = 20
READINGS = ("vpin", "volume and volatility", "regime")
"""Columns of a window behind those of the detectors."""
LEAST_TIPS = {StormKind.ICEBERG: 3, StormKind.REFILL: 4}
"""Tips that have to trade before an iceberg is one to the public: two refills, three of a synthetic one."""
_SLICE_NS = NS_PER_S // 4
_CALM_SLICE_NS = 2 * NS_PER_S
_COLUMNS = ("vpin", "trade_velocity", "realised_vol_bps", "regime_score")
_INSTITUTION = "twap"

Floats = npt.NDArray[np.float64]


class Size(NamedTuple):
    """A native iceberg's size, in tips, as expected while it trades, and in the end."""

    expected: float
    executed: float
    """When it was expected."""
    final: float
    is_first: bool
    """At the alarm."""


class Outcome(NamedTuple):
    """What came of it."""

    case: Case
    alarms: tuple[Alarm, ...]
    twap_alarms: frozenset[int]
    """Numbers of the alarms of TWAP children that were right."""
    length_ns: int
    start_ns: int
    """Of the storm; the length where there is none."""
    end_ns: int
    """Until when an alarm is the storm's."""
    peak_ns: int
    """When the mid was farthest from where the storm found it."""
    events: int
    windows: Floats
    """One of a storm, all of a calm case. Shape (windows, SCORE_KINDS + 3)."""
    course: Floats
    """The readings every 250 ms of a storm, behind their time in s since its start: shape (n, 4)."""
    sizes: tuple[Size, ...]
    showed: bool
    """Whether there was anything to see: of an iceberg, whether it was refilled, as LEAST_TIPS has it."""


def run_case(case: Case) -> Outcome:
    """Runs it to its end."""
    scenario = load_scenario(case.scenario)
    if not case.institutions:
        scenario = scenario._replace(groups=tuple(g for g in scenario.groups if g.kind != _INSTITUTION))
    session = Session(SessionConfig(scenario, case.seed))
    watcher = _Watcher(session)
    if case.storm is None:
        watcher.advance(case.duration_s * NS_PER_S, _CALM_SLICE_NS)
        start_ns = end_ns = peak_ns = session.now_ns
        windows, course = watcher.windows(0, WINDOW_S), np.empty((0, 1 + len(READINGS)))
        showed = True
    else:
        start_ns = WARM_UP_S * NS_PER_S
        over_ns = start_ns + case.duration_s * NS_PER_S
        end_ns = over_ns + AFTER_S * NS_PER_S
        watcher.advance(start_ns, _CALM_SLICE_NS)
        session.accept(session.stamp(storm_command(StormRequest(case.storm, case.severity, case.duration_s))))
        watcher.peak(reset=True)
        watcher.advance(start_ns + _SLICE_NS)
        storm = session.storms.active[case.storm]
        assert isinstance(storm, Storm)
        tip_lots = TIP_MULTIPLE * storm.base_depth_lots
        watcher.advance(over_ns)
        peak_ns = watcher.peak()
        watcher.advance(over_ns + TAIL_S * NS_PER_S)
        windows = watcher.windows(start_ns, case.duration_s + AFTER_S)[:1]
        course = watcher.course(start_ns, end_ns)
        traded_lots = standing_of(session.exchange, Account.FIRST_STORM + case.storm).lots
        showed = traded_lots >= LEAST_TIPS.get(case.storm, 0) * tip_lots
    alarms = watcher.alarms()
    return Outcome(
        case=case,
        alarms=alarms,
        twap_alarms=frozenset(a.number for a in alarms if watcher.is_institution(a)),
        length_ns=session.now_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        peak_ns=peak_ns,
        events=session.event_count,
        windows=windows,
        course=course,
        sizes=watcher.sizes() if case.storm is StormKind.ICEBERG else (),
        showed=showed,
    )


class _Print(NamedTuple):
    """What one taker took in one instant."""

    time_ns: int
    side: int
    lots: int
    taker: int


class _Watcher:
    """Advances a session and notes what there is to see after each slice."""

    def __init__(self, session: Session) -> None:
        assert session.detection is not None
        self._session = session
        self._detection = session.detection
        self._alarms: list[Alarm] = []
        self._bars = self._samples = self._trade_count = 0
        self._times: list[int] = []
        self._rows: list[Floats] = []
        """After each slice: the highest scores and readings in it."""
        self._prints: list[_Print] = []
        self._before = self._farthest = self._peak_ns = 0
        self._bergs: dict[int, list[float]] = {}
        """Executed tips, as they grew, by when the berg began."""
        slices = Account.FIRST_STORM + StormKind.SLICES
        self._institutions = {
            number
            for number, info in session.accounts.items()
            if info.kind == _INSTITUTION or number == slices
        }

    def advance(self, until_ns: int, slice_ns: int = _SLICE_NS) -> None:
        """Runs so far."""
        session = self._session
        while session.now_ns < until_ns:
            session.advance(min(until_ns, session.now_ns + slice_ns))
            if self._detection.alarm_count > len(self._alarms):
                self._alarms.extend(self._detection.alarms(len(self._alarms)))
            self._times.append(session.now_ns)
            self._rows.append(np.concatenate([self._take_scores(), self._readings()]))
            self._take_trades()
            self._take_bergs()
            away = abs(session.exchange.mark_twice_ticks - self._before)
            if away > self._farthest:
                self._farthest, self._peak_ns = away, session.now_ns

    def peak(self, *, reset: bool = False) -> int:
        """When the mid was farthest from where it stood at the last reset."""
        if reset:
            self._before, self._farthest = self._session.exchange.mark_twice_ticks, 0
            self._peak_ns = self._session.now_ns
        return self._peak_ns

    def windows(self, start_ns: int, length_s: int) -> Floats:
        """The highest of each column in each whole window of so many seconds from start_ns on."""
        places = (np.array(self._times) - start_ns - 1) // (length_s * NS_PER_S)
        rows = np.array(self._rows)
        count = (self._times[-1] - start_ns) // (length_s * NS_PER_S)
        kept = [rows[places == place].max(axis=0) for place in range(count)]
        return np.array(kept).reshape(len(kept), rows.shape[1])

    def course(self, start_ns: int, end_ns: int) -> Floats:
        """The readings between two times."""
        times, rows = np.array(self._times), np.array(self._rows)
        kept = (times > start_ns) & (times <= end_ns)
        seconds = (times[kept] - start_ns) / NS_PER_S
        return np.column_stack([seconds, rows[kept][:, SCORE_KINDS:]])

    def alarms(self) -> tuple[Alarm, ...]:
        """All."""
        return tuple(self._alarms)

    def is_institution(self, alarm: Alarm) -> bool:
        """Whether an alarm of TWAP children is right: most prints of the size that ended it are theirs."""
        if alarm.kind != AlarmKind.TWAP_CHILDREN:
            return False
        same_side = [
            p for p in self._prints if p.side == alarm.side and alarm.start_ns <= p.time_ns <= alarm.time_ns
        ]
        sizes = {p.lots for p in same_side if p.time_ns == alarm.time_ns}
        same_size = [p for p in same_side if p.lots in sizes]
        return 2 * sum(p.taker in self._institutions for p in same_size) > len(same_size)

    def sizes(self) -> tuple[Size, ...]:
        """Of all native icebergs that were told; one for each time that more had been executed."""
        return tuple(
            Size(expected_tips(tips), tips, course[-1], place == 0)
            for course in self._bergs.values()
            for place, tips in enumerate(course)
        )

    def _take_scores(self) -> Floats:
        scores = self._detection.scores(self._bars)
        self._bars = self._detection.bar_count
        return scores.max(axis=0) if len(scores) else np.zeros(SCORE_KINDS)

    def _readings(self) -> Floats:
        """The highest of each since the last slice; what is not defined yet counts as 0."""
        count = self._session.analytics.row.sample_count
        new, self._samples = count - self._samples, count
        if not new:
            return np.zeros(len(READINGS))
        vpin, velocity, volatility, regime = (
            np.nan_to_num(column[-new:]) for column in self._session.analytics.columns(_COLUMNS)
        )
        # Volume and volatility: how fast it trades against its baseline, times how far it moves.
        return np.array([vpin.max(), (velocity * volatility).max(), regime.max()])

    def _take_bergs(self) -> None:
        tips = self._detection.rows("iceberg_tips")
        for lots, since_ns, executed in tips[tips["is_native"] != 0][
            ["lots", "since_ns", "executed_lots"]
        ].tolist():
            course = self._bergs.setdefault(since_ns, [])
            if not course or executed / lots > course[-1]:
                course.append(executed / lots)

    def _take_trades(self) -> None:
        exchange = self._session.exchange
        trades = exchange.tape.since(self._trade_count)
        self._trade_count = exchange.trade_count
        last: Trade | None = None
        lots = 0
        for trade in trades:
            if last is not None and (trade.time_ns, trade.aggressor) != (last.time_ns, last.aggressor):
                self._prints.append(_Print(last.time_ns, last.aggressor_side, lots, last.aggressor))
                lots = 0
            last = trade
            lots += trade.qty_lots
        if last is not None:
            self._prints.append(_Print(last.time_ns, last.aggressor_side, lots, last.aggressor))
