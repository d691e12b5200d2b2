"""Faults of the venue: what bots are told, beside what was true."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from engine.broker import boundary as boundary_module
from engine.broker.boundary import Fate, Fault, PublicFate
from engine.broker.public_feed import HELD_LIMIT, PublicFeed
from engine.broker.terms import (
    BrokerRequest,
    CancelAllOrders,
    CancelOrder,
    Execution,
    Message,
    OpenAccount,
    OrderEvent,
    OrderStatus,
    PlaceOrder,
    Refusal,
    Reply,
    Told,
)
from engine.core.clock import NS_PER_S
from engine.core.errors import StormError
from engine.core.rng import Stream
from engine.core.types import Command, CommandKind, FaultKind, Side, StormKind
from engine.inputs import check_command, storm_command, storm_request
from engine.recording.recompute import replay_inputs
from engine.recording.rows import storm_row
from engine.storms import CATALOGUE, FAULTS, StormRequest, entry_of, kind_of, parse_storm
from tests.broker.bots import MS, Market, limit, random_requests

KINDS = list(FaultKind)
EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=[kind.name.lower() for kind in KINDS])
DURATION_S = 5.0
REFUSED_BY = {
    FaultKind.REJECT: {Refusal.OVERLOADED, Refusal.REJECTED},
    FaultKind.TIMEOUT: {Refusal.TIMEOUT_UNKNOWN},
    FaultKind.LIMIT: {Refusal.RATE_LIMITED, Refusal.BANNED},
    FaultKind.HALT: {Refusal.MARKET_CLOSED},
    FaultKind.DOWN: {Refusal.DISCONNECTED},
}


class Run(NamedTuple):
    """A market with two bots whose requests do not depend on what they are told."""

    scene: Market
    told: list[Told]
    lines: list[dict[str, Any]]
    """Of venue.jsonl."""
    commands: list[Command]


def scene_of(seed: int = 3) -> tuple[Market, list[dict[str, Any]], list[Command]]:
    scene = Market(seed=seed, bots=2)
    lines: list[dict[str, Any]] = []
    commands: list[Command] = []
    scene.session.broker.boundary.on_line = lambda line: lines.append(json.loads(line))
    accept = scene.session.accept

    def keep(command: Command) -> None:
        commands.append(command)
        accept(command)

    scene.session.accept = keep  # type: ignore[method-assign]
    return scene, lines, commands


def fire(scene: Market, kind: FaultKind, severity: float, *, seed: int = 0) -> None:
    request = StormRequest(kind, severity, DURATION_S, seed)
    scene.session.accept(scene.session.stamp(storm_command(request)))
    scene.run(0.001)  # it starts a nanosecond later


def trade(scene: Market, serials: range, *, step_ms: float = 20.0) -> None:
    """Both bots buy and sell a lot or two across the spread, and cancel what is left of it."""
    for serial in serials:
        account, side = scene.accounts[serial % 2], Side((serial >> 1) & 1)
        price = 11_000 if side == Side.BID else 9_000
        away = 9_900 if side == Side.BID else 10_100
        price = away if serial % 3 == 0 else price
        scene.ask(PlaceOrder(account, scene.number(), limit(f"t{serial}", side, price, 1 + serial % 2)))
        if serial % 6 == 5:
            scene.ask(CancelAllOrders(account, scene.number()))
        scene.run(step_ms)


def run(kind: FaultKind | None, severity: float = 0.0, *, seed: int = 0, until_ms: float = 8_000) -> Run:
    scene, lines, commands = scene_of()
    end_ns = scene.session.now_ns + int(until_ms * MS)
    if kind is not None:
        fire(scene, kind, severity, seed=seed)
    else:
        scene.run(0.001)
    trade(scene, range(200))
    scene.session.advance(end_ns)
    return Run(scene, list(scene.session.broker.boundary.told(0)), lines, commands)


def replies(one: Run) -> dict[int, tuple[Told, Reply]]:
    return {
        told.message.request_id: (told, told.message) for told in one.told if isinstance(told.message, Reply)
    }


def effect(kind: FaultKind, one: Run) -> float:
    """How much of what a fault does is in a run."""
    boundary = one.scene.session.broker.boundary
    events = [told for told in one.told if isinstance(told.message, OrderEvent)]
    if kind in REFUSED_BY:
        return sum(reply.refusal in REFUSED_BY[kind] for _, reply in replies(one).values())
    if kind in (FaultKind.LATENCY, FaultKind.SLOWACK):
        return sum(told.told_ns - told.happened_ns for told in one.told)
    if kind == FaultKind.GHOST:
        return sum(line["told_ns"] is None for line in one.lines)
    if kind == FaultKind.ECHO:
        return len(events) - len({(told.happened_ns, told.message) for told in events})
    if kind == FaultKind.REORDER:
        return sum(b.happened_ns < a.happened_ns for a, b in zip(one.told, one.told[1:], strict=False))
    if kind == FaultKind.DISCONNECT:
        return boundary.connections_lost
    raise AssertionError(kind)


PRIVATE = [
    kind
    for kind in KINDS
    if kind not in (FaultKind.STALE, FaultKind.GAP, FaultKind.DUPLICATE, FaultKind.SKEW)
]
"""Faults whose effect is in what was told."""
DRAWING = [
    FaultKind.LATENCY,
    FaultKind.REORDER,
    FaultKind.GHOST,
    FaultKind.ECHO,
    FaultKind.REJECT,
    FaultKind.TIMEOUT,
    FaultKind.LIMIT,
    FaultKind.HALT,
    FaultKind.DOWN,
]
"""Those whose draws decide what is told; DISCONNECT's decide when."""


