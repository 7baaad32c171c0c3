import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_programs import mixed_bytes

from phosphene.converters import Binary, Box, ParameterError, make, read
from phosphene.converters.binary import ByteGrid, HilbertCurve
from phosphene.converters.binary.cells import CLASS_COLOURS, KIND_COLOURS, OUTSIDE, byte_classes

GOLDEN = Path(__file__).parents[2] / "golden"
some_bytes = st.binary(min_size=1, max_size=600) | st.lists(st.sampled_from(b"\0\xffA \x80"), min_size=1).map(
    bytes
)
VIEWS = [
    {"name": "grid"},
    {"name": "grid", "width_rule": "fixed", "width": 5},
    {"name": "grid", "width_rule": "nataraj"},
    {"name": "hilbert", "curve": "z_order"},
]
views = st.sampled_from(VIEWS)


def bytes_of_pixels(view, data):
    """The bytes of each pixel, in the order of the file, as `locate` tells them."""
    image = view(Binary(data))
    for y, x in itertools.product(range(image.height), range(image.width)):
        spans = image.locate(Box(x, y, x + 1, y + 1)).spans
        yield image.pixels[y, x].tolist(), b"".join(data[int(s.start) : int(s.stop)] for s in spans)


def slow_class(byte):
    if byte == 0:
        return "zero"
    if byte == 255:
        return "0xff"
    if chr(byte).isascii() and chr(byte).isprintable() and byte != 32:
        return "printable"
    return "control" if byte < 128 else "high"


def most_voted(found, order):
    votes = Counter(found)
    return max(votes, key=lambda name: (votes[name], order.index(name)))


def test_classes_are_the_slow_way():
    assert [list(CLASS_COLOURS)[code] for code in byte_classes()] == [slow_class(byte) for byte in range(256)]


def test_colours_by_hand():
    image = ByteGrid(size=8, ink="class")(Binary(b"\0\xffA \x80"))
    names = ["zero", "0xff", "printable", "control", "high"]
    assert image.pixels[0].tolist() == [list(c) for c in [*(CLASS_COLOURS[n] for n in names), *[OUTSIDE] * 3]]
    colours = [*CLASS_COLOURS.values(), OUTSIDE], [*KIND_COLOURS.values(), OUTSIDE]
    assert all(len(set(some)) == len(some) for some in colours)


def test_a_tie_is_won_as_told():
    # Two bytes a pixel: zero and 0xff, 0xff and high, high and control, control and printable.
    image = ByteGrid(size=8, ink="class")(Binary(b"\0\xff\xff\x80\x80\t\tA".ljust(128, b"\0")))
    assert image.pixels[0, :4].tolist() == [
        list(CLASS_COLOURS[n]) for n in ("0xff", "high", "control", "printable")
    ]


@given(some_bytes, views)
def test_most_of_the_bytes_have_the_class(data, view):
    for pixel, behind in bytes_of_pixels(make(**view, size=8, ink="class"), data):
        name = most_voted(map(slow_class, behind), list(CLASS_COLOURS)) if behind else None
        assert tuple(pixel) == (CLASS_COLOURS[name] if name else OUTSIDE)


@given(some_bytes, views)
def test_the_rarest_is_the_slow_way(data, view):
    votes = Counter(data)
    for (pixel,), behind in bytes_of_pixels(make(**view, size=8, reduce="rarest"), data):
        assert pixel == (min(behind, key=lambda byte: (votes[byte], -byte)) if behind else 0)


@given(some_bytes, views)
def test_the_first_byte_is_shown_by_its_class(data, view):
    for pixel, behind in bytes_of_pixels(make(**view, size=8, reduce="sample", ink="class"), data):
        assert tuple(pixel) == (CLASS_COLOURS[slow_class(behind[0])] if behind else OUTSIDE)


@pytest.mark.slow
@given(st.binary(min_size=640, max_size=640), st.randoms(use_true_random=False))
def test_order_within_a_pixel_is_no_matter(data, random):
    cells = [random.sample(data[at : at + 10], 10) for at in range(0, 640, 10)]
    mixed = bytes(itertools.chain.from_iterable(cells))
    for values in ({}, {"reduce": "max"}, {"reduce": "rarest"}, {"ink": "class"}):
        for name in ("grid", "hilbert"):
            view = make(name, size=8, **values)
            np.testing.assert_array_equal(view(Binary(mixed)).pixels, view(Binary(data)).pixels)


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=64), st.sampled_from(["value", "class"]))
def test_appending_moves_no_row_where_the_end_is_cropped(data, more, ink):
    short, long = (ByteGrid(size=8, fit="crop", ink=ink)(Binary(part)).pixels for part in (data, data + more))
    drawn = len(data) // 8
    np.testing.assert_array_equal(short[:drawn], long[:drawn])


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize(
    "values", [{"reduce": "rarest"}, {"ink": "class"}, {"ink": "class", "reduce": "sample"}], ids=str
)
def test_blocks_change_nothing(view, values, monkeypatch):
    view = make(**view, size=16, **values)
    whole = view(Binary(mixed_bytes(20_000))).pixels
    monkeypatch.setattr("phosphene.converters.binary.cells.BLOCK_BYTES", 700)
    np.testing.assert_array_equal(view(Binary(mixed_bytes(20_000))).pixels, whole)


