"""Folders, tables and archives to manifests, and what is said of those that are wrong."""

import logging
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from phosphene.converters import ParameterError, ReadError, ReadOptions, read
from phosphene.converters.series import SeriesReader
from phosphene.datasets.sources import find_files, open_manifest
from phosphene.datasets.windows import cut_each

PROGRAM = bytes(range(256))
NUMBERS = "".join(f"{np.sin(k / 5):.4f}\n" for k in range(40)).encode()


def lay(folder, *names, data=PROGRAM):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def named(folder, items):
    return [(str(item.path.relative_to(folder)), item.label, item.split) for item in items]


def test_the_first_folder_is_the_class(tmp_path):
    lay(tmp_path, "dog/2.bin", "dog/deep/er/1.bin", "cat/1.bin", ".hidden/1.bin", "cat/.DS_Store")
    manifest = open_manifest(tmp_path)
    assert named(tmp_path, manifest.items) == [
        ("cat/1.bin", "cat", None), ("dog/2.bin", "dog", None), ("dog/deep/er/1.bin", "dog", None),
    ]  # fmt: skip
    assert (manifest.kind, manifest.name) == ("binary", tmp_path.name)


def test_folders_called_train_and_test_are_splits(tmp_path):
    lay(tmp_path, "train/cat/1.bin", "train/dog/1.bin", "val/dog/1.bin", "test/cat/1.bin")
    assert named(tmp_path, open_manifest(tmp_path).items) == [
        ("test/cat/1.bin", "cat", "test"), ("train/cat/1.bin", "cat", "train"), ("train/dog/1.bin", "dog", "train"),
        ("val/dog/1.bin", "dog", "valid"),
    ]  # fmt: skip


def test_a_class_may_be_called_test_among_other_classes(tmp_path):
    lay(tmp_path, "test/1.bin", "control/1.bin")
    assert open_manifest(tmp_path).classes == ("control", "test")


def test_files_in_no_class_are_left_out_aloud(tmp_path, caplog):
    lay(tmp_path, "cat/1.bin", "README", "train.log")
    with caplog.at_level(logging.WARNING, "phosphene"):
        assert len(open_manifest(tmp_path)) == 1
    assert "2 files lie in no class folder and are left out: README, train.log" in caplog.text


def test_a_flat_folder_has_no_labels(tmp_path):
    lay(tmp_path, "a.bin", "b.bin")
    assert open_manifest(tmp_path).labels.tolist() == [None, None]


def test_unreadable_files_are_listed_and_do_not_decide_the_kind(tmp_path):
    lay(tmp_path, "cat/1.bin")
    lay(tmp_path, "cat/empty", data=b"")
    (tmp_path / "cat" / "gone").symlink_to(tmp_path / "nowhere")
    manifest = open_manifest(tmp_path)
    assert (len(manifest), manifest.kind) == (3, "binary")


def test_links_are_followed_once_and_that_is_told(tmp_path):
    lay(tmp_path / "there", "1.bin")
    lay(tmp_path / "src", "cat/1.bin")
    (tmp_path / "src" / "dog").symlink_to(tmp_path / "there")
    (tmp_path / "src" / "hound").symlink_to(tmp_path / "there")
    (tmp_path / "src" / "cat" / "round").symlink_to(tmp_path / "src")
    manifest = open_manifest(tmp_path / "src")
    assert [item.label for item in manifest.items] == ["cat", "dog"]
    (note,) = manifest.notes
    assert "2 links" in note
    assert note.endswith("left out: cat/round, hound")


