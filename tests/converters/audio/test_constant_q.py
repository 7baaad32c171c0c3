"""Constant-Q spectrograms and scalograms of sound: against librosa and PyWavelets' formula, golden, by properties."""

import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Audio, Box, ParameterError, SignalError, make
from phosphene.converters.audio.constant_q import constant_q, octave_power
from phosphene.converters.kernels import filterbank
from phosphene.converters.kernels.filterbank import Filter, mean_power, reader

GOLDEN = Path(__file__).parents[2] / "golden"
RATE_HZ = 16_000
NAMES = ["cqt", "scalogram"]
both = pytest.mark.parametrize("name", NAMES)


def converter(name, **parameters):
    return make(name, kind="audio", **parameters)


def noise(n=8000, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def tone(hertz, start_s, stop_s, *, length_s=3.0, rate_hz=RATE_HZ):
    time_s = np.arange(int(length_s * rate_hz)) / rate_hz
    return Audio(np.sin(2 * np.pi * hertz * time_s) * ((time_s >= start_s) & (time_s < stop_s)), rate_hz)


def sweep():
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    clicks = (np.arange(len(time_s)) % 8000 == 4000) * 1.0
    return Audio(0.5 * np.sin(2 * np.pi * (200 + 1500 * time_s) * time_s) + clicks, RATE_HZ)


def bright(image, least):
    rows, columns = np.nonzero(image.pixels[:, :, 0] >= least)
    return image.locate(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))


def test_an_impulse_among_five_samples_gives_the_window_computed_by_hand():
    # 2 f / Q (1 + cos(2 pi t f / Q)), with f = 0.2 and Q = 2: 0.4 at the impulse, 0.2 (1 + cos 36 degrees) = 0.3618
    # a sample beside it, 0.2 (1 + cos 72 degrees) = 0.2618 two samples away.
    form = Filter("hann", 2.0)
    whole = mean_power(
        reader(np.array([0, 0, 1.0, 0, 0])), 5, centres=np.array([0.2]), form=form, borders=np.arange(6.0)
    )
    np.testing.assert_allclose(np.sqrt(whole[0]), [0.2618, 0.3618, 0.4, 0.3618, 0.2618], atol=4e-3)


def test_constant_q_is_direct_correlation_with_windowed_sines():
    sound, f, q = noise(900), 0.06, constant_q(24)
    (ours,) = mean_power(
        reader(sound), 900, centres=np.array([f]), form=Filter("hann", q), borders=np.arange(901.0)
    )
    away = np.arange(900)[:, None] - np.arange(900)
    window = np.where(np.abs(away) < q / f / 2, 1 + np.cos(2 * np.pi * away * f / q), 0) * 2 * f / q
    expected = np.abs((window * np.exp(2j * np.pi * f * away)) @ sound) ** 2
    np.testing.assert_allclose(ours, expected, atol=1e-3 * expected.max())


@pytest.mark.slow  # librosa compiles for ten seconds
def test_magnitudes_are_librosas():
    rate_hz, low_hz = 22_050, 65.41
    sound = noise(3 * rate_hz) + 3 * np.sin(2 * np.pi * 440 * np.arange(3 * rate_hz) / rate_hz).astype(
        np.float32
    )
    theirs = np.abs(
        librosa.cqt(
            sound, sr=rate_hz, hop_length=512, fmin=low_hz, n_bins=60, bins_per_octave=12, scale=False,
            pad_mode="constant",
        )
    )  # fmt: skip
    centres_hz = low_hz * 2 ** (np.arange(60) / 12)
    lengths, _ = librosa.filters.wavelet_lengths(freqs=centres_hz, sr=rate_hz)
    form = Filter("hann", constant_q(12))
    for frame in (20, 40, 60):
        borders = np.array([frame * 512.0, frame * 512.0 + 1])
        ours = mean_power(reader(sound), len(sound), centres=centres_hz / rate_hz, form=form, borders=borders)
        assert np.abs(np.sqrt(ours[:, 0]) - 2 * theirs[:, frame] / lengths).max() < 0.01 * 3


@both
def test_golden_picture(name):
    image = converter(name, size=64)(sweep())
    golden = np.load(GOLDEN / f"audio_{name}.npy")
    assert np.abs(image.pixels[:, :, 0].astype(int) - golden).max() <= 1


def test_a_scale_is_a_straight_staircase():
    rate_hz, step_s = 22_050, 0.5
    time_s = np.arange(int(rate_hz * step_s)) / rate_hz
    notes = [np.sin(2 * np.pi * 220 * 2 ** (k / 12) * time_s) for k in range(24)]
    image = converter("cqt", size=240, low_hz=55, n_octaves=5)(Audio(np.concatenate(notes), rate_hz))
    rows = image.pixels[:, 5::10, 0].argmax(0)  # four rows a semitone
    assert (np.abs(np.diff(rows) + 4) <= 1).all()
    assert np.abs(rows - np.linspace(rows[0], rows[-1], 24)).max() <= 1
    edges = image.layout.axes()[1].edges
    np.testing.assert_allclose(edges[:-1] / edges[1:], 2 ** (1 / 48))


