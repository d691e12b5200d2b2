"""One case of the evaluation: a session with a storm in it or without, and what the detectors said.

A storm comes after WARM_UP_S of calm and has TAIL_S behind it; a calm case lasts CALM_S. What the kernel
knows of an alarm of TWAP children, and nobody else, is taken from the trades: whether most prints of its size
and side in its time came from an institution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.types import Account, StormKind
from engine.detectors import Alarm, AlarmKind
from engine.inputs import storm_command
from engine.market.tape import Trade
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest

__all__ = ["CALM_S", "DURATION_S", "TAIL_S", "WARM_UP_S", "Case", "Outcome", "plan_cases", "run_case"]

WARM_UP_S = 45
DURATION_S = 15
TAIL_S = 20
CALM_S = 600
AFTER_S = 5
"""An alarm so long after a storm's end is still the storm's."""
_SLICE_NS = NS_PER_S // 4
_INSTITUTION = "twap"


class Case(NamedTuple):
    """One session."""

    scenario: str
    seed: int
    storm: StormKind | None = None
    severity: float = 0.0


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


def plan_cases(
    seeds: Sequence[int],
    severities: Sequence[float],
    *,
    scenarios: Sequence[str] = ("balanced", "institutional"),
) -> Iterator[Case]:
    """Storms and decoys of every kind in the first scenario, for each seed and severity, and calm in all."""
    for seed in seeds:
        for scenario in scenarios:
            yield Case(scenario, seed)
        for storm in StormKind:
            for severity in severities:
                yield Case(scenarios[0], seed, storm, severity)


def run_case(case: Case) -> Outcome:
    """Runs it to its end."""
    session = Session(SessionConfig(load_scenario(case.scenario), case.seed))
    assert session.detection is not None
    watcher = _Watcher(session)
    if case.storm is None:
        watcher.advance(CALM_S * NS_PER_S)
        start_ns = end_ns = peak_ns = session.now_ns
    else:
        start_ns = WARM_UP_S * NS_PER_S
        over_ns = start_ns + DURATION_S * NS_PER_S
        watcher.advance(start_ns)
        session.accept(session.stamp(storm_command(StormRequest(case.storm, case.severity, DURATION_S))))
        peak_ns = watcher.advance(over_ns)
        watcher.advance(over_ns + TAIL_S * NS_PER_S)
        end_ns = over_ns + AFTER_S * NS_PER_S
    alarms = tuple(session.detection.alarms())
    return Outcome(
        case=case,
        alarms=alarms,
        twap_alarms=frozenset(a.number for a in alarms if watcher.is_institution(a)),
        length_ns=session.now_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        peak_ns=peak_ns,
        events=session.event_count,
    )


class _Print(NamedTuple):
    """What one taker took in one instant."""

    time_ns: int
    side: int
    lots: int
    taker: int


class _Watcher:
    """Advances a session and keeps what the evaluation wants to know of it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trade_count = 0
        self._prints: list[_Print] = []
        slices = Account.FIRST_STORM + StormKind.SLICES
        self._institutions = {
            number
            for number, info in session.accounts.items()
            if info.kind == _INSTITUTION or number == slices
        }

    def advance(self, until_ns: int) -> int:
        """Returns when the mid was farthest from where it stood."""
        session = self._session
        before = session.exchange.mark_twice_ticks
        farthest, peak_ns = 0, session.now_ns
        while session.now_ns < until_ns:
            session.advance(min(until_ns, session.now_ns + _SLICE_NS))
            away = abs(session.exchange.mark_twice_ticks - before)
            if away > farthest:
                farthest, peak_ns = away, session.now_ns
            self._take_trades()
        return peak_ns

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
