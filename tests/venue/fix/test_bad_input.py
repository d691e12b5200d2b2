"""Whatever a counterparty sends in right frames: an answer of the protocol, never an exception."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.venue.fix.rules import RULES
from tests.venue.fix.bench import Bench, Client

TAGS = [
    int(tag)
    for tag in [
        "11",
        "18",
        "36",
        "37",
        "38",
        "40",
        "41",
        "43",
        "44",
        "54",
        "55",
        "59",
        "66",
        "73",
        "97",
        "99",
        "111",
        "112",
        "122",
        "141",
        "146",
        "152",
        "262",
        "263",
        "264",
        "267",
        "269",
        "320",
        "386",
        "453",
        "530",
        "559",
        "847",
        "1100",
        "1101",
        "1102",
        "1107",
        "1109",
        "1385",
        "6136",
        "7",
        "16",
        "123",
        "789",
        "7940",
        "25001",
        "25002",
        "25009",
        "25014",
        "25015",
        "25033",
        "25034",
        "25000",
    ]
]
LOGON_TAGS = [*TAGS, 98, 108, 553, 554, 95, 96]
VALUES = [
    "1",
    "2",
    "3",
    "4",
    "0",
    "-1",
    "a",
    "ACMEUSD",
    "100.00",
    "99999999999999999999",
    "0.01",
    "Y",
    "N",
    "U",
    "D",
    "20240101-00:00:00",
    "é",
    "999999999999999999",
    "-0",
    "1.",
    ".5",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
]
FIELD = st.tuples(st.sampled_from(TAGS), st.sampled_from(VALUES))
MESSAGE = st.tuples(st.sampled_from([*sorted(RULES), "R", "ZZ"]), st.lists(FIELD, max_size=14))
COMPLETE = {
    "D": {11: "a", 55: "ACMEUSD", 54: 1, 38: 10, 40: 2, 44: "100.00", 59: 1},
    "G": {11: "b", 41: "a", 55: "ACMEUSD", 54: 1, 38: 10, 40: 2, 44: "99.00", 59: 1},
    "F": {11: "c", 41: "a", 55: "ACMEUSD", 54: 1},
    "V": {262: "m", 263: 1, 264: 1},
}


def play(client: Client, messages: list[tuple[str, list[tuple[int, Any]]]]) -> None:
    client.ask("D", client.order("a"))
    for kind, fields in messages:
        if client.is_closed:
            return
        named = {tag for tag, _ in fields}
        rest = [(tag, value) for tag, value in COMPLETE.get(kind, {}).items() if tag not in named]
        client.ask(kind, [*((t, v.encode("latin-1")) for t, v in fields), *rest])
    if not client.is_closed:
        assert client.ask("1", [(112, "x")]) is not None


@settings(max_examples=120)
@given(st.lists(MESSAGE, max_size=6))
def test_any_fields_in_the_standard_dialect(messages: list[tuple[str, list[tuple[int, Any]]]]) -> None:
    play(Bench().client(), messages)


@settings(max_examples=120)
@given(st.lists(MESSAGE, max_size=6))
def test_any_fields_in_binances_dialect(messages: list[tuple[str, list[tuple[int, Any]]]]) -> None:
    play(Bench().binance(), messages)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(LOGON_TAGS), st.sampled_from(VALUES)), max_size=10))
def test_any_fields_in_a_logon(fields: list[tuple[int, str]]) -> None:
    bench = Bench()
    client = Client(bench, bench.key("bot"))
    client.send("A", [(tag, value.encode("latin-1")) for tag, value in fields])
    assert client.is_closed


def test_numbers_beyond_what_a_request_holds_are_refused() -> None:
    client = Bench().client()
    for tag in ("_38", "_44", "_111"):
        (no,) = client.ask("D", client.order(f"big{tag}", **{tag: "9" * 20}))
        assert no[39] == "8", no
