"""How good the detectors are: labelled storms, their harmless look-alikes, calm markets and real tape.

Beside the data path: sessions run as always, and what the detectors said is compared with what the kernel
knows. Invariant: nothing here is read by a detector.
"""

from engine.evaluate.cases import Case, Outcome, plan_cases, run_case
from engine.evaluate.table import Row, judge
from engine.evaluate.tape import TapeResult, detect_file, detect_run

__all__ = [
    "Case",
    "Outcome",
    "Row",
    "TapeResult",
    "detect_file",
    "detect_run",
    "judge",
    "plan_cases",
    "run_case",
]
