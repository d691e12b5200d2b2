from __future__ import annotations

import json
import random
import shutil

import msgspec
import pytest

import engine.recording.verify as verify_module
from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.journal.records import RECORD_BYTES, segment_name
from engine.recording.recompute import replay_inputs, take_checkpoint
from engine.recording.recorder import Recorder
from engine.recording.run_directory import RunDirectory
from engine.recording.verify import verify_run
from tests.recording.fake_session import FakeHost, FakeSession, build_fake


def verify(run_dir, **options):
    return verify_run(run_dir, build=build_fake, **options)


@pytest.fixture
def run(tmp_path, finished) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / finished[1].run_id)


def edit_line(path, number, **fields):
    lines = path.read_text().splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **fields})
    path.write_text("\n".join(lines) + "\n")


def test_a_finished_run_verifies(run, finished):
    host, _, verdict = finished
    seen = []
    result = verify(run.path, progress=lambda now, end: seen.append((now, end)))
    assert result.first_difference is None
    assert (result.ok, result.complete) == (True, True)
    assert result.inputs == len(host.inputs)
    assert (result.checkpoints_compared, result.ticks_compared, result.storm_rows_compared) == (9, 8, 4)
    assert result.events == host.session.event_count
    assert seen[-1] == (10_800_000_000, 10_800_000_000)
    assert verdict.verdict == "TARGET_DAMAGED"


@pytest.mark.parametrize("slice_ms", [1, 7, 333, 5_000])
def test_the_slicing_of_time_is_not_in_the_record(tmp_path, header, slice_ms):
    host = FakeHost()
    recorder = host.record(tmp_path, header)
    host.storm(StormKind.CRASH, duration_s=5)
    host.run(7 * NS_PER_S, slice_ns=slice_ms * 1_000_000)
    host.stop()
    assert verify(tmp_path / recorder.run_id).first_difference is None


def test_replayed_inputs_give_the_live_state(host):
    host.storm(StormKind.CRASH)
    host.run(NS_PER_S)
    replayed = FakeSession(7)
    assert replay_inputs(replayed, host.inputs, host.session.now_ns) == len(host.inputs)
    assert take_checkpoint(replayed) == take_checkpoint(host.session)


def test_a_replay_stops_before_inputs_that_come_later(host):
    replayed = FakeSession(7)
    assert replay_inputs(replayed, host.inputs, NS_PER_S + 1) == 1
    assert replayed.now_ns == NS_PER_S + 1


def test_a_flipped_byte_in_the_journal_fails_with_its_position(run):
    segment = run.journal_path / segment_name(0)
    data = segment.read_bytes()
    for offset in random.Random(5).sample(range(len(data)), 150):
        flipped = bytearray(data)
        flipped[offset] ^= 1 << offset % 8
        segment.write_bytes(flipped)
        result = verify(run.path)
        assert not result.ok
        assert f"{segment}: damaged at byte " in result.first_difference
        position = int(result.first_difference.split("at byte ")[1].split(":")[0])
        assert position <= offset


def test_a_finished_run_without_its_tail_fails_at_every_length(run):
    segment = run.journal_path / segment_name(0)
    data = segment.read_bytes()
    for size in [0, 1, 7, *range(len(data) - 2 * RECORD_BYTES, len(data))]:
        segment.write_bytes(data[:size])
        result = verify(run.path)
        assert not result.ok
        assert "journal" in result.first_difference


def test_another_journal_of_right_records_is_noticed(tmp_path, header, run):
    """Right CRCs, an END record, other inputs: run.yaml has the digest of the bytes."""
    other = FakeHost()
    recorder = other.record(tmp_path / "other", header)
    other.run(NS_PER_S)
    other.stop()
    shutil.rmtree(run.journal_path)
    shutil.copytree(tmp_path / "other" / recorder.run_id / "journal", run.journal_path)
    assert not verify(run.path).ok


