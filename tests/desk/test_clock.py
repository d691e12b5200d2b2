"""The exchange's clock, and its words for what is going on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.clock import Clock, time_of_day_ns
from desk.exchange_status import status_words
from engine.core.clock import NS_PER_S
from tests.desk.fake_host import AUGUST_8, DAY, feed_view


def test_a_capture_has_a_date_and_an_itch_day_has_none() -> None:
    assert Clock(AUGUST_8, True).full_text(1_500_000_000) == "2024-08-08 14:00:01.500 UTC"
    assert Clock(DAY).full_text(1_500_000_000) == "09:30:01.500"
    assert Clock(None).full_text(1_500_000_000) == "00:00:01.500"


def test_the_feed_knows_whether_its_clock_names_a_day() -> None:
    assert feed_view(epoch_ns=AUGUST_8).names_day
    assert not feed_view(epoch_ns=DAY).names_day


@given(st.integers(0, 86_399_999), st.integers(0, 2 * 10**18))
def test_a_time_of_day_read_from_the_clock_leads_back_to_it(milliseconds: int, epoch_ns: int) -> None:
    clock = Clock(epoch_ns - epoch_ns % 1_000_000)
    shown = clock.text(milliseconds * 1_000_000)
    asked = time_of_day_ns(shown)
    assert asked is not None
    assert clock.session_ns(asked) == milliseconds * 1_000_000


@pytest.mark.parametrize(
    "text", ["", "10", "24:00", "10:60", "10:00:60", "10:00:", "10:0", "10:00:00.", "-1:00"]
)
def test_what_is_no_time_of_day_is_none(text: str) -> None:
    assert time_of_day_ns(text) is None


@given(st.text(max_size=20))
def test_any_text_is_a_time_of_day_or_none(text: str) -> None:
    asked = time_of_day_ns(text)
    assert asked is None or 0 <= asked < 86_400 * NS_PER_S


@pytest.mark.parametrize(
    ("status", "shorts", "levels"),
    [
        ("", [], []),
        ("market hours · trading", ["open", ""], ["plain", "good"]),
        ("market hours · halted LUDP", ["", "HALT LUDP"], ["plain", "critical"]),
        ("pre-market", ["pre-mkt"], ["plain"]),
        ("market hours · paused M · auction: 1,200 paired, imbalance buy 300", ["", "PAUSE M", "AUC buy 300"],
         ["plain", "warning", "warning"]),
        ("closed · auction: 0 paired, imbalance too few orders 0", ["", "AUC too few or"],
         ["plain", "warning"]),
        ("market hours · trading · crossed 12,000", ["", "", "X 12,000"], ["plain", "good", "warning"]),
        ("something else entirely", ["something else"], ["plain"]),
    ],
)  # fmt: skip
def test_status_is_abbreviated_by_rule(status: str, shorts: list[str], levels: list[str]) -> None:
    words = status_words(feed_view(status=status))
    assert [word.short for word in words] == shorts
    assert [word.level for word in words] == levels


def test_a_hole_in_the_sequence_comes_first() -> None:
    assert status_words(feed_view(halted="3 messages missing"))[0].level == "critical"
    assert status_words(None) == ()
