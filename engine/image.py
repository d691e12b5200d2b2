"""A session as bytes: taking an image of one, and going on from it.

Everything that changes in a session is either in its arena (book, market, agents, analytics: tables) or in
the `state()` of one of its few Python parts (storms, history, alerts, the demo strategy). An image is both.
What does not change is not in it: the session is built anew from its config, then takes the image over.

Promise: a session that goes on from an image does exactly what the one would have done that it was taken
from. journal/snapshot.py puts images on disk.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.arena.memory import ArenaImage
from engine.market.orders import ExecutionReport

if TYPE_CHECKING:
    from engine.session import Session

__all__ = ["SessionImage", "restore_session", "take_image"]


class SessionImage(NamedTuple):
    """One session at one time."""

    time_ns: int
    input_count: int
    """Inputs that it has accepted."""
    event_count: int
    event_digest: int
    state: bytes
    """The Python parts, as JSON."""
    arena: ArenaImage


def take_image(session: Session) -> SessionImage:
    """The session as it is. Raises UsageError when a part of it cannot be part of an image."""
    session.exchange.deliver_reports()
    state = {
        "inputs": session.input_count,
        "markers": [list(marker) for marker in session.markers],
        "reports": {
            account: [list(report) for report in kept] for account, kept in session.kept_reports.items()
        },
        "alerts": session.alerts.state(),
        "storms": session.storms.state(),
        "score": session.score.state(),
        "broker": session.broker.state(),
        "gate": session.gatekeeper.state(),
        "request": session.request_text.waiting.hex(),
        "agents": {agent.account: agent.state() for agent in session.python_agents},
        "history": None if session.history is None else session.history.state(),
        "kernel": session.kernel.state(),
    }
    return SessionImage(
        time_ns=session.now_ns,
        input_count=session.input_count,
        event_count=session.event_count,
        event_digest=session.event_digest,
        state=json.dumps(state, separators=(",", ":")).encode(),
        arena=session.exchange.arena.image(),
    )


def restore_session(session: Session, image: SessionImage) -> None:
    """Makes a session, new from the same config, the one that the image was taken from."""
    state: dict[str, Any] = json.loads(image.state)
    session.exchange.arena.restore(image.arena)
    session.exchange.watch_again()
    session.input_count = state["inputs"]
    session.restore_markers(state["markers"])
    for account, rows in state["reports"].items():
        kept = session.kept_reports[int(account)]
        session.kept_reports[int(account)] = deque(
            (ExecutionReport(*row) for row in rows), maxlen=kept.maxlen
        )
    session.alerts.restore(state["alerts"])
    session.storms.restore(state["storms"])
    session.score.restore(state["score"])  # before the accounts: it knows them already
    session.broker.restore(state["broker"])
    session.gatekeeper.restore(state["gate"])
    session.request_text.waiting = bytes.fromhex(state["request"])
    for agent in session.python_agents:
        agent.restore(state["agents"][str(agent.account)])
    if session.history is not None:
        session.history.restore(state["history"])
    session.kernel.restore(state["kernel"], session.owners())
