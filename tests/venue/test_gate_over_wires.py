"""The risk gate over real sockets: bots on REST and WS-API, FIX and OUCH send whatever they like, while the
gate is thrown and reset among their requests and trips by itself.

Nothing of a latched account passes, none of its orders is in the book after a kill, each protocol tells every
refusal with its own code, and the run says the same when it is recomputed. The seed gives the same requests;
when they meet the switches does not.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from engine.core.rng import Stream
from engine.core.types import ALL_ACCOUNTS, GateAction
from engine.host.live import LiveOptions, SessionHost
from engine.rebuild import rebuild_session
from engine.recording.verify import verify_run
from engine.scenarios.loader import load_scenario, parse_scenario
from engine.session import SessionConfig
from engine.venue.ouch.codes import RejectReason
from tests.venue.binance_trader import BinanceTrader
from tests.venue.fix_trader import FixTrader
from tests.venue.ouch_trader import OuchTrader
from tests.venue.test_ledger_truth_over_wires import Scene
from tests.venue.traders import PATIENCE_S, Trader, Venue

SEED = int(os.environ.get("STORMDESK_WIRES_SEED", "1"))
LIMITS = "\n[risk]\nmax_position_lots = 90\n"
"""Tight enough that bots trip it by themselves."""
BURST = 4
PASSES = ("NEW", "TRADE", "REPLACED")


class _Latch(NamedTuple):
    """An account was latched: from this instant, up to the reset."""

    account: int
    from_ns: int
    until_ns: int
    is_kill: bool


class Gated(Scene):
    """Three bots, and somebody at the switches."""

    def __init__(self, tmp_path: Path, seed: int) -> None:
        super().__init__(tmp_path, seed)
        scenario = parse_scenario(load_scenario("minimal").toml + LIMITS, where="test")
        options = LiveOptions(tmp_path, speed=1.0, record=True)
        self.host = SessionHost(SessionConfig(scenario, seed=seed), options)
        self.venue = Venue(self.host)
        self.draw = Stream(seed, 99)
        self.kills = 0

    async def storm(self, rounds: int) -> None:
        """Each round: a switch is thrown amid requests, then what was killed asks again, then it is reset."""
        async with self.running():
            kinds = (BinanceTrader, FixTrader, OuchTrader)
            self.bots = [kind(self.venue, self.seed, 10**9) for kind in kinds]
            for bot in self.bots:
                await bot.connect()
            for _ in range(rounds):
                await self._round()
            self._throw(GateAction.RESET, ALL_ACCOUNTS)
            async with asyncio.timeout(PATIENCE_S):
                for bot in self.bots:
                    await bot.withdraw()

    async def _round(self) -> None:
        victim = (ALL_ACCOUNTS, *map(self._account_of, self.bots))[self.draw.below(4)]
        async with asyncio.TaskGroup() as group:
            for bot in self.bots:
                group.create_task(_send(bot, BURST))
            for _ in range(self.draw.below(6)):
                await asyncio.sleep(0)
            self._throw(GateAction.KILL, victim)
            self.kills += 1
        # Requests are carried out in the order in which they come: the switch has been thrown by now.
        killed = [bot for bot in self.bots if victim in (ALL_ACCOUNTS, self._account_of(bot))]
        async with asyncio.TaskGroup() as group:
            for bot in killed:
                group.create_task(_send(bot, BURST))
        session = self.host.session
        for bot in killed:
            number = self._account_of(bot)
            assert session.gatekeeper.is_killed(number), bot.name
            assert session.exchange.open_order_count(number) == 0, f"{bot.name} has orders in the book"
            assert session.broker.open_orders(number) == []
        self._throw(GateAction.RESET, ALL_ACCOUNTS)
        if self.draw.below(3) == 0:
            self._throw(GateAction.START_OF_DAY, victim)

    def _throw(self, action: GateAction, account: int) -> None:
        assert self.host.throw_gate(action, account)

    def _account_of(self, bot: Trader) -> int:
        return self.venue.account(bot.name)

    # -- what the run says -----------------------------------------------------------------------------

    def latches(self) -> list[_Latch]:
        """From the gatekeeper's log."""
        ours = {self._account_of(bot) for bot in self.bots}
        found: list[_Latch] = []
        since: dict[int, tuple[int, bool]] = {}
        for entry in self.host.session.gatekeeper.log:
            named = sorted(ours) if entry.account == ALL_ACCOUNTS else [entry.account]
            for account in named:
                if account not in ours:
                    continue
                if entry.what in ("trip", "kill"):
                    before = since.pop(account, None)
                    if before is not None:
                        found.append(_Latch(account, before[0], entry.time_ns, before[1]))
                    since[account] = (entry.time_ns, entry.what == "kill")
                elif entry.what in ("reset", "start_of_day") and account in since:
                    from_ns, is_kill = since.pop(account)
                    found.append(_Latch(account, from_ns, entry.time_ns, is_kill))
        assert not since, "everybody was reset at the end"
        return found


