"""The first line: state, clock, market, own position, storms, recording, link.

What is needed least falls off first when the line is short.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from desk.clock import clock_of
from desk.draw import Piece, Row
from desk.exchange_status import LEVELS, status_words
from desk.formats import UNKNOWN, bytes_text, clean, jump_share, money, units_of
from desk.view import View
from desk.widgets.deck import time_left_s
from desk.widgets.panel import Panel
from engine.arena.machine import Status as CoreStatus
from engine.core.types import Account
from engine.frame import Frame
from engine.storms.catalogue import entry_of
from engine.storms.request import kind_of

__all__ = ["Status"]

SEPARATOR = " │ "


MAIN_RANK = 4
"""Up to here parts are important: their long forms come before what ranks behind."""


class _Part(NamedTuple):
    """A group of words that is shown in one of its forms, whole, or not at all."""

    rank: int
    """Kept in this order when room is short, 0 first."""
    forms: tuple[tuple[Piece, ...], ...]
    """The longest first."""


def _one(rank: int, *pieces: Piece) -> _Part:
    """A part with a single form."""
    return _Part(rank, (pieces,))


def _width(pieces: tuple[Piece, ...]) -> int:
    return sum(len(text) for text, _ in pieces)


def _choose(parts: list[_Part], room: int) -> list[tuple[Piece, ...]]:
    """The forms to show, in the order of `parts`: short ones by rank, then longer where room is left."""
    chosen: dict[int, tuple[Piece, ...]] = {}
    by_rank = sorted(range(len(parts)), key=lambda number: parts[number].rank)
    for main in (True, False):
        tier = [number for number in by_rank if (parts[number].rank <= MAIN_RANK) == main]
        for number in tier:
            needed = _width(parts[number].forms[-1]) + len(SEPARATOR)
            if needed <= room:
                chosen[number] = parts[number].forms[-1]
                room -= needed
        for number in tier:
            if number in chosen:
                spare = room + _width(chosen[number])
                chosen[number] = next(form for form in parts[number].forms if _width(form) <= spare)
                room = spare - _width(chosen[number])
    return [chosen[number] for number in sorted(chosen)]


class Status(Panel):
    """One line."""

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        parts = _parts(frame, view)
        link = f" {_link(view)} "
        pieces: list[Piece] = [(" ", palette.status)]
        for number, form in enumerate(_choose(parts, width - len(link) - 1)):
            if number:
                pieces.append((SEPARATOR, palette.status))
            pieces += form
        used = sum(len(text) for text, _ in pieces)
        pieces.append((" " * max(0, width - used - len(link)) + link, palette.status))
        return [tuple(pieces)]


def _parts(frame: Frame, view: View) -> list[_Part]:
    market, host, palette = frame.market, frame.host, view.palette
    units = units_of(market.instrument)
    plain, strong = palette.status, palette.status_strong
    parts = [_one(0, (_state(frame), strong)), _clock(frame, view)]
    arrow, change = _change(frame)
    symbol: Piece = (clean(market.instrument.symbol) + " ", plain)
    price: Piece = (units.price(market.last_price_ticks), strong)
    moved: Piece = (f" {arrow}{units.price_change(change)}" if change is not None else "", plain)
    parts.append(_one(1, symbol, price, moved))
    parts += _exchange(frame, view)
    spread = market.kpis.spread_ticks
    parts.append(_one(6, (f"spread {UNKNOWN if spread is None else spread}", plain)))
    for storm in market.storms:
        if storm.active:
            left = time_left_s(frame, storm)
            seconds = "" if left is None else f" {left:.0f}s"
            parts.append(_one(1, (f"▲ {entry_of(kind_of(storm.kind)).short}{seconds}", strong)))
    if view.deck.armed is not None:
        parts.append(_one(2, (f"{entry_of(view.deck.armed).short} armed", strong)))
    desk = next((agent for agent in market.agents if agent.account == Account.DESK), None)
    if desk is not None:
        position = units.qty(desk.position_lots, 8, sign=True)
        parts.append(_one(4, (f"pos {position} P/L {money(desk.pnl, width=11)}", plain)))
    origin = market.scenario if market.feed is None else market.source
    parts.append(_one(7, (f"{clean(origin)} seed {market.seed}", plain)))
    recording = host.recording
    if recording is not None and recording.active and host.mode == "live":
        parts.append(_one(3, ("● REC ", strong), (bytes_text(recording.bytes_written), plain)))
    if recording is not None and recording.error is not None:
        parts.append(_one(1, ("✕ NOT RECORDING", strong)))
    if view.core is not None:
        parts.append(_core(view.core, view))
    parts += _venue(frame, view)
    waiting = sum(1 for alert in market.alerts if not alert.acknowledged)
    if waiting:
        parts.append(_one(5, (f"{waiting} alert{'s' if waiting > 1 else ''}", plain)))
    return parts


def _clock(frame: Frame, view: View) -> _Part:
    """The exchange's date and time where the source knows them, else session time."""
    clock, now, plain = clock_of(frame.market), frame.market.time_ns, view.palette.status
    full = clock.full_text(now, decimals=1)
    short = clock.text(now, decimals=1) + ("Z" if clock.names_day else "")
    rank = 2 if frame.market.feed is None else 1
    return _Part(rank, (((full, plain),), ((short, plain),)))


