"""The gatekeeper of a session: gives accounts their limits, throws the gate's switches, says what tripped.

Stop 1 on the data path. The gate itself (market/risk.py) judges orders; here stand the things that people
and scenarios do to it, as inputs, so that a run replays them. A kill is whole: the account's orders leave
the book and the broker in the same instant, what is under way is refused when it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from engine.core.errors import ScenarioError, UsageError
from engine.core.types import ALL_ACCOUNTS, Account, Command, CommandKind, GateAction
from engine.market.exchange import Exchange
from engine.market.orders import Reason
from engine.market.risk import GUARDS, AccountLimits
from engine.scenarios.loader import Scenario

__all__ = ["LIMIT_NAMES", "GateEntry", "Gatekeeper", "check_gate_command", "gate_command"]

LOG_LIMIT = 10_000
"""Rows of the log kept; older ones are dropped (counted)."""
LIMIT_NAMES = AccountLimits._fields
"""A limit's number in a command is its place here."""


class GateEntry(NamedTuple):
    """Something happened at the gate."""

    time_ns: int
    account: int
    what: str
    """ "trip", "kill", "reset", "start_of_day" or "limit"."""
    reason: str
    """Of a trip and a kill: the reason with which orders are refused from now on."""
    detail: str


class Gatekeeper:
    """Limits and switches of the accounts of one session.

    Session    guard throw note_trips
    Readers    log is_killed
    """

    owner_key = "gate"

    def __init__(
        self,
        exchange: Exchange,
        scenario: Scenario,
        *,
        outside: Callable[[], Iterable[int]],
        cancel_all: Callable[[int], None],
    ) -> None:
        """Gives desk, target and agents the scenario's limits. `outside`: all accounts that are not part of
        the market itself; `cancel_all`: takes all that an account has out of book and broker, now."""
        self._exchange = exchange
        self._limits = scenario.risk.limits(exchange.instrument, scenario.name)
        self._outside = outside
        self._cancel_all = cancel_all
        self.log: list[GateEntry] = []
        self.dropped = 0
        self.on_entry: Callable[[GateEntry], None] = lambda _entry: None
        """Hears of each row of the log."""
        for account in (int(Account.DESK), int(Account.TARGET)):
            self.guard(account)
        limited = sum(group.members for group in scenario.groups if group.limits is not None)
        most = GUARDS - 1 - len(list(outside()))
        if limited > most:  # else there would be no room for bots that come later
            raise ScenarioError(f"{scenario.name}: {limited} agents have limits; {most} at the most may")
        account = int(Account.FIRST_AGENT)
        for group in scenario.groups:
            for member in range(account, account + group.members):
                if group.limits is not None:
                    exchange.gate.limit(member, group.limits)
            account += group.members

    def guard(self, account: int) -> None:
        """Gives somebody from outside the limits that the scenario has for them."""
        self._exchange.gate.limit(account, self._limits)

    def is_killed(self, account: int) -> bool:
        """Whether the account's kill switch is on."""
        return self._exchange.gate.latched(account) is Reason.KILL_SWITCH

    def throw(self, command: Command) -> None:
        """Takes a GATE command; it takes effect at the next instant. Raises UsageError for an account that is
        neither from outside nor has limits."""
        known = {ALL_ACCOUNTS, *self._outside(), *self._exchange.gate.guarded}
        if command.account not in known:
            raise UsageError(
                f"the gate holds nothing against account {command.account}: name one from outside"
            )
        kernel = self._exchange.kernel
        kernel.schedule(kernel.now_ns + 1, self._carry_out, command)

    def note_trips(self) -> None:
        """Says which guards have tripped since the last call."""
        market, gate = self._exchange.market, self._exchange.gate
        if market.trip_count == market.trips_told:
            return
        market.trips_told = market.trip_count
        for account in gate.guarded:
            state = gate.state(account)
            if state is not None and state.latched and state.latched_count != state.latched_told:
                gate.mark_told(account)
                self._note(account, "trip", state.latched, "")

    @property
    def entry_count(self) -> int:
        """Rows of the log so far, those dropped included."""
        return self.dropped + len(self.log)

    def entries(self, since: int) -> list[GateEntry]:
        """The rows after the first `since`, as far as they are kept."""
        return self.log[max(0, since - self.dropped) :]

    def statistics(self) -> dict[str, int]:
        """Rows of the log."""
        return {"log": len(self.log), "limit": LOG_LIMIT, "dropped": self.dropped}

    def state(self) -> dict[str, Any]:
        """What a snapshot needs beside the market's own tables."""
        return {"log": [list(row) for row in self.log], "dropped": self.dropped}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.log, self.dropped = [GateEntry(*row) for row in state["log"]], state["dropped"]

    def _carry_out(self, _now_ns: int, command: Command) -> None:
        action = GateAction(command.flags)
        accounts = list(self._outside()) if command.account == ALL_ACCOUNTS else [command.account]
        for account in accounts:
            self._act(account, action, command)
        if action == GateAction.LIMIT:
            self._note(command.account, "limit", "", f"{LIMIT_NAMES[command.storm]} = {command.a}")
        else:
            reason = Reason.KILL_SWITCH if action == GateAction.KILL else ""
            self._note(command.account, action.name.lower(), reason, "")

    def _act(self, account: int, action: GateAction, command: Command) -> None:
        gate = self._exchange.gate
        if action == GateAction.KILL:
            gate.kill(account)
            self._cancel_all(account)
        elif action == GateAction.RESET:
            gate.reset(account)
        elif action == GateAction.START_OF_DAY:
            gate.start_of_day(account)
        elif (limits := gate.limits_of(account)) is not None or command.account != ALL_ACCOUNTS:
            gate.limit(account, _changed(limits or AccountLimits(), command))

    def _note(self, account: int, what: str, reason: str, detail: str) -> None:
        entry = GateEntry(self._exchange.kernel.now_ns, account, what, str(reason), detail)
        self.log.append(entry)
        if len(self.log) > LOG_LIMIT:
            del self.log[0]
            self.dropped += 1
        self.on_entry(entry)


def gate_command(action: GateAction, account: int, *, limit: str = "", value: int = 0) -> Command:
    """The input that throws a switch (or sets a limit). Raises UsageError."""
    if action == GateAction.LIMIT and limit not in LIMIT_NAMES:
        raise UsageError(f"there is no limit {limit!r}: use one of {', '.join(LIMIT_NAMES)}")
    number = LIMIT_NAMES.index(limit) if limit else 0
    command = Command(kind=CommandKind.GATE, account=account, flags=int(action), storm=number, a=value)
    check_gate_command(command)
    return command


def check_gate_command(command: Command) -> None:
    """Raises UsageError for a GATE command that no gate understands."""
    if command.flags not in tuple(GateAction):
        raise UsageError(f"the gate knows no action {command.flags}: use 1 to {max(GateAction)}")
    if command.flags == GateAction.LIMIT:
        if not 0 <= command.storm < len(LIMIT_NAMES):
            raise UsageError(f"there is no limit {command.storm}: use 0 to {len(LIMIT_NAMES) - 1}")
        _changed(AccountLimits(), command).checked()


def _changed(limits: AccountLimits, command: Command) -> AccountLimits:
    values: list[Any] = list(limits)
    values[command.storm] = command.a
    return AccountLimits(*values)
