"""What a client's script tells the harness: one JSON line per step on standard output.

Standard library only: it is imported in the client's own environment. A script says

    from steps import Steps, settings

    desk, steps = settings(), Steps("ccxt")
    with steps("markets") as say:
        say(len(exchange.load_markets()))
    with steps("errors: insufficient funds"), raises(ccxt.InsufficientFunds):
        exchange.create_order(...)
    steps.absent("oco", "the library has no order lists")
    steps.finish()

A step may be told several times, as "errors: bad symbol"; it is well when all of it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

__all__ = ["CAGE", "STEPS", "Steps", "raises", "settings", "until", "wait_until"]

STEPS = (
    "markets",
    "book",
    "ticker",
    "candles",
    "trades",
    "stream",
    "limit",
    "cancel",
    "market",
    "post-only",
    "stop",
    "open orders",
    "cancel all",
    "edit",
    "oco",
    "user events",
    "my trades",
    "balances",
    "errors",
    "replay",
)
"""What a full cycle is; the last is the harness's own: the desk's recording recomputes bit for bit."""
CAGE = "cage"
"""A step of caged clients alone: nothing but the exchange can be reached."""
DETAIL_CHARS = 300
POLL_S = 0.02


def settings() -> SimpleNamespace:
    """Where the desk is and with which keys: see harness.Desk.settings."""
    return SimpleNamespace(**json.loads(os.environ["STORMDESK_REAL"]))


class Steps:
    """Steps of one client."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.failed = 0

    @contextmanager
    def __call__(self, step: str) -> Iterator[Callable[..., None]]:
        """One step, or a part of one after a colon; what is said becomes its detail."""
        if step.partition(":")[0] not in (*STEPS, CAGE):
            raise ValueError(f"no step {step!r}")
        said: list[str] = []
        try:
            yield lambda *words: said.append(" ".join(map(str, words)))
        except Exception as error:
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)
            lines = [str(frame.lineno) for frame in where if frame.filename == sys.argv[0]]
            self._tell(step, False, f"line {lines[-1] if lines else '?'}: {type(error).__name__}: {error}")
        else:
            self._tell(step, True, "; ".join(said))

    def absent(self, step: str, why: str) -> None:
        """The client has no such thing."""
        self._tell(step, None, why)

    def finish(self) -> None:
        """Ends the process, threads of the library or not; its code says whether all was well."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1 if self.failed else 0)

    def _tell(self, step: str, ok: bool | None, detail: str) -> None:
        line = {"client": self.client, "step": step, "ok": ok, "detail": detail[:DETAIL_CHARS]}
        sys.stdout.flush()
        os.write(1, (json.dumps(line) + "\n").encode())


@contextmanager
def raises(*classes: type[BaseException], **fields: Any) -> Iterator[None]:
    """The body must raise one of exactly these classes, with these attributes."""
    try:
        yield
    except classes as error:
        if type(error) not in classes:
            raise AssertionError(f"wanted {_names(classes)}, got {type(error).__name__}: {error}") from error
        found = {name: getattr(error, name, None) for name in fields}
        if found != fields:
            raise AssertionError(f"wanted {fields}, got {found}: {error}") from error
    except Exception as error:
        raise AssertionError(f"wanted {_names(classes)}, got {type(error).__name__}: {error}") from error
    else:
        raise AssertionError(f"wanted {_names(classes)}, nothing was raised")


def wait_until(condition: Callable[[], Any], what: str = "", within_s: float = 15.0) -> Any:
    """The first true value of a condition that other threads bring about."""
    end_s = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > end_s:
            raise TimeoutError(f"waited {within_s:g} s for {what or 'a condition'}")
        time.sleep(POLL_S)
    return value


async def until(condition: Callable[[], Any], what: str = "", within_s: float = 15.0) -> Any:
    """The same for what other tasks bring about."""
    end_s = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > end_s:
            raise TimeoutError(f"waited {within_s:g} s for {what or 'a condition'}")
        await asyncio.sleep(POLL_S)
    return value


def _names(classes: tuple[type[BaseException], ...]) -> str:
    return " or ".join(one.__name__ for one in classes)
