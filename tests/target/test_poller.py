"""The poller against targets that are dead, slow, endless, redirecting or lying."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from engine.core.errors import StormdeskError, UsageError
from engine.target.contract import TargetStatus
from engine.target.poller import TargetPoller
from tests.target.misbehaviour import DEADLINE_S, Heard, Player, Stage, answer, bad_target
from tests.target.polling import contract_poller

GOOD = {"equity": 10000.25, "currency": "EUR", "total_trades": 7, "wins": 4, "losses": 3}
GOOD_BODY = json.dumps(GOOD).encode()
FAST_S = 0.01


@contextmanager
def polling(
    url: str | Callable[[], str | None], *, period_s: float = FAST_S, timeout_ms: int = 5_000
) -> Iterator[tuple[TargetPoller, Heard]]:
    heard = Heard()
    poller = contract_poller(url, heard, period_s=period_s, timeout_ms=timeout_ms)
    poller.start()
    try:
        yield poller, heard
    finally:
        poller.stop()


def always(data: bytes) -> Player:
    return lambda stage, connection: stage.send(connection, data)


def status_of(play: Player, *, timeout_ms: int = 5_000) -> TargetStatus:
    with bad_target(play) as stage, polling(stage.url, timeout_ms=timeout_ms) as (_, heard):
        return heard.wait_for_polls(2)[1]


def test_a_good_target_gives_samples() -> None:
    status = status_of(always(answer(GOOD_BODY)))
    assert (status.status, status.detail) == ("ok", "")
    assert status.sample is not None
    assert status.sample.equity_millionths == 10_000_250_000
    assert status.latency_ms is not None
    assert status.latency_ms > 0


def test_the_first_status_says_that_nothing_was_asked_yet() -> None:
    with bad_target(always(answer(GOOD_BODY))) as stage, polling(stage.url) as (_, heard):
        heard.wait_for_polls(1)
        assert heard.all[0].status == "starting"


def test_a_dead_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with polling(f"http://127.0.0.1:{port}") as (poller, heard):
        status = heard.wait_for_polls(2)[1]
        assert status.status == "unreachable"
        assert status.detail
        assert status.sample is None
        assert poller.statistics()["unreachable"] >= 2


def hold(stage: Stage, connection: socket.socket) -> None:
    stage.closing.wait(DEADLINE_S)


def test_a_target_that_never_answers_is_slow() -> None:
    status = status_of(hold, timeout_ms=60)
    assert (status.status, status.detail) == ("slow", "no whole answer within 60 ms")


def drip(prefix: bytes) -> Player:
    def play(stage: Stage, connection: socket.socket) -> None:
        stage.send(connection, prefix)
        while not stage.closing.wait(0.02):
            stage.send(connection, b" ")

    return play


@pytest.mark.parametrize(
    "prefix",
    [b"HTTP/1.1 200 OK\r\nX-Drip: ", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"],
    ids=["header", "body"],
)
def test_a_target_that_drips_bytes_meets_the_total_time_budget(prefix: bytes) -> None:
    status = status_of(drip(prefix), timeout_ms=150)
    assert (status.status, status.detail) == ("slow", "no whole answer within 150 ms")


def endless(stage: Stage, connection: socket.socket) -> None:
    stage.send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
    for _ in range(1600):
        stage.send(connection, b" " * 65_536)


def test_a_body_of_100_megabytes_is_cut_and_reported() -> None:
    with bad_target(endless) as stage, polling(stage.url, period_s=1000) as (_, heard):
        (status,) = heard.wait_for_polls(1)
    assert (status.status, status.detail) == ("invalid", "the body is longer than 65536 bytes")
    assert stage.bytes_sent < 50_000_000


def test_a_redirect_loop_is_not_followed() -> None:
    def play(stage: Stage, connection: socket.socket) -> None:
        stage.send(connection, answer(b"", status="302 Found", headers="Location: /api/state\r\n"))

    with bad_target(play) as stage, polling(stage.url, period_s=1000) as (_, heard):
        (status,) = heard.wait_for_polls(1)
        assert stage.connections == 1
    assert status.status == "invalid"
    assert status.detail == "redirected (302) to '/api/state': redirects are not followed"


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (answer(GOOD_BODY, status="500 Broken"), "answered HTTP 500, wanted 200"),
        (answer(b"", status="204 Empty"), "answered HTTP 204, wanted 200"),
        (answer(b"<html>hello"), "the answer is not JSON: b'<html>hello'"),
        (answer(b""), "the answer is not JSON: b''"),
        (answer(b"[1, 2]"), "the answer is not a JSON object but a list of 2"),
        (answer(GOOD_BODY.replace(b"10000.25", b"NaN")), "equity: wanted a finite number, saw NaN"),
        (answer(GOOD_BODY.replace(b"10000.25", b'"1"')), "equity: wanted a finite number, saw '1'"),
        (answer(GOOD_BODY.replace(b"wins", b"winz")), "wins: missing; wanted a whole number >= 0"),
        (
            answer(gzip.compress(b"[" * 10_000_000), headers="Content-Encoding: gzip\r\n"),
            "answered in content-encoding 'gzip', wanted plain",
        ),
    ],
)
def test_a_lying_target_is_invalid_and_the_reason_is_told(data: bytes, detail: str) -> None:
    status = status_of(always(data))
    assert (status.status, status.detail) == ("invalid", detail)


@pytest.mark.parametrize("data", [b"\x1b[2J\x00\xff nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b""])
def test_a_target_that_speaks_no_http_is_invalid(data: bytes) -> None:
    status = status_of(always(data))
    assert status.status == "invalid"
    assert status.detail.startswith("the answer is not HTTP: ")
    assert status.detail.isprintable()


def test_a_body_that_ends_early_is_invalid() -> None:
    assert status_of(always(answer(GOOD_BODY)[:-3])).status == "invalid"


def test_a_target_that_comes_to_its_senses_is_ok_again() -> None:
    def play(stage: Stage, connection: socket.socket) -> None:
        stage.send(connection, answer(GOOD_BODY if stage.connections > 2 else b"not yet"))

    with bad_target(play) as stage, polling(stage.url) as (_, heard):
        assert [status.status for status in heard.wait_for_polls(3)][:3] == ["invalid", "invalid", "ok"]


def test_an_extra_poll_does_not_wait_for_the_period() -> None:
    with bad_target(always(answer(GOOD_BODY))) as stage, polling(stage.url, period_s=1000) as (poller, heard):
        heard.wait_for_polls(1)
        poller.poll_now()
        heard.wait_for_polls(2)
        assert stage.connections == 2


def test_stopping_ends_a_poll_under_way() -> None:
    arrived = threading.Event()

    def play(stage: Stage, connection: socket.socket) -> None:
        arrived.set()
        hold(stage, connection)

    with bad_target(play) as stage:
        heard = Heard()
        poller = contract_poller(stage.url, heard, timeout_ms=600_000)
        poller.start()
        assert arrived.wait(DEADLINE_S)
        poller.stop()
        assert not poller._thread.is_alive()
        assert heard.polls() == []
        poller.poll_now()
        poller.stop()


def test_a_listener_that_raises_does_not_end_the_polling() -> None:
    heard = Heard()

    def listen(status: TargetStatus) -> None:
        heard(status)
        raise ValueError("a defect of the listener")

    with bad_target(always(answer(GOOD_BODY))) as stage:
        poller = contract_poller(stage.url, listen, period_s=FAST_S)
        poller.start()
        heard.wait_for_polls(3)
        poller.stop()
    assert poller.statistics()["listener_errors"] >= 3


def test_an_address_that_is_not_known_yet_is_asked_for_again() -> None:
    with bad_target(always(answer(GOOD_BODY))) as stage:
        addresses: list[str | None] = [None, None]
        with polling(lambda: addresses.pop() if addresses else stage.url) as (_, heard):
            heard.wait_for_polls(1)
            assert [status.status for status in heard.all[:4]] == ["starting"] * 3 + ["ok"]


@pytest.mark.parametrize("error", [StormdeskError("the demo bot ended"), OSError("surprise")])
def test_an_address_that_cannot_be_had_is_reported(error: Exception) -> None:
    def locate() -> str | None:
        raise error

    with polling(locate) as (_, heard):
        status = heard.wait_for_polls(2)[1]
    assert status.status in ("unreachable", "invalid")
    assert str(error) in status.detail


@pytest.mark.parametrize("url", ["", "127.0.0.1:3001", "ftp://x", "http://", "http://h:x", "http://h:99999"])
def test_an_address_that_is_no_url_is_refused_at_the_door(url: str) -> None:
    with pytest.raises(UsageError, match="give it as"):
        contract_poller(url, print)


def test_importing_the_poller_does_not_import_httpx() -> None:
    code = "import sys, engine.target.poller; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
