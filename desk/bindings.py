"""The one table of keys. Dispatch, footer, help screen, palette and README are made from it.

Only keys that survive SSH and tmux: letters, digits, punctuation, space, arrows, enter, tab. Function
keys and control keys are aliases at most; escape never does harm. A user's configuration may map an id to
another key; the ids are stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.core.errors import UsageError
from engine.storms.catalogue import PAGE_ENTRIES, PAGES, entry_of
from engine.storms.request import ChaosKind

__all__ = ["BINDINGS", "Binding", "KeyTable", "arm_action", "keys_as_markdown"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One key and what it does."""

    id: str
    """Name of the method of desk.actions.Actions."""
    key: str
    """A character, or a key name as Textual reports it (space, enter, up, ctrl+p)."""
    label: str
    """Two or three words, for help and palette."""
    group: str
    help: str
    """One sentence."""
    footer: str = ""
    """Short label in the footer; empty = not there."""
    footer_with: str = ""
    """Id of the binding whose key is shown beside this one (`1-5`, `<>`)."""
    aliases: tuple[str, ...] = ()
    mode: str = "both"
    """One of: "both", "live", "replay"."""


def arm_action(kind: ChaosKind) -> str:
    """Id of the binding that arms this storm or fault while its page is open."""
    place = next(page.kinds.index(kind) for page in PAGES if kind in page.kinds)
    return f"arm_{place + 1}"


def _on_pages(place: int) -> str:
    """What this place holds, page by page: `PHANTOM, LATENCY, REJECT`."""
    return ", ".join(entry_of(page.kinds[place]).short for page in PAGES if place < len(page.kinds))


