"""Native clients against a real server over a fake host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.api.server import OrderApi
from engine.client import Desk
from tests.api.conftest import api, host, server

__all__ = ["api", "desk", "host", "server"]


@pytest.fixture
def desk(api: OrderApi) -> Iterator[Desk]:
    """A sync client of the fake host."""
    with Desk(api.url) as desk:
        yield desk
