"""The boundary: messages told at once, late, twice or never, and always in the record."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.broker import boundary as module
from engine.broker.boundary import Boundary, Fate, Fault, PublicFate
from engine.broker.terms import (
    BalanceEvent,
    Balances,
    BrokerRequest,
    CancelAllOrders,
    Message,
    Refusal,
    Reply,
)

ONE, TWO = 7, 8


class Kernel:
    """Time in the test's hand."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.due: list[tuple[int, int, Callable[[int, int], None], int]] = []

    def schedule(self, time_ns: int, call: Callable[[int, int], None], payload: int) -> None:
        self.due.append((time_ns, len(self.due), call, payload))

    def advance(self, until_ns: int) -> None:
        for item in sorted(self.due):
            if item[0] <= until_ns:
                self.due.remove(item)
                self.now_ns = item[0]
                item[2](item[0], item[3])
        self.now_ns = until_ns


class Fates(Fault):
    """Does to messages and requests what the test says, one after another."""

    name = "test"

    def __init__(self, *fates: Fate | None, delays_ns: tuple[int, ...] = (), refusal: str = "") -> None:
        self.fates, self.delays_ns = list(fates), list(delays_ns)
        self.refusal = Refusal(refusal)

    def fate(self, message: Message) -> Fate | None:
        return self.fates.pop(0) if self.fates else None

    def delay_ns(self, request: BrokerRequest) -> int:
        return self.delays_ns.pop(0) if self.delays_ns else 0

    def refuse(self, request: BrokerRequest) -> Refusal:
        return self.refusal


class Scene:
    def __init__(self) -> None:
        self.kernel = Kernel()
        self.boundary = Boundary(self.kernel)  # type: ignore[arg-type]
        self.lines: list[dict[str, Any]] = []
        self.boundary.on_line = lambda line: self.lines.append(json.loads(line))
        self.count = 0

    def tell(self, account: int = ONE) -> int:
        self.count += 1
        self.boundary.tell(account, Reply(self.count, account))
        return self.count

    def told(self) -> list[tuple[int, int]]:
        """(number of the reply, when)."""
        return [(one.message.request_id, one.told_ns) for one in self.boundary.told(0)]  # type: ignore[union-attr]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_without_a_fault_everything_is_told_at_once_in_order(scene: Scene) -> None:
    woken: list[int] = []
    scene.boundary.on_told = lambda: woken.append(scene.boundary.told_count)
    for _ in range(3):
        scene.kernel.now_ns += 5
        scene.tell()
    assert scene.told() == [(1, 5), (2, 10), (3, 15)]
    assert [one.sequence for one in scene.boundary.told(0)] == woken == [1, 2, 3]
    assert [one.sequence for one in scene.boundary.told(2)] == [3]
    assert scene.boundary.told(3) == scene.boundary.told(9) == ()


def test_a_reader_that_falls_behind_sees_a_gap(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOLD_KEPT", 4)
    late = Scene()
    for _ in range(10):
        late.tell()
    assert [one.sequence for one in late.boundary.told(2)] == [7, 8, 9, 10]
    assert [one.sequence for one in late.boundary.told(8)] == [9, 10]


def test_a_late_message_holds_up_those_behind_it_of_its_account_alone(scene: Scene) -> None:
    scene.boundary.add(Fates(Fate((100,)), None, None))
    first, second = scene.tell(), scene.tell()
    other = scene.tell(TWO)
    assert scene.told() == [(other, 0)]
    scene.kernel.advance(200)
    assert scene.told() == [(other, 0), (first, 100), (second, 100)]


def test_what_was_held_up_is_told_in_order_after_the_fault_is_over(scene: Scene) -> None:
    fault = Fates(Fate((100,)))
    scene.boundary.add(fault)
    scene.tell()
    scene.boundary.remove(fault)
    scene.kernel.advance(50)
    scene.tell()
    scene.kernel.advance(100)
    scene.tell()
    assert scene.told() == [(1, 100), (2, 100), (3, 100)]


def test_a_message_that_loses_its_place_is_overtaken(scene: Scene) -> None:
    scene.boundary.add(Fates(Fate((100,), keeps_order=False)))
    scene.tell()
    scene.tell()
    scene.kernel.advance(100)
    assert scene.told() == [(2, 0), (1, 100)]


def test_a_message_may_be_told_twice_and_the_second_holds_up_nobody(scene: Scene) -> None:
    scene.boundary.add(Fates(Fate((0, 50))))
    scene.tell()
    scene.tell()
    scene.kernel.advance(60)
    assert scene.told() == [(1, 0), (2, 0), (1, 50)]
    assert [line["seq"] for line in scene.lines] == [1, 2, 3]


def test_a_lost_message_is_in_the_record_and_takes_no_number(scene: Scene) -> None:
    scene.boundary.add(Fates(Fate(())))
    scene.tell()
    scene.tell()
    assert scene.told() == [(2, 0)]
    assert [(line["seq"], line["told_ns"], line["fault"]) for line in scene.lines] == [
        (0, None, "test"),
        (1, 0, ""),
    ]
    assert scene.boundary.lost_count == 1


def test_two_faults_add_up(scene: Scene) -> None:
    scene.boundary.add(Fates(Fate((10, 20))))
    scene.boundary.add(Fates(Fate((1, 2))))
    scene.tell()
    scene.kernel.advance(100)
    assert scene.told() == [(1, 11), (1, 12), (1, 21), (1, 22)]


def test_messages_under_way_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE_LIMIT", 2)
    scene.boundary.add(Fates(*[Fate((10,))] * 3))
    for _ in range(3):
        scene.tell()
    scene.kernel.advance(10)
    assert scene.told() == [(1, 10), (2, 10)]
    assert scene.boundary.statistics()["lost"] == 1


def test_requests_of_one_account_stay_in_order(scene: Scene) -> None:
    scene.boundary.add(Fates(delays_ns=(100, 0, 0)))
    one, two = CancelAllOrders(ONE, 1), CancelAllOrders(TWO, 1)
    assert [scene.boundary.delay_of(request) for request in (one, one, two)] == [100, 100, 0]
    scene.kernel.advance(40)
    assert scene.boundary.delay_of(one) == 60
    scene.kernel.advance(100)
    assert scene.boundary.delay_of(one) == 0


def test_the_first_fault_that_refuses_says_why(scene: Scene) -> None:
    request = CancelAllOrders(ONE, 1)
    assert scene.boundary.refuse(request) == Refusal.NONE
    scene.boundary.add(Fates())
    scene.boundary.add(Fates(refusal="overloaded"))
    scene.boundary.add(Fates(refusal="rejected"))
    assert scene.boundary.refuse(request) == Refusal.OVERLOADED
    assert scene.boundary.public_fate(1) == PublicFate.TELL


def test_a_boundary_goes_on_after_an_image_with_what_was_under_way(scene: Scene) -> None:
    scene.boundary.add(Fates(Fate((100,)), delays_ns=(70,)))
    scene.tell()
    scene.boundary.tell(ONE, BalanceEvent(ONE, Balances(1, 0, 2, 0)))
    scene.boundary.delay_of(CancelAllOrders(ONE, 1))
    copy = Scene()
    copy.boundary.restore(msgspec.json.decode(msgspec.json.encode(scene.boundary.state())))
    copy.kernel.due = [
        (time_ns, n, copy.boundary._come_due, number) for time_ns, n, _, number in scene.kernel.due
    ]
    assert copy.boundary.delay_of(CancelAllOrders(ONE, 1)) == 70
    for one in (scene, copy):
        one.kernel.advance(100)
    assert [one.message for one in copy.boundary.told(0)] == [one.message for one in scene.boundary.told(0)]
    assert copy.boundary.digest == scene.boundary.digest != 0


def test_a_reader_gets_everything_once_while_another_thread_tells(scene: Scene) -> None:
    count = 20_000
    teller = threading.Thread(target=lambda: [scene.tell() for _ in range(count)])
    teller.start()
    heard: list[int] = []
    while len(heard) < count:
        heard += [one.sequence for one in scene.boundary.told(len(heard))]
    teller.join()
    assert heard == list(range(1, count + 1))
