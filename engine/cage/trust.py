"""Where a bot looks for certificate authorities, so that it finds the cage's, and only that one.

Place on the data path: before it; `bundles_of` is asked inside the cage, before the bot starts. Invariant:
the bundles hold the cage's authority alone. Public authorities beside it would work as well, but with ours
alone a handshake that verifies proves that the peer is the cage, whatever a mistake may open.

Not reached: programs with authorities compiled in (Rust's webpki-roots) or in stores of their own (Java).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["SYSTEM_BUNDLES", "bundles_of", "trusting_environment"]

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",
)
PACKAGED_BUNDLES = (
    "certifi/cacert.pem",
    "pip/_vendor/certifi/cacert.pem",
    "botocore/cacert.pem",
    "httplib2/cacerts.txt",
    "grpc/_cython/_credentials/roots.pem",
)
"""Files that Python packages bring along, below a folder of sys.path."""
VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, and with it Python's ssl, aiohttp, websockets; Go; rustls-native-certs
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
PROXIES = ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "all_proxy", "socks_proxy", "ftp_proxy")
"""No proxy can be reached from inside; a client that is told of one would not even try the exchange."""
INTERPRETERS = ("python", "pypy")
ANSWER_PATIENCE_S = 10.0
_QUESTION = """
import os, sys
places = list(sys.path)
try:
    import ssl
    places.append(ssl.get_default_verify_paths().openssl_cafile)
except ImportError:
    pass
sys.stdout.buffer.write(os.fsencode("\\n".join(places)))
"""


def trusting_environment(
    original: Mapping[str, str], *, authority: Path, empty_folder: Path
) -> dict[str, str]:
    """The bot's environment: as it was, without proxies, with the authority for all who ask variables."""
    environment = {name: value for name, value in original.items() if name.lower() not in PROXIES}
    environment |= dict.fromkeys(VARIABLES, str(authority))
    return environment | {"SSL_CERT_DIR": str(empty_folder)}


def bundles_of(command: Sequence[str], environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Every bundle of authorities, as existing real files, that this command may read."""
    found = dict.fromkeys(Path(path).resolve() for path in SYSTEM_BUNDLES)
    for interpreter in _interpreters(command, environment):
        for place in _ask(interpreter, environment):
            if place.is_dir():
                found |= dict.fromkeys((place / name).resolve() for name in PACKAGED_BUNDLES)
            elif place.suffix in (".pem", ".crt"):
                found[place.resolve()] = None
    return tuple(path for path in found if path.is_file())


def _interpreters(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The Python that runs the command; those that a launcher would start if the command is none."""
    search = environment.get("PATH")
    program = shutil.which(command[0], path=search)
    named = program and _interpreter_of(Path(program), search)
    if named:
        return (named,)
    folders = [folder for folder in (environment.get("VIRTUAL_ENV"), ".venv") if folder]
    likely = [str(Path(folder).absolute() / "bin" / "python") for folder in folders]
    likely += [path for name in ("python3", "python") if (path := shutil.which(name, path=search))]
    return tuple(dict.fromkeys(path for path in likely if os.access(path, os.X_OK)))


def _interpreter_of(program: Path, search: str | None) -> str | None:
    """`program` itself when it is a Python, the one of its first line when it is a script for one."""
    if program.name.startswith(INTERPRETERS):
        return str(program)
    try:
        with program.open("rb") as file:
            first_line = file.readline(4096)
    except OSError:
        return None
    if not first_line.startswith(b"#!"):
        return None
    words = os.fsdecode(first_line[2:]).split()
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if not words or not Path(words[0]).name.startswith(INTERPRETERS):
        return None
    return shutil.which(words[0], path=search)


def _ask(interpreter: str, environment: Mapping[str, str]) -> list[Path]:
    """The interpreter's sys.path and its OpenSSL's bundle; nothing when it does not answer."""
    try:
        answer = subprocess.run(
            [interpreter, "-c", _QUESTION],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [Path(line) for line in os.fsdecode(answer.stdout).splitlines() if line.startswith("/")]
