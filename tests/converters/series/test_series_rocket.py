"""Kernels as an image: shares counted by hand, the dilations of aeon's, numbers of the training items, odd series."""

import itertools

import numpy as np
import pytest
from scipy.special import ndtri

from phosphene.converters import Box, ParameterError, Series, SignalError, from_config, make, parse_views

KERNELS = np.array(
    [[2.0 if weight in high else -1.0 for weight in range(9)] for high in itertools.combinations(range(9), 3)]
)


def pixels(view, values):
    return view(Series(values)).pixels[:, :, 0]


def shares(values, dilation, biases, *, whole):
    """By NumPy alone: how often each kernel's response is above each bias, (biases, 84)."""
    padded = np.pad(values, 4 * dilation)
    seen = np.stack([padded[weight * dilation : weight * dilation + len(values)] for weight in range(9)])
    found = np.empty((len(biases), len(KERNELS)))
    for kernel, response in enumerate(KERNELS @ seen):
        inside = response if whole[kernel] else response[4 * dilation : -4 * dilation]
        found[:, kernel] = [(inside > bias).mean() for bias in biases]
    return found


@pytest.fixture
def series():
    return [Series(row) for row in np.random.default_rng(3).standard_normal((12, 90)).cumsum(axis=1)]


def test_pixels_are_shares_of_responses_above_a_bias(series):
    view = make("rocket", size=84, length=9, scales=(2.0,), spreads=(1.5,))  # one dilation alone
    values = series[0].values[0].astype(float)
    biases = 1.5 * ndtri(1 - np.sort(np.arange(1, 85) * (5**0.5 - 1) / 2 % 1))
    wanted = shares((values - values.mean()) / 2, 1, biases, whole=np.arange(84) % 2 == 0)
    assert (
        np.abs(pixels(view, values) - 255 * wanted).max() <= 1.01
    )  # the last bits of a float32 may tip one sample


def test_of_windows_pixels_are_shares_of_correlations_above_a_bias(series):
    view = make("rocket", size=84, normalise="window", length=9)  # one dilation alone
    values = series[0].values[0].astype(float)
    seen = np.lib.stride_tricks.sliding_window_view(np.pad(values - values.mean(), 4), 9)
    found = np.array([[np.corrcoef(kernel, window)[0, 1] for window in seen] for kernel in KERNELS])
    biases = 1 - 2 * np.sort(np.arange(1, 85) * (5**0.5 - 1) / 2 % 1)
    wanted = np.empty((84, 84))
    for kernel, row in enumerate(found):
        inside = row if kernel % 2 == 0 else row[4:-4]
        wanted[:, kernel] = [(inside > bias).mean() for bias in biases]
    # Windows that hardly move count as flatter than they are, and the last bits of a float32 may tip a sample.
    assert np.abs(pixels(view, values) - 255 * wanted).max() <= 255 * 2 / 90
    assert np.abs(pixels(view, values) - 255 * wanted).mean() <= 1


def test_of_windows_a_shape_counts_whatever_its_height():
    wave = np.sin(np.arange(200) / 4)
    swelling = wave * np.linspace(1, 30, 200)
    own, whole = (make("rocket", size=84, normalise=name, length=9) for name in ("window", "series"))
    apart = [np.abs(pixels(view, wave).astype(int) - pixels(view, swelling)).mean() for view in (own, whole)]
    assert apart[0] < 8 < apart[1]


def test_of_windows_what_hardly_moves_has_no_shape():
    wave, hardly = np.sin(np.arange(200) / 4), 1e-4 * np.random.default_rng(0).standard_normal(200)
    view = make("rocket", size=84, normalise="window", length=9)
    still, moving, large = (
        pixels(view, np.r_[wave, rest]).astype(int) for rest in (0 * hardly, hardly, 1e3 * hardly)
    )
    assert 4 * np.abs(still - moving).mean() < np.abs(still - large).mean()


