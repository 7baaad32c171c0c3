"""The fields against pyts, which compiles for a minute when it is imported: hence apart, and slow."""

import numpy as np
import pytest

from phosphene.converters import Series, make

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Some quantiles are equal")]


def walks(count, length):
    return (
        np.random.default_rng(0).normal(size=(count, length)).cumsum(1).astype(np.float32).astype(np.float64)
    )


@pytest.mark.parametrize(("length", "size"), [(224, 224), (500, 224), (100, 64), (129, 64)])
@pytest.mark.parametrize("name", ["gasf", "gadf", "mtf"])
def test_a_field_is_that_of_pyts(name, length, size):
    from pyts.image import GramianAngularField, MarkovTransitionField

    walk = walks(4, length)
    fields = {
        "gasf": lambda: (GramianAngularField(size, method="s").fit_transform(walk) + 1) / 2,
        "gadf": lambda: (GramianAngularField(size, method="d").fit_transform(walk) + 1) / 2,
        "mtf": lambda: MarkovTransitionField(size, n_bins=8).fit_transform(walk),
    }
    drawn = make(name, size=size).batch([Series(row) for row in walk])[..., 0]
    assert np.abs(drawn - 255 * fields[name]()).max() <= 0.53  # half a level, and what 16 bits leave out


@pytest.mark.parametrize("name", ["gasf", "gadf"])
def test_a_field_of_the_other_scaling_is_that_of_pyts(name):
    from pyts.image import GramianAngularField

    walk = walks(4, 300)
    peer = GramianAngularField(64, sample_range=(0, 1), method={"gasf": "s", "gadf": "d"}[name])
    drawn = make(name, size=64, scaling="unit").batch([Series(row) for row in walk])[..., 0]
    assert np.abs(drawn - 127.5 * (peer.fit_transform(walk) + 1)).max() <= 0.53


@pytest.mark.parametrize("strategy", ["uniform", "normal"])
def test_transitions_of_other_strategies_are_those_of_pyts(strategy):
    from pyts.image import MarkovTransitionField

    walk = walks(4, 300)
    walk = (walk - walk.mean(1, keepdims=True)) / walk.std(1, keepdims=True)
    peer = MarkovTransitionField(64, n_bins=6, strategy=strategy).fit_transform(walk)
    drawn = make("mtf", size=64, n_bins=6, strategy=strategy).batch([Series(row) for row in walk])[..., 0]
    assert np.abs(drawn - 255 * peer).max() <= 0.51


@pytest.mark.parametrize("parameters", [{}, {"dimension": 3, "delay": 2}])
@pytest.mark.parametrize("threshold", ["none", "point", "distance"])
def test_a_recurrence_plot_is_that_of_pyts(threshold, parameters):
    from pyts.image import RecurrencePlot

    walk = walks(3, 60)
    size = 60 - (parameters.get("dimension", 1) - 1) * parameters.get("delay", 1)
    oracle = RecurrencePlot(
        dimension=parameters.get("dimension", 1),
        time_delay=parameters.get("delay", 1),
        threshold=None if threshold == "none" else threshold,
        percentage=20,
    ).fit_transform(walk)
    if threshold == "none":
        oracle = oracle / oracle.max((1, 2), keepdims=True)
    view = make("recurrence", size=size, threshold=threshold, percentage=20, **parameters)
    drawn = view.batch([Series(row) for row in walk])[..., 0]
    off = np.abs(drawn - 255 * oracle)
    if threshold == "none":
        assert off.max() <= 0.51
    else:
        assert (off > 0).mean() < 1e-3  # pairs that lie on the threshold itself


def test_a_long_recurrence_plot_is_that_of_the_averaged_series():
    from pyts.approximation import PiecewiseAggregateApproximation
    from pyts.image import RecurrencePlot

    walk = walks(1, 300)
    averaged = PiecewiseAggregateApproximation(
        window_size=None, output_size=64, overlapping=False
    ).fit_transform(walk)
    oracle = RecurrencePlot().fit_transform(averaged)[0]
    assert (
        np.abs(
            make("recurrence", size=64)(Series(walk[0])).pixels[..., 0] - 255 * oracle / oracle.max()
        ).max()
        <= 0.51
    )
