"""What the venue says happened before the session began: synthetic one-minute candles, so that bots that need
a past to start with find one.

Place on the data path: beside the run's own candles, made once when first asked for. Invariant: a function
of (scenario name, seed, opening price, volatility, order size) by exact integer arithmetic, so every machine
and every replay tells the same past; it ends at the opening price, and each candle opens where the one
before it closed. It is made up, and no other number of the desk uses it.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.agents.fundamental import STEP_NS, FundamentalParams
from engine.core.rng import Stream, mix64
from engine.venue.candles import CANDLE_DTYPE, DAY_NS, MINUTE_NS

__all__ = ["HISTORY_DAYS", "make_history", "minute_volatility"]

HISTORY_DAYS = 30
"""Full days (UTC) before the day of the session."""
DAY_MINUTES = 1_440
ONE = 1 << 16
"""Fixed point in which the walk is made."""
DRAWS = 7
"""64-bit draws per candle: three make a normal, the others are uniform."""
SOURCE_VOLATILITY = 4e-4
"""Of a recorded exchange's price per minute: about 30 % a year."""
WICK_SHARE = 2
"""Wicks are uniform up to the volatility over this."""
UNITS_LEAST = 5
UNITS_SPREAD = 60
"""A minute trades between these many usual orders."""
_GAMMA = 0x9E3779B97F4A7C15
_STREAM_SALT = 0xCA4D1E5

Rows = npt.NDArray[Any]


def minute_volatility(fundamental: FundamentalParams | None, opening_ticks: int) -> float:
    """Ticks by which a price moves in a minute: of the session's own fundamental, or a usual share of it."""
    if fundamental is None:
        return max(1.0, SOURCE_VOLATILITY * opening_ticks)
    steps = MINUTE_NS // STEP_NS
    return max(1.0, fundamental.sigma_ticks * sqrt(steps))


def make_history(
    *,
    scenario: str,
    seed: int,
    opening_ticks: int,
    volatility_ticks: float,
    unit_lots: int,
    epoch_ns: int,
) -> Rows:
    """One-minute candles (rows of CANDLE_DTYPE, oldest first) up to the minute in which the session begins.

    The price is a walk back from the opening, drawn to it with the time constant of a day.
    """
    end_ns = epoch_ns - epoch_ns % MINUTE_NS
    first_ns = epoch_ns - epoch_ns % DAY_NS - HISTORY_DAYS * DAY_NS
    count = (end_ns - first_ns) // MINUTE_NS
    draws = _draws(scenario, seed, count)
    closes, opens = _walk(draws[:, :3], opening_ticks, volatility_ticks)
    rows = np.zeros(count, CANDLE_DTYPE)
    rows["open_ns"] = end_ns - MINUTE_NS * np.arange(1, count + 1)
    rows["end_ns"] = rows["open_ns"] + MINUTE_NS
    rows["open"], rows["close"] = opens, closes
    wick = max(1, int(volatility_ticks)) // WICK_SHARE + 1
    rows["high"] = np.maximum(opens, closes) + _below(draws[:, 3], wick)
    rows["low"] = np.maximum(1, np.minimum(opens, closes) - _below(draws[:, 4], wick))
    units = UNITS_LEAST + _below(draws[:, 5], UNITS_SPREAD)
    rows["trades"] = units
    rows["volume"] = units * unit_lots
    rows["taker_volume"] = rows["volume"] * (20 + _below(draws[:, 6], 61)) // 100
    price = (rows["open"] + rows["high"] + rows["low"] + rows["close"]) // 4
    rows["quote"] = rows["volume"] * price
    rows["taker_quote"] = rows["taker_volume"] * price
    rows["first_id"] = rows["last_id"] = -1
    return rows[::-1].copy()


def _draws(scenario: str, seed: int, count: int) -> Rows:
    """The stream's next DRAWS * count values of `u64`, shape (count, DRAWS): what engine.core.rng.Stream
    draws one by one, at once."""
    stream_id = _STREAM_SALT
    for byte in scenario.encode():
        stream_id = mix64(stream_id + byte)
    key, _ = Stream(seed, stream_id).__getstate__()
    numbers = np.arange(1, DRAWS * count + 1, dtype=np.uint64)
    values = numbers * np.uint64(_GAMMA) + np.uint64(key)  # wraps, as the stream does
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values.reshape(count, DRAWS)


def _walk(draws: Rows, opening_ticks: int, volatility_ticks: float) -> tuple[Rows, Rows]:
    """Closes and opens, the newest first. `draws`: three u64 a candle, as Stream.normal takes them."""
    mask = np.uint64(0xFFFF)
    parts = [(draws >> np.uint64(shift)) & mask for shift in (0, 16, 32, 48)]
    total = np.sum(parts, axis=(0, 2))
    normals = (total.astype(np.int64) - 393_210).tolist()  # 65,536 is one standard deviation
    step, floor = int(volatility_ticks * ONE), max(1, opening_ticks // 4)
    distance, closes = 0, [opening_ticks]
    for normal in normals:
        distance += step * normal >> 16
        distance -= distance // DAY_MINUTES
        closes.append(max(floor, opening_ticks + (distance >> 16)))
    made = np.array(closes, np.int64)
    return made[:-1], made[1:]


def _below(draws: Rows, bound: int) -> Rows:
    """Uniform in [0, bound) by multiply-shift of the upper half; bound < 2^31."""
    return ((draws >> np.uint64(32)) * np.uint64(bound) >> np.uint64(32)).astype(np.int64)
