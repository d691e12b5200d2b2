"""What a target's answer must look like, and what becomes of one that does not.

Place on the data path: the edge where a foreign process's words come in. Invariant: any bytes give either
a TargetSample or one line saying which key is wrong and what was seen; nothing raises, nothing is guessed.

Strict where a verdict stands on it, tolerant elsewhere:

    required  equity (finite number), currency or account_currency (3 letters), total_trades, wins, losses
              (whole numbers >= 0; 3.0 counts as 3, because some encoders know no integers). Booleans and
              numbers in strings are refused: a bot that sends "12.5" for its equity may send "12,5" next.
    optional  bot, realized_pnl, unrealized_pnl, win_rate, open_positions or positions (count or list),
              signals[]. One of a wrong type is unknown (None) and named in `remarks`: bots do divide
              nought by nought for a win rate, and that says nothing about their equity.

Text from outside is cut short and stripped of control characters: it ends on a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import Any

__all__ = [
    "COUNT_LIMIT",
    "EQUITY_LIMIT",
    "MICRO",
    "SIGNAL_LIMIT",
    "TargetSample",
    "TargetStatus",
    "parse_state",
    "printable",
]

MICRO = 1_000_000
"""Equity units per unit of currency."""
EQUITY_LIMIT = 9_000_000_000_000
"""Largest |equity| in units of currency: in millionths it must fit an int64."""
COUNT_LIMIT = 2**31 - 1
"""Largest count of trades that is believed."""
TEXT_LIMIT = 64
"""Characters kept of any text of the target."""
SIGNAL_LIMIT = 20
"""Most recent signals kept."""
REMARK_LIMIT = 8
"""Remarks kept about optional keys."""

_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class TargetSample:
    """What a target says of itself."""

    equity_millionths: int
    """Exact, rounded half to even where the target sends more than six decimals."""
    currency: str
    """Three capital letters."""
    total_trades: int
    wins: int
    losses: int
    bot: str | None = None
    realised_pnl: float | None = None
    unrealised_pnl: float | None = None
    win_rate: float | None = None
    """As sent; some bots mean a share, some a percentage."""
    open_positions: int | None = None
    signals: tuple[str, ...] = ()
    """In the target's order, at most SIGNAL_LIMIT, each as one line of text."""
    remarks: tuple[str, ...] = ()
    """What was wrong with optional keys."""
    trades_are_round_trips: bool = False
    """Whether total_trades counts from flat to flat; the contract does not say what a trade is."""
    position: Decimal | None = None
    """Base units held, exact; negative: short."""

    @property
    def equity(self) -> float:
        """Equity in units of currency; display only."""
        return self.equity_millionths / MICRO

    @property
    def last_signal(self) -> str | None:
        """The last signal of the list, if there is one."""
        return self.signals[-1] if self.signals else None


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """Outcome of one poll, or of none yet."""

    status: str
    """One of: "starting" (not asked yet, or it has no address yet), "ok", "slow" (connected, but no whole
    answer within the time budget), "unreachable" (no connection), "invalid" (an answer that breaks the
    contract)."""
    detail: str = ""
    """Why the status is what it is; empty when ok."""
    sample: TargetSample | None = None
    """Of this poll; None unless ok."""
    latency_ms: float | None = None
    """Wall time from asking to the whole answer, or to giving up; None when nothing was asked."""


class _RefusedError(Exception):
    """A required key is not what the contract says."""


def parse_state(body: bytes) -> TargetSample | str:
    """The sample in the body of GET /api/state, or the reason why there is none."""
    try:
        answer = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (ValueError, DecimalException):
        return f"the answer is not JSON: {_seen(body[:40])}"
    except RecursionError:
        return "the answer is JSON nested too deep"
    if not isinstance(answer, dict):
        return f"the answer is not a JSON object but {_seen(answer)}"
    try:
        return _read_sample(answer)
    except _RefusedError as refused:
        return str(refused)