def test_another_course_of_events_is_found_at_its_first_checkpoint(run):
    result = verify_run(run.path, build=lambda header, source: FakeSession(header.seed + 1))
    assert not result.ok
    assert result.first_difference.startswith("checkpoint at 3 s (journal record ")
    assert "event_digest recorded" in result.first_difference
    assert "recomputed" in result.first_difference


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mid", 1.5),
        ("seq", 1),
        ("storm_active", None),
        ("storm_kind", "X"),
        ("book_digest", "0" * 16),
        ("vpin", 0),
    ],
)
def test_a_changed_tick_is_found(run, field, value):
    edit_line(run.ticks_path, 4, **{field: value})
    result = verify(run.path)
    assert result.first_difference.startswith(f"ticks.jsonl at 7 s: {field} recorded {value!r}")
    assert result.ticks_compared == 4


def test_measured_latencies_are_not_compared(run):
    edit_line(run.ticks_path, 4, lat_p50_ns=1, lat_p99_ns=None)
    assert verify(run.path).ok


@pytest.mark.parametrize("keep", [slice(0, -1), slice(0, 0)])
def test_a_missing_tick_is_found(run, keep):
    run.ticks_path.write_text("".join(run.ticks_path.read_text().splitlines(keepends=True)[keep]))
    assert "is missing" in verify(run.path).first_difference


def test_a_tick_too_many_is_found(run):
    text = run.ticks_path.read_text()
    run.ticks_path.write_text(text + text.splitlines(keepends=True)[-1])
    assert "without a checkpoint" in verify(run.path).first_difference


@pytest.mark.parametrize("tail", ["{", '{"ts_ns": 1}', "nonsense\n", "[1]\n"])
def test_a_torn_line_in_a_finished_run_is_found(run, tail):
    with run.ticks_path.open("a") as file:
        file.write(tail)
    assert "ticks.jsonl: line 9" in verify(run.path).first_difference


def test_a_changed_storm_row_is_found(run):
    edit_line(run.events_path, 1, severity=0.81)
    expected = "events.jsonl: storm_start at 3.300000001 s: severity recorded 0.81, recomputed 0.8"
    assert verify(run.path).first_difference == expected


def test_a_storm_row_that_is_gone_or_invented_is_found(run):
    lines = run.events_path.read_text().splitlines(keepends=True)
    stops = [line for line in lines if "storm_stop" in line]
    run.events_path.write_text("".join(line for line in lines if line != stops[-1]))
    assert "recomputed, but not recorded" in verify(run.path).first_difference
    run.events_path.write_text("".join([*lines, stops[-1]]))
    assert "recorded, not recomputed" in verify(run.path).first_difference


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("verdict", "TARGET_INTACT"),
        ("verdict_reason", "because"),
        ("bot_unreachable", True),
        ("event_digest", "0" * 16),
        ("book_digest", None),
        ("events", 1),
        ("tick_samples", 7),
        ("seed", 8),
        ("record_from_ns", 0),
        ("record_to_ns", 0),
        ("source_hash", "0" * 16),
        ("journal", {"bytes": 1, "xxh3": "0" * 16}),
        ("storms_fired", []),
        ("storms_fired", [1, 2]),
        ("target", {"start_equity": 1000.0, "end_equity": 980.0, "delta": 20.0}),
        ("target", None),
    ],
)
def test_a_changed_summary_is_found(run, field, value):
    run.write_summary({**run.read_summary(), field: value})
    result = verify(run.path)
    assert not result.ok
    assert result.first_difference.startswith("run.yaml")
    assert field in result.first_difference


def test_a_summary_that_cannot_be_read_is_a_difference(run):
    run.summary_path.write_text("{")
    assert "run.yaml: cannot be read" in verify(run.path).first_difference


def test_another_engine_is_named_and_not_recomputed(run, monkeypatch):
    monkeypatch.setattr(verify_module, "engine_source_hash", lambda: "f" * 16)
    result = verify(run.path)
    assert not result.ok
    assert result.first_difference.startswith("recorded by engine 0.1.0 (")
    assert "f" * 16 in result.first_difference
    assert result.checkpoints_compared == 0
    anyway = verify(run.path, anyway=True)
    assert anyway.ok
    assert "recorded by engine" in anyway.notes[0]


