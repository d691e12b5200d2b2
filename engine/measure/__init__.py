"""What a storm does, as a cause: pairs of futures from one snapshot, of which only one has the storm.

    plan.py          what is measured: scenario, trials, window, target
    observation.py   one future, looked at every 250 ms
    pair.py          two futures and their differences
    effects.py       the measure of each storm
    summary.py       many pairs, with intervals and correlations; statistics.py
    pool.py          seeds over processes
    sensitivity.py   what makes a flash crash deeper; sizing.py: the same attack in different markets

Beside the data path: a measurement runs sessions and reads them. Invariant: results are a function of plan
and seeds, whatever the number of processes.
"""

from engine.measure.pair import Pair, SeedResult, run_seed
from engine.measure.plan import Plan, Trial, at_severities, control, plan_trials
from engine.measure.pool import Job, SeedFailed, run_jobs
from engine.measure.summary import StormTable, summarise

__all__ = [
    "Job",
    "Pair",
    "Plan",
    "SeedFailed",
    "SeedResult",
    "StormTable",
    "Trial",
    "at_severities",
    "control",
    "plan_trials",
    "run_jobs",
    "run_seed",
    "summarise",
]
