"""How files are read, said on the command line: options that reach every reader, and notes that reach the person."""

import csv
import json

import numpy as np
import pytest

from phosphene.datasets import make_synthetic, open_manifest
from phosphene.pipeline.app.text import collected

SMALL = ("--as", "gasf(size=32)", "--workers", "1")


def write_wide(path, n=24, classes=2, *, last="class"):
    """Write a table of an item a row; rows of a class differ in their frequency."""
    rng, time = np.random.default_rng(0), np.linspace(0, 1, 40)
    rows = [",".join([*(f"v{k}" for k in range(40)), last])]
    for k in range(n):
        values = np.sin(2 * np.pi * (3 + 5 * (k % classes)) * time) + 0.1 * rng.standard_normal(40)
        rows.append(",".join([*(f"{value:.4f}" for value in values), str(k % classes)]))
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    return write_wide(tmp_path_factory.mktemp("wide") / "wide.csv")


@pytest.fixture(scope="module")
def model(wide, phosphene):
    folder = wide.parent / "model"
    arguments = ("--label", "class", "--columns", ",".join(f"v{k}" for k in range(40)), "--strategy", "probe")
    done = phosphene("train", wide, "--out", folder, *SMALL, *arguments, "--json")
    assert done.status == 0, done.err
    assert done.json["classes"] == ["0", "1"]
    assert done.json["summary"].startswith("series: 24 items in 1 file, 2 classes")
    return folder


def test_a_classifier_reads_as_it_was_trained(wide, model, phosphene):
    config = json.loads((model / "config.json").read_text())
    assert config["options"]["label"] == "class"
    assert len(config["options"]["columns"]) == 40
    done = phosphene("predict", model, wide, "--workers", "1", "--json")
    assert (done.status, done.json["failed"]) == (0, [])
    assert [p["path"] for p in done.json["predictions"]] == [f"{wide}#row={k}" for k in range(24)]
    right = [p["label"] == str(k % 2) for k, p in enumerate(done.json["predictions"])]
    assert np.mean(right) > 0.9


def test_predict_writes_a_table_and_goes_on_after_a_bad_file(wide, model, phosphene, tmp_path):
    good = tmp_path / "folder"
    good.mkdir()
    for k in range(2):
        np.savetxt(good / f"{k}.csv", np.sin(np.arange(40) * (k + 1)))
    (good / "bad.csv").write_text("a,b\n1,2\noops\n")
    out = tmp_path / "predictions.csv"
    arguments = ("--layout", "columns", "--columns", "1", "--label", "none", "--workers", "1")
    done = phosphene("predict", model, good, tmp_path / "gone.csv", "--out", out, *arguments, "--json")
    assert done.status == 1
    assert (done.json["n"], done.json["out"]) == (2, str(out))
    assert {one["path"] for one in done.json["failed"]} == {str(good / "bad.csv"), str(tmp_path / "gone.csv")}
    with out.open() as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "label", "0", "1", "novelty", "nearest_1", "nearest_2", "nearest_3"]
    assert [row[0] for row in rows] == [str(good / "0.csv"), str(good / "1.csv")]
    assert all(float(row[2]) + float(row[3]) == pytest.approx(1, abs=1e-4) for row in rows)


