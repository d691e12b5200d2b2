"""Logins of SoupBinTCP by API key.

Place on the data path: the doors of the OUCH and ITCH servers. Invariant: what crosses the wire in plain text
gives away neither the API key nor the secret that signs requests elsewhere.

    user       the key's name, its first 6 characters; case does not matter
    password   `soup_password(secret)`: of HMAC-SHA256 with the key's secret over "SoupBinTCP" the first 10
               characters in base32, small letters (50 bits)

SoupBinTCP sends passwords as they are and has room for 10 characters, so the secret itself must not be one.
Keys of other kinds (Ed25519, RSA) have no secret that both sides know: they cannot log in here.
"""

from __future__ import annotations

import base64
import hmac

from engine.feeds.transport.soupbintcp import PASSWORD_BYTES, USER_BYTES, LoginRequest
from engine.venue.keys import Key, KeyKind, KeyStore, Permission

__all__ = ["KeyLogins", "soup_password", "soup_user"]


def soup_user(key_name: str) -> str:
    """What a key's owner logs in as."""
    return key_name[:USER_BYTES]


def soup_password(secret: str) -> str:
    """The password that belongs to a key's HMAC secret."""
    digest = hmac.digest(secret.encode(), b"SoupBinTCP", "sha256")
    return base64.b32encode(digest)[:PASSWORD_BYTES].decode().lower()


class KeyLogins:
    """Finds the key of a login."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    def find(self, request: LoginRequest, permission: Permission) -> Key | None:
        """The key that this login is of, if it may do that; keys whose names begin alike differ by their
        passwords."""
        found = None
        for key in self._keys.keys:
            if key.kind is not KeyKind.HMAC or soup_user(key.name).upper() != request.user.upper():
                continue
            if hmac.compare_digest(soup_password(key.material).encode(), request.password.encode()):
                found = key
        return found if found is not None and found.may(permission) else None