@both
@pytest.mark.parametrize("hertz", [110.0, 440.0, 3000.0])
def test_a_tone_lies_in_its_row(name, hertz):
    image = converter(name)(tone(hertz, 0, 3))
    row = int(image.pixels[:, 112, 0].argmax())
    (frequency,) = image.locate(Box(100, max(row - 1, 0), 120, row + 2)).of("frequency")
    assert frequency.start < hertz < frequency.stop


@both
def test_a_tone_burst_is_found(name):
    region = bright(converter(name, reference="full_scale")(tone(1000, 1.0, 1.5)), 246)
    (time,), (frequency,) = region.of("time"), region.of("frequency")
    assert abs(time.start - 1.0) < 0.03
    assert abs(time.stop - 1.5) < 0.03
    assert frequency.start < 1000 < frequency.stop


@both
def test_a_click_is_found(name):
    samples = np.zeros(3 * RATE_HZ)
    samples[2 * RATE_HZ] = 1
    (time,) = bright(converter(name)(Audio(samples, RATE_HZ)), 225).of("time")
    assert time.start < 2 < time.stop
    assert time.stop - time.start < 0.06


@both
def test_a_chirp_rises(name):
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    rows = (
        converter(name)(Audio(np.sin(2 * np.pi * (100 + 600 * time_s) * time_s), RATE_HZ))
        .pixels[..., 0]
        .argmax(0)
    )
    assert (np.diff(rows[10:-10].astype(int)) <= 1).all()
    assert rows[20] - rows[-20] > 50


@both
def test_bands_beyond_the_rate_are_black_and_rows_do_not_move_with_it(name):
    beyond = converter(name, high_hz=16_000)(Audio(noise(), 8000))
    above = beyond.layout.axes()[1].edges[:-1] > 4100
    assert not beyond.pixels[above].any()
    rows = [
        int(converter(name, high_hz=4000)(tone(1500, 0, 9, rate_hz=rate)).pixels[:, 112, 0].argmax())
        for rate in (8000, 16_000, 44_100)
    ]
    assert max(rows) - min(rows) <= 1


@both
def test_silence_is_black_and_one_sample_is_drawn(name):
    assert not converter(name, size=32)(Audio(np.zeros(1000), RATE_HZ)).pixels.any()
    assert converter(name, size=32)(Audio([0.5], RATE_HZ)).pixels.max() == 255


@both
@pytest.mark.parametrize("peak", [1e-38, 1e-44, 3e38])
def test_faintest_and_loudest_are_drawn_alike(name, peak):
    square = np.sign(noise(2000))
    expected = converter(name, size=32)(Audio(square, RATE_HZ)).pixels.astype(int)
    pixels = converter(name, size=32)(Audio(np.tile(square * peak, (2, 1)), RATE_HZ)).pixels
    assert np.abs(pixels - expected).max() <= 1


@both
@given(gain=st.floats(1e-6, 1e6), n=st.integers(1, 4000))
def test_gain_changes_nothing(name, gain, n):
    samples = noise(n)
    plain = converter(name, size=16)(Audio(samples, RATE_HZ)).pixels.astype(int)
    assert (
        np.abs(converter(name, size=16)(Audio(samples * np.float32(gain), RATE_HZ)).pixels - plain).max() <= 1
    )


@both
@given(n=st.integers(2000, 6000), seed=st.integers(0, 99))
def test_time_reversed_sound_is_the_mirror_image(name, n, seed):
    samples = noise(n, seed) * np.linspace(0.2, 1, n, dtype=np.float32)
    forth = converter(name, size=16)(Audio(samples, RATE_HZ)).pixels.astype(int)
    back = converter(name, size=16)(Audio(samples[::-1].copy(), RATE_HZ)).pixels[:, ::-1]
    assert np.abs(forth - back).max() <= 2


@both
@given(columns=st.integers(1, 20))
def test_a_later_sound_is_further_to_the_right(name, columns):
    samples = np.zeros(32_000, np.float32)
    samples[8300:8700] = noise(400) * np.hanning(400)
    image = converter(name, size=32, low_hz=200)
    here, there = (
        image(Audio(np.roll(samples, shift), RATE_HZ)).pixels for shift in (0, 1000 * (columns % 16))
    )
    off = np.abs(np.roll(here.astype(int), columns % 16, axis=1) - there)
    assert off.max() <= 12  # beside a loud column a faint one is known to a few decibels
    assert off.mean() < 0.1


