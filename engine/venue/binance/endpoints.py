"""The one table of endpoints: path, WS-API method, security, weight, parameters.

Place on the data path: read by the dispatchers of REST and WS-API alike, by `parameters.check`, and by the
OpenAPI description. Invariant: what is not in this table cannot be called, and what is in it is checked
exactly as the description says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from engine.venue.binance.codec import DEFAULT_SELF_TRADE, SELF_TRADE_MODES
from engine.venue.binance.parameters import INT64_MAX, Kind, Parameter, whole

__all__ = ["ENDPOINTS", "SIGNATURE_PARAMETERS", "Endpoint", "Security"]


class Security(Enum):
    """What a request must show."""

    NONE = "NONE"
    KEY = "KEY"
    """A valid API key."""
    USER_DATA = "USER_DATA"
    """A key that may read, and a signature."""
    TRADE = "TRADE"
    """A key that may trade, and a signature."""

    @property
    def is_signed(self) -> bool:
        """Whether the request needs timestamp and signature."""
        return self in (Security.USER_DATA, Security.TRADE)


Weight = int | Callable[[Mapping[str, str]], int]


class Endpoint(NamedTuple):
    """One operation, reachable by REST, by the WS-API, or by both."""

    method: str
    path: str
    summary: str
    security: Security = Security.NONE
    weight: Weight = 1
    parameters: tuple[Parameter, ...] = ()
    socket: str = ""
    """Method of the WS-API; empty: REST only."""
    orders: int = 0
    """New orders that it counts for."""
    legacy: bool = False
    """Served only with the legacy switch."""

    def weigh(self, params: Mapping[str, str]) -> int:
        """Request weight of this call."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)


# -- parameters that come again and again ----------------------------------------------------------------

SIGNATURE_PARAMETERS = (
    Parameter("recvWindow", Kind.DECIMAL, default="5000"),
    Parameter("timestamp", Kind.LONG, required=True),
    Parameter("signature", Kind.SIGNATURE, required=True),
)
"""Of every signed request, beside the endpoint's own."""

SYMBOL = Parameter("symbol", Kind.SYMBOL, required=True)
SYMBOL_OPTIONAL = Parameter("symbol", Kind.SYMBOL)
SYMBOLS = Parameter("symbols", Kind.SYMBOLS)
SYMBOL_STATUS = Parameter(
    "symbolStatus",
    Kind.WORD,
    choices=("TRADING", "HALT", "BREAK", "END_OF_DAY"),
    wrong=(-1122, "Invalid symbolStatus."),
)
SIDE = ("BUY", "SELL")
WRONG_SIDE = (-1117, "Invalid side.")
TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
WRONG_TYPE = (-1116, "Invalid orderType.")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
WRONG_TIME_IN_FORCE = (-1115, "Invalid timeInForce.")
INTERVALS = (
    *("1s", "1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"),
)
RESPONSE_TYPE = Parameter("newOrderRespType", Kind.WORD, choices=("ACK", "RESULT", "FULL"))
SELF_TRADE = Parameter(
    "selfTradePreventionMode",
    Kind.WORD,
    choices=tuple(SELF_TRADE_MODES),
    wrong=(-1013, "This symbol does not allow the specified self-trade prevention mode."),
    default=DEFAULT_SELF_TRADE,
)
CANCEL_RESTRICTIONS = Parameter(
    "cancelRestrictions",
    Kind.WORD,
    choices=("ONLY_NEW", "ONLY_PARTIALLY_FILLED"),
    wrong=(-1145, "Invalid cancelRestrictions"),
)
ORDER_ID = Parameter("orderId", Kind.LONG)
ORIGINAL_ID = Parameter("origClientOrderId", Kind.CLIENT_ID)
NEW_ID = Parameter("newClientOrderId", Kind.CLIENT_ID)
START = Parameter("startTime", Kind.LONG)
END = Parameter("endTime", Kind.LONG)
STRATEGY_TYPE_LOW = 1_000_000


def limit(default: int, high: int = INT64_MAX) -> Parameter:
    """A `limit`; above `high` it is refused."""
    return Parameter("limit", Kind.LONG, default=str(default), low=1, high=high)


