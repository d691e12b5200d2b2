"""Durations as people write them."""

from __future__ import annotations

import pytest

from engine.core.durations import parse_duration_ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("500ms", 500_000_000),
        ("20s", 20_000_000_000),
        ("0.1s", 100_000_000),
        ("2m", 120_000_000_000),
        ("1m30s", 90_000_000_000),
        ("1h", 3_600_000_000_000),
    ],
)
def test_a_duration_is_exact(text: str, ns: int) -> None:
    assert parse_duration_ns(text) == ns


def test_a_bare_number_is_seconds_only_where_that_is_said() -> None:
    assert parse_duration_ns("1.5", bare_seconds=True) == 1_500_000_000
    with pytest.raises(ValueError, match="500ms"):
        parse_duration_ns("1.5")


@pytest.mark.parametrize("text", ["", "s", "1x", "--", "1..5s", "-5s", "5 s", "nan", "1e9s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration_ns(text, bare_seconds=True)
