"""Each fault of the venue at three severities against real clients: what they met, and what was true.

    python -m tests.real.faults ccxt [FAULT ...]
    python -m tests.real.faults freqtrade [FAULT ...]

ccxt (clients/faults_ccxt.py) goes through all windows at one desk; freqtrade gets a desk per severity, with
the faults one after another. Runs are verified. Prints Markdown tables.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.core.types import FaultKind
from tests.real.crash import SLOWEST, RunOutcome, TimedDesk, freqtrade_run
from tests.real.environments import Client, make_environment, python_of
from tests.real.harness import CLIENT_FOLDER

__all__ = ["main"]

FAULTS = tuple(kind.name.lower() for kind in FaultKind)
SEVERITIES = (0.2, 0.5, 0.9)
FIRST_S = 14
"""Session time of the first window: clients need some seconds to start."""
FAULT_S = 5
PAUSE_S = 6
"""After a fault, for recovery and looking."""
FREQTRADE_FIRST_S = 60
FREQTRADE_FAULT_S = 12
FREQTRADE_PAUSE_S = 13
PATIENCE_S = 120
_CLASSES = re.compile(
    r"\b(DDosProtection|DDoSProtection|TemporaryError|OperationalException|InvalidOrderException|NetworkError"
    r"|InsufficientFundsError|ExchangeError|DependencyException|PricingError|RetryableOrderError|RequestTimeout"
    r"|ExchangeNotAvailable|RateLimitExceeded|InvalidNonce|OnMaintenance|OperationFailed|OrderNotFound"
    r"|AuthenticationError|BadRequest|InvalidOrder|MarketClosed|ChecksumError|RPCException)\b"
)
_CODES = re.compile(r'"code":(-\d{4})')
_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) - (\S+) - (\w+) - ")

Window = tuple[str, float, float, float]
"""Fault, severity, start, end in session seconds."""


def windows(
    faults: Sequence[str], severities: Sequence[float], *, first_s: float, fault_s: float, pause_s: float
) -> list[Window]:
    """All faults at all severities, one after another."""
    planned: list[Window] = []
    start_s = first_s
    for fault in faults:
        for severity in severities:
            planned.append((fault, severity, start_s, start_s + fault_s))
            start_s += fault_s + pause_s
    return planned


def ccxt_table(faults: Sequence[str]) -> bool:
    """Prints what ccxt met; False when the run does not verify."""
    planned = windows(faults, SEVERITIES, first_s=FIRST_S, fault_s=FAULT_S, pause_s=PAUSE_S)
    length_s = planned[-1][3] + PAUSE_S + 5
    options: tuple[str, ...] = ("--for", f"{length_s:g}s")
    for fault, severity, start_s, _ in planned:
        options += ("--storm", f"fault.{fault}@{start_s:g}s:{severity}x{FAULT_S}s")
    with tempfile.TemporaryDirectory(prefix="stormdesk-real-") as folder:
        desk = TimedDesk(Path(folder), Client("ccxt", scenario="btcusdt", desk_options=options))
        with desk:
            environ = os.environ | {
                "STORMDESK_REAL": json.dumps(desk.settings()),
                "STORMDESK_WINDOWS": json.dumps(planned),
                "PYTHONPATH": str(Path(__file__).parent),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            process = subprocess.Popen(
                [str(python_of("ccxt")), str(CLIENT_FOLDER / "faults_ccxt.py")],
                env=environ, stdout=subprocess.PIPE, text=True, errors="replace",
            )  # fmt: skip
            assert process.stdout is not None
            rule = "---|" * 12
            print(
                "| fault | severity | requests | exceptions of requests | of streams | placed / carried out "
                "| carried out in spite of an exception | end never told on the stream "
                "| told twice / backward | longest still book | open unknown to it | works again after |\n|"
                f"{rule}"
            )
            for line in process.stdout:
                print(_ccxt_row(json.loads(line)), flush=True)
            process.wait(PATIENCE_S)
            desk.wait_end(SLOWEST * length_s + PATIENCE_S)
        verified = desk.verify()
        failed = "Traceback" in desk.log()
        print(f"\nverify: {'ok' if verified.ok else 'FAIL'} {verified.detail}")
        if failed:
            print(desk.log().partition("Traceback")[2][:2_000])
    return bool(verified.ok) and not failed and process.returncode == 0


def freqtrade_table(faults: Sequence[str]) -> bool:
    """Prints what freqtrade met, a desk for each severity."""
    print(
        "| fault | severity | what freqtrade logged as exceptions | and in all | last of it after the fault "
        "| trades begun | disagreements that began |\n|" + "---|" * 7
    )
    good, ends = True, []
    for severity in reversed(SEVERITIES):
        spans = {"fault_s": FREQTRADE_FAULT_S, "pause_s": FREQTRADE_PAUSE_S}
        planned = windows(faults, (severity,), first_s=FREQTRADE_FIRST_S, **spans)
        storms = tuple(
            f"fault.{fault}@{start_s:g}s:{severity}x{FREQTRADE_FAULT_S}s" for fault, _, start_s, _ in planned
        )
        length_s = planned[-1][3] + FREQTRADE_PAUSE_S
        outcome = freqtrade_run(storms, seed=7, length_s=length_s, hold_s=5, stake=1_000, is_driven=True)
        for row in _freqtrade_rows(planned, outcome):
            print(row, flush=True)
        ends.append(_freqtrade_end(severity, outcome))
        good = good and outcome.verified == "ok"
    print("\n" + "\n".join(ends))
    return good


def _ccxt_row(one: dict[str, Any]) -> str:
    recovered = one["recovered_s"]
    cells = [
        one["fault"], one["severity"], one["asked"], _counts(one["errors"]), _counts(one["stream"]),
        f"{one['placed']} / {one['true']}", one["refused_but_done"], one["never_told"],
        f"{one['repeated']} / {one['backward']}", f"{one['book_still_s']} s", one["open_unknown"],
        "not within 6 s" if recovered is None else f"{recovered} s",
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _freqtrade_rows(planned: Sequence[Window], outcome: RunOutcome) -> list[str]:
    """A row for each window; log lines belong to it by the wall clock."""
    starts = [one for one in outcome.events if one["type"] == "storm_start"]
    stops = [one for one in outcome.events if one["type"] == "storm_stop"]
    lines = _log_lines(outcome.log)
    (target,) = outcome.summary["targets"]
    rows = []
    for (fault, severity, _, _), start, stop in zip(planned, starts, stops, strict=False):
        until_ms = stop["ts_ms"] + FREQTRADE_PAUSE_S * 1_000
        in_window = [one for one in lines if start["ts_ms"] <= one[0] < until_ms]
        bad = [one for one in in_window if one[1] in ("WARNING", "ERROR", "CRITICAL")]
        classes = Counter(
            name for _, _, text in bad for name in {*_CLASSES.findall(text), *_CODES.findall(text)}
        )
        late_ms = max((one[0] for one in bad), default=0) - stop["ts_ms"]
        until_ns = stop["time_ns"] + FREQTRADE_PAUSE_S * 10**9
        findings = [
            f"{one['what']} said {one['said']:g} true {one['ledger']:g}"
            for one in target["disagreements"]
            if start["time_ns"] <= one["began_ns"] < until_ns
        ]
        levels = Counter(level for _, level, _ in bad)
        entered = sum("'type': entry," in text and "rpc message" in text for *_, text in in_window)
        cells = [
            fault, severity, _counts(classes), _counts(levels),
            f"{late_ms / 1000:.1f} s" if late_ms > 0 else "–", entered, "; ".join(findings) or "none",
        ]  # fmt: skip
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return rows


def _freqtrade_end(severity: float, outcome: RunOutcome) -> str:
    (row,) = outcome.summary["targets"]
    said, ledger = row["self_report"] or {"delta": None}, row["ledger"]
    left = sum(trade["amount"] for trade in outcome.open_trades)
    return (
        f"Severity {severity}, at the end: {row['verdict']}, ledger Δ {ledger['delta']}, self-report Δ "
        f"{said['delta']}; round trips {ledger['round_trips']} (it says {row['said']['total_trades']}), "
        f"position {ledger['position_lots']} lots (it says {left:g}); {row['disagreement_count']} "
        f"disagreements in {row['answers_compared']} answers; verify {outcome.verified}."
    )


def _log_lines(log: str) -> list[tuple[float, str, str]]:
    """(wall ms, level, text) of each entry, with the lines that belong to it."""
    entries: list[tuple[float, str, str]] = []
    for line in log.splitlines():
        stamp = _STAMP.match(line)
        if stamp is not None:
            at_ms = datetime.fromisoformat(stamp[1]).timestamp() * 1_000 + int(stamp[2])
            entries.append((at_ms, stamp[4], line))
        elif entries:
            at_ms, level, text = entries[-1]
            entries[-1] = (at_ms, level, f"{text}\n{line}")
    return entries


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def main() -> int:
    """Exit code 1 when something does not verify, 2 for wrong use."""
    client, *faults = sys.argv[1:] or ["ccxt"]
    unknown = [fault for fault in faults if fault not in FAULTS]
    tables = {"ccxt": ccxt_table, "freqtrade": freqtrade_table}
    if unknown or client not in tables:
        print(f"faults.py: ccxt or freqtrade, then any of {', '.join(FAULTS)}", file=sys.stderr)
        return 2
    make_environment(client)
    return 0 if tables[client](faults or FAULTS) else 1


if __name__ == "__main__":
    sys.exit(main())
