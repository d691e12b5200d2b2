"""UDP datagrams -> a pcap file that any tool reads: Ethernet, IPv4, UDP, times in nanoseconds.

Stop on the data path: beside the publisher, to show others what was sent. Invariant: lengths and checksums of
every frame are right.
"""

from __future__ import annotations

import socket
from struct import Struct
from typing import BinaryIO

from engine.core.clock import NS_PER_S
from engine.feeds.transport.addresses import Address
from engine.feeds.transport.frames import LINK_ETHERNET

__all__ = ["MAX_PAYLOAD_BYTES", "CaptureWriter"]

MAX_PAYLOAD_BYTES = 0xFFFF - 28
"""Longest UDP payload in an IPv4 packet."""

_FILE = Struct("<IHHiIII")
_RECORD = Struct("<IIII")
_IPV4 = Struct(">BBHHHBBH4s4s")
_UDP = Struct(">HHHH")
_NANOSECOND_MAGIC = 0xA1B23C4D
_SNAP_BYTES = 1 << 18
_SOURCE_MAC = b"\x02\x00\x00\x00\x00\x01"
_TTL = 64
_IP_UDP = 17


class CaptureWriter:
    """Writes a pcap file into a stream that the caller opens and closes."""

    def __init__(self, stream: BinaryIO) -> None:
        self.datagrams = 0
        self._stream = stream
        stream.write(_FILE.pack(_NANOSECOND_MAGIC, 2, 4, 0, 0, _SNAP_BYTES, LINK_ETHERNET))

    def write(self, time_ns: int, source: Address, destination: Address, payload: bytes) -> None:
        """One datagram between two IPv4 addresses."""
        assert len(payload) <= MAX_PAYLOAD_BYTES
        frame = _frame(source, destination, payload)
        seconds, fraction_ns = divmod(time_ns, NS_PER_S)
        self._stream.write(_RECORD.pack(seconds, fraction_ns, len(frame), len(frame)) + frame)
        self.datagrams += 1


def _frame(source: Address, destination: Address, payload: bytes) -> bytes:
    from_ip, to_ip = socket.inet_aton(source.host), socket.inet_aton(destination.host)
    length = _UDP.size + len(payload)
    pseudo_header = from_ip + to_ip + _IP_UDP.to_bytes(2, "big") + length.to_bytes(2, "big")
    without = _UDP.pack(source.port, destination.port, length, 0)
    # 0 would say that there is no checksum; RFC 768 sends its complement instead.
    checksum = _checksum(pseudo_header + without + payload) or 0xFFFF
    udp = _UDP.pack(source.port, destination.port, length, checksum)
    parts = (0x45, 0, _IPV4.size + length, 0, 0, _TTL, _IP_UDP)
    ip = _IPV4.pack(*parts, _checksum(_IPV4.pack(*parts, 0, from_ip, to_ip)), from_ip, to_ip)
    if to_ip[0] >> 4 == 14:  # 224.0.0.0/4: RFC 1112 makes the MAC address of the group's last 23 bits
        to_mac = b"\x01\x00\x5e" + bytes((to_ip[1] & 127,)) + to_ip[2:]
    else:
        to_mac = b"\x02\x00\x00\x00\x00\x02"
    return to_mac + _SOURCE_MAC + b"\x08\x00" + ip + udp + payload


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    # The sum of 16-bit words with their carries is the whole number modulo 0xFFFF.
    total = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - total if total or not any(data) else 0
