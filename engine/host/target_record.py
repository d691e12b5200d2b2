"""What is known of the TARGET: from its own answers, through the journal, to the screen.

Every answer becomes a TARGET_SAMPLE input, so a replay shows the same figures at the same session time.
Sample layout (engine.core.types.Command): a = equity, price_ticks = realised and qty_lots = unrealised PnL
in millionths; b = total trades, wins, losses, 21 bits each; flags say which of them are known.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from engine.agents.demo_maker import START_EQUITY_MICRO
from engine.core.clock import NS_PER_MS, monotonic_ns
from engine.core.types import Account, Command, CommandKind
from engine.frame import SERIES_SAMPLES, TargetView
from engine.market.ledger import MICRO
from engine.session import Session
from engine.target.contract import TargetStatus

__all__ = ["TargetRecord", "agent_sample", "sample_of"]

VALID, HAS_REALISED, HAS_UNREALISED, HAS_TRADES, HAS_WINS = 1, 2, 4, 8, 16
_COUNT_BITS = 21
_COUNT_MAX = (1 << _COUNT_BITS) - 1


def sample_of(status: TargetStatus) -> Command:
    """The input that stands for one poll of the target."""
    sample = status.sample
    if sample is None:
        return Command(kind=CommandKind.TARGET_SAMPLE)
    flags = VALID | HAS_TRADES | HAS_WINS
    realised = unrealised = 0
    if sample.realised_pnl is not None:
        flags |= HAS_REALISED
        realised = _millionths(sample.realised_pnl)
    if sample.unrealised_pnl is not None:
        flags |= HAS_UNREALISED
        unrealised = _millionths(sample.unrealised_pnl)
    return Command(
        kind=CommandKind.TARGET_SAMPLE,
        flags=flags,
        a=sample.equity_millionths,
        b=_pack_counts(sample.total_trades, sample.wins, sample.losses),
        price_ticks=realised,
        qty_lots=unrealised,
    )


def agent_sample(session: Session) -> Command:
    """The sample of the in-process target: straight from the ledger, in millionths of currency."""
    exchange = session.exchange
    instrument = exchange.instrument
    money = exchange.ledger.equity(Account.TARGET, exchange.mark_twice_ticks)
    # Money counts millionths of tick-lots; the value of a tick-lot is an exact decimal.
    numerator, denominator = (instrument.tick_size * instrument.lot_size).as_integer_ratio()
    entry = exchange.ledger.entry(Account.TARGET)
    return Command(
        kind=CommandKind.TARGET_SAMPLE,
        flags=VALID | HAS_TRADES,
        a=START_EQUITY_MICRO + money * numerator // denominator,
        b=_pack_counts(entry.fills, 0, 0),
    )


class TargetRecord:
    """The latest about the target, for frames."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = "none" if url == "none" else "starting"
        self.detail = ""
        self.bot: str | None = None
        self.currency: str | None = None
        self.win_rate: float | None = None
        self.open_positions: int | None = None
        self.last_signal: str | None = None
        self.base_equity: float | None = None
        """Equity from which the change is counted."""
        self._sample: Command | None = None
        self._good_ns: int | None = None
        self._series: deque[float] = deque(maxlen=SERIES_SAMPLES)

    def hear(self, status: TargetStatus) -> None:
        """Take what a poll said that a sample does not carry."""
        self.status, self.detail = status.status, status.detail
        if status.sample is not None:
            self.bot, self.currency = status.sample.bot, status.sample.currency
            self.win_rate, self.open_positions = status.sample.win_rate, status.sample.open_positions
            self.last_signal = status.sample.last_signal

    def take(self, sample: Command) -> None:
        """Take a TARGET_SAMPLE input."""
        if not sample.flags & VALID:
            return
        self._sample = sample
        self._good_ns = monotonic_ns()
        self._series.append(sample.a / MICRO)
        if self.base_equity is None:
            self.base_equity = sample.a / MICRO

    def rebase(self) -> None:
        """Count the change from here (a recording starts)."""
        self.base_equity = None if self._sample is None else self._sample.a / MICRO

    def view(self, session: Session) -> TargetView:
        """For the frame."""
        sample = self._sample
        trades, wins, losses = (0, 0, 0) if sample is None else _unpack_counts(sample.b)
        has_trades = sample is not None and bool(sample.flags & HAS_TRADES)
        has_wins = sample is not None and bool(sample.flags & HAS_WINS)
        exchange = session.exchange
        value = exchange.instrument.tick_lot_value / MICRO
        series = np.array(self._series, dtype=np.float64)
        series.setflags(write=False)
        return TargetView(
            url=self.url,
            status=self.status,
            detail=self.detail,
            bot=self.bot,
            currency=self.currency,
            equity=None if sample is None else sample.a / MICRO,
            start_equity=self.base_equity,
            realised_pnl=_known(sample, HAS_REALISED, 0 if sample is None else sample.price_ticks),
            unrealised_pnl=_known(sample, HAS_UNREALISED, 0 if sample is None else sample.qty_lots),
            total_trades=trades if has_trades else None,
            wins=wins if has_wins else None,
            losses=losses if has_wins else None,
            win_rate=self.win_rate,
            open_positions=self.open_positions,
            last_signal=self.last_signal,
            age_ms=None if self._good_ns is None else (monotonic_ns() - self._good_ns) // NS_PER_MS,
            equity_series=series,
            ledger_position_lots=exchange.ledger.position(Account.TARGET),
            ledger_pnl=exchange.ledger.equity(Account.TARGET, exchange.mark_twice_ticks) * value,
        )


def _known(sample: Command | None, flag: int, millionths: int) -> float | None:
    return millionths / MICRO if sample is not None and sample.flags & flag else None


def _millionths(value: float) -> int:
    return max(-(1 << 62), min(1 << 62, round(value * MICRO)))


def _pack_counts(trades: int, wins: int, losses: int) -> int:
    """Counts above 2^21 - 1 read as that."""
    return sum(
        min(count, _COUNT_MAX) << (_COUNT_BITS * place) for place, count in enumerate((trades, wins, losses))
    )


def _unpack_counts(packed: int) -> tuple[int, int, int]:
    return (
        packed & _COUNT_MAX,
        packed >> _COUNT_BITS & _COUNT_MAX,
        packed >> (2 * _COUNT_BITS) & _COUNT_MAX,
    )
