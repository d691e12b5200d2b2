"""Real sockets on loopback: publishers and receivers of both protocols, together and against bytes by hand.

Nothing here sleeps: whoever waits, waits for an event, with a patience that no test needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import DataError, FeedGap, UsageError
from engine.feeds.transport import soup_receiver
from engine.feeds.transport.addresses import (
    PASSWORD_VARIABLE,
    Address,
    GapPolicy,
    MoldAddress,
    PublishAddress,
    SoupAddress,
)
from engine.feeds.transport.damage import DamageReason
from engine.feeds.transport.gaps import GapLimits
from engine.feeds.transport.inbox import Inbox
from engine.feeds.transport.live import LiveFeed
from engine.feeds.transport.mold_receiver import MoldReceiver
from engine.feeds.transport.moldudp64 import (
    Packet,
    Request,
    frame_messages,
    pack_end_of_session,
    pack_request,
    read_packet,
)
from engine.feeds.transport.publisher import MoldPublisher
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soup_client import ClientEvent, SoupClient
from engine.feeds.transport.soup_listen import MAX_CLIENTS, SoupPublisher
from engine.feeds.transport.soup_receiver import SoupReceiver
from engine.feeds.transport.soupbintcp import LoginAccepted, pack_login_accepted, pack_soup
from tests.feeds.transport.wire import OTHER, SESSION, message, messages, numbers, packet_bytes

PATIENCE_S = 60.0
LOOPBACK = "127.0.0.1"
SHORT_LINGER_NS = 1_000_000


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def drain_until(feed: LiveFeed, is_enough: Callable[[list[int]], bool]) -> list[int]:
    """The messages that come until there are enough, or the feed is over."""
    taken: list[int] = []
    while not is_enough(taken):
        assert feed.wait(PATIENCE_S), feed.statistics()
        is_last = feed.is_over
        taken += numbers(feed.drain())
        if is_last:
            break
    return taken


def never(_: list[int]) -> bool:
    return False


@contextlib.contextmanager
def running(feed: LiveFeed) -> Iterator[LiveFeed]:
    feed.start()
    try:
        yield feed
    finally:
        feed.stop()


@contextlib.contextmanager
def publishing(
    port: int, log: RetainedMessages | None = None, linger_ns: int = SHORT_LINGER_NS
) -> Iterator[MoldPublisher]:
    publisher = MoldPublisher(
        PublishAddress(Address(LOOPBACK, port)), session="STORM00042", log=log, linger_ns=linger_ns
    )
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.close()


@contextlib.contextmanager
def sender_to(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((LOOPBACK, port))
        yield sender


def mold(port: int, rerequest: Address | None = None, start: int | None = 1) -> MoldAddress:
    gap = GapPolicy.HALT if rerequest is None else GapPolicy.REREQUEST
    return MoldAddress(Address(LOOPBACK, port), rerequest=rerequest, gap=gap, start=start)


def test_what_is_published_is_received_whole_and_in_order() -> None:
    port = free_port()
    with publishing(port, linger_ns=10_000_000_000) as publisher:
        with running(LiveFeed(mold(port, publisher.request_address))) as feed:
            for content in messages(1, 2_000):
                assert publisher.publish(content)
            assert publisher.publish_blocks(frame_messages(messages(2_001, 3_000)), 3_000)
            assert drain_until(feed, lambda taken: len(taken) == 5_000) == [*range(1, 5_001)]
            publisher.log.close()
            assert drain_until(feed, never) == []
            assert feed.error is None
            assert feed.statistics()["delivered"] == 5_000
        publisher._linger_ns = 0
    assert publisher.statistics()["messages"] == 5_000
    assert publisher.error is None


def test_a_late_receiver_asks_for_everything_from_the_first_message_on() -> None:
    port = free_port()
    with publishing(port) as publisher:
        for content in messages(1, 3_000):
            publisher.publish(content)
        while publisher.statistics()["behind_messages"]:
            pass
        with running(LiveFeed(mold(port, publisher.request_address))) as feed:
            publisher.publish(message(3_001))
            assert drain_until(feed, lambda taken: len(taken) >= 3_001) == [*range(1, 3_002)]
            assert feed.statistics()["requests"] > 1
        assert publisher.statistics()["resent_messages"] >= 2_990


def test_without_a_re_request_server_a_receiver_begins_with_what_comes() -> None:
    port = free_port()
    with running(LiveFeed(mold(port, start=None))) as feed, sender_to(port) as sender:
        sender.send(packet_bytes(900, 2))
        sender.send(packet_bytes(902, 2))
        sender.send(pack_end_of_session(SESSION, 904))
        assert drain_until(feed, never) == [900, 901, 902, 903]
        assert feed.error is None


def test_a_hole_halts_the_feed_with_a_report() -> None:
    port = free_port()
    with (
        running(LiveFeed(mold(port), limits=GapLimits(patience_packets=2))) as feed,
        sender_to(port) as sender,
    ):
        for first in (1, 3, 4, 5):
            sender.send(packet_bytes(first, 1))
        assert drain_until(feed, never) == [1]
        assert isinstance(feed.error, FeedGap)
        assert (feed.error.expected, feed.error.got) == (2, 3)


def test_a_hole_in_a_feed_that_falls_silent_halts_by_the_clock() -> None:
    port = free_port()
    with (
        running(LiveFeed(mold(port), limits=GapLimits(patience_ns=1_000))) as feed,
        sender_to(port) as sender,
    ):
        sender.send(packet_bytes(2, 1))
        assert drain_until(feed, never) == []
        assert isinstance(feed.error, FeedGap)


def test_a_re_request_server_that_does_not_answer_is_asked_so_often_and_no_more() -> None:
    port = free_port()
    limits = GapLimits(ask_after_ns=1, ask_again_ns=1, attempts=3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOOPBACK, 0))
        server.settimeout(PATIENCE_S)
        address = mold(port, Address(*server.getsockname()))
        with running(LiveFeed(address, limits=limits)) as feed, sender_to(port) as sender:
            sender.send(packet_bytes(5, 1))
            requests = [server.recvfrom(100)[0] for _ in range(3)]
            assert requests == [pack_request(Request(SESSION, 1, 4))] * 3
            assert drain_until(feed, never) == []
            assert isinstance(feed.error, FeedGap)


def test_damage_and_other_sessions_are_counted_and_do_no_harm() -> None:
    port = free_port()
    with running(LiveFeed(mold(port))) as feed, sender_to(port) as sender:
        for data in (packet_bytes(1, 1), b"", b"noise", packet_bytes(9, 2, OTHER), packet_bytes(2, 3)[:-1]):
            sender.send(data)
        sender.send(packet_bytes(2, 1))
        sender.send(pack_end_of_session(SESSION, 3))
        assert drain_until(feed, never) == [1, 2]
        counts = feed.statistics()
        assert counts["other_session"] == 1
        assert counts[DamageReason.HEADER_CUT_OFF] == 2
        assert counts[DamageReason.BLOCKS_CUT_OFF] == 1
        assert counts["datagrams"] == 7


async def test_what_has_no_room_is_dropped_where_the_loss_shows() -> None:
    arrived = asyncio.Event()
    inbox = Inbox(limit=3, on_arrival=arrived.set)
    receiver = MoldReceiver(mold(free_port()), inbox, limits=GapLimits(patience_packets=2))
    for first in range(1, 7):
        receiver.take(packet_bytes(first, 1))
    assert arrived.is_set()
    assert receiver.statistics()["dropped_no_room"] == 3
    assert numbers(inbox.drain()) == [1, 2, 3]
    for first in range(7, 10):
        receiver.take(packet_bytes(first, 1))
    assert isinstance(inbox.error, FeedGap)
    assert (inbox.error.expected, inbox.error.got) == (4, 7)
    receiver.take(packet_bytes(4, 1))
    assert inbox.drain() == []


async def test_an_end_that_comes_while_the_inbox_is_full_is_not_forgotten() -> None:
    inbox = Inbox(limit=2)
    receiver = MoldReceiver(mold(free_port()), inbox, limits=GapLimits(patience_ns=1))
    task = asyncio.create_task(receiver.run())
    async with asyncio.timeout(PATIENCE_S):
        await receiver.is_ready.wait()
        for first in (1, 2, 3):
            receiver.take(packet_bytes(first, 1))
        receiver.take(pack_end_of_session(SESSION, 4))
        assert not inbox.is_over
        assert numbers(inbox.drain()) == [1, 2]
        await task
    assert isinstance(inbox.error, FeedGap)
    assert (inbox.error.expected, inbox.error.got) == (3, 4)


async def test_packets_behind_a_hole_leave_room_for_the_one_that_closes_it() -> None:
    inbox = Inbox(limit=4)
    receiver = MoldReceiver(mold(free_port()), inbox)
    for first in (2, 3, 4, 5, 6):
        receiver.take(packet_bytes(first, 1))
    assert receiver.sequencer.waiting_packets == 3
    assert receiver.statistics()["dropped_no_room"] == 2
    receiver.take(packet_bytes(1, 1))
    assert numbers(inbox.drain()) == [1, 2, 3, 4]


@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([packet_bytes(1, 2), packet_bytes(4, 1)]), max_size=20)
)
def test_any_datagrams_are_messages_in_sequence_or_counted(datagrams: list[bytes]) -> None:
    inbox = Inbox(limit=4)
    receiver = MoldReceiver(mold(9), inbox, limits=GapLimits(patience_packets=3))
    for data in datagrams:
        receiver.take(data)
    expected = 1
    for packet in inbox.drain():
        assert packet.sequence == expected
        expected = packet.end
    assert receiver.statistics()["datagrams"] == len(datagrams)


async def test_a_receiver_runs_in_a_loop_that_is_there() -> None:
    arrived = asyncio.Event()
    inbox = Inbox(on_arrival=arrived.set)
    receiver = MoldReceiver(mold(free_port()), inbox)
    task = asyncio.create_task(receiver.run())
    async with asyncio.timeout(PATIENCE_S):
        await receiver.is_ready.wait()
        assert receiver.local_address is not None
        with sender_to(receiver.local_address.port) as sender:
            sender.send(packet_bytes(1, 3))
            await arrived.wait()
            assert numbers(inbox.drain()) == [1, 2, 3]
            sender.send(pack_end_of_session(SESSION, 4))
            await task
    assert inbox.is_over
    assert inbox.error is None


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        with running(LiveFeed(mold(port))) as feed:
            assert drain_until(feed, never) == []
            assert isinstance(feed.error, UsageError)
            assert f"cannot listen on 127.0.0.1:{port}" in str(feed.error)
        address = PublishAddress(Address(LOOPBACK, 9), requests=Address(LOOPBACK, port))
        publisher = MoldPublisher(address, session="STORM00042")
        with pytest.raises(UsageError, match="cannot publish from"):
            publisher.start()
        publisher.close()


def test_addresses_beyond_this_machine_need_permission() -> None:
    far = Address("10.1.2.3", 5)
    with pytest.raises(UsageError, match="--allow-remote"):
        LiveFeed(MoldAddress(far))
    with pytest.raises(UsageError, match="--allow-remote"):
        LiveFeed(mold(5, far))
    with pytest.raises(UsageError, match="--allow-remote"):
        SoupReceiver(SoupAddress(far, "trader"), "pw", Inbox())
    with pytest.raises(UsageError, match="--publish-anywhere"):
        MoldPublisher(PublishAddress(far), session="STORM00042")
    with pytest.raises(UsageError, match="--publish-anywhere"):
        MoldPublisher(PublishAddress(Address(LOOPBACK, 5), requests=far), session="STORM00042")
    with pytest.raises(UsageError, match="--publish-anywhere"):
        SoupPublisher(far, session="DAY1", accounts={}, log=RetainedMessages())


def test_a_request_is_answered_to_where_it_came_from() -> None:
    with publishing(free_port()) as publisher, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        publisher.publish_blocks(frame_messages(messages(1, 100)), 100)
        while publisher.statistics()["behind_messages"]:
            pass
        assert publisher.request_address is not None
        asker.settimeout(PATIENCE_S)
        asker.connect(publisher.request_address)
        asker.send(b"noise")
        asker.send(pack_request(Request(OTHER, 1, 1)))
        asker.send(pack_request(Request(SESSION, 98, 50)))
        answer = read_packet(asker.recv(2_000))
        assert isinstance(answer, Packet)
        assert numbers([answer]) == [98, 99, 100]


def test_answers_are_limited_so_that_nobody_is_flooded() -> None:
    publisher = MoldPublisher(
        PublishAddress(Address(LOOPBACK, free_port())), session="STORM00042", linger_ns=0, answers_per_s=400
    )
    publisher.start()
    publisher.publish(message(1))
    while publisher.statistics()["behind_messages"]:
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        assert publisher.request_address is not None
        asker.settimeout(PATIENCE_S)
        asker.connect(publisher.request_address)
        for _ in range(10):
            asker.send(pack_request(Request(SESSION, 1, 1)))
        for _ in range(10):  # late, but all of them
            assert asker.recv(2_000) == packet_bytes(1, 1)
    assert publisher.statistics()["answer_pauses"] >= 4
    publisher.close()


def test_a_stream_that_nobody_hears_goes_out_all_the_same() -> None:
    with publishing(free_port()) as publisher:
        publisher.publish_blocks(frame_messages(messages(1, 5_000)), 5_000)
    assert publisher.statistics()["messages"] == 5_000
    assert publisher.statistics()["ends"] >= 1
    assert not publisher.publish(b"late")


def test_a_publisher_that_never_started_can_be_closed() -> None:
    publisher = MoldPublisher(PublishAddress(Address(LOOPBACK, 9)), session="STORM00042")
    publisher.publish(b"x")
    publisher.close()


def test_the_engine_side_never_waits_for_a_network_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every send is refused for lack of room until the engine has appended all: nothing is lost."""
    may_send = threading.Event()
    send = MoldPublisher._send

    def refuse(self: MoldPublisher, sender: socket.socket, packet: bytes, to: tuple[str, int]) -> bool:
        return may_send.is_set() and send(self, sender, packet, to)

    monkeypatch.setattr(MoldPublisher, "_send", refuse)
    log = RetainedMessages(memory_bytes=20_000, spill_bytes=1 << 24, segment_bytes=2_000)
    port = free_port()
    with publishing(port, log, linger_ns=10_000_000_000) as publisher:
        for content in messages(1, 20_000):
            publisher.publish(content)
        assert publisher.statistics()["messages"] < 1_000
        assert publisher.statistics()["log_waits"] == 0
        assert publisher.statistics()["log_spilled_bytes"] > 0
        with running(LiveFeed(mold(port, publisher.request_address))) as feed:
            may_send.set()
            assert drain_until(feed, lambda taken: len(taken) >= 20_000) == [*range(1, 20_001)]
        publisher._linger_ns = 0


