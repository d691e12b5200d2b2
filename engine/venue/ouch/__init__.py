"""OUCH 5.0 order entry and the ITCH 5.0 feed over SoupBinTCP: the venue for those who trade by bytes.

Place on the data path: a gateway beside the others, on their event loop.

    client ── soup_server ── port ── host            feeds/transport/: sessions, sequence, recovery
              (login, U, S)   │
                              ├ orders     message -> order for the broker, or the reason why not
                              ├ tracked    orders and requests, bounded
                              ├ outcomes   what is told -> what it means for orders and requests
                              └ responses  -> messages, into the user's log
    messages     every message of OUCH 5.0, declared once      wire    how they lie on the wire
    codes        letters and reasons                           logins  user and password of a key
    server       OuchServer                                    itch_server   ItchSoupServer

Times are ns since midnight on the clock of the ITCH feed (09:30 = session time 0), so that both can be laid
side by side, and an order's reference number is the one that the feed has.
"""
