"""The one alert store: what deserves attention, with the evidence for it, until it is over; bounded.

Three ways in, by what is known of the end:

    raise_alert .. clear    a condition: active until it is cleared. Going up again within REOPEN_NS of its
                            end it is the same alert, counted once more (hysteresis in time; the two levels
                            at which a condition goes up and comes down are its owner's)
    note with a key         an occurrence: active until it has been quiet for `quiet_ns`; what repeats before
                            that is counted, one line for all
    note without a key      an event that stands for itself

Invariant: all of it is a function of what was told and when, in session time: it is the same live, in a
replay and in a fork, whoever reads it and however often. But for acknowledgements: they are what a person at
the desk has seen, are no input, stand in no image and change nothing that is computed or recorded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.types import NO_SIDE

__all__ = ["ALERTS_KEPT", "Alert", "AlertStore", "EventRow", "Evidence", "Measured"]

ALERTS_KEPT = 500
EVIDENCE_EVENTS = 12
"""Events that one piece of evidence holds, at the most: the last ones of its window."""
REOPEN_NS = 5 * NS_PER_S
_RANKS = ("info", "warning", "critical")


class Measured(NamedTuple):
    """One figure, and what it was held against."""

    what: str
    value: float
    threshold: float | None = None
    """None: it is there for the picture, nothing hangs on it."""
    unit: str = ""


class EventRow(NamedTuple):
    """One public event."""

    number: int
    """Of the session, counted from 1."""
    time_ns: int
    event_type: int
    side: int
    price_ticks: int
    qty_lots: int
    order_id: int


class Evidence(NamedTuple):
    """Why an alert was raised."""

    from_ns: int
    to_ns: int
    measured: tuple[Measured, ...] = ()
    first_event: int = 0
    """The public events that caused it are first_event .. last_event, counted from 1; 0: none did."""
    last_event: int = 0
    events: tuple[EventRow, ...] = ()
    """The last of them, at most EVIDENCE_EVENTS."""
    price_ticks: int = 0
    """0: it is about no price."""
    side: int = NO_SIDE


class Alert(NamedTuple):
    """One alert as it stands."""

    alert_id: int
    time_ns: int
    """When it began."""
    severity: str
    """One of: "info", "warning", "critical"; the worst so far."""
    text: str
    acknowledged: bool = False
    kind: str = "note"
    """What has found it: "detector", "regime", "gate", "target", "recording" …"""
    last_ns: int = 0
    """When it last happened; 0 reads as `time_ns`."""
    times: int = 1
    """How often it has happened."""
    state: str = "event"
    """One of: "active", "cleared", "event" (which has no duration)."""
    cleared_ns: int | None = None
    evidence: Evidence | None = None
    """Of the first time, or of the first time as bad as this."""


@dataclass(slots=True)
class _Row:
    """One alert, and what decides when it is over."""

    alert_id: int
    key: str
    time_ns: int
    last_ns: int
    severity: str
    text: str
    kind: str
    times: int
    episode: int
    """Grows when it goes up again, or gets worse: what was acknowledged before is new."""
    quiet_ns: int
    """Of an occurrence; 0: it ends when it is cleared."""
    cleared_ns: int | None
    evidence: Evidence | None

    @property
    def identity(self) -> tuple[str, int]:
        """The same in every session that plays the same inputs."""
        return self.key or self.text, self.time_ns

    def end_ns(self) -> int | None:
        """When it was over, or will be if nothing more happens; None: not known."""
        return self.last_ns + self.quiet_ns if self.quiet_ns else self.cleared_ns

    def repeat(self, time_ns: int, severity: str, text: str, evidence: Evidence | None) -> None:
        """It has happened again."""
        self.times += 1
        self.last_ns = time_ns
        if _RANKS.index(severity) > _RANKS.index(self.severity):
            self.severity, self.text, self.evidence = severity, text, evidence or self.evidence
            self.episode += 1


class AlertStore:
    """Alerts, oldest first.

    Owners     raise_alert clear clear_all note
    Readers    alerts statistics
    Person     acknowledge acknowledge_all
    """

    def __init__(self) -> None:
        self._rows: deque[_Row] = deque(maxlen=ALERTS_KEPT)
        self._raised: dict[str, _Row] = {}
        """Conditions that hold, by key."""
        self._latest: dict[str, _Row] = {}
        """The last alert of each key that is kept."""
        self._acknowledged: dict[tuple[str, int], int] = {}
        """Episodes seen, by alert."""
        self._now_ns = 0
        self._view: tuple[Alert, ...] | None = ()
        self._view_until_ns: int | None = None
        """When the next one is over; None: none will be by itself."""
        self.count = 0
        """Alerts so far, those dropped included."""
        self.repeats = 0

    def raise_alert(
        self,
        key: str,
        *,
        time_ns: int,
        severity: str,
        text: str,
        kind: str = "note",
        evidence: Evidence | None = None,
    ) -> None:
        """The condition `key` holds; nothing new if it held before."""
        if key in self._raised:
            return
        row = self._latest.get(key)
        if row is not None and row.cleared_ns is not None and time_ns - row.cleared_ns <= REOPEN_NS:
            row.cleared_ns = None
            row.episode += 1
            self._again(row, time_ns, severity, text, evidence)
        else:
            row = self._add(key, time_ns, severity, text, kind, 0, evidence)
        self._raised[key] = row

    def clear(self, key: str, time_ns: int | None = None) -> None:
        """The condition behind `key` has gone, at this time (default: that of the last alert)."""
        row = self._raised.pop(key, None)
        if row is not None:
            row.cleared_ns = max(row.last_ns, self._now_ns if time_ns is None else time_ns)
            self._changed(row.cleared_ns)

    def clear_all(self, prefix: str, time_ns: int) -> None:
        """All conditions whose keys begin so have gone."""
        for key in [key for key in self._raised if key.startswith(prefix)]:
            self.clear(key, time_ns)

    def note(
        self,
        *,
        time_ns: int,
        severity: str,
        text: str,
        kind: str = "note",
        key: str = "",
        quiet_ns: int = 0,
        evidence: Evidence | None = None,
    ) -> None:
        """Something has happened. With `key` and `quiet_ns` it is the same alert as the last one of the key,
        unless that has been quiet for so long."""
        assert bool(key) == bool(quiet_ns), "an occurrence has a key and an end"
        row = self._latest.get(key) if key else None
        if row is not None and time_ns < row.last_ns + row.quiet_ns:
            self._again(row, time_ns, severity, text, evidence)
        else:
            self._add(key, time_ns, severity, text, kind, quiet_ns, evidence)

    # -- readers ---------------------------------------------------------------------------------------

    def alerts(self, now_ns: int | None = None) -> tuple[Alert, ...]:
        """All that are kept, oldest first, as they stand at this time (default: that of the last alert)."""
        now_ns = self._now_ns if now_ns is None else max(now_ns, self._now_ns)
        if self._view is None or (self._view_until_ns is not None and now_ns >= self._view_until_ns):
            self._view = tuple(self._shown(row, now_ns) for row in self._rows)
            ends = (row.last_ns + row.quiet_ns for row in self._rows if row.quiet_ns)
            self._view_until_ns = min((end for end in ends if end > now_ns), default=None)
        return self._view

    def since(self, count: int) -> list[Alert]:
        """Those raised after the first `count`, as far as they are kept."""
        if count == self.count:
            return []
        return [alert for alert in self.alerts() if alert.alert_id > count]

    def statistics(self) -> dict[str, int]:
        """Kept alerts and their limit, those in all, dropped, repeated, and conditions that hold."""
        return {
            "kept": len(self._rows),
            "limit": ALERTS_KEPT,
            "raised": self.count,
            "dropped": self.count - len(self._rows),
            "repeats": self.repeats,
            "holding": len(self._raised),
        }

    # -- the person at the desk ------------------------------------------------------------------------

    def acknowledge(self, alert_id: int) -> None:
        """Mark one as seen; one that is kept no more is nothing to mark."""
        self._acknowledge([row for row in self._rows if row.alert_id == alert_id])

    def acknowledge_all(self) -> None:
        """Mark everything as seen."""
        self._acknowledge(list(self._rows))

    def adopt_acknowledgements(self, other: AlertStore) -> None:
        """What was seen of the same run in another session is seen here too."""
        self._acknowledged = dict(other._acknowledged)
        self._view = None

    # -- images ----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything but acknowledgements, as JSON can hold it."""
        return {
            "alerts": [astuple(row) for row in self._rows],
            "raised": sorted(self._raised),
            "count": self.count,
            "repeats": self.repeats,
            "now_ns": self._now_ns,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        rows = [_Row(*[*row[:-1], _evidence(row[-1])]) for row in state["alerts"]]
        self._rows = deque(rows, maxlen=ALERTS_KEPT)
        self._latest = {row.key: row for row in rows if row.key}
        unkept = _Row(0, "", 0, 0, "info", "", "", 0, 0, 0, None, None)
        self._raised = {key: self._latest.get(key, unkept) for key in state["raised"]}
        self.count, self.repeats, self._now_ns = state["count"], state["repeats"], state["now_ns"]
        self._view = None

    # -- inside ----------------------------------------------------------------------------------------

    def _add(
        self,
        key: str,
        time_ns: int,
        severity: str,
        text: str,
        kind: str,
        quiet_ns: int,
        evidence: Evidence | None,
    ) -> _Row:
        assert severity in _RANKS, severity
        if len(self._rows) == ALERTS_KEPT and self._latest.get(self._rows[0].key) is self._rows[0]:
            del self._latest[self._rows[0].key]
        self.count += 1
        row = _Row(self.count, key, time_ns, time_ns, severity, text, kind, 1, 0, quiet_ns, None, evidence)
        self._rows.append(row)
        if key:
            self._latest[key] = row
        self._changed(time_ns)
        return row

    def _again(self, row: _Row, time_ns: int, severity: str, text: str, evidence: Evidence | None) -> None:
        self.repeats += 1
        row.repeat(time_ns, severity, text, evidence)
        self._changed(time_ns)

    def _changed(self, time_ns: int) -> None:
        self._now_ns = max(self._now_ns, time_ns)
        self._view = None

    def _shown(self, row: _Row, now_ns: int) -> Alert:
        state, cleared_ns = "event", None
        if row.key:
            end_ns = row.end_ns()
            over = end_ns is not None and now_ns >= end_ns
            state, cleared_ns = ("cleared", end_ns) if over else ("active", None)
        return Alert(
            alert_id=row.alert_id,
            time_ns=row.time_ns,
            severity=row.severity,
            text=row.text,
            acknowledged=self._acknowledged.get(row.identity, -1) >= row.episode,
            kind=row.kind,
            last_ns=row.last_ns,
            times=row.times,
            state=state,
            cleared_ns=cleared_ns,
            evidence=row.evidence,
        )

    def _acknowledge(self, rows: list[_Row]) -> None:
        for row in rows:
            self._acknowledged[row.identity] = row.episode
        if len(self._acknowledged) > 2 * ALERTS_KEPT:  # of alerts that are kept no more
            kept = {row.identity for row in self._rows}
            self._acknowledged = {one: at for one, at in self._acknowledged.items() if one in kept}
        self._view = None


def _evidence(row: list[Any] | None) -> Evidence | None:
    if row is None:
        return None
    from_ns, to_ns, measured, first, last, events, price_ticks, side = row
    return Evidence(
        from_ns,
        to_ns,
        tuple(Measured(*one) for one in measured),
        first,
        last,
        tuple(EventRow(*one) for one in events),
        price_ticks,
        side,
    )
