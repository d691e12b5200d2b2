"""FIX 4.4: a session layer and order entry in two dialects, standard and Binance's.

    server.py     the port: connections on the gateway's event loop
    gateway.py    who is logged on, requests under way, what is told to whom
    wire.py       bytes <-> messages             rules.py     what a message must look like
    logon.py      who logs on, in which dialect
    session.py    sequence numbers, heartbeats, resends: a machine of its own      store.py  what it keeps
    entry.py      order entry of both dialects; standard.py and binance.py: what only one has
    orders.py     fields -> broker terms         reports.py   order states -> fields
    quotes.py     market data

    bytes ─► wire ─► session ─► entry ─► BrokerRequest ─► host
    bytes ◄─ wire ◄─ session ◄─ reports ◄─ Told ◄─ host

FixServer is all that others need.
"""

from engine.venue.fix.server import FixServer

__all__ = ["FixServer"]
