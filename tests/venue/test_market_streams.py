"""Public streams: subscriptions, payloads, candles closed once, slow clients, bad input."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.venue.binance import market_client, market_streams
from engine.venue.binance.market_channels import open_channel
from engine.venue.candles import MINUTE_NS
from engine.venue.market_data import BoundaryUpdate, Update
from tests.venue.market import EPOCH_NS, DepthClient, Socket, Venue, settle, simulated

pytestmark = pytest.mark.usefixtures("machine_code")

S = "acmeusd"


def played(test: Callable[[Venue], Awaitable[None]], venue: Venue | None = None) -> None:
    """Runs a test on a loop, with a market that has traded for a second."""
    if venue is None:
        venue = simulated(seed=4)
        venue.advance(NS_PER_S)
    asyncio.run(test(venue))


async def hear(venue: Venue, socket: Socket, until_ns: int, slice_ns: int = NS_PER_S) -> list[Any]:
    """What a client hears while time moves, a pump at each step."""
    heard: list[Any] = []
    for _ in venue.steps(until_ns, slice_ns):
        venue.streams.pump()
        await settle()
        heard += socket.take()
    return heard


@pytest.mark.parametrize(
    ("path", "query", "names", "is_combined"),
    [
        ("/ws", "", [], False),
        ("/ws/7", "", [], False),
        (f"/ws/{S}@trade", "", [f"{S}@trade"], False),
        (f"/ws/{S}@trade/{S}@depth", "", [f"{S}@trade", f"{S}@depth"], False),
        ("/stream", "", [], True),
        ("/stream", f"streams={S}@trade/{S}@kline_1m", [f"{S}@trade", f"{S}@kline_1m"], True),
        ("/stream", f"streams={S}%40trade&timeUnit=MICROSECOND", [f"{S}@trade"], True),
    ],
)
def test_paths(path: str, query: str, names: list[str], is_combined: bool) -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, path, query)
        await settle()
        assert await socket.ask(method="LIST_SUBSCRIPTIONS", id=1) == {"result": names, "id": 1}
        answer = await socket.ask(method="GET_PROPERTY", params=["combined"], id="a")
        assert answer == {"result": is_combined, "id": "a"}
        heard = await hear(venue, socket, 3 * NS_PER_S)
        assert all(("stream" in message) == is_combined for message in heard)
        assert {message["stream"] for message in heard if is_combined} <= set(names)
        assert bool(heard) == bool(names)
        await socket.leave()
        assert venue.streams.statistics()["clients"] == venue.streams.statistics()["channels"] == 0

    played(run)


def test_subscriptions_come_and_go() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, "/ws")
        await settle()
        names = [f"{S}@trade", f"{S}@bookTicker"]
        assert await socket.ask(method="SUBSCRIBE", params=names, id=None) == {"result": None, "id": None}
        assert {m.get("e", "book") for m in await hear(venue, socket, 2 * NS_PER_S)} == {
            "trade",
            "book",
        }
        assert await socket.ask(method="UNSUBSCRIBE", params=names[:1], id=2) == {"result": None, "id": 2}
        assert {"e" in m for m in await hear(venue, socket, 3 * NS_PER_S)} == {False}
        answer = await socket.ask(method="SET_PROPERTY", params=["combined", True], id=3)
        assert answer == {"result": None, "id": 3}
        assert {m["stream"] for m in await hear(venue, socket, 4 * NS_PER_S)} == {names[1]}
        await socket.leave()

    played(run)


def test_a_stream_of_another_market_is_silent() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, "/ws/btcusdt@trade/ACMEUSD@trade")
        await settle()
        assert await hear(venue, socket, 2 * NS_PER_S) == []
        await socket.leave()

    played(run)


FIELDS = {
    f"{S}@trade": "e E s t p q T m M",
    f"{S}@aggTrade": "e E s a p q f l T m M",
    f"{S}@bookTicker": "u s b B a A",
    f"{S}@depth@100ms": "e E s U u b a",
    f"{S}@depth": "e E s U u b a",
    f"{S}@depth5": "lastUpdateId bids asks",
    f"{S}@depth10@100ms": "lastUpdateId bids asks",
    f"{S}@depth20@1000ms": "lastUpdateId bids asks",
    f"{S}@kline_1s": "e E s k",
    f"{S}@kline_1m@+08:00": "e E s k",
    f"{S}@miniTicker": "e E s c o h l v q",
    f"{S}@ticker": "e E s p P w x c Q b B a A o h l v q O C F L n",
    f"{S}@ticker_1h": "e E s p P o h l c w v q O C F L n",
    f"{S}@avgPrice": "e E s i w T",
    "!miniTicker@arr": "e E s c o h l v q",
    "!ticker@arr": "e E s p P w x c Q b B a A o h l v q O C F L n",
    "!ticker_4h@arr": "e E s p P o h l c w v q O C F L n",
}


def test_every_stream_says_its_fields_in_order() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, "/stream", "streams=" + "/".join(FIELDS).replace("+", "%2B"))
        await settle()
        heard: dict[str, list[Any]] = {name: [] for name in FIELDS}
        for message in await hear(venue, socket, 7 * NS_PER_S, 50 * NS_PER_MS):
            data = message["data"]
            heard[message["stream"]] += data if isinstance(data, list) else [data]
        for name, events in heard.items():
            assert events, name
            assert {" ".join(event) for event in events} == {FIELDS[name]}, name
        assert list(heard[f"{S}@kline_1s"][0]["k"]) == list("tTsifLochlvnxqVQB")
        counts = {name: len(events) for name, events in heard.items()}
        assert counts[f"{S}@ticker"] == counts[f"{S}@avgPrice"] == counts["!ticker@arr"] == 6
        assert counts[f"{S}@depth5"] == counts[f"{S}@depth"] == 6
        assert counts[f"{S}@depth10@100ms"] > 40
        assert all(len(event["bids"]) <= 5 for event in heard[f"{S}@depth5"])
        trades = venue.market_data.trades_since(0)
        first = heard[f"{S}@trade"][0]["t"]
        assert [event["t"] for event in heard[f"{S}@trade"]] == list(range(first, len(trades) + 1))
        rest = venue.public("aggTrades", fromId=heard[f"{S}@aggTrade"][0]["a"], limit=1000)
        said = [{k: v for k, v in event.items() if k not in "eEs"} for event in heard[f"{S}@aggTrade"]]
        assert said == rest
        await socket.leave()

    played(run)


def test_times_in_microseconds() -> None:
    async def run(venue: Venue) -> None:
        plain = Socket(venue, f"/ws/{S}@trade/{S}@kline_1s")
        fine = Socket(venue, f"/ws/{S}@trade/{S}@kline_1s", "timeUnit=microsecond")
        await settle()
        for _ in venue.steps(3 * NS_PER_S):
            venue.streams.pump()
            await settle()
        for ms, us in zip(plain.take(), fine.take(), strict=True):
            assert us["E"] // 1_000 == ms["E"]
            if us["e"] == "trade":
                assert us["T"] // 1_000 == ms["T"]
            else:
                assert us["k"]["T"] == us["k"]["t"] + 999_999
        await plain.leave()
        await fine.leave()

    played(run)


@pytest.mark.parametrize("slice_ns", [NS_PER_S, 40 * NS_PER_MS])
def test_a_candle_closes_exactly_once_and_as_rest_says_it(slice_ns: int) -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(
            venue, f"/stream?streams={S}@kline_1s/{S}@kline_1m", f"streams={S}@kline_1s/{S}@kline_1m"
        )
        await settle()
        heard = [message["data"]["k"] for message in await hear(venue, socket, 25 * NS_PER_S, slice_ns)]
        for name, size_ms in (("1s", 1_000), ("1m", 60_000)):
            events = [k for k in heard if k["i"] == name]
            closed = [k["t"] for k in events if k["x"]]
            assert closed == list(range(closed[0], closed[-1] + 1, size_ms))
            assert len(closed) >= (22 if name == "1s" else 1)
            assert sorted(k["t"] for k in events) == [k["t"] for k in events], "no update after the close"
            for k in events:
                assert k["T"] == k["t"] + size_ms - 1
                if not k["x"]:
                    continue
                (row,) = venue.public("klines", interval=name, startTime=k["t"], endTime=k["t"])
                said = [
                    k["t"],
                    k["o"],
                    k["h"],
                    k["l"],
                    k["c"],
                    k["v"],
                    k["T"],
                    k["q"],
                    k["n"],
                    k["V"],
                    k["Q"],
                    "0",
                ]
                assert said == row
        await socket.leave()

    # The epoch stands 45 s after a full minute: one closes on the way.
    assert EPOCH_NS % MINUTE_NS > 40 * NS_PER_S
    played(run)


def test_a_jump_of_session_time_closes_each_candle_once_too() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, f"/ws/{S}@kline_1s")
        await settle()
        venue.advance(1_100 * NS_PER_MS)
        venue.streams.pump()
        await settle()
        venue.advance(30 * NS_PER_S)
        venue.streams.pump()
        await settle()
        heard = socket.take()
        closed = [m["k"]["t"] for m in heard if m["k"]["x"]]
        assert closed == list(range(closed[0], closed[-1] + 1, 1_000))
        assert len(closed) >= 28
        await socket.leave()

    played(run)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ("nonsense", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 2"}),
        ("[]", {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 2"}),
        ('{"id":1}', {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 8"}),
        (
            '{"method":"SUB","id":1}',
            {
                "code": 2,
                "msg": "Invalid request: unknown variant `SUB`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, "
                "`LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column 23",
            },
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","id":1.5}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"},
        ),
        (
            '{"method":"SUBSCRIBE","params":["nope"],"id":1}',
            {"code": 2, "msg": "Invalid request: invalid stream"},
        ),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', {"code": 2, "msg": "Invalid request: invalid stream"}),
        ('{"method":"SET_PROPERTY","params":["x",true],"id":1}', {"code": 0, "msg": "Unknown property"}),
        (
            '{"method":"SET_PROPERTY","params":["combined",1],"id":1}',
            {"code": 1, "msg": "Invalid value type: expected Boolean"},
        ),
        (
            '{"method":"SET_PROPERTY","params":["combined",true,1],"id":1}',
            {"code": 2, "msg": "Invalid request: too many parameters"},
        ),
        (
            '{"method":"GET_PROPERTY","params":[7],"id":1}',
            {"code": 2, "msg": "Invalid request: property name must be a string"},
        ),
    ],
)
def test_errors_are_answered_as_binance_does(text: str, error: dict[str, Any]) -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, "/ws")
        await settle()
        await socket.say(text)
        (answer,) = socket.take()
        assert answer["error"]["code"] == error["code"]
        if error["code"] != 3:
            assert answer["error"] == error
        assert answer["error"]["msg"].startswith(error["msg"].partition(" at")[0])
        assert socket.close_code is None
        await socket.leave()

    played(run, simulated())


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_no_bytes_of_a_client_raise(data: str | bytes) -> None:
    check_answer(data)


METHODS = st.sampled_from([*market_client.METHODS, "SUB", 7])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["combined", *FIELDS]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional={"method": METHODS, "params": VALUES, "id": VALUES}))
def test_no_request_of_a_client_raises(request: dict[str, Any]) -> None:
    check_answer(json.dumps(request))


SHARED: list[Venue] = []


def check_answer(data: str | bytes) -> None:
    """One answer, a result or an error, and the connection goes on."""
    if not SHARED:
        SHARED.append(simulated())

    async def run(venue: Venue) -> None:
        socket = Socket(venue, "/ws")
        await settle()
        await socket.say(data)
        (answer,) = socket.take()
        assert ("error" in answer) != ("result" in answer)
        await socket.leave()
        assert socket.task.exception() is None

    asyncio.run(run(SHARED[0]))


@given(st.text(alphabet="abz019@_!+-:.sSmhdMwdepthklinticrarT", max_size=24))
def test_stream_names_are_known_or_refused(name: str) -> None:
    channel = open_channel(name)
    assert channel is None or channel.name == name


def test_a_client_that_does_not_read_is_dropped_and_counted() -> None:
    async def run(venue: Venue) -> None:
        slow = Socket(venue, f"/ws/{S}@trade/{S}@bookTicker/{S}@depth@100ms")
        good = Socket(venue, f"/ws/{S}@trade")
        await settle()
        slow.gate.clear()
        heard = 0
        for _ in venue.steps(60 * NS_PER_S):
            venue.streams.pump()
            await settle()
            heard += len(good.take())
            if slow.task.done():
                break
            assert venue.streams.statistics()["queued"] <= 50 + 1
            slow.gate.set() if venue.streams.slow_clients else None
        await settle()
        assert slow.close_code == 1008
        assert venue.streams.statistics()["slow_clients"] == 1
        assert venue.streams.statistics()["clients"] == 1
        assert heard > 20
        await slow.task
        await good.leave()

    limit = market_client.QUEUE_LIMIT
    market_client.QUEUE_LIMIT = 50
    try:
        played(run)
    finally:
        market_client.QUEUE_LIMIT = limit


def test_a_client_that_says_too_much_is_closed() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, "/ws")
        await settle()
        for number in range(market_client.INCOMING_LIMIT + 1):
            await socket.say(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        await socket.task
        assert socket.close_code == 1008
        big = Socket(venue, "/ws")
        await settle()
        await big.say(b"[" * (market_client.MESSAGE_LIMIT_BYTES + 1))
        await big.task
        assert big.close_code == 1009

    played(run)


def test_limits_of_streams_and_clients() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, "/ws")
        await settle()
        names = [f"a{number}@trade" for number in range(market_client.STREAM_LIMIT + 1)]
        answer = await socket.ask(method="SUBSCRIBE", params=names, id=1)
        assert answer == {"error": {"code": 2, "msg": "Invalid request: too many subscriptions"}, "id": 1}
        assert (await socket.ask(method="SUBSCRIBE", params=names[1:], id=2))["result"] is None
        assert (
            len((await socket.ask(method="LIST_SUBSCRIPTIONS", id=3))["result"]) == market_client.STREAM_LIMIT
        )
        await socket.leave()
        assert venue.streams.statistics()["channels"] == 0
        venue.host.boundary.is_down = True
        refused = Socket(venue, "/ws")
        await refused.task
        assert refused.close_code == 1013
        assert venue.streams.statistics()["refused_clients"] == 1

    played(run)


def test_the_number_of_different_streams_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_streams, "CHANNEL_LIMIT", 3)

    async def run(venue: Venue) -> None:
        first, second = Socket(venue, "/ws"), Socket(venue, "/ws")
        await settle()
        names = ["a@trade", "b@trade", "c@trade"]
        assert (await first.ask(method="SUBSCRIBE", params=names, id=1))["result"] is None
        assert (await second.ask(method="SUBSCRIBE", params=names, id=1))["result"] is None
        answer = await second.ask(method="SUBSCRIBE", params=["d@trade"], id=2)
        assert answer["error"]["msg"] == "Invalid request: too many subscriptions"
        assert venue.streams.statistics()["channels"] == 3
        await first.leave()
        await second.leave()

    played(run)


def test_a_filter_in_the_feed_can_lose_and_repeat_what_clients_hear() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, f"/ws/{S}@depth@100ms")
        await settle()

        def lose(updates: Sequence[Update]) -> Sequence[Update]:
            return [u for u in updates if type(u) is not BoundaryUpdate or u.time_ns % (300 * NS_PER_MS)]

        venue.streams.feed_filter = lose
        client = DepthClient()
        heard = await hear(venue, socket, 3 * NS_PER_S)
        client.hear(heard[0])
        with pytest.raises(AssertionError):
            client.hear(heard[2])
        venue.streams.feed_filter = lambda updates: [*updates, *updates]
        heard = await hear(venue, socket, 4 * NS_PER_S)
        assert [event["u"] for event in heard[::2]] == [event["u"] for event in heard[1::2]]
        await socket.leave()

    played(run)


def test_streams_follow_a_gateway_to_another_session() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, f"/ws/{S}@trade/{S}@kline_1s")
        await settle()
        assert await hear(venue, socket, 2 * NS_PER_S)
        other = simulated(seed=77)
        venue.gateway.host = other.host
        venue.streams.start()
        assert not venue.listeners
        assert len(other.listeners) == 1
        for _ in other.steps(2 * NS_PER_S):
            other.listeners[0]()
            await settle()
        heard = socket.take()
        trades = [event["t"] for event in heard if event["e"] == "trade"]
        assert trades == list(range(1, other.session.exchange.trade_count + 1))
        venue.streams.stop()
        await socket.task
        assert socket.close_code == 1001
        assert not other.listeners

    played(run)


def test_a_reader_that_missed_updates_counts_the_gap() -> None:
    async def run(venue: Venue) -> None:
        socket = Socket(venue, f"/ws/{S}@depth@100ms")
        await settle()
        venue.market_data._updates = [None] * 5
        venue.advance(2 * NS_PER_S)
        venue.streams.pump()
        assert venue.streams.statistics()["gaps"] > 5
        await socket.leave()

    played(run)
