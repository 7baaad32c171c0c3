"""One suite over every registered converter: what any of them must hold, whoever wrote it.

A new converter is picked up by the registry. What one need not hold stands in EXCUSED, with the reason.
"""

import dataclasses
import json
import os
import subprocess
import sys
import types
from typing import Annotated, Literal, Union, get_args, get_origin

import numpy as np
import pytest
from example_signals import DRAWN, DRAWN_OR_REFUSED, RANDOM
from hypothesis import given

from phosphene.converters import Box, ParameterError, SignalError, converters, from_config, parse_views
from phosphene.converters.core.converter import Between, describe, height_width, holds, rules

# (test, converter class): why it need not hold.
EXCUSED: dict[tuple[str, str], str] = {
    ("test_whole_image_stands_for_the_whole_signal", "PrintableRuns"): "draws the text in a file alone",
    ("test_whole_image_stands_for_the_whole_signal", "TextBigrams"): "draws the text in a file alone",
    ("test_whole_image_stands_for_the_whole_signal", "Words"): "draws the words in a file alone",
    ("test_whole_image_stands_for_the_whole_signal", "ClickMap"): "draws the presses of a session alone",
}

SIZES = (32, 224)
OBLONG = ((24, 60), (60, 24))
KINDS = ("audio", "series", "mouse", "binary")


def named(table):
    """Every converter class with every example signal of its kind."""
    return [
        pytest.param(owner, signal, id=f"{identity(owner)}-{name}".replace(" ", "_"))
        for owner in converters()
        for name, signal in table[owner.accepts.kind].items()
    ]


def identity(owner):
    return f"{owner.accepts.kind}-{owner.name}"


every_converter = pytest.mark.parametrize("owner", converters(), ids=identity)


@pytest.fixture(autouse=True)
def excused(request):
    owner = request.node.callspec.params.get("owner") if hasattr(request.node, "callspec") else None
    reason = owner and EXCUSED.get((request.node.originalname, owner.__name__))
    if reason:
        pytest.skip(reason)


def sized(owner, size):
    """The converter at a small size, where it has one; its other parameters as they come."""
    return owner(size=size) if "size" in rules(owner) else owner()


def others(rule, value):
    """Values that a rule takes, other than `value`."""
    origin, arguments = get_origin(rule), get_args(rule)
    if origin in (Union, types.UnionType):
        return [other for choice in arguments for other in others(choice, value)]
    if origin is tuple and Ellipsis not in arguments:
        candidates = [(32, 48), (48, 32)]
    elif origin is tuple:
        candidates = [(0.5,)]
    elif origin is Literal:
        candidates = list(arguments)
    elif origin is Annotated:
        bounds = [b for mark in arguments[1:] if isinstance(mark, Between) for b in (mark.low, mark.high)]
        near = [value + 1, value * 2, value / 2, value - 1] if isinstance(value, int | float) else [4, 64]
        known = [arguments[0](number) for number in near + [b for b in bounds if b is not None]]
        candidates = [number for number in known if holds(rule, number)][:2]
    else:
        candidates = {bool: [True, False], int: [3, 5], float: [0.25, 2.0], type(None): [None]}.get(rule, [])
    return [other for other in candidates if other != value or type(other) is not type(value)]


def variants(owner):
    """The converter with one parameter changed at a time; combinations that it refuses are left out."""
    base = sized(owner, 32)
    found = []
    for name, rule in rules(owner).items():
        for value in others(rule, getattr(base, name)):
            try:
                found.append((name, base.replace(**{name: value})))
            except ParameterError:
                continue
    return found


def contents(signal):
    fields = {field.name: getattr(signal, field.name) for field in dataclasses.fields(signal)}
    return {k: (v.tobytes(), v.dtype, v.shape) if isinstance(v, np.ndarray) else v for k, v in fields.items()}


