"""The folder of storm scripts: listing, reading, checking with the line that is wrong, saving.

Invariant: nothing outside the folder is read or written, and a save is whole or has not happened.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_config_path

from engine.core.errors import StormError, UsageError
from engine.storms.script import SCRIPT_BYTES, TEMPLATE, StormScript, parse_script

__all__ = ["Checked", "ScriptFolder", "check_text", "error_line", "scripts_path"]

SCRIPTS_LISTED = 500
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_STORM = re.compile(r"^\s*\[\[\s*storm\s*\]\]")


def scripts_path(configured: str = "") -> Path:
    """The folder: as configured, else beside the configuration."""
    return Path(configured).expanduser() if configured else user_config_path("stormdesk") / "storms"


class Checked(NamedTuple):
    """What a script's text amounts to."""

    script: StormScript | None
    """None: it is wrong."""
    error: str = ""
    line: int | None = None
    """Where it is wrong, counted from 1; None: no line can be named."""


class ScriptFolder:
    """Scripts by name (`crash.toml`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """All scripts, by name; none where there is no folder yet."""
        try:
            found = [entry.name for entry in os.scandir(self.folder) if _is_script(entry)]
        except OSError:
            return []
        return sorted(found)[:SCRIPTS_LISTED]

    def read(self, name: str) -> str:
        """The text. Raises UsageError."""
        path = self._path(name)
        try:
            if path.stat().st_size > SCRIPT_BYTES:
                raise UsageError(f"{name}: larger than {SCRIPT_BYTES} bytes, which no storm script is")
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"{path}: cannot be read: {reason}") from error

    def new(self, name: str) -> str:
        """Makes a script to begin with; gives its full name. Raises UsageError, also when it is there."""
        full = name if name.endswith(".toml") else f"{name}.toml"
        path = self._path(full)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(TEMPLATE)
        except FileExistsError:
            raise UsageError(f"{full} is there already: choose another name, or edit it") from None
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
        return full

    def save(self, name: str, text: str) -> None:
        """Puts the text in place of the script's, at once or not at all. Raises UsageError."""
        path = self._path(name)
        if len(text.encode()) > SCRIPT_BYTES:
            raise UsageError(f"{name}: a storm script has at most {SCRIPT_BYTES} bytes")
        fresh = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor, fresh = tempfile.mkstemp(dir=self.folder, prefix=f".{name}.")
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, path)
        except OSError as error:
            if fresh:
                Path(fresh).unlink(missing_ok=True)
            raise UsageError(f"{path}: cannot be saved: {error.strerror or error}") from error

    def _path(self, name: str) -> Path:
        """Where the script of this name is. Raises UsageError for what leads out of the folder."""
        if not name.endswith(".toml") or not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name for a script: letters, digits, '-', '_' and '.', at most 60, no folders"
            )
        path = self.folder / name
        if path.is_symlink():
            raise UsageError(f"{path}: a link, which may lead anywhere: copy the script into the folder")
        return path


def check_text(text: str, name: str) -> Checked:
    """What the text starts, or what is wrong with it and in which line."""
    try:
        return Checked(parse_script(text, where=name))
    except StormError as error:
        said = str(error).removeprefix(f"{name}: ")
        return Checked(None, said, error_line(text, said))


def error_line(text: str, said: str) -> int | None:
    """The line that an error is about: the one it names, or that of the storm and field it names."""
    found = re.search(r"\bline (\d+)", said)
    if found:
        return int(found.group(1))
    lines = text.splitlines()
    blocks = [number for number, line in enumerate(lines, 1) if _STORM.match(line)]
    at = _block(said, lines, blocks)
    if at is None:
        return None
    first = blocks[at]
    last = blocks[at + 1] - 1 if at + 1 < len(blocks) else len(lines)
    for field in _fields(said):
        for number in range(first, last + 1):
            if re.match(rf"\s*{field}\s*=", lines[number - 1]):
                return number
    return first


def _block(said: str, lines: list[str], blocks: list[int]) -> int | None:
    """Which storm, from 0."""
    if found := re.search(r"\$\.storm\[(\d+)\]", said):
        at = int(found.group(1))
    elif found := re.match(r"storm (\d+)", said):
        at = int(found.group(1)) - 1
    elif found := re.match(r"(\S+) at (\S+)s begins", said):  # an overlap, by kind and start
        kind, start = found.groups()
        held = [
            "\n".join(lines[first - 1 : (*blocks, len(lines) + 1)[number + 1] - 1])
            for number, first in enumerate(blocks)
        ]
        of_kind = [
            n for n, block in enumerate(held) if re.search(rf'kind\s*=\s*["\']{re.escape(kind)}["\']', block)
        ]
        at_start = [n for n in of_kind if re.search(rf'start\s*=\s*["\']{re.escape(start)}s["\']', held[n])]
        chosen = at_start or of_kind
        return chosen[-1] if chosen else None
    else:
        return None
    return at if at < len(blocks) else None


def _fields(said: str) -> list[str]:
    """Fields that the message may be about, the likeliest first."""
    named = re.findall(r"\$\.storm\[\d+\]\.(\w+)", said) + re.findall(r"unknown field `(\w+)`", said)
    words = (
        ("unknown storm", "kind"), ("still runs", "start"), ("duration", "duration"),
        ("severity", "severity"), ("seed", "seed"), ("start", "start"), ("side", "where"), ("where", "where"),
    )  # fmt: skip
    return named + [field for word, field in words if word in said.lower()]


def _is_script(entry: os.DirEntry[str]) -> bool:
    return (
        entry.name.endswith(".toml")
        and _NAME.fullmatch(entry.name) is not None
        and entry.is_file(follow_symlinks=False)
    )
