"""Decibels, energy per channel and derivatives: by hand, against librosa, and by what must not change."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phosphene.converters.audio.dsp.levels import (
    compressed_peak,
    decibels,
    delta,
    grey,
    pcen_blocks,
    smoothing,
)

RNG = np.random.default_rng(0)
tables = hnp.arrays(np.float32, (3, 20), elements=st.floats(0, 100, width=32))


def test_decibels_of_silence_are_the_floor():
    assert decibels(np.zeros((2, 2), np.float32), floor_db=-60).tolist() == [[-60, -60], [-60, -60]]
    assert grey(np.array([-60.0, -30.0, 0.0]), floor_db=-60).tolist() == [0, 128, 255]


def test_decibels_by_hand():
    values = np.array([1.0, 10.0, 1000.0], np.float32)
    assert decibels(values, floor_db=-80, reference=100.0).round(4).tolist() == [-20, -10, 0]
    assert decibels(values, floor_db=-30, reference=100.0, quantity="magnitude").round(4).tolist() == [
        -30,
        -20,
        0,
    ]


@pytest.mark.parametrize("floor_db", [-80, -199])
def test_decibels_are_librosas(floor_db):
    values = (10 ** RNG.uniform(-20, 5, (50, 50))).astype(np.float32)
    power_db = librosa.power_to_db(values, ref=np.max, amin=1e-30, top_db=-floor_db)
    assert np.abs(decibels(values, floor_db=floor_db) - power_db).max() < 1e-4
    magnitude_db = librosa.amplitude_to_db(values, ref=np.max, amin=1e-15, top_db=-floor_db)
    assert np.abs(decibels(values, floor_db=floor_db, quantity="magnitude") - magnitude_db).max() < 1e-4


@pytest.mark.parametrize("reference", [1e-300, 1e-38, 1e38, 1e300])
def test_any_reference_is_taken(reference):
    level_db = decibels(np.array([1e-30, 1.0], np.float32), floor_db=-80, reference=reference)
    assert level_db.tolist() == ([0, 0] if reference < 1 else [-80, -80])


@pytest.mark.parametrize(("time_s", "gain"), [(0.4, 0.98), (0.06, 0.8), (2.0, 0.0)])
def test_pcen_is_librosas(time_s, gain):
    power = (RNG.random((12, 300)) ** 4).astype(np.float32)
    weight = smoothing(time_s * 22050 / 512)
    ours = np.concatenate(
        list(pcen_blocks(np.split(power, [1, 40, 200], axis=1), weight=weight, gain=gain)), axis=1
    )
    energy = power.astype(float) * 2**31
    theirs = librosa.pcen(
        energy, sr=22050, hop_length=512, gain=gain, bias=2, power=0.5, time_constant=time_s, eps=1e-6,
        zi=energy[:, :1] * (1 - weight),
    )  # fmt: skip
    assert ours.dtype == np.float32
    assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_pcen_by_hand():
    energy = np.array([[1.0, 1.0, 3.0]], np.float32)  # the mean is 1, 1, 2
    (ours,) = pcen_blocks([energy], weight=0.5, gain=1.0)
    assert np.allclose(ours, [np.sqrt([3, 3, 3.5]) - np.sqrt(2)], atol=1e-5)


@given(tables, st.floats(1e-3, 1e3))
def test_pcen_with_all_gain_forgets_the_volume(energy, factor):
    energy += np.float32(1)
    (one,), (other,) = (pcen_blocks([e], weight=0.1, gain=1.0) for e in (energy, energy * np.float32(factor)))
    assert np.allclose(one, other, atol=1e-3)


def test_pcen_of_silence_is_zero_and_nothing_is_above_its_peak():
    (silent,) = pcen_blocks([np.zeros((2, 9), np.float32)], weight=0.1, gain=0.98)
    assert not silent.any()
    leap = np.repeat(np.array([[0, 1]], np.float32), 9, axis=1)
    (ours,) = pcen_blocks([leap], weight=0.1, gain=0.98)
    assert ours.max() == pytest.approx(compressed_peak(1.0, weight=0.1, gain=0.98), rel=1e-4)


@pytest.mark.parametrize("order", [1, 2])
def test_delta_is_librosas(order):
    values = RNG.standard_normal((5, 40)).astype(np.float32)
    assert np.allclose(delta(values, order=order), librosa.feature.delta(values, order=order), atol=1e-5)


def test_delta_by_hand():
    parabola = (np.arange(5.0) ** 2)[None]
    assert np.allclose(delta(parabola, order=2), 2)
    assert np.allclose(delta(parabola[:, :3], order=1), 2)
    assert not delta(parabola[:, :2], order=1).any()


@given(tables)
def test_delta_of_the_reversed_is_reversed(values):
    back = values[:, ::-1]
    assert np.allclose(delta(back, order=1), -delta(values, order=1)[:, ::-1], atol=1e-3)
    assert np.allclose(delta(back, order=2), delta(values, order=2)[:, ::-1], atol=1e-3)
    assert np.allclose(delta(values + np.float32(3), order=1), delta(values, order=1), atol=1e-3)
