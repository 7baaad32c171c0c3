"""Cells onto cells, by hand and by property."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters.audio.dsp.resample import area_weights, interpolate, overlaps

edges = st.lists(st.floats(0.01, 5), min_size=1, max_size=20).map(lambda steps: np.cumsum([0.0, *steps]))


def test_area_weights_by_hand():
    weights = area_weights(np.array([0.0, 1, 2, 3]), np.array([0.0, 1.5, 3, 4])).toarray()
    assert np.allclose(weights, [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3], [0, 0, 0]])


@given(edges, edges)
def test_area_weights_are_shares_of_the_overlap(source, target):
    covered = overlaps(source, target)
    total = covered.sum(axis=1, keepdims=True)
    expected = np.divide(covered, total, out=np.zeros_like(covered), where=total > 1e-6)
    weights = area_weights(source, target).toarray()
    assert np.allclose(weights[total[:, 0] > 1e-6], expected[total[:, 0] > 1e-6], atol=1e-4)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=9),
    st.lists(st.floats(-3, 12), min_size=1, max_size=9),
)
def test_interpolate_is_numpys_interp(values, positions):
    expected = np.interp(positions, np.arange(len(values)), values)
    assert np.allclose(interpolate(np.array(values), np.array(positions), axis=0), expected)
    both = interpolate(np.array([values, values]), np.array(positions), axis=1)
    assert np.allclose(both, expected)
