"""The run that ships is whole, and true to this engine as long as this engine recorded it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.identity import engine_source_hash
from engine.host import ReplayHost
from engine.journal.reader import read_journal
from engine.rebuild import rebuild_session
from engine.recording.run_directory import RunDirectory
from engine.recording.verify import verify_run

SAMPLE = Path(__file__).parents[2] / "runs" / "sample"


def test_its_journal_is_whole_and_its_summary_complete() -> None:
    contents = read_journal(RunDirectory(SAMPLE).journal_path)
    assert contents.complete
    assert contents.torn is None
    summary = RunDirectory(SAMPLE).read_summary()
    assert summary["state"] == "complete"
    assert [storm["kind"] for storm in summary["storms_fired"]] == ["PhantomLiquidity", "FlashCrash"]
    assert summary["verdict"] in ("TARGET_DAMAGED", "TARGET_KILLED")


def test_this_engine_recomputes_it_or_says_that_another_recorded_it() -> None:
    result = verify_run(SAMPLE, build=rebuild_session)
    header = read_journal(RunDirectory(SAMPLE).journal_path).header
    if header.source_hash == engine_source_hash():
        assert result.ok, result.first_difference
        assert result.complete
    else:
        assert not result.ok
        assert result.first_difference is not None
        assert header.source_hash in result.first_difference


def test_it_replays_to_its_end() -> None:
    header = read_journal(RunDirectory(SAMPLE).journal_path).header
    if header.source_hash != engine_source_hash():
        pytest.skip("recorded by another engine: .ci/sample records it anew")
    host = ReplayHost(SAMPLE)
    frame = host.advance_to(40_000_000_000)
    assert frame.host.state == "ended"
    assert frame.market.time_ns == 40_000_000_000
    assert not any("differs" in alert.text for alert in frame.market.alerts)
