from __future__ import annotations

import errno
import json
import os

import pytest
import yaml

import engine.journal.writer as writer_module
import engine.recording.rows as rows_module
from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.journal import read_journal
from engine.recording.recompute import take_checkpoint
from engine.recording.run_directory import RESERVE_BYTES, RunDirectory, list_runs
from engine.recording.targets import TargetSummary


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_has_the_files_and_fields_of_the_contract(tmp_path, finished):
    _, recorder, _ = finished
    run = RunDirectory(tmp_path / "runs" / recorder.run_id)
    summary = run.read_summary()
    wanted = {
        "run_id", "started_at", "ended_at", "duration_s", "tick_samples", "storms_fired", "target", "verdict",
        "state", "engine_version", "source_hash", "scenario", "seed", "source", "source_sha256",
        "event_digest", "book_digest", "events", "journal", "verdict_reason", "bot_unreachable",
    }  # fmt: skip
    assert wanted <= summary.keys()
    assert summary["state"] == "complete"
    assert summary["duration_s"] == 8.5
    assert summary["tick_samples"] == 8
    assert summary["target"].keys() >= {
        "bot", "currency", "start_equity", "end_equity", "delta", "total_trades", "wins", "losses", "win_rate"
    }  # fmt: skip
    fields = {"ts_ns", "seq", "mid", "spread_bps", "vpin", "imbalance", "bid_depth", "ask_depth", "regime"}
    fields |= {"events_per_sec", "lat_p50_ns", "lat_p99_ns", "storm_active", "storm_kind"}
    ticks = read_lines(run.ticks_path)
    assert all(fields <= tick.keys() for tick in ticks)
    assert [tick["ts_ns"] for tick in ticks] == [second * NS_PER_S for second in range(3, 11)]
    assert recorder.bytes_written == sum(
        path.stat().st_size for path in (run.ticks_path, run.events_path, *run.journal_path.iterdir())
    )


def test_each_storm_has_a_start_and_a_stop_also_when_it_expires(tmp_path, host, header):
    recorder = host.record(tmp_path, header, targets=[TargetSummary(bot="demo", currency="USD")])
    host.storm(StormKind.CRASH, severity=0.8, duration_s=5)
    host.run(2 * NS_PER_S)
    host.sample(993.5)
    host.run(4 * NS_PER_S)
    host.stop()
    events = read_lines(RunDirectory(tmp_path / recorder.run_id).events_path)
    assert [event["type"] for event in events] == ["run_start", "storm_start", "storm_stop", "run_stop"]
    begun, start, stop, ended = events
    assert begun["run"] == recorder.run_id
    assert (begun["target_start_equity"], begun["target_currency"]) == (1_000.0, "USD")
    assert (start["kind"], start["severity"], start["duration_ms"], start["seed"]) == (
        "FlashCrash",
        0.8,
        5000,
        3,
    )
    assert start["target_equity_at_start"] == 1_000.0
    assert (stop["cause"], stop["target_equity_at_end"], stop["target_delta_usd"]) == ("expired", 993.5, -6.5)
    assert (ended["target_end_equity"], ended["target_delta"]) == (993.5, -6.5)
    assert all(isinstance(event["ts_ms"], int) for event in events)
    summary = yaml.safe_load((tmp_path / recorder.run_id / "run.yaml").read_text())
    assert summary["storms_fired"][0]["target_pnl_delta_usd"] == -6.5
    assert summary["storms_fired"][0].keys() >= {"kind", "started_at_ms", "severity", "duration_ms"}
    assert summary["target"]["bot"] == "demo"


def test_a_storm_that_outlives_the_run_is_settled_at_its_end(tmp_path, host, header):
    recorder = host.record(tmp_path, header, targets=[TargetSummary(currency="EUR")])
    host.storm(StormKind.CRASH, duration_s=60)
    host.run(NS_PER_S)
    host.sample(900.0)
    assert host.stop().delta == -100.0
    summary = RunDirectory(tmp_path / recorder.run_id).read_summary()
    assert summary["storms_fired"][0]["target_pnl_delta_eur"] == -100.0


def test_the_prologue_is_in_the_journal(tmp_path, host, header):
    before = list(host.inputs)
    recorder = host.record(tmp_path, header)
    host.run(NS_PER_S)
    host.stop()
    contents = read_journal(tmp_path / recorder.run_id / "journal")
    assert contents.commands == before
    assert contents.header.prologue_inputs == len(before)
    assert contents.header.record_from_ns == 2_300_000_000
    assert contents.header.run_id == recorder.run_id
    assert [checkpoint.time_ns for _, checkpoint in contents.checkpoints] == [3 * NS_PER_S, 3_300_000_000]


