"""Trades, candles, history and windows of the venue's market data, against plain sums over the session."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.rng import Stream, mix64
from engine.core.types import StormKind
from engine.venue import candle_history
from engine.venue.candle_history import HISTORY_DAYS, make_history
from engine.venue.candles import (
    CANDLE_DTYPE,
    DAY_NS,
    INTERVALS,
    MINUTE_NS,
    aggregate,
    group_rows,
    group_trades,
)
from engine.venue.market_data import BOUNDARY_NS, UPDATES_KEPT, BoundaryUpdate, MarketData, TradesUpdate
from engine.venue.row_log import CHUNK_ROWS, RowLog
from tests.venue.market import EPOCH_NS, Venue, recorded, simulated

pytestmark = pytest.mark.usefixtures("machine_code")

SUMS = ("volume", "quote", "taker_volume", "taker_quote", "trades")


@pytest.fixture(scope="module")
def venue() -> Venue:
    """Seventy seconds of a market with a storm, over a minute's end."""
    venue = simulated("stress_test", seed=2)
    venue.advance(5 * NS_PER_S, 33 * NS_PER_MS)
    venue.storm(StormKind.CRASH)
    venue.advance(70 * NS_PER_S)
    return venue


def true_trades(venue: Venue) -> list[tuple[int, ...]]:
    """The session's own executions, all of them: (id, wall ns, price, lots, side)."""
    found = venue.market_data.trades_since(0)
    return [(i, EPOCH_NS + t, p, q, s) for i, _, t, p, q, s in found.tolist()]


def plain_candle(trades: list[tuple[int, ...]]) -> dict[str, int]:
    prices = [trade[2] for trade in trades]
    bought = [trade for trade in trades if trade[4] == 0]
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": sum(t[3] for t in trades),
        "quote": sum(t[2] * t[3] for t in trades),
        "taker_volume": sum(t[3] for t in bought),
        "taker_quote": sum(t[2] * t[3] for t in bought),
        "trades": len(trades),
        "first_id": trades[0][0],
        "last_id": trades[-1][0],
    }


class TestTrades:
    def test_every_execution_is_told_once_and_in_order(self, venue: Venue) -> None:
        count = venue.session.exchange.trade_count
        assert count > 10_000
        assert [trade[0] for trade in true_trades(venue)] == list(range(1, count + 1))
        assert sum(trade[3] for trade in true_trades(venue)) == venue.session.exchange.market.traded_lots
        assert venue.market_data.lost_trades == 0

    def test_updates_carry_the_trades_whatever_the_slices(self) -> None:
        venue = simulated()
        venue.advance(2 * NS_PER_S, 7 * NS_PER_MS)
        updates = [u for u in venue.market_data.updates_since(0) if type(u) is TradesUpdate]
        told = np.concatenate([update.trades for update in updates])
        whole = simulated()
        whole.advance(2 * NS_PER_S)
        assert told.tolist() == whole.market_data.trades_since(0).tolist()
        assert len(updates) > len(whole.market_data.updates_since(0)) // 3

    def test_aggregates_join_fills_of_one_order_at_one_price(self, venue: Venue) -> None:
        rows = venue.market_data.trades_since(0)
        inside = {
            trade.trade_id: (trade.aggressor, trade.time_ns, trade.aggressor_side, trade.price_ticks)
            for trade in venue.session.exchange.tape.recent(500)
        }
        rows = rows[-len(inside) :].tolist()
        joined = 0
        for before, after in pairwise(rows):
            same = inside[before[0]] == inside[after[0]]
            assert after[1] - before[1] == (0 if same else 1)
            joined += same
        assert joined > 10

    def test_trades_that_left_the_ring_are_counted(self) -> None:
        venue = simulated("stress_test")
        venue.session.advance(20 * NS_PER_S)
        venue.market_data.look()
        data, count = venue.market_data, venue.session.exchange.trade_count
        assert data.lost_trades > 0
        assert data.lost_trades + len(data.trades_since(0)) == count

    def test_nobody_can_change_what_was_published(self, venue: Venue) -> None:
        for update in venue.market_data.updates_since(0):
            if type(update) is TradesUpdate:
                with pytest.raises(ValueError, match="read-only"):
                    update.trades["price_ticks"] = 1
                break

    def test_a_reader_too_far_behind_sees_a_gap_in_the_numbers(self, venue: Venue) -> None:
        updates = venue.market_data.updates_since(0)
        numbers = [update.number for update in venue.market_data.updates_since(updates[0].number + 4)]
        assert numbers == list(range(updates[0].number + 5, venue.market_data.update_count + 1))
        assert venue.market_data.updates_since(venue.market_data.update_count) == ()
        assert venue.market_data.statistics()["updates_kept"] <= UPDATES_KEPT


