"""`stormdesk bench`: the benchmarks of tests/bench, each in a process of its own, as one table.

A benchmark process (`python -m tests.bench NAME`) writes one JSON message a line: what it is about, how far
it is, the rows that it measured. They are defined here, so that the command needs nothing of the benchmarks
but their lines. Invariant: every number was measured in this run; what could not be shows as `–` and why.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.core.errors import StormdeskError, UsageError

__all__ = [
    "Outline",
    "Row",
    "Step",
    "bench_report",
    "benchmark_names",
    "find_checkout",
    "print_table",
    "rows_json",
    "run_benchmarks",
    "shown",
]

Verdict = Literal["ok", "short", "–", "failed"]
"""ok, short: the requirement is met or not. –: there is no requirement, or nothing to measure. failed: the
benchmark broke, or its contenders came to different results."""


class Outline(msgspec.Struct, frozen=True, tag="outline", tag_field="message"):
    """What a benchmark is about."""

    benchmark: str
    work: str
    reference: str
    """What it is measured against."""
    requires: tuple[str, ...]
    """What must be reached, in words."""


class Step(msgspec.Struct, frozen=True, tag="step", tag_field="message"):
    """How far a benchmark is."""

    done: int
    total: int
    what: str
    """What it does next."""


class Row(msgspec.Struct, frozen=True, kw_only=True, tag="row", tag_field="message"):
    """One comparison."""

    benchmark: str
    work: str
    unit: str
    ours: float | None = None
    reference: str = ""
    theirs: float | None = None
    ratio: float | None = None
    """ours / theirs where the requirement is an upper bound, how many times better ours is otherwise."""
    requires: str = ""
    verdict: Verdict = "–"
    why: str = ""
    """Why there is no number, or what one should know about it."""


Report = Callable[[str, Step], None]
"""Called with a benchmark's name and how far it is."""


def bench_report(names: Sequence[str], *, quick: bool) -> list[Row]:
    """Runs the named benchmarks (none named: all) with a progress bar on stderr.

    Raises UsageError outside a checkout and for an unknown name.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    checkout = find_checkout()
    known = benchmark_names(checkout)
    for name in names:
        if name not in known:
            raise UsageError(f"there is no benchmark {name!r}. Benchmarks: {', '.join(known)}.")
    chosen = list(dict.fromkeys(names)) or known
    bar = Progress(
        TextColumn("{task.fields[name]:<10}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=len(chosen), name=chosen[0], what="")

        def report(name: str, step: Step) -> None:
            done = chosen.index(name) + step.done / max(step.total, 1)
            bar.update(task, completed=done, name=name, what=step.what)

        return run_benchmarks(checkout, chosen, quick=quick, report=report)


def find_checkout(root: Path | None = None) -> Path:
    """The folder of the checkout that this package runs from. Raises UsageError where there is none."""
    root = root or Path(__file__).parents[1]
    if not (root / "tests" / "bench" / "__main__.py").is_file():
        raise UsageError(
            f"the benchmarks are not here: they live in tests/bench of the source, and {root} has none. "
            "Clone the repository, run pip install -e '.[bench]' in it, and then stormdesk bench."
        )
    return root


def benchmark_names(checkout: Path) -> list[str]:
    """All benchmarks, in the order in which they run."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench"], cwd=checkout, capture_output=True, env=_environment(checkout)
    )
    if answer.returncode != 0:
        raise StormdeskError(f"the benchmarks cannot be loaded: {_last_line(answer.stderr)}")
    return msgspec.json.decode(answer.stdout, type=list[str])


def run_benchmarks(
    checkout: Path, names: Sequence[str], *, quick: bool = False, report: Report | None = None
) -> list[Row]:
    """Runs these benchmarks one after the other, each in a fresh interpreter, and returns their rows.

    A benchmark that breaks becomes a row with the verdict `failed`; the others still run.
    """
    rows: list[Row] = []
    for name in names:
        for message in _messages(checkout, name, quick):
            if isinstance(message, Row):
                rows.append(message)
            elif report is not None:
                report(name, message)
    return rows


def rows_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain values."""
    return [msgspec.structs.asdict(row) for row in rows]


def print_table(rows: Sequence[Row]) -> None:
    """One table on stdout, and beneath it a line for every remark."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=LINE_WIDTH)
    remarks = list(dict.fromkeys(row.why for row in rows if row.why))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, justify in _COLUMNS:
        table.add_column(title, justify=justify, overflow="fold")
    benchmark = ""
    for row in rows:
        if benchmark and row.benchmark != benchmark:
            table.add_row()
        benchmark = row.benchmark
        mark = f" [{remarks.index(row.why) + 1}]" if row.why else ""
        table.add_row(
            Text(row.work),
            shown(row.ours, row.unit),
            Text(row.reference),
            shown(row.theirs, row.unit),
            "–" if row.ratio is None else shown(row.ratio, "").strip() + "x",
            row.requires or "–",
            Text(row.verdict + mark, style=_STYLES[row.verdict]),
        )
    console.print(table)
    for number, remark in enumerate(remarks, 1):
        console.print(Text(f"[{number}] {remark}"), soft_wrap=True)


def shown(value: float | None, unit: str) -> str:
    """A value with three figures at least: 23.4 ns, 5,193 ns, 3.12M events/s, –."""
    if value is None:
        return "–"
    if unit.endswith("/s") and abs(value) >= 1e6:
        return f"{value / 1e6:.3g}M {unit}"
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"


LINE_WIDTH = 160
"""Characters of a line where stdout is no terminal."""
_COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("work", "left"),
    ("ours", "right"),
    ("reference", "left"),
    ("its", "right"),
    ("ratio", "right"),
    ("must be", "right"),
    ("", "left"),
)
_STYLES: dict[Verdict, str] = {"ok": "green", "short": "yellow", "–": "dim", "failed": "bold red"}
_MESSAGE = msgspec.json.Decoder(Outline | Step | Row)


def _messages(checkout: Path, name: str, quick: bool) -> Iterator[Step | Row]:
    """What one benchmark process says, and a `failed` row when it does not end well."""
    about = Outline(name, name, "", ())
    command = [sys.executable, "-m", "tests.bench", name, *(["--quick"] if quick else [])]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            command, cwd=checkout, env=_environment(checkout), stdout=subprocess.PIPE, stderr=errors
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                message = _MESSAGE.decode(line)
                if isinstance(message, Outline):
                    about = message
                else:
                    yield message
        if process.returncode != 0:
            errors.seek(0)
            why = _last_line(errors.read()) or f"ended with exit code {process.returncode}"
            yield Row(
                benchmark=name,
                work=about.work,
                unit="",
                reference=about.reference,
                requires=", ".join(about.requires),
                verdict="failed",
                why=f"{name}: {why}",
            )


def _environment(checkout: Path) -> dict[str, str]:
    """That of this process; the checkout's own packages come first."""
    path = [str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
