"""The command line: `stormdesk` opens the desk; every part also works without a screen.

Exit codes: 0 good, 1 the thing checked is false, 2 wrong use. Errors are one line on stderr. Heavy parts
are imported by the command that needs them, so that the screen is up at once.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import engine
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


class Format(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


class TableFormat(StrEnum):
    """How a table is printed."""

    TABLE = "table"
    JSON = "json"


class BookName(StrEnum):
    """Which of the books."""

    HOT = "hot"
    REFERENCE = "reference"
    COLUMNAR = "columnar"


class Written(StrEnum):
    """What data is converted to."""

    EVENTS = "events"
    ITCH = "itch"
    PARQUET = "parquet"


class Fsync(StrEnum):
    """When a recording is put on the medium."""

    ALWAYS = "always"
    GROUP = "group"
    OS = "os"


Scenario = Annotated[str | None, typer.Option(help="Preset or .toml file (default: balanced).")]
Publish = Annotated[
    str | None,
    typer.Option(help="Publish the market as ITCH 5.0: mold://HOST:PORT, or a file that ends in .itch."),
]
Symbol = Annotated[
    str | None, typer.Option(help="Which instrument of --source; its busiest or first when not named.")
]
Source = Annotated[str, typer.Option(help="sim, sample, or a file of recorded exchange data.")]
Seed = Annotated[int, typer.Option(min=0, max=(1 << 63) - 1, help="Seed of the simulated market.")]
Speed = Annotated[str | None, typer.Option(help="Session seconds per second: 0.1 to 1000, or max.")]
Target = Annotated[str, typer.Option(help="URL of a bot, demo, agent (demo strategy inside), or none.")]
Record = Annotated[bool, typer.Option("--record", help="Record from the start.")]
Out = Annotated[Path | None, typer.Option(help="Where runs are written (default: runs/).")]
Storms = Annotated[
    list[str] | None, typer.Option("--storm", help="KIND@START:SEVERITYxDURATION, as crash@20s:0.8x15s.")
]
FsyncOption = Annotated[
    Fsync,
    typer.Option(
        "--fsync",
        help="What a power cut can take from a recording: always = nothing, group = 20 ms, os = about 30 s. "
        "A killed process loses nothing with any of them.",
    ),
]
For = Annotated[str | None, typer.Option("--for", help="Session time to run: 500ms, 20s, 2m.")]
Output = Annotated[Format, typer.Option("--format", help="How to print.")]
Run = Annotated[str, typer.Argument(help="Id or path of a run.")]
VenuePort = Annotated[
    int,
    typer.Option(
        "--venue-port",
        "--api-port",
        min=0,
        max=65535,
        help="Port on 127.0.0.1 for bots: the venue, and the desk's own API (0: any).",
    ),
]
WithVenue = Annotated[
    bool, typer.Option("--venue/--no-venue", help="Speak Binance Spot on that port, for exchange clients.")
]


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
    target: Target = "demo",
    record: Record = False,
    fsync: FsyncOption = Fsync.GROUP,
    out: Out = None,
    venue_port: VenuePort = 0,
    venue: WithVenue = True,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Open the desk: a live market, a bot in it, and storms under your fingers."""
    if ctx.invoked_subcommand is not None:
        return
    from desk.launch import Launch, open_desk

    launch = Launch.of(
        scenario=scenario,
        source=source,
        symbol=symbol,
        seed=seed,
        speed=speed or "1",
        target=target,
        out=out,
        fsync=fsync.value,
    )
    raise typer.Exit(open_desk(launch, record=record, port=venue_port, venue=venue))


