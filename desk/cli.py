"""The command line: `stormdesk` opens the desk; every part also works without a screen.

Exit codes: 0 good, 1 the thing checked is false, 2 wrong use. Errors are one line on stderr. Heavy parts
are imported by the command that needs them, so that the screen is up at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import engine
from desk.key_commands import keys_app
from desk.measuring import measure
from desk.options import (
    BookName,
    FixPort,
    For,
    Format,
    Fsync,
    FsyncOption,
    ItchPort,
    LegacyListenKeys,
    Lockstep,
    OuchPort,
    Out,
    Output,
    Publish,
    Record,
    Run,
    Scenario,
    Seed,
    Source,
    Speed,
    Storms,
    StormScript,
    Symbol,
    TableFormat,
    Targets,
    VenuePort,
    WithVenue,
    Written,
)
from desk.printing import print_fields, print_json
from desk.storm_commands import storms_app
from engine.core.errors import StormdeskError, UsageError

__all__ = ["app", "main"]

app = typer.Typer(
    name="stormdesk",
    help="The adversarial trading desk that lives in a terminal.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(keys_app, name="key")
app.add_typer(storms_app, name="storm")


def main() -> None:
    """Entry point: errors become one line on stderr and an exit code."""
    try:
        app(standalone_mode=True)
    except UsageError as error:
        _fail(str(error), 2)
    except StormdeskError as error:
        _fail(str(error), 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"stormdesk {engine.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def desk(
    ctx: typer.Context,
    scenario: Scenario = None,
    source: Source = "sim",
    symbol: Symbol = None,
    seed: Seed = 42,
    speed: Speed = None,
    target: Targets = None,
    record: Record = False,
    fsync: FsyncOption = Fsync.GROUP,
    out: Out = None,
    venue_port: VenuePort = 0,
    venue: WithVenue = True,
    legacy_listen_keys: LegacyListenKeys = False,
    fix_port: FixPort = None,
    ouch_port: OuchPort = None,
    itch_port: ItchPort = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Open the desk: a live market, a bot in it, and storms under your fingers."""
    if ctx.invoked_subcommand is not None:
        return
    from desk.keys import Doors
    from desk.launch import Launch, open_desk

    launch = Launch.of(
        scenario=scenario,
        source=source,
        symbol=symbol,
        seed=seed,
        speed=speed or "1",
        targets=target or ["demo"],
        out=out,
        fsync=fsync.value,
    )
    doors = Doors(venue_port, venue, legacy_listen_keys, fix_port, ouch_port, itch_port)
    raise typer.Exit(open_desk(launch, record=record, doors=doors))


