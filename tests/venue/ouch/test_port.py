"""The port in a real market: each request's answers, what is sent again, what is lost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.broker.boundary import Fate, Fault
from engine.broker.terms import BrokerRequest, Message, OrderEvent, Refusal, Reply
from engine.core.clock import NS_PER_S
from engine.core.types import Side
from engine.feeds.itch.writer import OPEN_NS
from engine.venue.ouch import port as port_module
from engine.venue.ouch import tracked
from engine.venue.ouch.codes import RejectReason
from engine.venue.ouch.messages import (
    AccountQuery,
    AccountQueryResponse,
    AiqCanceled,
    CancelOrder,
    CancelReject,
    DisableOrderEntry,
    DisableOrderEntryResponse,
    EnableOrderEntry,
    EnableOrderEntryResponse,
    EnterOrder,
    MassCancel,
    MassCancelResponse,
    ModifyOrder,
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderModified,
    OrderReplaced,
    Rejected,
    ReplaceOrder,
    SystemEvent,
)
from engine.venue.ouch.wire import Options, OuchMessage, Tag, write
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations
from tests.venue.ouch.market import Market, PortBench

PRICE = 1_000_000
"""100.00 USD: 10,000 ticks."""


def enter(
    number: int,
    side: str = "B",
    quantity: int = 100,
    price: int = PRICE,
    time_in_force: str = "0",
    options: Options | None = None,
) -> EnterOrder:
    return EnterOrder(
        number, side, quantity, "ACME", price, time_in_force, "Y", "P", "N", "N", f"CL{number}", options or {}
    )


def replace(
    original: int, number: int, quantity: int = 100, price: int = PRICE, options: Options | None = None
) -> ReplaceOrder:
    return ReplaceOrder(original, number, quantity, price, "0", "Y", "N", f"CL{number}", options or {})


@pytest.fixture
def bench() -> PortBench:
    bench = PortBench()
    assert bench.heard() == [SystemEvent(OPEN_NS + bench.market.session.now_ns, "S")]
    return bench


def short(messages: list[OuchMessage]) -> list[str]:
    """Letters, numbers and quantities, for comparisons that read well."""
    return [_short(message) for message in messages]


def _short(message: OuchMessage) -> str:
    number = getattr(message, "user_ref_num", "")
    quantity = getattr(message, "quantity", "")
    reason = getattr(message, "reason", "")
    return f"{message.letter}{number} {quantity}{reason if isinstance(reason, str) else hex(reason)}".strip()


# -- the life of an order ------------------------------------------------------------------------------------


def test_an_order_is_accepted_with_the_reference_of_the_feed(bench: PortBench) -> None:
    (accepted,) = bench.send(enter(1, options={Tag.GROUP_ID: 3, Tag.SHARES_LOCATED: "N"}))
    (state,) = bench.market.broker.open_orders(bench.account)
    assert accepted == OrderAccepted(
        OPEN_NS + state.created_ns,
        1,
        "B",
        100,
        "ACME",
        PRICE,
        "0",
        "Y",
        state.market_id,
        "P",
        "N",
        "N",
        "L",
        "CL1",
        {Tag.GROUP_ID: 3, Tag.SHARES_LOCATED: "N"},
    )
    assert [order[0] for order in bench.market.session.exchange.book.resting_orders()] == [accepted.reference]


def test_executions_tell_who_was_there_first(bench: PortBench) -> None:
    bench.market.rest(Side.ASK, 10_001, 30)
    taken = bench.send(enter(1, price=PRICE + 100))
    assert short(taken) == ["A1 100", "E1 30"]
    assert isinstance(taken[1], OrderExecuted)
    assert (taken[1].liquidity, taken[1].price) == ("R", PRICE + 100)
    bench.market.take(Side.ASK, 10_001, 70)
    (made,) = bench.heard()
    assert isinstance(made, OrderExecuted)
    assert (made.quantity, made.liquidity, made.match_number) == (70, "A", taken[1].match_number + 1)
    assert bench.market.broker.open_orders(bench.account) == []


def test_the_rest_of_an_immediate_order_is_cancelled(bench: PortBench) -> None:
    bench.market.rest(Side.ASK, 10_000, 30)
    assert short(bench.send(enter(1, time_in_force="3"))) == ["A1 100", "E1 30", "C1 70I"]
    bench.market.rest(Side.ASK, 10_000, 30)
    assert short(bench.send(enter(2, price=0x7FFF_FFFF))) == ["A2 100", "E2 30", "C2 70I"]
    all_or_none = enter(3, time_in_force="3", options={Tag.MIN_QTY: 100})
    bench.market.rest(Side.ASK, 10_000, 99)
    assert short(bench.send(all_or_none)) == ["A3 100", "C3 100I"]


def test_a_post_only_order_that_would_take_is_cancelled_with_its_own_reason(bench: PortBench) -> None:
    bench.market.rest(Side.ASK, 10_000, 30)
    assert short(bench.send(enter(1, options={Tag.POST_ONLY: "P"}))) == ["A1 100", "C1 100G"]
    assert bench.market.broker.open_orders(bench.account) == []
    resting = enter(2, price=PRICE - 100, options={Tag.POST_ONLY: "P"})
    assert short(bench.send(resting)) == ["A2 100"]


def test_an_iceberg_shows_its_floor(bench: PortBench) -> None:
    bench.send(enter(1, options={Tag.MAX_FLOOR: 10}))
    assert bench.market.session.exchange.book.levels(0, 1)[0][1] == 10
    for lots in (10, 10, 4):
        bench.market.take(Side.ASK, 10_000, lots)
    assert short(bench.heard()) == ["E1 10", "E1 10", "E1 4"]
    assert bench.market.session.exchange.book.levels(0, 1)[0][1] == 6


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (enter(1, "T"), RejectReason.RISK_SHORT_SALE),
        (enter(1, price=PRICE // 100), RejectReason.FAT_FINGER),
        (enter(1, "S", 90_000), RejectReason.RISK_EXPOSURE),
        (enter(1, options={Tag.MAX_FLOOR: 1}), RejectReason.INVALID_MAX_FLOOR),
    ],
)
def test_a_refused_order_is_told_why_and_its_number_is_used_up(
    bench: PortBench, order: EnterOrder, reason: RejectReason
) -> None:
    bench.market.rest(Side.ASK, 10_000, 1)
    bench.market.take(Side.BID, 10_000, 1)  # a last price, for the price filter
    (rejected,) = bench.send(order)
    assert isinstance(rejected, Rejected)
    assert (rejected.user_ref_num, rejected.reason, rejected.client_order_id) == (1, reason, "CL1")
    assert bench.send(enter(1)) == []
    assert short(bench.send(enter(2))) == ["A2 100"]


def test_an_order_until_a_time_is_cancelled_then(bench: PortBench) -> None:
    opens_s = OPEN_NS // NS_PER_S
    assert short(bench.send(enter(1, time_in_force="6", options={Tag.EXPIRE_TIME: opens_s + 5}))) == [
        "A1 100"
    ]
    assert short(bench.send(enter(2, time_in_force="6", options={Tag.EXPIRE_TIME: opens_s + 2}))) == [
        "A2 100"
    ]
    heard = []
    for second in range(1, 7):
        bench.market.run(second * NS_PER_S - bench.market.session.now_ns)
        bench.port.tick(bench.market.session.now_ns)
        bench.market.run()
        heard.append(short(bench.heard()))
    assert heard == [[], ["C2 100T"], [], [], ["C1 100T"], []]


def test_a_time_that_comes_while_the_queue_is_full_is_tried_again(bench: PortBench) -> None:
    bench.send(enter(1, time_in_force="6", options={Tag.EXPIRE_TIME: OPEN_NS // NS_PER_S + 2}))
    bench.market.is_full = True
    bench.port.tick(2 * NS_PER_S)
    bench.market.is_full = False
    assert bench.heard() == []
    bench.port.tick(2 * NS_PER_S + 1)
    bench.market.run()
    assert short(bench.heard()) == ["C1 100T"]


# -- cancel, modify ------------------------------------------------------------------------------------------


def test_a_cancel_says_what_may_be_executed_in_total(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 30)
    assert short(bench.heard()) == ["E1 30"]
    assert short(bench.send(CancelOrder(1, 60))) == ["C1 40U"]
    assert short(bench.send(CancelOrder(1, 60))) == []
    assert short(bench.send(CancelOrder(1, 80))) == []
    assert short(bench.send(CancelOrder(1, 20))) == ["C1 30U"]
    assert short(bench.send(CancelOrder(1, 0))) == []
    assert bench.port.statistics()["superfluous"] == 3


def test_a_reduced_order_keeps_its_place(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.rest(Side.BID, 10_000, 50)
    bench.send(CancelOrder(1, 60))
    bench.market.take(Side.ASK, 10_000, 60)
    assert short(bench.heard()) == ["E1 60"]


def test_a_cancel_sent_twice_is_answered_once(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.send(CancelOrder(1, 0), run=False)
    bench.send(CancelOrder(1, 0), run=False)
    bench.market.run()
    assert short(bench.heard()) == ["C1 100U"]


def test_a_cancel_may_follow_an_order_that_is_still_on_its_way(bench: PortBench) -> None:
    bench.send(enter(1), run=False)
    bench.send(CancelOrder(1, 0), run=False)
    bench.market.run()
    assert short(bench.heard()) == ["A1 100", "C1 100U"]


def test_a_reduction_below_what_has_just_been_executed_cancels_the_rest(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 30, run=False)
    assert short(bench.send(CancelOrder(1, 20))) == ["E1 30"]
    bench.market.run()
    assert short(bench.heard()) == ["C1 70U"]


def test_a_modification_takes_quantity_away_and_no_more(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 10)
    bench.heard()
    (modified,) = bench.send(ModifyOrder(1, "B", 50))
    assert isinstance(modified, OrderModified)
    assert (modified.side, modified.quantity) == ("B", 50)
    assert bench.send(ModifyOrder(1, "B", 70)) == []
    assert bench.send(ModifyOrder(1, "S", 20)) == []
    assert short(bench.send(CancelOrder(1, 0))) == ["C1 40U"]


def test_a_mass_cancel_takes_the_orders_that_it_means(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.send(enter(2, "S", price=PRICE + 500))
    bench.send(enter(3, options={Tag.GROUP_ID: 7}))
    of_group = MassCancel(4, "TRAD", "", {Tag.GROUP_ID: 7})
    response, *gone = bench.send(of_group)
    assert isinstance(response, MassCancelResponse)
    assert response.options == {Tag.GROUP_ID: 7}
    assert short(gone) == ["C3 100U"]
    assert short(bench.send(MassCancel(5, "TRAD", "ACME", {Tag.SIDE: "S"}))) == ["X5", "C2 100U"]
    assert short(bench.send(MassCancel(6, "", ""))) == ["X6", "C1 100U"]
    assert short(bench.send(MassCancel(7, "EVIL", ""))) == ["J7 0xc"]
    assert short(bench.send(MassCancel(8, "TRAD", "NONE"))) == ["J8 0x17"]


def test_orders_of_other_gateways_are_not_touched_nor_told(bench: PortBench) -> None:
    other = PortBench(bench.market, "trader")
    assert other.account == bench.account
    other.send(enter(1, price=PRICE - 500))
    assert bench.heard() == []
    assert short(bench.send(MassCancel(1, "", ""))) == ["X1"]


# -- replace -------------------------------------------------------------------------------------------------


def test_a_replacement_goes_to_the_back_and_counts_what_was_executed(bench: PortBench) -> None:
    bench.send(enter(1, options={Tag.FIRM: "TRAD"}))
    bench.market.take(Side.ASK, 10_000, 40)
    bench.market.rest(Side.BID, 9_999, 5)
    bench.heard()
    (replaced,) = bench.send(replace(1, 2, 100, PRICE - 100))
    assert isinstance(replaced, OrderReplaced)
    assert (replaced.original_user_ref_num, replaced.user_ref_num, replaced.quantity) == (1, 2, 60)
    assert replaced.options == {Tag.FIRM: "TRAD"}
    bench.market.take(Side.ASK, 9_999, 5)
    assert bench.heard() == []
    # 40 of the first, then 30 of the second: 30 are left of what may be executed in total.
    bench.market.take(Side.ASK, 9_999, 30)
    assert short(bench.heard()) == ["E2 30"]
    assert short(bench.send(CancelOrder(2, 90))) == ["C2 10U"]
    assert short(bench.send(replace(2, 3, 80))) == ["U3 10"]


def test_a_replacement_may_trade_at_once(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.rest(Side.ASK, 10_001, 30)
    assert short(bench.send(replace(1, 2, 100, PRICE + 100))) == ["U2 100", "E2 30"]


def test_a_chain_of_replacements_may_be_sent_at_once(bench: PortBench) -> None:
    for message in (enter(1), replace(1, 2, 90), replace(2, 3, 80)):
        bench.send(message, run=False)
    bench.market.run()
    assert short(bench.heard()) == ["A1 100", "U2 90", "U3 80"]
    assert [order.client_order_id for order in bench.market.broker.open_orders(bench.account)] == ["OU3"]


def test_an_execution_that_crosses_a_replacement_counts_to_its_quantity(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 40)  # executed, but not heard of yet
    assert short(bench.send(replace(1, 2, 100, PRICE - 100))) == ["E1 40", "U2 60"]
    assert short(bench.send(CancelOrder(2, 90))) == ["C2 10U"]


def test_an_execution_that_crosses_a_chain_of_requests_counts_once(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 40)
    for message in (replace(1, 2, 95), replace(2, 3, 90), CancelOrder(3, 80)):
        bench.send(message, run=False)
    bench.market.run()
    assert short(bench.heard()) == ["E1 40", "U2 55", "U3 50", "C3 10U"]
    (order,) = bench.market.broker.open_orders(bench.account)
    assert (order.remaining_lots, order.chain_lots) == (40, 40)


def test_an_execution_that_leaves_nothing_of_a_replacement_ends_its_chain(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 40)
    assert short(bench.send(replace(1, 2, 40))) == ["E1 40", "C1 60U"]
    assert bench.market.broker.open_orders(bench.account) == []
    assert short(bench.send(enter(2))) == ["A2 100"]


def test_what_is_gone_is_not_replaced_and_the_number_stays_free(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.send(CancelOrder(1, 0))
    assert bench.send(replace(1, 2)) == []
    assert bench.send(replace(9, 2)) == []
    assert short(bench.send(enter(2))) == ["A2 100"]


def test_a_replacement_that_cannot_be_cancels_the_original_and_leaves_its_number_free(
    bench: PortBench,
) -> None:
    bench.send(enter(1))
    assert short(bench.send(replace(1, 2, price=PRICE + 50))) == ["C1 100U"]
    assert short(bench.send(enter(2))) == ["A2 100"]
    bench.market.take(Side.ASK, 10_000, 40)
    assert short(bench.heard()) == ["E2 40"]
    assert short(bench.send(replace(2, 3, 30))) == ["C2 60U"]
    # The market's refusal, not ours: the same.
    bench.send(enter(4))
    assert short(bench.send(replace(4, 5, 100, PRICE // 100))) == ["C4 100U"]
    assert short(bench.send(enter(5))) == ["A5 100"]


def test_a_replacement_that_comes_too_late_is_rejected(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 100, run=False)
    assert short(bench.send(replace(1, 2, 200))) == ["E1 100", "J2 0x15"]


def test_an_order_cancelled_elsewhere_before_its_replacement_comes_is_told(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.withdraw(bench.account, "OU1", run=False)
    assert short(bench.send(replace(1, 2, 50))) == ["C1 100U", "J2 0x15"]


# -- self-match ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("", ["A2 60", "C1 100Q"]),
        ("O", ["A2 60", "C1 100Q"]),
        ("W", ["A2 60", "C2 60Q"]),
        ("Y", ["A2 60", "C1 60Q", "C2 60Q"]),
        ("D", ["A2 60", "C1 60Q", "D2 60Q"]),
    ],
)
def test_self_matches_end_as_the_strategy_says(bench: PortBench, strategy: str, expected: list[str]) -> None:
    bench.send(enter(1))
    options: Options = {Tag.AIQ_STRATEGY: strategy} if strategy else {}
    heard = bench.send(enter(2, "S", 60, options=options))
    assert Counter(short(heard)) == Counter(expected)
    for message in heard:
        if isinstance(message, AiqCanceled):
            assert (message.prevented_quantity, message.price, message.strategy) == (60, PRICE, "D")
    assert not [message for message in heard if isinstance(message, OrderExecuted)]


# -- numbers, switches, bad input ----------------------------------------------------------------------------


def test_requests_may_be_sent_again(bench: PortBench) -> None:
    bench.send(enter(5))
    assert bench.send(enter(5)) == []
    assert bench.send(enter(4)) == []
    assert bench.send(enter(0)) == []
    assert bench.port.statistics()["stale"] == 3


def test_after_the_last_number_there_is_no_other(bench: PortBench) -> None:
    assert short(bench.send(enter(2**32 - 1))) == ["A4294967295 100"]
    (answer,) = bench.send(AccountQuery())
    assert isinstance(answer, AccountQueryResponse)
    assert answer.next_user_ref_num == 2**32 - 1
    assert bench.send(enter(2**32 - 1)) == []


def test_channels_count_by_themselves(bench: PortBench) -> None:
    seven: Options = {Tag.USER_REF_IDX: 7}
    bench.send(enter(5))
    (accepted,) = bench.send(enter(5, quantity=50, options=seven))
    assert isinstance(accepted, OrderAccepted)
    assert accepted.options == seven
    assert short(bench.send(CancelOrder(5, 20, seven))) == ["C5 30U"]
    (answer,) = bench.send(AccountQuery(seven))
    assert isinstance(answer, AccountQueryResponse)
    assert (answer.next_user_ref_num, answer.options) == (6, seven)
    assert short(bench.send(CancelOrder(5, 0))) == ["C5 100U"]


def test_order_entry_can_be_switched_off_and_on(bench: PortBench) -> None:
    bench.send(enter(1))
    (off,) = bench.send(DisableOrderEntry(2, "TRAD"))
    assert isinstance(off, DisableOrderEntryResponse)
    assert short(bench.send(enter(3))) == ["J3 0xc"]
    assert short(bench.send(replace(1, 4))) == ["J4 0xc"]
    assert short(bench.send(CancelOrder(1, 50))) == ["C1 50U"]
    assert short(bench.send(EnableOrderEntry(5, "EVIL"))) == ["J5 0xc"]
    (on,) = bench.send(EnableOrderEntry(6, "TRAD"))
    assert isinstance(on, EnableOrderEntryResponse)
    assert short(bench.send(enter(7))) == ["A7 100"]


def test_what_cannot_be_read_is_ignored_or_rejected(bench: PortBench) -> None:
    assert bench.send(b"") == []
    assert bench.send(b"?what") == []
    assert bench.send(write(enter(1))[:-3]) == []
    assert short(bench.send(write(enter(1)) + b"\1")) == ["J1 0xf"]
    assert bench.send(write(enter(1))) == []
    assert bench.port.statistics()["malformed"] == 4


def test_too_much_that_cannot_be_read_ends_the_connection(bench: PortBench) -> None:
    assert all(bench.port.receive(b"?", 0) for _ in range(port_module.NONSENSE_LIMIT))
    assert not bench.port.receive(b"?", 0)
    assert bench.port.receive(b"?", 0)


def test_a_full_queue_is_told(bench: PortBench) -> None:
    bench.send(enter(1))
    bench.market.is_full = True
    assert short(bench.send(enter(2))) == ["J2 0xa"]
    assert short(bench.send(replace(1, 3))) == ["J3 0xa"]
    (cancel,) = bench.send(CancelOrder(1, 0))
    assert isinstance(cancel, CancelReject)
    assert len(bench.send(CancelOrder(1, 50))) == 1
    bench.market.is_full = False
    assert short(bench.send(CancelOrder(1, 0))) == ["C1 100U"]


def test_tables_are_bounded(bench: PortBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "ORDERS_KEPT", 5)
    monkeypatch.setattr(tracked, "REQUESTS_KEPT", 3)
    bench.send(enter(1))
    for number in range(2, 20):
        bench.send(enter(number, time_in_force="3"))
    statistics = bench.port.statistics()
    assert statistics["orders"] == 5
    assert short(bench.send(CancelOrder(1, 0))) == ["C1 100U"]
    for number in range(20, 24):
        bench.send(enter(number), run=False)
    assert bench.port.statistics()["requests"] == 3
    assert bench.port.statistics()["requests_forgotten"] == 1


def test_no_open_order_is_forgotten_for_room(bench: PortBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "ORDERS_KEPT", 3)
    for number in range(1, 4):
        assert short(bench.send(enter(number))) == [f"A{number} 100"]
    assert short(bench.send(enter(4))) == ["J4 0x29"]
    bench.send(CancelOrder(2, 0))
    assert short(bench.send(enter(5))) == ["A5 100"]
    assert short(bench.send(MassCancel(6, "", ""))) == ["X6", "C3 100U", "C1 100U", "C5 100U"]


def test_the_end_of_the_session_is_told_and_closes_the_log(bench: PortBench) -> None:
    bench.port.end()
    (end,) = bench.heard()
    assert isinstance(end, SystemEvent)
    assert end.event == "E"
    assert bench.log.is_closed


# -- a venue that lies ---------------------------------------------------------------------------------------


class Lie(Fault):
    """Does to messages what `of` says."""

    name = "lie"

    def __init__(self, **of: Fate) -> None:
        self.of = of
        self.refusal = Refusal.NONE
        self.is_silent = False

    def fate(self, message: Message) -> Fate | None:
        if isinstance(message, OrderEvent):
            return self.of.get(message.execution.name)
        return self.of.get("REPLY") if isinstance(message, Reply) else None

    def refuse(self, request: BrokerRequest) -> Refusal:
        return self.refusal

    def loses_reply(self, request: BrokerRequest) -> bool:
        return self.is_silent


def lying(bench: PortBench, **of: Fate) -> Lie:
    lie = Lie(**of)
    bench.market.boundary.add(lie)
    return lie


def test_what_is_told_twice_is_passed_on_twice(bench: PortBench) -> None:
    lying(bench, TRADE=Fate((0, 0)), NEW=Fate((0, 0)))
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 100)
    heard = bench.heard()
    assert short(heard) == ["E1 100", "E1 100"]
    assert len({m.match_number for m in heard if isinstance(m, OrderExecuted)}) == 1
    assert bench.send(CancelOrder(1, 0)) == []


def test_an_execution_that_is_not_told_is_in_the_next_quantities(bench: PortBench) -> None:
    lie = lying(bench, TRADE=Fate(()))
    bench.send(enter(1))
    bench.market.take(Side.ASK, 10_000, 40)
    assert bench.heard() == []
    bench.market.boundary.remove(lie)
    assert short(bench.send(CancelOrder(1, 0))) == ["C1 60U"]


def test_an_unknown_outcome_is_not_told_and_what_is_known_later_is(bench: PortBench) -> None:
    lying(bench).is_silent = True
    heard = bench.send(enter(1))
    assert not [message for message in heard if isinstance(message, Rejected)]
    assert bench.port.statistics()["unknown"] == 1


def test_refusals_of_an_overloaded_venue_are_told(bench: PortBench) -> None:
    bench.send(enter(1))
    lie = lying(bench)
    lie.refusal = Refusal.OVERLOADED
    assert short(bench.send(enter(2))) == ["J2 0x29"]
    assert short(bench.send(replace(1, 3))) == ["J3 0x29"]
    assert short(bench.send(CancelOrder(1, 0))) == ["I1"]
    lie.refusal = Refusal.NONE
    assert short(bench.send(CancelOrder(1, 0))) == ["C1 100U"]


def test_missed_messages_are_made_up_from_what_the_broker_knows(bench: PortBench) -> None:
    for number in range(1, 6):
        bench.send(enter(number))
    bench.send(replace(4, 6, 80), run=False)
    bench.send(enter(7, "S", price=PRICE + 500), run=False)
    bench.market.take(Side.ASK, 10_000, 130)
    bench.market.withdraw(bench.account, "OU3")
    bench.since = bench.market.told_count
    bench.port.resync(bench.market.broker)
    assert Counter(short(bench.heard())) == Counter(["E1 100", "E2 30", "C3 100U", "U6 80", "A7 100"])
    bench.port.resync(bench.market.broker)
    assert bench.heard() == []
    assert short(bench.send(CancelOrder(2, 0))) == ["C2 70U"]


# -- any requests --------------------------------------------------------------------------------------------


class AnyTrading(RuleBasedStateMachine):
    """Whatever is sent and traded, what the responses add up to is what the broker has."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = PortBench()
        self.number = 0
        self.open: dict[int, int] = {}
        self.executed: Counter[int] = Counter()
        self.trades: set[tuple[int, int]] = set()

    @rule(
        side=st.sampled_from("BS"),
        quantity=st.integers(1, 300),
        ticks=st.integers(-3, 3),
        tif=st.sampled_from("03"),
        options=st.sampled_from([{}, {Tag.POST_ONLY: "P"}, {Tag.AIQ_STRATEGY: "D"}, {Tag.AIQ_STRATEGY: "W"}]),
    )
    def enter(self, side: str, quantity: int, ticks: int, tif: str, options: Options) -> None:
        self.number += 1
        self.send(enter(self.number, side, quantity, PRICE + 100 * ticks, tif, options))

    @rule(back=st.integers(1, 6), quantity=st.integers(0, 300))
    def cancel(self, back: int, quantity: int) -> None:
        self.send(CancelOrder(max(0, self.number - back), quantity))

    @rule(back=st.integers(1, 6), quantity=st.integers(0, 300), side=st.sampled_from("BS"))
    def modify(self, back: int, quantity: int, side: str) -> None:
        self.send(ModifyOrder(max(0, self.number - back), side, quantity))

    @rule(back=st.integers(0, 6), quantity=st.integers(1, 300), ticks=st.integers(-3, 3))
    def replace(self, back: int, quantity: int, ticks: int) -> None:
        original = max(0, self.number - back)
        self.number += 1
        self.send(replace(original, self.number, quantity, PRICE + 100 * ticks))

    @rule(side=st.sampled_from(Side), quantity=st.integers(1, 200), ticks=st.integers(-3, 3))
    def rival_quotes(self, side: Side, quantity: int, ticks: int) -> None:
        self.bench.market.rest(side, 10_000 + ticks, quantity)
        self.take_in()

    @rule(side=st.sampled_from(Side), quantity=st.integers(1, 200))
    def rival_takes(self, side: Side, quantity: int) -> None:
        self.bench.market.take(side, 10_005 if side == Side.BID else 9_995, quantity)
        self.take_in()

    @rule()
    def time_passes(self) -> None:
        self.bench.market.run()
        self.take_in()

    @invariant()
    def responses_add_up_to_what_the_broker_has(self) -> None:
        market = self.bench.market
        market.run()
        self.take_in()
        have = {
            int(order.client_order_id[2:]): order.remaining_lots
            for order in market.broker.open_orders(self.bench.account)
        }
        assert {number: lots for number, lots in self.open.items() if lots} == have
        fills = market.broker.fills(self.bench.account)
        assert sum(self.executed.values()) == sum(fill.qty_lots for fill in fills)

    def send(self, message: OuchMessage) -> None:
        """Without time for it to arrive: requests cross what the market tells."""
        self.bench.send(message, run=False)

    def take_in(self) -> None:
        for message in self.bench.heard():
            if isinstance(message, OrderAccepted | OrderReplaced):
                if isinstance(message, OrderReplaced):
                    del self.open[message.original_user_ref_num]
                assert message.user_ref_num not in self.open
                self.open[message.user_ref_num] = message.quantity
            elif isinstance(message, OrderExecuted):
                trade = (message.user_ref_num, message.match_number)
                assert trade not in self.trades
                self.trades.add(trade)
                self.open[message.user_ref_num] -= message.quantity
                self.executed[message.user_ref_num] += message.quantity
            elif isinstance(message, OrderCanceled | AiqCanceled):
                self.open[message.user_ref_num] -= message.quantity
            elif isinstance(message, OrderModified):
                self.open[message.user_ref_num] = message.quantity - self.before(message.user_ref_num)
            if isinstance(message, OrderExecuted | OrderCanceled):
                assert self.open[message.user_ref_num] >= 0

    def before(self, number: int) -> int:
        """What the order and those that it replaced have executed."""
        tracked_order = self.bench.port._table.by_key[(0, number)]
        return tracked_order.executed_before + self.executed[number]


