"""The chaos deck: five storms, what is armed, what is running, and what it costs the attacker."""

from __future__ import annotations

from desk.draw import Piece, Row, bar_from_left, pad
from desk.formats import money, units_of
from desk.view import DURATION_RANGE_S, View
from desk.widgets.panel import Panel
from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.frame import Frame, StormView

__all__ = ["STORM_LABELS", "ChaosDeck", "time_left_s"]

STORM_LABELS = {
    StormKind.PHANTOM: "PHANTOM",
    StormKind.CANCEL: "CANCEL",
    StormKind.IGNITION: "IGNITION",
    StormKind.CRASH: "CRASH",
    StormKind.LATARB: "LAT-ARB",
}


class ChaosDeck(Panel):
    """Storms: arm with a digit, fire with enter."""

    title = "Chaos deck"
    key = "panel_deck"
    help = (
        "The five storms. A digit arms one, up/down set its severity, left/right how long it lasts, "
        "enter fires, X stops all. A storm is real orders of an account of its own in the one book: its "
        "inventory and its profit, which is what the attack cost, stand beside it."
    )

    def note(self, frame: Frame, view: View) -> str:
        if frame.host.mode == "replay":
            return "replay: as it happened"
        return f"{self.keys.shown('fire')} = fire" if view.deck.armed else "a digit arms"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        storms = {storm.kind: storm for storm in frame.market.storms}
        head: Row = ((self._columns(width, "storm", "state", "inventory", "profit"), palette.dim),)
        if height < 9:
            return self._small(frame, view, storms, height)
        table = [self._storm_row(frame, view, kind, storms.get(kind), width) for kind in StormKind]
        settings = self._settings(view, width) if frame.host.mode != "replay" else []
        roomy = height >= 11
        blank: Row = ((" ", palette.text),)
        rows = [head, *table, *([blank] if roomy else []), *settings]
        hint = self._hint(frame, view)
        if hint is not None:
            rows += [*([blank] if roomy else []), hint]
        return rows

    def _small(self, frame: Frame, view: View, storms: dict[int, StormView], height: int) -> list[Row]:
        """For compact screens: names on two lines, settings on one, then storms that did something."""
        palette = view.palette
        names: list[Row] = []
        for kinds in (tuple(StormKind)[:3], tuple(StormKind)[3:]):
            pieces: list[Piece] = []
            for kind in kinds:
                busy = kind in storms and storms[kind].active
                style = (
                    palette.storm if busy else palette.warning if kind == view.deck.armed else palette.text
                )
                mark = "●" if busy else "▸" if kind == view.deck.armed else " "
                pieces += [
                    (f"{mark}", style),
                    (self.keys.shown(_arm_binding(kind)), palette.focus),
                    (" " + pad(STORM_LABELS[kind], 9), style),
                ]
            names.append(tuple(pieces))
        spent = [storms[kind] for kind in StormKind if kind in storms]
        spent = [storm for storm in spent if storm.active or storm.orders_sent]
        spent.sort(key=lambda storm: not storm.active)
        rows = [self._storm_row(frame, view, StormKind(storm.kind), storm, 36) for storm in spent]
        settings = [self._settings_line(view)] if frame.host.mode != "replay" else []
        if height < 4:
            return [*rows[:1], *settings, *names][:height]
        return [*names, *settings, *rows]

    @staticmethod
    def _columns(width: int, name: str, state: str, lots: str, pnl: str) -> str:
        text = f"   {pad(name, 9)} {pad(state, 10)}"
        if width >= 40:
            text += pad(lots, 9, right=True)
        return text + pad(pnl, _profit_width(width), right=True)

    def _storm_row(
        self, frame: Frame, view: View, kind: StormKind, storm: StormView | None, width: int
    ) -> Row:
        palette, deck = view.palette, view.deck
        armed = deck.armed == kind
        active = storm is not None and storm.active
        key = self.keys.shown(_arm_binding(kind))
        name_style = palette.storm if armed or active else palette.text
        pieces: list[Piece] = [
            (f" {key} ", palette.focus),
            (pad(STORM_LABELS[kind], 9), name_style),
        ]
        if active and storm is not None:
            left = time_left_s(frame, storm)
            severity = "" if storm.severity is None else f"{storm.severity:.2f} "
            state = f"● {severity}{left:.0f}s" if left is not None else f"● {severity}on"
            pieces.append((" " + pad(state, 10), palette.storm))
        elif armed:
            pieces.append((" " + pad("ARMED", 10), palette.warning))
        else:
            pieces.append((" " + pad("idle", 10), palette.dim))
        if storm is None or not (active or storm.orders_sent):
            return tuple(pieces)
        if width >= 40:
            lots = units_of(frame.market.instrument).qty(storm.position_lots, 8, sign=True)
            pieces.append((pad(lots, 9, right=True), palette.signed(storm.position_lots)))
        room = _profit_width(width)
        pieces.append((pad(money(storm.pnl, width=room - 1), room, right=True), palette.signed(storm.pnl)))
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
                (f"   {shown('arm_phantom')}-{shown('arm_latarb')}", palette.focus),
                (" arm   ", palette.dim),
                (shown("stop_storms"), palette.focus),
                (" stop all", palette.dim),
            )
        return (
            (f"   {shown('fire')}", palette.focus),
            (f" fires {STORM_LABELS[view.deck.armed]}", palette.warning),
            ("   ", palette.text),
            (shown("disarm"), palette.focus),
            (" disarms", palette.dim),
        )


def _profit_width(width: int) -> int:
    return min(11, width - 32 if width >= 40 else width - 23)


def _arm_binding(kind: StormKind) -> str:
    """Id of the binding that arms this storm."""
    return f"arm_{kind.name.lower()}"


def time_left_s(frame: Frame, storm: StormView) -> float | None:
    """Session seconds until the storm ends by itself."""
    if storm.ends_ns is None:
        return None
    return max(0.0, (storm.ends_ns - frame.market.time_ns) / NS_PER_S)
