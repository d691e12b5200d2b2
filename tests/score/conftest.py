"""A quiet venue, for what comes over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.venue.quiet import Quiet, serve_quiet


@pytest.fixture
async def quiet() -> AsyncIterator[Quiet]:
    async with serve_quiet() as quiet:
        yield quiet
