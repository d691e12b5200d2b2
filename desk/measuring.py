"""`stormdesk measure`: what a storm does, as a cause. What the command line adds to engine/measure/.

Invariant: files appear whole, at the end, or not at all.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from desk.options import Format, Output, Scenario

__all__ = ["measure"]

FIRST_SEED = 1_001
SEEDS_LIMIT = 10_000
SEVERITIES_LIMIT = 50
PROCESSES_LIMIT = 64


def measure(
    storm: Annotated[
        list[str] | None,
        typer.Option(
            "--storm", help="KIND@START:SEVERITYxDURATION, as crash@20s:0.8x15s; repeat it to combine storms."
        ),
    ] = None,
    target_agent: Annotated[
        str,
        typer.Option(
            help="Whose profit is watched: mm (the first market makers), demo (the demo bot inside), a kind "
            "of agent (value), or one agent (maker-1)."
        ),
    ] = "mm",
    seeds: Annotated[int, typer.Option(min=1, max=SEEDS_LIMIT, help="How many pairs.")] = 30,
    first_seed: Annotated[
        int, typer.Option(min=0, max=(1 << 63) - 1 - SEEDS_LIMIT, help="The first; 1 to 20 sized the storms.")
    ] = FIRST_SEED,
    scenario: Scenario = None,
    horizon: Annotated[
        str, typer.Option(help="How long the futures are watched after the storm's end: 60s, 2m.")
    ] = "60s",
    severities: Annotated[
        str | None, typer.Option(help="A sweep: 0,0.2,0.5; the storms take each of them.")
    ] = None,
    severity_sweep: Annotated[
        bool, typer.Option("--severity-sweep", help="The same as --severities 0,0.2,0.4,0.6,0.8,1.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="All storms and decoys, at 20s for 15s each, in a sweep.")
    ] = False,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="How deep a crash gets with more selling, tighter makers, fewer fundamental traders.",
        ),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=PROCESSES_LIMIT, help="Processes (default: as many as processors)."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything, with each pair, into this file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the tables into this file, as Markdown.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Pair each seed's market with itself without the storm, and say what the storm has changed.

    Both futures go on from one snapshot on the same random streams, so whatever differs is the storm's
    doing. Intervals are 95 %, by bootstrap over seeds. Exit 1 when a pair at severity 0 differs, or a seed
    cannot be measured.
    """
    import msgspec

    from desk.measure_text import as_markdown, as_text
    from desk.printing import print_json

    files = [path for path in (json_file, out) if path is not None]
    _check_files(files)
    asked = _Asked(
        storms=tuple(storm or ()),
        target=target_agent,
        seeds=range(first_seed, first_seed + seeds),
        scenario=scenario or "balanced",
        horizon_ns=_duration_ns(horizon),
        horizon=horizon,
        severities=_severities(severities, severity_sweep),
        processes=processes or _processors(),
    )
    if every + sensitivity + bool(storm) != 1:
        raise _usage("what is to be measured? Name one: --storm crash@20s:0.8x15s, --all, or --sensitivity")
    if sensitivity:
        document = _measure_dials(asked)
    else:
        document = _measure_storms(asked, every=every)
    if json_file is not None:
        _write(json_file, msgspec.json.encode(document) + b"\n")
    if out is not None:
        _write(out, as_markdown(document).encode())
    if output is Format.JSON:
        print_json(document)
    else:
        typer.echo(as_text(document))


class _Asked(NamedTuple):
    """The options, read."""

    storms: tuple[str, ...]
    target: str
    seeds: range
    scenario: str
    horizon_ns: int
    horizon: str
    severities: tuple[float, ...] | None
    processes: int


def _measure_storms(asked: _Asked, *, every: bool) -> dict[str, Any]:
    from desk.measure_document import storms_document
    from engine.measure import Job, plan_trials, summarise
    from engine.scenarios import load_scenario

    trials = _every_trial(asked) if every else _trials(asked)
    plan = plan_trials(
        load_scenario(asked.scenario), trials, horizon_ns=asked.horizon_ns, target=asked.target
    )
    options = ["--all"] if every else [word for text in asked.storms for word in ("--storm", text)]
    results, seconds = _run(asked, [Job(plan, seed) for seed in asked.seeds], options)
    document = storms_document(plan, results, summarise(plan, results))
    return document | {"command": _command(asked, options), "seconds": seconds}


def _measure_dials(asked: _Asked) -> dict[str, Any]:
    from desk.measure_document import dials_document
    from engine.measure.sensitivity import DIALS, dial_jobs, judge_dial
    from engine.scenarios import load_scenario

    if asked.severities is not None:
        raise _usage("--sensitivity has severities of its own: leave --severities out")
    scenario = load_scenario(asked.scenario)
    jobs = [dial_jobs(scenario, dial, asked.seeds, horizon_ns=asked.horizon_ns) for dial in DIALS]
    results, seconds = _run(asked, [job for own in jobs for job in own], ["--sensitivity"])
    judged, first = [], 0
    for dial, own in zip(DIALS, jobs, strict=True):
        judged.append(judge_dial(dial, results[first : first + len(own)]))
        first += len(own)
    document = dials_document(scenario, asked.seeds, judged, results)
    return document | {"command": _command(asked, ["--sensitivity"]), "seconds": seconds}


