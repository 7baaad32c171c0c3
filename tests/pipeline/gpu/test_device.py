"""Batches on a device against the CPU: the same pixels within one grey level, for every converter."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from example_signals import DRAWN, RANDOM, noise
from hypothesis import given
from test_converters import sized, variants

from phosphene.converters import (
    Audio,
    Channels,
    ParameterError,
    Series,
    SignalError,
    converters,
    make,
    parse_views,
)
from phosphene.converters.core.converter import height_width
from phosphene.pipeline.gpu.draw import batch_on, draw_on, draws_on

# Of the pixels of a batch: rounding of one kind or another, on both sides of the border between two levels.
MOST_DIFFERENT = 0.01
ON_DEVICE = ("gasf", "gadf", "mtf", "recurrence", "mel", "stft")

every_converter = pytest.mark.parametrize(
    "owner", converters(), ids=[f"{owner.accepts.kind}-{owner.name}" for owner in converters()]
)
every_device_path = pytest.mark.parametrize("name", ON_DEVICE)


def check_same(found, expected, *, most_different=MOST_DIFFERENT):
    assert found.dtype == torch.uint8
    found = found.cpu().numpy()
    assert found.shape == expected.shape
    apart = np.abs(found.astype(int) - expected)
    assert apart.max() <= 1
    assert (apart > 0).mean() <= most_different


def _samples(signal):
    return (signal.samples if isinstance(signal, Audio) else signal.values).size


def examples(kind):
    return [signal() for signal in DRAWN[kind].values()]


@every_converter
@pytest.mark.parametrize("size", [32, 100])
def test_draws_what_the_cpu_draws(owner, size, device):
    converter, signals = sized(owner, size), examples(owner.accepts.kind)
    found = batch_on(converter, signals, device=device)
    assert found.device.type == device
    check_same(found, converter.batch(signals))


@every_device_path
def test_every_choice_of_a_parameter(name, device):
    kind = make(name).kind
    names = {"audio": ("typical", "stereo"), "series": ("typical", "channels", "gaps", "constant", "long")}
    signals = [DRAWN[kind][name]() for name in names[kind]]
    for _, converter in variants(type(make(name))):
        if max(height_width(converter.size)) > 512:
            continue
        try:
            expected = converter.batch(signals)
        except SignalError as error:
            with pytest.raises(SignalError) as caught:
                batch_on(converter, signals, device=device)
            assert str(caught.value) == str(error)
        else:
            check_same(batch_on(converter, signals, device=device), expected)


@every_device_path
def test_any_signal(name, device):
    converter = make(name, size=24)

    @given(RANDOM[converter.kind])
    def draws(signal):
        try:
            expected = converter.batch([signal])
        except SignalError as error:
            with pytest.raises(SignalError) as caught:
                batch_on(converter, [signal], device=device)
            assert str(caught.value) == str(error)
        else:
            # Of a few values that repeat many pixels may lie on one border between two levels.
            check_same(batch_on(converter, [signal], device=device), expected, most_different=1)

    draws()


@pytest.mark.parametrize("name", ["mel", "stft"])
def test_half_of_the_faintest_sound_is_still_a_sound(name, device):
    faintest = np.array([[1e-45, 0], [0, 0]], np.float32)
    converter = make(name, size=24)
    expected = converter.batch([Audio(faintest, 4000)])
    assert expected.max() == 255
    check_same(batch_on(converter, [Audio(faintest, 4000)], device=device), expected, most_different=1)


COMBINED = [
    ("recurrence", {"dimension": 3, "delay": 4, "channels": "stack"}),
    ("recurrence", {"dimension": 2, "threshold": "point", "percentage": 25.0}),
    ("recurrence", {"threshold": "point", "channels": "color", "input": "differences"}),
    ("recurrence", {"threshold": "deviation", "percentage": 50.0, "channels": "stack"}),
    ("gasf", {"scaling": "unit", "channels": "stack", "input": "differences"}),
    ("gadf", {"channels": "color"}),
    ("mtf", {"n_bins": 5, "strategy": "normal", "channels": "stack"}),
    ("mtf", {"strategy": "uniform", "channels": "color"}),
    ("mel", {"n_mels": 20, "duration_s": 2.0, "fill": "repeat", "channel": "side"}),
    ("mel", {"quantity": "magnitude", "reference": "full_scale", "duration_s": 0.5, "keep": "middle"}),
    ("mel", {"duration_s": 0.05, "keep": "loudest"}),
    ("mel", {"n_mels": 100, "n_fft": 300, "hop_length": 70, "floor_db": -120.0}),
    ("mel", {"size": (30, 90)}),
    ("stft", {"size": (90, 30), "duration_s": 0.2}),
    ("stft", {"low_hz": 0.0, "high_hz": 1000.0, "quantity": "magnitude", "channel": "right"}),
]


@pytest.mark.parametrize(("name", "values"), COMBINED)
def test_choices_together(name, values, device):
    converter = make(name, **({"size": 48} | values))
    signals = [
        signal
        for signal in examples(converter.kind)
        if not isinstance(signal, Series) or signal.values.shape[1] > 12
    ]
    assert draws_on(converter)
    check_same(batch_on(converter, signals, device=device), converter.batch(signals))


def test_channels_of_one_image(device):
    (view,) = parse_views("gasf(size=32)+patches(size=32)+recurrence(size=32)")
    signals = examples("series")
    assert not draws_on(view)
    check_same(batch_on(view, signals, device=device), view.batch(signals))
    (view,) = parse_views("gasf(size=32)+mtf(size=32)+recurrence(size=32)")
    assert draws_on(view)
    check_same(batch_on(view, signals, device=device), view.batch(signals))


@pytest.mark.parametrize("name", ["gasf", "mel", "patches"])
def test_pixels_are_fetched_as_an_array(name, device):
    converter = make(name, kind={"mel": "audio"}.get(name, "series"), size=32)
    signals = examples(converter.kind)[:3]
    found = draw_on(converter, signals, device)
    assert isinstance(found, np.ndarray)
    check_same(torch.from_numpy(found), converter.batch(signals))


def test_signals_of_several_shapes_come_back_in_their_order(device):
    signals = [Series(noise(1, 40 + 10 * (index % 3)).cumsum(1)) for index in range(8)]
    converter = make("gadf", size=24)
    check_same(batch_on(converter, signals, device=device), converter.batch(signals))


@every_device_path
def test_little_memory_changes_nothing(name, device, monkeypatch):
    converter = make(name, size=32)
    signals = [signal for signal in examples(converter.kind) if _samples(signal) < 100_000] * 2
    monkeypatch.setattr("phosphene.pipeline.gpu.draw._budget_bytes", lambda device: 300_000)
    check_same(batch_on(converter, signals, device=device), converter.batch(signals))


@every_device_path
def test_defaults_are_drawn_on_the_device(name):
    assert draws_on(make(name)), f"{name} has changed; hold version and parameters against what is drawn"


@pytest.mark.parametrize(
    "spec",
    [
        "patches",
        "recurrence(relation=joint)",
        "mel(scaling=pcen)",
        "mel(delta=1)",
        "stft(channel=stack)",
        "mel(floor_db=-150)",
    ],
)
def test_what_the_device_does_not_know_is_drawn_by_the_cpu(spec):
    (view,) = parse_views(spec)
    assert not draws_on(view)
    signals = examples(view.kind)[:1]
    np.testing.assert_array_equal(batch_on(view, signals, device="cpu").numpy(), view.batch(signals))


def test_other_pixels_of_the_same_name_are_drawn_by_the_cpu():
    owner = type(make("gasf"))
    newer = type(owner.__name__, (owner,), {"version": owner.version + 1})
    assert not draws_on(newer())
    assert not draws_on(type(owner.__name__, (owner,), {})())


MEL, GASF = make("mel"), make("gasf", size=32)
WRONG = [
    (SignalError, "batch needs at least one signal, got none", lambda on: batch_on(GASF, [], device=on)),
    (SignalError, "^gasf draws series signals, got Audio",
     lambda on: batch_on(GASF, [Audio([0.5], 8000)], device=on)),
    (SignalError, "100 channels do not fit", lambda on: batch_on(GASF, [Series(noise(100, 9))], device=on)),
    (SignalError, "^mel draws 20 Hz and above", lambda on: batch_on(MEL, [Audio(np.zeros(9), 20)], device=on)),
    (ParameterError, "^device must be one that torch can use here, got 'cuda:99' ",
     lambda on: draw_on(GASF, [Series([1.0])], "cuda:99")),
    (ParameterError, "^device must be one .* got 'gpu' ",
     lambda on: batch_on(GASF, [Series([1.0])], device="gpu")),
    (ParameterError, r"^Channels needs grey images of one size, got \(32, 32, 1\) and \(16, 16, 1\) and",
     lambda on: batch_on(Channels.of(GASF, GASF.replace(size=16), GASF), [Series([1.0])], device=on)),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "call"), WRONG)
def test_says_what_is_wrong(error, message, call, device):
    with pytest.raises(error, match=message):
        call(device)


def test_states_that_are_nowhere_whole_are_refused_as_on_the_cpu(device):
    converter, series = make("recurrence", dimension=2), Series([1.0, np.nan] * 20)
    with pytest.raises(SignalError) as expected:
        converter.batch([series])
    with pytest.raises(SignalError) as caught:
        batch_on(converter, [series], device=device)
    assert str(caught.value) == str(expected.value)


def test_pixels_beyond_what_32_bits_count():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    series = [Series(item) for item in noise(64, 1, 150)]
    for name in ("gasf", "recurrence"):
        found = batch_on(make(name), series * 680, device="cuda")  # 43,520 images, 2.18 GB
        check_same(found[-64:], make(name).batch(series))
        assert bool((found[-64:] == found[:64]).all())


def test_the_front_door_is_light():
    code = "import sys; from phosphene.pipeline.gpu.draw import batch_on; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_the_benchmark_runs_dry_on_a_cpu(dry_run):
    rows, printed = dry_run("convert.py", "gpu.csv")
    peers = [row["peer"] for row in rows]
    for peer in ("pixels on the CPU", "copy bandwidth", "librosa on one core", "torchaudio", "nnAudio"):
        assert peer in peers
    assert all(float(row["ratio"]) > 0 if row["ratio"] else row["note"] for row in rows)
    assert all(row["work"] in printed for row in rows)
