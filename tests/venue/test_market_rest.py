"""Public requests: fields, their order and numbers as clients expect them, and what they must agree with."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.broker.money import Step
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.venue.binance.endpoints import ENDPOINTS
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.market_rest import market_routes
from engine.venue.binance.market_texts import _printer
from engine.venue.candles import DAY_NS, MINUTE_NS
from tests.venue.market import EPOCH_NS, NOW_MS, Venue, recorded, simulated

pytestmark = pytest.mark.usefixtures("machine_code")


@pytest.fixture(scope="module")
def venue() -> Venue:
    venue = simulated(seed=8)
    venue.advance(20 * NS_PER_S + 30 * NS_PER_MS)
    return venue


def refusal(venue: Venue, name: str, **params: object) -> tuple[int, str]:
    with pytest.raises(RequestRefused) as caught:
        venue.get(name, **params)
    return caught.value.code, caught.value.message


def test_every_public_endpoint_of_the_table_has_a_handler(venue: Venue) -> None:
    served = {path for _, path, _ in market_routes(venue.gateway)}
    public = {e.path for e in ENDPOINTS if e.path.startswith("/api/v3/") and e.security.name == "NONE"}
    assert served == public


def test_ping_and_time(venue: Venue) -> None:
    assert venue.get("ping") == {}
    assert venue.get("time") == {"serverTime": NOW_MS}


class TestBookAndTrades:
    def test_depth_is_the_book_of_the_last_boundary(self, venue: Venue) -> None:
        answer = venue.public("depth", limit=5000)
        assert list(answer) == ["lastUpdateId", "bids", "asks"]
        money, image = venue.market_data.money, venue.market_data.image
        assert answer["lastUpdateId"] == image.update_id
        bids = [[money.ticks(price), money.lots(lots)] for price, lots in answer["bids"]]
        assert bids == [list(level) for level in zip(*(a.tolist() for a in image.bids), strict=True)]
        assert answer["bids"][0][0].split(".")[1] == f"{image.bids.prices[0] % 100:02d}000000"
        assert venue.public("depth", limit=3)["asks"] == answer["asks"][:3]
        assert [float(price) for price, _ in answer["asks"]] == sorted(float(p) for p, _ in answer["asks"])

    def test_depth_has_a_hundred_levels_unless_asked_and_five_thousand_at_most(self) -> None:
        venue = recorded()
        venue.advance(NS_PER_S)
        assert len(venue.public("depth")["bids"]) == 100
        levels = len(venue.market_data.image.bids.prices)
        assert levels > 900
        assert len(venue.public("depth", limit=10_000_000)["bids"]) == min(levels, 5_000)

    def test_trades(self, venue: Venue) -> None:
        last = venue.session.exchange.tape.recent(1)[0]
        answer = venue.public("trades", limit=10)
        assert [trade["id"] for trade in answer] == list(range(last.trade_id - 9, last.trade_id + 1))
        trade = answer[-1]
        assert list(trade) == ["id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"]
        assert Decimal(trade["price"]) == Decimal(last.price_ticks) / 100
        assert Decimal(trade["quoteQty"]) == Decimal(trade["price"]) * Decimal(trade["qty"])
        assert trade["isBuyerMaker"] == (last.aggressor_side == 1)
        assert trade["time"] == (EPOCH_NS + last.time_ns) // NS_PER_MS
        assert len(venue.public("trades")) == min(500, last.trade_id)

    def test_older_trades_from_an_id(self, venue: Venue) -> None:
        assert [t["id"] for t in venue.public("historicalTrades", fromId=5, limit=4)] == [5, 6, 7, 8]
        assert venue.public("historicalTrades", fromId=10**9) == []

    def test_aggregates_by_id_time_and_last(self, venue: Venue) -> None:
        whole = venue.public("aggTrades", fromId=0, limit=1000)
        assert list(whole[0]) == ["a", "p", "q", "f", "l", "T", "m", "M"]
        assert [a["a"] for a in whole] == list(range(1, len(whole) + 1))
        assert all(before["l"] + 1 == after["f"] for before, after in pairwise(whole))
        trades = {t["id"]: t for t in venue.public("historicalTrades", fromId=1, limit=1000)}
        for one in whole:
            fills = [trades[i] for i in range(one["f"], one["l"] + 1) if i in trades]
            if len(fills) == one["l"] - one["f"] + 1:
                assert Decimal(one["q"]) == sum(Decimal(fill["qty"]) for fill in fills)
                assert {fill["price"] for fill in fills} == {one["p"]}
        assert [a["a"] for a in venue.public("aggTrades", fromId=7, limit=3)] == [7, 8, 9]
        newest = venue.public("aggTrades", limit=3)
        assert newest == venue.public("aggTrades", fromId=newest[0]["a"], limit=1000)
        since = whole[20]["T"]
        within = venue.public("aggTrades", startTime=since, endTime=since + 2_000, limit=1000)
        assert within == [a for a in whole if since <= a["T"] <= since + 2_000]
        until = venue.public("aggTrades", endTime=since, limit=4)
        assert until == [a for a in whole if a["T"] <= since][-4:]
        assert venue.public("aggTrades", startTime=2**62) == []
        assert refusal(venue, "aggTrades", symbol=venue.symbol, fromId=1, startTime=5)[0] == -1128


class TestCandles:
    def test_rows(self, venue: Venue) -> None:
        rows = venue.public("klines", interval="1m", limit=5)
        assert len(rows) == 5
        for row in rows:
            assert [type(value) for value in row] == [int, *[str] * 5, int, str, int, str, str, str]
            assert row[6] == row[0] + 59_999
            assert row[0] % 60_000 == 0
            assert row[11] == "0"
        assert rows == venue.public("uiKlines", interval="1m", limit=5)
        assert rows[:2] == venue.public("klines", interval="1m", startTime=rows[0][0], endTime=rows[1][0])

    def test_the_session_begins_where_the_history_ends(self, venue: Venue) -> None:
        rows = venue.public("klines", interval="1m", limit=1000)
        assert all(before[4] == after[1] for before, after in pairwise(rows[:-1]))
        opening = venue.market_data.opening_ticks
        past = [row for row in rows if row[6] * NS_PER_MS < EPOCH_NS]
        assert venue.market_data.money.ticks(past[-1][4]) == opening

    def test_more_than_a_thousand_are_never_answered(self, venue: Venue) -> None:
        assert len(venue.public("klines", interval="1m", limit=5000)) == 1_000
        assert len(venue.public("klines", interval="1m")) == 500

    @pytest.mark.parametrize("zone", ["0", "8", "-1:00", "05:45", "-12:00", "14:00"])
    def test_zones(self, venue: Venue, zone: str) -> None:
        rows = venue.public("klines", interval="1d", timeZone=zone, limit=3)
        assert len(rows) == 3
        assert all(row[6] - row[0] == 86_399_999 for row in rows)

    @pytest.mark.parametrize("zone", ["14:01", "-12:30", "x", "1:60", "99"])
    def test_wrong_zones(self, venue: Venue, zone: str) -> None:
        assert refusal(venue, "klines", symbol=venue.symbol, interval="1d", timeZone=zone)[0] == -1130

    def test_wrong_interval(self, venue: Venue) -> None:
        assert refusal(venue, "klines", symbol=venue.symbol, interval="7m") == (-1120, "Invalid interval.")


class TestTickers:
    DAY = (
        "symbol priceChange priceChangePercent weightedAvgPrice prevClosePrice lastPrice lastQty bidPrice "
        "bidQty askPrice askQty openPrice highPrice lowPrice volume quoteVolume openTime closeTime firstId "
        "lastId count"
    )
    FULL = (
        "symbol priceChange priceChangePercent weightedAvgPrice openPrice highPrice lowPrice lastPrice "
        "volume quoteVolume openTime closeTime firstId lastId count"
    )
    MINI = (
        "symbol openPrice highPrice lowPrice lastPrice volume quoteVolume openTime closeTime firstId lastId "
        "count"
    )

    def test_the_day(self, venue: Venue) -> None:
        answer = venue.public("ticker/24hr")
        assert " ".join(answer) == self.DAY
        assert Decimal(answer["priceChange"]) == Decimal(answer["lastPrice"]) - Decimal(answer["openPrice"])
        percent = 100 * Decimal(answer["priceChange"]) / Decimal(answer["openPrice"])
        assert abs(Decimal(answer["priceChangePercent"]) - percent) < Decimal("0.001")
        average = Decimal(answer["quoteVolume"]) / Decimal(answer["volume"])
        assert abs(Decimal(answer["weightedAvgPrice"]) - average) < Decimal("1e-7")
        assert answer["closeTime"] - answer["openTime"] == 86_400_000
        assert answer["count"] == answer["lastId"] == venue.session.exchange.trade_count
        assert venue.get("ticker/24hr") == venue.get("ticker/24hr", symbols=f'["{venue.symbol}"]') == [answer]
        assert " ".join(venue.public("ticker/24hr", type="MINI")) == self.MINI

    def test_trading_day_and_windows(self, venue: Venue) -> None:
        day = venue.public("ticker/tradingDay")
        assert " ".join(day) == self.FULL
        assert day["openTime"] % 86_400_000 == 0
        assert day["closeTime"] == day["openTime"] + 86_399_999
        window = venue.public("ticker", windowSize="2h")
        assert " ".join(window) == self.FULL
        assert window["openTime"] % 60_000 == 0
        assert 7_200_000 <= window["closeTime"] - window["openTime"] < 7_260_000
        assert " ".join(venue.public("ticker", type="MINI")) == self.MINI
        assert refusal(venue, "ticker/tradingDay")[0] == -1102
        for size in ("0m", "60m", "24h", "8d", "1x", "100m"):
            assert refusal(venue, "ticker", symbol=venue.symbol, windowSize=size)[0] == -1130

    def test_prices(self, venue: Venue) -> None:
        last = venue.public("trades", limit=1)[0]
        assert venue.public("ticker/price") == {"symbol": venue.symbol, "price": last["price"]}
        assert venue.get("ticker/price") == [venue.public("ticker/price")]
        book, depth = venue.public("ticker/bookTicker"), None
        venue.advance(21 * NS_PER_S)
        book, depth = venue.public("ticker/bookTicker"), venue.public("depth", limit=1)
        assert list(book) == ["symbol", "bidPrice", "bidQty", "askPrice", "askQty"]
        assert [[book["bidPrice"], book["bidQty"]], [book["askPrice"], book["askQty"]]] == [
            depth["bids"][0],
            depth["asks"][0],
        ]

    def test_the_average_price(self, venue: Venue) -> None:
        answer = venue.public("avgPrice")
        assert list(answer) == ["mins", "price", "closeTime"]
        trades = venue.public("historicalTrades", fromId=1, limit=1000)
        while trades[-1]["id"] < venue.session.exchange.trade_count:
            trades += venue.public("historicalTrades", fromId=trades[-1]["id"] + 1, limit=1000)
        volume = sum(Decimal(trade["qty"]) for trade in trades)
        average = sum(Decimal(trade["quoteQty"]) for trade in trades) / volume
        assert abs(Decimal(answer["price"]) - average) < Decimal("1e-7")
        assert answer["closeTime"] == trades[-1]["time"]

    def test_before_there_is_a_price_all_is_zero(self) -> None:
        venue = recorded()
        assert venue.public("ticker/24hr")["lastPrice"] == "0.00000000"
        assert venue.public("avgPrice")["price"] == "0.00000000"
        assert venue.public("klines", interval="1m") == []
        assert venue.public("trades") == venue.public("aggTrades") == []

    def test_symbols_that_do_not_exist_or_do_not_go_together(self, venue: Venue) -> None:
        assert refusal(venue, "ticker/price", symbol="NOPE") == (-1121, "Invalid symbol.")
        assert refusal(venue, "ticker/price", symbol=venue.symbol, symbols=f'["{venue.symbol}"]')[0] == -1128
        assert refusal(venue, "ticker/price", symbols='["NOPE"]')[0] == -1121

    def test_a_halted_market_is_left_out_when_trading_ones_are_asked_for(self) -> None:
        venue = simulated()
        venue.advance(NS_PER_S)
        venue.host.broker.market_open = False
        assert venue.get("ticker/price", symbolStatus="TRADING") == []
        assert len(venue.get("ticker/price", symbolStatus="BREAK")) == 1
        assert refusal(venue, "depth", symbol=venue.symbol, symbolStatus="TRADING")[0] == -1220
        assert venue.get("exchangeInfo")["symbols"][0]["status"] == "BREAK"


@pytest.mark.parametrize("step", ["0.01", "0.00001", "1", "25", "0.00000001", "0.0000000025", "1000"])
@given(count=st.integers(-(10**14), 10**14))
def test_fast_decimals_are_the_exact_ones(step: str, count: int) -> None:
    one = Step.of(Decimal(step))
    assert _printer(one)(count) == one.text(count)
    assert Decimal(one.text(count)) == count * Decimal(step)


class TestExchangeInfo:
    def test_it_describes_the_instrument(self, venue: Venue) -> None:
        answer = venue.get("exchangeInfo")
        assert list(answer) == ["timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"]
        (symbol,) = answer["symbols"]
        assert (symbol["symbol"], symbol["baseAsset"], symbol["quoteAsset"]) == ("ACMEUSD", "ACME", "USD")
        assert symbol["permissionSets"] == [["SPOT"]]
        assert symbol["isSpotTradingAllowed"]
        assert len(symbol["orderTypes"]) == 7
        filters = {one["filterType"]: one for one in symbol["filters"]}
        assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
        assert filters["LOT_SIZE"]["stepSize"] == "1.00000000"
        assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
        assert filters["PERCENT_PRICE_BY_SIDE"]["bidMultiplierUp"] == "5"
        assert filters["PERCENT_PRICE_BY_SIDE"]["bidMultiplierDown"] == "0.2"
        for name in ("MARKET_LOT_SIZE", "ICEBERG_PARTS", "MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS"):
            assert name in filters
        assert {limit["rateLimitType"] for limit in answer["rateLimits"]} >= {"REQUEST_WEIGHT", "ORDERS"}

    def test_its_choices(self, venue: Venue) -> None:
        one = venue.public("exchangeInfo")["symbols"]
        assert one == venue.get("exchangeInfo", symbols=f'["{venue.symbol}"]')["symbols"]
        assert venue.get("exchangeInfo", permissions="SPOT")["symbols"] == one
        assert venue.get("exchangeInfo", permissions='["MARGIN","LEVERAGED"]')["symbols"] == []
        assert venue.get("exchangeInfo", symbolStatus="BREAK")["symbols"] == []
        assert venue.get("exchangeInfo", showPermissionSets="false")["symbols"][0]["permissionSets"] == []
        assert refusal(venue, "exchangeInfo", symbol="NOPE") == (-1121, "Invalid symbol.")
        assert refusal(venue, "exchangeInfo", symbol=venue.symbol, permissions="SPOT")[0] == -1128


def test_a_window_of_a_day_starts_a_day_ago(venue: Venue) -> None:
    found = venue.market_data.window(venue.market_data.now_ns - DAY_NS)
    assert found is not None
    assert 0 <= int(found.candle["open_ns"]) - (venue.market_data.now_ns - DAY_NS) < MINUTE_NS
