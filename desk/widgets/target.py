"""The TARGET: what bots under test say of themselves, what our own ledger says, and the card of every bot."""

from __future__ import annotations

from rich.style import Style

from desk.draw import Piece, Row, pad, spark
from desk.formats import UNKNOWN, clean, money, plain, units_of
from desk.theme import Palette
from desk.view import View
from desk.widgets.cards import card_line, card_rows, full_card_rows
from desk.widgets.panel import Panel, scrolled
from engine.core.clock import NS_PER_MS
from engine.frame import Frame, TargetView
from engine.score.card import BotCard

__all__ = ["Target", "status_style", "target_delta"]

FULL_CARD = (76, 14)
"""Columns and rows from which a card is shown with all that is on it."""
MARKS = {"none": "○", "starting": "◌", "ok": "●", "slow": "◐", "unreachable": "✕", "invalid": "✕"}


class Target(Panel):
    """Equity, profit, trades and state of the bot."""

    title = "TARGET"
    key = "panel_target"
    period_ns = 200 * NS_PER_MS
    help = (
        "The bot under test: state of its connection, equity with the change since the recording (or "
        "the session) began, realised and unrealised profit, trades with wins and losses, as it reports "
        "them. The ledger's line is our own account of what it did in this market, which it cannot "
        "embellish; ≠ where the two differ. w goes on to further targets, then to the card of every bot at "
        "the venue: profit split into spread, inventory and fees, adverse selection (the mid shortly after "
        "its fills), share of its orders filled, of its time with both sides quoted, ghost orders (it takes "
        "them for open, and they are not), stuck ones, requests refused for their rate. Zoomed: how long it "
        "took to notice each storm and fault, to have its orders right again, and to recover."
    )

    def heading(self, frame: Frame, view: View) -> str:
        page, number, count = _page(frame, view)
        place = f" {number + 1}/{count}" if count > 1 else ""
        if isinstance(page, BotCard):
            return f"BOT {clean(page.name)[:16]}{place}"
        return f"TARGET {clean(page.bot)[:16]}{place}" if page.bot else f"TARGET{place}"

    def note(self, frame: Frame, view: View) -> str:
        page, _, count = _page(frame, view)
        keys = f"{self.keys.shown('next_bot')} = next · " if count > 1 else ""
        if isinstance(page, BotCard):
            return keys.removesuffix(" · ")
        return keys + (page.status if page.age_ms is None else f"{page.status} {_age(page.age_ms)}")

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        page, palette = _page(frame, view)[0], view.palette
        if isinstance(page, TargetView):
            return self._target_rows(frame, view, page, width, height)
        instrument = frame.market.instrument
        if self.chrome == "line":
            return [card_line(page, palette, width)]
        if width < FULL_CARD[0] or height < FULL_CARD[1]:
            return card_rows(page, instrument, palette, height)
        rows = full_card_rows(page, instrument, palette, width)
        return rows[scrolled(view, self.panel, len(rows), height) :]

    def _target_rows(
        self, frame: Frame, view: View, target: TargetView, width: int, height: int
    ) -> list[Row]:
        palette = view.palette
        if self.chrome == "line":
            return [self._line(frame, view, target, width)]
        state: Row = (
            (f" {MARKS.get(target.status, '?')} {target.status}", status_style(palette, target.status)),
            _remark(target, palette),
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
        if height >= 8:
            rows += [((f" ≠ {clean(said)}", palette.warning),) for said in target.disagreements]
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

    def _line(self, frame: Frame, view: View, target: TargetView, width: int) -> Row:
        """The whole TARGET on one line, for compact screens."""
        palette = view.palette
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


def _page(frame: Frame, view: View) -> tuple[TargetView | BotCard, int, int]:
    """The open page, its number and how many there are."""
    pages: list[TargetView | BotCard] = [*(frame.host.targets or (frame.host.target,)), *frame.bots]
    number = view.bot % len(pages)
    return pages[number], number, len(pages)


def _remark(target: TargetView, palette: Palette) -> Piece:
    """Where its word and the ledger differ, else why it is how it is, else where it is."""
    if target.disagreements:
        return (f"  ≠ {clean(target.disagreements[0])}", palette.warning)
    return (f"  {clean(target.detail or target.url)}", palette.dim)


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
