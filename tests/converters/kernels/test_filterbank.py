"""Power behind filters: by hand, against direct convolution with sampled wavelets, in blocks, decimated, with gaps."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gamma as gamma_function

from phosphene.converters.kernels import filterbank
from phosphene.converters.kernels.filterbank import Filter, log_centres, mean_power, reader, wavelet_filter
from phosphene.converters.kernels.loops import column_power, folded

MORLET = Filter("morlet", 6.0)
FORMS = [MORLET, Filter("morse", 6.0), Filter("ricker", 2.0), Filter("hann", 17.0)]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.form)


def noise(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def power_of(values, centres, borders, form=MORLET, gaps=None):
    return mean_power(
        reader(np.asarray(values)),
        len(values),
        centres=np.atleast_1d(centres),
        form=form,
        borders=np.asarray(borders, float),
        gaps=None if gaps is None else reader(np.asarray(gaps)),
    )


# Formulas of the wavelets in time, at the times `t` in samples, for a sine of amplitude 1 to come out as 1.


def morlet_in_time(t, f, omega0=6.0):
    return (
        2
        * f
        * np.sqrt(2 * np.pi)
        / omega0
        * np.exp(2j * np.pi * f * t - (2 * np.pi * f * t / omega0) ** 2 / 2)
    )


def hann_in_time(t, f, periods=17.0):
    share = t * f / periods
    window = np.where(np.abs(share) < 0.5, 1 + np.cos(2 * np.pi * share), 0)
    return 2 * window * f / periods * np.exp(2j * np.pi * f * t)


def ricker_in_time(t, f):
    """By the integral over the positive frequencies of u**2 exp(1 - u**2), as a sum."""
    u = np.linspace(0, 8, 4001)[1:]
    return (
        2 * f * (u**2 * np.exp(1 - u**2) * np.exp(2j * np.pi * f * t[..., None] * u)).sum(-1) * (u[1] - u[0])
    )


def direct(values, wavelet, f):
    """Power of the convolution, sum by sum."""
    n = len(values)
    places = np.arange(n)
    kernel = wavelet(np.arange(1.0 - n, n), f)
    return np.array([np.abs((values * kernel[t - places + n - 1]).sum()) ** 2 for t in places])


IN_TIME = {"morlet": morlet_in_time, "hann": hann_in_time, "ricker": ricker_in_time}


def test_an_impulse_among_five_samples_is_the_wavelet_as_computed_by_hand():
    # 2 f sqrt(2 pi) / 6 = 0.0836 at the impulse; its square falls by exp(-(2 pi f t / 6)**2) away from it.
    (power,) = power_of([0, 0, 1, 0, 0], 0.1, range(6))
    peak = 0.0835543**2
    np.testing.assert_allclose(
        power, peak * np.exp(-((np.pi / 30) ** 2) * np.array([4, 1, 0, 1, 4])), rtol=1e-4
    )


@pytest.mark.parametrize("form", [f for f in FORMS if f.form in IN_TIME], ids=lambda form: form.form)
def test_power_of_every_sample_is_that_of_direct_convolution(form):
    values = noise(300)
    for f in (0.005, 0.03, 0.1, 0.13):
        (power,) = power_of(values, f, range(301), form)
        expected = direct(values, IN_TIME[form.form], f)
        np.testing.assert_allclose(power, expected, atol=5e-4 * expected.max())


@every_form
@pytest.mark.parametrize("columns", [7, 30, 60, 100])
def test_columns_are_means_over_samples(form, columns):
    values, centres = noise(600), np.geomspace(0.004, 0.45 / form.measures.high, 9)
    fine = power_of(values, centres, range(601), form)
    borders = np.linspace(0, 600, columns + 1)
    coarse = np.sqrt(power_of(values, centres, borders, form))
    expected = np.sqrt(
        [column_power(np.sqrt(row)[None].astype(np.complex64), borders)[0] / np.diff(borders) for row in fine]
    )
    assert np.abs(coarse - expected).max() < 0.01 * expected.max()


@every_form
@pytest.mark.parametrize("amplitude", [0.25, 4.0])
def test_a_sine_of_any_pitch_has_its_amplitude(form, amplitude):
    for f in (0.01, 0.05, 0.2):
        sine = amplitude * np.sin(2 * np.pi * f * np.arange(4000) + 1)
        (power,) = power_of(sine, f, [1800, 2200], form)
        assert np.sqrt(power) == pytest.approx(amplitude, rel=2e-3)


def test_a_morse_wavelet_has_the_energy_of_its_formula():
    # Lilly and Olhede (2009): of u**beta exp(-u**gamma), squared and integrated.
    beta, gamma = 12.0, 3.0
    u = np.linspace(0, 5, 100_001)
    energy = (Filter("morse", 6.0).gain(u) ** 2).sum() * (u[1] - u[0])
    top = (beta / gamma) ** (1 / gamma)
    normed = np.exp(2 * beta / gamma) * (gamma / beta) ** (2 * beta / gamma)
    r = (2 * beta + 1) / gamma
    assert energy == pytest.approx(normed * gamma_function(r) / (gamma * 2**r) / top, rel=1e-6)


@every_form
@pytest.mark.parametrize("columns", [32, 225])
@pytest.mark.parametrize("with_gaps", [False, True])
def test_blocks_and_decimation_change_nothing(form, columns, with_gaps, monkeypatch):
    values = noise(60_000) * np.linspace(0.2, 1, 60_000)
    gaps = np.random.default_rng(1).random(60_000) < 0.3 if with_gaps else None
    gaps = None if gaps is None else np.where(np.arange(60_000) // 1000 == 20, True, gaps)
    values = values if gaps is None else np.where(gaps, 0, values)
    centres, borders = np.geomspace(1 / 20_000, 0.45, 30), np.linspace(0, 60_000, columns + 1)
    whole = np.sqrt(power_of(values, centres, borders, form, gaps))
    monkeypatch.setattr(filterbank, "_BLOCK", 1 << 12)
    monkeypatch.setattr(filterbank, "_MOST_PADDING", 1 << 12)
    parts = np.sqrt(power_of(values, centres, borders, form, gaps))
    assert (np.abs(parts - whole) / whole.max(1, keepdims=True)).max() < (0.04 if with_gaps else 0.02)


def test_memory_does_not_grow_with_the_length():
    values = noise(1 << 16).astype(np.float32)

    def repeated(start, stop):
        return values.take(np.arange(start, stop), mode="wrap")

    def peak_of(count):
        tracemalloc.start()
        mean_power(repeated, count, centres=centres, form=MORLET, borders=np.linspace(0, count, 33))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    centres = np.geomspace(1e-6, 0.4, 24)
    peak_of(1 << 18)
    assert peak_of(1 << 21) < 60e6


def test_gaps_leave_the_height_of_a_sine_alone():
    sine = np.sin(2 * np.pi * 0.05 * np.arange(1000))
    gaps = np.random.default_rng(0).random(1000) < 0.3
    (power,) = power_of(np.where(gaps, 0, sine), 0.05, [300, 700], gaps=gaps)
    assert np.sqrt(power) == pytest.approx(1, abs=0.03)
    (dim,) = power_of(np.where(gaps, 0, sine), 0.05, [300, 700])
    assert np.sqrt(dim) == pytest.approx(0.7, abs=0.05)


def test_a_value_amid_gaps_has_no_rhythm():
    gaps = np.arange(400) != 200
    values = np.where(gaps, 0.0, 1.0)
    (power,), (plain,) = power_of(values, 0.05, range(401), gaps=gaps), power_of(values, 0.05, range(401))
    assert power[150:250].max() < 1e-6 < plain.max()


@given(low=st.floats(1e-4, 0.1), octaves=st.floats(0.5, 9), rows=st.integers(1, 64), omega0=st.floats(5, 60))
def test_centres_rise_evenly_and_close_together(low, octaves, rows, omega0):
    form = wavelet_filter("morlet", omega0)
    centres = log_centres(low, low * 2**octaves, rows, form=form).ravel()
    ratios = centres[1:] / centres[:-1]
    np.testing.assert_allclose(ratios, (low * 2**octaves / low) ** (1 / len(centres)), rtol=1e-9)
    assert np.all(np.log(ratios) * omega0 <= 2 + 1e-9)


def test_sums_between_whole_borders_are_those_computed_by_hand():
    values = np.array([[1.0, 2.0j, 3.0, 1 + 1j]], np.complex64)  # of power 1, 4, 9 and 2
    assert column_power(values, np.array([0.0, 1.0, 1.0, 4.0])).tolist() == [[1, 0, 15]]
    level = np.full((1, 4), 2.0, np.complex64)
    np.testing.assert_allclose(column_power(level, np.array([0.5, 3.25, 4.0])), [[11, 3]])


@given(st.lists(st.floats(0, 4, width=32), min_size=4, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_sums_are_never_negative_and_add_up(values, first, second):
    passed = np.array([values], np.complex64)
    borders = np.sort([0, first * len(values), second * len(values), len(values)])
    sums = column_power(passed, borders)
    assert (sums >= -1e-6).all()
    assert sums.sum() == pytest.approx(np.square(values).sum(), rel=1e-5)


@given(samples=st.integers(2, 40), width=st.integers(1, 50), start=st.integers(0, 30))
def test_folding_is_a_sum_over_bins_that_share_a_place(samples, width, start):
    spectrum = (noise(60) + 1j * noise(60, 1)).astype(np.complex64)
    gains = noise(width, 2).astype(np.float32)[None]
    laid = np.zeros(samples, complex)
    for place in range(min(width, 60 - start)):
        laid[place % samples] += spectrum[start + place] * gains[0, place]
    np.testing.assert_allclose(folded(spectrum, np.array([start]), gains, samples)[0], laid, atol=1e-5)


def test_a_reader_gives_zeros_beyond():
    read = reader(np.array([1.0, 2.0, 3.0]), first=-1)
    assert read(-3, 4).tolist() == [0, 0, 1, 2, 3, 0, 0]
    assert read(5, 7).tolist() == read(-9, -7).tolist() == [0, 0]
