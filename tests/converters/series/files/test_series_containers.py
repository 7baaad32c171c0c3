"""Series in the files of other programs, and arrays of other shapes."""

import gzip
import sys

import numpy as np
import pytest
import scipy.io

from phosphene.converters import MissingExtra, ReadError, read
from phosphene.converters.core.apart import Child
from phosphene.converters.core.files import ReadOptions
from phosphene.converters.registry import recognise
from phosphene.converters.series.files import containers
from phosphene.converters.series.kind import SeriesReader

READER = SeriesReader()
X = np.cumsum(np.random.default_rng(3).standard_normal(300))
THREE = np.stack([X, -X, X / 2])


def is_noted(signal, *words):
    return any(all(word in note for word in words) for note in signal.notes)


@pytest.mark.parametrize(
    "array", [X[None], X[:, None], X, X[None].astype(np.int16), X[None].astype(np.float32)]
)
@pytest.mark.parametrize("compressed", [True, False])
def test_matlab_files_are_series(tmp_path, array, compressed):
    path = tmp_path / "signal.mat"
    scipy.io.savemat(path, {"val": array}, do_compression=compressed)
    assert recognise(path) == "series"
    np.testing.assert_allclose(read(path).values, array.reshape(1, -1), rtol=1e-6)
    path.rename(tmp_path / "other.bin")
    assert recognise(tmp_path / "other.bin") == "series"


def test_matlab_files_of_several_variables(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"ecg": X, "Fs": 250.0, "name": "patient 7", "info": {"a": 1}})
    series = read(path)
    assert series.step_s == pytest.approx(1 / 250)
    assert is_noted(series, "Fs")
    scipy.io.savemat(path, {"acc": THREE, "gyr": THREE})
    with pytest.raises(ReadError, match=r"a.mat: holds 2 arrays \(acc, gyr\).*--columns acc"):
        read(path)
    assert read(path, options=ReadOptions(columns=("gyr",))).values.shape == (3, 300)
    scipy.io.savemat(path, {"X": np.zeros((20, 50)) + np.arange(50), "y": np.arange(20) % 2})
    assert READER.labels(path) == ["0", "1"] * 10
    scipy.io.savemat(path, {"t": np.arange(300) / 50, "x": X})
    assert read(path).step_s == pytest.approx(0.02)
    scipy.io.savemat(path, {"notes": "words alone"})
    with pytest.raises(ReadError, match=r"no series; save real numbers"):
        read(path)


def test_old_matlab_files_are_read(tmp_path):
    scipy.io.savemat(tmp_path / "old.mat", {"val": X}, format="4")
    assert read(tmp_path / "old.mat").values.shape == (1, 300)


SAVE = {
    "a.npy": np.save,
    "a.npz": np.savez,
    "a.mat": lambda path, array: scipy.io.savemat(path, {"v": array}),
}


@pytest.mark.parametrize("name", SAVE)
def test_samples_by_channels_are_turned_and_told(tmp_path, name):
    path, save = tmp_path / name, SAVE[name]
    save(path, THREE.T)
    series = read(path)
    np.testing.assert_allclose(series.values, THREE.astype(np.float32))
    assert is_noted(series, "(300, 3)", "3 channels", "--layout rows")
    assert read(f"{path}#samples=10-19").values.shape == (3, 10)
    assert READER.rows(path, ReadOptions(layout="rows")) == 300
    save(path, THREE)
    assert not read(path).notes
    assert read(path, options=ReadOptions(layout="columns")).values.shape == (300, 3)


def test_items_of_samples_by_channels_are_turned_and_told(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((7, 128, 9)))
    assert READER.rows(tmp_path / "a.npy") == 7
    item = read(f"{tmp_path}/a.npy#row=3")
    assert item.values.shape == (9, 128)
    assert is_noted(item, "(128, 9)", "9 channels")
    np.save(tmp_path / "b.npy", np.random.default_rng(0).standard_normal((7, 9, 128)))
    assert read(f"{tmp_path}/b.npy#row=3").values.shape == (9, 128)


