"""PNG files of tiles, read back by Pillow."""

import io
import tempfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phosphene.pipeline.tiles.store import KEY_NAME, PngCodec, key_of

CODEC = PngCodec()
shapes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))


@given(hnp.arrays(np.uint8, shapes), st.text("0123456789abcdef", min_size=1, max_size=64))
def test_pillow_reads_what_was_written(pixels, key):
    png = CODEC.encode(pixels, key)
    with PIL.Image.open(io.BytesIO(png)) as image:
        image.verify()
        assert image.info[KEY_NAME] == key
        assert image.mode == ("L" if pixels.shape[2] == 1 else "RGB")
    np.testing.assert_array_equal(CODEC.decode(png), pixels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.png")
        path.write_bytes(png)
        assert key_of(path) == key


def test_by_hand():
    """The first row as it is, the second as the difference to it, each behind the number of its filter."""
    import zlib

    png = CODEC.encode(np.array([[10, 20], [11, 18]], np.uint8)[:, :, None], "k")
    start = png.index(b"IDAT")
    length = int.from_bytes(png[start - 4 : start])
    assert zlib.decompress(png[start + 4 : start + 4 + length]) == bytes([2, 10, 20, 2, 1, 254])


def test_no_larger_than_by_pillow():
    rng = np.random.default_rng(0)
    smooth = np.linspace(0, 200, 224)[:, None] + rng.integers(0, 20, (224, 224))
    pixels = smooth.astype(np.uint8)[:, :, None]
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels[:, :, 0]).save(buffer, format="PNG", compress_level=1)
    assert len(CODEC.encode(pixels, "k")) < 1.05 * len(buffer.getvalue())


def test_other_files_carry_no_key(tmp_path):
    PIL.Image.new("L", (9, 9)).save(tmp_path / "a.png", format="PNG")
    assert key_of(tmp_path / "a.png") is None
    (tmp_path / "a.png").write_bytes(b"")
    assert key_of(tmp_path / "a.png") is None


@pytest.mark.parametrize("damage", [lambda png: png[:-1], lambda png: png.replace(b"IDAT", b"IDAX")])
def test_broken_ones_are_refused(damage):
    with pytest.raises((ValueError, SyntaxError, OSError)):
        CODEC.decode(damage(CODEC.encode(np.zeros((8, 8, 1), np.uint8), "k")))