class TestCandles:
    @pytest.mark.parametrize("name", ["1s", "1m", "5m", "1h", "1d"])
    def test_candles_sum_up_to_the_trades(self, venue: Venue, name: str) -> None:
        interval = INTERVALS[name]
        trades = true_trades(venue)
        found = venue.market_data.klines(interval, limit=1000)
        found = found[found["last_id"] > 0] if name == "1s" else found[found["end_ns"] > EPOCH_NS]
        assert found["last_id"][-1] == trades[-1][0]
        for row in found:
            inside = [t for t in trades if row["open_ns"] <= t[1] < row["end_ns"]]
            expected = plain_candle(inside)
            if row["open_ns"] < EPOCH_NS and name not in ("1s", "1m"):  # with some of the history before it
                past = venue.market_data.klines(
                    INTERVALS["1m"], start_ns=int(row["open_ns"]), end_ns=EPOCH_NS - MINUTE_NS, limit=5000
                )
                for key in SUMS:
                    expected[key] += int(past[key].sum())
                expected["open"] = int(past["open"][0])
                expected["high"] = max(expected["high"], int(past["high"].max()))
                expected["low"] = min(expected["low"], int(past["low"].min()))
            assert {key: int(row[key]) for key in expected} == expected

    def test_a_candle_without_trades_repeats_the_close(self) -> None:
        venue = recorded()
        venue.advance(20 * NS_PER_S)
        found = venue.market_data.klines(INTERVALS["1s"], limit=1000)
        assert (np.diff(found["open_ns"]) == NS_PER_S).all()
        quiet = np.flatnonzero(found["trades"] == 0)
        assert len(quiet)
        for at in quiet[quiet > 0]:
            close = found["close"][at - 1]
            assert [int(found[name][at]) for name in ("open", "high", "low", "close")] == [close] * 4
            assert [int(found[name][at]) for name in SUMS] == [0] * 5
            assert found["first_id"][at] == found["last_id"][at] == -1

    @pytest.mark.parametrize("name", list(INTERVALS))
    def test_candles_of_every_interval_follow_each_other(self, venue: Venue, name: str) -> None:
        found = venue.market_data.klines(INTERVALS[name], limit=1000)
        assert len(found) == 1000 or name not in ("1m", "3m", "5m", "15m", "30m")
        assert (found["open_ns"][1:] == found["end_ns"][:-1]).all()
        now_ns = venue.market_data.now_ns
        assert found["open_ns"][-1] <= now_ns < found["end_ns"][-1]
        assert (found["high"] >= np.maximum(found["open"], found["close"])).all()
        assert (found["low"] <= np.minimum(found["open"], found["close"])).all()
        assert found["close"][-1] == venue.market_data.last_price_ticks
        if INTERVALS[name].size_ns > NS_PER_S:
            assert found["open_ns"][-1] == INTERVALS[name].open_of(now_ns)

    def test_weeks_open_on_mondays_and_months_on_the_first(self, venue: Venue) -> None:
        weeks = venue.market_data.klines(INTERVALS["1w"])["open_ns"].astype("datetime64[ns]")
        assert {(int(day.astype("datetime64[D]").astype(int)) + 3) % 7 for day in weeks} == {0}
        months = venue.market_data.klines(INTERVALS["1M"])["open_ns"].astype("datetime64[ns]")
        assert all(str(month).endswith("-01T00:00:00.000000000") for month in months)

    def test_a_zone_moves_the_days(self, venue: Venue) -> None:
        zone_ns = 5 * 3_600 * NS_PER_S + 45 * MINUTE_NS
        found = venue.market_data.klines(INTERVALS["1d"], zone_ns=zone_ns)
        assert set(((found["open_ns"] + zone_ns) % DAY_NS).tolist()) == {0}

    def test_start_end_and_limit_choose_as_binance_does(self, venue: Venue) -> None:
        data, minute = venue.market_data, INTERVALS["1m"]
        last = int(data.klines(minute, limit=1)["open_ns"][0])

        def opens(**choice: int) -> list[int]:
            return [(int(o) - last) // MINUTE_NS for o in data.klines(minute, **choice)["open_ns"]]

        assert opens(limit=3) == [-2, -1, 0]
        assert opens(start_ns=last - 9 * MINUTE_NS, limit=3) == [-9, -8, -7]
        assert opens(start_ns=last - 9 * MINUTE_NS + 1, limit=3) == [-8, -7, -6]
        assert opens(end_ns=last - 5 * MINUTE_NS, limit=2) == [-6, -5]
        assert opens(end_ns=last - 5 * MINUTE_NS - 1, limit=2) == [-7, -6]
        assert opens(start_ns=last - 2 * MINUTE_NS, end_ns=last + DAY_NS, limit=500) == [-2, -1, 0]
        assert opens(start_ns=last + 5 * MINUTE_NS) == []
        assert opens(end_ns=0) == []
        assert len(opens(start_ns=0, limit=4)) == 4

    @given(
        st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(1, 9)), max_size=30),
        st.integers(1, 7),
    )
    def test_aggregation_equals_a_plain_loop(self, parts: list[tuple[int, int, int]], size: int) -> None:
        parts = sorted(parts, key=lambda part: part[0])
        parts = [part for at, part in enumerate(parts) if not at or part[0] != parts[at - 1][0]]
        rows = np.zeros(len(parts), CANDLE_DTYPE)
        for at, (open_ns, price, lots) in enumerate(parts):
            rows[at] = (
                open_ns,
                open_ns + 1,
                price,
                price + 1,
                price - 1,
                price + lots % 2,
                lots,
                5,
                0,
                0,
                1,
                at,
                at,
            )
        opens = np.arange(0, 31 + size, size)
        made = aggregate(rows, opens, 99)
        close = 99
        for row in made:
            inside = rows[(rows["open_ns"] >= row["open_ns"]) & (rows["open_ns"] < row["end_ns"])]
            if len(inside):
                assert row["open"] == inside["open"][0]
                assert row["high"] == inside["high"].max()
                assert row["low"] == inside["low"].min()
                assert row["first_id"] == inside["first_id"][0]
                assert row["last_id"] == inside["last_id"][-1]
                close = int(inside["close"][-1])
            else:
                assert row["open"] == row["high"] == row["low"] == close
            assert row["close"] == close
            assert row["volume"] == inside["volume"].sum()

    def test_where_candles_have_left_the_oldest_kept_is_the_first(self) -> None:
        venue = simulated()
        venue.advance(NS_PER_S)
        data, count = venue.market_data, 200_000
        second = INTERVALS["1s"]
        first_ns = second.open_of(data.now_ns) + 10 * NS_PER_S
        for start in range(0, count, 10_000):
            opens = range(first_ns + start * NS_PER_S, first_ns + (start + 10_000) * NS_PER_S, NS_PER_S)
            data._seconds.add([(ns, ns + NS_PER_S, 7, 7, 7, 7, 1, 7, 0, 0, 1, 1, 1) for ns in opens])
        data._seen = data._seen._replace(time_ns=data.time_ns + (count + 10) * NS_PER_S)
        found = data.klines(second, start_ns=0, limit=2)
        assert found["open_ns"][0] == data._seconds.oldest_ns
        assert found["open"].tolist() == [7, 7]
        assert data.statistics()["seconds_forgotten"] > 100_000


