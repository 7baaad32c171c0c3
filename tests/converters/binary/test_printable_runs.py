import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_programs import mixed_bytes

from phosphene.converters import Binary, Box, ParameterError, make
from phosphene.converters.binary import BinaryReader, PrintableRuns
from phosphene.converters.binary.runs import printable_runs

GOLDEN = Path(__file__).parents[2] / "golden"
texts = st.lists(st.sampled_from([b"\0", b"\n", b"ab", b"word", b"\xff", b"\t ", b"~!"]), max_size=60).map(
    b"".join
)


def slow_runs(data, min_length):
    return [match.span() for match in re.finditer(rb"[\t -~]{%d,}" % min_length, data)]


def found_runs(data, min_length, room=10**6):
    found = printable_runs(np.frombuffer(data, np.uint8), min_length=min_length, room=room)
    return list(zip(*(places.tolist() for places in found), strict=True))


def test_by_hand():
    image = PrintableRuns(size=8, align=1)(Binary(b"\0hello\0no\1a b\tc!\n", offset=10))
    assert image.pixels[..., 0].ravel().tobytes() == b"hello\0a b\tc!".ljust(64, b"\0")
    assert str(image.locate(Box(1, 0, 3, 1))) == "bytes 12 to 14"
    assert str(image.locate(Box(5, 0, 6, 1))) == "nothing of the signal"
    assert str(image.locate(Box(0, 2, 8, 8))) == "nothing of the signal"
    assert str(image.locate(Box(0, 0, 8, 8))) == "bytes 11 to 16, bytes 20 to 26"


@given(texts, st.integers(1, 6))
def test_runs_are_the_slow_way(data, min_length):
    assert found_runs(data, min_length) == slow_runs(data, min_length)


def test_runs_stand_under_each_other_by_hand():
    image = PrintableRuns(size=8, align=8)(Binary(b"hello\0world of text\0again"))
    rows = [row.tobytes() for row in image.pixels[:4, :, 0]]
    assert rows == [b"hello\0\0\0", b"world of", b" text\0\0\0", b"again\0\0\0"]


def slow_pack(data, min_length, align):
    packed = b""
    for low, high in slow_runs(data, min_length):
        packed += data[low:high] + b"\0"
        packed += b"\0" * (-len(packed) % align)
    return packed


@given(texts.filter(len), st.integers(1, 6), st.integers(1, 20))
def test_pixels_are_the_slow_way(data, min_length, align):
    packed = slow_pack(data, min_length, align)
    image = PrintableRuns(size=8, min_length=min_length, align=align)(Binary(data))
    assert image.pixels.tobytes() == packed[:64].ljust(64, b"\0")
    drawn = image.layout.stop > image.layout.start
    places = image.layout.start[drawn]
    np.testing.assert_array_equal(np.frombuffer(data, np.uint8)[places], image.pixels[..., 0][drawn])


def those_that_fit(runs, *, room):
    """The runs that begin before the room is full; each takes one place more than it is long."""
    starts = np.cumsum([0, *(last - first + 1 for first, last in runs)])
    return [run for run, start in zip(runs, starts, strict=False) if start < room]


@example(b"long text" * 6 + b"12345\0long text")  # a run that fills the room to the last place
@given(st.lists(st.sampled_from([b"\0", b"long text", b"12345"]), min_size=1, max_size=80).map(b"".join))
def test_blocks_change_nothing(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("phosphene.converters.binary.runs.BLOCK_BYTES", 16)
        small = PrintableRuns(size=8)(Binary(data)).pixels
        if not re.search(rb"[\t -~]{60,}", data):
            wanted = those_that_fit(slow_runs(data, 5), room=60)
            assert found_runs(data, 5, room=60)[: len(wanted)] == wanted
    np.testing.assert_array_equal(small, PrintableRuns(size=8)(Binary(data)).pixels)


def test_looks_no_further_than_needed(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(b"some words " * 10_000)
        file.truncate(4 << 30)
    image = PrintableRuns()(BinaryReader().read(path, None))
    assert image.pixels.all()


@pytest.mark.parametrize("data", [b"\0", b"x", bytes(range(32)) * 50])
def test_without_text_is_black(data):
    image = PrintableRuns()(Binary(data))
    assert not image.pixels.any()
    assert image.locate(Box(0, 0, 224, 224)).spans == ()


@pytest.mark.skipif(not shutil.which("strings"), reason="needs strings")
def test_runs_are_those_of_strings(native):
    listed = subprocess.run(["strings", "-a", "-n5", "-td", native], capture_output=True, check=True).stdout
    want = [int(line.split(maxsplit=1)[0]) for line in listed.splitlines()]
    assert [start for start, _ in found_runs(native.read_bytes(), 5)] == want


def test_sections_are_named(pe):
    image = PrintableRuns(size=32)(BinaryReader().read(pe, None))
    labels = [span.label for span in image.locate(Box(0, 0, 32, 32)).of("bytes")]
    assert labels == ["PE headers", "PE headers", ".rsrc", "overlay"][-len(labels) :]


def test_golden():
    pixels = PrintableRuns(size=64)(Binary(mixed_bytes(20_000))).pixels
    np.testing.assert_array_equal(pixels, np.load(GOLDEN / "binary_runs.npy"))


def test_bad_length():
    with pytest.raises(ParameterError) as caught:
        make("runs", min_length=0)
    assert str(caught.value) == "PrintableRuns.min_length must be an integer >= 1 and <= 1024, got 0"
