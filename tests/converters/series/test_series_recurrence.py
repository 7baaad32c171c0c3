"""How far apart states lie, against all pairs of them in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters.series.loops import draw_distances
from phosphene.converters.series.recurrence import States, distances_at, greatest_distances

STEPS = [0, 1, 4, 1000]  # from 0 to 1, so that many distances are the same; 0 for none


def states(rng, dimension, count, steps):
    numbers = rng.random((1, dimension, count))
    return (np.round(numbers * steps) / steps if steps else numbers).astype(np.float32)


def squares(rows, columns):
    return sum((down[:, None] - across) ** 2 for down, across in zip(rows[0], columns[0], strict=True))


@given(
    st.integers(0, 1000),
    st.integers(1, 150),
    st.integers(1, 150),
    st.sampled_from(STEPS),
    st.floats(0, 1),
    st.booleans(),
)
def test_the_difference_at_a_share_is_that_of_all_pairs(seed, height, width, steps, share, mirrored):
    rng = np.random.default_rng(seed)
    columns = states(rng, 1, width, steps)
    rows = columns if mirrored else states(rng, 1, height, steps)
    apart = np.sort(np.abs(rows[0, 0][:, None] - columns[0, 0]).ravel()).astype(float)
    place = share * (apart.size - 1)
    low, high = apart[int(np.floor(place))], apart[int(np.ceil(place))]
    assert distances_at(States(columns, rows, np.ones(1)), share)[0] == low + (high - low) * (place % 1)


@given(
    st.integers(0, 1000),
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from(STEPS),
    st.integers(2, 4),
)
def test_the_greatest_distance_is_that_of_all_pairs(seed, height, width, steps, dimension):
    rng = np.random.default_rng(seed)
    columns, rows = states(rng, dimension, width, steps), states(rng, dimension, height, steps)
    found = greatest_distances(States(columns, rows, np.ones(1)))[0]
    assert found == float(squares(rows, columns).max()) ** 0.5


@given(
    st.integers(0, 1000),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(STEPS),
    st.floats(0, 1),
    st.booleans(),
)
def test_the_distance_at_a_share_is_that_of_all_pairs(seed, height, width, steps, share, mirrored):
    rng = np.random.default_rng(seed)
    columns = states(rng, 3, width, steps)
    rows = columns if mirrored else states(rng, 3, height, steps)
    expected = np.quantile(np.sqrt(squares(rows, columns).astype(float)), share)
    assert distances_at(States(columns, rows, np.ones(1)), share)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(8, 32), (33, 20), (224, 224)])
@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("near", [False, True])
def test_levels_are_those_of_all_pairs(shape, dimension, near):
    rng = np.random.default_rng(0)
    rows, columns = (states(rng, dimension, count, 0) for count in shape)
    reach, canvas = np.array([dimension**0.5], np.float32), np.full((1, *shape), 7, np.uint8)
    draw_distances(rows, columns, reach, near, canvas)
    distances = np.sqrt(squares(rows, columns))
    expected = (distances < reach) * 255 if near else distances * 255 / reach
    assert np.abs(canvas[0] - expected).max() <= 0.5001
