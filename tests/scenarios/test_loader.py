"""Scenarios: every preset runs, and every kind of mistake is refused with the name of its key."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.agents.registry import ARCHETYPES
from engine.core.clock import NS_PER_S
from engine.core.errors import ScenarioError, UsageError
from engine.scenarios import history_scenario, list_scenarios, load_scenario, loader, parse_scenario
from engine.scenarios.loader import MAX_AGENTS
from engine.session import Session, SessionConfig
from tests.paths import running

pytestmark = pytest.mark.usefixtures("machine_code")

GOOD = """
name = "tiny"
external_latency_us = 250

[instrument]
symbol = "ACME"
tick_size = "0.05"
lot_size = "0.1"
currency = "EUR"
unit_lots = 5

[fees]
maker_ppm = -3
taker_ppm = 20

[fundamental]
anchor_ticks = 2000
sigma_ticks = 0

[thresholds]
damaged = -1
killed = -50.5

[[agents]]
kind = "noise"
count = 2
latency_us = 7
params = { rate_per_s = 6, size_lots = 3 }

[[agents]]
kind = "maker"
count = 1
"""


PRESETS = ["balanced", "btcusdt", "institutional", "minimal", "rmsc04", "stress_test"]


def test_the_presets_are_those_of_the_contract():
    assert list_scenarios() == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_market_that_trades(name):
    session = Session(SessionConfig(load_scenario(name)))
    session.advance(5 * NS_PER_S)
    view = session.market_view()
    assert (view.scenario, view.time_ns) == (name, 5 * NS_PER_S)
    assert view.bids[0].price_ticks < view.asks[0].price_ticks
    assert view.trade_count > 0
    assert view.kpis.mid_ticks is not None
    maker = "adaptive-1" if name == "rmsc04" else "maker-1"
    assert {agent.name for agent in view.agents} >= {"noise-1", "value-1", "momentum-1", maker}
    session.exchange.ledger.check()


def test_the_market_that_bots_expect_is_the_balanced_one_in_other_units():
    configs = [SessionConfig(load_scenario(name), seed=9) for name in ("balanced", "btcusdt")]
    sessions = [Session(config) for config in configs]
    for session in sessions:
        session.advance(5 * NS_PER_S)
    assert len({session.event_digest for session in sessions}) == 1
    balanced, btcusdt = (config.scenario.instrument for config in configs)
    assert btcusdt.tick_size * btcusdt.lot_size == balanced.tick_size * balanced.lot_size, "money is the same"
    assert (btcusdt.symbol, btcusdt.currency, btcusdt.tick_size * 10_000) == ("BTCUSDT", "USDT", 100_000)


def test_everything_in_the_text_is_in_the_scenario():
    scenario = parse_scenario(GOOD, where="test")
    assert (scenario.name, scenario.external_latency_us, scenario.toml) == ("tiny", 250, GOOD)
    assert scenario.instrument == ("ACME", Decimal("0.05"), Decimal("0.1"), "EUR", 5, 1)
    assert scenario.fees == (-3, 20)
    assert scenario.fundamental is not None
    assert (scenario.fundamental.anchor_ticks, scenario.fundamental.sigma_ticks) == (2000, 0.0)
    assert (scenario.thresholds.damaged, scenario.thresholds.killed) == (-1.0, -50.5)
    noise, maker = scenario.groups
    assert (noise.kind, noise.members, noise.latency_us) == ("noise", 2, 7)
    assert (noise.params.rate_per_s, noise.params.size_lots) == (6.0, 3)
    assert isinstance(noise.params.rate_per_s, float)
    assert (maker.latency_us, maker.params) == (ARCHETYPES["maker"].latency_us, ARCHETYPES["maker"].params())


def test_a_scenario_is_the_same_from_its_file_and_from_its_recorded_text(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(GOOD, encoding="utf-8")
    assert load_scenario(str(file)) == parse_scenario(GOOD, where="recorded")


BAD = [
    ('name = "tiny"', "nmae = 'tiny'", "nmae|name"),
    ('name = "tiny"', "name = 3", "name"),
    ('name = "tiny"', "", "name"),
    ("external_latency_us = 250", "external_latency_us = 0", "external_latency_us"),
    ("external_latency_us = 250", "external_latency_us = 60000001", "external_latency_us"),
    ("external_latency_us = 250", "external_latency_us = 1.5", "external_latency_us"),
    ('symbol = "ACME"\n', "", "symbol"),
    ('symbol = "ACME"', 'symbol = "ACME"\ncolour = "red"', "colour"),
    ('tick_size = "0.05"', "tick_size = 0.05", "tick_size"),
    ('tick_size = "0.05"', 'tick_size = "cheap"', "tick_size"),
    ('tick_size = "0.05"', 'tick_size = "0"', "tick_size"),
    ('tick_size = "0.05"', 'tick_size = "-1"', "tick_size"),
    ('tick_size = "0.05"', 'tick_size = "NaN"', "tick_size"),
    ('tick_size = "0.05"', 'tick_size = "sNaN"', "tick_size"),
    ('tick_size = "0.05"', 'tick_size = "Infinity"', "tick_size"),
    ('tick_size = "0.05"', 'tick_size = "1e-999999"', "tick_size"),
    ('lot_size = "0.1"', 'lot_size = "0"', "lot_size"),
    ('lot_size = "0.1"', 'lot_size = "1e999999"', "lot_size"),
    ('currency = "EUR"', 'currency = "EUROPE"', "currency"),
    ("unit_lots = 5", "unit_lots = 0", "unit_lots"),
    ("unit_lots = 5", "unit_lots = 99999999999", "unit_lots"),
    ("maker_ppm = -3", "maker_ppm = 0.5", "maker_ppm"),
    ("maker_ppm = -3", "maker_ppm = -1000001", "maker_ppm"),
    ("taker_ppm = 20", "taker_ppm = 1000001", "taker_ppm"),
    ("taker_ppm = 20", "rebate = 20", "rebate"),
    ("anchor_ticks = 2000", "anchor_ticks = 0", "anchor_ticks"),
    ("anchor_ticks = 2000", "anchor_ticks = 2000.5", "anchor_ticks"),
    ("anchor_ticks = 2000", "anchor_ticks = 9999999999999", "anchor_ticks"),
    ("anchor_ticks = 2000", "anchors = 2000", "anchors"),
    ("sigma_ticks = 0", "sigma_ticks = -0.1", "sigma_ticks"),
    ("sigma_ticks = 0", "sigma_ticks = nan", "sigma_ticks"),
    ("sigma_ticks = 0", "sigma_ticks = inf", "sigma_ticks"),
    ("sigma_ticks = 0", "sigma_ticks = '1'", "sigma_ticks|fundamental"),
    ("sigma_ticks = 0", "sigma_ticks = true", "sigma_ticks|fundamental"),
    ("sigma_ticks = 0", "jump_chance = 1.01", "jump_chance"),
    ("damaged = -1", "damaged = nan", "damaged"),
    ("killed = -50.5", "killed_fraction = -inf", "killed_fraction"),
    ("damaged = -1", "hurt = -1", "hurt"),
    ('kind = "noise"', 'kind = "oracle"', "oracle"),
    ("count = 2", "count = -1", "count"),
    ("count = 2", "count = 1.5", "count"),
    ("count = 2", f"count = {MAX_AGENTS}", "agents"),
    ("latency_us = 7", "latency_us = 0", "latency_us"),
    ("rate_per_s = 6", "rate = 6", "rate"),
    ("rate_per_s = 6", "rate_per_s = 0", "rate_per_s"),
    ("rate_per_s = 6", "rate_per_s = 1e9", "rate_per_s"),
    ("size_lots = 3", "size_lots = 3.5", "size_lots"),
    ("size_lots = 3", "size_lots = 0", "size_lots"),
    ("size_lots = 3", "size_lots = -3", "size_lots"),
    ("size_lots = 3", "market_share = 1.5", "market_share"),
    ("[[agents]]", "[agents]", "agents|TOML"),
    ("[fees]", "[fees", "TOML"),
    ("[fees]", "[instrument]", "TOML"),
]


@pytest.mark.parametrize(
    ("good", "bad", "names"), BAD, ids=[f"{bad.strip() or 'no ' + good}" for good, bad, _ in BAD]
)
def test_a_mistake_is_refused_with_the_name_of_its_key(good, bad, names):
    assert good in GOOD
    with pytest.raises(ScenarioError, match=f"(?s)mine.toml.*({names})"):
        parse_scenario(GOOD.replace(good, bad, 1), where="mine.toml")


@pytest.mark.parametrize(
    ("kind", "params", "name"),
    [
        ("value", "threshold_ticks = 0", "threshold_ticks"),
        ("maker", "interval_ms = 1", "interval_ms"),
        ("maker", "levels = 100000", "levels"),
        ("momentum", "interval_ms = 1", "interval_ms"),
        ("momentum", "fast = 1.1", "fast"),
        ("twap", "slice_s = 0.0", "slice_s"),
        ("twap", "slice_s = inf", "slice_s"),
        ("adaptive", "pov = 1.1", "pov"),
        ("adaptive", "spread_alpha = 1.1", "spread_alpha"),
        ("adaptive", "level_spacing = 1.1", "level_spacing"),
        ("adaptive", "levels = 201", "levels"),
    ],
)
def test_a_value_that_would_stop_or_flood_the_market_is_refused(kind, params, name):
    text = f'{GOOD}[[agents]]\nkind = "{kind}"\ncount = 1\nparams = {{ {params} }}\n'
    with pytest.raises(ScenarioError, match=name):
        parse_scenario(text, where="mine.toml")


def edge_values() -> list[tuple[str, str, str]]:
    """(kind, key, smallest legal value) of every parameter of every agent."""
    values = []
    for kind, archetype in ARCHETYPES.items():
        for key, default in archetype.params._field_defaults.items():
            least = {
                "rate_per_s": "0.001",
                "interval_ms": "2",
                "slice_s": "0.001",
                "threshold_ticks": "0.001",
            }
            values.append((kind, key, least.get(key, "0.0" if isinstance(default, float) else "1")))
    return values


@pytest.mark.parametrize(("kind", "key", "value"), edge_values())
def test_the_smallest_legal_value_of_every_parameter_runs(kind, key, value):
    text = f'{GOOD}[[agents]]\nkind = "{kind}"\ncount = 2\nparams = {{ {key} = {value} }}\n'
    session = Session(SessionConfig(parse_scenario(text, where="mine.toml")))
    session.advance(NS_PER_S)
    session.exchange.ledger.check()


def greatest_values() -> list[tuple[str, str, int | float]]:
    """(kind, key, greatest legal value) of every parameter of every agent."""
    return [
        (kind, key, type(default)(loader._RANGES.get(key, loader._ANY)[1]))
        for kind, archetype in ARCHETYPES.items()
        for key, default in archetype.params._field_defaults.items()
    ]


@pytest.mark.parametrize(("kind", "key", "value"), greatest_values())
def test_the_greatest_legal_value_of_every_parameter_runs(kind, key, value):
    """Interpreted, where a number that does not fit is an error."""
    text = f'{GOOD}[[agents]]\nkind = "{kind}"\ncount = 2\nparams = {{ {key} = {value} }}\n'
    with running("interpreted"):
        session = Session(SessionConfig(parse_scenario(text, where="mine.toml")))
        session.advance(NS_PER_S // 10)
        session.exchange.ledger.check()


def test_agents_need_a_fundamental():
    text = GOOD[: GOOD.index("[fundamental]")] + GOOD[GOOD.index("[thresholds]") :]
    with pytest.raises(ScenarioError, match="fundamental"):
        parse_scenario(text, where="mine.toml")


@pytest.mark.parametrize("name", ["nowhere", "nowhere.toml", "history", "", "balanced.txt", "../balanced"])
def test_an_unknown_scenario_is_refused_with_the_names_that_exist(name):
    with pytest.raises(ScenarioError, match="balanced, btcusdt, institutional, minimal, rmsc04, stress_test"):
        load_scenario(name)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(b"name = \xff\xfe")
    with pytest.raises(ScenarioError, match=r"mine\.toml"):
        load_scenario(str(file))


def test_a_replayed_exchange_needs_a_source():
    with pytest.raises(UsageError, match="--source"):
        Session(SessionConfig(history_scenario()))
