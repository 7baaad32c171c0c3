"""Sounds without silence at their ends over all columns, whatever their length."""

import numpy as np
import pytest

from phosphene.converters import Audio, Box, ParameterError, make
from phosphene.converters.audio.spectrogram import trim
from phosphene.pipeline.gpu.draw import draws_on

RATE_HZ = 8000


def word(length_s, *, before_s=0.0, after_s=0.0, noise=0.0):
    """A tone that jumps up an octave in its middle, between silences."""
    n = round(length_s * RATE_HZ)
    tone = np.sin(2 * np.pi * np.cumsum(np.where(np.arange(n) < n // 2, 500, 1000)) / RATE_HZ)
    parts = [np.zeros(round(before_s * RATE_HZ)), 0.5 * tone, np.zeros(round(after_s * RATE_HZ))]
    samples = np.concatenate(parts)
    return Audio(samples + noise * np.random.default_rng(0).normal(size=len(samples)), RATE_HZ)


VIEW = make("mel", size=64, n_mels=24, keep="trimmed")


@pytest.mark.parametrize("name", ["mel", "stft", "mfcc", "scalogram"])
def test_a_word_looks_the_same_however_fast_and_wherever_it_is_spoken(name):
    view = make(name, kind="audio", size=32, keep="trimmed")
    one = view(word(0.5)).pixels.astype(int)
    for other in (word(1.0, before_s=0.3, after_s=0.6), word(0.7, before_s=1.0)):
        assert np.abs(view(other).pixels - one).mean() < 12
    whole = make(name, kind="audio", size=32)
    assert np.abs(whole(word(1.0, before_s=0.3, after_s=0.6)).pixels - one).mean() > 20


def test_pixels_stand_for_the_part_that_sounds():
    image = VIEW(word(0.5, before_s=0.3, after_s=0.6, noise=0.001))
    (span,) = image.locate(Box(0, 0, 64, 64)).of("time")
    assert (span.start, span.stop) == pytest.approx((0.3, 0.8), abs=0.021)


def test_silence_is_what_lies_30_db_below_the_loudest_part():
    sound = np.concatenate([np.full(160, level) for level in (0.01, 0.04, 1.0, 0.04, 0.01)])[None]
    assert trim(sound, block=160) == (160, 640)
    assert trim(sound[:, :700], block=160) == (160, 640)
    assert trim(np.ones((2, 5)), block=160) == (0, 5)


def test_channels_that_cancel_are_no_silence():
    tone = word(0.5).samples[0]
    image = VIEW(Audio(np.stack([tone, -tone]), RATE_HZ))
    np.testing.assert_array_equal(image.pixels, VIEW(Audio(tone, RATE_HZ)).pixels)


def test_training_sets_no_duration():
    resolved = VIEW.resolve([word(0.5), word(2.0)])
    assert resolved.duration_s is None
    assert resolved.high_hz == 4000
    assert resolved.cells == (4, 4)


def test_a_duration_beside_it_is_refused():
    with pytest.raises(ParameterError, match=r"duration_s must be none with keep=trimmed, got 1\.0"):
        make("mel", keep="trimmed", duration_s=1.0)


def test_devices_leave_it_to_the_processor():
    assert draws_on(VIEW.replace(keep="end"))
    assert not draws_on(VIEW)
