"""The gap tracker: whatever a network does to packets, a prefix of the session comes out, in order, once."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.core.errors import DataError, FeedGap
from engine.feeds.transport.gaps import Gap, GapLimits, SessionChange
from engine.feeds.transport.moldudp64 import Packet, Request
from engine.feeds.transport.sequencer import Sequencer
from tests.feeds.transport.wire import OTHER, SESSION, end, heartbeat, message, numbers, packet

WIDE = GapLimits(patience_packets=1 << 30, ask_after_packets=1, ask_again_packets=2)


def take_all(sequencer: Sequencer, packets: list[Packet]) -> list[int]:
    return [number for taken in packets for number in numbers(sequencer.take(taken))]


def assert_nothing_is_unaccounted_for(sequencer: Sequencer) -> None:
    counts = sequencer.statistics()
    assert counts["received"] == (
        counts["delivered"] + counts["duplicate"] + counts["waiting"] + counts["dropped"]
    )
    assert counts["waiting"] <= counts["waiting_limit"]
    assert counts["waiting_bytes"] <= counts["waiting_bytes_limit"]


def test_packets_in_order_go_on_at_once() -> None:
    sequencer = Sequencer()
    assert take_all(sequencer, [packet(1, 3), packet(4, 1), heartbeat(5), packet(5, 2)]) == [1, 2, 3, 4, 5, 6]
    assert sequencer.expected == 7
    assert sequencer.session == SESSION
    assert sequencer.missing is None


def test_a_packet_ahead_of_its_turn_waits_for_the_ones_before() -> None:
    sequencer = Sequencer()
    assert take_all(sequencer, [packet(5, 2), packet(3, 2)]) == []
    assert sequencer.missing == (1, 3)
    assert take_all(sequencer, [packet(1, 2)]) == [1, 2, 3, 4, 5, 6]
    assert sequencer.missing is None
    assert sequencer.waiting_packets == 0


def test_repeated_and_overlapping_messages_go_on_once() -> None:
    sequencer = Sequencer()
    assert take_all(sequencer, [packet(1, 4), packet(1, 4), packet(3, 4), packet(2, 1)]) == [1, 2, 3, 4, 5, 6]
    assert sequencer.statistics()["duplicate"] == 4 + 2 + 1
    assert take_all(sequencer, [packet(9, 2), packet(9, 1), packet(9, 3), packet(10, 1), packet(7, 3)]) == [
        *range(7, 12)
    ]
    assert_nothing_is_unaccounted_for(sequencer)


def test_a_heartbeat_shows_a_hole_at_the_end_of_the_stream() -> None:
    sequencer = Sequencer(limits=GapLimits(patience_packets=3))
    take_all(sequencer, [packet(1, 2), heartbeat(3)])
    assert sequencer.missing is None
    take_all(sequencer, [heartbeat(6)])
    assert sequencer.missing == (3, 6)
    assert take_all(sequencer, [packet(3, 3)]) == [3, 4, 5]


def test_a_hole_that_stays_halts_at_the_same_packet_always() -> None:
    for _ in range(2):
        sequencer = Sequencer(where="line A", limits=GapLimits(patience_packets=3))
        take_all(sequencer, [packet(1, 2), packet(5, 1), packet(6, 1), packet(7, 1)])
        with pytest.raises(FeedGap, match="line A: session 'STORM00042'") as raised:
            sequencer.take(packet(8, 1))
        assert (raised.value.expected, raised.value.got) == (3, 5)
        assert sequencer.gap == Gap(SESSION, 3, 5, 4, 0)
        assert sequencer.is_halted


def test_behind_a_halt_nothing_comes_out_any_more() -> None:
    sequencer = Sequencer(limits=GapLimits(patience_packets=1))
    take_all(sequencer, [packet(2, 1)])
    for late in (packet(3, 1), packet(1, 1), heartbeat(4)):
        with pytest.raises(FeedGap):
            sequencer.take(late)
    with pytest.raises(FeedGap):
        sequencer.tick()
    with pytest.raises(FeedGap):
        sequencer.finish()
    assert sequencer.expected == 1


@pytest.mark.parametrize("limits", [GapLimits(waiting_messages=5), GapLimits(waiting_bytes=14)])
def test_a_full_reorder_buffer_halts(limits: GapLimits) -> None:
    sequencer = Sequencer(limits=limits)
    take_all(sequencer, [packet(2, 2)])
    with pytest.raises(FeedGap):
        take_all(sequencer, [packet(4, 4)])
    assert sequencer.statistics()["dropped"] == 4
    assert sequencer.gap == Gap(SESSION, 1, 2, 2, 0)
    assert_nothing_is_unaccounted_for(sequencer)


def test_a_packet_too_large_for_the_buffer_is_what_came_behind_the_hole() -> None:
    sequencer = Sequencer(limits=GapLimits(waiting_messages=3))
    with pytest.raises(FeedGap) as raised:
        sequencer.take(packet(5, 4))
    assert (raised.value.expected, raised.value.got) == (1, 5)


def test_who_only_counts_can_go_on_behind_a_hole() -> None:
    sequencer = Sequencer(limits=GapLimits(patience_packets=1))
    take_all(sequencer, [packet(1, 1), packet(3, 1)])
    with pytest.raises(FeedGap):
        sequencer.take(packet(6, 1))
    assert numbers(sequencer.resume()) == [3]
    assert sequencer.missing == (4, 6)
    assert take_all(sequencer, [packet(4, 2)]) == [4, 5, 6]
    assert sequencer.statistics()["skipped"] == 1
    assert_nothing_is_unaccounted_for(sequencer)


def test_the_end_of_a_file_with_an_open_hole_is_a_gap() -> None:
    sequencer = Sequencer()
    take_all(sequencer, [packet(1, 1)])
    sequencer.finish()
    take_all(sequencer, [packet(3, 1)])
    with pytest.raises(FeedGap) as raised:
        sequencer.finish()
    assert (raised.value.expected, raised.value.got) == (2, 3)


def test_without_a_start_the_first_packet_seen_begins() -> None:
    sequencer = Sequencer(start=None)
    assert take_all(sequencer, [packet(100, 2), packet(98, 2), packet(102, 1)]) == [100, 101, 102]
    quiet = Sequencer(start=None)
    assert take_all(quiet, [heartbeat(50), packet(50, 1)]) == [50]


def test_a_session_can_be_resumed_in_the_middle() -> None:
    sequencer = Sequencer(session=SESSION, start=500)
    assert take_all(sequencer, [packet(498, 3), packet(501, 1)]) == [500, 501]


def test_the_session_has_ended_when_all_of_it_was_handed_on() -> None:
    sequencer = Sequencer()
    take_all(sequencer, [packet(1, 1), end(4)])
    assert not sequencer.is_ended
    assert take_all(sequencer, [packet(2, 2)]) == [2, 3]
    assert sequencer.is_ended
    sequencer.finish()


def test_an_end_that_was_none_loses_nothing() -> None:
    sequencer = Sequencer()
    assert take_all(sequencer, [packet(1, 1), end(2), packet(2, 1)]) == [1, 2]
    assert not sequencer.is_ended


def test_the_next_session_is_followed_once_this_one_has_ended() -> None:
    sequencer = Sequencer(start=None)
    assert take_all(sequencer, [packet(7, 1), end(8), packet(1, 2, OTHER)]) == [7, 1, 2]
    assert sequencer.session == OTHER
    assert sequencer.session_change == SessionChange(SESSION, OTHER, 8, 1)
    assert sequencer.statistics()["session_changes"] == 1


def test_of_the_next_session_nothing_may_be_missed() -> None:
    sequencer = Sequencer(start=None, limits=GapLimits(patience_packets=1))
    take_all(sequencer, [packet(7, 1), end(8), packet(3, 2, OTHER)])
    with pytest.raises(FeedGap) as raised:
        take_all(sequencer, [packet(5, 2, OTHER)])
    assert (raised.value.expected, raised.value.got) == (1, 3)


def test_single_packets_of_another_session_are_reported_and_not_used() -> None:
    sequencer = Sequencer(session=SESSION, limits=GapLimits(patience_packets=2))
    for _ in range(5):
        assert take_all(sequencer, [packet(40, 1, OTHER)]) == []
        number = sequencer.expected
        assert take_all(sequencer, [packet(number, 1)]) == [number]
    assert sequencer.session_change == SessionChange(SESSION, OTHER, 5, 40)
    assert sequencer.statistics()["other_session"] == 5


def test_another_session_that_stays_halts_with_a_report() -> None:
    sequencer = Sequencer(limits=GapLimits(patience_packets=3))
    take_all(sequencer, [packet(1, 1), packet(1, 1, OTHER), packet(2, 1, OTHER)])
    for late in (packet(3, 1, OTHER), packet(2, 1)):
        with pytest.raises(DataError, match="session 'STORM00043' instead, the next message due was 2"):
            sequencer.take(late)
    assert sequencer.is_halted


def test_what_is_missing_is_asked_for_and_then_the_rest() -> None:
    asked: list[Request] = []
    sequencer = Sequencer(limits=WIDE, request=asked.append)
    take_all(sequencer, [packet(1, 1), packet(10, 1)])
    assert asked == []  # it may be overtaking
    take_all(sequencer, [packet(11, 1)])
    assert asked == [Request(SESSION, 2, 8)]
    assert take_all(sequencer, [packet(2, 3)]) == [2, 3, 4]
    assert asked[1:] == [Request(SESSION, 5, 5)]
    assert take_all(sequencer, [packet(5, 5)]) == [5, 6, 7, 8, 9, 10, 11]
    assert len(asked) == 2


def test_requests_are_repeated_and_then_given_up() -> None:
    asked: list[Request] = []
    limits = GapLimits(ask_after_packets=1, ask_again_packets=2, attempts=3)
    sequencer = Sequencer(limits=limits, request=asked.append)
    take_all(sequencer, [packet(2, 1), *[heartbeat(3)] * 6])
    assert asked == [Request(SESSION, 1, 1)] * 3
    with pytest.raises(FeedGap):
        take_all(sequencer, [heartbeat(3)])
    assert sequencer.gap == Gap(SESSION, 1, 2, 1, 3)


def test_with_requests_a_full_buffer_is_no_loss() -> None:
    asked: list[Request] = []
    limits = GapLimits(waiting_messages=4, ask_after_packets=1, ask_again_packets=10)
    sequencer = Sequencer(limits=limits, request=asked.append)
    take_all(sequencer, [packet(5, 4), packet(9, 4), packet(13, 4)])
    assert sequencer.statistics()["dropped"] == 8
    assert take_all(sequencer, [packet(1, 4)]) == [*range(1, 9)]
    assert asked == [Request(SESSION, 1, 4), Request(SESSION, 9, 8)]
    assert take_all(sequencer, [packet(9, 8)]) == [*range(9, 17)]
    assert_nothing_is_unaccounted_for(sequencer)


def test_a_request_asks_for_no_more_than_the_protocol_can_say() -> None:
    asked: list[Request] = []
    sequencer = Sequencer(limits=WIDE, request=asked.append)
    take_all(sequencer, [heartbeat(1 << 40), heartbeat(1 << 40)])
    assert asked == [Request(SESSION, 1, 0xFFFE)]


def test_requests_for_one_hole_are_limited_in_all() -> None:
    asked: list[Request] = []
    limits = GapLimits(ask_after_packets=1, requests=5, requests_ahead=1)
    sequencer = Sequencer(limits=limits, request=asked.append)
    take_all(sequencer, [heartbeat(1 << 40), heartbeat(1 << 40)])
    taken = []
    while len(asked) < 5:
        request = asked[-1]
        taken += take_all(sequencer, [packet(request.sequence, min(40, request.message_count))])
    taken += take_all(sequencer, [packet(asked[-1].sequence, 20)])
    with pytest.raises(FeedGap):
        sequencer.take(heartbeat(1 << 40))
    assert len(asked) == 5
    assert taken == [*range(1, 1 + 40 + 4 * 20)]


def test_once_a_packet_has_shown_its_size_several_requests_are_under_way() -> None:
    asked: list[Request] = []
    sequencer = Sequencer(limits=GapLimits(ask_after_packets=1, requests_ahead=3), request=asked.append)
    take_all(sequencer, [packet(201, 1), heartbeat(202)])
    assert asked == [Request(SESSION, 1, 200)]
    take_all(sequencer, [packet(1, 80)])
    assert asked[1:] == [Request(SESSION, 81, 40), Request(SESSION, 121, 40), Request(SESSION, 161, 40)]
    take_all(sequencer, [packet(121, 40), packet(81, 40)])
    assert len(asked) == 4
    assert take_all(sequencer, [packet(161, 40)]) == [*range(161, 202)]
    assert len(asked) == 4


def test_an_answer_that_is_shorter_than_its_request_leaves_nothing_out() -> None:
    asked: list[Request] = []
    limits = GapLimits(ask_after_packets=1, ask_again_packets=4, requests_ahead=2)
    sequencer = Sequencer(limits=limits, request=asked.append)
    take_all(sequencer, [packet(101, 1), heartbeat(102), packet(1, 40)])
    assert asked[1:] == [Request(SESSION, 41, 20), Request(SESSION, 61, 20)]
    take_all(sequencer, [packet(41, 15), packet(61, 20)])  # 56 to 60 did not fit
    assert asked[3:] == [Request(SESSION, 81, 20)]
    take_all(sequencer, [packet(81, 20), *[heartbeat(102)] * 2])
    assert asked[4:] == [Request(SESSION, 56, 5)]
    assert take_all(sequencer, [packet(56, 5)]) == [*range(56, 102)]
    assert len(asked) == 5


class Clock:
    """A clock that stands until it is told to go."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def test_by_the_clock_a_quiet_feed_halts_too() -> None:
    clock = Clock()
    sequencer = Sequencer(limits=GapLimits(patience_ns=100), clock=clock)
    sequencer.tick()
    take_all(sequencer, [packet(2, 1)])
    clock.now_ns = 99
    sequencer.tick()
    clock.now_ns = 100
    with pytest.raises(FeedGap):
        sequencer.tick()


