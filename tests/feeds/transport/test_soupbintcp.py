"""SoupBinTCP: the packets, both state machines, and the two of them over connections that break."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.feeds.transport import soupbintcp as soup
from engine.feeds.transport.damage import DamageCounts, DamageReason
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soup_client import (
    ClientEvent,
    ClientState,
    ConnectionLost,
    DebugText,
    LoggedIn,
    LoginRefused,
    SequencedMessage,
    SessionEnded,
    SoupClient,
    SoupGap,
    UnsequencedMessage,
)
from engine.feeds.transport.soup_server import (
    OUTGOING_BYTES,
    ClientMessage,
    LoggedOut,
    ServerState,
    SoupServer,
    UserLoggedIn,
    one_log_for,
)
from engine.feeds.transport.soupbintcp import LoginAccepted, LoginRequest, SoupFramer, SoupPacket, pack_soup
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations, truncations
from tests.feeds.transport.wire import message, messages

ACCOUNTS = {"trader": "secret"}
ACCEPTED = soup.pack_login_accepted(LoginAccepted("DAY1", 1))


def log_of(count: int) -> RetainedMessages:
    log = RetainedMessages()
    for content in messages(1, count):
        log.append(content)
    return log


def server_of(log: RetainedMessages, now_ns: int = 0) -> SoupServer:
    return SoupServer(one_log_for(ACCOUNTS, log), session="DAY1", now_ns=now_ns)


def logged_in(client: SoupClient, answer: bytes = ACCEPTED) -> SoupClient:
    client.connected(0)
    client.outgoing()
    client.receive(answer, 0)
    assert client.state is ClientState.LOGGED_IN
    return client


def request_bytes(**changes: object) -> bytes:
    wanted = LoginRequest("trader", "secret", "", 1)._replace(**changes)  # type: ignore[arg-type]
    return soup.pack_login_request(wanted)


def test_a_login_is_filled_up_as_the_protocol_says() -> None:
    data = soup.pack_login_request(LoginRequest("bob", "pw", "DAY1", 42))
    assert data == b"\x00\x2fL" + b"bob   " + b"pw        " + b"      DAY1" + b"                  42"
    assert soup.read_login_request(data[3:]) == LoginRequest("bob", "pw", "DAY1", 42)
    later = soup.pack_login_request(LoginRequest("bob", "pw", "", 0, 1_000))
    assert later == b"\x00\x34L" + b"bob   " + b"pw        " + b" " * 10 + b" " * 19 + b"0" + b" 1000"
    assert soup.read_login_request(later[3:]) == LoginRequest("bob", "pw", "", 0, 1_000)
    assert soup.read_login_request(later[3:-5] + b"  x  ") == LoginRequest("bob", "pw", "", 0, None)


def test_an_accepted_login_names_session_and_sequence() -> None:
    assert ACCEPTED == b"\x00\x1fA" + b"      DAY1" + b"                   1"
    assert soup.read_login_accepted(ACCEPTED[3:]) == LoginAccepted("DAY1", 1)
    assert soup.read_login_accepted(b"DAY1\0\0\0\0\0\0" + b"7".ljust(20)) == LoginAccepted("DAY1", 7)


@pytest.mark.parametrize("field", ["-1", "1.5", "0x1", "99999999999999999999", "1 2", "\xb2"])
def test_what_is_no_number_is_damage(field: str) -> None:
    number = field.encode("latin-1").rjust(20)
    assert soup.read_login_accepted(b"      DAY1" + number) is DamageReason.BAD_NUMBER
    assert (
        soup.read_login_request(bytes(b"u" * 6 + b"p" * 10 + b"s" * 10 + number)) is DamageReason.BAD_NUMBER
    )


def test_a_sequence_of_0_is_no_place_to_go_on() -> None:
    assert soup.read_login_accepted(b"      DAY1" + b"0".rjust(20)) is DamageReason.BAD_NUMBER


@pytest.mark.parametrize("name", [b"\x1b[2Jabcdef", b"DAY\x7f      ", b"\xc4\xd6      .."])
def test_names_that_could_harm_a_screen_are_damage(name: bytes) -> None:
    assert soup.read_login_accepted(name + b"1".rjust(20)) is DamageReason.BAD_NAME
    assert soup.read_login_request(b"u" * 6 + name + b"s" * 10 + b"1".rjust(20)) is DamageReason.BAD_NAME


@pytest.mark.parametrize("data", [ACCEPTED, request_bytes(), request_bytes(heartbeat_timeout_ms=900)])
def test_every_truncation_of_a_login_is_damage(data: bytes) -> None:
    read = soup.read_login_accepted if data[2:3] == b"A" else soup.read_login_request
    for cut in truncations(data[3:]):
        if len(cut) == 46:  # a 4.x login cut to one of 3.00
            continue
        assert read(cut) is DamageReason.WRONG_LENGTH


@pytest.mark.parametrize(
    "changes", [{"user": "sevench"}, {"password": "elevenchars"}, {"user": "bö"}, {"user": " x"}]
)
def test_what_does_not_fit_a_login_is_refused_and_the_password_not_told(changes: dict[str, str]) -> None:
    with pytest.raises(UsageError) as raised:
        request_bytes(**changes)
    assert changes.get("password", "secret") not in str(raised.value)


def test_a_password_is_in_no_representation() -> None:
    assert "secret" not in repr(LoginRequest("trader", "secret", "", 1))
    assert "secret" not in str(SoupClient("trader", "secret").statistics())


@given(st.lists(st.tuples(st.sampled_from(list("ASUHZ+")), st.binary(max_size=40)), max_size=12), st.data())
def test_packets_come_out_the_same_however_the_bytes_are_cut(
    contents: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    packets = [SoupPacket(kind.encode(), payload) for kind, payload in contents]
    stream = b"".join(pack_soup(*packet) for packet in packets)
    damage = DamageCounts()
    framer = SoupFramer(damage)
    found = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += framer.take(stream[:cut])
        stream = stream[cut:]
    assert found == packets
    assert framer.held_bytes == damage.total == 0


def test_a_packet_without_a_type_is_counted_with_its_offset() -> None:
    damage = DamageCounts()
    framer = SoupFramer(damage)
    assert framer.take(b"\x00\x01H\x00") == [SoupPacket(b"H", b"")]
    assert framer.take(b"\x00\x00\x01Z") == [SoupPacket(b"Z", b"")]
    assert [tuple(count) for count in damage] == [(DamageReason.EMPTY_PACKET, 1, 3)]


def test_messages_are_numbered_from_the_accepted_sequence_on() -> None:
    client = SoupClient("trader", "secret", sequence=5)
    client.connected(0)
    assert client.outgoing() == request_bytes(sequence=5)
    answer = (
        soup.pack_login_accepted(LoginAccepted("DAY1", 5)) + pack_soup(b"S", b"five") + pack_soup(b"S", b"")
    )
    assert client.receive(answer, 1) == [
        LoggedIn("DAY1", 5, False),
        SequencedMessage(5, b"five"),
        SequencedMessage(6, b""),
    ]
    assert (client.session, client.next_sequence) == ("DAY1", 7)


def test_a_lost_connection_is_resumed_at_the_message_due() -> None:
    client = logged_in(SoupClient("trader", "secret"))
    client.receive(pack_soup(b"S", b"one") + b"\x00\x09S", 1)
    client.disconnected()
    client.connected(2)
    assert client.outgoing() == request_bytes(session="DAY1", sequence=2)
    events = client.receive(soup.pack_login_accepted(LoginAccepted("DAY1", 2)) + pack_soup(b"S", b"two"), 3)
    assert events == [LoggedIn("DAY1", 2, False), SequencedMessage(2, b"two")]


def test_a_server_that_goes_back_gives_nothing_twice() -> None:
    client = logged_in(SoupClient("trader", "secret", session="DAY1", sequence=3), ACCEPTED)
    events = client.receive(b"".join(pack_soup(b"S", content) for content in messages(1, 4)), 1)
    assert events == [SequencedMessage(3, message(3)), SequencedMessage(4, message(4))]
    assert client.statistics()["duplicate"] == 2


def test_a_server_that_goes_on_later_is_a_gap() -> None:
    client = SoupClient("trader", "secret", session="DAY1", sequence=3)
    client.connected(0)
    events = client.receive(soup.pack_login_accepted(LoginAccepted("DAY1", 9)), 0)
    assert events == [SoupGap("DAY1", 3, 9), LoggedIn("DAY1", 9, False)]
    assert client.next_sequence == 9


def test_another_session_than_before_is_told() -> None:
    client = logged_in(SoupClient("trader", "secret"))
    client.receive(pack_soup(b"S", b"one") * 4, 1)
    client.disconnected()
    client.connected(2)
    events = client.receive(soup.pack_login_accepted(LoginAccepted("DAY2", 1)) + pack_soup(b"S", b"new"), 3)
    assert events == [LoggedIn("DAY2", 1, True), SequencedMessage(1, b"new")]
    client.disconnected()
    client.connected(4)
    assert client.receive(soup.pack_login_accepted(LoginAccepted("DAY3", 4)), 5) == [
        SoupGap("DAY3", 1, 4),
        LoggedIn("DAY3", 4, True),
    ]


def test_sequence_0_takes_what_the_server_gives() -> None:
    client = SoupClient("trader", "secret", sequence=0)
    client.connected(0)
    assert client.receive(soup.pack_login_accepted(LoginAccepted("DAY1", 77)), 0) == [
        LoggedIn("DAY1", 77, False)
    ]


@pytest.mark.parametrize(
    ("code", "reason"), [(b"A", "user or password"), (b"S", "session"), (b"\x1b", r"\\x1b")]
)
def test_a_refused_login_says_why(code: bytes, reason: str) -> None:
    client = SoupClient("trader", "wrong")
    client.connected(0)
    [event] = client.receive(pack_soup(b"J", code), 0)
    assert isinstance(event, LoginRefused)
    assert reason.replace("\\\\", "\\") in event.reason
    assert client.state is ClientState.REFUSED
    client.disconnected()
    assert client.state is ClientState.REFUSED


def test_an_accepted_login_that_cannot_be_read_ends_the_connection() -> None:
    client = SoupClient("trader", "secret")
    client.connected(0)
    [event] = client.receive(pack_soup(b"A", b"short"), 0)
    assert isinstance(event, ConnectionLost)
    assert client.state is ClientState.DISCONNECTED


def test_the_end_of_the_session_is_the_end() -> None:
    client = logged_in(SoupClient("trader", "secret"))
    events = client.receive(
        pack_soup(b"S", b"x") + pack_soup(b"Z") + pack_soup(b"S", b"y") + pack_soup(b"H"), 1
    )
    assert events == [SequencedMessage(1, b"x"), SessionEnded("DAY1", 2)]
    assert client.state is ClientState.ENDED
    assert client.damage[DamageReason.OUT_OF_PLACE] == 1


def test_unsequenced_messages_and_debug_text_are_handed_on() -> None:
    client = logged_in(SoupClient("trader", "secret"))
    events = client.receive(pack_soup(b"U", b"\x00hello") + pack_soup(b"+", b"busy\x1b[2J"), 1)
    assert events == [UnsequencedMessage(b"\x00hello"), DebugText("busy\\x1b[2J")]
    assert client.send(b"order", 1)
    assert not client.send(bytes(soup.MAX_PAYLOAD_BYTES + 1), 1)
    client.log_out(1)
    assert client.outgoing() == pack_soup(b"U", b"order") + pack_soup(b"O")
    client.disconnected()
    assert not client.send(b"order", 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pack_soup(b"?", b"x"), DamageReason.UNKNOWN_TYPE),
        (pack_soup(b"L", b"x"), DamageReason.UNKNOWN_TYPE),
        (pack_soup(b"H", b"x"), DamageReason.WRONG_LENGTH),
        (pack_soup(b"Z", b"x"), DamageReason.WRONG_LENGTH),
        (pack_soup(b"J", b""), DamageReason.WRONG_LENGTH),
        (pack_soup(b"J", b"A"), DamageReason.OUT_OF_PLACE),
        (ACCEPTED, DamageReason.OUT_OF_PLACE),
        (b"\0\0", DamageReason.EMPTY_PACKET),
    ],
)
def test_what_a_client_cannot_use_is_counted_and_nothing_else_happens(
    data: bytes, reason: DamageReason
) -> None:
    client = logged_in(SoupClient("trader", "secret"))
    assert client.receive(data + pack_soup(b"S", b"x"), 1) == [SequencedMessage(1, b"x")]
    assert client.damage[reason] == client.damage.total == 1


def test_data_before_the_login_is_accepted_is_not_used() -> None:
    client = SoupClient("trader", "secret")
    client.connected(0)
    assert client.receive(pack_soup(b"S", b"x") + pack_soup(b"U", b"x") + pack_soup(b"Z"), 0) == []
    assert client.damage[DamageReason.OUT_OF_PLACE] == 3


def test_a_client_sends_a_heartbeat_when_it_sent_nothing_for_a_second() -> None:
    client = logged_in(SoupClient("trader", "secret"))
    for now_ns in range(0, 5 * NS_PER_S, NS_PER_S // 4):
        client.receive(pack_soup(b"H"), now_ns)
        assert client.tick(now_ns) == []
    assert client.outgoing() == pack_soup(b"R") * 4
    client.send(b"x", 5 * NS_PER_S)
    client.tick(6 * NS_PER_S - 1)
    assert client.outgoing() == pack_soup(b"U", b"x")


def test_a_silent_server_is_lost() -> None:
    client = logged_in(SoupClient("trader", "secret"))
    client.receive(b"\x00", NS_PER_S)
    assert client.tick(soup.SILENCE_NS + NS_PER_S - 1) == []
    assert client.tick(soup.SILENCE_NS + NS_PER_S) == [ConnectionLost("nothing heard for 15 s")]
    assert client.state is ClientState.DISCONNECTED
    client.connected(0)
    assert client.tick(soup.LOGIN_PATIENCE_NS - 1) == []
    assert client.tick(soup.LOGIN_PATIENCE_NS) == [ConnectionLost("nothing heard for 30 s")]


def test_a_server_gives_what_is_asked_for_and_then_what_comes() -> None:
    log = log_of(4)
    server = server_of(log)
    assert server.receive(request_bytes(sequence=3), 1) == [UserLoggedIn("trader", 3)]
    server.pump(1)
    assert server.outgoing() == soup.pack_login_accepted(LoginAccepted("DAY1", 3)) + b"".join(
        pack_soup(b"S", content) for content in messages(3, 2)
    )
    log.append(message(5))
    server.pump(2)
    assert server.outgoing() == pack_soup(b"S", message(5))
    log.close()
    assert server.pump(3) == [LoggedOut("end of session")]
    assert server.outgoing() == pack_soup(b"Z")
    assert server.pump(4) == []


@pytest.mark.parametrize(("wanted", "given"), [(0, 4), (1, 1), (4, 4), (5, 5), (9, 5)])
def test_a_login_begins_where_it_can(wanted: int, given: int) -> None:
    assert server_of(log_of(4)).receive(request_bytes(sequence=wanted), 1) == [UserLoggedIn("trader", given)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (request_bytes(password="wrong"), b"A"),
        (request_bytes(user="other"), b"A"),
        (pack_soup(b"L", b"short"), b"A"),
        (request_bytes(session="DAY2"), b"S"),
    ],
)
def test_a_bad_login_is_refused_with_its_code(data: bytes, code: bytes) -> None:
    server = server_of(log_of(1))
    assert server.receive(data + request_bytes(), 1) == [LoggedOut("login refused")]
    assert server.outgoing() == pack_soup(b"J", code)
    assert server.state is ServerState.CLOSING
    assert server.pump(2) == []


def test_users_are_told_apart_without_regard_to_case() -> None:
    assert server_of(log_of(1)).receive(request_bytes(user="TRADER"), 1) == [UserLoggedIn("TRADER", 1)]


def test_what_is_not_kept_any_more_is_refused_at_login_and_ends_a_slow_client() -> None:
    log = RetainedMessages(memory_bytes=2_000, spill_bytes=0, segment_bytes=500)
    slow = server_of(log)
    assert slow.receive(request_bytes(), 1) == [UserLoggedIn("trader", 1)]
    for content in messages(1, 2_000):
        log.append(content)
    assert log.first_sequence > 1
    [event] = slow.pump(2)
    assert isinstance(event, LoggedOut)
    assert "too slow" in event.reason
    late = server_of(log)
    late.receive(request_bytes(), 1)
    assert late.outgoing() == pack_soup(b"J", b"S")


def test_a_server_keeps_no_more_output_than_its_limit() -> None:
    log = RetainedMessages()
    for _ in range(2_000):
        log.append(bytes(1_000))
    server = server_of(log)
    server.receive(request_bytes(), 1)
    server.pump(1)
    assert OUTGOING_BYTES <= server.statistics()["outgoing_bytes"] < OUTGOING_BYTES + (1 << 16)
    total = 0
    while output := server.outgoing():
        total += len(output)
        server.pump(1)
    assert server.next_sequence == 2_001
    assert total == len(ACCEPTED) + 2_000 * 1_003


def test_a_server_keeps_time() -> None:
    server = server_of(log_of(0))
    assert server.tick(soup.LOGIN_PATIENCE_NS - 1) == []
    assert server.tick(soup.LOGIN_PATIENCE_NS) == [LoggedOut("no login")]
    server = server_of(log_of(0))
    server.receive(request_bytes(), 0)
    server.outgoing()
    server.tick(NS_PER_S - 1)
    assert server.outgoing() == b""
    server.tick(NS_PER_S)
    assert server.outgoing() == pack_soup(b"H")
    assert server.receive(pack_soup(b"R"), 10 * NS_PER_S) == []
    assert server.tick(25 * NS_PER_S - 1) == []
    assert server.tick(25 * NS_PER_S) == [LoggedOut("silent")]


def test_a_door_may_give_each_user_messages_of_his_own() -> None:
    logs = {"ann": log_of(2), "bob": log_of(5)}

    def door(request: LoginRequest) -> RetainedMessages | None:
        return logs.get(request.user) if request.password == "secret" else None

    servers = {}
    for user in ("ann", "bob", "eve"):
        servers[user] = SoupServer(door, session="DAY1", now_ns=0)
        servers[user].receive(request_bytes(user=user), 0)
        servers[user].pump(0)
    assert servers["ann"].statistics()["sequenced"] == 2
    assert servers["bob"].statistics()["sequenced"] == 5
    assert servers["eve"].state is ServerState.CLOSING
    assert servers["eve"].outgoing() == pack_soup(b"J", b"A")


def test_a_server_that_closes_takes_nothing_more() -> None:
    server = server_of(log_of(3))
    server.receive(request_bytes(), 0)
    assert server.close("venue is down") == [LoggedOut("venue is down")]
    assert server.receive(pack_soup(b"U", b"order"), 1) == []
    assert server.pump(1) == []


def test_a_server_hands_on_what_clients_say() -> None:
    server = server_of(log_of(0))
    server.receive(request_bytes(), 0)
    assert server.receive(pack_soup(b"U", b"order") + pack_soup(b"+", b"hi") + pack_soup(b"O"), 1) == [
        ClientMessage(b"order"),
        LoggedOut("logged out"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pack_soup(b"?", b"x"), DamageReason.UNKNOWN_TYPE),
        (pack_soup(b"R", b"x"), DamageReason.WRONG_LENGTH),
        (request_bytes(), DamageReason.OUT_OF_PLACE),
    ],
)
def test_what_a_server_cannot_use_is_counted(data: bytes, reason: DamageReason) -> None:
    server = server_of(log_of(0))
    server.receive(request_bytes(), 0)
    assert server.receive(data, 1) == []
    assert server.damage[reason] == server.damage.total == 1
    assert server.state is ServerState.LOGGED_IN


class BreakingConnections(RuleBasedStateMachine):
    """Client and server over connections that cut the bytes anywhere and break at any time: the client gets
    every message once, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.log = RetainedMessages()
        self.client = SoupClient("trader", "secret")
        self.server: SoupServer | None = None
        self.to_client = self.to_server = b""
        self.now_ns = 0
        self.taken: list[bytes] = []
        self.has_ended = False

    @rule(count=st.integers(1, 6))
    @precondition(lambda self: not self.log.is_closed)
    def append(self, count: int) -> None:
        for content in messages(self.log.next_sequence, count):
            self.log.append(content)

    @rule()
    @precondition(lambda self: self.server is None and not self.has_ended)
    def connect(self) -> None:
        self.client.connected(self.now_ns)
        self.server = server_of(self.log, self.now_ns)
        self.to_client, self.to_server = b"", self.client.outgoing()

    @rule()
    @precondition(lambda self: self.server is not None)
    def break_off(self) -> None:
        self.client.disconnected()
        self.server = None

    @rule(data=st.data())
    @precondition(lambda self: self.server is not None)
    def carry(self, data: st.DataObject) -> None:
        assert self.server is not None
        self.to_server += self.client.outgoing()
        cut = data.draw(st.integers(0, len(self.to_server)))
        self.server.receive(self.to_server[:cut], self.now_ns)
        self.to_server = self.to_server[cut:]
        self.server.pump(self.now_ns)
        self.to_client += self.server.outgoing()
        cut = data.draw(st.integers(0, len(self.to_client)))
        self.take(self.client.receive(self.to_client[:cut], self.now_ns))
        self.to_client = self.to_client[cut:]

    @rule(passed_ns=st.integers(0, 2 * NS_PER_S))
    @precondition(lambda self: self.server is not None)
    def wait(self, passed_ns: int) -> None:
        assert self.server is not None
        self.now_ns += passed_ns
        self.server.tick(self.now_ns)
        events = self.client.tick(self.now_ns)
        if any(isinstance(event, ConnectionLost) for event in events):
            self.break_off()

    @rule()
    def end(self) -> None:
        if len(self.taken) > 20:
            self.log.close()

    @invariant()
    def it_is_a_prefix(self) -> None:
        assert self.taken == messages(1, len(self.taken))

    def teardown(self) -> None:
        """With a connection that holds, the rest arrives, and the end."""
        self.log.close()
        if self.server is not None:
            self.break_off()
        while not self.has_ended:
            self.connect()
            assert self.server is not None
            self.server.receive(self.to_server, self.now_ns)
            while not self.has_ended:
                self.server.pump(self.now_ns)
                self.take(self.client.receive(self.server.outgoing(), self.now_ns))
        assert self.taken == messages(1, self.log.next_sequence - 1)
        assert self.client.damage.total == 0

    def take(self, events: list[ClientEvent]) -> None:
        for event in events:
            assert not isinstance(event, SoupGap | LoginRefused)
            if isinstance(event, SequencedMessage):
                assert event.sequence == len(self.taken) + 1
                self.taken.append(event.message)
            self.has_ended = self.has_ended or isinstance(event, SessionEnded)


