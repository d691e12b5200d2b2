"""`stormdesk evaluate`: runs the protocol of engine/evaluate/ and says what came out, as text, JSON, Markdown
and a picture.

The picture is rich's own SVG of the tables: a plotting library would be one more dependency for what is, in
the end, a table with bars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from desk.conversion import progress_bar
from desk.detection import alarm_name, aligned
from engine.core.clock import NS_PER_S
from engine.core.errors import StormdeskError, UsageError
from engine.detectors import AlarmKind
from engine.evaluate import (
    REGIONS,
    BenchmarkRow,
    Interval,
    Regimes,
    Row,
    TapeResult,
    Target,
    detect_file,
    judge,
    judge_benchmarks,
    judge_regimes,
    judge_targets,
    plan_cases,
    run_cases,
)

__all__ = ["Evaluation", "Table", "evaluation_json", "evaluation_of", "evaluation_text", "write_evaluation"]


class Tapes(NamedTuple):
    """Real tape."""

    results: list[TapeResult]
    refused: list[tuple[str, str]]
    """Name of a file and why it could not be watched."""


class Evaluation(NamedTuple):
    """All that came out."""

    title: str
    rows: list[Row]
    benchmarks: list[BenchmarkRow]
    targets: list[Target]
    regimes: Regimes
    tapes: Tapes


class Table(NamedTuple):
    """One table of the report."""

    title: str
    rows: list[tuple[str, ...]]
    """The first is the head."""
    notes: tuple[str, ...] = ()


def evaluation_of(
    *, first_seed: int, seeds: int, region: str, calm_s: int, processes: int, tapes: Sequence[Path]
) -> Evaluation:
    """The whole protocol, with a progress bar. Raises UsageError where a tape is not there."""
    files = list(_tape_files(tapes))
    cases = list(plan_cases(range(first_seed, first_seed + seeds), REGIONS[region], calm_s=calm_s))
    with progress_bar("evaluate") as progress:
        outcomes = run_cases(cases, processes=processes, progress=progress)
    rows, benchmarks = judge(outcomes), judge_benchmarks(outcomes)
    return Evaluation(
        title=f"{len(cases)} cases, {region} region, seeds {first_seed} to {first_seed + seeds - 1}",
        rows=rows,
        benchmarks=benchmarks,
        targets=judge_targets(rows, benchmarks),
        regimes=judge_regimes(outcomes),
        tapes=_watch_tapes(files),
    )


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """As JSON."""
    return {
        "title": evaluation.title,
        "detectors": [_json(row) | {"kind": alarm_name(row.kind)} for row in evaluation.rows],
        "benchmarks": [_json(row) for row in evaluation.benchmarks],
        "targets": [
            {
                "kind": alarm_name(target.kind),
                "reached": target.reached,
                "conditions": [c._asdict() | {"reached": c.reached} for c in target.conditions],
            }
            for target in evaluation.targets
        ],
        "regimes": {
            "rows": [_json(row) for row in evaluation.regimes.rows],
            "reliability": evaluation.regimes.reliability,
            "reliability_balanced": evaluation.regimes.balanced,
        },
        "tape": [
            {
                "source": tape.name,
                "symbol": tape.symbol,
                "events": tape.events,
                "seconds": tape.length_ns / NS_PER_S,
                "alarms": {alarm_name(kind): n for kind, n in _alarm_counts([tape]).items()},
                "silent": [alarm_name(kind) for kind in tape.silent],
                "problem": tape.problem,
            }
            for tape in evaluation.tapes.results
        ],
        "tape_refused": [{"source": name, "why": why} for name, why in evaluation.tapes.refused],
    }


def evaluation_text(evaluation: Evaluation) -> str:
    """As aligned text, and what the columns mean."""
    parts = [evaluation.title]
    parts.extend(
        "\n".join([table.title, *aligned(table.rows), *table.notes]) for table in _tables(evaluation)
    )
    return "\n\n".join(parts)


def write_evaluation(evaluation: Evaluation, path: Path) -> Path:
    """Markdown at path and the picture beside it; returns the picture's path. Raises UsageError."""
    if path.suffix != ".md":
        raise UsageError(
            f"{path}: the report is Markdown, so its name ends in .md (a picture goes beside it)"
        )
    parts = [f"# {evaluation.title}"]
    for table in _tables(evaluation):
        head, *rows = (f"| {' | '.join(cells)} |" for cells in table.rows)
        line = "|" + " --- |" * len(table.rows[0])
        parts.append("\n".join([f"## {table.title}", "", head, line, *rows, *("", *table.notes)]))
    picture = path.with_suffix(".svg")
    try:
        path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        picture.write_text(_picture(evaluation), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Choose another --out.") from None
    return picture


# -- tape --------------------------------------------------------------------------------------------


def _tape_files(tapes: Sequence[Path]) -> Iterator[Path]:
    for path in tapes:
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file())
        else:
            raise UsageError(f"{path}: no such file or directory. Check --tape.")