def test_options_are_part_of_the_key_of_an_image(phosphene, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    np.savetxt(
        raw / "a.csv", np.random.default_rng(0).random((50, 2)), delimiter=",", header="x,y", comments=""
    )
    first = phosphene("convert", raw, tmp_path / "out", *SMALL, "--columns", "x", "--json")
    picture = (tmp_path / "out" / "a.csv.png").read_bytes()
    assert first.json["converted"] == 1
    assert first.json["summary"] == "series: 1 file, no labels"
    again = phosphene("convert", raw, tmp_path / "out", *SMALL, "--columns", "x", "--json")
    assert (again.json["converted"], again.json["reused"]) == (0, 1)
    other = phosphene("convert", raw, tmp_path / "out", *SMALL, "--columns", "y", "--json")
    assert other.json["converted"] == 1
    assert (tmp_path / "out" / "a.csv.png").read_bytes() != picture


def test_notes_of_files_are_said_once_with_their_number(phosphene, tmp_path):
    (tmp_path / "raw").mkdir()
    for k in range(3):
        rows = [str(v) if v % 7 else "" for v in range(1, 60)]
        (tmp_path / "raw" / f"{k}.csv").write_text("\n".join(["x", *rows]) + "\n")
    done = phosphene("convert", tmp_path / "raw", tmp_path / "out", *SMALL, "--json")
    (note,) = [note for note in done.json["notes"] if "missing" in note]
    assert note.startswith("3 files: ")
    assert note.endswith(f"(such as {tmp_path / 'raw' / '0.csv'})")
    assert done.err.count(note) == 1
    assert done.err.startswith("series: 3 files, no labels\n")


def test_strict_refuses_what_can_be_read_with_a_loss(phosphene, tmp_path):
    (tmp_path / "raw").mkdir()
    make_synthetic("audio", tmp_path / "made", items_per_class=1)
    sound = next((tmp_path / "made").glob("*/*.wav")).read_bytes()
    (tmp_path / "raw" / "cut.wav").write_bytes(sound[: len(sound) // 2])
    arguments = ("--as", "mel(size=32)", "--workers", "1", "--json")
    loose = phosphene("convert", tmp_path / "raw", tmp_path / "out", *arguments)
    assert loose.status == 0
    assert any("cut short" in note for note in loose.json["notes"])
    strict = phosphene("convert", tmp_path / "raw", tmp_path / "out", *arguments, "--strict")
    assert strict.status == 1
    assert "--strict" in strict.json["failed"][0]["error"]


def test_show_says_what_the_reader_noted(wide, phosphene, tmp_path):
    done = phosphene("show", wide, "--as", "gasf(size=32)", "--out", tmp_path / "a.png", "--json")
    assert done.json["path"] == f"{wide}#row=0"
    assert "each row is taken as an item" in done.json["notes"][0]
    columns = phosphene(
        "show", wide, "--as", "gasf(size=32)", "--out", tmp_path / "a.png", "--layout", "columns"
    )
    assert "24 samples of 40 channels" in columns.out


def test_group_and_label_columns_of_a_table_of_items(phosphene, tmp_path):
    make_synthetic("series", tmp_path / "made", items_per_class=4)
    files = sorted((tmp_path / "made").glob("*/*.csv"))
    lines = [f"{file},{file.parent.name},{k % 4}" for k, file in enumerate(files)]
    table = tmp_path / "items.csv"
    table.write_text("\n".join(["path,what,subject", *lines]) + "\n")
    done = phosphene(
        "cross-validate", table, *SMALL, "--strategy", "probe", "--label", "what", "--group", "none", "--json"
    )
    assert done.status == 0, done.err
    assert "12 files, 3 classes from column 'what'" in done.json["summary"]
    assert not any("stay on one side" in note for note in done.json["notes"])


def test_a_protocol_has_its_own_labels(phosphene, tmp_path):
    done = phosphene(
        "train", "ucr/ItalyPowerDemand", "--data", tmp_path, "--out", tmp_path / "m", "--label", "x"
    )
    assert done.status == 2


def test_predict_writes_selections_and_label_tracks(phosphene, tmp_path):
    make_synthetic("audio", tmp_path / "raw", items_per_class=3)
    quick = ("--as", "mel(size=32)", "--workers", "1")
    done = phosphene(
        "train", tmp_path / "raw", "--out", tmp_path / "m", "--strategy", "probe", "--windows", "none", *quick
    )
    assert done.status == 0, done.err
    sound = sorted((tmp_path / "raw").glob("*/*.wav"))[0]
    arguments = ("--windows", "t=1", "--workers", "1")
    raven, track = tmp_path / "raven.txt", tmp_path / "track.txt"
    assert (
        phosphene("predict", tmp_path / "m", sound, "--to", "raven", "--out", raven, *arguments).status == 0
    )
    header, *rows = [line.split("\t") for line in raven.read_text().splitlines()]
    assert header[3:5] == ["Begin Time (s)", "End Time (s)"]
    assert (rows[0][3], rows[0][4], rows[0][7]) == ("0.000000", "1.000000", str(sound))
    assert (
        phosphene("predict", tmp_path / "m", sound, "--to", "audacity", "--out", track, *arguments).status
        == 0
    )
    labels = [line.split("\t") for line in track.read_text().splitlines()]
    assert [(begin, end) for begin, end, _ in labels] == [(row[3], row[4]) for row in rows]
    found = open_manifest(raven)
    assert [item.label for item in found.items] == [row[9] for row in rows]
    several = phosphene("predict", tmp_path / "m", tmp_path / "raw", "--to", "audacity", "--out", track)
    assert several.status == 2
    assert "--to raven" in several.err


def test_no_such_device(phosphene, wide, model, tmp_path):
    done = phosphene("predict", model, wide, "--device", "cuda:77")
    assert done.status == 2
    assert "device" in done.err


def test_notes_are_collected_only_meanwhile(capsys):
    import logging

    with collected() as notes:
        logging.getLogger("phosphene").warning("twice")
        logging.getLogger("phosphene").warning("twice")
    assert notes.result == {"summary": "", "notes": ["twice"]}
    assert capsys.readouterr().err == "twice\n"


def test_embed_writes_a_row_for_each_item(phosphene, tmp_path):
    import pyarrow.parquet as pq

    make_synthetic("series", tmp_path / "raw", items_per_class=2)
    (tmp_path / "raw" / "normal" / "bad.csv").write_text("a,b\n1,2\noops\n")
    out = tmp_path / "features.parquet"
    done = phosphene(
        "embed", tmp_path / "raw", out, "--as", "gasf(size=32),gadf(size=32)", "--workers", "1", "--json"
    )
    assert done.status == 1
    assert [failure["path"] for failure in done.json["failed"]] == [
        str(tmp_path / "raw" / "normal" / "bad.csv")
    ]
    table = pq.read_table(out)
    assert table.column_names == ["path", "fragment", "label", "embedding"]
    assert (len(table), done.json["n"]) == (6, 6)
    features = np.array(table["embedding"].to_pylist())
    assert features.shape == (6, done.json["features"])
    assert np.isfinite(features).all()
    assert np.ptp(features, axis=0).max() > 0
    assert set(table["label"].to_pylist()) == {"bearing", "imbalance", "normal"}
    wrong = phosphene("embed", tmp_path / "raw", out, "--as", "gasf", "--layer", "nowhere")
    assert wrong.status == 2
    assert "layer of efficientnet_lite0 must be one of" in wrong.err


@pytest.mark.parametrize(
    "words", [("--layout", "rows"), ("--columns", "a"), ("--time", "t"), ("--label", "x")]
)
def test_options_of_tables_are_refused_for_sound(phosphene, tmp_path, words):
    make_synthetic("audio", tmp_path / "raw", items_per_class=1)
    sound = next((tmp_path / "raw").glob("*/*.wav"))
    for command in (
        ("convert", tmp_path / "raw", tmp_path / "out"),
        ("show", sound),
        ("convert", sound, tmp_path / "out"),
    ):
        done = phosphene(*command, *words)
        assert (done.status, len(done.err.splitlines())) == (2, 1), done.err
        assert words[0] in done.err
    assert not (tmp_path / "out").exists()