def order_terms(prefix: str = "", *, side: bool = True, quantity: bool = True) -> tuple[Parameter, ...]:
    """The parameters of one order, e.g. of an order list with the prefix "pendingAbove"."""

    def name(text: str) -> str:
        return prefix + text[0].upper() + text[1:] if prefix else text

    terms = [
        Parameter(name("type"), Kind.WORD, required=True, choices=TYPES, wrong=WRONG_TYPE),
        Parameter(name("timeInForce"), Kind.WORD, choices=TIMES_IN_FORCE, wrong=WRONG_TIME_IN_FORCE),
        Parameter(name("price"), Kind.DECIMAL),
        Parameter(name("stopPrice"), Kind.DECIMAL),
        Parameter(name("trailingDelta"), Kind.LONG),
        Parameter(name("icebergQty"), Kind.DECIMAL),
        Parameter(name("clientOrderId") if prefix else "newClientOrderId", Kind.CLIENT_ID),
        Parameter(name("strategyId"), Kind.LONG),
        Parameter(name("strategyType"), Kind.LONG),
    ]
    if quantity:
        terms.insert(2, Parameter(name("quantity"), Kind.DECIMAL, required=bool(prefix)))
    if side:
        terms.insert(0, Parameter(name("side"), Kind.WORD, required=True, choices=SIDE, wrong=WRONG_SIDE))
    return tuple(terms)


ORDER = (SYMBOL, *order_terms(), Parameter("quoteOrderQty", Kind.DECIMAL), RESPONSE_TYPE, SELF_TRADE)
LIST_COMMON = (SYMBOL, Parameter("listClientOrderId", Kind.CLIENT_ID), RESPONSE_TYPE, SELF_TRADE)
OCO_HEAD = (
    Parameter("side", Kind.WORD, required=True, choices=SIDE, wrong=WRONG_SIDE),
    Parameter("quantity", Kind.DECIMAL, required=True),
)
OLD_OCO = (
    *LIST_COMMON,
    *OCO_HEAD,
    Parameter("price", Kind.DECIMAL, required=True),
    Parameter("stopPrice", Kind.DECIMAL),
    Parameter("trailingDelta", Kind.LONG),
    Parameter("stopLimitPrice", Kind.DECIMAL),
    Parameter("stopLimitTimeInForce", Kind.WORD, choices=TIMES_IN_FORCE, wrong=WRONG_TIME_IN_FORCE),
    Parameter("limitClientOrderId", Kind.CLIENT_ID),
    Parameter("stopClientOrderId", Kind.CLIENT_ID),
    Parameter("limitIcebergQty", Kind.DECIMAL),
    Parameter("stopIcebergQty", Kind.DECIMAL),
    Parameter("limitStrategyId", Kind.LONG),
    Parameter("limitStrategyType", Kind.LONG),
    Parameter("stopStrategyId", Kind.LONG),
    Parameter("stopStrategyType", Kind.LONG),
)
RANGE = (
    SYMBOL,
    Parameter("interval", Kind.WORD, required=True, choices=INTERVALS, wrong=(-1120, "Invalid interval.")),
    START,
    END,
    Parameter("timeZone", Kind.WORD, default="0"),
    limit(500),
)
LIST_ID = Parameter("orderListId", Kind.LONG)
LISTEN_KEY = Parameter("listenKey", Kind.WORD, required=True)


def _depth_weight(params: Mapping[str, str]) -> int:
    levels = whole(params, "limit", 100)
    return 5 if levels <= 100 else 25 if levels <= 500 else 50 if levels <= 1_000 else 250


def _ticker_weight(one: int, all_symbols: int) -> Callable[[Mapping[str, str]], int]:
    """Weight with `symbol`; without it, or with a list."""
    return lambda params: one if "symbol" in params else all_symbols


def _test_weight(params: Mapping[str, str]) -> int:
    return 20 if params.get("computeCommissionRates", "").lower() == "true" else 1


