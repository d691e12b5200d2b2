"""score.json and run.yaml's `bots`: the score cards of a run as they stood at its end (engine/score/).

Money is in units of currency, as exact decimal texts; a card counts from the opening of its account, which
may lie before the start of the recording. Everything in both is a function of the journal: `verify` computes
it again and compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.broker.money import Money
from engine.core.errors import DataError, VerificationFailed
from engine.core.types import Instrument
from engine.journal.durable import replace_atomically
from engine.recording.recompute import RecordableSession
from engine.recording.rows import fields_that_differ
from engine.score.card import BotCard, FaultReaction

__all__ = ["FinalScore", "bot_rows", "compare_score", "score_document", "take_score", "write_score"]

FORMAT = 1
SIZE_LIMIT_BYTES = 8 * 1024 * 1024
"""A larger score.json is refused unread; one with all bots and all their windows has a quarter of that."""
REASONS_IN_SUMMARY = 3
_CARD_MONEY = (
    "equity",
    "pnl",
    "spread_pnl",
    "maker_spread_pnl",
    "inventory_pnl",
    "fees",
    "adverse_selection",
    "realised_spread",
    "max_drawdown",
    "max_exposure",
    "low_pnl",
    "low_exposure",
)
_WINDOW_MONEY = ("pnl", "inventory_pnl")
_NOT_WRITTEN = ("currency_per_unit", "faults", "self_report")


class FinalScore(NamedTuple):
    """The score of a run's end, as it is written."""

    document: dict[str, object]
    """score.json; without bots there is none."""
    rows: list[dict[str, object]]
    """`bots` of run.yaml."""
    cards: tuple[BotCard, ...] = ()
    """What both are made of."""


def take_score(session: RecordableSession) -> FinalScore:
    """The score as the session stands."""
    cards = session.bot_cards()
    if not cards:
        return FinalScore({"bots": []}, [])
    document = score_document(cards, session.exchange.instrument, session.now_ns)
    return FinalScore(document, bot_rows(cards), cards)


def score_document(cards: Sequence[BotCard], instrument: Instrument, time_ns: int) -> dict[str, object]:
    """score.json: all cards, at this session time."""
    return {
        "format": FORMAT,
        "time_ns": time_ns,
        "currency": instrument.currency,
        "bots": [_card_row(card, Money(instrument)) for card in cards],
    }


def bot_rows(cards: Sequence[BotCard]) -> list[dict[str, object]]:
    """run.yaml's `bots`: the outcome of each, for lists; score.json has the whole of it."""
    return [
        {
            "name": card.name,
            "account": card.account,
            "verdict": card.verdict,
            "pnl": card.amount(card.pnl),
            "fills": card.fills,
            "reasons": list(card.reasons[:REASONS_IN_SUMMARY]),
        }
        for card in cards
    ]


def write_score(path: Path, document: Mapping[str, object]) -> None:
    """Writes score.json, atomically and durably. Raises OSError."""
    replace_atomically(path, json.dumps(document, indent=1).encode() + b"\n")


def compare_score(path: Path, expected: Mapping[str, object], *, may_lack: bool = False) -> int:
    """Compares score.json with what was recomputed; returns how many cards were compared. `may_lack`: another
    engine wrote it, which did not know all fields.

    Raises VerificationFailed at the first difference, DataError when the file cannot be read.
    """
    bots = expected["bots"]
    assert isinstance(bots, list)
    recorded = _read(path)
    if recorded is None:
        if bots:
            raise VerificationFailed(f"{path.name}: missing, recomputed cards of {len(bots)} bots")
        return 0
    head = {key: value for key, value in expected.items() if key != "bots"}
    _compare(path.name, recorded, head, may_lack)
    for row, bot in _pairs(path.name, "bots", recorded, bots):
        where = f"{path.name}: {bot['name']}"
        for window, expected_window in _pairs(where, "faults", row, bot["faults"]):
            name = f"{expected_window['kind']} at {expected_window['at_ns']} ns"
            _compare(f"{where}: {name}", window, expected_window, may_lack)
        told = {key: value for key, value in bot.items() if key != "faults"}
        _compare(where, row, told, may_lack)
    return len(bots)


def _card_row(card: BotCard, money: Money) -> dict[str, Any]:
    row = {name: value for name, value in card._asdict().items() if name not in _NOT_WRITTEN}
    _say_money(row, _CARD_MONEY, money)
    row["limits_breached"] = [one._asdict() for one in card.limits_breached]
    row["faults"] = [_window_row(window, money) for window in card.faults]
    report = card.self_report
    row["self_report"] = None if report is None else {**report._asdict(), "difference": report.difference}
    return row


def _window_row(window: FaultReaction, money: Money) -> dict[str, Any]:
    row = window._asdict()
    _say_money(row, _WINDOW_MONEY, money)
    return row


def _say_money(row: dict[str, Any], names: Sequence[str], money: Money) -> None:
    for name in names:
        row[name] = None if row[name] is None else money.amount_text(row[name])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > SIZE_LIMIT_BYTES:
            raise DataError(f"{path}: larger than {SIZE_LIMIT_BYTES} bytes")
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path}: not a JSON object")
    return document


def _pairs(
    where: str, key: str, recorded: Mapping[str, Any], expected: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows of a list beside those that were recomputed."""
    rows = recorded.get(key)
    if not isinstance(rows, list) or len(rows) != len(expected):
        count = len(rows) if isinstance(rows, list) else "no"
        raise VerificationFailed(f"{where}: {count} {key} recorded, {len(expected)} recomputed")
    return ((row if isinstance(row, dict) else {}, one) for row, one in zip(rows, expected, strict=True))


def _compare(
    where: str, recorded: Mapping[str, Any], recomputed: Mapping[str, object], may_lack: bool
) -> None:
    for key in fields_that_differ(recorded, recomputed, may_lack=may_lack):
        left, right = recorded.get(key, "nothing"), recomputed[key]
        raise VerificationFailed(f"{where}: {key} recorded {left!r}, recomputed {right!r}")
