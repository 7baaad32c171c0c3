"""Features of time series: worked out by hand, by SciPy, and for what is short, constant, missing or large."""

import sys

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phosphene.converters import MissingExtra, Series, SignalError
from phosphene.pipeline.features import feature_sets
from phosphene.pipeline.features.series import (
    CATCH22_NAMES,
    MOST_STEPS,
    SUMMARY_NAMES,
    catch22,
    filled,
    filled_to,
    summary,
)

NAN = float("nan")
SETS = {features.name: features for features in feature_sets("series")}

every_set = pytest.mark.parametrize("name", list(SETS))


def table(name, *series):
    return SETS[name].tabulate([SETS[name].measure(one) for one in series])


def test_gaps_are_bridged_and_ends_held():
    series = Series([[NAN, 2, NAN, NAN, 8, NAN], [1, 0, 0, 0, 0, NAN]])
    assert filled(series).tolist() == [[2, 2, 4, 6, 8, 8], [1, 0, 0, 0, 0, 0]]


def test_other_lengths_are_read_off_straight_lines_between_the_same_ends():
    assert filled(Series([0.0, 2.0, 0.0]), 5).tolist() == [[0, 1, 2, 1, 0]]
    assert filled(Series([0.0, 1.0, 2.0, 3.0, 4.0]), 3).tolist() == [[0, 2, 4]]
    assert filled(Series([7.0]), 3).tolist() == [[7, 7, 7]]


def test_records_are_filled_to_the_longest():
    records = [SETS["raw"].measure(Series(values)) for values in ([1.0, 3.0], [0.0, NAN, 2.0])]
    whole = filled_to(records)
    assert whole.dtype == np.float32
    assert whole.tolist() == [[[1, 2, 3]], [[0, 1, 2]]]
    assert filled_to(records, 2).tolist() == [[[1, 3]], [[0, 2]]]


def test_filling_leaves_records_as_they_are():
    record = {"values": np.array([[1.0, NAN, 3.0]], np.float32)}
    filled_to([record])
    assert np.isnan(record["values"][0, 1])


def test_raw_values_of_channels_stand_side_by_side():
    raw = table("raw", Series([[1, 2, 3], [4, 5, 6]]), Series([[7, 9], [0, 1]]))
    assert raw.values.tolist() == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 0, 0.5, 1]]
    assert raw.names[:4] == ("channel_1_step_0", "channel_1_step_1", "channel_1_step_2", "channel_2_step_0")
    assert table("raw", Series([5.0, 6.0])).names == ("step_0", "step_1")


def test_joint_rows_are_those_of_all_sets_side_by_side():
    series = [Series([1.0, NAN, 4.0, 2.0]), Series([0.0, 5.0, 1.0])]
    parts = [table(name, *series) for name in ("catch22", "summary", "raw")]
    joint = table("joint", *series)
    assert joint.values.tolist() == np.hstack([part.values for part in parts]).tolist()
    assert joint.names == tuple(name for part in parts for name in part.names)


@every_set
def test_unequal_numbers_of_channels_are_refused(name):
    with pytest.raises(SignalError, match="equal numbers of channels, got from 1 to 2; leave out"):
        table(name, Series([1.0, 2.0]), Series([[1.0, 2.0], [3.0, 4.0]]))


def test_catch22_is_that_of_its_authors():
    import pycatch22

    values = np.random.default_rng(0).normal(size=200).cumsum().astype(np.float32)
    found = pycatch22.catch22_all(values.tolist(), catch24=True)
    assert tuple(found["names"]) == CATCH22_NAMES
    assert catch22(values) == dict(zip(found["names"], found["values"], strict=True))
    rows = table("catch22", Series(np.stack([values, values[::-1]])))
    assert rows.names[:24] == tuple(f"channel_1_{name}" for name in CATCH22_NAMES)
    np.testing.assert_allclose(rows.values[0, :24], found["values"], rtol=1e-6)
    np.testing.assert_allclose(rows.values[0, 24:], list(catch22(values[::-1]).values()), rtol=1e-6)


def test_catch22_is_of_the_bridged_series():
    gap = table("catch22", Series([1.0, 2.0, NAN, 4.0, 3.0, 2.5, 1.0, 0.0]))
    whole = table("catch22", Series([1.0, 2.0, 3.0, 4.0, 3.0, 2.5, 1.0, 0.0]))
    assert gap.values.tolist() == whole.values.tolist()


def test_catch22_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycatch22", None)
    with pytest.raises(MissingExtra, match=r"needs pycatch22: pip install 'phosphene\[baselines\]'"):
        catch22(np.arange(5.0))


