"""`stormdesk storm …`: the catalogue of storms, decoys and faults, and storm scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from desk.options import Format, Output
from desk.printing import print_json

__all__ = ["storms_app"]

storms_app = typer.Typer(
    help="Storms, decoys and faults of the venue: what there is, and scripts of them.", no_args_is_help=True
)
Script = Annotated[Path, typer.Argument(help="A storm script (.toml).")]


@storms_app.command("list")
def storm_list(output: Output = Format.TEXT) -> None:
    """List what --storm, scripts and the deck fire."""
    from desk.reports import storms_table, storms_text

    if output is Format.JSON:
        print_json(storms_table())
    else:
        typer.echo(storms_text())


@storms_app.command("show")
def storm_show(
    kind: Annotated[str, typer.Argument(help="Its name: crash, decoy.churn, fault.ghost.")],
    output: Output = Format.TEXT,
) -> None:
    """Say what one does, to whom, and within what budget."""
    from desk.reports import storm_description, storm_description_text

    if output is Format.JSON:
        print_json(storm_description(kind))
    else:
        typer.echo(storm_description_text(kind))


@storms_app.command("new")
def storm_new(file: Script) -> None:
    """Write a script to begin with. A file that is there stays as it is."""
    from desk.reports import new_script

    new_script(file)
    typer.echo(f"{file}: written; stormdesk storm check {file}")


@storms_app.command("check")
def storm_check(file: Script, output: Output = Format.TEXT) -> None:
    """Read a script and say what it starts, and when."""
    from desk.reports import script_text
    from engine.storms.script import load_script, script_rows

    script = load_script(file)
    if output is Format.JSON:
        print_json({"name": script.name, "storms": script_rows(script)})
    else:
        typer.echo(script_text(script))