AnyTrading.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_trading = AnyTrading.TestCase


CORPUS = [
    write(message)
    for message in (
        enter(3),
        enter(4, "S", 50, PRICE + 100, "3", {Tag.MIN_QTY: 50, Tag.AIQ_STRATEGY: "D"}),
        enter(
            5, options={Tag.POST_ONLY: "P", Tag.MAX_FLOOR: 20, Tag.USER_REF_IDX: 1, Tag.EXPIRE_TIME: 40_000}
        ),
        replace(3, 6, 90),
        CancelOrder(3, 10),
        ModifyOrder(3, "B", 20),
        MassCancel(7, "TRAD", "ACME", {Tag.SIDE: "B"}),
        DisableOrderEntry(8, "TRAD"),
        EnableOrderEntry(9, "TRAD"),
        AccountQuery(),
    )
]


@pytest.mark.fuzz
def test_damaged_requests_never_raise_and_stay_bounded() -> None:
    bench = PortBench(Market())
    for number, data in enumerate(mutations(CORPUS, seed=11, count=FUZZ_BUFFERS)):
        bench.port.receive(data, bench.market.session.now_ns)
        if number % 50 == 0:
            bench.market.run()
            bench.heard()  # every response can be read
    assert bench.port.statistics()["orders"] <= tracked.ORDERS_KEPT
