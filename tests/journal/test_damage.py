from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.errors import JournalDamaged
from engine.core.types import CommandKind
from engine.journal import Checkpoint, JournalReader, RecordType, find_torn_tail, read_journal
from engine.journal.records import RECORD_BYTES, encode_header, encode_record, segment_name
from tests.journal.journal_data import FINAL, HEADER, entries, sample_commands, write_journal

HEADER_BYTES = len(encode_header(HEADER))


def record_start(offset: int) -> int:
    """Where the record begins that holds this byte of a single segment."""
    if offset < HEADER_BYTES:
        return 0
    return HEADER_BYTES + (offset - HEADER_BYTES) // RECORD_BYTES * RECORD_BYTES


def flip_and_read(segment: Path, data: bytes, offset: int, mask: int) -> JournalDamaged | None:
    flipped = bytearray(data)
    flipped[offset] ^= mask
    segment.write_bytes(flipped)
    try:
        read_journal(segment)
    except JournalDamaged as damage:
        return damage
    return None


def test_any_flipped_byte_of_a_finished_journal_is_found_in_its_record(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, [*sample_commands(3), Checkpoint(4_000_000, 1, 2, 3)])
    segment = path / segment_name(0)
    data = segment.read_bytes()
    masks = random.Random(1)
    for offset in range(len(data)):
        for mask in (1 << masks.randrange(8), 0xFF, data[offset] or 0x80):
            damage = flip_and_read(segment, data, offset, mask)
            assert damage is not None, f"byte {offset} ^ {mask:02x} went unnoticed"
            assert damage.offset == record_start(offset)
            assert damage.path == str(segment)


