"""A fake host and a real server over it, on a free loopback port."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from engine.api.server import OrderApi
from tests.api.fake_host import FakeHost


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture(scope="module")
def server() -> Iterator[OrderApi]:
    """One server for a module's tests: each attaches its own host."""
    api = OrderApi(FakeHost("before the first test"))
    api.start()
    assert api.wait_listening(20), api.error
    yield api
    api.stop()


@pytest.fixture
def api(server: OrderApi, host: FakeHost) -> OrderApi:
    server.attach(host)
    return server


@pytest.fixture
def client(api: OrderApi) -> Iterator[httpx.Client]:
    assert api.url is not None
    with httpx.Client(base_url=api.url, trust_env=False) as http:
        yield http