async def _send(bot: Trader, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await bot.burst(count)


def _check_nothing_passed(scene: Gated) -> None:
    """No order of a latched account began; of one that was killed, nothing traded either."""
    latches = scene.latches()
    assert any(latch.is_kill for latch in latches)
    executions = [line for line in scene.lines() if line["kind"] == "OrderEvent"]
    passed: list[tuple[_Latch, dict[str, Any]]] = []
    for line in executions:
        execution = line["message"][0]
        for latch in latches:
            # In the very instant the switch may have come behind the order.
            within = latch.from_ns < line["happened_ns"] < latch.until_ns
            if line["account"] != latch.account or not within:
                continue
            if execution == "NEW" or (latch.is_kill and execution in PASSES):
                passed.append((latch, line))
    assert passed == []


def _check_told(scene: Gated) -> None:
    """Each wire has told refusals of the gate by its code, and as many as the gate has refused."""
    rest, fix, ouch = scene.bots
    assert _count(rest.outcomes, "-2010 Order rejected by the risk gate: kill_switch") > 0
    assert _count(fix.outcomes, "refused: Order rejected by the risk gate: kill_switch") > 0
    assert _count(ouch.outcomes, f"rejected {int(RejectReason.OTHER)}") > 0
    replies = Counter[int]()
    for line in scene.lines():
        if line["kind"] == "Reply" and "kill_switch" in msgspec.json.encode(line["message"]).decode():
            replies[line["account"]] += 1
    for bot in scene.bots:
        assert replies[scene.venue.account(bot.name)] > 0, bot.name


def _count(outcomes: Counter[str], beginning: str) -> int:
    return sum(count for outcome, count in outcomes.items() if outcome.startswith(beginning))


def _check_run(scene: Gated) -> None:
    scene.host.session.exchange._check()
    result = verify_run(scene.run, build=rebuild_session)
    assert result.ok, result.first_difference
    assert result.complete
    assert result.gate_rows_compared >= 2 * scene.kills


async def _hold(scene: Gated, rounds: int) -> None:
    try:
        await scene.storm(rounds)
        _check_nothing_passed(scene)
        _check_told(scene)
        _check_run(scene)
    except BaseException as error:
        error.add_note(f"seed {scene.seed}, run {scene.host.recorder and scene.host.recorder.path}")
        error.add_note("\n".join(f"{bot.name}: {dict(bot.outcomes)}" for bot in scene.bots))
        raise


async def test_nothing_of_a_latched_account_passes_over_any_wire(tmp_path: Path) -> None:
    await _hold(Gated(tmp_path, SEED), rounds=14)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 15))
async def test_nothing_passes_in_thousands_of_requests_and_switches(tmp_path: Path, seed: int) -> None:
    scene = Gated(tmp_path, seed)
    await _hold(scene, rounds=150)
    trips = [latch for latch in scene.latches() if not latch.is_kill]
    orders = sum(bot.sent for bot in scene.bots)
    print(f"\nseed {seed}: {scene.kills} kills, {len(trips)} trips, {orders} orders")
    assert trips, "the position guard tripped by itself, too"
