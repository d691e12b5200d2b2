"""The gate in a session: limits of the scenario, switches as inputs, and what is said of them."""

from __future__ import annotations

import pytest

from engine.broker.terms import ListKind, OpenAccount, OrderTerms, OrderType, PlaceList, Refusal
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import ScenarioError, UsageError
from engine.core.rng import Stream
from engine.core.types import ALL_ACCOUNTS, Account, Command, CommandKind, GateAction, StormKind
from engine.gatekeeper import gate_command
from engine.inputs import check_command, storm_command
from engine.market.orders import Reason
from engine.market.risk import AccountLimits
from engine.scenarios.loader import load_scenario, parse_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from tests.broker.bots import Market

DESK, TARGET = int(Account.DESK), int(Account.TARGET)
SUBMIT = Command(kind=CommandKind.SUBMIT, account=DESK, side=0, price_ticks=9_000, qty_lots=5, order_id=1)
KILL_ALL = gate_command(GateAction.KILL, ALL_ACCOUNTS)

pytestmark = pytest.mark.usefixtures("machine_code")


def session_with(risk: str = "", scenario: str = "minimal", seed: int = 9) -> Session:
    text = load_scenario(scenario).toml + risk
    session = Session(SessionConfig(parse_scenario(text, where="test"), seed=seed))
    session.advance(NS_PER_S)
    return session


def put(session: Session, command: Command, **change: int) -> None:
    session.accept(session.stamp(command._replace(**change)))


def wait(session: Session, ns: int = 2 * NS_PER_MS) -> None:
    session.advance(session.now_ns + ns)


def reasons(session: Session, account: int = DESK) -> list[str]:
    return [report.reason for report in session.reports(account, 0)]


def test_a_scenario_gives_desk_target_and_bots_its_limits():
    session = session_with("[risk]\nmax_order_lots = 4\nmax_daily_loss = 1.5\nprice_collar_bps = 30\n")
    limits = session.exchange.gate.limits_of(DESK)
    assert limits == session.exchange.gate.limits_of(TARGET)
    assert limits == AccountLimits(
        orders_per_s=5_000, max_gaps=16, max_order_lots=4, max_loss=150_000_000, collar_ppm=3_000
    )
    put(session, SUBMIT)
    put(session, SUBMIT, order_id=2, qty_lots=4)
    wait(session)
    assert reasons(session) == [Reason.QUANTITY, ""]


def test_a_bot_has_its_limits_from_its_first_order_on():
    market = Market()
    assert market.session.exchange.gate.limits_of(market.bot) == AccountLimits(
        orders_per_s=5_000, max_gaps=16
    )


def test_agents_of_a_group_may_have_limits():
    text = load_scenario("minimal").toml
    first, rest = text.split("[[agents]]", 1)
    kind, tail = rest.split("count = ", 1)
    count, tail = tail.split("\n", 1)
    risk = "risk = { max_position_lots = 1 }\n"
    scenario = parse_scenario(f"{first}[[agents]]{kind}count = {count}\n{risk}{tail}", where="test")
    session = Session(SessionConfig(scenario, seed=3))
    session.advance(5 * NS_PER_S)
    members = range(Account.FIRST_AGENT, Account.FIRST_AGENT + int(count))
    assert all(abs(session.exchange.ledger.position(account)) <= 1 for account in members)
    assert {entry.what for entry in session.gatekeeper.log} == {"trip"}
    assert {entry.reason for entry in session.gatekeeper.log} == {Reason.POSITION}


@pytest.mark.parametrize(
    "risk",
    ["[risk]\nmax_feed_gaps = 65\n", "[risk]\nmax_daily_loss = -1.0\n", "[risk]\nspeed = 3\n",
     "[risk]\nmax_notional = inf\n"],
)  # fmt: skip
def test_limits_that_no_gate_can_hold_are_refused_with_their_name(risk):
    with pytest.raises(ScenarioError, match=r"max_gaps|max_loss|speed|max_notional"):
        session_with(risk)


def test_a_symbol_that_is_not_in_the_list_may_not_be_traded():
    session = session_with('[risk]\nsymbols = ["OTHER"]\n')
    put(session, SUBMIT)
    wait(session)
    assert reasons(session) == [Reason.CLOSED]


