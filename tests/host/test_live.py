"""The live host: pace and requests. Wall time is moved by hand; nothing sleeps."""

from __future__ import annotations

import pytest

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import StormError, UsageError
from engine.core.types import Account, StormKind, TimeInForce
from engine.host import SessionHost, paced
from engine.storms import StormRequest
from engine.venue.market_data import BOUNDARY_NS, BoundaryUpdate
from tests.host.hosts import live

DESK = int(Account.DESK)


def turn(host: SessionHost, wall, ms: float = 10, times: int = 1) -> int:
    """Let wall time pass in steps of ms; session time afterwards."""
    for _ in range(times):
        wall.pass_ms(ms)
        host.turn()
    return host.session.now_ns


# -- pace --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [0.1, 0.5, 1.0, 20.0])
def test_session_time_follows_wall_time_at_its_speed(tmp_path, wall, speed):
    host = live(tmp_path, speed=speed)
    assert turn(host, wall, 10, times=50) == pytest.approx(0.5 * speed * NS_PER_S, rel=1e-6)
    assert host.frame().host.achieved_speed == pytest.approx(speed, rel=0.05)


def test_a_changed_speed_counts_from_the_change(tmp_path, wall):
    host = live(tmp_path, speed=1.0)
    host.turn()
    first_ns = turn(host, wall, 100)
    host.set_speed(10.0)
    host.turn()
    assert turn(host, wall, 100) - first_ns == NS_PER_S
    assert host.frame().host.speed == 10.0


def test_time_stands_while_paused_and_does_not_catch_up(tmp_path, wall):
    host = live(tmp_path, speed=1.0)
    host.pause()
    host.turn()
    stood_ns = host.session.now_ns
    assert turn(host, wall, 1_000, times=5) == stood_ns
    assert host.frame().host.state == "paused"
    host.resume()
    host.turn()
    assert turn(host, wall, 20) - stood_ns == 20 * NS_PER_MS
    host.toggle_pause()
    host.turn()
    assert turn(host, wall, 20) - stood_ns == 20 * NS_PER_MS


def test_a_step_advances_a_paused_session_by_exactly_that_much(tmp_path, wall):
    host = live(tmp_path)
    host.pause()
    host.step(250 * NS_PER_MS)
    host.turn()
    assert host.session.now_ns == 250 * NS_PER_MS
    host.step(0)
    host.turn()
    assert host.session.now_ns == 250 * NS_PER_MS + 1


def test_a_step_of_a_running_session_is_refused_with_words(tmp_path, wall):
    host = live(tmp_path, speed=1.0)
    host.step(NS_PER_S)
    host.turn()
    assert host.session.now_ns < NS_PER_S
    assert "pause first" in host.frame().host.notice


def test_a_lost_second_is_given_up_and_not_chased(tmp_path, wall, monkeypatch):
    """A machine that slept: the pace is taken up anew instead of running behind for ever."""
    host = live(tmp_path, speed=1.0)
    host.turn()
    ticking = iter(range(10**9))
    monkeypatch.setattr(paced, "monotonic_ns", lambda: wall.now_ns + next(ticking) * 5 * NS_PER_MS)
    wall.pass_ms(60_000)
    host.turn()
    reached_ns = host.session.now_ns
    assert reached_ns < NS_PER_S
    host.turn()
    assert host.session.now_ns - reached_ns < NS_PER_S


