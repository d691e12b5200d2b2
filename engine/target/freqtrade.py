"""freqtrade as a target: its REST server (2026.9; API version 2) read as the words of a target.

A poll asks for balance, profit and open trades, and now and then for closed ones:

    equity           starting_capital (balance) + profit_all_coin (profit)
    currency         stake (balance)
    realised         profit_closed_coin; unrealised = profit_all_coin - profit_closed_coin
    total trades     closed_trade_count, wins winning_trades, losses losing_trades: round trips
    position         sum of `amount` over open trades (status), short ones negative
    signals          open trades (status) and the last closed ones (trades)

Invariant: the password is sent to /api/v1/token/login alone, and stands in no message. Afterwards the access
token serves until it is refused, then it is renewed by the refresh token, or by logging in again.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import Any

from engine.core.errors import UsageError
from engine.target.adapter import BadAnswer, Web
from engine.target.contract import COUNT_LIMIT, EQUITY_LIMIT, SIGNAL_LIMIT, TargetSample, printable

__all__ = ["PASSWORD_VARIABLE", "FreqtradeAdapter"]

PASSWORD_VARIABLE = "STORMDESK_FREQTRADE_PASSWORD"
TIMEOUT_MS = 3_000
"""freqtrade answers from the interpreter that trades, and asks the exchange for prices meanwhile."""
CLOSED_TRADES_SHOWN = 5
_API = "/api/v1/"
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


class FreqtradeAdapter:
    """One freqtrade. Raises UsageError when the environment does not hold its password."""

    def __init__(
        self,
        url: str,
        user: str,
        *,
        environment: Mapping[str, str] = os.environ,
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        password = environment.get(PASSWORD_VARIABLE)
        if not password:
            raise UsageError(
                f"freqtrade's password is not set: put it into the environment as {PASSWORD_VARIABLE}"
            )
        self.timeout_ms = timeout_ms
        self._url = url
        self._basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._access: str | None = None
        self._refresh: str | None = None
        self._bot: str | None = None
        self._closed_count = -1
        self._closed_lines: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"FreqtradeAdapter({self._url!r})"

    def locate(self) -> str | None:
        """Its address."""
        return self._url

    async def read(self, web: Web, url: str) -> TargetSample | str:
        """Balance, profit and trades as a sample."""
        base = url.rstrip("/") + _API
        balance = _object(await self._ask(web, base, "balance"), "balance")
        profit = _object(await self._ask(web, base, "profit"), "profit")
        open_trades = _objects(await self._ask(web, base, "status"), "status")
        closed = _count(profit, "closed_trade_count")
        if closed != self._closed_count:
            query = f"trades?limit={CLOSED_TRADES_SHOWN}&order_by_id=false"
            answer = _object(await self._ask(web, base, query), "trades")
            trades = answer.get("trades")
            self._closed_lines = tuple(
                _closed_line(trade)
                for trade in (trades if isinstance(trades, list) else [])[:CLOSED_TRADES_SHOWN]
            )[::-1]
            self._closed_count = closed
        if self._bot is None:
            config = _object(await self._ask(web, base, "show_config"), "show_config")
            self._bot = _text(config, "bot_name") or _text(config, "strategy") or "freqtrade"
        return self._sample(balance, profit, open_trades)

    def _sample(
        self, balance: Mapping[str, Any], profit: Mapping[str, Any], open_trades: list[Mapping[str, Any]]
    ) -> TargetSample:
        capital = _number(balance, "starting_capital")
        all_coin, closed_coin = _number(profit, "profit_all_coin"), _number(profit, "profit_closed_coin")
        currency = _text(balance, "stake")
        if currency is None:
            raise BadAnswer("balance: stake is no text")
        signals = (*self._closed_lines, *(_open_line(trade) for trade in open_trades))
        return TargetSample(
            equity_millionths=int(_WIDE.quantize(capital + all_coin, Decimal("0.000001")).scaleb(6)),
            currency=currency.upper()[:8],
            total_trades=_count(profit, "closed_trade_count"),
            wins=_count(profit, "winning_trades"),
            losses=_count(profit, "losing_trades"),
            bot=self._bot,
            realised_pnl=float(closed_coin),
            unrealised_pnl=float(all_coin - closed_coin),
            win_rate=_optional_share(profit, "winrate"),
            open_positions=len(open_trades),
            signals=signals[-SIGNAL_LIMIT:],
            trades_are_round_trips=True,
            position=_position(open_trades),
        )

    # -- tokens ----------------------------------------------------------------------------------------

    async def _ask(self, web: Web, base: str, question: str) -> bytes:
        """One answer, with a fresh token where the old one is refused."""
        if self._access is not None:
            try:
                return await web.get(base + question, _bearer(self._access))
            except BadAnswer as refused:
                if refused.code != 401:
                    raise
        access = await self._renew(web, base)
        return await web.get(base + question, _bearer(access))

    async def _renew(self, web: Web, base: str) -> str:
        self._access = None
        if self._refresh is not None:
            refresh, self._refresh = self._refresh, None
            try:
                answer = _object(await web.post(base + "token/refresh", _bearer(refresh)), "token/refresh")
                self._access, self._refresh = _token(answer, "access_token"), refresh
                return self._access
            except BadAnswer as refused:
                if refused.code != 401:
                    raise
        try:
            body = await web.post(base + "token/login", {"Authorization": self._basic})
        except BadAnswer as refused:
            if refused.code == 401:
                raise BadAnswer(f"freqtrade refuses user or password ({PASSWORD_VARIABLE})", 401) from None
            raise
        answer = _object(body, "token/login")
        self._access, self._refresh = _token(answer, "access_token"), _token(answer, "refresh_token")
        return self._access


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _token(answer: Mapping[str, Any], key: str) -> str:
    token = answer.get(key)
    if (
        not isinstance(token, str)
        or not token.isascii()
        or not token.isprintable()
        or not 0 < len(token) <= 4_096
    ):
        raise BadAnswer(f"token: {key} is no token")
    return token


def _parse(body: bytes, what: str) -> Any:
    try:
        return json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (ValueError, DecimalException):
        raise BadAnswer(f"{what}: the answer is not JSON") from None
    except RecursionError:
        raise BadAnswer(f"{what}: JSON nested too deep") from None


def _object(body: bytes, what: str) -> Mapping[str, Any]:
    answer = _parse(body, what)
    if not isinstance(answer, dict):
        raise BadAnswer(f"{what}: the answer is not a JSON object")
    return answer


def _objects(body: bytes, what: str) -> list[Mapping[str, Any]]:
    answer = _parse(body, what)
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise BadAnswer(f"{what}: the answer is not a list of JSON objects")
    return answer


def _number(answer: Mapping[str, Any], key: str) -> Decimal:
    value = answer.get(key)
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) > EQUITY_LIMIT:
        raise BadAnswer(f"{key}: wanted a finite number, saw {printable(repr(value)[:40])}")
    return value


def _count(answer: Mapping[str, Any], key: str) -> int:
    value = _number(answer, key)
    if value != int(value) or not 0 <= value <= COUNT_LIMIT:
        raise BadAnswer(f"{key}: wanted a whole number >= 0, saw {printable(str(value)[:40])}")
    return int(value)


def _text(answer: Mapping[str, Any], key: str) -> str | None:
    value = answer.get(key)
    return printable(value) if isinstance(value, str) and value else None


def _optional_share(answer: Mapping[str, Any], key: str) -> float | None:
    value = answer.get(key)
    return float(value) if isinstance(value, Decimal) and value.is_finite() and 0 <= value <= 1 else None


def _position(open_trades: list[Mapping[str, Any]]) -> Decimal:
    total = Decimal(0)
    for trade in open_trades:
        amount = _number(trade, "amount")
        total += -amount if trade.get("is_short") is True else amount
    return total


def _open_line(trade: Mapping[str, Any]) -> str:
    side = "SHORT" if trade.get("is_short") is True else "LONG"
    parts = [side, _text(trade, "pair"), _plain(trade, "amount"), "@", _plain(trade, "open_rate")]
    return printable(" ".join(part for part in parts if part))


def _closed_line(trade: Any) -> str:
    if not isinstance(trade, dict):
        return "EXIT"
    parts = ["EXIT", _text(trade, "exit_reason"), _text(trade, "pair"), _plain(trade, "profit_abs")]
    return printable(" ".join(part for part in parts if part))


def _plain(trade: Mapping[str, Any], key: str) -> str | None:
    value = trade.get(key)
    return str(value)[:20] if isinstance(value, Decimal) and value.is_finite() else None
