"""Cases of the evaluation run on machine code, where there is any."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _machine_code(machine_code: None) -> None:
    """For every test of this room."""
