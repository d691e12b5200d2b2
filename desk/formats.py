"""Numbers as text: prices, quantities, money, times. Pure functions; what is None shows as an en dash.

A price or quantity is formatted from its integer, so what is shown is exact.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from math import isnan

from rich.cells import cell_len

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Instrument
from engine.frame import JumpView

__all__ = [
    "UNKNOWN",
    "Units",
    "bytes_text",
    "clean",
    "compact",
    "decimal_text",
    "duration_ns_text",
    "jump_share",
    "money",
    "plain",
    "time_text",
    "units_of",
]

UNKNOWN = "–"
NS_PER_DAY = 86_400 * NS_PER_S


class Units:
    """How the integers of one instrument read: built once per instrument, used for every cell."""

    __slots__ = ("_price_decimals", "_price_scale", "_price_step", "_qty_decimals", "_qty_step", "instrument")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self._price_decimals = instrument.price_decimals
        self._price_scale = 10**self._price_decimals
        self._price_step = int(instrument.tick_size * self._price_scale)
        self._qty_decimals = instrument.lot_decimals
        self._qty_step = float(instrument.lot_size)

    def price(self, ticks: int | None) -> str:
        """Exact price of an integer number of ticks."""
        if ticks is None:
            return UNKNOWN
        if not self._price_decimals:
            return str(ticks * self._price_step)
        whole, part = divmod(abs(ticks) * self._price_step, self._price_scale)
        return f"{'-' if ticks < 0 else ''}{whole}.{part:0{self._price_decimals}d}"

    def price_between(self, ticks: float | None) -> str:
        """Price of a fractional number of ticks (mid, microprice), one digit more than the tick."""
        if ticks is None or isnan(ticks):
            return UNKNOWN
        return f"{ticks * self._price_step / self._price_scale:.{self._price_decimals + 1}f}"

    def price_change(self, ticks: float | None) -> str:
        """Signed difference of prices."""
        if ticks is None or isnan(ticks):
            return UNKNOWN
        return f"{ticks * self._price_step / self._price_scale:+.{self._price_decimals}f}"

    def qty(self, lots: int | None, width: int = 9, *, sign: bool = False) -> str:
        """Quantity in base units that fits `width` columns: exact where it fits, else k, M or G."""
        if lots is None:
            return UNKNOWN
        mark = "+" if sign and lots > 0 else ""
        if self._qty_decimals == 0:
            text = mark + str(int(lots * self._qty_step))
            return text if len(text) <= width else mark + compact(lots * self._qty_step)
        value = lots * self._qty_step
        whole = len(str(int(abs(value)))) + (1 if mark or value < 0 else 0)
        decimals = min(self._qty_decimals, 3, width - whole - 1)
        if decimals < 1:
            return mark + compact(value)
        text = f"{value:.{decimals}f}"
        if lots and not text.strip("-0."):  # a dust quantity must not read as nothing
            text = "<" + f"{10.0**-decimals:.{decimals}f}"[1:]
        if len(mark + text) > width:  # rounding has added a digit
            return mark + compact(value)
        return mark + text


@lru_cache(maxsize=64)
def units_of(instrument: Instrument) -> Units:
    """The formats of this instrument (cached: instruments are few)."""
    return Units(instrument)


def plain(value: float | None, decimals: int = 2, *, sign: bool = False) -> str:
    """A float with fixed decimals; None and NaN show as unknown."""
    if value is None or isnan(value):
        return UNKNOWN
    return f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"


def money(value: float | None, *, sign: bool = True, width: int = 14) -> str:
    """`+1 204.50`; without cents, then compact, when `width` columns are too few."""
    if value is None or isnan(value):
        return UNKNOWN
    mark = "+" if sign and abs(value) >= 0.005 else ""
    text = f"{value:{mark},.2f}".replace(",", " ")
    if abs(value) < 0.005:
        return "0.00"
    if len(text) > width:
        text = f"{value:{mark},.0f}".replace(",", " ")
    if len(text) > width:
        text = (mark if value > 0 else "") + compact(value)
    return text


_SUFFIXES = ((1e3, 1.0, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M"), (1e12, 1e9, "G"), (1e15, 1e12, "T"))


def compact(value: float | None) -> str:
    """At most six characters: `38.1k`, `1.20M`, `950`."""
    if value is None or isnan(value):
        return UNKNOWN
    magnitude = abs(value)
    for limit, divisor, suffix in _SUFFIXES:
        if magnitude < limit * 0.9995:
            scaled = value / divisor
            if not suffix and scaled == int(scaled):
                return str(int(scaled))
            digits = 0 if abs(scaled) >= 99.95 else 1
            return f"{scaled:.{digits}f}{suffix}"
    return f"{value:.0e}"


def bytes_text(count: int) -> str:
    """`41.2MB`; decimal units."""
    if count < 1000:
        return f"{count}B"
    for divisor, suffix in ((1e3, "kB"), (1e6, "MB"), (1e9, "GB")):
        if count < divisor * 999.5:
            scaled = count / divisor
            return f"{scaled:.{1 if scaled < 99.95 else 0}f}{suffix}"
    return f"{count / 1e12:.1f}TB"


def time_text(time_ns: int, *, epoch_ns: int | None = None, decimals: int = 3) -> str:
    """`00:01:23.456` of session time; with `epoch_ns` the time of day (UTC) of the recorded day."""
    if epoch_ns is not None:
        time_ns = (time_ns + epoch_ns) % NS_PER_DAY
    seconds, rest = divmod(max(0, time_ns), NS_PER_S)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    text = f"{hour:02d}:{minute:02d}:{second:02d}"
    if decimals:
        text += f".{rest // NS_PER_MS:03d}"[: decimals + 1]
    return text


def duration_ns_text(value_ns: int | None) -> str:
    """A measured latency: `850ns`, `12.3µs`, `4.1ms`, `1.2s`."""
    if value_ns is None:
        return UNKNOWN
    for divisor, suffix in ((1, "ns"), (1_000, "µs"), (NS_PER_MS, "ms"), (NS_PER_S, "s")):
        if value_ns < divisor * 999.5 or suffix == "s":
            scaled = value_ns / divisor
            return f"{scaled:.{0 if suffix == 'ns' or scaled >= 99.95 else 1}f}{suffix}"
    raise AssertionError("seconds always match")


def jump_share(jump: JumpView, now_ns: int) -> float:
    """How much of the way of a jump lies behind, 0 to 1."""
    return min(1.0, max(0.0, (now_ns - jump.from_ns) / max(1, jump.to_ns - jump.from_ns)))


def decimal_text(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=2048)
def clean(text: str) -> str:
    """Text from outside, safe to put in a cell: no control characters, one column per character.

    The target and its errors write into our screen; an escape sequence in a bot's name must not reach
    the terminal.
    """
    return "".join(c if c.isprintable() and cell_len(c) == 1 else "?" for c in text)
