"""A day of ITCH 5.0 of any length: made at once by numpy, in the mix of a real Nasdaq day.

Shares of message types follow the public sample day of 2019-12-30 (A 44 %, D 43 %, U 8 %, E 2 %, X 1 %,
I 1 %, the others below 1 %). Orders live for exponential times, most of them briefly; their prices gather
near the touch, whose spread breathes, and never cross. Every reference is of a live order, ids rise in the
order in which they are given out, and the day begins with its directory and ends with its closing events.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.feeds.itch.messages import (
    MESSAGES,
    ItchMessage,
    StockDirectory,
    SystemEvent,
    TradingAction,
    write_message,
)

__all__ = ["FIRST_LOCATE", "ItchDay", "framed", "itch_day"]

FIRST_LOCATE = 1
_OPEN_NS, _CLOSE_NS = 34_200_000_000_000, 57_600_000_000_000
_KINDS = {"H": "u2", "I": "u4", "Q": "u8", "c": "S1"}

_Array = npt.NDArray[np.generic]


class ItchDay(NamedTuple):
    """A generated stream."""

    data: bytes
    """BinaryFILE: every message behind its two-byte length."""
    messages: int
    by_letter: dict[str, int]


def framed(messages: list[ItchMessage]) -> bytes:
    """Messages as a BinaryFILE."""
    parts = []
    for message in messages:
        data = write_message(message)
        parts += [len(data).to_bytes(2, "big"), data]
    return b"".join(parts)


def itch_day(messages: int, *, stocks: int, seed: int = 1) -> ItchDay:
    """About this many messages about this many stocks, numbered from FIRST_LOCATE."""
    draw = np.random.Generator(np.random.Philox(seed))
    day = _orders(draw, messages, stocks)
    names = np.array([_symbol(number).ljust(8).encode() for number in range(stocks)], "S8")
    blocks = [_message_rows(letter, day[letter], names) for letter in sorted(day)]
    at = np.concatenate([day[letter]["at"] for letter in sorted(day)])
    sizes = np.concatenate([np.full(len(rows), rows.dtype.itemsize) for rows in blocks])
    order = np.argsort(at, kind="stable")
    starts = np.empty(len(order), np.int64)
    starts[order] = np.cumsum(sizes[order]) - sizes[order]
    data = np.zeros(int(sizes.sum()), np.uint8)
    first = 0
    for rows in blocks:
        octets = rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
        places = starts[first : first + len(rows), None] + np.arange(rows.dtype.itemsize)
        data[places] = octets
        first += len(rows)
    head, tail = framed(_morning(stocks)), framed(_evening())
    by_letter = {letter: len(rows) for letter, rows in zip(sorted(day), blocks, strict=True)}
    by_letter |= {"S": 6, "R": stocks, "H": stocks}
    return ItchDay(head + data.tobytes() + tail, sum(by_letter.values()), by_letter)


def _orders(draw: np.random.Generator, messages: int, stocks: int) -> dict[str, dict[str, _Array]]:
    """The columns of all messages, by letter; `at` is their place in time, 0 to 1."""
    orders = int(messages * 0.445)
    replaced = np.minimum(draw.geometric(0.85, orders) - 1, 8)
    version_count = replaced + 1
    total = int(version_count.sum())
    of_order = np.repeat(np.arange(orders), version_count)
    number = np.arange(total) - np.repeat(np.cumsum(version_count) - version_count, version_count)
    lives = np.where(draw.random(total) < 0.85, 6_000.0, 400_000.0) * draw.exponential(1.0, total) / messages
    begin = np.repeat(np.sort(draw.random(orders)), version_count)
    before = np.cumsum(lives) - lives
    begin = begin + before - np.repeat(before[number == 0], version_count)
    end = begin + lives
    is_last = np.append(number[1:] == 0, True)
    # Zipf: some stocks trade a hundred times as much as others.
    weights = 1.0 / np.arange(1, stocks + 1) ** 0.8
    stock = draw.choice(stocks, orders, p=weights / weights.sum())[of_order]
    side = draw.integers(0, 2, orders)[of_order]
    base = draw.integers(500, 40_000, stocks)
    walk = np.abs(np.cumsum(draw.integers(-1, 2, (stocks, 512)), axis=1)) % 6 + 1
    half_spread = walk[stock, np.minimum((begin * 512).astype(np.int64), 511)]
    away = half_spread + np.minimum(draw.exponential(8.0, total).astype(np.int64), 400)
    price = np.maximum(base[stock] + np.where(side == 0, -away, away), 1) * 100
    shares = draw.integers(1, 11, total) * 100
    alive = begin < 1.0
    reference = np.zeros(total, np.int64)
    births = np.argsort(np.where(alive, begin, 2.0), kind="stable")[: int(alive.sum())]
    reference[births] = np.arange(1, len(births) + 1) * 4
    columns = {"stock": stock, "side": side, "price": price, "shares": shares, "order_id": reference}

    def rows(chosen: _Array, at: _Array, **more: _Array) -> dict[str, _Array]:
        return {name: column[chosen] for name, column in columns.items()} | {"at": at[chosen]} | more

    first = alive & (number == 0)
    attributed = draw.random(total) < 0.012
    successor = np.flatnonzero(alive & (number > 0))
    fate = draw.random(total)
    ends = alive & is_last & (end < 1.0)
    partly = alive & is_last & (fate > 0.97) & (shares > 100)
    middle = (begin + end) / 2
    replaces = {name: column[successor] for name, column in columns.items()}
    replaces |= {
        "new_order_id": reference[successor],
        "order_id": reference[successor - 1],
        "at": begin[successor],
    }
    executed = ends & (fate < 0.03)
    prints = draw.integers(0, total, max(1, messages // 200))
    imbalances = draw.integers(0, total, max(1, messages // 90))
    day = {
        "A": rows(first & ~attributed, begin),
        "F": rows(first & attributed, begin),
        "U": replaces,
        "E": rows(executed & (fate >= 0.001), end),
        "C": rows(ends & (fate < 0.001), end),
        "D": rows(ends & (fate >= 0.03), end),
        "P": rows(prints, np.minimum(begin, 0.999_999)),
        "I": rows(imbalances, np.minimum(begin, 0.999_999)),
    }
    some = np.flatnonzero(partly & (middle < 1.0))
    half = {"shares": columns["shares"][some] // 2}
    day["X"] = rows(some, middle) | half
    still_ending = np.isin(np.flatnonzero(executed & (fate >= 0.001)), some)
    assert not still_ending.any(), "who is reduced is never executed whole"
    return {letter: columns for letter, columns in day.items() if len(columns["at"])}


def _message_rows(letter: str, columns: dict[str, _Array], names: _Array) -> _Array:
    """Messages of one type with their frames, as a structured array of the wire's layout."""
    kind = MESSAGES[letter]
    fields = [("frame", ">u2"), ("letter", "S1")]
    for field in kind.fields:
        code = field.code if field.code.endswith("s") else None
        fields.append((field.name, f"S{code[:-1]}" if code else _big(field.code)))
    rows = np.zeros(len(columns["at"]), np.dtype(fields))
    assert rows.dtype.itemsize == kind.size + 2
    rows["frame"], rows["letter"] = kind.size, letter
    rows["locate"] = columns["stock"] + FIRST_LOCATE
    time_ns = (_OPEN_NS + columns["at"] * (_CLOSE_NS - _OPEN_NS)).astype(">u8")
    rows["time_ns"] = (
        np.ascontiguousarray(time_ns).view(np.uint8).reshape(-1, 8)[:, 2:].copy().view("S6")[:, 0]
    )
    present = set(rows.dtype.names or ())
    for name in ("order_id", "new_order_id", "shares", "price"):
        if name in present and name in columns:
            rows[name] = columns[name]
    if "side" in present:
        rows["side"] = np.where(columns["side"] == 0, b"B", b"S")
    if "stock" in present:
        rows["stock"] = names[columns["stock"]]
    if "printable" in present:
        rows["printable"] = np.where(columns["order_id"] % 8 == 0, b"Y", b"N")
    if "match_number" in present:
        rows["match_number"] = np.arange(1, len(rows) + 1)
    if "participant" in present:
        rows["participant"] = b"MAKR"
    if letter == "I":
        rows["direction"], rows["cross_type"] = b"B", b"O"
    return rows


