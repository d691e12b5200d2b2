"""Benchmark `simulation`: a whole market, in kernel events per second of CPU.

Measured: the compiled market over a trading day, recorded as a headless run is; the same market interpreted
(STORMDESK_JIT=0, in a process of its own) on a shorter span; the compiled one with ten agents in Python that
wake every 100 ms. A CPU budget ends a span that takes too long, and the span is in the row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engine.agents.base import Agent
from engine.core.clock import NS_PER_MS, NS_PER_S
from tests.bench.market import DAY_NS, Ran, new_session, record, run, scenario_name, warm_up
from tests.bench.measure import Benchmark, Requirement, Row, Step, Steps, compare

__all__ = ["BENCHMARK"]

BUDGET_S, QUICK_BUDGET_S = 40.0, 1.0
INTERPRETED_BUDGET_S = 8.0
RUNS = 2
HOUR_NS = 3_600 * NS_PER_S
PYTHON_AGENTS = 10
WAKE_NS = 100 * NS_PER_MS
LEAST_RATE = Requirement(3_000_000, "at least", "events/s")
TIMES_WITH_AGENTS = Requirement(1.5, "at most times")
_ROOT = Path(__file__).parents[2]


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """Kernel events per CPU-second; and seconds of CPU per simulated hour with and without Python agents."""
    budget_s, runs = (QUICK_BUDGET_S, 1) if quick else (BUDGET_S, RUNS)
    steps = Steps(report, 3 * runs + 1)
    market = scenario_name()
    warning = warm_up()
    days: list[Ran] = []
    plain: list[Ran] = []
    joined: list[Ran] = []
    for _ in range(runs):
        steps.next(f"{market}, compiled, a day")
        days.append(record(until_ns=DAY_NS // 100 if quick else DAY_NS))
        steps.next(f"{market}, an hour")
        plain.append(run(new_session(), most_cpu_s=budget_s, until_ns=HOUR_NS))
        steps.next(f"{market}, an hour with {PYTHON_AGENTS} Python agents")
        session = new_session(agents=(LookingAgent,) * PYTHON_AGENTS)
        joined.append(run(session, most_cpu_s=4 * budget_s, until_ns=plain[-1].session_ns))
    for rans in (days, plain):
        digests = {ran.session.event_digest for ran in rans if ran.session_ns == rans[0].session_ns}
        assert len(digests) == 1, f"{market}: the same span gave different events: {digests}"
    steps.next(f"{market}, interpreted")
    interpreted = _interpreted(QUICK_BUDGET_S if quick else INTERPRETED_BUDGET_S)
    best = max(days, key=lambda ran: ran.events_per_s)
    with_agents, without = (
        min(ran.cpu_ns / ran.session_ns for ran in rans) * 3_600 for rans in (joined, plain)
    )
    return [
        compare(
            "simulation",
            f"simulate {market}, {best.span}",
            "events/s",
            ours=best.events_per_s,
            reference="interpreted, a shorter span",
            theirs=interpreted,
            requires=LEAST_RATE,
            why=warning,
        ),
        compare(
            "simulation",
            f"an hour of {market} with {PYTHON_AGENTS} Python agents",
            "s",
            ours=with_agents,
            reference="without them",
            theirs=without,
            requires=TIMES_WITH_AGENTS,
        ),
    ]


BENCHMARK = Benchmark(
    name="simulation",
    work="simulate 1,117 agents as in ABIDES rmsc04, 6.5 h, everything on; the same with 10 Python agents",
    reference="interpreted mode on a shorter span; without Python agents",
    requires=(LEAST_RATE, TIMES_WITH_AGENTS),
    measure=measure,
)


class LookingAgent(Agent):
    """An agent in Python that looks at the market every 100 ms and does nothing: what the return costs."""

    kind = "looking"

    def act(self, now_ns: int) -> int:
        """Reads the touch."""
        _touch = self.exchange.best_bid, self.exchange.best_ask
        return WAKE_NS


def _interpreted(budget_s: float) -> float:
    """Kernel events per CPU-second of a process whose kernels are not compiled."""
    environment = {**os.environ, "STORMDESK_JIT": "0"}
    code = (
        "import json; from tests.bench.market import new_session, run, warm_up; warm_up(); "
        f"print(json.dumps(run(new_session(), most_cpu_s={budget_s}).events_per_s))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=_ROOT, env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 0, f"the interpreted market broke: {answer.stderr.strip()}"
    rate: float = json.loads(answer.stdout)
    return rate