def test_pipes_are_listed_and_fail_by_name(tmp_path):
    lay(tmp_path / "src", "cat/1.bin")
    os.mkfifo(tmp_path / "src" / "cat" / "pipe")
    manifest = open_manifest(tmp_path / "src")
    assert len(manifest.items) == 2
    assert [failure.error.partition(": a pipe")[0] for failure in manifest.failures] == [
        f"{tmp_path}/src/cat/pipe"
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
def test_a_folder_that_may_not_be_listed_is_one_failure():
    with tempfile.TemporaryDirectory() as folder:  # others may not enter the folders of pytest
        src = Path(folder, "src")
        lay(src, "cat/1.bin", "dog/1.bin", "emu/1.bin")
        Path(folder).chmod(0o755)
        (src / "dog").chmod(0o000)
        (src / "emu").chmod(0o444)
        os.seteuid(65534)
        try:
            manifest = open_manifest(src)
            with pytest.raises(ReadError, match=r"dog: cannot be listed \(Permission denied\)"):
                open_manifest(src / "dog")
        finally:
            os.seteuid(0)
        assert [(item.label, item.path.name) for item in manifest.items] == [
            ("cat", "1.bin"), ("dog", "dog"), ("emu", "1.bin"),
        ]  # fmt: skip
        assert [failure.error for failure in manifest.failures] == [
            f"{src}/dog: may not be read; change its permissions",
            f"{src}/emu/1.bin: may not be read; change its permissions",
        ]


def test_mixed_kinds_are_counted(tmp_path):
    lay(tmp_path, "x/1.bin", "x/2.bin")
    lay(tmp_path, "x/1.csv", data=NUMBERS)
    with pytest.raises(ParameterError) as caught:
        open_manifest(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: holds files of several kinds: ")
    assert "2 binary (such as " in str(caught.value)
    assert "1 series (such as " in str(caught.value)
    assert str(caught.value).endswith("name the kind, or part the files")
    assert open_manifest(tmp_path, kind="binary").kind == "binary"
    assert len(find_files(tmp_path)) == 3


def test_ucr_halves_are_splits(tmp_path):
    rows = "".join(
        f"{k % 2 + 1}\t" + "\t".join(f"{np.sin(k + t / 3):.3f}" for t in range(20)) + "\n" for k in range(6)
    )
    lay(tmp_path, "Waves_TRAIN.tsv", "Waves_TEST.tsv", data=rows.encode())
    manifest = open_manifest(tmp_path)
    assert (manifest.kind, len(manifest), manifest.classes) == ("series", 12, ("1", "2"))
    assert [str(item.fragment) for item in manifest.items[:2]] == ["row=0", "row=1"]
    (split,) = manifest.splits()
    assert {manifest.items[k].path.name for k in split.test} == {"Waves_TEST.tsv"}
    assert {manifest.items[k].path.name for k in split.train} == {"Waves_TRAIN.tsv"}
    alone = open_manifest(tmp_path / "Waves_TRAIN.tsv")
    assert (len(alone), {item.split for item in alone.items}) == (6, {None})
    (tmp_path / "all").mkdir()
    lay(tmp_path / "all", "Waves/Waves_TRAIN.tsv", "Waves/Waves_TEST.tsv", data=rows.encode())
    with pytest.raises(
        ParameterError, match=r"one of several sets of labelled series; name the folder .*/all/Waves$"
    ):
        open_manifest(tmp_path / "all")


def ucr_rows(count):
    rows = ([k % 2 + 1, *(f"{np.sin(k + t / 3):.3f}" for t in range(20))] for k in range(count))
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()


@pytest.mark.parametrize("kind", [None, "series"])
def test_what_lies_beside_a_ucr_set_is_no_item(tmp_path, caplog, kind):
    waves = tmp_path / "all" / "Waves"
    halves = ("Waves_TEST.tsv", "Waves_TRAIN.tsv")
    lay(waves, *halves, data=ucr_rows(6))
    alone = open_manifest(waves, kind=kind)
    assert (len(alone), caplog.text) == (12, "")
    lay(waves, "README.md", "Waves.txt", data=b"# Waves\n\nSome words, 150 numbers a row: 1, 2\n")
    assert open_manifest(waves, kind=kind) == alone
    assert f"{waves}: 2 files lie beside a UCR set and are left out: README.md, Waves.txt" in caplog.text
    lay(waves, "LICENSE", "notes.csv", "waves.png", "__MACOSX/._Waves", "figures/1.png")
    assert open_manifest(waves, kind=kind) == alone
    assert f"{waves}: 1 file lies below a UCR set and is left out: 1.png" in caplog.text
    assert {item.path.name for item in find_files(tmp_path)} == set(halves)
    assert "1 file is no data and is left out: 1.png" in caplog.text
    assert [item.label for item in find_files(tmp_path / "all" / "Waves", beside=waves / "figures")] == list(
        alone.labels
    )
    with pytest.raises(ParameterError, match=r"name the folder .*/all/Waves$"):
        open_manifest(tmp_path / "all", kind=kind)


def test_half_of_a_ucr_set_that_cannot_be_read_is_kept_and_fails_by_name(tmp_path):
    lay(tmp_path, "Waves_TRAIN.tsv", data=ucr_rows(6))
    lay(tmp_path, "Waves_TEST.tsv", "README.md", data=b"")
    assert [item.path.name for item in open_manifest(tmp_path).items] == ["Waves_TEST.tsv"] + 6 * [
        "Waves_TRAIN.tsv"
    ]


def table(folder, text, *, name="meta.csv"):
    lay(folder, "a.bin", "b.bin", "sub/c.bin")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_table_with_folds_groups_and_other_columns(tmp_path):
    path = table(
        tmp_path, "\ufeffPath, label,colour,fold,group\na.bin,x,red,1,g\n\nsub/c.bin#bytes=0-99,y,,2,h\n"
    )
    manifest = open_manifest(path)
    first, second = manifest.items
    assert (first.path, first.label, first.fold, first.group) == (tmp_path / "a.bin", "x", "1", "g")
    assert (str(second.fragment), second.label, second.fold) == ("bytes=0-99", "y", "2")
    assert manifest.name == tmp_path.name
    assert open_manifest(tmp_path).items == manifest.items


def test_a_table_with_splits(tmp_path):
    path = table(tmp_path, "path,label,split\na.bin,x,train\nb.bin,x,VAL\nsub/c.bin,y,test\n")
    assert [item.split for item in open_manifest(path).items] == ["train", "valid", "test"]


TABLES = [
    ("path,fold\na.bin,1\n", "has no column of labels, only path, fold; name one: --label COLUMN"),
    ("path,path,label\na.bin,b.bin,x\n", "line 1 must have one column 'path'"),
    ("path,label\na.bin,x\nb.bin,\n", "line 3 has an empty label; fill it in"),
    ("path,label\n,x\n", "line 2 has an empty path; fill it in"),
    ("path,label,fold\na.bin,x,1\nb.bin,x,\n", "line 3 has an empty fold; fill it in"),
    (
        "path,label\nd.bin,x\ne.bin,x\n",
        "line 2: {0}/d.bin: no such file (and 1 more); paths count from {0}",
    ),
    (
        "path,label\na.bin,x\na.bin,y\n",
        "line 3: {0}/a.bin stands in line 2 already as 'x', now as 'y'; keep one",
    ),
    ("path,label\na.bin,x\na.bin,x\n", "line 3: {0}/a.bin stands in line 2 already; keep one"),
    ("path,label,split\na.bin,x,holdout\n", "line 2 has the split 'holdout'; write train, valid or test"),
    ("path,label\na.bin,x,y\n", "line 2 has 3 cells, the header 2; quote cells with commas"),
    ("path,label\na.bin#row=x,x\n", "line 2: #row=x is no fragment; write #row=12"),
    ("path,label\n", "has a header but no rows; write one row an item"),
]


@pytest.mark.parametrize(("text", "message"), TABLES)
def test_a_wrong_table_names_the_line(tmp_path, text, message):
    path = table(tmp_path, text)
    with pytest.raises(ReadError) as caught:
        open_manifest(path)
    assert str(caught.value).startswith(f"{path}: {message.format(tmp_path)}")


def test_a_name_that_no_file_can_have_fails_by_name_and_the_others_are_taken(tmp_path):
    long = "n" * 300
    manifest = open_manifest(table(tmp_path, f"path,label\na.bin,x\nb.bin,x\n{long},y\n"))
    assert [item.path.name for item in manifest.items] == ["a.bin", "b.bin", long]
    assert [failure.error.partition(";")[0] for failure in manifest.failures] == [
        f"{tmp_path}/{long}: cannot be opened (File name too long)",
    ]


def test_a_table_of_measurements_is_one_series(tmp_path):
    lay(tmp_path, "waves.csv", data=b"time,x\n" + b"".join(b"%d,%d\n" % (k, k * k) for k in range(40)))
    (item,) = open_manifest(tmp_path / "waves.csv").items
    assert item.label is None


def test_a_table_in_another_encoding(tmp_path):
    (tmp_path / "meta.csv").write_bytes("path,label\nä.bin,x\n".encode("latin-1"))
    with pytest.raises(ReadError, match=r"meta.csv: is not UTF-8 text; save it as UTF-8"):
        open_manifest(tmp_path / "meta.csv")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "gone", "{0}/gone: no such file or folder; check the path"),
        (lambda folder: folder, "{0}: holds no files; name a folder that does"),
    ],
)
def test_sources_that_are_not_there(tmp_path, make, message):
    with pytest.raises(ReadError) as caught:
        open_manifest(make(tmp_path))
    assert str(caught.value) == message.format(tmp_path)


