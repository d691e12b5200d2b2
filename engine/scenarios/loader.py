"""Loads a scenario: a preset by name or a TOML file by path (stop 0 on the data path).

A scenario's text is part of every run, so that a run can be recomputed without the file. Unknown keys and
wrong types are refused with the key's name; nothing is silently ignored.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.agents.fundamental import FundamentalParams
from engine.agents.registry import ARCHETYPES
from engine.core.errors import ScenarioError
from engine.core.types import Instrument
from engine.market.ledger import FeeSchedule

__all__ = [
    "AgentGroup",
    "Scenario",
    "history_scenario",
    "list_scenarios",
    "load_scenario",
    "parse_scenario",
]

_PRESETS = Path(__file__).parent
MAX_AGENTS = 20_000
"""Agents in one scenario."""


class AgentGroup(NamedTuple):
    """`members` agents of one kind with the same parameters."""

    kind: str
    members: int
    latency_us: int
    params: Any
    """The parameter NamedTuple of this kind (engine.agents.registry)."""


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a target counts as damaged or killed (flowlab.md section 6)."""

    damaged: float = -10.0
    """Equity change below which it is damaged, in its currency."""
    killed: float = -100.0
    damaged_fraction: float | None = None
    """If set: the threshold is minus this share of the start equity instead."""
    killed_fraction: float | None = None


class Scenario(NamedTuple):
    """One market, ready to build."""

    name: str
    description: str
    instrument: Instrument
    fees: FeeSchedule
    fundamental: FundamentalParams | None
    """None: no simulated value (a replayed exchange)."""
    groups: tuple[AgentGroup, ...]
    thresholds: Thresholds
    external_latency_us: int
    """One-way latency of orders from bots and desk."""
    toml: str
    """The text that it was read from."""


class _InstrumentTable(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    tick_size: str
    lot_size: str
    currency: str
    unit_lots: int


class _FeesTable(msgspec.Struct, forbid_unknown_fields=True):
    maker_ppm: int = 0
    taker_ppm: int = 0


class _GroupTable(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    count: int
    latency_us: int | None = None
    params: dict[str, int | float] = {}


class _ScenarioTable(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    description: str = ""
    instrument: _InstrumentTable | None = None
    fees: _FeesTable = msgspec.field(default_factory=_FeesTable)
    fundamental: dict[str, int | float] | None = None
    agents: list[_GroupTable] = []
    thresholds: Thresholds = msgspec.field(default_factory=Thresholds)
    external_latency_us: int = 500


def list_scenarios() -> list[str]:
    """Names of the presets, sorted."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml") if path.stem != "history")


def load_scenario(name_or_path: str) -> Scenario:
    """The preset of this name, or the scenario in this TOML file. Raises ScenarioError."""
    if name_or_path in list_scenarios():
        path = _PRESETS / f"{name_or_path}.toml"
    else:
        path = Path(name_or_path)
        if path.suffix != ".toml" or not path.is_file():
            raise ScenarioError(
                f"no scenario {name_or_path!r}: use one of {', '.join(list_scenarios())}, "
                "or the path of a .toml file"
            )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from error
    return parse_scenario(text, where=str(path))


def history_scenario() -> Scenario:
    """The scenario of a replayed exchange: no simulated agents; the source names the instrument."""
    return parse_scenario((_PRESETS / "history.toml").read_text(encoding="utf-8"), where="history")


def parse_scenario(text: str, *, where: str) -> Scenario:
    """A scenario from TOML text. Raises ScenarioError that names `where` and the key."""
    try:
        table = msgspec.toml.decode(text, type=_ScenarioTable)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{where}: {error}") from error
    except msgspec.DecodeError as error:
        raise ScenarioError(f"{where}: not valid TOML: {error}") from error
    groups = tuple(_group(group, where) for group in table.agents)
    if sum(group.members for group in groups) > MAX_AGENTS:
        raise ScenarioError(f"{where}: more than {MAX_AGENTS} agents; lower the counts")
    if groups and table.fundamental is None:
        raise ScenarioError(f"{where}: agents need a [fundamental] table with anchor_ticks")
    if table.external_latency_us < 1:
        raise ScenarioError(f"{where}: external_latency_us must be at least 1")
    return Scenario(
        name=table.name,
        description=table.description,
        instrument=_instrument(table.instrument, where),
        fees=FeeSchedule(table.fees.maker_ppm, table.fees.taker_ppm),
        fundamental=None
        if table.fundamental is None
        else _typed(FundamentalParams, table.fundamental, f"{where}: [fundamental]"),
        groups=groups,
        thresholds=table.thresholds,
        external_latency_us=table.external_latency_us,
        toml=text,
    )


def _instrument(table: _InstrumentTable | None, where: str) -> Instrument:
    if table is None:
        return Instrument("-", Decimal("0.01"), Decimal(1), "USD", 1)
    try:
        tick, lot = Decimal(table.tick_size), Decimal(table.lot_size)
    except InvalidOperation as error:
        raise ScenarioError(f"{where}: tick_size and lot_size are decimals in quotes, as \"0.01\"") from error
    if not (tick > 0 and lot > 0 and tick.is_finite() and lot.is_finite() and table.unit_lots > 0):
        raise ScenarioError(f"{where}: tick_size, lot_size and unit_lots must be positive")
    if len(table.currency) != 3:
        raise ScenarioError(f"{where}: currency {table.currency!r} must have three letters")
    return Instrument(table.symbol, tick, lot, table.currency, table.unit_lots)


def _group(table: _GroupTable, where: str) -> AgentGroup:
    archetype = ARCHETYPES.get(table.kind)
    if archetype is None:
        raise ScenarioError(f"{where}: unknown agent kind {table.kind!r}: use one of {', '.join(ARCHETYPES)}")
    if table.count < 0:
        raise ScenarioError(f"{where}: agents {table.kind!r}: count must not be negative")
    latency_us = archetype.latency_us if table.latency_us is None else table.latency_us
    if latency_us < 1:
        raise ScenarioError(f"{where}: agents {table.kind!r}: latency_us must be at least 1")
    params = _typed(archetype.params, table.params, f"{where}: agents {table.kind!r}: params")
    return AgentGroup(table.kind, table.count, latency_us, params)


def _typed(params: type[Any], values: dict[str, int | float], where: str) -> Any:
    """Build the NamedTuple `params` from TOML numbers; ints may stand for floats, not the reverse.

    The sign and size of each value follow its default: what is positive there must be positive here.
    """
    defaults = params._field_defaults
    for key, value in values.items():
        if key not in defaults:
            raise ScenarioError(f"{where}: unknown key {key!r}; known: {', '.join(defaults)}")
        if isinstance(defaults[key], int) and not isinstance(value, int):
            raise ScenarioError(f"{where}: {key} must be a whole number, not {value}")
        if value < 0 or (value == 0 and isinstance(defaults[key], int)):
            raise ScenarioError(f"{where}: {key} = {value} is out of range")
    typed = {k: float(v) if isinstance(defaults[k], float) else v for k, v in values.items()}
    return params(**typed)
