"""Loads a scenario: a preset by name or a TOML file by path (stop 0 on the data path).

A scenario's text is part of every run, so that a run can be recomputed without the file. Unknown keys and
wrong types are refused with the key's name; nothing is silently ignored.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.agents.fundamental import FundamentalParams
from engine.agents.registry import ARCHETYPES, AgentGroup
from engine.broker.broker import StartingBalances
from engine.broker.money import Money
from engine.core.errors import ScenarioError
from engine.core.types import Instrument
from engine.market.ledger import MICRO, FeeSchedule
from engine.scenarios.risk import RiskTerms

__all__ = [
    "AgentGroup",
    "RiskTerms",
    "Scenario",
    "history_scenario",
    "list_scenarios",
    "load_scenario",
    "parse_scenario",
]

_PRESETS = Path(__file__).parent
MAX_AGENTS = 20_000
"""Agents in one scenario."""
MAX_LATENCY_US = 60_000_000
MAX_FEE_PPM = 1_000_000
MAX_UNIT_LOTS = 1 << 30
_STEPS = (Decimal("1e-12"), Decimal("1e12"))
"""Least and greatest tick and lot size."""
_ANY = (0.0, 1e12)
_RANGES: dict[str, tuple[float, float]] = {
    "rate_per_s": (0.001, 10_000.0),
    "interval_ms": (2, 3_600_000),
    "slice_s": (0.001, 3_600.0),
    "threshold_ticks": (0.001, 1e6),
    "levels": (1, 200),
    "market_share": (0.0, 1.0),
    "jump_chance": (0.0, 1.0),
    "reversion": (0.0, 1.0),
    "fast": (0.0, 1.0),
    "slow": (0.0, 1.0),
    "pov": (0.0, 1.0),
    "spread_alpha": (0.0, 1.0),
    "level_spacing": (0.0, 1.0),
}
"""Least and greatest value of agents' and the fundamental's parameters, where _ANY is too wide: shares,
what is divided by, and what decides how often something happens."""


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a target counts as damaged or killed (flowlab.md section 6)."""

    damaged: float = -10.0
    """Equity change below which it is damaged, in its currency."""
    killed: float = -100.0
    damaged_fraction: float | None = None
    """If set: the threshold is minus this share of the start equity instead."""
    killed_fraction: float | None = None
    max_drawdown: float | None = None
    """If set: a target whose equity falls by more than this below its highest is damaged at the least."""
    max_drawdown_fraction: float | None = None
    """The same, as a share of the equity from which it fell."""
    max_exposure: float | None = None
    """If set: a target that holds more than this, |position| at mid, is damaged at the least. Of targets that
    have an account here."""


class VenueTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every account at the venue starts with."""

    base: str | None = None
    """Of the base asset, a decimal in quotes; None: a hundred usual orders."""
    quote: str | None = None
    """Of the quote asset; None: what the base is worth at the start, or 1,000,000 where that is not known."""

    def balances(self, instrument: Instrument, price_ticks: int | None) -> StartingBalances:
        """The balances as lots and micro. The texts have been checked."""
        money = Money(instrument)
        lots = 100 * instrument.unit_lots if self.base is None else money.lots(self.base)
        assert lots is not None
        if self.quote is None and price_ticks is not None:
            return StartingBalances(lots, lots * price_ticks * MICRO)
        micro = money.micro("1000000" if self.quote is None else self.quote)
        assert micro is not None
        return StartingBalances(lots, micro)


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
    venue: VenueTerms
    """What bots at the venue start with."""
    risk: RiskTerms
    """Limits of desk, target and bots."""
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
    risk: RiskTerms | None = None


class _ScenarioTable(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    description: str = ""
    instrument: _InstrumentTable | None = None
    fees: _FeesTable = msgspec.field(default_factory=_FeesTable)
    fundamental: dict[str, int | float] | None = None
    agents: list[_GroupTable] = []
    thresholds: Thresholds = msgspec.field(default_factory=Thresholds)
    external_latency_us: int = 500
    venue: VenueTerms = msgspec.field(default_factory=VenueTerms)
    risk: RiskTerms = msgspec.field(default_factory=RiskTerms)


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
    instrument = _instrument(table.instrument, where)
    groups = tuple(_group(group, instrument, where) for group in table.agents)
    if sum(group.members for group in groups) > MAX_AGENTS:
        raise ScenarioError(f"{where}: more than {MAX_AGENTS} agents; lower the counts")
    if groups and table.fundamental is None:
        raise ScenarioError(f"{where}: agents need a [fundamental] table with anchor_ticks")
    _check_latency(table.external_latency_us, f"{where}: external_latency_us")
    table.risk.limits(instrument, f"{where}: [risk]")
    return Scenario(
        name=table.name,
        description=table.description,
        instrument=instrument,
        fees=_fees(table.fees, where),
        fundamental=None
        if table.fundamental is None
        else _typed(FundamentalParams, table.fundamental, f"{where}: [fundamental]"),
        groups=groups,
        thresholds=_thresholds(table.thresholds, where),
        external_latency_us=table.external_latency_us,
        venue=_venue(table, where),
        risk=table.risk,
        toml=text,
    )


def _instrument(table: _InstrumentTable | None, where: str) -> Instrument:
    if table is None:
        return Instrument("-", Decimal("0.01"), Decimal(1), "USD", 1)
    try:
        tick, lot = Decimal(table.tick_size), Decimal(table.lot_size)
    except InvalidOperation as error:
        raise ScenarioError(f'{where}: tick_size and lot_size are decimals in quotes, as "0.01"') from error
    for key, step in (("tick_size", tick), ("lot_size", lot)):
        if not (step.is_finite() and _STEPS[0] <= step <= _STEPS[1]):
            raise ScenarioError(f"{where}: {key} = {step} is out of range: use {_STEPS[0]} to {_STEPS[1]}")
    if not 0 < table.unit_lots <= MAX_UNIT_LOTS:
        raise ScenarioError(f"{where}: unit_lots must be 1 to {MAX_UNIT_LOTS}, not {table.unit_lots}")
    if not 3 <= len(table.currency) <= 5:
        raise ScenarioError(f"{where}: currency {table.currency!r} must have three to five letters")
    return Instrument(table.symbol, tick, lot, table.currency, table.unit_lots)


def _venue(table: _ScenarioTable, where: str) -> VenueTerms:
    money = Money(_instrument(table.instrument, where))
    base, quote = table.venue.base, table.venue.quote
    if base is not None and money.lots(base) is None:
        raise ScenarioError(f'{where}: [venue] base = "{base}" is no decimal in whole lots')
    if quote is not None and money.micro(quote) is None:
        raise ScenarioError(f'{where}: [venue] quote = "{quote}" is no decimal, as "100000"')
    return table.venue


def _fees(table: _FeesTable, where: str) -> FeeSchedule:
    for key, ppm in (("maker_ppm", table.maker_ppm), ("taker_ppm", table.taker_ppm)):
        if abs(ppm) > MAX_FEE_PPM:
            raise ScenarioError(f"{where}: {key} = {ppm} is out of range: at most {MAX_FEE_PPM} either way")
    return FeeSchedule(table.maker_ppm, table.taker_ppm)


def _thresholds(table: Thresholds, where: str) -> Thresholds:
    for key in table.__struct_fields__:
        value = getattr(table, key)
        if value is not None and not isfinite(value):
            raise ScenarioError(f"{where}: [thresholds] {key} must be a number, not {value}")
        if value is not None and key.startswith("max_") and value < 0:
            raise ScenarioError(f"{where}: [thresholds] {key} is a size: use 0 or more, not {value}")
    return table


def _check_latency(latency_us: int, what: str) -> None:
    if not 1 <= latency_us <= MAX_LATENCY_US:
        raise ScenarioError(f"{what} must be 1 to {MAX_LATENCY_US}, not {latency_us}")


def _group(table: _GroupTable, instrument: Instrument, where: str) -> AgentGroup:
    archetype = ARCHETYPES.get(table.kind)
    if archetype is None:
        raise ScenarioError(f"{where}: unknown agent kind {table.kind!r}: use one of {', '.join(ARCHETYPES)}")
    if table.count < 0:
        raise ScenarioError(f"{where}: agents {table.kind!r}: count must not be negative")
    latency_us = archetype.latency_us if table.latency_us is None else table.latency_us
    _check_latency(latency_us, f"{where}: agents {table.kind!r}: latency_us")
    params = _typed(archetype.params, table.params, f"{where}: agents {table.kind!r}: params")
    limits = (
        None if table.risk is None else table.risk.limits(instrument, f"{where}: agents {table.kind!r}: risk")
    )
    return AgentGroup(table.kind, table.count, latency_us, params, limits)


def _typed(params: type[Any], values: dict[str, int | float], where: str) -> Any:
    """Build the NamedTuple `params` from TOML numbers; ints may stand for floats, not the reverse.

    Every value lies in its range (_RANGES), and a whole number is at least 1.
    """
    defaults = params._field_defaults
    for key, value in values.items():
        if key not in defaults:
            raise ScenarioError(f"{where}: unknown key {key!r}; known: {', '.join(defaults)}")
        if isinstance(defaults[key], int) and not isinstance(value, int):
            raise ScenarioError(f"{where}: {key} must be a whole number, not {value}")
        least, greatest = _RANGES.get(key, _ANY)
        if isinstance(defaults[key], int):
            least = max(1, least)
        if not least <= value <= greatest:  # refuses NaN too
            raise ScenarioError(f"{where}: {key} = {value} is out of range: use {least:g} to {greatest:g}")
    typed = {k: float(v) if isinstance(defaults[k], float) else v for k, v in values.items()}
    return params(**typed)
