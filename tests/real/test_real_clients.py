"""Real clients through a full cycle: `pytest -m real tests/real`. tests/real/run.sh makes their
environments first and prints a table."""

from __future__ import annotations

import pytest

from tests.real.environments import CLIENTS, python_of
from tests.real.harness import obstacle, run_client


@pytest.mark.real
@pytest.mark.parametrize("name", CLIENTS)
def test_a_real_client_goes_through_a_full_cycle(name: str) -> None:
    environment = CLIENTS[name].environment
    if not python_of(environment).is_file():
        pytest.skip(f"there is no environment {environment!r}: tests/real/run.sh {name} makes it")
    if reason := obstacle(name):
        pytest.skip(reason)
    told = run_client(name)
    assert told
    assert [one for one in told if one.ok is False] == []
