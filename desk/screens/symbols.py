"""The symbol switch: all instruments of the running source, the busiest first; thousands of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from desk.bindings import KeyTable
from desk.draw import Row, bar_from_left, pad
from desk.formats import UNKNOWN, clean
from desk.screens.picker import PickerHost, PickerScreen
from desk.view import View
from engine.frame import SymbolView

__all__ = ["SymbolsScreen"]

NAME_WIDTH = 14
COUNT_WIDTH = 12


class SymbolOption(NamedTuple):
    """One instrument."""

    symbol: str
    messages: int

    @property
    def key(self) -> str:
        return self.symbol

    @property
    def words(self) -> str:
        return self.symbol


class SymbolsScreen(PickerScreen[SymbolOption]):
    """`take_symbol` gets the one that was chosen."""

    columns = "  " + pad("symbol", NAME_WIDTH) + pad("messages", COUNT_WIDTH, right=True) + "  share (√)"

    def __init__(
        self,
        view: View,
        keys: KeyTable,
        host: PickerHost,
        *,
        source: str,
        symbols: Sequence[SymbolView],
        current: str = "",
        take_symbol: Callable[[str], None],
    ) -> None:
        super().__init__(view, keys, host)
        self.heading = f"Symbols of {clean(source)}"
        self._current = current
        self._take_symbol = take_symbol
        self._most = max((symbol.messages for symbol in symbols), default=0)
        self.options = [_option(symbol) for symbol in symbols]
        self.matches = self.options
        self.at = next((i for i, option in enumerate(self.options) if option.symbol == current), 0)

    def note(self) -> str:
        order = "busiest first" if self._most else "by name"
        return f"{len(self.matches):,} of {len(self.options):,} · {order}"

    def option_row(self, option: SymbolOption, view: View, width: int) -> Row:
        palette = view.palette
        bar = max(0, min(40, width - NAME_WIDTH - COUNT_WIDTH - 12))
        mark = "● now" if option.symbol == self._current else ""
        count = f"{option.messages:,}" if self._most else UNKNOWN
        share = math.sqrt(option.messages), math.sqrt(self._most)
        return (
            (pad(clean(option.symbol), NAME_WIDTH), palette.strong if mark else palette.text),
            (pad(count, COUNT_WIDTH, right=True) + "  ", palette.dim),
            (bar_from_left(*share, bar), palette.spark),
            ("  " + mark, palette.focus if mark else palette.text),
        )

    def hint(self) -> str:
        same = " at the same exchange time" if self._current else ""
        return f"type to filter · enter starts it{same} · esc closes"

    def take(self, option: SymbolOption) -> None:
        self.dismiss()
        self._take_symbol(option.symbol)


def _option(symbol: SymbolView) -> SymbolOption:
    return SymbolOption(symbol.symbol.upper(), symbol.messages)
