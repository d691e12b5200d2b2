"""`stormdesk measure`: words, files, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from desk import cli

ROOT = Path(__file__).parents[2]
SHORT = ["--horizon", "2s", "--processes", "1"]


@pytest.fixture
def stormdesk(tmp_path, monkeypatch, capfd):
    """Call the command in this process, in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["stormdesk", "measure", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return end.value.code or 0, out, err

    return call


def test_a_measurement_is_a_table_and_two_files(stormdesk, tmp_path):
    code, out, err = stormdesk(
        *("--storm", "crash@5s:0.8x5s", "--seeds", "2", "--first-seed", "1", *SHORT),
        *("--json", "pairs.json", "--out", "report.md"),
    )
    assert code == 0, err
    assert "crash: largest drop of the mid" in out
    assert "severity 0: digest equal in 2 of 2 pairs" in out
    assert "fork without storm equals the unforked market, event for event: 2 of 2 seeds" in out
    document = json.loads((tmp_path / "pairs.json").read_text())
    assert [pair["seed"] for pair in document["pairs"]] == [1, 1, 2, 2]
    assert {pair["kind"] for pair in document["pairs"]} == {"crash"}
    assert document["storms"][0]["rows"][1]["mean"]["effect"]["value"] > 5
    report = (tmp_path / "report.md").read_text()
    assert report.startswith("# ")
    assert "| severity | effect |" in report
    assert f"`{document['command']}`" in report


def test_the_same_again_but_for_the_time_it_took(stormdesk):
    words = ["--storm", "news@5s:0.5x5s", "--seeds", "2", "--horizon", "2s", "--format", "json"]
    words += ["--severities", "0,0.5,1"]
    one, two = (json.loads(stormdesk(*words, "--processes", n)[1]) for n in ("1", "2"))
    assert one | {"seconds": 0} == two | {"seconds": 0}
    assert [row["severity"] for row in one["storms"][0]["rows"]] == [0.0, 0.5, 1.0]


def test_a_fault_beside_a_storm_is_said_to_have_no_effect(stormdesk):
    words = ["--storm", "crash@5s:0.5x5s", "--storm", "fault.stale@5s:0.5x5s", "--seeds", "1", *SHORT]
    code, out, err = stormdesk(*words)
    assert code == 0, err
    assert "without effect here: fault.stale" in out


def test_all_is_every_storm_and_decoy(stormdesk):
    code, out, err = stormdesk("--all", "--seeds", "1", "--severities", "0,1", *SHORT)
    assert code == 0, err
    assert "rho pooled" in out
    for name in ("crash", "bleed", "decoy.refill"):
        assert f"\n{name}: " in out


def test_the_dials_are_told(stormdesk):
    code, out, err = stormdesk("--sensitivity", "--seeds", "1", *SHORT)
    assert code == 0, err
    for name in ("pov", "limit", "limit-alone", "value"):
        assert f"{name}: " in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what is to be measured"),
        (["--all", "--sensitivity"], "Name one"),
        (["--storm", "crash"], "is not a storm"),
        (["--storm", "crash@5s:1.8x5s"], "out of range"),
        (["--storm", "fault.halt@5s:0.8x5s"], "nothing to hit"),
        (["--storm", "crash@5s:0.1..0.9x5s", "--severity-sweep"], "one severity"),
        (["--storm", "crash@5s:0.8x5s", "--severities", "a,b"], "no list of numbers"),
        (["--storm", "crash@5s:0.8x5s", "--severities", "0,2"], "each is 0"),
        (["--storm", "crash@5s:0.8x5s", "--severities", "nan"], "each is 0"),
        (["--storm", "crash@5s:0.8x5s", "--severities", "0", "--severity-sweep"], "one of them"),
        (["--storm", "crash@5s:0.8x5s", "--horizon", "soon"], "not a duration"),
        (["--storm", "crash@5s:0.8x5s", "--target-agent", "nobody"], "nobody in scenario"),
        (["--storm", "crash@5s:0.8x5s", "--scenario", "nowhere"], "no scenario"),
        (["--storm", "crash@5s:0.8x5s", "--json", "no/such/folder.json"], "cannot be written"),
        (["--storm", "crash@5s:0.8x5s", "--json", "a", "--out", "a"], "one file"),
        (["--sensitivity", "--severities", "0,1"], "of its own"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(stormdesk, words, said):
    code, out, err = stormdesk(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_seed_that_fails_is_told_with_the_command_that_repeats_it(stormdesk, monkeypatch):
    def fail(plan, seed, adjust=None):
        raise AssertionError("something that cannot be")

    monkeypatch.setattr("engine.measure.pool.run_seed", fail)
    code, _, err = stormdesk("--storm", "crash@5s:0.8x5s", "--seeds", "3", "--first-seed", "5", *SHORT)
    assert code == 1
    assert "seed 5: AssertionError: something that cannot be" in err
    assert "stormdesk measure --storm crash@5s:0.8x5s" in err
    assert "--first-seed 5 --seeds 1 --processes 1" in err


def test_a_market_without_a_price_is_told(stormdesk, tmp_path):
    head, _, _ = (ROOT / "engine/scenarios/minimal.toml").read_text().partition("[[agents]]")
    (tmp_path / "quiet.toml").write_text(head)
    words = ["--storm", "crash@5s:0.8x5s", "--scenario", "quiet.toml", "--seeds", "1", *SHORT]
    code, _, err = stormdesk(*words, "--target-agent", "demo")
    assert code == 1
    assert "no price 5s after its beginning" in err
    code, _, err = stormdesk(*words)
    assert code == 2
    assert "no agents to watch" in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_an_interrupt_leaves_no_file_and_no_process(tmp_path):
    words = ["--all", "--seeds", "400", "--processes", "2", "--json", "pairs.json", "--out", "report.md"]
    process = subprocess.Popen(
        [sys.executable, "-m", "desk", "measure", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        workers = _begun_workers(process, 2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode != 0
    assert out == ""
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def _begun_workers(process, count):
    """The numbers of its worker processes, once there are so many; none where the system does not list
    them."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = []
    while process.poll() is None and children.exists() and len(workers) < count:
        workers = [
            number for number in children.read_text().split() if b"--multiprocessing-fork" in _words(number)
        ]
    return workers


def _words(number):
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""
