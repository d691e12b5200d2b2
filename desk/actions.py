"""Everything a person can do at the desk: one method for each id of the binding table.

Keys, palette and command line all end here. Methods return at once: the host queues what concerns the
market, and the next frames show what came of it. Invariant: nothing here changes the market directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from desk.chosen import chosen_alert, chosen_gate, gate_word, move_choice
from desk.formats import clean
from desk.sessions import SessionChoice
from desk.theme import palette_of
from desk.view import DEPTH_PRESETS, GROUPINGS, Notice, View
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import StormdeskError
from engine.core.types import Account, GateAction, Side, TimeInForce
from engine.frame import Frame
from engine.storms.catalogue import entry_of
from engine.storms.request import ChaosKind, StormRequest

__all__ = ["CANNOT_GO_BACK", "NO_SYMBOLS", "SPEEDS", "Actions", "DeskScreenFace", "Host"]

SPEEDS: tuple[float | None, ...] = (
    0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0, None,
)  # fmt: skip
STEP_NS = 100 * NS_PER_MS
SEEK_NS = 10 * NS_PER_S
CANNOT_GO_BACK = "a live session cannot go back: record it and replay it, or start it anew (f)"
NOT_RECORDED = (
    "a live session cannot go back, and this one is not recorded: r records it, from its first moment on"
)
NO_SYMBOLS = "a simulated market has one symbol; f chooses a recorded day with many"
NOTICE_NS = 12 * NS_PER_S
"""How long an answer stays on the command line's row (wall time)."""


class Host(Protocol):
    """What the desk asks of a session's host, live or replayed; every method returns at once."""

    def frame(self) -> Frame: ...
    def stop(self, timeout_s: float = ...) -> Any: ...
    def run_thread(self) -> Any: ...
    def toggle_pause(self) -> Any: ...
    def set_speed(self, x: float | None) -> Any: ...
    def step(self, ns: int) -> Any: ...
    def seek(self, time_ns: int) -> Any: ...
    def jump(self, time_ns: int) -> Any: ...
    def cancel_jump(self) -> Any: ...
    def start_storm(self, kind: ChaosKind, severity: float, duration_s: float, seed: int = ...) -> Any: ...
    def stop_storms(self, kind: ChaosKind | None = ...) -> Any: ...
    def toggle_recording(self) -> Any: ...
    def submit_order(
        self, account: int, side: int, price_ticks: int, qty_lots: int, tif: int, client_id: int
    ) -> bool: ...
    def cancel_order(self, account: int, client_id: int) -> Any: ...
    def cancel_all(self, account: int) -> Any: ...
    def throw_gate(self, action: GateAction, account: int, *, limit: str = ..., value: int = ...) -> Any: ...
    def run_script(self, storms: Sequence[StormRequest]) -> Any: ...
    def acknowledge_alerts(self) -> Any: ...
    def acknowledge_alert(self, alert_id: int) -> Any: ...
    def add_marker(self, label: str) -> Any: ...


class DeskScreenFace(Protocol):
    """What actions ask of the screen."""

    def panel_names(self) -> list[str]: ...
    def relayout(self) -> None: ...
    def open_command(self, text: str = ...) -> None: ...
    def open_help(self) -> None: ...
    def open_venue(self) -> None: ...
    def open_palette(self) -> None: ...
    def key_of(self, action: str) -> str: ...
    def open_sources(self) -> None: ...
    def open_symbols(self) -> None: ...
    def open_scripts(self) -> None: ...
    def open_evidence(self) -> None: ...
    def look_back(self, run: str, time_ns: int) -> None: ...
    def end_look_back(self) -> bool: ...
    def start_session(self, choice: SessionChoice) -> None: ...
    def abandon_session(self) -> bool: ...
    def save_screenshot(self) -> str: ...
    def copy_panel(self) -> str: ...
    def leave(self) -> None: ...