@app.command()
def run(
    scenario: Scenario = None,
    source: Source = "sim",
    symbol: Symbol = None,
    seed: Seed = 42,
    speed: Speed = None,
    target: Targets = None,
    record: Annotated[bool, typer.Option("--record/--no-record", help="Write a run directory.")] = True,
    fsync: FsyncOption = Fsync.GROUP,
    out: Out = None,
    storm: Storms = None,
    storm_script: StormScript = None,
    duration: For = None,
    headless: Annotated[bool, typer.Option("--headless", help="Without a screen.")] = False,
    venue_port: VenuePort = 0,
    venue: WithVenue = True,
    legacy_listen_keys: LegacyListenKeys = False,
    fix_port: FixPort = None,
    ouch_port: OuchPort = None,
    itch_port: ItchPort = None,
    lockstep: Lockstep = None,
    publish: Publish = None,
    publish_anywhere: Annotated[
        bool, typer.Option("--publish-anywhere", help="Publish to addresses beyond this machine, too.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Run a market for a while, with storms at set times; --headless prints the result.

    Headless runs go at full speed unless a bot in another process is the target; with --lockstep as fast as
    the bot decides, and twice the same. Exit 1 when the run could not be recorded to its end, its source has
    a hole, or the lockstep client was lost.
    """
    from desk.keys import Doors
    from desk.launch import Launch, open_desk, run_headless

    if lockstep is not None:
        _check_lockstep(headless=headless, speed=speed, target=target)
    doors = Doors(venue_port, venue, legacy_listen_keys, fix_port, ouch_port, itch_port)
    pace = speed or ("max" if headless and not {*(target or ())} - {"none", "agent"} else "1")
    launch = Launch.of(
        scenario=scenario,
        source=source,
        symbol=symbol,
        seed=seed,
        speed=pace,
        targets=target or ["none"],
        out=out,
        storms=storm or [],
        storm_script=storm_script,
        duration=duration,
        publish=publish,
        publish_anywhere=publish_anywhere,
        lockstep=lockstep,
        fsync=fsync.value,
    )
    if not headless:
        raise typer.Exit(open_desk(launch, record=record, doors=doors))
    outcome = run_headless(launch, record=record, doors=doors, tell=_tell)
    print_fields(outcome, output)
    for problem in outcome["problems"]:
        typer.echo(f"stormdesk: {problem}", err=True)
    _warn_of_core()
    if outcome["problems"]:
        raise typer.Exit(1)


@app.command()
def replay(
    run: Run,
    out: Out = None,
    source: Annotated[str | None, typer.Option(help="Where the run's data file lies now.")] = None,
) -> None:
    """Play a recorded run on the desk: pause, speed, step, seek."""
    from desk.launch import open_replay

    raise typer.Exit(open_replay(run, out=out, source=source))


@app.command()
def verify(
    run: Run,
    out: Out = None,
    source: Annotated[str | None, typer.Option(help="Where the run's data file lies now.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also when another engine recorded it.")] = False,
    output: Output = Format.TEXT,
) -> None:
    """Recompute a run from its journal and compare all that was recorded: exit 0, or 1 with the first
    difference."""
    from desk.reports import verify_report
    from engine.arena import machine

    machine.start()
    result = verify_report(run, out=out, source=source, anyway=anyway)
    print_fields(result, output)
    if not result["ok"]:
        raise typer.Exit(1)


@app.command()
def report(
    run: Run,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Where the picture goes (default: report.svg in the run).")
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--out", help="Where the page goes (default: report.md in the run).")
    ] = None,
    runs_in: Annotated[Path | None, typer.Option("--runs", help="Where runs are (default: runs/).")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Write the one-page report of a run, with its picture. A run that ends writes it by itself."""
    from desk.reports import written_report

    print_fields(written_report(run, svg=svg, text=text, runs_in=runs_in), output)


@app.command()
def runs(out: Out = None, output: Output = Format.TEXT) -> None:
    """List the recorded runs, newest first."""
    from desk.reports import runs_table, runs_text

    table = runs_table(out)
    if output is Format.JSON:
        print_json(table)
    else:
        typer.echo(runs_text(table))


@app.command()
def bot(
    desk: Annotated[str, typer.Option(help="Address of a desk's order API.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of its own HTTP API (0: any).")] = 3001,
) -> None:
    """Run the demo bot alone against a running desk; it serves /api/health and /api/state."""
    from engine.target.demo_bot import main as run_bot

    raise typer.Exit(run_bot(["--desk", desk, "--port", str(port)]))


@app.command()
def digest(
    file: Annotated[Path, typer.Argument(help="Raw 40-byte events (.events.bin, or .gz).")],
    book: Annotated[BookName, typer.Option(help="Which book applies them.")] = BookName.HOT,
    output: Output = Format.TEXT,
) -> None:
    """Apply a file of events to an empty book and print its digest."""
    from desk.reports import digest_report

    print_fields(digest_report(file, book.value), output)


@app.command()
def inspect(
    file: Annotated[
        str, typer.Argument(help="A data file of any known format, - for standard input, or a run.")
    ],
    others: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            help="A capture of the same time to join: X.ws.* is joined with its X.http.* without asking.",
        ),
    ] = None,
    out: Out = None,
    output: Output = Format.TEXT,
) -> None:
    """Say what is in a data file: format, counts, time span, gaps, books."""
    from desk.conversion import inspection_of
    from engine.feeds.inspect import inspection_json, inspection_text

    inspection = inspection_of(file, others=others, out=out)
    if output is Format.JSON:
        print_json(inspection_json(inspection))
    else:
        typer.echo(inspection_text(inspection))


@app.command()
def detect(
    what: Annotated[str, typer.Argument(help="A data file of any known format, or a run (directory or id).")],
    symbol: Symbol = None,
    out: Out = None,
    source: Annotated[str | None, typer.Option(help="Where the run's data file lies now.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Say what the detectors find in a run or a data file: alarms, with the events that caused them."""
    from desk.detection import detection_json, detection_of, detection_text

    result = detection_of(what, symbol=symbol, out=out, source=source)
    if output is Format.JSON:
        print_json(detection_json(result))
    else:
        typer.echo(detection_text(result))
    if result.problem is not None:
        typer.echo(f"stormdesk: {result.problem}", err=True)
        raise typer.Exit(1)


@app.command()
def evaluate(
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="How many seeds.")] = 10,
    first_seed: Annotated[
        int, typer.Option(min=0, help="The first; 1 to 6 and 1001 to 1040 tuned the detectors.")
    ] = 7_001,
    region: Annotated[
        str,
        typer.Option(help="Severities and durations: held-out, or development (they tuned the detectors)."),
    ] = "held-out",
    calm: Annotated[
        int, typer.Option(min=300, max=86_400, help="Seconds of calm market, for each seed and scenario.")
    ] = 3_600,
    tape: Annotated[
        list[Path] | None, typer.Option(help="Real tape: a data file, or a directory; may be repeated.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Run so many cases at once.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="NAME.md: the tables; a picture NAME.svg beside it.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Judge the detectors: labelled storms and decoys against calm markets, on unseen seeds and parameters;
    recall, precision, AUC, delay, false alarms, against their targets."""
    from desk.evaluation import evaluation_json, evaluation_of, evaluation_text, write_evaluation

    evaluation = evaluation_of(
        first_seed=first_seed,
        seeds=seeds,
        region=region,
        calm_s=calm,
        processes=processes,
        tapes=tape or [],
        out=out,
    )
    if out is not None:
        picture = write_evaluation(evaluation, out)
    if output is Format.JSON:
        print_json(evaluation_json(evaluation))
    else:
        typer.echo(evaluation_text(evaluation))
    if out is not None:
        typer.echo(f"stormdesk: written {out} and {picture}", err=True)


app.command()(measure)


@app.command()
def convert(
    source: Annotated[
        str,
        typer.Argument(
            help="A data file of any known format, a run (directory or id), - for ITCH on standard input, or "
            "a live mold:// or soup:// address."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="NAME.events.bin, .itch (both also .gz, .zst) or .parquet.")],
    to: Annotated[
        Written | None, typer.Option("--to", help="What to write, if not what the name of OUT says.")
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option(help="One instrument; all of a file of ITCH, else its first, when not named."),
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--for", help="How much: 500ms, 20s, 2m of the source's time.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT when it is there.")] = False,
    runs_in: Annotated[Path | None, typer.Option("--runs", help="Where runs are (default: runs/).")] = None,
    data: Annotated[str | None, typer.Option("--source", help="Where the run's data file lies now.")] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen or connect beyond this machine.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Turn recorded or live exchange data into canonical events, ITCH 5.0 or Parquet.

    OUT appears whole or not at all. Exit 1 when the source is damaged, or ends at a hole in its sequence:
    what comes before the hole is written.
    """
    from desk.conversion import conversion_report

    result = conversion_report(
        source,
        out,
        to=None if to is None else to.value,
        symbol=symbol,
        duration=duration,
        force=force,
        runs_in=runs_in,
        data=data,
        allow_remote=allow_remote,
    )
    print_fields(result, output)
    if result["problem"] is not None:
        typer.echo(f"stormdesk: {result['problem']}", err=True)
        raise typer.Exit(1)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which benchmarks (default: all).")] = None,
    output: Annotated[TableFormat, typer.Option("--format", help="How to print.")] = TableFormat.TABLE,
    quick: Annotated[bool, typer.Option("--quick", help="Small inputs: does it work, not how fast.")] = False,
) -> None:
    """Measure the engine beside its references, in one run on this machine, and print one table.

    Exit 1 when contenders come to different results or a benchmark breaks; being slow is only told.
    """
    from desk.bench import bench_report, print_table, rows_json

    rows = bench_report(names or [], quick=quick)
    if output is TableFormat.JSON:
        print_json(rows_json(rows))
    else:
        print_table(rows)
    if any(row.verdict == "failed" for row in rows):
        raise typer.Exit(1)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def cage(
    command: Annotated[list[str], typer.Argument(help="The bot's command, after --.")],
    venue: Annotated[
        str | None, typer.Option(help="Address of the venue (default: that of the running desk).")
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="KEY=VALUE for the bot.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="One more name of the exchange.")] = None,
) -> None:
    """Run a bot unchanged, so that it finds the exchange's names here and reaches nothing else."""
    from engine.cage.session import cage_command
    from engine.client.discovery import find_desk
    from engine.client.errors import DeskNotFound

    try:
        url = venue or find_desk().venue
    except DeskNotFound:
        raise UsageError(
            "no desk is running: start one with `stormdesk`, or give a venue's address: "
            "--venue http://127.0.0.1:8765"
        ) from None
    if url is None:
        raise UsageError("the running desk has no venue: start it without --no-venue, or give --venue")
    raise typer.Exit(cage_command(command, venue_url=url, hosts=host or [], env=env or []))


@app.command()
def doctor(
    compile_core: Annotated[
        bool, typer.Option("--compile", help="First compile the core, for good.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Check terminal, colours, clipboard, compiler and folders; say what to do about each."""
    from desk.doctor import checks_json, checks_text, compile_core_now, run_checks

    if compile_core:
        compile_core_now()
    checks = run_checks()
    if output is Format.JSON:
        print_json(checks_json(checks))
    else:
        typer.echo(checks_text(checks))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _check_lockstep(*, headless: bool, speed: str | None, target: list[str] | None) -> None:
    if not headless:
        raise UsageError("--lockstep: nobody watches a session that waits; add --headless")
    if speed is not None:
        raise UsageError("--lockstep: the client's decisions set the pace; leave --speed out")
    if target not in (None, ["none"]):
        raise UsageError("--lockstep: the client is the TARGET, judged by the ledger; leave --target out")


def _tell(text: str) -> None:
    typer.echo(f"stormdesk: {text}", err=True)


def _warn_of_core() -> None:
    """Nothing is wrong with a result that came out slowly, but its user may want to mend that."""
    from engine.arena import machine

    warning = machine.status().warning
    if warning is not None:
        typer.echo(f"stormdesk: {warning} (see stormdesk doctor)", err=True)


def _fail(message: str, code: int) -> None:
    typer.echo(f"stormdesk: {message}", err=True)
    sys.exit(code)
