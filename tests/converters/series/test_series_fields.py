"""Gramian, Markov and recurrence fields: by hand, against loops, against golden arrays, and by their symmetries."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Box, ParameterError, Series, SignalError, make
from phosphene.converters.series.recurrence import embedded

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = ("gasf", "gadf", "mtf", "recurrence", "patches")
FIELDS = NAMES[:4]


def grey_of(name, values, **parameters):
    return make(name, kind="series", **parameters)(Series(values)).pixels[..., 0].astype(int)


def example_series():
    time = np.arange(150)
    values = np.sin(time / 9) + 0.01 * time + np.where((time > 60) & (time < 70), 2.0, 0.0)
    values[100:110] = np.nan
    return Series(np.stack([values, np.cos(time / 5)]).astype(np.float32))


def walks(count, length):
    return (
        np.random.default_rng(0).normal(size=(count, length)).cumsum(1).astype(np.float32).astype(np.float64)
    )


# By hand.


def test_the_gramian_fields_of_three_samples_are_those_computed_by_hand():
    series = [-1.0, 0.0, 1.0]  # cosines of the angles pi, pi/2 and 0; each is three pixels wide
    summed, differed = (grey_of(name, series, size=9)[1::3, 1::3] for name in ("gasf", "gadf"))
    np.testing.assert_array_equal(summed, [[255, 128, 0], [128, 0, 128], [0, 128, 255]])
    np.testing.assert_array_equal(differed, [[128, 255, 128], [0, 128, 255], [128, 0, 128]])


def test_the_transition_field_of_five_samples_is_that_computed_by_hand():
    # The median, 5, belongs to the lower level: from it two steps of three stay there, from the upper one all.
    series, expected = [0.0, 5.0, 1.0, 6.0, 7.0], np.full((5, 5), 170)
    expected[:3, 3:], expected[3:, :3], expected[3:, 3:] = 85, 0, 255
    np.testing.assert_array_equal(grey_of("mtf", series, size=10, n_bins=2)[::2, ::2], expected)


def test_a_transition_field_is_averaged_as_that_computed_by_hand():
    series = [0.0, 5.0, 1.0, 6.0] * 4  # 8 pixels of two samples, each with a half on either level
    levels, steps = [int(value > 3) for value in series], np.zeros((2, 2))  # the median is 3
    for before, after in pairwise(levels):
        steps[before, after] += 1
    mean = (steps / steps.sum(1, keepdims=True)).mean()
    np.testing.assert_array_equal(grey_of("mtf", series, size=8, n_bins=2), round(255 * mean))


def test_distances_of_states_are_those_computed_by_hand():
    np.testing.assert_array_equal(embedded(np.array([0.0, 3.0, 4.0]), dimension=2, delay=1), [[0, 3], [3, 4]])
    one = grey_of("recurrence", [0.0, 3.0, -1.0], size=9)[1::3, 1::3]
    np.testing.assert_array_equal(one, np.rint(np.array([[0, 3, 1], [3, 0, 4], [1, 4, 0]]) * 255 / 4))
    two = grey_of("recurrence", [0.0, 3.0, 7.0, 7.0], size=9, dimension=2)[
        1::3, 1::3
    ]  # (0, 3), (3, 7), (7, 7)
    apart = np.array([[0, 5, 65**0.5], [5, 0, 4], [65**0.5, 4, 0]])
    np.testing.assert_array_equal(two, np.rint(apart * 255 / 65**0.5))


# Against loops that follow the definitions.


def averages_of(values, size):
    ends = [place * len(values) // size for place in range(size + 1)]
    return np.array([np.mean(values[low:high]) for low, high in pairwise(ends)])


def angles_of(values, size):
    points = averages_of(values, size)
    return np.arccos(np.clip(2 * (points - points.min()) / np.ptp(points) - 1, -1, 1))


def transitions_of(values, size):
    edges = np.quantile(values, np.arange(1, 8) / 8)
    levels = [sum(value > edge for edge in edges) for value in values]
    counts = np.zeros((8, 8))
    for before, after in pairwise(levels):
        counts[before, after] += 1
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    whole = np.array([[shares[row, column] for column in levels] for row in levels])
    return np.array(
        [averages_of(row, size) for row in np.array([averages_of(row, size) for row in whole]).T]
    ).T


def distances_of(values, size):
    points = averages_of(values, size)
    distances = np.array([[abs(a - b) for b in points] for a in points])
    return distances / distances.max()


ORACLES = {
    "gasf": lambda values, size: (np.cos(np.add.outer(*[angles_of(values, size)] * 2)) + 1) / 2,
    "gadf": lambda values, size: (np.sin(np.subtract.outer(*[angles_of(values, size)] * 2)) + 1) / 2,
    "mtf": transitions_of,
    "recurrence": distances_of,
}


@pytest.mark.parametrize(("length", "size"), [(40, 40), (129, 32), (200, 40)])
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_what_its_definition_says(name, length, size):
    (walk,) = walks(1, length)
    assert np.abs(grey_of(name, walk, size=size) - 255 * ORACLES[name](walk, size)).max() <= 0.51


def test_pairs_are_close_by_share_or_by_distance():
    values = np.arange(10.0)  # of 100 pairs 10 are 0 apart, 18 are 1 apart, 16 are 2 apart
    by_distance = grey_of("recurrence", values, size=10, threshold="distance", percentage=20)
    by_share = grey_of("recurrence", values, size=10, threshold="point", percentage=40)
    assert (by_distance == 255).sum() == 28  # nearer than 1.8
    assert (by_share == 255).sum() == 28  # the 40th of 100 is 2 apart, and only what is nearer is close
    assert set(np.unique(by_share)) == {0, 255}


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_the_golden_one(name):
    golden = np.load(GOLDEN / f"series_{name}.npy")
    drawn = make(name, kind="series", size=64)(example_series()).pixels
    assert np.abs(drawn.astype(int) - golden).max() <= 1


# Symmetries.

numbers = st.integers(-1000, 1000)
short_series = st.lists(numbers, min_size=2, max_size=40)


@given(values=short_series)
def test_summation_is_symmetric_and_difference_antisymmetric(values):
    summed = grey_of("gasf", values, size=16)
    differed = grey_of("gadf", values, size=16)
    assert (summed == summed.T).all()
    assert (np.abs(differed + differed.T - 255) <= 1).all()
    assert (np.abs(differed.diagonal() - 127.5) <= 0.5).all()


@given(values=short_series, shift=st.integers(-500, 500), scale=st.sampled_from([0.25, 0.5, 2.0, 8.0]))
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_does_not_change_with_shift_and_scale(name, values, shift, scale):
    moved = np.array(values) * scale + shift
    # Half a level may be rounded either way.
    assert (np.abs(grey_of(name, values, size=16) - grey_of(name, moved, size=16)) <= 1).all()


@given(values=st.lists(numbers, min_size=16, max_size=16) | st.lists(numbers, min_size=48, max_size=48))
@pytest.mark.parametrize("name", ["gasf", "gadf", "recurrence"])
def test_a_series_backwards_turns_the_field_round(name, values):
    forwards = grey_of(name, values, size=16)
    assert (np.abs(grey_of(name, values[::-1], size=16) - forwards[::-1, ::-1]) <= 1).all()


@given(values=st.lists(numbers, min_size=3, max_size=40), gap=st.integers(0, 39))
@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_value_blackens_its_row_and_column_alone(name, values, gap):
    place = gap % len(values)
    present = np.array(values, float)
    present[place] = np.nan
    pixels = grey_of(name, present, size=len(values) if len(values) >= 8 else 8)
    axis = make(name, size=len(pixels))(Series(present)).layout.axes()[0]
    black = (axis.first <= place) & (axis.last > place)
    assert not pixels[black].any()
    assert not pixels[:, black].any()
    rest = np.delete(np.array(values, float), place)
    if name != "mtf" and np.ptp(rest) > 0:  # a transition matrix does change
        whole = grey_of(name, np.where(np.isnan(present), rest[0], present), size=len(pixels))
        assert (np.abs(pixels - whole)[~black][:, ~black] <= 1).all()


# Special series.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [[5.0], [5.0] * 30, [0.0] * 300, [3e38, 3e38]])
def test_a_series_that_never_changes_is_mid_grey(name, values):
    pixels = grey_of(name, values, size=16)
    assert set(np.unique(pixels)) <= {0, 128}
    if name != "patches":
        assert (pixels == 128).all()


@pytest.mark.parametrize("name", ["gasf", "gadf", "recurrence"])
def test_what_is_left_of_averages_by_rounding_is_not_blown_up(name):
    assert (grey_of(name, [0.1, -0.1] * 64, size=64) == 128).all()


@pytest.mark.parametrize("name", NAMES)
def test_huge_and_tiny_numbers_are_drawn(name):
    series = np.array([-3e38, 3e38, 0.0, 1e38] * 4, np.float32)
    assert np.ptp(grey_of(name, series, size=16)) > 100
    assert (
        np.abs(grey_of(name, series * np.float32(1e-38), size=16) - grey_of(name, series, size=16)) <= 1
    ).all()


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(("length", "size"), [(20, 64), (64, 64), (1000, 64)])
def test_a_spike_is_found_again(name, length, size):
    spike = length * 3 // 4
    values = np.sin(np.arange(length) / 3) * 0.1
    values[: length // 10], values[length // 10 : length // 5] = -50, 50
    without = make(name, size=size)(Series(values))
    values[spike] = 50.0
    image = make(name, size=size)(Series(values, step_s=0.5))
    axis = image.layout.axes()[0]
    column = int(np.flatnonzero((axis.first <= spike * 0.5) & (axis.last > spike * 0.5))[0])
    if name != "mtf":  # where one value changes all transitions
        changed = np.abs(image.pixels.astype(int) - without.pixels)[..., 0].sum(0)
        assert changed.argmax() == column
    spans = image.locate(Box(column, 0, column + 1, 1)).spans
    assert [(span.quantity, span.unit) for span in spans] == [("time", "s"), ("time", "s")]
    assert spans[0].start <= spike * 0.5 < spans[0].stop
    assert spans[0].stop - spans[0].start <= 0.5 * (length // size + 1)
    assert spans[1].start == 0


def test_a_state_of_several_samples_reaches_over_all_of_them():
    image = make("recurrence", size=8, dimension=3, delay=2)(Series(np.arange(12.0)))
    assert str(image.locate(Box(0, 0, 1, 8))) == "sample 0 to 5, sample 0 to 12"


def test_channels_lie_in_cells_that_locate_tells_apart():
    image = make("gasf", size=64)(Series(walks(3, 100)))
    assert not image.pixels[32:, 32:].any()
    region = image.locate(Box(28, 0, 36, 4))
    assert [span.label for span in region.spans] == ["channel 0"] * 2 + ["channel 1"] * 2
    assert region.spans[2].start == 0
    assert image.locate(Box(40, 40, 44, 44)).spans == ()
    np.testing.assert_array_equal(
        image.pixels[:32, 32:64, 0], make("gasf", size=32)(Series(walks(3, 100)[1])).pixels[..., 0]
    )


def test_channels_may_also_be_left_out_or_averaged():
    values = np.stack([[0.0, 1.0, np.nan, 3.0], [2.0, 1.0, 4.0, np.nan]])
    first, mean = make("gasf", size=8, channels="first"), make("gasf", size=8, channels="mean")
    np.testing.assert_array_equal(
        first(Series(values)).pixels, make("gasf", size=8)(Series(values[0])).pixels
    )
    np.testing.assert_array_equal(
        mean(Series(values)).pixels, make("gasf", size=8)(Series([1.0, 1.0, 4.0, 3.0])).pixels
    )


def test_the_order_of_time_is_that_of_the_columns():
    rising = grey_of("patches", np.arange(64.0), size=8)
    np.testing.assert_array_equal(rising.ravel(), np.rint(np.arange(64) / 63 * 255))
    later_is_higher = grey_of("gadf", [0.0, 1.0], size=8)
    assert later_is_higher[0, 7] == later_is_higher[7, 0] == 128  # the sine of 180 degrees
    assert grey_of("gadf", [0.0, 0.5, 1.0], size=9)[0, 4] == 255


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (
            "gasf",
            {"size": 0},
            "GramianSummationField.size must be an integer >= 8 and <= 4096, the side of a square, got 0",
        ),
        (
            "gadf",
            {"channels": "all"},
            "must be one of 'mosaic', 'stack', 'color', 'mean', 'first', got 'all'",
        ),
        ("mtf", {"n_bins": 1}, "MarkovTransitionField.n_bins must be an integer >= 2 and <= 256, got 1"),
        (
            "recurrence",
            {"threshold": 0.5},
            "RecurrencePlot.threshold must be one of 'none', 'point', 'distance'",
        ),
        (
            "recurrence",
            {"percentage": 101},
            "RecurrencePlot.percentage must be a number >= 0 and <= 100, got 101",
        ),
        ("recurrence", {"dimension": 0}, "RecurrencePlot.dimension must be an integer >= 1 and <= 64, got 0"),
        ("patches", {"width": 0}, "Patches.width must be an integer >= 1 and <= 1e+06 or none, got 0"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_rule(name, parameters, message):
    with pytest.raises(ParameterError) as caught:
        make(name, kind="series", **parameters)
    assert message in str(caught.value)


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(
        SignalError, match="spans 5 samples, the series has 4; take a smaller dimension or delay"
    ):
        make("recurrence", dimension=3, delay=2)(Series(np.arange(4.0)))
    with pytest.raises(SignalError, match="all present"):
        make("recurrence", dimension=2)(Series([1.0, np.nan, 2.0, np.nan]))
    with pytest.raises(
        SignalError, match="100 channels do not fit into 32 x 32 pixels; take size=40 or more"
    ):
        make("gasf", size=32)(Series(np.ones((100, 4))))


if __name__ == "__main__":  # writes the golden arrays again; do so only when pixels are meant to change
    for golden_name in NAMES:
        pixels = make(golden_name, kind="series", size=64)(example_series()).pixels
        np.save(GOLDEN / f"series_{golden_name}.npy", pixels)
