"""Score cards of bots as rows: what one made, out of what, and how it took each storm and fault.

Pure functions of a card (engine/score/card.py), drawn by the TARGET panel.
"""

from __future__ import annotations

from rich.style import Style

from desk.draw import Piece, Row, bar_from_left, bar_from_right, pad
from desk.formats import UNKNOWN, clean, compact, money, plain, units_of
from desk.theme import Palette
from engine.core.clock import NS_PER_S
from engine.core.types import Instrument
from engine.score.card import BotCard, FaultReaction

__all__ = ["card_line", "card_rows", "card_style", "full_card_rows"]

MONEY_WIDTH = 11
BAR_HALF = 14
"""Columns of a bar on each side of nothing, in the full card."""
FIGURE_WIDTH = 25
FAULT_HEAD = (
    ("storm or fault", 16), ("at", 6), ("noticed", 8), ("right", 8), ("recovered", 10), ("refused", 8),
    ("astray", 7), ("P/L", 11),
)  # fmt: skip


def card_style(palette: Palette, verdict: str) -> Style:
    """How a card's verdict is shown."""
    styles = {"INTACT": palette.good, "DAMAGED": palette.warning, "KILLED": palette.critical}
    return styles.get(verdict, palette.dim)


def card_line(card: BotCard, palette: Palette, width: int) -> Row:
    """The card on one line, for compact screens."""
    pieces: list[Piece] = [
        (" ▪ BOT ", palette.title),
        (f"{clean(card.name)[:12]} ", palette.bot),
        (f"{card.verdict} ", card_style(palette, card.verdict)),
        (f"{money(card.amount(card.pnl), width=MONEY_WIDTH)} ", palette.signed(card.pnl)),
    ]
    pieces += _split(card, palette)
    pieces.append((f" fills {compact(card.fills)} ghosts {card.ghost_orders}", palette.dim))
    return tuple(pieces)


def card_rows(card: BotCard, instrument: Instrument, palette: Palette, height: int) -> list[Row]:
    """The card in a small panel; the weightiest reasons last, as many as fit."""
    position = units_of(instrument).qty(card.position_lots, 8, sign=True)
    adverse = None if card.adverse_selection is None else card.amount(card.adverse_selection)
    rows: list[Row] = [
        (
            (f" {pad(card.verdict, 8)}", card_style(palette, card.verdict)),
            (f" {money(card.amount(card.pnl), width=MONEY_WIDTH)}", palette.signed(card.pnl)),
            (f"  pos {position}", palette.text),
        ),
        ((" ", palette.text), *_split(card, palette)),
        (
            (" adverse ", palette.dim),
            (money(adverse, width=9), palette.signed(adverse)),
            (" fall ", palette.dim),
            (money(card.amount(card.max_drawdown), sign=False, width=9), palette.text),
        ),
        (
            (" fill ", palette.dim),
            (f"{compact(card.fills)} {_share(card.fill_ratio)}", palette.text),
            (" mkr ", palette.dim),
            (_share(card.maker_share), palette.text),
            (" quote ", palette.dim),
            (_share(card.quote_uptime), palette.text),
        ),
        (
            (" ghost ", palette.dim),
            _count(card.ghost_orders, palette),
            (" stuck ", palette.dim),
            _count(card.stuck_orders, palette),
            (" 429 ", palette.dim),
            _count(card.rate_limited, palette),
            (" open ", palette.dim),
            (str(card.open_orders), palette.text),
        ),
        *[((" " + clean(reason), palette.dim),) for reason in card.reasons],
    ]
    return rows[:height]


def full_card_rows(card: BotCard, instrument: Instrument, palette: Palette, width: int) -> list[Row]:
    """Everything on the card, for the panel alone on the screen."""
    blank: Row = ((" ", palette.text),)
    currency = clean(instrument.currency)
    equity = None if card.equity is None else card.amount(card.equity)
    rows: list[Row] = [
        (
            (f" {card.verdict} ", card_style(palette, card.verdict)),
            (f"{money(card.amount(card.pnl))} {currency}", palette.signed(card.pnl)),
            (f"   equity {money(equity, sign=False)}", palette.text),
            (f"   account {card.account}", palette.dim),
        ),
        *[((f"   {clean(reason)}", palette.text),) for reason in card.reasons],
        blank,
        *_split_rows(card, palette),
        blank,
        *_figure_rows(card, instrument, palette, width),
    ]
    if card.self_report is not None:
        rows += [blank, _self_report_row(card, currency, palette)]
    rows += [blank, _fault_head(palette)]
    if not card.faults:
        rows.append((("   none so far", palette.dim),))
    rows += [_fault_row(fault, card, palette) for fault in reversed(card.faults)]
    return rows


def _split(card: BotCard, palette: Palette) -> list[Piece]:
    """What the profit is made of, in few words."""
    pieces: list[Piece] = []
    for name, part in (("spr", card.spread_pnl), ("inv", card.inventory_pnl), ("fee", -card.fees)):
        pieces += [
            (f"{name} ", palette.dim),
            (f"{money(card.amount(part), width=7)} ", palette.signed(part)),
        ]
    return pieces