def _watch_tapes(files: Sequence[Path]) -> Tapes:
    tapes = Tapes([], [])
    with progress_bar("tape") as progress:
        for done, path in enumerate(files):
            progress(done, len(files))
            try:
                tapes.results.append(detect_file(path))
            except StormdeskError as error:
                tapes.refused.append((path.name, str(error)))
    return tapes


def _alarm_counts(tapes: Sequence[TapeResult]) -> Counter[AlarmKind]:
    return Counter(alarm.kind for tape in tapes for alarm in tape.alarms)


# -- tables ------------------------------------------------------------------------------------------


def _tables(evaluation: Evaluation) -> Iterator[Table]:
    yield _targets_table(evaluation)
    yield _detectors_table(evaluation)
    yield _benchmarks_table(evaluation)
    yield _regimes_table(evaluation.regimes)
    if evaluation.tapes.results:
        yield from _tape_tables(evaluation.tapes)


def _targets_table(evaluation: Evaluation) -> Table:
    reached = sum(target.reached for target in evaluation.targets)
    rows: list[tuple[str, ...]] = [("detector", "target", "measured", "reached")]
    for target in evaluation.targets:
        for at, c in enumerate(target.conditions):
            rows.append(
                (
                    alarm_name(target.kind) if at == 0 else "",
                    f"{c.name} {'>=' if c.is_least else '<='} {c.limit:g}",
                    _number(c.value, 3),
                    "yes" if c.reached else "no",
                )
            )
    return Table(f"Targets: {reached} of {len(evaluation.targets)} reached", rows)


def _detectors_table(evaluation: Evaluation) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            "detector",
            "storms",
            "recall",
            "precision",
            "F1",
            "AUC",
            "PR-AUC",
            "delay",
            "false/h calm",
            "elsewhere",
        )
    ]
    for row in evaluation.rows:
        none = f" (<= {row.false_bound_per_hour:.2g})" if row.false_per_hour == 0 else ""
        rows.append(
            (
                alarm_name(row.kind),
                str(row.storms),
                _interval(row.recall),
                _interval(row.precision),
                _interval(row.f1),
                _interval(row.auc),
                _interval(row.pr_auc),
                "–" if row.delay_s is None else f"{row.delay_s:.1f} s",
                f"{row.false_per_hour:.2f}{none}",
                "–" if row.elsewhere is None else f"{row.elsewhere:.1%}",
            )
        )
    ignition = next(row for row in evaluation.rows if row.kind is AlarmKind.MOMENTUM_IGNITION)
    return Table(
        "Detectors",
        rows,
        (
            f"95 % intervals by bootstrap over seeds; {ignition.calm_hours:.3g} h of calm; (<= x): none, so",
            "the rate is at most 3/hours; delay: median, from the storm's start; elsewhere: share of foreign",
            "storms and decoys with an alarm.",
            f"Momentum ignition is told before its peak in {_number(ignition.before_peak)} of all it finds.",
        ),
    )


def _benchmarks_table(evaluation: Evaluation) -> Table:
    crash = next(row for row in evaluation.rows if row.kind is AlarmKind.FLASH_CRASH_WARNING)
    rows: list[tuple[str, ...]] = [("", "recall", "lead", "false/h calm", "AUC", "PR-AUC", "elsewhere")]
    rows.append(
        (
            alarm_name(crash.kind),
            _number(crash.recall.value),
            _number(crash.lead_s, 1),
            _number(crash.false_per_hour),
            _interval(crash.auc),
            _interval(crash.pr_auc),
            "–" if crash.elsewhere is None else f"{crash.elsewhere:.1%}",
        )
    )
    rows.extend(
        (
            row.name,
            _number(row.recall),
            _number(row.lead_s, 1),
            _number(row.false_per_hour),
            _interval(row.auc),
            _interval(row.pr_auc),
            f"{row.elsewhere:.1%}",
        )
        for row in evaluation.benchmarks
    )
    return Table(
        "Flash-crash warning and its benchmarks",
        rows,
        (
            "Lead: median seconds from the alarm to the lowest mid, in crashes of a minute and more. The",
            "thresholds of the benchmarks are those with half a false alarm an hour in this very calm.",
        ),
    )


