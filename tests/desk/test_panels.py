"""What single panels decide: ladder axis, folding of agents, history of the heat map."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from desk.app import DeskApp, DeskOptions
from desk.history import HEAT_COLUMNS, FrameHistory
from desk.screenshot import screen_text
from desk.view import LadderAxis
from desk.widgets.agents import fold
from desk.widgets.ladder import first_grouping, nice_scale, place_axis
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import UsageError
from engine.frame import AgentView
from engine.storms.script import TEMPLATE
from tests.desk.fake_host import BTC, FakeHost, alarms, gates, storm_runs


def test_the_axis_is_placed_once_and_then_stands_still() -> None:
    host, axis = FakeHost(), LadderAxis(height=20)
    place_axis(axis, host.frame().market)
    first = (axis.centre, axis.grouping)
    host.advance(60 * NS_PER_S)
    place_axis(axis, host.frame().market)
    assert (axis.centre, axis.grouping) == first


def test_a_following_axis_moves_when_the_market_leaves_the_middle() -> None:
    host, axis = FakeHost(), LadderAxis(height=8, follow=True)
    seen = set()
    for _ in range(80):
        host.advance(250 * NS_PER_MS)
        place_axis(axis, host.frame().market)
        seen.add(axis.centre)
    assert len(seen) > 1


def test_a_book_in_cents_needs_no_grouping_and_a_sparse_one_gets_it() -> None:
    assert first_grouping(FakeHost().frame().market, 25) == 1
    assert first_grouping(FakeHost(instrument=BTC).frame().market, 25) == 200


def test_regrouping_keeps_the_price_in_the_middle() -> None:
    axis = LadderAxis(grouping=10, centre=1_005)
    axis.regroup(50)
    assert axis.centre == 201


def test_bars_are_scaled_in_round_steps() -> None:
    assert [nice_scale(n) for n in (0, 1, 3, 99, 100, 101, 4_999)] == [1, 1, 5, 100, 100, 200, 5_000]


def agent(account: int, kind: str, position: int, pnl: float = 1.0) -> AgentView:
    return AgentView(account, f"{kind}-{account}", kind, position, pnl, 0, 0, 100)


def test_more_than_four_of_a_kind_share_one_row_with_their_sum() -> None:
    rows = fold(tuple(agent(20 + i, "noise", i - 1) for i in range(5)))
    (row,) = rows
    assert (row.name, row.position_lots, row.pnl, row.limit_lots) == ("noise ×5", 5, 5.0, 500)


def test_four_of_a_kind_stand_alone_and_rows_are_sorted_by_inventory() -> None:
    rows = fold(tuple(agent(20 + i, "maker", -i) for i in range(4)))
    assert [row.position_lots for row in rows] == [-3, -2, -1, 0]


def test_a_storm_that_never_traded_is_not_listed() -> None:
    idle = agent(3, "storm", 0, 0.0)._replace(open_orders=0)
    assert fold((idle,)) == []
    assert len(fold((idle._replace(pnl=-3.0),))) == 1


def test_the_heat_map_samples_frames_at_a_fixed_step() -> None:
    host, history = FakeHost(), FrameHistory()
    for _ in range(20):
        history.add(host.frame(), 0)
        host.advance(100 * NS_PER_MS)
    assert len(history.columns) == 5
    assert None not in history.columns


def test_a_column_that_no_frame_fell_into_stays_blank() -> None:
    host, history = FakeHost(), FrameHistory()
    history.add(host.frame(), 0)
    host.advance(1_500 * NS_PER_MS)
    history.add(host.frame(), 0)
    assert [column is None for column in history.columns] == [False, True, True, False]


def test_a_seek_back_forgets_what_is_no_longer_past() -> None:
    host, history = FakeHost(), FrameHistory()
    history.add(host.frame(), 0)
    host.advance(-20 * NS_PER_S)
    history.add(host.frame(), 0)
    assert len(history.columns) == 1


def test_the_history_is_bounded() -> None:
    host, history = FakeHost(), FrameHistory()
    history.add(host.frame(), 0)
    host.advance(10_000 * NS_PER_S)
    history.add(host.frame(), 0)
    assert len(history.columns) == HEAT_COLUMNS == history.statistics()["columns_limit"]


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (40, 10), (20, 5), (10, 3), (4, 2), (1, 1), (220, 70)])
@pytest.mark.parametrize("empty", [False, True])
def test_no_size_is_an_error(size: tuple[int, int], empty: bool) -> None:
    async def run() -> None:
        app = DeskApp(FakeHost(empty=empty), options=DeskOptions(timer=False))
        async with app.run_test(size=size) as pilot:
            for _ in range(12):
                await pilot.press("tab")
            await pilot.press("z", "4", ":", "b", "escape", "?", "escape")
            app.bridge.draw()
            await pilot.pause()
            assert len(screen_text(app).splitlines()) == size[1]

    asyncio.run(run())


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (40, 10), (20, 5), (10, 3), (4, 2), (1, 1), (220, 70)])
async def test_no_size_is_an_error_for_what_is_chosen_and_edited(
    size: tuple[int, int], tmp_path: Path
) -> None:
    (tmp_path / "one.toml").write_text(TEMPLATE)
    host = FakeHost(alerts=alarms(), gates=gates(), storm_runs=storm_runs())
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False, scripts_dir=tmp_path))
    async with app.run_test(size=size) as pilot:
        for keys in ("GjjzJz", "TzZz", "njjzJz", "E", "j", "A"):
            await pilot.press(*keys)
            app.bridge.draw()
        await pilot.press("escape", "F", "j", "n", "x", "escape", "e", "x", "escape", "escape", "escape")
        await pilot.pause()
        assert app.screen is app.desk_screen
        assert len(screen_text(app).splitlines()) == size[1]


async def test_a_panel_paints_only_lines_that_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate, whose market stands still while the frames go on."""
    host = FakeHost(gates=gates())
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("G")
        app.bridge.draw()
        await pilot.pause()
        painted: list[int] = []
        panel = app.desk_screen.panels["gate"]
        monkeypatch.setattr(panel, "refresh", lambda *regions, **_: painted.append(len(regions)))
        for _ in range(5):
            host.advance(NS_PER_S)
            app.bridge.draw()
        assert painted == []
        await pilot.press("j")
        assert painted == [2]


