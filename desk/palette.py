"""The command palette (ctrl+p): every binding and every command, found by name."""

from __future__ import annotations

from textual.command import DiscoveryHit, Hit, Hits, Provider

from desk.commands import VERBS
from desk.screens.desk import DeskScreen

__all__ = ["DeskProvider"]


class DeskProvider(Provider):
    """Offers the binding table, and the commands to be completed by hand."""

    def _entries(self) -> list[tuple[str, str, str, str]]:
        """(name, help, action id or "", command text)"""
        screen = self.screen
        if not isinstance(screen, DeskScreen):
            return []
        mode = screen.actions.mode
        entries = [
            (f"{binding.label}  [{screen.keys.shown(binding.id)}]", binding.help, binding.id, "")
            for binding in screen.keys.bindings
            if binding.mode in ("both", mode) and binding.id != "palette"
        ]
        entries += [(f":{verb.usage}", verb.help, "", f"{name} ") for name, verb in VERBS.items()]
        return entries

    def _run(self, action: str, command: str) -> None:
        screen = self.screen
        assert isinstance(screen, DeskScreen)
        if action:
            screen.actions.perform(action)
        else:
            screen.open_command(command)
        screen.bridge.draw_soon()

    async def discover(self) -> Hits:
        for name, help_text, action, command in self._entries():
            yield DiscoveryHit(
                name.replace("[", r"\["),
                lambda a=action, c=command: self._run(a, c),
                text=name,
                help=help_text,
            )

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, help_text, action, command in self._entries():
            score = matcher.match(name)
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(name),
                    lambda a=action, c=command: self._run(a, c),
                    text=name,
                    help=help_text,
                )
