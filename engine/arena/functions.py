"""Kernels: plain functions over records, each readable by the interpreter and by the compiler.

    @inlined
    def _shrink(order: Order, qty_lots: int) -> None: ...

    @entry
    def apply_events(book_address: int, ...) -> int: ...

The decorators only write a name into a table: the function stays what it is, and runs interpreted.
`compiled.py` makes machine code of an entry and of all that it calls, from the same source. So one process
can begin interpreted and go on compiled, and a debugger steps through what the machine runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["ENTRIES", "KERNELS", "entry", "inlined", "routine"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

KERNELS: dict[Callable[..., Any], str] = {}
"""Every kernel and how it is compiled: "entry", "inlined" or "routine"."""
ENTRIES: list[Callable[..., Any]] = []
"""What Python calls: these are compiled ahead, in this order."""


def entry(function: _Function) -> _Function:
    """A kernel that Python calls. Its arguments and its result are int64 (addresses among them)."""
    KERNELS[function] = "entry"
    ENTRIES.append(function)
    return function


def inlined(function: _Function) -> _Function:
    """A kernel that is compiled into each of its callers."""
    KERNELS[function] = "inlined"
    return function


def routine(function: _Function) -> _Function:
    """A kernel that is compiled once and called."""
    KERNELS[function] = "routine"
    return function
