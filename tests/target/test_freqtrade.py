"""freqtrade as a target: what its REST server says becomes a sample, whatever it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.errors import UsageError
from engine.target.adapter import BadAnswer
from engine.target.contract import TargetSample, TargetStatus
from engine.target.freqtrade import PASSWORD_VARIABLE, FreqtradeAdapter
from engine.target.poller import TargetPoller
from tests.target.freqtrade_server import PASSWORD, USER, FreqtradeServer, freqtrade_server
from tests.target.misbehaviour import Heard

ENVIRONMENT = {PASSWORD_VARIABLE: PASSWORD}


@pytest.fixture
def server() -> Iterator[FreqtradeServer]:
    with freqtrade_server() as stand_in:
        yield stand_in


def adapter_of(server: FreqtradeServer, password: str = PASSWORD) -> FreqtradeAdapter:
    return FreqtradeAdapter(server.url, USER, environment={PASSWORD_VARIABLE: password}, timeout_ms=10_000)


def polls(server: FreqtradeServer, count: int = 1, **options: str) -> list[TargetStatus]:
    heard = Heard()
    poller = TargetPoller(adapter_of(server, **options), heard, period_s=0.01)
    poller.start()
    try:
        return heard.wait_for_polls(count)[:count]
    finally:
        poller.stop()


def test_its_words_become_a_sample(server):
    (status,) = polls(server)
    assert (status.status, status.detail) == ("ok", "")
    sample = status.sample
    assert sample is not None
    assert sample.equity_millionths == 59_399_506_557  # starting capital + all profit, to the millionth
    assert (sample.currency, sample.bot) == ("USDT", "often")
    assert (sample.total_trades, sample.wins, sample.losses) == (3, 2, 1)
    assert sample.trades_are_round_trips
    assert sample.realised_pnl == 1.25
    assert sample.unrealised_pnl == pytest.approx(-1.58306619)
    assert sample.position == Decimal("0.0166")
    assert sample.open_positions == 1
    assert sample.signals == (
        "EXIT stop_loss BTC/USDT -2.5",
        "EXIT roi BTC/USDT 0.75",
        "LONG BTC/USDT 0.0166 @ 59998.7",
    )


def test_it_logs_in_once_and_asks_for_closed_trades_when_there_are_new_ones(server):
    heard = Heard()
    poller = TargetPoller(adapter_of(server), heard, period_s=0.01)
    poller.start()
    heard.wait_for_polls(3)
    poller.stop()
    assert server.asked.count("token/login") == 1
    assert server.asked.count("trades") == 1
    assert server.asked.count("show_config") == 1
    assert server.asked.count("balance") >= 3


@pytest.mark.parametrize("refresh_too", [False, True])
def test_an_expired_token_is_renewed_within_the_poll(server, refresh_too):
    heard = Heard()
    poller = TargetPoller(adapter_of(server), heard, period_s=0.01)
    poller.start()
    heard.wait_for_polls(1)
    server.expire(refresh_too=refresh_too)
    statuses = heard.wait_for_polls(4)
    poller.stop()
    assert {status.status for status in statuses} == {"ok"}
    assert server.asked.count("token/refresh") == 1
    assert server.asked.count("token/login") == (2 if refresh_too else 1)


def test_a_wrong_password_is_told_without_it(server):
    (status,) = polls(server, password="a-wrong-one")
    assert status.status == "invalid"
    assert status.detail == f"freqtrade refuses user or password ({PASSWORD_VARIABLE})"
    assert "a-wrong-one" not in repr(adapter_of(server, "a-wrong-one"))


def test_without_a_password_in_the_environment_it_is_refused_at_the_door():
    with pytest.raises(UsageError, match=PASSWORD_VARIABLE):
        FreqtradeAdapter("http://127.0.0.1:1", USER, environment={})


@pytest.mark.parametrize(
    ("word", "said", "detail"),
    [
        ("balance", [1], "balance: the answer is not a JSON object"),
        ("balance", b"<html>", "balance: the answer is not JSON"),
        ("balance", b"[" * 50_000, "balance: "),
        ("profit", {}, "closed_trade_count: wanted a finite number, saw None"),
        ("status", {"a": 1}, "status: the answer is not a list of JSON objects"),
        ("status", [{"amount": "1"}], "amount: wanted a finite number, saw '1'"),
        ("trades", b"", "trades: the answer is not JSON"),
    ],
)
def test_a_bad_answer_is_one_line(server, word, said, detail):
    server.said[word] = said
    (status,) = polls(server)
    assert status.status == "invalid"
    assert status.detail.startswith(detail)
    assert status.detail.isprintable()


def test_a_word_that_it_does_not_know_is_told_with_its_status(server):
    del server.said["profit"]
    (status,) = polls(server)
    assert (status.status, status.detail) == ("invalid", "answered HTTP 404, wanted 200")


def test_a_short_trade_counts_as_a_negative_position(server):
    server.said["status"] = [{"amount": 0.5, "is_short": True}, {"amount": 0.2}]
    (status,) = polls(server)
    assert status.sample is not None
    assert status.sample.position == Decimal("-0.3")


class Script:
    """A web whose answers are a table."""

    def __init__(self, said: dict[str, bytes]) -> None:
        self.said = said

    async def get(self, url: str, headers: object = None) -> bytes:
        return self.said[url.rpartition("/")[2].partition("?")[0]]

    async def post(self, url: str, headers: object = None) -> bytes:
        return b'{"access_token": "a", "refresh_token": "b"}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ("starting_capital", "stake", "profit_all_coin", "closed_trade_count", "amount", "winrate", "trades")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {
            word: JSON | st.dictionaries(st.sampled_from(KEYS), JSON) | st.lists(JSON, max_size=2)
            for word in ("balance", "profit", "status", "trades", "show_config")
        }
    )
)
def test_whatever_it_answers_is_a_sample_or_one_line(said):
    adapter = FreqtradeAdapter("http://127.0.0.1:1", USER, environment=ENVIRONMENT)
    try:
        outcome = asyncio.run(adapter.read(script_of(said), "http://127.0.0.1:1"))
    except BadAnswer as bad:
        outcome = str(bad)
    assert isinstance(outcome, TargetSample) or (outcome and "\n" not in outcome)


def script_of(said: dict[str, Any]) -> Script:
    """Good answers, with these laid over them."""
    answers: dict[str, bytes] = {}
    for word, good in FreqtradeServer().said.items():
        both_are_objects = isinstance(good, dict) and isinstance(said[word], dict)
        answers[word] = json.dumps({**good, **said[word]} if both_are_objects else said[word]).encode()
    return Script(answers)
