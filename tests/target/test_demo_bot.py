"""The demo bot as a real process, against a real order API over a fake host."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from engine.api.server import OrderApi
from engine.core.errors import StormdeskError, UsageError
from engine.core.types import Account, Side, TimeInForce
from engine.market.orders import ReportKind
from engine.target.contract import TargetSample, parse_state
from engine.target.demo_bot import TOKEN_VARIABLE, main, run_demo_bot
from engine.target.spawn import TOKEN_VARIABLE as SPAWN_TOKEN_VARIABLE
from engine.target.spawn import DemoBotProcess, spawn_demo_bot
from tests.api.fake_host import FakeHost
from tests.target.misbehaviour import DEADLINE_S, Heard
from tests.target.polling import contract_poller

needs_pidfd = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open (Linux)")
DEAD_DESK = "http://127.0.0.1:9"


@contextmanager
def serving(host: FakeHost, *, port: int = 0, token: str | None = None) -> Iterator[OrderApi]:
    api = OrderApi(host, port=port, token=token)
    api.start()
    try:
        yield api
    finally:
        api.stop()


@contextmanager
def running(api_url: str | None, token: str | None = None) -> Iterator[DemoBotProcess]:
    assert api_url is not None
    bot = spawn_demo_bot(api_url, token)
    try:
        yield bot
    finally:
        bot.stop()


def state_of(bot: DemoBotProcess) -> TargetSample:
    body = httpx.get(f"{bot.url}/api/state", trust_env=False, timeout=DEADLINE_S).content
    sample = parse_state(body)
    assert isinstance(sample, TargetSample), sample
    return sample


def wait_for_exit(pid: int) -> None:
    """Until the process has ended, also one that is not our child."""
    handle = os.pidfd_open(pid)
    try:
        assert select.select([handle], [], [], DEADLINE_S)[0], f"process {pid} still runs"
    finally:
        os.close(handle)


def test_it_trades_and_answers_like_any_target() -> None:
    host, heard = FakeHost("first"), Heard()
    host.show([(9990, 50)], [(10010, 50)])
    with serving(host, token="s3cret") as api, running(api.address, "s3cret") as bot:
        poller = contract_poller(bot.locate, heard, period_s=0.05, timeout_ms=5_000)
        poller.start()
        submits = host.wait_for_call("submit", 2)
        assert host.calls[0] == ("cancel_all", Account.TARGET)
        assert {(call[1], call[2], call[5]) for call in submits} == {
            (Account.TARGET, Side.BID, TimeInForce.POST_ONLY),
            (Account.TARGET, Side.ASK, TimeInForce.POST_ONLY),
        }
        heard.wait_for_polls(1)
        assert httpx.get(f"{bot.url}/api/health", trust_env=False).status_code == 200
        assert heard.polls()[0].status == "ok", heard.polls()[0]

        bid = next(call for call in submits if call[2] == Side.BID)
        _, _, side, price_ticks, qty_lots, _, client_id = bid
        terms = {"side": int(side), "price_ticks": price_ticks, "qty_lots": qty_lots}
        host.report(ReportKind.ACCEPTED, client_id, **terms, remaining_lots=qty_lots)
        host.report(
            ReportKind.FILLED,
            client_id,
            **terms,
            filled_lots_last=qty_lots,
            fill_price_ticks=price_ticks,
            remaining_lots=0,
        )
        host.wait_for_call("submit", 3)
        sample = state_of(bot)
        assert sample.open_positions == 1
        assert sample.last_signal == f"BOUGHT {qty_lots}@{price_ticks}"

        again = FakeHost("second")
        again.show([(9990, 50)], [(10010, 50)])
        api.attach(again)
        again.wait_for_call("submit", 2)
        assert again.calls[0] == ("cancel_all", Account.TARGET)
        assert state_of(bot).open_positions == 0
        assert state_of(bot).equity_millionths == sample.equity_millionths
        poller.stop()


def test_it_comes_back_when_the_order_api_does() -> None:
    host = FakeHost()
    with serving(host) as api, running(api.address) as bot:
        host.wait_for_call("submit", 2)
        assert bot.wait_listening(DEADLINE_S)
        assert api.address is not None
        port = int(api.address.rpartition(":")[2])
        api.stop()
        assert state_of(bot).equity == 10_000
        host.calls.clear()
        with serving(host, port=port):
            host.wait_for_call("submit", 2)
            assert ("cancel_all", Account.TARGET) in host.calls


@needs_pidfd
def test_it_cancels_its_orders_when_it_is_asked_to_end() -> None:
    host = FakeHost()
    with serving(host) as api, running(api.address) as bot:
        host.wait_for_call("submit", 2)
        os.kill(bot.pid, signal.SIGTERM)
        wait_for_exit(bot.pid)
        host.wait_for_call("cancel_all", 2)
        assert not bot.running


@needs_pidfd
def test_it_ends_when_its_parents_pipe_closes() -> None:
    bot = spawn_demo_bot(DEAD_DESK)
    assert bot.wait_listening(DEADLINE_S)
    assert httpx.get(f"{bot.url}/api/state", trust_env=False).status_code == 503
    assert bot._process.stdin is not None
    bot._process.stdin.close()
    wait_for_exit(bot.pid)
    assert bot._process.wait(DEADLINE_S) == 0
    bot.stop()
    bot.stop()


PARENT = """
import sys
from engine.target.spawn import spawn_demo_bot
bot = spawn_demo_bot("http://127.0.0.1:9")
bot.wait_listening(20)
print(bot.pid, flush=True)
sys.stdin.read()
"""


@needs_pidfd
def test_it_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
        wait_for_exit(pid)


def test_a_bot_that_cannot_start_says_why() -> None:
    with running("nonsense") as bot:
        assert not bot.wait_listening(DEADLINE_S)
        bot._process.wait(DEADLINE_S)
        with pytest.raises(StormdeskError, match="ended by itself: target 'nonsense': not an address"):
            bot.locate()


def test_wrong_use_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--desk", "nonsense"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    with pytest.raises(UsageError, match="port -5"):
        run_demo_bot(DEAD_DESK, port=-5)


def test_both_sides_name_the_tokens_variable_alike() -> None:
    assert TOKEN_VARIABLE == SPAWN_TOKEN_VARIABLE
