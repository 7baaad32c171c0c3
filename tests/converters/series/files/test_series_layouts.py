"""Tables as people have them: what is a sample, a channel, an item, a label, a time; and what is said of it."""

import gzip

import numpy as np
import pandas as pd
import pytest

from phosphene.converters import ParameterError, ReadError, read
from phosphene.converters.core.files import ReadOptions
from phosphene.converters.registry import recognise
from phosphene.converters.series.kind import SeriesReader

READER = SeriesReader()
STRICT = ReadOptions(strict=True)
X = np.cumsum(np.random.default_rng(1).standard_normal(60))


def text(path, head, rows):
    path.write_text("\n".join([head, *rows] if head else rows) + "\n", encoding="utf-8")
    return path


def is_noted(signal, *words):
    """Tell whether one of the notes holds all of these words."""
    return any(all(word in note for word in words) for note in signal.notes)


# Index and counter columns, and the header that pandas writes.


def pandas_frames():
    frame = pd.DataFrame({"a": X, "b": -X})
    dates = pd.date_range("2024-01-01", periods=60, freq="min")
    return {
        "series": (lambda path: pd.Series(X).to_csv(path), 1, None),
        "named series": (lambda path: pd.Series(X, name="v").to_csv(path), 1, None),
        "series without index": (lambda path: pd.Series(X).to_csv(path, index=False), 1, None),
        "frame": (frame.to_csv, 2, None),
        "frame of numbered columns": (lambda path: pd.DataFrame(np.c_[X, -X]).to_csv(path), 2, None),
        "numbered columns without index": (
            lambda path: pd.DataFrame(np.c_[X, -X]).to_csv(path, index=False),
            2,
            None,
        ),
        "shuffled index": (lambda path: frame.sample(frac=1, random_state=0).to_csv(path), 2, None),
        "part of a frame": (
            lambda path: pd.concat([frame, frame])[30:90].reset_index().to_csv(path, index=False),
            2,
            None,
        ),
        "dates as index": (lambda path: frame.set_index(dates).to_csv(path), 2, 60),
        "times as index": (lambda path: frame.set_index(np.arange(60) / 50).to_csv(path), 2, 0.02),
        "tabs": (lambda path: frame.to_csv(path, sep="\t"), 2, None),
        "semicolons and decimal commas": (lambda path: frame.to_csv(path, sep=";", decimal=","), 2, None),
        "a counter": (
            lambda path: frame.assign(sample=np.arange(60) + 1)[["sample", "a", "b"]].to_csv(
                path, index=False
            ),
            2,
            None,
        ),
        "utf-16": (lambda path: frame.to_csv(path, sep="\t", encoding="utf-16"), 2, None),
        "gzip": (lambda path: path.write_bytes(gzip.compress(frame.to_csv().encode())), 2, None),
    }


@pytest.mark.parametrize("name", pandas_frames())
def test_what_pandas_writes(tmp_path, name):
    write, channels, step_s = pandas_frames()[name]
    path = tmp_path / "a.csv"
    write(path)
    assert recognise(path) == "series"
    series = read(path)
    assert series.values.shape == (channels, 60)
    if "shuffled" not in name and "part" not in name:
        np.testing.assert_allclose(series.values[0], X, rtol=1e-5)
    assert series.step_s == (None if step_s is None else pytest.approx(step_s))


def test_a_column_of_numbers_that_is_no_index_is_kept(tmp_path):
    rows = [f"{k % 7},{v:.3f}" for k, v in enumerate(X)]
    assert read(text(tmp_path / "a.csv", "n,v", rows)).values.shape == (2, 60)
    assert read(
        text(tmp_path / "b.csv", "frame,v", [f"{k},{v:.3f}" for k, v in enumerate(X)])
    ).values.shape == (1, 60)
    kept = read(tmp_path / "b.csv", options=ReadOptions(columns=("frame", "v")))
    assert kept.values.shape == (2, 60)


# One series in a row.


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
def test_one_row_is_one_channel(tmp_path, delimiter):
    np.savetxt(tmp_path / "one_row.csv", X[None], delimiter=delimiter)
    series = read(tmp_path / "one_row.csv")
    np.testing.assert_allclose(series.values, X[None].astype(np.float32))
    assert is_noted(series, "60 samples", "--layout columns")
    assert READER.extent(tmp_path / "one_row.csv") == 60
    assert READER.rows(tmp_path / "one_row.csv") is None
    assert read(f"{tmp_path}/one_row.csv#samples=10-19").values.shape == (1, 10)
    columns = read(tmp_path / "one_row.csv", options=ReadOptions(layout="columns"))
    assert columns.values.shape == (60, 1)