def test_summary_by_hand():
    found = summary(np.array([0.0, 4.0, NAN, 0.0]))  # bridged: 0 4 2 0
    assert found["mean"] == pytest.approx(4 / 3)
    assert (found["minimum"], found["maximum"], found["quantile_50"]) == (0, 4, 0)
    assert (found["first"], found["last"], found["missing"]) == (0, 0, 0.25)
    assert found["slope"] == pytest.approx(-0.6)  # a fifth of a step down each step, three steps
    assert found["mean_crossings"] == 0.5  # 1.5 is passed up after the first and down after the third
    assert found["difference_rms"] == pytest.approx(np.sqrt((16 + 4 + 4) / 3))
    assert (found["place_of_minimum"], found["place_of_maximum"]) == (0, pytest.approx(1 / 3))
    centred = np.array([-1.5, 2.5, 0.5, -1.5])
    power = (centred**2).sum()
    assert found["autocorrelation_01"] == pytest.approx(centred[1:] @ centred[:-1] / power)
    assert found["autocorrelation_02"] == pytest.approx(centred[2:] @ centred[:-2] / power)
    assert found["autocorrelation_04"] == found["autocorrelation_32"] == 0
    assert found["von_neumann_ratio"] == pytest.approx(24 / 3 / (power / 4))


def test_summary_agrees_with_scipy():
    values = np.random.default_rng(1).gamma(2.0, size=500)
    found = summary(values)
    assert found["skewness"] == pytest.approx(scipy.stats.skew(values))
    assert found["kurtosis"] == pytest.approx(scipy.stats.kurtosis(values))
    assert found["slope"] == pytest.approx(scipy.stats.linregress(np.arange(500), values).slope * 499)
    frequencies, power = scipy.signal.periodogram(values, detrend="constant", scaling="spectrum")
    power[1:-1] /= 2  # of both sides; the last has but one
    shares = power[1:] / power[1:].sum()
    assert found["spectral_entropy"] == pytest.approx(scipy.stats.entropy(shares) / np.log(250))
    assert found["mean_frequency"] == pytest.approx(frequencies[1:] @ shares)


def test_a_wave_is_heard_and_a_trend_seen():
    steps = np.arange(100)
    wave = summary(np.sin(2 * np.pi * 0.1 * steps))
    assert wave["dominant_frequency"] == pytest.approx(0.1)
    assert wave["spectral_entropy"] < 0.01
    assert summary(3.0 * steps)["slope"] == pytest.approx(297)


@every_set
@pytest.mark.parametrize(
    "values",
    [[5.0], [5.0, 5.0], [1.0, 2.0], [1.0, NAN], [0.0, 1.0, 0.0], [0.1] * 50, [[1.0, 2.0], [NAN, 1.0]]],
    ids=str,
)
def test_short_constant_and_missing_values_give_numbers(name, values):
    assert np.isfinite(table(name, Series(values)).values).all()


def test_constant_series_have_no_shape():
    found = summary(np.full(50, np.float32(0.1)))
    assert found["mean"] == pytest.approx(0.1)
    flat = ("skewness", "kurtosis", "autocorrelation_01", "von_neumann_ratio", "spectral_entropy", "slope")
    assert {name: found[name] for name in flat} == pytest.approx(dict.fromkeys(flat, 0.0), abs=1e-9)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 2), st.integers(1, 40)),
        elements=st.floats(allow_infinity=False, width=32),
    )
)
def test_every_series_gives_finite_numbers(values):
    if np.isnan(values).all(axis=1).any():
        return
    for name in SETS:
        rows = table(name, Series(values))
        assert rows.values.dtype == np.float32
        assert rows.values.shape == (1, len(rows.names))
        assert len(set(rows.names)) == len(rows.names)
        assert np.isfinite(rows.values).all()


def test_length_is_a_feature():
    rows = table("summary", Series([1.0, 2.0]), Series([1.0, 2.0, 3.0]))
    assert rows.names == SUMMARY_NAMES
    assert rows.values[:, SUMMARY_NAMES.index("length")].tolist() == [2, 3]


@every_set
def test_long_series_are_averaged(name):
    steps = np.repeat(np.arange(MOST_STEPS) % 7, 2)
    rows = table(name, Series(steps))
    assert np.isfinite(rows.values).all()
    if name == "raw":
        assert rows.values[0].tolist() == (np.arange(MOST_STEPS) % 7).tolist()
    if name == "summary":
        assert rows.values[0, SUMMARY_NAMES.index("length")] == 2 * MOST_STEPS


@every_set
def test_no_records_make_no_rows(name):
    assert SETS[name].tabulate([]).values.shape[0] == 0
