"""A whole benchmark, small: every method a row, the same folds for all, nothing computed twice, no crash the end."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import ParameterError
from phosphene.datasets import Item, Manifest
from phosphene.pipeline import Recipe
from phosphene.pipeline.baselines.tabular import MODELS
from phosphene.pipeline.compare.estimators import (
    SERIES_MODELS,
    TABLE_MODELS,
    BenchmarkData,
    EstimatorSpec,
    PreparedEstimator,
    baseline_packages,
    chosen_specs,
    specs_of,
)
from phosphene.pipeline.compare.fold_results import (
    EstimatorRun,
    FoldResult,
    FoldStore,
    ItemPredictions,
    benchmark_folder,
)
from phosphene.pipeline.compare.run import fit_fold
from phosphene.pipeline.report.benchmark import benchmark
from phosphene.pipeline.strategies.estimator import Estimator, Fit

RECIPE = Recipe(views="line(size=32)", strategy="probe", workers=1)
QUICK = "images; summary + nearest; majority"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PHOSPHENE_CACHE", str(tmp_path / "cache"))


def write_series(folder, *, n=24, folds=3, seed=0):
    """Write slow and fast waves in noise, as files with a table beside them."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,label,fold" if folds else "path,label"]
    for number in range(n):
        name = ("slow", "fast")[number % 2]
        wave = np.sin(np.arange(60) * (0.1, 0.6)[number % 2] + rng.uniform(0, 6)) + rng.normal(0, 0.3, 60)
        np.savetxt(folder / f"{number}.csv", wave, fmt="%.5f")
        lines.append(f"{number}.csv,{name}" + (f",{number // 2 % folds + 1}" if folds else ""))
    table = folder / "meta.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def kept():
    return {
        path: path.stat().st_mtime_ns
        for path in benchmark_folder().rglob("*.npz")
        if "work" not in path.parts
    }


@pytest.mark.slow
def test_every_method_is_a_row_over_the_same_folds(tmp_path):
    summary = benchmark(
        write_series(tmp_path / "waves"), RECIPE, methods=QUICK, out=tmp_path / "out", progress=False
    )
    rows = {row.method: row for row in summary.rows}
    assert list(rows) == [
        "images", "best baseline", "stacked", "images, random weights", "summary + nearest", "majority"
    ]  # fmt: skip
    assert all(len(row.folds) == 3 and not row.error for row in rows.values())
    assert rows["majority"].score == pytest.approx(0.5, abs=0.2)
    assert rows["summary + nearest"].score > 0.9
    assert rows["best baseline"].folds == rows["summary + nearest"].folds
    assert rows["best baseline"].notes["chosen"] == ["summary + nearest"] * 3
    assert rows["images"].low <= rows["images"].score <= rows["images"].high
    assert all(rows[name].cost.prepare_s > 0 for name in ("images", "summary + nearest"))
    assert rows["images"].cost.peak_mib > 50
    assert rows["images"].cost.size_bytes > 10_000_000
    assert {point.method for point in summary.curves} == {
        "images",
        "images, random weights",
        "summary + nearest",
    }
    result = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert {row["method"] for row in result["rows"]} == set(rows)
    assert result["verdict"] == summary.verdict
    assert (tmp_path / "out" / "index.html").stat().st_size > 5_000
    assert len((tmp_path / "out" / "benchmark.csv").read_text().splitlines()) == 1 + len(rows)