@pytest.fixture(scope="module")
def calm() -> Run:
    return run(None)


def digests(one: Run) -> tuple[int, int]:
    return one.scene.session.event_digest, one.scene.session.told_digest


# -- severity ------------------------------------------------------------------------------------------


@EVERY_KIND
@pytest.mark.parametrize("severity", [0.0, 0.0000004])
def test_severity_nought_changes_neither_events_nor_what_is_told(kind, severity, calm):
    one = run(kind, severity)
    assert digests(one) == digests(calm)
    assert [(row.kind, row.cause) for row in one.scene.session.storms.log] == [
        (kind, "start"),
        (kind, "expired"),
    ]
    assert one.scene.session.broker.boundary.connections_lost == 0


@pytest.mark.parametrize("kind", PRIVATE, ids=[kind.name.lower() for kind in PRIVATE])
def test_the_effect_of_a_fault_grows_with_its_severity(kind, calm):
    effects = [effect(kind, calm), effect(kind, run(kind, 0.3)), effect(kind, run(kind, 1.0))]
    assert effects[0] == 0
    assert 0 < effects[1] < effects[2]


@EVERY_KIND
def test_money_is_conserved_and_nothing_of_the_fault_is_left_after_it(kind):
    one = run(kind, 1.0)
    session = one.scene.session
    session.exchange._check()
    boundary = session.broker.boundary
    assert not session.storms.active
    assert not boundary.faults
    assert (boundary.is_down, boundary.is_stale, boundary.is_banned, boundary.market_open) == (0, 0, 0, 1)
    assert (boundary.clock_skew_ms, boundary.read_delay_ns, boundary.limited_until_ns) == (0, 0, 0)
    assert boundary.statistics()["late"] == 0
    for account in session.broker.accounts():
        balances, entry = account.balances, session.exchange.ledger.entry(account.number)
        assert balances.base_lots == account.start_base_lots + entry.position_lots
        assert balances.quote_micro == account.start_quote_micro + entry.cash
    answer = one.scene.place(limit("after", Side.BID, 9_000, 1))
    assert answer.refusal == Refusal.NONE