def test_a_trip_is_an_alert_a_marker_and_a_row_of_the_log():
    session = session_with("[risk]\nmax_position_lots = 4\n")
    put(session, SUBMIT)
    wait(session)
    (entry,) = session.gatekeeper.log
    assert (entry.account, entry.what, entry.reason) == (DESK, "trip", Reason.POSITION)
    assert [alert.text for alert in session.alerts.alerts()] == ["gate: me latched, position limit"]
    assert [marker.kind for marker in session.markers] == ["gate"]
    put(session, SUBMIT, order_id=2, qty_lots=1)
    wait(session)
    assert len(session.gatekeeper.log) == 1


def test_a_switch_is_an_input_and_takes_effect_at_the_next_instant():
    session = session_with()
    put(session, gate_command(GateAction.KILL, DESK))
    assert not session.gatekeeper.is_killed(DESK)
    session.advance(session.now_ns + 1)
    assert session.gatekeeper.is_killed(DESK)
    put(session, gate_command(GateAction.RESET, DESK))
    session.advance(session.now_ns + 1)
    assert not session.gatekeeper.is_killed(DESK)


def test_a_limit_can_be_set_while_the_session_runs():
    session = session_with()
    put(session, gate_command(GateAction.LIMIT, DESK, limit="max_order_lots", value=4))
    session.advance(session.now_ns + 1)
    put(session, SUBMIT)
    wait(session)
    assert reasons(session) == [Reason.QUANTITY]
    assert session.gatekeeper.log[-1].detail == "max_order_lots = 4"


@pytest.mark.parametrize(
    "command",
    [Command(kind=CommandKind.GATE, flags=9), Command(kind=CommandKind.GATE, flags=4, storm=99),
     Command(kind=CommandKind.GATE, flags=4, storm=0, a=-1)],
)  # fmt: skip
def test_what_no_gate_understands_is_no_input(command):
    with pytest.raises(UsageError):
        check_command(command)


@pytest.mark.parametrize("account", [0, 16, 60_000])
def test_a_switch_for_nobody_is_refused_and_the_session_goes_on(account):
    session = session_with()
    with pytest.raises(UsageError, match="holds nothing against"):
        put(session, gate_command(GateAction.KILL, account))
    wait(session, NS_PER_S)


def test_limits_of_agents_leave_room_for_those_of_bots():
    scenario = load_scenario("minimal")
    group = scenario.groups[0]._replace(members=170, limits=AccountLimits(max_position_lots=1))
    with pytest.raises(ScenarioError, match="170 agents have limits; 169 at the most"):
        Session(SessionConfig(scenario._replace(groups=(group,)), seed=1))


def test_a_kill_takes_a_bots_orders_out_of_book_and_broker():
    market = Market()
    bid = market.bid
    rests = OrderTerms("rests", side=0, type=OrderType.LIMIT, qty_lots=1, price_ticks=bid - 50)
    waits = OrderTerms("waits", side=1, type=OrderType.STOP_LOSS, qty_lots=1, stop_price_ticks=bid - 500)
    assert not market.place(rests).refusal
    assert not market.place(waits).refusal
    session = market.session
    put(session, KILL_ALL)
    market.run(1)
    assert session.broker.open_orders(market.bot) == []
    balances = session.broker.balances(market.bot)
    assert (balances.base_locked_lots, balances.quote_locked_micro) == (0, 0)
    refused = market.place(rests)
    assert (refused.refusal, refused.detail) == (Refusal.GATE, Reason.KILL_SWITCH)


def test_a_kill_of_everybody_stops_the_storms_and_none_starts_until_the_reset():
    session = session_with()
    storm = storm_command(StormRequest(StormKind.CRASH, 0.5, 10))
    put(session, storm)
    wait(session, NS_PER_S)
    put(session, KILL_ALL)
    wait(session)
    assert not session.storms.active
    put(session, storm)
    wait(session)
    assert not session.storms.active
    assert "the kill switch is on" in session.alerts.alerts()[-1].text
    put(session, gate_command(GateAction.RESET, ALL_ACCOUNTS))
    put(session, storm)
    wait(session)
    assert session.storms.active


