"""An independent reader: Wireshark's tshark takes apart what we published, field by field, and is content.

Captured are the datagrams of a real publisher on loopback, written by our capture writer. tshark also knows
SoupBinTCP. Of ITCH it knows versions 2 and 3 only (text); the messages are opaque to it.
"""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from engine.feeds.transport.addresses import Address, PublishAddress
from engine.feeds.transport.capture_feed import CaptureFeed
from engine.feeds.transport.moldudp64 import Request, frame_messages, pack_request
from engine.feeds.transport.pcap_writer import CaptureWriter
from engine.feeds.transport.publisher import MoldPublisher
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soup_client import SoupClient
from engine.feeds.transport.soup_server import SoupServer, one_log_for
from tests.feeds.transport.wire import SESSION, messages, numbers, packet_bytes, pcap

PATIENCE_S = 60.0
LOOPBACK = "127.0.0.1"
TSHARK = shutil.which("tshark")

pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")


NOTE = 0x400000
"""From this severity on, tshark's expert has found something wrong; below are remarks (a request is one)."""


def run_tshark(path: Path, how: str, *arguments: str) -> str:
    assert TSHARK is not None
    checks = [argument for kind in ("udp", "ip") for argument in ("-o", f"{kind}.check_checksum:TRUE")]
    command = [TSHARK, "-n", "-r", str(path), "-d", how, *checks, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout


def dissect(path: Path, how: str, *fields: str) -> list[list[str]]:
    """One row of fields a packet; tshark must have nothing to complain about."""
    wanted = [
        argument for field in (*fields, "_ws.expert.severity", "_ws.malformed") for argument in ("-e", field)
    ]
    rows = [line.split("\t") for line in run_tshark(path, how, "-T", "fields", *wanted).splitlines()]
    for row in rows:
        assert row[-1] == "", f"malformed: {row}"
        assert all(int(severity) < NOTE for severity in row[-2].split(",") if severity), (
            f"tshark complains: {row}"
        )
    return [row[:-2] for row in rows]


def capture_published(path: Path, count: int) -> int:
    """Publish so many messages on loopback, with an answered request, and write down all datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((LOOPBACK, 0))
        listener.settimeout(PATIENCE_S)
        here = Address(*listener.getsockname())
        publisher = MoldPublisher(PublishAddress(here), session="STORM00042", linger_ns=0)
        publisher.start()
        source = publisher.request_address
        assert source is not None
        with path.open("wb") as file:
            writer = CaptureWriter(file)

            def take() -> bytes:
                data = listener.recv(65_535)
                writer.write(1_577_700_000_000_000_000 + writer.datagrams, source, here, data)
                return data

            assert take()[18:] == b"\0\0"  # the first packet is a heartbeat
            publisher.publish_blocks(frame_messages(messages(1, count)), count)
            while publisher.statistics()["behind_messages"]:
                take()
            listener.setblocking(False)
            try:
                while True:
                    take()
            except BlockingIOError:
                listener.settimeout(PATIENCE_S)
            request = pack_request(Request(SESSION, 2, 3))
            writer.write(1_577_700_001_000_000_000, here, source, request)
            listener.sendto(request, source)
            take()
            publisher.close()
            while take()[18:] != b"\xff\xff":
                pass
    return here.port


def test_tshark_reads_what_was_published(tmp_path: Path) -> None:
    path = tmp_path / "published.pcap"
    port = capture_published(path, 200)
    session, sequence, count = "moldudp64.session", "moldudp64.sequence", "moldudp64.count"
    number, length, content = "moldudp64.msgseq", "moldudp64.msglen", "moldudp64.msgdata"
    rows = dissect(path, f"udp.port=={port},moldudp64", session, sequence, count, number, length, content)
    assert {row[0] for row in rows} == {"STORM00042"}
    assert rows[0] == ["STORM00042", "1", "0", "", "", ""]
    assert rows[-1] == ["STORM00042", "201", "65535", "", "", ""]
    assert rows[-3] == ["STORM00042", "2", "3", "", "", ""]  # the request
    stream, [answer] = rows[1:-3], [rows[-2]]
    assert [int(text) for row in stream for text in row[3].split(",")] == [*range(1, 201)]
    assert [bytes.fromhex(text) for row in stream for text in row[5].split(",")] == messages(1, 200)
    assert [int(text) for row in stream for text in row[4].split(",")] == [len(it) for it in messages(1, 200)]
    assert sum(int(row[2]) for row in stream) == 200
    assert answer[3] == "2,3,4"
    with path.open("rb") as file:
        ours = CaptureFeed(file)
        assert numbers(packet for _, packet in ours) == [*range(1, 201)]
        assert ours.statistics()["duplicate"] == 3


def test_tshark_would_complain(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pcap"
    with path.open("wb") as file:
        damaged = packet_bytes(1, 3)[:-2]
        CaptureWriter(file).write(0, Address(LOOPBACK, 5), Address(LOOPBACK, 26_400), damaged)
    with pytest.raises(AssertionError, match=r"tshark complains|malformed"):
        dissect(path, "udp.port==26400,moldudp64", "moldudp64.count")


def test_tshark_reads_a_soup_session(tmp_path: Path) -> None:
    log = RetainedMessages()
    for content in messages(1, 30):
        log.append(content)
    log.close()
    client = SoupClient("trader", "secret", session="DAY1", sequence=3)
    server = SoupServer(one_log_for({"trader": "secret"}, log), session="DAY1", now_ns=0)
    client.connected(0)
    asked = client.outgoing()
    server.receive(asked, 0)
    server.pump(0)
    told = server.outgoing()
    path = tmp_path / "soup.pcap"
    path.write_bytes(
        pcap([tcp(asked, 0, 0, 40_000, 7_000), tcp(told, 0, len(asked), 7_000, 40_000)], link_type=101)
    )
    how = "tcp.port==7000,soupbintcp"
    kind, user, content_field = "soupbintcp.packet_type", "soupbintcp.username", "soupbintcp.message"
    login, answer = dissect(path, how, kind, user, "soupbintcp.session", content_field)
    assert [letters(login[0]), *(text.strip() for text in login[1:])] == ["L", "trader", "DAY1", ""]
    assert letters(answer[0]) == "A" + "S" * 28 + "Z"
    assert answer[2].strip() == "DAY1"
    assert [bytes.fromhex(text) for text in answer[3].split(",")] == messages(3, 28)
    words = run_tshark(path, how, "-V")  # its fields for sequences hold a placeholder, the text is right
    assert "Requested sequence number: 3\n" in words
    assert "Next sequence number: 3\n" in words


def letters(field: str) -> str:
    """Characters as tshark gives them: quoted before version 4.2, in hex since."""
    return "".join(
        chr(int(text, 16)) if text.startswith("0x") else text.strip("'") for text in field.split(",")
    )


def tcp(data: bytes, sequence: int, acknowledged: int, source: int, destination: int) -> bytes:
    """An IPv4 packet with a TCP segment (without a checksum, which tshark does not verify unless asked)."""
    flags = 5 << 12 | 0x18
    segment = struct.pack(">HHIIHHHH", source, destination, sequence, acknowledged, flags, 8_192, 0, 0) + data
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 7, 0, 64, 6, 0) + bytes((127, 0, 0, 1)) * 2
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return header[:10] + struct.pack(">H", 0xFFFF - total) + header[12:] + segment