@EVERY_KIND
def test_a_stopped_fault_leaves_nothing_in_force_and_late_messages_are_still_told(kind):
    scene, lines, _ = scene_of()
    fire(scene, kind, 1.0)
    trade(scene, range(30))
    stop = Command(kind=CommandKind.STORM_STOP, storm=kind)
    check_command(stop)
    scene.session.accept(scene.session.stamp(stop))
    scene.run(0.001)
    boundary = scene.session.broker.boundary
    assert not boundary.faults
    assert (boundary.is_down, boundary.is_stale, boundary.limited_until_ns, boundary.market_open) == (
        0,
        0,
        0,
        1,
    )
    scene.run(6_000)
    assert boundary.statistics()["late"] == 0
    assert len([line for line in lines if line["told_ns"] is not None]) == boundary.told_count - 4
    assert [row.cause for row in scene.session.storms.log] == ["start", "stopped"]


# -- what was told, and what was true ------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FaultKind.GHOST, FaultKind.ECHO, FaultKind.REORDER, FaultKind.SLOWACK])
def test_faults_of_messages_change_what_is_told_and_nothing_that_is_true(kind, calm):
    one = run(kind, 1.0)
    assert one.scene.session.event_digest == calm.scene.session.event_digest
    assert one.scene.session.told_digest != calm.scene.session.told_digest
    for account in one.scene.accounts:
        assert one.scene.session.broker.orders(account) == calm.scene.session.broker.orders(account)
        assert one.scene.session.broker.fills(account) == calm.scene.session.broker.fills(account)


def test_ghosts_are_written_down_as_not_told(calm):
    one = run(FaultKind.GHOST, 1.0)
    lost = [line for line in one.lines if line["told_ns"] is None]
    assert {line["kind"] for line in lost} == {"OrderEvent"}
    assert {line["fault"] for line in lost} == {"fault.ghost"}
    assert {line["seq"] for line in lost} == {0}
    assert one.scene.session.broker.boundary.lost_count == len(lost)
    assert not [told for told in one.told if isinstance(told.message, OrderEvent) and told.fault]
    fills = sum(len(one.scene.session.broker.fills(account)) for account in one.scene.accounts)
    assert sum(line["message"][0] == Execution.TRADE for line in lost) == fills > 20
    others = [told.message for told in calm.told if not isinstance(told.message, OrderEvent)]
    assert [told.message for told in one.told if not isinstance(told.message, OrderEvent)] == others


def test_all_lines_without_their_fates_are_the_same_with_ghosts_or_without(calm):
    def truth(lines):
        return [{key: line[key] for key in ("account", "happened_ns", "kind", "message")} for line in lines]

    assert truth(run(FaultKind.GHOST, 0.3).lines) == truth(calm.lines)


def test_a_slow_line_keeps_everything_in_order_there_and_back():
    one = run(FaultKind.LATENCY, 0.5)
    for account in one.scene.accounts:
        own = [told for told in one.told if told.account == account]
        assert [told.happened_ns for told in own] == sorted(told.happened_ns for told in own)
        numbers = [told.message.request_id for told in own if isinstance(told.message, Reply)]
        assert numbers == sorted(numbers)
    late = [told.told_ns - told.happened_ns for told in one.told if told.fault]
    assert min(late) >= 0.75 * NS_PER_S
    assert max(late) <= 1.25 * NS_PER_S


def test_slow_acknowledgements_come_after_the_fill(calm):
    one = run(FaultKind.SLOWACK, 0.3)
    traded = next(
        told
        for told in one.told
        if isinstance(told.message, OrderEvent) and told.message.execution == Execution.TRADE
    )
    answer = next(
        told
        for told, reply in replies(one).values()
        if traded.message.order.order_id in [o.order_id for o in reply.orders]
    )
    assert answer.happened_ns == traded.happened_ns == traded.told_ns
    assert answer.told_ns - answer.happened_ns == 0.6 * NS_PER_S


