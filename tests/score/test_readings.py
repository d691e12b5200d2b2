"""Each reading of a card, with a case made by hand."""

from __future__ import annotations

import msgspec
import pytest

from engine.broker.journaling import request_commands
from engine.broker.terms import (
    AmendOrder,
    Asked,
    CancelAllOrders,
    CancelOrder,
    CancelReplace,
    OrderStatus,
    PlaceOrder,
    Refusal,
    Reply,
)
from engine.core.clock import NS_PER_S
from engine.core.types import Account, Command, CommandKind, FaultKind, Side, StormKind
from engine.inputs import storm_command
from engine.market.ledger import MICRO
from engine.score.card import FaultReaction
from engine.score.picture import RACE_NS, STUCK_NS
from engine.score.tally import QUOTE_TICKS, Tally, is_near
from engine.storms import StormRequest
from engine.storms.request import ChaosKind
from tests.broker.bots import MS, Market, limit, market
from tests.score.test_split import card_of

FAR = 30
"""Ticks from the best price at which nothing trades here, and that are near the mid no more."""


def fire(scene: Market, kind: ChaosKind, severity: float = 1.0, duration_s: float = 5.0) -> None:
    request = StormRequest(kind, severity, duration_s)
    scene.session.accept(scene.session.stamp(storm_command(request)))
    scene.run(0.001)


def stop(scene: Market) -> None:
    scene.session.accept(scene.session.stamp(Command(kind=CommandKind.STORM_STOP)))
    scene.run(0.001)


def reaction(scene: Market) -> FaultReaction:
    (only,) = card_of(scene).faults
    return only


def far_bid(scene: Market, name: str = "far", lots: int = 5) -> int:
    """Rests a bid where nobody comes; returns its order id."""
    return scene.place(limit(name, Side.BID, scene.bid - FAR, lots)).orders[0].order_id


# -- ratios --------------------------------------------------------------------------------------------


def test_fill_ratio_counts_lots_and_order_to_trade_every_request():
    scene = Market()
    number = far_bid(scene, lots=6)
    scene.reply(AmendOrder(scene.bot, scene.number(), number, new_qty_lots=4))
    scene.reply(
        CancelReplace(
            scene.bot,
            scene.number(),
            CancelOrder(scene.bot, 0, order_id=number),
            market("m", Side.BID, 2),
            allow_failure=False,
        )
    )
    card = card_of(scene)
    assert (card.orders, card.fills, card.filled_lots) == (2, 1, 2)
    assert card.fill_ratio == 2 / 8
    assert (card.requests, card.order_to_trade) == (4, 4.0)


def test_an_order_that_was_refused_is_no_order():
    scene = Market()
    scene.place(limit("x", Side.BID, scene.bid, 0))
    card = card_of(scene)
    assert (card.orders, card.requests, card.fill_ratio, card.order_to_trade) == (0, 1, None, None)
    assert card.verdict == "UNKNOWN"
    assert "has not traded" in card.reasons[0]