def _read_sample(answer: Mapping[str, Any]) -> TargetSample:
    remarks: list[str] = []
    equity = _required_equity(answer)
    currency = _required_currency(answer)
    total_trades, wins, losses = (_required_count(answer, key) for key in ("total_trades", "wins", "losses"))
    return TargetSample(
        equity_millionths=equity,
        currency=currency,
        total_trades=total_trades,
        wins=wins,
        losses=losses,
        bot=_optional_text(answer, "bot", remarks),
        realised_pnl=_optional_number(answer, "realized_pnl", remarks),
        unrealised_pnl=_optional_number(answer, "unrealized_pnl", remarks),
        win_rate=_optional_number(answer, "win_rate", remarks),
        open_positions=_optional_positions(answer, remarks),
        signals=_optional_signals(answer, remarks),
        remarks=tuple(remarks[:REMARK_LIMIT]),
    )


def _required_equity(answer: Mapping[str, Any]) -> int:
    value = answer.get("equity")
    if not isinstance(value, Decimal) or not value.is_finite():
        raise _RefusedError(_complaint(answer, "equity", "a finite number"))
    if abs(value) > EQUITY_LIMIT:
        raise _RefusedError(_complaint(answer, "equity", f"a number within +-{EQUITY_LIMIT}"))
    return int(_WIDE.quantize(value, Decimal("0.000001")).scaleb(6))


def _required_currency(answer: Mapping[str, Any]) -> str:
    key = "currency" if answer.get("currency") is not None else "account_currency"
    value = answer.get(key)
    if not isinstance(value, str) or len(value) != 3 or not (value.isascii() and value.isalpha()):
        shown = key if value is not None else "currency"
        raise _RefusedError(_complaint(answer, shown, "three letters"))
    return value.upper()


def _required_count(answer: Mapping[str, Any], key: str) -> int:
    count = _count(answer.get(key))
    if count is None:
        raise _RefusedError(_complaint(answer, key, "a whole number >= 0"))
    return count


def _count(value: Any) -> int | None:
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value <= COUNT_LIMIT:
        return None
    count = int(value)
    return count if count == value else None


def _optional_number(answer: Mapping[str, Any], key: str, remarks: list[str]) -> float | None:
    value = answer.get(key)
    if value is None:
        return None
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) > EQUITY_LIMIT:
        remarks.append(_complaint(answer, key, "a finite number"))
        return None
    return float(value)


def _optional_text(answer: Mapping[str, Any], key: str, remarks: list[str]) -> str | None:
    value = answer.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        remarks.append(_complaint(answer, key, "text"))
        return None
    return printable(value)


def _optional_positions(answer: Mapping[str, Any], remarks: list[str]) -> int | None:
    key = "open_positions" if answer.get("open_positions") is not None else "positions"
    value = answer.get(key)
    if value is None:
        return None
    count = len(value) if isinstance(value, list) else _count(value)
    if count is None:
        remarks.append(_complaint(answer, key, "a whole number >= 0 or a list"))
    return count


def _optional_signals(answer: Mapping[str, Any], remarks: list[str]) -> tuple[str, ...]:
    value = answer.get("signals")
    if value is None:
        return ()
    if not isinstance(value, list):
        remarks.append(_complaint(answer, "signals", "a list"))
        return ()
    return tuple(_signal_text(signal) for signal in value[-SIGNAL_LIMIT:])


def _signal_text(signal: Any) -> str:
    """A signal is text, or an object whose plain values tell it well enough in one line."""
    if isinstance(signal, dict):
        plain = [str(value) for value in signal.values() if isinstance(value, str | Decimal)]
        return printable(" ".join(part[:TEXT_LIMIT] for part in plain[:8]))
    return printable(signal) if isinstance(signal, str) else _seen(signal)


def _complaint(answer: Mapping[str, Any], key: str, wanted: str) -> str:
    if key not in answer:
        return f"{key}: missing; wanted {wanted}"
    return f"{key}: wanted {wanted}, saw {_seen(answer[key])}"


def _seen(value: Any) -> str:
    """A value as it may stand in a message: short, one line, printable."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"an object with {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, Decimal):
        return printable(str(value))
    return "null" if value is None else printable(repr(value[:TEXT_LIMIT]))


def printable(text: str, limit: int = TEXT_LIMIT) -> str:
    """At most `limit` printable characters; any other becomes U+FFFD (terminals obey control codes)."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:limit])
