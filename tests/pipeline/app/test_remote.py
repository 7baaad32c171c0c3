"""Sources and results on other file systems: the same results as here, resumed by content, complete or absent."""

import io
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from phosphene.converters import MissingExtra, ParameterError, ReadError, make
from phosphene.pipeline import Classifier, Recipe, train
from phosphene.pipeline.app.predict import predict
from phosphene.pipeline.classifier.embed import EmbedOptions, embed
from phosphene.pipeline.tiles import forms, remote
from phosphene.pipeline.tiles.convert import convert
from phosphene.pipeline.tiles.remote import RemoteSource, is_remote, local_file

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

GASF = (make("gasf", size=32),)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote") / "raw"
    rng = np.random.default_rng(0)
    for number in range(11):
        file = folder / "ab"[number % 2] / "deep" / f"{number:02}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a\n" + "".join(f"{value:.4f}\n" for value in rng.standard_normal(32)))
    (folder / "b" / "broken.csv").write_text("time,a\n0,1\n1,oops\n")
    (folder / ".hidden").write_text("1\n2\n")
    return folder


@pytest.fixture(scope="module")
def bucket(loopback, tmp_path_factory):
    """The URL of an empty bucket of a server on this machine."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    pytest.importorskip("s3fs")
    server.start()
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "of-no-use")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "of-no-use")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def store(request, raw):
    """The URL of an empty folder, with the raw files below `raw`."""
    url = request.getfixturevalue("bucket") if request.param == "s3" else "memory:/"
    folder = f"{url}/{request.node.name.partition('[')[0]}-{id(request)}"
    system, path = fsspec.core.url_to_fs(folder)
    for file in sorted(raw.rglob("*")):
        if file.is_file():
            system.makedirs(f"{path}/raw/{file.parent.relative_to(raw)}", exist_ok=True)
            system.put_file(str(file), f"{path}/raw/{file.relative_to(raw)}")
    return folder


def contents(url):
    if not is_remote(str(url)):
        return {str(file.relative_to(url)): file.read_bytes() for file in url.rglob("*") if file.is_file()}
    system, path = fsspec.core.url_to_fs(url)
    system.invalidate_cache()
    return {str(name).removeprefix(f"{path}/"): system.cat_file(name) for name in system.find(path)}


def images(found):
    """Contents without the manifest, whose name tells the source."""
    return {name: data for name, data in found.items() if not name.startswith("manifest-")}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["png", "parquet", "webdataset"])
def test_convert_gives_the_same_images_and_resumes(store, raw, tmp_path, form, monkeypatch):
    monkeypatch.setattr(forms, "PER_SHARD", 4)
    monkeypatch.setattr(remote, "MOST_FILES", 8)
    here = convert(raw, tmp_path / "out", views=GASF, to=form, workers=1, progress=False)
    there = convert(f"{store}/raw", f"{store}/out", views=GASF, to=form, workers=1, progress=False)
    if form == "png":
        assert images(contents(f"{store}/out")) == images(contents(tmp_path / "out"))
        assert sorted(contents(f"{store}/out").values()) == sorted(contents(tmp_path / "out").values())
    before = contents(f"{store}/out")
    assert (there.converted, there.reused, len(there.failed)) == (11, 0, 1)
    assert there.failed[0].error == here.failed[0].error.replace(str(raw), f"{store}/raw")
    again = convert(f"{store}/raw", f"{store}/out", views=GASF, to=form, workers=1, progress=False)
    assert (again.converted, again.reused, again.names) == (0, 11, there.names)
    system, path = fsspec.core.url_to_fs(f"{store}/out")
    lost = sorted(images(before))[0]
    system.pipe_file(f"{path}/{lost}", before[lost][:100])  # as a store that is no object store may leave it
    mended = convert(f"{store}/raw", f"{store}/out", views=GASF, to=form, workers=1, progress=False)
    assert mended.converted + mended.reused == 11
    assert 1 <= mended.converted <= 4
    assert contents(f"{store}/out") == before


def test_only_what_is_new_is_written(store, monkeypatch):
    convert(f"{store}/raw", f"{store}/out", views=GASF, workers=1, progress=False)
    put = []
    monkeypatch.setattr(
        type(fsspec.core.url_to_fs(store)[0]), "put_file", lambda self, *a, **k: put.append(a), raising=True
    )
    convert(f"{store}/raw", f"{store}/out", views=GASF, workers=1, progress=False)
    assert put == []


def test_shards_of_what_is_no_longer_so_are_removed(store):
    convert(f"{store}/raw", f"{store}/out", views=GASF, to="parquet", workers=1, progress=False)
    first = set(images(contents(f"{store}/out")))
    other = [make("gadf", size=32)]
    convert(f"{store}/raw", f"{store}/out", views=other, to="parquet", workers=1, progress=False)
    assert len(images(contents(f"{store}/out"))) == len(first) == 1
    assert set(images(contents(f"{store}/out"))) != first


@pytest.fixture(scope="module")
def model(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    shutil.copytree(raw, folder / "raw")
    (folder / "raw" / "b" / "broken.csv").unlink()
    recipe = Recipe(views="gasf(size=32)", arch="lenet", strategy="scratch", epochs=1, workers=1)
    train(folder / "raw", recipe, valid="none", out=folder / "model", progress=False)
    return folder / "model"


@pytest.mark.slow
def test_predict_names_the_files_as_they_are_called_there(store, raw, model, tmp_path):
    classifier = Classifier.load(model)
    predict(classifier, [str(raw)], out=tmp_path / "here.csv", workers=1)
    done = predict(classifier, [f"{store}/raw", f"{store}/nothing"], out=f"{store}/there.csv", workers=1)
    expected = (tmp_path / "here.csv").read_text().splitlines()
    system, path = fsspec.core.url_to_fs(f"{store}/there.csv")
    found = system.cat_file(path).decode().splitlines()
    assert [row.split(",")[:2] for row in found] == [
        row.replace(str(raw), f"{store}/raw").split(",")[:2] for row in expected
    ]
    assert (done.n, done.failures.n) == (11, 2)


@pytest.mark.slow
def test_embed_writes_the_same_features(store, raw, tmp_path):
    embed(raw, tmp_path / "here.parquet", EmbedOptions(GASF, workers=1))
    embed(f"{store}/raw", f"{store}/there.parquet", EmbedOptions(GASF, workers=1), kind="series")
    system, path = fsspec.core.url_to_fs(f"{store}/there.parquet")
    there = pq.read_table(io.BytesIO(system.cat_file(path))).to_pylist()
    here = pq.read_table(tmp_path / "here.parquet").to_pylist()
    assert [row["path"].replace(f"{store}/raw", str(raw)) for row in there] == [row["path"] for row in here]
    assert [row["embedding"] for row in there] == [row["embedding"] for row in here]


def test_the_command_line_takes_urls(store, model, phosphene):
    done = phosphene("convert", f"{store}/raw", f"{store}/out", "--as", "gasf(size=32)", "--json")
    assert (done.status, done.json["converted"]) == (1, 11)
    assert done.json["failed"][0]["path"] == f"{store}/raw/b/broken.csv"
    assert done.json["failed"][0]["error"].startswith(f"{store}/raw/b/broken.csv: ")
    told = phosphene("predict", model, f"{store}/raw/a/deep/00.csv", "--json")
    assert [one["path"] for one in told.json["predictions"]] == [f"{store}/raw/a/deep/00.csv"]


def test_what_cannot_be_is_told_in_one_line(tmp_path, raw, phosphene, monkeypatch):
    with pytest.raises(ReadError, match=r"memory://nowhere: no such file or folder"):
        RemoteSource("memory://nowhere")
    for url, why in (("nosuch://x", "nosuch"), ("s4://x", "s4")):
        done = phosphene("convert", url, tmp_path / "out", "--json")
        assert done.status == 2
        assert why in done.json["error"]
    done = phosphene("convert", "memory://a/raw", "memory://a", "--json")
    assert (done.status, done.json["error"].partition(":")[0]) == (2, "memory")
    with pytest.raises(ParameterError, match="name the kind"):
        embed("memory://nowhere", tmp_path / "out.parquet")
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(MissingExtra, match=r"pip install 'phosphene\[cloud\]'"):
        RemoteSource("memory://nowhere")


def test_a_table_that_fails_half_way_is_absent(tmp_path):
    with pytest.raises(ValueError, match="half way"), local_file("memory://half/way.csv") as path:
        path.write_bytes(b"half")
        raise ValueError("half way")
    assert not fsspec.filesystem("memory").exists("half/way.csv")


def test_a_large_folder_needs_its_kind_where_views_depend_on_it(store, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "MOST_FILES", 4)
    with pytest.raises(ParameterError, match="name their kind"):
        convert(f"{store}/raw", tmp_path / "out", workers=1, progress=False)
    assert not list(tmp_path.iterdir())
