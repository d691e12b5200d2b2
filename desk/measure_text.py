"""A measurement for people to read: the same tables as aligned text and as Markdown.

They are drawn from the document (measure_document.py), so what is shown is what --json writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["as_markdown", "as_text"]


class _Section(NamedTuple):
    """A title, a table (its first row is the heading) and notes."""

    title: str
    rows: list[tuple[str, ...]]
    notes: list[str]


def as_text(document: dict[str, Any]) -> str:
    """As aligned text."""
    parts = []
    for section in _sections(document):
        lines = [section.title, *_aligned(section.rows), *section.notes]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def as_markdown(document: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["# What the storms did", "", f"`{document['command']}`", ""]
    for section in _sections(document):
        lines += [f"## {section.title}", ""]
        if section.rows:
            heading, *rows = section.rows
            lines += [_piped(heading), _piped(["---"] * len(heading)), *map(_piped, rows), ""]
        for note in section.notes:
            lines += [note, ""]
    return "\n".join(lines)


_DIAL_NOTES = (
    "depth of the crash: largest drop of the mid in the storm's time, less that of the same market without "
    "it; means with 95 % intervals over seeds",
    "all but pov: the attacker sends the same orders at each level; lots sold: what found a buyer",
)


def _sections(document: dict[str, Any]) -> list[_Section]:
    if document["what"] == "sensitivity":
        notes = [*_DIAL_NOTES, *_pace(document)]
        return [*map(_dial, document["dials"]), _Section(_header(document), [], notes)]
    storms = document["storms"]
    sections = [_storm(document, table) for table in storms]
    if len(storms) > 1:
        sections.insert(0, _overview(document))
    return [*sections, _Section(_header(document), [], _notes(document))]


def _storm(document: dict[str, Any], table: dict[str, Any]) -> _Section:
    """One storm: a row for each severity, and who paid at the last."""
    money = document["currency"]
    rows: list[tuple[str, ...]] = [
        (
            "severity",
            "effect",
            f"target {money}",
            "worse",
            "intact/damaged/killed",
            "impact bps",
            "depth lost",
            "spread x",
            "volume x",
            "recovered",
            "mids rejoined",
            f"attacker cost {money}",
            "inventory",
        )
    ]
    for row in table["rows"]:
        mean, verdicts = row["mean"], row["verdicts"]
        rows.append(
            (
                row["severity_text"],
                _interval(mean["effect"]),
                _interval(mean["target_pnl"], 0),
                _share(row["worse"]["negative"], row["pairs"]),
                f"{verdicts['INTACT']}/{verdicts['DAMAGED']}/{verdicts['KILLED']}",
                _interval(mean["impact_bps"]),
                _number(mean["depth_lost"]["value"], 2),
                _number(mean["spread_ratio"]["value"], 2),
                _number(mean["volume_ratio"]["value"], 2),
                "–" if row["is_idle"] else _when(row["recovered"], row["pairs"], row["recovery_s"]),
                "–" if row["is_idle"] else _when(row["rejoined"], row["pairs"], row["rejoin_s"]),
                _interval(mean["attacker_cost"], 0),
                _number(mean["attacker_position_lots"]["value"], 0),
            )
        )
    return _Section(f"{table['kind']}: {table['effect']}", rows, _storm_notes(table, money))


def _storm_notes(table: dict[str, Any], money: str) -> list[str]:
    last = table["rows"][-1]
    notes = []
    if (monotony := table["monotony"]) is not None:
        notes.append(
            "Spearman(severity, effect): of the means "
            f"{_number(monotony['of_means'], 3)}, pooled over pairs {_interval(monotony['pooled'], 3)}, "
            f"within seeds {_interval(monotony['within'], 3)}"
        )
    median, worse = last["median"], last["worse"]
    chance = _chance(worse["p_value"])
    notes.append(
        f"at {last['severity_text']}: median effect {_interval(median['effect'])}, median target "
        f"{_interval(median['target_pnl'], 0)} {money} (sign test p = {chance}), "
        f"at its worst {_interval(median['target_pnl_worst'], 0)}"
    )
    mean = last["mean"]
    notes.append(
        f"attacker at {last['severity_text']}: {_number(mean['attacker_orders']['value'], 0)} orders, "
        f"{_number(mean['attacker_lots']['value'], 0)} lots ({mean['attacker_pov']['value']:.0%} of volume), "
        f"fees {_number(mean['attacker_fees']['value'], 0)} {money}; "
        f"cost at the storm's end {_interval(mean['attacker_cost_end'], 0)}"
    )
    paid = [f"{name} {_number(one['value'], 0)}" for name, one in last["who_paid"].items()]
    if paid:
        fees = _number(last["fees"]["value"], 0)
        notes.append(f"who won and lost at {last['severity_text']}, {money}: {', '.join(paid)}; fees {fees}")
    idle = [row for row in table["rows"] if row["is_idle"]]
    notes += [
        f"severity 0: digest equal in {_share(row['digests_equal'], row['pairs'])} pairs" for row in idle
    ]
    return notes


def _overview(document: dict[str, Any]) -> _Section:
    money = document["currency"]
    last = document["storms"][0]["rows"][-1]["severity_text"]
    rows: list[tuple[str, ...]] = [
        (
            "storm",
            "rho means",
            "rho pooled",
            "rho within",
            f"effect at {last}",
            "measure",
            f"target {money}",
            "impact bps",
            "recovered",
            "mids rejoined",
            f"attacker cost {money}",
        )
    ]
    for table in document["storms"]:
        row, monotony = table["rows"][-1], table["monotony"] or {}
        mean = row["mean"]
        rows.append(
            (
                table["kind"],
                _number(monotony.get("of_means"), 3),
                _interval(monotony.get("pooled"), 3),
                _interval(monotony.get("within"), 3),
                _interval(mean["effect"]),
                table["effect"],
                _interval(mean["target_pnl"], 0),
                _interval(mean["impact_bps"]),
                _when(row["recovered"], row["pairs"], row["recovery_s"]),
                _when(row["rejoined"], row["pairs"], row["rejoin_s"]),
                _interval(mean["attacker_cost"], 0),
            )
        )
    return _Section("all storms", rows, ["rho: Spearman's correlation of severity and effect"])


def _dial(dial: dict[str, Any]) -> _Section:
    rows: list[tuple[str, ...]] = [
        ("level", "depth of the crash, bps", "median", "step from the last", "share of volume", "lots sold")
    ]
    steps = [None, *dial["steps"]]
    for level, row, step in zip(dial["dial"]["levels"], dial["rows"], steps, strict=True):
        mean = row["mean"]
        rows.append(
            (
                f"{level:g}",
                _interval(mean["trough_bps"]),
                _number(row["median"]["trough_bps"]["value"], 1),
                _interval(step),
                f"{mean['attacker_pov']['value']:.0%}",
                _number(mean["attacker_lots"]["value"], 0),
            )
        )
    word, pairs = dial["against"], dial["rows"][0]["pairs"]
    chance = _chance(word["p_value"])
    known = "deeper" if dial["dial"]["sign"] > 0 else "less deep"
    notes = [
        f"first to last level {_interval(dial['whole'])} bps; as known from the literature ({known} as it "
        f"rises) in {_share(word['nonzero'] - word['negative'], pairs)} pairs (sign test p = {chance}); "
        + ("the sign comes out" if dial["comes_out"] else "THE SIGN DOES NOT COME OUT")
    ]
    return _Section(f"{dial['dial']['name']}: {dial['dial']['text']}", rows, notes)


def _header(document: dict[str, Any]) -> str:
    first, count = document["first_seed"], document["seeds"]
    return f"{document['scenario']}, {count} pairs (seeds {first} to {first + count - 1})"


def _notes(document: dict[str, Any]) -> list[str]:
    notes = [
        f"storm from {document['start_s']:g} s to {document['end_s']:g} s, watched "
        f"{document['horizon_s']:g} s longer; target {document['target']}; means with 95 % intervals over "
        "seeds",
        "target: its profit at the horizon with the storm less without; worse: pairs in which that is a loss",
        "impact: largest distance of the two mids; depth, spread, volume: of the storm's time; recovered: "
        "mid, spread and depth are back for a second, median after the storm's end; mids rejoined: within "
        f"{document['rejoined_bps']:g} bps for a second",
        "fork without storm equals the unforked market, event for event: "
        f"{_share(document['forks_equal_unforked'], document['seeds'])} seeds",
    ]
    if document["without_effect"]:
        notes.append(
            f"without effect here: {', '.join(document['without_effect'])} (faults change what bots at the "
            "venue are told, and in a measurement only the scenario's agents trade)"
        )
    return [*notes, *_pace(document)]


def _pace(document: dict[str, Any]) -> list[str]:
    events, seconds = document["events"], document["seconds"]
    return [f"{events:,} events in {seconds:.1f} s ({events / max(seconds, 1e-9):,.0f} a second)"]


def _interval(estimate: dict[str, Any] | None, digits: int | None = None) -> str:
    if estimate is None or estimate["value"] is None:
        return "–"
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    shown = _digits(value, low, high) if digits is None else digits
    return f"{_number(value, shown)} [{_number(low, shown)}, {_number(high, shown)}]"


def _digits(*values: float) -> int:
    largest = max(map(abs, values))
    return 0 if largest >= 1_000 else 1 if largest >= 20 else 2 if largest >= 1 else 3


def _number(value: float | None, digits: int) -> str:
    """With a comma for thousands, and no minus before a zero."""
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text


def _chance(p_value: float | None) -> str:
    return "–" if p_value is None else f"{p_value:.2g}"


def _share(count: int, of: int) -> str:
    return f"{count} of {of}"


def _when(count: int, of: int, seconds: dict[str, Any]) -> str:
    return f"{_share(count, of)}, {_number(seconds['value'], 1)} s" if count else _share(count, of)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
