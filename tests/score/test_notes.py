"""What gateways do by themselves, told to the session in notes: answers, and refusals for the rate."""

from __future__ import annotations

import pytest

from engine.broker.journaling import RequestText, request_commands
from engine.broker.terms import Asked, BrokerNote, CancelOrder, Limited
from engine.core.types import Command, FaultKind, Side, StormKind
from engine.host import venue_port
from engine.host.venue_port import NOTED_ORDERS, VenuePort
from engine.inputs import storm_command
from engine.storms import StormRequest
from tests.broker.bots import MS, Market, limit, market
from tests.score.test_readings import fire, reaction
from tests.score.test_split import card_of
from tests.venue.quiet import Quiet

BUY = "BUY"


def with_a_lost_fill() -> tuple[Market, int]:
    """A market in which the bot has not been told that its order was filled; and that order's id."""
    scene = Market(bots=2)
    number = scene.place(limit("b", Side.BID, scene.bid, 2)).orders[0].order_id
    fire(scene, FaultKind.GHOST)
    lots = scene.session.exchange.book.levels(Side.BID, 1)[0].qty_lots
    scene.place(market("hit", Side.ASK, lots), account=scene.accounts[1])
    assert reaction(scene).unreconciled == 1
    return scene, number


def note(scene: Market, one: BrokerNote) -> None:
    for command in request_commands(one):
        scene.session.accept(scene.session.stamp(command))


@pytest.mark.parametrize("orders", ["that one", "all open ones"])
def test_an_answer_puts_the_order_right_and_makes_no_ghost_of_it(orders):
    scene, number = with_a_lost_fill()
    scene.run(300)
    asked_ns = scene.session.now_ns
    note(scene, Asked(scene.bot, (number,) if orders == "that one" else ()))
    seen = reaction(scene)
    assert (seen.noticed_ns, seen.noticed_by, seen.reconciled_ns) == (asked_ns, "asked", asked_ns)
    card = card_of(scene)
    assert (card.ghost_orders, card.requests) == (0, 1)
    scene.run(500)
    without, _ = with_a_lost_fill()
    without.run(800)
    assert scene.session.event_digest == without.session.event_digest
    assert scene.session.told_digest == without.session.told_digest
    assert not scene.session.broker.is_busy  # a note is not under way to anywhere


def test_an_answer_about_other_orders_changes_nothing():
    scene, number = with_a_lost_fill()
    note(scene, Asked(scene.bot, (number + 1,)))
    assert reaction(scene).unreconciled == 1


def test_refusals_by_a_gateway_are_counted_and_after_the_first_they_are_offences():
    scene = Market()
    note(scene, Limited(scene.bot, 1, 2_000))
    note(scene, Limited(scene.bot, 5, 1_900))
    scene.run(2_000)
    note(scene, Limited(scene.bot, 3, 0))
    card = card_of(scene)
    assert (card.rate_limited, card.limit_offences) == (9, 7)


@pytest.mark.parametrize("one", [Asked(30, tuple(range(10**9, 10**9 + NOTED_ORDERS))), Limited(31, 7, 900)])
def test_notes_go_through_the_journal(one):
    text = RequestText()
    *parts, last = request_commands(one)
    assert all(text.take(part) is None for part in parts)
    assert text.take(last) == one


class Door:
    """A venue port whose commands are kept."""

    def __init__(self, scene: Market) -> None:
        self.commands: list[Command] = []
        self.port = VenuePort(
            scene.session,
            session_id="s",
            frame=lambda: None,
            put=self._keep,  # type: ignore[arg-type, return-value]
        )

    def _keep(self, commands: list[Command]) -> bool:
        self.commands += commands
        return True

    def notes(self) -> list[object]:
        text = RequestText()
        return [one for one in map(text.take, self.commands) if one is not None]


def test_an_answer_is_noted_only_while_an_order_of_the_account_is_astray():
    scene, number = with_a_lost_fill()
    door = Door(scene)
    broker = scene.session.broker
    door.port.note_answer(scene.accounts[1], None)
    assert door.notes() == []
    door.port.note_answer(scene.bot, broker.orders(scene.bot))
    door.port.note_answer(scene.bot, None)
    door.port.note_answer(scene.bot, [])
    other = broker.orders(scene.accounts[1])[0]
    door.port.note_answer(scene.bot, [other])
    assert door.notes() == [Asked(scene.bot, (number,)), Asked(scene.bot, ())]
    scene.reply(CancelOrder(scene.bot, scene.number(), number))
    door.port.note_answer(scene.bot, None)
    assert len(door.notes()) == 2


def test_refusals_are_noted_some_at_a_time(monkeypatch):
    clock = [10**12]
    monkeypatch.setattr(venue_port, "monotonic_ns", lambda: clock[0])
    door = Door(Market())
    for _ in range(5):
        door.port.note_limited(30, 700)
        clock[0] += 30 * MS
    assert door.notes() == [Limited(30, 1, 700), Limited(30, 4, 700)]


# -- over the wire -------------------------------------------------------------------------------------


async def test_a_question_over_rest_reconciles(quiet: Quiet) -> None:
    session = quiet.rig.port._session

    def start(kind: FaultKind | StormKind) -> None:
        session.accept(session.stamp(storm_command(StormRequest(kind, 1.0, 5.0))))
        quiet.rig.port.advance()

    order = await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.00", quantity="10")
    start(FaultKind.GHOST)
    account = next(one.number for one in session.broker.accounts() if one.label == "one")
    state = session.broker.order(account, order["orderId"])
    assert state is not None
    session.broker._flow.amend(state, 4, "")
    session.broker._flow.flush()
    card = next(card for card in session.bot_cards() if card.account == account)
    assert card.faults[0].unreconciled == 1
    answer = await quiet.send("GET", "/api/v3/order", orderId=order["orderId"])
    assert float(answer["origQty"]) == 4
    card = next(card for card in session.bot_cards() if card.account == account)
    assert (card.faults[0].unreconciled, card.faults[0].noticed_by) == (0, "asked")
    start(FaultKind.LIMIT)
    for _ in range(3):
        response = await quiet.signed("GET", "/api/v3/openOrders")
        assert response.status_code == 418
    card = next(card for card in session.bot_cards() if card.account == account)
    assert card.rate_limited >= 1
    assert card.faults[-1].refused == card.rate_limited
