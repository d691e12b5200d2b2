"""Severity that changes, and storm scripts."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_S
from engine.core.errors import StormError
from engine.core.types import FaultKind, StormKind
from engine.inputs import storm_command, storm_request
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest, parse_storm, script
from engine.storms.request import Course, Where, severity_course
from engine.storms.script import TEMPLATE, load_script, parse_script

ONE = '[[storm]]\nkind = "crash"\nstart = "20s"\nseverity = 0.8\nduration = "15s"\n'


def request(
    course: Course, severity: float, to: float, *, seed: int = 0, duration_s: float = 10
) -> StormRequest:
    return StormRequest(StormKind.CRASH, severity, duration_s, seed, course=course, severity_to=to).checked()


def test_a_ramp_goes_straight_from_one_end_to_the_other() -> None:
    at = severity_course(request(Course.RAMP, 0.2, 0.9), 42)
    assert [at(second * NS_PER_S) for second in (0, 5, 10, 11)] == [200_000, 550_000, 900_000, 900_000]
    down = severity_course(request(Course.RAMP, 0.9, 0.0), 42)
    assert [down(second * NS_PER_S) for second in (0, 5, 10)] == [900_000, 450_000, 0]


@given(seed=st.integers(0, 2**63 - 1), low=st.integers(0, 100), span=st.integers(0, 100))
def test_a_walk_stays_between_its_ends_and_is_its_seeds(seed: int, low: int, span: int) -> None:
    high = min(100, low + span)
    asked = request(Course.WALK, low / 100, high / 100, seed=seed)
    at = severity_course(asked, 42)
    steps = [at(second * NS_PER_S) for second in range(11)]
    assert all(low * 10_000 <= value <= high * 10_000 for value in steps)
    assert steps == [severity_course(asked, 42)(second * NS_PER_S) for second in range(11)]


def test_two_seeds_walk_two_ways() -> None:
    walks = [severity_course(request(Course.WALK, 0.0, 1.0, seed=seed), 42) for seed in (1, 2)]
    assert walks[0](4 * NS_PER_S) != walks[1](4 * NS_PER_S)


def test_courses_are_written_on_the_command_line_and_journaled() -> None:
    for text, course in (("crash@20s:0.2..0.9x15s", Course.RAMP), ("crash@20s:0.2~0.9x15s", Course.WALK)):
        asked = parse_storm(text)
        assert (asked.course, asked.severity, asked.severity_to) == (course, 0.2, 0.9)
        assert storm_request(storm_command(asked)) == asked._replace(start_ns=0)
    sided = StormRequest(StormKind.BLEED, 0.5, 10, where=Where.ASK)
    assert storm_request(storm_command(sided)) == sided


@pytest.mark.parametrize("text", ["crash@1s:0.9~0.2x5s", "fault.ghost@1s:0.1..0.5x5s", "crash@1s:0..2x5s",
                                  "crash@1s:..x5s", "crash@1s:0.1..x5s", "decoy.rain@1s:0.5x5s"])  # fmt: skip
def test_courses_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(StormError):
        parse_storm(text)


def test_a_running_ramp_shows_its_severity_of_now_and_a_fork_goes_on_with_it() -> None:
    session = Session(SessionConfig(load_scenario("balanced"), seed=5))
    session.accept(session.stamp(storm_command(request(Course.RAMP, 0.0, 1.0))))
    session.advance(5 * NS_PER_S)
    (view,) = [one for one in session.market_view().storms if one.active]
    assert view.severity == pytest.approx(0.5, abs=0.02)
    fork = session.fork()
    for one in (session, fork):
        one.advance(14 * NS_PER_S)
    assert fork.event_digest == session.event_digest
    assert fork.storms.log == session.storms.log
    assert (session.storms.log[1].severity, session.storms.log[1].severity_to) == (0.0, 1.0)


def test_a_ramp_to_zero_takes_its_orders_away() -> None:
    session = Session(SessionConfig(load_scenario("balanced"), seed=5))
    asked = StormRequest(StormKind.PHANTOM, 1.0, 10, course=Course.RAMP, severity_to=0.0)
    session.accept(session.stamp(storm_command(asked)))
    session.advance(10 * NS_PER_S - 1)
    small = session.storms.active[StormKind.PHANTOM].severity
    assert small < 0.02


def test_the_template_is_a_script() -> None:
    read = parse_script(TEMPLATE, where="template")
    assert [one.kind for one in read.storms] == [FaultKind.STALE, StormKind.CRASH, StormKind.SPOOFING]
    assert read.storms[1].course == Course.RAMP
    assert read.storms[2].where == Where.BID
    assert (read.end_ns, read.text) == (70 * NS_PER_S, TEMPLATE)


def test_storms_come_in_the_order_of_their_starts() -> None:
    read = parse_script(ONE + ONE.replace("crash", "drain").replace("20s", "5s"), where="x")
    assert [one.start_ns // NS_PER_S for one in read.storms] == [5, 20]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing required field `storm`"),
        ("storm = 3", "Expected `array`"),
        ("[[storm]\n", "not valid TOML"),
        (ONE.replace("crash", "rain"), "storm 1 (rain): unknown storm 'rain'"),
        (ONE.replace("0.8", "1.8"), "storm 1 (crash): storm severity 1.8"),
        (ONE.replace("0.8", '"a..b"'), "neither a number, nor a ramp"),
        (ONE.replace("0.8", "nan"), "severity nan"),
        (ONE.replace("20s", "20"), "start: '20' is not a duration"),
        (ONE.replace("15s", "4s"), "duration 4s is out of range"),
        (ONE.replace("15s", "soon"), "duration: 'soon'"),
        (ONE + "colour = 3\n", "unknown field `colour`"),
        (ONE + "seed = -1\n", "seed -1 is out of range"),
        (ONE + 'where = "left"\n', "where = 'left' is no side"),
        (ONE + 'where = "bid"\n', "crash has no side"),
        (ONE + ONE.replace("20s", "30s"), "crash at 30s begins while the one from 20s still runs"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(StormError) as caught:
        parse_script(text, where="my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert said in str(caught.value)


@given(st.text(max_size=300))
def test_any_text_is_a_script_or_refused_with_words(text: str) -> None:
    with suppress(StormError):
        parse_script(text, where="x")


def test_too_many_storms_and_too_large_a_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "SCRIPT_STORMS", 1)
    with pytest.raises(StormError, match="1 at the most"):
        parse_script(ONE + ONE.replace("crash", "drain"), where="x")
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * (script.SCRIPT_BYTES + 1))
    with pytest.raises(StormError, match="larger than"):
        load_script(path)
    with pytest.raises(StormError, match="cannot be read"):
        load_script(tmp_path / "none.toml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(StormError, match="cannot be read"):
        load_script(path)
