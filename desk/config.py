"""The user's own settings: one small TOML file, all of it optional.

theme = "classic"          # default, classic, high-contrast
fps = 10                   # pictures a second at the most
coach = false              # no first steps
data = "~/marketdata"      # where the source picker looks, besides the working directory
scripts = "~/storms"       # where storm scripts are kept; else beside this file, in storms/
[keys]                     # binding id = key; `?` in the desk shows the ids
stop_storms = "0"
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from platformdirs import user_config_path

from engine.core.errors import UsageError

__all__ = ["Config", "config_path", "load_config"]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contents of the file."""

    theme: str = "default"
    """Name of a theme (desk.theme)."""
    fps: float = 10.0
    """Pictures a second at the most."""
    coach: bool = True
    """Show the first steps."""
    data: str = ""
    """Folder in which the source picker looks for recorded data, besides the working directory."""
    scripts: str = ""
    """Folder of storm scripts; empty: storms/ beside this file."""
    keys: dict[str, str] = {}
    """Binding id -> key."""


def config_path() -> Path:
    """Where the file is looked for."""
    return user_config_path("stormdesk") / "config.toml"


def load_config(path: Path | None = None) -> Config:
    """The settings; defaults when there is no file. Raises UsageError that names file and key."""
    path = path or config_path()
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return msgspec.toml.decode(text, type=Config)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: {error}; correct it, or move the file away") from error
