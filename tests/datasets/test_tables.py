"""Tables as people have them: names of columns, parts of recordings, groups, separators, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from phosphene.converters import ParameterError, ReadError
from phosphene.datasets.sources import find_files, open_manifest

RATE = 8000
N = 6


@pytest.fixture
def folder(tmp_path):
    """Six sounds of three seconds, `0.wav` to `5.wav`."""
    return sounds(tmp_path, *(f"{k}.wav" for k in range(N)))


def sounds(folder, *names, seconds=3.0):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.sin(np.arange(int(RATE * seconds)) / 9), RATE)
    return folder


def table(folder, header, rows, *, name="meta.csv", encoding="utf-8"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows] if header else rows) + "\n", encoding=encoding)
    return path


def fragments(manifest):
    return [str(item.fragment) for item in manifest.items]


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("start,end", "1.0,2.0"),
        ("onset,offset", "1,2"),
        ("offset,duration", "1.0,1.0"),
        ("onset,duration", "1.0,1.0"),
        ("Begin Time (s),End Time (s)", "1.0,2.0"),
        ("start_time,end_time", "0:01,0:00:02"),
        ("start_s,stop_s", "1,2"),
        ("start_ms,end_ms", "1000,2000"),
        ("onset_us,duration_us", "1000000,1000000"),
        ("start,end", "1000,2000"),  # seconds would end after the files do
    ],
)
def test_start_and_end_are_parts_of_files(folder, columns, cells):
    rows = [f"{k}.wav,{cells},{'ab'[k % 2]}" for k in range(N)]
    manifest = open_manifest(table(folder, f"path,{columns},label", rows))
    assert fragments(manifest) == ["t=1,2"] * N
    assert manifest.labels.tolist() == list("ababab")
    assert any("each row is a part of its file" in note for note in manifest.notes)
    assert any("milliseconds" in note for note in manifest.notes) == (
        columns == "start,end" and "1000" in cells
    )
    assert manifest.items[0].group_key == str(folder / "0.wav")


def test_parts_of_other_kinds_are_counted_in_their_own_unit(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    path = table(tmp_path, "path,start,end,label", ["a.bin,0,100,x", "a.bin,100,200,y"])
    assert fragments(open_manifest(path)) == ["bytes=0-99", "bytes=100-199"]
    path = table(tmp_path, "path,start_s,end_s,label", ["a.bin,0,100,x"])
    with pytest.raises(ReadError, match="parts of binary files are counted in bytes, not in seconds"):
        open_manifest(path)


def test_a_row_without_times_is_the_whole_file_and_one_that_ends_before_it_begins_is_named(folder):
    manifest = open_manifest(table(folder, "path,start,end,label", ["0.wav,1,2,a", "1.wav,,,b"]))
    assert fragments(manifest) == ["t=1,2", "None"]
    with pytest.raises(ReadError, match=r"meta.csv: line 3: .* got 2 to 1; correct start and end$"):
        open_manifest(table(folder, "path,start,end,label", ["0.wav,1,2,a", "1.wav,2,1,b"]))
    with pytest.raises(ReadError, match=r"meta.csv: line 2 has the time 'soon'; write a number$"):
        open_manifest(table(folder, "path,start,end,label", ["0.wav,soon,2,a"]))


RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


@pytest.mark.parametrize("column", ["Species", "Annotation", "My own name"])
def test_raven_selection_tables_beside_their_sounds(folder, column):
    for k in range(2):
        rows = [
            f"{n + 1}\t{view} 1\t1\t{n}.25\t{n}.75\t100\t900\t{'ab'[n % 2]}"
            for n in range(3)
            for view in ("Waveform", "Spectrogram")
        ]
        table(folder, f"{RAVEN}\t{column}", rows, name=f"{k}.Table.1.selections.txt")
    manifest = open_manifest(folder)
    assert [str(item) for item in manifest.items[:3]] == [f"{folder}/0.wav#t={n}.25,{n}.75" for n in range(3)]
    assert (
        manifest.summary() == "audio: 6 items in 2 files, 2 classes from 2 tables beside the sounds: a 4, b 2"
    )
    assert any("3 rows are other views of the same selections" in note for note in manifest.notes)
    one = open_manifest(folder / "1.Table.1.selections.txt")
    assert {item.path.name for item in one.items} == {"1.wav"}


def test_a_raven_table_over_several_sounds(folder):
    header = f"{RAVEN}\tBegin File\tFile Offset (s)\tSpecies"
    rows = [f"{k + 1}\tSpectrogram 1\t1\t{3 * k + 1}\t{3 * k + 2}\t1\t9\t{k}.wav\t1\towl" for k in range(N)]
    manifest = open_manifest(table(folder, header, rows, name="all.txt"))
    assert [str(item) for item in manifest.items] == [f"{folder}/{k}.wav#t=1,2" for k in range(N)]


def test_audacity_label_tracks(folder):
    for k in range(2):
        rows = ["0.250000\t0.750000\towl", "\\\t100.0\t900.0", "1.000000\t1.000000\tmark", "1.5\t2.5\twren"]
        table(folder, "", rows, name=f"{k}.txt")
    manifest = open_manifest(folder)
    assert fragments(manifest) == ["t=0.25,0.75", "t=1.5,2.5"] * 2
    assert manifest.classes == ("owl", "wren")
    assert any(
        "1 labels without duration are left out, the first in line 3" in note for note in manifest.notes
    )


def test_birdnet_results_beside_a_sound(folder):
    header = "Start (s),End (s),Scientific name,Common name,Confidence"
    path = table(folder, header, ["0.0,3.0,Strix aluco,Tawny Owl,0.9"], name="2.BirdNET.results.csv")
    (item,) = open_manifest(path).items
    assert (str(item), item.label) == (f"{folder}/2.wav#t=0,3", "Tawny Owl")


@pytest.mark.parametrize(
    "column",
    ["subject", "Speaker", "patient_id", "user", "session", "recording", "site", "machine", "SubjectID", "person",
     "writer", "device", "participant"],
)  # fmt: skip
def test_columns_of_people_and_machines_are_groups(folder, column):
    path = table(folder, f"path,label,{column}", [f"{k}.wav,{'ab'[k % 2]},s{k // 2}" for k in range(N)])
    manifest = open_manifest(path)
    assert [item.group for item in manifest.items] == ["s0", "s0", "s1", "s1", "s2", "s2"]
    assert any(f"items of one '{column}' stay on one side of a split" in note for note in manifest.notes)
    split = manifest.valid_split("0.3", seed=0)
    assert not {manifest.items[k].group for k in split.train} & {manifest.items[k].group for k in split.test}
    assert {item.group for item in open_manifest(path, group="none").items} == {None}


def test_another_column_of_groups_may_be_named(folder):
    rows = [f"{k}.wav,{'ab'[k % 2]},s{k // 2},night{k // 3}" for k in range(N)]
    path = table(folder, "path,label,speaker,colour", rows)
    assert [item.group for item in open_manifest(path, group="colour").items] == 3 * ["night0"] + 3 * [
        "night1"
    ]
    with pytest.raises(
        ParameterError, match=r"has no column 'color' for --group, only path, label, speaker, colour"
    ):
        open_manifest(path, group="color")


def test_groups_that_would_leave_no_split_are_not_guessed(folder):
    same = table(folder, "path,label,device", [f"{k}.wav,{'ab'[k % 2]},one" for k in range(N)])
    assert {item.group for item in open_manifest(same).items} == {None}
    alone = table(folder, "path,label,machine", [f"{k}.wav,{'ab'[k % 2]},m{k % 2}" for k in range(N)])
    manifest = open_manifest(alone)
    assert {item.group for item in manifest.items} == {None}
    assert any(
        "each class is of one 'machine' alone" in note and "--group machine" in note
        for note in manifest.notes
    )


def test_parts_of_one_recording_are_split_where_groups_are_not_wanted(folder):
    rows = [f"0.wav,{k / 4},{k / 4 + 0.25},{'ab'[k % 2]}" for k in range(8)]
    path = table(folder, "path,start,end,label", rows)
    with pytest.raises(ParameterError, match="too few items or groups"):
        open_manifest(path).valid_split("0.25", seed=0)
    assert len(open_manifest(path, group="none").valid_split("0.25", seed=0).test) == 2


def test_esc50_as_it_is_unpacked(tmp_path):
    sounds(tmp_path, *(f"audio/1-{k}-A-0.wav" for k in range(N)))
    rows = [f"1-{k}-A-0.wav,{k % 3 + 1},{k % 2},{('dog', 'cat')[k % 2]},True,{k // 2},A" for k in range(N)]
    table(tmp_path, "filename,fold,target,category,esc10,src_file,take", rows, name="meta/esc50.csv")
    for src in (tmp_path, tmp_path / "meta" / "esc50.csv"):
        manifest = open_manifest(src, group="none")
        assert (len(manifest), manifest.classes, len(manifest.splits())) == (N, ("cat", "dog"), 3)
        assert manifest.items[0].path == tmp_path / "audio" / "1-0-A-0.wav"
        assert any("from column 'category', not 'target'" in note for note in manifest.notes)
        assert open_manifest(src, label="target").classes == ("0", "1")


def test_urbansound8k_as_it_is_unpacked(tmp_path):
    sounds(tmp_path, *(f"audio/fold{k % 3 + 1}/{k}-3-0-0.wav" for k in range(N)))
    rows = [f"{k}-3-0-0.wav,{k},10.5,14.5,1,{k % 3 + 1},{k % 2},{('dog', 'cat')[k % 2]}" for k in range(N)]
    header = "slice_file_name,fsID,start,end,salience,fold,classID,class"
    manifest = open_manifest(table(tmp_path, header, rows, name="metadata/UrbanSound8K.csv"))
    assert manifest.classes == ("cat", "dog")
    assert fragments(manifest) == ["None"] * N
    assert [item.group for item in manifest.items] == list("012345")
    assert manifest.items[1].path == tmp_path / "audio" / "fold2" / "1-3-0-0.wav"


@pytest.mark.parametrize("path", ["id", "fname", "image", "filepath"])
@pytest.mark.parametrize("label", ["label", "class", "target", "category"])
def test_kaggle_names(tmp_path, path, label):
    sounds(tmp_path, *(f"train/{k}a.wav" for k in range(N)), "test/9a.wav")
    end = "" if path == "id" else ".wav"
    table(tmp_path, f"{path},{label}", [f"{k}a{end},{'ab'[k % 2]}" for k in range(N)], name="train.csv")
    table(tmp_path, f"{path},{label}", [f"9a{end},a"], name="sample_submission.csv")
    manifest = open_manifest(tmp_path)
    assert (len(manifest), manifest.classes) == (N, ("a", "b"))
    assert manifest.items[0].path == tmp_path / "train" / "0a.wav"


def test_tables_called_train_and_test_are_splits(folder):
    table(folder, "path,label", [f"{k}.wav,{'ab'[k % 2]}" for k in range(4)], name="train.csv")
    table(folder, "path,label", ["4.wav,a", "5.wav,b"], name="test.csv")
    manifest = open_manifest(folder)
    assert [item.split for item in manifest.items] == ["test"] * 2 + ["train"] * 4
    table(folder, "path", ["4.wav", "5.wav"], name="test.csv")
    manifest = open_manifest(folder)
    assert len(manifest) == 4
    assert any("test.csv: has no column of labels and is left out" in note for note in manifest.notes)


@pytest.mark.parametrize(
    ("delimiter", "encoding", "name", "before"),
    [
        (";", "utf-8", "meta.csv", ""),
        ("\t", "utf-8", "meta.tsv", ""),
        ("\t", "utf-8", "meta.txt", ""),
        ("|", "utf-8", "meta.csv", ""),
        (",", "utf-16", "meta.csv", ""),
        (";", "utf-8-sig", "meta.csv", "sep=;\n"),
    ],
)
def test_separators_and_encodings(folder, delimiter, encoding, name, before):
    rows = [delimiter.join((f"{k}.wav", ("Bär", "Kauz")[k % 2])) for k in range(N)]
    table(folder, before + delimiter.join(("path", "label")), rows, name=name, encoding=encoding)
    assert open_manifest(folder).classes == ("Bär", "Kauz")
    assert len(find_files(folder)) == N


@pytest.mark.parametrize("suffix", ["parquet", "xlsx", "json", "jsonl"])
def test_tables_of_items_in_other_formats(folder, suffix):
    frame = pd.DataFrame(
        {"file_name": [f"{k}.wav" for k in range(N)], "category": list("ababab"), "age": range(N)}
    )
    path = folder / f"metadata.{suffix}"
    write = {
        "parquet": frame.to_parquet,
        "xlsx": lambda path: frame.to_excel(path, index=False),
        "json": lambda path: frame.to_json(path, orient="records", indent=1),
        "jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
    }
    write[suffix](path)
    for source in (folder, path):
        manifest = open_manifest(source)
        assert manifest.labels.tolist() == list("ababab")
        assert [item.path.name for item in manifest.items] == [f"{k}.wav" for k in range(N)]
        assert manifest.labelled_by == f"column 'category' of {path.name}"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ReadError, match=f"metadata.{suffix}: "):
        open_manifest(path)


def test_a_workbook_of_several_sheets_is_told(folder):
    frame = pd.DataFrame({"path": [f"{k}.wav" for k in range(N)], "label": list("ababab")})
    with pd.ExcelWriter(folder / "meta.xlsx") as book:
        frame.to_excel(book, sheet_name="clips", index=False)
        frame.to_excel(book, sheet_name="more", index=False)
    assert open_manifest(folder).notes == (
        f"{folder}/meta.xlsx: its first sheet, 'clips', is read; there are 2",
    )


def test_records_of_values_are_no_table_of_items(tmp_path):
    pd.DataFrame({"x": np.sin(np.arange(300.0)), "y": 1.0}).to_parquet(tmp_path / "a.parquet")
    events = [{"t": k, "x": k, "y": k, "event": "move"} for k in range(50)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, events)))
    assert [item.kind for item in find_files(tmp_path)] == ["series", "mouse"]


def test_a_table_without_a_header(folder):
    path = table(folder, "", [f"{k}.wav,{'ab'[k % 2]}" for k in range(N)])
    assert open_manifest(path).labels.tolist() == list("ababab")


def test_what_is_no_table_or_no_whole_one(folder):
    table(folder, "", [f"{k}.wav" for k in range(3)], name="testing_list.txt")
    assert len(open_manifest(folder)) == N
    path = table(folder, "", [f"{k}.wav,{'ab'[k % 2]},{k}" for k in range(N)])
    with pytest.raises(ReadError, match=r"meta.csv: has no header, .*; write one, such as path,label$"):
        open_manifest(path)
    with pytest.raises(ReadError, match=r"line 1 must have one column 'label', got path, label, label$"):
        open_manifest(table(folder, "path,label,label", ["0.wav,a,b"]))


def test_times_in_samples_are_of_series(tmp_path):
    sounds(tmp_path, "a.wav")
    (tmp_path / "a.csv").write_text("".join(f"{np.sin(k / 5):.4f}\n" for k in range(40)))
    assert fragments(
        open_manifest(table(tmp_path, "path,start_sample,end_sample,label", ["a.csv,0,20,x"]))
    ) == ["samples=0-19"]
    with pytest.raises(ReadError, match="parts of audio files are counted in seconds, not in samples"):
        open_manifest(table(tmp_path, "path,start_sample,end_sample,label", ["a.wav,0,20,x"]))


def test_paths_of_another_system_or_computer_are_found_by_their_names(tmp_path):
    sounds(tmp_path, "audio/0.wav", "audio/1.wav")
    path = table(tmp_path, "path,label", ["audio\\0.wav,a", "C:\\Users\\ann\\1.wav,b"])
    manifest = open_manifest(path)
    assert [item.path.name for item in manifest.items] == ["0.wav", "1.wav"]
    assert any("2 paths" in note and "files of these names were found" in note for note in manifest.notes)


def test_each_path_that_is_found_by_its_name_is_counted_once(tmp_path):
    sounds(tmp_path, "audio/0.wav", "audio/1.wav")
    manifest = open_manifest(table(tmp_path, "id,label", ["0,a", "1,b"]))
    assert any("2 paths" in note and "files of these names were found" in note for note in manifest.notes)


def test_two_files_of_a_name_are_not_guessed(tmp_path):
    sounds(tmp_path, "x/0.wav", "y/0.wav")
    with pytest.raises(ReadError, match=r"meta.csv: line 2: .*/0.wav: no such file"):
        open_manifest(table(tmp_path, "path,label", ["0.wav,a"]))


@pytest.mark.parametrize(
    "cells", [("dog;cat", "dog", "cat"), ("a|b", "b|c", "c"), ('"dog, cat"', "dog", "cat")]
)
def test_several_labels_in_one_cell_are_refused(folder, cells):
    path = table(folder, "path,label", [f"{k}.wav,{cell}" for k, cell in enumerate(cells)])
    with pytest.raises(
        ReadError, match=r"column 'label' holds several labels in one cell, such as '.*--label COLUMN$"
    ):
        open_manifest(path)


def test_a_label_with_a_bar_is_one_class_where_nothing_says_otherwise(folder):
    manifest = open_manifest(table(folder, "path,label", ["0.wav,on|off", "1.wav,dim"]))
    assert manifest.classes == ("dim", "on|off")
    assert any("the label 'on|off' is taken as one class" in note for note in manifest.notes)


def test_numbers_to_predict_are_refused_and_many_whole_numbers_are_classes(tmp_path):
    sounds(tmp_path, *(f"{k}.wav" for k in range(24)), seconds=0.1)
    path = table(tmp_path, "path,target", [f"{k}.wav,{k / 7:.3f}" for k in range(24)])
    with pytest.raises(
        ReadError, match=r"column 'target' holds 24 different real numbers, such as 0.*not classes"
    ):
        open_manifest(path)
    assert (
        len(open_manifest(table(tmp_path, "path,target", [f"{k}.wav,{k}" for k in range(24)])).classes) == 24
    )
    twenty = table(tmp_path, "path,target", [f"{k}.wav,{k % 20 / 7:.3f}" for k in range(24)])
    assert len(open_manifest(twenty).classes) == 20


def test_a_table_without_labels_is_answered_with_its_columns(folder):
    path = table(folder, "path,colour,size", [f"{k}.wav,red,{k}" for k in range(N)])
    with pytest.raises(ReadError) as caught:
        open_manifest(path)
    assert str(caught.value) == (
        f"{path}: has no column of labels, only path, colour, size; name one: --label COLUMN"
    )
    assert open_manifest(path, label="Colour").classes == ("red",)
    assert open_manifest(path, label="none").classes == ()
    assert len(find_files(path)) == N
    with pytest.raises(ParameterError, match=r"has no column 'shade' for --label, only path, colour, size$"):
        open_manifest(path, label="shade")


def test_a_column_is_not_named_where_there_is_no_table(tmp_path):
    sounds(tmp_path, "a/1.wav", "b/2.wav")
    with pytest.raises(
        ParameterError, match="--label species names a column, but there is no table of items$"
    ):
        open_manifest(tmp_path, label="species")


def test_other_names_of_splits_are_taken_where_all_cells_are_splits(folder):
    rows = [f"{k}.wav,{'ab'[k % 2]},{('Train', 'dev', 'test')[k % 3]}" for k in range(N)]
    assert {i.split for i in open_manifest(table(folder, "path,label,subset", rows)).items} == {
        "train",
        "valid",
        "test",
    }
    rows = [f"{k}.wav,{'ab'[k % 2]},{k}" for k in range(N)]
    assert {i.split for i in open_manifest(table(folder, "path,label,set", rows)).items} == {None}


def test_a_table_of_values_with_a_label_is_no_table_of_items(tmp_path):
    rows = [",".join([str(k), *(f"{np.sin(k + t):.3f}" for t in range(5)), "ab"[k % 2]]) for k in range(20)]
    path = table(tmp_path, "id,v0,v1,v2,v3,v4,label", rows)
    assert [str(item.path) for item in find_files(path)][:1] == [str(path)]


@pytest.mark.parametrize(
    ("column", "words", "splits"),
    [
        ("is_valid", ("False", "True"), ("train", "valid")),
        ("is_test", ("0", "1"), ("train", "test")),
        ("train", ("yes", "no"), ("train", "valid")),
    ],
)
def test_a_column_of_true_and_false_says_what_is_held_out(folder, column, words, splits):
    rows = [f"{k}.wav,{'ab'[k % 2]},{words[k > 3]}" for k in range(N)]
    manifest = open_manifest(table(folder, f"path,label,{column}", rows))
    assert [item.split for item in manifest.items] == [splits[0]] * 4 + [splits[1]] * 2
    assert any(f"column '{column}'" in note for note in manifest.notes)


def test_lines_of_comment_above_a_header(folder):
    rows = [f"{k}.wav,{'ab'[k % 2]}" for k in range(N)]
    manifest = open_manifest(table(folder, "# made by hand\n# 2024\npath,label", rows))
    assert manifest.labels.tolist() == list("ababab")


def test_parts_that_end_after_their_files_are_told_and_not_taken_as_milliseconds(folder):
    rows = [f"{k}.wav,2,9,{'ab'[k % 2]}" for k in range(N)]
    manifest = open_manifest(table(folder, "path,start,end,label", rows))
    assert fragments(manifest) == ["t=2,9"] * N
    assert any("end before the last of their parts" in note for note in manifest.notes)