def test_unknown_executions_are_carried_out_or_not():
    one = run(FaultKind.TIMEOUT, 1.0)
    broker = one.scene.session.broker
    known = {order.client_order_id for account in one.scene.accounts for order in broker.orders(account)}
    answers = [
        (told, reply) for told, reply in replies(one).values() if reply.refusal == Refusal.TIMEOUT_UNKNOWN
    ]
    assert all(told.told_ns - told.happened_ns == NS_PER_S and not reply.orders for told, reply in answers)
    assert 60 < len(known) < 140
    told = {t.message.order.client_order_id for t in one.told if isinstance(t.message, OrderEvent)}
    assert told == known, "order events are told as ever"


def test_rejected_orders_can_still_be_cancelled():
    scene = Market(bots=1)
    rests = scene.place(limit("rests", Side.BID, scene.bid - 50, 1))
    fire(scene, FaultKind.REJECT, 1.0)
    refusals = {scene.place(limit(f"no{n}", Side.BID, scene.bid - 50, 1)).refusal for n in range(20)}
    assert refusals == {Refusal.OVERLOADED, Refusal.REJECTED}
    cancel = CancelOrder(scene.bot, scene.number(), order_id=rests.orders[0].order_id)
    assert scene.reply(cancel).orders[0].status == OrderStatus.CANCELED


def test_a_halt_takes_no_order_lets_open_ones_be_and_resumes():
    scene = Market(bots=1)
    rests = scene.place(limit("rests", Side.BID, scene.bid - 500, 1)).orders[0]
    fire(scene, FaultKind.HALT, 0.3)
    assert not scene.session.broker.market_open
    assert scene.place(limit("no", Side.BID, scene.bid - 500, 1)).refusal == Refusal.MARKET_CLOSED
    assert scene.session.broker.order(scene.bot, rests.order_id).status == OrderStatus.NEW
    scene.run(3_100)
    assert scene.session.broker.market_open
    assert scene.place(limit("yes", Side.BID, scene.bid - 500, 1)).refusal == Refusal.NONE


@pytest.mark.parametrize(("severity", "refusal"), [(0.5, Refusal.RATE_LIMITED), (0.8, Refusal.BANNED)])
def test_limits_come_in_bursts_and_become_bans_when_severe(severity, refusal):
    scene = Market(bots=1)
    fire(scene, FaultKind.LIMIT, severity)
    boundary = scene.session.broker.boundary
    seen = set()
    for _ in range(48):
        limited = boundary.limited_until_ns > scene.session.now_ns
        assert limited == bool(boundary.limited_until_ns)
        assert boundary.is_banned == (limited and refusal == Refusal.BANNED)
        answer = scene.reply(CancelAllOrders(scene.bot, scene.number()))
        seen.add((limited, answer.refusal))
        scene.run(99)
    assert {(True, refusal), (False, Refusal.UNKNOWN_ORDER)} <= seen
    assert len(seen) <= 4, "an edge may lie within the millisecond of an answer"


def test_an_outage_cuts_connections_and_refuses_what_is_under_way():
    scene = Market(bots=1)
    rests = scene.place(limit("rests", Side.BID, scene.bid - 500, 1)).orders[0]
    fire(scene, FaultKind.DOWN, 1.0)
    boundary = scene.session.broker.boundary
    assert boundary.is_down
    assert boundary.connections_lost == 1
    assert scene.reply(CancelAllOrders(scene.bot, scene.number())).refusal == Refusal.DISCONNECTED
    assert boundary.told(0)[-1].fault == "fault.down"
    assert scene.session.broker.order(scene.bot, rests.order_id).status == OrderStatus.NEW
    scene.run(5_000)
    assert not boundary.is_down
    assert scene.reply(CancelAllOrders(scene.bot, scene.number())).refusal == Refusal.NONE


def test_no_fault_keeps_an_account_from_being_opened():
    scene = Market(bots=1)
    for kind in KINDS:
        fire(scene, kind, 1.0)
    scene.ask(OpenAccount(scene.bot + 1, scene.number(), "late"))
    scene.run(8_000)
    assert scene.session.broker.balances(scene.bot + 1) is not None


