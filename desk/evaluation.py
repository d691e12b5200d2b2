"""`stormdesk evaluate`: runs the protocol of engine/evaluate/ and says what came out, as text, JSON, Markdown
and a picture (desk/evaluation_tables.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from desk.conversion import progress_bar
from desk.detection import alarm_name, aligned
from desk.evaluation_tables import Evaluation, Tapes, alarm_counts, picture_of, tables_of
from engine.core.clock import NS_PER_S
from engine.core.errors import StormdeskError, UsageError
from engine.evaluate import (
    REGIONS,
    Interval,
    detect_file,
    judge,
    judge_benchmarks,
    judge_regimes,
    judge_targets,
    plan_cases,
    run_cases,
)

__all__ = ["evaluation_json", "evaluation_of", "evaluation_text", "write_evaluation"]


def evaluation_of(
    *,
    first_seed: int,
    seeds: int,
    region: str,
    calm_s: int,
    processes: int,
    tapes: Sequence[Path] = (),
    out: Path | None = None,
) -> Evaluation:
    """The whole protocol, with a progress bar. Raises UsageError, before it begins, where region or tape are
    not there or the report could not be written."""
    if region not in REGIONS:
        raise UsageError(f"no region named {region!r}: there are {', '.join(REGIONS)}")
    if out is not None:
        _check_report(out)
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
                "alarms": {alarm_name(kind): n for kind, n in alarm_counts([tape]).items()},
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
        "\n".join([table.title, *aligned(table.rows), *table.notes]) for table in tables_of(evaluation)
    )
    return "\n\n".join(parts)


def write_evaluation(evaluation: Evaluation, path: Path) -> Path:
    """Markdown at path and the picture beside it; returns the picture's path. Raises UsageError."""
    _check_report(path)
    parts = [f"# {evaluation.title}"]
    for table in tables_of(evaluation):
        head, *rows = (f"| {' | '.join(cells)} |" for cells in table.rows)
        line = "|" + " --- |" * len(table.rows[0])
        parts.append("\n".join([f"## {table.title}", "", head, line, *rows, *("", *table.notes)]))
    picture = path.with_suffix(".svg")
    try:
        path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        picture.write_text(picture_of(evaluation), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Choose another --out.") from None
    return picture


def _check_report(path: Path) -> None:
    if path.suffix != ".md":
        raise UsageError(f"{path}: the report is Markdown, so its name ends in .md")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no such directory. Make it, or choose another --out.")


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


def _json(row: Any) -> dict[str, Any]:
    return {
        name: value._asdict() if isinstance(value, Interval) else value
        for name, value in row._asdict().items()
    }