def test_one_row_below_a_header_of_numbers(tmp_path):
    pd.DataFrame(X[None]).to_csv(tmp_path / "a.csv", index=False)
    assert read(tmp_path / "a.csv").values.shape == (1, 60)


def test_more_channels_than_samples_are_told(tmp_path):
    rows = [",".join(f"{v:.3f}" for v in np.random.default_rng(k).standard_normal(12)) for k in range(4)]
    series = read(text(tmp_path / "a.csv", ",".join("abcdefghijkl"), rows))
    assert series.values.shape == (12, 4)
    assert is_noted(series, "12", "4", "--layout rows")
    assert len(READER.labels(tmp_path / "a.csv", ReadOptions(layout="rows", label="first"))) == 4
    assert READER.rows(tmp_path / "a.csv", ReadOptions(layout="rows", label="none")) == 4


# Rows of items.


def wide(**more):
    values = np.random.default_rng(1).standard_normal((20, 50))
    return pd.DataFrame(values).assign(**more), values


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".xlsx", ".parquet"])
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("labels", ["numbers", "words"])
def test_a_wide_table_is_an_archive(tmp_path, suffix, where, labels):
    names = [str(k % 2) if labels == "numbers" else ("walk", "run")[k % 2] for k in range(20)]
    frame, values = wide(label=[int(n) for n in names] if labels == "numbers" else names)
    if where == "first":
        frame = frame[["label", *range(50)]]
    frame.columns = frame.columns.map(str)
    path = tmp_path / f"wide{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif suffix == ".xlsx":
        pytest.importorskip("openpyxl")
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert recognise(path) == "series"
    assert READER.labels(path) == names
    assert READER.rows(path) == 20
    for row in (0, 19):
        np.testing.assert_allclose(read(f"{path}#row={row}").values, values[row][None], rtol=1e-5)
    assert is_noted(read(f"{path}#row=3"), "50 samples", "label", "--layout columns")
    with pytest.raises(ReadError, match="holds 20 items; name one"):
        read(path)


@pytest.mark.parametrize("name", ["t{}", "V{}", "x_{}", "att{}", "time_{}", "feature {}", "f.{}"])
@pytest.mark.parametrize("label", ["class", "target", "Label", "activity", "y"])
def test_numbered_names_beside_a_label_are_samples(tmp_path, name, label):
    frame, _ = wide(label=np.arange(20) % 3)
    frame.columns = [*(name.format(k) for k in range(1, 51)), label]
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert READER.labels(tmp_path / "a.csv") == [str(k % 3) for k in range(20)]


def test_an_id_and_a_group_beside_the_values_are_no_values(tmp_path):
    frame, values = wide(label=["a", "b"] * 10, subject=["s1", "s2", "s3", "s4"] * 5)
    frame.insert(0, "id", np.arange(20))
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert READER.labels(tmp_path / "a.csv") == ["a", "b"] * 10
    item = read(f"{tmp_path}/a.csv#row=7")
    np.testing.assert_allclose(item.values, values[7][None], rtol=1e-5)
    assert is_noted(item, "subject")


@pytest.mark.parametrize("delimiter", [" ", ",", "\t", ";"])
@pytest.mark.parametrize("name", ["body_acc_x_train.txt", "X_test.csv", "gyro_TRAIN.tsv"])
def test_rows_without_a_label_are_items_without_labels(tmp_path, name, delimiter):
    values = np.random.default_rng(1).standard_normal((30, 128))
    np.savetxt(tmp_path / name, values, fmt="% .7e", delimiter=delimiter)
    assert READER.labels(tmp_path / name) is None
    assert READER.rows(tmp_path / name) == 30
    np.testing.assert_allclose(read(f"{tmp_path}/{name}#row=29").values, values[29][None], rtol=1e-5)
    assert is_noted(read(f"{tmp_path}/{name}#row=0"), "128 samples", "no label")


@pytest.mark.parametrize(
    "name", ["y_train.txt", "labels_train.csv", "train_labels.txt", "y_train.npy", "../y_train.txt"]
)
def test_labels_in_a_file_beside(tmp_path, name):
    folder = tmp_path / "inertial"
    folder.mkdir()
    np.savetxt(folder / "acc_x_train.txt", np.random.default_rng(1).standard_normal((30, 128)))
    labels = np.arange(30) % 6 + 1
    if name.endswith(".npy"):
        np.save(folder / name, labels)
    else:
        np.savetxt(
            folder / name, labels, fmt="%d", header="label" if name.endswith("csv") else "", comments=""
        )
    path = folder / "acc_x_train.txt"
    assert READER.labels(path) == [str(label) for label in labels]
    assert is_noted(read(f"{path}#row=0"), "y_train" if "y_" in name else "labels", "--label none")
    assert READER.labels(path, ReadOptions(label="none")) is None
    np.savetxt(folder / "acc_x_test.txt", np.random.default_rng(1).standard_normal((10, 128)))
    assert READER.labels(folder / "acc_x_test.txt") is None


