"""Faults of the venue: what the chaos deck does to the way between a bot and its broker.

    base.py      what a fault is; faults that come in bursts
    requests.py  REJECT TIMEOUT
    messages.py  LATENCY SLOWACK GHOST ECHO REORDER, and of public data: GAP DUPLICATE (REORDER as well)
    service.py   STALE LIMIT DISCONNECT SKEW HALT DOWN

They act at the boundary (engine/broker/boundary.py) and nowhere else: the broker, the market and the ledger
go on as if nothing were. None of them touches the opening of an account.
"""
