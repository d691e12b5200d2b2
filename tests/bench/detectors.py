"""Benchmark `detectors`: what all detectors together cost per public event, live and over a file.

Live: the market of the other benchmarks, and the default one, which is ten times as busy, with the detectors
on and off over the same span; the digests must be equal. File: the same events through the book alone, and
through book and detectors.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.book.hot import HotBook
from engine.book.interface import EventArray, as_event_array
from engine.core.clock import NS_PER_S
from engine.detectors import FileDetection
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from tests.bench.market import SEED, Ran, run, scenario_name, warm_up
from tests.bench.measure import Benchmark, Contender, Requirement, Row, Step, Steps, compare, take_turns

__all__ = ["BENCHMARK"]

MARKETS = {"balanced": 1_200, "": 7_200}
"""Scenario ("" = that of the other benchmarks) and simulated seconds."""
QUICK_S = 120
RUNS = 3
MOST_MORE = Requirement(150, "at most more", "ns")


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """ns of CPU per public event with the detectors on and off, same input."""
    runs = 1 if quick else RUNS
    warning = warm_up()
    steps = Steps(report, 2 * runs * (len(MARKETS) + 1))
    rows = [
        _live(name or scenario_name(), QUICK_S if quick else seconds, runs, steps, warning)
        for name, seconds in MARKETS.items()
    ]
    return [*rows, _file(_events(QUICK_S if quick else 600), runs, steps)]


BENCHMARK = Benchmark(
    name="detectors",
    work="all detectors on, per event",
    reference="detectors off; the book alone",
    requires=(MOST_MORE,),
    measure=measure,
)


def _live(scenario: str, seconds: int, runs: int, steps: Steps, warning: str) -> Row:
    on: list[Ran] = []
    off: list[Ran] = []
    for _ in range(runs):
        for ran, detectors in ((on, True), (off, False)):
            steps.next(f"{scenario}, detectors {'on' if detectors else 'off'}")
            session = Session(SessionConfig(load_scenario(scenario), SEED, detectors=detectors))
            ran.append(run(session, most_cpu_s=600.0, until_ns=seconds * NS_PER_S))
    digests = {ran.session.event_digest for ran in (*on, *off)}
    assert len(digests) == 1, f"the same market gave different events: {digests}"
    return compare(
        "detectors",
        f"{scenario}, {on[0].span}, per event",
        "ns",
        ours=min(map(_ns_per_event, on)),
        reference="detectors off",
        theirs=min(map(_ns_per_event, off)),
        requires=MOST_MORE,
        why=warning,
    )


def _file(events: EventArray, runs: int, steps: Steps) -> Row:
    timings = take_turns(
        [
            Contender(
                "book and detectors",
                FileDetection,
                lambda detection: detection.take_events(events),
                lambda detection: detection.book.digest(),
                runs=runs,
            ),
            Contender(
                "book", HotBook, lambda book: book.apply(events), lambda book: book.digest(), runs=runs
            ),
        ],
        steps,
        where="a file",
    )
    return compare(
        "detectors",
        f"a file of {len(events):,} events, per event",
        "ns",
        ours=timings["book and detectors"].cpu_ns / len(events),
        reference="the book alone",
        theirs=timings["book"].cpu_ns / len(events),
        requires=MOST_MORE,
    )


def _events(seconds: int) -> EventArray:
    session = Session(SessionConfig(load_scenario("balanced"), SEED, detectors=False))
    parts: list[EventArray] = []
    session.exchange.watch_events(parts.append)
    session.advance(seconds * NS_PER_S)
    return as_event_array(np.frombuffer(b"".join(part.tobytes() for part in parts), parts[0].dtype))


def _ns_per_event(ran: Ran) -> float:
    return ran.cpu_ns / ran.session.event_count
