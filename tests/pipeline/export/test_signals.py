"""Converters as torch modules: the pixels of the converters, and a word about those that cannot be one."""

import numpy as np
import pytest
import torch

from phosphene.converters import Audio, ParameterError, Series, make, parse_views
from phosphene.pipeline.export.signals import SignalForm, ViewGraph, check_traceable, made_up, values_of

SERIES = SignalForm("series", channels=2, samples=150)
SOUND = SignalForm("audio", channels=2, samples=8000, rate_hz=8000.0)
VIEWS = {
    "gasf(size=50),gadf(size=50,channels=color)": SERIES,
    "mtf(size=50),mtf(size=50,n_bins=4,strategy=normal,channels=stack)": SERIES,
    "recurrence(size=50,dimension=3,threshold=point)": SERIES,
    "patches(size=50),patches(size=50,width=7),patches(size=150,scale=0.5,input=differences)": SERIES,
    "line(size=50),line(size=50,fill=below,channels=stack),line(size=50x90,line_width_px=5)": SERIES,
    "line(size=200,fill=below),line(size=120,input=differences,channels=first,line_width_px=0.7)": SERIES,
    "line(size=40,fill=mean,value_range=(-0.8,0.7,-0.5,0.9)),line(size=200,channels=mean,value_range=(-1,1))": SERIES,
    "line(size=200,fill=mean,channels=mean),line(size=40,fill=mean,channels=mean,input=differences)": SERIES,
    "line(size=32)+patches(size=32)+gadf(size=32)": SERIES,
    "patches(size=30x80),patches(size=80x30,channels=stack)": SERIES,
    "mel(size=32x90),stft(size=90x32)": SOUND,
    "gasf(size=32,channels=mean)+patches(size=32)+gadf(size=32)": SERIES,
    "mel(size=64),mel(size=64,channel=left,reference=full_scale,duration_s=0.5,keep=loudest)": SOUND,
    "stft(size=64,duration_s=2,fill=repeat,quantity=magnitude)": SOUND,
}


@pytest.mark.parametrize(("views", "form"), VIEWS.items(), ids=[*VIEWS])
def test_images_are_those_of_the_converters(views, form):
    views = parse_views(views, kind=form.kind)
    signals = made_up(form, 5, low=-1.0, high=1.0)
    if form is SERIES:  # what is missing, and what never changes
        values = [signals[0].values.copy(), np.ones_like(signals[0].values)]
        values[0][0, 20:40] = np.nan
        signals += [Series(one) for one in values]
    else:  # a microphone wired the wrong way round
        left = signals[0].samples[:1]
        signals.append(Audio(np.concatenate([left, -left]), form.rate_hz))
    samples = torch.from_numpy(np.stack([values_of(signal) for signal in signals]))
    for view, found in zip(views, ViewGraph(views, form)(samples), strict=True):
        expected = view.batch(signals)
        assert (found.dtype, tuple(found.shape)) == (torch.uint8, expected.shape)
        apart = np.abs(found.numpy().astype(int) - expected)
        assert apart.max() <= 1
        # Rounding of one transform and of another; fields are counted in whole numbers.
        assert (apart > 0).mean() <= (0.001 if form is SOUND else 0)


@pytest.mark.parametrize("samples", [1, 7, 64, 65, 200, 3001])
def test_lines_are_those_of_the_converter_whatever_is_missing(samples):
    rng = np.random.default_rng(samples)
    values = rng.standard_normal((6, 1, samples)).cumsum(2).round(1).astype(np.float32)  # with ties
    for row, share in zip(values[:5, 0], (0.0, 0.1, 0.5, 0.9, 1.0), strict=True):
        missing = rng.random(samples // 9 + 1).repeat(9)[:samples] < share
        row[missing & (np.arange(samples) > 0)] = np.nan
    form = SignalForm("series", channels=1, samples=samples)
    for spec in ("line(size=64)", "line(size=64,fill=below,line_width_px=4.0)"):
        (view,) = parse_views(spec, kind="series")
        (found,) = ViewGraph([view], form)(torch.from_numpy(values))
        assert np.array_equal(found.numpy(), view.batch([Series(one) for one in values]))


@pytest.mark.parametrize(
    ("view", "kind"),
    [
        ("line(line_width_px=9.0)", "series"),
        ("line(fill=mean)", "series"),
        ("windows", "series"),
        ("mel(channel=stack)", "audio"),
        ("cqt", "audio"),
        ("gasf+scalogram+gadf", "series"),
        ("grid", "binary"),
    ],
)
def test_what_has_no_form_as_a_graph_is_named(view, kind):
    (converter,) = parse_views(view, kind=kind)
    with pytest.raises(ParameterError, match=r"without --from-signal") as caught:
        check_traceable(converter)
    named = {"gasf+scalogram+gadf": "scalogram"}.get(view, view)
    assert str(caught.value).startswith(f"{named} ")


def test_a_form_takes_sounds_of_its_rate_and_series_of_its_length():
    loud = Audio(np.ones((2, 8000), np.float32), 8000.0)
    assert np.array_equal(SOUND.fitted(loud).samples, loud.samples)
    longer, shorter = Audio(np.ones((2, 9000), np.float32), 8000.0), Audio(loud.samples[:, 1:], 8000.0)
    assert np.array_equal(SOUND.fitted(longer).samples, loud.samples)
    assert np.array_equal(SOUND.fitted(shorter).samples[:, -2:], [[1, 0], [1, 0]])
    assert SOUND.fitted(Audio(loud.samples, 16000.0)) is None
    assert SOUND.fitted(Audio(loud.samples[:1], 8000.0)) is None
    assert SERIES.fitted(Series(np.zeros((2, 149)))) is None


def test_made_up_signals_are_within_bounds_and_always_the_same():
    signals = made_up(SERIES, 4, low=10.0, high=20.0)
    values = np.stack([signal.values for signal in signals])
    assert values.min() >= 10
    assert values.max() <= 20
    assert values.std() > 1
    assert np.array_equal(values, np.stack([one.values for one in made_up(SERIES, 4, low=10.0, high=20.0)]))
    assert make("gasf")(signals[0]).pixels.std() > 10
