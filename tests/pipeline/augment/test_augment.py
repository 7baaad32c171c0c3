"""Signals changed at random: by hand, by property, and with nothing else disturbed."""

import random

import numpy as np
import pytest

from phosphene.converters import Audio, Binary, MouseTrace, ParameterError, Series, SignalError
from phosphene.pipeline.augment.views import (
    augment,
    augmentations,
    default_augmentations,
    parse_augmentations,
)

EVERY = pytest.mark.parametrize("owner", augmentations(), ids=lambda o: f"{o.accepts.kind}-{o.name}")


def tone(seconds=1.0, rate_hz=8000, hz=1000.0):
    return Audio(np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz), rate_hz)


EXAMPLES = {
    "audio": tone(),
    "series": Series(np.random.default_rng(1).standard_normal((2, 200)).cumsum(axis=1), 0.5),
    "mouse": MouseTrace(np.arange(50) / 10, np.arange(50) * 7.0, np.arange(50) ** 1.5, np.arange(50) % 5),
    "binary": Binary(np.random.default_rng(2).integers(1, 256, 4000, np.uint8)),
}


def numbers(signal):
    """Everything in a signal that may change."""
    names = {"audio": ["samples"], "series": ["values"], "mouse": ["time_s", "x", "y"], "binary": ["data"]}
    return [np.array(getattr(signal, name)) for name in names[signal.kind]]


@EVERY
def test_the_same_generator_makes_the_same_change_and_touches_nothing_else(owner):
    signal = EXAMPLES[owner.accepts.kind]
    before, seeds = numbers(signal), (random.getstate(), np.random.get_state()[1].tolist())
    one, same, other = (numbers(owner()(signal, np.random.default_rng(seed))) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(one, other, strict=True))
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(one, before, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(numbers(signal), before, strict=True))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == seeds


@EVERY
def test_other_kinds_are_refused(owner):
    other = EXAMPLES["series" if owner.accepts.kind != "series" else "audio"]
    with pytest.raises(SignalError, match=f"^{owner.name} changes {owner.accepts.kind} signals, got "):
        owner()(other, np.random.default_rng(0))


def changed(name, signal, seed=0, **values):
    text = name + (f"({','.join(f'{k}={v}' for k, v in values.items())})" if values else "")
    return augment(signal, parse_augmentations(text, kind=signal.kind), np.random.default_rng(seed))


def test_gain_and_shift_keep_what_they_should():
    sound = tone()
    louder = changed("gain", sound)
    ratio = louder.samples[0, 1:100] / sound.samples[0, 1:100]
    assert np.allclose(ratio[np.isfinite(ratio)], ratio[0], rtol=1e-4)
    shifted = changed("time_shift", Audio(np.arange(100.0), 10))
    assert sorted(shifted.samples[0]) == list(range(100))
    assert set(np.diff(shifted.samples[0])) == {1.0, -99.0}


@pytest.mark.parametrize("ratio_db", [0, 20])
def test_noise_has_the_ratio_asked(ratio_db):
    sound = tone(4.0)
    noise = changed("noise", sound, low_db=ratio_db, high_db=ratio_db).samples - sound.samples
    measured = 10 * np.log10(np.mean(sound.samples**2) / np.mean(noise**2))
    assert measured == pytest.approx(ratio_db, abs=0.1)


def test_masks_silence_one_stretch_and_one_band():
    noise = Audio(np.random.default_rng(0).standard_normal(16_000), 8000)
    silent = np.flatnonzero(changed("time_mask", noise, seed=1).samples[0] == 0)
    assert 0 < len(silent) <= 0.2 * 16_000
    assert (np.diff(silent) == 1).all()
    spectrum = np.abs(np.fft.rfft(changed("frequency_mask", noise, seed=1).samples[0]))
    gone = np.flatnonzero(spectrum < 1e-3)
    assert len(gone) > 0
    assert (np.diff(gone) == 1).all()
    assert gone[-1] / gone[0] <= 2.01


def loudest_hz(sound):
    spectrum = np.abs(np.fft.rfft(sound.samples[0] * np.hanning(sound.samples.shape[1])))
    return spectrum.argmax() * sound.rate_hz / sound.samples.shape[1]


def test_pitch_keeps_the_length_and_speed_does_not():
    higher = changed("pitch", tone(), seed=5)
    assert higher.samples.shape == tone().samples.shape
    assert loudest_hz(higher) != pytest.approx(1000, abs=5)
    assert 1000 * 2 ** (-2 / 12) * 0.99 < loudest_hz(higher) < 1000 * 2 ** (2 / 12) * 1.01
    faster = changed("speed", tone(), seed=5)
    stretch = faster.samples.shape[1] / 8000
    assert stretch != 1
    assert loudest_hz(faster) == pytest.approx(1000 / stretch, rel=0.01)


