"""A large folder is embedded a part at a time: the rows of the whole, with labels, and the failures."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from phosphene.converters import ParameterError, make
from phosphene.pipeline.classifier import embed as module
from phosphene.pipeline.classifier.embed import EmbedOptions, embed

GASF = (make("gasf", size=32),)


@pytest.fixture
def raw(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(7):
        file = tmp_path / "raw" / "ab"[number % 2] / f"{number}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a\n" + "".join(f"{value:.4f}\n" for value in rng.standard_normal(32)))
    (tmp_path / "raw" / "b" / "broken.csv").write_text("time,a\n0,1\n1,oops\n")
    return tmp_path / "raw"


def test_rows_labels_and_failures_are_those_of_the_whole(raw, tmp_path, monkeypatch):
    whole = embed(raw, tmp_path / "whole.parquet", EmbedOptions(GASF, workers=1))
    monkeypatch.setattr(module, "PART", 3)
    parts = embed(raw, tmp_path / "parts.parquet", EmbedOptions(GASF, workers=1))
    assert (parts.n, parts.n_features, parts.failures) == (7, whole.n_features, whole.failures)
    rows = [pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("whole", "parts")]
    for one, other in zip(*rows, strict=True):
        assert (one["path"], one["label"]) == (other["path"], other["label"])
        np.testing.assert_allclose(one["embedding"], other["embedding"], atol=1e-4)


def test_a_large_folder_of_several_kinds_is_refused(raw, tmp_path, monkeypatch):
    (raw / "a" / "x.exe").write_bytes(b"MZ" + bytes(200))
    monkeypatch.setattr(module, "PART", 3)
    with pytest.raises(ParameterError, match=r"several kinds: .*binary; name the kind"):
        embed(raw, tmp_path / "out.parquet", EmbedOptions(workers=1))
