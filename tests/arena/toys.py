"""A package of two modules with one entry, small enough to be compiled in a test; and whoever calls it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.arena.cache import Sources
from engine.arena.functions import ENTRIES, KERNELS

__all__ = ["imported", "toy_package", "toy_stub"]

_KERNELS = """
from engine.arena.functions import entry
from engine.arena.layout import Record, Word
from toy.helpers import scaled


class Cell(Record):
    value: Word


@entry
def scale(address: int, times: int) -> int:
    cell = Cell.at(address)
    for _ in range(times):
        cell.value = scaled(cell.value)
    return cell.value
"""

_HELPERS = """
from engine.arena.functions import inlined
from engine.arena.leaves import wrapped_product


@inlined
def scaled(value: int) -> int:
    return wrapped_product(value, {factor})
"""


def toy_package(root: Path, *, factor: int | str = 3) -> Sources:
    """Writes the package `toy`: toy.kernels.scale multiplies the word at an address by `factor`."""
    package = root / "toy"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    (package / "kernels.py").write_text(_KERNELS)
    (package / "helpers.py").write_text(_HELPERS.format(factor=factor))
    return Sources(root, ("toy",))


def toy_stub() -> Callable[[int, int], int]:
    """Stands for the entry without its module: what a machine finds machine code by is the name."""

    def scale(address: int, times: int) -> int:
        return -1

    scale.__module__, scale.__qualname__ = "toy.kernels", "scale"
    return scale


@contextmanager
def imported(sources: Sources) -> Iterator[Callable[[int, int], int]]:
    """The entry itself, for as long as this lasts."""
    entries, kernels = list(ENTRIES), dict(KERNELS)
    sys.path.insert(0, str(sources.root))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module("toy.kernels").scale
    finally:
        sys.path.remove(str(sources.root))
        for name in [name for name in sys.modules if name.split(".")[0] == "toy"]:
            del sys.modules[name]
        ENTRIES[:] = entries
        KERNELS.clear()
        KERNELS.update(kernels)