@pytest.mark.parametrize(("severity", "skew_ms"), [(0.3, 3_000), (1.0, 10_000)])
def test_a_skewed_clock_is_ahead_or_behind_by_its_seed(severity, skew_ms):
    skews = set()
    for seed in range(8):
        scene = Market(bots=1)
        fire(scene, FaultKind.SKEW, severity, seed=seed)
        skews.add(scene.session.broker.boundary.clock_skew_ms)
        assert scene.session.fork().broker.boundary.clock_skew_ms in skews
    assert skews == {skew_ms, -skew_ms}


def test_reads_are_late_by_both_ways_of_a_slow_line():
    scene = Market(bots=1)
    fire(scene, FaultKind.LATENCY, 0.3)
    fire(scene, FaultKind.SLOWACK, 0.5)
    assert scene.session.broker.boundary.read_delay_ns == 2.2 * NS_PER_S
    assert scene.session.fork().broker.boundary.read_delay_ns == 2.2 * NS_PER_S


def test_two_faults_at_once_both_act_on_a_message():
    scene, lines, _ = scene_of()
    fire(scene, FaultKind.LATENCY, 0.5)
    fire(scene, FaultKind.ECHO, 1.0)
    scene.ask(PlaceOrder(scene.bot, scene.number(), limit("a", Side.BID, 9_000, 1)))
    scene.run(4_000)
    events = [line for line in lines if line["kind"] == "OrderEvent"]
    assert [line["fault"] for line in events] == ["fault.latency+fault.echo"] * 2
    assert all(line["told_ns"] - line["happened_ns"] >= 0.75 * NS_PER_S for line in events)


class _Half(Fault):
    """Delays every other message, out of order."""

    name = "half"

    def __init__(self) -> None:
        self.count = 0

    def fate(self, message: Message) -> Fate | None:
        self.count += 1
        return Fate((5 * MS,)) if self.count % 2 else None

    def delay_ns(self, request: BrokerRequest) -> int:
        self.count += 1
        return 5 * MS if self.count % 2 else 0


def test_what_is_not_delayed_waits_for_what_is_on_the_same_connection():
    scene, lines, _ = scene_of()
    fault = _Half()
    scene.session.broker.boundary.add(fault)
    trade(scene, range(40), step_ms=0.4)
    scene.session.broker.boundary.remove(fault)
    trade(scene, range(40, 60), step_ms=0.4)
    scene.run(50)
    for account in scene.accounts:
        own = [line for line in lines if line["account"] == account]
        assert [line["happened_ns"] for line in own] == sorted(line["happened_ns"] for line in own)
        numbers = [line["message"][0] for line in own if line["kind"] == "Reply"]
        assert numbers == sorted(numbers)
    assert not scene.session.broker.boundary.state()["queues"]


def test_what_is_too_much_to_be_under_way_is_lost_and_counted(monkeypatch):
    monkeypatch.setattr(boundary_module, "LATE_LIMIT", 3)
    scene, lines, _ = scene_of()
    fire(scene, FaultKind.LATENCY, 1.0)
    trade(scene, range(150))
    boundary = scene.session.broker.boundary
    assert boundary.statistics()["late"] == 3
    assert boundary.lost_count == len([line for line in lines if line["told_ns"] is None]) > 0


def test_connections_are_cut_at_the_instants_of_its_seed():
    def cuts(seed: int) -> list[int]:
        scene = Market(bots=0, warm_up_ns=MS)
        fire(scene, FaultKind.DISCONNECT, 1.0, seed=seed)
        counts = []
        for _ in range(50):
            scene.run(100)
            counts.append(scene.session.broker.boundary.connections_lost)
        return counts

    assert cuts(1) == cuts(1) != cuts(2)
    assert cuts(1)[0] >= 1


# -- public data ---------------------------------------------------------------------------------------


class _Numbered(NamedTuple):
    number: int


def public(kind: FaultKind, severity: float, *, seed: int = 0, count: int = 4_000) -> list[PublicFate]:
    scene = Market(bots=0, warm_up_ns=MS)
    fire(scene, kind, severity, seed=seed)
    return [scene.session.broker.boundary.public_fate(number) for number in range(count)]


