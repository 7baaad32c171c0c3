"""Rendering: one read a file, nothing drawn twice, a bad file costs itself, broken tiles are drawn again."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import Binary, Converter, Image, Offsets, ParameterError, Series, make, parse_views
from phosphene.converters.core.signal import parse_fragment
from phosphene.datasets.manifest import Item
from phosphene.pipeline.tiles.engines import LocalEngine
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import StoreError, TileStore


def square_of(kind_of_death="none"):
    """A converter defined where no import reaches it, that kills its process where the first byte is 66."""

    class Square(Converter):
        name, accepts = "square", Binary

        size: int = 16

        def _convert(self, signal):
            if signal.data[0] == 66 and kind_of_death == "dies":
                os._exit(9)
            if signal.data[0] == 66 and kind_of_death == "raises":
                raise ZeroDivisionError("oh")
            indices = np.arange(self.size**2).reshape(self.size, -1)
            pixels = np.resize(signal.data, indices.size).reshape(*indices.shape, 1)
            return Image(pixels, Offsets("bytes", "", indices, indices + 1))

    return Square


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)
    folder = tmp_path / "files"
    folder.mkdir()
    for k in range(80):
        (folder / f"{k:02d}.bin").write_bytes(bytes([k]) + generator.bytes(400))
    return [Item(path) for path in sorted(folder.iterdir())]


@pytest.fixture
def store(tmp_path):
    return TileStore(tmp_path / "tiles")


def test_tiles_are_what_the_converter_draws(files, store):
    views = parse_views("grid(size=32),bigram(size=32)")
    tiles = render(files[:5], views, store=store)
    assert (tiles.converted, tiles.reused, tiles.failures, len(tiles)) == (10, 0, (), 5)
    from phosphene.converters import read

    for view, converter in enumerate(views):
        expected = np.stack([converter(read(item.path, "binary")).pixels for item in files[1:4]])
        np.testing.assert_array_equal(tiles.pixels([1, 2, 3], view), expected)


def test_a_second_run_reuses_all(files, store):
    views = parse_views("grid(size=32),bigram(size=32)")
    first = render(files[:5], views, store=store)
    stamps = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.png")}
    second = render(files[:5], views, store=store)
    assert (second.converted, second.reused) == (0, 10)
    assert second.keys == first.keys
    assert stamps == {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.png")}
    third = render(files[:5], [*views, make("grid", size=16)], store=store)
    assert (third.converted, third.reused) == (5, 10)


def test_a_changed_file_is_drawn_again(files, store):
    render(files[:2], [make("grid", size=32)], store=store)
    files[0].path.write_bytes(bytes(range(200)))
    os.utime(files[0].path, ns=(1, 1))
    assert render(files[:2], [make("grid", size=32)], store=store).converted == 1


def test_equal_files_are_drawn_once(files, store):
    files[1].path.write_bytes(files[0].path.read_bytes())
    tiles = render([files[0], files[1], files[0]], [make("grid", size=32)], store=store)
    assert (tiles.converted, tiles.reused) == (1, 2)
    assert len(tiles.pixels([0, 1, 2])) == 3


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut short", "removed"])
def test_a_broken_tile_is_drawn_again(files, store, how):
    tiles = render(files[:2], [make("grid", size=32)], store=store)
    before = tiles.pixels([0, 1])
    path = store.path(tiles.keys[0][0])
    path.unlink() if how == "removed" else path.write_bytes(path.read_bytes()[:50])
    np.testing.assert_array_equal(tiles.pixels([0, 1]), before)
    path.unlink() if how == "removed" else path.write_bytes(path.read_bytes()[:50])
    assert render(files[:2], [make("grid", size=32)], store=store).converted == 1


def test_one_read_serves_all_views_and_parts_of_a_file_stay_together(files, store):
    parts = [
        Item(item.path, fragment=parse_fragment(f"bytes={k}-{k + 99}"))
        for k in (0, 100, 200)
        for item in files[:3]
    ]
    tiles = render(parts, [make("grid", size=32)], store=store)
    assert tiles.converted == 9
    from phosphene.pipeline.tiles.item_map import ItemTask, chunks

    tasks = [ItemTask(k, item, (0, 0), ()) for k, item in enumerate(parts * 20)]
    grouped = chunks(tasks, 2)
    assert sum(map(len, grouped)) == 180
    assert max(map(len, grouped)) <= 180 // 16
    order = [task.item.path for chunk in grouped for task in chunk]
    assert order == sorted(order)


BAD = {
    "empty.bin": (lambda path: path.write_bytes(b""), "{0}: empty; there is nothing to read"),
    "gone.bin": (lambda path: None, "{0}: no such file; check the path"),
    "folder.bin": (lambda path: path.mkdir(), "{0}: a folder, not a file; name a file in it"),
}


def test_bad_files_are_reported_by_name_and_the_rest_goes_on(files, store, tmp_path):
    bad = [Item(tmp_path / name) for name in BAD]
    for item in bad:
        BAD[item.path.name][0](item.path)
    tiles = render([files[0], *bad, files[1]], [make("grid", size=32)], store=store)
    assert [failure.error for failure in tiles.failures] == [BAD[i.path.name][1].format(i.path) for i in bad]
    assert [failure.item for failure in tiles.failures] == bad
    assert tiles.drawn.tolist() == [0, 4]
    assert (tiles.converted, tiles.reused) == (2, 0)
    with pytest.raises(ParameterError, match=r"empty.bin has no tile, since it failed; leave index 1 out"):
        tiles.pixels([0, 1])


def test_equal_bad_files_are_each_reported_under_their_own_name(tmp_path, store):
    items = [Item(tmp_path / name) for name in ("a.wav", "b.wav")]
    for item in items:
        item.path.write_bytes(b"RIFF and nothing that follows")
    tiles = render(items, [make("mel")], store=store)
    assert [
        failure.error.startswith(f"{item.path}: ")
        for failure, item in zip(tiles.failures, items, strict=True)
    ]
    assert "a.wav" not in tiles.failures[1].error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("death", "why"),
    [("dies", "the process that read it died (exit status 9)"), ("raises", "ZeroDivisionError: oh")],
)
def test_a_converter_that_kills_its_process_costs_that_item(files, store, death, why):
    view = square_of(death)()
    tiles = render(files, [view], store=store, workers=2)
    assert [(failure.item, failure.error) for failure in tiles.failures] == [
        (files[66], f"{files[66].path}: {why}")
    ]
    assert tiles.converted == 79
    again = render(files, [view], store=store, workers=2)
    assert (again.converted, again.reused, len(again.failures)) == (0, 79, 1)


def cut_short(form):
    """A converter that cuts its own file short before it looks at it."""

    class CutShort(Converter):
        name, accepts = "cut", Binary if form == "bin" else Series

        def _convert(self, signal):
            os.truncate(next(Path(os.environ["CUT_SHORT"]).glob(f"large.{form}")), 0)
            pixels = np.full(
                (8, 8, 1), (signal.data if form == "bin" else signal.values).sum() % 256, np.uint8
            )
            indices = np.arange(64).reshape(8, 8)
            return Image(pixels, Offsets("bytes", "", indices, indices + 1))

    return CutShort()


@pytest.mark.parametrize("form", ["bin", "npy"])
def test_a_mapped_file_that_is_cut_short_while_it_is_drawn_costs_itself_only(
    tmp_path, store, form, monkeypatch
):
    path = tmp_path / f"large.{form}"
    np.save(path, np.ones(3 << 20)) if form == "npy" else path.write_bytes(bytes(17 << 20))
    monkeypatch.setenv("CUT_SHORT", str(tmp_path))
    (failure,) = render([Item(path)], [cut_short(form)], store=store, workers=1).failures
    assert failure.error.startswith(f"{path}: ")
    assert "SIGBUS" in failure.error or "changed while it was read" in failure.error


def test_workers_draw_what_one_process_draws(files, tmp_path):
    view = square_of()()
    stores = [TileStore(tmp_path / name) for name in ("one", "two")]
    one = render(files, [view], store=stores[0], workers=1)
    two = render(files, [view], store=stores[1], engine=LocalEngine(2))
    assert one.keys == two.keys
    np.testing.assert_array_equal(one.pixels(range(80)), two.pixels(range(80)))


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ([], "views must be one or more converters of one kind, got none"),
        (
            [make("grid"), make("mel")],
            "views must be one or more converters of one kind, got audio and binary",
        ),
    ],
)
def test_views_must_be_of_one_kind(files, store, views, message):
    with pytest.raises(ParameterError) as caught:
        render(files, views, store=store)
    assert str(caught.value) == message


def test_no_items(store):
    tiles = render([], [make("grid")], store=store)
    assert (len(tiles), tiles.converted, tiles.failures) == (0, 0, ())
    with pytest.raises(ParameterError, match="pixels needs at least one index, got none"):
        tiles.pixels([])


def test_progress_is_a_line_a_minute_where_standard_error_is_no_terminal(files, store, capsys, monkeypatch):
    class Slow(LocalEngine):
        def map(self, function, chunks, *, where):
            for outcome in super().map(function, chunks, where=where):
                time.sleep(0.3)
                yield outcome

    render(files[:5], [make("grid", size=16)], store=store, engine=Slow(1))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("phosphene.pipeline.tiles.item_map.LINE_EVERY_S", 0.05)
    render(files[:5], [make("grid", size=24)], store=store, engine=Slow(1))
    lines = capsys.readouterr().err.splitlines()
    assert any("4/5" in line for line in lines)
    assert all("/5" in line and "\r" not in line for line in lines)
    render(files[:5], [make("grid", size=20)], store=store, engine=Slow(1), progress=False)
    assert capsys.readouterr().err == ""


def test_rows_of_an_archive(tmp_path, store):
    rows = "".join("1\t" + "\t".join(f"{np.sin(k + t / 3):.3f}" for t in range(20)) + "\n" for k in range(6))
    (tmp_path / "Waves_TRAIN.tsv").write_text(rows)
    items = [Item(Path(tmp_path, "Waves_TRAIN.tsv"), fragment=parse_fragment(f"row={k}")) for k in (0, 5, 6)]
    tiles = render(items, [make("gasf", size=32)], store=store)
    assert tiles.converted == 2
    assert "has no row 6" in tiles.failures[0].error


def test_a_file_that_changes_while_it_is_drawn_is_not_kept_under_its_old_content(files, store):
    class Slow(Converter):
        name, accepts = "slow", Binary

        def _convert(self, signal):
            pixels = np.resize(np.array(signal.data), (16, 16, 1))
            if signal.data[0] == 3:
                files[3].path.write_bytes(bytes(range(100)))
            indices = np.arange(256).reshape(16, 16)
            return Image(pixels, Offsets("bytes", "", indices, indices + 1))

    before = render(files[3:4], [make("grid", size=16)], store=store).keys
    tiles = render(files[:5], [Slow()], store=store, workers=1)
    (failure,) = tiles.failures
    assert str(failure.item.path) in failure.error
    assert "changed while it was read; run again" in failure.error
    assert (tiles.converted, tiles.drawn.tolist()) == (4, [0, 1, 2, 4])
    again = render(files[3:4], [make("grid", size=16)], store=store)
    assert again.keys != before


def test_a_store_that_cannot_be_written_ends_the_run_and_blames_no_item(files, tmp_path):
    (tmp_path / "tiles").write_text("no folder")
    for workers in (1, 2):
        with pytest.raises(StoreError, match=r"/tiles.*cannot be written .*make room, or name another"):
            render(files, [make("grid", size=16)], store=TileStore(tmp_path / "tiles"), workers=workers)


def test_a_device_is_refused_and_not_opened(store):
    tiles = render([Item(Path("/dev/urandom"))], [make("grid", size=16)], store=store)
    assert "/dev/urandom: a device, not a file" in tiles.failures[0].error


def test_drawn_on_a_device_pixels_are_within_a_grey_level(tmp_path):
    path = tmp_path / "waves.csv"
    path.write_text("".join(f"{np.sin(k / 5) + k / 50:.4f}\n" for k in range(200)))
    views = [make("gasf", size=32), make("mtf", size=32), make("patches", size=32)]
    here = render([Item(path)], views, store=TileStore(tmp_path / "here"))
    there = render([Item(path)], views, store=TileStore(tmp_path / "there"), device="cpu")
    for view in range(2):
        assert here.keys[0][view] != there.keys[0][view]
        difference = here.pixels([0], view).astype(int) - there.pixels([0], view)
        assert np.abs(difference).max() <= 1
    assert here.keys[0][2] == there.keys[0][2], "what a device does not draw is the same tile"
    there.store.path(there.keys[0][0]).unlink()
    assert there.tile(0).shape == (32, 32, 1)