def test_a_run_of_another_engine_may_lack_fields_but_not_have_others(run, monkeypatch):
    summary = run.read_summary()
    for row in (summary, summary["targets"][0]):
        del row["verdict_reasons"]
    del summary["targets"][0]["grounds"], summary["storms_fired"][0]["market_recovered"]
    run.write_summary(summary)
    lines = [json.loads(line) for line in run.ticks_path.read_text().splitlines()]
    for line in lines:
        del line["target_equity"]
    run.ticks_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "target_equity recorded 'nothing'" in verify(run.path).first_difference
    monkeypatch.setattr(verify_module, "engine_source_hash", lambda: "f" * 16)
    assert verify(run.path, anyway=True).ok
    edit_line(run.ticks_path, 4, target_equity=1.0)
    assert "target_equity recorded 1.0" in verify(run.path, anyway=True).first_difference


def test_a_run_cut_off_verifies_up_to_its_last_checkpoint(tmp_path, host, header):
    recorder = host.record(tmp_path, header)
    host.storm(StormKind.CRASH)
    host.run(3 * NS_PER_S)
    host.storm(StormKind.CANCEL)
    result = verify(tmp_path / recorder.run_id)
    assert (result.ok, result.complete, result.first_difference) == (True, False, None)
    assert (result.checkpoints_compared, result.until_ns) == (3, 5 * NS_PER_S)
    assert result.notes == ["the run was not finished; compared up to its last checkpoint on disk"]


def test_a_cut_off_run_may_end_within_a_record_and_within_lines(tmp_path, host, header):
    recorder = host.record(tmp_path, header)
    host.storm(StormKind.CRASH)
    host.run(3 * NS_PER_S)
    run = RunDirectory(tmp_path / recorder.run_id)
    for path in (run.journal_path / segment_name(0), run.ticks_path, run.events_path):
        path.write_bytes(path.read_bytes()[:-3])
    result = verify(run.path)
    assert (result.ok, result.complete, result.checkpoints_compared) == (True, False, 2)
    assert f"{RECORD_BYTES - 3} bytes cut off at" in result.notes[0]


def test_a_run_cut_off_before_its_first_checkpoint_has_nothing_to_compare(tmp_path, host, header):
    recorder = host.record(tmp_path, header)
    result = verify(tmp_path / recorder.run_id)
    assert (result.ok, result.complete, result.checkpoints_compared) == (True, False, 0)
    assert "nothing" in result.notes[0]


def test_a_run_cut_off_between_journal_and_summary_is_not_complete(run):
    summary = run.read_summary()
    run.write_summary({"run_id": summary["run_id"], "state": "recording"})
    result = verify(run.path)
    assert (result.ok, result.complete, result.checkpoints_compared) == (True, False, 9)
    run.summary_path.unlink()
    result = verify(run.path)
    assert (result.ok, result.complete) == (True, False)
    assert "run.yaml is missing" in result.notes[0]


def test_a_directory_with_nothing_in_it_does_not_verify(tmp_path):
    result = verify(tmp_path)
    assert not result.ok
    assert "run.yaml: missing" in result.first_difference


def test_an_input_that_is_refused_now_is_a_difference(run, monkeypatch):
    monkeypatch.setattr(FakeSession, "accept", refuse)
    assert "recorded as accepted, recomputed as refused: no" in verify(run.path).first_difference


def refuse(session, command):
    raise ValueError("no")


def test_a_header_that_contradicts_its_inputs_is_refused(tmp_path, host, header):
    early = msgspec.structs.replace(header, record_from_ns=5)
    recorder = Recorder.start(tmp_path, early, host.inputs)
    recorder.finish(take_checkpoint(host.session))
    assert "start of recording at 5 ns" in verify(tmp_path / recorder.run_id).first_difference
