"""A host without a market: frames from fixed arrays, and a list of what was asked of it.

Everything is arithmetic on the time, so the same moment gives the same frame in every process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from engine.core.alerts import Alert, EventRow, Evidence, Measured
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import StormError
from engine.core.types import FaultKind, GateAction, Instrument, StormKind
from engine.frame import (
    AgentView,
    FeedView,
    Frame,
    GateView,
    GuardView,
    HostView,
    JumpView,
    Kpis,
    LevelView,
    MarkerView,
    MarketView,
    OrderView,
    RecordingView,
    SeriesView,
    StageView,
    StormRunView,
    StormView,
    SymbolView,
    TargetView,
    TradeView,
    VenueView,
    VerdictView,
)
from engine.score.card import BotCard, FaultReaction, SelfReport
from engine.storm_view import course_of
from engine.storms.catalogue import entry_of
from engine.storms.request import ChaosKind, Course, StormRequest

ACME = Instrument("ACME", Decimal("0.01"), Decimal("1"), "USD", 100)
BTC = Instrument("BTCUSDT", Decimal("0.01"), Decimal("0.00001"), "USDT", 10_000)
OPEN = VenueView(is_open=True)


DAY = (9 * 3600 + 30 * 60) * NS_PER_S
"""09:30 of a day without a date."""
AUGUST_8 = 1_723_125_600 * NS_PER_S
"""2024-08-08 14:00:00 UTC."""


def feed_view(
    *,
    epoch_ns: int = DAY,
    status: str = "market hours · trading",
    halted: str | None = None,
    symbols: int = 3,
) -> FeedView:
    """A recorded day of 6.5 hours; its symbols are ACME and S0001 … by activity."""
    return FeedView(
        name="day.itch",
        kind="itch50",
        epoch_ns=epoch_ns,
        duration_ns=23_400 * NS_PER_S,
        updates=1_000,
        trades=40,
        gaps=0,
        dropped=0,
        divergence_lots=0,
        divergence_count=0,
        ended=False,
        halted=halted,
        status=status,
        symbols=(
            SymbolView("ACME", 90_000),
            *(SymbolView(f"S{i:04}", 80_000 // i) for i in range(1, symbols)),
        ),
    )


def bot_card(name: str = "maker-1", account: int = 40, *, faults: bool = True) -> BotCard:
    """A bot that has lost in a storm, and does not know all of its orders."""
    unit = 1_000_000
    return BotCard(
        name=name,
        account=account,
        verdict="DAMAGED",
        reasons=(
            "lost 23.50 USD: spread +40.25, inventory -60.25, fees -3.50",
            "lost 31.00 USD during crash@20s, all of it as inventory",
            "2 ghost orders: acted on what was not so any more",
        ),
        currency_per_unit=0.01 / unit,
        equity=9_976_50 * unit,
        pnl=-23_50 * unit,
        spread_pnl=40_25 * unit,
        maker_spread_pnl=52_75 * unit,
        inventory_pnl=-60_25 * unit,
        fees=3_50 * unit,
        adverse_selection=-18_20 * unit,
        realised_spread=21_30 * unit,
        fills=412,
        filled_lots=41_200,
        orders=1_640,
        requests=4_010,
        fill_ratio=0.25,
        order_to_trade=9.7,
        maker_share=0.91,
        quote_uptime=0.87,
        max_drawdown=48_00 * unit,
        worst_ns=33 * NS_PER_S,
        position_lots=-300,
        max_position_lots=1_900,
        max_exposure=191_000_00 * unit,
        open_orders=2,
        ghost_orders=2,
        stuck_orders=0,
        rate_limited=14,
        limit_offences=3,
        faults=(
            FaultReaction(
                "crash", 0.8, 20 * NS_PER_S, 40 * NS_PER_S, 21_400 * NS_PER_MS, "paused", None, 0, 0, 0,
                None, -31_00 * unit, -33_00 * unit,
            ),
            FaultReaction(
                "fault.ghost", 0.5, 60 * NS_PER_S, 75 * NS_PER_S, 63_200 * NS_PER_MS, "named",
                66 * NS_PER_S, 7, 2, 0, 78 * NS_PER_S, 4_10 * unit, 0,
            ),
            FaultReaction(
                "fault.limit", 0.9, 80 * NS_PER_S, None, None, "", None, 0, 0, 14, None, -1_05 * unit, 0,
            ),
        )
        if faults
        else (),
        self_report=SelfReport(9_990 * unit, -10 * unit, -23_500_000),
    )  # fmt: skip


def alarms() -> tuple[Alert, ...]:
    """Alerts of every sort, some with evidence."""
    second = NS_PER_S
    crash = Evidence(
        70 * second,
        70_700 * NS_PER_MS,
        (Measured("CUSUM of the hazard", 14.0, 12.0), Measured("severity, 0 to 1", 0.93)),
        first_event=8_206,
        last_event=8_555,
        events=(
            EventRow(8_553, 70_690 * NS_PER_MS, 4, 0, 10_051, 34, 4_176),
            EventRow(8_554, 70_694 * NS_PER_MS, 2, 1, 10_060, 0, 4_102),
            EventRow(8_555, 70_699 * NS_PER_MS, 1, 1, 10_052, 120, 4_203),
        ),
        price_ticks=10_051,
        side=1,
    )
    tripped = Evidence(
        62 * second,
        62 * second,
        (Measured("position; the order would go beyond", 950, 1_000, "lots"),),
    )
    regime = Evidence(
        44 * second,
        44 * second,
        (Measured("stress score", 1.62, 1.5), Measured("spread", 5.01, None, "bps")),
    )
    return (
        Alert(
            1, 26 * second, "info", "twap children", True, "detector", 26 * second, 1, "cleared", 36 * second
        ),
        Alert(
            2, 44 * second, "warning", "regime aggressive (score 1.6)", False, "regime", 52 * second, 3,
            "cleared", 58 * second, regime,
        ),
        Alert(
            3, 62 * second, "critical", "gate: bot latched, position limit", False, "gate", 62 * second, 1,
            "active", None, tripped,
        ),
        Alert(
            4, 70_700 * NS_PER_MS, "critical", "flash crash warning", False, "detector", 78 * second, 2,
            "active", None, crash,
        ),
        Alert(
            5, 80 * second, "critical", "HISTORY halted: 3 messages are missing", False, "feed", 80 * second
        ),
    )  # fmt: skip


def gates() -> tuple[GateView, ...]:
    """The desk near a limit, the target latched, a bot."""
    rate = GuardView("orders_per_s", 12.0, 5_000, "orders/s", True)
    return (
        GateView(
            1, "me", "", None, 0,
            (
                rate._replace(used=4_200.0),
                GuardView("max_position", 930.0, 1_000.0, "base", True),
                GuardView("max_daily_loss", 41.5, 500.0, "money", True),
                GuardView("max_orders_per_trade", 3.2, 100, "orders", True, "from 100 orders on, 48 so far"),
                GuardView("max_order", None, 1_000.0, "base", False),
                GuardView("max_notional", None, 1_000_000.0, "money", False),
                GuardView("price_collar_bps", None, 200.0, "bps", False),
            ),
            48, -41.5,
        ),
        GateView(
            2, "bot", "position_limit", 62 * NS_PER_S, 1,
            (rate, GuardView("max_position", 950.0, 1_000.0, "base", True)), 1_204, 310.25,
        ),
        GateView(
            40, "maker-1", "", None, 0, (rate, GuardView("trading", None, 0.0, "", False, "off")), 0, 0.0
        ),
    )  # fmt: skip


def storm_run(
    kind: ChaosKind, start_s: float, request: StormRequest, *, ended_s: float | None = None, **more: Any
) -> StormRunView:
    """One that began then."""
    start_ns = int(start_s * NS_PER_S)
    return StormRunView(
        kind=int(kind),
        name=entry_of(kind).name,
        started_ns=start_ns,
        ends_ns=start_ns + request.duration_ns,
        ended_ns=None if ended_s is None else int(ended_s * NS_PER_S),
        cause="" if ended_s is None else "expired",
        severity=0.52,
        severity_text=request.severity_text,
        course=course_of(request, 42),
        seed=0,
    )._replace(**more)


def storm_runs() -> tuple[StormRunView, ...]:
    """One that is over, a ramp and a fault that run."""
    constant = StormRequest(StormKind.PHANTOM, 0.6, 20)
    ramp = StormRequest(StormKind.CRASH, 0.2, 15, course=Course.RAMP, severity_to=0.9)
    spent = {"orders": 416, "lots": 16_735, "position_lots": -16_735, "fees": 20.85, "pnl": -10_482.81}
    back = {"recovery": "recovered", "recovery_s": 7.3}
    return (
        storm_run(StormKind.PHANTOM, 31, constant, ended_s=51, orders=310, pnl=12.5, **back),
        storm_run(FaultKind.STALE, 70, StormRequest(FaultKind.STALE, 0.5, 30), severity=0.5),
        storm_run(StormKind.CRASH, 76, ramp, **spent),
    )


def wave(step: int, period: int, height: int) -> int:
    """A triangle wave: integers only, so no machine disagrees."""
    phase = step % (2 * period)
    return (phase if phase < period else 2 * period - phase) * height // period


@dataclass
class FakeHost:
    """Records calls in `calls`; `advance` moves its time."""

    instrument: Instrument = ACME
    mode: str = "live"
    time_ns: int = 83_400 * NS_PER_MS
    empty: bool = False
    """No book, no trades, nothing measured: all that may be unknown is unknown."""
    target_status: str = "ok"
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    paused: bool = False
    speed: float | None = 1.0
    storms: dict[ChaosKind, tuple[float, int, int]] = field(default_factory=dict)
    recording: bool = False
    recording_error: str | None = None
    acknowledged: bool = False
    markers: list[MarkerView] = field(default_factory=list)
    orders: list[OrderView] = field(default_factory=list)
    number: int = 1
    queue_full: bool = False
    feed: FeedView | None = None
    jump_view: JumpView | None = None
    venue: VenueView = OPEN
    bots: tuple[BotCard, ...] = ()
    alerts: tuple[Alert, ...] | None = None
    """Other than three without evidence."""
    gates: tuple[GateView, ...] = ()
    storm_runs: tuple[StormRunView, ...] = ()
    silent_detectors: tuple[str, ...] = ()
    scheduled: tuple[StormRequest, ...] = ()
    state: str | None = None
    """Other than running or paused."""
    _built: Frame | None = None

    # -- calls ---------------------------------------------------------------------------------

    def advance(self, ns: int) -> None:
        """Let time pass."""
        self.time_ns += ns
        self._changed()

    def frame(self) -> Frame:
        if self._built is None:
            self._built = Frame(
                self.number, self._empty_market() if self.empty else self._market(), self._host()
            )
        return self._built

    def stop(self, timeout_s: float = 0.0) -> None:
        self._called("stop")

    def toggle_pause(self) -> None:
        self.paused = not self.paused
        self._called("toggle_pause")

    def set_speed(self, x: float | None) -> None:
        self.speed = x
        self._called("set_speed", x)

    def step(self, ns: int) -> None:
        self.time_ns += ns
        self._called("step", ns)

    def seek(self, time_ns: int) -> None:
        self.time_ns = time_ns
        self._called("seek", time_ns)

    def jump(self, time_ns: int) -> None:
        self.jump_view = JumpView(self.time_ns, time_ns)
        self._called("jump", time_ns)

    def cancel_jump(self) -> None:
        self.jump_view = None
        self._called("cancel_jump")

    def pause(self) -> None:
        self.paused = True
        self._called("pause")

    def start_storm(self, kind: ChaosKind, severity: float, duration_s: float, seed: int = 0) -> None:
        if not 0 <= severity <= 1:
            raise StormError(f"severity {severity} lies outside 0 to 1")
        self.storms[kind] = (severity, self.time_ns, self.time_ns + int(duration_s * NS_PER_S))
        self._called("start_storm", kind, severity, duration_s)

    def stop_storms(self, kind: ChaosKind | None = None) -> None:
        self.storms = {k: v for k, v in self.storms.items() if kind is not None and k != kind}
        self._called("stop_storms", kind)

    def toggle_recording(self) -> None:
        self.recording = not self.recording
        self._called("toggle_recording")

    def submit_order(
        self, account: int, side: int, price_ticks: int, qty_lots: int, tif: int, client_id: int
    ) -> bool:
        self._called("submit_order", int(account), int(side), price_ticks, qty_lots, int(tif), client_id)
        return not self.queue_full

    def cancel_order(self, account: int, client_id: int) -> None:
        self._called("cancel_order", int(account), client_id)

    def cancel_all(self, account: int) -> None:
        self._called("cancel_all", int(account))

    def throw_gate(self, action: GateAction, account: int, *, limit: str = "", value: int = 0) -> None:
        self._called("throw_gate", action, account, *((limit, value) if limit else ()))

    def run_script(self, storms: Sequence[StormRequest]) -> None:
        self.scheduled = tuple(one._replace(start_ns=self.time_ns + one.start_ns) for one in storms)
        self._called("run_script", len(storms))

    def run_thread(self) -> None:
        self._called("run_thread")

    def acknowledge_alerts(self) -> None:
        self.acknowledged = True
        self._called("acknowledge_alerts")

    def acknowledge_alert(self, alert_id: int) -> None:
        self._called("acknowledge_alert", alert_id)

    def add_marker(self, label: str) -> None:
        self.markers.append(MarkerView(self.time_ns, "user", label))
        self._called("add_marker", label)

    def _called(self, *what: Any) -> None:
        self.calls.append(what)
        self._changed()

    def _changed(self) -> None:
        self.number += 1
        self._built = None

    # -- the model -----------------------------------------------------------------------------

    def _mid(self, step: int) -> int:
        base, unit = (10_058, 1) if self.instrument is ACME else (6_114_250, 180)
        return base + (wave(step, 37, 9) + wave(step, 11, 3) - 6) * unit

    def _market(self) -> MarketView:
        step = self.time_ns // (250 * NS_PER_MS)
        mid = self._mid(step)
        spread = 1 if self.instrument is ACME else 10
        gap = 1 if self.instrument is ACME else 130
        lot = 1 if self.instrument is ACME else 900

        def side(sign: int) -> tuple[LevelView, ...]:
            """Depth belongs to its price and changes slowly; it is thin near the inside."""
            first = (mid - spread // 2 if sign < 0 else mid + spread - spread // 2) // gap
            levels = []
            for i in range(100):
                row = first + sign * i
                base = 300 + row * 7919 % 700 + (2_500 if row % 13 == 0 else 0)
                lots = base * min(i + 2, 10) // 10 + wave(step + row * 5, 60, 400)
                levels.append(LevelView(row * gap, lots * lot, 3 + i % 5))
            return tuple(levels)

        bids, asks = side(-1), side(1)
        trades = tuple(self._trade(i, lot) for i in range(max(0, step * 2 - 120), step * 2))
        now = np.arange(step - 239, step + 1)
        mids = np.array([float(self._mid(int(s))) for s in now])
        depth = np.array([9_000.0 + wave(int(s), 23, 4_000) for s in now])
        series = SeriesView(
            time_ns=now * 250 * NS_PER_MS,
            mid_ticks=mids,
            spread_ticks=np.array([1.0 + wave(int(s), 5, 3) for s in now]),
            imbalance=np.array([wave(int(s), 19, 100) / 100 - 0.5 for s in now]),
            vpin=np.where(now < step - 200, np.nan, np.array([wave(int(s), 61, 60) / 100 for s in now])),
            bid_depth_lots=depth,
            ask_depth_lots=depth[::-1].copy(),
            events_per_s=np.array([3_000.0 + wave(int(s), 13, 900) for s in now]),
            regime=np.array([float(wave(int(s), 24, 3)) for s in now]),
        )
        orders = (
            OrderView(1, "me", 0, bids[2].price_ticks, 200 * lot, 1_240 * lot),
            OrderView(2, "me", 1, asks[4].price_ticks, 300 * lot, 620 * lot),
            OrderView(3, "bot", 0, bids[1].price_ticks, 50 * lot, 80 * lot),
            OrderView(4, "bot", 1, asks[1].price_ticks, 50 * lot, 310 * lot),
            *self.orders,
        )
        kpis = Kpis(
            mid_ticks=mids[-1] + 0.5,
            microprice_ticks=mids[-1] + 0.62,
            spread_ticks=spread,
            spread_bps=spread / mid * 10_000,
            bid_depth_lots=9_420 * lot,
            ask_depth_lots=8_310 * lot,
            imbalance=0.06,
            vpin=0.31,
            trade_velocity=1.12,
            trades_per_s=8.0,
            realised_vol_bps=14.2,
            regime=int(series.regime[-1]),
            regime_score=0.42,
            events_per_s=3_810.0,
            crossed=False,
        )
        return MarketView(
            time_ns=self.time_ns,
            events=318_220 + step,
            instrument=self.instrument,
            scenario="balanced",
            seed=42,
            source="sim",
            bids=bids,
            asks=asks,
            last_price_ticks=trades[-1].price_ticks,
            last_aggressor_side=trades[-1].aggressor_side,
            trades=trades,
            trade_count=int(step * 2),
            volume_at_price={mid + i * gap: (4_000 - abs(i) * 190) * lot for i in range(-20, 20)},
            orders=orders,
            kpis=kpis,
            series=series,
            agents=self._agents(step, lot),
            storms=self._storms(lot),
            markers=(
                MarkerView(12 * NS_PER_S, "regime", "volatile"),
                MarkerView(31 * NS_PER_S, "storm_start", "phantom"),
                MarkerView(51 * NS_PER_S, "storm_stop", "phantom"),
                *self.markers,
            ),
            alerts=self.alerts
            or (
                Alert(1, 31 * NS_PER_S, "info", "storm PHANTOM started, severity 0.60", True),
                Alert(2, 44 * NS_PER_S, "warning", "regime is AGGRESSIVE", self.acknowledged),
                Alert(3, 71 * NS_PER_S, "critical", "target lost 2.1 % of its equity", self.acknowledged),
            ),
            feed=self.feed,
            bots=self.bots,
            gates=self.gates,
            storm_runs=self.storm_runs,
            silent_detectors=self.silent_detectors,
        )

    def _trade(self, i: int, lot: int) -> TradeView:
        side = (i * 7 // 3) % 2
        makers = ("maker-1", "maker-2", "noise-4", "bot")
        takers = ("noise-12", "momentum-1", "twap-1", "noise-31", "bot")
        return TradeView(
            trade_id=i + 1,
            time_ns=i * 125 * NS_PER_MS + (i * 37 % 100) * NS_PER_MS,
            price_ticks=self._mid(i // 2) + (0 if side else 1),
            qty_lots=(20 + i * 53 % 380 + (900 if i % 17 == 0 else 0)) * lot,
            aggressor_side=side,
            aggressor=takers[i % 5],
            maker=makers[i % 4],
        )

    def _agents(self, step: int, lot: int) -> tuple[AgentView, ...]:
        swing = wave(step, 29, 1_800)
        agents = [
            AgentView(1, "desk", "desk", 300 * lot, 1_204.5, 2, 11, None),
            AgentView(2, "target", "target", (420 - swing // 4) * lot, -310.25, 2, 63, 1_000 * lot),
            AgentView(16, "maker-1", "maker", (swing - 900) * lot, 812.0, 40, 420, 3_000 * lot),
            AgentView(17, "maker-2", "maker", (900 - swing) * lot, -120.5, 40, 398, 3_000 * lot),
            AgentView(18, "value-1", "value", -1_500 * lot, 95.0, 3, 51, 4_000 * lot),
            AgentView(19, "momentum-1", "momentum", (swing + 600) * lot, -433.1, 0, 77, 4_000 * lot),
            AgentView(20, "twap-1", "twap", 1_050 * lot, 12.0, 1, 35, None),
        ]
        agents += [
            AgentView(
                30 + i, f"noise-{i + 1}", "noise", (i * 17 % 41 - 20) * lot, float(i % 7 - 3), 1, 9, 200 * lot
            )
            for i in range(30)
        ]
        for kind in StormKind:
            name = entry_of(kind).name
            active = kind in self.storms
            lots = -2_400 * lot if active else 0
            agents.append(
                AgentView(
                    2 + kind if kind < 14 else 80 + kind,
                    f"storm:{name}",
                    "storm",
                    lots,
                    -88.4 if active else 0.0,
                    0,
                    0,
                    None,
                )
            )
        return tuple(agents)

    def _storms(self, lot: int) -> tuple[StormView, ...]:
        views = []
        for kind in StormKind:
            name = entry_of(kind).name
            if kind in self.storms:
                severity, started, ends = self.storms[kind]
                views.append(StormView(kind, name, True, severity, started, ends, 512, -2_400 * lot, -88.4))
            elif kind is StormKind.PHANTOM:
                views.append(StormView(kind, name, False, None, None, None, 310, 120 * lot, -41.75))
            else:
                views.append(StormView(kind, name, False, None, None, None, 0, 0, 0.0))
        for fault in FaultKind:
            idle = StormView(fault, entry_of(fault).name, False, None, None, None, 0, 0, 0.0)
            if fault in self.storms:
                severity, started, ends = self.storms[fault]
                deeds = (("late", 1_340), ("lost", 12))
                idle = idle._replace(
                    active=True, severity=severity, started_ns=started, ends_ns=ends, deeds=deeds
                )
            elif fault is FaultKind.REJECT:
                idle = idle._replace(deeds=(("refused", 7),))
            views.append(idle)
        return tuple(views)

    def _host(self) -> HostView:
        known = not self.empty
        stages = tuple(
            StageView(name, p50 if known else None, p50 * 6 if known else None, 1_000 if known else 0, unit)
            for name, p50, unit in (
                ("input", 4_100, "command"),
                ("kernel", 910, "event"),
                ("analytics", 61_000, "sample"),
                ("journal", 180_000, "flush"),
                ("frame", 410_000, "frame"),
            )
        )
        recording = None
        if self.recording or self.recording_error or self.mode == "replay":
            recording = RecordingView(
                "2026-01-02T03-04-05Z", "runs/2026-01-02T03-04-05Z", self.recording, 61 * NS_PER_S,
                41_200_000, 90, 1, self.recording_error,
            )  # fmt: skip
        return HostView(
            mode=self.mode,
            state=self.state or ("paused" if self.paused else "running"),
            speed=self.speed,
            achieved_speed=self.speed if known else None,
            end_ns=self._end_ns(),
            stages=stages,
            target=self._target(),
            verdict=VerdictView(
                "TARGET_INTACT" if known else "UNKNOWN", 23.4 if known else None, "delta above −1 %"
            ),
            recording=recording,
            last_verdict=None,
            api_url="http://127.0.0.1:8765" if known else None,
            api_clients=1 if known else 0,
            queue_fill=0,
            queue_limit=4_096,
            dropped=0,
            notice=None,
            jump=self.jump_view,
            venue=self.venue if known else VenueView(),
            scheduled=self.scheduled,
        )

    def _end_ns(self) -> int | None:
        if self.feed is not None:
            return self.feed.duration_ns
        return 240 * NS_PER_S if self.mode == "replay" else None

    def _target(self) -> TargetView:
        if self.empty or self.target_status != "ok":
            status = "none" if self.empty else self.target_status
            detail = "" if self.empty else "no answer within 900 ms; retrying"
            none = None
            return TargetView(
                "none" if self.empty else "http://127.0.0.1:9101", status, detail, none, none, none, none,
                none,
                none, none, none, none, none, none, none, none, np.zeros(0), 0, 0.0,
            )  # fmt: skip
        equity = np.array([100_000.0 + wave(i, 17, 200) - wave(i, 41, 150) for i in range(160)])
        return TargetView(
            url="http://127.0.0.1:9101",
            status="ok",
            detail="",
            bot="demo-maker",
            currency="USD",
            equity=100_123.4,
            start_equity=100_100.0,
            realised_pnl=140.2,
            unrealised_pnl=-16.8,
            total_trades=63,
            wins=35,
            losses=21,
            win_rate=0.625,
            open_positions=1,
            last_signal="quote",
            age_ms=120,
            equity_series=equity,
            ledger_position_lots=420,
            ledger_pnl=-310.25,
        )

    def _empty_market(self) -> MarketView:
        nothing = np.zeros(0)
        return MarketView(
            time_ns=0,
            events=0,
            instrument=self.instrument,
            scenario="minimal",
            seed=1,
            source="sim",
            bids=(),
            asks=(),
            last_price_ticks=None,
            last_aggressor_side=None,
            trades=(),
            trade_count=0,
            volume_at_price={},
            orders=(),
            kpis=Kpis(None, None, None, None, 0, 0, 0.0, None, None, 0.0, None, 0, 0.0, 0.0, False),
            series=SeriesView(*([nothing] * 9)),
            agents=(),
            storms=(),
            markers=(),
            alerts=(),
            feed=None,
        )
