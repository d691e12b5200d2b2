"""The session: the one place where a market is wired together, for every face alike.

Its state is a pure function of (scenario, seed, source, inputs). Time moves only through `advance`;
inputs enter only through `accept`, at the session's present, and take effect strictly later, so live and
replayed sessions see the same order of things whatever the slicing.

    session = Session(SessionConfig(scenario=load_scenario("balanced"), seed=42))
    session.advance(5 * NS_PER_S)
    session.accept(session.stamp(Command(kind=CommandKind.STORM_START, ...)))
"""

from __future__ import annotations

import pickle
from collections import deque
from typing import Any, NamedTuple

from engine.agents.base import Agent
from engine.agents.demo_maker import DemoMaker
from engine.agents.fundamental import Fundamental
from engine.agents.registry import ARCHETYPES
from engine.analytics.features import Analytics, Sample
from engine.core.alerts import AlertStore
from engine.core.errors import UsageError
from engine.core.rng import Stream
from engine.core.types import Account, Command, CommandKind, Instrument, Regime, StormKind
from engine.feeds.history import HistoryLead, HistoryPlayer
from engine.feeds.source import HistoricalSource, open_source
from engine.frame import MarketView
from engine.inputs import check_command, storm_request
from engine.market.exchange import Exchange
from engine.market.kernel import Kernel
from engine.market.orders import ExecutionReport
from engine.scenarios.loader import Scenario
from engine.storms.base import LeadPrice
from engine.storms.catalogue import CATALOGUE
from engine.storms.deck import StormDeck
from engine.view import build_market_view

__all__ = ["AccountInfo", "Session", "SessionConfig"]

REPORTS_KEPT = 10_000
"""Execution reports kept per external account; a reader that falls further behind sees a gap."""
MARKERS_KEPT = 1_000


class SessionConfig(NamedTuple):
    """What a session is a function of, besides its inputs."""

    scenario: Scenario
    seed: int = 42
    source: str | None = None
    """Path of a historical source; None = the simulated market."""
    target_agent: bool = False
    """Run the demo bot's strategy inside, as an agent on the TARGET account."""


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


