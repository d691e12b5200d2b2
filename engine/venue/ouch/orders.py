"""Orders as OUCH says them into orders as the broker takes them: a pure function of message and instrument.

Place on the data path: between the port and the broker's requests. Invariant: an order is taken with all that
it asks for, or refused with the specification's reason; nothing that it asks for is left out in silence.

    price            1e-4 of the currency; a multiple of the tick, up to $199,999.99; 0x7FFFFFFF (and
                     $200,000) = market: takes what is there, the rest is cancelled
    quantity         shares = lots, 1 to 999,999
    time in force    0 day, 5 extended hours, 6 until ExpireTime: rest · 3 takes, the rest is cancelled,
                     with MinQty = quantity: all or nothing · E after hours: this market has none
    display          Y visible, A attributable (the same here) · N hidden: refused
    side             B, S · T and E: accounts sell what they have, so short sales are refused
    taken            MaxFloor (iceberg), PostOnly, ExpireTime, AIQ strategy, GroupID, Firm (its own)
    without effect   capacity, sweep, CustomerType, shares located, locate broker
    refused          crosses, pegs, discretion, random reserves, TradeNow, retail, AIQ groups
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from engine.broker.money import Money
from engine.broker.terms import OrderTerms, OrderType
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import Instrument, Side, TimeInForce
from engine.feeds.itch.writer import OPEN_NS, ItchWriter
from engine.venue.ouch.codes import AIQ_STRATEGIES, MARKET_PRICES, MAX_PRICE, MAX_QUANTITY, RejectReason
from engine.venue.ouch.messages import PRICE_DECIMALS
from engine.venue.ouch.wire import Options, Tag

__all__ = ["OrderRules", "Ticket"]

_DAY_S = 86_400
_RESTS = frozenset("056")
_PEGS = (Tag.PEG_OFFSET, Tag.DISCRETION_PEG_OFFSET)


class Ticket(NamedTuple):
    """An order as its owner wrote it; a replacement takes over what its message does not have."""

    user_ref_idx: int
    """Channel; numbers of each channel count by themselves."""
    user_ref_num: int
    side: str
    quantity: int
    symbol: str
    price: int
    time_in_force: str
    display: str
    capacity: str
    sweep: str
    cross_type: str
    client_order_id: str
    options: Options


class OrderRules:
    """The rules of one instrument: `terms` of a ticket, prices both ways, the clock of the messages."""

    def __init__(self, instrument: Instrument) -> None:
        """Raises UsageError for an instrument whose ticks OUCH's four decimals cannot hold."""
        tick = instrument.tick_size * Decimal(10) ** PRICE_DECIMALS
        if tick != int(tick):
            raise UsageError(
                f"OUCH: {instrument.symbol} has a tick of {instrument.tick_size}, finer than OUCH's prices "
                "(0.0001); choose an instrument with a coarser tick, or another gateway"
            )
        self._tick = int(tick)
        self.symbols = frozenset((ItchWriter(instrument).stock, Money(instrument).symbol[:8]))
        """Names of the instrument: that of the ITCH feed, and the venue's own."""

    def price(self, price_ticks: int) -> int:
        """Ticks as a price on the wire."""
        return price_ticks * self._tick

    def terms(
        self, ticket: Ticket, *, client_order_id: str, firm: str, now_ns: int
    ) -> OrderTerms | RejectReason:
        """The order for the broker. `now_ns`: session time."""
        reason = self._reason_against(ticket, firm, now_ns)
        if reason is not None:
            return reason
        options = ticket.options
        lots = ticket.quantity
        floor = int(options.get(Tag.MAX_FLOOR, 0))
        is_market = ticket.price in MARKET_PRICES
        kind = OrderType.LIMIT_MAKER if options.get(Tag.POST_ONLY) == "P" else OrderType.LIMIT
        rests = ticket.time_in_force in _RESTS
        all_or_none = options.get(Tag.MIN_QTY, 0) != 0
        return OrderTerms(
            client_order_id=client_order_id,
            side=Side.BID if ticket.side == "B" else Side.ASK,
            type=OrderType.MARKET if is_market else kind,
            time_in_force=TimeInForce.GTC
            if rests or is_market
            else TimeInForce.FOK
            if all_or_none
            else TimeInForce.IOC,
            price_ticks=0 if is_market else ticket.price // self._tick,
            qty_lots=lots,
            iceberg_lots=floor if floor < lots else 0,
            self_trade=AIQ_STRATEGIES[str(options.get(Tag.AIQ_STRATEGY, ""))],
        )

    def _reason_against(self, ticket: Ticket, firm: str, now_ns: int) -> RejectReason | None:
        """The first of the fixed fields that cannot be, in their order on the wire; then of the options."""
        if ticket.side not in ("B", "S"):
            return _SHORT_SALES.get(ticket.side, RejectReason.INVALID_SIDE)
        if not 0 < ticket.quantity <= MAX_QUANTITY:
            return RejectReason.INVALID_QUANTITY
        if ticket.symbol not in self.symbols:
            return RejectReason.INVALID_SYMBOL
        is_market = ticket.price in MARKET_PRICES
        if not is_market and (not 0 < ticket.price <= MAX_PRICE or ticket.price % self._tick):
            return RejectReason.INVALID_PRICE
        if ticket.time_in_force == "E":
            return RejectReason.DESTINATION_CLOSED
        if ticket.time_in_force not in _RESTS and ticket.time_in_force != "3":
            return RejectReason.OTHER
        if ticket.display not in ("Y", "A"):
            return RejectReason.INVALID_DISPLAY
        if ticket.capacity not in ("A", "P", "R", "O") or ticket.sweep not in ("Y", "N"):
            return RejectReason.OTHER
        if ticket.cross_type != "N":
            return RejectReason.INVALID_CROSS_ORDER
        return _reason_against_options(ticket, firm, now_ns, is_market=is_market)


