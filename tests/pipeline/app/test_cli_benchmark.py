"""`phosphene benchmark` as people and programs meet it."""

import pytest

from phosphene.datasets import make_synthetic
from phosphene.pipeline.app import arguments

QUICK = ("--methods", "summary + nearest; majority", "--workers", "1")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOSPHENE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    make_synthetic("series", folder / "raw", items_per_class=6)
    return folder


@pytest.fixture(scope="module")
def done(raw, cache, phosphene):
    return phosphene("benchmark", raw / "raw", "--out", raw / "out", *QUICK, "--json")


def test_programs_get_rows_and_a_verdict(done, raw):
    assert done.status == 0
    assert {"rows", "verdict", "metric", "curves", "sets", "warnings", "failed", "seconds"} <= set(done.json)
    rows = {row["method"]: row for row in done.json["rows"]}
    assert list(rows) == ["best baseline", "summary + nearest", "majority"]
    assert {"method", "kind", "score", "low", "high", "seconds"} <= set(rows["majority"])
    assert rows["majority"]["kind"] == "floor"
    assert len(rows["majority"]["folds"]) == 5
    assert "five" in done.json["warnings"][0] or "5 folds" in done.json["warnings"][0]
    assert {path.name for path in (raw / "out").iterdir()} == {
        "index.html",
        "benchmark.csv",
        "benchmark.json",
    }


def test_people_get_a_table(done, raw, cache, phosphene):
    told = phosphene("benchmark", raw / "raw", *QUICK)
    assert told.status == 0
    assert "summary + nearest" in told.out
    assert "No verdict: images not run" in told.out
    assert max(map(len, told.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--methods", "forrest"), "'forrest', which is none of: images;"),
        (("--on-leak", "ignore"), "--on-leak"),
        (("--as", "mel", "--kind", "series"), "mel"),
    ],
)
def test_wrong_use_is_told_before_any_work(raw, cache, phosphene, options, words):
    wrong = phosphene("benchmark", raw / "raw", *options)
    assert wrong.status == 2
    assert words in wrong.err


def test_missing_packages_are_named(raw, cache, phosphene, monkeypatch):
    from phosphene.pipeline.compare import run

    monkeypatch.setattr(run, "baseline_packages", lambda: ("lightgbm", "nosuchpackage"))
    wrong = phosphene("benchmark", raw / "raw", *QUICK)
    assert wrong.status == 2
    assert "needs nosuchpackage: pip install 'phosphene[baselines]'" in wrong.err


def test_ucr_stands_for_all_its_sets(monkeypatch):
    from argparse import Namespace

    import phosphene.datasets as module

    opened = []
    monkeypatch.setattr(module, "open_protocol", lambda name, data: opened.append(name) or name)
    found = arguments.manifests_of(Namespace(src="ucr", data="folder", kind=None))
    assert len(found) == 16
    assert opened[0] == "ucr/OliveOil"
