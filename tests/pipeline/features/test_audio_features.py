"""Features of sound: those of librosa, sounds whose answer is known, and sounds that are short, silent or strange."""

import librosa
import numpy as np
import pytest

from phosphene.converters import Audio
from phosphene.pipeline.augment.views import augment, parse_augmentations
from phosphene.pipeline.features import audio, feature_sets
from phosphene.pipeline.features.audio import FRAME_NAMES, RATE_HZ, STATISTICS, frame_features

(STATISTICS_SET,) = feature_sets("audio")


@pytest.fixture(scope="module")
def noise():
    """Two seconds of noise that swells and falls."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=2 * RATE_HZ) * np.hanning(2 * RATE_HZ) * 0.1).astype(np.float32)


@pytest.fixture(scope="module")
def frames(noise):
    return dict(zip(FRAME_NAMES, frame_features(noise), strict=True))


def table(*sounds):
    return STATISTICS_SET.tabulate([STATISTICS_SET.measure(sound) for sound in sounds])


def features_of(sound):
    rows = table(sound)
    return dict(zip(rows.names, rows.values[0].tolist(), strict=True))


def stacked(frames, stem, count):
    return np.stack([frames[f"{stem}_{n:02d}" if count > 9 else f"{stem}_{n}"] for n in range(count)])


def test_coefficients_and_their_changes_are_those_of_librosa(noise, frames):
    mfcc = librosa.feature.mfcc(y=noise, sr=RATE_HZ, n_mfcc=20)
    np.testing.assert_allclose(stacked(frames, "mfcc", 20), mfcc, atol=2e-3)
    for stem, order in (("delta_mfcc", 1), ("delta2_mfcc", 2)):
        inside = slice(4, -4)  # at the ends ours stand still
        delta = librosa.feature.delta(mfcc, order=order)
        np.testing.assert_allclose(stacked(frames, stem, 20)[:, inside], delta[:, inside], atol=2e-3)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("centroid_hz", lambda y: librosa.feature.spectral_centroid(y=y)),
        ("bandwidth_hz", lambda y: librosa.feature.spectral_bandwidth(y=y)),
        ("rolloff_hz", lambda y: librosa.feature.spectral_rolloff(y=y)),
        ("flatness", lambda y: librosa.feature.spectral_flatness(y=y)),
        ("zero_crossing_rate", librosa.feature.zero_crossing_rate),
        ("rms", lambda y: librosa.feature.rms(y=y)),
    ],
)
def test_one_number_a_frame_is_that_of_librosa(noise, frames, name, oracle):
    np.testing.assert_allclose(frames[name], oracle(noise)[0], rtol=1e-4, atol=1e-6)


def test_crossings_of_zero_are_those_of_librosa_to_the_last_digit(noise):
    quiet = noise * np.where(np.arange(len(noise)) % 5, 1, 1e-12).astype(np.float32)
    quiet[::7] = -0.0
    rate = frame_features(quiet)[FRAME_NAMES.index("zero_crossing_rate")]
    assert rate.tolist() == librosa.feature.zero_crossing_rate(quiet)[0].tolist()


def test_nothing_is_called_whose_compiled_form_another_process_may_have_broken(noise, monkeypatch):
    def refused(*_, **__):
        raise AssertionError("a generalised ufunc of numba")

    monkeypatch.setattr("numba.np.ufunc.gufunc.GUFunc.__call__", refused)
    with pytest.raises(AssertionError, match="generalised"):
        librosa.feature.zero_crossing_rate(noise)
    table(Audio(noise[None], RATE_HZ))
    augment(Audio(noise[None], RATE_HZ), parse_augmentations("pitch", kind="audio"), np.random.default_rng(0))


def test_bands_and_pitch_classes_are_those_of_librosa(noise, frames):
    contrast = librosa.feature.spectral_contrast(y=noise, sr=RATE_HZ)
    np.testing.assert_allclose(stacked(frames, "contrast", 7), contrast, rtol=1e-4, atol=1e-3)
    chroma = librosa.feature.chroma_stft(y=noise, sr=RATE_HZ, tuning=0.0)
    np.testing.assert_allclose(stacked(frames, "chroma", 12), chroma, rtol=1e-4, atol=1e-5)


def test_tempo_is_that_of_the_beats_and_of_librosa():
    clicks = np.zeros(6 * RATE_HZ, np.float32)
    for beat in range(12):  # two a second
        clicks[beat * RATE_HZ // 2 : beat * RATE_HZ // 2 + 200] = np.random.default_rng(beat).normal(size=200)
    found = features_of(Audio(clicks, RATE_HZ))["tempo_bpm"]
    assert found == pytest.approx(120, rel=0.04)
    assert found == pytest.approx(librosa.feature.tempo(y=clicks, sr=RATE_HZ)[0], rel=1e-6)


def test_statistics_are_over_frames(noise):
    found = features_of(Audio(noise, RATE_HZ))
    rms = librosa.feature.rms(y=noise)[0]
    assert found["rms_mean"] == pytest.approx(rms.mean(), rel=1e-4)
    assert found["rms_deviation"] == pytest.approx(rms.std(), rel=1e-4)
    for share in (10, 50, 90):
        assert found[f"rms_quantile_{share}"] == pytest.approx(np.quantile(rms, share / 100), rel=1e-4)
    assert len(found) == len(FRAME_NAMES) * len(STATISTICS) + 1
    assert "mfcc_03_mean" in found


def test_a_sound_is_the_same_at_every_rate():
    def tone(rate_hz):
        time_s = np.arange(int(rate_hz * 1.5)) / rate_hz
        return Audio(0.3 * np.sin(2 * np.pi * 500 * time_s) * np.hanning(len(time_s)), rate_hz)

    one, other = features_of(tone(RATE_HZ)), features_of(tone(48_000))
    for name in ("centroid_hz_quantile_50", "rms_mean", "zero_crossing_rate_mean", "mfcc_01_mean"):
        assert one[name] == pytest.approx(other[name], rel=0.02), name
    assert one["centroid_hz_quantile_50"] == pytest.approx(500, rel=0.02)


def test_channels_are_averaged(noise):
    stereo = features_of(Audio(np.stack([noise, np.zeros_like(noise)]), RATE_HZ))
    mono = features_of(Audio(noise / 2, RATE_HZ))
    assert stereo == pytest.approx(mono, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("samples", "rate_hz"),
    [
        (np.zeros(3 * RATE_HZ), RATE_HZ),
        (np.ones(1), 44_100),
        (np.array([0.1, -0.1, 0.2]), RATE_HZ),
        (np.full(8000, 0.5), 8000),
        (np.array([[1.0], [-1.0]]) * np.hanning(5000), 48_000),
        (np.array([0.1, -0.1, 0.2]), 1),
        (np.hanning(10_000), 1e7),
        (np.hanning(4000) * 1e37, 8000),
        (np.hanning(4000) * 1e-40, 8000),
        (np.eye(1, 9000, 4000), RATE_HZ),
        (np.concatenate([np.zeros(9000), np.hanning(9000), np.zeros(9000)]), RATE_HZ),
    ],
    ids=["silent", "one", "few", "level", "opposite", "slow", "fast", "huge", "tiny", "click", "half silent"],
)
def test_strange_sounds_give_numbers(samples, rate_hz):
    record = STATISTICS_SET.measure(Audio(samples, rate_hz))
    assert all(np.isfinite(values).all() for values in record.values())
    rows = STATISTICS_SET.tabulate([record])
    assert rows.values.shape == (1, len(rows.names))
    assert rows.values.dtype == np.float32
    assert np.isfinite(rows.values).all()


def test_silence_is_still():
    found = features_of(Audio(np.zeros(RATE_HZ), RATE_HZ))
    assert found["rms_mean"] == found["zero_crossing_rate_mean"] == found["chroma_00_mean"] == 0
    assert max(value for name, value in found.items() if name.endswith("deviation")) < 1e-3


def test_parts_of_a_long_sound_make_the_same_whole(noise, monkeypatch):
    whole = frame_features(noise)
    monkeypatch.setattr(audio, "_AT_A_TIME", 7)
    np.testing.assert_allclose(frame_features(noise), whole, rtol=1e-3, atol=2e-3)


def test_no_records_make_no_rows():
    assert table().values.shape == (0, len(table().names))
