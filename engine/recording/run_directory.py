"""A run on disk: where its files are, how runs are found and listed.

    runs/2026-01-02T03-04-05Z/
        run.yaml       who, from what, how it ended (replaced whole; always parseable)
        events.jsonl   storms, target and breaker, one JSON object a line
        ticks.jsonl    one line per second of session time
        venue.jsonl    what bots at the venue were told, and when it had happened; only with bots
        score.json     what became of each bot; only with bots, and at the end
        report.md      the run on one page, with report.svg; after the end, and made of the others
        journal/       the inputs; with run.yaml's source all that recomputing needs
        .reserve       while it is being recorded: room for the last word on a full disk

Names as in flowlab.md section 6. Invariant: run.yaml exists only beside a journal that can be read.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from engine.core.clock import utc_run_id
from engine.core.errors import DataError, JournalDamaged, RunNotFound, UsageError
from engine.journal.durable import (
    create_exclusively,
    fsync_directory,
    is_locked,
    replace_atomically,
    write_all,
)
from engine.journal.reader import find_torn_tail

__all__ = [
    "RunDirectory",
    "RunEntry",
    "create_run_directory",
    "list_runs",
    "resolve_run",
    "resolve_run_id",
    "runs_root",
]

RUNS_VARIABLE = "STORMDESK_RUNS"
SUMMARY_LIMIT_BYTES = 1024 * 1024
"""A larger run.yaml is refused unread; one with all the storms it may list has a quarter of that."""
RESERVE_BYTES = 16 * 1024
"""Kept free for a run.yaml that says why recording stopped; a few blocks on any file system."""
_ID = re.compile(r"(?!\.+$)[0-9A-Za-z_.:-]{1,128}")
_STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The files of one run; its name is the run's id here (a copied run may have another)."""

    path: Path

    @property
    def run_id(self) -> str:
        """Name of the directory."""
        return self.path.name

    @property
    def summary_path(self) -> Path:
        """run.yaml"""
        return self.path / "run.yaml"

    @property
    def events_path(self) -> Path:
        """events.jsonl"""
        return self.path / "events.jsonl"

    @property
    def ticks_path(self) -> Path:
        """ticks.jsonl"""
        return self.path / "ticks.jsonl"

    @property
    def venue_path(self) -> Path:
        """venue.jsonl"""
        return self.path / "venue.jsonl"

    @property
    def score_path(self) -> Path:
        """score.json"""
        return self.path / "score.json"

    @property
    def report_path(self) -> Path:
        """report.md"""
        return self.path / "report.md"

    @property
    def picture_path(self) -> Path:
        """report.svg"""
        return self.path / "report.svg"

    @property
    def journal_path(self) -> Path:
        """journal/"""
        return self.path / "journal"

    @property
    def snapshots_path(self) -> Path:
        """snapshots/"""
        return self.path / "snapshots"

    @property
    def reserve_path(self) -> Path:
        """.reserve"""
        return self.path / ".reserve"

    def read_summary(self) -> dict[str, Any]:
        """run.yaml as a mapping. Raises DataError when it is missing, unreadable or something else."""
        try:
            if self.summary_path.stat().st_size > SUMMARY_LIMIT_BYTES:
                raise DataError(f"{self.summary_path}: larger than {SUMMARY_LIMIT_BYTES} bytes")
            summary = yaml.safe_load(self.summary_path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataError(f"{self.summary_path}: missing; the recording ended before it began") from error
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{self.summary_path}: cannot be read: {reason}") from error
        if not isinstance(summary, dict):
            raise DataError(f"{self.summary_path}: not a mapping")
        return summary

    def write_summary(self, summary: Mapping[str, object]) -> None:
        """Replace run.yaml, atomically and durably. Raises OSError."""
        text = yaml.safe_dump(dict(summary), sort_keys=False, allow_unicode=True, width=110)
        replace_atomically(self.summary_path, text.encode())

    def take_reserve(self) -> None:
        """Occupy RESERVE_BYTES of the disk. Raises OSError."""
        descriptor = create_exclusively(self.reserve_path)
        try:
            write_all(descriptor, bytes(RESERVE_BYTES))
        finally:
            os.close(descriptor)

    def release_reserve(self) -> None:
        """Give them back; never raises."""
        with contextlib.suppress(OSError):
            self.reserve_path.unlink()

    def discard(self) -> None:
        """Remove a run that could not begin, with all its files; never raises."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One line in the list of runs."""

    run_id: str
    path: Path
    state: str
    """One of: "recording", "interrupted" (its process is gone), "complete", "failed", "broken"."""
    problem: str | None = None
    """Why it is broken, or failed; for one that was cut off, what is torn from its journal's end."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    """run.yaml; empty when broken."""


def runs_root(out: Path | None = None) -> Path:
    """Where runs are: `out`, else $STORMDESK_RUNS, else runs/ below the current directory."""
    return out or Path(os.environ.get(RUNS_VARIABLE) or "runs")


def create_run_directory(root: Path, wall_ns: int) -> RunDirectory:
    """A new, empty directory named after this wall time; -2, -3 … follow within the same second.

    Raises OSError.
    """
    root.mkdir(parents=True, exist_ok=True)
    stamp = utc_run_id(wall_ns)
    for attempt in count(1):
        path = root / (stamp if attempt == 1 else f"{stamp}-{attempt}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        fsync_directory(root)
        return RunDirectory(path)
    raise AssertionError("count() ends never")


def resolve_run(text: str, root: Path) -> RunDirectory:
    """The run with this id below `root`, or at this path. Raises RunNotFound."""
    if _ID.fullmatch(text):
        run = RunDirectory(root / text)
        if _is_run(run):
            return run
    run = RunDirectory(Path(text))
    if text and "\0" not in text and _is_run(run):
        return RunDirectory(run.path.resolve())
    raise RunNotFound(f"no run {text!r} in {root} or at that path: `stormdesk runs` lists them.")


def resolve_run_id(run_id: str, root: Path) -> RunDirectory:
    """The run with this id, and never a path: for ids that come from outside.

    Raises UsageError when it is not an id, RunNotFound when there is none.
    """
    if not _ID.fullmatch(run_id):
        raise UsageError(f"{run_id[:140]!r} is not a run id: letters, digits and _ . : - only.")
    run = RunDirectory(root / run_id)
    if not _is_run(run):
        raise RunNotFound(f"no run {run_id!r} in {root}.")
    return run


def list_runs(root: Path) -> list[RunEntry]:
    """All runs below `root`, newest first, those without a time in their name last. Never raises for a
    broken run; [] when there is no such directory."""
    try:
        names = [entry.name for entry in os.scandir(root) if entry.is_dir()]
    except OSError:
        return []
    names.sort(key=_age_key, reverse=True)
    return [_describe(RunDirectory(root / name)) for name in names if not name.startswith(".")]


def _is_run(run: RunDirectory) -> bool:
    try:
        return run.summary_path.is_file() or run.journal_path.is_dir()
    except OSError:
        return False


def _age_key(name: str) -> tuple[str, int, str]:
    stamped = _STAMPED.fullmatch(name)
    return (stamped[1], int(stamped[2] or 1), "") if stamped else ("", 0, name)


def _describe(run: RunDirectory) -> RunEntry:
    try:
        summary = run.read_summary()
    except DataError as error:
        return RunEntry(run.run_id, run.path, "broken", str(error))
    state = summary.get("state")
    if state not in ("recording", "complete", "failed"):
        return RunEntry(run.run_id, run.path, "broken", f"{run.summary_path}: state is {state!r}")
    if state == "recording" and not is_locked(run.journal_path):
        state = "interrupted"
    problem = str(summary.get("error")) if state == "failed" else None
    if state == "interrupted":
        problem = _torn_tail(run)
    return RunEntry(run.run_id, run.path, state, problem, summary)


def _torn_tail(run: RunDirectory) -> str | None:
    try:
        torn = find_torn_tail(run.journal_path)
    except (OSError, JournalDamaged) as error:
        return str(error)
    return None if torn is None else str(torn)
