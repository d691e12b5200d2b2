"""The chaos deck: storms and faults of the venue on pages, what is armed, what runs, and what it has done."""

from __future__ import annotations

from desk.bindings import arm_action
from desk.draw import Piece, Row, bar_from_left, pad
from desk.formats import compact, money, units_of
from desk.view import DURATION_RANGE_S, View
from desk.widgets.panel import Panel
from engine.core.clock import NS_PER_S
from engine.core.types import FaultKind, StormKind
from engine.frame import Frame, StormView
from engine.storms.catalogue import PAGES, StormEntry, entry_of
from engine.storms.request import ChaosKind, kind_of

__all__ = ["ChaosDeck", "deeds_text", "time_left_s"]

NAME_WIDTH = 9
SETTINGS_ROWS = 2
NAMES_IN_A_ROW = 3
"""On compact screens."""


class ChaosDeck(Panel):
    """Storms and faults: open a page, arm with a digit, fire with enter."""

    title = "Chaos deck"
    key = "panel_deck"
    help = (
        "Storms and faults of the venue, on pages: p opens the next one. A digit arms an entry of the open "
        "page, up/down set its severity, left/right how long it lasts, enter fires, X stops all. A storm is "
        "real orders of an account of its own in the one book: its inventory and its profit, which is what "
        "the attack cost, stand beside it, and afterwards how long the market took to recover. A fault is "
        "what the venue does to its clients, while the market goes on as it was: how many messages were "
        "late, lost, told twice or to nobody, how many requests refused or left unanswered, stands beside "
        "it. Bots on the venue feel faults; bots on the desk's own API do not."
    )

    def heading(self, frame: Frame, view: View) -> str:
        return f"Chaos {view.deck.page_number + 1}/{len(PAGES)} {view.deck.page.title}"

    def note(self, frame: Frame, view: View) -> str:
        if frame.host.mode == "replay":
            return "as it happened"
        shown = self.keys.shown
        page = f"{shown('deck_page')} = page"
        return f"{shown('fire')} = fire · {page}" if view.deck.armed else f"{page} · a digit arms"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette, kinds = view.palette, view.deck.page.kinds
        storms = {kind_of(storm.kind): storm for storm in frame.market.storms}
        if height < max(9, len(kinds) + 1 + SETTINGS_ROWS):
            return self._small(frame, view, storms, width, height)
        head: Row = ((_columns(width, is_fault=isinstance(kinds[0], FaultKind)), palette.dim),)
        table = [self._row(frame, view, kind, storms.get(kind), width) for kind in kinds]
        settings = self._settings(view, width) if frame.host.mode != "replay" else []
        spare = height - len(kinds) - 2 - SETTINGS_ROWS
        blank: Row = ((" ", palette.text),)
        rows = [head, *table, *([blank] if spare >= 1 else []), *settings]
        hint = self._hint(frame, view)
        if hint is not None:
            rows += [*([blank] if spare >= 2 else []), hint]
        return rows

    def _small(
        self, frame: Frame, view: View, storms: dict[ChaosKind, StormView], width: int, height: int
    ) -> list[Row]:
        """For compact screens: names of the page, settings on one line, then all that did something."""
        palette, kinds = view.palette, view.deck.page.kinds
        names: list[Row] = []
        for first in range(0, len(kinds), NAMES_IN_A_ROW):
            pieces: list[Piece] = []
            for kind in kinds[first : first + NAMES_IN_A_ROW]:
                busy = kind in storms and storms[kind].active
                style = (
                    palette.storm if busy else palette.warning if kind == view.deck.armed else palette.text
                )
                mark = "●" if busy else "▸" if kind == view.deck.armed else " "
                pieces += [
                    (f"{mark}", style),
                    (self.keys.shown(arm_action(kind)), palette.focus),
                    (" " + pad(entry_of(kind).short, NAME_WIDTH), style),
                ]
            names.append(tuple(pieces))
        spent = [(kind, storm) for kind, storm in storms.items() if storm.active or storm.orders_sent]
        spent.sort(key=lambda item: not item[1].active)
        rows = [self._row(frame, view, kind, storm, width) for kind, storm in spent]
        settings = [self._settings_line(view)] if frame.host.mode != "replay" else []
        if height < 4:
            return [*rows[:1], *settings, *names][:height]
        return [*names, *settings, *rows]

    def _row(self, frame: Frame, view: View, kind: ChaosKind, storm: StormView | None, width: int) -> Row:
        palette, deck = view.palette, view.deck
        armed = deck.armed == kind
        deeds = "" if storm is None else deeds_text(storm, frame.host.venue.public_deeds)
        active = storm is not None and storm.active
        key = self.keys.shown(arm_action(kind)) if kind in deck.page.kinds else " "
        pieces: list[Piece] = [
            (f" {key} ", palette.focus),
            (pad(entry_of(kind).short, NAME_WIDTH), palette.storm if armed or active else palette.text),
        ]
        if active and storm is not None:
            left = time_left_s(frame, storm)
            severity = "" if storm.severity is None else f"{storm.severity:.2f} "
            state = f"● {severity}{left:.0f}s" if left is not None else f"● {severity}on"
            pieces.append((" " + pad(state, 10), palette.storm))
        elif armed:
            pieces.append((" " + pad("ARMED", 10), palette.warning))
        elif isinstance(kind, FaultKind) and not deeds:
            pieces.append((" " + entry_of(kind).effect, palette.dim))
        elif storm is not None and storm.recovery_s is not None:
            pieces.append((" " + pad(f"back {storm.recovery_s:.1f}s", 10), palette.good))
        else:
            pieces.append((" " + pad("idle", 10), palette.dim))
        if deeds:
            pieces.append((" " + deeds, palette.strong if active else palette.text))
        elif storm is not None and isinstance(kind, StormKind) and (active or storm.orders_sent):
            pieces += _cost(frame, view, storm, width)
        return tuple(pieces)

    def _settings(self, view: View, width: int) -> list[Row]:
        palette, deck = view.palette, view.deck
        bar = max(4, width - 31)
        style = palette.storm_bar if deck.armed else palette.spark
        keys = [
            self.keys.shown(name) for name in ("severity_down", "severity_up", "duration_down", "duration_up")
        ]
        rows: list[Row] = []
        for label, value, share, down, up in (
            ("severity", f"{deck.severity:.2f}", deck.severity, keys[0], keys[1]),
            ("duration", f"{deck.duration_s} s", deck.duration_s / DURATION_RANGE_S[1], keys[2], keys[3]),
        ):
            rows.append(
                (
                    (f"   {label}  ", palette.dim),
                    ("▕", palette.faint),
                    (bar_from_left(share, 1.0, bar), style),
                    ("▏", palette.faint),
                    (pad(value, 6, right=True), palette.strong),
                    (f"  {down} {up}", palette.focus),
                )
            )
        return rows

    def _settings_line(self, view: View) -> Row:
        palette, deck = view.palette, view.deck
        return (
            (" severity ", palette.dim),
            (f"{deck.severity:.2f}", palette.strong),
            (" ↑↓", palette.focus),
            ("  for ", palette.dim),
            (f"{deck.duration_s}s", palette.strong),
            (" ←→", palette.focus),
        )

    def _hint(self, frame: Frame, view: View) -> Row | None:
        palette = view.palette
        if frame.host.mode == "replay":
            return None
        shown = self.keys.shown
        if view.deck.armed is None:
            return (
                (f"   {shown('arm_1')}-{shown(f'arm_{len(view.deck.page.kinds)}')}", palette.focus),
                (" arm   ", palette.dim),
                (shown("deck_page"), palette.focus),
                (" page   ", palette.dim),
                (shown("stop_storms"), palette.focus),
                (" stop all", palette.dim),
            )
        return (
            (f"   {shown('fire')}", palette.focus),
            (f" fires {entry_of(view.deck.armed).short}", palette.warning),
            ("   ", palette.text),
            (shown("disarm"), palette.focus),
            (" disarms", palette.dim),
        )


