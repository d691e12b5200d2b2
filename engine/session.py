"""The session: the one place where a market is wired together, for every face alike.

Its state is a pure function of (scenario, seed, source, inputs). Time moves only through `advance`;
inputs enter only through `accept`, at the session's present, and take effect strictly later, so live and
replayed sessions see the same order of things whatever the slicing.

    session = Session(SessionConfig(scenario=load_scenario("balanced"), seed=42))
    session.advance(5 * NS_PER_S)
    session.accept(session.stamp(Command(kind=CommandKind.STORM_START, ...)))
"""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import Any, NamedTuple

from engine.agents.base import Agent
from engine.agents.demo_maker import DemoMaker
from engine.agents.fundamental import Fundamental
from engine.agents.population import Population
from engine.analytics.readings import Analytics
from engine.broker.broker import BOT_ACCOUNTS, Broker
from engine.broker.journaling import RequestText
from engine.broker.terms import BrokerNote, BrokerRequest
from engine.core.alerts import AlertStore
from engine.core.errors import UsageError
from engine.core.rng import Stream
from engine.core.target_sample import is_ledgers
from engine.core.types import ALL_ACCOUNTS, Account, Command, CommandKind, Instrument, Regime, StormKind
from engine.detectors import Detection
from engine.evidence import QUIET_NS, alarm_evidence, alarm_severity, regime_evidence, trip_evidence
from engine.feeds.history import HistoryLead, HistoryPlayer
from engine.feeds.itch.source import ItchSource
from engine.feeds.level_player import LevelPlayer
from engine.feeds.opening import Source, open_source
from engine.feeds.order_player import OrderPlayer
from engine.frame import MarketView, SymbolView
from engine.gatekeeper import GateEntry, Gatekeeper
from engine.image import SessionImage, restore_session, take_image
from engine.inputs import check_command, storm_request
from engine.loop import Loop
from engine.market.exchange import Exchange
from engine.market.orders import ExecutionReport
from engine.scenarios.loader import Scenario
from engine.score.card import BotCard
from engine.score.score import Score
from engine.storms.accounts import TAIL_ACCOUNTS, crowd_account, storm_account
from engine.storms.base import LeadPrice
from engine.storms.catalogue import CATALOGUE, entry_of
from engine.storms.deck import StormDeck
from engine.storms.request import kind_of
from engine.view import build_market_view

__all__ = ["AccountInfo", "Session", "SessionConfig"]

REPORTS_KEPT = 10_000
"""Execution reports kept per external account; a reader that falls further behind sees a gap."""
MARKERS_KEPT = 1_000
_ORDER_COMMANDS = (CommandKind.SUBMIT, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.CANCEL_ALL)


class SessionConfig(NamedTuple):
    """What a session is a function of, besides its inputs."""

    scenario: Scenario
    seed: int = 42
    source: str | None = None
    """Path of a historical source; None = the simulated market."""
    symbol: str | None = None
    """Which of the source's instruments; None = its busiest, or first."""
    target_agent: bool = False
    """Run the demo bot's strategy inside, as an agent on the TARGET account."""
    analytics: bool = True
    """False: no features are computed, to measure what they cost."""
    detectors: bool = True
    """False: nobody looks for manipulation, to measure what it costs."""
    agents: tuple[type[Agent], ...] = ()
    """More agents, in Python. Sessions with them cannot be recorded: a run holds no code."""


class AccountInfo(NamedTuple):
    """Who is behind an account number."""

    name: str
    kind: str
    limit_lots: int | None


class Marker(NamedTuple):
    """A moment worth jumping to."""

    time_ns: int
    kind: str
    label: str


class FundamentalLead(LeadPrice):
    """The faster venue of a simulated market: it trades at the fundamental."""

    def __init__(self, fundamental: Fundamental) -> None:
        self.fundamental = fundamental

    def ticks(self, now_ns: int) -> float | None:
        return self.fundamental.value_ticks(now_ns)

    @property
    def can_jump(self) -> bool:
        return True

    def jump(self, now_ns: int, ticks: int) -> None:
        self.fundamental.jump(now_ns, ticks)