class Actions:
    """The verbs. `perform(id)` runs one and turns a refusal into a notice."""

    def __init__(
        self, host: Host, view: View, screen: DeskScreenFace, *, clock_ns: Callable[[], int]
    ) -> None:
        self.host = host
        self.view = view
        self.screen = screen
        self._clock_ns = clock_ns
        self._speed: float | str | None = "unset"
        self._client_id = 0

    def perform(self, action: str, mode: str = "both") -> None:
        """Run the action of this id. What cannot be done says so on the command line's row."""
        if mode not in ("both", self.mode):
            where = "in a replay" if self.mode == "replay" else "live"
            self.tell(f"{action.replace('_', ' ')} is not possible {where}", warn=True)
            return
        self.attempt(getattr(self, action))

    def attempt(self, act: Callable[[], None]) -> None:
        """Run `act`; refusals of the host become notices."""
        try:
            act()
        except (StormdeskError, OSError) as error:
            self.tell(str(error), warn=True)
        self.view.touch()

    def tell(self, text: str, *, warn: bool = False) -> None:
        """Answer the user."""
        until = self._clock_ns() + NOTICE_NS
        self.view.notice = Notice(text, "warning" if warn else "info", until)
        self.view.touch()

    @property
    def mode(self) -> str:
        """The host's mode: live or replay."""
        return self.host.frame().host.mode

    # -- time ----------------------------------------------------------------------------------

    def pause(self) -> None:
        self.host.toggle_pause()

    def step(self) -> None:
        self.step_by(STEP_NS)

    def step_by(self, ns: int) -> None:
        if self.host.frame().host.state == "running":
            self.tell("pause first (space), then step", warn=True)
            return
        self.host.step(ns)

    def step_back(self) -> None:
        self.seek_to(self.host.frame().market.time_ns - STEP_NS)

    def slower(self) -> None:
        self._shift_speed(-1)

    def faster(self) -> None:
        self._shift_speed(1)

    def _shift_speed(self, way: int) -> None:
        current = self.host.frame().host.speed if self._speed == "unset" else self._speed
        rank = len(SPEEDS) - 1
        if isinstance(current, float | int):
            known = [i for i, speed in enumerate(SPEEDS) if speed is not None and speed <= current]
            rank = known[-1] if known else 0
        self.set_speed(SPEEDS[min(len(SPEEDS) - 1, max(0, rank + way))])

    def set_speed(self, speed: float | None) -> None:
        self.host.set_speed(speed)
        self._speed = speed
        self.tell("speed max" if speed is None else f"speed ×{speed:g}")

    def seek_back(self) -> None:
        self.seek_to(self.host.frame().market.time_ns - SEEK_NS)

    def seek_forward(self) -> None:
        self.seek_to(self.host.frame().market.time_ns + SEEK_NS)

    def seek_to(self, time_ns: int) -> None:
        if self.mode != "replay":
            self.tell(CANNOT_GO_BACK, warn=True)
            return
        end_ns = self.host.frame().host.end_ns
        self.host.seek(max(0, time_ns if end_ns is None else min(time_ns, end_ns)))

    def previous_marker(self) -> None:
        self._to_marker(-1)

    def next_marker(self) -> None:
        self._to_marker(1)

    def _to_marker(self, way: int) -> None:
        market = self.host.frame().market
        times = sorted(marker.time_ns for marker in market.markers)
        ahead = [t for t in times if (t > market.time_ns if way > 0 else t < market.time_ns)]
        if not ahead:
            self.tell("no marker " + ("after" if way > 0 else "before") + " now", warn=True)
            return
        self.seek_to(ahead[0] if way > 0 else ahead[-1])

    def go_to(self) -> None:
        self.screen.open_command("goto ")

    def goto(self, time_ns: int) -> None:
        """Session time: sought in a replay; in a live session run to, as fast as possible."""
        if self.mode == "replay":
            self.seek_to(time_ns)
        else:
            self.host.jump(time_ns)
            self.view.notice = None

    # -- market --------------------------------------------------------------------------------

    def source(self) -> None:
        self.screen.open_sources()

    def symbol(self) -> None:
        feed = self.host.frame().market.feed
        if feed is None:
            self.tell(NO_SYMBOLS, warn=True)
        elif len(feed.symbols) < 2:
            self.tell(f"{feed.name} holds one symbol only", warn=True)
        else:
            self.screen.open_symbols()

    def start(self, choice: SessionChoice) -> None:
        """Another session in place of this one."""
        self.screen.start_session(choice)

    def take_symbol(self, symbol: str) -> None:
        """Another symbol of the same source, from the same time of day on."""
        self.start(SessionChoice(symbol=symbol, same_time=True))

    def mark(self) -> None:
        self.add_marker("mark")

    def add_marker(self, label: str) -> None:
        self.host.add_marker(label)
        self.tell(f"marker “{label}” set")

    # -- storms --------------------------------------------------------------------------------

    def arm_1(self) -> None:
        self._arm(0)

    def arm_2(self) -> None:
        self._arm(1)

    def arm_3(self) -> None:
        self._arm(2)

    def arm_4(self) -> None:
        self._arm(3)

    def arm_5(self) -> None:
        self._arm(4)

    def arm_6(self) -> None:
        self._arm(5)

    def arm_7(self) -> None:
        self._arm(6)

    def arm_8(self) -> None:
        self._arm(7)

    def _arm(self, place: int) -> None:
        deck = self.view.deck
        if place >= len(deck.page.kinds):
            last = len(deck.page.kinds)
            self.tell(f"the page “{deck.page.title}” ends with number {last}", warn=True)
            return
        deck.armed = deck.page.kinds[place]
        self.view.notice = None

    def deck_page(self) -> None:
        self.view.deck.turn_page()

    def fire(self) -> None:
        deck = self.view.deck
        if deck.armed is None:
            self.tell("nothing is armed; a digit arms a storm or fault", warn=True)
            return
        kind, deck.armed = deck.armed, None
        self.start_storm(kind, deck.severity, deck.duration_s)

    def start_storm(self, kind: ChaosKind, severity: float, duration_s: float) -> None:
        """Fire one."""
        if self.mode == "replay":
            self.tell("a replay plays what happened: no storms here", warn=True)
            return
        self.host.start_storm(kind, severity, duration_s)
        self.tell(f"{entry_of(kind).short} fired: severity {severity:.2f} for {duration_s:g} s")
        if self.view.coach:
            self.view.coach = False
            self.screen.relayout()

    def disarm(self) -> None:
        if self.screen.end_look_back():
            return
        if self.screen.abandon_session():
            self.tell("given up; this session goes on")
            return
        if self.host.frame().host.jump is not None:
            self.host.cancel_jump()
            self.tell("stopped on the way")
            return
        if self.view.deck.armed is not None:
            self.view.deck.armed = None
        elif self.view.coach or self.view.zoomed:
            self.view.coach = self.view.zoomed = False
            self.screen.relayout()
        self.view.notice = None

    def stop_storms(self) -> None:
        self.stop_storm(None)

    def stop_storm(self, kind: ChaosKind | None) -> None:
        """Stop one, or all of storms and faults."""
        self.view.deck.armed = None
        self.host.stop_storms(kind)
        self.tell("all storms and faults stopped" if kind is None else f"{entry_of(kind).short} stopped")

    def kill(self) -> None:
        self.screen.open_command("kill ")

    def throw_gate(
        self, action: GateAction, account: int, said: str, *, limit: str = "", value: int = 0
    ) -> None:
        """Throw a switch of the risk gate, or set a limit, as the gate counts it."""
        self.host.throw_gate(action, account, limit=limit, value=value)
        self.tell(said)

    def gate_reset(self) -> None:
        self._open_for_gate("reset")

    def gate_day(self) -> None:
        self._open_for_gate("day")

    def gate_limit(self) -> None:
        self._open_for_gate("limit")

    def _open_for_gate(self, verb: str) -> None:
        gate = chosen_gate(self.host.frame(), self.view)
        self.screen.open_command(f"{verb} " + (f"{gate_word(gate)} " if gate is not None else ""))

    def scripts(self) -> None:
        self.screen.open_scripts()

    def run_script(self, storms: Sequence[StormRequest], name: str) -> None:
        """Start the storms of a script; its times count from now."""
        self.host.run_script(storms)
        count = f"{len(storms)} storm" + ("" if len(storms) == 1 else "s")
        self.tell(
            f"script {name}: {count}, times count from now; {self.screen.key_of('panel_storms')} shows them"
        )

    def severity_up(self) -> None:
        self.view.deck.change_severity(1)

    def severity_down(self) -> None:
        self.view.deck.change_severity(-1)

    def duration_up(self) -> None:
        self.view.deck.change_duration(1)

    def duration_down(self) -> None:
        self.view.deck.change_duration(-1)

    # -- run and orders ------------------------------------------------------------------------

    def record(self) -> None:
        self.host.toggle_recording()

    def acknowledge(self) -> None:
        alert = chosen_alert(self.host.frame(), self.view)
        if self.view.focus == "alerts" and alert is not None:
            self.host.acknowledge_alert(alert.alert_id)
        else:
            self.host.acknowledge_alerts()

    def acknowledge_all(self) -> None:
        self.host.acknowledge_alerts()

    def evidence(self) -> None:
        if chosen_alert(self.host.frame(), self.view) is None:
            self.tell("there is no alert yet", warn=True)
        else:
            self.screen.open_evidence()

    def jump_to_alert(self) -> None:
        """A replay goes to the moment; a live session, which cannot, opens its recording there."""
        frame = self.host.frame()
        alert = chosen_alert(frame, self.view)
        if alert is None:
            self.tell("there is no alert yet", warn=True)
        elif frame.host.mode == "replay":
            self.seek_to(alert.time_ns)
            self.tell(f"at the moment of “{clean(alert.text)}”")
        elif frame.host.recording is None or frame.host.recording.error is not None:
            self.tell(NOT_RECORDED, warn=True)
        else:
            self.screen.look_back(frame.host.recording.path, alert.time_ns)

    def submit(self, side: Side, price_ticks: int, qty_lots: int, said: str) -> None:
        """Send an order of the DESK account; price 0 is a market order."""
        self._client_id += 1
        tif = TimeInForce.GTC if price_ticks else TimeInForce.IOC
        taken = self.host.submit_order(Account.DESK, side, price_ticks, qty_lots, tif, self._client_id)
        if taken:
            self.tell(f"sent #{self._client_id}: {said}")
        else:
            self.tell("not sent: the order queue is full; try again", warn=True)

    def cancel(self, client_id: int | None) -> None:
        """Cancel one order of the DESK account by its number, or all."""
        if client_id is None:
            self.host.cancel_all(Account.DESK)
            self.tell("cancel sent for all orders of the desk")
        else:
            self.host.cancel_order(Account.DESK, client_id)
            self.tell(f"cancel sent for #{client_id}")

    # -- ladder --------------------------------------------------------------------------------

    def centre(self) -> None:
        self.view.axis.centre = None

    def follow(self) -> None:
        axis = self.view.axis
        axis.follow = not axis.follow
        self.tell("ladder follows the market" if axis.follow else "ladder axis is static")

    def coarser(self) -> None:
        self._regroup(1)

    def finer(self) -> None:
        self._regroup(-1)

    def _regroup(self, way: int) -> None:
        axis = self.view.axis
        below = [i for i, size in enumerate(GROUPINGS) if size <= axis.grouping]
        rank = min(len(GROUPINGS) - 1, max(0, (below[-1] if below else 0) + way))
        axis.regroup(GROUPINGS[rank])

    def group_ticks(self, ticks: int) -> None:
        """This many ticks in one ladder row."""
        self.view.axis.regroup(ticks)

    def depth(self) -> None:
        self.view.axis.depth = (self.view.axis.depth + 1) % len(DEPTH_PRESETS)

    # -- panels --------------------------------------------------------------------------------

    def focus_next(self) -> None:
        self._shift_focus(1)

    def focus_previous(self) -> None:
        self._shift_focus(-1)

    def _shift_focus(self, way: int) -> None:
        names = self.screen.panel_names()
        at = names.index(self.view.focus) if self.view.focus in names else -way
        self.focus_panel(names[(at + way) % len(names)])

    def focus_panel(self, name: str) -> None:
        self.view.focus = name
        self.screen.relayout()

    def zoom(self) -> None:
        self.view.zoomed = not self.view.zoomed
        self.screen.relayout()

    def scroll_up(self) -> None:
        self.scroll_by(-1)

    def scroll_down(self) -> None:
        self.scroll_by(1)

    def scroll_by(self, pages: int) -> None:
        """Pages of the focused panel; the ladder (and the heat map beside it) move along the axis."""
        if self.view.focus in ("ladder", "heat"):
            self.shift_axis(-pages * max(1, self.view.axis.height // 2))
        else:
            self.scroll_lines(self.view.focus, pages * 8)

    def shift_axis(self, rows: int) -> None:
        axis = self.view.axis
        if axis.centre is not None:
            axis.centre += rows
            axis.follow, axis.settled = False, True

    def scroll_lines(self, panel: str, lines: int) -> None:
        self.view.scroll[panel] = max(0, self.view.scroll.get(panel, 0) + lines)

    def panel_ladder(self) -> None:
        self.focus_panel("ladder")

    def panel_heat(self) -> None:
        self.focus_panel("heat")

    def panel_tape(self) -> None:
        self.focus_panel("tape")

    def panel_agents(self) -> None:
        self.focus_panel("agents")

    def panel_deck(self) -> None:
        self.focus_panel("deck")

    def panel_signals(self) -> None:
        self.focus_panel("signals")

    def panel_kpis(self) -> None:
        self.focus_panel("kpis")

    def panel_target(self) -> None:
        self.focus_panel("target")

    def next_bot(self) -> None:
        self._turn_bots(1)

    def previous_bot(self) -> None:
        self._turn_bots(-1)

    def _turn_bots(self, pages: int) -> None:
        frame = self.host.frame()
        if not frame.bots and len(frame.host.targets) < 2:
            self.tell("no bot trades here yet; e shows where they connect", warn=True)
            return
        self.view.bot += pages
        self.view.scroll.pop("target", None)

    def panel_score(self) -> None:
        self.focus_panel("score")

    def panel_gate(self) -> None:
        self.focus_panel("gate")

    def panel_storms(self) -> None:
        self.focus_panel("storms")

    def panel_alerts(self) -> None:
        self.focus_panel("alerts")

    def choose_next(self) -> None:
        self._choose(1)

    def choose_previous(self) -> None:
        self._choose(-1)

    def _choose(self, lines: int) -> None:
        if not move_choice(self.host.frame(), self.view, lines):
            self.tell(
                "there is nothing to choose in this panel; the alerts and the gate have lines", warn=True
            )

    # -- desk ----------------------------------------------------------------------------------

    def set_theme(self, name: str) -> None:
        """Another set of colours; under NO_COLOR there are none."""
        self.view.palette = palette_of(name, colours=self.view.palette.colours)
        self.screen.relayout()

    def command(self) -> None:
        self.screen.open_command()

    def palette(self) -> None:
        self.screen.open_palette()

    def screenshot(self) -> None:
        self.tell(f"screen saved: {self.screen.save_screenshot()}")

    def copy(self) -> None:
        self.tell(f"{self.view.focus} copied, and saved: {self.screen.copy_panel()}")

    def help(self) -> None:
        self.screen.open_help()

    def venue(self) -> None:
        self.screen.open_venue()

    def quit(self) -> None:
        self.screen.leave()
