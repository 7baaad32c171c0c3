"""What each parameter of the spectrograms does to a picture, and where the picture then comes from."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Audio, Box, SignalError, make, parse_views
from phosphene.converters.audio.dsp import delta

RATE_HZ = 16000
NAMES = ["mel", "stft"]
both = pytest.mark.parametrize("name", NAMES)


def noise(n=16000, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32) / 10


def tone(hertz, *, start_s=0.0, stop_s=9.0, length_s=2.0, volume=1.0):
    time_s = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    return volume * np.sin(2 * np.pi * hertz * time_s) * ((time_s >= start_s) & (time_s < stop_s))


def drawn(spec, *samples):
    (view,) = parse_views(spec, kind="audio")
    return view(Audio(np.stack(samples), RATE_HZ))


def pixels(spec, *samples):
    return drawn(spec, *samples).pixels.astype(int)


def bright(image, least=200):
    rows, columns = np.nonzero(image.pixels[:, :, 0] >= least)
    return image.locate(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))


@pytest.mark.parametrize("quantity", ["power", "magnitude"])
@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
def test_picture_is_librosas_spectrogram(quantity, mel_scale):
    samples = noise(64 * 512 - 1)
    spec = f"mel(size=64,n_fft=2048,hop_length=512,low_hz=0,quantity={quantity},mel_scale={mel_scale})"
    power = 2 if quantity == "power" else 1
    bands = librosa.feature.melspectrogram(
        y=samples, sr=RATE_HZ, n_fft=2048, hop_length=512, n_mels=64, power=power, htk=mel_scale == "htk",
        pad_mode="constant",
    )  # fmt: skip
    to_db = librosa.power_to_db if power == 2 else librosa.amplitude_to_db
    expected = np.rint((to_db(bands, ref=np.max, top_db=80) / 80 + 1) * 255)[::-1]
    assert np.abs(pixels(spec, samples)[:, :, 0] - expected)[:, 1:-1].max() <= 1


@both
def test_samples_win_over_seconds(name):
    seconds = pixels(f"{name}(size=32,window_s=0.064,hop_s=0.032)", noise())
    samples = pixels(f"{name}(size=32,window_s=1,hop_s=1,n_fft=1024,hop_length=512)", noise())
    assert np.array_equal(seconds, samples)
    assert drawn(f"{name}(size=32,n_fft=1103)", noise()).pixels.max() == 255


@both
@given(gain=st.floats(1e-4, 1e4))
def test_loudness_shows_only_against_full_scale(name, gain):
    loud = np.float32(gain) * noise(4000)
    assert np.abs(pixels(f"{name}(size=16)", loud) - pixels(f"{name}(size=16)", noise(4000))).max() <= 1
    absolute = f"{name}(size=16,reference=full_scale)"
    change = pixels(absolute, loud) - pixels(absolute, noise(4000))
    assert (change >= -1).all() if gain >= 1 else (change <= 1).all()


@both
@pytest.mark.parametrize("quantity", ["power", "magnitude"])
def test_decibels_below_full_scale(name, quantity):
    spec = f"{name}(size=224,reference=full_scale,quantity={quantity},floor_db=-100,low_hz=0,n_fft=512)"
    peaks = [pixels(spec, tone(1000, volume=volume)).max() for volume in (1.0, 0.1, 0.01)]
    assert np.diff(peaks).tolist() == pytest.approx([-51, -51], abs=1)
    assert peaks[0] >= 230


@both
def test_full_scale_is_white_in_the_narrowest_band(name):
    image = pixels(f"{name}(size=224,reference=full_scale,low_hz=0,n_fft=1024)", tone(500))
    assert 250 <= image[:, 112, 0].max() <= 255


@both
def test_pcen_takes_away_what_is_steady(name):
    samples = tone(1000, volume=0.5) + tone(3000, start_s=1.0, volume=0.01)
    plain, normalised = (drawn(f"{name}{options}", samples) for options in ("", "(scaling=pcen)"))
    rows = [int(plain.pixels[:, 170, 0].argmax()), int(normalised.pixels[:, 114, 0].argmax())]
    found = [
        image.locate(Box(0, row, 1, row + 1)).of("frequency")[0]
        for image, row in zip((plain, normalised), rows, strict=True)
    ]
    assert abs(found[0].start - 1000) < 100
    assert abs(found[1].start - 3000) < 200
    assert normalised.pixels[rows[0], 100, 0] < normalised.pixels[rows[1], 114, 0] / 2


@both
def test_pcen_against_full_scale_knows_the_volume(name):
    spec = f"{name}(size=32,scaling=pcen,reference=full_scale)"
    assert pixels(spec, tone(1000, start_s=1)).mean() > pixels(spec, tone(1000, start_s=1) * 1e-5).mean()
    assert not pixels(spec, np.zeros(4000)).any()


@both
def test_delta_is_grey_at_rest_white_at_the_beginning_black_at_the_end(name):
    image = pixels(f"{name}(size=100,delta=1)", tone(1000, start_s=0.5, stop_s=1.5))
    row = int(image[:, 25, 0].argmax())
    assert image[row, 25, 0] >= 250
    assert image[row, 75, 0] <= 5
    assert abs(image[row, [5, 50, 95], 0] - 128).max() <= 2


def test_delta_is_librosas_of_the_level():
    samples = noise(64 * 512 - 1)
    options = "size=64,n_fft=2048,hop_length=512,low_hz=0"
    level = pixels(f"mel({options})", samples)[:, :, 0] / 255
    (image,) = (pixels(f"mel({options},delta=1)", samples)[:, :, 0] / 255,)
    slope = librosa.feature.delta(level, order=1)
    inner = slice(8, -8)  # the picture's outermost columns lie between two frames
    assert np.corrcoef(image[:, inner].ravel(), slope[:, inner].ravel())[0, 1] > 0.99


@both
@given(order=st.sampled_from([1, 2]), seed=st.integers(0, 9))
def test_delta_of_reversed_sound_is_the_mirror_image(name, order, seed):
    samples = noise(6400, seed)
    spec = f"{name}(size=16,delta={order},hop_length=10)"
    forth, back = pixels(spec, samples), pixels(spec, samples[::-1].copy())[:, ::-1]
    assert np.abs(forth - (255 - back if order == 1 else back)).mean() < 6


def test_derivatives_and_resolutions_as_channels():
    sound = Audio(noise(), RATE_HZ)
    (changes,) = parse_views("mel+mel(delta=1)+mel(delta=2)")
    (windows,) = parse_views("mel(window_s=0.02)+mel(window_s=0.05)+mel(window_s=0.1)")
    for view in (changes, windows):
        image = view(sound)
        assert image.pixels.shape == (224, 224, 3)
        assert len({image.pixels[:, :, i].tobytes() for i in range(3)}) == 3
        assert np.array_equal(image.pixels[:, :, 1], view.green(sound).pixels[:, :, 0])
    assert np.array_equal(changes(sound).pixels[:, :, 0], make("mel")(sound).pixels[:, :, 0])


@both
@pytest.mark.parametrize(
    ("channel", "weights"),
    [("mean", (0.5, 0.5)), ("mid", (0.5, 0.5)), ("side", (0.5, -0.5)), ("left", (1, 0)), ("right", (0, 1))],
)
def test_channels_of_stereo(name, channel, weights):
    left, right = noise(seed=1), noise(seed=2) / 3
    ours = pixels(f"{name}(size=32,channel={channel})", left, right)
    assert np.abs(ours - pixels(f"{name}(size=32)", weights[0] * left + weights[1] * right)).max() <= 1


@both
def test_channels_of_mono(name):
    plain = pixels(f"{name}(size=32)", noise())
    for channel in ("left", "right", "mid", "stack"):
        assert np.array_equal(pixels(f"{name}(size=32,channel={channel})", noise()), plain)
    assert not pixels(f"{name}(size=32,channel=side)", noise()).any()


@both
def test_stack_is_located_in_its_channel(name):
    left, right = tone(500, start_s=0.2, stop_s=0.4), tone(3000, start_s=1.0, stop_s=1.5) / 2
    image = drawn(f"{name}(channel=stack)", left, right)
    for half, (box_top, hertz, start_s) in {"left": (0, 500, 0.2), "right": (112, 3000, 1.0)}.items():
        rows, columns = np.nonzero(image.pixels[box_top : box_top + 112, :, 0] >= 190)
        region = image.locate(
            Box(columns.min(), box_top + rows.min(), columns.max() + 1, box_top + rows.max() + 1)
        )
        (time,), (frequency,) = region.of("time"), region.of("frequency")
        assert frequency.label == half
        assert frequency.start < hertz < frequency.stop < 1.3 * hertz
        assert abs(time.start - start_s) < 0.04
    assert image.layout.axes()[1].title == "channel"
    whole = image.locate(Box(0, 0, 224, 224))
    assert [span.label for span in whole.of("frequency")] == ["left", "right"]
    assert len(whole.of("time")) == 1


@both
def test_stack_has_one_white_for_all(name):
    image = pixels(f"{name}(channel=stack)", tone(1000), tone(1000) / 2)
    assert image[:112].max() - image[112:].max() == pytest.approx(20 * np.log10(2) / 80 * 255, abs=1)


@both
def test_stack_of_many_channels(name):
    sounds = [tone(1000, start_s=0.1 * i, stop_s=0.1 * i + 0.1) for i in range(3)]
    image = drawn(f"{name}(size=32,channel=stack)", *sounds)
    assert image.pixels.shape == (32, 32, 1)
    assert [span.label for span in image.locate(Box(0, 0, 32, 32)).of("frequency")] == [
        "channel 1", "channel 2", "channel 3",
    ]  # fmt: skip
    with pytest.raises(SignalError, match="a stack on 8 rows holds at most 8 channels, got 9; raise size"):
        drawn(f"{name}(size=8,channel=stack)", *[sounds[0]] * 9)


@both
@pytest.mark.parametrize(("keep", "start_s"), [("start", 0.0), ("middle", 2.0), ("end", 4.0)])
def test_part_of_longer_sound_that_is_kept(name, keep, start_s):
    samples = noise(6 * RATE_HZ)
    image = drawn(f"{name}(size=40,duration_s=2,keep={keep})", samples)
    (time,) = image.locate(Box(0, 0, 40, 40)).of("time")
    assert (time.start, time.stop) == pytest.approx((start_s, start_s + 2))
    first = int(start_s * RATE_HZ)
    expected = pixels(f"{name}(size=40)", samples[first : first + 2 * RATE_HZ])
    assert np.abs(image.pixels - expected).max() <= 1


@both
@pytest.mark.parametrize("keep", ["start", "middle", "end", "loudest"])
def test_shorter_sound_is_filled_wherever_longer_is_cut(name, keep):
    image = drawn(f"{name}(size=40,duration_s=4,keep={keep})", noise())
    assert not image.pixels[:, 12:].any()
    assert image.locate(Box(0, 0, 40, 40)).of("time")[0].stop == 1.0


@both
@pytest.mark.parametrize(("burst_s", "start_s"), [((0.5, 1.0), 0.0), ((3.1, 4.1), 3.1), ((5.5, 6.0), 5.0)])
def test_loudest_part_of_longer_sound(name, burst_s, start_s):
    samples = tone(1000, start_s=burst_s[0], stop_s=burst_s[1], length_s=6.0)
    image = drawn(f"{name}(size=40,duration_s=1,keep=loudest)", samples)
    (time,) = image.locate(Box(0, 0, 40, 40)).of("time")
    assert (time.start, time.stop) == pytest.approx((start_s, start_s + 1), abs=0.02)


@both
def test_silence_keeps_its_start_as_its_loudest_part(name):
    image = drawn(f"{name}(size=40,duration_s=1,keep=loudest)", np.zeros(3 * RATE_HZ, np.float32))
    assert image.locate(Box(0, 0, 40, 40)).of("time")[0].start == 0


@both
def test_burst_in_the_kept_part_is_found(name):
    samples = tone(1000, start_s=4.5, stop_s=4.7, length_s=6.0)
    (time,) = bright(drawn(f"{name}(duration_s=2,keep=end)", samples), 245).of("time")
    assert (time.start, time.stop) == pytest.approx((4.5, 4.7), abs=0.03)


@both
@given(columns=st.integers(1, 12))
def test_later_sound_is_further_to_the_right(name, columns):
    burst = noise(2000) * np.hanning(2000).astype(np.float32)
    spec = f"{name}(size=64,hop_length=250)"  # a column is a hop
    early, late = np.zeros((2, 64 * 250), np.float32)
    early[4000:6000] = burst
    late[4000 + 250 * columns :][:2000] = burst
    moved = np.roll(pixels(spec, early), columns, axis=1)
    assert np.abs(moved - pixels(spec, late)).mean() < 0.5


def test_steepest_leap_is_white():
    leap = np.repeat([[0.0, 1.0]], 9, axis=1)
    assert delta(leap, order=1).max() == pytest.approx(10 / 60)  # (1 + 2 + 3 + 4) / (2 (1 + 4 + 9 + 16))
