"""The README says what is true: keys, commands, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from desk.bindings import keys_as_markdown
from desk.cli import app
from engine.core.types import FaultKind, StormKind
from engine.scenarios import list_scenarios

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_key_table_is_the_binding_table() -> None:
    assert keys_as_markdown().strip() in README


def test_every_command_is_described() -> None:
    group = typer.main.get_command(app)
    for name in group.commands:  # type: ignore[attr-defined]
        assert f"`stormdesk {name}" in README, f"README does not mention stormdesk {name}"


def test_every_scenario_and_storm_is_named() -> None:
    for name in [*list_scenarios(), *(kind.name.lower() for kind in StormKind)]:
        assert name in README
    for kind in FaultKind:
        assert f"`fault.{kind.name.lower()}`" in README


def test_every_way_for_bots_to_come_in_is_named() -> None:
    for name in ("--venue-port", "--no-venue", "--fix-port", "--ouch-port", "--itch-port", "--lockstep"):
        assert name in README


def test_the_map_names_every_room() -> None:
    text = (ROOT / "engine" / "README.md").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (ROOT / "engine").glob("*/__init__.py")]
    assert [room for room in sorted(rooms) if f"`{room}/`" not in text] == []


@pytest.mark.parametrize("document", ["README.md", "engine/README.md"])
def test_files_that_a_document_names_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./-]+\.(?:py|md|toml|png))`|\]\((\.[\w./-]+)\)", text):
        path = name[0] or name[1]
        candidates = [ROOT / path, ROOT / "engine" / path]
        assert any(candidate.exists() for candidate in candidates), f"{document} names {path}"