def test_uptime_counts_samples_with_both_sides_near_the_mid_since_the_first_order():
    scene = Market()
    scene.run(1_000)  # nothing has been ordered yet: that time is not its time
    scene.session.advance(-(-scene.session.now_ns // (1_000 * MS)) * 1_000 * MS)
    scene.place(limit("b", Side.BID, scene.bid - 10, 1))
    scene.session.advance((scene.session.now_ns // (1_000 * MS) + 1) * 1_000 * MS)
    assert card_of(scene).quote_uptime == 0.0
    scene.place(limit("a", Side.ASK, scene.ask_price + 10, 1))
    scene.run(999)
    assert card_of(scene).quote_uptime == pytest.approx(0.5, abs=0.06)


def test_near_is_a_share_of_the_mid_and_some_ticks_at_least():
    assert is_near(10_025, 20_000)
    assert not is_near(10_026, 20_000)
    assert is_near(100 - QUOTE_TICKS, 200)
    assert not is_near(100 - QUOTE_TICKS - 1, 200)


def test_a_quote_far_from_the_mid_does_not_count():
    scene = Market()
    scene.place(limit("b", Side.BID, scene.bid - 2 * FAR, 1))
    scene.place(limit("a", Side.ASK, scene.ask_price + 2 * FAR, 1))
    scene.run(2_000)
    assert card_of(scene).quote_uptime == 0.0


def test_drawdown_is_the_deepest_fall_below_the_highest_before():
    tally = Tally()
    tally.split.take_fill(1, 100, 200, 0, is_maker=True)
    for now_ns, mid in enumerate((100, 110, 104, 108, 99, 120), 1):
        tally.look(now_ns, 2 * mid)
    assert (tally.lows.max_drawdown, tally.lows.worst_ns) == (11 * MICRO, 5)
    assert (tally.max_position_lots, tally.lows.max_exposure) == (1, 120 * MICRO)


# -- faults --------------------------------------------------------------------------------------------


def test_a_fill_that_is_never_told_leaves_its_order_astray_until_the_bot_names_it():
    scene = Market(bots=2)
    number = scene.place(limit("b", Side.BID, scene.bid, 2)).orders[0].order_id
    begun_ns = scene.session.now_ns + 1
    fire(scene, FaultKind.GHOST)
    lots = scene.session.exchange.book.levels(Side.BID, 1)[0].qty_lots
    scene.place(market("hit", Side.ASK, lots), account=scene.accounts[1])
    order = scene.session.broker.order(scene.bot, number)
    assert order is not None
    assert order.status == OrderStatus.FILLED
    before = reaction(scene)
    assert (before.astray, before.unreconciled, before.noticed_ns, before.reconciled_ns) == (1, 1, None, None)
    scene.run(700)
    asked_ns = scene.session.now_ns
    assert scene.reply(CancelOrder(scene.bot, scene.number(), number)).refusal == Refusal.UNKNOWN_ORDER
    after = reaction(scene)
    assert (after.kind, after.at_ns) == ("fault.ghost", begun_ns)
    assert (after.noticed_ns, after.noticed_by, after.reconciled_ns) == (asked_ns, "named", asked_ns)
    assert (after.astray, after.unreconciled) == (1, 0)
    assert after.longest_astray_ns == pytest.approx(700 * MS, abs=2 * MS)
    assert "1 order astray by fault.ghost@2s, each right within 0.7 s" in card_of(scene).reasons
    assert card_of(scene).ghost_orders == 1  # it took the order for open


def test_a_later_message_that_tells_the_true_state_puts_an_order_right():
    scene = Market()
    number = far_bid(scene)
    fire(scene, FaultKind.LATENCY, 0.5)
    scene.ask(AmendOrder(scene.bot, scene.number(), number, new_qty_lots=2))
    scene.run(1_600)  # it arrives after about a second; its reply and event need another
    held = reaction(scene)
    assert (held.astray, held.unreconciled, held.reconciled_ns) == (1, 1, None)
    scene.run(1_400)
    told = reaction(scene)
    assert (told.unreconciled, told.noticed_ns) == (0, None)
    last = scene.session.broker.boundary.told(0)[-1]
    assert told.reconciled_ns is not None
    assert told.reconciled_ns <= last.told_ns


def test_what_the_reply_tells_in_the_same_instant_is_told():
    scene = Market()
    fire(scene, FaultKind.GHOST)
    far_bid(scene)
    assert reaction(scene).astray == 0


def test_a_message_told_twice_leads_nobody_astray():
    scene = Market()
    fire(scene, FaultKind.ECHO)
    far_bid(scene)
    scene.run(1_000)
    assert reaction(scene).astray == 0


def test_an_order_that_nobody_was_told_of_is_stuck_after_a_while():
    scene = Market()
    number = far_bid(scene)
    fire(scene, FaultKind.GHOST)
    lots = 1
    scene.session.broker._flow.amend(scene.session.broker.order(scene.bot, number), lots, "")
    scene.session.broker._flow.flush()
    stop(scene)
    scene.run(STUCK_NS / MS - 10)
    assert card_of(scene).stuck_orders == 0
    scene.run(20)
    assert card_of(scene).stuck_orders == 1
    assert any("stuck" in line for line in card_of(scene).reasons)
    scene.reply(CancelAllOrders(scene.bot, scene.number()))
    assert card_of(scene).stuck_orders == 0


def test_naming_an_order_long_after_its_told_end_is_a_ghost_and_soon_after_a_race():
    scene = Market()
    for wait_ns, ghosts in ((RACE_NS // 2, 0), (2 * RACE_NS, 1)):
        number = far_bid(scene, f"n{wait_ns}")
        scene.reply(CancelOrder(scene.bot, scene.number(), number))
        scene.run(wait_ns / MS)
        scene.reply(CancelOrder(scene.bot, scene.number(), number))
        scene.reply(CancelOrder(scene.bot, scene.number(), number))  # the same ghost
        assert card_of(scene).ghost_orders == ghosts


def test_sending_an_order_again_whose_first_was_carried_out_unanswered_is_a_ghost():
    scene = Market()
    fire(scene, FaultKind.TIMEOUT)
    price = scene.bid - FAR
    for serial in range(12):  # half of them are carried out
        scene.ask(PlaceOrder(scene.bot, scene.number(), limit(f"t{serial}", Side.BID, price - serial, 1)))
    scene.run(2)
    stop(scene)
    scene.run(1_100)
    unknown = [one for one in scene.told() if isinstance(one, Reply)]
    assert {one.refusal for one in unknown} == {Refusal.TIMEOUT_UNKNOWN}
    resting = scene.session.broker.open_orders(scene.bot)
    assert 0 < len(resting) < 12
    for serial in range(12):
        scene.place(limit(f"again{serial}", Side.BID, price - serial, 1))
    assert card_of(scene).ghost_orders == len(resting)
    assert reaction(scene).refused == 12


@pytest.mark.parametrize("by", ["asking", "cancelling"])
def test_one_who_looks_for_the_unanswered_order_first_sends_no_ghost(by):
    scene = Market()
    fire(scene, FaultKind.TIMEOUT)
    price = scene.bid - FAR
    for serial in range(12):
        scene.ask(PlaceOrder(scene.bot, scene.number(), limit(f"t{serial}", Side.BID, price - serial, 1)))
    scene.run(2)
    stop(scene)
    scene.run(1_100)
    if by == "asking":
        for command in request_commands(Asked(scene.bot)):
            scene.session.accept(scene.session.stamp(command))
    for serial in range(12):
        if by == "cancelling":
            scene.reply(CancelOrder(scene.bot, scene.number(), client_order_id=f"t{serial}"))
        scene.place(limit(f"again{serial}", Side.BID, price - serial, 1))
    assert card_of(scene).ghost_orders == 0


def test_requests_after_the_bot_was_told_of_a_limit_are_offences():
    scene = Market()
    fire(scene, FaultKind.LIMIT, 0.5)
    for serial in range(3):
        scene.place(limit(f"l{serial}", Side.BID, scene.bid - FAR, 1))
    card = card_of(scene)
    assert (card.rate_limited, card.limit_offences) == (3, 2)
    assert reaction(scene).refused == 3
    assert "3 requests refused for the rate, 2 of them sent after it was told" in card.reasons


def steadily(scene: Market, serials: range, every_ms: int = 100) -> None:
    for serial in serials:
        scene.place(limit(f"s{serial}", Side.BID, scene.bid - FAR, 1))
        scene.reply(CancelAllOrders(scene.bot, scene.number()))
        scene.run(every_ms - 2)


def test_a_bot_that_breaks_its_rhythm_has_noticed_when_its_next_order_was_due():
    scene = Market()
    steadily(scene, range(12))
    fire(scene, FaultKind.STALE, duration_s=5.0)
    steadily(scene, range(20, 24))
    last_ns = scene.session.now_ns - 100 * MS
    scene.run(3_000)
    seen = reaction(scene)
    assert seen.noticed_by == "paused"
    assert seen.noticed_ns == pytest.approx(last_ns + 100 * MS, abs=5 * MS)


def test_a_bot_that_goes_on_has_not_noticed():
    scene = Market()
    steadily(scene, range(12))
    fire(scene, FaultKind.STALE)
    steadily(scene, range(20, 45))
    assert reaction(scene).noticed_ns is None


def test_silence_while_the_venue_is_down_is_no_sign():
    """Requests do not get through then."""
    scene = Market()
    steadily(scene, range(12))
    fire(scene, FaultKind.DOWN)
    scene.run(3_900)
    assert reaction(scene).noticed_ns is None


# -- storms, recovery, verdict -------------------------------------------------------------------------


def test_a_long_position_in_a_crash_is_lost_as_inventory_and_said_so():
    scene = Market(scenario="balanced")
    scene.place(market("m", Side.BID, 60))
    fire(scene, StormKind.CRASH, 1.0, 10.0)
    scene.run(10_500)
    card, seen = card_of(scene), reaction(scene)
    assert (seen.kind, seen.ended_ns) == ("crash", seen.at_ns + 10 * NS_PER_S)
    assert seen.pnl < 0
    assert seen.inventory_pnl == seen.pnl  # it did not trade meanwhile
    assert card.verdict in ("DAMAGED", "KILLED")
    assert any("during crash@2s, all of it as inventory" in line for line in card.reasons)
    assert card.max_drawdown > 0
    assert card.worst_ns is not None
    assert seen.at_ns < card.worst_ns


def test_recovery_is_when_pnl_and_quotes_are_back():
    scene = Market()
    scene.place(limit("b", Side.BID, scene.bid - 3, 1))
    scene.place(limit("a", Side.ASK, scene.ask_price + 3, 1))
    scene.run(200)
    fire(scene, FaultKind.STALE)
    scene.reply(CancelAllOrders(scene.bot, scene.number()))
    stop(scene)
    scene.run(2_000)
    gone = reaction(scene)
    assert (gone.pnl, gone.recovered_ns) == (0, None)
    scene.place(limit("b2", Side.BID, scene.bid - 3, 1))
    scene.place(limit("a2", Side.ASK, scene.ask_price + 3, 1))
    back_ns = scene.session.now_ns
    scene.run(200)
    recovered_ns = reaction(scene).recovered_ns
    assert recovered_ns is not None
    assert 0 <= recovered_ns - back_ns <= 100 * MS


def test_a_bot_that_comes_during_a_fault_has_a_reaction_to_it():
    scene = Market(bots=0)
    fire(scene, FaultKind.GHOST)
    order = Command(kind=CommandKind.SUBMIT, account=Account.TARGET, side=0, qty_lots=1, order_id=1)
    scene.session.accept(scene.session.stamp(order))
    scene.run(10)
    (only,) = card_of(scene, Account.TARGET).faults
    assert only.kind == "fault.ghost"


def test_the_verdict_is_that_of_the_scenarios_thresholds():
    scene = Market()
    scene.place(market("m", Side.BID, 5))
    for damaged, killed, verdict in (
        (-1e6, -1e7, "INTACT"),
        (-1e-9, -1e7, "DAMAGED"),
        (-1e-9, -1e-9, "KILLED"),
    ):
        score = scene.session.score
        score._thresholds = msgspec.structs.replace(score._thresholds, damaged=damaged, killed=killed)
        score._limits.clear()
        assert card_of(scene).verdict == verdict


def test_a_targets_word_stands_beside_the_ledgers():
    scene = Market(bots=0)
    session = scene.session
    order = Command(kind=CommandKind.SUBMIT, account=Account.TARGET, side=0, qty_lots=5, order_id=1)
    session.accept(session.stamp(order))
    scene.run(10)
    words = []
    for equity in (1_000_000_000, 1_000_500_000):
        session.accept(session.stamp(Command(kind=CommandKind.TARGET_SAMPLE, flags=1, a=equity)))
        words.append(card_of(scene, Account.TARGET).pnl)
        scene.run(3_000)
    said = card_of(scene, Account.TARGET).self_report
    assert said is not None
    assert (said.equity, said.change) == (1_000_500_000, 500_000)
    per_unit = float(session.exchange.instrument.tick_lot_value)
    assert said.true_change == pytest.approx((words[1] - words[0]) * per_unit, abs=1)
    assert said.difference == said.change - said.true_change