def test_a_table_of_channels_stays_one_whatever_its_name(tmp_path):
    t = np.arange(300)
    np.savetxt(
        tmp_path / "sensors_test.csv", np.stack([np.sin(t / 30 + 2 * k) for k in range(12)], 1), delimiter=","
    )
    assert read(tmp_path / "sensors_test.csv").values.shape == (12, 300)


def test_a_name_alone_makes_no_label_and_no_items(tmp_path):
    np.savetxt(tmp_path / "walk_train.csv", np.random.default_rng(1).standard_normal((200, 3)), delimiter=",")
    assert read(tmp_path / "walk_train.csv").values.shape == (3, 200)
    np.savetxt(tmp_path / "y_train.txt", np.arange(30) % 6, fmt="%d")
    assert READER.labels(tmp_path / "y_train.txt") is None


@pytest.mark.parametrize("delimiter", [",", ";", " ", "\t"])
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("labels", [["1", "2"], ["up", "down"], ["-1", "1"]])
def test_labels_are_known_by_content_without_a_header(tmp_path, delimiter, where, labels):
    values = np.random.default_rng(1).standard_normal((20, 30))
    rows = []
    for k, row in enumerate(values):
        fields = [f"{v:.4f}" for v in row]
        rows.append(
            delimiter.join([labels[k % 2], *fields] if where == "first" else [*fields, labels[k % 2]])
        )
    path = text(tmp_path / "gestures.csv", "", rows)
    assert recognise(path) == "series"
    assert READER.labels(path) == [labels[k % 2] for k in range(20)]
    np.testing.assert_allclose(read(f"{path}#row=3").values, values[3][None], atol=1e-4)


def test_rows_are_items_where_they_are_smooth_and_columns_are_not(tmp_path):
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(80) / 8 + rng.uniform(0, 6, (12, 1))) + 0.01 * rng.standard_normal((12, 80))
    np.savetxt(tmp_path / "a.csv", values, delimiter=",")
    assert READER.rows(tmp_path / "a.csv") == 12
    np.savetxt(tmp_path / "b.csv", values.T, delimiter=",")
    assert read(tmp_path / "b.csv").values.shape == (12, 80)


