"""The session layer, case by case, through a gateway: numbers, heartbeats, resends, rejects, logons."""

from __future__ import annotations

import base64

import pytest
import simplefix

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Side, TimeInForce
from engine.venue.fix.wire import timestamp
from engine.venue.keys import Permission
from tests.venue.fix.bench import Bench, Client


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def client(bench: Bench) -> Client:
    return bench.client()


# -- logon ---------------------------------------------------------------------------------------------------


def test_a_logon_is_answered_with_its_own_terms(bench: Bench) -> None:
    client = Client(bench, bench.key("bot"))
    client.log_on(heartbeat_s=17)
    answer = client.take()
    assert (answer.type, answer[98], answer[108], answer[141], answer[34]) == ("A", "0", "17", "Y", "1")
    assert (answer[49], answer[56]) == ("STORMDESK", "CLIENT")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({554: "wrong"}, "Invalid API-key, IP, or permissions for action."),
        ({553: "nobody"}, "Invalid API-key, IP, or permissions for action."),
        ({98: 1}, "EncryptMethod must be 0."),
        ({9406: "Y"}, "Drop copy sessions are not offered."),
        ({108: 100_000}, "HeartBtInt must be 0 to 3600."),
    ],
)
def test_a_wrong_logon_is_told_why_and_closed(bench: Bench, fields: dict[int, object], text: str) -> None:
    client = Client(bench, bench.key("bot"))
    client.log_on(fields=fields)
    answer = client.take()
    assert (answer.type, answer[58]) == ("5", text)
    assert client.is_closed
    assert bench.gateway.statistics()["logons_refused"] == 1


def test_a_logon_without_a_password_or_to_another_company_is_refused(bench: Bench) -> None:
    client = Client(bench, bench.key("bot"))
    client.send("A", {98: 0, 108: 30})
    assert client.take().type == "5"
    other = Client(bench, client.key, target="ELSEWHERE")
    other.log_on()
    assert other.take()[58] == "TargetCompID must be STORMDESK."


def test_what_is_no_logon_closes_the_link_without_a_word(bench: Bench) -> None:
    client = Client(bench, bench.key("bot"))
    client.send("D", client.order("a"))
    assert client.heard() == []
    assert client.is_closed


def test_who_does_not_log_on_in_time_is_closed(bench: Bench) -> None:
    client = Client(bench, bench.key("bot"))
    bench.step(9 * NS_PER_S)
    assert not client.is_closed
    bench.step(2 * NS_PER_S)
    assert client.is_closed
    assert bench.gateway.statistics()["logon_timeouts"] == 1


def test_one_link_at_a_time_has_a_session(bench: Bench, client: Client) -> None:
    second = Client(bench, client.key)
    second.log_on()
    assert second.take()[58] == "This session is connected already."
    client.lose()
    third = Client(bench, client.key)
    third.log_on()
    assert third.take().type == "A"


def test_an_old_sending_time_is_refused(bench: Bench) -> None:
    client = Client(bench, bench.key("bot"))
    client.send("A", {98: 0, 108: 30, 553: client.key[0], 554: client.key[1]}, sent_ns=0)
    assert client.take().type == "5"


def test_a_signed_logon_is_answered_in_binances_dialect(bench: Bench) -> None:
    client = bench.binance()
    assert client.target == "SPOT"
    assert bench.gateway.statistics()["sessions"] == 1


@pytest.mark.parametrize("fields", [{25035: 3}, {108: 4}, {141: "N"}, {95: 5}, {9406: "Y"}, {25000: 99_999}])
def test_a_wrong_signed_logon_is_rejected(bench: Bench, fields: dict[int, object]) -> None:
    client = bench.binance()
    client.lose()
    client.connect()
    client.log_on_binance(fields=fields)
    answer = client.take()
    assert (answer.type, answer[372]) == ("3", "A")
    assert client.is_closed


def test_another_signature_or_an_hmac_key_does_not_log_on(bench: Bench) -> None:
    client = bench.binance()
    client.lose()
    client.connect()
    client.log_on_binance(signature=base64.b64encode(b"x" * 64).decode())
    assert client.take()[25016] == "-2015"
    client.key = bench.key("hmac")
    client.connect()
    client.log_on_binance(signature="abcd")
    assert client.take()[25016] == "-2015"


def test_the_documented_example_of_a_signature_is_right() -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # The public example of the Binance FIX documentation; a key that is no secret.
    pem = (
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n"
        b"-----END PRIVATE KEY-----\n"
    )
    payload = "\x01".join(["A", "EXAMPLE", "SPOT", "1", "20240627-11:17:25.223"]).encode()
    signature = base64.b64encode(load_pem_private_key(pem, None).sign(payload)).decode()  # type: ignore[union-attr,call-arg]
    assert signature == (
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    )


