"""The demo bot without its wires: messages of the order API in, requests out.

Its quotes come from `engine.agents.demo_maker.quote`, the same pure function that drives the in-process
agent. Invariant: what it believes of its orders and position stands on execution reports alone; an order
counts as live from sending to its final report, so nothing is ever quoted twice.

On every greeting (first connection, reconnection, new session) it cancels all it may have left behind
before it quotes again.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

from engine.agents.demo_maker import PAUSE_MS, quote
from engine.core.clock import NS_PER_MS
from engine.target.demo_books import DemoBooks

__all__ = ["DemoTrader", "Message"]

Message = dict[str, Any]

BOT_NAME = "demo-maker"
SIGNALS_KEPT = 10
_FINAL = ("filled", "cancelled", "rejected")


class _OwnOrder:
    """A live order of the bot: sent, and not known to have ended."""

    __slots__ = ("cancelling", "price_ticks", "remaining_lots", "resting", "side")

    def __init__(self, side: str, price_ticks: int | None, qty_lots: int) -> None:
        self.side = side
        self.price_ticks = price_ticks
        """None: at market."""
        self.remaining_lots = qty_lots
        self.resting = False
        """The market has accepted it, so its lots are in the book."""
        self.cancelling = False


class DemoTrader:
    """State of the bot; `take` what the desk says, then send what `act` returns.

    `first_client_id` must be larger than any that an earlier bot of the same session used.
    """

    def __init__(self, *, first_client_id: int = 1) -> None:
        self.books = DemoBooks()
        self.session_id: str | None = None
        self.sequence = 0
        """Last execution report taken."""
        self._next_client_id = first_client_id
        self._orders: dict[int, _OwnOrder] = {}
        self._levels: dict[str, list[list[int]]] = {"buy": [], "sell": []}
        self._unit_lots = 1
        self._now_ns = 0
        """Session time of the last book."""
        self._out_until_ns = 0
        """After a stop it stays out of the market until this session time."""
        self._closing = False
        """At the stop: it does nothing but close its position."""
        self._must_cancel_all = False
        self._signals: deque[str] = deque(maxlen=SIGNALS_KEPT)

    # -- inward --------------------------------------------------------------------------------------------

    def take(self, message: Message) -> None:
        """Take one message of the stream."""
        kind = message["type"]
        if kind == "hello":
            self._greeted(message)
        elif kind == "book":
            self._see_book(message)
        elif kind == "report":
            self._hear_report(message)
        elif kind == "error":
            self._hear_refusal(message)

    def _greeted(self, hello: Message) -> None:
        position = hello["account"]["position_lots"]
        instrument = hello["instrument"]
        if hello["session_id"] != self.session_id:
            self.session_id = hello["session_id"]
            self._unit_lots = instrument["unit_lots"]
            self._levels = {"buy": [], "sell": []}
            self._now_ns = self._out_until_ns = 0
            self.books.open_session(
                currency=instrument["currency"],
                tick_size=instrument["tick_size"],
                lot_size=instrument["lot_size"],
                position_lots=position,
                twice_mid_ticks=None,
            )
        elif hello["sequence"] != self.sequence:  # reports were missed: the desk knows better
            self.books.adopt(position)
        self.sequence = hello["sequence"]
        self._orders.clear()
        self._must_cancel_all = True

    def _see_book(self, book: Message) -> None:
        self._now_ns = book["time_ns"]
        self._levels = {"buy": book["bids"], "sell": book["asks"]}
        if book["bid"] is not None and book["ask"] is not None:
            self.books.mark(book["bid"] + book["ask"])

    def _hear_report(self, report: Message) -> None:
        self.sequence = report["sequence"]
        side, filled = report["side"], report["filled_lots_last"]
        if filled:
            price_ticks = report["fill_price_ticks"]
            self.books.fill(
                traded_lots=filled if side == "buy" else -filled, price_ticks=price_ticks, fee=report["fee"]
            )
            self._signals.append(f"{'BOUGHT' if side == 'buy' else 'SOLD'} {filled}@{price_ticks}")
        order = self._orders.get(report["client_id"])
        if order is None:
            return
        order.resting = True
        order.remaining_lots = report["remaining_lots"]
        if report["kind"] in _FINAL:
            del self._orders[report["client_id"]]

    def _hear_refusal(self, error: Message) -> None:
        """A request that never got to the market is made again when the time comes."""
        op, client_id = error.get("op"), error.get("client_id", 0)
        if op == "cancel_all":
            self._must_cancel_all = True
        elif op == "submit":
            self._orders.pop(client_id, None)
        elif op == "cancel" and client_id in self._orders:
            self._orders[client_id].cancelling = False

    # -- outward -------------------------------------------------------------------------------------------

    def act(self) -> list[Message]:
        """The requests to send now."""
        if self.session_id is None:
            return []
        requests: list[Message] = []
        if self._must_cancel_all:
            self._must_cancel_all = False
            requests.append({"op": "cancel_all"})
        dumping = any(order.price_ticks is None for order in self._orders.values())
        if dumping or self._now_ns < self._out_until_ns:
            return requests
        if self._closing:
            return requests + self._close()
        bid, ask = self._touch("buy"), self._touch("sell")
        if bid is None or ask is None or bid >= ask:
            return requests
        wanted = quote(
            best_bid=bid,
            best_ask=ask,
            position_lots=self.books.position_lots,
            cost=self.books.cost_tick_lots,
            unit_lots=self._unit_lots,
        )
        if wanted.dump_lots:
            self._closing = True
            return requests + self._close()
        requests += self._show("buy", wanted.bid_ticks, wanted.bid_lots)
        requests += self._show("sell", wanted.ask_ticks, wanted.ask_lots)
        return requests

    def leave(self) -> list[Message]:
        """What to send before going."""
        return [{"op": "cancel_all"}] if self.session_id is not None else []

    def _touch(self, side: str) -> int | None:
        """Best price that somebody else shows: a bot that follows its own quote walks away with it."""
        own: dict[int, int] = {}
        for order in self._orders.values():
            if order.side == side and order.resting and order.price_ticks is not None:
                own[order.price_ticks] = own.get(order.price_ticks, 0) + order.remaining_lots
        others = (price for price, qty, _ in self._levels[side] if qty > own.get(price, 0))
        return next(others, None)

    def _show(self, side: str, price_ticks: int | None, qty_lots: int) -> list[Message]:
        """Keep a matching quote, replace any other."""
        requests: list[Message] = []
        kept = False
        for client_id, order in self._orders.items():
            if order.side != side or order.cancelling:
                continue
            if order.price_ticks == price_ticks and not kept:
                kept = True
            else:
                order.cancelling = True
                requests.append({"op": "cancel", "client_id": client_id})
        if price_ticks is not None and not kept:
            requests.append(self._submit(side, price_ticks, qty_lots))
        return requests

    def _close(self) -> list[Message]:
        """Take all quotes away and close the position at market, until it is gone; then stay out."""
        position_lots = self.books.position_lots
        if not position_lots:
            self._closing = False
            self._out_until_ns = self._now_ns + PAUSE_MS * NS_PER_MS
            return []
        requests = self._show("buy", None, 0) + self._show("sell", None, 0)
        side = "sell" if position_lots > 0 else "buy"
        self._signals.append(f"STOP {side.upper()} {abs(position_lots)}")
        return [*requests, self._submit(side, None, abs(position_lots))]

    def _submit(self, side: str, price_ticks: int | None, qty_lots: int) -> Message:
        client_id = self._next_client_id
        self._next_client_id += 1
        self._orders[client_id] = _OwnOrder(side, price_ticks, qty_lots)
        order: Message = {"op": "submit", "side": side, "qty_lots": qty_lots, "client_id": client_id}
        if price_ticks is None:
            return order | {"type": "market"}
        return order | {"type": "limit", "price_ticks": price_ticks, "time_in_force": "POST_ONLY"}

    # -- what it says of itself ----------------------------------------------------------------------------

    def state(self) -> Message:
        """The answer of GET /api/state; money as exact decimals with six digits."""
        books = self.books
        return {
            "bot": BOT_NAME,
            "equity": _money(round(books.equity_micro)),
            "currency": books.currency,
            "realized_pnl": _money(round(books.realised_micro)),
            "unrealized_pnl": _money(round(books.unrealised_micro)),
            "total_trades": books.total_trades,
            "wins": books.wins,
            "losses": books.losses,
            "win_rate": round(books.wins / books.total_trades, 4) if books.total_trades else None,
            "open_positions": 1 if books.position_lots else 0,
            "position_lots": books.position_lots,
            "live_orders": len(self._orders),
            "session_id": self.session_id,
            "signals": list(self._signals),
        }


def _money(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-6)
