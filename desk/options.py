"""Options and arguments of the command line, as types: each is said once, for all commands that take it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BookName",
    "FixPort",
    "For",
    "Format",
    "Fsync",
    "FsyncOption",
    "ItchPort",
    "LegacyListenKeys",
    "Lockstep",
    "OuchPort",
    "Out",
    "Output",
    "Publish",
    "Record",
    "Run",
    "Scenario",
    "Seed",
    "Source",
    "Speed",
    "StormScript",
    "Storms",
    "Symbol",
    "TableFormat",
    "Targets",
    "VenuePort",
    "WithVenue",
    "Written",
]


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
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="The bot under test: demo, agent (its strategy inside), none, the URL of a bot, "
        "freqtrade+http://USER@HOST:PORT, or key:NAME; after a URL, ',key=NAME' names its venue key. "
        "Repeat it to watch several; the first one is judged.",
    ),
]
Record = Annotated[bool, typer.Option("--record", help="Record from the start.")]
Out = Annotated[Path | None, typer.Option(help="Where runs are written (default: runs/).")]
Storms = Annotated[
    list[str] | None,
    typer.Option(
        "--storm",
        help="KIND@START:SEVERITYxDURATION, as crash@20s:0.8x15s, or a fault of the venue, as "
        "fault.ghost@5s:0.3x1m; `stormdesk storm list` names them.",
    ),
]
StormScript = Annotated[
    Path | None, typer.Option("--storm-script", help="Storms from a file; `stormdesk storm new` writes one.")
]
FsyncOption = Annotated[
    Fsync,
    typer.Option(
        "--fsync",
        help="What a power cut can take from a recording: always = nothing, group = 20 ms, os = about 30 s. "
        "A killed process loses nothing with any of them.",
    ),
]
Lockstep = Annotated[
    str | None,
    typer.Option(
        help="Session time waits for a client of engine.client, which decides once in this interval: 100ms. "
        "It is the TARGET, judged by the ledger."
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
LegacyListenKeys = Annotated[
    bool,
    typer.Option(
        "--legacy-listen-keys",
        help="Serve user data by listen key too, which Binance removed and older clients still ask for.",
    ),
]
FixPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port on 127.0.0.1 for FIX 4.4 (0: any).")
]
OuchPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port on 127.0.0.1 for OUCH 5.0 over SoupBinTCP (0: any)."),
]
ItchPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port on 127.0.0.1 for the ITCH 5.0 feed over SoupBinTCP (0: any)."),
]
