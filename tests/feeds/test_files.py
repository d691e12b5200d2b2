"""Data files open by their content, packed or not, and say clearly what is wrong with them."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest
import zstandard

from engine.core.errors import DataError, UsageError
from engine.feeds.files import STDIN, open_data

CONTENT = b"".join(b"line %d\n" % number for number in range(50_000))
PACKERS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "zstd of two frames": lambda data: b"".join(
        zstandard.ZstdCompressor().compress(part) for part in (data[:1_000], data[1_000:])
    ),
}


@pytest.mark.parametrize("packing", PACKERS)
def test_a_file_opens_by_its_content(tmp_path, packing):
    path = tmp_path / "named.anything"
    path.write_bytes(PACKERS[packing](CONTENT))
    with open_data(path) as stream:
        assert stream.read(10) + stream.read() == CONTENT


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_packed_file_that_is_cut_off_is_damaged(tmp_path, packing):
    path = tmp_path / "cut"
    path.write_bytes(PACKERS[packing](CONTENT)[:-5])
    with pytest.raises(DataError, match="cut: damaged packed data"), open_data(path) as stream:
        stream.read()


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_packed_file_with_a_wrong_byte_is_damaged(tmp_path, packing):
    data = bytearray(PACKERS[packing](CONTENT))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged packed data"), open_data(path) as stream:
        stream.read()


def test_an_empty_file_is_empty(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    with open_data(path) as stream:
        assert stream.read() == b""


def test_standard_input_is_a_file_too(monkeypatch):
    packed = io.BufferedReader(io.BytesIO(gzip.compress(CONTENT)))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(packed))
    with open_data(STDIN) as stream:
        assert stream.read() == CONTENT


def test_a_missing_file_is_the_user_s_to_mend():
    with (
        pytest.raises(UsageError, match=r"nowhere: cannot be read \(No such file"),
        open_data(Path("nowhere")),
    ):
        pass


def test_a_reader_hears_how_far_it_is(tmp_path):
    path, heard = tmp_path / "packed", []
    path.write_bytes(gzip.compress(CONTENT))
    with open_data(path, report=heard.append) as stream:
        stream.read()
    assert heard[-1] == path.stat().st_size
    assert heard == sorted(heard)
