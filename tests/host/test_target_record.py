"""Samples of the target: what a poll said comes back from the journal as it was said."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agents.demo_maker import START_EQUITY_MICRO
from engine.core.clock import NS_PER_S
from engine.core.types import Account, Command
from engine.frame import SERIES_SAMPLES
from engine.host.target_record import TargetRecord, agent_sample, sample_of
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.target.contract import TargetSample, TargetStatus
from engine.target.spec import parse_target

COUNTS = st.integers(0, (1 << 21) - 1)
MONEY = st.integers(-(10**15), 10**15)
MAYBE = st.one_of(st.none(), MONEY.map(lambda n: n / 1e6))
SAMPLES = st.builds(
    TargetSample,
    equity_millionths=st.integers(-(9 * 10**18), 9 * 10**18),
    currency=st.just("USD"),
    total_trades=COUNTS,
    wins=COUNTS,
    losses=COUNTS,
    realised_pnl=MAYBE,
    unrealised_pnl=MAYBE,
)


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(SessionConfig(load_scenario("minimal")))


@given(SAMPLES)
def test_a_sample_survives_the_journal(session, sample):
    command = sample_of(TargetStatus("ok", sample=sample))
    back = Command.unpack(command.pack())
    assert back == command
    assert back.a == sample.equity_millionths
    record = TargetRecord(parse_target("http://bot"))
    record.take(back)
    view = record.view(session)
    assert view.equity == view.start_equity == sample.equity_millionths / 1_000_000
    assert (view.total_trades, view.wins, view.losses) == (sample.total_trades, sample.wins, sample.losses)
    assert view.realised_pnl == pytest.approx(sample.realised_pnl, abs=1e-6)
    assert view.unrealised_pnl == pytest.approx(sample.unrealised_pnl, abs=1e-6)


def test_counts_and_money_beyond_what_fits_are_cut_and_not_wrapped(session):
    sample = TargetSample(
        0, "USD", 1 << 30, 1 << 21, (1 << 31) - 1, realised_pnl=1e300, unrealised_pnl=-1e300
    )
    record = TargetRecord(parse_target("http://bot"))
    record.take(Command.unpack(sample_of(TargetStatus("ok", sample=sample)).pack()))
    view = record.view(session)
    assert (view.total_trades, view.wins, view.losses) == ((1 << 21) - 1,) * 3
    assert view.realised_pnl == -view.unrealised_pnl == (1 << 62) / 1_000_000


@pytest.mark.parametrize("status", ["slow", "unreachable", "invalid"])
def test_a_poll_without_an_answer_is_never_taken_for_nought(session, status):
    command = sample_of(TargetStatus(status, "why"))
    assert command.flags == 0
    record = TargetRecord(parse_target("http://bot"))
    record.hear(TargetStatus(status, "why"))
    record.take(command)
    view = record.view(session)
    assert (view.status, view.detail, view.equity, view.total_trades) == (status, "why", None, None)
    assert (view.realised_pnl, view.wins, view.age_ms) == (None, None, None)
    assert len(view.equity_series) == 0


def test_silence_keeps_the_last_answer_and_its_age(session, wall):
    record = TargetRecord(parse_target("http://bot"))
    record.take(sample_of(TargetStatus("ok", sample=TargetSample(5_000_000, "USD", 1, 1, 0))))
    wall.pass_ms(1_500)
    record.take(sample_of(TargetStatus("unreachable")))
    view = record.view(session)
    assert (view.equity, view.age_ms, view.equity_series.tolist()) == (5.0, 1_500, [5.0])


def test_the_series_is_bounded_and_the_change_counts_from_the_rebase(session):
    record = TargetRecord(parse_target("http://bot"))
    for number in range(SERIES_SAMPLES + 5):
        record.take(sample_of(TargetStatus("ok", sample=TargetSample(number * 1_000_000, "USD", 0, 0, 0))))
    view = record.view(session)
    assert view.equity_series.tolist() == [float(n) for n in range(5, SERIES_SAMPLES + 5)]
    assert view.start_equity == 0.0
    record.rebase()
    assert record.view(session).start_equity == view.equity


def test_the_agents_sample_is_exactly_its_ledger():
    session = Session(SessionConfig(load_scenario("balanced"), seed=6, target_agent=True))
    session.advance(NS_PER_S)
    exchange = session.exchange
    exchange.send(account=Account.TARGET, side=0, price_ticks=0, qty_lots=33)
    session.advance(2 * NS_PER_S)
    sample = agent_sample(session)
    money = exchange.ledger.equity(Account.TARGET, exchange.mark_twice_ticks)
    tick_lot = Fraction(exchange.instrument.tick_size) * Fraction(exchange.instrument.lot_size)
    assert money != 0
    assert sample.a == START_EQUITY_MICRO + (money * tick_lot).__floor__()
    record = TargetRecord(parse_target("agent"))
    record.take(sample)
    view = record.view(session)
    assert view.ledger_position_lots == 33
    assert view.total_trades == exchange.ledger.entry(Account.TARGET).fills
    assert view.wins is None