def test_two_tables_in_a_folder(tmp_path):
    table(tmp_path, "path,label\na.bin,x\n")
    table(tmp_path, "path,label\na.bin,x\n", name="other.csv")
    with pytest.raises(ParameterError, match=r"holds 2 tables with a path column \(meta.csv, other.csv\)"):
        open_manifest(tmp_path)


def test_one_file_and_a_part_of_one(tmp_path):
    lay(tmp_path, "a.bin")
    assert str(open_manifest(tmp_path / "a.bin").items[0]) == f"{tmp_path}/a.bin"
    assert str(open_manifest(f"{tmp_path}/a.bin#bytes=0-9").items[0]) == f"{tmp_path}/a.bin#bytes=0-9"


def test_results_inside_the_source_are_no_source(tmp_path):
    lay(tmp_path, "a.bin", "out/a.bin.png")
    assert [item.path.name for item in find_files(tmp_path, beside=tmp_path / "out")] == ["a.bin"]


@pytest.mark.data
def test_published_tables(data):
    esc = open_manifest(data / "esc10" / "meta.csv")
    assert (esc.kind, len(esc), len(esc.classes), len(esc.splits())) == ("audio", 400, 10, 5)
    binaries = open_manifest(data / "binaries")
    assert (binaries.kind, len(binaries), len(binaries.splits())) == ("binary", 480, 5)
    coffee = open_manifest(data / "ucr" / "Coffee")
    (split,) = coffee.splits()
    assert (coffee.kind, len(split.train), len(split.test)) == ("series", 28, 28)


