"""The frame governor, with a clock that the tests move."""

from __future__ import annotations

import pytest

from desk.frames import Governor
from engine.core.clock import NS_PER_MS, NS_PER_S


class Clock:
    def __init__(self) -> None:
        self.now = 10 * NS_PER_S

    def __call__(self) -> int:
        return self.now

    def pass_ms(self, ms: int) -> None:
        self.now += ms * NS_PER_MS


def governor() -> tuple[Governor, Clock]:
    clock = Clock()
    return Governor(fps=10, clock_ns=clock), clock


def run(subject: Governor, clock: Clock, *, ms: int, every: int, pending: int = 0) -> int:
    """Ticks for a while; gives the number of pictures drawn."""
    drawn = 0
    for _ in range(ms // every):
        clock.pass_ms(every)
        if subject.may_draw(pending=pending):
            subject.drawn(clock())
            drawn += 1
    return drawn


def test_it_draws_at_most_the_cap() -> None:
    subject, clock = governor()
    assert run(subject, clock, ms=2_000, every=5) in (20, 21)


def test_a_busy_link_drops_pictures_and_counts_them() -> None:
    subject, clock = governor()
    assert run(subject, clock, ms=1_000, every=10, pending=1) == 0
    assert subject.skipped_link == 10
    assert run(subject, clock, ms=100, every=10) == 1


def test_after_a_pause_nothing_is_caught_up() -> None:
    subject, clock = governor()
    run(subject, clock, ms=500, every=10)
    clock.pass_ms(5_000)
    assert run(subject, clock, ms=100, every=10) <= 2


def test_an_answer_to_a_key_need_not_wait_but_never_goes_onto_a_busy_link() -> None:
    subject, clock = governor()
    assert subject.may_draw(pending=0)
    clock.pass_ms(1)
    assert not subject.may_draw(pending=0)
    assert subject.may_draw(pending=0, urgent=True)
    clock.pass_ms(1)
    assert not subject.may_draw(pending=7, urgent=True)


def test_the_link_read_out_is_unknown_before_it_was_measured() -> None:
    subject, _ = governor()
    assert subject.link() == (None, None)


def test_the_link_read_out_is_what_was_drawn_and_how_long_it_took() -> None:
    subject, clock = governor()
    for _ in range(30):
        clock.pass_ms(125)
        assert subject.may_draw(pending=0)
        subject.drawn(clock())
        subject.painted(clock() + 12 * NS_PER_MS)
    fps, delay = subject.link()
    assert fps == pytest.approx(8, abs=0.6)
    assert delay == 12


def test_bytes_drained_before_the_pull_are_not_its_paint() -> None:
    subject, clock = governor()
    subject.drawn(clock())
    subject.painted(clock() - 1)
    assert subject.link().delay_ms is None


def test_a_senseless_cap_is_refused() -> None:
    with pytest.raises(ValueError, match="between"):
        Governor(fps=0, clock_ns=Clock())
