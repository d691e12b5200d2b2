"""The table of all benchmarks, in the order in which they run. A benchmark's module is loaded when asked for,
so that one benchmark's imports do not weigh on another's process."""

from __future__ import annotations

from importlib import import_module

from engine.core.errors import UsageError
from tests.bench.measure import Benchmark

__all__ = ["NAMES", "load"]

NAMES = (
    "book",
    "matching",
    "digest",
    "simulation",
    "analytics",
    "detectors",
    "itch",
    "memory",
    "startup",
    "live_desk",
    "venue_load",
)
"""Each is the name of a module here that has a BENCHMARK."""


def load(name: str) -> Benchmark:
    """Raises UsageError for a name that is not in the table."""
    if name not in NAMES:
        raise UsageError(f"there is no benchmark {name!r}. Benchmarks: {', '.join(NAMES)}.")
    benchmark: Benchmark = import_module(f"tests.bench.{name}").BENCHMARK
    assert benchmark.name == name
    return benchmark