def test_of_windows_no_spreads_are_taken(series):
    view = make("rocket", size=112, normalise="window").resolve(series)
    assert (view.length, len(view.scales), view.spreads) == (90, 1, ())
    assert from_config(view.config) == view == parse_views(view.spec)[0]
    assert view.resolve(series[:2]) == view


@pytest.mark.slow
def test_dilations_are_those_of_minirocket(series):
    aeon = pytest.importorskip("aeon.transformations.collection.convolution_based")
    theirs = aeon.MiniRocket(random_state=0)
    theirs.fit(np.stack([one.values for one in series]).astype(np.float32))
    _, _, dilations, *_ = theirs.parameters
    view = make("rocket", size=(112, 84)).resolve(series)
    ours = {int(region.label.split()[-2]) for region in _rows(view, series[0])}
    assert {int(dilation) * 8 + 1 for dilation in dilations} == ours


def _rows(view, signal):
    image = view(signal)
    return [image.locate(Box(0, row, 1, row + 1)).spans[0] for row in range(112)]


def test_resolve_takes_all_numbers_from_the_training_items(series):
    view = make("rocket", size=112).resolve(series)
    assert view.length == 90
    assert len(view.scales) == 1 and len(view.spreads) == 6
    assert from_config(view.config) == view == parse_views(view.spec)[0]
    louder = Series(series[0].values * 3)
    assert (view(louder).pixels != view(series[0]).pixels).any()  # amplitude stays
    assert view.resolve(series[:2]) == view
    own = make("rocket", size=112)
    assert (own(louder).pixels == own(series[0]).pixels).all()


def test_series_level_is_left_to_other_views(series):
    view = make("rocket", size=112).resolve(series)
    higher = Series(series[0].values + 64)
    assert np.abs(view(higher).pixels.astype(int) - view(series[0]).pixels).max() <= 5


def test_several_channels_are_mixed_and_must_be_as_many():
    rng = np.random.default_rng(0)
    learned = [Series(rng.standard_normal((5, 60))) for _ in range(4)]
    view = make("rocket", size=112).resolve(learned)
    assert len(view.scales) == 5
    for channel in range(5):
        other = learned[0].values.copy()
        other[channel] = 0
        assert (pixels(view, other) != pixels(view, learned[0].values)).any()
    with pytest.raises(SignalError, match="5 channels, got a series with 1"):
        view(Series(np.arange(60.0)))


@pytest.mark.parametrize(
    "values",
    [[1.0], [3.0, 3.0, 3.0], [np.nan, 1.0, np.nan, 4.0, 2.0], np.arange(10_000.0) % 77, np.full(40, 1e30)],
    ids=["one sample", "constant", "gaps", "long", "huge"],
)
@pytest.mark.parametrize("normalise", ["series", "window"])
def test_odd_series_are_drawn(values, normalise):
    view = make("rocket", size=112, normalise=normalise)
    found = pixels(view, values)
    assert found.shape == (112, 112)
    assert (pixels(view, values) == found).all()


def test_missing_values_are_interpolated():
    values = np.sin(np.arange(64.0) / 3)
    gap = values.copy()
    gap[10:12] = np.nan
    filled = values.copy()
    filled[10:12] = np.interp([10, 11], [9, 12], values[[9, 12]])
    view = make("rocket", size=112)
    assert (pixels(view, gap) == pixels(view, filled)).all()


@pytest.mark.parametrize("name", ["scales", "spreads"])
def test_numbers_must_be_greater_than_zero(name):
    with pytest.raises(ParameterError, match=rf"Rocket.{name} must be numbers > 0"):
        make("rocket", **{name: (1.0, 0.0)})


def test_places_are_named_by_kernel_and_reach():
    image = make("rocket", size=(112, 84))(Series(np.arange(100.0), step_s=0.5))
    assert str(image.locate(Box(3, 0, 5, 1))) == "time 0 to 50 s (kernel 3 to 4 over 9 samples)"
