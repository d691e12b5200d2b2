"""The command line is a contract: words, exit codes, formats."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from desk import cli
from desk.conversion import interruptible, progress_bar
from engine.venue.ouch.logins import soup_password
from tests.book.streams import journal_stream
from tests.feeds.captures import depth, write
from tests.feeds.itch.days import itch_day

ROOT = Path(__file__).parents[2]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Stormdesk = Callable[..., Outcome]


@pytest.fixture
def stormdesk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Stormdesk:
    """Call the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["stormdesk", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        code = end.value.code
        out, err = capfd.readouterr()
        return Outcome(code if isinstance(code, int) else 0 if code is None else 1, out, err)

    return call


def run(stormdesk: Stormdesk, *words: str) -> dict[str, object]:
    outcome = stormdesk("run", "--headless", "--scenario", "minimal", "--format", "json", *words)
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert isinstance(result, dict)
    return result


def test_version_is_printed(stormdesk: Stormdesk) -> None:
    assert stormdesk("--version").out.startswith("stormdesk ")


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "replay",
        "verify",
        "report",
        "runs",
        "storm list",
        "storm show",
        "storm new",
        "storm check",
        "bot",
        "digest",
        "inspect",
        "convert",
        "doctor",
        "",
    ],
)
def test_every_command_has_help(command: str, stormdesk: Stormdesk) -> None:
    outcome = stormdesk(*command.split(), "--help")
    assert outcome.code == 0
    assert "Usage" in outcome.out


def test_a_headless_run_prints_ids_digests_and_verdict_and_verifies(stormdesk: Stormdesk) -> None:
    result = run(stormdesk, "--for", "6s", "--storm", "crash@1s:0.5x5s", "--target", "agent")
    assert {"run", "event_digest", "book_digest", "events", "events_per_s", "verdict"} <= result.keys()
    assert (Path("runs") / str(result["run"]) / "run.yaml").is_file()
    verified = stormdesk("verify", str(result["run"]))
    assert verified.code == 0, verified.out
    listed = stormdesk("runs", "--format", "json")
    assert json.loads(listed.out)[0]["run"] == result["run"]
    assert str(result["run"]) in stormdesk("runs").out


def test_a_run_has_its_report_and_the_command_writes_the_same_elsewhere(stormdesk: Stormdesk) -> None:
    result = run(stormdesk, "--for", "6s", "--storm", "crash@1s:0.5x5s", "--target", "agent")
    page = Path(str(result["report"]))
    assert page.read_text(encoding="utf-8").startswith(f"# {result['verdict']}: run {result['run']}")
    written = stormdesk(
        "report", str(result["run"]), "--out", "page.md", "--svg", "page.svg", "--format", "json"
    )
    assert json.loads(written.out)["verdict"] == result["verdict"]
    assert Path("page.svg").read_bytes() == page.with_name("report.svg").read_bytes()
    assert Path("page.md").read_text() == page.read_text().replace("(report.svg)", "(page.svg)")
    refused = stormdesk("report", str(result["run"]), "--out", "nowhere/page.md")
    assert refused.code == 2
    assert "nowhere" in refused.err