@app.command()
def run(
    scenario: Scenario = None,
    source: Source = "sim",
    symbol: Symbol = None,
    seed: Seed = 42,
    speed: Speed = None,
    target: Target = "none",
    record: Annotated[bool, typer.Option("--record/--no-record", help="Write a run directory.")] = True,
    fsync: FsyncOption = Fsync.GROUP,
    out: Out = None,
    storm: Storms = None,
    duration: For = None,
    headless: Annotated[bool, typer.Option("--headless", help="Without a screen.")] = False,
    venue_port: VenuePort = 0,
    venue: WithVenue = True,
    publish: Publish = None,
    publish_anywhere: Annotated[
        bool, typer.Option("--publish-anywhere", help="Publish to addresses beyond this machine, too.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Run a market for a while, with storms at set times; --headless prints the result.

    Headless runs go at full speed unless a bot in another process is the target. Exit 1 when the run could
    not be recorded to its end, or its source has a hole.
    """
    from desk.launch import Launch, open_desk, run_headless

    pace = speed or ("max" if headless and target in ("none", "agent") else "1")
    launch = Launch.of(
        scenario=scenario,
        source=source,
        symbol=symbol,
        seed=seed,
        speed=pace,
        target=target,
        out=out,
        storms=storm or [],
        duration=duration,
        publish=publish,
        publish_anywhere=publish_anywhere,
        fsync=fsync.value,
    )
    if not headless:
        raise typer.Exit(open_desk(launch, record=record, port=venue_port, venue=venue))
    outcome = run_headless(launch, record=record, port=venue_port, venue=venue)
    _print(outcome, output)
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
    _print(result, output)
    if not result["ok"]:
        raise typer.Exit(1)


@app.command()
def runs(out: Out = None, output: Output = Format.TEXT) -> None:
    """List the recorded runs, newest first."""
    from desk.reports import runs_table, runs_text

    table = runs_table(out)
    if output is Format.JSON:
        _print_json(table)
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

    _print(digest_report(file, book.value), output)


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
        _print_json(inspection_json(inspection))
    else:
        typer.echo(inspection_text(inspection))


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
    _print(result, output)
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
        _print_json(rows_json(rows))
    else:
        print_table(rows)
    if any(row.verdict == "failed" for row in rows):
        raise typer.Exit(1)


keys_app = typer.Typer(help="API keys with which bots trade at the venue.", no_args_is_help=True)
app.add_typer(keys_app, name="key")


@keys_app.command("new")
def key_new(
    name: Annotated[str, typer.Argument(help='Its name; "target" trades as the TARGET.')],
    public_key: Annotated[
        Path | None, typer.Option(help="PEM file of an Ed25519 or RSA public key; without: HMAC.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="May look, not trade.")] = False,
    maker_ppm: Annotated[int | None, typer.Option(help="Maker fee, parts per million.")] = None,
    taker_ppm: Annotated[int | None, typer.Option(help="Taker fee, parts per million.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Make a key. Its secret is shown this once."""
    from desk.keys import new_key

    fields = new_key(
        name, public_key=public_key, read_only=read_only, maker_ppm=maker_ppm, taker_ppm=taker_ppm
    )
    _print(fields, output)


@keys_app.command("list")
def key_list(output: Output = Format.TEXT) -> None:
    """Names and permissions of all keys; no secrets."""
    from desk.keys import list_keys

    rows = list_keys()
    if output is Format.JSON:
        _print_json(rows)
    for row in rows if output is Format.TEXT else []:
        typer.echo("  ".join(f"{value}" for value in row.values()))


@keys_app.command("remove")
def key_remove(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Forget a key."""
    from desk.keys import remove_key

    remove_key(name)


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

    url = venue or find_desk().venue
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
        _print_json(checks_json(checks))
    else:
        typer.echo(checks_text(checks))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _warn_of_core() -> None:
    """Nothing is wrong with a result that came out slowly, but its user may want to mend that."""
    from engine.arena import machine

    warning = machine.status().warning
    if warning is not None:
        typer.echo(f"stormdesk: {warning} (see stormdesk doctor)", err=True)


def _print(fields: dict[str, Any], output: Format) -> None:
    """One result: aligned lines, or one JSON object."""
    if output is Format.JSON:
        _print_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        shown = "–" if value is None else "\n".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{name:<{width}}  {shown}")


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(value).decode())


def _fail(message: str, code: int) -> None:
    typer.echo(f"stormdesk: {message}", err=True)
    sys.exit(code)
