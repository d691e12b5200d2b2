"""The source picker: recent sources, the sample, scenarios and data files, to start a session with.

Files are looked at in a thread while the list is on the screen; one that turns out to be no data file never
shows up. Invariant: nothing here blocks the screen or touches the running session.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from desk.bindings import KeyTable
from desk.draw import Row, pad
from desk.formats import UNKNOWN, bytes_text, clean
from desk.recent import RecentSource
from desk.screens.picker import PickerHost, PickerScreen
from desk.screens.symbols import SymbolsScreen
from desk.sessions import SessionChoice
from desk.source_list import SourceOption, data_files, known_sources, look_at
from desk.view import View
from engine.core.clock import NS_PER_MS, monotonic_ns
from engine.frame import SymbolView

__all__ = ["SourcePlaces", "SourcesScreen"]

NEWS_EVERY_NS = 100 * NS_PER_MS
KIND_WIDTH, FORMAT_WIDTH, SIZE_WIDTH, STOCKS_WIDTH = 9, 20, 8, 14
NAME_LIMIT = 44


@dataclass(frozen=True, slots=True)
class SourcePlaces:
    """Where to look."""

    sample: Path
    folders: tuple[tuple[Path, int], ...]
    """Folders, and how many levels below them."""
    recent: tuple[RecentSource, ...] = ()


class SourcesScreen(PickerScreen[SourceOption]):
    """`take_choice` gets what was chosen."""

    heading = "Sources"

    def __init__(
        self,
        view: View,
        keys: KeyTable,
        host: PickerHost,
        *,
        places: SourcePlaces,
        take_choice: Callable[[SessionChoice], None],
    ) -> None:
        super().__init__(view, keys, host)
        self._places = places
        self._take_choice = take_choice
        self._known = {option.key: option for option in known_sources(list(places.recent), places.sample)}
        self.options = list(self._known.values())
        self.matches = self.options
        self._gone = threading.Event()
        self._looking = True
        self._looked = 0
        self._said = ""
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- looking at files, in a thread ---------------------------------------------------------

    def on_mount(self) -> None:
        self._loop = asyncio.get_running_loop()
        options = tuple(self.options)
        threading.Thread(target=self._look, args=(options,), name="source-picker", daemon=True).start()

    def on_unmount(self) -> None:
        self._gone.set()

    def _look(self, first: Sequence[SourceOption]) -> None:
        """Look at what is listed already, then at the folders; tell the screen at intervals."""
        news: list[SourceOption] = []
        told_ns = monotonic_ns()
        known = {option.path for option in first if option.path is not None}
        for option in (*first, *data_files(list(self._places.folders), known)):
            if self._gone.is_set():
                return
            news.append(look_at(option))
            if monotonic_ns() - told_ns > NEWS_EVERY_NS:
                self._tell(news, more=True)
                news, told_ns = [], monotonic_ns()
        self._tell(news, more=False)

    def _tell(self, news: list[SourceOption], *, more: bool) -> None:
        loop = self._loop
        assert loop is not None
        with contextlib.suppress(RuntimeError):  # the desk has been left meanwhile
            loop.call_soon_threadsafe(self._hear, news, more)

    def _hear(self, news: list[SourceOption], more: bool) -> None:
        self._looking = more
        for option in news:
            self._looked += option.kind == "file"
            if option.problem is None or option.kind != "file":
                self._known[option.key] = option
        if not self._gone.is_set():
            self.put(list(self._known.values()))

    # -- drawing -------------------------------------------------------------------------------

    def note(self) -> str:
        if self._looking:
            return f"{self._looked} files looked at …"
        return f"{len(self.matches)} of {len(self.options)}"

    @property
    def columns(self) -> str:  # type: ignore[override]
        parts = [pad("", KIND_WIDTH), pad("name", self._name_width(self.size.width - 4))]
        parts += [pad("format", FORMAT_WIDTH), pad("size", SIZE_WIDTH, right=True), "  stocks"]
        return "  " + "".join(parts)

    def _name_width(self, width: int) -> int:
        return max(16, min(NAME_LIMIT, width - KIND_WIDTH - FORMAT_WIDTH - SIZE_WIDTH - STOCKS_WIDTH))

    def option_row(self, option: SourceOption, view: View, width: int) -> Row:
        palette = view.palette
        name = clean(f"{option.symbol} · {option.name}" if option.symbol else option.name)
        name_width = self._name_width(width)
        size = UNKNOWN if option.size is None else bytes_text(option.size)
        if option.path is None:
            size = ""
        stocks = f"{len(option.stocks):,}" if option.stocks else ""
        folder = "" if option.path is None else clean(str(Path(option.path).parent))
        used = KIND_WIDTH + name_width + FORMAT_WIDTH + SIZE_WIDTH + STOCKS_WIDTH
        return (
            (pad(option.kind, KIND_WIDTH), palette.dim),
            (pad(name, name_width - 1) + " ", palette.text if option.problem is None else palette.faint),
            (pad(option.format or "…", FORMAT_WIDTH - 1) + " ", palette.dim),
            (pad(size, SIZE_WIDTH, right=True), palette.dim),
            (pad("  " + stocks, STOCKS_WIDTH), palette.dim),
            (_tail(folder, width - used), palette.faint),
        )

    def hint(self) -> str:
        if self._said:
            return self._said
        chosen = self.chosen
        stocks = " · tab lists its stocks" if chosen is not None and chosen.stocks else ""
        return f"type to filter · enter starts a new session{stocks} · esc closes"

    def empty_text(self) -> str:
        nothing = "nothing here; `data` in the configuration names a folder"
        return super().empty_text() if self.text else nothing

    def move(self, rows: int) -> None:
        self._said = ""
        super().move(rows)

    # -- choosing ------------------------------------------------------------------------------

    def take(self, option: SourceOption) -> None:
        if option.problem is not None:
            self._said = clean(option.problem)
            self.redraw()
            return
        self._start(option, option.symbol)

    def press(self, key: str) -> None:
        option = self.chosen
        if key != "tab" or option is None or option.path is None or not option.stocks:
            return
        screen = SymbolsScreen(
            self.view,
            self.keys,
            self._host,
            source=option.name,
            symbols=[SymbolView(name, 0) for name in option.stocks],
            take_symbol=lambda symbol: self._start(option, symbol),
        )
        self.app.push_screen(screen)

    def _start(self, option: SourceOption, symbol: str | None) -> None:
        self.dismiss()
        if option.kind == "scenario":
            self._take_choice(SessionChoice(scenario=option.name))
        else:
            self._take_choice(SessionChoice(source=option.path, symbol=symbol))


def _tail(folder: str, width: int) -> str:
    """The end of a path says more than its beginning; nothing where room is too short for either."""
    if width < 12:
        return ""
    return folder if len(folder) <= width else "…" + folder[-(width - 1) :]
