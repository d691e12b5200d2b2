"""A host without a market: it remembers what it was asked, and tests say what the market does."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from engine.core.types import Account, Instrument
from engine.frame import (
    Frame,
    HostView,
    Kpis,
    LevelView,
    MarketView,
    OrderView,
    SeriesView,
    TargetView,
    VerdictView,
)
from engine.market.orders import ExecutionReport, Reason, ReportKind

INSTRUMENT = Instrument("BTCUSDT", Decimal("0.01"), Decimal("0.00001"), "USD", 100)
EMPTY = np.array([], dtype=np.float64)


class FakeHost:
    """Thread-safe in the ways that the API relies on."""

    def __init__(self, session_id: str = "session-1", *, ring: int = 4096) -> None:
        self.session_id = session_id
        self.queue_full = False
        self.failure: Exception | None = None
        self.calls: list[tuple[Any, ...]] = []
        self._called = threading.Condition()
        self._reports: deque[ExecutionReport] = deque(maxlen=ring)
        self._sequence = 0
        self._frame = make_frame()

    # -- what the API calls

    def frame(self) -> Frame:
        if self.failure is not None:
            raise self.failure
        return self._frame

    def submit_order(
        self, account: int, side: int, price_ticks: int, qty_lots: int, tif: int, client_id: int
    ) -> bool:
        return self._note("submit", account, side, price_ticks, qty_lots, tif, client_id)

    def cancel_order(self, account: int, client_id: int) -> bool:
        return self._note("cancel", account, client_id)

    def cancel_all(self, account: int) -> bool:
        return self._note("cancel_all", account)

    def reports(self, account: int, since: int) -> tuple[ExecutionReport, ...]:
        assert account == Account.TARGET
        return tuple(report for report in tuple(self._reports) if report.sequence > since)

    def _note(self, *call: Any) -> bool:
        with self._called:
            if self.queue_full:
                return False
            self.calls.append(call)
            self._called.notify_all()
            return True

    # -- what tests say

    def wait_for_call(self, name: str, count: int = 1, timeout_s: float = 20.0) -> list[tuple[Any, ...]]:
        def calls() -> list[tuple[Any, ...]]:
            return [call for call in self.calls if call[0] == name]

        with self._called:
            assert self._called.wait_for(lambda: len(calls()) >= count, timeout_s), self.calls
            return calls()

    def report(self, kind: ReportKind, client_id: int, **fields: Any) -> ExecutionReport:
        values: dict[str, Any] = {
            "time_ns": 5,
            "account": int(Account.TARGET),
            "order_id": client_id + 1000,
            "side": 0,
            "price_ticks": 100,
            "qty_lots": 10,
            "filled_lots_last": 0,
            "fill_price_ticks": 0,
            "remaining_lots": 10,
            "reason": Reason.NONE,
            "fee": 0,
        }
        self._sequence += 1
        report = ExecutionReport(sequence=self._sequence, kind=kind, client_id=client_id, **(values | fields))
        self._reports.append(report)
        return report

    def show(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """A new frame with this book."""
        market = self._frame.market._replace(
            bids=tuple(LevelView(price, qty, 1) for price, qty in bids),
            asks=tuple(LevelView(price, qty, 1) for price, qty in asks),
        )
        self._frame = replace(self._frame, number=self._frame.number + 1, market=market)

    def show_orders(self, *orders: OrderView) -> None:
        market = self._frame.market._replace(orders=orders)
        self._frame = replace(self._frame, number=self._frame.number + 1, market=market)

    def set_mode(self, mode: str) -> None:
        self._frame = replace(self._frame, host=self._frame.host._replace(mode=mode))


def make_frame() -> Frame:
    target = TargetView(
        "none", "none", "", *(None,) * 13, equity_series=EMPTY, ledger_position_lots=0, ledger_pnl=0.0
    )  # fmt: skip
    host = HostView(
        mode="live", state="running", speed=1.0, achieved_speed=None, end_ns=None, stages=(), target=target,
        verdict=VerdictView("UNKNOWN", None, ""), recording=None, last_verdict=None, api_url=None,
        api_clients=0, queue_fill=0, queue_limit=1, dropped=0, notice=None,
    )  # fmt: skip
    kpis = Kpis(None, None, None, None, 0, 0, 0.0, None, None, 0.0, None, 0, 0.0, 0.0, False)
    market = MarketView(
        time_ns=1, events=0, instrument=INSTRUMENT, scenario="balanced", seed=1, source="sim",
        bids=(LevelView(100, 7, 2), LevelView(99, 5, 1)), asks=(LevelView(102, 3, 1),),
        last_price_ticks=None, last_aggressor_side=None, trades=(), trade_count=0, volume_at_price={},
        orders=(), kpis=kpis, series=SeriesView(*(EMPTY,) * 9), agents=(), storms=(), markers=(), alerts=(),
        feed=None,
    )  # fmt: skip
    return Frame(1, market, host)
