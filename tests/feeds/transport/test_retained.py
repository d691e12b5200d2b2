"""The log of a published session: nothing is lost that a sender still needs, and memory is bounded."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.transport.moldudp64 import frame_messages, split_blocks
from engine.feeds.transport.retained import RetainedMessages
from tests.feeds.transport.wire import message, messages

PATIENCE_S = 20.0


def read_all(log: RetainedMessages, first: int = 1, max_bytes: int = 100) -> list[bytes]:
    """Everything from `first` on, as a sender reads it."""
    found: list[bytes] = []
    while (run := log.read(first, max_bytes)) is not None:
        assert run.sequence == first
        contents = split_blocks(run.blocks)
        assert len(contents) == run.message_count
        assert len(run.blocks) <= max_bytes or len(contents) == 1
        found += contents
        first += run.message_count
    return found


def fill(log: RetainedMessages, count: int) -> None:
    for content in messages(log.next_sequence, count):
        log.append(content)


def test_messages_are_numbered_from_1_and_read_from_any() -> None:
    log = RetainedMessages()
    assert log.read(1, 100) is None
    fill(log, 500)
    assert read_all(log) == messages(1, 500)
    for first in (1, 2, 31, 32, 33, 64, 499, 500):
        assert read_all(log, first) == messages(first, 501 - first)
    assert log.read(0, 100) is None
    assert log.read(501, 100) is None


def test_a_read_is_limited_in_bytes_and_in_messages() -> None:
    log = RetainedMessages()
    for _ in range(5):
        log.append(b"12345678")
    run = log.read(2, 29)
    assert run is not None
    assert run.message_count == 2
    assert run.blocks == frame_messages([b"12345678"] * 2)
    run = log.read(2, 30)
    assert run is not None
    assert run.message_count == 3
    run = log.read(2, 1_000, 1)
    assert run is not None
    assert run.message_count == 1
    run = log.read(4, 3)
    assert run is not None
    assert run.message_count == 1  # one at least, however long


@pytest.mark.parametrize("memory_bytes", [400, 1 << 20])
def test_a_read_goes_on_across_segments(memory_bytes: int) -> None:
    log = RetainedMessages(memory_bytes=memory_bytes, spill_bytes=1 << 20, segment_bytes=70)
    for _ in range(100):
        log.append(b"12345678")
    for first in range(1, 82):
        run = log.read(first, 200)
        assert run is not None
        assert run.message_count == 20
        assert run.blocks == frame_messages([b"12345678"] * 20)
        run = log.read(first, 209, 19)
        assert run is not None
        assert run.message_count == 19


def test_blocks_are_appended_as_they_stand() -> None:
    log = RetainedMessages()
    log.append(message(1))
    log.append_blocks(frame_messages(messages(2, 98)), 98)
    fill(log, 1)
    assert read_all(log) == messages(1, 100)


def test_after_the_end_nothing_is_taken() -> None:
    log = RetainedMessages()
    fill(log, 1)
    log.close()
    assert not log.append(b"late")
    assert log.statistics()["refused"] == 1
    assert read_all(log) == messages(1, 1)


def test_older_messages_are_read_back_from_the_spill_file(tmp_path: Path) -> None:
    log = RetainedMessages(
        memory_bytes=4_000, spill_bytes=1 << 20, segment_bytes=1_000, spill_folder=tmp_path
    )
    fill(log, 3_000)
    counts = log.statistics()
    assert counts["memory_bytes"] <= 4_000
    assert counts["spilled_bytes"] > 10_000
    assert counts["kept"] == 3_000
    assert read_all(log) == messages(1, 3_000)
    for first in range(1, 3_001, 97):
        run = log.read(first, 60)
        assert run is not None
        assert split_blocks(run.blocks) == messages(first, run.message_count)
    assert list(tmp_path.iterdir()) == []  # the file has no name: nothing stays behind


def test_when_the_file_is_full_its_older_half_is_forgotten() -> None:
    log = RetainedMessages(memory_bytes=2_000, spill_bytes=10_000, segment_bytes=500)
    fill(log, 5_000)
    counts = log.statistics()
    assert counts["spilled_bytes"] <= 10_000
    assert counts["forgotten"] + counts["kept"] == 5_000
    assert counts["spilled_bytes"] + counts["memory_bytes"] > 6_000
    assert log.first_sequence == counts["forgotten"] + 1
    assert log.read(log.first_sequence - 1, 100) is None
    assert read_all(log, log.first_sequence) == messages(log.first_sequence, counts["kept"])


def test_without_a_file_the_oldest_are_forgotten() -> None:
    log = RetainedMessages(memory_bytes=2_000, spill_bytes=0, segment_bytes=500)
    fill(log, 5_000)
    assert log.statistics()["memory_bytes"] <= 2_000
    assert read_all(log, log.first_sequence) == messages(log.first_sequence, 5_001 - log.first_sequence)


def test_a_folder_that_cannot_be_written_costs_the_file_not_the_session(tmp_path: Path) -> None:
    log = RetainedMessages(
        memory_bytes=2_000, spill_bytes=1 << 20, segment_bytes=500, spill_folder=tmp_path / "missing"
    )
    fill(log, 5_000)
    assert log.spill_error is not None
    assert "no longer spilled" in log.spill_error
    assert log.statistics()["memory_bytes"] <= 2_000
    assert read_all(log, log.first_sequence)[-1] == message(5_000)


@pytest.mark.parametrize("spill_bytes", [0, 4_000])
def test_what_a_sender_still_has_to_send_is_waited_for_and_not_forgotten(spill_bytes: int) -> None:
    log = RetainedMessages(memory_bytes=2_000, spill_bytes=spill_bytes, segment_bytes=500)
    log.protect(1)
    writer = threading.Thread(target=fill, args=(log, 4_000), daemon=True)
    news = threading.Event()
    log.on_append(news.set)
    writer.start()
    sent: list[bytes] = []
    while len(sent) < 4_000:
        news.clear()
        run = log.read(len(sent) + 1, 200)
        if run is None:
            assert news.wait(PATIENCE_S) or len(sent) == 4_000
            continue
        sent += split_blocks(run.blocks)
        log.protect(len(sent) + 1)
    writer.join(PATIENCE_S)
    assert sent == messages(1, 4_000)
    assert log.statistics()["memory_bytes"] <= 2_000


def test_a_writer_that_waits_goes_on_when_the_session_is_closed() -> None:
    log = RetainedMessages(memory_bytes=1_000, spill_bytes=0, segment_bytes=200)
    log.protect(1)
    writer = threading.Thread(target=fill, args=(log, 4_000), daemon=True)
    writer.start()
    while not log.statistics()["waits"]:
        assert writer.is_alive()
    log.close()
    writer.join(PATIENCE_S)
    assert not writer.is_alive()
    assert read_all(log)[0] == message(1)


@given(
    sizes=st.lists(st.integers(0, 90), min_size=1, max_size=120),
    memory=st.integers(100, 600),
    spill=st.sampled_from([0, 400, 100_000]),
    segment=st.integers(40, 200),
    data=st.data(),
)
def test_what_is_kept_is_what_was_appended(
    sizes: list[int], memory: int, spill: int, segment: int, data: st.DataObject
) -> None:
    contents = [bytes([index % 251]) * size for index, size in enumerate(sizes)]
    log = RetainedMessages(memory_bytes=memory, spill_bytes=spill, segment_bytes=segment)
    for content in contents:
        log.append(content)
    first = data.draw(st.integers(1, len(sizes)))
    kept = read_all(log, max(first, log.first_sequence), data.draw(st.integers(1, 300)))
    assert kept == contents[max(first, log.first_sequence) - 1 :]
    if spill == 100_000:
        assert log.first_sequence == 1
