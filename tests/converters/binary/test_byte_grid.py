from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_programs import mixed_bytes

from phosphene.converters import Binary, Box, ParameterError, make
from phosphene.converters.binary import BinaryReader, ByteGrid
from phosphene.converters.binary.cells import spread
from phosphene.converters.binary.grid import nataraj_width

GOLDEN = Path(__file__).parents[2] / "golden"
FITS = ["stretch", "keep", "crop"]
REDUCES = ["mean", "max", "sample"]
RULES = [{"width_rule": "square"}, {"width_rule": "nataraj"}, {"width_rule": "fixed", "width": 7}]

some_bytes = st.binary(min_size=1, max_size=2000)


def slow_cell(stretch, reduce):
    if not stretch:
        return 0
    mean = (sum(stretch) + len(stretch) // 2) // len(stretch)
    return {"mean": mean, "max": max(stretch), "sample": stretch[0]}[reduce]


def slow_spread(count, cells, fit):
    length = {"stretch": count, "keep": max(count, cells), "crop": cells}[fit]
    for cell in range(cells):
        first = cell * length // cells
        last = max((cell + 1) * length // cells, first + 1)
        yield min(first, count), min(last, count)


def slow_rows(data, width, size, fit, reduce):
    rows = [data[at : at + width] for at in range(0, len(data), width)]
    return [
        [
            slow_cell([byte for row in rows[top:bottom] for byte in row[left:right]], reduce)
            for left, right in slow_spread(width, size, fit)
        ]
        for top, bottom in slow_spread(len(rows), size, fit)
    ]


def test_by_hand():
    image = ByteGrid(size=8)(Binary(bytes(range(128))))
    assert image.pixels[0, :, 0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15]  # (0 + 1) / 2 rounded half up
    image = ByteGrid(size=8, reduce="max")(Binary(bytes(range(128))))
    assert image.pixels[0, :3, 0].tolist() == [1, 3, 5]
    image = ByteGrid(size=8, reduce="sample")(Binary(bytes(range(128))))
    assert image.pixels[0, :3, 0].tolist() == [0, 2, 4]


def test_short_files_by_hand():
    keep, stretch, crop = (
        ByteGrid(size=8, fit=fit)(Binary(bytes([9, 5]))).pixels[..., 0] for fit in ("keep", "stretch", "crop")
    )
    assert keep.ravel().tolist() == [9, 5] + [0] * 62
    assert stretch.ravel().tolist() == [9] * 32 + [5] * 32
    assert crop.tolist() == keep.tolist()


def test_one_byte():
    image = ByteGrid()(Binary(b"\xff"))
    assert image.pixels.shape == (224, 224, 1)
    assert image.pixels.sum() == 255


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("reduce", REDUCES)
@given(data=some_bytes)
def test_square_is_the_slow_way(fit, reduce, data):
    image = ByteGrid(size=8, fit=fit, reduce=reduce)(Binary(data))
    want = [slow_cell(data[low:high], reduce) for low, high in slow_spread(len(data), 64, fit)]
    assert image.pixels.ravel().tolist() == want


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("reduce", REDUCES)
@given(data=some_bytes, width=st.integers(1, 40))
def test_rows_are_the_slow_way(fit, reduce, data, width):
    image = ByteGrid(size=8, width_rule="fixed", width=width, fit=fit, reduce=reduce)(Binary(data))
    assert image.pixels[..., 0].tolist() == slow_rows(data, width, 8, fit, reduce)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["width_rule"])
@pytest.mark.parametrize("reduce", REDUCES)
def test_chunks_change_nothing(rule, reduce, monkeypatch):
    view = ByteGrid(size=16, reduce=reduce, **rule)
    whole = view(Binary(mixed_bytes(20_000))).pixels
    monkeypatch.setattr("phosphene.converters.binary.cells.BLOCK_BYTES", 1000)
    np.testing.assert_array_equal(view(Binary(mixed_bytes(20_000))).pixels, whole)


@given(
    data=some_bytes,
    fit=st.sampled_from(["stretch", "keep"]),
    rule=st.sampled_from(RULES),
    at=st.integers(0, 99),
)
def test_every_byte_has_its_place(data, fit, rule, at):
    image = ByteGrid(size=8, fit=fit, **rule)(Binary(data, offset=at))
    whole = image.locate(Box(0, 0, 8, 8)).spans
    assert sum(span.stop - span.start for span in whole) == len(data)
    assert (whole[0].start, whole[-1].stop) == (at, at + len(data))


@given(count=st.integers(64, 5000), fit=st.sampled_from(["stretch", "keep"]))
def test_every_byte_is_on_one_pixel(count, fit):
    layout = ByteGrid(size=8, fit=fit)(Binary(bytes(count))).layout
    covered = np.concatenate(
        [np.arange(a, b) for a, b in zip(layout.start.ravel(), layout.stop.ravel(), strict=True)]
    )
    assert covered.tolist() == list(range(count))


def test_empty_pixels_are_marked():
    image = ByteGrid(size=8)(Binary(bytes(10)))
    assert ((image.layout.stop > image.layout.start).ravel() == (np.arange(64) < 10)).all()
    assert str(image.locate(Box(0, 4, 8, 8))) == "nothing of the signal"
    rows = ByteGrid(size=8, width_rule="fixed", width=4)(Binary(bytes(10)))
    assert str(rows.locate(Box(4, 0, 8, 8))) == "nothing of the signal"
    assert str(rows.locate(Box(2, 2, 8, 8))) == "nothing of the signal"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["width_rule"])