class TestHistory:
    WISH = {
        "scenario": "balanced",
        "seed": 7,
        "opening_ticks": 10_000,
        "volatility_ticks": 17.0,
        "unit_lots": 10,
        "epoch_ns": EPOCH_NS,
    }

    def test_it_ends_where_the_session_begins_and_has_no_holes(self) -> None:
        rows = make_history(**self.WISH)
        assert len(rows) >= HISTORY_DAYS * 1_440
        assert rows["close"][-1] == 10_000
        assert rows["end_ns"][-1] == EPOCH_NS - EPOCH_NS % MINUTE_NS
        assert (rows["open"][1:] == rows["close"][:-1]).all()
        assert (np.diff(rows["open_ns"]) == MINUTE_NS).all()
        assert (rows["high"] >= np.maximum(rows["open"], rows["close"])).all()
        assert (rows["low"] <= np.minimum(rows["open"], rows["close"])).all()
        assert rows["low"].min() > 0
        assert (rows["taker_volume"] <= rows["volume"]).all()
        assert (rows["quote"] >= rows["low"] * rows["volume"]).all()
        assert (rows["quote"] <= rows["high"] * rows["volume"]).all()

    def test_it_is_a_function_of_scenario_and_seed(self) -> None:
        rows = make_history(**self.WISH)
        assert rows.tobytes() == make_history(**self.WISH).tobytes()
        for change in ({"seed": 8}, {"scenario": "minimal"}):
            assert (make_history(**{**self.WISH, **change})["close"] != rows["close"]).mean() > 0.9

    def test_another_time_of_day_tells_the_same_prices(self) -> None:
        rows, later = (make_history(**{**self.WISH, "epoch_ns": e}) for e in (EPOCH_NS, EPOCH_NS + MINUTE_NS))
        assert (later["close"][1:] == rows["close"]).all()

    def test_its_draws_are_those_of_the_stream(self) -> None:
        stream_id = candle_history._STREAM_SALT
        for byte in b"balanced":
            stream_id = mix64(stream_id + byte)
        stream = Stream(7, stream_id)
        draws = candle_history._draws("balanced", 7, 50)
        assert draws.ravel().tolist() == [stream.u64() for _ in range(draws.size)]

    def test_its_first_steps_are_the_streams_own_normals(self) -> None:
        draws = candle_history._draws("balanced", 7, 3)
        closes, opens = candle_history._walk(draws[:, :3], 10_000, 17.0)
        stream_id = candle_history._STREAM_SALT
        for byte in b"balanced":
            stream_id = mix64(stream_id + byte)
        normal = Stream(7, stream_id).normal()
        assert closes[0] == 10_000
        assert abs(int(opens[0]) - 10_000 - 17.0 * normal) < 1.01

    def test_its_volatility_is_the_sessions(self) -> None:
        rows = make_history(**self.WISH)
        assert 15 < np.std(rows["close"] - rows["open"]) < 19

    def test_two_sessions_of_one_seed_have_the_same_past(self) -> None:
        past = []
        for _ in range(2):
            venue = simulated(seed=11)
            venue.advance(NS_PER_S)
            past.append(venue.market_data.klines(INTERVALS["1h"], limit=1000))
        assert past[0].tobytes() == past[1].tobytes()
        assert len(past[0]) > 700

    def test_before_there_is_a_price_there_are_no_candles(self) -> None:
        data = recorded().market_data
        assert data.opening_ticks is None
        assert len(data.klines(INTERVALS["1m"])) == 0
        assert data.window(0) is None
        assert data.candle(INTERVALS["1m"], EPOCH_NS) is None
        assert data.average() == (0, 1)


