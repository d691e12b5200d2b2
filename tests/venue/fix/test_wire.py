"""Bytes and messages: framing, fields, times; garbage of every kind."""

from __future__ import annotations

import simplefix
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.venue.fix.rules import RULES, Dialect, check, entries
from engine.venue.fix.wire import (
    MESSAGE_BYTES,
    Framer,
    Message,
    body_bytes,
    encode,
    parse_timestamp_ns,
    timestamp,
)

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), min_size=1, max_size=20)
FIELDS = st.lists(
    st.tuples(st.integers(1, 30_000).filter(lambda tag: tag not in (8, 9, 10, 35)), TEXT), max_size=20
)
RAW_TAGS = set(simplefix.FixParser().raw_len_tags) | set(simplefix.FixParser().raw_data_tags)


def frame(content: bytes) -> bytes:
    message = b"8=FIX.4.4\x019=%d\x01" % len(content) + content
    return message + b"10=%03d\x01" % (sum(message) % 256)


def read(data: bytes) -> list[Message]:
    return list(Framer().feed(data))


@given(FIELDS)
def test_what_is_encoded_reads_the_same_here_and_in_simplefix(fields: list[tuple[int, str]]) -> None:
    fields = [(tag, value) for tag, value in fields if tag not in RAW_TAGS]
    data = encode("D", "S", "T", 7, timestamp(0), body_bytes(fields))
    (message,) = read(data)
    assert message.fault is None
    assert message.fields[5:] == fields
    parser = simplefix.FixParser()
    parser.append_buffer(data)
    witness = parser.get_message()
    assert [(int(tag), value.decode("latin-1")) for tag, value in witness.pairs][7:-1] == fields
    assert witness.encode(raw=True) == data


@given(st.lists(FIELDS, min_size=1, max_size=5), st.lists(st.integers(1, 40), max_size=30))
def test_a_stream_cut_anywhere_gives_the_same_messages(
    messages: list[list[tuple[int, str]]], cuts: list[int]
) -> None:
    data = b"".join(
        encode("0", "S", "T", number, timestamp(0), body_bytes(fields))
        for number, fields in enumerate(messages, 1)
    )
    framer, found, at = Framer(), [], 0
    for cut in [*cuts, len(data)]:
        found += [message.sequence for message in framer.feed(data[at : at + cut])]
        at += cut
    assert found == [message.sequence for message in read(data)]


@settings(max_examples=300)
@given(st.binary(max_size=200), FIELDS, st.binary(max_size=200))
def test_garbage_before_and_after_never_raises_and_never_keeps_much(
    before: bytes, fields: list[tuple[int, str]], after: bytes
) -> None:
    framer = Framer()
    good = encode("0", "S", "T", 1, timestamp(0), body_bytes(fields))
    for message in framer.feed(before + good + after):
        check(message, Dialect.STANDARD)
    assert len(framer._buffer) <= MESSAGE_BYTES + 64


@settings(max_examples=500)
@given(FIELDS, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_message_does_not_take_the_next_one_with_it(
    fields: list[tuple[int, str]], damage: list[tuple[int, int]]
) -> None:
    bad = bytearray(encode("D", "S", "T", 1, timestamp(0), body_bytes(fields)))
    for at, byte in damage:
        bad[at % len(bad)] = byte
    good = encode("0", "S", "T", 99, timestamp(0), b"")
    framer = Framer()
    found = list(framer.feed(bytes(bad) + good * 3 + bytes(MESSAGE_BYTES + 100)))
    for message in found:
        for dialect in Dialect:
            check(message, dialect)
    assert [message.sequence for message in found][-3:] == [99] * 3


def test_a_length_that_is_too_long_takes_nothing_of_what_follows() -> None:
    good = encode("0", "S", "T", 1, timestamp(0), b"")
    for length in (b"60000", b"99999999", b"000000001", b"-5", b"x"):
        framer = Framer()
        framer_data = b"8=FIX.4.4\x019=" + length + b"\x0135=0\x01" + good
        found = list(framer.feed(framer_data + b" " * 60_100))
        assert [message.sequence for message in found] == [1], length


def test_data_fields_may_hold_the_separator() -> None:
    content = b"35=A\x0134=1\x0195=5\x0196=a\x01b=c\x01553=key\x01"
    (message,) = read(frame(content))
    assert message.get(96) == "a\x01b=c"
    assert message.get(553) == "key"
    (message,) = read(frame(b"35=A\x0195=500\x0196=abc\x01553=key\x01"))
    assert (message.get(96), message.get(553)) == ("abc", "key")


def test_fields_without_number_or_value_are_named() -> None:
    (message,) = read(frame(b"35=0\x01abc\x01"))
    assert message.fault is not None
    assert message.fault[0] == 0
    (message,) = read(frame(b"35=0\x0158=\x01"))
    assert message.fault is not None
    assert message.fault[:2] == (4, 58)
    assert read(frame(b"34=1\x0135=0\x01")) == []


def test_a_message_of_endless_fields_is_none() -> None:
    assert read(frame(b"35=0\x01" + b"1=1\x01" * 5_000)) == []


def test_times_have_microseconds_and_come_back() -> None:
    assert timestamp(1_718_096_506_228_950_999) == "20240611-09:01:46.228950"
    assert parse_timestamp_ns("20240611-09:01:46.228950") == 1_718_096_506_228_950_000
    assert parse_timestamp_ns("20240611-09:01:46") == 1_718_096_506_000_000_000
    for wrong in ("", "20240611", "20241311-09:01:46", "20240611-09:01:46.1", "20240611-25:01:46"):
        assert parse_timestamp_ns(wrong) is None


def test_entries_of_a_group_are_read_in_order() -> None:
    content = b"35=V\x01262=m\x01263=1\x01267=2\x01269=0\x01269=1\x01146=1\x0155=X\x01"
    (message,) = read(frame(content))
    assert check(message, Dialect.STANDARD) is None
    assert entries(message, 267) == [{269: "0"}, {269: "1"}]
    assert entries(message, 146) == [{55: "X"}]


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(RULES)),
    st.lists(
        st.tuples(
            st.sampled_from([11, 38, 40, 54, 55, 44, 73, 146, 267, 269, 262, 263, 7, 16, 36, 98, 108, 530]),
            st.sampled_from(["1", "2", "0", "-1", "x", "99999999999999999999", "1e9", "Y", "3"]),
        ),
        max_size=12,
    ),
    st.sampled_from(list(Dialect)),
)
def test_checking_any_fields_gives_a_fault_or_none(
    kind: str, fields: list[tuple[int, str]], dialect: Dialect
) -> None:
    (message,) = read(frame(f"35={kind}\x01".encode() + body_bytes(fields)))
    check(message, dialect)