@pytest.mark.parametrize(
    ("kind", "fate", "most"),
    [
        (FaultKind.GAP, PublicFate.DROP, 0.5),
        (FaultKind.DUPLICATE, PublicFate.REPEAT, 1.0),
        (FaultKind.REORDER, PublicFate.SWAP, 0.5),
    ],
)
def test_the_fate_of_public_updates_follows_from_their_numbers(kind, fate, most):
    mild, severe = public(kind, 0.3), public(kind, 1.0)
    assert mild == public(kind, 0.3)
    assert mild != public(kind, 0.3, seed=1)
    for fates, severity in ((mild, 0.3), (severe, 1.0)):
        assert set(fates) <= {fate, PublicFate.TELL}
        assert fates.count(fate) / len(fates) == pytest.approx(most * severity, abs=0.06)
    assert all(b == fate for a, b in zip(mild, severe, strict=True) if a == fate), (
        "the severe hits what the mild hits"
    )
    assert public(kind, 0.0) == [PublicFate.TELL] * 4_000


@pytest.mark.parametrize("kind", [FaultKind.GAP, FaultKind.DUPLICATE, FaultKind.REORDER])
def test_a_public_feed_is_the_same_however_it_is_sliced(kind):
    scene = Market(bots=0, warm_up_ns=MS)
    fire(scene, kind, 0.6)
    updates = [_Numbered(number) for number in range(1, 500)]
    feeds = []
    for step in (1, 7, 499):
        feed: PublicFeed[_Numbered] = PublicFeed(scene.session.broker.boundary)
        feeds.append([one for at in range(0, 499, step) for one in feed(updates[at : at + step])])
    assert feeds[0] == feeds[1] == feeds[2] != updates
    if kind == FaultKind.REORDER:
        assert sorted(feeds[0]) in (updates, updates[:-1])
    if kind == FaultKind.DUPLICATE:
        assert sorted(set(feeds[0])) == updates


def test_a_feed_that_stands_still_catches_up_and_forgets_what_is_too_much():
    scene = Market(bots=0, warm_up_ns=MS)
    feed: PublicFeed[_Numbered] = PublicFeed(scene.session.broker.boundary)
    assert feed([_Numbered(1)]) == [_Numbered(1)]
    fire(scene, FaultKind.STALE, 0.3)
    assert scene.session.broker.boundary.is_stale
    assert scene.session.fork().broker.boundary.is_stale
    assert feed([_Numbered(2), _Numbered(3)]) == []
    scene.run(1_600)
    assert not scene.session.broker.boundary.is_stale
    assert feed([_Numbered(4)]) == [_Numbered(2), _Numbered(3), _Numbered(4)]
    scene.run(3_600)
    fire(scene, FaultKind.STALE, 1.0)
    assert feed([_Numbered(number) for number in range(HELD_LIMIT + 5)]) == []
    assert (feed.statistics()["held"], feed.statistics()["lost"]) == (HELD_LIMIT, 5)
    scene.run(5_000)
    assert feed([])[0] == _Numbered(5)


# -- futures and replays -------------------------------------------------------------------------------


@EVERY_KIND
def test_a_fork_in_the_middle_of_a_fault_tells_what_the_original_tells(kind):
    scene, _, _ = scene_of()
    fire(scene, kind, 0.6)
    draw = Stream(6, 99)
    for serial in range(150):
        for request in random_requests(scene, draw, scene.accounts[serial % 2], serial):
            scene.ask(request)
        scene.run(8)
    fork = scene.session.fork()
    assert fork.storms.state() == scene.session.storms.state()
    other = Market(bots=0, warm_up_ns=MS)
    other.session, other.accounts, other._numbers = fork, scene.accounts, scene._numbers
    for one in (scene, other):
        trade(one, range(1_000, 1_150))
        one.run(8_000)
    assert fork.told_digest == scene.session.told_digest
    assert fork.event_digest == scene.session.event_digest
    assert fork.broker.state() == scene.session.broker.state()
    assert fork.storms.state() == scene.session.storms.state()


