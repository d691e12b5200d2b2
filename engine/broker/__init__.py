"""The broker: what stands between a bot and the market, on session time (stop 1b on the data path).

    request ──latency──► boundary ──► broker ──► exchange (risk gate, matching, book, ledger)
                         (faults)       │ accounts, filters, stops, lists
    gateways ◄── told ◄── boundary ◄────┘ replies, order events, balances

    terms.py      requests in, replies and events out
    journaling.py requests as journal commands
    money.py      decimals and names <-> ticks, lots and micro
    filters.py    what a symbol's orders may look like
    accounts.py   balances, locks and the table of orders of one account
    execution.py  orders into the market, its reports into order events
    waiting.py    orders that wait for a price: stops, take-profits, trailing stops
    lists.py      OCO, OTO, OTOCO
    broker.py     requests, reactions, views, state
    boundary.py   the one place where venue faults act
    public_feed.py  public updates on their way to clients, as faults have them

Everything here is deterministic: a run's journal holds the requests, and a replay tells the same messages
(`Boundary.digest`). Readers on other threads see immutable values.
"""
