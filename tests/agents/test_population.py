"""The tables of the built-in agents: made from groups, in their order, each agent on a stream of its own."""

from __future__ import annotations

import pytest

from engine.agents.acting import AgentKind
from engine.agents.fundamental import FundamentalParams
from engine.agents.population import FIRST_WAKE_NS, Population, PopulationRow
from engine.agents.registry import ARCHETYPES, AgentGroup, limit_lots
from engine.arena.leaves import signed
from engine.core.clock import NS_PER_S
from engine.core.rng import Stream
from engine.core.types import Account
from engine.market.records import Due
from engine.scenarios import list_scenarios, load_scenario
from engine.session import Session, SessionConfig
from tests.agents.plain import KernelMarket

FIRST = int(Account.FIRST_AGENT)
SCENARIO = load_scenario("minimal")
GROUPS = SCENARIO.groups


def group(kind: str, members: int = 2) -> AgentGroup:
    return AgentGroup(kind, members, 100, ARCHETYPES[kind].params())


def population(*groups: AgentGroup, seed: int = 42) -> Population:
    return Population(seed=seed, groups=groups, fundamental=FundamentalParams())


def test_every_kind_has_its_number_its_table_and_its_fields():
    assert [kind.upper() for kind in ARCHETYPES] == [kind.name for kind in AgentKind]
    for kind, archetype in ARCHETYPES.items():
        assert PopulationRow.fields[kind].record is archetype.record
        assert archetype.params()._fields == tuple(archetype.params._field_defaults)


@pytest.mark.parametrize("name", list_scenarios())
def test_accounts_follow_the_order_of_the_file(name):
    scenario = load_scenario(name)
    session = Session(SessionConfig(scenario))
    names = [f"{g.kind}-{n}" for g in scenario.groups for n in range(1, g.members + 1)]
    assert [session.accounts[FIRST + i].name for i in range(len(names))] == names


def test_groups_of_one_kind_share_its_table():
    people = population(group("noise"), group("value", 1), group("noise", 3))
    rows = [(AgentKind(agent.kind).name, agent.row) for agent in people.row.agents]
    assert rows == [("NOISE", 0), ("NOISE", 1), ("VALUE", 0), ("NOISE", 2), ("NOISE", 3), ("NOISE", 4)]
    assert len(people.row.noise) == 5
    assert [member.name for member in people.members][-1] == "noise-3"


def test_each_agent_draws_from_the_stream_of_its_account():
    people = population(group("noise"), group("value"), seed=9)
    for number, member in enumerate(people.members):
        key, _ = Stream(9, member.account).__getstate__()
        assert member.account == FIRST + number
        assert people.row.streams[number].key == signed(key)


def test_a_value_trader_is_born_with_a_bias():
    people = population(group("noise", 1), group("value", 3))
    for number, trader in enumerate(people.row.value, 1):
        stream = Stream(42, FIRST + number)
        assert trader.bias_ticks == ARCHETYPES["value"].params().bias_ticks * stream.normal()
        assert people.row.streams[number].count == stream.count == 3
    assert len({trader.bias_ticks for trader in people.row.value}) == 3


def test_a_group_more_at_the_end_changes_nobody_elses_row():
    fewer, more = population(*GROUPS), population(*GROUPS, group("value", 5))
    for name in ("agents", "streams"):
        kept = [repr(row) for row in getattr(fewer.row, name)]
        assert [repr(row) for row in getattr(more.row, name)][: len(kept)] == kept
    assert more.row.value[0].bias_ticks == fewer.row.value[0].bias_ticks


def test_silent_agents_more_change_no_event(machine_code):
    """Institutions that rest for centuries wake, draw, and never send."""
    silent = AgentGroup("twap", 7, 1, ARCHETYPES["twap"].params(rest_s=1e12))
    alone = KernelMarket(SCENARIO, 5).advance(10 * NS_PER_S)
    watched = KernelMarket(SCENARIO._replace(groups=(*GROUPS, silent)), 5).advance(10 * NS_PER_S)
    assert watched[0] == alone[0] + 7
    assert watched[1:] == alone[1:]


def test_everybody_is_woken_once_within_the_first_moments():
    market = KernelMarket(SCENARIO, 5).exchange.market
    heap = [market.heap[i] for i in range(market.waiting)]
    assert sorted(entry.target for entry in heap) == list(range(sum(g.members for g in GROUPS)))
    assert {entry.kind for entry in heap} == {int(Due.WAKE)}
    assert all(0 < entry.time_ns <= FIRST_WAKE_NS for entry in heap)


def test_an_agent_that_has_a_limit_says_so():
    limits = {kind: limit_lots(archetype.params()) for kind, archetype in ARCHETYPES.items()}
    assert {kind for kind, limit in limits.items() if limit is None} == {"noise", "twap"}
    assert limits["maker"] == 1_000


def test_a_market_without_agents_needs_no_fundamental():
    people = Population(seed=1)
    assert people.members == []
    assert people.fundamental is None
    with pytest.raises(AssertionError, match="fundamental"):
        Population(seed=1, groups=GROUPS)
