import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_programs import mixed_bytes

from phosphene.converters import Binary, Box, ParameterError, make, read
from phosphene.converters.binary import HilbertCurve
from phosphene.converters.binary.grid import hilbert, visits, z_order

GOLDEN = Path(__file__).parents[2] / "golden"
CURVES = ["hilbert", "z_order"]


def textbook_hilbert(number, size):
    """The usual bit by bit way from a place on the curve to column and row; sides of powers of two alone."""
    x = y = 0
    side = 1
    while side < size:
        right = 1 & (number // 2)
        down = 1 & (number ^ right)
        if not down:
            if right:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        x, y = x + side * right, y + side * down
        number //= 4
        side *= 2
    return x, y


def textbook_morton(number):
    bits = f"{number:032b}"
    return int(bits[1::2], 2), int(bits[::2], 2)


def pixels_of(image):
    return [(y, x) for y in range(image.height) for x in range(image.width) if image.pixels[y, x].any()]


def test_by_hand():
    image = HilbertCurve(size=8)(Binary(bytes(range(1, 65))))
    assert image.pixels[:4, :4, 0].tolist() == [[1, 4, 5, 6], [2, 3, 8, 7], [15, 14, 9, 10], [16, 13, 12, 11]]
    image = HilbertCurve(size=8, curve="z_order")(Binary(bytes(range(1, 65))))
    assert image.pixels[:4, :4, 0].tolist() == [[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]


@pytest.mark.parametrize("size", [1, 2, 4, 8, 32, 128])
def test_powers_of_two_are_the_textbook_curve(size):
    here = np.stack(hilbert(size), axis=1)
    there = np.array([textbook_hilbert(number, size) for number in range(size * size)])
    # The same curve up to the reflection at the diagonal.
    assert any((here == way).all() for way in (there, there[:, ::-1]))
    morton = [textbook_morton(number) for number in range(size * size)]
    np.testing.assert_array_equal(np.stack(z_order(size), axis=1), morton)


@given(st.integers(1, 150))
def test_any_size_visits_each_pixel_once_and_never_jumps(size):
    columns, rows = hilbert(size)
    assert np.bincount(rows * size + columns, minlength=size * size).tolist() == [1] * size * size
    assert (np.abs(np.diff(columns)) + np.abs(np.diff(rows)) == 1).all()
    assert ((columns[0], rows[0]), (columns[-1], rows[-1])) == ((0, 0), (size - 1, 0))
    columns, rows = z_order(size)
    assert np.bincount(rows * size + columns, minlength=size * size).tolist() == [1] * size * size


@given(st.sampled_from(CURVES), st.integers(1, 60))
def test_visits_are_told_by_pixel(curve, size):
    shown = visits(curve, size)
    assert sorted(shown.ravel().tolist()) == list(range(size * size))
    assert not shown.flags.writeable
    columns, rows = {"hilbert": hilbert, "z_order": z_order}[curve](size)
    assert shown[rows, columns].tolist() == list(range(size * size))


@given(
    st.binary(min_size=1, max_size=1000),
    st.sampled_from(CURVES),
    st.sampled_from(["keep", "stretch", "crop"]),
)
def test_is_the_grid_in_another_order(data, curve, fit):
    along = HilbertCurve(size=9, curve=curve, fit=fit)(Binary(data))
    rows = make("grid", size=9, fit=fit)(Binary(data))
    shown = visits(curve, 9)
    np.testing.assert_array_equal(along.pixels, rows.pixels.reshape(81, 1)[shown])
    np.testing.assert_array_equal(along.layout.start, rows.layout.start.ravel()[shown])


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=64))
def test_appending_moves_nothing_where_the_end_is_cropped(data, more):
    short, long = (HilbertCurve(size=8, fit="crop")(Binary(part)) for part in (data, data + more))
    drawn = short.layout.stop > short.layout.start
    np.testing.assert_array_equal(short.pixels[drawn], long.pixels[drawn])


def test_near_in_the_file_is_near_in_the_picture():
    places = np.argsort(visits("hilbert", 64).ravel())
    y, x = np.divmod(places, 64)
    far = np.maximum(np.abs(x[100:] - x[:-100]), np.abs(y[100:] - y[:-100]))
    assert far.max() < 20  # 100 pixels along the curve; in rows they are up to 63 columns apart


@pytest.mark.parametrize("curve", CURVES)
def test_a_marked_range_is_found_again(curve):
    data = np.zeros(500_000, np.uint8)
    data[123_456:124_000] = 255
    image = HilbertCurve(curve=curve, reduce="max")(Binary(data, offset=1000))
    pixels = pixels_of(image)
    spans = [span for y, x in pixels for span in image.locate(Box(x, y, x + 1, y + 1)).spans]
    assert 124_456 - 10 <= min(s.start for s in spans) <= 124_456
    assert 125_000 <= max(s.stop for s in spans) <= 125_010


def test_sections_are_named(pe):
    image = HilbertCurve(size=32)(read(pe))
    labels = [span.label for span in image.locate(Box(0, 0, 32, 32)).of("bytes")]
    assert labels == ["PE headers", ".text", ".rsrc", "overlay"]


def test_a_range_of_a_file_counts_from_its_start(pe):
    image = HilbertCurve(size=32)(read(f"{pe}#bytes=500-1099"))
    spans = image.locate(Box(0, 0, 32, 32)).spans
    assert [(s.start, s.stop, s.label) for s in spans] == [
        (500, 512, "PE headers"), (512, 1024, ".text"), (1024, 1100, ".rsrc"),
    ]  # fmt: skip


@pytest.mark.parametrize("curve", CURVES)
def test_golden(curve):
    pixels = HilbertCurve(size=48, curve=curve)(Binary(mixed_bytes(20_000))).pixels
    np.testing.assert_array_equal(pixels, np.load(GOLDEN / f"binary_{curve}.npy"))


def test_bad_curve():
    with pytest.raises(ParameterError) as caught:
        make("hilbert", curve="peano")
    assert str(caught.value) == "HilbertCurve.curve must be one of 'hilbert', 'z_order', got 'peano'"


# Not getrusage, whose most is also that of the process that started this one.
MEMORY = """
import sys
from pathlib import Path
from phosphene.converters import parse_views, read
(view,) = parse_views(sys.argv[2], kind="binary")
view(read(sys.argv[1], "binary"))
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.fixture(scope="module")
def two_gigabytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "two.bin"
    with path.open("wb") as file:
        file.write(mixed_bytes(1_000_000))
        file.truncate(2_000_000_000)
    return path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much was used")
@pytest.mark.parametrize(
    "spec",
    ["grid", "grid(width_rule=nataraj)", "grid(reduce=rarest)", "grid(ink=class)", "grid(ink=section)", "hilbert",
     "bigram", "text", "entropy", "runs(min_length=1000)", "words"],
)  # fmt: skip
def test_a_file_of_two_gigabytes_takes_half_of_one(two_gigabytes, spec):
    code = [sys.executable, "-c", MEMORY, str(two_gigabytes), spec]
    used_mb = int(subprocess.run(code, capture_output=True, text=True, check=True).stdout)
    assert used_mb < 500
