"""The whole screen as text, at the sizes it is laid out for."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.screenshot import Picture, render_desk_async
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import FaultKind, StormKind
from engine.frame import JumpView, VenueView
from engine.storms.request import Course, StormRequest
from engine.storms.script import TEMPLATE
from tests.desk.fake_host import AUGUST_8, BTC, FakeHost, alarms, bot_card, feed_view, gates, storm_runs

SIZES = ((80, 24), (120, 40), (160, 48))
Golden = Callable[[str, str], None]


def draw(host: FakeHost, size: tuple[int, int], *keys: str, coach: bool = False) -> Picture:
    return asyncio.run(render_desk_async(host, width=size[0], height=size[1], keys=keys, coach=coach))


def stormy() -> FakeHost:
    host = FakeHost(recording=True)
    host.start_storm(StormKind.CRASH, 0.8, 20)
    host.advance(4_000 * NS_PER_MS)
    return host


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_first_screen_with_its_coach(size: tuple[int, int], golden: Golden) -> None:
    golden(f"first-{size[0]}x{size[1]}.txt", draw(FakeHost(), size, coach=True).text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_running_storm_while_another_is_armed(size: tuple[int, int], golden: Golden) -> None:
    golden(f"storm-{size[0]}x{size[1]}.txt", draw(stormy(), size, "1").text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_fault_that_runs_on_its_page_beside_a_storm(size: tuple[int, int], golden: Golden) -> None:
    host = stormy()
    host.start_storm(FaultKind.GHOST, 0.5, 20)
    golden(f"fault-{size[0]}x{size[1]}.txt", draw(host, size, *"ppp", "5").text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_card_of_a_bot(size: tuple[int, int], golden: Golden) -> None:
    golden(f"card-{size[0]}x{size[1]}.txt", draw(FakeHost(bots=(bot_card(),)), size, "w").text)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_card_alone_on_the_screen(size: tuple[int, int], golden: Golden) -> None:
    host = FakeHost(bots=(bot_card("other", 39), bot_card()))
    golden(f"card-zoomed-{size[0]}x{size[1]}.txt", draw(host, size, "b", "W", "z").text)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_where_bots_connect(size: tuple[int, int], golden: Golden) -> None:
    host = FakeHost(venue=VenueView(True, "127.0.0.1:9876", None, "127.0.0.1:9878"))
    golden(f"venue-{size[0]}x{size[1]}.txt", draw(host, size, "e").text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_an_empty_market_shows_dashes_and_no_invented_numbers(size: tuple[int, int], golden: Golden) -> None:
    golden(f"empty-{size[0]}x{size[1]}.txt", draw(FakeHost(empty=True), size).text)


def test_an_instrument_with_sparse_ticks_fills_the_ladder(golden: Golden) -> None:
    golden("sparse-120x40.txt", draw(FakeHost(instrument=BTC), (120, 40)).text)


def test_a_replay_has_a_transport_and_no_storms(golden: Golden) -> None:
    golden("replay-120x40.txt", draw(FakeHost(mode="replay"), (120, 40)).text)


def test_a_command_with_its_preview(golden: Golden) -> None:
    golden("command-120x40.txt", draw(FakeHost(), (120, 40), ":", *"buy 200 100.56").text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_recorded_day_halted_has_its_clock_and_status(size: tuple[int, int], golden: Golden) -> None:
    host = FakeHost(feed=feed_view(epoch_ns=AUGUST_8, status="market hours · halted LUDP"))
    golden(f"halted-{size[0]}x{size[1]}.txt", draw(host, size, coach=True).text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_jump_on_its_way_through_an_auction(size: tuple[int, int], golden: Golden) -> None:
    status = "market hours · paused M · auction: 1,200 paired, imbalance buy 300"
    host = FakeHost(feed=feed_view(status=status), jump_view=JumpView(0, 200 * NS_PER_S))
    golden(f"jump-{size[0]}x{size[1]}.txt", draw(host, size).text)


@pytest.mark.parametrize("size", [*SIZES, (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_alerts_with_the_evidence_of_the_chosen_one(size: tuple[int, int], golden: Golden) -> None:
    host = FakeHost(alerts=alarms())
    golden(f"alerts-{size[0]}x{size[1]}.txt", draw(host, size, "n", "j", "j").text)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_alerts_alone_on_the_screen(size: tuple[int, int], golden: Golden) -> None:
    golden(f"alerts-zoomed-{size[0]}x{size[1]}.txt", draw(FakeHost(alerts=alarms()), size, *"njz").text)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_evidence_page(size: tuple[int, int], golden: Golden) -> None:
    golden(f"evidence-{size[0]}x{size[1]}.txt", draw(FakeHost(alerts=alarms()), size, *"njE").text)


@pytest.mark.parametrize("size", [*SIZES, (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_gate_with_headroom_and_who_is_latched(size: tuple[int, int], golden: Golden) -> None:
    golden(f"gate-{size[0]}x{size[1]}.txt", draw(FakeHost(gates=gates()), size, "G", "j").text)


def test_the_gate_alone_on_the_screen(golden: Golden) -> None:
    golden("gate-zoomed-120x40.txt", draw(FakeHost(gates=gates()), (120, 40), "G", "z").text)


def timeline_host() -> FakeHost:
    bleed = StormRequest(
        StormKind.BLEED, 0.2, 20, start_ns=95 * NS_PER_S, course=Course.WALK, severity_to=0.9
    )
    host = FakeHost(storm_runs=storm_runs(), scheduled=(bleed,))
    host.storms[FaultKind.STALE] = (0.5, 70 * NS_PER_S, 100 * NS_PER_S)
    return host


@pytest.mark.parametrize("size", [*SIZES, (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_storms_and_a_fault_on_their_timeline(size: tuple[int, int], golden: Golden) -> None:
    golden(f"storms-{size[0]}x{size[1]}.txt", draw(timeline_host(), size, "T").text)


def test_the_timeline_alone_on_the_screen(golden: Golden) -> None:
    golden("storms-zoomed-120x40.txt", draw(timeline_host(), (120, 40), "T", "z").text)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(("name", "keys"), [("scripts", "F"), ("scripts-bad", "Fj"), ("editor", "Fje")])
def test_storm_scripts_and_their_editor(
    name: str,
    keys: str,
    size: tuple[int, int],
    golden: Golden,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "storms").mkdir()
    (tmp_path / "storms" / "a-template.toml").write_text(TEMPLATE)
    (tmp_path / "storms" / "broken.toml").write_text(TEMPLATE.replace('"bid"', '"left"'))
    monkeypatch.chdir(tmp_path)
    picture = asyncio.run(
        render_desk_async(
            FakeHost(), width=size[0], height=size[1], keys=tuple(keys), scripts_dir=Path("storms")
        )
    )
    golden(f"{name}-{size[0]}x{size[1]}.txt", picture.text)


def test_help_from_the_tables(golden: Golden) -> None:
    golden("help-160x140.txt", draw(FakeHost(), (160, 140), "?").text)


def test_a_single_panel_on_a_small_screen(golden: Golden) -> None:
    golden("single-60x16.txt", draw(FakeHost(), (60, 16), "i").text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_without_colours_the_same_words_stand_there(
    size: tuple[int, int], golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    picture = draw(stormy(), size, "1")
    golden(f"mono-{size[0]}x{size[1]}.txt", picture.text)


def test_pictures_are_byte_identical_in_another_process() -> None:
    script = (
        "import hashlib\n"
        "from tests.desk.fake_host import FakeHost\n"
        "from desk.screenshot import render_desk\n"
        "p = render_desk(FakeHost(), width=120, height=40, keys=('4',))\n"
        "print(hashlib.sha256((p.text + p.svg).encode()).hexdigest())\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    ).stdout.strip()
    here = draw(FakeHost(), (120, 40), "4")
    assert hashlib.sha256((here.text + here.svg).encode()).hexdigest() == other
