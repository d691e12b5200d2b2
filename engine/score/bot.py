"""The score of one account: tally, picture, rhythm and reactions, and the card that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from fractions import Fraction
from itertools import islice
from math import floor

import msgspec

from engine.broker.terms import OrderState
from engine.core.types import Instrument
from engine.market.ledger import MICRO
from engine.score.card import BotCard, FaultReaction, LimitBreach, SelfReport
from engine.score.judgement import Limits, beyond, millionths_of, reasons_of, verdict_of
from engine.score.picture import STUCK_NS, Astray, Picture
from engine.score.tally import Tally
from engine.score.windows import ASKED, NAMED, RESTING_KEPT, Reaction, Rhythm, Window

__all__ = ["Bot", "Present"]

BREACHES_KEPT = 16
"""Trips of the gate that a card names; further ones are counted."""


class Present(msgspec.Struct, frozen=True):
    """What a card needs to know of the market."""

    now_ns: int
    twice_mark: int
    instrument: Instrument
    windows: Mapping[int, Window]


class Bot(msgspec.Struct):
    """All that is kept of one account."""

    account: int
    name: str
    start_quote: int | None = None
    """Of the quote asset, in ledger money; None: it trades without the broker."""
    start_millionths: int = 0
    """Equity to begin with, in millionths of currency, of an account without the broker."""
    tally: Tally = msgspec.field(default_factory=Tally)
    picture: Picture = msgspec.field(default_factory=Picture)
    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)
    reactions: dict[int, Reaction] = {}
    """By the window's number."""

    breaches: list[LimitBreach] = []
    """Guards of the gate that have latched it, and its kill switch; the first BREACHES_KEPT."""
    breach_count: int = 0

    def enter_window(self, number: int, twice_mark: int, resting: Iterable[int] = ()) -> None:
        """A storm or fault begins, or is in force as the account begins; `resting`: its open orders."""
        split = self.tally.split
        self.reactions[number] = Reaction(
            pnl_before=split.pnl(twice_mark),
            inventory_before=split.inventory(twice_mark),
            was_quoting=self.tally.is_quoting,
            rhythm_ns=self.rhythm.longest_ns,
            resting=list(islice(resting, RESTING_KEPT)),
        )

    def leave_window(self, number: int, twice_mark: int, resting: Collection[int]) -> None:
        """It is over; `resting`: the orders open then."""
        if (reaction := self.reactions.get(number)) is not None:
            split = self.tally.split
            reaction.end(split.pnl(twice_mark), split.inventory(twice_mark), resting)

    def take_replace(self, number: int) -> None:
        """One of its orders has been given another price or quantity."""
        for reaction in self.reactions.values():
            if reaction.resting:
                reaction.replace(number)

    def take_breach(self, time_ns: int, guard: str) -> None:
        """The gate has latched it."""
        self.breach_count += 1
        if len(self.breaches) < BREACHES_KEPT:
            self.breaches.append(LimitBreach(time_ns, guard))

    def miss(self, truth: OrderState, now_ns: int, window: int) -> None:
        """Something that happens to an order is not told now, because of this fault; it stands so."""
        if self.picture.miss(truth, now_ns, window) and (reaction := self.reactions.get(window)) is not None:
            reaction.lead_astray()

    def tell(self, order: OrderState, truth: OrderState | None, now_ns: int) -> None:
        """A state of an order is told."""
        self._put_right(self.picture.tell(order, truth, now_ns), now_ns)

    def name_order(self, order: OrderState, now_ns: int) -> None:
        """A request names an order."""
        self._put_right(self.picture.name(order, now_ns), now_ns, NAMED)

    def ask_of(self, number: int, now_ns: int) -> None:
        """It is told how an order stands, because it asked."""
        self._put_right(self.picture.ask(number), now_ns, ASKED)

    def _put_right(self, astray: Astray | None, now_ns: int, sign: str = "") -> None:
        if astray is not None and (reaction := self.reactions.get(astray.window)) is not None:
            reaction.put_right(now_ns, astray.since_ns, sign)

    # -- card ------------------------------------------------------------------------------------------

    def start(self, instrument: Instrument) -> Fraction:
        """Equity to begin with, in millionths of currency."""
        if self.start_quote is None:
            return Fraction(self.start_millionths)
        return millionths_of(self.start_quote, instrument)

    def card(
        self, present: Present, limits: Limits, resting: int, open_orders: Callable[[], list[OrderState]]
    ) -> BotCard:
        """As things stand; `resting`: its orders in the book, `open_orders`: those that the broker knows."""
        tally, split, lows = self.tally, self.tally.split, self.tally.lows
        pnl = split.pnl(present.twice_mark)
        lots = split.maker_lots + split.taker_lots
        card = BotCard(
            name=self.name,
            account=self.account,
            verdict=verdict_of(pnl, split.fills, limits, lows),
            reasons=(),
            currency_per_unit=present.instrument.tick_lot_value / MICRO,
            equity=None if self.start_quote is None else self.start_quote + pnl,
            pnl=pnl,
            spread_pnl=split.spread,
            maker_spread_pnl=split.maker_spread,
            inventory_pnl=split.inventory(present.twice_mark),
            fees=split.fees,
            adverse_selection=split.adverse if split.marked_out else None,
            realised_spread=split.realised_spread if split.marked_out else None,
            fills=split.fills,
            filled_lots=lots,
            orders=tally.orders,
            requests=tally.requests,
            fill_ratio=_share(lots, tally.ordered_lots),
            order_to_trade=_share(tally.requests, split.fills) if tally.requests else None,
            maker_share=_share(split.maker_lots, lots),
            quote_uptime=_share(tally.quoting_samples, tally.samples),
            max_drawdown=lows.max_drawdown,
            worst_ns=_known(lows.worst_ns),
            position_lots=split.position_lots,
            max_position_lots=tally.max_position_lots,
            max_exposure=lows.max_exposure or 0,
            open_orders=resting,
            ghost_orders=self.picture.ghost_orders,
            stuck_orders=self._stuck(present.now_ns, open_orders),
            rate_limited=tally.rate_limited,
            limit_offences=tally.limit_offences,
            faults=tuple(
                self._reaction(present, number, reaction) for number, reaction in self.reactions.items()
            ),
            self_report=self._self_report(present.instrument),
            drawdown_fraction=self._drawdown_fraction(present.instrument),
            low_pnl=lows.low,
            low_ns=_known(lows.low_ns),
            low_position_lots=lows.low_position or 0,
            low_exposure=lows.low_exposure or 0,
            orders_in_doubt=len(self.picture.unsure) + len(self.picture.unanswered),
            limits_breached=tuple(self.breaches),
            limit_breaches=self.breach_count,
        )
        reasons = reasons_of(card, present.instrument.currency, beyond(limits, lows))
        return card._replace(reasons=reasons)

    def _stuck(self, now_ns: int, open_orders: Callable[[], list[OrderState]]) -> int:
        astray = self.picture.astray
        if not astray:
            return 0
        since = (astray.get(order.order_id) for order in open_orders())
        return sum(one is not None and now_ns - one.since_ns > STUCK_NS for one in since)

    def _reaction(self, present: Present, number: int, reaction: Reaction) -> FaultReaction:
        window, split = present.windows[number], self.tally.split
        after, inventory = reaction.pnl_after, reaction.inventory_after
        if after is None:
            after, inventory = split.pnl(present.twice_mark), split.inventory(present.twice_mark)
        return FaultReaction(
            kind=window.name,
            severity=window.severity,
            at_ns=window.at_ns,
            ended_ns=_known(window.ended_ns),
            noticed_ns=_known(reaction.noticed_ns),
            noticed_by=reaction.noticed_by,
            reconciled_ns=_known(reaction.reconciled_ns),
            astray=reaction.astray,
            unreconciled=reaction.unreconciled,
            refused=reaction.refused,
            recovered_ns=_known(reaction.recovered_ns),
            pnl=after - reaction.pnl_before,
            inventory_pnl=inventory - reaction.inventory_before,
            longest_astray_ns=_known(reaction.longest_astray_ns),
            stuck=reaction.stuck,
        )

    def _drawdown_fraction(self, instrument: Instrument) -> float | None:
        lows = self.tally.lows
        peak = self.start(instrument) + millionths_of(lows.fell_from, instrument)
        return float(millionths_of(lows.max_drawdown, instrument) / peak) if peak > 0 else None

    def _self_report(self, instrument: Instrument) -> SelfReport | None:
        tally = self.tally
        if tally.reported_first is None or tally.reported_last is None:
            return None
        true: Fraction = millionths_of(tally.pnl_at_last_report - tally.pnl_at_first_report, instrument)
        return SelfReport(
            equity=tally.reported_last,
            change=tally.reported_last - tally.reported_first,
            true_change=floor(true),
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _known(time_ns: int) -> int | None:
    return None if time_ns < 0 else time_ns
