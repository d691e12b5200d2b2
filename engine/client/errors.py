"""The client's errors: one tree, and each message says what to do next.

StormdeskError
└── DeskError               everything below
    ├── DeskNotFound        no desk at this address, or none is running
    ├── ConnectionLost      the connection broke and did not come back in time
    │   └── AnswerLost      … before a request was answered: it may have been carried out, or not
    ├── InvalidRequest      what can be no order; nothing was sent
    ├── RequestRefused      the desk said no; `code` is for programs
    │   ├── QueueFull       too many at once: send less, then try again
    │   ├── Replaying       a recorded run takes no orders
    │   ├── NotInLockstep   this session does not wait for a client
    │   ├── SeatTaken       another client moves this lockstep session
    │   └── NotAuthorised   a token is missing or wrong
    ├── SessionChanged      the desk runs another session now: orders and position are gone
    └── ReportsMissed       reports were lost: what is known of orders may be wrong
"""

from __future__ import annotations

from engine.core.errors import StormdeskError

__all__ = [
    "AnswerLost",
    "ConnectionLost",
    "DeskError",
    "DeskNotFound",
    "InvalidRequest",
    "NotAuthorised",
    "NotInLockstep",
    "QueueFull",
    "Replaying",
    "ReportsMissed",
    "RequestRefused",
    "SeatTaken",
    "SessionChanged",
    "refusal",
]


class DeskError(StormdeskError):
    """Root of what the client raises."""


class DeskNotFound(DeskError):
    """No desk answers; the message says where it was sought and how to start one."""


class ConnectionLost(DeskError):
    """The desk went away. The next use connects again."""


class AnswerLost(ConnectionLost):
    """The connection broke between a request and its answer."""

    def __init__(self, message: str, client_id: int | None) -> None:
        super().__init__(message)
        self.client_id = client_id
        """Of the order in question: its reports, if any come, tell what became of it."""


class InvalidRequest(DeskError):
    """No order can be like this; nothing was sent."""


class RequestRefused(DeskError):
    """The desk said no."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class QueueFull(RequestRefused):
    """The market's input queue is full."""


class Replaying(RequestRefused):
    """The desk shows a recorded run."""


class NotInLockstep(RequestRefused):
    """The session does not wait for a client."""


class SeatTaken(RequestRefused):
    """Another client moves this session."""


class NotAuthorised(RequestRefused):
    """The desk wants a token: Desk(url, token=…)."""


class SessionChanged(DeskError):
    """Another session runs now: drop what you know of orders and position, and begin anew."""


class ReportsMissed(DeskError):
    """There is a hole in the reports: what the client knows was taken anew from the desk."""


_BY_CODE = {
    "queue_full": QueueFull,
    "replaying": Replaying,
    "not_in_lockstep": NotInLockstep,
    "seat_taken": SeatTaken,
    "no_token": NotAuthorised,
}


def refusal(code: str, message: str) -> RequestRefused:
    """The error for the desk's own code and message."""
    return _BY_CODE.get(code, RequestRefused)(code, message)