class TestWindows:
    def test_a_window_of_the_session_alone_is_the_sum_of_its_trades(self, venue: Venue) -> None:
        data = venue.market_data
        start_ns = EPOCH_NS + MINUTE_NS - EPOCH_NS % MINUTE_NS
        found = data.window(start_ns)
        assert found is not None
        inside = [trade for trade in true_trades(venue) if trade[1] >= start_ns]
        expected = plain_candle(inside)
        assert {key: int(found.candle[key]) for key in expected} == expected

    def test_a_day_holds_history_but_counts_trades_only(self, venue: Venue) -> None:
        found = venue.market_data.window(venue.market_data.now_ns - DAY_NS)
        assert found is not None
        trades = true_trades(venue)
        assert int(found.candle["trades"]) == len(trades)
        assert (int(found.candle["first_id"]), int(found.candle["last_id"])) == (1, len(trades))
        assert int(found.candle["volume"]) > sum(trade[3] for trade in trades)

    def test_the_average_weighs_five_minutes_by_quantity(self, venue: Venue) -> None:
        quote, volume = venue.market_data.average()
        trades = true_trades(venue)
        assert (quote, volume) == (sum(t[2] * t[3] for t in trades), sum(t[3] for t in trades))


class TestRowLog:
    @given(st.lists(st.integers(0, 9_000), max_size=5))
    def test_it_keeps_the_last_rows_and_counts_the_others(self, batches: list[int]) -> None:
        log = RowLog(np.dtype([("key", "<i8")]), key="key", kept=2 * CHUNK_ROWS)
        written = 0
        for size in batches:
            rows = np.zeros(size, [("key", "<i8")])
            rows["key"] = np.arange(written, written + size)
            log.append(rows)
            written += size
        assert len(log) + log.forgotten == written
        assert min(written, 2 * CHUNK_ROWS) <= len(log) <= log.limit
        kept = list(range(log.forgotten, written))
        assert log.since(-1)["key"].tolist() == kept
        assert log.last(10)["key"].tolist() == kept[-10:]
        for value in (log.forgotten + 5, written // 2, written):
            assert log.since(value)["key"].tolist() == [key for key in kept if key > value]
            assert log.since(value, inclusive=True)["key"].tolist() == [key for key in kept if key >= value]
            row = log.before(value)
            assert (None if row is None else int(row["key"])) == max(
                (key for key in kept if key < value), default=None
            )


def test_while_nobody_watches_candles_are_complete_and_the_book_is_seen_when_wanted() -> None:
    idle, watched = simulated("stress_test", seed=6), simulated("stress_test", seed=6)
    idle.storm(StormKind.CRASH, duration_s=5)
    watched.storm(StormKind.CRASH, duration_s=5)
    session, data = idle.session, idle.market_data
    while session.now_ns < 6 * NS_PER_S:
        session.advance(min(6 * NS_PER_S, data.next_rest_ns))
        data.rest(sees_book=session.now_ns >= 6 * NS_PER_S)
    watched.advance(6 * NS_PER_S)
    for name in ("1s", "1m", "1h"):
        rows = [venue.market_data.klines(INTERVALS[name]) for venue in (idle, watched)]
        assert rows[0].tobytes() == rows[1].tobytes()
    assert data.lost_trades == 0
    assert data.trades_since(0).tolist() == watched.market_data.trades_since(0).tolist()
    assert idle.public("depth") == watched.public("depth")
    assert idle.public("ticker/24hr") == watched.public("ticker/24hr")
    seen = data.image.update_id
    for venue in (idle, watched):
        venue.advance(8 * NS_PER_S)
    later = [u for u in data.updates_since(0) if type(u) is BoundaryUpdate and u.time_ns > 6 * NS_PER_S]
    assert [update.time_ns for update in later] == list(range(6_100_000_000, 8_000_000_001, BOUNDARY_NS))
    for diffs in ([u.diff for u in later if u.diff], [u.second_diff for u in later if u.second_diff]):
        assert diffs[0].first_id == seen + 1
        assert all(after.first_id == before.last_id + 1 for before, after in pairwise(diffs))
    assert idle.public("depth") == watched.public("depth")


def test_who_rests_stops_seldom() -> None:
    venue, stops = simulated(), 0
    while venue.session.now_ns < 60 * NS_PER_S:
        venue.session.advance(venue.market_data.next_rest_ns)
        venue.market_data.rest(sees_book=False)
        stops += 1
    assert stops < 120
    assert venue.market_data.update_count < 40


def test_many_trades_at_once_make_the_same_candles_as_few() -> None:
    venue = simulated("stress_test")
    venue.advance(5 * NS_PER_S)
    trades = venue.market_data.trades_since(0)
    for size_ns in (NS_PER_S, 17 * NS_PER_MS):
        few = group_trades(trades.tolist(), epoch_ns=EPOCH_NS, size_ns=size_ns)
        assert group_rows(trades, epoch_ns=EPOCH_NS, size_ns=size_ns) == few
    found = venue.session.exchange.tape.arrays_since(venue.session.exchange.trade_count - 500)
    rows = [venue.market_data._public_rows(found).tolist(), venue.market_data._public_tuples(found)]
    assert rows[0] == rows[1]


def test_while_public_data_stand_still_readers_see_what_was() -> None:
    venue = simulated()
    venue.advance(3 * NS_PER_S)
    names = ("depth", "trades", "aggTrades", "ticker/24hr", "ticker/bookTicker", "ticker/price", "avgPrice")
    before = [venue.public(name) for name in names]
    candles = venue.public("klines", interval="1m")
    venue.session.broker.boundary.is_stale = True
    updates = venue.market_data.update_count
    venue.advance(6 * NS_PER_S)
    assert [venue.public(name) for name in names] == before
    assert venue.public("klines", interval="1m") == candles
    assert venue.market_data.update_count > updates + 30
    assert venue.market_data.statistics()["trades_held"] > 0
    venue.session.broker.boundary.is_stale = False
    venue.advance(6 * NS_PER_S + BOUNDARY_NS)
    flowing = simulated()
    flowing.advance(6 * NS_PER_S + BOUNDARY_NS)
    assert [venue.public(name) for name in names] == [flowing.public(name) for name in names]
    assert venue.market_data.statistics()["trades_held"] == 0


def test_a_look_without_news_publishes_nothing() -> None:
    venue = simulated()
    venue.advance(NS_PER_S)
    before = venue.market_data.update_count
    assert not venue.market_data.look()
    assert venue.market_data.update_count == before


def test_market_data_of_a_session_under_way_starts_with_what_is_kept() -> None:
    session = simulated().session
    session.advance(3 * NS_PER_S + 5)
    data = MarketData(session, EPOCH_NS)
    assert data.next_stop_ns == 3 * NS_PER_S + 100 * NS_PER_MS
    assert data.trades_since(0)["trade_id"][-1] == session.exchange.trade_count
    assert data.image.update_id == session.event_count
    assert data.last_price_ticks == session.exchange.last_price_ticks
