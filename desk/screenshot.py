"""Pictures of the screen, as text and SVG: for the P key, the goldens and the README.

A picture taken by `render_desk` has no measured link in it and no timer behind it: the same frame gives the
same bytes in every process.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.core.clock import utc_run_id, wall_ns

if TYPE_CHECKING:
    from textual.app import App

    from desk.actions import Host

__all__ = ["Picture", "file_stem", "render_desk", "render_desk_async", "save_screen", "screen_text"]


class Picture(NamedTuple):
    """One screen."""

    text: str
    svg: str


def render_desk(
    host: Host,
    *,
    width: int,
    height: int,
    keys: tuple[str, ...] = (),
    theme: str = "default",
    coach: bool = False,
) -> Picture:
    """The desk drawn without a terminal, after these key presses. Blocks until done."""
    return asyncio.run(
        render_desk_async(host, width=width, height=height, keys=keys, theme=theme, coach=coach)
    )


async def render_desk_async(
    host: Host,
    *,
    width: int,
    height: int,
    keys: tuple[str, ...] = (),
    theme: str = "default",
    coach: bool = False,
    scripts_dir: Path | None = None,
) -> Picture:
    """The same inside a running event loop."""
    from desk.app import DeskApp, DeskOptions

    options = DeskOptions(
        theme=theme,
        coach=coach,
        timer=False,
        stop_host=False,
        clock_ns=_still,
        core=lambda: None,
        scripts_dir=scripts_dir,
    )
    app = DeskApp(host, options=options)
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        if keys:
            await pilot.press(*keys)
        app.bridge.draw()
        await pilot.pause()
        return Picture(screen_text(app), screen_svg(app))


def _still() -> int:
    """A clock that stands: nothing measured gets into the picture."""
    return 0


def save_screen(app: App[Any], folder: str | Path) -> Path:
    """Write the screen to `stormdesk-<UTC>.svg` and `.txt` in `folder`; gives the SVG's path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file_stem()}.svg"
    path.write_text(screen_svg(app), encoding="utf-8")
    path.with_suffix(".txt").write_text(screen_text(app), encoding="utf-8")
    return path


def file_stem() -> str:
    """`stormdesk-2026-01-02T03-04-05Z`."""
    return f"stormdesk-{utc_run_id(wall_ns())}"


def screen_text(app: App[Any]) -> str:
    """The screen's characters, one line a row, without trailing blanks."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def screen_svg(app: App[Any]) -> str:
    """The screen as SVG."""
    return app.export_screenshot(title="Stormdesk", simplify=True)