def test_an_unreachable_bot_is_noted_once_and_leaves_the_verdict_open(tmp_path, host, header):
    recorder = host.record(tmp_path, header)
    host.run(NS_PER_S)
    host.sample(None)
    host.run(NS_PER_S)
    host.sample(None)
    verdict = host.stop()
    assert (verdict.verdict, verdict.bot_unreachable) == ("UNKNOWN", True)
    run = RunDirectory(tmp_path / recorder.run_id)
    assert [event["type"] for event in read_lines(run.events_path)].count("bot_unreachable") == 1
    summary = run.read_summary()
    assert summary["bot_unreachable"] is True
    assert summary["target"]["end_equity"] is None


def test_a_run_being_recorded_says_so(tmp_path, host, header):
    recorder = host.record(tmp_path, header)
    host.run(NS_PER_S)
    assert [entry.state for entry in list_runs(tmp_path)] == ["recording"]
    host.stop()
    assert [entry.state for entry in list_runs(tmp_path)] == ["complete"]
    assert not recorder.active


def test_nothing_is_written_after_the_end(tmp_path, finished):
    host, recorder, verdict = finished
    size = recorder.bytes_written
    host.sample(1.0)
    host.run(3 * NS_PER_S)
    host.storm(StormKind.CANCEL)
    host.run(NS_PER_S)
    assert recorder.finish(take_checkpoint(host.session)) == verdict
    assert recorder.error is None
    assert recorder.bytes_written == size


def full_disk(descriptor, data):
    os.write(descriptor, bytes(data)[:10])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("module", [writer_module, rows_module])
def test_a_full_disk_stops_the_recording_and_nothing_else(tmp_path, host, header, monkeypatch, module):
    heard = []
    recorder = host.record(tmp_path, header, on_failure=heard.append)
    host.run(2 * NS_PER_S)
    monkeypatch.setattr(module, "write_all", full_disk)
    host.storm(StormKind.CRASH)
    host.run(2 * NS_PER_S)
    host.sample(1.0)
    assert not recorder.active
    assert "No space left" in recorder.error
    first_error = recorder.error
    verdict = host.stop()
    assert verdict.verdict == "TARGET_KILLED", "judged from what was heard, though not recorded"
    assert recorder.error == first_error
    assert heard == [first_error], "told once"
    entry = list_runs(tmp_path)[0]
    assert (entry.state, entry.problem) == ("failed", first_error)
    contents = read_journal(entry.path / "journal")
    assert len(contents.checkpoints) >= 2
    assert not contents.complete


def test_a_disk_that_was_full_from_the_start_gives_a_recorder_in_error(tmp_path, host, header, monkeypatch):
    monkeypatch.setattr(writer_module, "write_all", full_disk)
    heard = []
    recorder = host.record(tmp_path, header, on_failure=heard.append)
    assert "No space left" in recorder.error
    assert heard == [recorder.error]
    assert list(tmp_path.iterdir()) == [], "what could not begin leaves nothing behind"
    host.run(NS_PER_S)
    host.sample(990.0)
    assert host.stop().delta == -10.0


def test_room_for_the_last_word_is_kept_while_recording_and_given_back(tmp_path, host, header):
    recorder = host.record(tmp_path, header, fsync="os")
    run = RunDirectory(tmp_path / recorder.run_id)
    assert run.reserve_path.stat().st_size == RESERVE_BYTES
    host.run(NS_PER_S)
    host.stop()
    assert sorted(path.name for path in run.path.iterdir()) == [
        "events.jsonl", "journal", "report.md", "report.svg", "run.yaml", "ticks.jsonl"
    ]  # fmt: skip
    assert run.read_summary()["fsync"] == "os"


def test_runs_that_cannot_be_created_give_a_recorder_in_error(tmp_path, host, header):
    (tmp_path / "runs").write_text("a file where the directory should be")
    recorder = host.record(tmp_path / "runs", header)
    assert recorder.error is not None
    assert "runs" in recorder.error
    assert not recorder.active
    host.run(NS_PER_S)
    host.stop()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_ticks_onto_a_device_without_room(tmp_path, host, header, monkeypatch):
    monkeypatch.setattr(
        rows_module,
        "create_exclusively",
        lambda path: os.open("/dev/full" if path.name == "ticks.jsonl" else path, os.O_WRONLY | os.O_CREAT),
    )
    recorder = host.record(tmp_path, header)
    host.run(2 * NS_PER_S)
    assert "No space left" in recorder.error
    assert len(read_journal(tmp_path / recorder.run_id / "journal").checkpoints) == 1
