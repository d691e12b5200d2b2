"""The TARGET: what the bot under test says of itself, and what our own ledger says of it."""

from __future__ import annotations

from rich.style import Style

from desk.draw import Piece, Row, pad, spark
from desk.formats import UNKNOWN, clean, money, plain, units_of
from desk.theme import Palette
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.clock import NS_PER_MS
from engine.frame import Frame, TargetView

__all__ = ["Target", "status_style", "target_delta"]

MARKS = {"none": "○", "starting": "◌", "ok": "●", "slow": "◐", "unreachable": "✕", "invalid": "✕"}


class Target(Panel):
    """Equity, profit, trades and state of the bot."""

    title = "TARGET"
    key = "panel_target"
    period_ns = 200 * NS_PER_MS
    help = (
        "The bot under test: state of its connection, equity with the change since the recording (or "
        "the session) began, realised and unrealised profit, trades with wins and losses, as it reports "
        "them. The last line is our own ledger's account of what it did in this market, which it cannot "
        "embellish."
    )

    def heading(self, frame: Frame, view: View) -> str:
        bot = frame.host.target.bot
        return f"TARGET {clean(bot)[:16]}" if bot else "TARGET"

    def note(self, frame: Frame, view: View) -> str:
        target = frame.host.target
        return target.status if target.age_ms is None else f"{target.status} {_age(target.age_ms)}"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        target, palette = frame.host.target, view.palette
        if self.chrome == "line":
            return [self._line(frame, view, width)]
        state: Row = (
            (f" {MARKS.get(target.status, '?')} {target.status}", status_style(palette, target.status)),
            (f"  {clean(target.detail or target.url)}", palette.dim),
        )
        if target.status == "none":
            return [state, ((" start one: --target demo, or an URL", palette.dim),)]
        delta = target_delta(target)
        position = units_of(frame.market.instrument).qty(target.ledger_position_lots, 8, sign=True)
        rows: list[Row] = [
            state,
            self._pair(
                palette, width, "equity", money(target.equity, sign=False), "Δ", money(delta, width=10), delta
            ),
            ((" " + spark(target.equity_series, width - 2), palette.spark),),
            self._pair(
                palette, width, "realised", money(target.realised_pnl, width=11), "open",
                money(target.unrealised_pnl, width=9), target.unrealised_pnl,
            ),
            (
                (" trades ", palette.dim),
                (_count(target.total_trades), palette.text),
                (f"  {_count(target.wins)}W {_count(target.losses)}L", palette.text),
                (f"  {_win_rate(target)}", palette.dim),
                (f"  {clean(target.last_signal)}" if target.last_signal else "", palette.dim),
            ),
            (
                (" ledger ", palette.dim),
                (position, palette.text),
                ("  P/L ", palette.dim),
                (money(target.ledger_pnl, width=12), palette.signed(target.ledger_pnl)),
            ),
        ]  # fmt: skip
        if height >= 8 and target.currency:
            said = f" in {clean(target.currency)}, open positions {_count(target.open_positions)}"
            rows.append(((said, palette.dim),))
        return rows

    @staticmethod
    def _pair(
        palette: Palette, width: int, left: str, value: str, right: str, second: str, gain: float | None
    ) -> Row:
        first = f" {pad(left, 8)} {value}"
        rest = f"{right} {second}"
        gap = max(1, width - 1 - len(first) - len(rest))
        return (
            (f" {pad(left, 8)} ", palette.dim),
            (value, palette.strong),
            (" " * gap + right + " ", palette.dim),
            (second, palette.signed(gain)),
        )

    def _line(self, frame: Frame, view: View, width: int) -> Row:
        """The whole TARGET on one line, for compact screens."""
        target, palette = frame.host.target, view.palette
        delta = target_delta(target)
        pieces: list[Piece] = [
            (f" {MARKS.get(target.status, '?')} ", status_style(palette, target.status)),
            ("TARGET ", palette.title),
            (f"{clean(target.bot)[:12] if target.bot else target.status} ", palette.bot),
            (f"{money(target.equity, sign=False, width=12)} ", palette.strong),
            (f"Δ {money(delta, width=10)}", palette.signed(delta)),
            (f"  {_count(target.total_trades)} trades  ", palette.dim),
            (f"{frame.host.verdict.verdict} ", verdict_style(palette, frame.host.verdict.verdict)),
        ]
        room = width - sum(len(text) for text, _ in pieces) - 1
        if target.status not in ("ok", "none", "starting"):
            pieces.append((clean(target.detail), palette.warning))
        elif room > 6:
            pieces.append((spark(target.equity_series, room), palette.spark))
        return tuple(pieces)


def status_style(palette: Palette, status: str) -> Style:
    """How a connection state is shown."""
    return {"ok": palette.good, "slow": palette.warning, "none": palette.dim, "starting": palette.dim}.get(
        status, palette.critical
    )


def verdict_style(palette: Palette, verdict: str) -> Style:
    """How a verdict is shown."""
    return {
        "TARGET_INTACT": palette.good,
        "TARGET_DAMAGED": palette.warning,
        "TARGET_KILLED": palette.critical,
    }.get(verdict, palette.dim)


def target_delta(target: TargetView) -> float | None:
    """Equity now less equity at the start."""
    if target.equity is None or target.start_equity is None:
        return None
    return target.equity - target.start_equity


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _win_rate(target: TargetView) -> str:
    rate = target.win_rate
    return f"win {UNKNOWN if rate is None else plain(rate * 100, 0) + ' %'}"


def _age(age_ms: int) -> str:
    return f"{age_ms} ms ago" if age_ms < 1000 else f"{age_ms / 1000:.0f} s ago"