class Session:
    """One running market."""

    def __init__(self, config: SessionConfig) -> None:
        scenario = config.scenario
        self.scenario = scenario
        self.seed = config.seed
        self.source: HistoricalSource | None = None if config.source is None else open_source(config.source)
        self.kernel = Kernel()
        self.exchange = Exchange(kernel=self.kernel, instrument=self._instrument(), fees=scenario.fees)
        self.analytics = Analytics(self.exchange)
        self.analytics.on_sample.append(self._watch_sample)
        self.accounts: dict[int, AccountInfo] = {
            int(Account.DESK): AccountInfo("me", "desk", None),
            int(Account.TARGET): AccountInfo("bot", "target", None),
        }
        self.alerts = AlertStore()
        self.markers: deque[Marker] = deque(maxlen=MARKERS_KEPT)
        self.fundamental: Fundamental | None = None
        self.history: HistoryPlayer | None = None
        lead = self._build_flow()
        self.storms = StormDeck(exchange=self.exchange, seed=config.seed, lead=lead)
        for kind in StormKind:
            self.accounts[Account.FIRST_STORM + kind] = AccountInfo(
                f"storm:{CATALOGUE[kind].name}", "storm", None
            )
        if config.target_agent:
            self._add_target_agent()
        self.analytics.start()
        self.input_count = 0
        """Inputs accepted so far; their sequence numbers run from 1."""
        self._reports: dict[int, deque[ExecutionReport]] = {}
        for account in (int(Account.DESK), int(Account.TARGET)):
            self._reports[account] = deque(maxlen=REPORTS_KEPT)
            self.exchange.matching.on_report[account] = self._keep_report

    # -- time and inputs -------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Session time."""
        return self.kernel.now_ns

    def advance(self, until_ns: int) -> int:
        """Process everything up to and including until_ns. Returns the number of kernel events."""
        return self.kernel.run_until(until_ns)

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
            "storm_kind": None if active is None else CATALOGUE[active.kind].label,
        }

    def add_marker(self, kind: str, label: str) -> None:
        """Mark the present; for readers, not part of the market's state."""
        self.markers.append(Marker(self.now_ns, kind, label))

    def reports(self, account: int, since: int) -> tuple[ExecutionReport, ...]:
        """Execution reports of an external account with sequence > since, oldest first."""
        # Readers are other threads: copy first (one atomic step), then cut by the gap-free sequence.
        kept = tuple(self._reports.get(account, ()))
        later = kept[-1].sequence - since if kept else 0
        return kept[-later:] if later > 0 else ()

    def market_view(self) -> MarketView:
        """The market part of a frame."""
        return build_market_view(self)

    @property
    def end_ns(self) -> int | None:
        """When a historical source has no more to say."""
        return None if self.source is None else self.source.duration_ns

    # -- futures ---------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The whole state as bytes, for this process only (never read back from a file)."""
        return pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def restore(data: bytes, *, like: Session | None = None) -> Session:
        """The session that `snapshot` of this process saved; `like` lends its loaded source records."""
        session = pickle.loads(data)
        assert isinstance(session, Session)
        if session.source is not None and like is not None and like.source is not None:
            session.source.share_records(like.source)
        return session

    def fork(self) -> Session:
        """A second future from this instant, on the same random streams."""
        return Session.restore(self.snapshot(), like=self)

    def statistics(self) -> dict[str, dict[str, int]]:
        """Fill, limits and drops of all bounded parts."""
        return {
            "kernel": self.kernel.statistics(),
            "storms": self.storms.statistics(),
            "analytics": self.analytics.statistics(),
            "reports": {str(a): len(kept) for a, kept in self._reports.items()} | {"limit": REPORTS_KEPT},
            **self.exchange.statistics(),
        }

    # -- wiring ----------------------------------------------------------------------------------------

    def _instrument(self) -> Instrument:
        return self.scenario.instrument if self.source is None else self.source.instrument

    def _build_flow(self) -> LeadPrice:
        """Who makes the market: the scenario's agents, or a recorded exchange."""
        if self.source is not None:
            self.accounts[int(Account.HISTORY)] = AccountInfo("HISTORY", "history", None)
            self.history = HistoryPlayer(self.exchange, self.source)
            self.history.on_halt.append(self._note_halt)
            self.history.start()
            return HistoryLead(self.history)
        if self.scenario.fundamental is None:
            raise UsageError(
                f"scenario {self.scenario.name!r} has no agents and no source: "
                "name a data file with --source or another scenario"
            )
        self.fundamental = Fundamental(self.seed, self.scenario.fundamental)
        account = int(Account.FIRST_AGENT)
        for group in self.scenario.groups:
            for number in range(1, group.members + 1):
                agent = self._agent(group.kind, number, account, group.latency_us, group.params)
                self.accounts[account] = AccountInfo(agent.name, agent.kind, agent.limit_lots)
                agent.start()
                account += 1
        return FundamentalLead(self.fundamental)

    def _agent(self, kind: str, number: int, account: int, latency_us: int, params: Any) -> Agent:
        build: Any = ARCHETYPES[kind].agent
        agent: Agent = build(
            account=account,
            name=f"{kind}-{number}",
            rng=Stream(self.seed, account),
            exchange=self.exchange,
            fundamental=self.fundamental,
            latency_ns=latency_us * 1_000,
            params=params,
        )
        return agent

    def _add_target_agent(self) -> None:
        agent = DemoMaker(
            account=int(Account.TARGET),
            name="bot",
            rng=Stream(self.seed, int(Account.TARGET)),
            exchange=self.exchange,
            fundamental=self.fundamental,
            latency_ns=self.scenario.external_latency_us * 1_000,
        )
        self.accounts[int(Account.TARGET)] = AccountInfo("bot", "target", agent.limit_lots)
        agent.start()

    def _dispatch(self, command: Command) -> None:
        latency_ns = self.scenario.external_latency_us * 1_000
        exchange = self.exchange
        kind = command.kind
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
        elif kind in (CommandKind.CANCEL, CommandKind.REPLACE):
            self.kernel.schedule(self.now_ns + latency_ns, self._change_order, command)
        elif kind == CommandKind.CANCEL_ALL:
            exchange.send_cancel_all(account=command.account, latency_ns=latency_ns)
        elif kind in (CommandKind.STORM_START, CommandKind.STORM_STOP):
            self.kernel.schedule(self.now_ns + 1, self._storm, command)
        elif kind == CommandKind.RECORD_START:
            self.add_marker("record", "recording")
        elif kind == CommandKind.RECORD_STOP:
            self.add_marker("record", "recorded")
        elif kind == CommandKind.TARGET_SAMPLE:
            self._watch_target(command)

    def _change_order(self, _now_ns: int, command: Command) -> None:
        """A cancel or replace by client id, looked up when it arrives."""
        order_id = self.exchange.order_id_of(command.account, command.order_id)
        if order_id is None:
            return
        if command.kind == CommandKind.CANCEL:
            self.exchange.cancel_now(account=command.account, order_id=order_id)
        else:
            self.exchange.replace_now(
                account=command.account,
                order_id=order_id,
                price_ticks=command.price_ticks,
                qty_lots=command.qty_lots,
            )

    def _storm(self, _now_ns: int, command: Command) -> None:
        if command.kind == CommandKind.STORM_START:
            self.storms.start(storm_request(command))
        else:
            self.storms.stop(StormKind(command.storm) if command.storm else None)

    def _note_halt(self, time_ns: int, gap: str) -> None:
        self.alerts.note(time_ns=time_ns, severity="critical", text=f"HISTORY halted: {gap}")
        self.add_marker("gap", "feed gap")

    def _watch_target(self, sample: Command) -> None:
        if sample.flags & 1:
            self.alerts.clear("target")
            return
        self.alerts.raise_alert(
            "target", time_ns=self.now_ns, severity="warning", text="target does not answer"
        )

    def _watch_sample(self, sample: Sample) -> None:
        """Alerts on the regime: one when it leaves calm waters, the next after it has been calm again."""
        if sample.regime >= Regime.AGGRESSIVE:
            self.alerts.raise_alert(
                f"regime-{sample.regime}",
                time_ns=sample.time_ns,
                severity="critical" if sample.regime == Regime.CRISIS else "warning",
                text=f"regime {sample.regime.name.lower()} (score {sample.regime_score:.1f})",
            )
        elif sample.regime == Regime.CALM:
            for level in (Regime.AGGRESSIVE, Regime.CRISIS):
                self.alerts.clear(f"regime-{level}")

    def _keep_report(self, report: ExecutionReport) -> None:
        self._reports[report.account].append(report)
