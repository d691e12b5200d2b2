"""Who holds what: inventory bars around zero, one row an account, many alike folded into one."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from rich.style import Style

from desk.draw import Piece, Row, bar_from_left, bar_from_right, pad
from desk.formats import clean, money, units_of
from desk.theme import Palette
from desk.view import View
from desk.widgets.panel import Panel, scrolled
from engine.frame import AgentView, Frame

__all__ = ["Agents", "fold"]

FOLD_ABOVE = 4
"""More accounts than this of one kind become one row."""
PINNED = ("history", "target", "desk", "storm")
"""Kinds that are never folded and never fall off the list once they have done something."""


class InventoryRow(NamedTuple):
    """An account, or the sum of many alike."""

    name: str
    kind: str
    position_lots: int
    pnl: float
    limit_lots: int | None


class Agents(Panel):
    """Inventories and profit by account."""

    title = "Agents"
    key = "panel_agents"
    period_ns = 200_000_000
    help = (
        "Accounts by inventory: bar left of the line is short, right is long, scaled by the account's "
        "own limit where it has one. Then position and profit marked at mid, after fees. More than four "
        "of a kind share one row. The TARGET, the desk, storms and HISTORY stay on the list while they "
        "hold or have earned anything."
    )

    def note(self, frame: Frame, view: View) -> str:
        return "short ← 0 → long · P/L"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        folded = fold(frame.market.agents)
        if not folded:
            return [((" no accounts yet", palette.dim),)]
        listed = _choose(folded, height, scrolled(view, self.panel, len(folded), height))
        units = units_of(frame.market.instrument)
        name_width = 12 if width >= 40 else 11
        qty_width, pnl_width = (8, 11) if width >= 40 else (7, 8)
        half = max(2, (width - name_width - qty_width - pnl_width - 4) // 2)
        usual = max((abs(row.position_lots) for row in folded if row.kind != "history"), default=0) or 1
        rows: list[Row] = []
        for row in listed:
            lots = row.position_lots
            scale = row.limit_lots or usual
            pieces: list[Piece] = [(" " + pad(clean(row.name), name_width), _name_style(palette, row.kind))]
            pieces += bar_from_right(
                -lots if lots < 0 else 0, scale, half, palette.ask_bar, palette.ask_gap, palette.text
            )
            pieces.append(("│", palette.faint))
            pieces.append((bar_from_left(lots if lots > 0 else 0, scale, half), palette.bid_bar))
            position = pad(units.qty(lots, qty_width - 1, sign=True), qty_width, right=True)
            profit = pad(money(row.pnl, width=pnl_width), pnl_width + 1, right=True)
            pieces += [(position, palette.signed(lots)), (profit, palette.signed(row.pnl))]
            rows.append(tuple(pieces))
        return rows


def _name_style(palette: Palette, kind: str) -> Style:
    return {"desk": palette.mine, "target": palette.bot, "storm": palette.storm}.get(kind, palette.text)


def fold(agents: tuple[AgentView, ...]) -> list[InventoryRow]:
    """Rows sorted by size of inventory; kinds with more than four accounts are summed into one row."""
    kinds: dict[str, list[AgentView]] = {}
    for kind, neighbours in groupby(agents, attrgetter("kind")):  # a thousand agents are a few such runs
        kinds.setdefault(kind, []).extend(neighbours)
    rows: list[InventoryRow] = []
    for kind, members in kinds.items():
        if kind in PINNED:
            rows += [_row(a) for a in members if a.position_lots or a.pnl or a.open_orders]
        elif len(members) > FOLD_ABOVE:
            rows.append(_sum(kind, members))
        else:
            rows += map(_row, members)
    return sorted(rows, key=lambda row: (-abs(row.position_lots), row.name))


def _row(agent: AgentView) -> InventoryRow:
    return InventoryRow(agent.name, agent.kind, agent.position_lots, agent.pnl, agent.limit_lots)


def _sum(kind: str, members: list[AgentView]) -> InventoryRow:
    limits = [agent.limit_lots for agent in members]
    return InventoryRow(
        f"{kind} ×{len(members)}",
        kind,
        sum([agent.position_lots for agent in members]),
        sum([agent.pnl for agent in members]),
        None if None in limits else sum(limit for limit in limits if limit is not None),
    )


def _choose(rows: list[InventoryRow], height: int, start: int) -> list[InventoryRow]:
    """The rows that fit: the pinned first, then the largest; order stays by inventory."""
    if len(rows) <= height:
        return rows
    pinned = [row for row in rows if row.kind in PINNED][:height]
    others = [row for row in rows if row.kind not in PINNED][start : start + height - len(pinned)]
    return [row for row in rows if row in pinned or row in others]
