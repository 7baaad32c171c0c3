"""What mel and stft draw, and where they say it came from."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Audio, Box, ParameterError, SignalError, make

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = ["mel", "stft"]
RATE_HZ = 16000
both = pytest.mark.parametrize("name", NAMES)
sizes = st.integers(1, 4000)


def noise(n=8000, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def tone(hertz, start_s, stop_s, *, length_s=3.0, rate_hz=RATE_HZ):
    time_s = np.arange(int(length_s * rate_hz)) / rate_hz
    heard = (time_s >= start_s) & (time_s < stop_s)
    return Audio(np.sin(2 * np.pi * hertz * time_s) * heard, rate_hz)


def sweep():
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    clicks = (np.arange(len(time_s)) % 8000 == 4000) * 1.0
    return Audio(0.5 * np.sin(2 * np.pi * (200 + 1500 * time_s) * time_s) + clicks, RATE_HZ)


def bright(image, least):
    rows, columns = np.nonzero(image.pixels[:, :, 0] >= least)
    return image.locate(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))


@both
def test_golden_picture(name):
    image = make(name, size=64)(sweep())
    golden = np.load(GOLDEN / f"audio_{name}.npy")
    assert np.abs(image.pixels[:, :, 0].astype(int) - golden).max() <= 1


@both
def test_tone_burst_is_found(name):
    region = bright(make(name)(tone(1000, 1.0, 1.5)), 245)
    (time,), (frequency,) = region.of("time"), region.of("frequency")
    assert abs(time.start - 1.0) < 0.03
    assert abs(time.stop - 1.5) < 0.03
    assert frequency.start < 1000 < frequency.stop
    assert frequency.stop - frequency.start < 120


@both
def test_click_is_found(name):
    samples = np.zeros(3 * RATE_HZ)
    samples[2 * RATE_HZ] = 1
    (time,) = bright(make(name)(Audio(samples, RATE_HZ)), 250).of("time")
    assert time.start < 2 < time.stop
    assert time.stop - time.start < 0.05


@both
def test_high_is_on_top_and_rows_do_not_move_with_the_rate(name):
    make_ = make(name, high_hz=4000)
    rows = [
        int(make_(tone(3000, 0, 9, rate_hz=rate)).pixels[:, 112, 0].argmax()) for rate in (8000, 16000, 44100)
    ]
    assert rows[0] < 112
    assert max(rows) - min(rows) <= 1


@both
def test_bands_beyond_the_rate_are_black(name):
    image = make(name, high_hz=8000)(Audio(noise(), 8000))
    top = image.layout.y.edges[:-1] > 4100
    assert not image.pixels[top[: image.height]].any()
    assert image.pixels.any()


@both
def test_silence_is_black_and_one_sample_is_drawn(name):
    converter = make(name, size=32)
    assert not converter(Audio(np.zeros(1000), RATE_HZ)).pixels.any()
    assert converter(Audio([0.5], RATE_HZ)).pixels.max() == 255


@both
@pytest.mark.parametrize("peak", [1e-38, 1e-44, 3e38])
def test_faintest_and_loudest_are_drawn_alike(name, peak):
    square = np.sign(noise(2000))
    expected = make(name, size=32)(Audio(square, RATE_HZ)).pixels.astype(int)
    pixels = make(name, size=32)(Audio(np.tile(square * peak, (2, 1)), RATE_HZ)).pixels
    assert np.abs(pixels - expected).max() <= 1


@both
def test_channels_are_averaged(name):
    left, right = noise(seed=1), noise(seed=2)
    converter = make(name, size=32)
    stereo = converter(Audio(np.stack([left, right]), RATE_HZ)).pixels.astype(int)
    assert np.abs(stereo - converter(Audio((left + right) / 2, RATE_HZ)).pixels).max() <= 1


@both
@given(gain=st.floats(1e-6, 1e6), n=sizes)
def test_gain_changes_nothing(name, gain, n):
    samples = noise(n)
    converter = make(name, size=16)
    plain = converter(Audio(samples, RATE_HZ)).pixels.astype(int)
    assert np.abs(converter(Audio(samples * np.float32(gain), RATE_HZ)).pixels - plain).max() <= 1


@both
@given(n=st.integers(3000, 9000), seed=st.integers(0, 99))
def test_time_reversed_sound_is_the_mirror_image(name, n, seed):
    samples = noise(n, seed) * np.linspace(0, 1, n)
    converter = make(name, size=16, hop_s=0.001)
    forth = converter(Audio(samples, RATE_HZ)).pixels.astype(int)
    back = converter(Audio(samples[::-1].copy(), RATE_HZ)).pixels[:, ::-1]
    assert np.abs(forth - back).mean() < 4


@both
@given(
    n=sizes,
    rate_hz=st.floats(50, 1e6),
    size=st.integers(8, 80),
    hop_s=st.floats(1e-4, 1),
    window_s=st.floats(1e-3, 1),
)
def test_any_sound_fills_the_picture(name, n, rate_hz, size, hop_s, window_s):
    hop_s, window_s = max(hop_s, 0.5 / rate_hz), min(window_s, 20000 / rate_hz)
    image = make(name, size=size, hop_s=hop_s, window_s=window_s)(Audio(noise(n), rate_hz))
    assert image.pixels.shape == (size, size, 1)
    assert image.pixels.max() >= 235
    for axis in image.layout.axes():
        assert len(axis.edges) == size + 1
        assert (np.diff(axis.edges) > 0).all() or (np.diff(axis.edges) < 0).all()
    assert image.layout.x.edges[-1] == pytest.approx(n / rate_hz)


@both
@pytest.mark.parametrize(
    "changes", [{"low_hz": 300.0, "high_hz": 350.0}, {"window_s": 0.002}, {"high_hz": 30000.0}]
)
def test_unusual_ranges_are_drawn(name, changes):
    image = make(name, **changes)(tone(320, 0, 3))
    assert image.pixels.max() >= 250


def test_mel_bands_more_or_fewer_than_rows():
    sound = tone(1000, 0, 3)
    for n_mels in (16, 64, 300):
        image = make("mel", size=64, n_mels=n_mels)(sound)
        row = int(image.pixels[:, 32, 0].argmax())
        (frequency,) = image.locate(Box(0, max(row - 2, 0), 64, row + 3)).of("frequency")
        assert frequency.start < 1000 < frequency.stop


@both
def test_duration_crops_and_fills(name):
    sound = tone(1000, 0, 9, length_s=2.0)
    cropped = make(name, size=40, duration_s=1.0)(sound)
    silent = make(name, size=40, duration_s=4.0)(sound)
    repeated = make(name, size=40, duration_s=4.0, fill="repeat")(sound)
    assert cropped.layout.x.edges[-1] == 1.0
    assert silent.pixels[:, :20].max() == 255
    assert not silent.pixels[:, 21:].any()
    assert repeated.pixels[:, 21:].max() >= 250
    assert str(silent.locate(Box(30, 0, 40, 40))) == "nothing of the signal"
    assert silent.locate(Box(10, 0, 40, 40)).of("time")[0].stop == 2.0
    assert [(s.start, s.stop) for s in repeated.locate(Box(30, 0, 40, 40)).of("time")] == [(1.0, 2.0)]
    assert [(s.start, s.stop) for s in repeated.locate(Box(15, 0, 25, 40)).of("time")] == [
        (0.0, 0.5),
        (1.5, 2.0),
    ]


@both
def test_batch_is_one_by_one(name):
    sounds = [Audio(noise(n), RATE_HZ) for n in (1, 500, 9000)]
    converter = make(name, size=24)
    assert np.array_equal(converter.batch(sounds), [converter(sound).pixels for sound in sounds])


@both
def test_memory_does_not_grow_with_the_length(name):
    long = Audio(np.tile(noise(RATE_HZ), 600), RATE_HZ)
    converter = make(name, size=64)
    converter(Audio(noise(), RATE_HZ))
    tracemalloc.start()
    converter(long)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6 < long.samples.nbytes


@both
def test_errors_say_the_rule(name):
    with pytest.raises(ParameterError, match="high_hz must be above low_hz 500, got 400"):
        make(name, low_hz=500, high_hz=400)
    with pytest.raises(ParameterError, match="floor_db must be a number >= -200 and <= -1, got 5"):
        make(name, floor_db=5)
    with pytest.raises(ParameterError, match="fill must be one of 'silence', 'repeat', got 'loop'"):
        make(name, fill="loop")
    with pytest.raises(
        SignalError, match="sound at 30 samples a second has nothing there; set a lower low_hz"
    ):
        make(name)(Audio(noise(), 30))


def test_importing_needs_no_heavy_package():
    code = "import sys, phosphene.converters.audio; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scipy", "librosa", "soundfile"} & set(done.stdout.split())


@pytest.mark.parametrize("name", ["mel", "stft", "cqt", "scalogram"])
def test_above_20_khz_all_up_to_half_the_rate_is_drawn(name):
    tone = Audio(np.sin(2 * np.pi * 30_000 * np.arange(9600) / 96_000), 96_000)
    image = make(name, kind="audio", size=32, low_hz=25_000)(tone)
    row = int(image.pixels[:, 16, 0].argmax())
    (heard,) = image.locate(Box(16, row, 17, row + 1)).of("frequency")
    assert heard.start - 1000 < 30_000 < heard.stop + 1000
    (whole,) = image.locate(Box(0, 0, 32, 32)).of("frequency")
    assert 25_000 * 0.99 < whole.start < whole.stop < 48_000 * 1.01