@pytest.mark.parametrize("size", [(200, 60), (120, 40), (80, 24)])
async def test_a_recording_that_had_to_stop_is_told_in_the_first_line(size: tuple[int, int]) -> None:
    host = FakeHost(recording_error="No space left on device: runs/x cannot be written.")
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        text = screen_text(app)
    assert "✕ NOT RECORDING" in text.splitlines()[0]
    assert "● REC" not in text
    assert size == (80, 24) or "✕ No space left on device" in text


@pytest.mark.parametrize("with_alerts", [False, True])
async def test_detectors_without_order_ids_are_named_so_that_their_silence_says_nothing(
    with_alerts: bool,
) -> None:
    host = FakeHost(alerts=None if with_alerts else (), silent_detectors=("spoofing", "phantom liquidity"))
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(200, 60)) as pilot:
        await pilot.pause()
        text = screen_text(app)
    assert "silent, no order ids here: spoofing, phantom" in text


async def test_a_resize_draws_every_panel_anew() -> None:
    app = DeskApp(FakeHost(), options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        text = screen_text(app)
    assert "Ladder" in text
    assert max(len(line) for line in text.splitlines()) <= 80


async def test_only_changed_lines_are_painted_again() -> None:
    host = FakeHost()
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        ladder = app.desk_screen.panels["ladder"]
        before = list(ladder._strips)
        host.advance(1)
        app.bridge.draw()
        assert all(new is old for new, old in zip(ladder._strips, before, strict=True))


async def test_hostile_text_of_the_target_does_not_reach_the_screen() -> None:
    host = FakeHost(target_status="invalid")
    frame = host.frame()
    target = frame.host.target._replace(detail="\x1b]0;owned\x07\x1b[2J 漢字", bot="a\x1bb")
    host._built = type(frame)(frame.number, frame.market, frame.host._replace(target=target))
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        text = screen_text(app)
    assert "\x1b" not in text
    assert "owned" in text


async def test_leaving_stops_the_host_once() -> None:
    host = FakeHost()
    app = DeskApp(host, options=DeskOptions(timer=False))
    async with app.run_test(size=(80, 24)) as pilot:
        app.leave()
        app.leave()
        await pilot.pause()
    assert [call for call in host.calls if call[0] == "stop"] == [("stop",)]


def test_an_unknown_theme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="high-contrast"):
        DeskApp(FakeHost(), options=DeskOptions(theme="pink"))
