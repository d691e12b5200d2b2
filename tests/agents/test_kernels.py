"""Agents as kernels do what agents as objects did: the same draws, sends and cancels, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.agents.registry import ARCHETYPES, AgentGroup
from engine.arena.machine import JIT_MODE
from engine.core.clock import NS_PER_S
from engine.scenarios import load_scenario, loader, parse_scenario
from engine.scenarios.loader import Scenario
from engine.session import Session, SessionConfig
from tests.agents.plain import PLAIN, KernelMarket, PlainMarket

pytestmark = pytest.mark.usefixtures("machine_code")

BIG_SEED = 2**63 + 5
PINNED = {
    ("minimal", 42, 2): (94, 0x6EFE3476F6EA2608, 0x716D6C1B5876E4B5),
    ("balanced", 42, 2): (332, 0xE5A909066F5AC992, 0x16E8BD0EE3CA7B83),
    ("institutional", 42, 2): (553, 0xC4AB56A1ACCD9686, 0x4461052FDD6F3A40),
    ("stress_test", 42, 2): (2379, 0x97A2C508171FB1D6, 0xE4C376F3ADC1AB66),
    ("minimal", 1, 120): (7730, 0xF4903C005D365D53, 0x094B838E9DAB0EAE),
    ("minimal", BIG_SEED, 120): (8658, 0x3E145AA91B44CD80, 0x87EB4D95EDBD5D15),
    ("balanced", 1, 120): (25655, 0x25B570124C96F19C, 0x413A5903A278A455),
    ("balanced", BIG_SEED, 120): (28066, 0x11FFD15313DF55FA, 0xD9BA56DD0F456F74),
    ("institutional", 1, 120): (43238, 0x012F0CACF1F8FF59, 0xB2F26544B4BA7FD0),
    ("institutional", BIG_SEED, 120): (46068, 0x2CEB415D5699EBB1, 0x8BC004AA5006812D),
    ("stress_test", 1, 120): (181990, 0xD1CE1C459B34B573, 0xBCCFF898A830128A),
    ("stress_test", BIG_SEED, 120): (185730, 0xC4E5163FD236D844, 0x67E9A6B7C3A65560),
}
"""(preset, seed, seconds): events, event digest and book digest, from before the agents were kernels."""


def outcome(name: str, seed: int, seconds: int) -> tuple[int, int, int]:
    session = Session(SessionConfig(load_scenario(name), seed=seed))
    session.advance(seconds * NS_PER_S)
    return session.event_count, session.event_digest, session.book_digest()


@pytest.mark.parametrize("name", ["minimal", "balanced", "institutional", "stress_test"])
def test_every_path_gives_the_digests_of_before(name, kernel_path):
    assert outcome(name, 42, 2) == PINNED[(name, 42, 2)]


@pytest.mark.skipif(JIT_MODE == "0", reason="STORMDESK_JIT=0: minutes")
@pytest.mark.parametrize("pinned", [key for key in PINNED if key[2] > 2], ids=str)
def test_long_sessions_give_the_digests_of_before(pinned):
    assert outcome(*pinned) == PINNED[pinned]


@pytest.mark.parametrize("name", ["minimal", "balanced", "institutional", "rmsc04"])
def test_a_preset_publishes_what_plain_agents_publish(name):
    scenario = load_scenario(name)
    kernels, plain = KernelMarket(scenario, 7), PlainMarket(scenario, 7)
    for until_ns in (NS_PER_S, 2 * NS_PER_S):
        assert kernels.advance(until_ns) == plain.advance(until_ns)


EMPTY = load_scenario("minimal")._replace(groups=())
BUSIEST: dict[str, tuple[float, float]] = {
    "rate_per_s": (0.001, 20.0),
    "slice_s": (0.02, 3_600.0),
    "interval_ms": (50, 3_600_000),
    "levels": (1, 20),
}
"""Narrower than the loader allows: a market of a few agents shall stay a small one."""
WHOLE = st.integers(1, 400) | st.integers(1, 10**12)
REAL = st.floats(0, 40) | st.floats(0, 1e12)


def parameter(key: str, default: Any) -> st.SearchStrategy[Any]:
    """A parameter's default, its extremes, or anything between."""
    least, most = BUSIEST.get(key) or loader._RANGES.get(key, loader._ANY)
    values = (WHOLE if isinstance(default, int) else REAL).map(
        lambda value: type(default)(min(max(value, least), most))
    )
    return st.just(default) | (st.floats(least, most) if most == 1.0 else values)


@st.composite
def groups(draw: st.DrawFn) -> AgentGroup:
    kind = draw(st.sampled_from(sorted(PLAIN)))
    archetype = ARCHETYPES[kind]
    values = {key: draw(parameter(key, value)) for key, value in archetype.params._field_defaults.items()}
    latency_us = draw(st.sampled_from([1, 50, 3_000, 400_000]))
    return AgentGroup(kind, draw(st.integers(1, 3)), latency_us, archetype.params(**values))


FUNDAMENTALS = st.builds(
    type(EMPTY.fundamental),
    anchor_ticks=st.sampled_from([1, 3, 60, 10_000, 10**12]),
    reversion=st.sampled_from([0.0, 0.0005, 1.0]),
    sigma_ticks=st.sampled_from([0.0, 0.7, 30.0, 1e12]),
    jump_chance=st.sampled_from([0.0, 0.1, 1.0]),
    jump_ticks=st.sampled_from([0.0, 8.0, 1e12]),
)
NOISE = AgentGroup("noise", 3, 1_000, ARCHETYPES["noise"].params(rate_per_s=20.0))
MAKER = AgentGroup("maker", 2, 50, ARCHETYPES["maker"].params(levels=60, interval_ms=100, panic_ticks=0.5))
ADAPTIVE = AgentGroup("adaptive", 2, 50, ARCHETYPES["adaptive"].params(interval_ms=100, limit_lots=60))


@settings(max_examples=8 if JIT_MODE == "0" else 40)
@given(st.lists(groups(), min_size=1, max_size=4), FUNDAMENTALS, st.integers(0, 2**64 - 1))
@example([MAKER], EMPTY.fundamental, 1)
@example([MAKER, ADAPTIVE], EMPTY.fundamental._replace(anchor_ticks=2), 2)
@example([ADAPTIVE], EMPTY.fundamental._replace(sigma_ticks=30.0), 3)
def test_with_any_parameters_kernels_publish_what_plain_agents_publish(some, fundamental, seed):
    scenario = EMPTY._replace(groups=(NOISE, *some), fundamental=fundamental)
    kernels, plain = KernelMarket(scenario, seed), PlainMarket(scenario, seed)
    for until_ns in (NS_PER_S // 2, 2 * NS_PER_S):
        assert kernels.advance(until_ns) == plain.advance(until_ns)


def test_a_parameter_that_means_centuries_is_no_overflow(kernel_path):
    """Lives of 30,000 years: nothing is ever cancelled, and time does not wrap round."""
    text = load_scenario("minimal").toml.replace("rate_per_s = 6.0", "rate_per_s = 6.0, lifetime_s = 1e12")
    scenario: Scenario = parse_scenario(text, where="test")
    market = KernelMarket(scenario, 1)
    market.advance(2 * NS_PER_S)
    assert market.exchange.kernel.next_time_ns() > 2 * NS_PER_S
    assert market.exchange.book.order_count > 10
