"""Where the desk is: a small file of the user's, written while a desk runs.

    $XDG_RUNTIME_DIR/stormdesk/desk.json    {"url": "http://127.0.0.1:8765", "venue": "…", "pid": 4711}

Where the system gives its users no such directory, it stands in the user's directory for state: never in one
that somebody else could have made.

`announce` writes it whole or not at all, readable by its owner alone; `withdraw` takes it away if it is
still ours; `find_desk` reads it, and takes no notice of one whose process is gone. Where several desks run,
the file speaks of the one that started last.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec

from engine.client.errors import DeskNotFound

__all__ = ["DeskAddress", "announce", "desk_file", "find_desk", "withdraw"]

FILE_BYTES_LIMIT = 65_536


class DeskAddress(msgspec.Struct, frozen=True):
    """Where a running desk listens."""

    url: str
    """Of the native API."""
    pid: int
    venue: str | None = None
    """Of the Binance-compatible venue, when it is on."""


def desk_file() -> Path:
    """Where running desks say where they are."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "stormdesk" / "desk.json"
    import platformdirs

    return Path(platformdirs.user_state_dir("stormdesk", appauthor=False)) / "desk.json"


def announce(url: str, *, venue: str | None = None, pid: int | None = None) -> Path:
    """Say where this desk listens; gives the file. Raises OSError where none can be written."""
    path = desk_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    address = DeskAddress(url=url, pid=os.getpid() if pid is None else pid, venue=venue)
    handle, name = tempfile.mkstemp(prefix="desk-", suffix=".tmp", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(address))
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return path


def withdraw(*, pid: int | None = None) -> None:
    """Take the file away, if it speaks of this process. Never raises for what is not there."""
    path = desk_file()
    address = _read(path)
    if address is not None and address.pid == (os.getpid() if pid is None else pid):
        with contextlib.suppress(OSError):
            path.unlink()


def find_desk() -> DeskAddress:
    """The desk that runs on this machine. Raises DeskNotFound."""
    path = desk_file()
    address = _read(path)
    if address is None or not _is_alive(address.pid):
        why = "there is none" if address is None else f"its process {address.pid} is gone"
        raise DeskNotFound(
            f"no running desk: {path} should say where it is, but {why}; start one with `stormdesk`, "
            "or name its address, as in Desk('http://127.0.0.1:8765')"
        )
    return address


def _read(path: Path) -> DeskAddress | None:
    """None: there is no such file, or it is not ours."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(FILE_BYTES_LIMIT), type=DeskAddress)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # where signal 0 is no question; a dead address shows when it is used
        return True
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, and belongs to somebody else
        return True
    return True