def _regimes_table(regimes: Regimes) -> Table:
    names = ("Calm", "Volatile", "Aggressive", "Crisis")
    rows: list[tuple[str, ...]] = [("highest regime of a window", "windows", *names)]
    rows.extend((row.name, str(row.windows), *(f"{s:.1%}" for s in row.shares)) for row in regimes.rows)
    rows.append(("storm, where it read so or worse", "", *(_number(x) for x in regimes.reliability)))
    rows.append(("the same, storms as often as calm", "", *(_number(x) for x in regimes.balanced)))
    return Table("Regimes", rows)


def _tape_tables(tapes: Tapes) -> Iterator[Table]:
    rows: list[tuple[str, ...]] = [("tape", "symbol", "events", "seconds", "shows", "alarms")]
    for tape in tapes.results:
        counts = _alarm_counts([tape])
        rows.append(
            (
                tape.name,
                tape.symbol or "–",
                f"{tape.events:,}",
                f"{tape.length_ns / NS_PER_S:.0f}",
                "levels" if tape.silent else "orders",
                ", ".join(f"{n} {alarm_name(kind)}" for kind, n in sorted(counts.items())) or "none",
            )
        )
    refused = [f"{len(tapes.refused)} files hold no market that could be watched"] if tapes.refused else []
    yield Table("Real tape", rows, tuple(refused))
    counts = _alarm_counts(tapes.results)
    rows = [("detector", "hours", "alarms", "an hour")]
    for kind in AlarmKind:
        heard = [tape for tape in tapes.results if kind not in tape.silent]
        hours = sum(tape.length_ns for tape in heard) / (3_600 * NS_PER_S)
        rate = (
            f"<= {3 / hours:.3g}"
            if hours and not counts[kind]
            else f"{counts[kind] / hours:.3g}"
            if hours
            else "–"
        )
        rows.append((alarm_name(kind), f"{hours:.3g}", str(counts[kind]), rate))
    yield Table(
        "Real tape, by detector",
        rows,
        (
            "Hours in which it could speak: who needs order ids is silent on feeds of levels. What is raised",
            "is counted, not called false: nobody knows who was behind it. Nothing in H hours: at most 3/H.",
        ),
    )


# -- picture -----------------------------------------------------------------------------------------


def _picture(evaluation: Evaluation) -> str:
    """The first two tables as an SVG: recall, precision and AUC as bars."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table as Drawn

    console = Console(record=True, width=132, file=StringIO(), force_terminal=True, color_system="truecolor")
    drawn = Drawn(title=f"Detectors: {evaluation.title}", expand=True)
    for name in ("detector", "recall", "precision", "AUC", "false/h calm", "target"):
        drawn.add_column(name)
    reached = {target.kind: target.reached for target in evaluation.targets}
    for row in evaluation.rows:
        mark = {True: "[green]reached[/]", False: "[red]not reached[/]", None: "–"}[reached.get(row.kind)]
        drawn.add_row(
            alarm_name(row.kind),
            *(_bar(interval) for interval in (row.recall, row.precision, row.auc)),
            _number(row.false_per_hour),
            mark,
        )
    console.print(drawn)
    return console.export_svg(title="stormdesk evaluate")


def _bar(interval: Interval, width: int = 14) -> str:
    """Its value as a bar, the interval as its dim end."""
    if interval.value is None or interval.low is None or interval.high is None:
        return "–"
    low, high = round(interval.low * width), round(interval.high * width)
    return f"[cyan]{'━' * low}[/][dim cyan]{'━' * (high - low)}[/]{' ' * (width - high)} {interval.value:.2f}"


# -- cells -------------------------------------------------------------------------------------------


def _interval(interval: Interval) -> str:
    if interval.value is None:
        return "–"
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _json(row: Any) -> dict[str, Any]:
    return {
        name: value._asdict() if isinstance(value, Interval) else value
        for name, value in row._asdict().items()
    }