def _reason_against_options(
    ticket: Ticket, firm: str, now_ns: int, *, is_market: bool
) -> RejectReason | None:
    options = ticket.options
    if not options:
        return RejectReason.OTHER if ticket.time_in_force == "6" else None
    takes = is_market or ticket.time_in_force == "3"
    if options.get(Tag.FIRM, firm) not in (firm, ""):
        return RejectReason.FIRM_NOT_AUTHORIZED
    if options.get(Tag.MIN_QTY, 0) and (
        options[Tag.MIN_QTY] != ticket.quantity or is_market or ticket.time_in_force != "3"
    ):
        return RejectReason.INVALID_MIN_QUANTITY
    if int(options.get(Tag.MAX_FLOOR, 0)) > (0 if takes else ticket.quantity):
        return RejectReason.INVALID_MAX_FLOOR
    if options.get(Tag.PRICE_TYPE, "L") != "L" or any(options.get(tag, 0) for tag in _PEGS):
        return RejectReason.PEGGING_NOT_ALLOWED
    if options.get(Tag.POST_ONLY, "N") not in ("P", "N", "") or (options.get(Tag.POST_ONLY) == "P" and takes):
        return RejectReason.OTHER
    if ticket.time_in_force == "6" and not now_ns + OPEN_NS < expiry_ns(options) < _DAY_S * NS_PER_S:
        return RejectReason.OTHER
    if options.get(Tag.HANDLE_INST, "") in ("O", "T", "Q"):
        return RejectReason.RETAIL_NOT_ALLOWED
    if options.get(Tag.AIQ_STRATEGY, "") not in AIQ_STRATEGIES:
        return RejectReason.INVALID_AIQ
    if options.get(Tag.AIQ_GROUP_ID, "") not in ("", "**"):
        return RejectReason.INVALID_AIQ
    if any(options.get(tag, plain) != plain for tag, plain in _PLAIN.items()):
        return RejectReason.OTHER
    return None


def expiry_ns(options: Options) -> int:
    """When an order until a time ends, on the messages' clock."""
    return int(options.get(Tag.EXPIRE_TIME, 0)) * NS_PER_S


_SHORT_SALES = {"T": RejectReason.RISK_SHORT_SALE, "E": RejectReason.RISK_SHORT_SALE_EXEMPT}
_PLAIN: dict[Tag, int | str] = {
    Tag.DISCRETION_PRICE: 0,
    Tag.DISCRETION_PRICE_TYPE: "L",
    Tag.RANDOM_RESERVES: 0,
    Tag.TRADE_NOW: "N",
    Tag.HANDLE_INST: "",
}
"""Options that must ask for nothing."""
