"""The benchmarks as tests: they print their rows, and fail only where contenders disagree."""

from __future__ import annotations

import pytest

from desk.bench import find_checkout, print_table, run_benchmarks
from tests.bench.catalogue import NAMES

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("name", NAMES)
def test_the_contenders_agree(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_benchmarks(find_checkout(), [name])
    with capsys.disabled():
        print()
        print_table(rows)
    assert not [row.why for row in rows if row.verdict == "failed"]
