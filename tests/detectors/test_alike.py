"""The same events give the same alarms: live and from a file, sliced, forked, resumed, interpreted; and no
detector changes the market."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.detectors import FileDetection
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from tests.detectors.markets import record, watched

STORMS = [StormKind.PHANTOM, StormKind.CANCEL, StormKind.IGNITION, StormKind.CRASH, StormKind.LATARB]


@pytest.mark.parametrize(
    "storm", [*STORMS, StormKind.ICEBERG, StormKind.SLICES], ids=lambda s: s.name.lower()
)
def test_live_alarms_are_those_of_the_recorded_events(storm):
    market = record(11, storm)
    assert market.alarms
    assert watched(market.events) == market.alarms


def test_the_market_is_the_same_with_detectors_on_and_off():
    on, off = (record(12, StormKind.CRASH, detectors=detectors) for detectors in (True, False))
    assert on.session.event_digest == off.session.event_digest
    assert on.session.book_digest() == off.session.book_digest()
    assert on.alarms
    assert not off.alarms


@pytest.mark.parametrize("slice_s", [0.013, 1.7])
def test_slices_of_time_do_not_matter(slice_s):
    assert record(13, StormKind.IGNITION, slice_s=slice_s).alarms == record(13, StormKind.IGNITION).alarms


def test_pieces_of_a_file_do_not_matter():
    market = record(13, StormKind.CANCEL)
    detection = FileDetection()
    ends = [
        at for at in range(1, len(market.events)) if market.events["ts"][at] != market.events["ts"][at - 1]
    ]
    cuts = [0, *ends[::997], len(market.events)]
    for start, stop in pairwise(cuts):
        detection.take_events(market.events[start:stop])
    assert detection.alarms() == market.alarms


def test_a_fork_goes_on_with_the_same_alarms():
    market = record(14, StormKind.CRASH, seconds=50)
    fork = market.session.fork()
    for session in (market.session, fork):
        session.advance(75 * NS_PER_S)
    assert market.session.detection is not None
    assert fork.detection is not None
    assert fork.detection.alarms() == market.session.detection.alarms()
    assert fork.detection.alarm_count > len(market.alarms)


def test_interpreted_kernels_find_what_compiled_ones_do(monkeypatch):
    from engine.detectors import readings, watch

    market = record(15, StormKind.PHANTOM, seconds=52)
    monkeypatch.setattr(readings, "live", lambda kernel: kernel)
    assert readings.live(watch.detect_rows) is watch.detect_rows
    assert watched(market.events) == market.alarms
    assert market.alarms


def test_alarms_come_to_python_as_alerts():
    session = Session(SessionConfig(load_scenario("balanced"), 11))
    assert session.detection is not None
    session.advance(60 * NS_PER_S)
    told = [alert.text for alert in session.alerts.alerts()]
    names = [alarm.kind.name.lower().replace("_", " ") for alarm in session.detection.alarms()]
    assert names
    assert set(names) <= set(told)