BreakingConnections.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestBreakingConnections = BreakingConnections.TestCase

SERVER_STREAM = (
    (ACCEPTED + b"".join(pack_soup(b"S", content) for content in messages(1, 5)) + pack_soup(b"H"))
    + pack_soup(b"U", b"note")
    + pack_soup(b"+", b"text")
    + pack_soup(b"Z")
)
CLIENT_STREAM = (
    request_bytes() + pack_soup(b"R") + pack_soup(b"U", b"order") + pack_soup(b"+", b"hi") + pack_soup(b"O")
)
CORPUS = [
    SERVER_STREAM,
    pack_soup(b"J", b"A"),
    CLIENT_STREAM,
    request_bytes(heartbeat_timeout_ms=5) + pack_soup(b"R"),
]


@pytest.mark.parametrize("stream", [SERVER_STREAM, CLIENT_STREAM])
def test_every_truncation_of_a_stream_gives_a_prefix_of_its_events(stream: bytes) -> None:
    whole = feed(stream)
    for cut in truncations(stream):
        client_events, server_events = feed(cut)
        assert client_events == whole[0][: len(client_events)]
        assert server_events == whole[1][: len(server_events)]


@given(st.binary(max_size=200), st.sampled_from(CORPUS))
def test_any_bytes_are_events_or_counted(data: bytes, good: bytes) -> None:
    feed(data)
    feed(good[: len(data) % len(good)] + data)


@pytest.mark.fuzz
def test_damaged_streams_never_raise() -> None:
    for data in mutations(CORPUS, 3, FUZZ_BUFFERS):
        feed(data)


def feed(data: bytes) -> tuple[list[object], list[object]]:
    """The events of a client and of a server that get these bytes; sequences count without a hole."""
    client = SoupClient("trader", "secret")
    client.connected(0)
    client_events: list[object] = [*client.receive(data, 0), *client.tick(soup.SILENCE_NS // 2)]
    sequences = [event.sequence for event in client_events if isinstance(event, SequencedMessage)]
    assert sequences == [*range(sequences[0], sequences[0] + len(sequences))] if sequences else True
    server = server_of(RetainedMessages())
    server_events: list[object] = [
        *server.receive(data, 0),
        *server.pump(0),
        *server.tick(soup.SILENCE_NS // 2),
    ]
    for side in (client, server):
        assert all(value >= 0 for value in side.statistics().values())
        side.outgoing()
    client.disconnected()
    if client.state is ClientState.DISCONNECTED:
        client.connected(0)  # whatever was said, the next login can be made
        client.outgoing()
    return client_events, server_events
