"""Shared by all tests: goldens, kept as files beside the tests that compare with them, and kernel paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from engine.arena.machine import JIT_MODE, load
from tests.paths import PATHS, running

# No deadlines: machines differ. The blob lets anybody run a failing example again.
settings.register_profile("stormdesk", deadline=None, print_blob=True)
settings.load_profile("stormdesk")


ROOMS_WITHOUT_SESSIONS = {"api", "arena", "bench", "cage", "core", "desk", "journal"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write what was drawn instead of comparing with it"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """golden(name, text) compares `text` with the file `golden/<name>` beside the test's file."""

    def compare(name: str, text: str) -> None:
        path = Path(request.path).parent / "golden" / name
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.is_file():
            pytest.fail(f"there is no golden {path.name}; write it with --update-goldens and look at it")
        assert text.splitlines() == path.read_text(encoding="utf-8").splitlines()

    return compare


@pytest.fixture(params=PATHS)
def kernel_path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs a test once on every path of the kernels."""
    with running(request.param):
        yield request.param


@pytest.fixture(scope="session", autouse=True)
def _machine_code_for_sessions(request: pytest.FixtureRequest) -> None:
    """Machine code for all, unless only tests were chosen that run no session: those start at once."""
    tests = Path(__file__).parent
    rooms = {item.path.relative_to(tests).parts[0] for item in request.session.items}
    if rooms - ROOMS_WITHOUT_SESSIONS:
        request.getfixturevalue("machine_code")


@pytest.fixture(scope="session")
def machine_code() -> None:
    """For tests of whole sessions: from here on the process runs machine code. It comes from the user's
    cache; after a change of the engine it is compiled first, once (seconds)."""
    status = load()
    assert JIT_MODE == "0" or status.path != "interpreted", status.warning