def check_image(image, converter):
    """A picture of the asked size, whose every corner says what it stands for."""
    pixels = image.pixels
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] in (1, 3)
    if "size" in rules(type(converter)):
        assert pixels.shape[:2] == height_width(converter.size)
    for left in {0, image.width // 2, image.width - 1}:
        for top in {0, image.height // 2, image.height - 1}:
            image.locate(Box(left, top, left + 1, top + 1))


@pytest.mark.parametrize(("owner", "signal"), named(DRAWN))
def test_draws_the_same_picture_each_time_and_leaves_its_argument_alone(owner, signal):
    signal = signal()
    before = contents(signal)
    image = sized(owner, 32)(signal)
    check_image(image, sized(owner, 32))
    np.testing.assert_array_equal(sized(owner, 32)(signal).pixels, image.pixels)
    assert contents(signal) == before


@pytest.mark.parametrize(("owner", "signal"), named(DRAWN_OR_REFUSED))
def test_draws_or_says_why_not(owner, signal):
    converter = sized(owner, 32)
    try:
        image = converter(signal())
    except SignalError as error:
        assert len(str(error)) > 20
    else:
        check_image(image, converter)


@every_converter
def test_draws_any_signal_of_its_kind(owner):
    converter = sized(owner, 32)

    @given(RANDOM[owner.accepts.kind])
    def draws(signal):
        try:
            check_image(converter(signal), converter)
        except SignalError as error:
            assert len(str(error)) > 20

    draws()


@every_converter
@pytest.mark.parametrize("size", SIZES)
def test_sizes(owner, size):
    converter = sized(owner, size)
    check_image(converter(DRAWN[owner.accepts.kind]["typical"]()), converter)


@every_converter
@pytest.mark.parametrize("size", OBLONG)
def test_draws_height_by_width_or_says_that_it_draws_squares(owner, size):
    if not holds(rules(owner).get("size"), size):
        with pytest.raises(ParameterError, match="size must be "):
            owner(size=size)
        return
    converter, signals = owner(size=size), DRAWN[owner.accepts.kind]
    for signal in signals.values():
        check_image(converter(signal()), converter)
    drawn = [signal() for signal in signals.values()]
    np.testing.assert_array_equal(converter.batch(drawn), np.stack([converter(one).pixels for one in drawn]))


@every_converter
def test_default_is_a_size_that_networks_take(owner):
    image = owner()(DRAWN[owner.accepts.kind]["typical"]())
    assert (image.height, image.width) == (224, 224)


@every_converter
def test_every_choice_of_a_parameter_draws(owner):
    signal = DRAWN[owner.accepts.kind]["typical"]()
    for _, converter in variants(owner):
        if max(height_width(getattr(converter, "size", 0))) <= 512:
            check_image(converter(signal), converter)


@every_converter
def test_pictures_of_different_signals_differ(owner):
    examples = DRAWN[owner.accepts.kind]
    one, two = (sized(owner, 32)(examples[name]()).pixels for name in ("typical", "long"))
    assert (one != two).any()


@every_converter
def test_batch_equals_one_by_one(owner):
    converter = sized(owner, 32)
    signals = [signal() for signal in DRAWN[owner.accepts.kind].values()]
    pixels = converter.batch(signals)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.stack([converter(signal).pixels for signal in signals]))
    np.testing.assert_array_equal(converter.batch(signals[:1])[0], pixels[0])
    with pytest.raises(SignalError, match="needs at least one signal, got none"):
        converter.batch([])


@every_converter
def test_refuses_other_kinds(owner):
    for kind in set(KINDS) - {owner.accepts.kind}:
        other = DRAWN[kind]["typical"]()
        for draw in (owner(), lambda signal: owner().batch([signal])):
            with pytest.raises(SignalError, match=f"^{owner.name} draws {owner.accepts.kind} signals, got "):
                draw(other)


@pytest.fixture(scope="module")
def fingerprints_elsewhere():
    code = (
        "import json; from phosphene.converters import converters;"
        "print(json.dumps({f'{c.accepts.kind}-{c.name}': c().fingerprint for c in converters()}))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@every_converter
def test_fingerprint_is_the_same_in_another_process(owner, fingerprints_elsewhere):
    if identity(owner) not in fingerprints_elsewhere:
        pytest.skip("registered in this process only")
    assert fingerprints_elsewhere[identity(owner)] == owner().fingerprint


@every_converter
def test_fingerprint_tells_every_parameter_and_the_version(owner):
    base = sized(owner, 32)
    changed = variants(owner)
    assert {name for name, _ in changed} == set(rules(owner)), (
        "a parameter that no other value can be found for"
    )
    prints = [base.fingerprint, *(converter.fingerprint for _, converter in changed)]
    different = {json.dumps(converter.config) for converter in (base, *(c for _, c in changed))}
    assert len(set(prints)) == len(different)
    newer = type(owner.__name__, (owner,), {"version": owner.version + 1})
    assert sized(newer, 32).fingerprint != base.fingerprint


def test_fingerprints_of_converters_differ():
    prints = [owner().fingerprint for owner in converters()]
    assert len(set(prints)) == len(prints)


@every_converter
def test_spec_and_config_make_the_same_converter_again(owner):
    for converter in (owner(), sized(owner, 32), *(converter for _, converter in variants(owner))):
        assert parse_views(converter.spec, kind=converter.kind) == (converter,)
        again = from_config(json.loads(json.dumps(converter.config)))
        assert again == converter
        assert again.fingerprint == converter.fingerprint


@every_converter
def test_each_rule_refuses_with_its_message(owner):
    for name, rule in rules(owner).items():
        for value in ("nonsense", [1], float("nan"), -1_000_000_007, 10**400):
            if holds(rule, value):
                continue
            with pytest.raises(ParameterError) as caught:
                owner(**{name: value})
            assert str(caught.value) == f"{owner.__name__}.{name} must be {describe(rule)}, got {value!r}"


@every_converter
def test_every_parameter_has_a_rule_in_words(owner):
    for name, rule in rules(owner).items():
        assert not {"typing.", "<class"} & set(describe(rule).split("'")), name
        assert holds(rule, getattr(owner(), name))


@every_converter
def test_parts_of_the_image_lie_within_the_whole(owner):
    image = sized(owner, 32)(DRAWN[owner.accepts.kind]["typical"]())
    whole = image.locate(Box(0, 0, image.width, image.height))
    assert whole.spans
    for box in quarters(image):
        for span in image.locate(box).spans:
            assert span.start <= span.stop
            assert any(within(span, outer) for outer in whole.of(span.quantity)), f"{span} beyond {whole}"


def quarters(image):
    across, down = image.width // 2, image.height // 2
    return [
        Box(left, top, left + across, top + down)
        for left in (0, image.width - across)
        for top in (0, image.height - down)
    ]


def within(span, outer):
    slack = 1e-9 * max(1.0, abs(outer.start), abs(outer.stop))
    return outer.unit == span.unit and outer.start - slack <= span.start and span.stop <= outer.stop + slack


@every_converter
def test_whole_image_stands_for_the_whole_signal(owner):
    image = sized(owner, 32)(signal := DRAWN[owner.accepts.kind]["typical"]())
    region = image.locate(Box(0, 0, image.width, image.height))
    extent, slack = {
        "audio": lambda: ({"time": (0.0, signal.duration_s)}, 0.1),
        "series": lambda: ({"time": (0.0, 75.0), "samples": (0, 150)}, 1.0),
        "mouse": lambda: ({"time": (signal.time_s[0], signal.time_s[-1])}, 0.1),
        "binary": lambda: ({"bytes": (0, len(signal.data))}, 0.0),
    }[owner.accepts.kind]()
    for quantity, (start, stop) in extent.items():
        spans = region.of(quantity)
        if spans:
            assert min(span.start for span in spans) == pytest.approx(start, abs=slack)
            assert max(span.stop for span in spans) == pytest.approx(stop, abs=slack)


@every_converter
def test_every_pixel_can_be_located(owner):
    for signal in DRAWN[owner.accepts.kind].values():
        image = sized(owner, 16)(signal())
        for left in range(image.width):
            for top in range(image.height):
                str(image.locate(Box(left, top, left + 1, top + 1)))


@every_converter
def test_says_what_its_parameters_are(owner):
    text = owner.__doc__ or ""
    assert text.strip().splitlines()[0].endswith("."), "the first line says what the picture shows"
    assert "Examples" in text
    # What is shared stands once, in the class that shares it.
    told = {
        word
        for base in owner.__mro__
        for line in (base.__doc__ or "").partition("Parameters\n")[2].splitlines()
        for word in line.replace(",", " ").split()
    }
    assert set(rules(owner)) <= told


def test_a_name_stands_once_for_each_kind():
    names = [(owner.accepts.kind, owner.name) for owner in converters()]
    assert len(set(names)) == len(names)
    assert names == sorted(names)
    assert all(name.isidentifier() and name.islower() for _, name in names)


def test_no_converter_got_lost():
    found = {(owner.accepts.kind, owner.name) for owner in converters()}
    expected = {
        "audio": "mel stft cqt mfcc scalogram",
        "series": "gasf gadf mtf recurrence patches line scalogram",
        "mouse": "trace dwell clicks velocity_acceleration motion habits",
        "binary": "grid hilbert bigram entropy runs",
    }
    assert {(kind, name) for kind, names in expected.items() for name in names.split()} <= found
