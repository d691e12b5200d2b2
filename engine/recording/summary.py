"""The fields of run.yaml that are functions of the journal: written by the recorder, checked by verify."""

from __future__ import annotations

import msgspec

from engine.core.clock import NS_PER_S
from engine.journal.records import Checkpoint, RunHeader
from engine.journal.writer import JournalExtent
from engine.recording.rows import hex_digest
from engine.recording.verdict import EquityRecord, Verdict, money
from engine.scenarios.loader import Thresholds

__all__ = ["STORMS_LISTED_LIMIT", "identity_fields", "judge_run", "result_fields", "target_fields"]

STORMS_LISTED_LIMIT = 1_000
"""Storms named in run.yaml; further ones are in events.jsonl only (counted in `storms`)."""


def identity_fields(header: RunHeader) -> dict[str, object]:
    """What is known when recording begins."""
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
    }


def result_fields(
    header: RunHeader, final: Checkpoint, extent: JournalExtent, verdict: Verdict
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
        "bot_unreachable": verdict.bot_unreachable,
    }


def target_fields(verdict: Verdict) -> dict[str, object]:
    """The part of run.yaml's `target` that the verdict stands on, in units of its currency."""
    return {
        "start_equity": money(verdict.start_millionths),
        "end_equity": money(verdict.end_millionths),
        "delta": verdict.delta,
    }


def judge_run(header: RunHeader, equity: EquityRecord) -> Verdict:
    """The verdict on this run's target by the header's thresholds."""
    thresholds = msgspec.convert(header.thresholds, Thresholds)
    return equity.judge(thresholds, has_target=header.target != "none")
