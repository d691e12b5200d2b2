"""`stormdesk detect` and `evaluate`, from file to words."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk import evaluation
from desk.detection import detection_json, detection_of, detection_text
from desk.evaluation import evaluation_json, evaluation_of, evaluation_text, write_evaluation
from engine.core.errors import DataError, UsageError
from engine.core.types import StormKind
from engine.detectors import AlarmKind
from engine.evaluate import Case
from tests.detectors.markets import record


@pytest.fixture(scope="module")
def stormy(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("events") / "storm.events.bin"
    path.write_bytes(record(11, StormKind.PHANTOM).events.tobytes())
    return path


def test_a_file_of_events_gives_the_alarms_of_its_session(stormy):
    result = detection_of(str(stormy), symbol=None, out=None, source=None)
    assert result.alarms == record(11, StormKind.PHANTOM).alarms
    assert "phantom liquidity" in detection_text(result)
    told = detection_json(result)
    assert [alarm["kind"] for alarm in told["alarms"]] == [
        alarm.kind.name.lower().replace("_", " ") for alarm in result.alarms
    ]
    assert sum(cluster["alarms"] for cluster in told["clusters"]) == len(result.alarms)


def test_a_torn_file_is_told(stormy, tmp_path):
    torn = tmp_path / "torn.events.bin"
    torn.write_bytes(stormy.read_bytes()[:-7])
    with pytest.raises((DataError, UsageError), match="torn"):
        detection_of(str(torn), symbol=None, out=None, source=None)


def test_what_is_neither_file_nor_run_is_told(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        detection_of("nowhere", symbol=None, out=tmp_path, source=None)


@pytest.fixture
def small(monkeypatch) -> None:
    """A plan of four cases."""
    cases = [
        Case("balanced", 41, duration_s=600),
        Case("balanced", 41, StormKind.STUFFING, 0.6, 15),
        Case("balanced", 41, StormKind.CRASH, 0.6, 15),
        Case("balanced", 41, StormKind.SLICES, 0.6, 15, institutions=False),
    ]
    monkeypatch.setattr(evaluation, "plan_cases", lambda *args, **kwargs: cases)


def test_an_evaluation_names_every_detector_its_target_and_the_bound_of_none(small, stormy, tmp_path):
    noise = tmp_path / "noise.txt"
    noise.write_text("nothing of a market\n")
    found = evaluation_of(
        first_seed=41, seeds=1, region="held-out", calm_s=600, processes=1, tapes=[stormy, noise]
    )
    text = evaluation_text(found)
    assert all(kind.name.lower().replace("_", " ") in text for kind in AlarmKind)
    assert "of 9 reached" in text
    assert "volume and volatility" in text
    assert "storm.events.bin" in text
    assert "1 files hold no market" in text
    told = evaluation_json(found)
    assert told["detectors"][0]["recall"]["value"] == 1.0
    assert told["detectors"][0]["false_bound_per_hour"] == pytest.approx(18.0, rel=0.01)
    assert told["tape"][0]["silent"] == []

    report = tmp_path / "detectors.md"
    picture = write_evaluation(found, report)
    assert report.read_text(encoding="utf-8").count("| quote stuffing |") >= 2
    assert picture.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tapes": [Path("nowhere")]}, "--tape"),
        ({"region": "moon"}, "held-out"),
        ({"out": Path("report.pdf")}, r"\.md"),
        ({"out": Path("no/such/directory/report.md")}, "directory"),
    ],
)
def test_what_could_not_be_done_is_told_before_anything_runs(wrong, said):
    asked = {"first_seed": 1, "seeds": 1_000, "region": "held-out", "calm_s": 3_600, "processes": 1}
    with pytest.raises(UsageError, match=said):
        evaluation_of(**asked | wrong)