def test_by_the_clock_requests_are_sent_and_repeated() -> None:
    clock = Clock()
    asked: list[Request] = []
    limits = GapLimits(ask_after_ns=10, ask_again_ns=50, attempts=2)
    sequencer = Sequencer(limits=limits, clock=clock, request=asked.append)
    take_all(sequencer, [packet(2, 1)])
    for clock.now_ns in (0, 9, 10, 59, 60):
        sequencer.tick()
    assert len(asked) == 2
    clock.now_ns = 110
    with pytest.raises(FeedGap):
        sequencer.tick()


def test_by_the_clock_progress_starts_the_wait_anew() -> None:
    clock = Clock()
    sequencer = Sequencer(limits=GapLimits(patience_ns=100), clock=clock)
    take_all(sequencer, [packet(4, 1), packet(2, 1)])
    clock.now_ns = 90
    assert take_all(sequencer, [packet(1, 1)]) == [1, 2]
    clock.now_ns = 180
    sequencer.tick()
    clock.now_ns = 190
    with pytest.raises(FeedGap):
        sequencer.tick()


PACKETS = st.lists(st.integers(1, 6), min_size=1, max_size=25).map(
    lambda sizes: [packet(1 + sum(sizes[:index]), size) for index, size in enumerate(sizes)]
)


