"""A certificate authority that lives as long as one cage, and the exchange's certificate signed by it.

Place on the data path: before it; the bot trusts `authority_pem`, the forwarder shows `chain_pem`.
Invariant: the authority's key exists in memory only and is gone when `issue_certificates` returns: nobody can
sign another name afterwards. The server's key is on disk for the moment in which OpenSSL reads it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine.core import clock

__all__ = ["AUTHORITY_NAME", "VALIDITY_NS", "Certificates", "issue_certificates", "server_context"]

AUTHORITY_NAME = "Stormdesk cage"
VALIDITY_NS = 2 * 86_400 * clock.NS_PER_S
"""From the start of the cage on."""
BACKDATE_NS = 3_600 * clock.NS_PER_S
"""How far clocks of bots may lag behind."""


@dataclass(frozen=True)
class Certificates:
    """PEM texts of one cage."""

    authority_pem: bytes
    """The authority's certificate, without its key."""
    chain_pem: bytes
    """The server's certificate and its private key."""


def issue_certificates(names: Sequence[str], now_ns: int) -> Certificates:
    """A fresh authority and a certificate for all `names` (DNS), valid for two days from `now_ns` (Unix)."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    issuer = _name(AUTHORITY_NAME)
    # Python 3.13 verifies as RFC 5280 asks (VERIFY_X509_STRICT): with key usage and both key identifiers.
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _certificate(issuer, issuer, authority_key.public_key(), now_ns)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        _certificate(_name(names[0]), issuer, server_key.public_key(), now_ns)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(server_key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    key_pem = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    encoding = serialization.Encoding.PEM
    return Certificates(authority.public_bytes(encoding), server.public_bytes(encoding) + key_pem)


def server_context(chain_pem: bytes, folder: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate, HTTP/1.1 only. `folder` is used for the moment of reading."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    path = folder / "server.pem"
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(chain_pem)
        context.load_cert_chain(path)
    finally:
        path.unlink(missing_ok=True)
    return context


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now_ns: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.utc_time(now_ns - BACKDATE_NS))
        .not_valid_after(clock.utc_time(now_ns + VALIDITY_NS))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
