"""Requests made from the OpenAPI description, sensible and not, against a running venue: each gets an answer
that the description allows, nothing breaks, and without a key nobody sees an account.

`STORMDESK_EXAMPLES=50 pytest -m long tests/venue/test_description_fuzz.py` takes an hour: every operation,
every boundary value, every unexpected method.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import pytest
from hypothesis import HealthCheck, settings

from engine.core.clock import NS_PER_MS, wall_ns
from engine.venue.binance.endpoints import ENDPOINTS, Security
from engine.venue.binance.openapi import describe
from tests.venue.live import LiveVenue, Signer

schemathesis = pytest.importorskip("schemathesis")
requests = pytest.importorskip("requests")

CHECKS = (
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
)
PRIVATE = {
    (endpoint.method, endpoint.path) for endpoint in ENDPOINTS if endpoint.security is not Security.NONE
}
OURS = ("timestamp", "recvWindow", "signature")
SOME = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
EXAMPLES = int(os.environ.get("STORMDESK_EXAMPLES", "0"))
MANY = settings(SOME, max_examples=EXAMPLES or 5)


_DESCRIPTION = describe(one for one in ENDPOINTS if not one.legacy)
schema = schemathesis.openapi.from_dict(_DESCRIPTION).include(
    path=[
        "/api/v3/depth",
        "/api/v3/exchangeInfo",
        "/api/v3/klines",
        "/api/v3/order",
        "/api/v3/order/cancelReplace",
        "/api/v3/orderList/otoco",
        "/api/v3/account",
        "/api/v3/myTrades",
        "/sapi/v1/asset/tradeFee",
    ]
)
"""One of each kind; all take minutes."""
schema.config.phases.coverage.enabled = False
thorough = schemathesis.openapi.from_dict(_DESCRIPTION)
"""All of them."""
thorough.config.phases.coverage.enabled = EXAMPLES > 0


class Signed(requests.auth.AuthBase):  # type: ignore[misc]
    """Signs what is about to be sent, in place of what was made up for the signature."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer

    def __call__(self, request: Any) -> Any:
        parts = urlsplit(request.url)
        kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in OURS]
        text = urlencode([*kept, ("timestamp", wall_ns() // NS_PER_MS)])
        body = request.body or b""
        payload = text + (body.decode("utf-8", "replace") if isinstance(body, bytes) else body)
        text += f"&signature={quote(self.signer.sign(payload), safe='')}"
        request.url = urlunsplit(parts._replace(query=text))
        request.headers["X-MBX-APIKEY"] = self.signer.shown.api_key
        return request


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def _send(live: LiveVenue, case: Any, session: Any) -> None:
    """Without a key, then signed."""
    case.headers = {}  # keys and names are the test's business
    url = live.api.url
    open_answer = case.call(base_url=url, session=session, timeout=10)
    case.validate_response(open_answer, checks=CHECKS)
    if (case.method.upper(), case.path) in PRIVATE:
        assert open_answer.status_code in (400, 401), open_answer.text
        # A request that makes no sense at all is refused before anybody asks for its key.
        assert open_answer.json()["code"] in (-2014, -1101, -1020), open_answer.text
    signed_answer = case.call(base_url=url, session=session, timeout=10, auth=Signed(live.bots["hmac"]))
    case.validate_response(signed_answer, checks=CHECKS)
    statistics = live.api.statistics()
    assert statistics["venue_internal_errors"] == 0, (case.method, case.path, signed_answer.text)


@schema.parametrize()
@SOME
def test_requests_made_from_the_description(live: LiveVenue, session: Any, case: Any) -> None:
    _send(live, case, session)


@pytest.mark.long
@thorough.parametrize()
@MANY
def test_many_requests_made_from_the_description(live: LiveVenue, session: Any, case: Any) -> None:
    _send(live, case, session)
