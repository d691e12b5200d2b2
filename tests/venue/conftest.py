"""A quiet market with two traders for exact answers, and a real host with its server for all the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.venue.live import LiveVenue, serve_live
from tests.venue.quiet import Quiet, serve_quiet


@pytest.fixture
async def quiet() -> AsyncIterator[Quiet]:
    async with serve_quiet() as quiet:
        yield quiet


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveVenue]:
    folder: Path = tmp_path_factory.mktemp("live")
    with serve_live(folder) as live:
        yield live
