"""The target's answer: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.target.contract import (
    COUNT_LIMIT,
    EQUITY_LIMIT,
    SIGNAL_LIMIT,
    TEXT_LIMIT,
    TargetSample,
    parse_state,
)

GOOD: dict[str, Any] = {"equity": 10000.5, "currency": "EUR", "total_trades": 7, "wins": 4, "losses": 3}


def sample_of(answer: dict[str, Any]) -> TargetSample:
    result = parse_state(json.dumps(answer).encode())
    assert isinstance(result, TargetSample), result
    return result


def reason_of(answer: Any) -> str:
    result = parse_state(json.dumps(answer).encode())
    assert isinstance(result, str), result
    return result


def test_the_five_required_keys_are_enough() -> None:
    sample = sample_of(GOOD)
    assert sample.equity_millionths == 10_000_500_000
    assert sample.equity == 10000.5
    assert (sample.currency, sample.total_trades, sample.wins, sample.losses) == ("EUR", 7, 4, 3)
    assert (sample.bot, sample.win_rate, sample.open_positions, sample.last_signal) == (None,) * 4
    assert sample.remarks == ()


def test_all_optional_keys_are_read() -> None:
    sample = sample_of(
        GOOD
        | {
            "bot": "grid-1",
            "realized_pnl": 3,
            "unrealized_pnl": -0.25,
            "win_rate": 0.57,
            "open_positions": [{"a": 1}, {"a": 2}],
            "signals": ["BUY 3", {"side": "SELL", "qty": 2}],
        }
    )
    assert (sample.bot, sample.realised_pnl, sample.unrealised_pnl) == ("grid-1", 3.0, -0.25)
    assert (sample.win_rate, sample.open_positions) == (0.57, 2)
    assert sample.signals == ("BUY 3", "SELL 2")
    assert sample.last_signal == "SELL 2"


def test_equity_is_exact_where_a_double_is_not() -> None:
    body = json.dumps(GOOD).replace("10000.5", "8999999999999.123457").encode()
    sample = parse_state(body)
    assert isinstance(sample, TargetSample)
    assert sample.equity_millionths == 8_999_999_999_999_123_457


@pytest.mark.parametrize(
    ("text", "millionths"),
    [("0", 0), ("-1.5", -1_500_000), ("1e3", 10**9), ("0.0000005", 0), ("0.0000015", 2), ("1e-999999", 0)],
)
def test_equity_reads_every_spelling_of_a_number(text: str, millionths: int) -> None:
    sample = parse_state(json.dumps(GOOD).replace("10000.5", text).encode())
    assert isinstance(sample, TargetSample)
    assert sample.equity_millionths == millionths


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("true", "true"),
        ("null", "null"),
        ('"10000"', "'10000'"),
        ("[1]", "a list of 1"),
        ("{}", "an object with 0 keys"),
        ("1e13", "1E+13"),
        ("1e999999", "1E+999999"),
    ],
)
def test_an_equity_that_is_no_finite_number_is_refused(text: str, seen: str) -> None:
    reason = parse_state(json.dumps(GOOD).replace("10000.5", text).encode())
    assert isinstance(reason, str)
    assert reason.startswith("equity: wanted ")
    assert reason.endswith(f"saw {seen}")


@pytest.mark.parametrize("key", ["equity", "currency", "total_trades", "wins", "losses"])
def test_a_missing_required_key_is_named(key: str) -> None:
    answer = {name: value for name, value in GOOD.items() if name != key}
    assert reason_of(answer).startswith(f"{key}: missing")


@pytest.mark.parametrize("value", [-1, 1.5, True, "3", None, [], COUNT_LIMIT + 1])
def test_a_count_that_is_no_whole_number_is_refused(value: Any) -> None:
    assert reason_of(GOOD | {"wins": value}).startswith("wins: wanted a whole number >= 0, saw ")


def test_a_count_written_as_a_whole_float_is_accepted() -> None:
    assert sample_of(GOOD | {"wins": 4.0}).wins == 4


@pytest.mark.parametrize("value", ["EURO", "E1R", "", "äöü", 978, True])
def test_a_currency_that_is_not_three_letters_is_refused(value: Any) -> None:
    assert reason_of(GOOD | {"currency": value}).startswith("currency: wanted three letters, saw ")


def test_account_currency_stands_in_for_currency() -> None:
    answer = {name: value for name, value in GOOD.items() if name != "currency"}
    assert sample_of(answer | {"account_currency": "usd"}).currency == "USD"
    assert sample_of(GOOD | {"currency": None, "account_currency": "USD"}).currency == "USD"
    assert sample_of(GOOD | {"account_currency": "USD"}).currency == "EUR"
    assert reason_of(answer | {"account_currency": 3}).startswith("account_currency: wanted three letters")


def test_a_wrong_optional_key_is_unknown_and_remarked_upon() -> None:
    sample = sample_of(
        GOOD
        | {
            "bot": 5,
            "realized_pnl": "much",
            "unrealized_pnl": float("inf"),
            "win_rate": float("nan"),
            "open_positions": -1,
            "signals": "BUY",
        }
    )
    assert sample.equity == 10000.5
    assert (sample.bot, sample.realised_pnl, sample.unrealised_pnl, sample.win_rate) == (None,) * 4
    assert (sample.open_positions, sample.signals) == (None, ())
    assert [remark.split(":")[0] for remark in sample.remarks] == [
        "bot",
        "realized_pnl",
        "unrealized_pnl",
        "win_rate",
        "open_positions",
        "signals",
    ]


def test_text_of_the_target_cannot_steer_the_terminal() -> None:
    sample = sample_of(GOOD | {"bot": "\x1b]0;owned\x07\n" + "x" * 500, "signals": ["\ud800\x1b[2J"]})
    assert sample.bot is not None
    assert sample.bot.isprintable()
    assert len(sample.bot) == TEXT_LIMIT
    assert sample.signals[0].isprintable()


def test_only_the_most_recent_signals_are_kept() -> None:
    sample = sample_of(GOOD | {"signals": [f"s{n}" for n in range(100)]})
    assert len(sample.signals) == SIGNAL_LIMIT
    assert sample.last_signal == "s99"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff\xfe\xff", b'{"equity": 1', b"1e" + b"9" * 40, b"\x00"]
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    reason = parse_state(body)
    assert isinstance(reason, str)
    assert "not" in reason
    assert reason.isprintable()


def test_json_that_is_nested_too_deep_is_refused() -> None:
    reason = parse_state(b"[" * 60_000 + b"]" * 60_000)
    assert isinstance(reason, str)


@pytest.mark.parametrize("answer", [[], 3, "equity", None, True, 1.5])
def test_json_that_is_no_object_is_refused(answer: Any) -> None:
    assert reason_of(answer).startswith("the answer is not a JSON object but ")


RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "equity",
        "currency",
        "account_currency",
        "total_trades",
        "wins",
        "losses",
        "bot",
        "realized_pnl",
        "unrealized_pnl",
        "win_rate",
        "open_positions",
        "positions",
        "signals",
    ]
)


@RELAXED
@given(st.dictionaries(KEYS, JSON))
def test_no_json_makes_the_parser_raise(changes: dict[str, Any]) -> None:
    result = parse_state(json.dumps(GOOD | changes).encode())
    if isinstance(result, TargetSample):
        assert abs(result.equity_millionths) <= EQUITY_LIMIT * 1_000_000 < 2**63
        assert len(result.currency) == 3
        assert all(text.isprintable() and len(text) <= TEXT_LIMIT for text in result.signals)
    else:
        assert result
        assert result.isprintable()


@RELAXED
@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(body: bytes) -> None:
    assert isinstance(parse_state(body), str | TargetSample)