# -- SoupBinTCP ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(log: RetainedMessages) -> Iterator[SoupPublisher]:
    publisher = SoupPublisher(Address(LOOPBACK, 0), session="DAY1", accounts={"trader": "secret"}, log=log)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.close()


def soup_feed(address: Address | None, monkeypatch: pytest.MonkeyPatch, password: str = "secret") -> LiveFeed:
    assert address is not None
    monkeypatch.setenv(PASSWORD_VARIABLE, password)
    return LiveFeed(SoupAddress(address, "trader"))


def test_a_soup_session_is_served_to_several_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    log = RetainedMessages()
    log.append_blocks(frame_messages(messages(1, 20_000)), 20_000)
    with serving(log) as publisher, contextlib.ExitStack() as stack:
        feeds = [stack.enter_context(running(soup_feed(publisher.address, monkeypatch))) for _ in range(3)]
        for feed in feeds:
            assert drain_until(feed, lambda taken: len(taken) == 20_000) == [*range(1, 20_001)]
        for content in messages(20_001, 50):
            log.append(content)
        log.close()
        for feed in feeds:
            assert drain_until(feed, never) == [*range(20_001, 20_051)]
            assert feed.error is None
            assert feed.is_over
    assert publisher.statistics()["logins"] == 3


def test_a_wrong_password_ends_a_soup_feed_and_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(RetainedMessages()) as publisher:
        with running(soup_feed(publisher.address, monkeypatch, "hunter2")) as feed:
            assert drain_until(feed, never) == []
            assert isinstance(feed.error, UsageError)
            assert "user or password is wrong" in str(feed.error)
            assert "hunter2" not in str(feed.error) + str(feed.statistics())
        assert publisher.statistics()["refused"] == 1


