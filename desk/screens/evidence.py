"""The evidence for an alert, as large as the terminal; its keys work on the alert that it shows."""

from __future__ import annotations

from textual import events

from desk.actions import Actions, Host
from desk.bindings import KeyTable
from desk.chosen import chosen_alert, move_choice
from desk.draw import Row
from desk.evidence import evidence_rows
from desk.screens.page import PageScreen, TextPage
from desk.view import View
from engine.frame import Frame

__all__ = ["EvidenceScreen"]

STAYS = ("acknowledge", "acknowledge_all", "choose_next", "choose_previous")
"""Actions after which the page stays."""


class EvidenceScreen(PageScreen):
    """One alert; j and J turn to the next and the one before."""

    def __init__(self, view: View, keys: KeyTable, host: Host, actions: Actions) -> None:
        super().__init__(view, EvidencePage(keys), host)
        self._keys = keys
        self._actions = actions

    def on_key(self, event: events.Key) -> None:
        binding = self._keys.find(event.key, event.character)
        action = "" if binding is None else binding.id
        if self.is_current and action in STAYS:
            event.stop()
            event.prevent_default()
            self._act(action)
        elif self.is_current and action == "jump_to_alert":
            event.stop()
            event.prevent_default()
            self.dismiss()
            self._actions.perform(action)
        else:
            super().on_key(event)

    def _act(self, action: str) -> None:
        view = self.view
        if action.startswith("choose"):
            before, view.focus = view.focus, "alerts"
            move_choice(self._host.frame(), view, 1 if action == "choose_next" else -1)
            view.focus = before
            view.scroll.pop("evidence", None)
            self._show()
        elif action == "acknowledge":
            alert = chosen_alert(self._host.frame(), view)
            if alert is not None:
                view.chosen["alerts"] = alert.alert_id  # else the next that nobody has seen takes its place
                self._host.acknowledge_alert(alert.alert_id)
        else:
            self._host.acknowledge_alerts()
        self.set_timer(0.1, self._show)  # the engine's next frame shows it


class EvidencePage(TextPage):
    """The text."""

    title = "Evidence"

    def __init__(self, keys: KeyTable) -> None:
        super().__init__("evidence", keys)

    def note(self, frame: Frame, view: View) -> str:
        shown = self.keys.shown
        there = f"{shown('jump_to_alert')} go there"
        turn = f"{shown('choose_next')} {shown('choose_previous')} next"
        return f"any other key closes · {shown('acknowledge')} ack · {there} · {turn}"

    def text_rows(self, frame: Frame, view: View, width: int) -> list[Row]:
        alert = chosen_alert(frame, view)
        if alert is None:
            return [((" this alert is kept no more", view.palette.dim),)]
        return evidence_rows(alert, frame, view, width)