def _exchange(frame: Frame, view: View) -> list[_Part]:
    """What the exchange says of the day and the instrument."""
    words = status_words(frame.market.feed)
    if not words:
        return []
    palette = view.palette
    styles = {
        "plain": palette.status,
        "good": palette.status_good,
        "warning": palette.status_warning,
        "critical": palette.status_critical,
    }
    worst = max(words, key=lambda word: LEVELS.index(word.level) if word.short else -1)
    forms = []
    for texts in (
        [word.text for word in words],
        [word.short if word.text.startswith("auction") else word.text for word in words],
        [word.short for word in words],
        [word.short if word is worst else "" for word in words],
    ):
        pieces: list[Piece] = []
        for word, text in zip(words, texts, strict=True):
            if text:
                pieces += [(" · ", palette.status)] if pieces else []
                pieces.append((text, styles[word.level]))
        forms.append(tuple(pieces))
    return [_Part(1, tuple(forms))] if forms[-1] else [_Part(MAIN_RANK, (forms[0],))]


def _venue(frame: Frame, view: View) -> list[_Part]:
    """The address to paste; with more room the other ports, and how many bots are connected."""
    host, palette = frame.host, view.palette
    if host.api_url is None or host.mode == "replay":
        return []
    url: Piece = (host.api_url, palette.status_strong)
    short: Piece = (":" + host.api_url.rpartition(":")[2], palette.status_strong)
    venue, clients = host.venue, host.api_clients
    ports = [
        f" {name} {address.rpartition(':')[2]}"
        for name, address in (("FIX", venue.fix), ("OUCH", venue.ouch), ("ITCH", venue.itch))
        if address is not None
    ]
    bots: Piece = (f" · {clients} bot{'' if clients == 1 else 's'}", palette.status)
    name: Piece = ("venue " if venue.is_open else "api ", palette.status)
    return [_Part(3, ((name, url, ("".join(ports), palette.status), bots), (url, bots), (url,), (short,)))]


def _core(core: CoreStatus, view: View) -> _Part:
    """Which path the core runs on; while it compiles, how far that is."""
    if core.building is not None:
        done, total, name = core.building
        far = f"{done}/{total} {clean(name)} " if total else ""
        return _one(3, (f"compiling {far}…", view.palette.status))
    return _one(8 if core.path == "compiled" else 3, (core.path, view.palette.status))


def _state(frame: Frame) -> str:
    host = frame.host
    word = "REPLAY" if host.mode == "replay" else "LIVE"
    if host.jump is not None:
        return f"» {word} {jump_share(host.jump, frame.market.time_ns):.0%}"
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
