"""The deck's pages hold everything that can be fired, once."""

from __future__ import annotations

from engine.core.types import FaultKind, StormKind
from engine.storms.catalogue import PAGE_ENTRIES, PAGES, entry_of


def test_every_storm_and_fault_stands_on_one_page() -> None:
    kinds = [kind for page in PAGES for kind in page.kinds]
    assert sorted(kinds) == [*StormKind, *FaultKind]
    assert all(1 <= len(page.kinds) <= PAGE_ENTRIES for page in PAGES)


def test_what_the_deck_shows_fits_and_names_one_each() -> None:
    entries = [entry_of(kind) for page in PAGES for kind in page.kinds]
    assert all(len(entry.short) <= 9 for entry in entries)
    for field in ("short", "name", "label"):
        assert len({getattr(entry, field) for entry in entries}) == len(entries)
