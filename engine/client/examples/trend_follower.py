"""A trend follower: long while the mid's short average is above its long one, short while below.

python -m engine.client.examples.trend_follower [--lockstep] [http://127.0.0.1:8765]
"""

from __future__ import annotations

import sys
from collections import deque

from engine.client import Desk

SIZE_LOTS = 10
FAST, SLOW = 10, 40
"""Books in the two averages."""


def wanted_lots(mids: deque[int]) -> int:
    """The position that the averages ask for; whole numbers, so nothing is rounded."""
    recent = list(mids)[-FAST:]
    difference = sum(recent) * SLOW - sum(mids) * FAST
    return SIZE_LOTS * ((difference > 0) - (difference < 0))


def run(url: str | None = None, *, lockstep: bool = False) -> None:
    """Trade until the session ends, or the desk goes."""
    mids: deque[int] = deque(maxlen=SLOW)
    with Desk(url) as desk:
        if lockstep:
            desk.lockstep()
        for book in desk.books():
            mids.append(book.twice_mid or 0)
            missing = wanted_lots(mids) - desk.position_lots if len(mids) == SLOW else 0
            if missing and not desk.orders:  # one order at a time: the last one has been reported on
                (desk.buy_market if missing > 0 else desk.sell_market)(abs(missing))


if __name__ == "__main__":
    run(*[a for a in sys.argv[1:] if a != "--lockstep"], lockstep="--lockstep" in sys.argv)
