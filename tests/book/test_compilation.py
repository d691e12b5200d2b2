"""Compiled, checked or interpreted: one source, one digest; and where the machine code is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from engine.book import compiler, hot
from engine.book.hot import HotBook
from engine.core.errors import DataError
from tests.book.books import SmallHotBook
from tests.book.streams import wild_stream

_ROOT = Path(__file__).parents[2]

needs_numba = pytest.mark.skipif(not compiler.COMPILED, reason="STORMDESK_JIT=0: nothing is compiled")


def run_python(code: str, **environment: str) -> str:
    """Standard output (or the error) of this code in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else done.stderr


def test_importing_the_room_leaves_numba_alone():
    code = "import sys, engine.book, engine.book.digest_file; print('numba' in sys.modules)"
    assert run_python(code) == "False\n"


_DIGEST = """
import sys
from engine.book import HotBook
from tests.book.streams import wild_stream
book = HotBook()
book.apply(wild_stream(6_000))
book._check()
print(book.compiled, 'numba' in sys.modules, book.digest())
"""


@pytest.mark.parametrize(("mode", "compiled"), [("0", False), ("1", True), ("checked", True)])
def test_every_mode_gives_the_same_digest(mode, compiled):
    book = HotBook()
    book.apply(wild_stream(6_000))
    assert run_python(_DIGEST, STORMDESK_JIT=mode) == f"{compiled} {compiled} {book.digest()}\n"


_SHORT_ARRAY = """
from engine.book import HotBook
from tests.book.streams import event
book = HotBook()
book._levels = book._levels[:1].copy()
book.apply(event(1, 1, 0, 100, 5))
"""


def test_the_checked_mode_catches_an_index_out_of_bounds():
    assert "IndexError: index is out of bounds" in run_python(_SHORT_ARRAY, STORMDESK_JIT="checked")


def test_an_unknown_mode_is_refused_by_name():
    error = run_python("import engine.book.compiler", STORMDESK_JIT="yes")
    assert "UsageError: STORMDESK_JIT is 'yes'; it can be 1" in error


@needs_numba
def test_the_cache_folder_is_named_after_sources_and_numba(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _: tmp_path)
    first = compiler.cache_folder.__wrapped__()
    assert first.is_dir()
    assert f"-numba{compiler.import_module('numba').__version__}-" in first.name
    monkeypatch.setattr(compiler, "_source_hash", lambda: "another")
    assert compiler.cache_folder.__wrapped__() != first


@needs_numba
def test_only_the_newest_cache_folders_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _: tmp_path)
    for age in range(9):
        folder = tmp_path / f"kernels-{age}"
        folder.mkdir()
        os.utime(folder, ns=(10**18 - age, 10**18 - age))
    (tmp_path / "something else").mkdir()
    current = compiler.cache_folder.__wrapped__()
    kept = {folder.name for folder in tmp_path.iterdir()}
    assert kept == {current.name, "kernels-0", "kernels-1", "kernels-2", "something else"}


@needs_numba
def test_without_a_writable_folder_kernels_compile_without_a_cache(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _: tmp_path / "file")
    assert compiler.cache_folder.__wrapped__() is None
    monkeypatch.setattr(compiler, "cache_folder", lambda: None)

    @compiler.inlined
    def twice(x):
        return x + x

    @compiler.entry
    def four_times(x):
        return twice(twice(x))

    assert four_times(3) == 12


def test_more_orders_than_slots_are_refused_before_anything_is_lost(monkeypatch):
    monkeypatch.setattr(hot, "MAX_LIVE_ORDERS", 100)
    book = SmallHotBook()
    with pytest.raises(DataError, match="more than 100 live orders"):
        book.apply(wild_stream(3_000))
    book._check()
    assert book.order_count >= 100
