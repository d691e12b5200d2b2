"""The frame: an immutable view of a session, the only thing that readers see (stop 6 on the data path).

Desk, order API and recorder read frames; nobody reads the market behind the core's back. A frame holds
plain tuples and small read-only arrays, so it crosses threads without a lock. What is not known is None
and shows as an en dash; nothing here is invented for show.

The market part is built by `Session.market_view()`; the host adds what it alone knows (pace, target,
recording, measured latencies).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.core.alerts import Alert
from engine.core.clock import NS_PER_S
from engine.core.types import Instrument
from engine.score.card import BotCard
from engine.storms.request import StormRequest

__all__ = [
    "AgentView",
    "FeedView",
    "Frame",
    "GateView",
    "GuardView",
    "HostView",
    "JumpView",
    "Kpis",
    "LevelView",
    "MarkerView",
    "MarketView",
    "OrderView",
    "RecordingView",
    "SeriesView",
    "StageView",
    "StormRunView",
    "StormView",
    "SymbolView",
    "TargetView",
    "TradeView",
    "VenueView",
    "VerdictView",
]

NS_PER_DAY = 86_400 * NS_PER_S
LADDER_LEVELS = 120
"""Levels a side in a frame, at the most."""
TAPE_TRADES = 200
"""Most recent trades in a frame."""
GATES_SHOWN = 24
"""Accounts at the gate in a frame, at the most."""
STORM_RUNS = 32
"""Storms and faults in a frame, at the most, besides those that are scheduled."""
SERIES_SAMPLES = 240
"""Samples in each series (one per analytics sample, 250 ms of session time: one minute)."""


class LevelView(NamedTuple):
    """One price level."""

    price_ticks: int
    qty_lots: int
    order_count: int


class TradeView(NamedTuple):
    """One execution. `aggressor_side` 0 = buyer lifted the ask, 1 = seller hit the bid."""

    trade_id: int
    time_ns: int
    price_ticks: int
    qty_lots: int
    aggressor_side: int
    aggressor: str
    """Account name of the aggressor: the desk sees labels, detectors never do."""
    maker: str


class OrderView(NamedTuple):
    """A resting order of the desk or of the target."""

    order_id: int
    owner: str
    """One of: "me" or "bot"."""
    side: int
    price_ticks: int
    qty_lots: int
    ahead_lots: int
    """Lots before it in its queue."""


class Kpis(NamedTuple):
    """Figures of the last analytics sample; None where the book does not define them."""

    mid_ticks: float | None
    microprice_ticks: float | None
    spread_ticks: int | None
    spread_bps: float | None
    bid_depth_lots: int
    """Lots on the best ten bid levels."""
    ask_depth_lots: int
    imbalance: float
    """(bid - ask) / (bid + ask) over ten levels; 0 when the book is empty."""
    vpin: float | None
    """None until the first bucket has filled."""
    trade_velocity: float | None
    """Trades per second over its own moving baseline; None without trades."""
    trades_per_s: float
    realised_vol_bps: float | None
    """Standard deviation of 1 s log-free returns over the last 60 s, in bps."""
    regime: int
    """engine.core.types.Regime"""
    regime_score: float
    events_per_s: float
    """Public feed events per second of session time."""
    crossed: bool


class SeriesView(NamedTuple):
    """Recent samples, oldest first, float64 with NaN where unknown; at most SERIES_SAMPLES long."""

    time_ns: np.ndarray
    mid_ticks: np.ndarray
    spread_ticks: np.ndarray
    imbalance: np.ndarray
    vpin: np.ndarray
    bid_depth_lots: np.ndarray
    ask_depth_lots: np.ndarray
    events_per_s: np.ndarray
    regime: np.ndarray


class AgentView(NamedTuple):
    """One account that trades by itself."""

    account: int
    name: str
    """e.g. "maker-1", "noise-12", "HISTORY", "storm:crash"."""
    kind: str
    """One of: "noise", "value", "momentum", "maker", "twap", "storm", "history", "target", "desk"."""
    position_lots: int
    pnl: float
    """Marked at mid, quote currency, after fees."""
    open_orders: int
    fills: int
    limit_lots: int | None
    """Its inventory limit, where it has one: scales the bar."""


class StormView(NamedTuple):
    """One storm of the deck, or one fault of the venue."""

    kind: int
    """engine.core.types.StormKind or FaultKind"""
    name: str
    """As on the command line: "crash", "fault.ghost"."""
    active: bool
    severity: float | None
    """Of the active storm, else None."""
    started_ns: int | None
    ends_ns: int | None
    orders_sent: int
    """By this storm's account since the session's start."""
    position_lots: int
    pnl: float
    deeds: tuple[tuple[str, int], ...] = ()
    """What a fault has done at the boundary since the session's start: ("late", 12), ("lost", 3) …"""
    lots_traded: int = 0
    """By this storm's account since the session's start, like its fees."""
    fees: float = 0.0
    recovery_s: float | None = None
    """How long after the end of its last storm the market was itself again; None where it is not (yet)."""


