"""Tiles are found by what they were drawn from, and broken ones count as missing."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import Fragment, ReadError
from phosphene.converters.core.files import content_digest
from phosphene.pipeline.tiles.store import StoreError, TileStore, default_folder, key_of, sweep, tile_key

KEY = "ab" + "0" * 30


@pytest.fixture
def store(tmp_path):
    return TileStore(tmp_path / "tiles")


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_put_is_got(store, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, channels), np.uint8)
    store.put(KEY, pixels)
    assert KEY in store
    np.testing.assert_array_equal(store.get(KEY), pixels)
    assert store.path(KEY) == store.folder / "ab" / f"{'0' * 30}.png"
    assert key_of(store.path(KEY)) == KEY


def test_a_missing_tile(store):
    assert KEY not in store
    with pytest.raises(KeyError):
        store.get(KEY)


@pytest.mark.parametrize("length", [0, 5, 20, 60, 200, -1])
def test_a_tile_cut_short_counts_as_missing(store, length):
    store.put(KEY, np.random.default_rng(0).integers(0, 256, (40, 30, 1), np.uint8))
    path = store.path(KEY)
    path.write_bytes(path.read_bytes()[:length])
    assert KEY not in store
    assert key_of(path) is None
    with pytest.raises(KeyError):
        store.get(KEY)


@pytest.mark.parametrize("index", [0, 20, 100, 300])
def test_a_tile_with_other_bytes_is_not_got(store, index):
    store.put(KEY, np.random.default_rng(0).integers(0, 256, (40, 30, 1), np.uint8))
    data = bytearray(store.path(KEY).read_bytes())
    data[index : index + 8] = bytes(8)
    store.path(KEY).write_bytes(data)
    with pytest.raises(KeyError):
        store.get(KEY)


def test_a_key_changes_with_content_part_and_converter():
    keys = {
        tile_key(digest, fragment, fingerprint)
        for digest in ("a", "b")
        for fragment in (None, Fragment("row", 0, 1), Fragment("row", 1, 2))
        for fingerprint in ("x", "y")
    }
    assert len(keys) == 12


def test_a_digest_follows_the_content(tmp_path):
    one, two = tmp_path / "one.bin", tmp_path / "two.bin"
    one.write_bytes(b"abc" * 100000)
    two.write_bytes(b"abc" * 100000)
    first = content_digest(one)
    assert content_digest(two) == first
    two.write_bytes(b"abd" * 100000)
    os.utime(two, ns=(1, 1))
    assert content_digest(two) != first
    with pytest.raises(ReadError, match=r"gone.bin: no such file"):
        content_digest(tmp_path / "gone.bin")


def test_where_tiles_lie(monkeypatch):
    monkeypatch.setenv("PHOSPHENE_CACHE", "/somewhere")
    assert default_folder() == Path("/somewhere/tiles")
    monkeypatch.delenv("PHOSPHENE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert TileStore().folder == Path("/cache/phosphene/tiles")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache/phosphene/tiles"


def test_sweeping_takes_what_was_left_behind_and_leaves_what_is_written_now_or_not_ours(tmp_path):
    ours, now, user, short = ".a.png.0123456789ab.part", ".b.png.0123456789ab.part", "c.part", ".x.part"
    for name, age_s in ((ours, 500), (now, 0), (user, 500), (short, 500)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [now, short, user]


def test_a_folder_that_cannot_be_written_is_told_in_one_line(store):
    store.folder.write_text("no folder")
    with pytest.raises(StoreError, match=r"tiles.*cannot be written .*make room, or name another") as caught:
        store.put(KEY, np.zeros((8, 8, 1), np.uint8))
    assert "\n" not in str(caught.value)
