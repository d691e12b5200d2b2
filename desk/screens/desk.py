"""The main screen: panels by the layout plan, keys by the binding table. Live and replay share it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.layout import Layout
from textual.screen import Screen

from desk.actions import Actions, Host
from desk.bindings import KeyTable
from desk.bridge import Bridge
from desk.commands import CommandError, parse
from desk.layout import PANELS, DeskLayout, Plan, plan
from desk.sessions import SessionChoice
from desk.view import View
from desk.widgets import PANEL_TYPES, Panel
from desk.widgets.command import CommandLine

if TYPE_CHECKING:
    from desk.app import DeskApp

__all__ = ["DeskScreen"]


class DeskScreen(Screen[None]):
    """Panels, their places, and what keys do. It is the face that `Actions` asks for."""

    def __init__(
        self, host: Host, view: View, keys: KeyTable, bridge: Bridge, *, clock_ns: Callable[[], int]
    ) -> None:
        super().__init__()
        self.host = host
        self.view = view
        self.keys = keys
        self.bridge = bridge
        self._clock_ns = clock_ns
        self.actions = Actions(host, view, self, clock_ns=clock_ns)
        self._layout_plan = DeskLayout(self._plan)
        self.panels: dict[str, Panel] = {name: kind(name, keys) for name, kind in PANEL_TYPES.items()}
        bridge.panels = self._shown_panels

    @property
    def layout(self) -> Layout:
        """The plan's layout instead of one from CSS."""
        return self._layout_plan

    @property
    def panel_places(self) -> Plan:
        """Places of the panels on show."""
        return self._layout_plan.places

    def compose(self) -> ComposeResult:
        yield from self.panels.values()

    def _shown_panels(self) -> list[Panel]:
        return [panel for name, panel in self.panels.items() if name in self._layout_plan.places]

    def on_resize(self, event: events.Resize) -> None:
        self.view.touch()
        self.call_after_refresh(self.bridge.draw_soon)

    def on_screen_resume(self) -> None:
        """Back from help or palette."""
        self.view.touch()
        self.bridge.draw_soon()

    def relayout(self) -> None:
        """Place the panels anew: focus, zoom, coach or colours have changed."""
        self.view.touch()
        self.panels["status"].refresh(layout=True)  # a child that asks clears the cached arrangement
        self.call_after_refresh(self.bridge.draw_soon)

    def _plan(self, width: int, height: int) -> Plan:
        view = self.view
        places = plan(width, height, focus=view.focus, zoomed=view.zoomed, coach=view.coach)
        for name, place in places.items():
            self.panels[name].chrome = place.chrome
        return places

    # -- keys ----------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Keys go to the command line while it is open, else through the table."""
        command = self.command_line
        if command.active:
            line = command.press(event)
            if line is not None:
                self.actions.attempt(lambda: self._run(line))
            self.view.touch()
        else:
            binding = self.keys.find(event.key, event.character)
            if binding is None:
                return
            self.actions.perform(binding.id, binding.mode)
        event.stop()
        event.prevent_default()
        self.bridge.draw_soon()

    def on_paste(self, event: events.Paste) -> None:
        if self.command_line.active:
            self.command_line.insert(event.text)
            self.view.touch()
            self.bridge.draw_soon()

    def _run(self, line: str) -> None:
        try:
            parsed = parse(line, self.host.frame())
        except CommandError as error:
            self.actions.tell(str(error), warn=True)
            return
        if parsed is not None:
            parsed.run(self.actions)

    @property
    def command_line(self) -> CommandLine:
        """The line above the footer."""
        panel = self.panels["command"]
        assert isinstance(panel, CommandLine)
        return panel

    # -- what actions ask for ------------------------------------------------------------------

    def panel_names(self) -> list[str]:
        """Panels in tab order."""
        return list(PANELS)

    def open_command(self, text: str = "") -> None:
        self.command_line.open(text)
        self.view.touch()

    def open_help(self) -> None:
        from desk.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.view, self.keys, self.panels, self.host))

    def open_venue(self) -> None:
        from desk.screens.venue import VenueScreen

        self.app.push_screen(VenueScreen(self.view, self.keys, self.host))

    def key_of(self, action: str) -> str:
        return self.keys.shown(action)

    def open_evidence(self) -> None:
        from desk.screens.evidence import EvidenceScreen

        self.app.push_screen(EvidenceScreen(self.view, self.keys, self.host, self.actions))

    def open_scripts(self) -> None:
        from desk.screens.scripts import ScriptsScreen
        from desk.scripts import ScriptFolder

        folder = self.desk_app.options.scripts_dir
        if folder is None:
            self.actions.tell("this desk has no folder for storm scripts", warn=True)
            return
        screen = ScriptsScreen(
            self.view,
            self.keys,
            self.host,
            folder=ScriptFolder(folder),
            run_script=lambda script, name: self.actions.run_script(script.storms, name),
        )
        self.app.push_screen(screen)

    def look_back(self, run: str, time_ns: int) -> None:
        self.desk_app.look_back(Path(run), time_ns)

    def end_look_back(self) -> bool:
        return self.desk_app.end_look_back()

    def open_palette(self) -> None:
        self.app.action_command_palette()

    def open_sources(self) -> None:
        from desk.screens.sources import SourcesScreen

        if not self._may_start():
            return
        screen = SourcesScreen(
            self.view,
            self.keys,
            self.host,
            places=self.desk_app.source_places(),
            take_choice=self.start_session,
        )
        self.app.push_screen(screen)

    def open_symbols(self) -> None:
        from desk.screens.symbols import SymbolsScreen

        market = self.host.frame().market
        if market.feed is None or not self._may_start():
            return
        screen = SymbolsScreen(
            self.view,
            self.keys,
            self.host,
            source=market.feed.name,
            symbols=market.feed.symbols,
            current=market.instrument.symbol,
            take_symbol=self._take_symbol,
        )
        self.app.push_screen(screen)

    def _take_symbol(self, symbol: str) -> None:
        if symbol == self.host.frame().market.instrument.symbol:
            self.actions.tell(f"{symbol} is on the desk already")
        else:
            self.actions.take_symbol(symbol)

    def _may_start(self) -> bool:
        if self.desk_app.options.sessions is None:
            self.actions.tell("this desk was opened for one session; q, then start another", warn=True)
            return False
        return True

    def start_session(self, choice: SessionChoice) -> None:
        if self._may_start():
            self.desk_app.start_session(choice)

    def abandon_session(self) -> bool:
        return self.desk_app.abandon_session()

    def show_host(self, host: Host, actions: Actions | None = None) -> None:
        """Another session stands on the desk from now on: what belonged to the one before is forgotten.
        `actions`: those of a session that comes back, whose orders are numbered on."""
        self.host = host
        self.bridge.host = host
        self.actions = actions or Actions(host, self.view, self, clock_ns=self._clock_ns)
        self.view.forget_market()
        self.relayout()

    def save_screenshot(self) -> str:
        from desk.screenshot import save_screen

        return str(save_screen(self.app, self.desk_app.options.files_dir))

    def copy_panel(self) -> str:
        from desk.screenshot import file_stem

        text = self.panels[self.view.focus].as_text()
        self.app.copy_to_clipboard(text)
        path = Path(self.desk_app.options.files_dir) / f"{file_stem()}-{self.view.focus}.txt"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def leave(self) -> None:
        self.desk_app.leave()

    @property
    def desk_app(self) -> DeskApp:
        return self.app  # type: ignore[return-value]
