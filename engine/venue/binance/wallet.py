"""Handlers of the wallet API, as far as clients call it when they start: fees, assets, status.

Place on the data path: as account.py. There is no wallet here: nothing can be deposited or withdrawn, there
is no margin, and answers say so.
"""

from __future__ import annotations

from typing import Any

from engine.broker.terms import Balances
from engine.venue.binance.account import ratio_text, when_open
from engine.venue.binance.call import Answer, Call, Route
from engine.venue.keys import Permission

__all__ = ["ROUTES"]

ZERO = "0.00000000"


def trade_fee(call: Call) -> Answer:
    """GET asset/tradeFee."""
    fees = call.gateway.host.broker.fees(call.account)
    return [
        {
            "symbol": call.gateway.symbol,
            "makerCommission": ratio_text(fees.maker_ppm),
            "takerCommission": ratio_text(fees.taker_ppm),
        }
    ]


def assets(call: Call) -> Answer:
    """GET capital/config/getall."""
    return _with_balances(call, lambda balances: [_asset(call, *entry) for entry in balances])


def user_assets(call: Call) -> Answer:
    """POST asset/getUserAsset."""
    wanted = call.params.get("asset")
    return _with_balances(
        call,
        lambda balances: [
            {
                "asset": asset,
                "free": free,
                "locked": locked,
                "freeze": ZERO,
                "withdrawing": ZERO,
                "ipoable": ZERO,
                "btcValuation": ZERO,
            }
            for asset, free, locked in balances
            if wanted in (None, asset)
        ],
    )


def _with_balances(call: Call, answer: Any) -> Answer:
    broker, codec = call.gateway.host.broker, call.gateway.codec
    balances = broker.balances(call.account)
    if balances is not None:
        return answer(codec.balances(balances))

    def later() -> Any:
        return answer(codec.balances(broker.balances(call.account) or Balances(0, 0, 0, 0)))

    return when_open(call, later)


def _asset(call: Call, asset: str, free: str, locked: str) -> dict[str, Any]:
    network = {
        "network": asset,
        "coin": asset,
        "name": asset,
        "isDefault": True,
        "depositEnable": False,
        "withdrawEnable": False,
        "depositDesc": "",
        "withdrawDesc": "",
        "specialTips": "",
        "resetAddressStatus": False,
        "addressRegex": "",
        "memoRegex": "",
        "withdrawFee": ZERO,
        "withdrawMin": ZERO,
        "withdrawMax": ZERO,
        "withdrawIntegerMultiple": "0.00000001",
        "minConfirm": 1,
        "unLockConfirm": 0,
        "sameAddress": False,
        "estimatedArrivalTime": 0,
        "busy": False,
    }
    return {
        "coin": asset,
        "name": asset,
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "free": free,
        "locked": locked,
        "freeze": ZERO,
        "withdrawing": ZERO,
        "ipoing": ZERO,
        "ipoable": ZERO,
        "storage": ZERO,
        "isLegalMoney": False,
        "trading": True,
        "networkList": [network],
    }


def no_pairs(_call: Call) -> Answer:
    """Margin pairs: none."""
    return []


def account_status(_call: Call) -> Answer:
    """GET account/status."""
    return {"data": "Normal"}


def trading_status(call: Call) -> Answer:
    """GET account/apiTradingStatus."""
    return {
        "data": {
            "isLocked": False,
            "plannedRecoverTime": 0,
            "triggerCondition": {"GCR": 150, "IFER": 150, "UFR": 300},
            "updateTime": call.gateway.now_ms(),
        }
    }


def restrictions(call: Call) -> Answer:
    """GET account/apiRestrictions."""
    key = call.key
    assert key is not None
    return {
        "ipRestrict": False,
        "createTime": key.created_ms,
        "enableReading": key.may(Permission.READ),
        "enableSpotAndMarginTrading": key.may(Permission.TRADE),
        "enableWithdrawals": False,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": key.may(Permission.TRADE),
        "enableFixReadOnly": key.may(Permission.READ),
        "enablePortfolioMarginTrading": False,
    }


def system_status(_call: Call) -> Answer:
    """GET system/status."""
    return {"status": 0, "msg": "normal"}


ROUTES: tuple[Route, ...] = (
    ("GET", "/sapi/v1/asset/tradeFee", trade_fee),
    ("GET", "/sapi/v1/capital/config/getall", assets),
    ("GET", "/sapi/v1/margin/allPairs", no_pairs),
    ("GET", "/sapi/v1/margin/isolated/allPairs", no_pairs),
    ("GET", "/sapi/v1/account/status", account_status),
    ("GET", "/sapi/v1/account/apiTradingStatus", trading_status),
    ("GET", "/sapi/v1/account/apiRestrictions", restrictions),
    ("GET", "/sapi/v1/system/status", system_status),
    ("POST", "/sapi/v3/asset/getUserAsset", user_assets),
)
