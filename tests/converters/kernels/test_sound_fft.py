"""The compiled transform against NumPy's, and the compiled bands against SciPy's transform."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, eye_array

from phosphene.converters.audio import dsp as spectrum
from phosphene.converters.audio.dsp import band_blocks, stft_power
from phosphene.converters.kernels.fft import FRAMES, LANES, plan, transform

RNG = np.random.default_rng(0)
SMOOTH = sorted(
    {
        2**a * 3**b * 5**c
        for a in range(12)
        for b in range(6)
        for c in range(4)
        if 16 <= 2**a * 3**b * 5**c <= 4096
    }
)


def transformed(values):
    """Rows of eight complex numbers through the compiled loops, put in order."""
    re, im = (part.astype(np.float32).ravel() for part in (values.real, values.imag))
    prepared = plan(len(values))
    transform(re, im, prepared)
    return (re + 1j * im).reshape(values.shape)[prepared.order]


def every_bin(samples, *, n_fft, hop_length, **rest):
    bands = eye_array(n_fft // 2 + 1, format="csr", dtype=np.float32)
    mix = rest.pop("mix", np.ones(1))
    blocks = band_blocks(samples, bands, n_fft=n_fft, hop_length=hop_length, mix=mix, **rest)
    return np.concatenate(list(blocks), axis=1)


def test_four_numbers_by_hand():
    values = np.zeros((4, LANES), complex)
    values[:, 3] = [1, 2, 3, 4j]
    assert transformed(values)[:, 3].tolist() == [6 + 4j, -6 - 2j, 2 - 4j, 2 + 2j]
    assert not transformed(values)[:, 4].any()


@given(n=st.sampled_from([2, 3, 5, *SMOOTH]))
def test_every_length_is_numpys(n):
    values = RNG.standard_normal((n, LANES)) + 1j * RNG.standard_normal((n, LANES))
    expected = np.fft.fft(values, axis=0)
    assert np.abs(transformed(values) - expected).max() < 1e-6 * np.abs(expected).max()


@given(
    n_fft=st.sampled_from([n for n in SMOOTH if n < 700]),
    hop_length=st.integers(1, 900),
    n=st.integers(1, 3000),
)
def test_bands_are_those_of_scipys_transform(n_fft, hop_length, n):
    samples = RNG.standard_normal((1, n)).astype(np.float32)
    theirs = np.concatenate(list(stft_power(samples, n_fft=n_fft, hop_length=hop_length))).T
    ours = every_bin(samples, n_fft=n_fft, hop_length=hop_length)
    assert ours.shape == theirs.shape == (n_fft // 2 + 1, 1 + n // hop_length)
    assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-6 * theirs.max())
    magnitude = every_bin(samples, n_fft=n_fft, hop_length=hop_length, quantity="magnitude")
    assert np.allclose(magnitude, np.sqrt(ours), rtol=1e-4)


@pytest.mark.parametrize("n_fft", [17, 1103, 2 * 7 * 16, 36000])
def test_lengths_that_are_not_compiled(n_fft):
    samples = RNG.standard_normal((1, 5000)).astype(np.float32)
    power = every_bin(samples, n_fft=n_fft, hop_length=700)
    magnitude = every_bin(samples, n_fft=n_fft, hop_length=700, quantity="magnitude")
    frame = np.pad(samples[0], n_fft)[n_fft + 700 - n_fft // 2 :][:n_fft]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    expected = np.abs(np.fft.rfft(frame * window))
    assert power.shape == (n_fft // 2 + 1, 8)
    assert np.allclose(power[:, 1], expected**2, rtol=1e-3, atol=1e-6 * expected.max() ** 2)
    assert np.allclose(magnitude[:, 1], expected, rtol=1e-3, atol=1e-6 * expected.max())


@pytest.mark.parametrize(
    "lay", [np.ascontiguousarray, np.asfortranarray, lambda x: np.repeat(x, 2, 1)[:, ::2]]
)
def test_channels_are_mixed_however_they_lie_in_memory(lay):
    samples, mix = RNG.standard_normal((3, 999)).astype(np.float32), np.array([0.5, -2.0, 0.25])
    ours = every_bin(lay(samples), n_fft=64, hop_length=20, mix=mix)
    theirs = every_bin((mix @ samples)[None].astype(np.float32), n_fft=64, hop_length=20)
    assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-5 * theirs.max())
    one = every_bin(lay(samples[:1]), n_fft=64, hop_length=20)
    assert np.allclose(one, every_bin(samples[:1], n_fft=64, hop_length=20))


def test_blocks_join_without_a_seam(monkeypatch):
    samples = RNG.standard_normal((1, 4000)).astype(np.float32)
    whole = every_bin(samples, n_fft=128, hop_length=10)
    monkeypatch.setattr(spectrum, "_BLOCK_FRAMES", 2 * FRAMES)
    assert np.array_equal(every_bin(samples, n_fft=128, hop_length=10), whole)


def test_bands_may_overlap_or_be_empty():
    samples = RNG.standard_normal((1, 500)).astype(np.float32)
    bands = csr_array(np.array([[1, 0, 2, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 1, 1]], np.float32))
    (ours,) = band_blocks(samples, bands, n_fft=8, hop_length=4, mix=np.ones(1))
    every = every_bin(samples, n_fft=8, hop_length=4)
    assert np.allclose(ours, bands.toarray() @ every, rtol=1e-5)


def test_frames_far_apart_need_no_memory_between_them():
    samples = np.zeros((1, 10), np.float32)
    assert every_bin(samples, n_fft=16, hop_length=1 << 40).shape == (9, 1)
