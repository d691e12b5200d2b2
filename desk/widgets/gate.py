"""The risk gate: each account's limits with what is used of them, and who is latched, since when and why."""

from __future__ import annotations

from rich.style import Style

from desk.chosen import chosen_gate, gate_word
from desk.clock import Clock, clock_of
from desk.draw import Piece, Row, bar_from_left, pad
from desk.formats import clean, money
from desk.theme import Palette
from desk.view import View
from desk.widgets.panel import Panel, scrolled
from engine.core.types import Instrument
from engine.frame import Frame, GateView, GuardView

__all__ = ["Gate", "figure_text"]

NAME_WIDTH = 22
NARROW_NAME_WIDTH = 17
NARROW, WIDE = 50, 70
MOST_BAR = 40
WARNING_SHARE, CRITICAL_SHARE = 0.7, 0.9
UNIT_WORDS = {"orders/s": "/s", "gaps": "", "orders": "", "bps": " bps"}


class Gate(Panel):
    """Desk, target and bots at the one gate that every order passes."""

    title = "Risk gate"
    key = "panel_gate"
    help = (
        "Every order passes one gate. Guards watch what an account does: a bar says how much of a limit is "
        "used, the share behind it what is left. The first guard that trips latches the account: nothing of "
        "it passes until it is reset. Rails refuse the one order that is beyond them. j and J choose an "
        "account; R resets it, D starts its day anew (no loss, no orders, a full bucket), L sets one of its "
        "limits, ! is the kill switch: each opens the command line, where enter does it. A limit that is "
        "set in a session is an input of the run."
    )

    def note(self, frame: Frame, view: View) -> str:
        latched = sum(1 for gate in frame.market.gates if gate.latched)
        said = f"{latched} latched" if latched else "all may trade"
        if frame.host.mode == "replay" or view.focus != self.panel:
            return said
        keys = [self.keys.shown(name) for name in ("gate_reset", "gate_day", "gate_limit", "kill")]
        return f"{said} · {keys[0]} reset · {keys[1]} day · {keys[2]} limit · {keys[3]} kill"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        gates = frame.market.gates
        if not gates:
            return [((" nobody has limits here", palette.dim),)]
        chosen = chosen_gate(frame, view)
        clock, instrument = clock_of(frame.market), frame.market.instrument
        rows: list[Row] = []
        at = 0
        for gate in gates:
            if gate is chosen:
                at = len(rows)
            rows.append(_head(gate, view, clock, width, gate is chosen and view.focus == self.panel))
            rows += [_guard_row(guard, palette, instrument, width) for guard in gate.guards if guard.is_guard]
            rows += _rail_rows(gate, palette, instrument, width)
        start = scrolled(view, self.panel, len(rows), height)
        if self.panel in view.chosen and not start <= at < start + height - 1:
            start = max(0, min(at, len(rows) - height))
        return rows[start : start + height]


def _head(gate: GateView, view: View, clock: Clock, width: int, is_chosen: bool) -> Row:
    palette = view.palette
    pieces: list[Piece] = [
        ("▸" if is_chosen else " ", palette.focus),
        (
            pad(clean(gate_word(gate)), 14 if width >= NARROW else 10),
            palette.strong if is_chosen else palette.title,
        ),
    ]
    if gate.latched:
        word = "LATCHED " if width >= NARROW else ""
        pieces.append((f"■ {word}{gate.latched.replace('_', ' ')}", palette.critical))
        if gate.latched_ns is not None:
            since = f" since {clock.text(gate.latched_ns)}" if width >= WIDE else ""
            since = since or f" {clock.text(gate.latched_ns, decimals=0)}"
            pieces.append((since, palette.warning))
    else:
        pieces.append(("may trade", palette.good))
    orders = f"  {gate.orders} orders" if gate.orders != 1 else "  1 order"
    pieces.append((f"{orders}, {money(gate.profit)} today", palette.dim))
    return tuple(pieces)


def _guard_row(guard: GuardView, palette: Palette, instrument: Instrument, width: int) -> Row:
    """Name, bar of what is used, share that is left, figures. Where it is narrow names lose their max_."""
    used = guard.used or 0.0
    share = min(1.0, used / guard.limit) if guard.limit else 0.0
    style = _share_style(share, palette)
    wide = width >= WIDE
    name = pad(guard.name, NAME_WIDTH) if wide else pad(guard.name.removeprefix("max_"), NARROW_NAME_WIDTH)
    bar = min(MOST_BAR, width - NAME_WIDTH - 45) if wide else 8 if width >= NARROW else 5
    left = pad(f"{(1 - share) * 100:.0f}%" + (" left" if wide else ""), 10 if wide else 5, right=True)
    pieces: list[Piece] = [
        (("   " if wide else "  ") + name, palette.text),
        ("▕", palette.faint),
        (bar_from_left(share, 1.0, max(4, bar)), style),
        ("▏", palette.faint),
        (left, style if share >= WARNING_SHARE else palette.strong),
    ]
    if width >= NARROW:
        have, most = (figure_text(value, guard.unit, instrument) for value in (used, guard.limit))
        pieces.append((f"  {have} of {most}{UNIT_WORDS.get(guard.unit, '')}", palette.text))
        if guard.note:
            pieces.append((f" ({guard.note})", palette.dim))
    return tuple(pieces)


def _share_style(share: float, palette: Palette) -> Style:
    if share >= CRITICAL_SHARE:
        return palette.critical
    return palette.warning if share >= WARNING_SHARE else palette.spark


def _rail_rows(gate: GateView, palette: Palette, instrument: Instrument, width: int) -> list[Row]:
    """Limits of the single order, as many on a line as fit."""
    words = [
        f"{rail.name} {rail.note or figure_text(rail.limit, rail.unit, instrument)}"
        for rail in gate.guards
        if not rail.is_guard
    ]
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 3 <= width - 4:
            lines[-1] += f" · {word}"
        else:
            lines.append(word)
    indent = "   " if width >= WIDE else "  "
    return [((indent + line, palette.dim),) for line in lines]


def figure_text(value: float, unit: str, instrument: Instrument) -> str:
    """A limit, or what is used of it, in its unit."""
    if unit == "money":
        return money(value, sign=False, width=12)
    if unit == "base":
        decimals = instrument.lot_decimals
        return f"{value:,.{decimals}f}".replace(",", " ")
    text = f"{value:,.1f}" if value != int(value) else f"{int(value):,}"
    return text.replace(",", " ")
