"""`stormdesk bench`: processes, messages, table, and what happens where there is nothing to run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from desk import bench, cli
from desk.bench import Row, Step, find_checkout, print_table, run_benchmarks, shown
from engine.core.errors import UsageError

MEASURES = """
say({"message": "outline", "benchmark": NAME, "work": "walk", "reference": "a snail", "requires": [">= 2x"]})
say({"message": "step", "done": 0, "total": 2, "what": "walking"})
print("chatter", file=sys.stderr)
say({"message": "row", "benchmark": NAME, "work": "walk", "unit": "ns", "ours": 1.5, "reference": "a snail",
     "theirs": 6.0, "ratio": 4.0, "requires": ">= 2x", "verdict": "ok"})
"""
BREAKS = """
say({"message": "outline", "benchmark": NAME, "work": "run", "reference": "a hare", "requires": [">= 2x"]})
raise AssertionError("the contenders came to different results")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with two benchmarks: one that measures and one whose contenders disagree."""
    folder = tmp_path / "tests" / "bench"
    folder.mkdir(parents=True)
    (tmp_path / "tests" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    lines = [
        "import json, sys",
        "def say(message):",
        "    print(json.dumps(message), flush=True)",
        "NAME = sys.argv[1] if len(sys.argv) > 1 else ''",
        "if not NAME:",
        "    print(json.dumps(['walk', 'run']))",
        "elif NAME == 'walk':",
        *(f"    {line}" for line in MEASURES.strip().splitlines()),
        "else:",
        *(f"    {line}" for line in BREAKS.strip().splitlines()),
    ]
    (folder / "__main__.py").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def stormdesk(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call `stormdesk bench` in this process, as if it were installed in that checkout."""
    find = bench.find_checkout
    monkeypatch.setattr(bench, "find_checkout", lambda: find(checkout))

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stormdesk", "bench", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (int(end.value.code or 0), *capfd.readouterr())

    return call


def test_a_benchmark_says_how_far_it_is_and_then_what_it_measured(checkout: Path) -> None:
    said: list[tuple[str, Step]] = []
    (row,) = run_benchmarks(checkout, ["walk"], report=lambda name, step: said.append((name, step)))
    assert said == [("walk", Step(0, 2, "walking"))]
    assert (row.ours, row.theirs, row.ratio, row.verdict) == (1.5, 6.0, 4.0, "ok")


def test_one_that_breaks_is_told_with_what_it_was_about_and_the_others_still_run(checkout: Path) -> None:
    broken, measured = run_benchmarks(checkout, ["run", "walk"])
    assert (broken.verdict, broken.work, broken.reference) == ("failed", "run", "a hare")
    assert "different results" in broken.why
    assert measured.verdict == "ok"


def test_without_a_checkout_one_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pip install -e '\.\[bench\]'"):
        find_checkout(tmp_path)


def test_the_checkout_is_found_from_the_package() -> None:
    assert find_checkout() == Path(__file__).parents[2]


def test_json_goes_to_stdout_alone(stormdesk: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _err = stormdesk("walk", "--format", "json")
    assert code == 0
    assert [row["work"] for row in json.loads(out)] == ["walk"]


def test_all_run_without_names_and_a_broken_one_makes_exit_1(
    stormdesk: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, _err = stormdesk()
    assert code == 1
    assert "a snail" in out
    assert "failed [1]" in out
    assert "[1] run: " in out


def test_an_unknown_name_is_wrong_use_and_names_those_there_are(
    stormdesk: Callable[..., tuple[int, str, str]],
) -> None:
    code, _out, err = stormdesk("walk", "fly")
    assert code == 2
    assert "'fly'" in err
    assert "walk, run" in err


def test_remarks_that_rows_share_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row(benchmark="b", work=work, unit="ns", why="not installed") for work in ("one", "two")]
    print_table(rows)
    out = capsys.readouterr().out
    assert out.count("not installed") == 1
    assert out.count("[1]") == 3


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ns", "–"),
        (23.44, "ns", "23.4 ns"),
        (5193.2, "ns", "5,193 ns"),
        (59_972.6, "events/s", "59,973 events/s"),
        (3_120_000.0, "events/s", "3.12M events/s"),
    ],
)
def test_values_are_shown_with_the_figures_that_matter(value: float | None, unit: str, text: str) -> None:
    assert shown(value, unit) == text
