"""The mutation engine itself: deterministic, damaging, and into the JSON fields."""

import json

import pytest

from tests.feeds.fuzzing import mutations, truncations

MESSAGE = b'{"a":[["1.5","2"],["3","0"]],"b":{"c":"x","d":12},"e":null}'


def test_the_same_seed_gives_the_same_buffers() -> None:
    assert list(mutations([MESSAGE], 7, 500)) == list(mutations([MESSAGE], 7, 500))
    assert list(mutations([MESSAGE], 7, 500)) != list(mutations([MESSAGE], 8, 500))


def test_buffers_are_many_different_damages_of_which_a_good_part_stays_json() -> None:
    buffers = list(mutations([MESSAGE, b'{"f":[1,2,3]}'], 1, 4000))
    valid = 0
    for buffer in buffers:
        try:
            json.loads(buffer)
        except (ValueError, RecursionError):
            continue
        valid += 1
    assert len(set(buffers)) > 1500
    assert 800 < valid < 3600


def test_binary_messages_are_damaged_too() -> None:
    message = bytes(range(36))
    buffers = list(mutations([message], 1, 1000))
    assert sum(buffer != message for buffer in buffers) > 950
    assert max(map(len, buffers)) < 1000


def test_an_empty_corpus_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        next(mutations([b""], 1, 1))


def test_truncations_are_all_shorter_messages() -> None:
    assert list(truncations(b"abc")) == [b"", b"a", b"ab"]
