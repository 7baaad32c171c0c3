import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_programs import mixed_bytes

from phosphene.converters import Binary, Box, ParameterError, make
from phosphene.converters.binary import BinaryReader, ByteBigrams
from phosphene.converters.binary.bigram import count_pairs, join_near, log_grey, resize_square

GOLDEN = Path(__file__).parents[2] / "golden"
some_bytes = st.binary(min_size=1, max_size=500)
distances = st.integers(1, 6)


def counted(data, distance=1):
    return count_pairs(np.frombuffer(data, np.uint8), distance=distance)


def test_by_hand():
    counts = counted(b"\1\2\1\2\2")
    assert (counts[1, 2], counts[2, 1], counts[2, 2], counts.sum()) == (2, 1, 1, 4)
    pixels = ByteBigrams(size=256)(Binary(b"\1\2\1\2\2")).pixels[..., 0]
    # log(1 + 2) is white; log(1 + 1) / log(1 + 2) * 255 = 160.9
    assert (pixels[1, 2], pixels[2, 1], pixels[2, 2], pixels[0, 0]) == (255, 161, 161, 0)
    assert counted(b"\1\2\3", 2)[1, 3] == 1


@given(some_bytes, distances)
def test_counts_are_the_slow_way(data, distance):
    want = np.zeros((256, 256), int)
    for first, second in zip(data, data[distance:], strict=False):
        want[first, second] += 1
    np.testing.assert_array_equal(counted(data, distance), want)


@given(some_bytes, distances)
def test_counts_sum_to_the_number_of_pairs(data, distance):
    assert counted(data, distance).sum() == max(len(data) - distance, 0)


@given(some_bytes, distances)
def test_backwards_is_transposed(data, distance):
    np.testing.assert_array_equal(counted(data[::-1], distance), counted(data, distance).T)


@given(some_bytes, some_bytes)
def test_appending_adds(a, b):
    seam = counted(a[-1:] + b[:1])
    np.testing.assert_array_equal(counted(a + b), counted(a) + counted(b) + seam)


@given(some_bytes, st.integers(0, 255))
def test_shifting_every_byte_shifts_the_plane(data, by):
    shifted = bytes((byte + by) % 256 for byte in data)
    np.testing.assert_array_equal(counted(shifted), np.roll(counted(data), (by, by), axis=(0, 1)))


def test_chunks_change_nothing(monkeypatch):
    data = mixed_bytes(10_000)
    whole = counted(data, 3)
    monkeypatch.setattr("phosphene.converters.binary.bigram.CHUNK_BYTES", 777)
    np.testing.assert_array_equal(counted(data, 3), whole)


@pytest.mark.parametrize(("data", "distance"), [(b"x", 1), (b"abcd", 4), (b"ab", 65536)])
def test_too_short_for_any_pair_is_black(data, distance):
    image = ByteBigrams(distance=distance)(Binary(data))
    assert image.pixels.shape == (224, 224, 1)
    assert not image.pixels.any()
    assert image.locate(Box(0, 0, 224, 224)).of("bytes") == ()