def test_a_key_that_may_not_even_read_does_not_log_on(bench: Bench) -> None:
    client = Client(bench, bench.key("none", permissions=(Permission.TRADE,)))
    client.log_on()
    assert client.take().type == "5"


# -- numbers -------------------------------------------------------------------------------------------------


def test_a_number_too_low_ends_the_session(client: Client) -> None:
    client.send("0", sequence=1)
    answer = client.take()
    assert (answer.type, answer[58]) == ("5", "MsgSeqNum too low, expecting 2 but received 1")
    assert client.is_closed


def test_a_possible_duplicate_is_ignored(client: Client) -> None:
    client.ask("D", client.order("a"))
    again = {**client.order("a"), 43: "Y", 122: timestamp(client.bench.now_ns)}
    assert client.ask("D", again, sequence=2) == []
    assert client.ask("1", {112: "still here"})[0][112] == "still here"


def test_a_gap_is_asked_for_and_filled(client: Client) -> None:
    client.sequence = 4
    (request,) = client.ask("D", client.order("late"))
    assert (request.type, request[7], request[16]) == ("2", "2", "0")
    sent = timestamp(client.bench.now_ns)
    client.send("4", {43: "Y", 122: sent, 123: "Y", 36: 4}, sequence=2)
    found = client.ask("D", {**client.order("late"), 43: "Y", 122: sent}, sequence=4)
    assert [one[11] for one in found] == ["late"]


def test_a_gap_fill_that_goes_back_is_rejected(client: Client) -> None:
    (no,) = client.ask("4", {123: "Y", 36: 1})
    assert (no.type, no[373], no[371], no[372]) == ("3", "5", "36", "4")


def test_a_reset_moves_on_without_asking(client: Client) -> None:
    client.ask("4", {36: 20}, sequence=9)
    client.sequence = 20
    assert client.ask("1", {112: "x"})[0].type == "0"
    (no,) = client.ask("4", {36: 3}, sequence=1)
    assert (no.type, no[373]) == ("3", "5")


def test_in_binances_dialect_a_gap_ends_the_session(bench: Bench) -> None:
    client = bench.binance()
    client.sequence = 7
    client.send("0")
    assert client.take()[58] == "MsgSeqNum too high, expecting 2 but received 7"
    assert client.is_closed


# -- reports while the link is down --------------------------------------------------------------------------


def test_reports_raised_while_the_link_is_down_are_sent_again_on_request(
    bench: Bench, client: Client
) -> None:
    client.ask("D", client.order("a"))
    client.lose()
    bench.market.quote(Side.ASK, 10_000, 4, TimeInForce.IOC)
    bench.step()
    client.connect()
    client.log_on(reset=False)
    logon = client.inbox.pop()
    assert int(logon[34]) == client.expected + 1, "the report has taken a number"
    (trade, gap) = client.ask("2", {7: client.expected, 16: 0})
    assert (trade[43], trade[150], trade[39]) == ("Y", "F", "1")
    assert trade[122] <= trade[52]
    assert int(trade[34]) == client.expected
    assert (gap.type, gap[123], gap[43]) == ("4", "Y", "Y")


def test_a_client_that_says_what_it_expects_is_sent_it_at_once(bench: Bench, client: Client) -> None:
    client.ask("D", client.order("a"))
    client.lose()
    bench.market.quote(Side.ASK, 10_000, 4, TimeInForce.IOC)
    bench.step()
    client.connect()
    client.log_on(reset=False, fields={789: client.expected})
    logon, trade = client.heard()
    assert (logon.type, logon[789]) == ("A", str(client.sequence))
    assert (trade[43], trade[150]) == ("Y", "F")


def test_a_reset_logon_begins_anew(client: Client) -> None:
    client.ask("D", client.order("a"))
    client.lose()
    client.connect()
    client.log_on()
    assert client.take()[34] == "1"
    (no,) = client.ask("2", {7: 5, 16: 0})
    assert (no.type, no[373]) == ("3", "5")


def test_a_resend_brings_reports_and_skips_the_rest(client: Client) -> None:
    client.ask("1", {112: "x"})
    (new,) = client.ask("D", client.order("a"))
    fill, again = client.ask("2", {7: 1, 16: int(new[34])})
    assert (fill.type, fill[34], fill[36]) == ("4", "1", new[34])
    assert (again[34], again[17], again[122]) == (new[34], new[17], new[52])


# -- heartbeats ----------------------------------------------------------------------------------------------


def test_silence_makes_a_heartbeat_a_test_and_then_the_end(bench: Bench, client: Client) -> None:
    bench.step(30 * NS_PER_S)
    assert client.take().type == "0"
    bench.step(7 * NS_PER_S)
    test = client.take()
    assert test.type == "1"
    client.send("0", {112: test[112]})
    bench.step(30 * NS_PER_S)
    assert not client.is_closed
    for _ in range(12):
        bench.step(10 * NS_PER_S)
    assert client.heard()[-1].type == "5"
    assert client.is_closed


