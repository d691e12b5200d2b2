"""The ledger's word on a target that trades in this market: a function of the session's state alone.

The host journals it as a TARGET_SAMPLE; `verify` computes it again and compares.
"""

from __future__ import annotations

from typing import Protocol

from engine.agents.demo_maker import START_EQUITY_MICRO
from engine.broker.accounts import BotAccount
from engine.broker.broker import Broker
from engine.core.target_sample import SampleFlag, pack_counts, pack_position
from engine.core.types import Command, CommandKind
from engine.market.exchange import Exchange
from engine.market.ledger import MICRO

__all__ = ["LedgerSession", "account_of_key", "ledger_sample", "recompute_sample"]


class LedgerSession(Protocol):
    """The part of a session that knows accounts."""

    @property
    def exchange(self) -> Exchange:
        """The market."""

    @property
    def broker(self) -> Broker:
        """Accounts of bots at the venue."""


def account_of_key(session: LedgerSession, key: str) -> int | None:
    """The account that the venue key of this name has opened in this session."""
    return next((one.number for one in session.broker.accounts() if one.label == key[:32]), None)


def ledger_sample(session: LedgerSession, number: int, account: int, *, native: bool = False) -> Command:
    """The sample of target `number`, straight from the ledger.

    Equity is what the account started with in the quote asset plus what its trading has brought, marked at
    mid. The base asset that it was given is not counted: its price is not the bot's doing. `native`: an
    account of the desk's own API, which starts with the demo bot's equity.
    """
    exchange = session.exchange
    instrument = exchange.instrument
    # Money counts millionths of tick-lots; the value of a tick-lot is an exact decimal.
    numerator, denominator = (instrument.tick_size * instrument.lot_size).as_integer_ratio()
    bot = None if native else _bot_account(session, account)
    entry = exchange.ledger.entry(account)
    money = exchange.ledger.equity(account, exchange.mark_twice_ticks)
    worth = abs(entry.position_lots) * exchange.mark_twice_ticks * (MICRO // 2)
    start = START_EQUITY_MICRO if bot is None else bot.start_quote_micro * numerator // denominator
    flags = SampleFlag.VALID | SampleFlag.LEDGER | SampleFlag.HAS_TRADES | SampleFlag.HAS_POSITION
    if bot is not None:
        flags |= SampleFlag.HAS_ROUND_TRIPS
    else:
        flags |= SampleFlag.NATIVE
    return Command(
        kind=CommandKind.TARGET_SAMPLE,
        side=number,
        account=account,
        flags=flags,
        a=start + money * numerator // denominator,
        b=pack_counts(entry.fills, 0 if bot is None else bot.round_trips, 0),
        order_id=pack_position(entry.position_lots),
        qty_lots=worth * numerator // denominator,
    )


def recompute_sample(session: LedgerSession, recorded: Command) -> Command:
    """What the ledger should have said where `recorded` was, with its time and sequence."""
    native = bool(recorded.flags & SampleFlag.NATIVE)
    again = ledger_sample(session, recorded.side, recorded.account, native=native)
    return again._replace(time_ns=recorded.time_ns, sequence=recorded.sequence)


def _bot_account(session: LedgerSession, account: int) -> BotAccount | None:
    return next((one for one in session.broker.accounts() if one.number == account), None)
