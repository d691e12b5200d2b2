"""`stormdesk doctor`: what the desk will find here, and the line that mends what is wrong.

Each check reads one fact (environment, terminal, files, a socket); none of them changes anything but for
removing what it wrote to try a folder.
"""

from __future__ import annotations

import locale
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import engine
from desk.config import config_path, load_config
from engine.arena import cache
from engine.arena.library import Building
from engine.arena.machine import JIT_MODE, load
from engine.core.errors import UsageError
from engine.recording.run_directory import runs_root

__all__ = ["Check", "checks_json", "checks_text", "compile_core_now", "run_checks"]

CLEAR_LINE = "\r\x1b[K"
COMPILE = "stormdesk doctor --compile"
LEAST_COLUMNS, LEAST_ROWS = 80, 24


class Check(NamedTuple):
    """One finding."""

    name: str
    ok: bool
    """False: something to mend; the desk runs all the same."""
    found: str
    mend: str = ""


def run_checks() -> list[Check]:
    """All checks, in the order in which they matter."""
    return [
        _python(),
        _terminal(),
        _size(),
        _colours(),
        _characters(),
        _synchronised_output(),
        _clipboard(),
        _compiled_core(),
        _runs_folder(),
        _configuration(),
        _loopback(),
    ]


def compile_core_now() -> None:
    """Makes machine code for this and every later start (seconds), with its progress on stderr. Whatever
    goes wrong is the checks' to tell."""
    begin, end = (CLEAR_LINE, "") if sys.stderr.isatty() else ("", "\n")

    def show(building: Building) -> None:
        line = f"compiling {building.done}/{building.total} {building.name}"
        print(begin + line, end=end, file=sys.stderr, flush=True)

    load(show)
    print(begin, end="", file=sys.stderr, flush=True)


def checks_text(checks: list[Check]) -> str:
    """One line a check, and beneath it how to mend it."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{'ok ' if check.ok else '!  '} {check.name:<{width}}  {check.found}")
        if check.mend:
            lines.append(f"    {'':<{width}}  {check.mend}")
    return "\n".join(lines)


def checks_json(checks: list[Check]) -> list[dict[str, object]]:
    """The same as plain values."""
    return [check._asdict() for check in checks]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), f"{version}, stormdesk {engine.__version__}")


def _terminal() -> Check:
    term = os.environ.get("TERM", "")
    if not sys.stdout.isatty():
        return Check("terminal", True, f"output is not a terminal (TERM={term or '–'})")
    if term in ("", "dumb"):
        return Check("terminal", False, f"TERM={term or '–'}", "export TERM=xterm-256color")
    inside = " inside tmux" if os.environ.get("TMUX") else " inside screen" if os.environ.get("STY") else ""
    return Check("terminal", True, f"TERM={term}{inside}")


def _size() -> Check:
    if not sys.stdout.isatty():
        return Check("size", True, "output is not a terminal")
    columns, rows = shutil.get_terminal_size()
    ok = columns >= LEAST_COLUMNS and rows >= LEAST_ROWS
    mend = "" if ok else f"{LEAST_COLUMNS}x{LEAST_ROWS} shows all panels; below that one panel at a time"
    return Check("size", ok, f"{columns}x{rows}", mend)


def _colours() -> Check:
    from rich.console import Console

    if os.environ.get("NO_COLOR"):
        return Check("colours", True, "none: NO_COLOR is set", "unset NO_COLOR for colours")
    if not sys.stdout.isatty():
        return Check("colours", True, "output is not a terminal")
    found = Console(force_terminal=True).color_system or "none"
    tiers = {"truecolor": "16 million", "256": "256", "standard": "16", "windows": "16", "none": "no"}
    ok = found in ("truecolor", "256")
    mend = "" if ok else "export COLORTERM=truecolor   (ssh does not forward it; or TERM=xterm-256color)"
    return Check("colours", ok, f"{tiers.get(found, found)} colours", mend)


def _characters() -> Check:
    encoding = locale.getpreferredencoding(False)
    ok = encoding.lower().replace("-", "") == "utf8"
    return Check("characters", ok, encoding, "" if ok else "export LANG=C.UTF-8")


def _synchronised_output() -> Check:
    if os.environ.get("TMUX"):
        found = "tmux decides (3.4 and later pass it on); without it a picture may tear"
        return Check("synchronised output", True, found)
    return Check("synchronised output", True, "asked of the terminal at start; used where it answers")


def _clipboard() -> Check:
    if os.environ.get("TMUX"):
        mend = "tmux set -s set-clipboard on"
        return Check("clipboard", True, "y copies by OSC 52 through tmux, and saves a file", mend)
    return Check("clipboard", True, "y copies by OSC 52 where the terminal allows it, and saves a file")


def _compiled_core() -> Check:
    name = "compiled core"
    build = {"1": "compiled", "checked": "checked"}.get(JIT_MODE)
    if build is None:
        return Check(name, True, "off: STORMDESK_JIT=0, the core runs interpreted", "unset STORMDESK_JIT")
    try:
        version = cache.version_of(cache.ENGINE)
    except ImportError as error:
        return Check(name, False, f"interpreted: {error}", "pip install numba")
    folder = cache.cache_folder()
    path = cache.library_path(folder, build, version)
    try:
        library = cache.read_library(path)
    except cache.LibraryDamaged as error:
        return Check(name, False, f"interpreted until compiled anew: {error}", COMPILE)
    if library is not None:
        return Check(name, True, f"{build}: {len(library.entries)} entries in {path}")
    failure = cache.failure_of(path)
    if failure is not None:
        return Check(name, False, f"interpreted: {failure}", f"{COMPILE}   (tries again)")
    if not cache.is_writable(folder):
        mend = "export XDG_CACHE_HOME=FOLDER   (any that can be written)"
        return Check(name, False, f"compiled anew at each start: {folder} cannot be written", mend)
    found = f"interpreted until compiled, beside the first run; nothing is kept yet in {folder}"
    return Check(name, True, found, f"{COMPILE}   (does it now)")


def _runs_folder() -> Check:
    root = runs_root()
    existing = root if root.exists() else root.absolute().parent
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            pass
    except OSError as error:
        mend = "choose another: export STORMDESK_RUNS=~/runs"
        return Check("runs", False, f"{root}: cannot be written ({error.strerror})", mend)
    free_gb = shutil.disk_usage(existing).free / 1e9
    return Check("runs", free_gb > 0.1, f"{root.absolute()}, {free_gb:.1f} GB free")


def _configuration() -> Check:
    path: Path = config_path()
    try:
        load_config(path)
    except UsageError as error:
        return Check("configuration", False, str(error), f"correct {path}, or move it away")
    return Check("configuration", True, f"{path}" if path.exists() else f"{path} (none: defaults)")


def _loopback() -> Check:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        mend = "ip link set lo up   (bots connect over loopback)"
        return Check("loopback", False, f"127.0.0.1 cannot be bound ({error.strerror})", mend)
    return Check("loopback", True, "127.0.0.1 can be bound")
