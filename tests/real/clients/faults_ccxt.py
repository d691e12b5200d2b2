"""ccxt (pro) under each fault of the venue: places, cancels, reads and listens, and says what it met.

Run by tests/real/faults.py, which tells it the windows (STORMDESK_WINDOWS: name, severity, start and end in
session seconds). For each window one JSON line: requests, exceptions by class, what was heard of its orders
beside what was true when the fault was over, and how long until everything worked again.
"""

import asyncio
import json
import os
import time
import urllib.request
from collections import Counter

import ccxt.pro as ccxt
from freqtrade_bot import ccxt_urls
from steps import settings

desk = settings()
symbol = f"{desk.base}/{desk.quote}"
PERIOD_S = 0.2
"""One turn of the trader."""
EVENT_WITHIN_S = 1.0
"""A cycle works when its events come this soon."""
RECOVERY_LIMIT_S = 6.0
FINAL = ("closed", "canceled", "expired", "rejected")


class Bot:
    """One trader with its order stream and its book."""

    def __init__(self):
        self.ex = ccxt.binance(
            {
                "apiKey": desk.key,
                "secret": desk.secret,
                "enableRateLimit": False,
                "timeout": 4_000,
                "urls": ccxt_urls(desk.url),
                "options": {"fetchMarkets": {"types": ["spot"]}, "warnOnFetchOpenOrdersWithoutSymbol": False},
            }
        )
        self.ex.newUpdates = True
        self.errors = Counter()
        self.stream_errors = Counter()
        self.asked = 0
        self.number = 0
        self.sent = {}
        """Client id -> what the answer to its placing was: "ok" or the exception's class."""
        self.heard = {}
        """Client id -> last (status, filled) that the stream told."""
        self.repeated = self.backward = 0
        self.book_s = 0.0
        self.book_age_s = 0.0
        self.bid = 0.0
        self.resting = []
        self.holds = False

    async def call(self, method, *words):
        self.asked += 1
        try:
            return await method(*words)
        except Exception as error:
            self.errors[type(error).__name__] += 1
            return error

    async def place(self, kind, side, price):
        self.number += 1
        name = f"w{self.number}"
        more = {"clientOrderId": name}
        answer = await self.call(self.ex.create_order, symbol, kind, side, 0.01, price, more)
        self.sent[name] = type(answer).__name__ if isinstance(answer, Exception) else "ok"
        return name, answer

    async def turn(self):
        """Places a resting order, cancels the one before; every fifth turn trades."""
        if self.number % 5 == 4:
            _, answer = await self.place("market", "sell" if self.holds else "buy", None)
            if not isinstance(answer, Exception):
                self.holds = not self.holds
        name, answer = await self.place("limit", "buy", self.far_price())
        if not isinstance(answer, Exception):
            self.resting.append((answer["id"], name))
        while len(self.resting) > 1:
            order_id, _ = self.resting.pop(0)
            await self.call(self.ex.cancel_order, order_id, symbol)

    async def listen(self):
        while True:
            try:
                for update in await self.ex.watch_orders(symbol):
                    name = update["clientOrderId"]
                    now = (update["status"], update["filled"])
                    before = self.heard.get(name)
                    self.repeated += now == before
                    self.backward += before is not None and before[0] in FINAL and now[0] not in FINAL
                    if before is None or before[0] not in FINAL:
                        self.heard[name] = now
            except Exception as error:
                self.stream_errors[type(error).__name__] += 1
                await asyncio.sleep(0.2)

    async def follow_book(self):
        while True:
            try:
                await self.ex.watch_order_book(symbol)
                self.book_age_s = max(self.book_age_s, time.monotonic() - self.book_s)
                self.book_s = time.monotonic()
            except Exception as error:
                self.stream_errors[type(error).__name__] += 1
                await asyncio.sleep(0.2)

    async def works(self):
        """Whether an order is placed and cancelled without error, both are told, and the book moves."""
        before_s = self.book_s
        name, placed = await self.place("limit", "buy", self.far_price())
        if isinstance(placed, Exception):
            return False
        if isinstance(await self.call(self.ex.cancel_order, placed["id"], symbol), Exception):
            return False
        end_s = time.monotonic() + EVENT_WITHIN_S
        while time.monotonic() < end_s:
            if self.heard.get(name, ("", 0))[0] == "canceled" and self.book_s > before_s:
                return True
            await asyncio.sleep(0.02)
        return False

    def far_price(self):
        """Below the market; by the last book that it had, for ccxt throws a book away that does not fit."""
        book = self.ex.orderbooks.get(symbol)
        if book and book["bids"]:
            self.bid = book["bids"][0][0]
        return round(self.bid * 0.99, 1)

    async def truth(self):
        """Client id -> status of all orders of this window, asked until it is answered."""
        orders = await self.ask_until_answered(self.ex.fetch_orders, symbol, None, 1000)
        named = {order["clientOrderId"]: order["status"] for order in orders}
        return {name: status for name, status in named.items() if name in self.sent}

    async def ask_until_answered(self, method, *words):
        for _ in range(40):
            try:
                return await method(*words)
            except Exception:
                await asyncio.sleep(0.25)
        return await method(*words)


