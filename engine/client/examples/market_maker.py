"""A market maker: joins both sides of the book, and leans against what it holds.

python -m engine.client.examples.market_maker [--lockstep] [http://127.0.0.1:8765]
"""

from __future__ import annotations

import sys

from engine.client import Book, Desk

QTY_LOTS, LIMIT_LOTS = 5, 50
"""Of one quote; and held, or owed, at the most."""
LEAN_LOTS = 10
"""For every so many lots held, the quote that would add to them steps one tick back."""


def quote(desk: Desk, book: Book) -> None:
    """Replace both quotes."""
    assert book.best_bid is not None
    assert book.best_ask is not None
    held = desk.position_lots
    desk.cancel_all()
    if held + QTY_LOTS <= LIMIT_LOTS:
        desk.buy(book.best_bid - max(0, held // LEAN_LOTS), QTY_LOTS)
    if held - QTY_LOTS >= -LIMIT_LOTS:
        desk.sell(book.best_ask + max(0, -held // LEAN_LOTS), QTY_LOTS)


def run(url: str | None = None, *, lockstep: bool = False) -> None:
    """Quote until the session ends, or the desk goes."""
    with Desk(url) as desk:
        if lockstep:
            desk.lockstep()
        for book in desk.books():
            quote(desk, book)


if __name__ == "__main__":
    run(*[a for a in sys.argv[1:] if a != "--lockstep"], lockstep="--lockstep" in sys.argv)
