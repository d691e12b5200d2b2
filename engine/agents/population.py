"""All built-in agents of one market: their records, the kernel that wakes one, and the owner of the tables.

    PopulationRow ─► agents     who they are, in the order of the scenario; the index is the agent's number
                  ├► streams    their random numbers, by number
                  ├► noise, value ...      parameters and state, a table a kind
                  ├► fundamental           what the instrument is worth
                  └► quotes     scratch of the makers

Everything is made at once from the scenario's groups, so no table ever grows. Accounts follow each other
in the order of the groups; each agent draws from the stream of its account, so a group more moves nobody
else's numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.agents.acting import AgentKind, AgentRow
from engine.agents.adaptive import AdaptiveRow, act_adaptive
from engine.agents.fundamental import Fundamental, FundamentalParams, FundamentalRow
from engine.agents.maker import MakerRow, act_maker
from engine.agents.momentum import MomentumRow, act_momentum
from engine.agents.noise import NoiseRow, act_noise
from engine.agents.quotes import Quote
from engine.agents.registry import ARCHETYPES, AgentGroup, limit_lots
from engine.agents.twap import TwapRow, act_twap
from engine.agents.value import ValueRow, act_value
from engine.arena.functions import inlined
from engine.arena.layout import Record, Table
from engine.arena.memory import Arena
from engine.arena.random import StreamRow, below, seed_stream
from engine.core.types import Account
from engine.market.heap import schedule
from engine.market.records import Due, Market

__all__ = ["FIRST_WAKE_NS", "Member", "Population", "PopulationRow", "act"]

FIRST_WAKE_NS = 50_000_000
"""Everybody wakes for the first time within this."""
_NOISE = int(AgentKind.NOISE)
_VALUE = int(AgentKind.VALUE)
_MOMENTUM = int(AgentKind.MOMENTUM)
_MAKER = int(AgentKind.MAKER)
_TWAP = int(AgentKind.TWAP)


class PopulationRow(Record):
    """The built-in agents. The tables of the kinds are called as in the registry."""

    agents: Table[AgentRow]
    streams: Table[StreamRow]
    fundamental: FundamentalRow
    """Leads nowhere when there are no agents."""
    quotes: Table[Quote]
    noise: Table[NoiseRow]
    value: Table[ValueRow]
    momentum: Table[MomentumRow]
    maker: Table[MakerRow]
    twap: Table[TwapRow]
    adaptive: Table[AdaptiveRow]


@inlined
def act(market: Market, population: PopulationRow, number: int, now_ns: int) -> int:
    """An agent wakes: it looks, and acts once. Returns ns until its next wake-up."""
    agent = population.agents[number]
    stream = population.streams[number]
    fundamental = population.fundamental
    kind = agent.kind
    if kind == _NOISE:
        return act_noise(market, fundamental, agent, stream, population.noise[agent.row])
    if kind == _VALUE:
        return act_value(market, fundamental, agent, stream, population.value[agent.row], now_ns)
    if kind == _MOMENTUM:
        return act_momentum(market, agent, stream, population.momentum[agent.row])
    if kind == _MAKER:
        maker = population.maker[agent.row]
        return act_maker(market, fundamental, agent, stream, maker, population.quotes)
    if kind == _TWAP:
        return act_twap(market, agent, stream, population.twap[agent.row])
    return act_adaptive(market, fundamental, agent, stream, population.adaptive[agent.row])


class Member(NamedTuple):
    """One built-in agent, for readers."""

    account: int
    name: str
    kind: str
    limit_lots: int | None


class Population:
    """The built-in agents of one market. What changes of them is in the arena's tables alone."""

    def __init__(
        self,
        *,
        seed: int,
        groups: Sequence[AgentGroup] = (),
        fundamental: FundamentalParams | None = None,
        arena: Arena | None = None,
    ) -> None:
        """Whoever has groups needs a fundamental."""
        assert fundamental is not None or not groups, "agents need a fundamental"
        self.arena = Arena() if arena is None else arena
        self.fundamental: Fundamental | None = None
        self.members: list[Member] = []
        """Everybody, by number."""
        self._make_tables(groups)
        if fundamental is not None:
            self.fundamental = Fundamental(seed, fundamental, self.arena)
            self.row.fundamental = self.fundamental.row
        made = dict.fromkeys(ARCHETYPES, 0)
        for group in groups:
            for number in range(1, group.members + 1):
                self._add(group, number, made[group.kind], seed)
                made[group.kind] += 1

    @property
    def row(self) -> PopulationRow:
        """The record that kernels take."""
        return self.arena.row("population", PopulationRow)

    def start(self, market: Market) -> None:
        """Schedules everybody's first wake-up."""
        streams = self.row.streams
        for number in range(len(self.members)):
            time_ns = market.now_ns + 1 + below(streams[number], FIRST_WAKE_NS)
            schedule(market, time_ns, int(Due.WAKE), number)

    def _make_tables(self, groups: Sequence[AgentGroup]) -> None:
        new = self.arena.new
        row = new("population", PopulationRow)[0]
        everybody = max(1, sum(group.members for group in groups))
        row.agents = new("agents", AgentRow, everybody)
        row.streams = new("agent_streams", StreamRow, everybody)
        levels = max((getattr(group.params, "levels", 1) for group in groups), default=1)
        row.quotes = new("agent_quotes", Quote, 2 * levels)
        for kind, archetype in ARCHETYPES.items():
            members = sum(group.members for group in groups if group.kind == kind)
            setattr(row, kind, new(f"agents_{kind}", archetype.record, max(1, members)))

    def _add(self, group: AgentGroup, number: int, row: int, seed: int) -> None:
        """The next agent: member `number` of its group, row `row` of its kind's table."""
        population, archetype = self.row, ARCHETYPES[group.kind]
        everybody = len(self.members)
        account = int(Account.FIRST_AGENT) + everybody
        agent, stream = population.agents[everybody], population.streams[everybody]
        agent.kind = AgentKind[group.kind.upper()]
        agent.row = row
        agent.account = account
        agent.latency_ns = group.latency_us * 1_000
        seed_stream(stream, seed, account)
        archetype.fill(getattr(population, group.kind)[row], group.params, stream)
        name = f"{group.kind}-{number}"
        self.members.append(Member(account, name, group.kind, limit_lots(group.params)))
