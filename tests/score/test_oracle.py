"""The card against a slow and obvious second reading: the market taken one instant at a time, every figure
from the list of all fills, in fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest

from engine.broker.terms import CancelAllOrders, Fill, PlaceOrder
from engine.core.types import Side
from engine.market.ledger import MICRO
from engine.score.card import BotCard
from engine.score.split import MARK_OUT_NS
from engine.score.tally import QUOTE_BPS, QUOTE_TICKS
from tests.broker.bots import MS, Market
from tests.score.test_split import TAKES, captured, card_of, provoke, signed

SAMPLE = 100 * MS


class Diary:
    """What the market was, after each instant."""

    def __init__(self, scene: Market) -> None:
        self.scene = scene
        self.mid_before: dict[int, int | None] = {}
        self.mark: dict[int, Fraction] = {}
        self.is_quoting: dict[int, bool] = {}

    def follow(self, duration_ns: int) -> None:
        session = self.scene.session
        exchange, until_ns = session.exchange, session.now_ns + duration_ns
        while (next_ns := exchange.market.heap[0].time_ns) <= until_ns:
            self.mid_before[next_ns] = exchange.twice_mid_ticks
            session.advance(next_ns)
            self.mark[next_ns] = Fraction(exchange.mark_twice_ticks, 2)
            if next_ns % SAMPLE == 0:
                self.is_quoting[next_ns] = self._quotes(self.mark[next_ns])
        session.advance(until_ns)

    def _quotes(self, mid: Fraction) -> bool:
        near = max(mid * QUOTE_BPS / 10_000, Fraction(QUOTE_TICKS))
        orders = self.scene.session.broker.open_orders(self.scene.bot)
        sides = {order.side for order in orders if abs(order.price_ticks - mid) <= near}
        return sides == {int(Side.BID), int(Side.ASK)}


def pnl_at(fills: list[Fill], time_ns: int, mark: Fraction) -> Fraction:
    past = [fill for fill in fills if fill.time_ns <= time_ns]
    cash = sum(-signed(fill) * fill.price_ticks * MICRO - fill.fee_micro for fill in past)
    return cash + sum(map(signed, past)) * mark * MICRO


@pytest.mark.parametrize("seed", [2, 3])  # in which no two messages arrive in the same nanosecond
def test_every_figure_is_that_of_the_second_reading(seed):
    scene = Market(seed=seed)
    diary, sent_lots, requests = Diary(scene), 0, 0
    first_order_ns = scene.session.now_ns
    for serial in range(120):
        if serial % 7 in TAKES:
            scene.ask(CancelAllOrders(scene.bot, scene.number()))
            diary.follow(1 * MS)
            requests += 1
        scene.ask(PlaceOrder(scene.bot, scene.number(), provoke(scene, serial)))
        diary.follow(SAMPLE)
        requests += 1
    orders = scene.session.broker.orders(scene.bot)
    sent_lots = sum(order.qty_lots for order in orders)
    fills = scene.session.broker.fills(scene.bot)
    card = card_of(scene)
    assert card.spread_pnl == captured(fills, diary.mid_before)
    compare_money(card, fills, diary, scene.session.now_ns)
    compare_extremes(card, fills, diary)
    lots = sum(fill.qty_lots for fill in fills)
    makers = sum(fill.qty_lots for fill in fills if fill.is_maker)
    assert card.fill_ratio == lots / sent_lots
    assert card.maker_share == makers / lots
    assert (card.orders, card.fills, card.filled_lots) == (len(orders), len(fills), lots)
    assert (card.requests, card.order_to_trade) == (requests, requests / len(fills))
    quoting = [yes for time_ns, yes in diary.is_quoting.items() if time_ns > first_order_ns]
    assert card.quote_uptime == sum(quoting) / len(quoting)
    assert 0 < sum(quoting) < len(quoting)


def compare_money(card: BotCard, fills: list[Fill], diary: Diary, now_ns: int) -> None:
    mark = Fraction(diary.scene.session.exchange.mark_twice_ticks, 2)
    assert card.pnl == pnl_at(fills, now_ns, mark)
    assert card.fees == sum(fill.fee_micro for fill in fills)
    assert card.inventory_pnl == card.pnl - card.spread_pnl + card.fees
    adverse = realised = Fraction(0)
    for fill in fills:
        due_ns = -(-(fill.time_ns + MARK_OUT_NS) // SAMPLE) * SAMPLE
        if due_ns <= now_ns:
            adverse += signed(fill) * (diary.mark[due_ns] - Fraction(diary.mid_before[fill.time_ns], 2))
            realised += signed(fill) * (diary.mark[due_ns] - fill.price_ticks)
    assert (card.adverse_selection, card.realised_spread) == (adverse * MICRO, realised * MICRO)


def compare_extremes(card: BotCard, fills: list[Fill], diary: Diary) -> None:
    looks = sorted({fill.time_ns for fill in fills} | set(diary.is_quoting))
    peak = deepest = Fraction(0)
    worst_ns, exposure = None, Fraction(0)
    for time_ns in looks:
        pnl = pnl_at(fills, time_ns, diary.mark[time_ns])
        peak = max(peak, pnl)
        if peak - pnl > deepest:
            deepest, worst_ns = peak - pnl, time_ns
        held = abs(sum(signed(fill) for fill in fills if fill.time_ns <= time_ns))
        exposure = max(exposure, held * diary.mark[time_ns] * MICRO)
    assert (card.max_drawdown, card.worst_ns) == (deepest, worst_ns)
    assert card.max_exposure == exposure