def test_a_table_of_samples_with_a_state_column_stays_one(tmp_path):
    t = np.arange(100)
    smooth = np.stack([np.sin(t / 9 + k) for k in range(10)], 1)
    np.savetxt(tmp_path / "a.csv", np.c_[(t // 20) % 2, smooth], delimiter=",", fmt=["%d", *["%.4f"] * 10])
    assert read(tmp_path / "a.csv").values.shape == (11, 100)


@pytest.mark.parametrize("label", ["label", "activity", "class"])
def test_a_label_of_each_sample_is_left_out_and_told(tmp_path, label):
    rows = [f"{k / 50:.2f},{v:.3f},{-v:.3f},{('walk', 'run')[k // 30]}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", f"time,x,y,{label}", rows))
    assert (series.values.shape, series.step_s) == ((2, 60), 0.02)
    assert is_noted(series, label, "left out")


# Long tables.


def long_rows(ids=("0", "1", "2", "3"), *, scale=1.0):
    return [
        f"{ids[k // 25]},{scale * (k % 25):g},{v:.4f}"
        for k, v in enumerate(np.random.default_rng(1).standard_normal(100))
    ]


@pytest.mark.parametrize(
    "head",
    ["id,time,value", "series_id,t,x", "case_id,timestamp,v", "unique_id,time_ms,y", "subject,time,hr"],
)
@pytest.mark.parametrize("ids", [("0", "1", "2", "3"), ("ann", "bob", "cy", "di")])
def test_a_long_table_is_an_item_for_each_id(tmp_path, head, ids):
    path = text(tmp_path / "long.csv", head, long_rows(ids))
    assert recognise(path) == "series"
    assert READER.rows(path) == 4
    assert READER.labels(path) is None
    item = read(f"{path}#row=2")
    assert item.values.shape == (1, 25)
    assert item.step_s == pytest.approx(0.001 if "ms" in head else 1)
    assert is_noted(item, head.partition(",")[0], "--layout columns")


def test_a_long_table_with_labels_dimensions_and_mixed_rows(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        f"{k},{t},{rng.standard_normal():.3f},{rng.standard_normal():.3f},{'ab'[k % 2]}"
        for t in range(20)
        for k in range(5)
    ]
    path = text(tmp_path / "a.csv", "id,time,x,z,label", rows)
    assert READER.labels(path) == ["a", "b", "a", "b", "a"]
    assert read(f"{path}#row=4").values.shape == (2, 20)
    rows = [f"{k},{d},{t},{k + d + t / 100:.2f}" for k in range(3) for d in range(2) for t in range(20)]
    path = text(tmp_path / "b.csv", "case_id,dim_id,time,value", rows)
    assert READER.rows(path) == 3
    np.testing.assert_allclose(read(f"{path}#row=1").values[1], 2 + np.arange(20) / 100)
    contradictory = text(
        tmp_path / "c.csv", "id,time,x,label", ["1,0,2.5,a", "1,1,2.5,b", "2,0,1.5,a", "2,1,1.5,a"]
    )
    with pytest.raises(ReadError, match="item '1' has labels a and b"):
        READER.labels(contradictory)


def test_layout_long_takes_the_first_columns_where_there_is_no_header(tmp_path):
    path = text(tmp_path / "a.csv", "", long_rows())
    options = ReadOptions(layout="long")
    assert READER.rows(path, options) == 4
    assert read(f"{path}#row=1", options=options).values.shape == (1, 25)


# Times and units.


@pytest.mark.parametrize(
    ("name", "start", "unit", "step_s"),
    [
        ("timestamp", 1_700_000_000, 1, 60),
        ("timestamp", 1_700_000_000, 1e-3, 60),
        ("time", 1_700_000_000, 1e-6, 0.02),
        ("t", 1_700_000_000, 1e-9, 0.01),
        ("time", 0, 1e-3, 1 / 60),
        ("time", 12.5, 1e-3, 0.04),
        ("timestamp", 0, 1e-3, 60),
        ("time", 0, 1e-6, 1),
        ("time_us", 0, 1e-6, 0.02),
        ("time (ns)", 0, 1e-9, 0.02),
        ("Time [min]", 0, 60, 300),
        ("elapsed_ms", 0, 1e-3, 0.005),
    ],
)
def test_times_are_known_by_size_and_step(tmp_path, name, start, unit, step_s):
    rows = [f"{round((start + k * step_s) / unit)},{v:.4f}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", f"{name},x", rows))
    assert series.values.shape == (1, 60)
    assert series.step_s == pytest.approx(step_s, rel=2e-3)
    named = any(mark in name for mark in ("_", "(", "["))
    assert named or unit == 1 or is_noted(series, "seconds", "--time")
    overruled = read(tmp_path / "a.csv", options=ReadOptions(time=f"{name}:s"))
    assert overruled.step_s == pytest.approx(step_s / unit, rel=2e-3)


@pytest.mark.parametrize("form", ["{}", "{}Z", "{}.000", "{}+01:00"])
def test_iso_times_give_the_step(tmp_path, form):
    moments = pd.date_range("2024-03-30 23:00:00", periods=60, freq="15min")
    rows = [f"{form.format(m.isoformat())},{v:.4f}" for m, v in zip(moments, X, strict=True)]
    assert read(text(tmp_path / "a.csv", "when,x", rows)).step_s == 900


def test_times_of_day_give_the_step(tmp_path):
    rows = [f"12:{k:02d}:30,{v:.4f}" for k, v in enumerate(X)]
    assert read(text(tmp_path / "a.csv", "clock,x", rows)).step_s == 60


@pytest.mark.parametrize("names", ["T,H,P", "t,h,p", "T,S,P"])
def test_columns_that_do_not_run_like_time_are_channels(tmp_path, names):
    rng = np.random.default_rng(0)
    rows = [
        ",".join(f"{v:.2f}" for v in (20 + x / 10, 50 + y, 1000 + z))
        for x, y, z in rng.standard_normal((60, 3))
    ]
    series = read(text(tmp_path / "a.csv", names, rows))
    assert (series.values.shape, series.step_s) == ((3, 60), None)
    assert is_noted(series, "does not run like time")
    dated = [f"2024-01-01T00:{k:02d}:00,{row}" for k, row in enumerate(rows)]
    series = read(text(tmp_path / "b.csv", f"date,{names}", dated))
    assert (series.values.shape, series.step_s) == ((3, 60), 60)


def test_the_time_column_can_be_named_or_denied(tmp_path):
    path = text(tmp_path / "a.csv", "a,tick", [f"{v:.3f},{10 * k}" for k, v in enumerate(X)])
    assert read(path).values.shape == (2, 60)
    assert read(path, options=ReadOptions(time="tick:ms")).step_s == pytest.approx(0.01)
    path = text(tmp_path / "b.csv", "time,a", [f"{k},{v:.3f}" for k, v in enumerate(X)])
    assert read(path, options=ReadOptions(time="none")).values.shape == (2, 60)
    with pytest.raises(ReadError, match=r"b.csv: has no column 'tock', named by --time; it has time, a"):
        read(path, options=ReadOptions(time="tock"))


# Uneven times.


@pytest.mark.parametrize("step_s", [0.02, 1 / 30, 0.5, 10, 1 / 128])
def test_jitter_is_taken_as_even_and_told(tmp_path, step_s):
    rng = np.random.default_rng(0)
    times = np.cumsum(step_s + rng.uniform(-0.025 * step_s, 0.025 * step_s, 60))
    path = text(
        tmp_path / "jitter.csv", "time,x", [f"{a:.6f},{b:.4f}" for a, b in zip(times, X, strict=True)]
    )
    series = read(path)
    assert series.values.shape == (1, 60)
    assert series.step_s == pytest.approx(step_s, rel=5e-3)
    assert is_noted(series, "vary by", "even")
    with pytest.raises(ReadError, match=r"jitter.csv: .* vary by .*--strict"):
        read(path, options=STRICT)


def test_uneven_times_are_resampled_and_told(tmp_path):
    times = np.delete(np.arange(70) * 0.1, [5, 20, 21, 22, 50, *range(60, 65)])
    path = text(tmp_path / "a.csv", "time,x", [f"{t:.1f},{2 * t:.3f}" for t in times])
    series = read(path)
    assert series.step_s == pytest.approx(0.1)
    assert series.values.shape == (1, 70)
    there = ~np.isnan(series.values[0])
    np.testing.assert_allclose(series.values[0][there], (0.2 * np.arange(70))[there], rtol=1e-5)
    assert (~there).sum() == 5
    assert is_noted(series, "60 rows", "70 samples", "--resample none")
    as_they_come = read(path, options=ReadOptions(resample="none"))
    assert (as_they_come.values.shape, as_they_come.step_s) == ((1, 60), None)
    with pytest.raises(ReadError, match="uneven"):
        read(path, options=STRICT)


def test_times_that_repeat_are_left_out_or_known_as_rounded(tmp_path):
    rows = [f"{k - (k == 30)},{v:.3f}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "once.csv", "time,x", [*rows[:30], rows[30], *rows[31:]]))
    assert series.step_s == 1
    assert is_noted(series, "1 rows", "repeats")
    coarse = [f"2024-01-01 00:00:{k // 4:02d},{v:.3f}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "coarse.csv", "time,x", coarse))
    assert series.values.shape == (1, 60)
    assert series.step_s == pytest.approx(0.25, rel=0.03)
    assert is_noted(series, "rounded")


def test_a_gap_of_a_year_is_not_filled(tmp_path):
    rows = [f"{k + 31_536_000 * (k > 30)},{v:.3f}" for k, v in enumerate(X)]
    with pytest.raises(
        ReadError, match=r"line 33, column 1: time steps are uneven, 3.1536e\+07 s where 1 s is usual"
    ):
        read(text(tmp_path / "a.csv", "time,x", rows))


# What stands before the table, and odd rows.


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_row_of_units_is_left_out_and_told(tmp_path, delimiter):
    rows = [
        delimiter.join(("s", "m/s2", "m/s2")),
        *(delimiter.join((f"{0.1 * k:.1f}", f"{b:.4f}", f"{-b:.4f}")) for k, b in enumerate(X)),
    ]
    path = text(tmp_path / "units.csv", delimiter.join(("time", "x", "y")), rows)
    assert recognise(path) == "series"
    series = read(path)
    assert (series.values.shape, series.step_s) == ((2, 60), pytest.approx(0.1))
    assert is_noted(series, "units", "m/s2")
    rows[0] = delimiter.join(("[ms]", "[mV]", "[mV]"))
    assert read(text(path, delimiter.join(("time", "x", "y")), rows)).step_s == pytest.approx(1e-4)
    with pytest.raises(ReadError, match="units"):
        read(path, options=STRICT)


@pytest.mark.parametrize(
    "before",
    [
        "sep=;",
        "Device;Logger 7\nStarted;2024-01-01\nRate;50 Hz",
        "Recorded by Ann\n\nChannel list follows\n",
        '"Made by a program, version 2.0"',
        "# a comment",
        "sep=;\nLogger 7",
    ],
)
def test_lines_before_the_table_are_left_out_and_told(tmp_path, before):
    rows = [f"{k / 50:.2f};{v:.4f};{-v:.4f}" for k, v in enumerate(X)]
    path = text(tmp_path / "a.csv", f"{before}\ntime;x;y", rows)
    assert recognise(path) == "series"
    series = read(path)
    assert (series.values.shape, series.step_s) == ((2, 60), 0.02)
    assert bool(series.notes) is (before[0] != "#")
    if before[0] != "#":
        with pytest.raises(ReadError, match="left out"):
            read(path, options=STRICT)
    no_header = read(text(tmp_path / "b.csv", before, rows))
    assert no_header.values.shape == (2, 60)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_blank_lines_of_one_column_are_missing_values(tmp_path, end):
    rows = ["" if k % 7 == 3 else f"{b:.4f}" for k, b in enumerate(X[:59])]
    path = tmp_path / "blanks.csv"
    path.write_text("v\n" + "\n".join(rows) + end)
    series = read(path)
    missing = 8 + max(0, len(end) - 1)
    assert series.values.shape == (1, 59 + max(0, len(end) - 1))
    assert np.isnan(series.values).sum() == missing
    assert is_noted(series, f"{missing} blank lines", "missing")
    assert READER.extent(path) == series.values.shape[1]


def test_blank_lines_that_part_nothing_are_no_values(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("v\n\n1.5\n2.5\n3.5\n\n\n")
    assert read(path).values.tolist() == [[1.5, 2.5, 3.5]]
    path.write_text("a,b\n1.5,2\n\n3.5,4\n")
    series = read(path)
    assert series.values.shape == (2, 2)
    assert is_noted(series, "1 blank lines", "skipped")


def test_blank_lines_over_chunks_are_counted(tmp_path):
    values = ["" if k % 1000 == 500 else f"{k}" for k in range(200_000)]
    path = text(tmp_path / "a.csv", "v", values)
    assert READER.extent(path) == 200_000
    assert read(f"{path}#samples=150499-150501").values.tolist()[0][::2] == [150499, 150501]


@pytest.mark.parametrize("odd", ["ERR,ERR", "12", "time,x", "--- restarted ---", "1.0,2.0,3.0"])
def test_one_odd_row_among_many_is_missing_and_told(tmp_path, odd):
    rows = [f"{k},{v:.4f}" for k, v in enumerate(X)]
    path = text(tmp_path / "a.csv", "a,x", [*rows[:30], odd, *rows[30:]])
    series = read(path)
    assert series.values.shape == (2, 61)
    assert np.isnan(series.values).all(0).tolist().index(True) == 30
    assert is_noted(series, "line 32", "missing")
    with pytest.raises(ReadError, match="line 32"):
        read(path, options=STRICT)
    path = text(tmp_path / "timed.csv", "time,x", [*rows[:30], odd, *rows[30:]])
    assert read(path).values.shape == (1, 60)


def test_a_footer_and_a_line_cut_short_are_left_as_missing(tmp_path):
    rows = [f"{v:.4f},{-v:.4f}" for v in X]
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "\n".join(rows) + "\n0.12")
    assert read(path).values.shape == (2, 61)


def test_numbers_to_predict_are_no_classes(tmp_path):
    tags = (
        "problemName r",
        "timeStamps false",
        "univariate true",
        "equalLength true",
        "targetlabel true",
        "data",
    )
    head = "\n".join(f"@{tag}" for tag in tags)
    rng = np.random.default_rng(0)
    rows = [",".join(f"{v:.3f}" for v in rng.standard_normal(30)) + f":{rng.normal():.4f}" for _ in range(24)]
    path = text(tmp_path / "targets.ts", head, rows)
    with pytest.raises(ReadError, match="numbers to predict .* not classes.*--label last"):
        READER.labels(path)
    assert len(READER.labels(path, ReadOptions(label="last"))) == 24
    assert is_noted(read(f"{path}#row=0"), "numbers to predict")


def test_more_than_twenty_fractions_are_no_classes(tmp_path):
    frame, _ = wide(target=np.random.default_rng(0).normal(size=20))
    pd.concat([frame, frame.assign(target=frame.target + 1)]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ReadError, match="numbers to predict .* not classes"):
        READER.labels(tmp_path / "a.csv")
    frame.assign(target=np.arange(20) / 2).to_csv(tmp_path / "b.csv", index=False)
    assert len(READER.labels(tmp_path / "b.csv")) == 20


def test_options_are_checked():
    for wrong in ({"layout": "sideways"}, {"resample": "cubic"}, {"columns": "a,b"}):
        with pytest.raises(ParameterError, match=f"ReadOptions.{next(iter(wrong))}"):
            ReadOptions(**wrong)


def test_columns_can_be_chosen_by_name_and_number(tmp_path):
    path = text(
        tmp_path / "a.csv", "time,a,b,c", [f"{k},{v:.3f},{2 * v:.3f},{3 * v:.3f}" for k, v in enumerate(X)]
    )
    chosen = read(path, options=ReadOptions(columns=("c", "2")))
    np.testing.assert_allclose(chosen.values[0], 3 * chosen.values[1], atol=2e-3)
    assert chosen.step_s == 1


def test_a_constant_series_is_read(tmp_path):
    assert read(text(tmp_path / "constant.csv", "v", ["3.0"] * 60)).values.tolist() == [[3.0] * 60]


# Dates and orders of other countries and programs.


@pytest.mark.parametrize(
    ("head", "form"),
    [
        ("Datum;Uhrzeit;Wert", "01.02.2024;12:{k:02d}:00;{v}"),
        ("date,time,x", "2024-01-01,12:{k:02d}:00,{v}"),
        ("date,x", "01.02.2024 12:{k:02d},{v}"),
        ("date,x", "2024/02/01 12:{k:02d}:00,{v}"),
    ],
)
def test_dates_of_other_forms_and_dates_beside_times_of_day(tmp_path, head, form):
    rows = [form.format(k=k, v=f"{v:.3f}") for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", head, rows))
    assert (series.values.shape, series.step_s) == ((1, 60), 60)


def test_dates_without_marks(tmp_path):
    rows = [
        f"{day:%Y%m%d},{v:.3f}" for day, v in zip(pd.date_range("2024-01-01", periods=60), X, strict=True)
    ]
    assert read(text(tmp_path / "a.csv", "date,close", rows)).step_s == 86400


@pytest.mark.parametrize(
    "form", ["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%y %H:%M", "%d-%m-%Y %H:%M"]
)
def test_whether_day_or_month_comes_first_is_known_by_what_runs_evenly(tmp_path, form):
    times = pd.date_range("2024-01-31 23:45", periods=60, freq="min")
    path = text(tmp_path / "a.csv", "date,x", [f"{t:{form}},{v:.3f}" for t, v in zip(times, X, strict=True)])
    series = read(path)
    assert (series.values.shape, series.step_s) == ((1, 60), 60)
    assert is_noted(series, "month/day/year" if form.startswith("%m") else "day/month/year")


@pytest.mark.parametrize("form", ["%m/%d/%Y", "%d/%m/%Y"])
def test_days_of_either_order(tmp_path, form):
    days = pd.date_range("2024-01-01", periods=60)
    rows = [f"{t:{form}},{v:.3f}" for t, v in zip(days, X, strict=True)]
    assert read(text(tmp_path / "a.csv", "date,x", rows)).step_s == 86400


@pytest.mark.parametrize("form", ["%d-%b-%Y %H:%M:%S", "%b %d %Y %H:%M", "%d %B %Y %H:%M"])
def test_months_by_name(tmp_path, form):
    times = pd.date_range("2024-01-31 23:45", periods=60, freq="min")
    rows = [f"{t:{form}},{v:.3f}" for t, v in zip(times, X, strict=True)]
    series = read(text(tmp_path / "a.csv", "date,x", rows))
    assert (series.step_s, series.notes) == (60, ())


def test_within_one_day_nothing_need_be_said_of_the_order(tmp_path):
    rows = [f"1/2/2024 12:{k:02d},{v:.3f}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", "date,x", rows))
    assert (series.step_s, series.notes) == (60, ())


def test_dates_that_are_not_known_are_refused_with_how_to_write_them(tmp_path):
    rows = [f"2024-13-{k % 28 + 1:02d} 12:00,{v:.3f}" for k, v in enumerate(X)]
    with pytest.raises(ReadError, match="2024-12-31 23:59:59"):
        read(text(tmp_path / "a.csv", "date,x", rows))


def test_rows_in_the_wrong_order_are_turned_or_sorted(tmp_path):
    series = read(text(tmp_path / "a.csv", "time,x", [f"{59 - k},{v:.3f}" for k, v in enumerate(X)]))
    np.testing.assert_allclose(series.values[0], X[::-1], atol=1e-3)
    assert is_noted(series, "backwards")
    rows = long_rows()
    np.random.default_rng(0).shuffle(rows)
    path = text(tmp_path / "b.csv", "id,time,value", rows)
    item = read(f"{path}#row=0")
    assert (item.values.shape, item.step_s) == ((1, 25), 1)
    assert is_noted(item, "sorted")


def test_times_as_names_of_columns(tmp_path):
    values = np.random.default_rng(0).standard_normal((20, 40))
    frame = pd.DataFrame(values, columns=np.round(np.arange(40) * 0.02, 2)).assign(label=np.arange(20) % 2)
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert READER.labels(tmp_path / "a.csv") == ["0", "1"] * 10
    assert read(f"{tmp_path}/a.csv#row=0").values.shape == (1, 40)


def test_a_delimiter_at_the_end_of_each_line_makes_no_channel(tmp_path):
    rows = [f"{k / 50},{v:.3f},{-v:.3f}," for k, v in enumerate(X)]
    for head in ("time,x,y,", ""):
        assert read(text(tmp_path / "a.csv", head, rows)).values.shape == (2, 60)


def test_words_in_place_of_numbers_are_said(tmp_path):
    path = text(tmp_path / "a.csv", "t,v", [f'{k},"1,{100 + k}.5"' for k in range(60)])
    with pytest.raises(ReadError, match=r"a.csv: '1,100.5' in column 'v' is no number"):
        read(path)


# What programs write.


@pytest.mark.parametrize(
    ("name", "first", "step"),
    [("date", 45292, 60), ("time", 739252, 60), ("Datum", 45292, 86400), ("t", 45292.5, 900)],
)
def test_days_as_excel_and_matlab_count_them(tmp_path, name, first, step):
    rows = [f"{first + k * step / 86400:.9f},{v:.3f}".replace(".000000000", "") for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", f"{name},x", rows))
    assert series.step_s == pytest.approx(step, rel=1e-3)
    assert is_noted(series, "days")


def test_seconds_that_could_be_days_stay_seconds(tmp_path):
    rows = [f"{45292 + k},{v:.3f}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", "time,x", rows))
    assert (series.step_s, series.notes) == (1, ())


@pytest.mark.parametrize(
    "name", ["Zeit", "Zeit (s)", "tiempo", "temps [ms]", "elapsed time", "seconds_elapsed", "时间"]
)
def test_times_by_their_names_in_other_languages(tmp_path, name):
    factor = 1000 if "ms" in name else 1
    rows = [f"{k * factor},{v:.3f}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", f"{name},x", rows))
    assert (series.values.shape, series.step_s) == ((1, 60), 1)


def test_a_ramp_beside_values_is_told(tmp_path):
    rows = [f"{k / 50:.2f},{v:.3f}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", "abscissa,x", rows))
    assert series.values.shape == (2, 60)
    assert is_noted(series, "--time names it")


@pytest.mark.parametrize("names", [str, lambda k: f'"{k}"', lambda k: f'"s{k}"'])
def test_row_names_of_r_have_no_name_above(tmp_path, names):
    rows = [f"{names(k + 1)} {v:.3f} {-v:.3f}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.txt", '"x" "y"', rows))
    assert series.values.shape == (2, 60)
    np.testing.assert_allclose(series.values[0], X, atol=1e-3)


