"""The first line: state, clock, market, own position, storms, recording, link.

What is needed least falls off first when the line is short.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from desk.draw import Piece, Row
from desk.formats import UNKNOWN, bytes_text, clean, money, time_text, units_of
from desk.view import View
from desk.widgets.deck import STORM_LABELS, time_left_s
from desk.widgets.panel import Panel
from engine.arena.machine import Status as CoreStatus
from engine.core.types import Account, StormKind
from engine.frame import Frame

__all__ = ["Status"]

SEPARATOR = " │ "


class _Part(NamedTuple):
    """A group of words that is shown whole or not at all."""

    rank: int
    """Kept in this order when room is short, 0 first."""
    pieces: tuple[Piece, ...]

    @property
    def width(self) -> int:
        return sum(len(text) for text, _ in self.pieces)


class Status(Panel):
    """One line."""

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        parts = _parts(frame, view)
        link = f" {_link(view)} "
        room = width - len(link) - 1
        kept: list[_Part] = []
        for part in sorted(parts, key=lambda part: part.rank):
            if part.width + len(SEPARATOR) <= room:
                kept.append(part)
                room -= part.width + len(SEPARATOR)
        pieces: list[Piece] = [(" ", palette.status)]
        for number, part in enumerate(part for part in parts if part in kept):
            if number:
                pieces.append((SEPARATOR, palette.status))
            pieces += part.pieces
        used = sum(len(text) for text, _ in pieces)
        pieces.append((" " * max(0, width - used - len(link)) + link, palette.status))
        return [tuple(pieces)]


def _parts(frame: Frame, view: View) -> list[_Part]:
    market, host, palette = frame.market, frame.host, view.palette
    units = units_of(market.instrument)
    plain, strong = palette.status, palette.status_strong
    epoch = market.feed.epoch_ns if market.feed else None
    parts = [_Part(0, ((_state(frame), strong),))]
    parts.append(_Part(2, ((time_text(market.time_ns, epoch_ns=epoch, decimals=1), plain),)))
    arrow, change = _change(frame)
    parts.append(
        _Part(
            1,
            (
                (clean(market.instrument.symbol) + " ", plain),
                (units.price(market.last_price_ticks), strong),
                (f" {arrow}{units.price_change(change)}" if change is not None else "", plain),
            ),
        )
    )
    spread = market.kpis.spread_ticks
    parts.append(_Part(6, ((f"spread {UNKNOWN if spread is None else spread}", plain),)))
    for storm in market.storms:
        if storm.active:
            left = time_left_s(frame, storm)
            seconds = "" if left is None else f" {left:.0f}s"
            parts.append(_Part(1, ((f"▲ {STORM_LABELS[StormKind(storm.kind)]}{seconds}", strong),)))
    if view.deck.armed is not None:
        parts.append(_Part(2, ((f"{STORM_LABELS[view.deck.armed]} armed", strong),)))
    desk = next((agent for agent in market.agents if agent.account == Account.DESK), None)
    if desk is not None:
        position = units.qty(desk.position_lots, 8, sign=True)
        parts.append(_Part(4, ((f"pos {position} P/L {money(desk.pnl, width=11)}", plain),)))
    parts.append(_Part(7, ((f"{clean(market.scenario or market.source)} seed {market.seed}", plain),)))
    recording = host.recording
    if recording is not None and recording.active and host.mode == "live":
        parts.append(_Part(3, (("● REC ", strong), (bytes_text(recording.bytes_written), plain))))
    if recording is not None and recording.error is not None:
        parts.append(_Part(1, (("✕ NOT RECORDING", strong),)))
    if view.core is not None:
        parts.append(_core(view.core, view))
    waiting = sum(1 for alert in market.alerts if not alert.acknowledged)
    if waiting:
        parts.append(_Part(5, ((f"{waiting} alert{'s' if waiting > 1 else ''}", plain),)))
    return parts


def _core(core: CoreStatus, view: View) -> _Part:
    """Which path the core runs on; while it compiles, how far that is."""
    if core.building is not None:
        done, total, name = core.building
        far = f"{done}/{total} {clean(name)} " if total else ""
        return _Part(3, ((f"compiling {far}…", view.palette.status),))
    return _Part(8 if core.path == "compiled" else 3, ((core.path, view.palette.status),))


def _state(frame: Frame) -> str:
    host = frame.host
    word = "REPLAY" if host.mode == "replay" else "LIVE"
    speed = "max" if host.speed is None else f"×{host.speed:g}"
    if host.state == "paused":
        return f"‖ {word} PAUSED {speed}"
    if host.state in ("ended", "failed"):
        return f"■ {word} {host.state.upper()}"
    return f"▶ {word} {speed}"


def _change(frame: Frame) -> tuple[str, float | None]:
    """Change of the mid over the series (at most the last minute), with its triangle."""
    known = frame.market.series.mid_ticks
    known = known[~np.isnan(known)]
    if known.size < 2 or frame.market.kpis.mid_ticks is None:
        return "", None
    change = float(frame.market.kpis.mid_ticks - known[0])
    return "▲" if change > 0 else "▼" if change < 0 else "", change


def _link(view: View) -> str:
    fps, delay = view.link
    return (
        f"{UNKNOWN if fps is None else format(fps, '.0f')}fps "
        f"{UNKNOWN if delay is None else format(delay, '.0f')}ms"
    )
