"""One lockstep conversation, without its wires: which step is open, and what was answered last.

Invariant: each step is answered once. An answer that a broken connection swallowed is told again when the
desk tells its step again; one that came through twice is refused by the desk, and that is no trouble.
"""

from __future__ import annotations

from engine.client.errors import DeskError, RequestRefused, refusal
from engine.client.state import DeskState, Request, encode
from engine.client.words import End, Hello, Refused, Step, Word

__all__ = ["LockstepTalk"]

REQUESTS_PER_MESSAGE = 100
"""An answer with more requests goes in several messages: the desk bounds their length."""


class LockstepTalk:
    """Words in, answers out."""

    def __init__(self, state: DeskState) -> None:
        self.state = state
        self.ending: End | None = None
        self._open: Step | None = None
        self._requests: list[Request] = []
        """What has been asked for at the open step."""
        self._answered = 0
        self._answer: list[bytes] = []

    @property
    def is_open(self) -> bool:
        """Whether session time stands for us."""
        return self._open is not None

    @property
    def open_step(self) -> Step:
        """The step that is to be answered."""
        assert self._open is not None, "a step is open"
        return self._open

    def hear(self, word: Word) -> list[bytes]:
        """Take a word; what to send at once. Raises RequestRefused, SessionChanged."""
        if isinstance(word, Hello):
            if (trouble := self.state.greet(word)) is not None:
                raise trouble
        elif isinstance(word, Step):
            if word.step <= self._answered:
                return self._answer
            if self._open is None:
                self._see(word)
                self._open = word
        elif isinstance(word, End):
            self._see(word)
            self._open, self.ending = None, word
        elif isinstance(word, Refused) and word.code != "wrong_step":
            raise self._refused(word)
        return []

    def ask(self, request: Request) -> None:
        """Add a request to the answer. Raises DeskError between steps."""
        if self._open is None:
            raise DeskError(
                "session time is moving: in lockstep, ask inside the loop over steps() or books()"
            )
        self._requests.append(request)

    def answer(self) -> list[bytes]:
        """Close the open step with all that was asked for."""
        number, requests = self.open_step.step, self._requests
        self._open, self._requests = None, []
        surplus = max(0, len(requests) - REQUESTS_PER_MESSAGE)
        self._answer = [encode(request) for request in requests[:surplus]]
        self._answer.append(encode({"op": "done", "step": number, "requests": requests[surplus:]}))
        self._answered = number
        return self._answer

    def finish(self) -> list[bytes]:
        """End the session at the open step; nothing when none is open."""
        if self._open is None:
            return []
        number, self._open = self._open.step, None
        return [encode({"op": "finish", "step": number})]

    def _see(self, word: Step | End) -> None:
        self.state.book = word.book
        for report in word.reports:
            self.state.apply(report)

    def _refused(self, word: Refused) -> RequestRefused:
        return refusal(
            word.code, f"the desk did not take the answer to step {self._answered}: {word.message}"
        )
