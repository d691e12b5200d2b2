"""A market with bots that trade, storms and faults, all journaled: what replays and forks are compared on."""

from __future__ import annotations

from engine.broker.journaling import request_commands
from engine.broker.terms import BrokerRequest, OpenAccount
from engine.core.rng import Stream
from engine.core.types import Account, Command, CommandKind, FaultKind, StormKind
from engine.inputs import storm_command
from engine.scenarios.loader import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from tests.broker.bots import MS, Market, random_requests
from tests.recording.fake_session import FakeHost

CHAOS = (
    FaultKind.GHOST,
    StormKind.CRASH,
    FaultKind.LATENCY,
    FaultKind.LIMIT,
    FaultKind.TIMEOUT,
    FaultKind.REORDER,
    StormKind.IGNITION,
)
STEPS = 160
STEP_NS = 50 * MS


class Trading(Market):
    """Two bots at the venue and a target with the native orders, by random streams of their own."""

    def __init__(self, seed: int, host: FakeHost | None = None) -> None:
        """`host`: drives and records the session; else this does."""
        self.host = host
        self.session = fresh(seed) if host is None else host.session
        self.commands: list[Command] = []
        self.draw = Stream(seed, 7)
        self.steps = 0
        self._numbers = self._seen = 0
        first = self.session.broker.first_account
        self.accounts = [first, first + 1]
        self.advance(2_000 * MS)
        for number in self.accounts:
            self.ask(OpenAccount(number, self.number(), f"bot-{number}"))
        self.advance(STEP_NS)

    def put(self, *commands: Command) -> None:
        if self.host is not None:
            self.host.put(*commands)
            return
        for command in commands:
            stamped = self.session.stamp(command)
            self.commands.append(stamped)
            self.session.accept(stamped)

    def advance(self, duration_ns: int, slice_ns: int = STEP_NS) -> None:
        if self.host is not None:
            self.host.run(duration_ns, slice_ns)
            return
        until_ns = self.session.now_ns + duration_ns
        while self.session.now_ns < until_ns:
            self.session.advance(min(until_ns, self.session.now_ns + slice_ns))

    def ask(self, request: BrokerRequest) -> None:
        self.put(*request_commands(request))

    def inputs(self) -> None:
        """What comes in at this step."""
        number, draw = self.steps, self.draw
        self.steps += 1
        for account in self.accounts:
            for request in random_requests(self, draw, account, 10 * number + account):
                self.ask(request)
        if number % 20 == 5:
            kind = CHAOS[number // 20 % len(CHAOS)]
            self.put(storm_command(StormRequest(kind, 0.7, 5.0, number)))
        if number % 5 == 0:
            side = draw.below(2)
            self.put(
                Command(
                    kind=CommandKind.SUBMIT,
                    account=Account.TARGET,
                    side=side,
                    price_ticks=(self.bid if side == 0 else self.ask_price) if number % 10 else 0,
                    qty_lots=2,
                    order_id=1 + number,
                )
            )
        if number % 20 == 9:
            self.put(Command(kind=CommandKind.TARGET_SAMPLE, flags=1, a=10**9 + draw.below(10**6)))

    def step(self, slice_ns: int = STEP_NS) -> None:
        self.inputs()
        self.advance(STEP_NS, slice_ns)


def fresh(seed: int) -> Session:
    return Session(SessionConfig(scenario=load_scenario("minimal"), seed=seed))
