"""The fields of run.yaml that are functions of the journal: written by the recorder, checked by verify."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.core.clock import NS_PER_S
from engine.journal.records import Checkpoint, RunHeader
from engine.journal.writer import JournalExtent
from engine.recording.agreement import Disagreement
from engine.recording.grounds import RunGrounds
from engine.recording.rows import hex_digest
from engine.recording.targets import TargetRecords
from engine.recording.verdict import Verdict, money
from engine.scenarios.loader import Thresholds
from engine.score.card import BotCard

__all__ = [
    "STORMS_LISTED_LIMIT",
    "disagreement_row",
    "identity_fields",
    "judge_run",
    "result_fields",
    "target_fields",
    "target_name",
    "target_names",
    "target_rows",
]

STORMS_LISTED_LIMIT = 1_000
"""Storms named in run.yaml; further ones are in events.jsonl only (counted in `storms`)."""


def identity_fields(header: RunHeader) -> dict[str, object]:
    """What is known when recording begins."""
    script = header.options.get("storm_script")
    return {
        "run_id": header.run_id,
        "engine_version": header.engine_version,
        "source_hash": header.source_hash,
        "scenario": header.scenario_name,
        "seed": header.seed,
        "source": header.source,
        "source_sha256": header.source_sha256,
        "target_mode": header.target,
        "record_from_ns": header.record_from_ns,
        **({"storm_script": script} if script is not None else {}),
    }


def result_fields(
    header: RunHeader,
    final: Checkpoint,
    extent: JournalExtent,
    verdict: Verdict,
    grounds: RunGrounds,
    cards: Sequence[BotCard],
) -> dict[str, object]:
    """What is known when it has ended."""
    return {
        "record_to_ns": final.time_ns,
        "duration_s": (final.time_ns - header.record_from_ns) / NS_PER_S,
        "events": final.event_count,
        "event_digest": hex_digest(final.event_digest),
        "book_digest": hex_digest(final.book_digest),
        "journal": extent._asdict(),
        "verdict": verdict.verdict,
        "verdict_reason": verdict.reason,
        "verdict_reasons": grounds.of(0, verdict, cards).reasons,
        "bot_unreachable": verdict.bot_unreachable,
    }


def target_fields(records: TargetRecords, verdict: Verdict) -> dict[str, object]:
    """The part of run.yaml's `target` that the verdict stands on, in units of its currency."""
    return {
        "judged_by": records.judged_by(0),
        "start_equity": money(verdict.start_millionths),
        "end_equity": money(verdict.end_millionths),
        "delta": verdict.delta,
    }


def target_names(header: RunHeader) -> list[str]:
    """All targets of the run as they were given, the first being the one that the verdict is about."""
    return header.targets or [header.target]


def target_name(header: RunHeader, number: int) -> str:
    """One of them; a journal may speak of more than its header names."""
    names = target_names(header)
    return names[number] if number < len(names) else f"target {number + 1}"


def target_rows(
    header: RunHeader, records: TargetRecords, grounds: RunGrounds, cards: Sequence[BotCard]
) -> list[dict[str, object]]:
    """run.yaml's `targets`; what the targets say of themselves beyond samples is added by the recorder."""
    thresholds = msgspec.convert(header.thresholds, Thresholds)
    rows = []
    for number, name in enumerate(target_names(header)):
        verdict = records.judge(number, thresholds, has_target=name != "none")
        why = grounds.of(number, verdict, cards)
        row = records.row(number, name, thresholds)
        rows.append({**row, "verdict_reasons": why.reasons, "grounds": why.fields})
    return rows


def disagreement_row(header: RunHeader, found: Disagreement) -> dict[str, object]:
    """The fields of a target_disagreement in events.jsonl."""
    return {"target": target_name(header, found.number), **found.row()}


def judge_run(header: RunHeader, records: TargetRecords) -> Verdict:
    """The verdict on this run's target by the header's thresholds."""
    thresholds = msgspec.convert(header.thresholds, Thresholds)
    return records.judge(0, thresholds, has_target=header.target != "none")