def test_rows_of_arrays_are_items_where_they_are_smooth(tmp_path):
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(80) / 8 + rng.uniform(0, 6, (100, 1)))
    np.save(tmp_path / "a.npy", values)
    assert READER.rows(tmp_path / "a.npy") == 100
    assert is_noted(read(f"{tmp_path}/a.npy#row=0"), "100 rows", "--layout columns")
    np.savez(tmp_path / "b.npz", X=values, y=np.array(["a", "b"] * 50))
    assert READER.labels(tmp_path / "b.npz") == ["a", "b"] * 50
    np.savez(
        tmp_path / "c.npz",
        x_train=values,
        y_train=np.arange(100) % 3,
        x_test=values[:9],
        y_test=np.arange(9) % 3,
    )
    with pytest.raises(ReadError, match="holds 2 arrays"):
        READER.labels(tmp_path / "c.npz")
    assert READER.labels(tmp_path / "c.npz", ReadOptions(columns=("x_test",))) == [
        str(k % 3) for k in range(9)
    ]


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv.gz", ".txt.gz", ".gz"])
def test_tables_in_gzip_are_series(tmp_path, suffix):
    path = tmp_path / f"signal{suffix}"
    path.write_bytes(gzip.compress(("v\n" + "\n".join(f"{v:.3f}" for v in X)).encode()))
    assert recognise(path) == "series"
    assert read(path).values.shape == (1, 300)
    assert READER.extent(path) == 300
    assert read(f"{path}#samples=290-299").values.shape == (1, 10)


def test_large_tables_in_gzip_are_read_in_parts_also_by_threads(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"v\n" + b"\n".join(b"%d" % k for k in range(300_000))))
    starts = range(0, 300_000, 10_000)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: read(f"{path}#samples={start}-{start + 9}").values[0], starts))
    assert [part.tolist() for part in parts] == [list(range(start, start + 10)) for start in starts]