def _split_rows(card: BotCard, palette: Palette) -> list[Row]:
    """The same as bars around nothing; they sum to the profit."""
    parts = (
        ("spread", card.spread_pnl, "fill prices against the mid before each fill"),
        ("  of it made", card.maker_spread_pnl, "by resting orders"),
        ("inventory", card.inventory_pnl, "position carried times moves of the mid"),
        ("fees", -card.fees, ""),
        ("profit", card.pnl, "the sum, by the desk's own ledger"),
        (
            "adverse",
            card.adverse_selection,
            "the mid shortly after each fill; a reading, not part of the sum",
        ),
        ("realised", card.realised_spread, "the spread that is left then; another reading"),
    )
    scale = max(abs(part) for _, part, _ in parts if part is not None) or 1
    rows: list[Row] = []
    for name, part, said in parts:
        value = None if part is None else card.amount(part)
        size = 0 if part is None else part
        rows.append(
            (
                (f" {pad(name, 13)}", palette.strong if name == "profit" else palette.dim),
                (pad(money(value, width=MONEY_WIDTH), MONEY_WIDTH + 1, right=True), palette.signed(value)),
                ("  ", palette.text),
                *bar_from_right(-size, scale, BAR_HALF, palette.ask_bar, palette.ask_gap, palette.text),
                ("│", palette.faint),
                (bar_from_left(size, scale, BAR_HALF), palette.bid_bar),
                (f"  {said}", palette.dim),
            )
        )
    return rows


def _figure_rows(card: BotCard, instrument: Instrument, palette: Palette, width: int) -> list[Row]:
    units = units_of(instrument)
    ratio = card.order_to_trade
    worst = "" if card.worst_ns is None else f" at {card.worst_ns / NS_PER_S:.0f}s"
    figures = (
        ("fills", compact(card.fills)),
        ("of ordered", _share(card.fill_ratio)),
        ("as maker", _share(card.maker_share)),
        ("both sides quoted", _share(card.quote_uptime)),
        ("orders", compact(card.orders)),
        ("requests", compact(card.requests)),
        ("requests a fill", UNKNOWN if ratio is None else plain(ratio, 1)),
        ("open now", str(card.open_orders)),
        ("ghosts", str(card.ghost_orders)),
        ("stuck", str(card.stuck_orders)),
        ("refused for rate", compact(card.rate_limited)),
        ("against warnings", compact(card.limit_offences)),
        ("position", units.qty(card.position_lots, 9, sign=True)),
        ("largest", units.qty(card.max_position_lots, 9)),
        ("fell by", money(card.amount(card.max_drawdown), sign=False, width=9) + worst),
    )
    across = max(1, min(4, width // FIGURE_WIDTH))
    rows: list[Row] = []
    for first in range(0, len(figures), across):
        pieces: list[Piece] = []
        for name, value in figures[first : first + across]:
            pieces += [(f" {name} ", palette.dim), (pad(value, FIGURE_WIDTH - len(name) - 2), palette.text)]
        rows.append(tuple(pieces))
    return rows


def _self_report_row(card: BotCard, currency: str, palette: Palette) -> Row:
    said = card.self_report
    assert said is not None
    difference = said.difference / 1_000_000
    return (
        (" it says ", palette.dim),
        (f"{money(said.change / 1_000_000)} {currency}", palette.text),
        ("  the ledger says ", palette.dim),
        (f"{money(said.true_change / 1_000_000)}", palette.text),
        ("  difference ", palette.dim),
        (money(difference), palette.warning if abs(difference) >= 0.01 else palette.good),
    )


def _fault_head(palette: Palette) -> Row:
    text = "".join(pad(name, width, right=number > 0) for number, (name, width) in enumerate(FAULT_HEAD))
    return ((" " + text, palette.title),)


def _fault_row(fault: FaultReaction, card: BotCard, palette: Palette) -> Row:
    widths = [width for _, width in FAULT_HEAD]
    cells = (
        f"{fault.kind.removeprefix('fault.')} {fault.severity:.2f}",
        f"{fault.at_ns / NS_PER_S:.0f}s",
        _since(fault.noticed_ns, fault.at_ns),
        "–"
        if not fault.astray
        else "never"
        if fault.unreconciled
        else _since(fault.reconciled_ns, fault.at_ns),
        "on" if fault.ended_ns is None else _since(fault.recovered_ns, fault.ended_ns),
        str(fault.refused),
        str(fault.astray),
    )
    texts = [
        pad(cell, width, right=n > 0) for n, (cell, width) in enumerate(zip(cells, widths, strict=False))
    ]
    bad = bool(fault.unreconciled) or (fault.ended_ns is not None and fault.recovered_ns is None)
    return (
        (" " + "".join(texts), palette.warning if bad else palette.text),
        (
            pad(money(card.amount(fault.pnl), width=widths[-1] - 1), widths[-1], right=True),
            palette.signed(fault.pnl),
        ),
    )


def _since(at_ns: int | None, from_ns: int) -> str:
    """`+1.2s` after the beginning (or end) of a storm."""
    return UNKNOWN if at_ns is None else f"+{(at_ns - from_ns) / NS_PER_S:.1f}s"


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0%}"


def _count(value: int, palette: Palette) -> Piece:
    return (compact(value), palette.warning if value else palette.text)