BINDINGS: tuple[Binding, ...] = (
    Binding("pause", "space", "pause / play", "time", "Stops or starts session time.", footer="pause"),
    Binding("step", ".", "step", "time", "While paused: 100 ms forward.", footer="step"),
    Binding("step_back", ",", "step back", "time", "While paused: 100 ms back.", mode="replay"),
    Binding(
        "slower", "<", "slower", "time", "Next lower speed.", footer="speed", footer_with="faster"
    ),
    Binding("faster", ">", "faster", "time", "Next higher speed, up to as fast as possible."),
    Binding(
        "seek_back", "[", "10 s back", "time", "Jumps 10 s back.",
        footer="10 s", footer_with="seek_forward", mode="replay",
    ),
    Binding("seek_forward", "]", "10 s on", "time", "Jumps 10 s forward.", mode="replay"),
    Binding(
        "previous_marker", "{", "previous marker", "time", "Jumps to the marker before now.",
        footer="marker", footer_with="next_marker", mode="replay",
    ),
    Binding("next_marker", "}", "next marker", "time", "Jumps to the marker after now.", mode="replay"),
    Binding("go_to", "g", "go to time", "time", "Opens the command line with `goto`."),
    Binding("mark", "m", "mark", "time", "Puts a marker at the current time."),
    *(
        Binding(
            f"arm_{place + 1}", str(place + 1), f"arm no. {place + 1}", "storms",
            f"Arms this entry of the deck's open page: {_on_pages(place)}. Enter fires.",
            footer="" if place else "arm", footer_with="" if place else f"arm_{PAGE_ENTRIES}", mode="live",
        )
        for place in range(PAGE_ENTRIES)
    ),
    Binding("fire", "enter", "fire", "storms", "Fires what is armed.", footer="fire", mode="live"),
    Binding(
        "disarm", "escape", "disarm / close", "storms", "Disarms; stops a jump; closes the coach or a zoom."
    ),
    Binding("stop_storms", "X", "stop all storms", "storms", "Stops every one.", footer="stop", mode="live"),
    Binding(
        "kill", "!", "kill switch", "storms",
        "Opens the command line with `kill`: a word more cancels all and blocks it.", mode="live",
    ),
    Binding(
        "gate_reset", "R", "reset at the gate", "storms",
        "Opens the command line with `reset` and the account chosen at the gate.", mode="live",
    ),
    Binding("gate_day", "D", "start of day", "storms", "The same with `day`.", mode="live"),
    Binding("gate_limit", "L", "set a limit", "storms", "The same with `limit`.", mode="live"),
    Binding(
        "deck_page", "p", "next deck page", "storms",
        f"Opens the deck's next page: {', '.join(page.title for page in PAGES)}.",
    ),
    Binding(
        "severity_up", "up", "severity +.05", "storms", "More severe.", aliases=("S",), mode="live"
    ),
    Binding(
        "severity_down", "down", "severity −.05", "storms", "Less severe.", aliases=("s",), mode="live"
    ),
    Binding("duration_up", "right", "duration +5 s", "storms", "Lasts longer.", mode="live"),
    Binding("duration_down", "left", "duration −5 s", "storms", "Lasts shorter.", mode="live"),
    Binding(
        "record", "r", "record", "run", "Starts or stops recording a run.", footer="record", mode="live"
    ),
    Binding(
        "acknowledge", "a", "acknowledge", "run",
        "Acknowledges the chosen alert while the alerts are focused, else all.",
    ),
    Binding("acknowledge_all", "A", "acknowledge all", "run", "Acknowledges all alerts."),
    Binding(
        "evidence", "E", "evidence", "run",
        "Why the chosen alert was raised: what was measured, and the events.",
    ),
    Binding(
        "jump_to_alert", "@", "to the moment", "run",
        "Goes to the chosen alert's moment; live it opens the recording there, esc returns.",
    ),
    Binding(
        "source", "f", "source", "market", "Chooses what to play: files of recorded days, scenarios.",
        footer="source", mode="live",
    ),
    Binding(
        "symbol", "/", "symbol", "market", "Another symbol of the source, at the same time of day.",
        footer="symbol", mode="live",
    ),
    Binding("centre", "c", "centre ladder", "ladder", "Centres the axis on the market.", footer="centre"),
    Binding("follow", "C", "follow market", "ladder", "Keeps the axis on the market by itself, on or off."),
    Binding(
        "coarser", "+", "coarser", "ladder", "More ticks in one row.", footer="tick", footer_with="finer",
        aliases=("=",),
    ),
    Binding("finer", "-", "finer", "ladder", "Fewer ticks in one row."),
    Binding("depth", "d", "depth", "ladder", "Levels a side: 10, 20, 50, all."),
    Binding("focus_next", "tab", "next panel", "panels", "Focuses the next panel.", footer="panel"),
    Binding("focus_previous", "shift+tab", "previous panel", "panels", "Focuses the panel before."),
    Binding("zoom", "z", "zoom", "panels", "The focused panel alone, and back.", footer="zoom"),
    Binding("scroll_up", "pageup", "scroll up", "panels", "The focused panel one page up."),
    Binding("scroll_down", "pagedown", "scroll down", "panels", "The focused panel one page down."),
    Binding("panel_ladder", "l", "ladder", "panels", "Focuses the ladder."),
    Binding("panel_heat", "h", "heat map", "panels", "Focuses the heat map."),
    Binding("panel_tape", "t", "tape", "panels", "Focuses the tape."),
    Binding("panel_agents", "i", "inventories", "panels", "Focuses the agents."),
    Binding("panel_deck", "x", "chaos deck", "panels", "Focuses the storms."),
    Binding("panel_signals", "v", "signals", "panels", "Focuses the sparklines."),
    Binding("panel_kpis", "k", "figures", "panels", "Focuses the figures."),
    Binding("panel_target", "b", "target bot", "panels", "Focuses the TARGET."),
    Binding("next_bot", "w", "next bot", "panels", "TARGET: the next target's page, then the bots' cards."),
    Binding("previous_bot", "W", "previous bot", "panels", "TARGET: the page before."),
    Binding("panel_score", "o", "outcome", "panels", "Focuses recording and verdict."),
    Binding("panel_gate", "G", "risk gate", "panels", "Focuses the gate: limits, headroom."),
    Binding("panel_storms", "T", "storm timeline", "panels", "Focuses their timeline."),
    Binding("panel_alerts", "n", "news", "panels", "Focuses the alerts."),
    Binding("choose_next", "j", "next line", "panels", "Alerts, gate: chooses the next line."),
    Binding("choose_previous", "J", "previous line", "panels", "Alerts, gate: chooses the line before."),
    Binding("command", ":", "command line", "desk", "Orders, storms, times, all typed.", footer="command"),
    Binding(
        "palette", "ctrl+p", "palette", "desk", "Finds any action by its name.", aliases=("f2",)
    ),
    Binding("venue", "e", "exchange", "desk", "Where bots connect: every address, and a first bot."),
    Binding(
        "scripts", "F", "storm scripts", "storms",
        "Runs, checks, edits and makes storm scripts.", footer="scripts", mode="live",
    ),
    Binding("screenshot", "P", "screen shot", "desk", "Saves the screen as SVG and text."),
    Binding("copy", "y", "copy panel", "desk", "Copies the focused panel as text and saves it to a file."),
    Binding(
        "help", "?", "help", "desk", "What the focused panel shows, and all keys.", footer="help",
        aliases=("f1",),
    ),
    Binding(
        "quit", "q", "quit", "desk", "Ends the session; a running recording is finished first.",
        footer="quit", aliases=("ctrl+c",),
    ),
)  # fmt: skip

