"""The market of 1,117 agents is a market: tight, liquid, bounded, and tied to the value, for a whole day."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from engine.arena.machine import JIT_MODE
from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.inputs import storm_command
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest

pytestmark = [
    pytest.mark.usefixtures("machine_code"),
    pytest.mark.skipif(JIT_MODE == "0", reason="STORMDESK_JIT=0: hours"),
]

MINUTE_S = 60
DAY_S = 23_400


class Path(NamedTuple):
    """What was seen at the end of each second."""

    bid: npt.NDArray[np.float64]
    ask: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    live_orders: npt.NDArray[np.float64]
    furthest: dict[str, int]
    """Largest position that any agent of a kind had."""
    happenings_per_s: float


def walk(session: Session, seconds: int) -> Path:
    exchange, population = session.exchange, session.population
    kinds = {
        kind: [m.account for m in population.members if m.kind == kind] for kind in ("value", "adaptive")
    }
    furthest = dict.fromkeys(kinds, 0)
    rows, before = [], session.kernel.processed
    for _ in range(seconds):
        session.advance(session.now_ns + NS_PER_S)
        value = population.row.fundamental.value_ticks
        rows.append((exchange.best_bid or 0, exchange.best_ask or 0, value, exchange.book.order_count))
        positions = np.abs(exchange.arena.rows("accounts")["position_lots"])
        furthest = {kind: max(furthest[kind], int(positions[kinds[kind]].max())) for kind in kinds}
    columns = np.array(rows, np.float64).T
    return Path(*columns, furthest, (session.kernel.processed - before) / seconds)


def assert_healthy(session: Session, seconds: int) -> None:
    path = walk(session, seconds)
    assert (path.bid > 0).all()
    assert (path.ask > path.bid).all()
    spread, gap = path.ask - path.bid, np.abs((path.bid + path.ask) / 2.0 - path.value)
    assert np.quantile(spread, 0.99) <= 3
    assert np.quantile(gap, 0.99) <= 12
    assert gap.max() <= 60
    assert path.live_orders.max() <= 4_000
    assert 3_000 <= path.happenings_per_s <= 4_500
    assert path.furthest["adaptive"] <= 2_200
    assert path.furthest["value"] < 30_000
    assert session.analytics.latest is not None
    assert min(session.analytics.latest.bid_depth_lots, session.analytics.latest.ask_depth_lots) > 200
    session.exchange.ledger.check()


def session_of(seed: int) -> Session:
    return Session(SessionConfig(load_scenario("rmsc04"), seed=seed))


def test_the_cast_is_that_of_rmsc04():
    """1,117 with the exchange."""
    cast = Counter({group.kind: group.members for group in load_scenario("rmsc04").groups})
    assert cast == {"noise": 1_000, "value": 102, "momentum": 12, "adaptive": 2}
    assert cast.total() == 1_116


@pytest.mark.parametrize("seed", [1, 42])
def test_ten_minutes_are_healthy(seed):
    assert_healthy(session_of(seed), 10 * MINUTE_S)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 42, 2**63 + 5])
def test_a_whole_day_is_healthy(seed):
    session = session_of(seed)
    assert_healthy(session, DAY_S)
    assert_healthy(session, 10 * MINUTE_S)


def test_everybody_takes_part_and_the_makers_never_take():
    session = session_of(42)
    session.advance(MINUTE_S * NS_PER_S)
    ledger = session.exchange.ledger
    for member in session.population.members:
        entry = ledger.entry(member.account)
        assert entry.fills > 0 or member.kind == "momentum", member.name
        if member.kind == "adaptive":
            assert entry.aggressive_lots == 0
            sides = {order.side for order in session.exchange.open_orders(member.account).values()}
            assert sides == {0, 1}


def test_a_crash_moves_the_price_and_the_market_takes_it_back():
    calm, hit = session_of(3), session_of(3)
    for session in (calm, hit):
        session.advance(30 * NS_PER_S)
    hit.accept(hit.stamp(storm_command(StormRequest(StormKind.CRASH, 1.0, 10))))
    deepest = 0.0
    for second in range(31, 61):
        for session in (calm, hit):
            session.advance(second * NS_PER_S)
        twice = calm.exchange.twice_mid_ticks, hit.exchange.twice_mid_ticks
        assert None not in twice
        deepest = max(deepest, (twice[0] - twice[1]) / 2)
    assert deepest >= 5
    assert abs(twice[0] - twice[1]) / 2 <= 5
