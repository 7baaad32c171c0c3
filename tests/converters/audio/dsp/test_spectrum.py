"""Power spectra against librosa, and the parts they are made of by hand."""

import librosa
import numpy as np
import pytest
from scipy.sparse import eye_array

from phosphene.converters.audio.dsp.levels import decibels
from phosphene.converters.audio.dsp.spectrum import band_power, frame_edges, padded_mix, stft_power
from phosphene.converters.audio.mel import hz_to_mel, mel_filterbank, mel_to_hz

NOISE = np.random.default_rng(0).standard_normal(30000).astype(np.float32) * 0.1


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
