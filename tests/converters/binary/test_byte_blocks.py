import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Binary, make
from phosphene.converters.binary.signal import blocks, release


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(0, 60), st.integers(0, 200))
def test_pieces_are_the_whole(data, step, reach, stop):
    array, stop = np.frombuffer(data, np.uint8), min(stop, len(data))
    for at, block in blocks(array, stop=stop, step=step, reach=reach):
        assert block.tobytes() == data[at : min(at + step + reach, stop)]
        assert not block.flags.writeable
        assert block.flags.c_contiguous
    pieces = [block[:step] for _, block in blocks(array, stop=stop, step=step, reach=reach)]
    assert b"".join(piece.tobytes() for piece in pieces) == data[:stop]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 400)
    return path


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_what_was_let_go_is_there_when_asked_for(path, mode):
    data = np.memmap(path, np.uint8, mode=mode)
    if mode != "r":
        data[:] = 7  # in `c`, these pages are nowhere else
    want = data.tobytes()
    for start, stop in ((0, 1), (0, len(data)), (4095, 4097), (len(data) - 1, len(data))):
        release(data, start, stop)
        release(data[5000:].view(), 0, len(data) - 5000)
        assert data.tobytes() == want


@pytest.mark.parametrize("name", ["grid", "hilbert", "entropy", "bigram", "runs", "words"])
def test_every_other_byte_and_mapped_bytes_are_drawn_as_any(path, name):
    view = make(name, size=16, kind="binary")
    mapped = np.memmap(path, np.uint8, mode="r", offset=300)
    here = np.fromfile(path, np.uint8)[300:]
    np.testing.assert_array_equal(view(Binary(mapped)).pixels, view(Binary(here)).pixels)
    np.testing.assert_array_equal(view(Binary(here[::2])).pixels, view(Binary(here[::2].copy())).pixels)