@pytest.mark.parametrize("speed", [0.0999, 1000.1, 0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_out_of_range_is_refused_at_the_door(tmp_path, speed):
    host = live(tmp_path)
    with pytest.raises(UsageError, match="speed"):
        host.set_speed(speed)
    with pytest.raises(UsageError, match="speed"):
        live(tmp_path, speed=speed)
    for legal in (0.1, 1000.0, None):
        host.set_speed(legal)


def test_speed_and_slices_do_not_change_the_market(tmp_path, wall):
    digests = set()
    for speed, ms in ((1.0, 1), (1.0, 33), (100.0, 7), (None, 1)):
        host = live(tmp_path, speed=speed, until_ns=3 * NS_PER_S)
        while not host.ended:
            turn(host, wall, ms)
        turn(host, wall, 100)
        assert host.session.now_ns == 3 * NS_PER_S
        assert host.frame().host.state == "ended"
        digests.add((host.session.event_digest, host.session.book_digest()))
    assert len(digests) == 1


def test_an_ended_session_stands(tmp_path, wall):
    host = live(tmp_path, until_ns=NS_PER_S)
    host.run_to_end()
    host.submit_order(DESK, 0, 9_000, 1, TimeInForce.GTC, 1)
    assert turn(host, wall, 100, times=3) == NS_PER_S


# -- requests ----------------------------------------------------------------------------------------------


def test_a_full_queue_refuses_and_counts(tmp_path, wall, monkeypatch):
    monkeypatch.setattr(paced, "REQUESTS_LIMIT", 3)
    host = live(tmp_path)
    taken = [host.submit_order(DESK, 0, 9_000, 1, TimeInForce.GTC, n) for n in range(1, 6)]
    assert taken == [True, True, True, False, False]
    assert not host.cancel_all(DESK)
    assert host.statistics()["requests"] == {"fill": 3, "limit": 3, "refused": 3}
    host.turn()
    assert host.frame().host.dropped == 3
    assert host.session.input_count == 3
    assert host.submit_order(DESK, 0, 9_000, 1, TimeInForce.GTC, 9)


@pytest.mark.parametrize(
    ("severity", "duration_s", "seed"),
    [(1.01, 10, 0), (-0.1, 10, 0), (float("nan"), 10, 0), (0.5, 4.9, 0), (0.5, 121, 0), (0.5, 10, -1)],
)
def test_a_bad_storm_is_refused_at_the_door(tmp_path, severity, duration_s, seed):
    host = live(tmp_path)
    with pytest.raises(StormError):
        host.start_storm(StormKind.CRASH, severity, duration_s, seed)
    bad = StormRequest(StormKind.CRASH, severity, duration_s, seed)
    with pytest.raises(StormError):
        live(tmp_path, storms=(bad,))
    host.turn()
    assert host.session.input_count == 0


@pytest.mark.parametrize(
    "change",
    [{"side": 2}, {"tif": 9}, {"account": 16}, {"account": 0}, {"price_ticks": 1 << 64}, {"client_id": -1}],
)
def test_what_can_be_no_order_is_refused_at_the_door_and_never_journaled(tmp_path, change):
    host = live(tmp_path, record=True)
    good = {"account": DESK, "side": 0, "price_ticks": 9_000, "qty_lots": 1, "tif": 0, "client_id": 1}
    before = host.session.input_count
    with pytest.raises(UsageError):
        host.submit_order(**(good | change))
    host.turn()
    assert host.session.input_count == before
    host.stop()


def test_requests_of_one_turn_are_accepted_at_one_time_in_their_order(tmp_path, wall):
    host = live(tmp_path)
    host.advance_to(NS_PER_S)
    for client_id in range(1, 5):
        host.submit_order(DESK, 0, 9_000 + client_id, 1, TimeInForce.GTC, client_id)
    host.advance_to(2 * NS_PER_S)
    reports = host.reports(DESK, 0)
    assert [(r.sequence, r.client_id) for r in reports] == [(n, n) for n in range(1, 5)]
    assert len({r.time_ns for r in reports}) == 1
    host.cancel_order(DESK, 2)
    host.cancel_all(DESK)
    host.advance_to(3 * NS_PER_S)
    assert [r.client_id for r in host.reports(DESK, 4)] == [2, 1, 3, 4]


def test_a_live_market_cannot_be_sought(tmp_path, wall):
    host = live(tmp_path)
    host.seek(0)
    host.turn()
    assert "cannot be sought" in host.frame().host.notice


def test_markers_and_acknowledged_alerts_reach_the_frame(tmp_path, wall):
    host = live(tmp_path)
    host.add_marker("x" * 100)
    host.session.alerts.note(time_ns=0, severity="info", text="look")
    host.acknowledge_alerts()
    host.turn()
    view = host.advance_to(NS_PER_S).market
    assert [(m.kind, m.label) for m in view.markers] == [("user", "x" * 40)]
    assert [a.acknowledged for a in view.alerts] == [True]


def test_frames_are_numbered_and_come_at_most_at_their_rate(tmp_path, wall):
    host = live(tmp_path, speed=1.0, frame_hz=20.0)
    host.turn()
    numbers = []
    for _ in range(100):
        turn(host, wall, 10)
        numbers.append(host.frame().number)
    assert numbers == sorted(numbers)
    assert 15 <= numbers[-1] - numbers[0] <= 21


def test_a_defect_in_the_engine_leaves_a_frame_that_says_so(tmp_path, monkeypatch):
    host = live(tmp_path)

    def broken(_until_ns: int) -> int:
        raise RuntimeError("out of order")

    monkeypatch.setattr(host.session, "advance", broken)
    host._run()
    frame = host.frame()
    assert frame.host.state == "failed"
    assert host.failure == "RuntimeError: out of order"
    assert "out of order" in frame.market.alerts[-1].text


def test_the_engine_thread_starts_and_stops(tmp_path):
    host = live(tmp_path, until_ns=NS_PER_S)
    host.run_thread()
    host.stop()
    host.stop()
    assert host.failure is None


# -- the venue's door --------------------------------------------------------------------------------------


def test_requests_of_bots_draw_no_frame_of_their_own(tmp_path, wall):
    host = live(tmp_path, speed=1.0)
    host.turn()
    number = host.frame().number
    assert host.venue.open_account("bot") >= host.session.broker.first_account
    turn(host, wall, 1)
    assert host.frame().number == number
    host.add_marker("now")
    turn(host, wall, 1)
    assert host.frame().number == number + 1


def test_the_engine_sleeps_until_a_request_arrives(tmp_path, wall):
    host = live(tmp_path, speed=1.0)
    turn(host, wall, 5)
    assert host._idle_s() == paced.IDLE_S
    host.venue.open_account("bot")
    host._take_requests()
    latency_s = host.session.scenario.external_latency_us / 1e6
    assert host._idle_s() == pytest.approx(latency_s)
    turn(host, wall, 1)
    assert host.session.broker.balances(host.session.broker.first_account) is not None
    assert host._idle_s() == paced.IDLE_S


def test_without_a_gateway_public_data_cost_no_looks_at_the_book(tmp_path, wall, monkeypatch):
    monkeypatch.setattr("engine.host.venue_port.monotonic_ns", wall.read)
    host = live(tmp_path, speed=1.0)
    data = host.venue.market_data
    turn(host, wall, 10, times=300)
    seen = data.image.update_id
    assert data.time_ns < NS_PER_S
    assert not data.is_watched

    forget = host.venue.on_news(lambda: None)
    turn(host, wall, 10)
    assert data.image.update_id > seen
    seen_ns = data.time_ns
    assert host.session.now_ns - seen_ns < 10 * NS_PER_MS
    turn(host, wall, 10, times=5)
    assert data.time_ns == seen_ns
    host.pause()
    turn(host, wall, 100, times=2)
    assert data.time_ns == host.session.now_ns
    host.resume()

    data.watch("a stream")
    count = data.update_count
    turn(host, wall, 10, times=100)
    boundaries = [u for u in data.updates_since(count) if type(u) is BoundaryUpdate]
    assert len(boundaries) >= 9
    assert all(u.time_ns % BOUNDARY_NS == 0 for u in boundaries[1:])
    data.unwatch("a stream")
    forget()