@settings(max_examples=100, deadline=None)
@given(entries, st.data())
def test_a_flipped_byte_in_any_segment_is_found(items, data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        write_journal(path, items, segment_bytes=4 * RECORD_BYTES)
        segment = data.draw(st.sampled_from(sorted(path.iterdir())))
        content = segment.read_bytes()
        offset = data.draw(st.integers(0, len(content) - 1))
        flipped = bytearray(content)
        flipped[offset] ^= data.draw(st.integers(1, 255))
        segment.write_bytes(flipped)
        with pytest.raises(JournalDamaged) as caught:
            read_journal(path)
        assert caught.value.path == str(segment)
        assert caught.value.offset <= offset


def test_a_journal_cut_at_any_byte_is_a_readable_prefix(tmp_path):
    path = tmp_path / "journal"
    inputs = sample_commands(4)
    write_journal(path, list(inputs))
    segment = path / segment_name(0)
    data = segment.read_bytes()
    for size in range(HEADER_BYTES, len(data)):
        segment.write_bytes(data[:size])
        whole, torn_bytes = divmod(size - HEADER_BYTES, RECORD_BYTES)
        contents = read_journal(path)
        assert contents.commands == inputs[:whole]
        assert not contents.complete
        if torn_bytes:
            assert contents.torn == (str(segment), size - torn_bytes, torn_bytes)
        else:
            assert contents.torn is None


def test_a_journal_cut_within_its_header_is_damaged(tmp_path):
    """The header is on the medium before its file has its name, so no crash leaves this."""
    path = tmp_path / "journal"
    write_journal(path, [], finished=False)
    segment = path / segment_name(0)
    data = segment.read_bytes()
    for size in range(HEADER_BYTES):
        segment.write_bytes(data[:size])
        with pytest.raises(JournalDamaged, match="header"):
            read_journal(path)


def test_zeros_that_a_power_cut_left_are_a_torn_tail(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, list(sample_commands(2)), finished=False)
    segment = path / segment_name(0)
    size = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(bytes(4096))
    assert read_journal(path).torn == (str(segment), size, 4096)


def test_zeros_with_something_after_them_are_damage(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, list(sample_commands(2)), finished=False)
    segment = path / segment_name(0)
    size = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(bytes(100_000) + b"\x01")
    with pytest.raises(JournalDamaged) as caught:
        read_journal(path)
    assert caught.value.offset == size


def test_a_record_whose_last_sector_was_never_written_is_a_torn_tail(tmp_path):
    """A power cut can leave the first sector of a record, and zeros where the second belongs."""
    path = tmp_path / "journal"
    inputs = sample_commands(30)
    write_journal(path, list(inputs), finished=False)
    segment = path / segment_name(0)
    data = segment.read_bytes()
    sectors = [n for n in range(512, len(data), 512) if 8 < n - record_start(n) < 57]
    assert sectors, "some sector begins within a record, before what is zero in it anyway"
    for sector in sectors:
        segment.write_bytes(data[:sector] + bytes(len(data) - sector))
        torn = read_journal(path).torn
        assert torn == (str(segment), record_start(sector), len(data) - record_start(sector))
        assert find_torn_tail(path) == torn


def test_zeros_that_begin_within_a_sector_are_damage(tmp_path):
    """A sector is written whole or not at all."""
    path = tmp_path / "journal"
    write_journal(path, list(sample_commands(30)), finished=False)
    segment = path / segment_name(0)
    data = segment.read_bytes()
    inside = [
        n for n in range(HEADER_BYTES, len(data), RECORD_BYTES) if n % 512 < 512 - RECORD_BYTES and n % 512
    ]
    for start in inside:
        segment.write_bytes(data[: start + 40] + bytes(41))
        with pytest.raises(JournalDamaged, match="CRC") as caught:
            read_journal(path)
        assert caught.value.offset == start


@settings(max_examples=150, deadline=None)
@given(entries, st.data())
def test_the_torn_tail_is_found_from_the_end_as_well(items, data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        write_journal(
            path, items, finished=False, segment_bytes=data.draw(st.sampled_from([3 * RECORD_BYTES, 1 << 20]))
        )
        last = sorted(path.iterdir())[-1]
        start = HEADER_BYTES if last.name == segment_name(0) else 0
        content = last.read_bytes()
        kept = content[: data.draw(st.integers(start, len(content)))]
        last.write_bytes(kept + bytes(data.draw(st.sampled_from([0, 0, 1, 80, 81, 512, 70_000]))))
        try:
            torn = read_journal(path).torn
        except JournalDamaged:
            assert (len(kept) - start) % RECORD_BYTES > 0, "part of a record, then zeros that were written"
        else:
            assert find_torn_tail(path) == torn
            assert (
                torn is None
                or str(torn) == f"{last}: torn tail, {torn.bytes} bytes cut off at byte {torn.offset}"
            )


def test_bytes_after_the_end_record_are_damage(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, list(sample_commands(2)))
    segment = path / segment_name(0)
    size = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(b"\x00")
    with pytest.raises(JournalDamaged, match="after the END record") as caught:
        read_journal(path)
    assert caught.value.offset == size


def test_a_missing_inner_segment_is_damage(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, list(sample_commands(9)), segment_bytes=3 * RECORD_BYTES)
    (path / segment_name(4)).unlink()
    with pytest.raises(JournalDamaged, match="a segment is missing: record 4 comes next"):
        read_journal(path)


def test_a_missing_first_segment_is_damage(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, list(sample_commands(9)), segment_bytes=3 * RECORD_BYTES)
    (path / segment_name(0)).unlink()
    with pytest.raises(JournalDamaged, match="first segment"):
        JournalReader(path)
    with pytest.raises(JournalDamaged, match="first segment"):
        JournalReader(tmp_path / "nothing")


def test_an_inner_segment_may_not_be_torn(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, list(sample_commands(9)), segment_bytes=3 * RECORD_BYTES)
    segment = path / segment_name(4)
    segment.write_bytes(segment.read_bytes()[:-5])
    with pytest.raises(JournalDamaged, match="inner segment") as caught:
        read_journal(path)
    assert caught.value.offset == 2 * RECORD_BYTES


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (encode_record(RecordType.INPUT, 2, sample_commands(1)[0].pack()), "journal sequence 2, must be 1"),
        (encode_record(RecordType.INPUT, 1, sample_commands(2)[1].pack()), "input sequence 2, must be 1"),
        (encode_record(RecordType.INPUT, 1, FINAL.as_command().pack()), "kind"),
        (encode_record(RecordType.END, 1, sample_commands(1)[0].pack()), "kind"),
        (encode_record(RecordType.HEADER, 1, sample_commands(1)[0].pack()), "type 1"),
        (encode_record(RecordType.INPUT, 1, sample_commands(1)[0]._replace(kind=77).pack()), "77"),
    ],
)
def test_a_right_crc_over_wrong_content_is_damage(tmp_path, record, reason):
    path = tmp_path / "journal"
    write_journal(path, [], finished=False)
    with (path / segment_name(0)).open("ab") as file:
        file.write(record)
    with pytest.raises(JournalDamaged, match=reason) as caught:
        read_journal(path)
    assert caught.value.offset == HEADER_BYTES


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "cannot be read"),
        (b'{"format_version": 2, "new": 1}', "format 2"),
        (b'{"format_version": 1}', "engine_version"),
    ],
)
def test_a_header_of_another_kind_is_named(tmp_path, body, reason):
    path = tmp_path / segment_name(0)
    path.write_bytes(encode_record(RecordType.HEADER, 0, body))
    with pytest.raises(JournalDamaged, match=reason):
        read_journal(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_as_a_journal_are_read_or_refused(data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / segment_name(0)
        path.write_bytes(encode_header(HEADER) + data)
        try:
            contents = read_journal(path)
        except JournalDamaged:
            return
        assert all(command.kind != CommandKind.CHECKPOINT for command in contents.commands)