def test_verify_exits_with_1_and_names_the_place_after_a_flipped_byte(stormdesk: Stormdesk) -> None:
    result = run(stormdesk, "--for", "3s")
    segment = next((Path(str(result["path"])) / "journal").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    verified = stormdesk("verify", str(result["run"]), "--format", "json")
    assert verified.code == 1
    difference = json.loads(verified.out)["first_difference"]
    assert f"{segment}: damaged at byte " in difference
    replayed = stormdesk("replay", str(result["run"]))
    assert (replayed.code, replayed.err) == (1, f"stormdesk: {difference}\n")


def test_the_fsync_policy_is_a_choice_of_three(stormdesk: Stormdesk) -> None:
    result = run(stormdesk, "--for", "1s", "--fsync", "os")
    assert "fsync: os" in (Path(str(result["path"])) / "run.yaml").read_text()
    wrong = stormdesk("run", "--headless", "--for", "1s", "--fsync", "never")
    assert (wrong.code, "always" in wrong.err) == (2, True)
    assert "power cut" in " ".join(stormdesk("run", "--help").out.split())


def test_severity_0_gives_the_digest_of_a_run_without_a_storm(stormdesk: Stormdesk) -> None:
    plain = run(stormdesk, "--for", "8s", "--no-record")
    storm = run(stormdesk, "--for", "8s", "--no-record", "--storm", "crash@2s:0x5s")
    real = run(stormdesk, "--for", "8s", "--no-record", "--storm", "crash@2s:0.5x5s")
    assert storm["event_digest"] == plain["event_digest"] != real["event_digest"]


def test_two_processes_with_other_hash_seeds_give_the_same_digests(tmp_path: Path) -> None:
    options = [
        "--seed",
        "7",
        "--for",
        "5s",
        "--no-record",
        "--storm",
        "ignition@1s:0.7x5s",
        "--format",
        "json",
    ]
    digests = []
    for hash_seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-m", "desk", "run", "--headless", *options],
            cwd=tmp_path,
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
            timeout=60,
        )
        result = json.loads(done.stdout)
        digests.append((result["event_digest"], result["book_digest"], result["events"]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["run", "--headless"], "--for"),
        (["run", "--headless", "--for", "5"], "500ms"),
        (["run", "--headless", "--for", "5s", "--scenario", "nosuch"], "balanced"),
        (["run", "--headless", "--for", "5s", "--speed", "0.01"], "0.1"),
        (["run", "--headless", "--for", "5s", "--storm", "rain@1s:0.5x5s"], "crash"),
        (["run", "--headless", "--for", "5s", "--storm", "crash@1s:1.5x5s"], "severity"),
        (["run", "--headless", "--for", "5s", "--storm", "crash@1s:nanx5s"], "severity"),
        (["run", "--headless", "--for", "5s", "--storm", "crash@1s:0.5x500s"], "duration"),
        (["run", "--headless", "--for", "5s", "--source", "nosuch.gz"], "nosuch.gz"),
        (["run", "--headless", "--for", "5s", "--source", "sample", "--scenario", "minimal"], "--scenario"),
        (["run", "--headless", "--for", "5s", "--target", "ftp://x"], "http"),
        (["verify", "nosuch"], "stormdesk runs"),
        (["inspect", "nosuch"], "no such file"),
        (["convert", "nosuch", "a.itch"], "no such file"),
        (["convert", "nosuch", "a.txt"], "--to"),
        (["convert", "nosuch", "a.itch", "--for", "5"], "500ms"),
        (["convert", "mold://nowhere", "a.itch"], "mold://"),
        (["replay", "../../etc"], "stormdesk runs"),
        (["run", "--seed", "-1"], "seed"),
        (["nosuch"], "nosuch"),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_would_work(
    words: list[str], hint: str, stormdesk: Stormdesk
) -> None:
    outcome = stormdesk(*words)
    assert outcome.code == 2
    assert hint in outcome.err
    assert "Traceback" not in outcome.err


def test_a_damaged_events_file_exits_with_1(stormdesk: Stormdesk, tmp_path: Path) -> None:
    file = tmp_path / "cut.events.bin"
    file.write_bytes(bytes(41))
    outcome = stormdesk("digest", str(file))
    assert outcome.code == 1
    assert "40" in outcome.err


@pytest.mark.parametrize("book", ["hot", "reference"])
def test_digest_prints_what_the_book_holds(book: str, stormdesk: Stormdesk, tmp_path: Path) -> None:
    file = tmp_path / "journal.events.bin"
    file.write_bytes(journal_stream(5_000).tobytes())
    outcome = stormdesk("digest", str(file), "--book", book, "--format", "json")
    result = json.loads(outcome.out)
    assert (result["digest"], result["live_orders"]) == ("0x838bee05028a68e4", 5_000)


def test_the_sample_runs_without_anything_else_and_verifies(stormdesk: Stormdesk) -> None:
    outcome = stormdesk(
        "run", "--headless", "--source", "sample", "--for", "10s", "--storm", "crash@5s:0.8x5s",
        "--format", "json",
    )  # fmt: skip
    result = json.loads(outcome.out)
    assert result["gaps"] == 0
    assert result["divergence_count"] > 0
    assert stormdesk("verify", result["run"]).code == 0


def test_a_hole_in_the_source_is_told_with_the_result(stormdesk: Stormdesk, tmp_path: Path) -> None:
    lines = [depth(500, 510, bids=[("99", "1")]), depth(512, 513, at_ms=300), depth(514, 515, at_ms=700)]
    source = write(tmp_path / "holed.jsonl", lines)
    outcome = stormdesk("run", "--headless", "--source", str(source), "--format", "json")
    assert outcome.code == 1
    result = json.loads(outcome.out)
    assert result["gaps"] == 1
    (problem,) = result["problems"]
    assert "depth update at 0.300 s: sequence gap, expected 511, got 512" in problem
    assert f"stormdesk: {problem}" in outcome.err
    assert stormdesk("verify", result["run"]).code == 0, "what was recorded is what happened"


def test_a_run_that_cannot_be_recorded_is_told_with_the_result(stormdesk: Stormdesk, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file where the folder of runs should be")
    outcome = stormdesk(
        "run", "--headless", "--scenario", "minimal", "--for", "2s", "--out", "occupied", "--format", "json"
    )
    assert outcome.code == 1
    result = json.loads(outcome.out)
    assert result["session_s"] == 2.0
    assert "occupied" in result["problems"][0]
    assert "could not be recorded" in outcome.err


def test_the_catalogue_of_storms_and_faults_is_printed(stormdesk: Stormdesk) -> None:
    rows = json.loads(stormdesk("storm", "list", "--format", "json").out)
    assert {"crash", "stoprun", "decoy.churn", "fault.ghost"} <= {row["name"] for row in rows}
    text = stormdesk("storm", "list").out
    assert "3  fault.ghost        execution reports are never told" in text


def test_a_storm_is_shown_with_its_harm_and_budget(stormdesk: Stormdesk) -> None:
    text = stormdesk("storm", "show", "spoofing").out
    assert "Harm:" in text
    assert "Budget: 20,000 orders" in text
    assert (
        json.loads(stormdesk("storm", "show", "fault.ghost", "--format", "json").out)["group"] == "messages"
    )
    wrong = stormdesk("storm", "show", "rain")
    assert (wrong.code, "decoy.churn" in wrong.err) == (2, True)


def test_a_script_is_written_checked_run_and_verified(stormdesk: Stormdesk) -> None:
    assert stormdesk("storm", "new", "mine.toml").code == 0
    assert "is there already" in stormdesk("storm", "new", "mine.toml").err
    checked = json.loads(stormdesk("storm", "check", "mine.toml", "--format", "json").out)
    assert [row["kind"] for row in checked["storms"]] == ["fault.stale", "crash", "spoofing"]
    assert "0.2..0.8" in stormdesk("storm", "check", "mine.toml").out
    result = run(stormdesk, "--for", "22s", "--storm-script", "mine.toml")
    folder = Path("runs") / str(result["run"])
    Path("mine.toml").unlink()
    assert "crash while the feed is stale" in (folder / "run.yaml").read_text()
    rows = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    started = [row for row in rows if row["type"] == "storm_start"]
    assert [(row["kind"], row.get("course")) for row in started] == [
        ("StaleFeed", None),
        ("FlashCrash", "ramp"),
    ]
    assert stormdesk("verify", str(result["run"])).code == 0


def test_a_script_with_a_mistake_is_refused_with_its_place(stormdesk: Stormdesk) -> None:
    Path("bad.toml").write_text('[[storm]]\nkind = "crash"\nstart = "1s"\nseverity = 2\nduration = "5s"\n')
    refused = stormdesk("run", "--headless", "--for", "2s", "--storm-script", "bad.toml")
    assert refused.code == 2
    assert "bad.toml: storm 1 (crash): storm severity 2" in refused.err


def test_a_fault_runs_headless_is_recorded_and_verifies(stormdesk: Stormdesk) -> None:
    result = run(stormdesk, "--for", "8s", "--storm", "fault.ghost@1s:0.5x5s", "--storm", "crash@2s:0.5x5s")
    events = (Path("runs") / str(result["run"]) / "events.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in events]
    told = [(row["type"], row["kind"]) for row in rows if row["type"].startswith("storm")]
    assert told[0] == ("storm_start", "GhostOrders")
    assert ("storm_stop", "GhostOrders") in told
    assert stormdesk("verify", str(result["run"])).code == 0


def test_a_key_comes_with_its_login_for_ouch_and_itch(
    stormdesk: Stormdesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("desk.keys.keys_path", lambda: tmp_path / "keys.json")
    made = json.loads(stormdesk("key", "new", "fast-trader", "--format", "json").out)
    assert made["soup_user"] == "fast-t"
    assert made["soup_password"] == soup_password(made["secret"])
    assert made["secret"] not in stormdesk("key", "list").out


def test_doctor_prints_its_findings(stormdesk: Stormdesk) -> None:
    names = {check["name"] for check in json.loads(stormdesk("doctor", "--format", "json").out)}
    assert {"terminal", "colours", "compiled core", "runs"} <= names


def test_a_file_is_converted_and_inspected(stormdesk: Stormdesk) -> None:
    Path("day.itch").write_bytes(itch_day(500, stocks=3).data)
    converted = stormdesk("convert", "day.itch", "a.events.bin.gz", "--symbol", "B", "--format", "json")
    assert (converted.code, converted.err) == (0, ""), "a bar is for terminals"
    result = json.loads(converted.out)
    assert (result["target"], result["symbol"], result["problem"]) == ("events", "B", None)
    inspected = json.loads(stormdesk("inspect", "a.events.bin.gz", "--format", "json").out)
    assert (inspected["packing"], inspected["sha256"]) == ("gzip", result["out_sha256"])
    assert inspected["events"]["events"] == result["written"]
    again = stormdesk("convert", "day.itch", "a.events.bin.gz")
    assert (again.code, "--force" in again.err) == (2, True)
    assert "written" in stormdesk("convert", "day.itch", "a.events.bin.gz", "--force").out


def test_a_run_is_inspected_and_converted_by_its_id(stormdesk: Stormdesk) -> None:
    result = run(stormdesk, "--for", "2s")
    run_id = str(result["run"])
    told = json.loads(stormdesk("inspect", run_id, "--format", "json").out)
    assert told["run"]["book_digest"] == result["book_digest"]
    assert "recorded run" in stormdesk("inspect", str(result["path"])).out
    converted = json.loads(stormdesk("convert", run_id, "a.itch", "--format", "json").out)
    assert (converted["book_digest"], converted["written"]) == (result["book_digest"], result["events"])


def test_what_is_missing_from_a_conversion_is_told_with_exit_1(stormdesk: Stormdesk, tmp_path: Path) -> None:
    lines = [depth(500, 510, bids=[("99", "1")]), depth(512, 513, at_ms=300), depth(514, 515, at_ms=700)]
    source = write(tmp_path / "holed.jsonl", lines)
    outcome = stormdesk("convert", str(source), "a.events.bin")
    assert outcome.code == 1
    assert "expected 511, got 512" in outcome.err
    assert Path("a.events.bin").is_file()


def test_the_bar_of_a_long_reading_is_drawn_on_a_terminal_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar("reading") as progress:
        progress(1, 2)
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_ends_a_live_source_and_no_other() -> None:
    with interruptible("mold://127.0.0.1:4000") as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped()
    with interruptible("day.itch"), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
