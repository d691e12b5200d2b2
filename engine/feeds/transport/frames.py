"""One captured frame -> the UDP datagram in it: link, VLAN, IP and UDP headers taken off.

Stop on the data path: between the container of a capture file and the datagrams. Invariant: every frame gives
either a datagram or one DamageReason, and no header is believed beyond the bytes that were captured.

Fragments are counted, not put together: market data is sent in packets that fit. Checksums are not verified:
cards fill them in behind the point where captures are taken, so in captures of one's own sending they are
wrong as a rule.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from engine.feeds.transport.addresses import Address
from engine.feeds.transport.damage import DamageReason

__all__ = [
    "LINK_ETHERNET",
    "LINK_IPV4",
    "LINK_IPV6",
    "LINK_LINUX_COOKED",
    "LINK_LINUX_COOKED_2",
    "LINK_LOOPBACK",
    "LINK_NULL",
    "LINK_RAW",
    "UdpPayload",
    "read_frame",
]

# https://www.tcpdump.org/linktypes.html
LINK_NULL = 0
LINK_ETHERNET = 1
LINK_RAW = 101
LINK_LOOPBACK = 108
LINK_LINUX_COOKED = 113
LINK_IPV4 = 228
LINK_IPV6 = 229
LINK_LINUX_COOKED_2 = 276

_ETHERTYPE_PLACES = {LINK_ETHERNET: (12, 14), LINK_LINUX_COOKED: (14, 16), LINK_LINUX_COOKED_2: (0, 20)}
"""Where a link header has its ethertype, and where it ends."""
_RAW_LINKS = frozenset((LINK_RAW, LINK_IPV4, LINK_IPV6, 12, 14))
"""12 and 14 are what some systems wrote for LINK_RAW."""

MAX_VLAN_TAGS = 4
"""Tags before the IP header; a frame with more is not read."""
MAX_EXTENSION_HEADERS = 8
"""IPv6 extension headers before UDP."""
ADDRESS_CACHE = 4_096
"""Addresses kept as text; a capture has a few, each millions of times."""

_ETHERTYPE_IPV4 = 0x0800
_ETHERTYPE_IPV6 = 0x86DD
_VLAN_TYPES = frozenset((0x8100, 0x88A8, 0x9100))
"""802.1Q, 802.1ad (QinQ) and its predecessor."""
_FAMILIES = {2: _ETHERTYPE_IPV4, **dict.fromkeys((10, 24, 28, 30), _ETHERTYPE_IPV6)}
"""Address families as null and loopback captures carry them; that of IPv6 differs between systems."""

_IP_UDP = 17
_HOP_BY_HOP, _ROUTING, _FRAGMENT_HEADER, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS = frozenset((_HOP_BY_HOP, _ROUTING, _DESTINATION))
_MORE_FRAGMENTS_AND_OFFSET = 0x3FFF

_IPV4 = Struct(">BxHxxHxBxx4s4s")
_IPV6 = Struct(">BxxxHBx16s16s")
_UDP = Struct(">HHH")
_HALF = Struct(">H")


class UdpPayload(NamedTuple):
    """What a frame carried."""

    source: Address
    destination: Address
    payload: bytes


def read_frame(link_type: int, frame: bytes) -> UdpPayload | DamageReason:
    """The UDP datagram in a frame of this link type."""
    place = _find_ip(link_type, frame)
    if isinstance(place, DamageReason):
        return place
    ethertype, offset = place
    if ethertype == _ETHERTYPE_IPV4:
        return _read_ipv4(frame, offset)
    if ethertype == _ETHERTYPE_IPV6:
        return _read_ipv6(frame, offset)
    return DamageReason.NOT_IP


def _find_ip(link_type: int, frame: bytes) -> tuple[int, int] | DamageReason:
    """Ethertype and offset of what the link layer carries."""
    if link_type in _ETHERTYPE_PLACES:
        return _behind_tags(frame, *_ETHERTYPE_PLACES[link_type])
    if link_type in (LINK_NULL, LINK_LOOPBACK):
        if len(frame) < 4:
            return DamageReason.FRAME_CUT_OFF
        # Null captures carry the family in the byte order of the machine that took them.
        family = min(int.from_bytes(frame[:4], "little"), int.from_bytes(frame[:4], "big"))
        return _FAMILIES.get(family, 0), 4
    if link_type in _RAW_LINKS:
        if not frame:
            return DamageReason.FRAME_CUT_OFF
        return {4: _ETHERTYPE_IPV4, 6: _ETHERTYPE_IPV6}.get(frame[0] >> 4, 0), 0
    return DamageReason.UNKNOWN_LINK


def _behind_tags(frame: bytes, offset: int, payload: int) -> tuple[int, int] | DamageReason:
    """The ethertype at `offset`, or behind VLAN tags, and where what it names begins (`payload`, or behind
    the tags)."""
    if payload > len(frame):
        return DamageReason.FRAME_CUT_OFF
    ethertype = frame[offset] << 8 | frame[offset + 1]
    for _ in range(MAX_VLAN_TAGS):
        if ethertype not in _VLAN_TYPES:
            break
        if payload + 4 > len(frame):
            return DamageReason.FRAME_CUT_OFF
        ethertype = frame[payload + 2] << 8 | frame[payload + 3]
        payload += 4
    return ethertype, payload


def _read_ipv4(frame: bytes, offset: int) -> UdpPayload | DamageReason:
    if offset + _IPV4.size > len(frame):
        return DamageReason.FRAME_CUT_OFF
    first, total, fragment, protocol, source, destination = _IPV4.unpack_from(frame, offset)
    header = (first & 15) * 4
    if first >> 4 != 4 or header < _IPV4.size or total < header:
        return DamageReason.BAD_IP
    if protocol != _IP_UDP:
        return DamageReason.NOT_UDP
    if fragment & _MORE_FRAGMENTS_AND_OFFSET:
        return DamageReason.FRAGMENT
    if offset + total > len(frame):
        return DamageReason.FRAME_CUT_OFF
    return _read_udp(frame, offset + header, offset + total, source, destination)


def _read_ipv6(frame: bytes, offset: int) -> UdpPayload | DamageReason:
    if offset + _IPV6.size > len(frame):
        return DamageReason.FRAME_CUT_OFF
    first, length, protocol, source, destination = _IPV6.unpack_from(frame, offset)
    if first >> 4 != 6:
        return DamageReason.BAD_IP
    offset += _IPV6.size
    end = offset + length
    if end > len(frame):
        return DamageReason.FRAME_CUT_OFF
    for _ in range(MAX_EXTENSION_HEADERS):
        if protocol == _IP_UDP:
            return _read_udp(frame, offset, end, source, destination)
        if offset + 8 > end and protocol in (*_EXTENSIONS, _FRAGMENT_HEADER, _AUTHENTICATION):
            return DamageReason.BAD_IP
        if protocol in _EXTENSIONS:
            size = frame[offset + 1] * 8 + 8
        elif protocol == _AUTHENTICATION:
            size = frame[offset + 1] * 4 + 8
        elif protocol == _FRAGMENT_HEADER:
            # An atomic fragment (RFC 6946) is a whole packet: offset 0 and no more to come.
            if _HALF.unpack_from(frame, offset + 2)[0] & 0xFFF9:
                return DamageReason.FRAGMENT
            size = 8
        else:
            return DamageReason.NOT_UDP
        protocol = frame[offset]
        offset += size
        if offset > end:
            return DamageReason.BAD_IP
    return DamageReason.BAD_IP


def _read_udp(
    frame: bytes, offset: int, end: int, source: bytes, destination: bytes
) -> UdpPayload | DamageReason:
    """The datagram at `offset` of an IP packet that ends at `end`."""
    if offset + 8 > end:
        return DamageReason.BAD_UDP
    source_port, destination_port, length = _UDP.unpack_from(frame, offset)
    if length < 8 or offset + length > end:
        return DamageReason.BAD_UDP
    return UdpPayload(
        _address(source, source_port),
        _address(destination, destination_port),
        frame[offset + 8 : offset + length],
    )


@lru_cache(maxsize=ADDRESS_CACHE)
def _address(packed: bytes, port: int) -> Address:
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return Address(socket.inet_ntop(family, packed), port)
