"""Cepstral coefficients: by hand, against librosa, golden, by properties."""

from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Audio, Box, ParameterError, make
from phosphene.converters.audio.dsp import band_blocks, decibels
from phosphene.converters.audio.mel import (
    cepstrum,
    coefficient_shades,
    lifter_weights,
    mel_filterbank,
    on_rows,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "audio_mfcc.npy"
RATE_HZ = 16_000


def noise(n=16_000, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32) * 0.1


def speech_like():
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    voiced = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 30)) * (time_s % 0.5 < 0.3)
    return Audio(voiced * 0.2 + noise(2 * RATE_HZ) * 0.2, RATE_HZ)


def low(n=16_000):
    return Audio(np.convolve(noise(n), np.ones(30) / 30, "same"), RATE_HZ)


def high(n=16_000):
    return Audio(np.diff(noise(n + 1)), RATE_HZ)


def draw(sound, size=60, **parameters):
    return make("mfcc", size=size, **parameters)(sound)


def coefficient(image, number, of=20):
    size = image.height
    rows = [row for row in range(size) if (size - 1 - row) * of // size == number]
    return image.pixels[rows, :, 0].astype(int)


def test_the_coefficients_of_four_bands_are_those_computed_by_hand():
    levels = np.array([[4.0], [2.0], [2.0], [0.0]])
    # 1/2 (4 + 2 + 2 + 0); sqrt(1/2) (4 cos 22.5 + 2 cos 67.5 - 2 cos 67.5); sqrt(1/2) (4 - 2 - 2 + 0) cos 45
    np.testing.assert_allclose(cepstrum(levels, 3).ravel(), [4, 2.6131, 0], atol=1e-4)


def test_shades_of_three_coefficients_are_those_computed_by_hand():
    # A half of the white swing is 2/3 / 2 * sqrt(8 / 2) = 2/3 for the first coefficient.
    shades = coefficient_shades(np.array([[np.sqrt(8) / 4], [2 / 3], [-1 / 3]]), np.ones(3), 8)
    np.testing.assert_allclose(shades.ravel(), [0.25, 1.0, 0.25])


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize("liftering", [0, 22])
def test_coefficients_are_librosas(mel_scale, liftering):
    n_fft = 2048
    bank = mel_filterbank(rate_hz=22_050, n_fft=n_fft, ends_hz=(0, 11_025), n_mels=40, mel_scale=mel_scale)
    blocks = band_blocks(noise()[None], bank, n_fft=n_fft, hop_length=512)
    levels = decibels(np.concatenate(list(blocks), axis=1), floor_db=-80)
    theirs = librosa.feature.mfcc(
        S=librosa.power_to_db(
            librosa.feature.melspectrogram(
                y=noise(), sr=22_050, n_fft=n_fft, hop_length=512, n_mels=40, fmin=0, fmax=11_025,
                htk=mel_scale == "htk", pad_mode="constant",
            ), ref=np.max, top_db=80,
        ), n_mfcc=13, lifter=liftering,
    )  # fmt: skip
    # librosa's weight of coefficient k is ours of k + 1.
    weights = lifter_weights(14, liftering)[1:] if liftering else np.ones(13)
    np.testing.assert_allclose(cepstrum(levels, 13) * weights[:, None], theirs, atol=0.02)


def test_it_is_the_golden_picture():
    drawn = draw(speech_like(), 64).pixels[:, :, 0]
    assert np.abs(drawn.astype(int) - np.load(GOLDEN)).max() <= 1


def test_coefficient_0_is_the_level_and_the_first_tells_low_from_high():
    both = Audio(np.concatenate([low().samples[0] / low().samples.std(), high().samples[0] / 8]), RATE_HZ)
    image = draw(both)
    first = coefficient(image, 1)
    assert first[:, 5:25].min() > 140
    assert first[:, 35:55].max() < 116
    steady = coefficient(image, 0)
    mel_level = make("mel", size=60, n_mels=128)(both).pixels[..., 0].mean(0)
    assert np.abs(steady - mel_level).max() < 6


def test_all_rows_have_contrast_and_the_first_drowns_none():
    image = draw(speech_like(), 200)
    spread = np.array([coefficient(image, k).std() for k in range(20)])
    assert spread[1:].min() > 5
    assert spread[0] < 4 * np.median(spread[1:])


def test_a_burst_is_found():
    samples = noise(3 * RATE_HZ) * 1e-6
    samples[RATE_HZ : RATE_HZ + 4000] += np.diff(noise(4001))
    image = draw(Audio(samples, RATE_HZ), 120)
    columns = np.flatnonzero(coefficient(image, 0).max(0) > 90)
    region = image.locate(Box(columns.min(), 114, columns.max() + 1, 120))
    (time,), (number,) = region.of("time"), region.of("coefficient")
    assert abs(time.start - 1) < 0.06
    assert abs(time.stop - 1.25) < 0.06
    assert (number.start, number.stop) == (0, 1)


def test_rows_name_whole_coefficients():
    image = draw(low(), 64, n_mfcc=13)
    assert str(image.locate(Box(0, 0, 64, 1))) == "time 0 to 1 s, coefficient 12 to 13"
    assert image.locate(Box(0, 0, 64, 64)).of("coefficient")[0].stop == 13
    few = draw(low(), 8)
    assert image.pixels.shape[:2] == (64, 64)
    (number,) = few.locate(Box(0, 7, 8, 8)).of("coefficient")
    assert (number.start, number.stop) == (0, 3)


def test_channels_above_each_other_name_their_coefficients():
    image = draw(Audio(np.stack([noise(), noise(seed=1)]), RATE_HZ), 80, channel="stack")
    found = image.locate(Box(0, 39, 80, 41)).of("coefficient")
    assert [(span.start, span.stop, span.label) for span in found] == [(0, 1, "left"), (19, 20, "right")]


def test_silence_is_grey_above_a_black_row():
    pixels = draw(Audio(np.zeros(8000), 8000)).pixels
    assert set(np.unique(pixels[-3:])) == {0}
    assert set(np.unique(pixels[:-3])) == {128}


@given(gain=st.floats(1e-6, 1e6), n=st.integers(1, 4000))
def test_gain_changes_nothing(gain, n):
    plain = draw(Audio(noise(n), RATE_HZ), 40).pixels.astype(int)
    assert np.abs(draw(Audio(noise(n) * np.float32(gain), RATE_HZ), 40).pixels - plain).max() <= 1


@given(n=st.integers(3000, 9000), seed=st.integers(0, 99))
def test_time_reversed_sound_is_the_mirror_image(n, seed):
    samples = noise(n, seed) * np.linspace(0, 1, n, dtype=np.float32)
    forth = draw(Audio(samples, RATE_HZ), 40, hop_s=0.001).pixels.astype(int)
    back = draw(Audio(samples[::-1].copy(), RATE_HZ), 40, hop_s=0.001).pixels[:, ::-1]
    assert np.abs(forth - back).mean() < 4


def test_a_later_sound_is_further_to_the_right():
    samples = noise(2 * RATE_HZ) * 1e-6
    samples[8000:9000] += noise(1000, 1)
    here, there = (
        draw(Audio(np.roll(samples, k), RATE_HZ), 40).pixels[36:, :, 0].astype(int) for k in (0, 8000)
    )
    assert np.abs(np.roll(here, 10, axis=1) - there)[:, 1:-1].max() <= 6


@given(n_mfcc=st.integers(2, 128), size=st.integers(8, 80))
def test_rows_are_coefficients_in_their_order(n_mfcc, size):
    rows = on_rows(np.arange(n_mfcc, dtype=float)[:, None], size).ravel()
    assert rows.shape == (size,)
    assert (np.diff(rows) >= 0).all()
    assert rows[0] <= max(n_mfcc / size, 0)


def test_a_derivative_is_grey_where_nothing_changes():
    pixels = draw(Audio(np.sin(np.arange(16_000) * 0.5), RATE_HZ), 60, delta=1).pixels
    assert np.abs(pixels[:, 15:45].astype(int) - 128).max() <= 3
    assert np.ptp(draw(speech_like(), 60, delta=2).pixels) > 100


def test_liftering_raises_the_high_coefficients():
    plain, lifted = draw(speech_like(), 200, liftering=0), draw(speech_like(), 200)
    np.testing.assert_array_equal(coefficient(plain, 1), coefficient(lifted, 1))
    assert coefficient(plain, 15).std() * 3 < coefficient(lifted, 15).std()


def test_wrong_parameters_are_named_with_their_rule():
    with pytest.raises(ParameterError, match="^Mfcc.n_mfcc must be at most n_mels 16, got 20$"):
        make("mfcc", n_mels=16)
    with pytest.raises(ParameterError, match="n_mfcc must be an integer >= 2 and <= 512, got 1"):
        make("mfcc", n_mfcc=1)


if __name__ == "__main__":  # writes the golden array again; do so only when pixels are meant to change
    np.save(GOLDEN, draw(speech_like(), 64).pixels[:, :, 0])
