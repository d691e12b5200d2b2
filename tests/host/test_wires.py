"""FIX, OUCH and the ITCH feed around a live host: on with their ports, and with the host that runs now."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import simplefix

from engine.api.server import VenueOptions
from engine.core.clock import monotonic_ns, wall_ns
from engine.core.errors import UsageError
from engine.feeds.transport.soup_client import ClientState, SequencedMessage, SoupClient
from engine.host.live import SessionHost
from engine.host.service import LiveService
from engine.venue.fix.wire import timestamp
from engine.venue.keys import KeyStore, NewKey
from engine.venue.ouch.logins import soup_password
from engine.venue.wire_ports import WirePorts
from tests.host.hosts import live

PATIENCE_S = 20
ALL = WirePorts(fix=0, ouch=0, itch=0)


class Around:
    """A service with all three ports, and a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = KeyStore()
        self.key: NewKey = self.keys.create("reader")
        self.service = LiveService(self.host(), "none", venue=VenueOptions(self.keys, wires=ALL))

    def host(self, seed: int = 4) -> SessionHost:
        return live(self.folder, seed=seed, speed=1.0, keep_itch=True)

    def socket(self, protocol: str) -> socket.socket:
        host, _, port = self.service.api.wires[protocol].rpartition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE_S)

    def soup(self, protocol: str) -> Soup:
        return Soup(self.socket(protocol), SoupClient("reader", soup_password(self.key.secret)))


class Soup:
    """A blocking client of SoupBinTCP."""

    def __init__(self, wire: socket.socket, client: SoupClient) -> None:
        self.wire, self.client = wire, client
        self.heard: list[bytes] = []
        client.connected(monotonic_ns())
        wire.sendall(client.outgoing())

    def until(self, is_enough: Callable[[], bool]) -> None:
        while not is_enough():
            data = self.wire.recv(1 << 16)
            if not data:
                self.client.disconnected()
                break
            for event in self.client.receive(data, monotonic_ns()):
                if isinstance(event, SequencedMessage):
                    self.heard.append(event.message)
            self.wire.sendall(self.client.outgoing())
        assert is_enough(), self.client.state

    @property
    def is_in(self) -> bool:
        return self.client.state not in (ClientState.LOGGING_IN, ClientState.ENDED)


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Around]:
    around = Around(tmp_path)
    try:
        with around.service as service:
            around.service.host.run_thread()
            assert service.api.wait_listening(PATIENCE_S), service.api.error
            yield around
    finally:
        around.service.host.stop()


def fix_logon(key: NewKey) -> bytes:
    message = simplefix.FixMessage()
    fields = {
        8: "FIX.4.4", 35: "A", 49: "ME", 56: "STORMDESK", 34: 1, 52: timestamp(wall_ns()),
        98: 0, 108: 30, 141: "Y", 553: key.api_key, 554: key.secret,
    }  # fmt: skip
    for tag, value in fields.items():
        message.append_pair(tag, value)
    return bytes(message.encode())


def test_each_protocol_answers_at_its_port_and_the_frame_says_where(around: Around) -> None:
    with around.socket("fix") as wire:
        wire.sendall(fix_logon(around.key))
        assert b"\x0135=A\x01" in wire.recv(4_096)
        ouch, itch = around.soup("ouch"), around.soup("itch")
        ouch.until(lambda: ouch.is_in)
        itch.until(lambda: len(itch.heard) >= 3)
        assert [message[:1] for message in itch.heard[:3]] == [b"S", b"R", b"H"]
        assert around.service.host.frame().host.venue.is_open
        assert around.service.api.wires.keys() == {"fix", "ouch", "itch"}
        assert around.service.api.clients == 3
        for one in (ouch, itch):
            one.wire.close()


def test_the_feed_and_the_orders_are_of_the_host_that_runs_now(around: Around) -> None:
    first = around.soup("itch")
    first.until(lambda: len(first.heard) >= 40)
    around.service.replace(around.host(seed=5))
    first.until(lambda: first.client.state is ClientState.ENDED)
    second = around.soup("itch")
    second.until(lambda: len(second.heard) >= min(40, len(first.heard)))
    assert second.heard[:3] == first.heard[:3], "both open the same day"
    assert second.heard != first.heard[: len(second.heard)], "of another market"
    ouch = around.soup("ouch")
    ouch.until(lambda: ouch.is_in)
    assert around.service.host.frame().host.venue.ouch == around.service.api.wires["ouch"]
    for one in (first, second, ouch):
        one.wire.close()


def test_a_port_that_is_taken_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for ports in (WirePorts(fix=port), WirePorts(ouch=port), WirePorts(itch=port)):
            service = LiveService(live(tmp_path), "none", venue=VenueOptions(KeyStore(), wires=ports))
            with pytest.raises(UsageError, match=f"port 127.0.0.1:{port}: .*choose another"):
                service.__enter__()
            assert service.api.url is None


def test_without_the_ports_nothing_of_it_is_loaded_or_listens(tmp_path: Path) -> None:
    service = LiveService(live(tmp_path), "none", venue=VenueOptions(KeyStore()))
    with service:
        assert service.api.wires == {}
    assert service.host.venue.itch_log is None
    assert not any(name.startswith("fix_") for name in service.api.statistics())
