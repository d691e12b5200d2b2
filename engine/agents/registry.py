"""Which kinds of agents a scenario may name, how their parameters are typed, and how a row is filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.agents.acting import AgentKind
from engine.agents.adaptive import AdaptiveParams, AdaptiveRow, fill_adaptive
from engine.agents.maker import MakerParams, MakerRow, fill_maker
from engine.agents.momentum import MomentumParams, MomentumRow, fill_momentum
from engine.agents.noise import NoiseParams, NoiseRow, fill_noise
from engine.agents.twap import TwapParams, TwapRow, fill_twap
from engine.agents.value import ValueParams, ValueRow, fill_value
from engine.arena.layout import Record
from engine.market.risk import AccountLimits

__all__ = ["ARCHETYPES", "AgentGroup", "Archetype", "limit_lots"]


class Archetype(NamedTuple):
    """One kind of agent."""

    params: type[Any]
    """The NamedTuple of its parameters."""
    record: type[Record]
    fill: Callable[[Any, Any, Any], None]
    """fill(row, params, stream): writes the row of a new agent, with its first draws."""
    latency_us: int
    """One-way order latency unless the scenario says otherwise."""


class AgentGroup(NamedTuple):
    """`members` agents of one kind with the same parameters."""

    kind: str
    members: int
    latency_us: int
    params: Any
    """The parameter NamedTuple of this kind."""
    limits: AccountLimits | None = None
    """What the risk gate holds against each of them; None: nothing."""


ARCHETYPES: dict[str, Archetype] = {
    "noise": Archetype(NoiseParams, NoiseRow, fill_noise, 15_000),
    "value": Archetype(ValueParams, ValueRow, fill_value, 2_000),
    "momentum": Archetype(MomentumParams, MomentumRow, fill_momentum, 2_500),
    "maker": Archetype(MakerParams, MakerRow, fill_maker, 50),
    "twap": Archetype(TwapParams, TwapRow, fill_twap, 1_000),
    "adaptive": Archetype(AdaptiveParams, AdaptiveRow, fill_adaptive, 50),
}
assert [kind.upper() for kind in ARCHETYPES] == [kind.name for kind in AgentKind]


def limit_lots(params: Any) -> int | None:
    """The inventory limit that these parameters give an agent, where they give one."""
    limit: int | None = getattr(params, "limit_lots", None)
    return limit