_MARKET = (
    Endpoint("GET", "/api/v3/ping", "Test connectivity", socket="ping"),
    Endpoint("GET", "/api/v3/time", "Server time", socket="time"),
    Endpoint(
        "GET",
        "/api/v3/exchangeInfo",
        "Trading rules and symbols",
        weight=20,
        parameters=(
            SYMBOL_OPTIONAL,
            SYMBOLS,
            Parameter("permissions", Kind.LIST),
            Parameter("showPermissionSets", Kind.BOOLEAN, default="true"),
            SYMBOL_STATUS,
        ),
        socket="exchangeInfo",
    ),
    Endpoint(
        "GET",
        "/api/v3/depth",
        "Order book",
        weight=_depth_weight,
        parameters=(SYMBOL, limit(100), SYMBOL_STATUS),
        socket="depth",
    ),
    Endpoint(
        "GET",
        "/api/v3/trades",
        "Recent trades",
        weight=25,
        parameters=(SYMBOL, limit(500)),
        socket="trades.recent",
    ),
    Endpoint(
        "GET",
        "/api/v3/historicalTrades",
        "Older trades",
        weight=25,
        parameters=(SYMBOL, limit(500), Parameter("fromId", Kind.LONG)),
        socket="trades.historical",
    ),
    Endpoint(
        "GET",
        "/api/v3/aggTrades",
        "Aggregate trades",
        weight=4,
        parameters=(SYMBOL, Parameter("fromId", Kind.LONG), START, END, limit(500)),
        socket="trades.aggregate",
    ),
    Endpoint("GET", "/api/v3/klines", "Candles", weight=2, parameters=RANGE, socket="klines"),
    Endpoint("GET", "/api/v3/uiKlines", "Candles for charts", weight=2, parameters=RANGE, socket="uiKlines"),
    Endpoint("GET", "/api/v3/avgPrice", "Average price", weight=2, parameters=(SYMBOL,), socket="avgPrice"),
    Endpoint(
        "GET",
        "/api/v3/ticker/24hr",
        "24 hour statistics",
        weight=_ticker_weight(2, 80),
        parameters=(
            SYMBOL_OPTIONAL,
            SYMBOLS,
            Parameter("type", Kind.WORD, choices=("FULL", "MINI"), wrong=(-1139, "Invalid ticker type.")),
            SYMBOL_STATUS,
        ),
        socket="ticker.24hr",
    ),
    Endpoint(
        "GET",
        "/api/v3/ticker/tradingDay",
        "Statistics of the trading day",
        weight=4,
        parameters=(
            SYMBOL_OPTIONAL,
            SYMBOLS,
            Parameter("timeZone", Kind.WORD, default="0"),
            Parameter("type", Kind.WORD, choices=("FULL", "MINI"), wrong=(-1139, "Invalid ticker type.")),
            SYMBOL_STATUS,
        ),
        socket="ticker.tradingDay",
    ),
    Endpoint(
        "GET",
        "/api/v3/ticker",
        "Rolling window statistics",
        weight=4,
        parameters=(
            SYMBOL_OPTIONAL,
            SYMBOLS,
            Parameter("windowSize", Kind.WORD, default="1d"),
            Parameter("type", Kind.WORD, choices=("FULL", "MINI"), wrong=(-1139, "Invalid ticker type.")),
            SYMBOL_STATUS,
        ),
        socket="ticker",
    ),
    Endpoint(
        "GET",
        "/api/v3/ticker/price",
        "Last price",
        weight=_ticker_weight(2, 4),
        parameters=(SYMBOL_OPTIONAL, SYMBOLS, SYMBOL_STATUS),
        socket="ticker.price",
    ),
    Endpoint(
        "GET",
        "/api/v3/ticker/bookTicker",
        "Best bid and ask",
        weight=_ticker_weight(2, 4),
        parameters=(SYMBOL_OPTIONAL, SYMBOLS, SYMBOL_STATUS),
        socket="ticker.book",
    ),
)

