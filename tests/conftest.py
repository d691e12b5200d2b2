"""Shared by all tests: goldens, kept as files beside the tests that compare with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# No deadlines: machines differ. The blob lets anybody run a failing example again.
settings.register_profile("stormdesk", deadline=None, print_blob=True)
settings.load_profile("stormdesk")


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