@EVERY_KIND
def test_its_inputs_alone_tell_everything_again(kind):
    scene, lines, commands = scene_of()
    fire(scene, kind, 0.6, seed=9)
    trade(scene, range(60))
    scene.run(7_000)
    opened = Market(seed=3, bots=2)
    told: list[dict[str, Any]] = []
    opened.session.broker.boundary.on_line = lambda line: told.append(json.loads(line))
    replay_inputs(opened.session, commands, scene.session.now_ns)
    assert opened.session.told_digest == scene.session.told_digest
    assert opened.session.event_digest == scene.session.event_digest
    assert told == lines
    assert opened.session.storms.log == scene.session.storms.log


@pytest.mark.parametrize("kind", DRAWING, ids=[kind.name.lower() for kind in DRAWING])
def test_its_seed_decides_what_it_does(kind):
    assert (
        run(kind, 0.5, seed=1).scene.session.told_digest != run(kind, 0.5, seed=2).scene.session.told_digest
    )


# -- requests and rows ---------------------------------------------------------------------------------


@EVERY_KIND
def test_a_fault_is_written_fired_and_journaled_like_a_storm(kind):
    name = f"fault.{kind.name.lower()}"
    request = parse_storm(f"{name}@20s:0.3x15s")
    assert request == StormRequest(kind, 0.3, 15.0, 0, 20 * NS_PER_S)
    command = Command.unpack(storm_command(request).pack())
    check_command(command)
    assert storm_request(command) == request._replace(start_ns=0)
    entry = entry_of(kind)
    assert (entry, entry.name) == (FAULTS[kind], name)
    scene = Market(bots=0, warm_up_ns=MS)
    fire(scene, kind, 0.3)
    scene.run(1_000)
    assert scene.session.tick_row()["storm_kind"] == entry.label
    row = storm_row(scene.session.storms.log[0])
    assert (row["type"], row["kind"], row["duration_ms"]) == ("storm_start", entry.label, 5_000)
    assert any(marker.label.startswith(name) for marker in scene.session.market_view().markers)


@pytest.mark.parametrize(
    "text",
    ["fault.tornado@1s:1x5s", "latency@1s:1x5s", "fault.crash@1s:1x5s", "fault.@1s:1x5s", "fault@1s:1x5s"],
)
def test_a_fault_that_does_not_exist_is_refused_with_words(text):
    with pytest.raises(StormError, match="storm"):
        parse_storm(text)


@pytest.mark.parametrize("number", [-1, 0, max(StormKind) + 1, 63, 79, 255])
def test_a_number_that_names_nothing_is_refused(number):
    with pytest.raises(StormError):
        kind_of(number)


def test_the_catalogue_names_every_fault_once():
    assert sorted(FAULTS) == KINDS == list(range(64, 79))
    for kind, entry in FAULTS.items():
        assert entry.fault.kind is kind
        assert entry.fault.__doc__.startswith(f"{kind.name}: ")
        assert entry.effect
    labels = [entry.label for entry in (*CATALOGUE.values(), *FAULTS.values())]
    assert len(set(labels)) == len(StormKind) + len(FaultKind)


def test_faults_and_storms_run_side_by_side_and_stop_together():
    scene = Market(bots=1)
    for kind in (*StormKind, *FaultKind):
        scene.session.accept(scene.session.stamp(storm_command(StormRequest(kind, 0.5, DURATION_S))))
    scene.run(2_000)
    assert len(scene.session.storms.active) == len(StormKind) + 15
    assert len(scene.session.broker.boundary.faults) == 15
    scene.session.accept(scene.session.stamp(Command(kind=CommandKind.STORM_STOP)))
    scene.run(1)
    assert not scene.session.storms.active
    assert not scene.session.broker.boundary.faults
    scene.session.exchange._check()
