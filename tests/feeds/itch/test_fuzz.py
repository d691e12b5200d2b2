"""Mutated ITCH never reads outside its bytes, never raises, and never takes memory without end."""

from __future__ import annotations

import numpy as np
import pytest

from engine.book.books import MAX_INSTRUMENTS, HotBooks
from engine.feeds.itch.decoder import ItchDecoder
from engine.feeds.itch.messages import MESSAGES, read_message, write_message
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations
from tests.feeds.itch.days import itch_day
from tests.paths import PATHS, running

ORDERS_KEPT = 50_000
"""Books are made anew beyond it: what mutated adds leave behind is no finding."""


def corpus() -> list[bytes]:
    """A framed message of every type, and runs of them as they come."""
    frames = [
        kind.size.to_bytes(2, "big") + letter.encode() + bytes((7 * at) % 256 for at in range(kind.size - 1))
        for letter, kind in MESSAGES.items()
    ]
    day = itch_day(400, stocks=3).data
    return [*frames, b"".join(frames), *(day[at : at + 700] for at in range(0, len(day), 700))]


def take(count: int, seed: int) -> int:
    """Decodes and applies mutated buffers; how many messages they held."""
    decoder, books, messages = ItchDecoder(256), HotBooks(), 0
    for data in mutations(corpus(), seed, count):
        octets = np.frombuffer(data or b"\0", np.uint8)
        at = 0
        while True:
            part = decoder.decode(octets, at, len(data))
            assert at <= part.end <= len(data)
            books.apply(part.rows)
            assert (part.rows["side"] <= 2).all()
            messages += len(part.rows) + part.note_count
            for noted in decoder.notes(octets):
                wire = write_message(noted.message)
                assert read_message(wire) == noted.message
            if part.end == at:
                break
            decoder.count_stocks(octets, at, part.end)
            at = part.end
        if books.order_count > ORDERS_KEPT:
            books = HotBooks()
    assert books.instruments <= MAX_INSTRUMENTS
    return messages


@pytest.mark.parametrize("path", PATHS)
def test_mutated_bytes_are_counted_never_followed(path):
    with running(path):
        assert take(300 if path == "interpreted" else 5_000, seed=3) > 100


@pytest.mark.fuzz
def test_millions_of_mutated_buffers():
    """With every index checked: an over-read would raise."""
    with running(PATHS[-1]):
        assert take(FUZZ_BUFFERS, seed=1) > FUZZ_BUFFERS // 10