def sounds(folder, *names, seconds=0.5):
    """Write sounds of 8 kHz, each of another pitch."""
    for k, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.sin((k + 1) * np.arange(int(8000 * seconds)) / 9), 8000)
    return folder


@pytest.mark.parametrize(
    ("train", "valid"), [("train", "dev"), ("Train", "Val"), ("training", "validation"), ("train", "valid")]
)
def test_folders_of_splits_above_class_folders(tmp_path, train, valid):
    sounds(tmp_path, f"{train}/a/1.wav", f"{train}/b/2.wav", f"{valid}/a/3.wav", "test/b/4.wav")
    lay(tmp_path, "docs/plan.txt")
    manifest = open_manifest(tmp_path)
    assert manifest.classes == ("a", "b")
    splits = {item.path.name: item.split for item in manifest.items}
    assert splits == {"1.wav": "train", "2.wav": "train", "3.wav": "valid", "4.wav": "test"}
    assert any("are splits: 2 train, 1 valid, 1 test" in note for note in manifest.notes)


def test_a_class_called_train_stays_a_class(tmp_path):
    sounds(tmp_path, "train/1.wav", "bus/1.wav", "car/1.wav")
    assert open_manifest(tmp_path).classes == ("bus", "car", "train")


def test_a_summary_says_what_was_taken(tmp_path):
    sounds(tmp_path, *(f"{name}/{k}.wav" for name in ("bird", "engine", "rain") for k in range(2)))
    assert open_manifest(tmp_path).summary() == (
        "audio: 6 files, 3 classes from folder names: bird 2, engine 2, rain 2"
    )


