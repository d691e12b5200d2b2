"""Finding what a bot trusts."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import certifi
import pytest

from engine.cage.trust import VARIABLES, bundles_of, trusting_environment

OURS = Path(certifi.where()).resolve()


def program(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def bundle(folder: Path) -> Path:
    path = folder / "certifi" / "cacert.pem"
    path.parent.mkdir(parents=True)
    path.write_text("authorities")
    return path.resolve()


def test_the_bundle_of_the_python_that_runs_the_bot_is_found():
    assert OURS in bundles_of([sys.executable, "bot.py"], os.environ)


def test_the_bundle_of_a_script_for_a_python_is_found(tmp_path):
    script = program(tmp_path / "freqtrade", f"#!{sys.executable}\nimport freqtrade\n")
    assert OURS in bundles_of([script, "trade"], os.environ)


def test_a_script_may_name_its_python_through_env(tmp_path):
    folder = Path(sys.executable).parent
    script = program(tmp_path / "bot", f"#!/usr/bin/env -S {Path(sys.executable).name} -u\n")
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    assert OURS in bundles_of([script], environment)


def test_bundles_on_the_python_path_are_found(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    assert bundle(tmp_path) in bundles_of([sys.executable], environment)


def test_a_launcher_is_searched_with_the_virtual_environment(tmp_path):
    """`bash run.sh`, `uv run bot.py`: what it will start is a guess, and every likely one is asked."""
    site = tmp_path / "site"
    expected = bundle(site)
    answer = f"#!/bin/sh\necho {site}\n"
    program(tmp_path / "bin" / "python", answer)
    launcher = program(tmp_path / "run.sh", "#!/bin/sh\n")
    environment = os.environ | {"VIRTUAL_ENV": str(tmp_path)}
    assert expected in bundles_of([launcher], environment)


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/nowhere\n", "#!/bin/sh\necho relative/path\n"])
def test_an_interpreter_that_says_nothing_useful_is_no_error(tmp_path, text):
    python = program(tmp_path / "python3", text)
    assert all(str(path).startswith("/etc/") for path in bundles_of([python], os.environ))


def test_only_files_that_exist_are_returned_each_once():
    found = bundles_of([sys.executable], os.environ)
    assert all(path.is_file() and path == path.resolve() for path in found)
    assert len(set(found)) == len(found)


def test_the_environment_tells_of_the_authority_and_of_no_proxy(tmp_path):
    before = {
        "HTTPS_PROXY": "http://proxy:3128",
        "all_proxy": "x",
        "HOME": "/home/me",
        "SSL_CERT_FILE": "old",
    }
    after = trusting_environment(before, authority=tmp_path / "a.pem", empty_folder=tmp_path / "empty")
    assert after.pop("HOME") == "/home/me"
    assert after.pop("SSL_CERT_DIR") == str(tmp_path / "empty")
    assert after == dict.fromkeys(VARIABLES, str(tmp_path / "a.pem"))