_ORDERS = (
    Endpoint(
        "POST",
        "/api/v3/order",
        "New order",
        Security.TRADE,
        parameters=ORDER,
        socket="order.place",
        orders=1,
    ),
    Endpoint(
        "POST",
        "/api/v3/order/test",
        "Check a new order",
        Security.TRADE,
        weight=_test_weight,
        parameters=(*ORDER, Parameter("computeCommissionRates", Kind.BOOLEAN)),
        socket="order.test",
    ),
    Endpoint(
        "GET",
        "/api/v3/order",
        "Query order",
        Security.USER_DATA,
        weight=4,
        parameters=(SYMBOL, ORDER_ID, ORIGINAL_ID),
        socket="order.status",
    ),
    Endpoint(
        "DELETE",
        "/api/v3/order",
        "Cancel order",
        Security.TRADE,
        parameters=(SYMBOL, ORDER_ID, ORIGINAL_ID, NEW_ID, CANCEL_RESTRICTIONS),
        socket="order.cancel",
    ),
    Endpoint(
        "POST",
        "/api/v3/order/cancelReplace",
        "Cancel an order and send a new one",
        Security.TRADE,
        parameters=(
            *ORDER,
            Parameter(
                "cancelReplaceMode",
                Kind.WORD,
                required=True,
                choices=("STOP_ON_FAILURE", "ALLOW_FAILURE"),
            ),
            Parameter("cancelNewClientOrderId", Kind.CLIENT_ID),
            Parameter("cancelOrigClientOrderId", Kind.CLIENT_ID),
            Parameter("cancelOrderId", Kind.LONG),
            CANCEL_RESTRICTIONS,
            Parameter(
                "orderRateLimitExceededMode",
                Kind.WORD,
                choices=("DO_NOTHING", "CANCEL_ONLY"),
                default="DO_NOTHING",
            ),
        ),
        socket="order.cancelReplace",
        orders=1,
    ),
    Endpoint(
        "PUT",
        "/api/v3/order/amend/keepPriority",
        "Less quantity, same place in the queue",
        Security.TRADE,
        weight=4,
        parameters=(
            SYMBOL,
            ORDER_ID,
            ORIGINAL_ID,
            NEW_ID,
            Parameter("newQty", Kind.DECIMAL, required=True),
        ),
        socket="order.amend.keepPriority",
    ),
    Endpoint(
        "GET",
        "/api/v3/openOrders",
        "Open orders",
        Security.USER_DATA,
        weight=_ticker_weight(6, 80),
        parameters=(SYMBOL_OPTIONAL,),
        socket="openOrders.status",
    ),
    Endpoint(
        "DELETE",
        "/api/v3/openOrders",
        "Cancel all open orders",
        Security.TRADE,
        parameters=(SYMBOL,),
        socket="openOrders.cancelAll",
    ),
    Endpoint(
        "GET",
        "/api/v3/allOrders",
        "All orders",
        Security.USER_DATA,
        weight=20,
        parameters=(SYMBOL, ORDER_ID, START, END, limit(500, 1_000)),
        socket="allOrders",
    ),
)

_LISTS = (
    Endpoint(
        "POST",
        "/api/v3/orderList/oco",
        "New OCO",
        Security.TRADE,
        parameters=(
            *LIST_COMMON,
            *OCO_HEAD,
            *order_terms("above", side=False, quantity=False),
            *order_terms("below", side=False, quantity=False),
        ),
        socket="orderList.place.oco",
        orders=2,
    ),
    Endpoint(
        "POST",
        "/api/v3/order/oco",
        "New OCO (deprecated form)",
        Security.TRADE,
        parameters=OLD_OCO,
        socket="orderList.place",
        orders=2,
    ),
    Endpoint(
        "POST",
        "/api/v3/orderList/oto",
        "New OTO",
        Security.TRADE,
        parameters=(*LIST_COMMON, *order_terms("working"), *order_terms("pending")),
        socket="orderList.place.oto",
        orders=2,
    ),
    Endpoint(
        "POST",
        "/api/v3/orderList/otoco",
        "New OTOCO",
        Security.TRADE,
        parameters=(
            *LIST_COMMON,
            *order_terms("working"),
            Parameter("pendingSide", Kind.WORD, required=True, choices=SIDE, wrong=WRONG_SIDE),
            Parameter("pendingQuantity", Kind.DECIMAL, required=True),
            *order_terms("pendingAbove", side=False, quantity=False),
            *order_terms("pendingBelow", side=False, quantity=False),
        ),
        socket="orderList.place.otoco",
        orders=3,
    ),
    Endpoint(
        "DELETE",
        "/api/v3/orderList",
        "Cancel an order list",
        Security.TRADE,
        parameters=(SYMBOL, LIST_ID, Parameter("listClientOrderId", Kind.CLIENT_ID), NEW_ID),
        socket="orderList.cancel",
    ),
    Endpoint(
        "GET",
        "/api/v3/orderList",
        "Query an order list",
        Security.USER_DATA,
        weight=4,
        parameters=(LIST_ID, ORIGINAL_ID),
        socket="orderList.status",
    ),
    Endpoint(
        "GET",
        "/api/v3/allOrderList",
        "All order lists",
        Security.USER_DATA,
        weight=20,
        parameters=(Parameter("fromId", Kind.LONG), START, END, limit(500, 1_000)),
        socket="allOrderLists",
    ),
    Endpoint(
        "GET",
        "/api/v3/openOrderList",
        "Open order lists",
        Security.USER_DATA,
        weight=6,
        socket="openOrderLists.status",
    ),
)