def test_series_keep_length_step_and_gaps():
    values = np.arange(100.0)
    values[40:50] = np.nan
    for name in ("jitter", "scaling", "window_warp", "window_slice"):
        result = changed(name, Series(values, 0.5))
        assert result.values.shape == (1, 100)
        assert result.step_s == 0.5
        assert np.isnan(result.values).any()
    whole = changed("window_slice", Series(values[:40]), share=1)
    np.testing.assert_allclose(whole.values[0], values[:40], atol=1e-5)
    sliced = changed("window_slice", Series(np.arange(100.0)), share=0.5).values[0]
    assert sliced[-1] - sliced[0] == pytest.approx(0.5 * 99, abs=1e-3)


def test_a_warped_series_rises_as_before_but_not_evenly():
    warped = changed("window_warp", Series(np.arange(200.0)), share=0.3).values[0]
    steps = np.diff(warped)
    assert (warped[0], warped[-1]) == (0, 199)
    assert (steps > 0).all()
    assert steps.max() / steps.min() == pytest.approx(2, rel=0.05)


def test_the_pointer_keeps_its_shape():
    session = EXAMPLES["mouse"]
    way = np.hypot(np.diff(session.x), np.diff(session.y))
    turned, scaled, shifted = (changed(name, session) for name in ("rotation", "scale", "shift"))
    np.testing.assert_allclose(np.hypot(np.diff(turned.x), np.diff(turned.y)), way)
    ratio = np.hypot(np.diff(scaled.x), np.diff(scaled.y)) / way
    assert np.allclose(ratio, ratio[0])
    assert np.allclose(np.diff(shifted.x), np.diff(session.x))
    slower = changed("time_scale", session)
    assert slower.time_s[0] == session.time_s[0]
    assert np.allclose(np.diff(slower.time_s), np.diff(slower.time_s)[0])


def test_a_range_of_bytes_is_zero_and_the_rest_is_as_it_was():
    program = EXAMPLES["binary"]
    masked = changed("byte_mask", program, seed=1).data
    gone = np.flatnonzero(masked == 0)
    assert 0 < len(gone) <= 400
    assert (np.diff(gone) == 1).all()
    np.testing.assert_array_equal(np.delete(masked, gone), np.delete(program.data, gone))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mumble", "no augmentation of audio signals is called 'mumble'; there are frequency_mask, gain"),
        ("gain(most=3)", "Gain has no parameter 'most'; it has most_db"),
        ("gain(=)", "'=' in 'gain(=)' must be key=value"),
        ("gain(most_db=loud)", "Gain.most_db must be a number >= 0 and <= 60, got 'loud'"),
        ("gain(", "'gain(' is no augmentation; write NAME or NAME(key=value,...)"),
    ],
)
def test_messages(text, message):
    with pytest.raises(ParameterError) as caught:
        parse_augmentations(text, kind="audio")
    assert str(caught.value).startswith(message)


def test_every_kind_has_some():
    assert {owner.accepts.kind for owner in augmentations()} == {"audio", "series", "mouse", "binary"}


SMALL = {
    "audio": [
        Audio([0.1], 8000),
        Audio([0.0, 1.0], 8000),
        Audio([0.0] * 50, 1),
        Audio(np.ones((2, 5)), 44100.5),
    ],
    "series": [
        Series([1.0]),
        Series([1.0, np.nan]),
        Series([[1.0, 2.0], [np.nan, 1.0]]),
        Series([np.nan] * 9 + [1.0] + [np.nan] * 9),
    ],
    "mouse": [MouseTrace([0], [5], [5], [0])],
    "binary": [Binary(b"a"), Binary(b"ab")],
}


@EVERY
def test_the_smallest_signals_can_be_changed(owner):
    for signal in SMALL[owner.accepts.kind]:
        for seed in range(5):
            assert owner()(signal, np.random.default_rng(seed)).describe()


def test_gaps_stay_as_wide_as_they_are():
    every_other = np.where(np.arange(200) % 2, np.nan, np.arange(200.0))
    for name in ("window_warp", "window_slice"):
        missing = np.isnan(changed(name, Series(every_other)).values).mean()
        assert missing == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", ("audio", "series", "mouse", "binary"))
def test_defaults_leave_out_what_a_class_may_hang_on(kind):
    names = {change.name for change in parse_augmentations(default_augmentations(kind), kind=kind)}
    assert names
    assert parse_augmentations("default", kind=kind) == parse_augmentations(
        default_augmentations(kind), kind=kind
    )
    assert not names & {"pitch", "speed", "scaling", "window_warp", "window_slice"}


def test_the_default_ones_stand_among_others():
    names = [change.name for change in parse_augmentations("default, byte_mask", kind="binary")]
    assert names == ["byte_mask", "byte_mask"]