def test_a_marked_stretch_is_found_again(rule):
    data = np.zeros(100_000, np.uint8)
    data[61_000:62_000] = 255
    image = ByteGrid(reduce="max", **rule)(Binary(data, offset=5000))
    rows, columns = np.nonzero(image.pixels[..., 0])
    spans = [
        span
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True)
        for span in image.locate(Box(x, y, x + 1, y + 1)).spans
    ]
    marked = np.zeros(105_000, np.bool_)
    for span in spans:
        marked[int(span.start) : int(span.stop)] = True
    assert marked[66_000:67_000].all()
    assert marked.sum() < 12_000


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["width_rule"])
def test_sections_are_named(rule, pe):
    image = ByteGrid(size=32, **rule)(BinaryReader().read(pe, None))
    labels = [span.label for span in image.locate(Box(0, 0, 32, 32)).of("bytes")]
    assert labels == ["PE headers", ".text", ".rsrc", "overlay"]


def test_sections_of_a_real_library(native):
    program = BinaryReader().read(native, None)
    code = max((s for s in program.sections if s.kind == "code"), key=lambda s: s.stop - s.start)
    image = ByteGrid()(program)
    inside = (image.layout.start >= code.start) & (image.layout.stop <= code.stop)
    y, x = np.argwhere(inside)[len(np.argwhere(inside)) // 2].tolist()
    (span,) = image.locate(Box(x, y, x + 1, y + 1)).spans
    assert span.label == code.name
    assert code.start <= span.start < span.stop <= code.stop


@pytest.mark.parametrize(
    ("size_kb", "width"),
    [
        (1, 32),
        (9.9, 32),
        (10, 64),
        (30, 128),
        (60, 256),
        (100, 384),
        (200, 512),
        (500, 768),
        (1000, 1024),
        (9e5, 1024),
    ],
)
def test_nataraj_table(size_kb, width):
    assert nataraj_width(int(np.ceil(size_kb * 1024))) == width


@given(count=st.integers(1, 300), cells=st.integers(1, 100), fit=st.sampled_from(FITS))
def test_spread_is_the_slow_way(count, cells, fit):
    assert list(zip(*(a.tolist() for a in spread(count, cells, fit=fit)), strict=True)) == list(
        slow_spread(count, cells, fit)
    )


def test_mapped_and_read_files_look_the_same(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(mixed_bytes(5000))
    read = ByteGrid()(BinaryReader().read(path, None)).pixels
    monkeypatch.setattr("phosphene.converters.binary.kind.MAPPED_FROM_BYTES", 1)
    np.testing.assert_array_equal(ByteGrid()(BinaryReader().read(path, None)).pixels, read)


@pytest.mark.parametrize("rule", RULES[:2], ids=lambda rule: rule["width_rule"])
def test_golden(rule):
    pixels = ByteGrid(size=64, **rule)(Binary(mixed_bytes(20_000))).pixels
    np.testing.assert_array_equal(pixels, np.load(GOLDEN / f"binary_grid_{rule['width_rule']}.npy"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"size": 4},
            "ByteGrid.size must be an integer >= 8 and <= 4096 or (height, width), as text 224x448, got 4",
        ),
        ({"width": 0}, "ByteGrid.width must be an integer >= 1 and <= 65536, got 0"),
        (
            {"width_rule": "round"},
            "ByteGrid.width_rule must be one of 'square', 'nataraj', 'fixed', got 'round'",
        ),
        ({"fit": "fill"}, "ByteGrid.fit must be one of 'stretch', 'keep', 'crop', got 'fill'"),
        ({"reduce": "min"}, "ByteGrid.reduce must be one of 'mean', 'max', 'sample', 'rarest', got 'min'"),
    ],
)
def test_bad_parameters(values, message):
    with pytest.raises(ParameterError) as caught:
        make("grid", **values)
    assert str(caught.value) == message
