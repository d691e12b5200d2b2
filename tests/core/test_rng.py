"""The random streams: their values are a contract, since every recorded run stands on them."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.rng import Stream, exact_log, mix64

TWO_53 = 1 << 53
SEEDS = st.integers(0, (1 << 64) - 1)
STREAM_IDS = st.integers(0, (1 << 48) - 1)


def test_the_mixer_is_splitmix64s_finaliser():
    gamma = 0x9E3779B97F4A7C15
    # The first outputs of SplitMix64 from seed 0, as published with the reference implementation.
    assert [mix64(n * gamma & ((1 << 64) - 1)) for n in (1, 2, 3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


@pytest.mark.parametrize(
    ("seed", "stream_id", "values"),
    [
        (0, 0, [0xA706DD2F4D197E6F, 0xB382A305F4414F5E, 0x631A9154FBABF717, 0xA80ABA8C86640906]),
        (42, 16, [0xC66C58D68A883C8C, 0x2FD96C5945FBBAA6, 0x3B2FDAD2BA9E74E6, 0x84CF3EDA49AF6247]),
        (42, 17, [0xB631327C1B5A0F36, 0xD1BF8CC9463268FD, 0xE5B30E4A65EC7C15, 0x6CC8BF89A3C28DC1]),
        ((1 << 64) - 1, 0x5709 << 32, [0xEAACF7D4D9071BFE, 0x3AD54199354F89FA, 0x3F8CB5CA06CE25E5]),
    ],
)
def test_a_streams_numbers_never_change(seed, stream_id, values):
    stream = Stream(seed, stream_id)
    assert [stream.u64() for _ in values] == values


def test_draws_of_every_kind_are_pinned():
    stream = Stream(42, 16)
    assert [stream.below(1000) for _ in range(6)] == [775, 186, 231, 518, 113, 122]
    assert [stream.between(-5, 5) for _ in range(6)] == [2, -3, 2, 2, 5, -5]
    assert [stream.uniform().hex() for _ in range(3)] == [
        "0x1.4c79a4f818460p-6",
        "0x1.0cfed26a7f540p-6",
        "0x1.6b15bf50262f8p-1",
    ]
    assert [stream.normal() for _ in range(3)] == [
        -0.4805755615234375,
        0.445648193359375,
        0.0981292724609375,
    ]
    exponentials = [stream.exponential_ns(10**9) for _ in range(4)]
    assert exponentials == [2162973710, 1135454456, 1940236421, 277758091]
    assert [stream.pareto(4, 100) for _ in range(8)] == [4, 11, 9, 8, 5, 5, 6, 16]
    assert stream.count == 36


@given(SEEDS, STREAM_IDS, STREAM_IDS, st.lists(st.booleans(), max_size=40))
def test_a_stream_does_not_hear_of_the_draws_of_others(seed, first_id, second_id, order):
    alone = Stream(seed, first_id)
    expected = [alone.u64() for mine in order if mine]
    mine, other = Stream(seed, first_id), Stream(seed, second_id)
    drawn = []
    for is_mine in order:
        if is_mine:
            drawn.append(mine.u64())
        else:
            other.normal()
    assert drawn == expected


@given(SEEDS, STREAM_IDS, st.integers(0, 50))
def test_a_pickled_stream_goes_on_where_it_was(seed, stream_id, draws):
    stream = Stream(seed, stream_id)
    for _ in range(draws):
        stream.u64()
    copy = pickle.loads(pickle.dumps(stream))
    assert [copy.u64() for _ in range(3)] == [stream.u64() for _ in range(3)]


def test_neighbouring_ids_and_seeds_share_no_numbers():
    drawn = [
        stream.u64() for seed in range(8) for number in range(32) for stream in [Stream(seed, number)] * 16
    ]
    assert len(set(drawn)) == len(drawn)


@given(SEEDS, STREAM_IDS, st.integers(1, 1 << 64), st.integers(-(1 << 40), 1 << 40), st.integers(0, 1 << 40))
def test_every_draw_keeps_its_bounds(seed, stream_id, n, low, width):
    stream = Stream(seed, stream_id)
    assert 0 <= stream.below(n) < n
    assert low <= stream.between(low, low + width) <= low + width
    assert 0.0 <= stream.uniform() < 1.0
    assert -6.0 <= stream.normal() <= 6.0
    assert not stream.chance(0.0)
    assert stream.chance(1.0)
    assert stream.exponential_ns(width + 1) >= 1
    assert 4 <= stream.pareto(4, 4 + width) <= 4 + width


@given(st.integers(1, TWO_53))
def test_the_logarithm_is_that_of_the_library_to_fourteen_digits(numerator):
    assert exact_log(numerator) == pytest.approx(math.log(numerator / TWO_53), rel=1e-14, abs=1e-14)


@pytest.mark.parametrize(
    ("numerator", "bits"),
    [
        (1, "-0x1.25e4f7b2737fap+5"),
        (2, "-0x1.205966f2b4f12p+5"),
        (3, "-0x1.1d1b02751cfe1p+5"),
        (123_456_789, "-0x1.21afb6a7e1beap+4"),
        (1 << 52, "-0x1.62e42fefa39eep-1"),
        (6_004_799_503_160_661, "-0x1.9f323ecbf984dp-2"),
        (TWO_53 - 1, "-0x1.0000000000000p-53"),
    ],
)
def test_the_logarithm_is_pinned_to_the_bit(numerator, bits):
    assert exact_log(numerator).hex() == bits


def test_normals_have_mean_zero_and_variance_one():
    stream = Stream(7, 1)
    values = [stream.normal() for _ in range(20_000)]
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / len(values)
    assert abs(mean) < 0.02
    assert abs(variance - 1.0) < 0.03


def test_a_normal_is_exactly_centred():
    """The mean over all bit patterns is 0: twelve sixteen-bit uniforms of mean 32767.5 each."""
    assert 12 * 0xFFFF == 2 * 393_210


def test_exponentials_have_their_mean_and_no_memory():
    stream = Stream(7, 2)
    values = [stream.exponential_ns(1_000_000) for _ in range(20_000)]
    assert abs(sum(values) / len(values) / 1_000_000 - 1.0) < 0.03
    beyond = [v - 1_000_000 for v in values if v > 1_000_000]
    assert abs(len(beyond) / len(values) - math.exp(-1)) < 0.015
    assert abs(sum(beyond) / len(beyond) / 1_000_000 - 1.0) < 0.05


def test_uniform_integers_reach_every_value_equally():
    stream = Stream(7, 3)
    counts = [0] * 10
    for _ in range(20_000):
        counts[stream.below(10)] += 1
    assert sum((c - 2_000) ** 2 / 2_000 for c in counts) < 27.9  # chi square, 9 degrees, 0.1 %


def test_sizes_fall_with_the_square():
    stream = Stream(7, 4)
    sizes = [stream.pareto(1, 1_000_000) for _ in range(20_000)]
    for size in (2, 4, 8):
        assert abs(sum(s >= size for s in sizes) / len(sizes) * size**2 - 1.0) < 0.15
