"""The one-page report of a run: report.md beside report.svg (report_picture.py), both made of its files.

Written when a recording ends, and by `stormdesk report`; the same run gives the same bytes. Nothing stands on
them: a run without them is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core.clock import NS_PER_S
from engine.journal.durable import replace_atomically
from engine.recording.report_picture import draw_picture
from engine.recording.run_directory import RunDirectory
from engine.recording.run_facts import RunFacts, StormFacts, read_run_facts

__all__ = ["report_text", "write_report"]

STORMS_SHOWN = 24
BOTS_SHOWN = 12
LINES_SHOWN = 12
UNKNOWN = "–"


def write_report(run: RunDirectory, *, text: Path | None = None, picture: Path | None = None) -> RunFacts:
    """Write page and picture, each whole or not at all, where it is said or else into the run's directory.

    Raises DataError where the run cannot be read, OSError where a file cannot be written.
    """
    facts = read_run_facts(run)
    picture, text = picture or run.picture_path, text or run.report_path
    replace_atomically(picture, draw_picture(facts))
    there = os.path.relpath(picture.absolute(), text.absolute().parent)
    replace_atomically(text, report_text(facts, Path(there).as_posix()).encode())
    return facts


def report_text(facts: RunFacts, picture: str = "report.svg") -> str:
    """The page as Markdown; `picture`: where its picture is, from there."""
    summary = facts.summary
    run = summary.get("run_id")
    verdict = summary.get("verdict") or "no verdict"
    parts = [
        [f"# {verdict}: run {run}", "", f"![Price, depth and the target's equity over the run]({picture})"],
        _why(summary),
        ["## What ran", "", *_table(("", ""), _what_ran(facts))],
        ["## Storms", "", *_storms(facts)],
        ["## Bots", "", *_bots(facts)],
        ["## Risk gate", "", *_gate(facts)],
        ["## Alerts", "", *_alerts(facts)],
        [
            "## Again",
            "",
            "```sh",
            f"stormdesk replay {run}    # the same session on the desk, with pause, speed and seek",
            f"stormdesk verify {run}    # recomputes it and compares everything, this verdict too",
            f"stormdesk report {run}    # writes this page anew",
            "```",
        ],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _why(summary: Mapping[str, Any]) -> list[str]:
    if summary.get("state") != "complete":
        reason = summary.get("error") or "it was not finished"
        return [f"This recording has no end: {reason}. What follows is what is on disk."]
    reasons = summary.get("verdict_reasons")
    lines = reasons if isinstance(reasons, list) and reasons else [summary.get("verdict_reason")]
    return [f"- {line}" for line in lines]


def _what_ran(facts: RunFacts) -> list[tuple[str, str]]:
    summary = facts.summary
    target = _mapping(summary.get("target"))
    source = summary.get("source")
    sha256 = summary.get("source_sha256")
    where = "simulated market" if source == "sim" else f"{source} (SHA-256 {str(sha256)[:16]}…)"
    seconds = (facts.to_ns - facts.from_ns) / NS_PER_S
    rows = [
        ("market", f"{summary.get('scenario')}, seed {summary.get('seed')}, {where}"),
        ("time", f"{seconds:,.1f} s, from {facts.from_ns / NS_PER_S:,.1f} s of the session on"),
        ("started", str(summary.get("started_at"))),
        ("engine", f"{summary.get('engine_version')} ({summary.get('source_hash')})"),
    ]
    if "event_digest" in summary:
        digests = f"digest `{summary.get('event_digest')}`, book `{summary.get('book_digest')}`"
        rows.append(("events", f"{_count(summary.get('events'))}, {digests}"))
    if summary.get("target_mode") == "none":
        rows.append(("target", "none"))
    elif target:
        start, end = (_money(target.get(key)) for key in ("start_equity", "end_equity"))
        money = f"{start} → {end} {target.get('currency') or ''}".rstrip()
        rows.append(("target", f"{summary.get('target_mode')}: {money}, by {target.get('judged_by')}"))
        rows.append(("trades", _count(target.get("total_trades"))))
    return rows


# -- storms ------------------------------------------------------------------------------------------


def _storms(facts: RunFacts) -> list[str]:
    if not facts.storms:
        return ["None."]
    head = ("storm", "start", "severity", "lasted", "mid", "spread", "depth", "attacker", "market", "target")
    rows = [_storm_row(facts, storm) for storm in facts.storms[:STORMS_SHOWN]]
    lines = _table(head, rows, right=(1, 2, 3, 4, 5, 6, 9))
    more = facts.storm_count - len(rows)
    note = (
        "Mid: largest move from the last tick before. Spread: widest. Depth: least, of what it was before. "
        "Attacker: what it sent, traded and won (minus: its bill). Market: until it was itself again. "
        "Target: change of equity from start to stop."
    )
    return [*lines, "", f"{note} And {more:,} more storms." if more > 0 else note]


def _storm_row(facts: RunFacts, storm: StormFacts) -> list[str]:
    end_ns = facts.to_ns if storm.end_ns is None else storm.end_ns
    cause = "" if storm.cause == "expired" else f" ({storm.cause})"
    depth = UNKNOWN
    if storm.least_depth is not None and storm.depth_before:
        depth = f"{storm.least_depth / storm.depth_before:.0%}"
    bill = UNKNOWN
    if storm.attacker is not None:
        orders, lots = (_count(storm.attacker.get(key)) for key in ("orders", "lots"))
        bill = f"{orders} orders, {lots} lots, {_money(storm.attacker.get('pnl'), signed=True)}"
    market = storm.recovery
    if storm.recovery_ms is not None:
        market = f"after {storm.recovery_ms / 1_000:.1f} s"
    return [
        storm.kind,
        f"{storm.start_ns / NS_PER_S:.1f} s",
        str(storm.severity),
        f"{(end_ns - storm.start_ns) / NS_PER_S:.1f} s{cause}",
        UNKNOWN if storm.mid_move_bps is None else f"{storm.mid_move_bps:+.1f} bps",
        UNKNOWN if storm.widest_bps is None else f"{storm.widest_bps:.1f} bps",
        depth,
        bill,
        market,
        _money(storm.target_delta, signed=True),
    ]


# -- bots, gate, alerts ------------------------------------------------------------------------------


def _bots(facts: RunFacts) -> list[str]:
    if not facts.bots:
        return ["No account of a bot traded here."]
    head = ("bot", "verdict", "PnL", "fills", "drawdown", "quoting", "stuck", "why")
    rows = [_bot_row(bot) for bot in facts.bots[:BOTS_SHOWN]]
    lines = _table(head, rows, right=(2, 3, 4, 5, 6))
    more = len(facts.bots) - len(rows)
    return [*lines, "", f"And {more:,} more in score.json."] if more > 0 else lines


def _bot_row(bot: Mapping[str, Any]) -> list[str]:
    reasons = bot.get("reasons")
    quoting, faults = bot.get("quote_uptime"), bot.get("faults")
    through = [one.get("stuck", 0) for one in faults] if isinstance(faults, list) else []
    return [
        str(bot.get("name")),
        str(bot.get("verdict")),
        _money(bot.get("pnl"), signed=True),
        _count(bot.get("fills")),
        _money(bot.get("max_drawdown")),
        f"{quoting:.0%}" if isinstance(quoting, float) else UNKNOWN,
        _count(sum(through) + int(bot.get("stuck_orders") or 0)),
        "; ".join(str(reason) for reason in reasons[:2]) if isinstance(reasons, list) else UNKNOWN,
    ]


def _gate(facts: RunFacts) -> list[str]:
    if not facts.gate:
        return ["No guard tripped and no switch was thrown."]
    lines = []
    for row in facts.gate[:LINES_SHOWN]:
        what = "tripped" if row.get("type") == "breaker_trip" else str(row.get("what")).replace("_", " ")
        about = [str(row[key]).replace("_", " ") for key in ("reason", "detail") if row.get(key)]
        said = f": {', '.join(about)}" if about else ""
        lines.append(f"- {row.get('time_ns', 0) / NS_PER_S:.1f} s, {row.get('account')}, {what}{said}")
    more = facts.gate_count - len(lines)
    return [*lines, f"- and {more:,} more in events.jsonl"] if more > 0 else lines


def _alerts(facts: RunFacts) -> list[str]:
    if not facts.alerts:
        return ["None."]
    ranked = sorted(facts.alerts.items(), key=lambda item: (-item[1].count, item[0]))
    rows = [
        [
            kind,
            one.severity,
            f"{one.count:,}",
            f"{one.first_ns / NS_PER_S:.1f} s",
            f"{one.last_ns / NS_PER_S:.1f} s",
        ]
        for kind, one in ranked[:LINES_SHOWN]
    ]
    lines = _table(("alert", "severity", "count", "first", "last"), rows, right=(2, 3, 4))
    more = facts.alert_count - sum(one.count for _, one in ranked[:LINES_SHOWN])
    return [*lines, "", f"And {more:,} of other kinds."] if more > 0 else lines


# -- words -------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    rule = ["---:" if place in right else "---" for place in range(len(head))]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, rule, *rows)]
    return ["| " + " | ".join(row) + " |" for row in cells]


def _money(value: object, *, signed: bool = False) -> str:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return UNKNOWN
    return f"{number:+,.2f}" if signed else f"{number:,.2f}"


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else UNKNOWN


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
