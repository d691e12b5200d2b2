"""The examples trade, keep to their limits, and do the same twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.client.examples import ccxt_bot, market_maker, trend_follower
from engine.core.types import Account
from tests.host.lockstep_runs import Outcome, lockstep_host, run_lockstep

EXAMPLES = Path(market_maker.__file__).parent
ROOT = Path(__file__).parents[2]


def twice(tmp_path: Path, bot: Callable[..., None], seconds: int) -> Outcome:
    first, second = (
        run_lockstep(lockstep_host(tmp_path, seconds=seconds), lambda url: bot(url, lockstep=True))
        for _ in range(2)
    )
    assert first.bot_error is None
    assert (first.event_digest, first.inputs, first.verdict) == (
        second.event_digest, second.inputs, second.verdict,
    )  # fmt: skip
    return first


def test_the_market_maker_trades_within_its_limit(tmp_path: Path):
    books = twice(tmp_path, market_maker.run, 20).host.session.exchange.ledger.entry(Account.TARGET)
    assert books.bought_lots > 0
    assert books.sold_lots > 0
    # A quote that fills while its cancel is under way comes on top.
    assert abs(books.position_lots) <= market_maker.LIMIT_LOTS + market_maker.QTY_LOTS


def test_the_trend_follower_turns_round_and_keeps_its_size(tmp_path: Path):
    books = twice(tmp_path, trend_follower.run, 20).host.session.exchange.ledger.entry(Account.TARGET)
    assert books.bought_lots > 0
    assert books.sold_lots > 0
    assert abs(books.position_lots) <= trend_follower.SIZE_LOTS


def test_an_example_runs_as_a_program(tmp_path: Path):
    def bot(url: str) -> None:
        command = [sys.executable, "-m", "engine.client.examples.market_maker", "--lockstep", url]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    outcome = run_lockstep(lockstep_host(tmp_path, seconds=2), bot)
    assert (outcome.bot_error, outcome.host.broken) == (None, None)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_examples_are_short(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 41


def test_the_ccxt_bot_puts_the_desk_where_the_exchange_would_be(monkeypatch: pytest.MonkeyPatch):
    def binance(keys: dict[str, str]) -> Any:
        return SimpleNamespace(keys=keys, urls={"api": {"public": "https://x/api/v3"}}, options={"a": 1})

    monkeypatch.setitem(sys.modules, "ccxt", SimpleNamespace(binance=binance))
    monkeypatch.setenv("BINANCE_KEY", "k")
    monkeypatch.setenv("BINANCE_SECRET", "s")
    exchange = ccxt_bot.connect("http://127.0.0.1:1")
    assert exchange.urls["api"] == {
        "public": "http://127.0.0.1:1/api/v3",
        "private": "http://127.0.0.1:1/api/v3",
        "sapi": "http://127.0.0.1:1/sapi/v1",
    }
    assert exchange.options["fetchMarkets"] == {"types": ["spot"]}
    assert exchange.keys == {"apiKey": "k", "secret": "s"}


def test_the_ccxt_bot_replaces_its_quotes():
    calls: list[tuple[Any, ...]] = []
    exchange = SimpleNamespace(
        fetch_open_orders=lambda symbol: [{"id": "7"}],
        cancel_order=lambda number, symbol: calls.append(("cancel", number)),
        fetch_order_book=lambda symbol, limit: {"bids": [[99.5, 1]], "asks": [[100.5, 1]]},
        create_limit_buy_order=lambda *order: calls.append(("buy", *order)),
        create_limit_sell_order=lambda *order: calls.append(("sell", *order)),
    )
    ccxt_bot.requote(exchange, "ACME/USD", 2)
    assert calls == [("cancel", "7"), ("buy", "ACME/USD", 2, 99.5), ("sell", "ACME/USD", 2, 100.5)]
