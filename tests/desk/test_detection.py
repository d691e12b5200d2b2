"""`stormdesk detect` and `evaluate`, from file to words."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.detection import detection_json, detection_of, detection_text, evaluation_json, evaluation_text
from engine.core.errors import DataError, UsageError
from engine.core.types import StormKind
from engine.detectors import AlarmKind
from engine.evaluate import Case, judge, run_case
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


def test_the_table_names_every_detector_and_the_bound_of_none():
    rows = judge([run_case(Case("balanced", 41)), run_case(Case("balanced", 41, StormKind.STUFFING, 0.6))])
    text = evaluation_text(rows)
    assert all(kind.name.lower().replace("_", " ") in text for kind in AlarmKind)
    stuffing = evaluation_json(rows)[0]
    assert stuffing["recall"]["value"] == 1.0
    assert stuffing["false_bound_per_hour"] == pytest.approx(18.0, rel=0.01)