@pytest.mark.parametrize("view", [VIEWS[0], VIEWS[2], VIEWS[3]], ids=str)
def test_64_marked_bytes_in_10_mb_stay_visible_and_are_found(view):
    # Text all over; the mark is of values that text does not have.
    data = np.random.default_rng(0).integers(32, 127, 10_000_000, dtype=np.uint8)
    data[7_654_321 : 7_654_321 + 64] = 200
    rarest, mean = (make(**view, reduce=reduce)(Binary(data)) for reduce in ("rarest", "mean"))
    assert mean.pixels.max() < 200
    marked = np.argwhere(rarest.pixels[..., 0] == 200).tolist()
    assert 1 <= len(marked) <= 64
    for y, x in marked:
        spans = rarest.locate(Box(x, y, x + 1, y + 1)).spans
        assert any(s.start < 7_654_385 and s.stop > 7_654_321 for s in spans)


@pytest.mark.parametrize("owner", [ByteGrid, HilbertCurve])
@pytest.mark.parametrize("reduce", ["mean", "sample", "rarest"])
def test_each_pixel_has_the_colour_of_its_section(owner, reduce, native):
    signal = read(native)
    image = owner(size=64, ink="section", reduce=reduce)(signal)
    for y, x in itertools.product(range(0, 64, 5), range(64)):
        start, stop = int(image.layout.start[y, x]), int(image.layout.stop[y, x])
        covering = [s for s in signal.sections if s.start <= start and stop <= s.stop]
        if covering and not any(
            s.start < stop and start < s.stop for s in signal.sections if s not in covering
        ):
            shortest = min(covering, key=lambda s: s.stop - s.start)
            assert tuple(image.pixels[y, x].tolist()) == KIND_COLOURS[shortest.kind]


@pytest.mark.parametrize("rule", ["square", "nataraj"])
def test_sections_by_hand(rule, pe):
    # 512 bytes each of headers, code and resources, 100 behind the end; rows of 32 bytes.
    image = ByteGrid(size=64, width_rule=rule, ink="section")(read(pe))
    found = [tuple(colour) for colour in image.pixels.reshape(-1, 3).tolist()]
    want = Counter({KIND_COLOURS[kind]: 512 for kind in ("header", "code", "resources")})
    want.update({KIND_COLOURS["overlay"]: 100, OUTSIDE: 64 * 64 - 1636})
    assert Counter(found) == want


def test_a_range_of_a_file_has_the_colours_of_the_file(pe):
    image = ByteGrid(size=8, ink="section")(read(f"{pe}#bytes=510-513"))
    header, code = (list(KIND_COLOURS[kind]) for kind in ("header", "code"))
    assert image.pixels[0].tolist() == [header, header, code, code, *[list(OUTSIDE)] * 4]


def test_what_lief_cannot_read_is_drawn_all_the_same():
    image = ByteGrid(size=8, ink="section")(Binary(b"\x7fELF and nothing of one" * 3))
    assert set(map(tuple, image.pixels.reshape(-1, 3).tolist())) == {KIND_COLOURS["none"]}


@pytest.mark.parametrize("name", ["grid", "hilbert", "entropy", "bigram", "runs", "words"])
def test_lief_is_asked_for_sections_alone(name, pe, monkeypatch):
    def asked(*arguments, **options):
        raise AssertionError("LIEF was asked")

    monkeypatch.setattr("phosphene.converters.binary.signal.parse_file", asked)
    make(name, kind="binary")(read(pe))
    if name in ("grid", "hilbert"):
        make(name, ink="class")(read(pe))
        with pytest.raises(AssertionError, match="LIEF was asked"):
            make(name, ink="section")(read(pe))


def test_golden():
    pixels = ByteGrid(size=48, ink="class")(Binary(mixed_bytes(20_000))).pixels
    np.testing.assert_array_equal(pixels, np.load(GOLDEN / "binary_grid_class.npy"))
    pixels = HilbertCurve(size=48, reduce="rarest")(Binary(mixed_bytes(20_000))).pixels
    np.testing.assert_array_equal(pixels, np.load(GOLDEN / "binary_hilbert_rarest.npy"))


@pytest.mark.parametrize("owner", [ByteGrid, HilbertCurve])
@pytest.mark.parametrize("ink", ["class", "section"])
def test_there_is_no_largest_colour(owner, ink):
    with pytest.raises(ParameterError) as caught:
        owner(ink=ink, reduce="max")
    assert str(caught.value) == (
        f"{owner.__name__}.reduce must be mean, sample or rarest where ink is {ink}, of which none is the largest, "
        f"got 'max'"
    )
