"""HISTORY follows the recorded exchange, and meets the orders of others as the exchange would have."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.book.digest import book_digest
from engine.core.clock import NS_PER_S
from engine.core.types import Account, Command, CommandKind, Side, StormKind, TimeInForce
from engine.feeds.level_player import LevelPlayer
from engine.feeds.records import DepthUpdate
from engine.feeds.source import sample_path
from engine.inputs import storm_command
from engine.scenarios import history_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from tests.paths import PATHS, running

QUICK_PATHS = PATHS[-2:]
"""The first snapshot of a deep book is thousands of orders: slow when it is interpreted."""
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "binance_l2_2024"


pytestmark = pytest.mark.usefixtures("machine_code")


def open_session(path: Path) -> Session:
    return Session(SessionConfig(history_scenario(), source=str(path)))


@pytest.fixture(scope="module")
def sample_session() -> Session:
    return open_session(sample_path())


def plain_digest(levels: tuple[dict[int, int], dict[int, int]]) -> int:
    bids, asks = levels
    return book_digest(sorted(bids.items(), reverse=True), sorted(asks.items()))


def follow(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, int]:
    """Play a source with nobody else in the market; (updates, updates after which the whole book equals
    one kept by plain dictionaries, crossed books)."""
    plain: tuple[dict[int, int], dict[int, int]] = ({}, {})
    seen = equal = crossed = 0
    original = LevelPlayer._reconcile

    def take(update: DepthUpdate) -> None:
        for side, stated in ((0, update.bids), (1, update.asks)):
            if update.is_snapshot:
                plain[side].clear()
            for price, qty in stated:
                plain[side][price] = qty
                if not qty:
                    del plain[side][price]

    original_changed = LevelPlayer._changed_levels

    def changed(player: LevelPlayer, update: DepthUpdate) -> list[tuple[int, int]]:
        take(update)
        return original_changed(player, update)

    def reconcile(player: LevelPlayer, levels: list[tuple[int, int]]) -> None:
        nonlocal seen, equal, crossed
        original(player, levels)
        seen += 1
        if seen % 20 == 1:
            equal += player.exchange.book.digest() == plain_digest(plain)
        else:
            bids, asks = plain
            best = (max(bids, default=None), min(asks, default=None))
            equal += (player.exchange.best_bid, player.exchange.best_ask) == best
        crossed += player.exchange.book.crossed

    monkeypatch.setattr(LevelPlayer, "_changed_levels", changed)
    monkeypatch.setattr(LevelPlayer, "_reconcile", reconcile)
    session = open_session(path)
    assert session.end_ns is not None
    session.advance(session.end_ns)
    assert session.history is not None
    assert session.history.gaps == 0
    assert session.history.divergence_count == 0
    session.exchange._check()
    return seen, equal, crossed


@pytest.mark.parametrize("path", QUICK_PATHS)
def test_the_book_equals_the_exchanges_after_every_update(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    with running(path):
        seen, equal, crossed = follow(sample_path(), monkeypatch)
    assert seen > 300
    assert (equal, crossed) == (seen, 0)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "spot_btcusdt_20240808.jsonl.gz",
        pytest.param("usdm_btcusdt_20240808.jsonl.gz", marks=pytest.mark.long),
    ],
)
def test_the_book_of_a_whole_capture_equals_the_exchanges(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"needs {SHARED.name} beside the repository")
    if len(PATHS) == 1:
        pytest.skip("STORMDESK_JIT=0: takes minutes")
    seen, equal, crossed = follow(SHARED / name, monkeypatch)
    assert (equal, crossed) == (seen, 0)


def rest_behind_the_best_bid(session: Session, qty_lots: int) -> int:
    """Put an order of the desk at the best bid, behind HISTORY; its price."""
    best = session.exchange.best_bid
    assert best is not None
    session.accept(
        session.stamp(
            Command(
                kind=CommandKind.SUBMIT,
                account=Account.DESK,
                side=Side.BID,
                price_ticks=best,
                qty_lots=qty_lots,
                time_in_force=TimeInForce.GTC,
                order_id=7,
            )
        )
    )
    return best


def test_our_order_waits_behind_history_and_is_filled_by_historical_trades() -> None:
    session = open_session(sample_path())
    session.advance(5 * NS_PER_S)
    rest_behind_the_best_bid(session, 1_000)
    session.advance(session.now_ns + 2_000_000)
    (order,) = session.exchange.open_orders(Account.DESK).values()
    assert session.exchange.book.quantity_ahead(order.order_id) > 0
    assert session.end_ns is not None
    session.advance(session.end_ns)
    assert session.exchange.ledger.position(Account.DESK) == 1_000
    assert session.history is not None
    assert session.history.divergence_count == 0, "a passive fill takes nothing of history's liquidity"
    session.exchange._check()


def test_what_a_storm_takes_of_historys_liquidity_is_divergence() -> None:
    session = open_session(sample_path())
    session.advance(5 * NS_PER_S)
    session.accept(session.stamp(storm_command(StormRequest(StormKind.CRASH, 0.8, 10.0))))
    calm = open_session(sample_path())
    session.advance(12 * NS_PER_S)
    calm.advance(12 * NS_PER_S)
    assert session.history is not None
    assert session.history.divergence_count > 0
    assert session.history.first_divergence is not None
    assert session.history.first_divergence.time_ns >= 5 * NS_PER_S
    assert session.exchange.ledger.position(Account.FIRST_STORM + StormKind.CRASH) < 0
    assert session.event_digest != calm.event_digest
    assert not session.exchange.book.crossed
    session.exchange._check()


@pytest.mark.parametrize("path", QUICK_PATHS)
def test_the_same_source_gives_the_same_digests(sample_session: Session, path: str) -> None:
    other = open_session(sample_path())
    sample_session.advance(10 * NS_PER_S)
    with running(path):
        for step in range(1, 101):
            other.advance(step * NS_PER_S // 10)
    assert other.event_digest == sample_session.event_digest
    assert other.fork().book_digest() == sample_session.book_digest()