def test_a_soup_feed_without_a_password_says_which_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(UsageError, match=PASSWORD_VARIABLE):
        LiveFeed(SoupAddress(Address(LOOPBACK, 5), "trader"))


class Script:
    """A server that answers each connection with the next of these bytes and closes it."""

    def __init__(self, *answers: bytes) -> None:
        self.logins: list[bytes] = []
        self._answers = answers
        self._listener = socket.create_server((LOOPBACK, 0))
        self.address = Address(*self._listener.getsockname())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._listener:
            for answer in self._answers:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):  # the client may have enough before the end
                    self.logins.append(connection.recv(100)[3:])
                    connection.sendall(answer)


def sequenced(first: int, count: int) -> bytes:
    return b"".join(pack_soup(b"S", content) for content in messages(first, count))


def accepted(sequence: int, session: str = "DAY1") -> bytes:
    return pack_login_accepted(LoginAccepted(session, sequence))


async def received(script: Script) -> tuple[list[int], Inbox]:
    inbox = Inbox()
    receiver = SoupReceiver(SoupAddress(script.address, "trader"), "secret", inbox, backoff_s=0.001)
    async with asyncio.timeout(PATIENCE_S):
        await receiver.run()
    return numbers(inbox.drain()), inbox


async def test_a_lost_soup_connection_is_resumed_at_the_message_due() -> None:
    script = Script(
        accepted(1) + sequenced(1, 10) + sequenced(11, 1)[:-1],
        b"",
        accepted(11)[:9],
        accepted(11) + sequenced(11, 5) + pack_soup(b"Z"),
    )
    taken, inbox = await received(script)
    assert taken == [*range(1, 16)]
    assert inbox.error is None
    assert [login[16:].split() for login in script.logins] == [
        [b"1"],
        [b"DAY1", b"11"],
        [b"DAY1", b"11"],
        [b"DAY1", b"11"],
    ]


