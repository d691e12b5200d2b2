"""Kernels and oracle agree on random markets to the last bit: interpreted, compiled, checked, and changing
from one to the other between two samples."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from itertools import cycle

import pytest

from engine.analytics.features import sample_once, take_trades
from engine.analytics.records import RETURNS_WINDOW, SPREAD_WINDOW, VPIN_BUCKETS
from engine.core.alerts import AlertStore
from engine.core.types import Regime
from tests.analytics.markets import HandMarket, Step, Take, script

TABLES = ("features", "vpin", "vpin_gaps", "samples", "spreads", "returns", "regimes")
MARKETS = {
    "narrow": (1, 640, 10_000, 12, 40),
    "wide": (2, 640, 600, 300, 2_000),
    "beyond doubles": (3, 280, 1 << 49, 1 << 40, 1 << 40),
    "beyond words": (4, 280, 1 << 45, 1 << 12, 1 << 57),
}
"""Arguments of `script`. Prices times lots pass 2^53 in the third, 2^63 in the fourth."""


@pytest.fixture(scope="module", params=list(MARKETS))
def life(request) -> list[Step]:
    seed, samples, price_ticks, width_ticks, lots = MARKETS[request.param]
    return script(seed, samples, price_ticks=price_ticks, width_ticks=width_ticks, lots=lots)


@pytest.fixture(scope="module")
def interpreted(life) -> HandMarket:
    return lived(life, sample_once)


def compiled(checked: bool) -> Take:
    if os.environ.get("STORMDESK_JIT") == "0":
        pytest.skip("STORMDESK_JIT=0: nothing is compiled")
    pytest.importorskip("numba")
    from engine.arena.compiler import Compiler

    return Compiler(checked=checked).compile(sample_once)


@pytest.fixture(scope="module")
def builds() -> dict[str, Take]:
    return {"fast": compiled(checked=False), "checked": compiled(checked=True)}


def lived(life: list[Step], take: Take, between: Callable[[HandMarket], None] = lambda _: None) -> HandMarket:
    market = HandMarket(unit_lots=2, take=take)
    for step in life:
        market.do(step)  # compares every sample
        between(market)
    return market


def tables(market: HandMarket) -> dict[str, bytes]:
    """What the windows hold, but for addresses."""
    content = {}
    for name in TABLES:
        rows = market.arena.rows(name)
        kept = [field for field in rows.dtype.names if rows.dtype[field].shape == () and field != "vpin"]
        if name == "samples":
            kept = list(rows.dtype.names)
        content[name] = b"".join(rows[field].tobytes() for field in kept)
    return content


def test_every_sample_is_the_oracles_and_so_are_the_windows(interpreted):
    assert interpreted.analytics.samples == list(interpreted.oracle.samples)
    assert interpreted.analytics.regime_seconds == interpreted.oracle.regime_seconds


def test_the_lives_show_every_regime_and_send_every_ring_round(interpreted):
    row = interpreted.analytics.row
    assert min(interpreted.analytics.regime_seconds) > 0.0
    assert row.vpin.bucket_count > 2 * VPIN_BUCKETS
    if row.sample_count > 600:
        assert row.spread_count > SPREAD_WINDOW + 10
        assert row.return_count > RETURNS_WINDOW + 10


@pytest.mark.parametrize("name", ["fast", "checked"])
def test_compiled_kernels_leave_the_same_bytes(life, interpreted, builds, name):
    assert tables(lived(life, builds[name])) == tables(interpreted)


def test_kernels_may_change_between_any_two_samples(life, interpreted, builds):
    turns = cycle([sample_once, builds["fast"], builds["checked"]])
    mixed = lived(life, lambda *arguments: next(turns)(*arguments))
    assert tables(mixed) == tables(interpreted)


def test_it_does_not_matter_when_trades_are_taken(life, interpreted):
    def take_now(market: HandMarket) -> None:
        take_trades(market.market, market.analytics.row)

    assert tables(lived(life, sample_once, take_now)) == tables(interpreted)


def test_a_copy_goes_on_like_its_original(life):
    half = len(life) // 2
    original = lived(life[:half], sample_once)
    copy = pickle.loads(pickle.dumps((original.arena, original.analytics)))[1]
    before = copy.samples
    for step in life[half:]:
        original.do(step)
    assert copy.samples == before != original.analytics.samples


def test_python_is_told_exactly_when_an_alert_goes_up_or_comes_down(life):
    """The rule of the session, asked at every sample, against what the kernel returned."""
    store, heard = AlertStore(), AlertStore()

    def watch(alerts: AlertStore, market: HandMarket) -> None:
        sample = market.analytics.latest
        if sample.regime >= Regime.AGGRESSIVE:
            alerts.raise_alert(f"{sample.regime}", time_ns=sample.time_ns, severity="warning", text="")
        elif sample.regime == Regime.CALM:
            alerts.clear(f"{Regime.AGGRESSIVE}")
            alerts.clear(f"{Regime.CRISIS}")

    market = HandMarket(unit_lots=2)
    for step in life:
        market.do(step)
        if step[0] == "sample":
            before = (store.count, set(store._raised))
            watch(store, market)
            changed = (store.count, set(store._raised)) != before
            assert market.told == changed
            if market.told:
                watch(heard, market)
    assert heard.alerts() == store.alerts()
    assert heard._raised == store._raised
