"""Parameters -> OrderTerms: which parameters a type of order needs, and decimals -> ticks and lots.

Place on the data path: between checked parameters and the broker's requests; these are the static checks that
`order/test` runs too. Invariant: terms that leave here name whole ticks and lots that fit the market's
integers; whether they suit the market now is the broker's question.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping

from engine.broker.money import Step, parse_decimal
from engine.broker.terms import OrderTerms, OrderType, Refusal
from engine.core.types import Side, TimeInForce
from engine.venue.binance import errors
from engine.venue.binance.codec import DEFAULT_SELF_TRADE, SELF_TRADE_MODES, Codec
from engine.venue.binance.endpoints import STRATEGY_TYPE_LOW
from engine.venue.binance.errors import RequestRefused

__all__ = ["new_client_id", "order_terms", "quantity_lots", "side_of"]

ASSET_DECIMALS = 8
"""Digits after the point that an asset has at least."""
INTEGER_LIMIT = 1 << 62
_ID_PREFIX = secrets.token_hex(6)
_ID_NUMBERS = itertools.count(1)
_SIDES = {"BUY": int(Side.BID), "SELL": int(Side.ASK)}
_TIMES = {"GTC": int(TimeInForce.GTC), "IOC": int(TimeInForce.IOC), "FOK": int(TimeInForce.FOK)}
_TYPES = {kind.name: kind for kind in OrderType}
_LIMIT_LIKE = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER})
_WITH_TIME_IN_FORCE = frozenset({OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT})


def new_client_id() -> str:
    """A client order id for a request that brought none; no two are the same."""
    return f"{_ID_PREFIX}{next(_ID_NUMBERS):010d}"


def side_of(params: Mapping[str, str], name: str = "side") -> int:
    """The side of a checked request."""
    return _SIDES[params[name]]


class _Named:
    """The parameters of one order, under names with a prefix such as "pendingAbove"."""

    __slots__ = ("_params", "_prefix", "get")

    def __init__(self, params: Mapping[str, str], prefix: str) -> None:
        self._params = params
        self._prefix = prefix
        self.get: Callable[[str], str | None] = self._get_named if prefix else params.get
        """The value of a parameter, or None."""

    def name(self, text: str) -> str:
        return self._prefix + text[0].upper() + text[1:] if self._prefix else text

    def _get_named(self, text: str) -> str | None:
        return self._params.get(self.name(text))

    def need(self, text: str) -> str:
        value = self.get(text)
        if value is None:
            raise errors.mandatory(self.name(text))
        return value

    def forbid(self, *texts: str) -> None:
        for text in texts:
            if self.get(text) is not None:
                raise errors.not_required(self.name(text))


def order_terms(
    codec: Codec,
    params: Mapping[str, str],
    *,
    prefix: str = "",
    side: int | None = None,
    quantity: str | None = None,
) -> OrderTerms:
    """The order in these checked parameters.

    `side` and `quantity` where a list states them once for several orders. Raises RequestRefused.
    """
    named = _Named(params, prefix)
    kind = _TYPES[named.need("type")]
    _check_shape(named, kind)
    iceberg_text = named.get("icebergQty")
    quantity = quantity if quantity is not None else named.get("quantity")
    quote = None if prefix else params.get("quoteOrderQty")
    lots, quote_micro = _size(codec, named, kind, quantity, quote)
    price_text, stop_text = named.get("price"), named.get("stopPrice")
    trailing_text = named.get("trailingDelta")
    iceberg_lots = quantity_lots(codec, named.name("icebergQty"), iceberg_text) if iceberg_text else 0
    time_in_force = _TIMES[named.get("timeInForce") or "GTC"]
    if iceberg_lots:
        _check_iceberg(iceberg_lots, lots, time_in_force)
    client_id = named.get("clientOrderId" if prefix else "newClientOrderId")
    strategy_id, strategy_type = named.get("strategyId"), named.get("strategyType")
    if strategy_type is not None and int(strategy_type) < STRATEGY_TYPE_LOW:
        raise RequestRefused(-1134, f"'{named.name('strategyType')}' was less than 1000000.")
    return OrderTerms(
        client_order_id=client_id if client_id is not None else new_client_id(),
        side=_SIDES[named.need("side")] if side is None else side,
        type=kind,
        time_in_force=time_in_force,
        price_ticks=_price_ticks(codec, named.name("price"), price_text) if price_text else 0,
        qty_lots=lots,
        quote_micro=quote_micro,
        stop_price_ticks=_price_ticks(codec, named.name("stopPrice"), stop_text) if stop_text else 0,
        trailing_bips=_trailing_bips(trailing_text) if trailing_text else 0,
        iceberg_lots=iceberg_lots,
        self_trade=SELF_TRADE_MODES[params.get("selfTradePreventionMode", DEFAULT_SELF_TRADE)],
        strategy_id=None if strategy_id is None else int(strategy_id),
        strategy_type=None if strategy_type is None else int(strategy_type),
    )


def _check_shape(named: _Named, kind: OrderType) -> None:
    """Whether the parameters are those that this type of order has."""
    if kind in _WITH_TIME_IN_FORCE:
        named.need("timeInForce")
    else:
        named.forbid("timeInForce")
    if kind.is_market:
        named.forbid("price", "icebergQty")
    else:
        named.need("price")
    if kind.waits:
        if named.get("stopPrice") is None and named.get("trailingDelta") is None:
            raise errors.mandatory_one_of(named.name("stopPrice"), named.name("trailingDelta"))
    else:
        named.forbid("stopPrice", "trailingDelta")


def _size(
    codec: Codec, named: _Named, kind: OrderType, quantity: str | None, quote: str | None
) -> tuple[int, int]:
    """(lots, quote micro) of an order: one of them is 0."""
    if kind is OrderType.MARKET and quote is not None:
        if quantity is not None:
            raise errors.bad_combination()
        return 0, _quote_micro(codec, quote)
    if quote is not None:
        raise errors.not_required("quoteOrderQty")
    if quantity is None:
        if kind is OrderType.MARKET and named.name("quantity") == "quantity":
            raise errors.mandatory_one_of("quantity", "quoteOrderQty")
        raise errors.mandatory(named.name("quantity"))
    return quantity_lots(codec, named.name("quantity"), quantity), 0


def quantity_lots(codec: Codec, name: str, text: str) -> int:
    """A quantity in lots. Raises RequestRefused: too precise, zero, or not on the step."""
    _check_precision(codec.money.quantity, name, text)
    lots = codec.lots(text)
    if lots == 0:
        raise RequestRefused(-1013, "Invalid quantity.")
    if lots is None or lots >= INTEGER_LIMIT:
        raise errors.refused(Refusal.LOT_SIZE)
    return lots


def _price_ticks(codec: Codec, name: str, text: str) -> int:
    _check_precision(codec.money.price, name, text)
    ticks = codec.ticks(text)
    if ticks == 0:
        raise RequestRefused(-1013, "Invalid price.")
    if ticks is None or ticks >= INTEGER_LIMIT:
        raise errors.refused(Refusal.PRICE_FILTER)
    return ticks


def _quote_micro(codec: Codec, text: str) -> int:
    _check_precision(codec.money.amount, "quoteOrderQty", text)
    micro = codec.money.micro(text)
    if not micro:
        raise RequestRefused(-1013, "Invalid quote order quantity.")
    if micro >= INTEGER_LIMIT:
        raise errors.refused(Refusal.NOTIONAL)
    return micro


def _check_precision(step: Step, name: str, text: str) -> None:
    point = text.find(".")
    if point < 0 or len(text) - point - 1 <= ASSET_DECIMALS:
        return
    parsed = parse_decimal(text.rstrip("0"))
    if parsed is None or parsed[1] > max(ASSET_DECIMALS, step.decimals):
        raise errors.bad_precision(name)


def _trailing_bips(text: str) -> int:
    bips = int(text)
    if not 0 < bips < 1 << 31:
        raise errors.refused(Refusal.TRAILING_DELTA)
    return bips


def _check_iceberg(iceberg_lots: int, lots: int, time_in_force: int) -> None:
    if iceberg_lots > lots:
        raise RequestRefused(-2010, "IcebergQty exceeds QTY.")
    if time_in_force != TimeInForce.GTC:
        raise RequestRefused(-1014, "Unsupported order combination.")
