"""What a picture of sound takes from each sound, and what training fixes instead: band, duration, level, channels."""

import numpy as np
import pytest

from phosphene.converters import Audio, SignalError, make, parse_views

NAMES = ["mel", "stft", "cqt", "scalogram"]
every = pytest.mark.parametrize("name", NAMES)


def view_of(name, **values):
    return make(name, kind="audio", size=96, **values)


def tone(hertz, rate_hz, *, length_s=1.0, volume=0.3):
    return Audio(volume * np.sin(2 * np.pi * hertz * np.arange(int(length_s * rate_hz)) / rate_hz), rate_hz)


def brightest_row(image):
    return int(image.pixels[:, 20:76, 0].astype(int).sum(axis=1).argmax())


@every
def test_a_row_is_the_same_pitch_at_every_rate(name):
    view = view_of(name).resolve([tone(1000, 44100)])
    rows = {rate: brightest_row(view(tone(1500, rate))) for rate in (8000, 16000, 44100, 96000)}
    assert max(rows.values()) - min(rows.values()) <= 1, rows
    loose = view_of(name)
    assert abs(brightest_row(loose(tone(1500, 8000))) - brightest_row(loose(tone(1500, 44100)))) > 3


@every
def test_rows_above_what_a_rate_holds_are_black(name):
    view = view_of(name).resolve([tone(1000, 44100)])
    hiss = Audio(np.random.default_rng(0).normal(0, 0.1, 8000), 8000)
    image = view(hiss)
    above = image.layout.y.edges[1:] > 4300
    assert above.any()
    assert image.pixels[above].max() == 0
    assert np.median(image.pixels[~above][:-10]) > 60


@pytest.mark.parametrize(
    ("rates", "high_hz"),
    [
        ([44100] * 5, 20000.0),
        ([48000] * 5, 20000.0),
        ([384000] * 5, 192000.0),
        ([16000, 44100, 44100], 8000.0),
        ([8000, *[44100] * 40], 20000.0),  # the few that hold less do not take it from the rest
    ],
)
def test_the_band_is_one_that_nearly_all_can_show(rates, high_hz):
    view = view_of("mel").resolve([tone(500, rate, length_s=0.1) for rate in rates])
    assert view.high_hz == high_hz


def test_what_is_set_stays():
    view = view_of("mel", high_hz=3000.0, duration_s=0.5, reference="full_scale", gain_db=3.0)
    assert view.resolve([tone(500, 8000)]) == view
    octaves = view_of("cqt", n_octaves=6.0)
    assert octaves.resolve([tone(500, 8000)]).high_hz is None


def test_without_signals_nothing_is_resolved():
    assert view_of("mel").resolve([]) == view_of("mel")
    assert view_of("mel", low_hz=5000.0).resolve([tone(500, 8000)]).high_hz is None


@every
def test_a_shorter_clip_is_filled_and_not_stretched(name):
    view = view_of(name).resolve([tone(500, 8000, length_s=length_s) for length_s in (2.0, 2.0, 1.0)])
    assert view.duration_s == 2.0
    image = view(tone(500, 8000, length_s=1.0))
    assert image.pixels[:, 60:].max() < 40
    assert image.pixels[:, :40].max() == 255


@every
def test_levels_are_told_apart_at_the_scale_of_the_training_items(name):
    view = view_of(name, reference="full_scale")
    for scale in (1e-4, 1.0, 3e4):  # faint recordings, and samples that were never divided by full scale
        resolved = view.resolve([tone(900, 8000, volume=volume * scale) for volume in (1.0, 0.1)])
        loud, faint = (int(resolved(tone(900, 8000, volume=v * scale)).pixels.max()) for v in (1.0, 0.1))
        assert loud >= 235
        assert loud - faint == pytest.approx(255 * 20 / 80, abs=3)


def test_three_views_in_one_image_are_resolved():
    (view,) = parse_views("mel(size=64)+stft(size=64)+mel(size=64,reference=full_scale)", kind="audio")
    resolved = view.resolve([tone(900, 16000, volume=0.1)])
    assert [part.high_hz for part in resolved.parts] == [8000.0] * 3
    assert resolved.parts[2].gain_db == 20.0
    assert view.mixes_channels
    assert not parse_views("mel+stft+mel(channel=stack)", kind="audio")[0].mixes_channels


@every
def test_recordings_above_the_rates_for_people_show_their_whole_band(name):
    image = view_of(name)(tone(80_000, 384_000, length_s=0.1))
    edges = image.layout.y.edges
    row = brightest_row(image)
    assert edges[0] > 185_000
    assert edges[row + 1] / 1.03 <= 80_000 <= edges[row] * 1.03
    assert view_of(name)(tone(5000, 48_000, length_s=0.1)).layout.y.edges[0] <= 20_000


@every
def test_antiphase_is_drawn_as_its_loudest_channel(name):
    left = tone(440, 16000).samples[0]
    view = view_of(name)
    image = view(Audio(np.stack([0.5 * left, -left, 0.5 * left]), 16000))
    assert np.array_equal(image.pixels, view(Audio(-left, 16000)).pixels)


def test_channels_that_do_not_cancel_are_still_added():
    rng = np.random.default_rng(1)
    for channels in (rng.normal(size=(2, 4000)), rng.normal(size=(40, 4000)), np.eye(3, 4000)):
        image = view_of("mel")(Audio(channels, 16000))
        assert np.array_equal(image.pixels, view_of("mel")(Audio(channels.mean(axis=0), 16000)).pixels)


def test_the_band_of_a_classifier_refuses_sound_that_has_nothing_in_it():
    view = view_of("mel", low_hz=5000.0).resolve([tone(6000, 44100)])
    with pytest.raises(SignalError, match="low_hz"):
        view(tone(500, 8000))
