"""Images that are no squares: height x width, what rows and columns stand for, and what follows images."""

import json

import numpy as np
import pytest

from phosphene.converters import Audio, Binary, Box, ParameterError, Series, from_config, make, parse_views
from phosphene.converters.core.converter import parse_value, rules

RATE_HZ = 16_000.0
WIDE, TALL = (48, 160), (160, 48)
BYTES_AND_FIELDS = ("bigram", "hilbert", "runs", "text", "words", "gasf", "gadf", "mtf", "recurrence")
SQUARES = (*BYTES_AND_FIELDS, "clicks", "dwell", "habits", "motion", "trace", "velocity_acceleration")
SOUNDS = ("mel", "stft", "cqt", "mfcc", "scalogram")


@pytest.mark.parametrize(
    "view",
    [
        make("mel", size=(224, 448)),
        make("mel(size=224x448)"),
        make("mel", size=[224, 448]),
        make("mel(size=(224, 448))"),
        make("mel").replace(size=(224, 448)),
    ],
)
def test_all_ways_to_say_it_are_one_converter(view):
    assert view == make("mel", size=(224, 448))
    assert view.size == (224, 448)
    assert view.spec == "mel(size=224x448)"
    assert parse_views(view.spec) == (view,)
    assert from_config(json.loads(json.dumps(view.config))) == view
    assert view.fingerprint == make("mel", size=(224, 448)).fingerprint


def test_a_square_stays_what_it_was():
    assert make("mel").fingerprint == "eaef31b8e58d4dd5"
    assert make("mel").config["parameters"]["size"] == 224
    assert make("mel", size=(96, 96)) == make("mel(size=96x96)") == make("mel", size=96)
    assert make("mel", size=(96, 96)).fingerprint == make("mel", size=96).fingerprint
    fingerprints = [make("mel", size=size).fingerprint for size in (96, 192, (96, 192), (192, 96))]
    assert len(set(fingerprints)) == 4


@pytest.mark.parametrize(
    "size", [(4, 96), (96, 5000), (96,), (96, 96, 3), (96.0, 192), (True, 96), "wide", "96x"]
)
def test_what_is_no_size_is_refused_with_what_is_taken(size):
    with pytest.raises(ParameterError) as caught:
        make("mel", size=size)
    assert str(caught.value) == (
        "MelSpectrogram.size must be an integer >= 8 and <= 4096 or (height, width), "
        f"as text 224x448, got {size!r}"
    )


@pytest.mark.parametrize("text", ["96x192", "96X192", "96 x 192", "(96,192)", "( 96 , 192 )"])
def test_height_and_width_as_text(text):
    assert parse_value(rules(type(make("mel")))["size"], text) == (96, 192)


def tone(frequency_hz):
    """Two seconds, silent but for a tone from 1 s to 1.25 s."""
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    return Audio(np.sin(2 * np.pi * frequency_hz * time_s) * ((time_s >= 1) & (time_s < 1.25)), RATE_HZ)


