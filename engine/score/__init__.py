"""The score card: what became of each bot, from what the desk itself knows (stop 5b on the data path).

    requests ─┐
    reports ──┼─► score ──► cards ──► frame.bots, score.json
    told ─────┤    sampled every 100 ms of session time
    storms ───┘

    card.py       what readers see of one bot
    split.py      PnL as spread, inventory and fees, exact to the last unit; mark-outs
    tally.py      everything counted of one account
    picture.py    what the bot cannot know: orders of which it was told late, twice or not at all
    windows.py    its reactions to each storm and fault
    judgement.py  verdict and reasons
    bot.py        all that is kept of one account, and its card
    hearing.py    what broker and boundary tell
    score.py      all accounts: fills, samples, state

It listens and reads. It sends nothing, draws nothing and changes nothing, so a session with it has the same
events as one without; and all it hears comes at the instant at which it happens, so a replay has the same
cards.
"""
