"""Machine code for the hot book, and seeds of the generated streams: which, and how to run one again.

A test with an argument `seed` runs once per seed: 1 to 3, or those of STORMDESK_SEEDS ("7,20-40"). When
one fails, the report says which seed it was and the command that repeats it.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from engine.arena.machine import status
from engine.book import HotBook
from tests.book.books import COMPILED

_DEFAULT_SEEDS = "1-3"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize(
            "seed", _seeds(os.environ.get("STORMDESK_SEEDS", _DEFAULT_SEEDS)), ids="seed{}".format
        )


@pytest.fixture(scope="session", autouse=True)
def _machine_code() -> None:
    """Without it hot books run interpreted: the tests would say nothing of the machine code, slowly."""
    HotBook.warm_up()
    assert HotBook().compiled == COMPILED, status()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    seed = getattr(item, "callspec", None) and item.callspec.params.get("seed")
    if report.failed and seed is not None:
        report.sections.append(
            (f"seed {seed}; repeat it with", f"STORMDESK_SEEDS={seed} python -m pytest '{item.nodeid}'")
        )
    return report


def _seeds(text: str) -> list[int]:
    """ "7,20-22" -> [7, 20, 21, 22]"""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds
