"""The authority of one cage and what it signs, verified as clients verify."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from engine.cage.certificates import (
    AUTHORITY_NAME,
    VALIDITY_NS,
    Certificates,
    issue_certificates,
    server_context,
)
from engine.core.clock import NS_PER_S, wall_ns


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Both ends in memory, until the client is content; its end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(10):
        done = True
        for end in (client_end, server_end):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                done = False
        if done:
            return client_end
    raise AssertionError("no handshake after ten rounds")


def trusting(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=certificates.authority_pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.fixture
def server(certificates: Certificates, tmp_path: Path) -> Iterator[ssl.SSLContext]:
    yield server_context(certificates.chain_pem, tmp_path)
    assert not list(tmp_path.iterdir()), "the key stayed on disk"


@pytest.mark.parametrize("name", ["api.binance.com", "stream.binance.com", "data-api.binance.vision"])
def test_a_strict_client_accepts_the_exchange_names(server, certificates, name):
    assert handshake(server, trusting(certificates), name).version() == "TLSv1.3"


def test_another_name_is_refused(server, certificates):
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(server, trusting(certificates), "www.example.com")


def test_a_client_without_the_authority_refuses(server):
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        handshake(server, ssl.create_default_context(), "api.binance.com")


def test_the_authority_of_another_cage_is_not_enough(server):
    other = issue_certificates(["api.binance.com"], wall_ns())
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        handshake(server, trusting(other), "api.binance.com")


def test_a_client_that_prefers_http_2_gets_http_1(server, certificates):
    client = trusting(certificates)
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert handshake(server, client, "api.binance.com").selected_alpn_protocol() == "http/1.1"


def test_old_tls_is_refused(server, certificates):
    assert server.minimum_version is ssl.TLSVersion.TLSv1_2


def test_it_is_valid_for_two_days_and_says_whose_it_is():
    now_ns = 1_700_000_000 * NS_PER_S
    made = issue_certificates(["api.binance.com"], now_ns)
    authority = x509.load_pem_x509_certificate(made.authority_pem)
    (name,) = authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == AUTHORITY_NAME
    end_s = round(authority.not_valid_after_utc.timestamp())
    assert end_s * NS_PER_S == now_ns + VALIDITY_NS
    assert authority.not_valid_before_utc.timestamp() < now_ns / NS_PER_S


def test_the_key_of_the_authority_is_nowhere(certificates):
    assert b"PRIVATE KEY" not in certificates.authority_pem
    assert certificates.chain_pem.count(b"PRIVATE KEY") == 2, "begin and end of the server's"


def test_a_key_that_cannot_be_read_does_not_stay(tmp_path):
    with pytest.raises(ssl.SSLError):
        server_context(b"nonsense", tmp_path)
    assert not list(tmp_path.iterdir())
