"""Colours of the desk: named roles, three themes and a monochrome fallback.

`default` is safe for colour-blind eyes: bids blue (xterm 75), asks orange (xterm 214), and never colour
alone: side also shows as column and as triangle, regime as height, severity as word. Colours are palette
numbers of 256-colour terminals: short on the wire, and Rich maps them to 16 where a terminal has no more.
Invariant: every style is explicit (NO_COLOR gives attributes instead of colours, never a missing style).
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.color import Color
from rich.style import Style

__all__ = ["HEAT_COLOURS", "MONO_HEAT", "THEMES", "Palette", "palette_of"]

HEAT_COLOURS = (16, 17, 18, 53, 89, 125, 161, 166, 202, 208, 214, 220, 227, 230)
"""Fourteen steps from empty to full that stay monotone in brightness on 256-colour terminals."""
MONO_HEAT = " ░▒▓█"


@dataclass(frozen=True, slots=True)
class Palette:
    """One theme: a style for each role."""

    name: str
    colours: bool
    """False under NO_COLOR: attributes only."""
    text: Style
    strong: Style
    dim: Style
    faint: Style
    """Borders, rulers and empty parts of bars."""
    title: Style
    focus: Style
    """Border and title of the focused panel; keys in the footer."""
    bid: Style
    ask: Style
    bid_bar: Style
    ask_bar: Style
    bid_gap: Style
    """A bar's partial cell drawn from the right: bar colour behind, background in front."""
    ask_gap: Style
    up: Style
    down: Style
    price: Style
    price_round: Style
    """Every tenth price row."""
    last: Style
    mine: Style
    bot: Style
    volume: Style
    storm: Style
    storm_bar: Style
    spark: Style
    good: Style
    warning: Style
    critical: Style
    status: Style
    """Background of the top line."""
    status_strong: Style
    status_good: Style
    status_warning: Style
    status_critical: Style
    regimes: tuple[Style, Style, Style, Style]
    heat: tuple[tuple[Style, ...], ...]
    """heat[now][next]: a half block with two time samples; empty when there are no colours."""
    heat_bid: tuple[Style, ...]
    """heat_bid[level]: line of the best bid over a cell of this level; alike for ask and trades."""
    heat_ask: tuple[Style, ...]
    heat_trade: tuple[Style, ...]

    def signed(self, value: float | None) -> Style:
        """For an amount: above zero, below zero, or neither."""
        return self.text if not value else self.up if value > 0 else self.down


def palette_of(name: str, *, colours: bool = True) -> Palette:
    """The palette of a theme. Unknown names raise KeyError; `colours=False` ignores the name's colours."""
    spec = THEMES[name]
    return _monochrome(name) if not colours else _coloured(name, spec)


THEMES: dict[str, dict[str, int]] = {
    "default": {
        "back": 233, "bar_back": 236, "text": 252, "strong": 231, "dim": 245, "faint": 239, "title": 250,
        "focus": 117, "bid": 75, "ask": 214, "bid_bar": 32, "ask_bar": 172, "mine": 231, "bot": 183,
        "volume": 60, "storm": 213, "spark": 110, "good": 115, "warning": 221, "critical": 210,
    },
    "classic": {
        "back": 233, "bar_back": 236, "text": 252, "strong": 231, "dim": 245, "faint": 239, "title": 250,
        "focus": 117, "bid": 77, "ask": 203, "bid_bar": 28, "ask_bar": 124, "mine": 231, "bot": 183,
        "volume": 60, "storm": 213, "spark": 110, "good": 77, "warning": 221, "critical": 203,
    },
    "high-contrast": {
        "back": 16, "bar_back": 16, "text": 231, "strong": 231, "dim": 252, "faint": 250, "title": 231,
        "focus": 226, "bid": 87, "ask": 226, "bid_bar": 51, "ask_bar": 220, "mine": 231, "bot": 219,
        "volume": 250, "storm": 219, "spark": 231, "good": 120, "warning": 226, "critical": 231,
    },
}  # fmt: skip
"""Palette numbers of each theme (xterm 256)."""


