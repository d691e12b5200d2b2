"""A client for one's own bots: ten lines to a quoting one.

    from engine.client import Desk

    with Desk() as desk:                            # the desk that runs on this machine, or Desk(url)
        for book in desk.books():
            desk.cancel_all()
            desk.buy(book.best_bid, 5)              # whole ticks and lots …
            desk.sell(price="100.25", quantity=5)   # … or exact decimals, by name; floats are refused

`Desk` is for code from top to bottom, `AsyncDesk` the same for an event loop. Both connect again when the
connection breaks, from the last report on; errors are one tree (`engine.client.errors`), and each says what
to do next. The client needs nothing of the engine but small types, so a bot starts at once.

Lockstep
--------
In a session of `stormdesk run --headless --lockstep 100ms --for 10m`, time stands at every decision point
until the bot has decided, so it runs faster than real time, and twice the same to the last bit:

    with Desk() as desk:
        desk.lockstep()                             # on_reports=True: decide at each execution report too
        for step in desk.steps():                   # step.time_ns .book .reports .account
            desk.buy(step.book.best_bid, 5)
        print(desk.ending.verdict)

`books()` works there too. One client is enough: a second one is refused. It is given up when it leaves
without finishing, when its connection breaks and it is not back within 5 s, or when it is silent for longer
than the session's patience; the run then ends, says why, and its verdict is UNKNOWN.

The protocol, for other languages: a WebSocket to ws://127.0.0.1:PORT/api/v1/stream?lockstep=1[&on_reports=1],
one JSON object a message.

    <- {"type": "hello", "session_id", "instrument": {…}, "account": {"position_lots", "pnl", "orders"},
        "sequence", "lockstep": {"interval_ns", "on_reports", "next_client_id"}}
    <- {"type": "step", "step": 1, "time_ns", "book": {"bids": [[price_ticks, qty_lots, orders], …], "asks"},
        "reports": [{…}, …], "account": {"position_lots", "pnl", "open_orders"}}
    -> {"op": "done", "step": 1, "requests": [{"op": "cancel_all"}, {"op": "submit", "side": "buy",
        "price_ticks": 9998, "qty_lots": 5, "client_id": 1, "time_in_force": "GTC"},
        {"op": "submit", "side": "sell", "type": "market", "qty_lots": 5, "client_id": 2},
        {"op": "cancel", "client_id": 1}]}
    <- {"type": "step", "step": 2, …}
    -> {"op": "finish", "step": 2}                  to end the session here
    <- {"type": "end", "time_ns", "book", "reports", "account", "verdict", "delta", "reason", "broken",
        "event_digest", "run"}                      and the connection is closed

Requests take effect in their order, at the step's instant plus the scenario's latency. A message is at most
16 KB; further requests of a step (1,000 at the most) may go before its `done`, each a message of its own.
`reports` holds all since the last answered step; `hello` already contains them. What cannot be an answer is
refused whole, {"type": "error", "code", "message", "step"}, and the step still waits. After a broken
connection the open step is told again; requests without their `done` are forgotten. Client ids are yours,
unique among your live orders.
"""

from __future__ import annotations

from engine.client.async_desk import AsyncDesk
from engine.client.desk import Desk
from engine.client.errors import (
    AnswerLost,
    ConnectionLost,
    DeskError,
    DeskNotFound,
    InvalidRequest,
    NotAuthorised,
    NotInLockstep,
    QueueFull,
    Replaying,
    ReportsMissed,
    RequestRefused,
    SeatTaken,
    SessionChanged,
)
from engine.client.words import Account, Book, End, Instrument, Level, Order, Report, Step

__all__ = [
    "Account",
    "AnswerLost",
    "AsyncDesk",
    "Book",
    "ConnectionLost",
    "Desk",
    "DeskError",
    "DeskNotFound",
    "End",
    "Instrument",
    "InvalidRequest",
    "Level",
    "NotAuthorised",
    "NotInLockstep",
    "Order",
    "QueueFull",
    "Replaying",
    "Report",
    "ReportsMissed",
    "RequestRefused",
    "SeatTaken",
    "SessionChanged",
    "Step",
]
