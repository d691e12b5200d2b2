"""Durations as people write them: `500ms`, `20s`, `2m`, `1m30s`, `1h`."""

from __future__ import annotations

import re
from decimal import Decimal

from engine.core.clock import NS_PER_MS, NS_PER_S

__all__ = ["parse_duration_ns"]

LONGEST_NS = 1 << 60
"""Thirty-six years: sums of durations stay int64."""
_UNITS = {"ms": NS_PER_MS, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def parse_duration_ns(text: str, *, bare_seconds: bool = False) -> int:
    """The duration in ns, exact; with `bare_seconds` a number alone is seconds. Raises ValueError."""
    word = text.strip().lower()
    if bare_seconds and _NUMBER.fullmatch(word):
        word += "s"
    parts = _PART.findall(word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        raise ValueError(f"{text!r} is not a duration: write it as 500ms, 20s, 2m or 1m30s")
    duration_ns = int(sum(Decimal(number) * _UNITS[unit] for number, unit in parts))
    if duration_ns > LONGEST_NS:
        raise ValueError(f"a duration of {text[:20]!r} is longer than {LONGEST_NS // _UNITS['h']} hours")
    return duration_ns
