"""Handlers of the account: balances, fees, own trades, order counts.

Place on the data path: as orders.py; all but the first look at an account are plain reads.
"""

from __future__ import annotations

from typing import Any

from engine.broker.terms import Balances, OpenAccount, Reply
from engine.venue.binance import errors
from engine.venue.binance.call import Answer, Call, Route, Waiting
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.parameters import boolean, whole
from engine.venue.keys import Permission

__all__ = ["ROUTES", "rates_of", "ratio_text"]

PPM_PER_BIP = 100
HOURS_24_MS = 86_400_000
NO_RATE = "0.00000000"


def ratio_text(ppm: int) -> str:
    """Millionths as a plain decimal of eight digits."""
    sign = "-" if ppm < 0 else ""
    whole_part, rest = divmod(abs(ppm), 1_000_000)
    return f"{sign}{whole_part}.{rest:06d}00"


def status(call: Call) -> Answer:
    """GET account."""
    balances = call.gateway.host.broker.balances(call.account)
    if balances is not None:
        return _status(call, balances)
    return when_open(call, lambda: _status(call, _balances(call)))


def when_open(call: Call, answer: Any) -> Waiting:
    """Answer once the account has its starting balances: opening it again does nothing, but is answered."""
    key = call.key
    assert key is not None
    request = OpenAccount(
        call.account,
        call.gateway.host.next_request_id(),
        key.name,
        key.maker_ppm,
        key.taker_ppm,
    )

    def render(reply: Reply) -> Any:
        if reply.refusal:
            raise errors.refused(reply.refusal, reply.detail)
        return answer()

    return Waiting(request, render)


def _balances(call: Call) -> Balances:
    balances = call.gateway.host.broker.balances(call.account)
    if balances is None:
        raise errors.disconnected()
    return balances


def _status(call: Call, balances: Balances) -> dict[str, Any]:
    codec, key = call.gateway.codec, call.key
    assert key is not None
    fees = call.gateway.host.broker.fees(call.account)
    omit_zero = boolean(call.params, "omitZeroBalances")
    trades = key.may(Permission.TRADE)
    return {
        "makerCommission": fees.maker_ppm // PPM_PER_BIP,
        "takerCommission": fees.taker_ppm // PPM_PER_BIP,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": ratio_text(fees.maker_ppm),
            "taker": ratio_text(fees.taker_ppm),
            "buyer": NO_RATE,
            "seller": NO_RATE,
        },
        "canTrade": trades,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": codec.ms(balances.updated_ns),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": free, "locked": locked}
            for asset, free, locked in codec.balances(balances)
            if not omit_zero or free.strip("0.") or locked.strip("0.")
        ],
        "permissions": ["SPOT"],
        "uid": call.account,
    }


def commission(call: Call) -> Answer:
    """GET account/commission."""
    return {"symbol": call.gateway.symbol, **rates_of(call, suffix="", with_sides=True)}


def rates_of(call: Call, *, suffix: str, with_sides: bool) -> dict[str, Any]:
    """Commission rates of the account; the names differ between the two places that show them."""
    fees = call.gateway.host.broker.fees(call.account)
    sides = {"buyer": NO_RATE, "seller": NO_RATE} if with_sides else {}
    none = {"maker": NO_RATE, "taker": NO_RATE, **sides}
    return {
        f"standardCommission{suffix}": {
            "maker": ratio_text(fees.maker_ppm),
            "taker": ratio_text(fees.taker_ppm),
            **sides,
        },
        f"specialCommission{suffix}": none,
        f"taxCommission{suffix}": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": None,
            "discount": NO_RATE,
        },
    }


def own_trades(call: Call) -> Answer:
    """GET myTrades."""
    codec, params, broker = call.gateway.codec, call.params, call.gateway.host.broker
    limit = whole(params, "limit", 500)
    start, end, first = params.get("startTime"), params.get("endTime"), params.get("fromId")
    if (start is not None or end is not None) and ("orderId" in params or first is not None):
        raise errors.bad_combination()
    if start is not None and end is not None:
        if int(end) < int(start):
            raise errors.invalid_data("endTime")
        if int(end) - int(start) > HOURS_24_MS:
            raise RequestRefused(-1127, "More than 24 hours between startTime and endTime.")
    if "orderId" in params:
        fills = broker.order_fills(call.account, int(params["orderId"]))
    else:
        fills = broker.fills(call.account)
    if first is not None:
        fills = [fill for fill in fills if fill.trade_id >= int(first)][:limit]
    elif start is not None or end is not None:
        low = int(start) if start is not None else 0
        high = int(end) if end is not None else 1 << 62
        fills = [fill for fill in fills if low <= codec.ms(fill.time_ns) <= high]
        fills = fills[:limit] if start is not None else fills[-limit:]
    else:
        fills = fills[-limit:]
    return [codec.own_trade(fill) for fill in fills]


def order_counts(call: Call) -> Answer:
    """GET rateLimit/order."""
    gateway = call.gateway
    counts = gateway.windows.order_counts(call.account, gateway.now_ms())
    limits = [limit for limit in gateway.limits.describe() if limit["rateLimitType"] == "ORDERS"]
    return [limit | {"count": count} for limit, count in zip(limits, counts, strict=True)]


def prevented_matches(call: Call) -> Answer:
    """GET myPreventedMatches: one entry for each order that lost quantity to self-trade prevention.

    The broker does not keep which two orders met, so both ids are the order's own.
    """
    codec, params = call.gateway.codec, call.params
    if "preventedMatchId" not in params and "orderId" not in params:
        raise errors.mandatory_one_of("preventedMatchId", "orderId")
    wanted = int(params.get("preventedMatchId") or params["orderId"])
    order = call.gateway.host.broker.order(call.account, wanted)
    if order is None or not order.prevented_lots:
        return []
    if order.order_id < whole(params, "fromPreventedMatchId", 0):
        return []
    return [
        {
            "symbol": codec.symbol,
            "preventedMatchId": order.order_id,
            "takerOrderId": order.order_id,
            "makerSymbol": codec.symbol,
            "makerOrderId": order.order_id,
            "tradeGroupId": call.account,
            "selfTradePreventionMode": codec.order_query(order)["selfTradePreventionMode"],
            "price": codec.price(order.price_ticks),
            "makerPreventedQuantity": codec.quantity(order.prevented_lots),
            "transactTime": codec.ms(order.updated_ns),
        }
    ]


def allocations(call: Call) -> Answer:
    """GET myAllocations: what smart order routing gave; nothing, orders have one book to go to."""
    return []


ROUTES: tuple[Route, ...] = (
    ("GET", "/api/v3/account", status),
    ("GET", "/api/v3/account/commission", commission),
    ("GET", "/api/v3/myTrades", own_trades),
    ("GET", "/api/v3/rateLimit/order", order_counts),
    ("GET", "/api/v3/myPreventedMatches", prevented_matches),
    ("GET", "/api/v3/myAllocations", allocations),
)
