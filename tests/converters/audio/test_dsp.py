"""Spectra, levels and grids against librosa, and the parts they are made of by hand."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import eye_array

from phosphene.converters.audio.dsp import (
    area_weights,
    band_blocks,
    compressed_peak,
    decibels,
    delta,
    frame_edges,
    grey,
    interpolate,
    on_columns,
    overlaps,
    padded_mix,
    pcen_blocks,
    smoothing,
    stft_power,
)
from phosphene.converters.audio.mel import hz_to_mel, mel_filterbank, mel_to_hz

NOISE = np.random.default_rng(0).standard_normal(30000).astype(np.float32) * 0.1


def band_power(samples, bands, *, n_fft, hop_length, columns=None):
    blocks = band_blocks(samples, bands, n_fft=n_fft, hop_length=hop_length)
    return on_columns(blocks, n_samples=samples.shape[1], hop_length=hop_length, columns=columns)


@pytest.mark.parametrize(
    ("n_fft", "hop_length", "n"), [(2048, 512, 30000), (750, 160, 16001), (512, 700, 5000), (64, 16, 1)]
)
def test_stft_power_is_librosas(n_fft, hop_length, n):
    ours = np.concatenate(list(stft_power(NOISE[None, :n], n_fft=n_fft, hop_length=hop_length)))
    padded = np.pad(NOISE[:n], n_fft // 2)
    theirs = np.abs(librosa.stft(padded, n_fft=n_fft, hop_length=hop_length, center=False)).T ** 2
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape == (1 + n // hop_length, n_fft // 2 + 1)
    assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-6 * theirs.max())


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize(
    ("rate_hz", "n_mels", "ends_hz"), [(22050, 128, (0, 11025)), (44100, 64, (20, 20000))]
)
def test_mel_power_is_librosas(mel_scale, rate_hz, n_mels, ends_hz):
    n_fft = 8192 if mel_scale == "htk" else 2048
    bank = mel_filterbank(rate_hz=rate_hz, n_fft=n_fft, ends_hz=ends_hz, n_mels=n_mels, mel_scale=mel_scale)
    ours = decibels(band_power(NOISE[None], bank, n_fft=n_fft, hop_length=512), floor_db=-80)
    theirs = librosa.feature.melspectrogram(
        y=NOISE, sr=rate_hz, n_fft=n_fft, hop_length=512, n_mels=n_mels, fmin=ends_hz[0], fmax=ends_hz[1],
        htk=mel_scale == "htk", pad_mode="constant",
    )  # fmt: skip
    theirs_db = librosa.power_to_db(theirs, ref=np.max, top_db=80)
    assert np.abs(ours - theirs_db).max() < 1e-3


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
def test_mel_scale_is_librosas(mel_scale):
    hertz = np.linspace(0, 22050, 1000)
    theirs = librosa.hz_to_mel(hertz, htk=mel_scale == "htk")
    assert np.allclose(hz_to_mel(hertz, mel_scale=mel_scale), theirs)
    assert np.allclose(mel_to_hz(theirs, mel_scale=mel_scale), hertz)


def test_no_band_is_empty_and_white_noise_has_no_stripes():
    narrow = mel_filterbank(rate_hz=8000, n_fft=375, ends_hz=(20, 4000), n_mels=224, mel_scale="slaney")
    height = narrow.sum(axis=1) * 8000 / 375  # flat spectrum of height 1: every band must see the same
    assert abs(height - 1).max() < 0.25
    assert abs(height[:40] - 1).max() < 1e-5


def test_average_over_columns_is_that_of_all_frames():
    edges = frame_edges(30000, 16)
    bands = eye_array(33, format="csr", dtype=np.float32)
    every = band_power(NOISE[None], bands, n_fft=64, hop_length=16)
    few = band_power(NOISE[None], bands, n_fft=64, hop_length=16, columns=7)
    assert few.shape == (33, 7)
    assert every.shape == (33, len(edges) - 1)
    total = (every * np.diff(edges)).sum(axis=1)
    assert np.allclose(few.mean(axis=1), total / edges[-1], rtol=1e-4)
    assert np.allclose(
        few[:, 3], band_power(NOISE[None, 12000:18000], bands, n_fft=64, hop_length=16).mean(axis=1), rtol=0.2
    )


@pytest.mark.parametrize(("n", "hop_length"), [(1, 4), (11, 4), (12, 4), (3, 7)])
def test_edges_of_some_frames_are_those_of_all(n, hop_length):
    every = frame_edges(n, hop_length)
    for first in range(len(every) - 1):
        for count in range(1, len(every) - first):
            some = frame_edges(n, hop_length, first=first, count=count)
            assert some.tolist() == every[first : first + count + 1].tolist()


def test_padded_mix_beyond_both_ends():
    samples, one = np.array([[1, 2, 3]], np.float32), np.ones(1)
    assert padded_mix(samples, one, -5, -2).tolist() == [0, 0, 0]
    assert padded_mix(samples, one, 4, 6).tolist() == [0, 0]
    assert padded_mix(samples, one, -1, 2).tolist() == [0, 1, 2]


def test_three_frames_by_hand():
    """The window is 0, 1/2, 1, 1/2: the frames become 0 0 1 1, then 0 1 3 2, then 0 2 0 0."""
    power = np.concatenate(list(stft_power(np.array([[1, 2, 3, 4]], np.float32), n_fft=4, hop_length=2)))
    expected = [[4, 2, 0], [36, 10, 0], [4, 4, 4]]
    assert np.allclose(power, expected, atol=1e-5)
    bands = eye_array(3, format="csr", dtype=np.float32)
    ours = band_power(np.array([[1, 2, 3, 4]], np.float32), bands, n_fft=4, hop_length=2)
    assert np.allclose(ours.T, expected, atol=1e-5)


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
