"""Mutated messages of every venue: no exception, only events that keep their rules, bounded state."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.core.errors import FeedGap
from engine.feeds.venues.chain import BookChains
from engine.feeds.venues.events import Quote, Trade
from engine.feeds.venues.normaliser import MAX_NAMES, MAX_SYMBOLS, Normaliser
from engine.feeds.venues.registry import VENUES, guess_venue
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations
from tests.feeds.venues.corpora import CORPORA
from tests.feeds.venues.taking import RECEIVED_NS, check_events, encoded

FINDINGS = Path(__file__).parents[1] / "findings"
CHECKED_EVERY = 512
"""Buffers between two looks at the state."""


def buffers(venue: str, seed: int, count: int) -> Iterator[tuple[bytes, str]]:
    """Mutated messages with what they are about: as many for each URL or stream as for the connection."""
    corpus = [(about, encoded(message)) for about, message in CORPORA[venue]]
    abouts = sorted({about for about, _ in corpus})
    for number, about in enumerate(abouts):
        of_about = [text for named, text in corpus if named == about]
        for text in mutations(of_about, seed + number, -(-count // len(abouts))):
            yield text, about


def check_state(normaliser: Normaliser) -> None:
    """Nothing that a normaliser keeps is above its limit."""
    statistics = normaliser.statistics()
    for name, limit in statistics.items():
        if name.endswith("_limit"):
            assert statistics[name.removesuffix("_limit")] <= limit, name
    assert len(normaliser.streams) <= MAX_NAMES + 1
    for name, kept in vars(normaliser).items():
        if isinstance(kept, Mapping | list | set) and kept is not normaliser.numbers:
            assert len(kept) <= MAX_SYMBOLS, name


def survive(venue: str, seed: int, count: int) -> str:
    """Feed the buffers, every other one to a normaliser that lives for all of them, the rest to one that is
    new every now and then: what one mutated message does to the state must not hide others. What came of
    them."""
    oldest = newest = started(venue)
    events = drops = 0
    start = time.perf_counter()
    for number, (text, about) in enumerate(buffers(venue, seed, count)):
        if number % CHECKED_EVERY == 0:
            check_state(oldest)
            drops += newest.drops.total if newest is not oldest else 0
            newest = started(venue)
        normaliser = newest if number % 2 else oldest
        try:
            taken = normaliser.take(text, RECEIVED_NS, about)
            check_events(taken)
            normaliser.recognises(text)
        except Exception as error:
            error.add_note(f"{venue}, seed {seed}, about {about!r}, message {text[:2000]!r}")
            raise
        events += len(taken)
    rate = count / (time.perf_counter() - start)
    drops += oldest.drops.total + newest.drops.total
    assert events > 0
    return f"{venue}: {count} buffers, {events} events, {drops} drops, {rate:,.0f}/s"


def started(venue: str) -> Normaliser:
    """A normaliser that has seen the head of its connection."""
    normaliser = VENUES[venue]()
    normaliser.begin([encoded(message) for _, message in CORPORA[venue]])
    return normaliser


@pytest.fixture(params=VENUES)
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_kind_of_message_is_read_without_a_drop(venue: str) -> None:
    normaliser = started(venue)
    for about, message in CORPORA[venue]:
        check_events(normaliser.take(encoded(message), RECEIVED_NS, about))
    told_twice = {"told by another stream of the same connection", "happened before the subscription"}
    assert set(normaliser.drops.statistics()) <= told_twice


def test_every_venue_is_guessed_by_its_messages(venue: str) -> None:
    assert guess_venue([encoded(message) for _, message in CORPORA[venue]]) == venue


def test_a_message_that_one_venue_recognises_is_recognised_by_no_other(venue: str) -> None:
    texts = [encoded(message) for _, message in CORPORA[venue]]
    for text in filter(VENUES[venue].recognises, texts):
        others = [name for name, other in VENUES.items() if name != venue and other.recognises(text)]
        assert others == [], text


def test_mutated_messages_are_survived(venue: str) -> None:
    survive(venue, seed=1, count=1500)


@pytest.mark.fuzz
def test_mutated_messages_are_survived_in_the_long_run(venue: str) -> None:
    print("\n" + survive(venue, seed=2, count=FUZZ_BUFFERS))


def test_mutated_books_never_break_the_chains(venue: str) -> None:
    chains, normaliser = BookChains(), VENUES[venue]()
    for text, about in buffers(venue, 3, 500):
        for event in normaliser.take(text, RECEIVED_NS, about):
            if isinstance(event, Trade | Quote):
                continue
            try:
                chains.take(event)
            except FeedGap:
                continue


@pytest.mark.parametrize("path", sorted(FINDINGS.glob("*.bin")), ids=lambda path: path.stem)
def test_past_findings_stay_fixed(path: Path) -> None:
    """`<venue>-<what>.bin`: the message that once raised."""
    name = path.stem.partition("-")[0]
    for about in sorted({about for about, _ in CORPORA[name]}):
        normaliser = VENUES[name]()
        check_events(normaliser.take(path.read_bytes(), RECEIVED_NS, about))
        check_state(normaliser)


def test_every_venue_has_a_corpus() -> None:
    assert set(CORPORA) == set(VENUES)


def test_state_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    normaliser: Any = VENUES["binance"]()
    monkeypatch.setattr(normaliser, "streams", {str(number): 1 for number in range(MAX_NAMES + 2)})
    with pytest.raises(AssertionError):
        check_state(normaliser)
