"""Augmented copies are tiles like any other: the same ones always, kept, and drawn by whoever."""

import dataclasses
import json
import random

import numpy as np
import pytest

from phosphene.converters import ParameterError, Series, SignalError, default_views, make, parse_views, read
from phosphene.converters.core.signal import signal_digest
from phosphene.datasets import make_synthetic
from phosphene.datasets.manifest import Item
from phosphene.pipeline.augment.views import (
    Augmented,
    augmentations,
    augmented_views,
    default_augmentations,
    parse_augmentations,
)
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore

JITTER = parse_augmentations("jitter(deviation=0.2)", kind="series")


def series(seed):
    return Series(np.random.default_rng(seed).standard_normal(60).cumsum())


def copies(text="gasf(size=32),gadf(size=32)", changes=JITTER, **values):
    return augmented_views(parse_views(text, kind="series"), changes, **{"copies": 2, "seed": 5} | values)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    for number in range(64):
        np.save(folder / f"{number}.npy", series(number).values)
    return [Item(folder / f"{number}.npy") for number in range(64)]


def drawn(items, views, folder, workers=1):
    return render(items, views, store=TileStore(folder), workers=workers, progress=False)


def test_one_by_one_and_in_any_batch_the_pixels_are_the_same():
    ((view, _), _) = copies()
    signals = [series(seed) for seed in range(5)]
    singly = np.stack([view(signal).pixels for signal in signals])
    np.testing.assert_array_equal(view.batch(signals), singly)
    np.testing.assert_array_equal(view.batch(signals[::-1]), singly[::-1])
    np.testing.assert_array_equal(view.batch([Series(signal.values.copy()) for signal in signals]), singly)


def test_worker_processes_draw_what_this_one_draws(items, tmp_path):
    views = [view for views in copies() for view in views]
    here, apart = drawn(items, views, tmp_path / "1"), drawn(items, views, tmp_path / "2", workers=2)
    assert not here.failures
    assert here.keys == apart.keys
    for view in range(len(views)):
        np.testing.assert_array_equal(here.pixels(range(64), view), apart.pixels(range(64), view))


def test_copies_are_kept_and_found_again(items, tmp_path):
    first, second = copies()
    assert drawn(items[:4], first, tmp_path).converted == 8
    again = drawn(items[:4], [*first, *second], tmp_path)
    assert (again.converted, again.reused) == (8, 8)


def test_copies_seeds_and_parameters_make_other_pictures():
    views = [copies()[0][0], copies()[1][0], copies(seed=6)[0][0]]
    views.append(copies(changes=parse_augmentations("jitter(deviation=0.3)", kind="series"))[0][0])
    assert len({view.fingerprint for view in views}) == 4
    pictures = [view(series(0)).pixels for view in views]
    assert all((a != b).any() for n, a in enumerate(pictures) for b in pictures[:n])
    assert copies() == copies()
    json.dumps([view.config for view in views])


def test_another_version_of_a_change_is_another_tile(monkeypatch):
    before = copies()[0][0].fingerprint
    monkeypatch.setattr(type(JITTER[0]), "version", 2)
    assert copies()[0][0].fingerprint != before


def test_views_of_a_copy_see_one_changed_signal():
    seen = []

    class Watching(type(make("gasf"))):
        name = "watching"

        def _convert(self, signal):
            seen.append(signal.values)
            return super()._convert(signal)

    for view in augmented_views([Watching(size=32), Watching(size=64)], JITTER, copies=1)[0]:
        view(series(0))
    np.testing.assert_array_equal(*seen)
    assert (seen[0] != series(0).values).any()


def test_nothing_changed_is_the_view_itself():
    ((view, _), _) = copies(changes=())
    plain = make("gasf", size=32)
    np.testing.assert_array_equal(view(series(0)).pixels, plain(series(0)).pixels)
    np.testing.assert_array_equal(view.batch([series(0)]), plain.batch([series(0)]))
    assert view.fingerprint == plain.fingerprint
    assert copies(copies=0) == ()


def test_joined_channels_can_be_augmented():
    ((view,), _) = copies("gasf(size=32)+gadf(size=32)+mtf(size=32)")
    assert view.kind == "series"
    assert view(series(0)).pixels.shape == (32, 32, 3)


def test_global_seeds_are_left_alone():
    before = random.getstate(), np.random.get_state()[1].tolist()
    copies()[0][0](series(0))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_the_digest_is_of_the_content():
    assert signal_digest(series(0)) == signal_digest(series(0))
    assert signal_digest(series(0)) != signal_digest(series(1))
    assert signal_digest(Series(series(0).values, 0.5)) != signal_digest(series(0))
    strided = Series(np.repeat(series(0).values, 2, axis=1)[:, ::2])
    assert signal_digest(strided) == signal_digest(series(0))


@pytest.mark.parametrize("kind", ["audio", "series", "mouse", "binary"])
def test_default_augmentations_of_every_kind_change_default_views(kind, tmp_path):
    item = make_synthetic(kind, tmp_path / kind, items_per_class=1).items[0]
    changes = parse_augmentations(default_augmentations(kind), kind=kind)
    signal, plain = read(str(item), kind), default_views(kind)
    for view, before in zip(augmented_views(plain, changes, copies=1)[0], plain, strict=True):
        assert (view(signal).pixels != before(signal).pixels).any()


@pytest.mark.parametrize("owner", augmentations(), ids=lambda o: f"{o.accepts.kind}-{o.name}")
def test_text_of_a_change_makes_it_again(owner):
    change = owner()
    assert change.spec == owner.name
    assert parse_augmentations(change.spec, kind=owner.accepts.kind) == (change,)
    field = next(field for field in dataclasses.fields(change))
    other = dataclasses.replace(change, **{field.name: field.default * 0.5})
    assert other.spec == f"{owner.name}({field.name}={field.default * 0.5})"
    assert parse_augmentations(other.spec, kind=owner.accepts.kind) == (other,)
    assert other.config != change.config


def test_messages():
    gain = parse_augmentations("gain", kind="audio")
    with pytest.raises(
        ParameterError, match=r"must be of series signals, as the view gasf, got Gain.*leave gain out"
    ):
        Augmented(view=make("gasf"), changes=gain)
    with pytest.raises(ParameterError, match=r"Augmented.seed must be an integer >= 0, got -1"):
        Augmented(view=make("gasf"), seed=-1)
    with pytest.raises(ParameterError, match=r"augmented_views.copies must be an integer >= 0, got True"):
        copies(copies=True)
    with pytest.raises(SignalError, match="gasf draws series signals, got Audio"):
        from phosphene.converters import Audio

        copies("gasf")[0][0](Audio([0.0, 1.0], 8))