def _big(code: str) -> str:
    return _KINDS[code] if code == "c" else f">{_KINDS[code]}"


def _symbol(number: int) -> str:
    """A to Z, then AA, AB and so on."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(65 + digit) + text
    return text


def _morning(stocks: int) -> list[ItchMessage]:
    messages: list[ItchMessage] = [SystemEvent(0, 0, 11_000_000_000_000, "O")]
    for number in range(stocks):
        locate, name, time_ns = number + FIRST_LOCATE, _symbol(number), 11_300_000_000_000 + number
        messages.append(
            StockDirectory(
                locate, 0, time_ns, name, "Q", "N", 100, "N", "C", "Z", "P", "N", "N", "1", "N", 0, "N"
            )
        )
        messages.append(TradingAction(locate, 0, time_ns, name, "T", "", ""))
    return [
        *messages,
        SystemEvent(0, 0, 14_400_000_000_000, "S"),
        SystemEvent(0, 0, _OPEN_NS, "Q"),
    ]


def _evening() -> list[ItchMessage]:
    return [
        SystemEvent(0, 0, _CLOSE_NS, "M"),
        SystemEvent(0, 0, _CLOSE_NS + 1, "E"),
        SystemEvent(0, 0, _CLOSE_NS + 2, "C"),
    ]
