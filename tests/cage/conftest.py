"""Shared by the tests of the cage: an exchange on loopback, certificates (made once: keys take a moment)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.cage.certificates import Certificates, issue_certificates
from engine.cage.names import EXCHANGE_NAMES
from engine.core.clock import wall_ns
from tests.cage.exchange import running_exchange


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return issue_certificates(EXCHANGE_NAMES, wall_ns())


@pytest.fixture
def exchange_port() -> Iterator[int]:
    with running_exchange() as port:
        yield port
