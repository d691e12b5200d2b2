"""Which kinds of agents a scenario may name, and how their parameters are typed."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.agents.base import Agent
from engine.agents.maker import Maker, MakerParams
from engine.agents.momentum import Momentum, MomentumParams
from engine.agents.noise import Noise, NoiseParams
from engine.agents.twap import Twap, TwapParams
from engine.agents.value import Value, ValueParams

__all__ = ["ARCHETYPES", "Archetype"]


class Archetype(NamedTuple):
    """One kind of agent: its class and the NamedTuple of its parameters."""

    agent: type[Agent]
    params: type[Any]
    latency_us: int
    """One-way order latency unless the scenario says otherwise."""


ARCHETYPES: dict[str, Archetype] = {
    "noise": Archetype(Noise, NoiseParams, 15_000),
    "value": Archetype(Value, ValueParams, 2_000),
    "momentum": Archetype(Momentum, MomentumParams, 2_500),
    "maker": Archetype(Maker, MakerParams, 50),
    "twap": Archetype(Twap, TwapParams, 1_000),
}
