"""Functions of a test on both paths of the arena."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from engine.arena.functions import KERNELS
from engine.arena.library import load_library, name_of
from engine.arena.machine import JIT_MODE

__all__ = ["compiled", "needs_compiler"]

needs_compiler = pytest.mark.skipif(JIT_MODE == "0", reason="STORMDESK_JIT=0: nothing is compiled")


def compiled(
    functions: Sequence[Callable[..., Any]],
    *,
    checked: bool = False,
    helpers: Sequence[Callable[..., Any]] = (),
) -> dict[str, Callable[..., int]]:
    """Machine code of a test's own entries (and of helpers that they call), by name."""
    from engine.arena.compiler import Compiler

    roles = dict.fromkeys(functions, "entry") | dict.fromkeys(helpers, "routine")
    KERNELS.update(roles)
    try:
        library = load_library(Compiler(checked=checked).library(functions))
    finally:
        for function in roles:
            del KERNELS[function]
    return {function.__name__: library[name_of(function)] for function in functions}