def _coloured(name: str, spec: dict[str, int]) -> Palette:
    back = spec["back"]

    def ink(role: str, *, bold: bool = False, on: int | None = None) -> Style:
        return _style(spec[role], back if on is None else on, bold=bold)

    critical = _style(231, 124, bold=True) if name == "high-contrast" else ink("critical", bold=True)
    return Palette(
        name=name,
        colours=True,
        text=ink("text"),
        strong=ink("strong", bold=True),
        dim=ink("dim"),
        faint=ink("faint"),
        title=ink("title", bold=True),
        focus=ink("focus", bold=True),
        bid=ink("bid"),
        ask=ink("ask"),
        bid_bar=ink("bid_bar"),
        ask_bar=ink("ask_bar"),
        bid_gap=_style(back, spec["bid_bar"]),
        ask_gap=_style(back, spec["ask_bar"]),
        up=ink("bid"),
        down=ink("ask"),
        price=ink("text"),
        price_round=ink("strong", bold=True),
        last=_style(16, spec["strong"], bold=True),
        mine=ink("mine", bold=True),
        bot=ink("bot"),
        volume=ink("volume"),
        storm=ink("storm", bold=True),
        storm_bar=ink("storm"),
        spark=ink("spark"),
        good=ink("good"),
        warning=ink("warning", bold=True),
        critical=critical,
        status=ink("text", on=spec["bar_back"]),
        status_strong=ink("strong", bold=True, on=spec["bar_back"]),
        status_good=ink("good", on=spec["bar_back"]),
        status_warning=ink("warning", bold=True, on=spec["bar_back"]),
        status_critical=_style(231, 124, bold=True),
        regimes=(ink("faint"), ink("spark"), ink("warning"), _style(231, 161, bold=True)),
        heat=tuple(
            tuple(_style(now, following) for following in (back, *HEAT_COLOURS[1:]))
            for now in (back, *HEAT_COLOURS[1:])
        ),
        heat_bid=tuple(_style(spec["bid"], on) for on in (back, *HEAT_COLOURS[1:])),
        heat_ask=tuple(_style(spec["ask"], on) for on in (back, *HEAT_COLOURS[1:])),
        heat_trade=tuple(_style(spec["strong"], on, bold=True) for on in (back, *HEAT_COLOURS[1:])),
    )


def _monochrome(name: str) -> Palette:
    """Attributes only: bold for what matters, reverse for what must not be missed."""
    normal, bold, reverse = Style(bold=False), Style(bold=True), Style(reverse=True)
    return Palette(
        name=name,
        colours=False,
        text=normal,
        strong=bold,
        dim=normal,
        faint=normal,
        title=bold,
        focus=Style(bold=True, reverse=True),
        bid=normal,
        ask=normal,
        bid_bar=normal,
        ask_bar=normal,
        bid_gap=reverse,
        ask_gap=reverse,
        up=normal,
        down=normal,
        price=normal,
        price_round=bold,
        last=reverse,
        mine=bold,
        bot=normal,
        volume=normal,
        storm=bold,
        storm_bar=bold,
        spark=normal,
        good=normal,
        warning=bold,
        critical=Style(bold=True, reverse=True),
        status=reverse,
        status_strong=Style(bold=True, reverse=True),
        status_good=reverse,
        status_warning=Style(bold=True, reverse=True),
        status_critical=Style(bold=True, reverse=False),
        regimes=(normal, normal, bold, Style(bold=True, reverse=True)),
        heat=(),
        heat_bid=(normal,) * len(HEAT_COLOURS),
        heat_ask=(normal,) * len(HEAT_COLOURS),
        heat_trade=(bold,) * len(HEAT_COLOURS),
    )


def _style(fore: int, back: int, *, bold: bool = False) -> Style:
    return Style(color=Color.from_ansi(fore), bgcolor=Color.from_ansi(back), bold=bold)