async def test_a_soup_server_that_lost_messages_is_a_gap() -> None:
    taken, inbox = await received(Script(accepted(1) + sequenced(1, 3), accepted(9) + sequenced(9, 3)))
    assert taken == [1, 2, 3]
    assert isinstance(inbox.error, FeedGap)
    assert (inbox.error.expected, inbox.error.got) == (4, 9)


async def test_another_soup_session_than_before_ends_the_feed() -> None:
    taken, inbox = await received(
        Script(accepted(1) + sequenced(1, 3), accepted(1, "DAY2") + sequenced(1, 3))
    )
    assert taken == [1, 2, 3]
    assert isinstance(inbox.error, DataError)
    assert "another session" in str(inbox.error)


async def test_a_server_that_is_not_there_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soup_receiver, "RECONNECTS", 2)
    inbox = Inbox()
    address = Address(LOOPBACK, free_port(socket.SOCK_STREAM))
    receiver = SoupReceiver(SoupAddress(address, "trader"), "secret", inbox, backoff_s=0.001)
    async with asyncio.timeout(PATIENCE_S):
        await receiver.run()
    assert isinstance(inbox.error, DataError)
    assert "given up after 3 tries" in str(inbox.error)
    assert receiver.statistics()["connect_errors"] == 3


async def test_a_soup_consumer_that_does_not_drain_holds_the_server_back() -> None:
    log = RetainedMessages()
    log.append_blocks(frame_messages(messages(1, 60_000)), 60_000)
    publisher = SoupPublisher(Address(LOOPBACK, 0), session="DAY1", accounts={"trader": "secret"}, log=log)
    publisher.start()
    assert publisher.address is not None
    arrived = asyncio.Event()
    inbox = Inbox(limit=2, on_arrival=arrived.set)
    receiver = SoupReceiver(SoupAddress(publisher.address, "trader"), "secret", inbox)
    task = asyncio.create_task(receiver.run())
    taken: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while receiver.statistics()["waits_for_room"] < 3:
            await asyncio.sleep(0)
        while len(taken) < 60_000:
            await arrived.wait()
            arrived.clear()
            taken += numbers(inbox.drain())
    assert taken == [*range(1, 60_001)]
    log.close()
    async with asyncio.timeout(PATIENCE_S):
        await task
    assert inbox.error is None
    publisher.close()