def test_damaged_gzip_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    whole = gzip.compress(("v\n" + "\n".join(f"{v:.9f}" for v in X)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReadError, match="a.csv.gz: is damaged or cut short"):
        read(path)


def test_excel_workbooks_are_tables(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["time", "x", "y"])
    for k, v in enumerate(X):
        book.active.append([k / 10, v, None if k == 5 else -v])
    book.save(tmp_path / "a.xlsx")
    assert recognise(tmp_path / "a.xlsx") == "series"
    series = read(tmp_path / "a.xlsx")
    assert (series.values.shape, series.step_s) == ((2, 300), pytest.approx(0.1))
    assert np.isnan(series.values).sum() == 1
    book.create_sheet("more")
    book.save(tmp_path / "b.xlsx")
    assert is_noted(read(tmp_path / "b.xlsx"), "first sheet", "2")


def test_hdf5_files_are_series(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/signal"] = THREE
        file["group/fs"] = 500.0
    assert recognise(tmp_path / "a.h5") == "series"
    series = read(tmp_path / "a.h5")
    assert (series.values.shape, series.step_s) == ((3, 300), pytest.approx(0.002))
    for held_by in ("/", "eeg"):
        with h5py.File(tmp_path / "rate.h5", "w") as file:
            file["eeg"] = THREE
            file[held_by].attrs["fs"] = 250
        assert read(tmp_path / "rate.h5").step_s == pytest.approx(0.004)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["X"], file["y"] = np.random.default_rng(0).standard_normal((6, 3, 40)), [b"a", b"b"] * 3
    assert READER.labels(tmp_path / "b.h5") == ["a", "b"] * 3
    with h5py.File(tmp_path / "c.mat", "w", userblock_size=512) as file:
        file["val"] = X[:, None]  # as MATLAB 7.3 writes (1, 300)
    with (tmp_path / "c.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    assert recognise(tmp_path / "c.mat") == "series"
    assert read(tmp_path / "c.mat").values.shape == (1, 300)
    (tmp_path / "bad.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:900])
    with pytest.raises(ReadError, match="bad.h5: "):
        read(tmp_path / "bad.h5")


def test_edf_recordings_are_series(tmp_path):
    edfio = pytest.importorskip("edfio")
    signals = [edfio.EdfSignal(np.sin(np.arange(1000) / k), 100, label=f"EEG {k}") for k in (3, 5)]
    signals.append(edfio.EdfSignal(np.sin(np.arange(10)), 1, label="Temp"))
    edfio.Edf(signals).write(tmp_path / "a.edf")
    assert recognise(tmp_path / "a.edf") == "series"
    series = read(tmp_path / "a.edf")
    assert (series.values.shape, series.step_s) == ((2, 1000), 0.01)
    np.testing.assert_allclose(series.values[0], np.sin(np.arange(1000) / 3), atol=1e-3)
    assert is_noted(series, "Temp", "--columns")
    part = read(f"{tmp_path}/a.edf#samples=100-149")
    np.testing.assert_array_equal(part.values, series.values[:, 100:150])
    assert read(tmp_path / "a.edf", options=ReadOptions(columns=("Temp",))).values.shape == (1, 10)
    with pytest.raises(ReadError, match="Temp"):
        read(tmp_path / "a.edf", options=ReadOptions(strict=True))
    (tmp_path / "bad.edf").write_bytes((tmp_path / "a.edf").read_bytes()[:600])
    with pytest.raises(ReadError, match="bad.edf: "):
        read(tmp_path / "bad.edf")


def test_wfdb_records_are_series(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    wfdb.wrsamp(
        "100", fs=360, units=["mV", "mV"], sig_name=["I", "II"], p_signal=np.stack([np.sin(X), np.cos(X)], 1),
        fmt=["16", "16"], write_dir=str(tmp_path),
    )  # fmt: skip
    for name in ("100.hea", "100.dat"):
        assert recognise(tmp_path / name) == "series"
        series = read(tmp_path / name)
        assert (series.values.shape, series.step_s) == ((2, 300), pytest.approx(1 / 360))
    np.testing.assert_allclose(series.values[0], np.sin(X), atol=1e-3)
    assert read(f"{tmp_path}/100.hea#samples=5-9", options=ReadOptions(columns=("II",))).values.shape == (
        1,
        5,
    )
    (tmp_path / "100.dat").unlink()
    with pytest.raises(ReadError, match="100.hea: "):
        read(tmp_path / "100.hea")


@pytest.mark.parametrize(
    ("name", "content", "module", "what"),
    [
        ("a.xlsx", b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml xl/workbook.xml", "openpyxl", "Excel"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "h5py", "HDF5"),
        ("a.edf", b"0       " + b"X".ljust(176) + b"768     " + bytes(100), "edfio", "EDF"),
        ("a.hea", b"100 2 360 650000\n100.dat 212 200\n", "wfdb", "WFDB"),
    ],
)
def test_without_the_extra_the_message_says_what_to_type(tmp_path, monkeypatch, name, content, module, what):
    (tmp_path / name).write_bytes(content)
    assert recognise(tmp_path / name) == "series"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"pip install 'phosphene\[files\]'") as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert what in str(caught.value)


@pytest.mark.slow
def test_a_bomb_in_npz_is_not_unpacked(tmp_path):
    import zipfile

    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("arr_0.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f8", "fortran_order": False, "shape": (1 << 28,)}
        )
        for _ in range(1 << 7):
            member.write(bytes(1 << 24))
    with pytest.raises(ReadError, match="a.npz: unpacks to 2048 MB"):
        read(tmp_path / "a.npz")


def test_parquet_columns_of_one_name_and_of_words(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_arrays([pa.array(X), pa.array(-X)], ["a", "a"]), tmp_path / "a.parquet")
    np.testing.assert_allclose(read(tmp_path / "a.parquet").values, np.stack([X, -X]).astype(np.float32))
    words = pa.table({"time": np.arange(300) / 4, "v": X, "place": ["here", "there"] * 150})
    parquet.write_table(words, tmp_path / "b.parquet")
    series = read(tmp_path / "b.parquet")
    assert (series.values.shape, series.step_s) == ((1, 300), 0.25)
    assert is_noted(series, "place", "left out")
    long = pa.table({"id": np.repeat(["a", "b", "c"], 100), "time": np.tile(np.arange(100), 3), "v": X})
    parquet.write_table(long, tmp_path / "c.parquet")
    assert READER.rows(tmp_path / "c.parquet") == 3
    assert read(f"{tmp_path}/c.parquet#row=1").values.shape == (1, 100)


def test_a_matlab_file_that_kills_its_reader_costs_itself(tmp_path, monkeypatch):
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.arange(30.0)})
    dying = Child((sys.executable, "-c", "print('ready', flush=True); input()"), "SciPy")
    monkeypatch.setattr(containers, "_mat_child", lambda _: dying)
    with pytest.raises(ReadError, match=r"a\.mat: is damaged \(SciPy crashed"):
        read(tmp_path / "a.mat")
    monkeypatch.undo()
    assert read(tmp_path / "a.mat").values.shape == (1, 30)
