"""What the gateways see of a session: the seam between the venue and whatever hosts a market.

Place on the data path: below every gateway. A gateway never touches the session itself; it queues requests,
reads immutable values, and is woken when something was told. Invariant: nothing here blocks, and nothing
here is called back on a gateway's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from engine.broker.terms import (
    Balances,
    BrokerRequest,
    Fill,
    ListState,
    OrderState,
    Told,
)
from engine.core.types import Instrument
from engine.frame import Frame

if TYPE_CHECKING:
    from engine.broker.boundary import PublicFate
    from engine.broker.filters import Filters
    from engine.feeds.transport.retained import RetainedMessages

__all__ = ["BoundaryView", "BrokerView", "FeeSchedule", "VenueHost"]


class FeeSchedule(Protocol):
    """Fees of an account, in millionths of the money that changes hands; negative = a rebate."""

    @property
    def maker_ppm(self) -> int: ...

    @property
    def taker_ppm(self) -> int: ...


class BrokerView(Protocol):
    """The broker's state, to read from any thread; all values are immutable."""

    @property
    def filters(self) -> Filters: ...

    @property
    def market_open(self) -> bool:
        """False: halted."""

    def order(self, account: int, order_id: int, /) -> OrderState | None: ...

    def order_by_client_id(self, account: int, client_order_id: str, /) -> OrderState | None:
        """The latest with that id."""

    def open_orders(self, account: int, /) -> list[OrderState]:
        """Oldest first."""

    def orders(self, account: int, /) -> list[OrderState]:
        """Open and closed, oldest first; the oldest closed ones are forgotten."""

    def fills(self, account: int, /) -> list[Fill]: ...

    def order_fills(self, account: int, order_id: int, /) -> list[Fill]: ...

    def balances(self, account: int, /) -> Balances | None:
        """None: the account was not opened."""

    def fees(self, account: int, /) -> FeeSchedule: ...

    def order_list(self, account: int, list_id: int, /) -> ListState | None: ...

    def order_lists(self, account: int, /) -> list[ListState]: ...


class BoundaryView(Protocol):
    """What the faults of the venue say now."""

    @property
    def clock_skew_ms(self) -> int:
        """How far the venue's clock is ahead."""

    @property
    def is_down(self) -> bool: ...

    @property
    def connections_lost(self) -> int:
        """A counter: when it grows, all connections of bots are closed."""

    @property
    def read_delay_ns(self) -> int:
        """By how much answers to reads are late."""

    @property
    def limited_until_ns(self) -> int:
        """Until this session time every request is answered with 429; 0: not now."""

    @property
    def is_banned(self) -> bool:
        """Whether they are answered with 418 instead."""

    @property
    def is_stale(self) -> bool:
        """Public data stand still: updates wait until it is over."""

    def public_fate(self, number: int, /) -> PublicFate:
        """What becomes of the public update of this number."""


class VenueHost(Protocol):
    """A session as gateways see it. Everything is thread-safe and returns at once."""

    @property
    def session_id(self) -> str:
        """Another one means: all orders, balances and sequences before it are void."""

    @property
    def epoch_ns(self) -> int:
        """Wall ns since 1970 at session time 0."""

    @property
    def instrument(self) -> Instrument: ...

    @property
    def broker(self) -> BrokerView: ...

    @property
    def market_data(self) -> Any:
        """engine.venue.market_data.MarketData"""

    @property
    def boundary(self) -> BoundaryView: ...

    @property
    def itch_log(self) -> RetainedMessages | None:
        """The market as ITCH 5.0 messages; None: it is not kept as such."""

    @property
    def told_count(self) -> int:
        """Sequence of the last message told."""

    def frame(self) -> Frame: ...

    def next_request_id(self) -> int: ...

    def open_account(self, key_name: str, /, *, maker_ppm: int | None, taker_ppm: int | None) -> int:
        """This key's account in this session, opened at first use. Raises UsageError when all are taken."""

    def request(self, request: BrokerRequest, /) -> bool:
        """Queue it; False when the queue is full. Raises UsageError for what can be no request."""

    def note_answer(self, account: int, orders: Sequence[OrderState] | None, /) -> None:
        """The account has asked how these orders stand (None: which are open), and is told."""

    def note_limited(self, account: int, wait_ms: int, /) -> None:
        """A request of the account is refused for its rate; it is told to wait (0: as the boundary says)."""

    def told(self, since: int, /) -> tuple[Told, ...]:
        """Messages after sequence `since`; a first sequence beyond since + 1 is a gap."""

    def on_news(self, callback: Callable[[], None], /) -> Callable[[], None]:
        """Call back, on the engine's thread, when there is news; returns a function that ends it."""
