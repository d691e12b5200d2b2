"""What Python does in session time: callbacks on the one heap (stop 2 on the data path).

A callback is one entry of the heap (heap.py) with a handle; when its time comes, the loop (loop.py) stops
and Python runs it. Equal times run in the order in which they were scheduled, whoever scheduled them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.arena.memory import Arena
from engine.core.errors import UsageError
from engine.core.types import Command
from engine.market.records import MarketReader

__all__ = ["QUEUE_LIMIT", "Kernel"]

Callback = Callable[[int, Any], None]
"""callback(time_ns, payload); a method of something with an `owner_key`, so that snapshots can carry it.
The payload is None, an integer or a Command."""

QUEUE_LIMIT = 4_000_000
"""Future happenings at the most; more means an actor that schedules without end."""


class Kernel(MarketReader):
    """Session clock and Python's callbacks."""

    def __init__(self, arena: Arena, enter: Callable[[int, int], int]) -> None:
        super().__init__(arena)
        self._schedule = enter
        """Enters (time_ns, handle) into the heap."""
        self._callbacks: dict[int, tuple[int, Callback, Any]] = {}
        self._next_handle = 0
        self.python_calls = 0
        """Callbacks that have run."""

    @property
    def now_ns(self) -> int:
        """Session time."""
        try:
            market: Any = self.arena.roots["market"]  # Python asks for the time more than for anything else
        except KeyError:
            market = self.market
        now_ns: int = market.now_ns
        return now_ns

    @property
    def processed(self) -> int:
        """Happenings so far."""
        return self.market.processed

    def schedule(self, time_ns: int, callback: Callback, payload: Any = None) -> None:
        """Run callback(time_ns, payload) at time_ns, which may not lie in the past."""
        # Handles are 31 bits in the heap; they go round long after the first has run.
        self._next_handle = (self._next_handle + 1) & 0x7FFF_FFFF
        self._callbacks[self._next_handle] = (time_ns, callback, payload)
        result = self._schedule(time_ns, self._next_handle)
        if result < 0:
            del self._callbacks[self._next_handle]
            raise AssertionError(f"scheduled {self.now_ns - time_ns} ns into the past")

    def run(self, handle: int) -> None:
        """The callback of a handle, now."""
        time_ns, callback, payload = self._callbacks.pop(handle)
        self.python_calls += 1
        callback(time_ns, payload)

    def next_time_ns(self) -> int | None:
        """When the next happening is due."""
        return self.market.heap[0].time_ns if self.market.waiting else None

    def state(self) -> dict[str, Any]:
        """The callbacks that wait, for a snapshot: whose they are, by `owner_key`, and which method.

        Raises UsageError for a callback that is no method of something with an `owner_key`.
        """
        waiting = []
        for handle, (time_ns, callback, payload) in self._callbacks.items():
            key = getattr(getattr(callback, "__self__", None), "owner_key", None)
            if key is None:
                raise UsageError(f"{callback} waits in the kernel and cannot be part of a snapshot")
            waiting.append([handle, time_ns, key, callback.__name__, _packed(payload)])
        return {"waiting": waiting, "next": self._next_handle, "calls": self.python_calls}

    def restore(self, state: dict[str, Any], owners: Mapping[str, object]) -> None:
        """Takes over the callbacks of a snapshot. What belongs to nobody any more does nothing."""
        self._next_handle, self.python_calls = state["next"], state["calls"]
        self._callbacks = {
            handle: (
                time_ns,
                getattr(owners[key], method) if key in owners else _do_nothing,
                _unpacked(payload),
            )
            for handle, time_ns, key, method, payload in state["waiting"]
        }

    def statistics(self) -> dict[str, int]:
        """Entries waiting, their limit, and how many have run."""
        return {"waiting": self.market.waiting, "limit": QUEUE_LIMIT, "processed": self.processed}


def _packed(payload: Any) -> Any:
    return {"command": list(payload)} if isinstance(payload, Command) else payload


def _unpacked(payload: Any) -> Any:
    return Command(*payload["command"]) if isinstance(payload, dict) else payload


def _do_nothing(_now_ns: int, _payload: Any) -> None:
    """What is left of a storm that has ended."""
