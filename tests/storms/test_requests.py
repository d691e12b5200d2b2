"""Storm requests as text, as commands, and at the edges of their range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.durations import parse_duration_ns
from engine.core.errors import StormError
from engine.core.types import Command, CommandKind, StormKind
from engine.inputs import storm_command, storm_request
from engine.storms import CATALOGUE, StormRequest, parse_storm


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("crash@20s:0.8x15s", StormRequest(StormKind.CRASH, 0.8, 15.0, 0, 20 * NS_PER_S)),
        ("phantom@0s:0x5s", StormRequest(StormKind.PHANTOM, 0.0, 5.0)),
        ("cancel@500ms:1x2m", StormRequest(StormKind.CANCEL, 1.0, 120.0, 0, 500 * NS_PER_MS)),
        ("ignition@1m30s:.25x5500ms", StormRequest(StormKind.IGNITION, 0.25, 5.5, 0, 90 * NS_PER_S)),
        ("latarb@1h:1e-1x5.5s", StormRequest(StormKind.LATARB, 0.1, 5.5, 0, 3600 * NS_PER_S)),
    ],
)
def test_a_storm_reads_as_it_is_written(text, request_):
    assert parse_storm(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        "",
        "crash",
        "crash@20s",
        "crash@20s:0.8",
        "crash@20s:0.8x",
        "crash@:0.8x15s",
        "@20s:0.8x15s",
        "CRASH@20s:0.8x15s",
        "tornado@20s:0.8x15s",
        "crash@20:0.8x15s",
        "crash@-20s:0.8x15s",
        "crash@20s:highx15s",
        "crash@20s:nanx15s",
        "crash@20s:infx15s",
        "crash@20s:-0.1x15s",
        "crash@20s:1.01x15s",
        "crash@20s:0.8x4s",
        "crash@20s:0.8x121s",
        "crash@20s:0.8x15",
        "crash@20s:0.8x15sx15s",
        "crash@" + "9" * 400 + "s:0.8x15s",
        "crash@20s:0.8x" + "9" * 400 + "m",
    ],
)
def test_another_form_is_refused_with_words(text):
    with pytest.raises(StormError):
        parse_storm(text)


@given(st.text(st.sampled_from("crashphntom@:x0123456789.smh-e "), max_size=30))
def test_any_text_is_a_legal_storm_or_a_storm_error(text):
    try:
        request = parse_storm(text)
    except StormError:
        return
    assert request.checked() == request


@pytest.mark.parametrize(
    "text", ["", "s", "1", "-1s", "1 s", "1s1", "1d", "1s,2m", "0x1s", "1ss", "nans", "5mss"]
)
def test_a_duration_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration_ns(text)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"severity": float("nan")}, "severity"),
        ({"severity": -0.000001}, "severity"),
        ({"severity": 1.000001}, "severity"),
        ({"severity": float("inf")}, "severity"),
        ({"duration_s": float("nan")}, "duration"),
        ({"duration_s": 4.999}, "duration"),
        ({"duration_s": 120.001}, "duration"),
        ({"duration_s": float("inf")}, "duration"),
        ({"seed": -1}, "seed"),
        ({"seed": 1 << 63}, "seed"),
        ({"start_ns": -1}, "start"),
    ],
)
def test_a_request_out_of_range_is_refused_by_name(change, named):
    with pytest.raises(StormError, match=named):
        StormRequest(StormKind.CRASH, 0.5, 10.0)._replace(**change).checked()


@given(
    st.sampled_from(StormKind),
    st.integers(0, 1_000_000),
    st.integers(5 * NS_PER_S, 120 * NS_PER_S),
    st.integers(0, (1 << 63) - 1),
)
def test_a_legal_request_survives_the_journal(kind, severity_micro, duration_ns, seed):
    request = StormRequest(kind, severity_micro / 1_000_000, duration_ns / 1e9, seed).checked()
    back = storm_request(Command.unpack(storm_command(request).pack()))
    assert (back.kind, back.severity_micro, back.duration_ns, back.seed) == (
        kind,
        severity_micro,
        duration_ns,
        seed,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"storm": 0},
        {"storm": 20},
        {"a": -1},
        {"a": 1_000_001},
        {"b": 0},
        {"b": 121 * NS_PER_S},
        {"qty_lots": -1},
    ],
)
def test_a_command_that_names_no_legal_storm_is_refused(change):
    good = Command(kind=CommandKind.STORM_START, storm=4, a=500_000, b=10 * NS_PER_S)
    storm_request(good)
    with pytest.raises(StormError):
        storm_request(good._replace(**change))


def test_the_catalogue_names_every_storm_once():
    assert list(CATALOGUE) == list(StormKind)
    for kind, entry in CATALOGUE.items():
        assert entry.storm.kind is kind
        assert entry.name.removeprefix("decoy.") == kind.name.lower()
        assert entry.effect
    assert len({entry.label for entry in CATALOGUE.values()}) == len(StormKind)
