"""Makes the README's picture of the desk: the real screen over a real session, a crash under way.

    .venv/bin/python .ci/picture.py

Writes .assets/desk.svg and .assets/desk.png (PNG by cairosvg, from the extra `dev`).
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import cairosvg

from desk.app import DeskApp, DeskOptions
from desk.screenshot import screen_svg
from engine.arena import machine
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.host import LiveOptions, SessionHost
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from engine.storms import parse_storm

ASSETS = Path(__file__).resolve().parent.parent / ".assets"
SIZE = (160, 48)
STORMS = ("phantom@30s:0.6x10s", "crash@60s:0.7x20s")
UNTIL_NS = 65 * NS_PER_S
STEP_NS = 250 * NS_PER_MS


async def picture(runs: Path) -> str:
    """The screen after UNTIL_NS of the default market."""
    host = SessionHost(
        SessionConfig(load_scenario("balanced"), seed=42, target_agent=True),
        LiveOptions(
            runs_root=runs, target="agent", record=True, storms=tuple(parse_storm(text) for text in STORMS)
        ),
    )
    options = DeskOptions(coach=False, timer=False, stop_host=False, clock_ns=lambda: host.session.now_ns)
    app = DeskApp(host, options=options)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("C", "4")
        host.advance_to(NS_PER_S)
        app.bridge.draw()
        await pilot.press("-", "-")
        while host.session.now_ns < UNTIL_NS:
            host.advance_to(host.session.now_ns + STEP_NS)
            app.bridge.draw()
        app.bridge.draw()
        await pilot.pause()
        svg = screen_svg(app)
    host.stop()
    return svg


def main() -> None:
    """Write both files."""
    machine.load()
    ASSETS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        svg = asyncio.run(picture(Path(folder)))
    (ASSETS / "desk.svg").write_text(svg, encoding="utf-8")
    # The SVG asks for a web font; the PNG is made with one that the system has.
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    cairosvg.svg2png(bytestring=svg.encode(), write_to=str(ASSETS / "desk.png"), output_width=1600)


if __name__ == "__main__":
    main()
