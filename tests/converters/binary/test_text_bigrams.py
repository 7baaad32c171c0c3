import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_programs import mixed_bytes

from phosphene.converters import Binary, Box, ParameterError, make
from phosphene.converters.binary import BinaryReader, ByteBigrams, TextBigrams
from phosphene.converters.binary.bigram import CHARACTERS, long_runs, tally, text_blocks

GOLDEN = Path(__file__).parents[2] / "golden"
texts = st.lists(
    st.sampled_from([b"\0", b"\n", b"ab", b"word", b"\xff", b"\t ", b"~!", b"\x7f", b"\0\0\0\0\0"]),
    min_size=1,
    max_size=60,
).map(b"".join)
lengths, distances = st.integers(1, 6), st.integers(1, 5)


def text_of(data, min_length, *, reach=0, step=1 << 20):
    return list(text_blocks(np.frombuffer(data, np.uint8), min_length=min_length, reach=reach, step=step))


def counted(data, min_length, distance, step=1 << 20):
    return tally(text_of(data, min_length, reach=distance, step=step), distance=distance)[32:127, 32:127]


def slow_text(data, min_length):
    """The same bytes with a NUL wherever no run of printable characters stands that is long enough."""
    text = bytearray(len(data))
    for run in re.finditer(rb"[ -~]{%d,}" % min_length, data):
        text[slice(*run.span())] = run.group()
    return bytes(text)


def slow_pairs(data, min_length, distance):
    text, counts = slow_text(data, min_length), np.zeros((95, 95), int)
    for first, second in zip(text, text[distance:], strict=False):
        if first and second:
            counts[first - 32, second - 32] += 1
    return counts


def test_by_hand():
    # Text is "baba" and "b!"; "a" is too short. ba twice, ab once, b! once: log 3, log 2 and log 2 of log 3.
    image = TextBigrams(size=95, min_length=2)(Binary(b"baba\0a\xffb!\n"))
    a, b, mark = (ord(character) - 32 for character in "ab!")
    pixels = image.pixels[..., 0]
    assert (pixels[b, a], pixels[a, b], pixels[b, mark]) == (255, 161, 161)
    assert np.count_nonzero(pixels) == 3


def test_two_apart_by_hand():
    counts = counted(b"abc\0def", 3, 2)
    pairs = {(chr(row + 32), chr(column + 32)) for row, column in np.argwhere(counts)}
    assert pairs == {("a", "c"), ("d", "f"), ("c", "d")}


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 12))
def test_long_runs_are_the_slow_way(flags, length):
    written = "".join("01"[flag] for flag in flags)
    want = [at for run in re.finditer(f"1{{{length},}}", written) for at in range(*run.span())]
    assert np.flatnonzero(long_runs(np.array(flags, bool), length=length)).tolist() == want


@given(texts, lengths)
def test_text_is_the_slow_way(data, min_length):
    ((_, found),) = text_of(data, min_length)
    assert found.tobytes() == slow_text(data, min_length)


@given(texts, lengths, distances)
def test_counts_are_the_slow_way(data, min_length, distance):
    np.testing.assert_array_equal(counted(data, min_length, distance), slow_pairs(data, min_length, distance))


@example(b"ab" * 9, 5, 1, 4)
@given(texts, lengths, distances, st.integers(1, 20))
def test_blocks_change_nothing(data, min_length, distance, step):
    whole = counted(data, min_length, distance)
    np.testing.assert_array_equal(counted(data, min_length, distance, step), whole)


@given(texts, distances)
def test_single_characters_are_the_corner_of_all_bytes(data, distance):
    every = ByteBigrams(size=256, distance=distance)(Binary(data)).pixels[32:127, 32:127] > 0
    some = TextBigrams(size=95, min_length=1, distance=distance)(Binary(data)).pixels > 0
    np.testing.assert_array_equal(some, every)


@given(texts, texts)
def test_what_is_no_text_changes_nothing(data, more):
    noise = bytes(range(128, 256)) * 3
    np.testing.assert_array_equal(
        TextBigrams()(Binary(data + b"\0" + more)).pixels,
        TextBigrams()(Binary(noise + data + noise + more + noise)).pixels,
    )


@pytest.mark.parametrize("data", [b"\0", b"x", b"four", bytes(range(32)) * 50])
def test_without_text_is_black(data):
    image = TextBigrams()(Binary(data))
    assert not image.pixels.any()
    assert image.locate(Box(0, 0, 224, 224)).of("bytes") == ()


def test_marked_pairs_are_found_again():
    data = b"\0" * 1000 + b"qz" + b"\0" * 1000 + b"seven qz" + b"\0" * 1000
    image = TextBigrams(size=95)(Binary(data, offset=50))
    q, z = ord("q") - 32, ord("z") - 32
    region = image.locate(Box(z, q, z + 1, q + 1))
    assert str(region) == "first byte 113 to 114, second byte 122 to 123, bytes 2058 to 2060"


@given(
    texts, lengths, distances, st.integers(0, 31), st.integers(0, 31), st.integers(1, 32), st.integers(1, 32)
)
def test_located_bytes_are_where_the_pairs_stand(data, min_length, distance, top, left, height, width):
    box = Box(left, top, min(left + width, 32), min(top + height, 32))
    region = TextBigrams(size=32, min_length=min_length, distance=distance)(Binary(data)).locate(box)
    first, second, spans = region.of("first byte")[0], region.of("second byte")[0], region.of("bytes")
    assert CHARACTERS.start <= first.start < first.stop <= CHARACTERS.stop
    text = slow_text(data, min_length)
    found = [
        at
        for at, (a, b) in enumerate(zip(text, text[distance:], strict=False))
        if first.start <= a < first.stop and second.start <= b < second.stop
    ]
    assert all(any(s.start <= at and at + distance < s.stop for s in spans) for at in found)
    assert {s.start for s in spans} <= set(found)


def test_axes():
    across, down = TextBigrams(size=190)(Binary(b"abc")).layout.axes()
    assert (across.title, down.title) == ("second byte", "first byte")
    assert (across.edges[0], across.edges[1], across.edges[-1]) == (32, 32.5, 127)


def test_sections_are_named(pe):
    image = TextBigrams(size=95)(BinaryReader().read(pe, None))
    labels = [span.label for span in image.locate(Box(0, 0, 95, 95)).of("bytes")]
    assert labels
    assert "PE headers" in labels


@pytest.mark.parametrize("distance", [1, 2])
def test_golden(distance):
    pixels = TextBigrams(size=64, distance=distance)(Binary(mixed_bytes(20_000))).pixels
    difference = pixels.astype(int) - np.load(GOLDEN / f"binary_text_{distance}.npy")
    assert abs(difference).max() <= 1  # the logarithm of another system may round another way


def test_bad_length():
    with pytest.raises(ParameterError) as caught:
        make("text", min_length=0)
    assert str(caught.value) == "TextBigrams.min_length must be an integer >= 1 and <= 1024, got 0"
