from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_programs import mixed_bytes

from phosphene.converters import Binary, Box, ParameterError, make, read
from phosphene.converters.binary import LocalEntropy
from phosphene.converters.binary.grid import local_entropy, visits

GOLDEN = Path(__file__).parents[2] / "golden"

some_bytes = st.binary(min_size=1, max_size=300) | st.lists(st.sampled_from(b"\0ab"), min_size=1).map(bytes)
windows = st.integers(2, 64)
hops = st.integers(1, 64)


def levels(data, window, hop=1, **part):
    return local_entropy(np.frombuffer(data, np.uint8), window=window, hop=hop, **part).tolist()


def slow_levels(data, window, hop):
    """SciPy's entropy, window by window."""
    stats = pytest.importorskip("scipy.stats")
    found = []
    for at in range(len(data)):
        begin = at // hop * hop + hop // 2 - window // 2
        begin = max(0, min(begin, len(data) - window))
        counts = np.bincount(np.frombuffer(data[begin : begin + window], np.uint8))
        found.append(stats.entropy(counts, base=2) * 255 / 8)
    return np.array(found)


def test_by_hand():
    # Windows of 2, the byte and the one before: equal ones have 0 bits, different ones 1 bit = 31.875.
    assert levels(b"\7\7\1\2\3\4", 2) == [0, 0, 32, 32, 32, 32]
    # aab has 2/3 log2(3/2) + 1/3 log2(3) = 0.918 bits = 29.3; abc has log2(3) = 1.585 bits = 50.5
    assert levels(b"aabc", 3) == [29, 29, 51, 51]
    assert levels(bytes(range(256)), 256) == [255] * 256
    assert levels(b"abcd", 100) == [64] * 4  # the whole file, 2 bits


@given(some_bytes, windows, hops)
def test_is_the_slow_way(data, window, hop):
    np.testing.assert_allclose(levels(data, window, hop), slow_levels(data, window, hop), atol=0.51)


@given(some_bytes, windows, hops, st.integers(0, 20), st.integers(1, 100))
def test_a_part_is_as_in_the_whole(data, window, hop, first, count):
    start = min(first * hop, (len(data) - 1) // hop * hop)
    stop = min(start + count, len(data))
    assert levels(data, window, hop, start=start, stop=stop) == levels(data, window, hop)[start:stop]


@given(st.integers(0, 255), st.integers(1, 5000), st.sampled_from(["rows", "hilbert", "z_order"]))
def test_one_byte_over_and_over_is_black(byte, count, curve):
    assert not LocalEntropy(size=16, curve=curve)(Binary(bytes([byte]) * count)).pixels.any()


@given(some_bytes, windows, st.permutations(range(256)))
def test_other_values_in_the_same_places_look_the_same(data, window, values):
    renamed = bytes(values[byte] for byte in data)
    assert levels(renamed, window) == levels(data, window)


@given(some_bytes.filter(lambda data: len(data) % 2 == 0), st.integers(1, 20).map(lambda half: 2 * half + 1))
def test_backwards_is_mirrored(data, window):
    assert levels(data[::-1], window) == levels(data, window)[::-1]


@given(some_bytes, windows)
def test_no_window_has_more_bits_than_its_bytes_allow(data, window):
    assert max(levels(data, window)) <= np.log2(min(window, len(data), 256)) * 255 / 8 + 0.5


@given(st.binary(min_size=65, max_size=2000), st.sampled_from(["mean", "max"]))
def test_pixels_are_means_or_the_most_of_their_bytes(data, reduce):
    image = LocalEntropy(size=8, window=16, hop=3, reduce=reduce)(Binary(data))
    found = np.array(levels(data, 16, 3), float)
    parts = [found[a:b] for a, b in zip(image.layout.start.ravel(), image.layout.stop.ravel(), strict=True)]
    want = [np.floor(part.mean() + 0.5) if reduce == "mean" else part.max() for part in parts]
    assert image.pixels.ravel().tolist() == want


def test_along_a_curve_is_the_rows_in_another_order():
    signal = Binary(mixed_bytes(5000))
    rows, along = (LocalEntropy(size=32, curve=curve)(signal).pixels for curve in ("rows", "hilbert"))
    np.testing.assert_array_equal(along, rows.reshape(-1, 1)[visits("hilbert", 32)])


def test_blocks_change_nothing(monkeypatch):
    view, signal = LocalEntropy(size=32, hop=7), Binary(mixed_bytes(20_000))
    whole = view(signal).pixels
    monkeypatch.setattr("phosphene.converters.binary.cells.BLOCK_BYTES", 500)
    np.testing.assert_array_equal(view(signal).pixels, whole)


@pytest.mark.parametrize("curve", ["rows", "hilbert", "z_order"])
def test_noise_among_zeros_is_found_again(curve):
    data = np.zeros(1_000_000, np.uint8)
    data[700_000:701_000] = np.random.default_rng(0).integers(0, 256, 1000)
    image = LocalEntropy(curve=curve)(Binary(data, offset=50))
    y, x = np.unravel_index(image.pixels[..., 0].argmax(), (224, 224))
    (span,) = image.locate(Box(int(x), int(y), int(x) + 1, int(y) + 1)).spans
    assert 700_050 <= span.start < span.stop <= 701_050
    assert image.pixels.max() > 200


def test_a_key_of_64_bytes_stays_visible_by_max():
    data = np.zeros(10_000_000, np.uint8)
    data[3_000_000:3_000_064] = np.random.default_rng(0).permutation(256)[:64]
    most, mean = (LocalEntropy(reduce=reduce)(Binary(data)).pixels for reduce in ("max", "mean"))
    assert most.max() > 50 > mean.max()


def test_sections_are_named(pe):
    spans = LocalEntropy(size=32)(read(f"{pe}#bytes=1000-1049")).locate(Box(0, 0, 32, 32)).spans
    assert [(s.start, s.stop, s.label) for s in spans] == [(1000, 1024, ".text"), (1024, 1050, ".rsrc")]


def test_golden():
    pixels = LocalEntropy(size=48, curve="hilbert")(Binary(mixed_bytes(20_000))).pixels
    np.testing.assert_array_equal(pixels, np.load(GOLDEN / "binary_entropy.npy"))


@pytest.mark.parametrize("window", [1, 65537])
def test_bad_window(window):
    with pytest.raises(ParameterError) as caught:
        make("entropy", window=window)
    assert str(caught.value) == f"LocalEntropy.window must be an integer >= 2 and <= 65536, got {window}"
