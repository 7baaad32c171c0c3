"""Options of the pictures of series: scaling, strategies, thresholds, relations, differences, several channels."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Box, Series, SignalError, make, parse_views
from phosphene.converters.series.fields import bin_edges
from phosphene.converters.series.recurrence import embedded, standardised

GOLDEN = Path(__file__).parents[2] / "golden"
GOLDEN_VIEWS = {
    "gasf_unit": "gasf(size=64,scaling=unit)",
    "gadf_stack": "gadf(size=64,channels=stack,input=differences)",
    "gasf_color": "gasf(size=64,channels=color)",
    "mtf_uniform": "mtf(size=64,strategy=uniform)",
    "mtf_normal": "mtf(size=64,strategy=normal,n_bins=5)",
    "recurrence_point": "recurrence(size=64,threshold=point,percentage=20,dimension=3,delay=2)",
    "recurrence_joint": "recurrence(size=64,relation=joint)",
    "recurrence_cross": "recurrence(size=64,relation=cross,threshold=deviation,percentage=30)",
}
FIELDS = ("gasf", "gadf", "mtf", "recurrence")


def view_of(spec):
    (view,) = parse_views(spec, kind="series")
    return view


def grey_of(name, values, **parameters):
    return make(name, kind="series", **parameters)(Series(values)).pixels[..., 0].astype(int)


def example_series():
    time = np.arange(150)
    values = np.sin(time / 9) + 0.01 * time + np.where((time > 60) & (time < 70), 2.0, 0.0)
    values[100:110] = np.nan
    return Series(np.stack([values, np.cos(time / 5)]).astype(np.float32))


def walks(count, length):
    walk = np.random.default_rng(0).normal(size=(count, length)).cumsum(1)
    return walk.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", GOLDEN_VIEWS)
def test_a_picture_is_the_golden_one(name):
    golden = np.load(GOLDEN / f"series_{name}.npy")
    assert np.abs(view_of(GOLDEN_VIEWS[name])(example_series()).pixels.astype(int) - golden).max() <= 1


# Gramian fields.


def field_of(walk, name, *, scaling="signed"):
    share = (walk - walk.min()) / np.ptp(walk)
    angle = np.arccos(2 * share - 1 if scaling == "signed" else share)
    field = np.cos(np.add.outer(angle, angle)) if name == "gasf" else np.sin(np.subtract.outer(angle, angle))
    return 127.5 * (field + 1)


@pytest.mark.parametrize("scaling", ["signed", "unit"])
@pytest.mark.parametrize("name", ["gasf", "gadf"])
def test_grey_levels_are_rounded_but_for_few_pixels(name, scaling):
    exact = np.stack([field_of(walk, name, scaling=scaling) for walk in walks(40, 224)])
    drawn = make(name, scaling=scaling).batch([Series(walk) for walk in walks(40, 224)])[..., 0]
    assert np.abs(drawn - exact).max() < 0.53
    assert (drawn != np.rint(exact)).mean() < 0.01


def test_samples_from_0_to_1_have_angles_of_up_to_90_degrees():
    pixels = grey_of("gasf", [0.0, 1.0], size=8, scaling="unit")
    assert pixels[[0, 0, 7], [0, 7, 7]].tolist() == [0, 128, 255]  # cos of 180, 90 and 0 degrees


# Markov fields.


def test_edges_of_three_strategies_are_those_computed_by_hand():
    values = np.array([[0.0, 1.0, 2.0, 9.0, np.nan]])  # mean 3, variance 12.5
    np.testing.assert_allclose(bin_edges(values, 4), [[0.75, 1.5, 3.75]])
    np.testing.assert_allclose(bin_edges(values, 3, strategy="uniform"), [[3, 6]])
    quarter = 0.6744897501960817 * 12.5**0.5
    np.testing.assert_allclose(bin_edges(values, 4, strategy="normal"), [[3 - quarter, 3, 3 + quarter]])


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=60), st.integers(2, 20))
def test_quantiles_are_those_of_numpy(values, n_bins):
    expected = np.percentile(np.array(values, float), np.linspace(0, 100, n_bins + 1)[1:-1])
    np.testing.assert_allclose(bin_edges(np.array([values], float), n_bins)[0], expected, atol=1e-12)


@pytest.mark.parametrize("strategy", ["uniform", "normal"])
def test_transitions_follow_the_strategy(strategy):
    (walk,) = walks(1, 60)
    (edges,) = bin_edges(walk[None], 5, strategy=strategy)
    levels = (walk[:, None] > edges).sum(1)
    counts = np.zeros((5, 5))
    np.add.at(counts, (levels[:-1], levels[1:]), 1)
    expected = 255 * (counts / np.maximum(counts.sum(1, keepdims=True), 1))[levels[:, None], levels]
    assert np.abs(grey_of("mtf", walk, size=60, n_bins=5, strategy=strategy) - expected).max() <= 0.51


def test_a_series_whose_averages_are_all_the_same_still_has_transitions():
    assert len(np.unique(grey_of("mtf", [0.0, 1.0, 1.0, 0.0] * 64, size=64, n_bins=2))) == 1
    assert grey_of("mtf", [0.0, 1.0, 1.0, 0.0] * 64, size=64, n_bins=2)[0, 0] != 128 - 128


def test_a_step_is_found_where_transitions_end():
    values = np.where(np.arange(200) < 120, 0.0, 5.0)
    image = make("mtf", size=50, n_bins=2, strategy="uniform")(Series(values, step_s=0.5))
    column = int(np.abs(np.diff(image.pixels[0, :, 0].astype(int))).argmax())
    before, after = (image.locate(Box(place, 0, place + 1, 1)).spans[0] for place in (column, column + 1))
    assert before.start < before.stop == 60 == after.start


# Recurrence plots.


def state_distances(states):
    return np.linalg.norm(states[:, :, None] - states[:, None], axis=0)


def close_pairs(distances, threshold, percentage, deviation=1.0):
    limit = {
        "point": lambda: np.percentile(distances, percentage),
        "distance": lambda: percentage / 100 * distances.max(),
        "deviation": lambda: percentage / 100 * deviation,
    }[threshold]()
    return 255 * (distances < limit - 1e-6 * distances.max())


@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("percentage", [0, 1, 10, 37.3, 99.9, 100])
@pytest.mark.parametrize("threshold", ["point", "distance", "deviation"])
def test_close_pairs_are_those_of_all_distances(threshold, percentage, dimension):
    for walk in walks(3, 60):
        states = embedded(walk, dimension=dimension, delay=2)
        expected = close_pairs(state_distances(states), threshold, percentage, walk.std())
        drawn = grey_of(
            "recurrence",
            walk,
            size=states.shape[1],
            dimension=dimension,
            delay=2,
            threshold=threshold,
            percentage=percentage,
        )
        assert (drawn != expected).mean() <= 1e-3


@given(st.lists(st.integers(0, 5), min_size=8, max_size=40), st.floats(0, 100), st.sampled_from([1, 2]))
def test_close_pairs_hold_with_ties(values, percentage, dimension):
    if len(set(values)) == 1:
        return
    states = embedded(np.array(values, float), dimension=dimension, delay=1)
    drawn = make("recurrence", size=64, threshold="point", percentage=percentage, dimension=dimension)
    count = states.shape[1]
    places = (2 * np.arange(64) + 1) * count // 128
    image = drawn(Series(values)).pixels[..., 0]
    if np.ptp(states) == 0:
        assert (image == 128).all()
        return
    distances = state_distances(states)[places[:, None], places].astype(float)
    limit = np.percentile(state_distances(states)[places[:, None], places].astype(float), percentage)
    sure = np.abs(distances - limit) > 1e-5 * distances.max()
    assert (image == 255 * (distances < limit))[sure].all()


def test_a_gap_is_left_out_of_the_ranks():
    (walk,) = walks(1, 64)
    gappy = walk.copy()
    gappy[20:30] = np.nan
    drawn = grey_of("recurrence", gappy, size=64, threshold="point", percentage=25)
    here = ~np.isnan(gappy)
    inside = drawn[here][:, here]
    assert not drawn[~here].any()
    assert (inside == 255).mean() == pytest.approx(0.25, abs=0.01)


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=40), st.sampled_from([1, 2]))
def test_a_recurrence_plot_is_symmetric_and_black_on_its_diagonal(values, dimension):
    if dimension < len(values) and np.ptp(values) > 0:
        pixels = grey_of("recurrence", values, size=16, dimension=dimension)
        assert (pixels == pixels.T).all()
        assert len(set(pixels.diagonal())) == 1
        assert pixels[0, 0] in (0, 128)  # mid-grey where all states are the same


def test_a_joint_plot_is_close_where_each_channel_is():
    both = walks(2, 64)
    for threshold in ("none", "point"):
        each = [grey_of("recurrence", walk, size=64, threshold=threshold) for walk in both]
        joint = grey_of("recurrence", both, size=64, threshold=threshold, relation="joint")
        np.testing.assert_array_equal(joint, np.max(each, 0) if threshold == "none" else np.min(each, 0))


def test_a_joint_plot_is_black_where_any_channel_is_missing_and_deaf_to_constants():
    both = walks(2, 64)
    alone = grey_of("recurrence", both[0], size=64)
    np.testing.assert_array_equal(
        grey_of("recurrence", [both[0], np.full(64, 3.0)], size=64, relation="joint"), alone
    )
    assert (grey_of("recurrence", np.ones((2, 64)), size=64, relation="joint") == 128).all()
    both[1, 5] = np.nan
    joint = grey_of("recurrence", both, size=64, relation="joint")
    assert not joint[5].any()
    assert not joint[:, 5].any()


def test_a_cross_plot_compares_the_second_channel_below_with_the_first_across():
    both = walks(2, 64)
    first, second = standardised(both)
    distances = np.abs(second[:, None] - first)
    image = make("recurrence", size=64, relation="cross")(Series(both, step_s=0.5))
    assert np.abs(image.pixels[..., 0] - 255 * distances / distances.max()).max() <= 0.51
    spans = image.locate(Box(4, 10, 6, 12)).spans
    assert [str(span) for span in spans] == ["time 2 to 3 s (channel 0)", "time 5 to 6 s (channel 1)"]
    near = grey_of("recurrence", both, size=64, relation="cross", threshold="deviation", percentage=50)
    assert (near != 255 * (distances < 0.5)).mean() < 1e-3


@pytest.mark.parametrize("relation", ["joint", "cross"])
@pytest.mark.parametrize("threshold", ["none", "point", "distance", "deviation"])
def test_one_channel_is_compared_with_itself(relation, threshold):
    (walk,) = walks(1, 64)
    plain = grey_of("recurrence", walk, size=32, threshold=threshold)
    related = grey_of("recurrence", walk, size=32, threshold=threshold, relation=relation)
    assert (np.abs(plain - related) > 1).mean() <= 1e-2


def test_three_channels_have_three_pairs():
    image = make("recurrence", size=64, relation="cross")(Series(walks(3, 40)))
    labels = [
        {span.label for span in image.locate(Box(x, y, x + 1, y + 1)).spans}
        for x, y in ((0, 0), (40, 0), (0, 40))
    ]
    assert labels == [{"channel 0", "channel 1"}, {"channel 0", "channel 2"}, {"channel 1", "channel 2"}]


# Differences.


@pytest.mark.parametrize("name", [*FIELDS, "patches"])
def test_differences_are_drawn_as_a_series_of_them_would_be(name):
    values = walks(1, 65)
    np.testing.assert_array_equal(
        grey_of(name, values, size=32, input="differences"), grey_of(name, np.diff(values), size=32)
    )


@pytest.mark.parametrize("name", ["gasf", "recurrence"])
@pytest.mark.parametrize("size", [32, 99])
def test_a_step_is_found_in_the_differences(name, size):
    values = np.where(np.arange(100) < 60, 0.0, 5.0)
    image = make(name, size=size, input="differences")(Series(values))
    row = image.pixels[0, :, 0].astype(int)
    column = int(np.abs(row - np.median(row)).argmax())
    span = image.locate(Box(column, 0, column + 1, 1)).spans[0]
    assert span.start <= 59
    assert span.stop >= 61  # samples 59 and 60, between which it lies
    assert span.stop - span.start <= 100 // size + 2
    assert image.locate(Box(0, 0, size, size)).spans[0].stop == 100


@pytest.mark.parametrize("options", [{"input": "differences"}, {"dimension": 3, "delay": 2}])
@pytest.mark.parametrize(("step_s", "end"), [(None, 50.0), (0.5, 25.0)])
def test_axes_reach_over_the_last_sample(options, step_s, end):
    series = Series(np.arange(50.0), step_s=step_s)
    for axis in make("recurrence", size=16, **options)(series).layout.axes():
        assert axis.edges[[0, -1]].tolist() == [0.0, pytest.approx(end)]


def test_a_step_up_is_bright_in_the_difference_field_of_differences():
    values = np.where(np.arange(100) < 60, 0.0, 5.0) + np.where(np.arange(100) < 20, 3.0, 0.0)
    image = make("gadf", size=99, input="differences")(Series(values))
    column = int(image.pixels[0, :, 0].argmax())
    assert str(image.locate(Box(column, 0, column + 1, 1)).spans[0]) == "sample 59 to 61"


def test_next_to_a_missing_value_there_is_no_difference():
    values = np.arange(16.0) ** 2
    values[7] = np.nan
    pixels = grey_of("gasf", values, size=15, input="differences")
    assert np.flatnonzero(~pixels.any(0)).tolist() == [6, 7]
    with pytest.raises(
        SignalError, match="no two neighbouring samples of a channel are present; take input=values"
    ):
        make("gasf", input="differences")(Series([1.0, np.nan, 2.0]))
    with pytest.raises(SignalError, match="no two neighbouring samples"):
        make("gasf", input="differences")(Series([1.0]))


def test_the_mean_of_differences_does_not_jump_where_a_channel_ends():
    values = np.stack([np.arange(20.0), 100 + np.arange(20.0)])
    values[1, 10:] = np.nan
    assert (grey_of("recurrence", values, size=19, channels="mean", input="differences") == 128).all()


# Several channels.


@pytest.mark.parametrize("name", [*FIELDS, "patches"])
def test_a_channel_is_found_in_its_strip(name):
    values = walks(3, 90)
    image = make(name, kind="series", size=48, channels="stack")(Series(values))
    assert {span.label for span in image.locate(Box(0, 16, 48, 32)).spans} == {"channel 1"}
    own = make(name, kind="series", size=48, channels="stack")(Series(values[1]))
    assert not own.locate(Box(0, 0, 48, 48)).spans[0].label
    assert image.pixels[:48].any(axis=(1, 2)).all()


@pytest.mark.parametrize("name", ["gasf", "gadf", "recurrence"])
def test_a_strip_has_coarse_rows_and_fine_columns(name):
    wave = np.sin(np.arange(96) / 9)
    strips = make(name, size=48, channels="stack")(Series([wave, wave])).pixels[:24, :, 0].astype(int)
    whole = grey_of(name, wave, size=48)
    averaged = whole.reshape(24, 2, 48).mean(1)
    assert np.abs(strips - averaged).mean() < 4


@pytest.mark.parametrize("name", ["gasf", "gadf", "recurrence"])
def test_a_burst_is_found_again_in_a_strip(name):
    values = np.zeros((2, 200)) + np.sin(np.arange(200)) * 0.01
    values[1, 120:124] = 5.0
    image = make(name, size=64, channels="stack")(Series(values))
    strip = image.pixels[32:, :, 0].astype(int)
    odd = np.abs(strip - np.median(strip, 1)[:, None]).sum(0)
    column = int(odd.argmax())
    across, down = image.locate(Box(column, 40, column + 1, 41)).spans
    assert across.start <= 124
    assert across.stop >= 120
    assert down.stop - down.start in (6, 7)


def test_channels_are_colours():
    values = walks(2, 90)
    image = make("gasf", size=32, channels="color")(Series(values))
    assert image.pixels.shape == (32, 32, 3)
    for place, walk in enumerate(values):
        np.testing.assert_array_equal(image.pixels[..., place], grey_of("gasf", walk, size=32))
    assert not image.pixels[..., 2].any()
    assert {span.label for span in image.locate(Box(0, 0, 4, 4)).spans} == {"channel 0", "channel 1"}
    assert make("gasf", channels="color").batch([Series(values[0])]).shape == (1, 224, 224, 3)
    with pytest.raises(
        SignalError, match="4 images do not fit into red, green and blue; take channels=mosaic"
    ):
        make("gasf", channels="color")(Series(walks(4, 20)))


@pytest.mark.parametrize("channels", ["mosaic", "stack", "color", "mean", "first"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_batch_of_unequal_series_is_drawn_as_one_by_one(name, channels):
    series = [
        Series(walks(count, length)) for count, length in ((1, 40), (3, 90), (1, 40), (2, 300), (3, 90))
    ]
    series.append(example_series())
    view = make(name, size=40, channels=channels)
    np.testing.assert_array_equal(view.batch(series), np.stack([view(one).pixels for one in series]))


def test_a_long_batch_is_drawn_as_one_by_one():
    series = [Series(walk) for walk in walks(300, 50)]
    view = make("gadf", size=24)
    np.testing.assert_array_equal(view.batch(series)[::37], [view(one).pixels for one in series[::37]])


if __name__ == "__main__":  # writes the golden arrays again; do so only when pixels are meant to change
    for golden_name, spec in GOLDEN_VIEWS.items():
        np.save(GOLDEN / f"series_{golden_name}.npy", view_of(spec)(example_series()).pixels)
