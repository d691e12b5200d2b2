"""Ed25519 and RSA public keys: reading them, and whether a signature is theirs.

Place on the data path: below the key store. The library is imported in the functions: most sessions have HMAC
keys only, and it takes a while to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = ["is_signed_by", "kind_of", "load_public_key"]


def load_public_key(pem: str) -> PublicKeyTypes:
    """The key in a PEM text. Raises UsageError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            "public key: not a PEM public key; make one with `openssl pkey -in private.pem -pubout`"
        ) from error


def kind_of(pem: str) -> str:
    """How it signs: "ed25519" or "rsa". Raises UsageError for anything else."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    public = load_public_key(pem)
    if isinstance(public, Ed25519PublicKey):
        return "ed25519"
    if isinstance(public, RSAPublicKey):
        return "rsa"
    raise UsageError("public key: only Ed25519 and RSA keys can sign requests")


def is_signed_by(public: PublicKeyTypes, payload: bytes, signature: bytes) -> bool:
    """Whether the holder of the private key has signed `payload` (RSA: PKCS #1 v1.5 over SHA-256)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, payload)
        elif isinstance(public, RSAPublicKey):
            public.verify(signature, payload, PKCS1v15(), SHA256())
        else:
            return False
    except InvalidSignature:
        return False
    return True