def _trials(asked: _Asked) -> list[Any]:
    """Those of --storm: the severity asked for and 0 beside it, or the whole sweep."""
    from engine.measure import Trial, at_severities, control
    from engine.measure.plan import check_storms
    from engine.storms import parse_storm

    storms = tuple(parse_storm(text) for text in asked.storms)
    check_storms(storms)
    if asked.severities is not None:
        return at_severities(storms, asked.severities)
    return [control(storms), Trial(storms, storms[0].severity)]


def _every_trial(asked: _Asked) -> list[Any]:
    from engine.core.types import StormKind
    from engine.measure import at_severities
    from engine.measure.plan import SEVERITIES
    from engine.measure.sensitivity import DURATION_S, START_NS
    from engine.storms import StormRequest

    requests = [StormRequest(kind, 1.0, DURATION_S, start_ns=START_NS) for kind in StormKind]
    severities = asked.severities or SEVERITIES
    return [trial for request in requests for trial in at_severities([request], severities)]


def _run(asked: _Asked, jobs: Sequence[Any], options: Sequence[str]) -> tuple[list[Any], float]:
    """Results and the seconds that they took; a bar on stderr, where that is a terminal."""
    from desk.conversion import progress_bar
    from engine.core.clock import NS_PER_S, monotonic_ns
    from engine.core.errors import StormdeskError
    from engine.measure import SeedFailed, run_jobs

    began = monotonic_ns()
    try:
        with progress_bar(f"measure {len(jobs)} seeds") as progress:
            results = run_jobs(jobs, processes=asked.processes, progress=progress)
    except SeedFailed as error:
        alone = asked._replace(seeds=range(error.job.seed, error.job.seed + 1))
        command = f"{_command(alone, options)} --processes 1"
        raise StormdeskError(f"{error}. Repeat it alone: {command}") from None
    return results, round((monotonic_ns() - began) / NS_PER_S, 3)


def _command(asked: _Asked, options: Sequence[str]) -> str:
    """The command line that measures this."""
    words = ["stormdesk", "measure", *options, "--target-agent", asked.target]
    words += ["--scenario", asked.scenario, "--horizon", asked.horizon]
    if asked.severities is not None:
        words += ["--severities", ",".join(f"{severity:g}" for severity in asked.severities)]
    words += ["--first-seed", str(asked.seeds.start), "--seeds", str(len(asked.seeds))]
    return shlex.join(words)


def _severities(text: str | None, sweep: bool) -> tuple[float, ...] | None:
    from engine.measure.plan import SEVERITIES

    if text is None:
        return SEVERITIES if sweep else None
    if sweep:
        raise _usage("--severity-sweep and --severities: name one of them")
    try:
        severities = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise _usage(f"--severities {text!r} is no list of numbers: write 0,0.2,0.5") from None
    if not all(0.0 <= severity <= 1.0 for severity in severities):
        raise _usage(f"--severities {text}: each is 0 (no-op) to 1")
    if len(severities) > SEVERITIES_LIMIT:
        raise _usage(f"--severities: {len(severities)} are too many: {SEVERITIES_LIMIT} at the most")
    return tuple(severities)


def _duration_ns(text: str) -> int:
    from engine.core.durations import parse_duration_ns

    try:
        return parse_duration_ns(text)
    except ValueError as error:
        raise _usage(f"--horizon: {error}") from None


def _processors() -> int:
    """How many processors this process may use, as far as the system says it."""
    if hasattr(os, "sched_getaffinity"):
        return min(PROCESSES_LIMIT, len(os.sched_getaffinity(0)))
    return min(PROCESSES_LIMIT, os.cpu_count() or 1)


def _check_files(files: Sequence[Path]) -> None:
    """Before minutes of work: that the results can be written."""
    if len({path.absolute() for path in files}) < len(files):
        raise _usage("--json and --out name one file; give each its own")
    for path in files:
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise _usage(f"{path}: cannot be written: there is no such folder, or it is one itself")


def _write(path: Path, data: bytes) -> None:
    from engine.core.errors import StormdeskError
    from engine.journal.durable import replace_atomically

    try:
        replace_atomically(path, data)
    except OSError as error:
        raise StormdeskError(f"{path}: cannot be written: {error.strerror}") from error
    typer.echo(f"{path}: written", err=True)


def _usage(text: str) -> Exception:
    from engine.core.errors import UsageError

    return UsageError(text)
