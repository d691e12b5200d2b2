"""The paths may change between any two calls: what one has begun, the other goes on with."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book import HotBook
from tests.arena.compiling import needs_compiler
from tests.book.streams import wild_stream
from tests.paths import PATHS, running

EVENTS = wild_stream(2_000)

pytestmark = needs_compiler


@pytest.fixture(scope="module")
def digest() -> int:
    """Of the book that ran interpreted from the first event to the last."""
    book = HotBook()
    with running("interpreted"):
        book.apply(EVENTS)
    return book.digest()


@given(
    stops=st.lists(st.integers(0, len(EVENTS)), max_size=6).map(sorted),
    paths=st.lists(st.sampled_from(PATHS), min_size=7, max_size=7),
)
@settings(max_examples=25)
def test_a_book_may_change_its_path_at_any_event(digest, stops, paths):
    book = HotBook()
    start = 0
    for stop, path in zip([*stops, len(EVENTS)], paths, strict=False):
        with running(path):
            book.apply(EVENTS[start:stop])
            book._check()
        start = stop
    assert book.digest() == digest


def test_half_a_book_is_finished_on_every_path(digest):
    half = HotBook()
    with running("interpreted"):
        half.apply(EVENTS[:1_000])
    for path in PATHS:
        book = copy.deepcopy(half)
        with running(path):
            assert book.compiled == (path != "interpreted")
            book.apply(EVENTS[1_000:])
        assert book.digest() == digest
