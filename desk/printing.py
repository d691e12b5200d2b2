"""How commands print what they found: aligned lines for people, one JSON value for programs."""

from __future__ import annotations

from typing import Any

import typer

from desk.options import Format

__all__ = ["print_fields", "print_json"]


def print_fields(fields: dict[str, Any], output: Format) -> None:
    """One result: aligned lines, or one JSON object."""
    if output is Format.JSON:
        print_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        shown = "–" if value is None else "\n".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{name:<{width}}  {shown}")


def print_json(value: object) -> None:
    """Any value, on one line."""
    import msgspec

    typer.echo(msgspec.json.encode(value).decode())
