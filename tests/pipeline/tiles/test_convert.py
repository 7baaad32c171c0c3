"""Raw files to image files: their names, what is kept, and what a bad file costs."""

import errno
import io
import json
import os
import subprocess
import sys
import tarfile
import time

import numpy as np
import pandas as pd
import PIL.Image
import pyarrow.parquet as pq
import pytest
import soundfile

from phosphene.converters import ParameterError, default_views, make, parse_views, read
from phosphene.converters.core import apart
from phosphene.datasets.sources import open_manifest
from phosphene.pipeline.tiles import convert as module
from phosphene.pipeline.tiles import forms as formats
from phosphene.pipeline.tiles import store
from phosphene.pipeline.tiles.convert import convert
from phosphene.pipeline.tiles.store import StoreError, key_of

GRID = (make("grid", size=32),)


@pytest.fixture
def src(tmp_path):
    generator = np.random.default_rng(0)
    for k, name in enumerate(("cat/1.bin", "cat/2.bin", "dog/1.bin", "dog/1.dat", "dog/deep/1.bin")):
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([k]) + generator.bytes(400))
    return tmp_path / "src"


def below(folder):
    """The names of the results, the manifest left out."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in files if not name.startswith("manifest-"))


def pictures(folder, form):
    """The pixels of every image in a result, by name."""
    if form == "png":
        return {name: np.array(PIL.Image.open(folder / name)).tolist() for name in below(folder)}
    found = {}
    for path in map(folder.joinpath, below(folder)):
        if form == "parquet":
            pairs = [
                (f"{row['path']}{row['fragment']}{row['view']}", row["image"]["bytes"])
                for row in pq.read_table(path).to_pylist()
            ]
        else:
            with tarfile.open(path) as tar:
                pairs = [(m.name, tar.extractfile(m).read()) for m in tar if m.name.endswith(".png")]
        for name, png in pairs:
            assert name not in found
            (folder.parent / "one.png").write_bytes(png)
            found[name] = np.array(PIL.Image.open(folder.parent / "one.png")).tolist()
    return found


def test_names_keep_folder_and_suffix(src, tmp_path):
    result = convert(src, tmp_path / "out", views=GRID)
    assert below(tmp_path / "out") == [
        "cat/1.bin.png", "cat/2.bin.png", "dog/1.bin.png", "dog/1.dat.png", "dog/deep/1.bin.png",
    ]  # fmt: skip
    assert (result.converted, result.reused, result.failed) == (5, 0, ())
    assert [path.relative_to(tmp_path / "out").as_posix() for path in result.files] == below(tmp_path / "out")
    pixels = np.array(PIL.Image.open(tmp_path / "out/cat/1.bin.png"))
    np.testing.assert_array_equal(pixels, GRID[0](read(src / "cat/1.bin", "binary")).pixels[:, :, 0])


def test_a_folder_for_each_of_several_views(src, tmp_path):
    convert(src / "cat", tmp_path / "out", views=parse_views("grid(size=32),bigram(size=32,distance=2)"))
    assert below(tmp_path / "out") == [
        f"{view}/{number}.bin.png"
        for view in ("bigram-size=32-distance=2", "grid-size=32")
        for number in (1, 2)
    ]


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_a_second_run_reuses_all_and_changes_nothing(src, tmp_path, form):
    out = tmp_path / "out"
    first = convert(src, out, views=GRID, to=form)
    before = {name: (out / name).stat().st_mtime_ns for name in below(out)}
    second = convert(src, out, views=GRID, to=form)
    assert (first.converted, first.reused) == (5, 0)
    assert (second.converted, second.reused, second.files) == (0, 5, first.files)
    assert {name: (out / name).stat().st_mtime_ns for name in below(out)} == before
    assert len(pictures(out, form)) == 5


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_a_changed_file_or_parameter_is_drawn_again(src, tmp_path, form):
    out = tmp_path / "out"
    convert(src, out, views=GRID, to=form)
    (src / "cat" / "1.bin").write_bytes(bytes(range(100)))
    os.utime(src / "cat" / "1.bin", ns=(1, 1))
    changed = convert(src, out, views=GRID, to=form)
    fresh = convert(src, tmp_path / "fresh", views=GRID, to=form)
    assert changed.converted >= 1
    assert pictures(out, form) == pictures(tmp_path / "fresh", form)
    assert below(out) == below(tmp_path / "fresh")
    assert fresh.converted == convert(src, out, views=(make("grid", size=16),), to=form).converted == 5


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_a_bad_file_is_reported_every_time_and_costs_nothing_else(src, tmp_path, form):
    (src / "cat" / "0.bin").write_bytes(b"")
    soundfile.write(src / "cat" / "9.wav", np.zeros(8000), 8000)
    for counts in ((6, 0), (0, 6)):  # a sound is bytes too
        result = convert(src, tmp_path / "out", views=GRID, to=form)
        assert [str(failure.item) for failure in result.failed] == [str(src / "cat" / "0.bin")]
        assert result.failed[0].error == f"{src}/cat/0.bin: empty; there is nothing to read"
        assert (result.converted, result.reused) == counts


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_files_of_another_kind_than_the_views_fail_each_by_name(src, tmp_path, form):
    soundfile.write(src / "dog" / "9.wav", np.zeros(8000), 8000)
    for converted in (1, 0):
        result = convert(src, tmp_path / "out", views=(make("mel"),), to=form)
        assert (result.converted, len(result.failed)) == (converted, 5)
        assert all(failure.error.startswith(str(failure.item.path)) for failure in result.failed)


def test_without_views_every_kind_gets_its_own(src, tmp_path):
    soundfile.write(src / "dog" / "9.wav", np.sin(np.arange(8000) / 5), 8000)
    (src / "dog" / "waves.csv").write_text("".join(f"{np.sin(k / 5):.4f}\n" for k in range(60)))
    result = convert(src, tmp_path / "out", progress=False)
    expected = 5 * len(default_views("binary")) + len(default_views("audio")) + len(default_views("series"))
    assert (result.converted, result.failed, len(below(tmp_path / "out"))) == (expected, (), expected)
    assert "mel/dog/9.wav.png" in below(tmp_path / "out")
    assert convert(src, tmp_path / "out", progress=False).reused == expected


def test_rows_of_an_archive_and_a_table_that_points_into_it(tmp_path):
    rows = "".join(
        f"{k % 2}\t" + "\t".join(f"{np.sin(k + t / 3):.3f}" for t in range(20)) + "\n" for k in range(3)
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "Waves_TRAIN.tsv").write_text(rows)
    view = (make("gasf", size=32),)
    convert(tmp_path / "src", tmp_path / "out", views=view)
    assert below(tmp_path / "out") == [f"Waves_TRAIN.tsv.row={k}.png" for k in range(3)]
    (tmp_path / "src" / "meta.csv").write_text("path,label\nWaves_TRAIN.tsv#row=2,x\n")
    convert(tmp_path / "src", tmp_path / "one", views=view)
    assert below(tmp_path / "one") == ["Waves_TRAIN.tsv.row=2.png"]


def test_results_in_the_source_are_not_converted_again(src):
    assert convert(src, src / "out", views=GRID).converted == 5
    assert convert(src, src / "out", views=GRID).reused == 5


def test_a_path_that_leaves_the_folder_stays_in_the_results(src, tmp_path):
    (src / "dog" / "meta.csv").write_text("path,label\n../cat/1.bin,x\n1.bin,y\n")
    convert(src / "dog" / "meta.csv", tmp_path / "out", views=GRID)
    assert below(tmp_path / "out") == ["1.bin.png", "_up_/cat/1.bin.png"]


def test_columns_of_parquet(src, tmp_path):
    result = convert(src, tmp_path / "out", views=parse_views("grid(size=32),bigram"), to="parquet")
    rows = pq.read_table(result.files[0]).to_pylist()
    assert list(rows[0]) == ["image", "label", "path", "fragment", "view"]
    assert [(row["path"], row["label"], row["view"]) for row in rows[:3]] == [
        ("cat/1.bin", "cat", "grid(size=32)"), ("cat/1.bin", "cat", "bigram"), ("cat/2.bin", "cat", "grid(size=32)"),
    ]  # fmt: skip
    assert rows[0]["image"]["bytes"].startswith(b"\x89PNG")
    assert rows[0]["image"]["path"] == "cat/1.bin.png"


def test_parquet_tells_hugging_face_datasets_which_column_is_of_images(src, tmp_path):
    """The features as `datasets` writes them, and the type of an image as it stores it."""
    schema = pq.read_schema(convert(src, tmp_path / "out", views=GRID, to="parquet").files[0])
    assert str(schema.field("image").type) == "struct<bytes: binary, path: string>"
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"dtype": "string", "_type": "Value"}


def test_parquet_of_another_layout_is_written_again(src, tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(formats.ParquetShards, "layout", "")
        (old,) = convert(src, tmp_path / "out", views=GRID, to="parquet").files
    again = convert(src, tmp_path / "out", views=GRID, to="parquet")
    assert again.converted == 5
    assert not old.exists()


def test_members_of_a_webdataset(src, tmp_path):
    result = convert(src, tmp_path / "out", views=GRID, to="webdataset")
    with tarfile.open(result.files[0]) as tar:
        members = {name: tar.extractfile(name).read() for name in tar.getnames()}
    keys = {name.partition(".")[0] for name in members}
    assert len(keys) == 5
    assert {name.partition(".")[2] for name in members} == {"png", "cls", "json"}
    about = [json.loads(data) for name, data in sorted(members.items()) if name.endswith("json")]
    assert {(entry["path"], entry["label"]) for entry in about} == {
        ("cat/1.bin", "cat"),
        ("cat/2.bin", "cat"),
        ("dog/1.bin", "dog"),
        ("dog/1.dat", "dog"),
        ("dog/deep/1.bin", "dog"),
    }
    assert {data for name, data in members.items() if name.endswith("cls")} == {b"0", b"1"}


def test_a_manifest_is_converted_too(src, tmp_path):
    result = convert(open_manifest(src), tmp_path / "out", views=GRID)
    assert (result.converted, "dog/deep/1.bin.png" in below(tmp_path / "out")) == (5, True)


def test_images_carry_the_key_of_what_they_show(src, tmp_path):
    result = convert(src, tmp_path / "out", views=GRID)
    keys = [key_of(path) for path in result.files]
    assert len(set(keys)) == 5
    assert None not in keys


def test_a_broken_part_is_made_again(src, tmp_path):
    for form in ("parquet", "webdataset"):
        out = tmp_path / form
        (path,) = convert(src, out, views=GRID, to=form).files
        path.write_bytes(path.read_bytes()[:700])
        assert convert(src, out, views=GRID, to=form).converted == 5
        assert len(pictures(out, form)) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "jpeg"}, "to must be one of png, parquet, webdataset, got 'jpeg'"),
        ({"views": [make("grid"), make("mel")]}, "views must be one or more converters of one kind"),
        ({"workers": 0}, "workers must be an integer >= 1, got 0"),
        ({"engine": "spark"}, "engine must be local or ray, got 'spark'"),
        ({"device": "abacus"}, "device must be one that torch can use here, got 'abacus'"),
    ],
)
def test_wrong_use(src, tmp_path, options, message):
    with pytest.raises(ParameterError) as caught:
        convert(src, tmp_path / "out", **options)
    assert str(caught.value).startswith(message)


def test_views_by_kind_let_each_file_decide(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.bin").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "raw" / "b.csv").write_text("\n".join(map(str, range(40))))
    views = {"binary": [make("grid", size=16)], "series": [make("gasf", size=24)]}
    done = convert(tmp_path / "raw", tmp_path / "out", views=views, workers=1, progress=False)
    sizes = {file.name: PIL.Image.open(io.BytesIO(file.read_bytes())).size for file in done.files}
    assert sizes == {"a.bin.png": (16, 16), "b.csv.png": (24, 24)}


COUNT_OPENS = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
from phosphene.converters import make
from phosphene.pipeline.tiles import convert as module
src, out = sys.argv[1:]
kept = module._listed(src, module.Path(out), None, module.DEFAULTS, module.PART)
listed = len([path for path in opened if str(path) == src])
module._listed = lambda *_: kept
done = module.convert(src, out, views=[make("gasf", size=32)], progress=False)
assert done.converted == 1, done
print(listed, len([path for path in opened if str(path) == src]) - listed)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "most"), [(200, 1), (30_000, 2)], ids=["small", "large"])
def test_a_table_is_opened_once_for_its_head_and_digest_and_once_for_its_rows(rows, most, tmp_path):
    path = tmp_path / "waves.csv"
    path.write_text("".join(f"{np.sin(k / 5):.4f}\n" for k in range(rows)))
    os.utime(path, ns=(1, 1))
    time.sleep(0.2)  # what was written just now is read again, since it may change unseen
    done = subprocess.run(
        [sys.executable, "-c", COUNT_OPENS, str(path), str(tmp_path / "out")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    listed, after = map(int, done.stdout.split())
    assert listed + after <= most, f"opened {listed} times for the list and {after} times to hash and draw"


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_shards_of_two_sources_of_one_name_lie_side_by_side(src, tmp_path, form):
    other = tmp_path / "elsewhere" / "src"
    other.mkdir(parents=True)
    (other / "9.bin").write_bytes(bytes(range(200)))
    first = convert(src, tmp_path / "out", views=GRID, to=form)
    second = convert(other, tmp_path / "out", views=GRID, to=form)
    assert all(path.exists() for path in (*first.files, *second.files))
    assert convert(src, tmp_path / "out", views=GRID, to=form).reused == 5
    assert len(pictures(tmp_path / "out", form)) == 6


def manifest_of(folder):
    (path,) = folder.glob("manifest-*.csv")
    return path, pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_the_manifest_beside_them_says_where_the_image_of_each_item_is(tmp_path, form):
    src, out = tmp_path / "src", tmp_path / "out"
    src.mkdir()
    for number in range(3):
        (src / f"{number}.csv").write_text("".join(f"{np.sin(k / 5 + number):.4f}\n" for k in range(60)))
    (src / "bad.csv").write_bytes(b"")
    rows = "0.csv,a,train,s1\n1.csv,b,test,s2\n2.csv,a,train,s1\nbad.csv,a,train,s3\n"
    (src / "meta.csv").write_text(f"path,label,split,group\n{rows}")
    done = convert(src / "meta.csv", out, views="gasf(size=16),line(size=16)", to=form)
    path, found = manifest_of(out)
    assert [(row["path"], row["view"]) for row in found] == [
        (f"{number}.csv", view) for number in range(3) for view in ("gasf(size=16)", "line(size=16)")
    ]
    assert [tuple(row[name] for name in ("label", "split", "group")) for row in found[::2]] == [
        ("a", "train", "s1"), ("b", "test", "s2"), ("a", "train", "s1"),
    ]  # fmt: skip
    assert {out / row["file"] for row in found} == set(done.files)
    written = path.stat().st_mtime_ns
    convert(src / "meta.csv", out, views="gasf(size=16),line(size=16)", to=form)
    assert path.stat().st_mtime_ns == written


def test_results_inside_the_folder_of_the_files_are_no_data(src, tmp_path):
    for number, path in enumerate(src.rglob("*")):
        if path.is_file():
            path.unlink()
            path.with_suffix(".csv").write_text("".join(f"{np.sin(k / 5 + number):.4f}\n" for k in range(60)))
    before = open_manifest(src).items
    convert(src, src / "out", views="gasf(size=16)")
    assert list((src / "out").glob("manifest-*.csv"))
    assert open_manifest(src).items == before
    assert convert(src, src / "out", views="gasf(size=16)").converted == 0


def test_where_nothing_could_be_drawn_there_is_no_manifest(tmp_path):
    (tmp_path / "a.csv").write_text("".join(f"{k}\n" for k in range(60)))
    convert(tmp_path / "a.csv", tmp_path / "out", views="gasf(size=16)")
    assert list((tmp_path / "out").glob("manifest-*"))
    (tmp_path / "a.csv").write_bytes(b"")
    assert len(convert(tmp_path / "a.csv", tmp_path / "out", views="gasf(size=16)").failed) == 1
    assert not list((tmp_path / "out").glob("manifest-*"))


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_files_of_one_folder_converted_one_by_one_lie_side_by_side(src, tmp_path, form):
    files = sorted((src / "cat").glob("*.bin"))
    done = [convert(file, tmp_path / "out", views=GRID, to=form) for file in files]
    assert all(path.exists() for one in done for path in one.files)
    assert len(pictures(tmp_path / "out", form)) == len(list((tmp_path / "out").glob("manifest-*"))) == 2


def test_hidden_files_of_the_user_in_the_results_stay(src, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in (".x.part", ".notes.0123456789ab.part"):
        (out / name).write_bytes(b"")
        os.utime(out / name, (1, 1))
    convert(src, out, views=GRID)
    assert (out / ".x.part").exists()
    assert not (out / ".notes.0123456789ab.part").exists(), "of our own pattern"


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_a_full_disk_is_told_once_and_blames_no_input(src, tmp_path, form, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "atomic_write", full)
    monkeypatch.setattr(formats, "atomic_write", full)
    monkeypatch.setattr(apart._helper, "is_this", True)  # who draws is full, too
    with pytest.raises(
        StoreError, match=r"^.*/out.*: cannot be written \(No space left on device\); make room"
    ):
        convert(src, tmp_path / "out", views=GRID, to=form)


def test_a_name_that_is_too_long_for_a_result_costs_that_item(src, tmp_path):
    (src / ("x" * 250 + ".bin")).write_bytes(bytes(range(200)))
    result = convert(src, tmp_path / "out", views=GRID)
    assert (result.converted, len(result.failed)) == (5, 1)
    assert "File name too long" in result.failed[0].error


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_names_that_are_not_utf8_are_packed(src, tmp_path, form):
    (src / os.fsdecode(b"caf\xe9.bin")).write_bytes(bytes(range(200)))
    assert convert(src, tmp_path / "out", views=GRID, to=form).converted == 6
    assert convert(src, tmp_path / "out", views=GRID, to=form).reused == 6


def test_drawn_on_a_device_images_are_within_a_grey_level(tmp_path):
    path = tmp_path / "waves.csv"
    path.write_text("".join(f"{np.sin(k / 5):.4f}\n" for k in range(200)))
    view = [make("mtf", size=32)]
    drawn = []
    for device in (None, "cpu"):
        (file,) = convert(path, tmp_path / str(device), views=view, device=device).files
        drawn.append(np.array(PIL.Image.open(file)))
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() <= 1


def contents(folder):
    return {name: (folder / name).read_bytes() for name in below(folder)}


@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_a_large_folder_is_converted_a_part_at_a_time_with_the_same_results(src, tmp_path, form, monkeypatch):
    for number in range(4):
        rows = "".join(f"{np.sin(k / 5 + number):.4f}\n" for k in range(60))
        (src / "dog" / f"{number}.csv").write_text(rows)
    (src / "cat" / "0.bin").write_bytes(b"")
    views = {"binary": GRID, "series": (make("gasf", size=16),)}
    monkeypatch.setattr(formats, "PER_SHARD", 3)
    whole = convert(src, tmp_path / "whole", views=views, to=form)
    monkeypatch.setattr(module, "PART", 3)
    parts = convert(src, tmp_path / "parts", views=views, to=form)
    assert pictures(tmp_path / "parts", form) == pictures(tmp_path / "whole", form)
    assert (parts.converted, parts.reused, len(parts.failed)) == (9, 0, 1)
    assert parts.failed == whole.failed
    assert sorted(file.relative_to(parts.out).as_posix() for file in parts.files) == below(parts.out)
    again = convert(src, tmp_path / "parts", views=views, to=form)
    assert (again.converted, again.reused, again.names) == (0, 9, parts.names)
    if form == "png":
        assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    if form == "webdataset":
        with tarfile.open(parts.files[0]) as tar:
            classes = {m.name: tar.extractfile(m).read() for m in tar if m.name.endswith(".cls")}
        assert set(classes.values()) == {b"0"}, "cat, of two classes that are in different parts"


def test_a_note_on_files_of_several_parts_is_told_once(src, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "PART", 2)
    for number in range(5):
        rows = "".join(f"{'' if k == 7 else np.sin(k / 5 + number)}\n" for k in range(60))
        (src / "cat" / f"{number}.csv").write_text(f"a\n{rows}")
    convert(src / "cat", tmp_path / "out", views={"series": (make("gasf", size=16),), "binary": GRID})
    noted = [message for message in caplog.messages if "missing" in message]
    assert len(noted) == 1
    assert noted[0].startswith("5 files: ")


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_the_size_of_a_shard_is_chosen_and_resumed(src, tmp_path, form, monkeypatch):
    monkeypatch.setattr(module, "PART", 3)  # parts are filled up to whole files
    first = convert(src, tmp_path / "out", views=GRID, to=form, shard_size=2)
    assert [len(pictures_of(file, form)) for file in first.files] == [2, 2, 1]
    first.files[1].unlink()
    again = convert(src, tmp_path / "out", views=GRID, to=form, shard_size=2)
    assert (again.converted, again.reused, again.names) == (2, 3, first.names)
    other = convert(src, tmp_path / "out", views=GRID, to=form, shard_size=4)
    assert [len(pictures_of(file, form)) for file in other.files] == [4, 1]
    assert below(tmp_path / "out") == sorted(file.name for file in other.files), (
        "those of another size are gone"
    )


def pictures_of(file, form):
    if form == "parquet":
        return pq.read_table(file).column("path").to_pylist()
    with tarfile.open(file) as tar:
        return [name for name in tar.getnames() if name.endswith(".png")]


@pytest.mark.parametrize(("form", "size"), [("png", 4), ("parquet", 0), ("webdataset", -1)])
def test_a_size_of_shards_that_is_none(src, tmp_path, form, size):
    with pytest.raises(ParameterError, match=f"shard_size .*got {size}"):
        convert(src, tmp_path / "out", views=GRID, to=form, shard_size=size)


BY_DATASETS = """
import json, os, sys
from pathlib import Path
os.environ["HF_HUB_OFFLINE"] = "1"
from datasets import Dataset, Image, load_dataset
found = load_dataset("parquet", data_files=sys.argv[1] + "/*.parquet", split="train", cache_dir=sys.argv[2])
again = Dataset.from_parquet(sorted(map(str, Path(sys.argv[1]).glob("*.parquet"))), cache_dir=sys.argv[2])
assert isinstance(found.features["image"], Image) and again.features == found.features
print(json.dumps([[row["path"], row["label"], row["image"].tobytes().hex()] for row in found]))
"""
BY_WEBDATASET = """
import json, sys
from pathlib import Path
import webdataset
shards = webdataset.WebDataset(sorted(map(str, Path(sys.argv[1]).glob("*.tar"))), shardshuffle=False)
rows = shards.decode("pil").to_tuple("png", "cls", "json")
found = [[about["path"], ["cat", "dog"][cls], image.convert("L").tobytes().hex()] for image, cls, about in rows]
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "script"),
    [("parquet", BY_DATASETS), ("webdataset", BY_WEBDATASET)],
    ids=["datasets", "webdataset"],
)
def test_the_packages_of_the_forms_read_them(src, tmp_path, form, script):
    def python(code, *words):
        # Elsewhere: the folder of the repository holds one called `datasets`.
        command = [sys.executable, "-P", "-c", code, *words]
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)

    convert(src, tmp_path / "out", views=GRID, to=form, shard_size=2)
    done = python(script, tmp_path / "out", tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    assert sorted(path for path, *_ in rows) == below(src)
    for path, label, pixels in rows:
        assert label == path.partition("/")[0]
        assert pixels == GRID[0](read(src / path, "binary")).pixels.tobytes().hex()