@both
@pytest.mark.parametrize(
    ("rate_hz", "n", "low_hz"),
    [(8000, 3, 20), (1e7, 5000, 20), (100, 300, 1), (1.0, 500, 0.01), (8000, 8000, 0.01)],
)
def test_any_rate_and_length_fills_the_picture(name, rate_hz, n, low_hz):
    image = converter(name, size=40, low_hz=low_hz)(Audio(noise(n), rate_hz))
    assert image.pixels.max() == 255
    for axis in image.layout.axes():
        assert (np.diff(axis.edges) > 0).all() or (np.diff(axis.edges) < 0).all()


@both
def test_duration_crops_and_fills(name):
    sound = tone(1000, 0, 9, length_s=2.0)
    cropped = converter(name, size=40, duration_s=1.0, keep="end")(sound)
    silent = converter(name, size=40, duration_s=4.0)(sound)
    repeated = converter(name, size=40, duration_s=4.0, fill="repeat")(sound)
    assert cropped.layout.axes()[0].edges[[0, -1]].tolist() == [1.0, 2.0]
    high = slice(0, 20)  # whose filters are short
    assert silent.pixels[high, :20].max() > 200
    assert not silent.pixels[high, 22:].any()
    assert repeated.pixels[:, 21:].max() >= 250
    assert str(silent.locate(Box(30, 0, 40, 40))) == "nothing of the signal"
    assert [(s.start, s.stop) for s in repeated.locate(Box(30, 0, 40, 40)).of("time")] == [(1.0, 2.0)]


@both
def test_channels_are_averaged_taken_or_stacked(name):
    left, right = noise(seed=1), noise(seed=2)
    stereo = Audio(np.stack([left, right]), RATE_HZ)

    def drawn(sound, **parameters):
        return converter(name, size=32, **parameters)(sound).pixels.astype(int)

    assert np.abs(drawn(stereo) - drawn(Audio((left + right) / 2, RATE_HZ))).max() <= 1
    assert np.abs(drawn(stereo, channel="right") - drawn(Audio(right, RATE_HZ))).max() <= 1
    assert not drawn(Audio(left, RATE_HZ), channel="side").any()
    image = converter(name, size=32, channel="stack")(stereo)
    assert [span.label for span in image.locate(Box(0, 12, 4, 20)).of("frequency")] == ["left", "right"]
    image = converter(name, size=32, channel="stack")(Audio(np.stack([left, 0 * right]), RATE_HZ))
    assert image.pixels[:16].max() == 255
    assert not image.pixels[16:].any()


def test_more_bins_an_octave_tell_closer_tones_apart():
    time_s = np.arange(4 * RATE_HZ) / RATE_HZ
    sound = Audio(np.sin(2 * np.pi * 440 * time_s) + np.sin(2 * np.pi * 466.16 * time_s), RATE_HZ)
    dips = []
    for bins in (12, 48):
        image = converter("cqt", size=200, low_hz=400, high_hz=520, bins_per_octave=bins)(sound)
        column = image.pixels[:, 100, 0].astype(int)
        dips.append(255 - column[60:140].min())
    assert dips[1] > dips[0] + 50


@both
def test_memory_does_not_grow_with_the_length(name, monkeypatch):
    monkeypatch.setattr(filterbank, "_BLOCK", 1 << 14)
    long = Audio(np.tile(noise(RATE_HZ), 70), RATE_HZ)
    draw = converter(name, size=32, low_hz=60)
    draw(Audio(noise(80_000), RATE_HZ))
    tracemalloc.start()
    draw(long)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4.4e6 < long.samples.nbytes


def test_a_row_beyond_half_the_rate_has_no_power():
    power = octave_power(reader(noise(500)), 500, ends=(0.3, 1.2), size=(4, 5), form=Filter("morlet", 6.0))
    assert (power[0] > 0).all()
    assert not power[2:].any()


def test_errors_say_the_rule():
    with pytest.raises(ParameterError, match="ConstantQ.high_hz must be above low_hz 500, got 400"):
        converter("cqt", low_hz=500, high_hz=400)
    with pytest.raises(
        ParameterError, match="ConstantQ takes n_octaves or high_hz, got 3.0 and 4000.0; leave out one"
    ):
        converter("cqt", n_octaves=3, high_hz=4000)
    with pytest.raises(SignalError, match="at 30 samples a second has nothing there; set a lower low_hz"):
        converter("scalogram")(Audio(noise(), 30))
    with pytest.raises(SignalError, match="a stack on 8 rows holds at most 8 channels, got 9"):
        converter("cqt", size=8, channel="stack")(Audio(noise(900).reshape(9, 100), RATE_HZ))


if __name__ == "__main__":  # writes the golden arrays again; do so only when pixels are meant to change
    for golden_name in NAMES:
        np.save(GOLDEN / f"audio_{golden_name}.npy", converter(golden_name, size=64)(sweep()).pixels[:, :, 0])
