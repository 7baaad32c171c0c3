"""Windows cover what they are cut from; answers for windows become answers for items."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Fragment, ParameterError, SignalError
from phosphene.datasets.manifest import Item, Manifest
from phosphene.datasets.windows import (
    WindowedManifest,
    Windows,
    balance,
    combine,
    cut,
    evenly_spaced,
    extents,
    plan_windows,
)


def ends(windows):
    return [(window.fragment.start, window.fragment.stop) for window in windows if window.fragment]


def test_by_hand():
    items = (Item(Path("a"), "x", extent=9), Item(Path("b"), "y", extent=3), Item(Path("c")))
    windows, source = cut(items, Windows("events", 4, 2), "mouse")
    assert ends(windows) == [(0, 4), (2, 6), (4, 8), (5, 9)]
    assert source.tolist() == [0, 0, 0, 0, 1, 2]
    assert windows[4:] == items[1:]
    assert {window.label for window in windows[:4]} == {"x"}


def test_a_part_is_cut_inside_the_part():
    item = Item(Path("a"), fragment=Fragment("t", 10, 18))
    windows, _ = cut([item], Windows("t", 5, 2.5), "audio")
    assert ends(windows) == [(10, 15), (12.5, 17.5), (13, 18)]
    row = Item(Path("a"), fragment=Fragment("row", 3, 4))
    assert cut([row], Windows("samples", 5, 5), "series")[0] == (row,)


@given(st.floats(0.1, 500), st.floats(0.5, 20), st.floats(0.05, 1), st.none() | st.integers(1, 7))
def test_windows_of_sound_cover_it(extent, length, ratio, most):
    windows = Windows("t", length, length * ratio, most)
    spans = windows.spans(0.0, extent)
    assert all(0 <= start < stop <= extent + 1e-9 for start, stop in spans)
    if len(spans) > 1:
        assert all(abs(stop - start - length) < 1e-6 for start, stop in spans)
    if most is None:
        assert spans[0][0] == 0
        assert abs(spans[-1][1] - extent) < 1e-6
        assert all(later[0] <= earlier[1] + 1e-9 for earlier, later in pairwise(spans))
    else:
        assert len(spans) <= most


@given(st.integers(1, 5000), st.integers(1, 300), st.data())
def test_windows_of_events_cover_every_event(extent, length, data):
    how = Windows("events", length, data.draw(st.integers(max(1, length // 10), length)))
    windows, _ = cut([Item(Path("a"), extent=extent)], how, "mouse")
    if windows[0].fragment is None:
        assert extent <= 1.1 * length
    else:
        seen = np.zeros(extent, bool)
        for window in windows:
            seen[window.fragment.whole] = True
            assert window.fragment.stop <= extent
        assert seen.all()
        assert len(set(windows)) == len(windows)


def test_at_most_so_many_are_spread_evenly():
    assert [start for start, _ in Windows("events", 10, 10, most=3).spans(0, 100)] == [0, 40, 90]
    assert evenly_spaced(10, 1).tolist() == [5]


def test_fragments_survive_being_written_and_read():
    windows, _ = cut([Item(Path("a"), extent=3.3333333333)], Windows("t", 0.7, 0.35), "audio")
    from phosphene.converters.core.signal import parse_fragment

    assert [parse_fragment(str(window.fragment)) for window in windows] == [
        window.fragment for window in windows
    ]


def test_config_is_json():
    windows = Windows("t", 5.0, 2.5, most=8)
    assert Windows.from_config(json.loads(json.dumps(windows.config))) == windows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("t", 5, 6), "Windows needs 0 < hop <= length, got hop 6 and length 5"),
        (("t", 0, 0), "Windows needs 0 < hop <= length"),
        (("events", 5, 2.5), "Windows of events need whole numbers, got 5, 2.5"),
        (("row", 5, 5), "Windows.unit must be one of t, samples, events, bytes, pause, path, got 'row'"),
        (("pause", 5, 2), "Windows by pause have no hop, got 2; leave it out"),
        (("t", 5, 5, 0), "Windows.most must be an integer >= 1 or None, got 0"),
    ],
)
def test_windows_that_are_none(arguments, message):
    with pytest.raises(ParameterError) as caught:
        Windows(*arguments)
    assert str(caught.value).startswith(message)


def test_plans(tmp_path):
    items = []
    for k, seconds in enumerate([0.5, 1.0, 2.0, 2.0]):
        soundfile.write(tmp_path / f"{k}.wav", np.zeros(int(8000 * seconds)), 8000)
        items.append(Item(tmp_path / f"{k}.wav"))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    items.append(Item(tmp_path / "broken.wav"))
    assert plan_windows(items, "audio") == Windows("t", 2.0, 1.0)
    assert extents(items, "audio") == [0.5, 1.0, 2.0, 2.0, None]
    soundfile.write(tmp_path / "long.wav", np.zeros(80000), 8000)
    long = Item(tmp_path / "long.wav")
    assert plan_windows([long], "audio") == Windows("t", 5.0, 2.5)
    windows, _ = cut([long, items[4]], Windows("t", 5.0, 2.5), "audio")
    assert [str(window.fragment) for window in windows] == ["t=0,5", "t=2.5,7.5", "t=5,10", "None"]
    assert plan_windows(items[4:], "audio") is None
    assert plan_windows([], "mouse") == Windows("events", 150, 150)
    assert plan_windows(items, "series") is plan_windows(items, "binary") is None


def test_balance_by_hand():
    source = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    windows = [Item(Path(str(k))) for k in source]
    assert balance(windows, source, ["x", "y"], 3).tolist() == [0, 2, 5, 6, 7]
    with pytest.raises(ParameterError, match="most_per_class must be an integer >= 1, got 0"):
        balance(windows, source, ["x", "y"], 0)


def test_combine_by_hand():
    log_probabilities = np.log([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    combined = np.exp(combine(log_probabilities, np.array([0, 0, 2]), 3))
    first = np.sqrt([0.9 * 0.4, 0.1 * 0.6])
    np.testing.assert_allclose(combined[0], first / first.sum())
    assert np.isnan(combined[1]).all()
    np.testing.assert_allclose(combined[2], [0.2, 0.8])


def test_combine_of_very_unlikely_classes_stays_finite():
    combined = combine(np.array([[0.0, -5000.0], [-3000.0, 0.0]]), np.array([0, 0]), 1)
    np.testing.assert_allclose(np.exp(combined).sum(), 1)


def test_the_reason_is_told_where_no_item_could_be_used():
    items = tuple(Item(Path(f"{k}.wav"), "a") for k in range(3))
    windowed = WindowedManifest(Manifest(items, "audio", "birds"), None, items, np.arange(3))
    assert windowed.indices(np.arange(3), failed={1: "1.wav: empty; nothing to read"}).tolist() == [0, 2]
    with pytest.raises(SignalError) as caught:
        windowed.indices(np.arange(3), failed={k: f"{k}.wav: empty; nothing to read" for k in range(3)})
    assert str(caught.value) == (
        "birds: not one of 3 items could be used; none of its 3 files can be read; 3: empty; nothing to read "
        "(such as 0.wav)"
    )
