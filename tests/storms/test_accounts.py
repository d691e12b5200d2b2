"""Whose accounts storms trade from."""

from __future__ import annotations

from engine.core.types import Account, StormKind
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import storm_account
from engine.storms.accounts import crowd_account


def test_every_storm_has_an_account_that_nobody_else_has() -> None:
    session = Session(SessionConfig(load_scenario("balanced"), seed=1))
    exchange = session.exchange
    attackers = [storm_account(kind, exchange) for kind in StormKind]
    mine = {*attackers, crowd_account(exchange)}
    assert len(mine) == len(StormKind) + 1
    agents = {member.account for member in session.population.members}
    bots = set(range(session.broker.first_account, session.broker.first_account + 64))
    assert not mine & (agents | bots | {Account.HISTORY, Account.DESK, Account.TARGET})
    assert max(mine) == len(exchange.market.accounts) - 1
    assert {session.accounts[account].kind for account in mine} == {"storm"}


def test_agents_kept_their_numbers() -> None:
    session = Session(SessionConfig(load_scenario("balanced"), seed=1))
    assert session.population.members[0].account == Account.FIRST_AGENT == 16
    assert storm_account(StormKind.CRASH, session.exchange) == 6
    assert storm_account(StormKind.BLEED, session.exchange) == 15


def test_the_kill_switch_reaches_all_of_them() -> None:
    session = Session(SessionConfig(load_scenario("balanced"), seed=1))
    outside = session._outside()
    assert {storm_account(kind, session.exchange) for kind in StormKind} < set(outside)
    assert crowd_account(session.exchange) in outside