@pytest.mark.parametrize("size", [8, 100, 224, 256, 300, 512])
def test_resizing_is_the_slow_way(size):
    plane = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    fine = np.repeat(
        np.repeat(plane[:4], size, axis=0), 1, axis=1
    )  # size fine rows to a value, 256 to a pixel
    rows = fine[: len(fine) // 256 * 256].reshape(-1, 256, 256).mean(axis=1)
    fine = np.repeat(rows, size, axis=1)
    want = fine.reshape(len(rows), size, 256).mean(axis=2)
    np.testing.assert_allclose(resize_square(plane, size)[: len(want)], want, rtol=1e-4)


@given(st.integers(8, 600))
def test_resizing_keeps_the_mean(size):
    plane = np.random.default_rng(size).random((256, 256)).astype(np.float32)
    assert resize_square(plane, size).mean() == pytest.approx(plane.mean(), rel=1e-4)


def test_log_grey_of_nothing():
    assert not log_grey(np.zeros((256, 256), np.int64)).any()


def test_marked_pairs_are_found_again():
    data = np.zeros(10_000, np.uint8)
    data[4000:4010] = [200, 100] * 5
    data[4040:4042] = [200, 100]
    data[9000:9002] = [200, 100]
    image = ByteBigrams(size=256)(Binary(data, offset=50))
    region = image.locate(Box(100, 200, 101, 201))
    assert (
        str(region) == "first byte 200 to 201, second byte 100 to 101, bytes 4050 to 4092, bytes 9050 to 9052"
    )


@given(some_bytes, distances, st.integers(0, 31), st.integers(0, 31), st.integers(1, 32), st.integers(1, 32))
def test_located_bytes_are_where_the_pairs_stand(data, distance, top, left, height, width):
    box = Box(left, top, min(left + width, 32), min(top + height, 32))
    region = ByteBigrams(size=32, distance=distance)(Binary(data)).locate(box)
    first, second, spans = region.of("first byte")[0], region.of("second byte")[0], region.of("bytes")
    found = [
        at
        for at, (a, b) in enumerate(zip(data, data[distance:], strict=False))
        if first.start <= a < first.stop and second.start <= b < second.stop
    ]
    assert all(any(s.start <= at and at + distance < s.stop for s in spans) for at in found)
    assert {s.start for s in spans} <= set(found)
    assert {s.stop - distance - 1 for s in spans} <= set(found)
    assert all(b.start - a.stop >= 64 for a, b in itertools.pairwise(spans))


def test_locating_in_chunks_changes_nothing(monkeypatch):
    image = ByteBigrams(distance=2)(Binary(mixed_bytes(20_000)))
    box = Box(30, 30, 40, 40)
    whole = image.locate(box)
    monkeypatch.setattr("phosphene.converters.binary.bigram.CHUNK_BYTES", 500)
    assert image.locate(box) == whole


def test_many_places_are_joined_until_they_are_few():
    data = np.zeros(400_000, np.uint8)
    data[::100] = 255
    region = ByteBigrams(size=256)(Binary(data)).locate(Box(0, 255, 1, 256))
    assert 1 <= len(region.of("bytes")) <= 1000
    assert (region.of("bytes")[0].start, region.of("bytes")[-1].stop) == (0, 399_902)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=9), st.integers(1, 10))
def test_joining(steps, gap):
    edges = np.cumsum([0, *(number for step in steps for number in step)])[1:]
    starts, stops = edges[::2], edges[1::2]
    near_starts, near_stops = join_near(starts, stops, gap)
    assert (near_starts[1:] - near_stops[:-1] >= gap).all()
    want = {at for low, high in zip(starts, stops, strict=True) for at in range(low, high)}
    assert want <= {at for low, high in zip(near_starts, near_stops, strict=True) for at in range(low, high)}


def test_sections_are_named(pe):
    image = ByteBigrams(size=256)(BinaryReader().read(pe, None))
    code = image.locate(Box(0x90, 0x90, 0x91, 0x91))
    assert [(s.start, s.stop, s.label) for s in code.of("bytes")] == [(512, 1024, ".text")]


def test_axes():
    across, down = ByteBigrams(size=128)(Binary(b"abc")).layout.axes()
    assert (across.title, down.title) == ("second byte", "first byte")
    assert (across.edges[0], across.edges[-1], len(across.edges)) == (0, 256, 129)


@pytest.mark.parametrize("distance", [1, 4])
def test_golden(distance):
    pixels = ByteBigrams(size=64, distance=distance)(Binary(mixed_bytes(20_000))).pixels
    difference = pixels.astype(int) - np.load(GOLDEN / f"binary_bigram_{distance}.npy")
    assert abs(difference).max() <= 1  # the logarithm of another system may round another way


@pytest.mark.parametrize("distance", [0, 65537, 1.5])
def test_bad_distance(distance):
    with pytest.raises(ParameterError) as caught:
        make("bigram", distance=distance)
    assert str(caught.value) == f"ByteBigrams.distance must be an integer >= 1 and <= 65536, got {distance}"