class SessionClock:
    """Session time, from the desk's own API, which no fault touches. On a busy machine it falls behind."""

    def __init__(self):
        self.offset_s = 0.0

    async def keep(self):
        """Looks at it again and again."""
        while True:
            self.offset_s = await asyncio.to_thread(self._look)
            await asyncio.sleep(0.2)

    async def until(self, session_s):
        while (left_s := session_s - self.now()) > 0:
            await asyncio.sleep(min(left_s, 0.1))

    def now(self):
        return time.monotonic() - self.offset_s

    @staticmethod
    def _look():
        with urllib.request.urlopen(f"{desk.url}/api/v1/book", timeout=20) as answer:
            session_s = json.load(answer)["time_ns"] / 1e9
        return time.monotonic() - session_s


async def one_window(bot, clock, name, severity, start_s, end_s):
    await clock.until(start_s - 0.2)
    bot.errors.clear(), bot.stream_errors.clear(), bot.sent.clear(), bot.heard.clear()
    bot.asked = bot.repeated = bot.backward = 0
    bot.book_age_s = 0.0
    while clock.now() < end_s:
        began_s = time.monotonic()
        await bot.turn()
        await asyncio.sleep(max(0.0, PERIOD_S - (time.monotonic() - began_s)))
    in_fault, streams, asked = dict(bot.errors), dict(bot.stream_errors), bot.asked
    bot.book_age_s = max(bot.book_age_s, time.monotonic() - bot.book_s)
    in_window, stale_s = dict(bot.sent), bot.book_age_s
    recovered_s = None
    while recovered_s is None and clock.now() < end_s + RECOVERY_LIMIT_S:
        if await bot.works():
            recovered_s = max(0.0, clock.now() - end_s)
        else:
            await asyncio.sleep(0.1)
    true = {key: status for key, status in (await bot.truth()).items() if key in in_window}
    ended = {key for key, status in true.items() if status in FINAL}
    lost = [key for key in ended if bot.heard.get(key, ("",))[0] not in FINAL]
    done = sum(1 for key, said in in_window.items() if said != "ok" and key in true)
    open_now = await bot.ask_until_answered(bot.ex.fetch_open_orders, symbol)
    known = {order_id for order_id, _ in bot.resting}
    unknown = [order for order in open_now if order["id"] not in known]
    if open_now:
        await bot.ask_until_answered(bot.ex.cancel_all_orders, symbol)
    bot.resting.clear()
    said = {
        "fault": name,
        "severity": severity,
        "asked": asked,
        "errors": in_fault,
        "stream": streams,
        "placed": len(in_window),
        "true": len(true),
        "refused_but_done": done,
        "never_told": len(lost),
        "open_unknown": len(unknown),
        "repeated": bot.repeated,
        "backward": bot.backward,
        "book_still_s": round(stale_s, 2),
        "recovered_s": None if recovered_s is None else round(recovered_s, 2),
    }
    print(json.dumps(said), flush=True)


async def main():
    bot, clock = Bot(), SessionClock()
    await bot.ex.load_markets()
    bot.bid = (await bot.ex.watch_order_book(symbol))["bids"][0][0]
    tasks = [asyncio.create_task(work) for work in (clock.keep(), bot.listen(), bot.follow_book())]
    await asyncio.sleep(1)
    for window in json.loads(os.environ["STORMDESK_WINDOWS"]):
        await one_window(bot, clock, *window)
    for task in tasks:
        task.cancel()
    await bot.ex.close()


asyncio.run(main())