def test_a_header_that_is_short_of_a_channel_is_refused(tmp_path):
    with pytest.raises(ReadError, match="the header has 2 columns, the first row 3"):
        read(text(tmp_path / "a.csv", "x,y", [f"{v:.3f},{-v:.3f},{v * v:.3f}" for v in X]))


@pytest.mark.parametrize("mark", ["-", "--", ".", "n.a.", "#DIV/0!", "#N/A", "nil", "NULL"])
def test_words_for_missing_values(tmp_path, mark):
    rows = [f"{k},{mark if k in (3, 7) else f'{v:.3f}'}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", "t,x", rows))
    assert (series.values.shape, np.isnan(series.values).sum(), series.notes) == ((1, 60), 2, ())


def test_numbers_that_stand_for_missing_values_are_told(tmp_path):
    rows = [f"{k},{-9999 if k in (3, 7) else f'{v:.3f}'}" for k, v in enumerate(X)]
    series = read(text(tmp_path / "a.csv", "t,x", rows))
    assert is_noted(series, "2 values are -9999")
    rows = [f"{k},{-9999 + 3000 * (k % 7)}" for k in range(60)]
    assert read(text(tmp_path / "b.csv", "t,x", rows)).notes == ()


def test_minutes_and_seconds(tmp_path):
    rows = [f"{k // 60:02d}:{k % 60:02d}.500,{v:.3f}" for k, v in enumerate(X)]
    assert read(text(tmp_path / "a.csv", "time,x", rows)).step_s == 1


def test_many_columns_are_told(tmp_path):
    path = tmp_path / "a.csv"
    header = ",".join(f"sample {name}" for name in "abcdefghijklmnop")
    values = np.random.default_rng(0).standard_normal((60, 16))
    np.savetxt(path, values, delimiter=",", header=header, comments="", fmt="%.3f")
    series = read(path)
    assert series.values.shape == (16, 60)
    assert "16 columns are taken as channels" in str(series.notes[0])
    assert not read(path, options=ReadOptions(layout="columns")).notes
