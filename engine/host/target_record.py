"""What is known of a TARGET: from its own answers and the ledger, through the journal, to the screen.

Every answer, and every word of the ledger, becomes a TARGET_SAMPLE input (engine/core/target_sample.py), so
a replay shows the same figures at the same session time.
"""

from __future__ import annotations

from collections import deque
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from engine.core.clock import NS_PER_MS, monotonic_ns
from engine.core.target_sample import (
    SampleFlag,
    TargetFigures,
    is_ledgers,
    pack_counts,
    pack_position,
    read_sample,
)
from engine.core.types import Account, Command, CommandKind
from engine.frame import SERIES_SAMPLES, TargetView
from engine.market.ledger import MICRO
from engine.recording.truth import ledger_sample
from engine.session import Session
from engine.target.contract import TargetStatus
from engine.target.spec import TargetSpec

__all__ = ["TargetRecord", "agent_sample", "sample_of"]

_FIELD_LIMIT = 1 << 62


def sample_of(
    status: TargetStatus, number: int = 0, *, lot_size: Decimal = Decimal(1), account: int = 0
) -> Command:
    """The input that stands for one poll of target `number`; `account`: the one that it trades here."""
    sample = status.sample
    if sample is None:
        return Command(kind=CommandKind.TARGET_SAMPLE, side=number, account=account)
    flags = SampleFlag.VALID | SampleFlag.HAS_TRADES | SampleFlag.HAS_WINS
    realised = unrealised = position_lots = 0
    if sample.realised_pnl is not None:
        flags |= SampleFlag.HAS_REALISED
        realised = _millionths(sample.realised_pnl)
    if sample.unrealised_pnl is not None:
        flags |= SampleFlag.HAS_UNREALISED
        unrealised = _millionths(sample.unrealised_pnl)
    if sample.trades_are_round_trips:
        flags |= SampleFlag.HAS_ROUND_TRIPS
    if sample.position is not None:
        flags |= SampleFlag.HAS_POSITION
        position_lots = int((sample.position / lot_size).to_integral_value(ROUND_HALF_EVEN))
    return Command(
        kind=CommandKind.TARGET_SAMPLE,
        side=number,
        account=account,
        flags=flags,
        a=sample.equity_millionths,
        b=pack_counts(sample.total_trades, sample.wins, sample.losses),
        order_id=pack_position(_within(position_lots)),
        price_ticks=realised,
        qty_lots=unrealised,
    )


def agent_sample(session: Session, number: int = 0) -> Command:
    """The sample of the in-process target: straight from the ledger, in millionths of currency."""
    return ledger_sample(session, number, int(Account.TARGET), native=True)


class TargetRecord:
    """The latest about one target, for frames."""

    def __init__(self, spec: TargetSpec) -> None:
        self.spec = spec
        self.status = "none" if spec.kind == "none" else "starting"
        self.detail = ""
        self.bot: str | None = None
        self.currency: str | None = None
        self.win_rate: float | None = None
        self.open_positions: int | None = None
        self.last_signal: str | None = None
        self.account: int | None = int(Account.TARGET) if spec.is_native else None
        """That it trades with here, as far as the ledger has said."""
        self._said = _Words()
        self._true = _Words()

    def hear(self, status: TargetStatus) -> None:
        """Take what a poll said that a sample does not carry."""
        self.status, self.detail = status.status, status.detail
        if status.sample is not None:
            self.bot, self.currency = status.sample.bot, status.sample.currency
            self.win_rate, self.open_positions = status.sample.win_rate, status.sample.open_positions
            self.last_signal = status.sample.last_signal

    def take(self, sample: Command) -> None:
        """Take a TARGET_SAMPLE input of this target."""
        if not sample.flags & SampleFlag.VALID:
            return
        if not is_ledgers(sample):
            self._said.take(sample)
            return
        self.account = sample.account
        self._true.take(sample)
        if not self.spec.is_asked:
            self.status, self.detail = "ok", ""

    def rebase(self) -> None:
        """Count the change from here (a recording starts)."""
        self._said.rebase()
        self._true.rebase()

    @property
    def base_equity(self) -> float | None:
        """Equity from which the change is counted."""
        return self._shown.base_equity

    def view(self, session: Session) -> TargetView:
        """For the frame."""
        shown, figures = self._shown, self._shown.figures
        true = self._true.figures
        exchange = session.exchange
        account = int(Account.TARGET) if self.account is None else self.account
        series = np.array(shown.series, dtype=np.float64)
        series.setflags(write=False)
        own_currency = exchange.instrument.currency if self.spec.has_account else None
        return TargetView(
            url=self.spec.text,
            status=self.status,
            detail=self.detail,
            bot=self.bot or self.spec.key,
            currency=self.currency or own_currency,
            equity=None if figures is None else figures.equity_millionths / MICRO,
            start_equity=shown.base_equity,
            realised_pnl=_units(None if figures is None else figures.realised_millionths),
            unrealised_pnl=_units(None if figures is None else figures.unrealised_millionths),
            total_trades=None if figures is None else figures.total_trades,
            wins=None if figures is None else figures.wins,
            losses=None if figures is None else figures.losses,
            win_rate=self.win_rate,
            open_positions=self.open_positions,
            last_signal=self.last_signal,
            age_ms=None if shown.good_ns is None else (monotonic_ns() - shown.good_ns) // NS_PER_MS,
            equity_series=series,
            ledger_position_lots=exchange.ledger.position(account),
            ledger_pnl=exchange.ledger.equity(account, exchange.mark_twice_ticks)
            * (exchange.instrument.tick_lot_value / MICRO),
            key=self.spec.key,
            account=self.account,
            ledger_equity=None if true is None else true.equity_millionths / MICRO,
            ledger_start_equity=self._true.base_equity,
            ledger_fills=None if true is None else true.total_trades,
            ledger_round_trips=None if true is None else true.round_trips,
        )

    @property
    def _shown(self) -> _Words:
        """Its own words, or the ledger's where it says nothing."""
        return self._said if self.spec.is_asked or self._true.figures is None else self._true


class _Words:
    """What one side has said."""

    def __init__(self) -> None:
        self.figures: TargetFigures | None = None
        self.base_equity: float | None = None
        self.good_ns: int | None = None
        """Wall time of the last good answer."""
        self.series: deque[float] = deque(maxlen=SERIES_SAMPLES)

    def take(self, sample: Command) -> None:
        self.figures = read_sample(sample)
        self.good_ns = monotonic_ns()
        self.series.append(sample.a / MICRO)
        if self.base_equity is None:
            self.base_equity = sample.a / MICRO

    def rebase(self) -> None:
        self.base_equity = None if self.figures is None else self.figures.equity_millionths / MICRO


def _units(millionths: int | None) -> float | None:
    return None if millionths is None else millionths / MICRO


def _millionths(value: float) -> int:
    return _within(round(value * MICRO))


def _within(value: int) -> int:
    return max(-_FIELD_LIMIT, min(_FIELD_LIMIT, value))
