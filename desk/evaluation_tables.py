"""What an evaluation says, as tables; and the picture of it.

The picture is rich's own SVG of a table: a plotting library would be one more dependency for what is, in the
end, a table with bars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from desk.detection import alarm_name
from engine.core.clock import NS_PER_S
from engine.detectors import AlarmKind
from engine.evaluate import BenchmarkRow, Interval, Regimes, Row, TapeResult, Target

__all__ = ["Evaluation", "Table", "Tapes", "alarm_counts", "picture_of", "tables_of"]


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


def tables_of(evaluation: Evaluation) -> Iterator[Table]:
    """All there is to say, in the order of the report."""
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
        counts = alarm_counts([tape])
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
    counts = alarm_counts(tapes.results)
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


def picture_of(evaluation: Evaluation) -> str:
    """An SVG: recall, precision and AUC as bars, and whether the target was reached."""
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawn

    console = Console(record=True, width=132, file=StringIO(), force_terminal=True, color_system="truecolor")
    drawn = Drawn(title=f"Detectors: {evaluation.title}", expand=True, box=box.SIMPLE_HEAD)
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


def alarm_counts(tapes: Sequence[TapeResult]) -> Counter[AlarmKind]:
    """Alarms of each kind."""
    return Counter(alarm.kind for tape in tapes for alarm in tape.alarms)


# -- cells -------------------------------------------------------------------------------------------


def _interval(interval: Interval) -> str:
    if interval.value is None:
        return "–"
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