def test_what_is_no_data_among_sounds_is_left_out_and_told_once(tmp_path, caplog):
    sounds(tmp_path, *(f"{name}/{k}.wav" for name in "ab" for k in range(4)))
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    (tmp_path / "a" / "README.txt").write_text("recorded in May\n")
    (tmp_path / "b" / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(500))
    (tmp_path / "b" / "LICENSE").write_text("CC0\n")
    (tmp_path / "b" / "desktop.ini").write_text("[x]\n")
    (tmp_path / "b" / "notes.txt").write_text("windy in the morning\n")
    manifest = open_manifest(tmp_path)
    assert (len(manifest), manifest.kind) == (8, "audio")
    (note,) = manifest.notes
    assert note.startswith(f"{tmp_path}: 6 files are no data and are left out: ")
    assert caplog.messages == [note]
    assert len(open_manifest(tmp_path, kind="audio")) == len(find_files(tmp_path)) == 8


def test_a_readme_among_programs_and_a_table_among_sounds_are_not_clutter(tmp_path):
    lay(tmp_path, "program/1.bin", "text/README", "text/Thumbs.db", data=b"To be classified.\n" * 9)
    assert [item.path.name for item in open_manifest(tmp_path).items] == ["1.bin", "README"]
    mixed = sounds(tmp_path / "mixed", "a/1.wav", "b/2.wav")
    lay(mixed, "a/values.csv", data=NUMBERS)
    with pytest.raises(ParameterError, match="several kinds: 2 audio .* 1 series"):
        open_manifest(mixed)


