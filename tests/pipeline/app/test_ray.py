"""Ray carries the work of commands: the same bytes as this machine's own processes give, also when a node dies."""

import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import ParameterError, make
from phosphene.pipeline import Classifier, Recipe, train
from phosphene.pipeline.app.predict import predict
from phosphene.pipeline.backbones import features as features_module
from phosphene.pipeline.classifier import classifier as classifier_module
from phosphene.pipeline.classifier import embed as embed_module
from phosphene.pipeline.classifier.embed import EmbedOptions, embed
from phosphene.pipeline.tiles.convert import convert
from phosphene.pipeline.tiles.engines import RayEngine, TaskError

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(240)]

GASF = (make("gasf", size=32),)


def write_series(folder, count, seed=0):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        rows = "\n".join(f"{value:.4f}" for value in rng.standard_normal(32))
        (folder / f"{number:03}.csv").write_text(f"a\n{rows}\n")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray") / "raw"
    write_series(folder / "a", 30, seed=1)
    write_series(folder / "b", 30, seed=2)
    (folder / "b" / "broken.csv").write_text("time,a\n0,1\n1,oops\n")
    (folder / "b" / "odd.csv").write_text("a\n" + "".join(f"{'' if n == 5 else n % 7}\n" for n in range(32)))
    return folder


@pytest.fixture(scope="module")
def model(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    recipe = Recipe(views="gasf(size=32)", arch="lenet", strategy="scratch", epochs=1, workers=1)
    train(raw, recipe, valid="none", out=folder / "model", progress=False)
    return Classifier.load(folder / "model")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes beside the one that this process is on, which does no work."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    small = {"object_store_memory": 80_000_000, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    small.pop("include_dashboard")
    made.nodes = [made.add_node(num_cpus=1, **small) for _ in range(2)]
    made.wait_for_nodes()
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", ["png", "parquet"])
def test_convert_gives_the_same_files_and_resumes_twice(cluster, raw, tmp_path, form):
    here = convert(raw, tmp_path / "here", views=GASF, to=form, progress=False)
    there = convert(raw, tmp_path / "there", views=GASF, to=form, engine="ray", progress=False)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert (there.converted, there.failed) == (61, here.failed)
    for path in list((tmp_path / "there").rglob("*.p*"))[:1]:
        path.unlink()
    again = convert(raw, tmp_path / "there", views=GASF, to=form, engine="ray", progress=False)
    assert again.converted + again.reused == 61
    assert again.reused < 61
    for engine in ("ray", "local"):
        done = convert(raw, tmp_path / "there", views=GASF, to=form, engine=engine, progress=False)
        assert (done.converted, done.reused) == (0, 61)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_predict_gives_the_same_table_failures_and_notes(cluster, raw, model, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(classifier_module, "PART", 16)
    monkeypatch.setenv(
        "PHOSPHENE_CACHE", str(tmp_path / "cache")
    )  # else here what was drawn there is not read again
    text = "a\n" + "".join(f"{'' if n in (9, 12) else n % 5}\n" for n in range(32))
    (raw / "b" / "new.csv").write_text(text)
    found, told = {}, {}
    for engine in ("local", "ray"):
        caplog.clear()
        found[engine] = predict(model, [str(raw)], out=tmp_path / f"{engine}.csv", engine=engine, workers=1)
        told[engine] = [message for message in caplog.messages if "new.csv" in message]
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
    assert found["ray"].failures.first == found["local"].failures.first
    assert (found["ray"].n, found["ray"].failures.n) == (62, 1)
    (raw / "b" / "new.csv").unlink()
    assert told["ray"] == told["local"] != []


def test_embed_gives_the_same_table(cluster, raw, tmp_path, monkeypatch):
    monkeypatch.setattr(embed_module, "PART", 16)
    for engine in ("local", "ray"):
        options = EmbedOptions(GASF, workers=1, engine=engine)
        done = embed(raw, tmp_path / f"{engine}.parquet", options)
        assert (done.n, len(done.failures)) == (61, 1)
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()


def test_a_probe_learns_the_same_from_features_of_the_cluster(cluster, raw, tmp_path, monkeypatch):
    """Also where the nodes do not share the tiles of this machine, and draw them themselves."""
    monkeypatch.setattr(features_module, "AT_A_TIME", 16)
    stream, streamed = RayEngine.stream, []

    def elsewhere(self, function, tasks):
        streamed.append(function)
        shutil.rmtree(tmp_path / "cache-ray" / "tiles")
        return stream(self, function, tasks)

    monkeypatch.setattr(RayEngine, "stream", elsewhere)
    folders = {}
    for engine in ("local", "ray"):
        monkeypatch.setenv("PHOSPHENE_CACHE", str(tmp_path / f"cache-{engine}"))
        recipe = Recipe(views="gasf(size=32),line(size=32)", strategy="probe", workers=1, engine=engine)
        done = train(raw, recipe, valid="none", out=tmp_path / engine, progress=False)
        assert (len(done.failures), len(streamed)) == (1, engine == "ray")
        folders[engine] = contents(tmp_path / engine)
    assert folders["ray"][Path("model.safetensors")] == folders["local"][Path("model.safetensors")]
    assert folders["ray"].keys() == folders["local"].keys()


def test_an_error_of_a_part_is_the_error_of_the_run(cluster, raw, tmp_path):
    def refuse(part):
        raise ParameterError(f"not {part}")

    with pytest.raises(ParameterError, match="not 3"):
        list(RayEngine(1).stream(refuse, [3]))


def test_a_node_that_is_killed_half_way_costs_nothing(cluster, raw, tmp_path):
    """Chunks of many small tasks, and parts: both go on where nodes are left."""
    engine = RayEngine(1)
    victim = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    cluster.wait_for_nodes()

    def slow(task):
        time.sleep(0.05)
        return task * 2

    tasks = [list(range(start, start + 8)) for start in range(0, 160, 8)]
    outcomes = {}
    for task, result in engine.map(slow, tasks):
        outcomes[task] = result
        if len(outcomes) == 40:
            cluster.remove_node(victim, allow_graceful=False)
    assert outcomes == {task: task * 2 for task in range(160)}
    victim = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    cluster.wait_for_nodes()
    results = []
    for result in engine.stream(slow, iter(range(60))):
        results.append(result)
        if len(results) == 20:
            cluster.remove_node(victim, allow_graceful=False)
    assert results == [task * 2 for task in range(60)]


def test_a_task_that_kills_every_process_is_blamed_in_the_end(cluster):
    def exits(task):
        if task == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return task

    outcomes = dict(RayEngine(1).map(exits, [[1, 2], [3, 4]]))
    assert outcomes == {1: 1, 2: 2, 3: TaskError("the process that read it died"), 4: 4}