@pytest.mark.parametrize("seed", range(5))
def test_nothing_from_outside_reaches_the_book_after_the_kill(seed):
    market = Market(seed=seed, bots=3)
    session, rng = market.session, Stream(seed, 77)
    put(session, storm_command(StormRequest(StormKind.PHANTOM, 0.9, 20)))
    killed = False
    outside = [DESK, TARGET, *market.accounts, Account.FIRST_STORM + StormKind.PHANTOM]
    sent = 0
    for step in range(400):
        if step == 200:
            put(session, KILL_ALL)
            session.advance(session.now_ns + 1)
            killed = True
        order_id, account = step + 1, (DESK, TARGET)[rng.below(2)]
        put(session, SUBMIT, order_id=order_id, account=account, side=rng.below(2),
            price_ticks=market.bid + rng.below(200) - 100, qty_lots=1 + rng.below(9))  # fmt: skip
        terms = OrderTerms(f"c{step}", side=rng.below(2), type=OrderType.LIMIT, qty_lots=1 + rng.below(5),
                           price_ticks=market.bid + rng.below(40) - 20)  # fmt: skip
        refusal = market.place(terms, account=market.accounts[rng.below(3)]).refusal
        wait(session, rng.below(20) * NS_PER_MS)
        sent += not refusal
        if killed:
            assert refusal in (Refusal.GATE, Refusal.INSUFFICIENT_BALANCE)
            assert all(session.exchange.open_order_count(account) == 0 for account in outside)
    assert sent > 50
    at_kill = session.exchange.gate.statistics()["refused_kill_switch"]
    assert at_kill >= 200
    session.exchange._check()


def test_a_fork_goes_on_with_limits_latches_and_log():
    session = session_with("[risk]\nmax_position_lots = 4\n")
    put(session, SUBMIT)
    wait(session)
    fork = session.fork()
    assert fork.gatekeeper.log == session.gatekeeper.log
    assert fork.exchange.gate.state(DESK) == session.exchange.gate.state(DESK)
    for one in (session, fork):
        put(one, SUBMIT, order_id=2, qty_lots=1)
        wait(one, NS_PER_S)
    assert reasons(fork)[-1] == Reason.POSITION
    assert fork.event_digest == session.event_digest
    assert len(fork.gatekeeper.log) == 1


def test_a_bot_that_comes_after_a_kill_of_everybody_is_killed_too():
    market = Market(bots=2)
    session = market.session
    put(session, KILL_ALL)
    wait(session)
    late = max(market.accounts) + 1
    market.ask(OpenAccount(late, market.number(), "late"))
    market.accounts.append(late)
    terms = OrderTerms("first", side=0, type=OrderType.LIMIT, qty_lots=1, price_ticks=market.bid - 9)
    refused = market.place(terms, account=late)
    assert (refused.refusal, refused.detail) == (Refusal.GATE, Reason.KILL_SWITCH)
    put(session, gate_command(GateAction.RESET, ALL_ACCOUNTS))
    wait(session)
    assert not market.place(terms, account=late).refusal


def test_a_stop_or_a_list_of_a_latched_account_is_refused_at_the_door():
    market = Market()
    session, bid = market.session, market.bid
    put(session, gate_command(GateAction.KILL, market.bot))
    wait(session)
    stop = OrderTerms("stop", side=1, type=OrderType.STOP_LOSS, qty_lots=1, stop_price_ticks=bid - 500)
    refused = market.place(stop)
    assert (refused.refusal, refused.detail) == (Refusal.GATE, Reason.KILL_SWITCH)
    legs = (
        OrderTerms("up", side=1, type=OrderType.LIMIT_MAKER, qty_lots=1, price_ticks=bid + 500),
        OrderTerms("down", side=1, type=OrderType.STOP_LOSS, qty_lots=1, stop_price_ticks=bid - 500),
    )
    refused = market.reply(PlaceList(market.bot, market.number(), ListKind.OCO, "list", legs))
    assert (refused.refusal, refused.detail) == (Refusal.GATE, Reason.KILL_SWITCH)
    assert session.broker.open_orders(market.bot) == []
    assert session.exchange.gate.statistics()["refused_kill_switch"] == 2
