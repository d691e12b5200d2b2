"""Trading rules and the symbol: exchangeInfo.

Place on the data path: a handler behind the endpoint table. Invariant: what is announced is what the broker's
filters and the venue's limits enforce, in the instrument's own decimals.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.broker.filters import PARTS, Filters
from engine.broker.money import Money
from engine.broker.terms import OrderType
from engine.market.ledger import MICRO
from engine.venue.binance import errors
from engine.venue.binance.call import Answer, Call, Route
from engine.venue.binance.codec import DEFAULT_SELF_TRADE, SELF_TRADE_MODES
from engine.venue.binance.parameters import names_in

__all__ = ["FUTURES_ROUTES", "exchange_info", "market_status", "symbol_description"]

_ORDER_TYPES = [kind.name for kind in OrderType]


def exchange_info(call: Call) -> Answer:
    """Rules of the venue; raises RequestRefused for parameters that do not go together."""
    params, gateway = call.params, call.gateway
    if sum(name in params for name in ("symbol", "symbols", "permissions")) > 1 or (
        "symbolStatus" in params and ("symbol" in params or "symbols" in params)
    ):
        raise errors.bad_combination()
    status = market_status(call)
    shown = params.get("symbolStatus", status) == status
    if "permissions" in params:
        shown = shown and "SPOT" in names_in(params["permissions"])
    if "symbols" in params:
        shown = bool(names_in(params["symbols"]))
    symbol = symbol_description(
        gateway.host.market_data.money,
        gateway.host.broker.filters,
        status,
        show_permissions=params.get("showPermissionSets", "true").lower() == "true",
    )
    return {
        "timezone": "UTC",
        "serverTime": gateway.now_ms(),
        "rateLimits": gateway.limits.describe(),
        "exchangeFilters": [],
        "symbols": [symbol] if shown else [],
    }


def no_futures(call: Call) -> Answer:
    """exchangeInfo of the futures exchanges, which are not here."""
    return {
        "timezone": "UTC",
        "serverTime": call.gateway.now_ms(),
        "rateLimits": [],
        "exchangeFilters": [],
        "assets": [],
        "symbols": [],
    }


FUTURES_ROUTES: tuple[Route, ...] = (
    ("GET", "/fapi/v1/exchangeInfo", no_futures),
    ("GET", "/dapi/v1/exchangeInfo", no_futures),
)


def market_status(call: Call) -> str:
    """TRADING, or BREAK while the market is halted."""
    return "TRADING" if call.gateway.host.broker.market_open else "BREAK"


def symbol_description(
    money: Money, filters: Filters, status: str, *, show_permissions: bool
) -> dict[str, Any]:
    """The one symbol of a session."""
    base_digits, quote_digits = max(8, money.quantity.decimals), max(8, money.amount.decimals - 6)
    return {
        "symbol": money.symbol,
        "status": status,
        "baseAsset": money.base,
        "baseAssetPrecision": base_digits,
        "quoteAsset": money.quote,
        "quotePrecision": quote_digits,
        "quoteAssetPrecision": quote_digits,
        "baseCommissionPrecision": base_digits,
        "quoteCommissionPrecision": quote_digits,
        "orderTypes": _ORDER_TYPES,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(money, filters),
        "permissions": [],
        "permissionSets": [["SPOT"]] if show_permissions else [],
        "defaultSelfTradePreventionMode": DEFAULT_SELF_TRADE,
        "allowedSelfTradePreventionModes": list(SELF_TRADE_MODES),
    }


def _filters(money: Money, filters: Filters) -> list[dict[str, Any]]:
    least, step = money.quantity_text(filters.min_qty_lots), money.quantity_text(1)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": money.price_text(1),
            "maxPrice": money.price_text(filters.max_price_ticks),
            "tickSize": money.price_text(1),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": least,
            "maxQty": money.quantity_text(filters.max_qty_lots),
            "stepSize": step,
        },
        {"filterType": "ICEBERG_PARTS", "limit": filters.iceberg_parts},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": least,
            "maxQty": money.quantity_text(filters.market_max_qty_lots),
            "stepSize": step,
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": filters.min_trailing_bips,
            "maxTrailingAboveDelta": filters.max_trailing_bips,
            "minTrailingBelowDelta": filters.min_trailing_bips,
            "maxTrailingBelowDelta": filters.max_trailing_bips,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": _multiplier(filters.bid_up),
            "bidMultiplierDown": _multiplier(filters.bid_down),
            "askMultiplierUp": _multiplier(filters.ask_up),
            "askMultiplierDown": _multiplier(filters.ask_down),
            "avgPriceMins": 0,  # the last price is used
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": money.amount_text(filters.min_notional * MICRO),
            "applyMinToMarket": True,
            "maxNotional": money.amount_text(filters.max_notional * MICRO),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": filters.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": filters.max_algo_orders},
    ]


def _multiplier(parts: int) -> str:
    return f"{(Decimal(parts) / PARTS).normalize():f}"