def test_reasons_reach_the_person_the_most_frequent_first(tmp_path):
    lay(tmp_path, *(f"{name}/{k}.wav" for name in "ab" for k in range(3)), data=b"")
    (tmp_path / "a" / "gone.wav").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ReadError) as caught:
        open_manifest(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: none of its 7 files can be read; 6: empty; there is nothing to read (such as "
        f"{tmp_path}/a/0.wav); 1: a link to nothing; check the path (such as {tmp_path}/a/gone.wav)"
    )
    (tmp_path / "one.wav").write_bytes(b"")
    with pytest.raises(ReadError, match=r"one.wav: empty; there is nothing to read$"):
        open_manifest(tmp_path / "one.wav")


def test_files_without_labels_are_told_with_the_reason_where_there_is_one(tmp_path):
    lay(tmp_path, "1.bin", "2.bin")
    with pytest.raises(ParameterError, match="its items have no labels; .*--label COLUMN"):
        open_manifest(tmp_path).require_labels()
    lay(tmp_path, "3.bin", data=b"")
    with pytest.raises(ParameterError, match=r"1 of its 3 files cannot be read; 1: empty; .*3.bin\)$"):
        open_manifest(tmp_path).require_labels()


TS = "@problemName r\n@timeStamps false\n@univariate true\n@equalLength true\n@seriesLength 30\n{}\n@data\n"


@pytest.mark.parametrize("form", ["ts", "tsv"])
def test_numbers_to_predict_are_no_classes(tmp_path, form):
    rng = np.random.default_rng(0)
    rows = [(rng.standard_normal(30), rng.normal()) for _ in range(24)]
    path = tmp_path / f"targets.{form}"
    if form == "ts":
        lines = [",".join(f"{v:.3f}" for v in values) + f":{target:.4f}" for values, target in rows]
        path.write_text(TS.format("@targetlabel true") + "\n".join(lines))
    else:
        lines = ["\t".join(f"{v:.4f}" for v in (target, *values)) for values, target in rows]
        (tmp_path / "targets_TRAIN.tsv").write_text("\n".join(lines))
        path = tmp_path / "targets_TRAIN.tsv"
    try:
        open_manifest(path)
    except ReadError as error:
        assert str(error).startswith(f"{path}: ")
        assert "numbers to predict" in str(error) or form == "ts"
    else:
        assert form == "tsv", "read as one table of numbers"


@pytest.mark.parametrize(
    "labels", ["y_train.txt", "y_train.csv", "labels_train.txt", "../y_train.txt", "y_train.npy"]
)
def test_labels_and_groups_in_files_beside(tmp_path, labels):
    folder = tmp_path / "har"
    folder.mkdir()
    np.save(folder / "X_train.npy", np.random.default_rng(0).standard_normal((6, 2, 40)))
    if labels.endswith("npy"):
        np.save(folder / labels, np.arange(6) % 2)
    else:
        (folder / labels).write_text("".join(f"{k % 2}\n" for k in range(6)))
    (folder / "subject_train.txt").write_text("".join(f"{k // 2}\n" for k in range(6)))
    for src in (folder, folder / "X_train.npy"):
        manifest = open_manifest(src)
        assert manifest.labels.tolist() == list("010101")
        assert [item.group for item in manifest.items] == list("001122")
        assert any("y_train" in note or "labels_train" in note for note in manifest.notes)
    (folder / labels).write_text("1\n2\n")
    if not labels.endswith("npy"):
        with pytest.raises(ReadError, match=r"has 2 lines, X_train.npy has 6 rows; make them agree$"):
            open_manifest(folder / "X_train.npy")


def test_rows_without_labels_say_where_to_put_them(tmp_path):
    np.save(tmp_path / "X_test.npy", np.random.default_rng(0).standard_normal((6, 2, 40)))
    manifest = open_manifest(tmp_path / "X_test.npy")
    assert (len(manifest), manifest.classes) == (6, ())
    assert "its 6 rows have no labels; put them in y_test.txt, one a line" in manifest.notes[0]


@pytest.fixture
def opened():
    """Count how often each file is opened."""
    counts, active = Counter(), [True]

    def hook(event, arguments):
        if active and event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            counts[os.fsdecode(arguments[0])] += 1

    sys.addaudithook(hook)
    yield counts
    active.clear()


@pytest.mark.parametrize("find", [open_manifest, find_files])
def test_each_file_is_opened_once(tmp_path, monkeypatch, opened, find):
    monkeypatch.setattr(
        SeriesReader, "labels", lambda *_: None
    )  # what its reader opens is the reader's matter
    monkeypatch.setattr(SeriesReader, "rows", lambda *_: None)
    folder = tmp_path / "series"
    lay(folder, *(f"{name}/{k}.csv" for name in "ab" for k in range(3)), data=NUMBERS)
    lay(tmp_path / "flat", "1.csv", "2.csv", data=NUMBERS)
    sounds(tmp_path / "sounds", "a/1.wav", "b/2.wav")
    table(tmp_path, "path,label\na.bin,x\nsub/c.bin,y\n")
    time.sleep(0.2)  # what was written just now may change again and is not kept
    for src in (
        folder,
        tmp_path / "flat",
        tmp_path / "sounds",
        tmp_path / "meta.csv",
        folder / "a" / "0.csv",
    ):
        opened.clear()
        found = find(src)
        counts = [n for name, n in opened.items() if name.startswith(str(tmp_path))]
        assert set(counts) <= {1}
        assert counts or src.is_file()  # of one that was listed with its folder the first bytes may be known
        opened.clear()
        cut_each(getattr(found, "items", found), None)
        assert not (opened and find is find_files)


def test_a_kind_that_is_named_makes_no_clutter_of_its_own_files(tmp_path):
    for label in ("bot", "person"):
        (tmp_path / label).mkdir()
        for number in range(3):
            rows = "".join(f"{k / 10},{k},{k % 7}\n" for k in range(30))
            (tmp_path / label / f"{number}.csv").write_text(f"t,x,y\n{rows}")
            (tmp_path / label / f"events{number}.csv").write_text(
                "time,x,y,event\n" + "".join(f"{k / 10},{k},{k % 7},move\n" for k in range(30))
            )
    (tmp_path / "bot" / "notes.txt").write_text("recorded on Monday\n")
    manifest = open_manifest(tmp_path, kind="mouse")
    assert len(manifest) == 12
    assert any("notes.txt" in note for note in manifest.notes)


def test_a_few_missing_files_of_a_table_fail_by_name(tmp_path):
    lay(tmp_path, "a.bin", "b.bin", "c.bin")
    path = table(tmp_path, "path,label\na.bin,x\ngone.bin,x\nb.bin,y\nc.bin,y\n")
    manifest = open_manifest(path)
    assert len(manifest) == 4
    assert any(f"line 3: {tmp_path}/gone.bin: no such file" in note for note in manifest.notes)
    (failure,) = manifest.failures
    assert failure.item.path.name == "gone.bin"


def write_rows(path, labels=None, n=6):
    path.parent.mkdir(parents=True, exist_ok=True)
    head = ",".join([*(f"t{k}" for k in range(40)), *(["label"] if labels else [])])
    rows = [
        ",".join([*(f"{np.sin(r + k / 3):.3f}" for k in range(40)), *([labels[r]] if labels else [])])
        for r in range(n)
    ]
    path.write_text("\n".join([head, *rows]) + "\n")


@pytest.mark.parametrize("labels", [None, ["x"] * 6])
def test_rows_of_tables_in_class_folders_are_items_of_that_class(tmp_path, labels):
    for name in ("slow/0.csv", "slow/1.csv", "fast/0.csv"):
        write_rows(tmp_path / name, labels)
    manifest = open_manifest(tmp_path)
    assert manifest.summary() == "series: 18 items in 3 files, 2 classes from folder names: fast 6, slow 12"
    assert {item.fragment.unit for item in manifest.items} == {"row"}
    told = any("those of the folders are taken" in note for note in manifest.notes)
    assert told == bool(labels)


def test_rows_with_labels_in_folders_of_subjects_keep_their_labels(tmp_path):
    for name in ("ann/0.csv", "bob/0.csv"):
        write_rows(tmp_path / name, list("pqpqpq"))
    manifest = open_manifest(tmp_path)
    assert manifest.classes == ("p", "q")
    assert {item.group for item in manifest.items} == {"ann", "bob"}
    assert any("folders are groups" in note for note in manifest.notes)


def test_long_tables_in_class_folders_are_items(tmp_path):
    for name in ("slow/0.csv", "fast/0.csv"):
        rows = [f"{k},{t},{np.sin(k + t):.3f}" for k in range(4) for t in range(25)]
        lay(tmp_path, name, data="\n".join(["id,time,value", *rows]).encode())
    assert (
        open_manifest(tmp_path).summary()
        == "series: 8 items in 2 files, 2 classes from folder names: fast 4, slow 4"
    )


@pytest.mark.parametrize("name", ["layout", "columns", "time", "resample", "label"])
@pytest.mark.parametrize("kind", ["audio", "binary"])
def test_options_that_mean_nothing_for_a_kind_are_refused(tmp_path, name, kind):
    values = {"layout": "rows", "columns": ("a",), "time": "t", "resample": "none", "label": "x"}
    how = ReadOptions(**{name: values[name]})
    for folder in ("a", "b"):
        if kind == "audio":
            sounds(tmp_path, f"{folder}/0.wav")
        else:
            lay(tmp_path, f"{folder}/0.bin")
    file = next(tmp_path.glob("a/*"))
    for look in (lambda: find_files(tmp_path, options=how), lambda: read(file, options=how)):
        with pytest.raises(ParameterError, match=f"--{name} .* means nothing for {kind}"):
            look()
    if name != "label":
        with pytest.raises(ParameterError, match=f"--{name} "):
            open_manifest(tmp_path, options=how)


def test_folders_of_splits_below_class_folders(tmp_path):
    sounds(
        tmp_path,
        *(f"{name}/{split}/{k}.wav" for name in "ab" for split in ("train", "val") for k in range(2)),
    )
    manifest = open_manifest(tmp_path)
    assert manifest.classes == ("a", "b")
    assert Counter(item.split for item in manifest.items) == {"train": 4, "valid": 4}
    assert any("are splits" in note for note in manifest.notes)


def test_splits_that_hold_the_same_classes_are_not_taken_as_classes_too(tmp_path):
    sounds(
        tmp_path,
        *(f"{split}/{name}/{k}.wav" for split in ("train", "dev") for name in "ab" for k in range(2)),
    )
    (note,) = open_manifest(tmp_path).notes
    assert "are splits: 4 train, 4 valid" in note


def test_the_same_folders_in_each_class_folder_are_told(tmp_path):
    sounds(tmp_path, *(f"site{site}/{name}/0.wav" for site in range(3) for name in ("bird", "rain")))
    manifest = open_manifest(tmp_path)
    assert manifest.classes == ("site0", "site1", "site2")
    assert any("not those in each of them (bird, rain)" in note for note in manifest.notes)


def test_annotations_among_sounds_are_left_out(tmp_path):
    sounds(tmp_path, "a/0.wav", "b/0.wav")
    lay(tmp_path, "a/0.TextGrid", "b/0.rttm", data=b"SPEAKER 0 1 0.0 1.0\n")
    assert open_manifest(tmp_path).summary() == "audio: 2 files, 2 classes from folder names: a 1, b 1"