@given(packets=PACKETS, data=st.data())
def test_any_permutation_with_repetitions_comes_out_whole(packets: list[Packet], data: st.DataObject) -> None:
    arrivals = data.draw(
        st.permutations(packets + data.draw(st.lists(st.sampled_from(packets), max_size=10)))
    )
    sequencer = Sequencer(limits=WIDE)
    taken = take_all(sequencer, arrivals)
    assert taken == [*range(1, packets[-1].end)]
    sequencer.finish()
    assert_nothing_is_unaccounted_for(sequencer)


@given(packets=PACKETS, data=st.data(), patience=st.integers(1, 8), room=st.integers(1, 20))
def test_any_loss_leaves_a_prefix(
    packets: list[Packet], data: st.DataObject, patience: int, room: int
) -> None:
    arrivals = data.draw(st.lists(st.sampled_from(packets), max_size=40))
    sequencer = Sequencer(limits=GapLimits(patience_packets=patience, waiting_messages=room))
    taken: list[int] = []
    with contextlib.suppress(FeedGap):
        for arrival in arrivals:
            taken += numbers(sequencer.take(arrival))
    if sequencer.gap is not None:
        assert sequencer.gap.expected == len(taken) + 1 < sequencer.gap.got
    assert taken == [*range(1, len(taken) + 1)]
    assert_nothing_is_unaccounted_for(sequencer)


