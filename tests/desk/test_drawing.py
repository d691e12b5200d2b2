"""Numbers as text, bars, sparklines, strips, places."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.style import Style

from desk.draw import bar_from_left, bar_from_right, chart, fit, spark
from desk.formats import (
    bytes_text,
    clean,
    compact,
    duration_ns_text,
    money,
    plain,
    time_text,
    units_of,
)
from desk.layout import PANELS, plan
from desk.strips import strip_of
from desk.theme import THEMES, palette_of
from engine.core.types import Instrument
from tests.desk.fake_host import ACME, BTC

PLAIN = Style(color=Color.from_ansi(252), bgcolor=Color.from_ansi(233), bold=False)
LOUD = Style(color=Color.from_ansi(75), bgcolor=Color.from_ansi(233), bold=True)


def test_what_is_unknown_is_a_dash() -> None:
    units = units_of(ACME)
    nan = float("nan")
    texts = [units.price(None), units.price_between(None), units.price_between(nan), units.qty(None)]
    texts += [plain(None), plain(nan), money(None), compact(None), duration_ns_text(None)]
    assert set(texts) == {"–"}


def test_prices_are_exact() -> None:
    assert units_of(ACME).price(10_058) == "100.58"
    assert units_of(BTC).price(6_114_205) == "61142.05"
    quarter = Instrument("ES", Decimal("0.25"), Decimal(1), "USD", 1)
    assert units_of(quarter).price(17_001) == "4250.25"
    coarse = Instrument("JP", Decimal(5), Decimal(100), "JPY", 100)
    assert units_of(coarse).price(301) == "1505"


def test_quantities_fit_their_column_and_dust_is_not_nothing() -> None:
    assert units_of(ACME).qty(1_234_567, 6) == "1.2M"
    assert units_of(BTC).qty(123_456, 7) == "1.235"
    assert units_of(BTC).qty(1, 7) == "<.001"


def test_times_durations_and_sizes_read_like_a_person_writes_them() -> None:
    assert time_text(83_456_000_000) == "00:01:23.456"
    assert time_text(0, epoch_ns=1_723_075_200_000_000_000 + 3_600_000_000_000, decimals=0) == "01:00:00"
    assert [duration_ns_text(n) for n in (850, 12_300, 4_100_000)] == ["850ns", "12.3µs", "4.1ms"]
    assert [bytes_text(n) for n in (12, 41_200_000, 999_400_000)] == ["12B", "41.2MB", "999MB"]
    assert money(1204.5) == "+1 204.50"


@given(st.integers(-(10**14), 10**14), st.integers(4, 12))
def test_a_quantity_never_leaves_its_column(lots: int, width: int) -> None:
    for instrument in (ACME, BTC):
        assert len(units_of(instrument).qty(lots, max(width, 7))) <= max(width, 7)


@given(st.text(max_size=40))
def test_outside_text_cannot_reach_the_terminal(text: str) -> None:
    shown = clean(text)
    assert cell_len(shown) == len(shown)
    assert shown.isprintable()


@given(st.lists(st.text("abc ", max_size=9), max_size=6), st.integers(1, 30))
def test_a_row_is_exactly_as_wide_as_asked(texts: list[str], width: int) -> None:
    row = fit([(text, PLAIN) for text in texts], width, PLAIN)
    assert sum(len(text) for text, _ in row) == width


@given(st.floats(-10, 1e6), st.floats(0, 1e6), st.integers(1, 20))
def test_bars_fill_their_width_and_show_anything_above_zero(value: float, scale: float, width: int) -> None:
    left = bar_from_left(value, scale, width)
    right = "".join(text for text, _ in bar_from_right(value, scale, width, LOUD, PLAIN, PLAIN))
    assert len(left) == len(right) == width
    assert (left.strip() != "") == (value > 0 and scale > 0)


@given(st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(float("nan"))), max_size=300), st.integers(1, 60))
def test_sparklines_and_charts_keep_their_shape(values: list[float], width: int) -> None:
    samples = np.array(values, dtype=np.float64)
    assert len(spark(samples, width)) == width
    assert [len(line) for line in chart(samples, width, 3)] == [width] * 3


def test_a_sparkline_reaches_from_low_to_high() -> None:
    assert spark(np.arange(8.0), 8) == "▁▂▃▄▅▆▇█"
    assert spark(np.array([np.nan, 1.0]), 3) == "  ▁"


@given(st.lists(st.tuples(st.text("ab █", max_size=5), st.sampled_from([PLAIN, LOUD])), max_size=8))
def test_a_lean_strip_shows_what_rich_would_show(pieces: list[tuple[str, Style]]) -> None:
    width = sum(len(text) for text, _ in pieces)
    strip = strip_of(tuple(pieces), width)
    assert strip.text == "".join(text for text, _ in pieces)
    console = Console(color_system="256", force_terminal=True)
    expected = [
        (letter, None, False) if letter == " " else (letter, 75 if style is LOUD else 252, style is LOUD)
        for text, style in pieces
        for letter in text
    ]
    assert _cells(strip.render(console)) == expected


def _cells(ansi: str) -> list[tuple[str, int | None, bool]]:
    """A terminal for bold and foreground: what each letter looks like."""
    cells: list[tuple[str, int | None, bool]] = []
    fore: int | None = None
    bold = False
    while ansi:
        if not ansi.startswith("\x1b["):
            blank = ansi[0] == " "
            cells.append((ansi[0], None if blank else fore, bold and not blank))
            ansi = ansi[1:]
            continue
        codes, _, ansi = ansi[2:].partition("m")
        numbers = [int(code or 0) for code in codes.split(";")]
        while numbers:
            code = numbers.pop(0)
            if code == 0:
                fore, bold = None, False
            elif code == 1:
                bold = True
            elif code in (38, 48):
                assert numbers.pop(0) == 5
                value = numbers.pop(0)
                fore = value if code == 38 else fore
    return cells


def test_every_style_of_every_theme_is_explicit() -> None:
    for name in THEMES:
        for colours in (True, False):
            palette = palette_of(name, colours=colours)
            for field in ("text", "bid", "ask", "storm", "critical", "status"):
                assert isinstance(getattr(palette, field), Style)
            assert colours or all(style.color is None for style in (palette.bid, palette.ask, palette.storm))


@given(
    st.integers(1, 260), st.integers(1, 90), st.sampled_from(PANELS), st.booleans(), st.booleans()
)  # fmt: skip
def test_panels_lie_on_the_screen_and_never_on_each_other(
    width: int, height: int, focus: str, zoomed: bool, coach: bool
) -> None:
    places = plan(width, height, focus=focus, zoomed=zoomed, coach=coach)
    taken: set[tuple[int, int]] = set()
    for place in places.values():
        columns, rows = range(place.x, place.x + place.width), range(place.y, place.y + place.height)
        assert columns.start >= 0
        assert columns.stop <= width
        assert rows.start >= 0
        assert rows.stop <= height
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken
        taken |= cells
    assert focus in places or height < 2
