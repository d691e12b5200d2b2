"""The page and the picture of a run: made of its files alone, the same bytes each time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import engine.recording.report as report_module
from engine.core.clock import NS_PER_S
from engine.core.errors import DataError
from engine.core.types import StormKind
from engine.recording.report import report_text, write_report
from engine.recording.report_picture import draw_picture
from engine.recording.run_directory import RunDirectory
from engine.recording.run_facts import COLUMNS, MARKS_KEPT, read_run_facts
from engine.recording.verify import verify_run
from tests.recording.fake_session import FakeHost, build_fake

SVG = "{http://www.w3.org/2000/svg}"
SAMPLE = Path(__file__).parents[2] / "runs" / "sample"


@pytest.fixture
def run(tmp_path, finished) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / finished[1].run_id)


def shapes(picture: bytes, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(picture).iter(f"{SVG}{tag}"))


def texts(picture: bytes) -> str:
    return " | ".join("".join(one.itertext()) for one in shapes(picture, "text"))


def test_a_run_that_ends_has_its_report_and_writing_it_again_changes_no_byte(run, finished):
    files = (run.report_path, run.picture_path)
    before = [path.read_bytes() for path in files]
    assert finished[1].report_path == str(run.report_path)
    assert finished[1].report_error is None
    for path in files:
        path.unlink()
    write_report(run)
    assert [path.read_bytes() for path in files] == before


def test_the_page_says_what_ran_why_and_how_to_see_it_again(run):
    page, summary = run.report_path.read_text(), run.read_summary()
    assert page.startswith(f"# TARGET_DAMAGED: run {run.run_id}\n")
    assert f"- {summary['verdict_reason']}" in page
    for part in ("seed 7", summary["event_digest"], summary["book_digest"], summary["source_hash"]):
        assert part in page
    assert "| FlashCrash | 3.3 s | 0.8 | 5.0 s |" in page
    assert "| PhantomLiquidity | 5.3 s | 0.5 | 4.0 s (stopped) |" in page
    assert "![Price, depth and the target's equity over the run](report.svg)" in page
    assert f"stormdesk replay {run.run_id}" in page
    assert f"stormdesk verify {run.run_id}" in page


def test_the_picture_shades_the_storms_and_names_them(run):
    picture = run.picture_path.read_bytes()
    words = texts(picture)
    assert "FlashCrash 0.8" in words
    assert "PhantomLiquidity 0.5" in words
    assert "target's equity" in words
    assert "not known" in words, "this market has no depth"
    bands = [one for one in shapes(picture, "rect") if one.get("fill-opacity")]
    assert len(bands) == 2


def test_neither_is_part_of_what_is_verified(run):
    run.report_path.write_text("something else")
    run.picture_path.unlink()
    assert verify_run(run.path, build=build_fake).ok


def test_a_report_that_cannot_be_written_leaves_a_whole_run(tmp_path, host, header, monkeypatch):
    def refuse(_run: RunDirectory) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report_module, "write_report", refuse)
    recorder = host.record(tmp_path, header)
    host.run(NS_PER_S)
    host.stop()
    assert (recorder.error, recorder.report_path) == (None, None)
    assert "No space left" in recorder.report_error
    run = RunDirectory(tmp_path / recorder.run_id)
    assert run.read_summary()["state"] == "complete"
    assert verify_run(run.path, build=build_fake).complete
    assert not run.report_path.exists()


def test_a_run_without_its_end_has_a_report_that_says_so(tmp_path, host, header):
    recorder = host.record(tmp_path, header)
    host.storm(StormKind.CRASH)
    host.run(3 * NS_PER_S)
    run = RunDirectory(tmp_path / recorder.run_id)
    run.ticks_path.write_bytes(run.ticks_path.read_bytes()[:-3])
    write_report(run)
    page = run.report_path.read_text()
    assert "This recording has no end: it was not finished." in page
    assert "(still on)" in page
    assert shapes(run.picture_path.read_bytes(), "polyline")


def test_a_run_that_cannot_be_read_is_an_error_and_leaves_nothing(run):
    (run.path / "events.jsonl").write_text("nonsense\n")
    run.report_path.unlink()
    with pytest.raises(DataError, match=r"events\.jsonl: line 1 is not JSON"):
        write_report(run)
    assert not run.report_path.exists()


def test_it_may_go_elsewhere_and_finds_its_picture_there(run, tmp_path):
    page, picture = tmp_path / "a" / "page.md", tmp_path / "b" / "drawn.svg"
    for path in (page, picture):
        path.parent.mkdir()
    write_report(run, text=page, picture=picture)
    assert "](../b/drawn.svg)" in page.read_text()
    assert picture.read_bytes() == run.picture_path.read_bytes()


def test_alerts_are_lines_of_the_run_counted_by_kind(tmp_path, run):
    stamp = {"ts_ms": 0, "type": "alert", "severity": "warning"}
    rows = [{**stamp, "time_ns": n * NS_PER_S, "kind": "spoofing", "text": "spoofing"} for n in (4, 5)]
    rows.append({**stamp, "time_ns": 6 * NS_PER_S, "kind": "regime", "text": "", "severity": "critical"})
    with run.events_path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    facts = read_run_facts(run)
    assert "| spoofing | warning | 2 | 4.0 s | 5.0 s |" in report_text(facts)
    assert "| regime | critical | 1 | 6.0 s | 6.0 s |" in report_text(facts)
    assert len(shapes(draw_picture(facts), "polygon")) == 3 + 1, "three marks, and the drawdown"


def test_a_long_run_is_one_page_and_one_small_picture(tmp_path, host, header):
    """A day of ticks, hundreds of storms, thousands of alerts."""
    recorder = host.record(tmp_path, header)
    host.stop()
    run = RunDirectory(tmp_path / recorder.run_id)
    seconds = 20_000
    tick = {"spread_bps": 1.0, "bid_depth": 10, "ask_depth": 20}
    with run.ticks_path.open("w") as file:
        for second in range(seconds):
            row = {
                "ts_ns": second * NS_PER_S,
                "mid": 100 + second % 7,
                "target_equity": 1_000.0 - second % 90,
            }
            file.write(json.dumps(row | tick) + "\n")
    with run.events_path.open("w") as file:
        for number in range(900):
            at = {"time_ns": number * 20 * NS_PER_S, "kind": "FlashCrash"}
            file.write(json.dumps({**at, "type": "storm_start", "severity": 0.5}) + "\n")
            at["time_ns"] += 10 * NS_PER_S
            file.write(json.dumps({**at, "type": "storm_stop", "cause": "expired"}) + "\n")
        for number in range(MARKS_KEPT + 500):
            alert = {
                "type": "alert",
                "time_ns": number * NS_PER_S,
                "kind": f"k{number % 300}",
                "severity": "info",
            }
            file.write(json.dumps(alert) + "\n")
    run.write_summary({**run.read_summary(), "record_from_ns": 0, "record_to_ns": seconds * NS_PER_S})
    facts = write_report(run)
    assert (facts.ticks, facts.storm_count, facts.alert_count) == (seconds, 900, MARKS_KEPT + 500)
    assert len(facts.mid.low) == COLUMNS
    page = run.report_path.read_text()
    assert len(page.splitlines()) < 100
    assert "And 876 more storms." in page
    assert run.picture_path.stat().st_size < 512 * 1024


def test_the_run_that_ships_has_one_too(tmp_path):
    copied = tmp_path / "sample"
    shutil.copytree(SAMPLE, copied)
    write_report(RunDirectory(copied))
    assert "FlashCrash" in (copied / "report.md").read_text()
    assert "FlashCrash 0.9" in texts((copied / "report.svg").read_bytes())


def test_what_starts_a_desk_does_not_draw():
    code = "import sys, desk.cli, engine.host; print([m for m in sys.modules if 'report' in m or 'xml' in m])"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in outcome.stdout.split("'") if name.startswith("engine.recording.report")]
    assert "matplotlib" not in outcome.stdout


def test_texts_of_a_scenario_stay_texts(run):
    summary = {**run.read_summary(), "scenario": "<b>&|", "verdict_reason": "]]>"}
    run.write_summary(summary)
    write_report(run)
    assert "<b>&|" in texts(run.picture_path.read_bytes())
    assert "<b>&\\|" in run.report_path.read_text()


def test_the_fake_market_is_drawn_the_same_twice(tmp_path, header):
    pages = []
    for name in ("one", "two"):
        host = FakeHost()
        recorder = host.record(tmp_path / name, header)
        host.storm(StormKind.CRASH)
        host.run(7 * NS_PER_S)
        host.stop()
        run = RunDirectory(tmp_path / name / recorder.run_id)
        run.write_summary({**run.read_summary(), "run_id": "x", "started_at": "y"})
        write_report(run)
        pages.append((run.report_path.read_bytes(), run.picture_path.read_bytes()))
    assert pages[0] == pages[1]
