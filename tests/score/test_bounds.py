"""Whatever a bot does, what is kept of it is bounded, and what is forgotten is counted."""

from __future__ import annotations

from engine.broker.terms import OrderState, OrderStatus
from engine.core.types import Command, CommandKind, FaultKind, Side
from engine.inputs import storm_command
from engine.score import score
from engine.score.picture import ASTRAY_KEPT, GHOSTS_KEPT, RACE_NS, UNSURE_KEPT, Picture
from engine.score.windows import RHYTHM_KEPT, WINDOWS_KEPT, Rhythm
from engine.storms import StormRequest
from tests.broker.bots import Market, market
from tests.score.test_split import card_of


def order(number: int, status: OrderStatus = OrderStatus.NEW) -> OrderState:
    return OrderState(number, 30, f"c{number}", 0, 0, 0, 100, 1, status)  # type: ignore[arg-type]


def test_orders_astray_are_forgotten_oldest_first():
    kept = Picture()
    for number in range(ASTRAY_KEPT + 10):
        assert kept.miss(order(number), number, 1)
    assert (len(kept.astray), kept.forgotten) == (ASTRAY_KEPT, 10)
    assert next(iter(kept.astray)) == 10
    assert kept.statistics()["astray_forgotten"] == 10


def test_ghosts_and_unanswered_orders_are_bounded_and_their_count_is_not():
    kept = Picture()
    for number in range(GHOSTS_KEPT + 5):
        kept.name(order(number, OrderStatus.FILLED), RACE_NS + 1)
    assert (len(kept.ghosts), kept.ghost_orders) == (GHOSTS_KEPT, GHOSTS_KEPT + 5)
    for number in range(2 * UNSURE_KEPT):
        kept.leave_unanswered(number, order(number), f"0 0 {number} 1")
    assert len(kept.unanswered) == UNSURE_KEPT
    for number in range(2 * UNSURE_KEPT):
        kept.tell_unknown(number)
        kept.leave_unanswered(number, order(number), f"1 0 {number} 1")
        kept.tell_unknown(number)
    assert len(kept.unsure) == UNSURE_KEPT


def test_a_rhythm_remembers_its_last_intervals():
    rhythm = Rhythm()
    for beat in range(3 * RHYTHM_KEPT):
        rhythm.beat(beat**2)
    assert len(rhythm.intervals_ns) == RHYTHM_KEPT
    assert rhythm.longest_ns == (3 * RHYTHM_KEPT - 1) ** 2 - (3 * RHYTHM_KEPT - 2) ** 2


def test_windows_are_forgotten_oldest_first_by_all_bots():
    scene = Market(bots=2)
    for _ in range(WINDOWS_KEPT + 3):
        scene.session.accept(scene.session.stamp(storm_command(StormRequest(FaultKind.STALE, 1.0, 5.0))))
        scene.run(1)
    for account in scene.accounts:
        faults = card_of(scene, account).faults
        assert len(faults) == WINDOWS_KEPT
        assert [fault.ended_ns is None for fault in faults] == [False] * (WINDOWS_KEPT - 1) + [True]
    assert scene.session.score.statistics()["windows_forgotten"] == 3
    scene.session.accept(scene.session.stamp(Command(kind=CommandKind.STORM_STOP)))
    scene.run(300)
    assert card_of(scene).faults[-1].ended_ns is not None


def test_fills_beyond_the_limit_get_no_mark_out_and_are_counted(monkeypatch):
    monkeypatch.setattr(score, "MARK_OUTS_LIMIT", 2)
    scene = Market()
    for serial in range(4):
        scene.place(market(f"m{serial}", Side.BID, 1))
    said = scene.session.score.statistics()
    assert (said["mark_outs"], said["not_marked_out"]) == (2, 2)
    scene.run(1_200)
    assert scene.session.score._bots[scene.bot].tally.split.marked_out == 2
    assert scene.session.score.statistics()["mark_outs"] == 0


def test_one_who_is_told_forgets_what_was_told_in_instants_before():
    kept = Picture()
    for now_ns in range(3):
        for number in range(5):
            kept.tell(order(number), order(number), now_ns)
    assert len(kept.told_now) == 5