async def test_a_soup_server_is_not_silent_while_nobody_listens_to_it() -> None:
    minutes_ns = iter(range(0, 1 << 60, 60_000_000_000))
    script = Script(accepted(1) + b"".join(sequenced(first, 500) for first in range(1, 100_000, 500)))
    arrived = asyncio.Event()
    inbox = Inbox(limit=1, on_arrival=arrived.set)
    address = SoupAddress(script.address, "trader")
    receiver = SoupReceiver(address, "secret", inbox, clock=lambda: next(minutes_ns), backoff_s=0.001)
    receiver.client.tick = lambda now_ns: tick(now_ns)  # type: ignore[method-assign]
    lost: list[object] = []

    def tick(now_ns: int) -> list[ClientEvent]:
        events = SoupClient.tick(receiver.client, now_ns)
        if inbox.room == 0:
            lost.extend(events)
        return []

    task = asyncio.create_task(receiver.run())
    async with asyncio.timeout(PATIENCE_S):
        while receiver.statistics()["waits_for_room"] < 5:
            await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert lost == []
    assert "stopped before its session had ended" in str(inbox.error)


def test_more_clients_than_allowed_are_turned_away() -> None:
    with serving(RetainedMessages()) as publisher, contextlib.ExitStack() as stack:
        assert publisher.address is not None
        for _ in range(MAX_CLIENTS):
            stack.enter_context(socket.create_connection(publisher.address))
        while publisher.statistics()["clients"] < MAX_CLIENTS:
            pass
        with socket.create_connection(publisher.address) as late:
            late.settimeout(PATIENCE_S)
            assert late.recv(10) == b""
        assert publisher.statistics()["too_many"] == 1
