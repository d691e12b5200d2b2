"""The venue: gateways through which real clients trade here as if this were an exchange.

    client ── HTTP, WebSocket ──► binance/ ──┐
    client ── FIX 4.4 ─────────► fix/ ───────┼──► VenueHost (host.py): request, told, broker, market_data
    client ── OUCH, SoupBinTCP ► ouch/ ──────┘

A gateway turns bytes into a `BrokerRequest`, queues it, and turns what is told back into bytes. It runs on a
thread of its own, never touches the session, and knows nothing of other gateways. What it shares with them:

    host.py          the seam: what a gateway sees of a session
    keys.py          API keys: who may trade, and how a signature is checked
    market_data.py   public data: book, trades, updates; candle_reader.py what is asked of its candles
    wire_ports.py    the ports of FIX, OUCH and the ITCH feed, on the loop of api/server.py

binance/, in the order in which a request passes it:

    (api/http.py)    one HTTP connection: time and size limits of a request, for all that the port serves
    socket.py        one WebSocket connection of the WS-API, written for speed
    app.py           ASGI: path -> endpoint; headers, statuses, errors
    ws_api.py        the same over one WebSocket: ids, session logon, user data
    endpoints.py     the table of endpoints; parameters.py checks requests against it
    signing.py       key, timestamp, signature
    limits.py        request weights and order counts
    orders.py lists.py account.py wallet.py market_rest.py    handlers
    gateway.py       requests under way; what was told -> answers and user events
    codec.py         orders, fills, balances as clients read them
    user_data.py     user events, in order; listen_keys.py the old way to them
    errors.py        codes and texts
    openapi.py       the table as an OpenAPI description

Invariant: whatever a client does, its memory here is bounded by a named limit and the engine never waits.
"""