class MarkerView(NamedTuple):
    """A moment worth jumping to."""

    time_ns: int
    kind: str
    """One of: "storm_start", "storm_stop", "record", "regime", "target", "gap", "user"."""
    label: str


class StormRunView(NamedTuple):
    """One storm or fault that runs or has run, with what it has cost its sender."""

    kind: int
    """engine.core.types.StormKind or FaultKind"""
    name: str
    """As on the command line."""
    started_ns: int
    ends_ns: int
    """When it is, or was, to end by itself."""
    ended_ns: int | None
    """None: it runs."""
    cause: str
    """Of its end: "expired", "stopped" or "replaced"; empty while it runs."""
    severity: float
    """Now, or at its end."""
    severity_text: str
    """As asked for: `0.8`, `0.2..0.9`, `0.2~0.9`."""
    course: tuple[float, ...]
    """Severity at equal times from start to planned end, known beforehand; one value: it is constant."""
    seed: int
    orders: int = 0
    """What the attacker has sent since the start; like the figures below of a fault always 0."""
    lots: int = 0
    """Traded."""
    position_lots: int = 0
    """Inventory that it has taken on."""
    fees: float = 0.0
    pnl: float = 0.0
    """After fees, inventory at mid: minus what the attack has cost so far."""
    recovery: str = ""
    """Of the market, after the end of a storm: "watched", "recovered", "not recovered"; empty: there is
    nothing to recover from."""
    recovery_s: float | None = None
    """Of "recovered": from the storm's end to the first moment of a healthy second."""


class GuardView(NamedTuple):
    """One limit of an account at the gate, and how much of it is used."""

    name: str
    """As after `limit`: "orders_per_s", "max_position" …"""
    used: float | None
    """None: it is asked of single orders, there is nothing that fills up."""
    limit: float
    unit: str
    """One of: "orders/s", "base" (quantity of the instrument), "money", "orders", "gaps", "bps", "s"."""
    is_guard: bool
    """It latches the account; else it is a rail that refuses the one order."""
    note: str = ""
    """What else hangs on it."""


class GateView(NamedTuple):
    """An account at the risk gate."""

    account: int
    name: str
    latched: str
    """Reason with which its orders are refused; empty: it may trade."""
    latched_ns: int | None
    """Since when."""
    latched_count: int
    """How often a guard has latched it."""
    guards: tuple[GuardView, ...]
    """Limits that are set; guards first."""
    orders: int
    """Of its day."""
    profit: float
    """Of its day, at mid."""


class SymbolView(NamedTuple):
    """An instrument that a source holds."""

    symbol: str
    messages: int


class FeedView(NamedTuple):
    """State of a historical source."""

    name: str
    kind: str
    epoch_ns: int
    """The exchange's clock at session time 0: ns since 1970, or since midnight where no day is named."""
    duration_ns: int
    updates: int
    """Messages about the book played so far."""
    trades: int
    gaps: int
    dropped: int
    divergence_lots: int
    """History's liquidity that our side consumed before history did."""
    divergence_count: int
    ended: bool
    halted: str | None = None
    """The report of the hole in its sequence at which the source stands still."""
    status: str = ""
    """What the exchange last said of the day and the instrument; empty: nothing."""
    symbols: tuple[SymbolView, ...] = ()
    """All instruments of the source, the busiest first."""

    @property
    def names_day(self) -> bool:
        """False: epoch_ns counts from the midnight of a day that the source does not name (ITCH)."""
        return self.epoch_ns >= NS_PER_DAY


class MarketView(NamedTuple):
    """What `Session.market_view()` knows: a pure function of scenario, seed and inputs."""

    time_ns: int
    events: int
    """Public feed events so far."""
    instrument: Instrument
    scenario: str
    seed: int
    source: str
    """One of: "sim" or the file's name."""
    bids: tuple[LevelView, ...]
    asks: tuple[LevelView, ...]
    last_price_ticks: int | None
    last_aggressor_side: int | None
    trades: tuple[TradeView, ...]
    """The last TAPE_TRADES executions, oldest first, with gap-free trade_id."""
    trade_count: int
    volume_at_price: Mapping[int, int]
    """price_ticks -> lots traded this session, around the ladder."""
    orders: tuple[OrderView, ...]
    kpis: Kpis
    series: SeriesView
    agents: tuple[AgentView, ...]
    storms: tuple[StormView, ...]
    markers: tuple[MarkerView, ...]
    alerts: tuple[Alert, ...]
    """Oldest first."""
    feed: FeedView | None
    bots: tuple[BotCard, ...] = ()
    """Score cards of all bots that have traded or opened an account, by account number."""
    gates: tuple[GateView, ...] = ()
    """Desk, target, whoever is latched, then bots; at most GATES_SHOWN."""
    storm_runs: tuple[StormRunView, ...] = ()
    """What runs or has run lately, by start; at most STORM_RUNS."""
    silent_detectors: tuple[str, ...] = ()
    """They need order ids, and this feed shows levels."""