@pytest.mark.parametrize("size", [WIDE, TALL])
@pytest.mark.parametrize("name", [name for name in SOUNDS if name != "mfcc"])
def test_a_tone_lies_at_its_pitch_and_time(name, size):
    image = make(name, kind="audio", size=size)(tone(1000.0))
    assert image.pixels.shape == (*size, 1)
    row, column = np.unravel_index(image.pixels[:, :, 0].argmax(), size)
    region = image.locate(Box(int(column), int(row), int(column) + 1, int(row) + 1))
    (time,), (frequency,) = region.of("time"), region.of("frequency")
    assert 0.95 < time.start < time.stop < 1.3
    assert frequency.start / 1.15 <= 1000 <= frequency.stop * 1.15
    assert time.stop - time.start == pytest.approx(2 / size[1])


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_coefficients_are_rows_and_time_is_columns(size):
    height, width = size
    image = make("mfcc", size=size)(tone(1000.0))
    bottom = image.locate(Box(0, height - 1, 1, height)).of("coefficient")[0]
    assert (bottom.start, bottom.stop) == (0, 1)
    loud = np.flatnonzero(image.pixels[-1, :, 0] > image.pixels[-1, :, 0].max() / 2)
    assert 2 * loud[0] / width == pytest.approx(1.0, abs=0.1)
    assert 2 * (loud[-1] + 1) / width == pytest.approx(1.25, abs=0.1)


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_stacked_channels_of_a_sound_share_the_rows(size):
    stereo = Audio(np.stack([tone(500.0).samples[0], tone(2000.0).samples[0]]), RATE_HZ)
    for name in ("mel", "cqt"):
        image = make(name, size=size, channel="stack")(stereo)
        assert image.pixels.shape == (*size, 1)
        top, below = image.pixels[: size[0] // 2, :, 0], image.pixels[size[0] // 2 :, :, 0]
        for half, start, wanted_hz in ((top, 0, 500.0), (below, size[0] // 2, 2000.0)):
            row, column = np.unravel_index(half.argmax(), half.shape)
            box = Box(int(column), start + int(row), int(column) + 1, start + int(row) + 1)
            frequency = image.locate(box).of("frequency")[0]
            assert frequency.start / 1.4 <= wanted_hz <= frequency.stop * 1.4


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_a_step_lies_at_its_sample(size):
    values = np.where(np.arange(400) < 300, 0.0, 1.0)
    line = make("line", size=size)(Series(values))
    lower = np.flatnonzero(line.pixels[-2:, :, 0].any(axis=0))
    step = line.locate(Box(int(lower[-1]), 0, int(lower[-1]) + 1, size[0])).of("sample")[0]
    assert step.start <= 300 <= step.stop + 400 / size[1]
    patches = make("patches", size=size, width=20)(Series(values))
    white = np.argwhere(patches.pixels[:, :, 0] == 255)
    row, column = map(int, white.min(axis=0))
    first = patches.locate(Box(column, row, column + 1, row + 1)).of("sample")[0]
    assert first.start == 300
    windows = make("windows", size=size, length=0.25)(Series(values))
    last_row = windows.locate(Box(0, size[0] - 1, size[1], size[0])).of("sample")[0]
    assert (last_row.start, last_row.stop) == (300, 400)
    assert (windows.pixels[-1, :, 0] == 255).all()
    assert not windows.pixels[0].any()


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_a_rhythm_lies_at_its_frequency(size):
    wave = np.sin(2 * np.pi * np.arange(400) / 10)
    image = make("scalogram", kind="series", size=size)(Series(wave, step_s=0.5))
    middle = size[1] // 2
    row = int(image.pixels[:, middle, 0].argmax())
    frequency = image.locate(Box(middle, row, middle + 1, row + 1)).of("frequency")[0]
    assert frequency.start / 1.06 <= 0.2 <= frequency.stop * 1.06


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_channels_of_a_series_have_cells_of_the_form_of_the_image(size):
    height, width = size
    image = make("line", size=size)(Series(np.stack([np.arange(50.0), -np.arange(50.0)])))
    left = image.locate(Box(0, 0, width // 2, height // 2))
    right = image.locate(Box(width // 2, 0, width, height // 2))
    assert {span.label for span in left.spans} == {"channel 0"}
    assert {span.label for span in right.spans} == {"channel 1"}
    strips = make("line", size=size, channels="stack")(Series(np.zeros((2, 50)) + np.arange(50.0)))
    assert {span.label for span in strips.locate(Box(0, height // 2, width, height)).spans} == {"channel 1"}


@pytest.mark.parametrize("size", [WIDE, TALL])
@pytest.mark.parametrize("rule", ["square", "fixed"])
def test_a_byte_lies_at_its_offset(size, rule):
    height, width = size
    data = np.zeros(height * width, np.uint8)
    data[5 * width + 7] = 255
    image = make("grid", size=size, width_rule=rule, width=width)(Binary(data))
    assert np.argwhere(image.pixels[:, :, 0]).tolist() == [[5, 7]]
    (span,) = image.locate(Box(7, 5, 8, 6)).of("bytes")
    assert (span.start, span.stop) == (5 * width + 7, 5 * width + 8)


def test_curves_say_that_they_fill_squares():
    with pytest.raises(ParameterError, match=r"side of a square where curve is hilbert, got \(96, 192\)"):
        make("entropy(curve=hilbert,size=96x192)")
    for name in SQUARES:
        with pytest.raises(ParameterError, match=r"the side of a square, got "):
            make(f"{name}(size=96x192)")


def test_three_of_them_are_one_image_in_colour():
    view = make("mel(size=48x160)+stft(size=48x160)+cqt(size=48x160)")
    assert view(tone(440.0)).pixels.shape == (48, 160, 3)
    with pytest.raises(ParameterError, match="grey images of one size"):
        make("mel(size=48x160)+stft(size=160x48)+cqt(size=48x160)")(tone(440.0))
