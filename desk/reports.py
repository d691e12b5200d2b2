"""What the printing commands print, as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.clock import NS_PER_S
from engine.recording.run_directory import list_runs, resolve_run, runs_root

if TYPE_CHECKING:
    from engine.storms.script import StormScript

__all__ = [
    "digest_report",
    "new_script",
    "runs_table",
    "runs_text",
    "script_text",
    "storm_description",
    "storm_description_text",
    "storms_table",
    "storms_text",
    "verify_report",
    "written_report",
]


def verify_report(run: str, *, out: Path | None, source: str | None, anyway: bool) -> dict[str, Any]:
    """Verify a run; field "ok" is the answer."""
    from engine.rebuild import rebuild_session
    from engine.recording.verify import verify_run

    directory = resolve_run(run, runs_root(out))
    result = verify_run(directory.path, build=rebuild_session, source_override=source, anyway=anyway)
    return {
        "run": result.run_id,
        "ok": result.ok,
        "complete": result.complete,
        "inputs": result.inputs,
        "events": result.events,
        "until_s": result.until_ns / NS_PER_S,
        "checkpoints": result.checkpoints_compared,
        "ticks": result.ticks_compared,
        "storm_rows": result.storm_rows_compared,
        "gate_rows": result.gate_rows_compared,
        "snapshots": result.snapshots_compared,
        "score_cards": result.cards_compared,
        "ledger_samples": result.ledger_samples_compared,
        "disagreements": result.disagreements_compared,
        "first_difference": result.first_difference,
        "notes": result.notes,
    }


def written_report(run: str, *, svg: Path | None, text: Path | None, runs_in: Path | None) -> dict[str, Any]:
    """Write the report of a run; says where. Raises UsageError where that cannot be written."""
    from engine.core.errors import UsageError
    from engine.recording.report import write_report

    directory = resolve_run(run, runs_root(runs_in))
    try:
        facts = write_report(directory, text=text, picture=svg)
    except OSError as error:
        raise UsageError(f"{error.filename or directory.path}: {error.strerror or error}") from error
    return {
        "run": directory.run_id,
        "report": str(text or directory.report_path),
        "picture": str(svg or directory.picture_path),
        "verdict": facts.summary.get("verdict"),
        "storms": facts.storm_count,
        "alerts": facts.alert_count,
    }


def digest_report(file: Path, book: str) -> dict[str, Any]:
    """Digest of an events file."""
    from engine.book.digest_file import digest_events_file

    report = digest_events_file(file, book)
    return {
        "book": book,
        "digest": f"{report.l2_digest:#018x}",
        "levels_bid": report.bid_levels,
        "levels_ask": report.ask_levels,
        "best_bid": report.best_bid,
        "best_ask": report.best_ask,
        "live_orders": report.live_orders,
        "events": report.events,
        "ns_per_event": round(report.ns_per_event, 1),
        "event_digest": f"{report.event_digest:#018x}",
        "replay_digest": f"{report.replay_digest:#018x}",
    }


def runs_table(out: Path | None) -> list[dict[str, Any]]:
    """All runs, newest first."""
    return [
        {
            "run": entry.run_id,
            "state": entry.state,
            "scenario": entry.summary.get("scenario"),
            "seed": entry.summary.get("seed"),
            "duration_s": entry.summary.get("duration_s"),
            "verdict": entry.summary.get("verdict"),
            "problem": entry.problem,
        }
        for entry in list_runs(runs_root(out))
    ]


def runs_text(table: list[dict[str, Any]]) -> str:
    """The table as aligned text; what is wrong with a run stands below it."""
    if not table:
        return "no runs yet: press r in the desk, or use stormdesk run --headless --for 60s"
    rows = [["run", "state", "scenario", "seed", "duration", "verdict"]]
    for run in table:
        duration = run["duration_s"]
        fields = (
            run["run"],
            run["state"],
            run["scenario"],
            run["seed"],
            None if duration is None else f"{duration:.1f} s",
            run["verdict"],
        )
        rows.append(["–" if field is None else str(field) for field in fields])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    problems = [None, *(run["problem"] for run in table)]
    lines = []
    for row, problem in zip(rows, problems, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        if problem:
            lines.append(f"    {problem}")
    return "\n".join(lines)


def storms_table() -> list[dict[str, Any]]:
    """The catalogue of storms and faults, in the order of the deck."""
    from engine.storms.catalogue import PAGES, entry_of

    return [
        {"page": page.title, "digit": digit, "name": entry_of(kind).name, "effect": entry_of(kind).effect}
        for page in PAGES
        for digit, kind in enumerate(page.kinds, 1)
    ]


def storm_description(name: str) -> dict[str, Any]:
    """One entry of the catalogue, with its text. Raises StormError for a name that is none."""
    import inspect

    from engine.storms.catalogue import StormEntry, entry_of
    from engine.storms.request import SIDED, kind_named

    kind = kind_named(name)
    entry = entry_of(kind)
    described: dict[str, Any] = {
        "name": entry.name,
        "label": entry.label,
        "group": entry.group.value,
        "effect": entry.effect,
        "takes_side": kind in SIDED,
    }
    if isinstance(entry, StormEntry):
        text = inspect.getdoc(inspect.getmodule(entry.storm)) or ""
        budget = entry.storm.budget
        described |= {"most_orders": budget.orders, "most_lots_in_base_depths": budget.depths}
    else:
        text = inspect.getdoc(entry.fault) or ""
    return {**described, "text": text}


def storm_description_text(name: str) -> str:
    """The same, to read."""
    row = storm_description(name)
    lines = [f"{row['name']}  ({row['label']}, {row['group']})", "", row["text"], ""]
    if "most_orders" in row:
        depths = f"{row['most_lots_in_base_depths']:,} times the base depth"
        lines.append(f"Budget: {row['most_orders']:,} orders, lots of {depths}.")
    if row["takes_side"]:
        lines.append('Side: where = "bid" or "ask" in a script; its seed decides without.')
    return "\n".join(lines).rstrip()


def new_script(file: Path) -> None:
    """Write the script to begin with. Raises StormError where it cannot be written."""
    from engine.core.errors import StormError
    from engine.storms.script import TEMPLATE

    if file.suffix != ".toml":
        raise StormError(f"{file}: a storm script is a .toml file")
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(TEMPLATE)
    except FileExistsError as error:
        raise StormError(f"{file}: is there already; name another file") from error
    except OSError as error:
        raise StormError(f"{file}: cannot be written: {error.strerror or error}") from error


def script_text(script: StormScript) -> str:
    """What a script starts, a line each."""
    from engine.storms.script import script_rows

    lines = [script.name] if script.name else []
    for row in script_rows(script):
        span = f"{row['start_s']:8g}s to {row['end_s']:g}s"
        side = f"  {row['where']}" if row["where"] else ""
        lines.append(f"{span:<20}  {row['kind']:<17}  {row['severity']:<9}  seed {row['seed']}{side}")
    end_s = script.end_ns / NS_PER_S
    lines.append(f"{len(script.storms)} storms and faults; the last one is over at {end_s:g}s")
    return "\n".join(lines)


def storms_text() -> str:
    """The same as aligned text, page by page."""
    lines: list[str] = []
    title = ""
    for row in storms_table():
        if row["page"] != title:
            title = row["page"]
            lines += [*([""] if lines else []), f"{title} (page of the deck)"]
        lines.append(f"  {row['digit']}  {row['name']:<17}  {row['effect']}")
    return "\n".join(lines)