class LossyNetwork(RuleBasedStateMachine):
    """A sender, a network that loses, doubles and reorders, a second packing of the same messages (the B
    line), and a re-request server: all messages get through, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.on_the_way: list[Packet] = []
        self.taken: list[int] = []
        self.clock = Clock()
        self.requests: list[Request] = []
        limits = GapLimits(
            waiting_messages=12, ask_after_packets=1, ask_again_packets=3, ask_again_ns=10, attempts=1 << 20
        )
        self.sequencer = Sequencer(limits=limits, request=self.requests.append, clock=self.clock)

    @rule(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
    def send(self, sizes: list[int]) -> None:
        for size in sizes:
            self.on_the_way.append(packet(self.sent + 1, size))
            self.sent += size

    @rule(data=st.data())
    @precondition(lambda self: self.sent > 0)
    def send_on_the_other_line(self, data: st.DataObject) -> None:
        first = data.draw(st.integers(1, self.sent))
        self.on_the_way.append(packet(first, data.draw(st.integers(1, min(5, self.sent - first + 1)))))

    @rule()
    def beat(self) -> None:
        self.on_the_way.append(heartbeat(self.sent + 1))

    @rule(data=st.data(), keep=st.booleans())
    @precondition(lambda self: self.on_the_way)
    def arrive(self, data: st.DataObject, keep: bool) -> None:
        index = data.draw(st.integers(0, len(self.on_the_way) - 1))
        arrival = self.on_the_way[index] if keep else self.on_the_way.pop(index)
        self.taken += numbers(self.sequencer.take(arrival))

    @rule(data=st.data())
    @precondition(lambda self: self.on_the_way)
    def lose(self, data: st.DataObject) -> None:
        self.on_the_way.pop(data.draw(st.integers(0, len(self.on_the_way) - 1)))

    @rule(most=st.integers(1, 6))
    @precondition(lambda self: self.requests)
    def answer(self, most: int) -> None:
        request = self.requests.pop()
        assert request.sequence + request.message_count <= self.sent + 1
        count = min(most, request.message_count, self.sent - request.sequence + 1)
        self.on_the_way.append(packet(request.sequence, count))

    @rule(passed_ns=st.integers(0, 30))
    def wait(self, passed_ns: int) -> None:
        self.clock.now_ns += passed_ns
        self.sequencer.tick()

    @invariant()
    def it_is_a_prefix_in_order_and_all_is_accounted_for(self) -> None:
        assert self.taken == [*range(1, len(self.taken) + 1)]
        assert len(self.taken) <= self.sent
        assert_nothing_is_unaccounted_for(self.sequencer)

    def teardown(self) -> None:
        """Once the network behaves, everything that was sent arrives."""
        self.on_the_way.clear()
        for _ in range(4 * self.sent + 4):
            self.taken += numbers(self.sequencer.take(heartbeat(self.sent + 1)))
            self.clock.now_ns += 20
            self.sequencer.tick()
            while self.requests:
                request = self.requests.pop()
                count = min(3, request.message_count, self.sent - request.sequence + 1)
                self.taken += numbers(self.sequencer.take(packet(request.sequence, count)))
        assert self.taken == [*range(1, self.sent + 1)]


LossyNetwork.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLossyNetwork = LossyNetwork.TestCase


def test_messages_of_the_tests_differ() -> None:
    assert len({message(number) for number in range(1, 500)}) == 499
