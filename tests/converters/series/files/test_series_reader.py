"""What the series reader takes, what it makes of it, and what it says of files that are no series."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import ParameterError, ReadError, read
from phosphene.converters.core.files import ReadOptions
from phosphene.converters.registry import recognise
from phosphene.converters.series.kind import SeriesReader

READER = SeriesReader()


def written(folder, name, content):
    path = Path(folder, name)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values_of(path):
    return read(path, "series").values.tolist()


TABLES = {
    "commas": ("a.csv", "a,b\n1,4\n2,5\n3,6\n"),
    "no header": ("a.csv", "1,4\n2,5\n3,6\n"),
    "tabs": ("a.tsv", "a\tb\n1\t4\n2\t5\n3\t6\n"),
    "spaces": ("a.txt", "  1   4\n 2 5\n3 6\n"),
    "semicolons and decimal commas": ("a.csv", "a;b\n1,0;4,0\n2,0;5,0\n3,0;6,0\n"),
    "tabs and decimal commas": ("a.txt", "1,0\t4,0\n2,0\t5,0\n3,0\t6,0\n"),
    "carriage returns": ("a.csv", "a,b\r\n1,4\r\n2,5\r\n3,6\r\n"),
    "old carriage returns": ("a.csv", "a,b\r1,4\r2,5\r3,6\r"),
    "no last line end": ("a.csv", "a,b\n1,4\n2,5\n3,6"),
    "blank lines": ("a.csv", "\na,b\n1,4\n\n2,5\n  \n3,6\n\n"),
    "form feeds": ("a.csv", "a,b\n1,4\n\f\n2,5\f\n3,6\n"),
    "comments": ("a.txt", "# made by hand\n# twice\n1 4\n2 5\n3 6\n"),
    "byte order mark": ("a.csv", "\ufeffa,b\n1,4\n2,5\n3,6\n"),
    "byte order mark, no header": ("a.csv", "\ufeff1,4\n2,5\n3,6\n"),
    "quotes": ("a.csv", '"a, first","b"\n"1","4"\n"2","5"\n"3","6"\n'),
    "blanks around": ("a.csv", "a, b\n1 , 4\n 2, 5\n3, 6 \n"),
    "latin-1": ("a.csv", "Höhe,b\n1,4\n2,5\n3,6\n".encode("latin-1")),
    "row numbers": ("a.csv", ",a,b\n0,1,4\n1,2,5\n2,3,6\n"),
    "exponents": ("a.csv", "a,b\n1e0,+4\n0.2e1,5.\n3,.6E1\n"),
}


HEADLESS = ("no header", "spaces", "comments", "byte order mark, no header", "tabs and decimal commas")


@pytest.mark.parametrize("name", [name for name in TABLES if name not in HEADLESS])
def test_a_table_is_one_column_a_channel(tmp_path, name):
    assert values_of(written(tmp_path, *TABLES[name])) == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("name", HEADLESS)
def test_without_a_header_a_first_column_that_rises_evenly_is_time(tmp_path, name):
    series = read(written(tmp_path, *TABLES[name]))
    assert series.values.tolist() == [[4, 5, 6]]
    assert series.step_s == 1


@pytest.mark.parametrize(
    ("text", "step_s"),
    [
        ("time,a\n0,5\n0.5,6\n1.0,7\n", 0.5),
        ("a,t\n5,10\n6,12\n7,14\n", 2),
        ("Time [ms],a\n0,5\n20,6\n40,7\n", 0.02),
        ("time_us;a\n0;5\n20;6\n40;7\n", 2e-5),
        ("timestamp,a\n1700000000.00,5\n1700000000.01,6\n1700000000.02,7\n", 0.01),
        ("date,a\n2024-02-28,5\n2024-02-29,6\n2024-03-01,7\n", 86400),
        ("when,a\n2024-01-01T00:00:00Z,5\n2024-01-01T00:00:30Z,6\n2024-01-01T00:01:00Z,7\n", 30),
        ("2024-01-01 00:00:00,5\n2024-01-01 00:15:00,6\n2024-01-01 00:30:00,7\n", 900),
        ("time,a\n0.000,5\n0.033,6\n0.067,7\n", 0.0335),  # 30 a second, in whole milliseconds
        ("0,5\n1,6\n2,7\n", 1),
        ("a\n5\n6\n7\n", None),
        ("a,b\n5,5\n6,6\n7,7\n", None),
    ],
)
def test_a_time_column_gives_the_step(tmp_path, text, step_s):
    series = read(written(tmp_path, "a.csv", text), "series")
    assert series.values[0].tolist() == [5, 6, 7]
    assert series.step_s == (None if step_s is None else pytest.approx(step_s, rel=1e-6))


@pytest.mark.parametrize("word", ["", "?", " ? ", "NaN", "nan", "NA", "n/a", "null", "None", "#N/A"])
def test_words_that_mean_missing_are_missing(tmp_path, word):
    values = read(written(tmp_path, "a.csv", f"a,b\n1,4\n{word},5\n3,{word}\n")).values
    np.testing.assert_array_equal(values, [[1, np.nan, 3], [4, 5, np.nan]])


def test_one_sample_and_many_channels_are_series(tmp_path):
    assert values_of(written(tmp_path, "a.csv", "7\n")) == [[7]]
    row = ",".join(map(str, range(64, 0, -1)))
    assert read(written(tmp_path, "b.csv", f"{row}\n{row}\n")).values.shape == (64, 2)


def test_arrays_are_channels_first(tmp_path):
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "vector.npy", array[0])
    np.savez(tmp_path / "a.npz", array)
    np.savez_compressed(tmp_path / "b.npz", named=array)
    assert values_of(tmp_path / "vector.npy") == [[0, 1, 2]]
    for name in ("a.npy", "a.npz", "b.npz"):
        assert recognise(tmp_path / name) == "series"
        assert values_of(tmp_path / name) == array.tolist()


def test_an_array_of_items_is_an_archive_without_labels(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(24.0).reshape(4, 2, 3))
    assert read(f"{tmp_path}/a.npy#row=3").values.tolist() == [[18, 19, 20], [21, 22, 23]]
    assert READER.labels(tmp_path / "a.npy") is None
    with pytest.raises(ReadError, match="holds 4 items; name one, such as #row=0"):
        read(tmp_path / "a.npy")


def parquet_of(path, **columns):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, row_group_size=4)
    return path


def test_parquet_is_one_column_a_channel(tmp_path):
    numbers = list(range(10))
    path = parquet_of(tmp_path / "a.parquet", a=numbers, b=[None, *map(float, numbers[1:])])
    series = read(path)
    np.testing.assert_array_equal(series.values, [numbers, [np.nan, *numbers[1:]]])
    assert series.step_s is None
    np.testing.assert_array_equal(read(f"{path}#samples=3-8").values, [numbers[3:9]] * 2)
    assert READER.extent(path) == 10


def test_parquet_has_its_time_by_type_or_name(tmp_path):
    when = np.datetime64("2024-01-01") + np.arange(6) * np.timedelta64(250, "ms")
    assert read(parquet_of(tmp_path / "a.parquet", w=when, a=range(6))).step_s == 0.25
    assert read(parquet_of(tmp_path / "b.parquet", time_ms=range(0, 60, 10), a=range(6))).step_s == 0.01
    with pytest.raises(
        ReadError, match=r"c.parquet: row 2, column 't': time steps are uneven, 3 s where 1 s"
    ):
        read(parquet_of(tmp_path / "c.parquet", t=[0, 1, 4, 5, 6], a=range(5)))


# Parts of a table.


@pytest.fixture(scope="module")
def long_table(tmp_path_factory):
    """Write a table of several chunks, with a blank line within."""
    path = tmp_path_factory.mktemp("long") / "a.csv"
    rows = [f"{row / 100:.2f},{row},{-row}" for row in range(100_000)]
    rows.insert(50_000, "")
    path.write_text("time,a,b\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("first", "last"), [(0, 0), (0, 99_999), (49_990, 50_010), (99_999, 99_999), (12_345, 67_890)]
)
def test_a_part_of_a_table_is_that_part(long_table, first, last):
    series = read(f"{long_table}#samples={first}-{last}")
    np.testing.assert_array_equal(series.values, np.array([[1], [-1]]) * np.arange(first, last + 1))
    assert series.step_s == (None if first == last else pytest.approx(0.01))
    assert READER.extent(long_table) == 100_000


def test_an_error_far_down_names_its_line(long_table, tmp_path):
    lines = long_table.read_text().splitlines()
    lines[80_000] = "800,1e400,5"
    path = written(tmp_path, "a.csv", "\n".join(lines))
    with pytest.raises(ReadError, match="line 80001, column 2: '1e400' is infinite"):
        read(path)
    lines[80_000] = "700.0,1,5"
    with pytest.raises(ReadError, match="line 80001, column 1: time does not go forwards"):
        read(written(tmp_path, "b.csv", "\n".join(lines)))
    assert read(f"{tmp_path}/b.csv#samples=0-9").values.shape == (2, 10)


@given(
    table=st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=30),
    delimiter=st.sampled_from(",;\t"),
)
def test_what_is_written_is_read(tmp_path_factory, table, delimiter):
    lines = [delimiter.join(map(repr, row)) for row in table]
    path = written(
        tmp_path_factory.mktemp("t"), "a.csv", "\n".join(["a b c".replace(" ", delimiter), *lines])
    )
    np.testing.assert_array_equal(read(path, "series").values, np.array(table, np.float32).T)


# Archives.

UCR = "1\t0.5\t1.5\t2.5\tNaN\n2\t0.5\tNaN\t2.5\t3.5\n-1\t9.5\tNaN\tNaN\tNaN\n"
UNI_TS = """# A comment
@problemName Toy
@timeStamps false
@classLabel true up down
@data
1,2,3:up
4,?,6,7:down
"""
MULTI_TS = "@problemName Toy\n@univariate false\n@classLabel true a b\n@data\n1,2:3,4:a\n5,6:7,?:b\n"
UNI_ARFF = """% A comment
@RELATION Toy
@ATTRIBUTE att0 NUMERIC
@ATTRIBUTE att1 NUMERIC
@ATTRIBUTE target {1,'two words'}
@DATA
0.5,1.5,1
2.5,?,'two words'
"""
MULTI_ARFF = """@relation Toy
@attribute Toy relational
@attribute t0 numeric
@attribute t1 numeric
@end Toy
@attribute class {a,b}
@data
'1,2\\n3,4',a
"5,6\\n7,8",b
"""
ARCHIVES = {
    "ucr": ("Toy_TRAIN.tsv", UCR, ["1", "2", "-1"], [[[0.5, 1.5, 2.5]], [[0.5, None, 2.5, 3.5]], [[9.5]]]),
    "ucr text": (
        "Toy_TEST.txt",
        "  1.0e+00  0.5  1.5\n  2.0e+00  2.5  3.5\n",
        ["1", "2"],
        [[[0.5, 1.5]], [[2.5, 3.5]]],
    ),
    "ucr commas": ("Toy_TEST.csv", "up,0.5,1.5\n1,2.5,3.5\n", ["up", "1"], [[[0.5, 1.5]], [[2.5, 3.5]]]),
    "ucr ragged": ("Toy_TEST.tsv", "1\t0.5\t1.5\n2\t2.5\n", ["1", "2"], [[[0.5, 1.5]], [[2.5]]]),
    "ts": ("Toy_TRAIN.ts", UNI_TS, ["up", "down"], [[[1, 2, 3]], [[4, None, 6, 7]]]),
    "ts of channels": ("a.ts", MULTI_TS, ["a", "b"], [[[1, 2], [3, 4]], [[5, 6], [7, None]]]),
    "arff": ("a.arff", UNI_ARFF, ["1", "two words"], [[[0.5, 1.5]], [[2.5]]]),
    "arff of channels": ("a.arff", MULTI_ARFF, ["a", "b"], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_gives_its_labels_and_items(tmp_path, name):
    file, text, labels, items = ARCHIVES[name]
    path = written(tmp_path, file, text)
    assert READER.labels(path) == labels
    for row, item in enumerate(items):
        np.testing.assert_array_equal(read(f"{path}#row={row}", "series").values, np.array(item, np.float32))
    with pytest.raises(ReadError, match=f"{file}: holds {len(items)} items; name one, such as #row=0"):
        read(path, "series")
    with pytest.raises(ReadError, match=f"has no row {len(items)}, it holds {len(items)} items"):
        read(f"{path}#row={len(items)}", "series")


def test_an_archive_under_another_name_is_known_by_its_labels(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{label}\t" + "\t".join(f"{v:.4f}" for v in rng.normal(size=20)) for label in (1, 1, 2, 1, 2)]
    path = written(tmp_path, "gestures.tsv", "\n".join(rows))
    assert READER.labels(path) == ["1", "1", "2", "1", "2"]
    counted = [row.replace(row[0], str(number), 1) for number, row in enumerate(rows)]
    assert READER.labels(written(tmp_path, "b.tsv", "\n".join(counted))) is None
    assert READER.labels(written(tmp_path, "c.csv", rows[0].replace("\t", ","))) is None


def test_a_changed_archive_is_read_again(tmp_path):
    path = written(tmp_path, "Toy_TRAIN.tsv", "1\t0.5\t1.5\n")
    assert READER.labels(path) == ["1"]
    path.write_text("7\t0.5\t1.5\n")
    os.utime(path, ns=(1, 1))
    assert READER.labels(path) == ["7"]


def test_rows_of_a_large_archive_are_read_quickly(tmp_path):
    values = np.random.default_rng(0).normal(size=(1000, 1000))
    lines = [f"{row % 3}\t" + "\t".join(f"{value:.5f}" for value in values[row]) for row in range(1000)]
    path = written(tmp_path, "Large_TRAIN.tsv", "\n".join(lines))
    started = time.process_time()
    labels = READER.labels(path)
    for row in range(len(labels)):
        read(f"{path}#row={row}", "series")
    assert time.process_time() - started < 2  # half a second when nobody else is at work


# What is a series at all.


@pytest.mark.parametrize("name", TABLES)
def test_numbers_are_recognised_whatever_the_name(tmp_path, name):
    _, text = TABLES[name]
    assert recognise(written(tmp_path, "a.xyz", text)) == "series"


@pytest.mark.parametrize(
    "content",
    [
        "It was a dark and stormy night; the rain fell in torrents,\nexcept at occasional intervals.\n",
        "path,label\na.wav,dog\nb.wav,cat\n",
        '{"x": 1, "y": 2}\n{"x": 2, "y": 3}\n',
        "import numpy\n\nx = 1\ny = 2\n",
        b"\x00\x01\x02\x03" * 50,
        b"PK\x03\x04" + b"\x00" * 22 + b"\x05\x00\x00\x00a.txt",
        b"\xff\xfe1\x00,\x002\x00",
        "<html><body>1 2 3</body></html>\n",
    ],
)
def test_other_text_and_bytes_are_not_claimed(tmp_path, content):
    path = written(tmp_path, "a.xyz", content)
    assert not READER.recognises(path.read_bytes(), path)


@pytest.mark.slow
def test_a_wide_header_and_wide_rows_are_read(tmp_path):
    count = 20_000
    header = ",".join(f"electrode {place}" for place in range(count))
    path = written(tmp_path, "a.csv", f"{header}\n" + "\n".join([",".join(["1.5"] * count)] * 2))
    assert read(path, "series").values.shape == (count, 2)


# What is none.


def pickled(path):
    np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


def cut_short(path):
    np.save(path, np.arange(1000.0))
    path.write_bytes(path.read_bytes()[:2000])


BAD_FILES = {
    "empty file": ("a.csv", "", "empty; there is nothing to read"),
    "blanks alone": ("a.csv", " \n\t\n \n", "holds nothing but blanks"),
    "comments alone": ("a.txt", "# a\n# b\n", "holds no line of text"),
    "header alone": ("a.csv", "time,a\n", "holds a header and no numbers"),
    "time alone": ("a.csv", "time\n1\n2\n3\n", "has a time column and no other"),
    "words in a row": ("a.csv", "a,b\n1,2\n3,four\n", "line 3, column 2: 'four' is not a number; correct it"),
    "prose": (
        "a.txt",
        "It was\na dark night\n",
        "line 2 has 3 fields|is not a number|columns, the first row",
    ),
    "infinity": ("a.csv", "a,b\n1,2\n-inf,4\n", "line 3, column 1: '-inf' is infinite or too large"),
    "too large": ("a.csv", "a\n1e39\n", "line 2, column 1: '1e39' is infinite or too large for float32"),
    "too few fields": ("a.csv", "a,b\n1,2\n3\n", "line 3 has 1 fields, the lines before it 2"),
    "too many fields": ("a.csv", "a,b\n1,2\n\n3,4,5\n", "line 4 has 3 fields, the lines before it 2"),
    "another header": ("a.csv", "a,b,c\n1,2\n3,4\n", "the header has 3 columns, the first row 2"),
    "nothing but NaN": (
        "a.csv",
        "a,b\n1,\n2,NaN\n",
        "channel 1 is all NaN; correct the file or leave it out",
    ),
    "time backwards": ("a.csv", "t,a\n0,1\n1,1\n0.5,1\n", "line 4, column 1: time does not go forwards"),
    "time standing": ("a.csv", "t,a\n0,1\n1,1\n1,1\n", "line 4, column 1: time does not go forwards"),
    "dates backwards": (
        "a.csv",
        "date,a\n2024-01-02,1\n2024-01-01,2\n",
        "line 3, column 1: time does not go",
    ),
    "uneven time": (
        "a.csv",
        "t,a\n0,1\n1,1\n2,1\n4.5,1\n",
        "line 5, column 1: time steps are uneven, 2.5 s where 1 s",
    ),
    "a time is missing": ("a.csv", "t,a\n0,1\n,1\n2,1\n", "line 3, column 1: a time is missing"),
    "no date": ("a.csv", "date,a\n2024-01-01,1\nsoon,2\n", "line 3, column 1: a time is missing or is none"),
    "bytes": ("a.csv", b"\x00\x01\x02" * 100, "holds no text, and no NumPy or Parquet file"),
    "no archive": ("a.npz", b"PK\x03\x04" + b"\x00" * 100, "holds no text, and no NumPy or Parquet file"),
    "quotes over lines": ("a.csv", 'a\n"1\n2"\n', "is not a number|quotes that span lines"),
    "broken parquet": ("a.parquet", b"PAR1" + b"\x00" * 100, "is damaged or cut short"),
    "ucr word": ("T_TRAIN.tsv", "1\t2.5\tx\n", "line 1, column 3: 'x' is not a number"),
    "ucr without label": ("T_TRAIN.tsv", "1\t2.5\t3\n\t2.5\t4\n", "line 2 has no label"),
    "ts without data": ("a.ts", "@problemName a\n", "has no line @data"),
    "ts without items": ("a.ts", "@problemName a\n@data\n", "has nothing behind @data"),
    "ts with timestamps": ("a.ts", "@timeStamps true\n@data\n(0,1):a\n", "holds its own timestamps"),
    "ts word": ("a.ts", "@problemName a\n@data\n1,x\n", "line 3, column 2: 'x' is not a number"),
    "ts of uneven channels": ("a.ts", "@problemName a\n@data\n1,2:3\n", "dimensions of 1 and 2 values"),
    "sparse arff": ("a.arff", "@relation a\n@attribute a numeric\n@data\n{0 1}\n", "line 4 is sparse"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_with_its_path_and_why(tmp_path, name):
    file, content, message = BAD_FILES[name]
    path = written(tmp_path, file, content)
    with pytest.raises(ReadError, match=message) as caught:
        read(path, "series")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def make_npz(path):
    np.savez(path, a=np.ones(3), b=np.ones(3))


def make_infinite(path):
    np.save(path, np.array([[1.0, 2.0], [3.0, np.inf]]))


BAD_ARRAYS = {
    "pickled": ("a.npy", pickled, "holds Python objects, which are never loaded"),
    "pickled in a zip": ("a.npz", lambda path: np.savez(path, np.array([None])), "holds Python objects"),
    "cut short": ("a.npy", cut_short, "is damaged or cut short"),
    "several": ("a.npz", make_npz, r"holds 2 arrays \(a, b\); save one array a file"),
    "complex": (
        "a.npy",
        lambda path: np.save(path, np.ones(3, complex)),
        r"holds complex128 \(3,\), no series",
    ),
    "text": ("a.npy", lambda path: np.save(path, np.array(["a"])), r"no series; save real numbers"),
    "no samples": (
        "a.npy",
        lambda path: np.save(path, np.ones((2, 0))),
        r"holds float64 \(2, 0\), no series",
    ),
    "four dimensions": ("a.npy", lambda path: np.save(path, np.ones((1, 1, 1, 1))), "no series"),
    "infinity": ("a.npy", make_infinite, "channel 1, sample 1: infinite or too large for float32"),
    "nothing but NaN": ("a.npy", lambda path: np.save(path, np.full(3, np.nan)), "channel 0 is all NaN"),
    "words": (
        "a.parquet",
        lambda path: parquet_of(path, a=[1.0], b=["x"]),
        "column 'b' holds string, no numbers",
    ),
    "no rows": ("a.parquet", lambda path: parquet_of(path, a=np.ones(0)), "holds 0 rows of 1 channels"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_a_bad_array_is_refused_with_its_path_and_why(tmp_path, name):
    file, make_file, message = BAD_ARRAYS[name]
    path = tmp_path / file
    make_file(path)
    with pytest.raises(ReadError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_a_pickled_array_is_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(ReadError):
        read(tmp_path / "a.npy")
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_file_is_said(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere.csv")
    for path, why in (
        ("", "a folder, not a file"),
        ("link.csv", "a link to nothing"),
        ("gone.csv", "no such file"),
    ):
        for ask in (READER.labels, READER.extent, read):
            with pytest.raises(ReadError, match=why):
                ask(tmp_path / path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said(tmp_path):
    path = written(tmp_path, "a.csv", "1\n2\n")
    path.chmod(0)
    with pytest.raises(ReadError, match="may not be read; change its permissions"):
        READER.labels(path)


def test_a_wrong_fragment_is_refused(tmp_path):
    path = written(tmp_path, "a.csv", "a\n1\n2\n")
    with pytest.raises(ReadError, match="has no #samples=1-2, it holds 2 samples; end at 1 or before"):
        read(f"{path}#samples=1-2", "series")
    with pytest.raises(ReadError, match="holds one series, no rows of items; leave #row=0 out"):
        read(f"{path}#row=0", "series")
    with pytest.raises(
        ParameterError, match="#t=0,1 is no part of a series; write #samples=0-999 or #row=12"
    ):
        read(f"{path}#t=0,1", "series")


def whole_files(folder):
    """Yield name and bytes of a good file of every form."""
    for name, content in TABLES.values():
        yield name, content if isinstance(content, bytes) else content.encode()
    for name, content, *_ in ARCHIVES.values():
        yield name, content.encode()
    np.save(folder / "a.npy", np.arange(12.0).reshape(2, 6))
    np.savez(folder / "a.npz", np.arange(12.0))
    parquet_of(folder / "a.parquet", t=range(9), a=range(9))
    yield from ((name, (folder / name).read_bytes()) for name in ("a.npy", "a.npz", "a.parquet"))


@given(damage=st.data())
def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path_factory, damage):
    folder = tmp_path_factory.mktemp("damaged")
    name, content = damage.draw(st.sampled_from(list(whole_files(folder))))
    start = damage.draw(st.integers(0, len(content) - 1))
    stop = damage.draw(st.integers(start, min(len(content), start + 20)))
    put = damage.draw(
        st.binary(max_size=4)
        | st.text(",;\t\n\r\f.-e\"'?:@#{} nNaAiIfF0123456789", max_size=6).map(str.encode)
    )
    path = written(folder, f"damaged_{name}", content[:start] + put + content[stop:] or b" ")
    for ask in (
        lambda: read(path, "series"),
        lambda: read(f"{path}#row=0", "series"),
        lambda: READER.labels(path),
    ):
        try:
            ask()
        except ReadError as error:
            assert str(error).startswith(str(path))


# Real data.


@pytest.mark.data
def test_every_set_of_the_ucr_archive_is_read(data):
    files = sorted(data.glob("ucr/*/*.tsv"))
    assert len(files) == 48
    for path in files:
        labels = READER.labels(path)
        lines = path.read_text().splitlines()
        assert labels == [line.split("\t")[0] for line in lines]
        last = read(f"{path}#row={len(lines) - 1}", "series").values[0]
        oracle = np.array(lines[-1].split("\t")[1:], np.float32)
        np.testing.assert_array_equal(last, oracle[: len(last)])
        assert np.isnan(oracle[len(last) :]).all()


def test_an_array_of_many_channels_is_told(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(30, 128)))
    series = read(tmp_path / "a.npy")
    assert series.values.shape == (30, 128)
    assert "--layout rows" in series.notes[0]
    np.save(tmp_path / "b.npy", np.zeros((3, 128)))
    assert read(tmp_path / "b.npy").notes == ()


def test_a_single_number_is_no_series(tmp_path):
    np.save(tmp_path / "a.npy", np.array(5.0))
    with pytest.raises(ReadError, match="no series"):
        read(tmp_path / "a.npy")


def test_an_array_called_like_labels_that_are_none_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 200)), y=np.ones(200))
    series = read(tmp_path / "a.npz")
    assert series.values.shape == (3, 200)
    assert any("'y' is called like labels" in note for note in series.notes)


def test_rows_of_an_array_are_items_where_labels_lie_beside(tmp_path):
    values = np.random.default_rng(0).standard_normal((6, 40))
    np.save(tmp_path / "X.npy", values)
    assert READER.labels(tmp_path / "X.npy") is None  # six channels
    np.save(tmp_path / "y.npy", np.array(list("abc" * 2)))
    assert READER.rows(tmp_path / "X.npy", ReadOptions(label="none")) is None
    (tmp_path / "X.npy").touch()
    assert READER.labels(tmp_path / "X.npy") == list("abc" * 2)