class StageView(NamedTuple):
    """Measured wall time of one stage, ns; None before the first measurement."""

    name: str
    """One of: "input", "kernel", "analytics", "journal", "frame"."""
    p50_ns: int | None
    p99_ns: int | None
    measured: int
    """Measurements so far."""
    unit: str
    """What one measurement covers: "command", "event", "sample", "flush", "frame"."""


class TargetView(NamedTuple):
    """What the TARGET says of itself, and what we know of it."""

    url: str
    """One of: "none", "agent" (in process) or an URL."""
    status: str
    """One of: "none", "starting", "ok", "slow", "unreachable", "invalid"."""
    detail: str
    """Why the status is what it is; empty when ok."""
    bot: str | None
    currency: str | None
    equity: float | None
    start_equity: float | None
    """At the start of the recording, else of the session's first sample."""
    realised_pnl: float | None
    unrealised_pnl: float | None
    total_trades: int | None
    wins: int | None
    losses: int | None
    win_rate: float | None
    open_positions: int | None
    last_signal: str | None
    age_ms: int | None
    """Wall time since the last good answer."""
    equity_series: np.ndarray
    """float64, one value per good answer, at most SERIES_SAMPLES."""
    ledger_position_lots: int
    """Of its account in the desk's own ledger (0 when it trades elsewhere)."""
    ledger_pnl: float
    key: str | None = None
    """Name of the venue key that it trades with."""
    account: int | None = None
    """Its account here; None: not known, or not opened yet."""
    ledger_equity: float | None = None
    """As the ledger has it, in the instrument's currency; None: it trades elsewhere."""
    ledger_start_equity: float | None = None
    """At the start of the recording, else of the session's first sample."""
    ledger_fills: int | None = None
    ledger_round_trips: int | None = None
    """How often its position came back to nothing; None: not counted for accounts of the desk's own API."""
    judged_by: str = "self-report"
    """Whose figures the verdict stands on: "ledger" or "self-report"."""
    disagreements: tuple[str, ...] = ()
    """Where its word and the ledger differ now, one line each."""
    verdict: VerdictView | None = None
    """On this target, as the thresholds stand now."""


class VerdictView(NamedTuple):
    """The verdict, as the thresholds stand now."""

    verdict: str
    """One of: "TARGET_INTACT", "TARGET_DAMAGED", "TARGET_KILLED", "UNKNOWN"."""
    delta: float | None
    reason: str


class RecordingView(NamedTuple):
    """The run being recorded, or replayed."""

    run_id: str
    path: str
    active: bool
    since_ns: int
    bytes_written: int
    ticks: int
    storms: int
    error: str | None
    """Set when recording had to stop (disk full …); the desk stays alive."""


class JumpView(NamedTuple):
    """A live session on its way to a later time, as fast as it can."""

    from_ns: int
    to_ns: int


class VenueView(NamedTuple):
    """The venue's doors on this machine; its REST and WebSocket API have the address of the order API."""

    is_open: bool = False
    """Whether exchange clients are served."""
    fix: str | None = None
    """host:port; None: not served."""
    ouch: str | None = None
    itch: str | None = None
    public_deeds: tuple[tuple[str, int], ...] = ()
    """What faults have done to public updates on their way to stream clients: ("dropped", 12) …"""


class HostView(NamedTuple):
    """What only the host knows: pace, measured latencies, target, recording."""

    mode: str
    """One of: "live", "replay"."""
    state: str
    """One of: "running", "paused", "ended", "failed"."""
    speed: float | None
    """Session seconds per wall second; None = as fast as possible."""
    achieved_speed: float | None
    """Measured over the last second."""
    end_ns: int | None
    """Where the session ends by itself (replay, historical source), if it does."""
    stages: tuple[StageView, ...]
    target: TargetView
    """The first of `targets`, which the verdict is about."""
    verdict: VerdictView
    recording: RecordingView | None
    last_verdict: VerdictView | None
    """Of the run that was recorded last in this session."""
    api_url: str | None
    """Where bots connect; None while closed."""
    api_clients: int
    """Bots that are connected, whatever they speak; those that only ask over HTTP are not seen."""
    queue_fill: int
    queue_limit: int
    dropped: int
    """Inputs refused because a bounded queue was full."""
    notice: str | None
    """One line from the host for its user (e.g. why a command was refused)."""
    jump: JumpView | None = None
    """The jump to a later time that is under way."""
    targets: tuple[TargetView, ...] = ()
    """All of them, in their order."""
    venue: VenueView = VenueView()
    scheduled: tuple[StormRequest, ...] = ()
    """Storms and faults that are to start at their session times."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the session; `number` grows by one per frame built."""

    number: int
    market: MarketView
    host: HostView

    @property
    def bots(self) -> tuple[BotCard, ...]:
        """Score cards of the bots."""
        return self.market.bots
