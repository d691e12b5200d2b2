"""`stormdesk key …`: the API keys with which bots trade at the venue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from desk.options import Format, Output
from desk.printing import print_fields, print_json

__all__ = ["keys_app"]

keys_app = typer.Typer(help="API keys with which bots trade at the venue.", no_args_is_help=True)


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
    print_fields(fields, output)


@keys_app.command("import")
def key_import(
    name: Annotated[str, typer.Argument(help='Its name; "target" trades as the TARGET.')],
    api_key: Annotated[str, typer.Option(help="The API key that the bot sends.")],
    public_key: Annotated[
        Path | None, typer.Option(help="PEM file of an Ed25519 or RSA public key; without: HMAC.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="May look, not trade.")] = False,
    maker_ppm: Annotated[int | None, typer.Option(help="Maker fee, parts per million.")] = None,
    taker_ppm: Annotated[int | None, typer.Option(help="Taker fee, parts per million.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Take a key that a bot has already. Its secret: STORMDESK_KEY_SECRET, the standard input or a prompt."""
    from desk.keys import import_key

    fields = import_key(
        name,
        api_key,
        public_key=public_key,
        read_only=read_only,
        maker_ppm=maker_ppm,
        taker_ppm=taker_ppm,
    )
    print_fields(fields, output)


@keys_app.command("list")
def key_list(output: Output = Format.TEXT) -> None:
    """Names and permissions of all keys; no secrets."""
    from desk.keys import list_keys

    rows = list_keys()
    if output is Format.JSON:
        print_json(rows)
    for row in rows if output is Format.TEXT else []:
        typer.echo("  ".join(f"{value}" for value in row.values()))


@keys_app.command("remove")
def key_remove(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Forget a key."""
    from desk.keys import remove_key

    remove_key(name)
