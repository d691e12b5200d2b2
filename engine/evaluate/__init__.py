"""How good the detectors are: labelled storms, their harmless look-alikes, calm markets and real tape.

Beside the data path: sessions run as always, and what the detectors said is compared with what the kernel
knows. Invariant: nothing here is read by a detector.

    cases      what is run: regions of parameters, seeds
    pool       runs them, in one process or several
    watching   a case run: alarms, and the highest score of each window
    truth      which storm each detector is for
    marks      AUC, average precision, intervals
    table      a row for each detector          benchmarks   VPIN and volume and volatility, by the same rules
    targets    what each row was to reach       regimes      how often a regime means what it says
    tape       runs and files, real ones too
"""

from engine.evaluate.benchmarks import BenchmarkRow, judge_benchmarks
from engine.evaluate.cases import DEVELOPMENT, HELD_OUT, REGIONS, Case, Region, plan_cases
from engine.evaluate.marks import Interval
from engine.evaluate.pool import run_cases
from engine.evaluate.regimes import RegimeRow, Regimes, judge_regimes
from engine.evaluate.table import Row, judge
from engine.evaluate.tape import TapeResult, detect_file, detect_run
from engine.evaluate.targets import Target, judge_targets
from engine.evaluate.watching import Outcome, run_case

__all__ = [
    "DEVELOPMENT",
    "HELD_OUT",
    "REGIONS",
    "BenchmarkRow",
    "Case",
    "Interval",
    "Outcome",
    "RegimeRow",
    "Regimes",
    "Region",
    "Row",
    "TapeResult",
    "Target",
    "detect_file",
    "detect_run",
    "judge",
    "judge_benchmarks",
    "judge_regimes",
    "judge_targets",
    "plan_cases",
    "run_case",
    "run_cases",
]
