from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.errors import JournalDamaged, UsageError
from engine.core.types import Command
from engine.journal import Checkpoint, JournalReader, JournalWriter, read_journal
from engine.journal.records import RECORD_BYTES
from tests.journal.journal_data import (
    FINAL,
    HEADER,
    entries,
    sample_commands,
    write_entries,
    write_journal,
)


@settings(max_examples=60, deadline=None)
@given(entries, st.sampled_from([RECORD_BYTES, 500, 1 << 20]))
def test_what_is_written_is_read_back_in_order_over_any_segments(items, segment_bytes):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        write_journal(path, items, segment_bytes=segment_bytes)
        contents = read_journal(path)
        assert contents.header == HEADER
        assert contents.commands == [item for item in items if isinstance(item, Command)]
        assert [checkpoint for _, checkpoint in contents.checkpoints] == [
            *(item for item in items if isinstance(item, Checkpoint)),
            FINAL,
        ]
        assert contents.complete
        assert contents.torn is None


def test_a_checkpoint_keeps_its_place_among_the_inputs(tmp_path):
    inputs = sample_commands(3)
    between = Checkpoint(inputs[1].time_ns, 10, 11, 12)
    write_journal(tmp_path / "journal", [*inputs[:2], between, inputs[2]])
    assert read_journal(tmp_path / "journal").checkpoints == [(2, between), (3, FINAL)]


@pytest.mark.parametrize("digest", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_checkpoint_carries_digests_of_all_sizes(digest):
    checkpoint = Checkpoint(5, 6, digest, digest)
    assert Checkpoint.from_command(Command.unpack(checkpoint.as_command().pack())) == checkpoint


def test_the_extent_is_that_of_the_files_bytes(tmp_path):
    path = tmp_path / "journal"
    writer = JournalWriter(path, HEADER, segment_bytes=300)
    write_entries(writer, list(sample_commands(20)))
    extent = writer.finish(FINAL)
    data = b"".join(segment.read_bytes() for segment in sorted(path.iterdir()))
    assert extent == (len(data), xxhash.xxh3_64_hexdigest(data))
    reader = JournalReader(path)
    assert len(reader.segments) > 2
    assert len(list(reader)) == 21
    assert (reader.bytes, reader.digest.hexdigest()) == extent


def test_a_segment_is_named_by_its_first_sequence_and_stays_within_its_limit(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, list(sample_commands(10)), segment_bytes=3 * RECORD_BYTES)
    names = sorted(segment.name for segment in path.iterdir())
    assert names == [f"{first:020d}.journal" for first in (0, 1, 4, 7, 10)]
    assert all(
        segment.stat().st_size <= 3 * RECORD_BYTES
        for segment in list(path.iterdir())
        if segment.name != names[0]
    )


def test_a_reader_goes_through_a_journal_twice(tmp_path):
    write_journal(tmp_path / "journal", list(sample_commands(4)))
    reader = JournalReader(tmp_path / "journal")
    assert list(reader) == list(reader)


def test_reopening_cuts_the_torn_tail_off_and_goes_on(tmp_path):
    path = tmp_path / "journal"
    inputs = sample_commands(9)
    write_journal(path, list(inputs[:5]), finished=False)
    segment = next(path.iterdir())
    with segment.open("ab") as file:
        file.write(b"\x49\x00\x00\x00torn")
    writer = JournalWriter.reopen(path)
    assert writer.torn == (str(segment), segment.stat().st_size, 8), "it says what it cut off"
    write_entries(writer, list(inputs[5:]))
    extent = writer.finish(FINAL)
    contents = read_journal(path)
    assert contents.commands == inputs
    assert contents.complete
    assert extent == (segment.stat().st_size, xxhash.xxh3_64_hexdigest(segment.read_bytes()))


def test_reopening_a_journal_with_nothing_but_its_header(tmp_path):
    path = tmp_path / "journal"
    write_journal(path, [], finished=False)
    writer = JournalWriter.reopen(path)
    assert writer.torn is None
    write_entries(writer, list(sample_commands(2)))
    writer.finish(FINAL)
    assert len(read_journal(path).commands) == 2


def test_a_finished_journal_is_not_reopened(tmp_path):
    write_journal(tmp_path / "journal", list(sample_commands(2)))
    with pytest.raises(UsageError, match="has ended"):
        JournalWriter.reopen(tmp_path / "journal")


def test_a_journal_has_one_writer(tmp_path):
    writer = JournalWriter(tmp_path / "journal", HEADER)
    with pytest.raises(UsageError, match="another process"):
        JournalWriter.reopen(tmp_path / "journal")
    writer.close()
    JournalWriter.reopen(tmp_path / "journal").close()


def test_an_input_out_of_sequence_is_an_error_of_ours(tmp_path):
    writer = JournalWriter(tmp_path / "journal", HEADER)
    with pytest.raises(AssertionError, match="no gaps"):
        writer.append(sample_commands(2)[1])
    writer.close()


def test_time_that_goes_back_is_damage(tmp_path):
    early, late = sample_commands(2)
    path = tmp_path / "journal"
    write_journal(path, [late._replace(sequence=1), early._replace(sequence=2)])
    with pytest.raises(JournalDamaged, match="time goes back"):
        read_journal(path)
