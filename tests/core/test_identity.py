from __future__ import annotations

import hashlib

from engine.core.identity import engine_source_hash, file_sha256, hash_sources


def make_package(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return hash_sources(root)


def test_the_hash_follows_names_and_contents_of_code_and_scenarios(tmp_path):
    files = {"a.py": "one", "b/c.py": "two", "b/d.toml": "three"}
    first = make_package(tmp_path / "1", files)
    assert first == make_package(tmp_path / "2", dict(reversed(files.items())))
    assert first == make_package(tmp_path / "3", {**files, "notes.md": "x", "b/__pycache__/c.pyc": "y"})
    others = [
        {**files, "a.py": "one "},
        {**files, "b/d.toml": "three\n"},
        {"a.py": "on", "b/c.py": "etwo", "b/d.toml": "three"},
        {"aa.py": "one", "b/c.py": "two", "b/d.toml": "three"},
    ]
    hashes = {make_package(tmp_path / f"other{n}", other) for n, other in enumerate(others)}
    assert len({first, *hashes}) == 5


def test_this_engine_has_one_hash():
    assert engine_source_hash() == engine_source_hash()
    assert len(engine_source_hash()) == 16


def test_a_file_is_known_by_its_sha256(tmp_path):
    (tmp_path / "data").write_bytes(b"abc")
    assert file_sha256(tmp_path / "data") == hashlib.sha256(b"abc").hexdigest()