_SHOWN = {
    "escape": "esc", "pageup": "pgup", "pagedown": "pgdn", "ctrl+p": "^p", "shift+tab": "shift-tab",
    "up": "↑", "down": "↓", "left": "←", "right": "→",
}  # fmt: skip


class KeyTable:
    """The bindings with a user's changes applied.

    find(key, character)    the binding of a key press
    shown(id)               the key as it is printed
    footer(mode)            (key, label) pairs
    groups(mode)            bindings by group, for help and README
    """

    def __init__(self, remap: Mapping[str, str] | None = None) -> None:
        remap = remap or {}
        known = {binding.id for binding in BINDINGS}
        for name in remap:
            if name not in known:
                raise UsageError(f"keys: there is no action {name!r}. Actions: {', '.join(sorted(known))}.")
        self.bindings = tuple(
            replace(binding, key=remap[binding.id], aliases=()) if binding.id in remap else binding
            for binding in BINDINGS
        )
        self._by_id = {binding.id: binding for binding in self.bindings}
        self._by_key: dict[str, Binding] = {}
        for binding in self.bindings:
            for key in (binding.key, *binding.aliases):
                other = self._by_key.setdefault(key, binding)
                if other is not binding:
                    raise UsageError(
                        f"keys: {key!r} is bound to both {other.id!r} and {binding.id!r}. "
                        "Map one of them to another key."
                    )

    def find(self, key: str, character: str | None) -> Binding | None:
        """The binding for a key press, by key name or by character."""
        found = self._by_key.get(key)
        if found is None and character is not None:
            found = self._by_key.get(character)
        return found

    def shown(self, action: str) -> str:
        """The key of an action, as printed."""
        key = self._by_id[action].key
        return _SHOWN.get(key, key)

    def footer(self, mode: str) -> list[tuple[str, str]]:
        """Keys and labels of the footer, in table order."""
        entries = []
        for binding in self.bindings:
            if not binding.footer or binding.mode not in ("both", mode):
                continue
            keys = self.shown(binding.id)
            if binding.footer_with:
                other = self.shown(binding.footer_with)
                keys += f"-{other}" if keys.isalnum() else f" {other}"
            entries.append((keys, binding.footer))
        return entries

    def groups(self, mode: str | None = None) -> dict[str, list[Binding]]:
        """Bindings by group, in table order; `mode` leaves out what the mode does not have."""
        result: dict[str, list[Binding]] = {}
        for binding in self.bindings:
            if mode is None or binding.mode in ("both", mode):
                result.setdefault(binding.group, []).append(binding)
        return result


def keys_as_markdown(table: KeyTable | None = None) -> str:
    """The table as markdown, for the README."""
    table = table or KeyTable()
    lines = ["| key | action | what it does |", "|---|---|---|"]
    for group, bindings in table.groups().items():
        lines.append(f"| | **{group}** | |")
        for binding in bindings:
            keys = " ".join(f"`{_SHOWN.get(key, key)}`" for key in (binding.key, *binding.aliases))
            where = "" if binding.mode == "both" else f" ({binding.mode} only)"
            lines.append(f"| {keys} | {binding.label} | {binding.help}{where} |")
    return "\n".join(lines) + "\n"
