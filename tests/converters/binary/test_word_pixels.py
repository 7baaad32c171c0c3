"""Words and their pixels, against regular expressions and by hand."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Binary, Box, make
from phosphene.converters.binary import Words
from phosphene.converters.binary import words as module
from phosphene.converters.binary.words import find_words

texts = st.lists(
    st.sampled_from([b"\0", b"numpy", b"Numpy", b"io", b"_", b"\xc3\xa9", b"1", b"{", b"@", b"abcdefghijkl"]),
    min_size=1,
    max_size=60,
).map(b"".join)


def found(data, min_length=3, n_pixels=144):
    parts = find_words(np.frombuffer(data, np.uint8), min_length=min_length, n_pixels=n_pixels)
    return [tuple(map(int, row)) for part in parts for row in zip(*part, strict=True)]


@given(texts, st.integers(1, 6), st.integers(1, 9))
def test_words_are_those_of_a_regular_expression_whatever_the_blocks(data, min_length, step):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_BYTES", step)
        words = found(data, min_length)
    expected = [match.span() for match in re.finditer(rb"[A-Za-z]{%d,}" % min_length, data)]
    assert [(start, stop) for _, start, stop in words] == expected
    pixel_of = {data[start:stop].lower(): pixel for pixel, start, stop in words}
    assert [pixel_of[data[start:stop].lower()] for _, start, stop in words] == [word[0] for word in words]


def test_the_pixel_of_a_word_never_changes():
    # Saved classifiers depend on it.
    assert [pixel for pixel, *_ in found(b"numpy;scipy;PyInit", n_pixels=112 * 112)] == [6878, 1442, 2713]


def test_many_words_fall_evenly_on_the_pixels():
    rng = np.random.default_rng(0)
    words = {bytes(rng.integers(97, 123, 6, dtype=np.uint8)) for _ in range(20_000)}
    counts = np.bincount([pixel for pixel, *_ in found(b" ".join(words), n_pixels=100)], minlength=100)
    assert counts.sum() == len(words)
    assert ((counts - 200) ** 2 / 200).sum() == pytest.approx(99, abs=60)  # chi-squared, deviation 14


def test_grey_levels_are_logarithms_of_counts():
    data = b" ".join([b"once", *[b"twice"] * 2, *[b"thousand"] * 1000])
    pixels = Words(size=64)(Binary(data)).pixels
    assert Counter(pixels.ravel().tolist()) == {0: 64 * 64 - 3, 32: 1, 51: 1, 255: 1}


def test_a_pixel_is_located_where_its_word_stands():
    data = b"\0" * 500 + b"once" + b"\0" * 500 + b"Twice" + b"\0" * 200 + b"twicE"
    image = Words(size=64)(Binary(data, offset=100))
    spans = {}
    for row, column in np.argwhere(image.pixels[..., 0]).tolist():
        region = image.locate(Box(column, row, column + 1, row + 1))
        spans[image.pixels[row, column, 0]] = [(span.start, span.stop) for span in region.of("bytes")]
    assert spans == {32: [(600, 604)], 51: [(1104, 1109), (1309, 1314)]}
    assert image.locate(Box(0, 0, 64, 64)).of("bytes")[0].start == 600


def test_bytes_without_words_are_black():
    assert not Words(size=8)(Binary(bytes(range(64)) * 20)).pixels.any()


def test_only_a_linear_head_sees_it():
    assert make("words").by_pixel == "in proportion"
    assert make("bigram").by_pixel == ""