def test_a_logout_is_answered_and_closes(client: Client) -> None:
    client.send("5")
    assert client.take().type == "5"
    assert client.is_closed


# -- rejects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "reason", "tag"),
    [
        ("1", {}, "1", "112"),
        ("D", {11: "a", 40: 2, 54: 1}, "1", "55"),
        ("D", {11: "a", 40: 2, 54: 1, 55: "ACMEUSD", 38: "ten"}, "6", "38"),
        ("D", {11: "a", 40: 2, 54: 1, 55: "ACMEUSD", 38: "1e5"}, "6", "38"),
        ("D", [(11, "a"), (40, 2), (54, 1), (55, "ACMEUSD"), (38, 1), (38, 2)], "13", "38"),
        ("V", [(262, "m"), (263, 1), (146, 2), (55, "ACMEUSD"), (267, 1), (269, 0)], "16", "146"),
        ("V", [(262, "m"), (263, 1), (146, 1), (999, "x"), (267, 1), (269, 0)], "15", "146"),
        ("ZZZ", {}, "11", ""),
        ("0", {5000: ""}, "4", "5000"),
    ],
)
def test_a_wrong_message_is_rejected_and_the_session_goes_on(
    client: Client, kind: str, fields: object, reason: str, tag: str
) -> None:
    (no,) = client.ask(kind, fields)
    assert (no.type, no[45], no[372], no[373], no[371]) == ("3", "2", kind, reason, tag)
    assert client.ask("1", {112: "x"})[0].type == "0"


def test_a_message_that_is_not_offered_is_a_business_reject(client: Client) -> None:
    (no,) = client.ask("R", {131: "q"})
    assert (no.type, no[45], no[372], no[380]) == ("j", "2", "R", "3")


def test_another_comp_id_is_rejected_and_logged_out(client: Client) -> None:
    client.comp_id = "SOMEONE"
    assert [one.type for one in client.ask("0")] == ["3", "5"]
    assert client.is_closed


def test_a_sending_time_far_away_is_rejected_and_logged_out(client: Client) -> None:
    client.send("0", sent_ns=client.bench.now_ns - 300 * NS_PER_S)
    no, bye = client.heard()
    assert (no[373], bye.type) == ("10", "5")


def test_a_receive_window_holds_for_one_message(client: Client) -> None:
    old_ns = client.bench.now_ns - 50 * NS_PER_MS
    (no,) = client.ask("D", {**client.order("a"), 25000: 20}, sent_ns=old_ns)
    assert (no.type, no[373]) == ("3", "10")
    assert client.ask("D", {**client.order("b"), 25000: 5000})[0][39] == "0"


def test_garbage_costs_nothing_but_itself(client: Client) -> None:
    good = client.encode("1", {112: "x"})
    wrong_sum = good[:-4] + b"999\x01"
    for piece in (b"GET / HTTP/1.1\r\n", wrong_sum, b"8=FIX.4.4\x019=99999999\x01", good):
        client.link.feed(piece)
    assert client.take()[112] == "x"
    assert client.bench.gateway.statistics()["garbled"] == 2


def test_a_message_in_single_bytes_is_one_message(client: Client) -> None:
    for byte in client.encode("1", {112: "x"}):
        client.link.feed(bytes([byte]))
    assert client.take()[112] == "x"


def test_another_version_of_fix_is_logged_out(client: Client) -> None:
    message = simplefix.FixMessage()
    for tag, value in ((8, "FIX.4.2"), (35, "0"), (49, "CLIENT"), (56, "STORMDESK"), (34, 2)):
        message.append_pair(tag, value)
    client.link.feed(message.encode())
    assert client.take()[58] == "BeginString must be FIX.4.4"
    assert client.is_closed


def test_no_statistic_and_no_answer_shows_a_key_or_a_password(bench: Bench) -> None:
    client = bench.client()
    client.ask("A", {98: 0, 108: 30, 553: client.key[0], 554: client.key[1]})
    text = repr(client.inbox) + repr(bench.gateway.statistics()) + repr(vars(bench.gateway))
    assert client.key[0] not in text
    assert client.key[1] not in text


def test_sessions_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.venue.fix.gateway.SESSION_LIMIT", 2)
    key = bench.key("many")
    clients = [Client(bench, key, comp_id=f"C{number}") for number in range(4)]
    for client in clients[:3]:
        client.log_on()
    assert [client.take().type for client in clients[:3]] == ["A", "A", "5"]
    clients[0].lose()
    clients[3].log_on()
    assert clients[3].take().type == "A"
    assert bench.gateway.statistics()["sessions_forgotten"] == 1