def _columns(width: int, *, is_fault: bool) -> str:
    text = f"   {pad('fault' if is_fault else 'storm', NAME_WIDTH)} {pad('state', 10)}"
    if is_fault:
        return text + " done so far"
    if width >= 40:
        text += pad("inventory", 9, right=True)
    return text + pad("profit", _profit_width(width), right=True)


def _cost(frame: Frame, view: View, storm: StormView, width: int) -> list[Piece]:
    """What the attack holds, and what it has cost."""
    palette, room = view.palette, _profit_width(width)
    pieces: list[Piece] = []
    if width >= 40:
        lots = units_of(frame.market.instrument).qty(storm.position_lots, 8, sign=True)
        pieces.append((pad(lots, 9, right=True), palette.signed(storm.position_lots)))
    pieces.append((pad(money(storm.pnl, width=room - 1), room, right=True), palette.signed(storm.pnl)))
    return pieces


def deeds_text(storm: StormView, public_deeds: tuple[tuple[str, int], ...] = ()) -> str:
    """`12 late 3 lost`: what a fault has done, to private messages and to public updates."""
    entry = entry_of(kind_of(storm.kind))
    public = (
        [] if isinstance(entry, StormEntry) else [(d, n) for d, n in public_deeds if d == entry.public_deed]
    )
    return " ".join(f"{compact(count)} {deed}" for deed, count in [*public, *storm.deeds] if count)


def _profit_width(width: int) -> int:
    return min(11, width - 32 if width >= 40 else width - 23)


def time_left_s(frame: Frame, storm: StormView) -> float | None:
    """Session seconds until the storm ends by itself."""
    if storm.ends_ns is None:
        return None
    return max(0.0, (storm.ends_ns - frame.market.time_ns) / NS_PER_S)