_ACCOUNT = (
    Endpoint(
        "GET",
        "/api/v3/account",
        "Account and balances",
        Security.USER_DATA,
        weight=20,
        parameters=(Parameter("omitZeroBalances", Kind.BOOLEAN),),
        socket="account.status",
    ),
    Endpoint(
        "GET",
        "/api/v3/account/commission",
        "Commission rates",
        Security.USER_DATA,
        weight=20,
        parameters=(SYMBOL,),
        socket="account.commission",
    ),
    Endpoint(
        "GET",
        "/api/v3/myTrades",
        "Own trades",
        Security.USER_DATA,
        weight=lambda params: 5 if "orderId" in params else 20,
        parameters=(SYMBOL, ORDER_ID, START, END, Parameter("fromId", Kind.LONG), limit(500, 1_000)),
        socket="myTrades",
    ),
    Endpoint(
        "GET",
        "/api/v3/rateLimit/order",
        "Order counts",
        Security.USER_DATA,
        weight=40,
        socket="account.rateLimits.orders",
    ),
    Endpoint(
        "GET",
        "/api/v3/myPreventedMatches",
        "Orders ended by self-trade prevention",
        Security.USER_DATA,
        weight=lambda params: 20 if "orderId" in params else 2,
        parameters=(
            SYMBOL,
            Parameter("preventedMatchId", Kind.LONG),
            ORDER_ID,
            Parameter("fromPreventedMatchId", Kind.LONG),
            limit(500, 1_000),
        ),
        socket="myPreventedMatches",
    ),
    Endpoint(
        "GET",
        "/api/v3/myAllocations",
        "Allocations by smart order routing: none, there is one book",
        Security.USER_DATA,
        weight=20,
        parameters=(
            SYMBOL,
            START,
            END,
            Parameter("fromAllocationId", Kind.LONG),
            ORDER_ID,
            limit(500, 1_000),
        ),
        socket="myAllocations",
    ),
)

_FUTURES = tuple(
    Endpoint("GET", f"/{room}/v1/exchangeInfo", f"{name}: none; some clients ask before they trade spot")
    for room, name in (("fapi", "USD-M futures"), ("dapi", "COIN-M futures"))
)

_WALLET = (
    Endpoint(
        "GET",
        "/sapi/v1/asset/tradeFee",
        "Fees by symbol",
        Security.USER_DATA,
        parameters=(SYMBOL_OPTIONAL,),
    ),
    Endpoint("GET", "/sapi/v1/capital/config/getall", "Assets", Security.USER_DATA, weight=10),
    Endpoint(
        "GET",
        "/sapi/v1/margin/allPairs",
        "Margin pairs: none",
        Security.KEY,
        parameters=(SYMBOL_OPTIONAL,),
    ),
    Endpoint(
        "GET",
        "/sapi/v1/margin/isolated/allPairs",
        "Isolated margin pairs: none",
        Security.USER_DATA,
        weight=10,
        parameters=(SYMBOL_OPTIONAL,),
    ),
    Endpoint("GET", "/sapi/v1/account/status", "Account status", Security.USER_DATA),
    Endpoint("GET", "/sapi/v1/account/apiTradingStatus", "Trading status", Security.USER_DATA),
    Endpoint("GET", "/sapi/v1/account/apiRestrictions", "What the key may do", Security.USER_DATA),
    Endpoint("GET", "/sapi/v1/system/status", "System status"),
    Endpoint(
        "POST",
        "/sapi/v3/asset/getUserAsset",
        "Assets owned",
        Security.USER_DATA,
        weight=5,
        parameters=(Parameter("asset", Kind.WORD), Parameter("needBtcValuation", Kind.BOOLEAN)),
    ),
)

_LEGACY = (
    Endpoint(
        "POST",
        "/api/v3/userDataStream",
        "New listen key",
        Security.KEY,
        weight=2,
        legacy=True,
        socket="userDataStream.start",
    ),
    Endpoint(
        "PUT",
        "/api/v3/userDataStream",
        "Keep a listen key",
        Security.KEY,
        weight=2,
        parameters=(LISTEN_KEY,),
        legacy=True,
        socket="userDataStream.ping",
    ),
    Endpoint(
        "DELETE",
        "/api/v3/userDataStream",
        "End a listen key",
        Security.KEY,
        weight=2,
        parameters=(LISTEN_KEY,),
        legacy=True,
        socket="userDataStream.stop",
    ),
)

ENDPOINTS: tuple[Endpoint, ...] = (*_MARKET, *_ORDERS, *_LISTS, *_ACCOUNT, *_FUTURES, *_WALLET, *_LEGACY)
"""All of them; paths and methods are unique."""
