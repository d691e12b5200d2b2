"""Whose account a storm trades from: the one place that says it.

The first thirteen have the numbers between the TARGET's and the agents'. There is no room for more there,
and the agents' numbers cannot move (random streams are keyed by them), so later ones stand at the end of the
table, behind the accounts for bots. The last account of all is the CROWD: people whom a storm assumes to be
there, as the owners of the stops that a stop run is after.
"""

from __future__ import annotations

from engine.core.types import Account, StormKind
from engine.market.exchange import Exchange

__all__ = ["TAIL_ACCOUNTS", "crowd_account", "storm_account"]

_ROOM = int(Account.FIRST_AGENT) - int(Account.FIRST_STORM)
_LATE = tuple(kind for kind in StormKind if kind >= _ROOM)
TAIL_ACCOUNTS = len(_LATE) + 1
"""Accounts that a session's table needs behind those for bots."""


def storm_account(kind: StormKind, exchange: Exchange) -> int:
    """The account of the storm of this kind, in the market of a session."""
    if kind < _ROOM:
        return int(Account.FIRST_STORM) + int(kind)
    return len(exchange.market.accounts) - TAIL_ACCOUNTS + _LATE.index(kind)


def crowd_account(exchange: Exchange) -> int:
    """The account of the people whom storms assume."""
    return len(exchange.market.accounts) - 1