class Session:
    """One running market."""

    owner_key = "session"

    def __init__(self, config: SessionConfig, *, source: Source | None = None) -> None:
        """`source`: the config's, when it is open already."""
        scenario = config.scenario
        self.config = config
        self.scenario = scenario
        self.seed = config.seed
        if source is None and config.source is not None:
            source = open_source(config.source, symbol=config.symbol)
        self.source = source
        members = sum(group.members for group in scenario.groups) + len(config.agents)
        first_bot = int(Account.FIRST_AGENT) + members
        self.exchange = Exchange(
            instrument=self._instrument(),
            fees=scenario.fees,
            accounts=first_bot + BOT_ACCOUNTS + TAIL_ACCOUNTS,
        )
        self.kernel = self.exchange.kernel
        self.analytics = Analytics(self.exchange.arena, unit_lots=self.exchange.instrument.unit_lots)
        self.accounts: dict[int, AccountInfo] = {
            int(Account.DESK): AccountInfo("me", "desk", None),
            int(Account.TARGET): AccountInfo("bot", "target", None),
        }
        self.alerts = AlertStore()
        self.markers: deque[Marker] = deque(maxlen=MARKERS_KEPT)
        self.history: HistoryPlayer | None = None
        self.population = self._populate()
        self.detection = Detection(self.exchange.arena) if config.detectors else None
        self.loop = Loop(
            self.exchange,
            population=self.population,
            analytics=self.analytics if config.analytics else None,
            detection=self.detection,
        )
        self.loop.on_look.append(self._watch_sample)
        lead = self._start_flow()
        self.broker = self._make_broker(first_bot)
        self.gatekeeper = self._make_gatekeeper()
        self.score = self._make_score()
        self.storms = StormDeck(
            exchange=self.exchange, seed=config.seed, lead=lead, boundary=self.broker.boundary
        )
        self.storms.on_note = self.score.take_storm
        for kind in StormKind:
            account = storm_account(kind, self.exchange)
            self.accounts[account] = AccountInfo(f"storm:{CATALOGUE[kind].name}", "storm", None)
        self.accounts[crowd_account(self.exchange)] = AccountInfo("storm:crowd", "storm", None)
        self.python_agents: list[Agent] = []
        """Agents that Python runs; their accounts follow those of the scenario's."""
        if config.target_agent:
            self._add_agent(DemoMaker, account=int(Account.TARGET), name="bot")
        for number, agent in enumerate(config.agents, 1):
            account = int(Account.FIRST_AGENT) + len(self.population.members) + number - 1
            self._add_agent(agent, account=account, name=f"{agent.kind}-{number}")
        if config.analytics:
            self.loop.start_samples()
        self.request_text = RequestText()
        self.input_count = 0
        """Inputs accepted so far; their sequence numbers run from 1."""
        self.kept_reports: dict[int, deque[ExecutionReport]] = {}
        """Execution reports of the external accounts, oldest first."""
        for account in (int(Account.DESK), int(Account.TARGET)):
            self.kept_reports[account] = deque(maxlen=REPORTS_KEPT)
            # The score wants to see the book as a fill of the target leaves it.
            self.exchange.hear(account, self._keep_report, acts=account == Account.TARGET)

    # -- time and inputs -------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Session time."""
        return self.kernel.now_ns

    def advance(self, until_ns: int) -> int:
        """Process everything up to and including until_ns. Returns the number of kernel events."""
        return self.loop.run_until(until_ns)

    def stamp(self, command: Command) -> Command:
        """The command with the session's present time and the next input sequence."""
        return command._replace(time_ns=self.now_ns, sequence=self.input_count + 1)

    def accept(self, command: Command) -> None:
        """Take a stamped input at the present; its effect is strictly later.

        Raises UsageError (StormError) for an input out of range, which then counts for nothing.
        """
        assert command.time_ns == self.now_ns, "an input is accepted at its own time"
        assert command.sequence == self.input_count + 1, "inputs are accepted in sequence"
        check_command(command)
        if command.kind == CommandKind.STORM_START:
            self.storms.check(storm_request(command))
        self.input_count += 1
        self._dispatch(command)

    # -- results ---------------------------------------------------------------------------------------

    @property
    def event_count(self) -> int:
        """Public feed events so far."""
        return self.exchange.log.count

    @property
    def event_digest(self) -> int:
        """Running digest of all public events."""
        return self.exchange.log.digest

    @property
    def told_digest(self) -> int:
        """Running digest of what bots at the venue were told."""
        return self.broker.boundary.digest

    def book_digest(self) -> int:
        """Canonical L2 digest of the book as it is."""
        return self.exchange.book.digest()

    def tick_row(self) -> dict[str, Any]:
        """The fields of one ticks.jsonl row that the session determines (flowlab.md section 6)."""
        sample = self.analytics.latest
        active = next(iter(self.storms.active.values()), None)
        tick = float(self.exchange.instrument.tick_size)
        return {
            "ts_ns": self.now_ns,
            "seq": self.event_count,
            "mid": None if sample is None or sample.mid_ticks is None else sample.mid_ticks * tick,
            "microprice": None
            if sample is None or sample.microprice_ticks is None
            else sample.microprice_ticks * tick,
            "spread_bps": None if sample is None else sample.spread_bps,
            "vpin": None if sample is None else sample.vpin,
            "imbalance": None if sample is None else sample.imbalance,
            "bid_depth": None if sample is None else sample.bid_depth_lots,
            "ask_depth": None if sample is None else sample.ask_depth_lots,
            "regime": None if sample is None else int(sample.regime),
            "events_per_sec": None if sample is None else sample.events_per_s,
            "storm_active": active is not None,
            "storm_kind": None if active is None else entry_of(active.kind).label,
        }

    def add_marker(self, kind: str, label: str) -> None:
        """Mark the present; for readers, not part of the market's state."""
        self.markers.append(Marker(self.now_ns, kind, label))

    def restore_markers(self, rows: list[list[Any]]) -> None:
        """Takes over the markers of an image."""
        self.markers = deque((Marker(*row) for row in rows), maxlen=MARKERS_KEPT)

    def reports(self, account: int, since: int) -> tuple[ExecutionReport, ...]:
        """Execution reports of an external account with sequence > since, oldest first."""
        # Readers are other threads: copy first (one atomic step), then cut by the gap-free sequence.
        kept = tuple(self.kept_reports.get(account, ()))
        later = kept[-1].sequence - since if kept else 0
        return kept[-later:] if later > 0 else ()

    @cached_property
    def source_symbols(self) -> tuple[SymbolView, ...]:
        """All instruments of the source, the busiest first; none without one."""
        source = self.source
        if source is None:
            return ()
        if isinstance(source, ItchSource):
            return tuple(SymbolView(stock.symbol, stock.messages) for stock in source.stocks if stock.symbol)
        busiest = sorted(source.symbols.items(), key=lambda item: (-item[1], item[0]))
        return tuple(SymbolView(symbol, messages) for symbol, messages in busiest)

    def bot_cards(self) -> tuple[BotCard, ...]:
        """Score cards of all bots, as things stand."""
        return self.score.cards()

    def market_view(self) -> MarketView:
        """The market part of a frame."""
        return build_market_view(self)

    @property
    def end_ns(self) -> int | None:
        """When a historical source has no more to say."""
        return None if self.source is None else self.source.duration_ns

    # -- futures ---------------------------------------------------------------------------------------

    def image(self) -> SessionImage:
        """The whole state. Raises UsageError when a part of it cannot be part of an image."""
        return take_image(self)

    def resume(self, image: SessionImage) -> Session:
        """A session of the same config that goes on from an image of it."""
        session = Session(self.config, source=self.source)
        restore_session(session, image)
        return session

    def fork(self) -> Session:
        """A second future from this instant, on the same random streams."""
        return self.resume(self.image())

    def owners(self) -> dict[str, object]:
        """Whose callbacks may wait in the kernel, by their `owner_key`."""
        owners: dict[str, object] = {self.owner_key: self, **self.storms.owners()}
        parts = (self.broker, self.broker.boundary, self.gatekeeper, self.score)
        owners.update((part.owner_key, part) for part in parts)
        owners.update((agent.owner_key, agent) for agent in self.python_agents)
        if self.history is not None:
            owners[self.history.owner_key] = self.history
        return owners

    def statistics(self) -> dict[str, dict[str, int]]:
        """Fill, limits and drops of all bounded parts."""
        return {
            "kernel": self.kernel.statistics(),
            "storms": self.storms.statistics(),
            "broker": self.broker.statistics(),
            "boundary": self.broker.boundary.statistics(),
            "gatekeeper": self.gatekeeper.statistics(),
            "score": self.score.statistics(),
            "alerts": self.alerts.statistics(),
            "analytics": self.analytics.statistics(),
            "reports": {str(a): len(kept) for a, kept in self.kept_reports.items()} | {"limit": REPORTS_KEPT},
            **({} if self.history is None else {"history": self.history.statistics()}),
            **self.exchange.statistics(),
        }

    # -- wiring ----------------------------------------------------------------------------------------

    def _instrument(self) -> Instrument:
        return self.scenario.instrument if self.source is None else self.source.instrument

    def _populate(self) -> Population:
        """The scenario's agents; none where a recorded exchange makes the market."""
        scenario = self.scenario
        if self.source is not None:
            return Population(seed=self.seed, arena=self.exchange.arena)
        if scenario.fundamental is None:
            raise UsageError(
                f"scenario {scenario.name!r} has no agents and no source: "
                "name a data file with --source or another scenario"
            )
        return Population(
            seed=self.seed,
            groups=scenario.groups,
            fundamental=scenario.fundamental,
            arena=self.exchange.arena,
        )

    def _start_flow(self) -> LeadPrice:
        """Lets those who make the market begin: the scenario's agents, or a recorded exchange."""
        if self.source is not None:
            self.accounts[int(Account.HISTORY)] = AccountInfo("HISTORY", "history", None)
            self.history = (
                OrderPlayer(self.exchange, self.source)
                if isinstance(self.source, ItchSource)
                else LevelPlayer(self.exchange, self.source)
            )
            if self.detection is not None:
                self.detection.see_orders(isinstance(self.source, ItchSource))
            self.history.on_halt.append(self._note_halt)
            self.history.start()
            return HistoryLead(self.history)
        for member in self.population.members:
            self.accounts[member.account] = AccountInfo(member.name, member.kind, member.limit_lots)
        self.population.start(self.exchange.market)
        assert self.population.fundamental is not None
        return FundamentalLead(self.population.fundamental)

    def _add_agent(self, kind: type[Agent], *, account: int, name: str) -> None:
        agent = kind(
            account=account,
            name=name,
            rng=Stream(self.seed, account),
            exchange=self.exchange,
            fundamental=self.population.fundamental,
            latency_ns=self.scenario.external_latency_us * 1_000,
        )
        self.python_agents.append(agent)
        self.accounts[account] = AccountInfo(name, kind.kind, agent.limit_lots)
        agent.start()

    def _dispatch(self, command: Command) -> None:
        latency_ns = self.scenario.external_latency_us * 1_000
        exchange = self.exchange
        kind = command.kind
        if kind in _ORDER_COMMANDS:
            self.score.take_command(command)
        if kind == CommandKind.SUBMIT:
            exchange.send(
                account=command.account,
                side=command.side,
                price_ticks=command.price_ticks,
                qty_lots=command.qty_lots,
                time_in_force=command.time_in_force,
                latency_ns=latency_ns,
                client_id=command.order_id,
            )
        elif kind == CommandKind.CANCEL:
            exchange.send_cancel(account=command.account, client_id=command.order_id, latency_ns=latency_ns)
        elif kind == CommandKind.REPLACE:
            exchange.send_replace(
                account=command.account,
                client_id=command.order_id,
                price_ticks=command.price_ticks,
                qty_lots=command.qty_lots,
                latency_ns=latency_ns,
            )
        elif kind == CommandKind.CANCEL_ALL:
            exchange.send_cancel_all(account=command.account, latency_ns=latency_ns)
        elif kind in (CommandKind.STORM_START, CommandKind.STORM_STOP):
            self.kernel.schedule(self.now_ns + 1, self._storm, command)
        elif kind == CommandKind.GATE:
            self.gatekeeper.throw(command)
        elif kind == CommandKind.RECORD_START:
            self.add_marker("record", "recording")
        elif kind == CommandKind.RECORD_STOP:
            self.add_marker("record", "recorded")
        elif kind == CommandKind.TARGET_SAMPLE:
            self._watch_target(command)
        elif (request := self.request_text.take(command)) is not None:
            self._check_account(request)
            self.broker.accept(request)

    def _make_broker(self, first_bot: int) -> Broker:
        scenario = self.scenario
        anchor = scenario.fundamental.anchor_ticks if scenario.fundamental is not None else None
        broker = Broker(
            self.exchange,
            fees=scenario.fees,
            start=scenario.venue.balances(self.exchange.instrument, None if anchor is None else int(anchor)),
            first_account=first_bot,
            latency_ns=scenario.external_latency_us * 1_000,
        )
        broker.on_account_opened = self._note_account
        broker.on_report = self._keep_report
        return broker

    def _make_gatekeeper(self) -> Gatekeeper:
        keeper = Gatekeeper(self.exchange, self.scenario, outside=self._outside, cancel_all=self._cancel_all)
        keeper.on_entry = self._note_gate
        return keeper

    def _outside(self) -> list[int]:
        """Accounts that are not part of the market itself: desk, target, bots, storms."""
        first = self.broker.first_account
        storms = [storm_account(kind, self.exchange) for kind in StormKind] + [crowd_account(self.exchange)]
        return [int(Account.DESK), int(Account.TARGET), *storms, *range(first, first + BOT_ACCOUNTS)]

    def _cancel_all(self, account: int) -> None:
        self.broker.halt(account)
        self.exchange.enter_cancel_all(account)

    def _note_gate(self, entry: GateEntry) -> None:
        if entry.what == "kill" and entry.account == ALL_ACCOUNTS:
            self.storms.stop()
        key = f"gate:{entry.account}:"
        if entry.what in ("trip", "kill"):
            self.score.take_breach(entry.account, entry.time_ns, entry.reason)
            text = f"gate: {self.account_name(entry.account)} latched, {entry.reason.replace('_', ' ')}"
            state = self.exchange.gate.state(entry.account) if entry.what == "trip" else None
            self.alerts.raise_alert(
                key + entry.reason,
                time_ns=entry.time_ns,
                severity="critical",
                text=text,
                kind="gate",
                evidence=None
                if state is None
                else trip_evidence(state, self.exchange.instrument.tick_lot_value),
            )
            self.add_marker("gate", text)
        elif entry.what in ("reset", "start_of_day"):
            self.alerts.clear_all("gate:" if entry.account == ALL_ACCOUNTS else key, entry.time_ns)

    def account_name(self, account: int) -> str:
        """Who is behind an account number; the number where nobody is yet."""
        if account == ALL_ACCOUNTS:
            return "everybody"
        known = self.accounts.get(account)
        return f"account {account}" if known is None else known.name

    def _make_score(self) -> Score:
        score = Score(self.exchange, self.broker, self.scenario.thresholds)
        self.broker.boundary.witness = score.witness
        self.exchange.on_attention = self._attend
        return score

    def _attend(self) -> None:
        """The score looks first: what the broker does changes the book."""
        self.score.attend()
        self.broker.attend()
        self.storms.attend()
        self.gatekeeper.note_trips()

    def _note_account(self, number: int, label: str) -> None:
        self.score.open_account(number, label)
        if number != Account.TARGET:
            self.accounts[number] = AccountInfo(label, "bot", None)
            self.gatekeeper.guard(number)

    def _check_account(self, request: BrokerRequest | BrokerNote) -> None:
        """A request names the target or an account for bots."""
        first = self.broker.first_account
        if request.account != Account.TARGET and not first <= request.account < first + BOT_ACCOUNTS:
            raise UsageError(
                f"account {request.account} is no bot's: use 2 (the target) or {first} and above"
            )

    def _storm(self, _now_ns: int, command: Command) -> None:
        if command.kind == CommandKind.STORM_START:
            request = storm_request(command)
            if isinstance(request.kind, StormKind) and self.gatekeeper.is_killed(
                storm_account(request.kind, self.exchange)
            ):
                text = f"{request.kind.name.lower()} not started: the kill switch is on"
                self.alerts.note(time_ns=self.now_ns, severity="warning", text=text, kind="gate")
                return
            self.storms.start(request)
        else:
            self.storms.stop(kind_of(command.storm) if command.storm else None)

    def _note_halt(self, time_ns: int, gap: str) -> None:
        self.exchange.gate.note_gap()
        self.alerts.note(time_ns=time_ns, severity="critical", text=f"HISTORY halted: {gap}", kind="feed")
        self.add_marker("gap", "feed gap")

    def _watch_target(self, sample: Command) -> None:
        self.score.take_word(sample)
        if is_ledgers(sample):
            return
        name = "target" if sample.side == 0 else f"target {sample.side + 1}"
        if sample.flags & 1:
            self.alerts.clear(name, self.now_ns)
            return
        self.alerts.raise_alert(
            name, time_ns=self.now_ns, severity="warning", text=f"{name} does not answer", kind="target"
        )

    def _watch_sample(self) -> None:
        """Alerts on what detectors have found, and on the regime: one when it leaves calm waters, the next
        after it has been calm again."""
        if self.detection is not None:
            for alarm in self.detection.take():
                name = alarm.kind.name.lower()
                self.alerts.note(
                    time_ns=alarm.time_ns,
                    severity=alarm_severity(alarm),
                    text=name.replace("_", " "),
                    kind="detector",
                    key=f"detector:{name}",
                    quiet_ns=QUIET_NS,
                    evidence=alarm_evidence(alarm, self.exchange.log),
                )
        sample = self.analytics.latest
        assert sample is not None
        if sample.regime >= Regime.AGGRESSIVE:
            self.alerts.raise_alert(
                f"regime-{sample.regime}",
                time_ns=sample.time_ns,
                severity="critical" if sample.regime == Regime.CRISIS else "warning",
                text=f"regime {sample.regime.name.lower()} (score {sample.regime_score:.1f})",
                kind="regime",
                evidence=regime_evidence(sample),
            )
        elif sample.regime == Regime.CALM:
            for level in (Regime.AGGRESSIVE, Regime.CRISIS):
                self.alerts.clear(f"regime-{level}", sample.time_ns)

    def _keep_report(self, report: ExecutionReport) -> None:
        if (kept := self.kept_reports.get(report.account)) is not None:
            kept.append(report)
        if report.account != Account.DESK:
            self.score.take_report(report)
