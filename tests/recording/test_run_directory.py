from __future__ import annotations

import os

import pytest

from desk.reports import runs_table, runs_text
from engine.core.errors import DataError, RunNotFound, UsageError
from engine.recording.run_directory import (
    RunDirectory,
    create_run_directory,
    list_runs,
    resolve_run,
    resolve_run_id,
    runs_root,
)
from tests.journal.journal_data import sample_commands, write_journal

WALL_NS = 1_767_323_045_678_000_000
RUN_ID = "2026-01-02T03-04-05Z"


def make_run(root, name, **summary):
    run = RunDirectory(root / name)
    run.path.mkdir(parents=True)
    run.write_summary({"run_id": name, "state": "complete", **summary})
    return run


def test_runs_of_one_second_get_numbers(tmp_path):
    ids = [create_run_directory(tmp_path / "runs", WALL_NS).run_id for _ in range(3)]
    assert ids == [RUN_ID, f"{RUN_ID}-2", f"{RUN_ID}-3"]


def test_the_root_is_the_option_then_the_variable_then_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("STORMDESK_RUNS", raising=False)
    assert str(runs_root()) == "runs"
    monkeypatch.setenv("STORMDESK_RUNS", str(tmp_path))
    assert runs_root() == tmp_path
    assert runs_root(tmp_path / "other") == tmp_path / "other"


def test_a_run_is_found_by_id_and_by_path(tmp_path, monkeypatch):
    run = make_run(tmp_path / "runs", RUN_ID)
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "runs"
    assert resolve_run(RUN_ID, root).path == run.path
    assert resolve_run(str(run.path), root).path == run.path
    assert resolve_run(f"runs/{RUN_ID}", tmp_path / "elsewhere").path == run.path
    assert resolve_run_id(RUN_ID, root).path == run.path


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "2026", "../runs", "/", "/etc", "a\0b", "a/b", "~", "*", "x" * 5000, "\udcff"],
)
def test_what_is_no_run_is_not_found(tmp_path, monkeypatch, text):
    make_run(tmp_path / "runs", RUN_ID)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunNotFound):
        resolve_run(text, tmp_path / "runs")


@pytest.mark.parametrize(
    "text", ["", ".", "..", "../runs", "/etc", "a/b", "a\\b", "a\0b", "a\n", "%2e%2e", "x" * 129, "é", "..\n"]
)
def test_an_id_is_never_a_path(tmp_path, text):
    with pytest.raises(UsageError, match="not a run id"):
        resolve_run_id(text, tmp_path)


def test_an_id_does_not_lead_out_of_the_root(tmp_path):
    make_run(tmp_path, "secret")
    (tmp_path / "runs").mkdir()
    for text in ("../secret", "..", "./../secret"):
        with pytest.raises(UsageError):
            resolve_run_id(text, tmp_path / "runs")


def test_runs_are_listed_newest_first_and_broken_ones_as_such(tmp_path):
    for name in (RUN_ID, f"{RUN_ID}-2", f"{RUN_ID}-10", "2025-12-31T23-59-59Z", "sample"):
        make_run(tmp_path, name)
    (tmp_path / "2026-06-01T00-00-00Z").mkdir()
    for name, content in {
        "2026-06-02T00-00-00Z": b"{",
        "2026-06-03T00-00-00Z": b"\xff\xfe\x00",
        "2026-06-04T00-00-00Z": b"- 1\n",
        "2026-06-05T00-00-00Z": b"state: winning\n",
        "2026-06-06T00-00-00Z": b"[" * 5_000,
        "2026-06-07T00-00-00Z": b"",
        "2026-06-08T00-00-00Z": b"x: !!python/object:os.system {}\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.yaml").write_bytes(content)
    (tmp_path / "2026-06-09T00-00-00Z" / "run.yaml").mkdir(parents=True)
    (tmp_path / "README.md").write_text("not a run")
    (tmp_path / ".hidden").mkdir()
    entries = list_runs(tmp_path)
    broken = [entry for entry in entries if entry.state == "broken"]
    assert [entry.run_id for entry in broken] == [f"2026-06-0{day}T00-00-00Z" for day in range(9, 0, -1)]
    assert all(entry.problem for entry in broken)
    assert [entry.run_id for entry in entries[9:]] == [
        f"{RUN_ID}-10", f"{RUN_ID}-2", RUN_ID, "2025-12-31T23-59-59Z", "sample"
    ]  # fmt: skip


def test_a_run_whose_process_is_gone_was_interrupted(tmp_path):
    run = make_run(tmp_path, RUN_ID, state="recording")
    run.journal_path.mkdir()
    assert [entry.state for entry in list_runs(tmp_path)] == ["interrupted"]


def test_a_run_cut_off_within_a_record_says_how_much_is_left_out(tmp_path):
    run = make_run(tmp_path, RUN_ID, state="recording")
    write_journal(run.journal_path, list(sample_commands(5)), finished=False)
    assert list_runs(tmp_path)[0].problem is None
    segment = next(run.journal_path.iterdir())
    whole = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(bytes(33))
    (entry,) = list_runs(tmp_path)
    assert (entry.state, entry.problem) == (
        "interrupted",
        f"{segment}: torn tail, 33 bytes cut off at byte {whole}",
    )
    text = runs_text(runs_table(tmp_path))
    assert "interrupted" in text
    assert entry.problem in text
    with segment.open("ab") as file:
        file.write(b"nonsense")
    assert list_runs(tmp_path)[0].problem.startswith(f"{segment}: damaged at byte {whole}: ")
    segment.unlink()
    assert "first segment is missing" in list_runs(tmp_path)[0].problem


def test_no_directory_has_no_runs(tmp_path):
    assert list_runs(tmp_path / "nothing") == []
    (tmp_path / "file").write_text("")
    assert list_runs(tmp_path / "file") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_run_that_may_not_be_read_is_broken(tmp_path):
    run = make_run(tmp_path, RUN_ID)
    run.summary_path.chmod(0)
    assert list_runs(tmp_path)[0].state == "broken"


def test_a_summary_survives_odd_text(tmp_path):
    run = make_run(
        tmp_path, RUN_ID, bot="a: b\n# \u2028 'x' \U0001f4a9", digest="0123456789012345", zero="1e5"
    )
    summary = run.read_summary()
    assert summary["bot"] == "a: b\n# \u2028 'x' \U0001f4a9"
    assert (summary["digest"], summary["zero"]) == ("0123456789012345", "1e5")


def test_a_huge_summary_is_refused(tmp_path):
    run = make_run(tmp_path, RUN_ID)
    with run.summary_path.open("ab") as file:
        file.truncate(2 * 1024 * 1024)
    with pytest.raises(DataError, match="larger"):
        run.read_summary()
