"""Where bots connect, to copy from the screen: every address that is served now, and a first bot."""

from __future__ import annotations

from textwrap import wrap
from typing import NamedTuple

from desk.actions import Host
from desk.bindings import KeyTable
from desk.draw import Row, pad
from desk.formats import clean, plain
from desk.screens.page import PageScreen, TextPage
from desk.view import View
from engine.broker.money import Money
from engine.frame import Frame

__all__ = ["VenueScreen", "addresses", "first_bot"]

LABEL_WIDTH = 16
REMARK_COLUMN = 62
ONE_LINE_WIDTH = 110
"""From here on an address and its remark stand on one line."""


COMMANDS = (
    (
        "stormdesk key new NAME",
        "prints an API key, its secret, and user and password for OUCH and ITCH, once; the desk takes it up "
        "at once. The key named target trades as the TARGET, which the verdict is about.",
    ),
    (
        "stormdesk cage -- python my_bot.py",
        "runs an unchanged bot, which knows only the exchange's own names, against this desk.",
    ),
)


class Address(NamedTuple):
    """One way in."""

    label: str
    where: str
    """Empty: not served; the remark says how to."""
    remark: str


def addresses(frame: Frame) -> list[Address]:
    """Every way in, served or not."""
    host, venue = frame.host, frame.host.venue
    url = host.api_url or ""
    stream = url.replace("http://", "ws://")
    symbol = Money(frame.market.instrument).symbol
    rows = []
    if venue.is_open:
        rows = [
            Address("REST", url, f"Binance Spot /api/v3, for {symbol}"),
            Address("market streams", f"{stream}/ws", f"/ws/{symbol.lower()}@depth, /stream?streams=…"),
            Address("WS API", f"{stream}/ws-api/v3", "orders and user data on one connection"),
        ]
    else:
        rows = [Address("venue", "", "off: start without --no-venue")]
    return [
        *rows,
        Address("desk's own API", f"{url}/api/v1", "from engine.client import Desk; Desk() finds it"),
        Address("FIX 4.4", venue.fix or "", "TargetCompID STORMDESK, or SPOT" if venue.fix else _off("fix")),
        Address("OUCH 5.0", venue.ouch or "", "SoupBinTCP" if venue.ouch else _off("ouch")),
        Address("ITCH 5.0 feed", venue.itch or "", "SoupBinTCP" if venue.itch else _off("itch")),
    ]


def first_bot(frame: Frame) -> list[str]:
    """A bot on stock ccxt, as text."""
    market, money = frame.market, Money(frame.market.instrument)
    price = market.bids[0].price_ticks if market.bids else 1
    tick, lot = market.instrument.tick_size, market.instrument.lot_size
    lots = market.instrument.unit_lots
    return [
        "import ccxt",
        f'desk = "{frame.host.api_url}"',
        'bot = ccxt.binance({"apiKey": KEY, "secret": SECRET})',
        'bot.options["fetchMarkets"] = {"types": ["spot"]}',
        'for name, url in bot.urls["api"].items():',
        '    bot.urls["api"][name] = url.replace("https://api.binance.com", desk)',
        f'bot.create_order("{money.base}/{money.quote}", "limit", "buy", '
        f"{plain(float(lots * lot), 0) if lot == 1 else lots * lot}, {price * tick})",
    ]


class VenueScreen(PageScreen):
    """Addresses and how to use them."""

    def __init__(self, view: View, keys: KeyTable, host: Host) -> None:
        super().__init__(view, VenuePage(keys), host)


class VenuePage(TextPage):
    """The text."""

    title = "Where bots connect"

    def __init__(self, keys: KeyTable) -> None:
        super().__init__("venue", keys)

    def text_rows(self, frame: Frame, view: View, width: int) -> list[Row]:
        palette = view.palette
        blank: Row = ((" ", palette.text),)
        if frame.host.mode == "replay":
            return [((" A recorded run is played: bots connect to live sessions.", palette.text),)]
        if frame.host.api_url is None:
            return [((" No address yet: the ports open in a moment.", palette.text),)]
        count = frame.host.api_clients
        rows: list[Row] = [
            ((f" {count} connected now, on this machine only.", palette.text),),
            blank,
            *self._address_rows(frame, view, width),
            blank,
        ]
        for command, said in COMMANDS:
            rows.append((("   " + command, palette.focus),))
            rows += [(("     " + line, palette.text),) for line in wrap(said, max(20, min(110, width - 6)))]
        if frame.host.venue.is_open:
            rows += [blank, ((" a first bot", palette.title), ("   on stock ccxt", palette.dim))]
            rows += [(("   " + line, palette.text),) for line in first_bot(frame)]
        return rows

    @staticmethod
    def _address_rows(frame: Frame, view: View, width: int) -> list[Row]:
        palette = view.palette
        rows: list[Row] = []
        for one in addresses(frame):
            label = (" " + pad(one.label, LABEL_WIDTH), palette.title if one.where else palette.dim)
            remark = clean(one.remark)
            if not one.where:
                rows.append((label, (remark, palette.dim)))
            elif width >= ONE_LINE_WIDTH:
                where = pad(one.where, REMARK_COLUMN - LABEL_WIDTH)
                rows.append((label, (where, palette.focus), (remark, palette.dim)))
            else:
                rows.append((label, (one.where, palette.focus)))
                rows.append(((" " * (LABEL_WIDTH + 3), palette.text), (remark, palette.dim)))
        return rows


def _off(protocol: str) -> str:
    return f"off: start with --{protocol}-port 0, or a port"
