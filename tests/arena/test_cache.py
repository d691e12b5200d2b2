"""The cache never gives code that is not of these sources, this compiler and this processor, or not whole."""

from __future__ import annotations

import ast
import os
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arena import cache
from engine.arena.cache import (
    ENGINE,
    FILES_KEPT,
    LibraryDamaged,
    failure_of,
    is_writable,
    kernel_modules,
    library_path,
    note_failure,
    read_library,
    version_of,
    write_library,
)
from engine.arena.library import Library
from tests.arena.compiling import needs_compiler
from tests.arena.toys import toy_package

LIBRARY = Library(("toy.kernels.scale", "toy.kernels.other"), bytes(range(256)) * 40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return library_path(tmp_path, "compiled", "0123")


def test_a_library_comes_back_as_it_was(path):
    assert read_library(path) is None
    write_library(path, LIBRARY)
    assert read_library(path) == LIBRARY
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@needs_compiler
def test_an_edited_helper_in_another_module_gives_another_version(tmp_path):
    sources = toy_package(tmp_path)
    first = version_of(sources)
    assert version_of(sources) == first
    toy_package(tmp_path, factor=5)
    assert version_of(sources) != first
    toy_package(tmp_path)
    assert version_of(sources) == first


@needs_compiler
@pytest.mark.parametrize("what", ["get_host_cpu_name", "get_host_cpu_features"])
def test_another_processor_gives_another_version(tmp_path, what, monkeypatch):
    from llvmlite import binding

    sources = toy_package(tmp_path)
    first = version_of(sources)
    other = binding.FeatureMap({"wings": True}) if what.endswith("features") else "abacus"
    monkeypatch.setattr(binding, what, lambda: other)
    assert version_of(sources) != first


@needs_compiler
def test_another_compiler_gives_another_version(tmp_path, monkeypatch):
    sources = toy_package(tmp_path)
    first = version_of(sources)
    monkeypatch.setattr(cache, "version", lambda package: f"{package} of tomorrow")
    assert version_of(sources) != first


def test_builds_have_files_of_their_own(tmp_path):
    assert library_path(tmp_path, "compiled", "0123") != library_path(tmp_path, "checked", "0123")


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(tmp_path_factory, at, bit):
    path = library_path(tmp_path_factory.getbasetemp(), "compiled", "flipped")
    write_library(path, LIBRARY)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(LibraryDamaged, match="damaged"):
        read_library(path)


@pytest.mark.parametrize("length", [0, 1, 33, 200, 10_000])
def test_a_file_cut_short_is_found(path, length):
    write_library(path, LIBRARY)
    os.truncate(path, length)
    with pytest.raises(LibraryDamaged, match="damaged"):
        read_library(path)


@pytest.mark.parametrize("junk", [b"\n", b"\n\n", b"\xff" * 99, b"0" * 32 + b"\n[]\n"])
def test_junk_is_found(path, junk):
    path.write_bytes(junk)
    with pytest.raises(LibraryDamaged, match="damaged"):
        read_library(path)


def test_a_folder_in_the_file_s_place_is_told(path):
    path.mkdir()
    with pytest.raises(LibraryDamaged, match="cannot be read"):
        read_library(path)


def test_only_the_libraries_last_used_are_kept(tmp_path):
    write_library(library_path(tmp_path, "compiled", "0000"), LIBRARY)
    for age in range(2 * FILES_KEPT):
        old = library_path(tmp_path, "compiled", f"{age:04}")
        if age:
            shutil.copy(library_path(tmp_path, "compiled", "0000"), old)
        os.utime(old, ns=(10**18 - age, 10**18 - age))
    (tmp_path / "something else").touch()
    read_library(library_path(tmp_path, "compiled", f"{FILES_KEPT - 1:04}"))  # used now
    write_library(library_path(tmp_path, "compiled", "new"), LIBRARY)
    kept = {file.name for file in tmp_path.iterdir()}
    assert library_path(tmp_path, "compiled", "new").name in kept
    assert library_path(tmp_path, "compiled", f"{FILES_KEPT - 1:04}").name in kept
    assert len(kept) == FILES_KEPT + 1


def test_what_a_killed_build_left_is_removed_in_time(path):
    fresh, stale = path.with_name("partial-fresh"), path.with_name("partial-stale")
    for partial in (fresh, stale):
        partial.touch()
    os.utime(stale, ns=(10**18, 10**18))
    write_library(path, LIBRARY)
    assert fresh.exists()
    assert not stale.exists()


def test_a_library_that_cannot_be_kept_leaves_nothing(path):
    path.mkdir()
    (path / "in the way").touch()
    with pytest.raises(OSError, match="directory"):
        write_library(path, LIBRARY)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_many_writers_and_readers_never_see_half_a_library(path):
    libraries = [Library((f"of.{n}",), bytes([n]) * 50_000) for n in range(4)]
    seen: list[Library | None] = []

    def write_often(library: Library) -> None:
        for _ in range(20):
            write_library(path, library)
            seen.append(read_library(path))

    threads = [threading.Thread(target=write_often, args=(library,)) for library in libraries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 80
    assert set(seen) <= set(libraries)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_folder_is_made_where_it_can_be(tmp_path):
    assert is_writable(tmp_path / "new" / "deep")
    (tmp_path / "file").touch()
    assert not is_writable(tmp_path / "file")
    assert not is_writable(tmp_path / "file" / "below")


def test_a_failure_is_remembered_until_a_build_succeeds(path):
    assert failure_of(path) is None
    note_failure(path, "killed")
    assert failure_of(path) == "killed"
    write_library(path, LIBRARY)
    assert failure_of(path) is None


def test_kernel_modules_are_those_with_entries(tmp_path):
    assert kernel_modules(toy_package(tmp_path)) == ["toy.kernels"]
    assert "engine.book.kernels" in kernel_modules(ENGINE)


def test_the_engine_s_version_covers_every_kernel_and_what_it_imports():
    """A kernel may be in any room of the engine, and reads constants of those that it imports."""
    root = ENGINE.root
    waiting = {
        path for path in (root / "engine").rglob("*.py") if "engine.arena.functions" in path.read_text()
    }
    covered: set[Path] = set()
    while waiting:
        path = waiting.pop()
        covered.add(path)
        waiting |= _engine_files(path, root) - covered
    rooms = [root / room for room in ENGINE.rooms]
    outside = [path for path in covered if not any(path.is_relative_to(room) for room in rooms)]
    assert not [path.relative_to(root).as_posix() for path in outside]


def _engine_files(path: Path, root: Path) -> set[Path]:
    """The modules of the engine that a module imports when it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("engine"):
            continue
        for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
            file = root / str(name).replace(".", "/")
            found |= {candidate for candidate in (file.with_suffix(".py"),) if candidate.is_file()}
    return found


def test_the_cache_is_the_user_s(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder().name == "stormdesk"
    shutil.rmtree(tmp_path)
    assert is_writable(cache.cache_folder())
