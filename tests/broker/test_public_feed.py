"""Public updates on their way to clients: held back, dropped, repeated, swapped."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from engine.broker import public_feed as module
from engine.broker.boundary import PublicFate
from engine.broker.public_feed import PublicFeed

TELL, DROP, REPEAT, SWAP = PublicFate


class Quote(NamedTuple):
    number: int


class Trade(NamedTuple):
    number: int


class Faults:
    """What becomes of updates, by their number."""

    def __init__(self, **fates: PublicFate) -> None:
        self.is_stale = False
        self.fates = {int(name[1:]): fate for name, fate in fates.items()}

    def public_fate(self, number: int) -> PublicFate:
        return self.fates.get(number, TELL)


def told(feed: PublicFeed[Quote], *numbers: int) -> list[int]:
    return [update.number for update in feed([Quote(number) for number in numbers])]


@pytest.mark.parametrize(
    ("fates", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"_2": DROP}, [1, 3, 4]),
        ({"_2": REPEAT}, [1, 2, 2, 3, 4]),
        ({"_2": SWAP}, [1, 3, 2, 4]),
        ({"_2": SWAP, "_3": SWAP}, [1, 3, 2, 4]),
        ({"_2": SWAP, "_3": DROP}, [1, 4, 2]),
        ({"_2": SWAP, "_3": REPEAT}, [1, 3, 3, 2, 4]),
        ({"_4": SWAP}, [1, 2, 3]),
    ],
)
def test_what_becomes_of_an_update_does_not_depend_on_how_they_are_sliced(
    fates: dict[str, PublicFate], expected: list[int]
) -> None:
    whole, single = PublicFeed[Quote](Faults(**fates)), PublicFeed[Quote](Faults(**fates))
    assert told(whole, 1, 2, 3, 4) == expected
    assert [number for one in (1, 2, 3, 4) for number in told(single, one)] == expected


def test_an_update_changes_places_with_the_next_of_its_own_kind() -> None:
    feed: PublicFeed[Quote | Trade] = PublicFeed(Faults(_1=SWAP))
    updates = [Quote(1), Trade(2), Quote(3)]
    assert list(feed(updates)) == [Trade(2), Quote(3), Quote(1)]


def test_a_feed_that_stands_still_tells_all_of_it_afterwards() -> None:
    faults = Faults()
    feed = PublicFeed[Quote](faults)
    faults.is_stale = True
    assert told(feed, 1, 2) == []
    assert told(feed, 3) == []
    faults.is_stale = False
    assert told(feed, 4) == [1, 2, 3, 4]
    assert told(feed) == []


def test_what_a_feed_holds_back_is_bounded_and_the_oldest_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_LIMIT", 3)
    faults = Faults()
    feed = PublicFeed[Quote](faults)
    faults.is_stale = True
    told(feed, 1, 2)
    told(feed, 3, 4, 5)
    assert feed.statistics() == {
        "held": 3, "limit": 3, "dropped": 0, "repeated": 0, "swapped": 0, "lost": 2,
    }  # fmt: skip
    faults.is_stale = False
    assert told(feed) == [3, 4, 5]