@pytest.mark.slow
def test_nothing_is_computed_twice(tmp_path):
    table = write_series(tmp_path / "waves", folds=2)
    first = benchmark(table, RECIPE, methods="summary + nearest", progress=False)
    before = kept()
    moved = write_series(tmp_path / "elsewhere", folds=2)
    again = benchmark(moved, RECIPE, methods="summary + nearest", progress=False)
    assert before
    assert kept() == before
    assert [row.folds for row in again.rows] == [row.folds for row in first.rows]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path):
    table = write_series(tmp_path / "waves", n=60)
    names = "summary + random_forest; summary + logistic; catch22 + random_forest"
    code = (
        "from phosphene.pipeline import Recipe\n"
        "from phosphene.pipeline.report.benchmark import benchmark\n"
        f"benchmark({str(table)!r}, Recipe(views='line(size=32)', strategy='probe', workers=1),\n"
        f"          methods={names!r}, progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 200
        while not kept() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(2.5)  # its worker sees that it is alone, and ends
    before = kept()
    assert before
    benchmark(table, RECIPE, methods=names, progress=False)
    after = kept()
    assert len(after) > len(before)
    assert {path: after[path] for path in before} == before


def die(data):
    os._exit(3)


def prepare_faulty(data):
    return PreparedEstimator(_Faulty())


FATAL, FAULTY = (
    EstimatorSpec(name, "tables", {"name": name}, prepare)
    for name, prepare in (("fatal", die), ("faulty", prepare_faulty))
)


class _Faulty(Estimator):
    """Raises in its second fold."""

    def __init__(self):
        self.n_fits = 0

    def fit(self, indices, targets, groups, *, n_classes):
        self.n_fits += 1
        if self.n_fits == 2:
            raise ValueError("cannot go on")
        return Fit(n_classes, np.array([], int), np.zeros((0, n_classes)), 1)

    def predict_log_proba(self, model, indices):
        return np.zeros((len(indices), model))


@pytest.mark.slow
def test_a_method_that_fails_is_a_row_with_its_error(tmp_path, monkeypatch):
    from phosphene.pipeline.compare import run

    usual = specs_of("series", RECIPE)
    monkeypatch.setattr(run, "specs_of", lambda *_: (*usual, FATAL, FAULTY))
    summary = benchmark(
        write_series(tmp_path / "waves"),
        RECIPE,
        methods="fatal; faulty; majority",
        progress=False,
    )
    rows = {row.method: row for row in summary.rows}
    assert "died" in rows["fatal"].error
    assert rows["faulty"].error == "ValueError: cannot go on"
    assert np.isnan(rows["faulty"].score)
    assert not rows["majority"].error
    assert summary.verdict.startswith("No verdict")


@pytest.mark.slow
def test_data_without_a_split_gets_folds_and_a_warning(tmp_path):
    table = write_series(tmp_path / "waves", folds=0)
    summary = benchmark(table, RECIPE, methods="majority", progress=False)
    assert len(summary.rows[-1].folds) == 5
    assert any("folds" in warning for warning in summary.sets[0].warnings)


@pytest.mark.slow
def test_copies_across_folds_are_refused_unless_told(tmp_path):
    table = write_series(tmp_path / "waves")
    (tmp_path / "waves" / "2.csv").write_bytes((tmp_path / "waves" / "0.csv").read_bytes())
    with pytest.raises(ParameterError, match="leak"):
        benchmark(table, RECIPE, methods="majority", progress=False)
    summary = benchmark(table, RECIPE, methods="majority", on_leak="tell", progress=False)
    assert any("0.csv" in warning for warning in summary.sets[0].warnings)


@pytest.mark.slow
def test_files_that_cannot_be_read_are_left_out_for_all(tmp_path):
    table = write_series(tmp_path / "waves", folds=2)
    (tmp_path / "waves" / "5.csv").write_text("not, a; number\n\x00")
    summary = benchmark(table, RECIPE, methods="summary + nearest", progress=False)
    assert [Path(path).name for path, _ in summary.failed] == ["5.csv"]
    assert summary.rows[-1].scores.n == 23


@pytest.mark.slow
def test_several_sets_are_ranked(tmp_path):
    from phosphene.datasets import open_manifest

    manifests = [open_manifest(write_series(tmp_path / f"waves{seed}", seed=seed)) for seed in range(2)]
    manifests = [
        Manifest(m.items, m.kind, name=f"set {number}", metric=m.metric) for number, m in enumerate(manifests)
    ]
    summary = benchmark(manifests, RECIPE, methods="summary + nearest; majority", progress=False)
    assert summary.ranking.methods == ("summary + nearest", "majority")
    assert summary.ranking.n_sets == 2
    assert [one.name for one in summary.sets] == ["set 0", "set 1"]
    mean = np.mean([row.score for one in summary.sets for row in one.rows if row.method == "majority"])
    assert summary.rows[-1].score == pytest.approx(mean)


@pytest.mark.slow
def test_one_table_stands_for_all_sets(tmp_path):
    from phosphene.datasets import open_manifest

    waves = [open_manifest(write_series(tmp_path / f"waves{seed}", seed=seed)) for seed in range(2)]
    # Where each value stands tells the classes of this one apart; statistics of the values do not.
    table = write_series(tmp_path / "places")
    half = np.random.default_rng(0).normal(0, 1, 30)
    values = np.concatenate([half, -half])
    for number in range(24):
        own = np.random.default_rng(number).normal(0, 1.5, 60)
        np.savetxt(tmp_path / "places" / f"{number}.csv", values * (1, -1)[number % 2] + own, fmt="%.5f")
    places = open_manifest(table)
    named = [replace(manifest, name=f"set {number}") for number, manifest in enumerate((*waves, places))]
    methods = "raw + logistic; summary + nearest"

    def chosen(summary):
        rows = [row for one in summary.sets for row in one.rows if row.method == "best baseline"]
        return [set(row.notes["chosen"]) for row in rows]

    assert chosen(benchmark(places, RECIPE, methods=methods, progress=False)) == [{"raw + logistic"}]
    summary = benchmark(named, RECIPE, methods=methods, progress=False)
    assert chosen(summary) == [{"summary + nearest"}] * 3
    assert {point.method for one in summary.sets for point in one.curves} == {"summary + nearest"}


@pytest.mark.parametrize("kind", ["audio", "series", "mouse", "binary"])
def test_every_kind_has_its_methods(kind):
    names = [spec.name for spec in specs_of(kind, Recipe())]
    assert names[:2] == ["images", "images, random weights"]
    assert names[-1] == "majority"
    assert len(set(names)) == len(names)
    assert any("lightgbm" in name for name in names)
    assert ("minirocket" in names) == (kind == "series")


def test_names_of_methods_that_are_none():
    with pytest.raises(ParameterError, match="'forrest', which is none of: images; "):
        chosen_specs(specs_of("audio", Recipe()), "images; forrest")


def test_other_weights_in_a_file_of_the_same_name_are_another_method(tmp_path):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    before = specs_of("series", Recipe(weights=file))[0].config
    file.write_bytes(b"another")
    after = specs_of("series", Recipe(weights=file))[0].config
    assert after != before
    assert after == specs_of("series", Recipe(weights=file, workers=7))[0].config


def test_other_windows_are_other_fold_results(tmp_path):
    items = tuple(Item(Path(f"{n}.csv"), label="ab"[n % 2], fold=str(n // 4)) for n in range(8))
    manifest = Manifest(items, "series")
    (spec,) = chosen_specs(specs_of("series", RECIPE), "minirocket")
    keys = set()
    for windows in (None, "samples=10", "samples=20"):
        data = BenchmarkData(manifest, manifest.splits(), replace(RECIPE, windows=windows), "digest")
        run = EstimatorRun(data, spec, data.splits, FoldStore(tmp_path))
        keys |= {run.key(data.splits[0]), run.stage_key("features raw")}
    assert len(keys) == 6


def test_out_of_fold_predictions_are_those_of_the_right_items(tmp_path):
    from phosphene.datasets import open_manifest

    manifest = open_manifest(write_series(tmp_path / "waves"))
    data = BenchmarkData(manifest, manifest.splits(), RECIPE, progress=False)
    (spec,) = chosen_specs(specs_of("series", RECIPE), "summary + nearest")
    result = fit_fold(spec.prepare(data), data, data.splits[0])
    np.testing.assert_array_equal(result.test.indices, data.splits[0].test)
    np.testing.assert_array_equal(result.oof.indices, data.splits[0].train)
    labels = np.array([manifest.items[index].label for index in result.oof.indices])
    predicted = np.array(manifest.classes)[result.oof.log_proba.argmax(axis=1)]
    assert (predicted == labels).mean() > 0.9
    assert result.n_train == 16


def test_what_is_missing(tmp_path):
    manifest = Manifest(
        tuple(Item(Path(f"{n}.csv"), label="ab"[n % 2], fold=str(n // 4)) for n in range(8)), "series"
    )
    data = BenchmarkData(manifest, manifest.splits(), RECIPE, "digest")
    (spec,) = chosen_specs(specs_of("series", RECIPE), "majority")
    run = EstimatorRun(data, spec, data.splits, FoldStore(tmp_path))
    assert [split.name for split in run.missing] == ["0", "1"]
    predictions = ItemPredictions(np.array([0]), np.zeros((1, 2)))
    run.store.results.put(run.key(data.splits[0]), FoldResult(predictions, predictions, 3, 0.1, 0.2, 10))
    assert [split.name for split in run.missing] == ["1"]


def test_names_of_estimators_in_the_registry():
    assert tuple(name for name in MODELS if name != "majority") == TABLE_MODELS
    names = {spec.name for spec in specs_of("series", RECIPE)}
    assert {f"catch22 + {model}" for model in TABLE_MODELS} | set(SERIES_MODELS) < names


def test_the_packages_of_baselines_are_those_of_the_extra():
    assert baseline_packages() == ("aeon", "lightgbm", "pycatch22")
