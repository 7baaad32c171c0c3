"""Files on which listing alone takes for ever: every command goes on without them, in bounded time and memory."""

import gzip
import io
import json
import os
import struct
import zipfile

import h5py
import numpy as np
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

MOST_CPU_S = 12.0  # 5 s for the file, the rest for imports, the good files, and 1 s of what the file weighs
MOST_KB = 1 << 20
WAVE = np.sin(np.arange(60) / 3)


def holes(head):
    """A terabyte of which a few bytes were ever written."""

    def write(path):
        path.write_bytes(head)
        os.truncate(path, 1 << 40)

    return write


def of_bytes(make):
    return lambda path: path.write_bytes(make())


def wide_workbook():
    """100 kB that are 20,000 rows of 16,384 cells, all but one empty."""
    book = openpyxl.Workbook()
    book.save(plain := io.BytesIO())
    rows = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (k, k) for k in range(1, 20_000))
    namespace = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = b'<worksheet xmlns="' + namespace + b'"><sheetData>' + rows + b"</sheetData></worksheet>"
    with (
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else source.read(name))
    return file.getvalue()


def hdf5(fill):
    with h5py.File(file := io.BytesIO(), "w") as store:
        fill(store)
    return file.getvalue()


def circle(store):
    group = store.create_group("g")
    for number in range(8):
        group[f"again{number}"] = group
    store["x"] = WAVE


def elsewhere(store):
    store["x"] = h5py.ExternalLink("pipe.h5", "x")


def edf_of_many_channels():
    count = 3000
    head = [("0", 8), ("X", 80), ("Y", 80), ("01.01.20", 8), ("00.00.00", 8), (256 * (count + 1), 8), ("", 44),
            ("99999999", 8), ("1", 8), (count, 4)]  # fmt: skip
    each = [("ch", 16), ("", 80), ("uV", 8), ("-100", 8), ("100", 8), ("-2048", 8), ("2047", 8), ("", 80), ("50", 8),
            ("", 32)]  # fmt: skip
    return "".join(
        [str(text).ljust(width) for text, width in head] + [text.ljust(width) * count for text, width in each]
    ).encode() + bytes(400)


def columns(count):
    table = pyarrow.Table.from_arrays([pyarrow.array([1.0, 2.0])] * count, [f"c{k}" for k in range(count)])
    pyarrow.parquet.write_table(table, file := io.BytesIO())
    return file.getvalue()


def members(count):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n"
    array = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(16)
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for number in range(count):
            archive.writestr(f"a{number}.npy", array)
    return file.getvalue()


# What the file is called, what writes it, and whether it is drawn, may be, or is named.
FILES = {
    "sound of holes": ("bad.wav", holes(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"), "named"),
    "bytes of holes": ("bad.bin", holes(b"MZ"), "named"),
    "text of holes": ("bad.ts", holes(b"@problemName x\n@univariate true\n@data\n1,2,3:a\n"), "named"),
    "a workbook of empty cells": ("bad.xlsx", of_bytes(wide_workbook), "named"),
    "a quarter of a gigabyte of text, packed": (
        "bad.csv.gz",
        of_bytes(lambda: gzip.compress(b"a,b\n" + b"1,2\n" * 60_000_000, 1)),
        "drawn",
    ),
    "a line of ten million numbers": ("bad.hex", of_bytes(lambda: b"41 " * 10_000_000), "named"),
    "groups in a circle": ("bad.h5", of_bytes(lambda: hdf5(circle)), "drawn"),
    "a link out of the file": ("bad.h5", of_bytes(lambda: hdf5(elsewhere)), "named"),
    "3,000 channels": ("bad.edf", of_bytes(edf_of_many_channels), "named"),
    "20,000 columns": ("bad.parquet", of_bytes(lambda: columns(20_000)), "either"),
    "20,000 arrays": ("bad.npz", of_bytes(lambda: members(20_000)), "named"),
    "a record whose data are a pipe": (
        "bad.hea",
        of_bytes(lambda: b"bad 1 100 50\npipe.dat 16 200 12 0 1 2 0 ECG\n"),
        "named",
    ),
    "JSON in JSON": ("bad.json", of_bytes(lambda: b"[" * 100_000 + b"]" * 100_000), "either"),
    "comments without end": ("bad.bin", of_bytes(lambda: b"P5 " + b"#\n" * 30_000), "either"),
    "channels without end": (
        "bad.ts",
        of_bytes(
            lambda: b"@problemName x\n@univariate false\n@classLabel true a\n@data\n" + b"1,2:" * 300_000 + b"a\n"
        ),
        "either",
    ),
}  # fmt: skip
SLOW = {"a quarter of a gigabyte of text, packed", "a line of ten million numbers", "3,000 channels"}
CASES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FILES]


def fill(src):
    for label, step in (("a", 3), ("b", 5)):
        src.joinpath(label).mkdir(parents=True)
        for number in range(3):
            values = np.sin(np.arange(60) / step + number)
            src.joinpath(label, f"good{number}.csv").write_text("v\n" + "\n".join(map(str, values)))
    return src


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "src")


def plant(folder, name):
    called, write, _ = FILES[name]
    write(folder / "a" / called)
    os.mkfifo(folder / "a" / "pipe.h5")
    os.mkfifo(folder / "a" / "pipe.dat")
    return folder / "a" / called


def check(run, cpu_s, most_kb, unmapped_kb, *, usual=(0.0, 0, 0)):
    del most_kb  # of which libraries are a part that differs from run to run
    assert run.returncode in (0, 1), run.stderr
    assert "Traceback" not in run.stderr
    assert cpu_s - usual[0] < MOST_CPU_S
    assert unmapped_kb - usual[2] < MOST_KB


@pytest.mark.slow
@pytest.mark.timeout(120)  # by the clock: what waits takes no time of the processor
@pytest.mark.parametrize("name", CASES)
def test_convert_draws_the_others_and_names_the_file(measured, folder, tmp_path, name):
    bad = plant(folder, name)
    run, *used = measured("convert", folder, tmp_path / "out", "--as", "line(size=32)", "--kind", "series")
    check(run, *used)
    assert len(list((tmp_path / "out").rglob("good*.png"))) == 6
    named = any(failure["path"].startswith(str(bad)) for failure in json.loads(run.stdout)["failed"])
    assert FILES[name][2] == "either" or named == (FILES[name][2] == "named")


TRAINED = (
    "--kind",
    "series",
    "--as",
    "line(size=32)",
    "--arch",
    "lenet",
    "--strategy",
    "scratch",
    "--epochs",
    "1",
)


@pytest.fixture(scope="session")
def usual(tmp_path_factory, measured):
    """A model, and the seconds and KiB that training it and predicting by it take without a bad file."""
    src, out = fill(tmp_path_factory.mktemp("learned") / "src"), tmp_path_factory.mktemp("model") / "m"
    trained, *train = measured("train", src, "--out", out, *TRAINED)
    predicted, *predict = measured("predict", out, src)
    assert (trained.returncode, predicted.returncode) == (0, 0), trained.stderr + predicted.stderr
    return out, train, predict


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [name for name in FILES if name not in SLOW])
def test_predict_and_train_go_on_without_it(measured, folder, usual, tmp_path, name):
    model, of_train, of_predict = usual
    bad = plant(folder, name)
    run, *used = measured("predict", model, folder)
    check(run, *used, usual=of_predict)
    predicted = {row["path"] for row in json.loads(run.stdout)["predictions"]}
    assert {str(path) for path in folder.rglob("good*.csv")} <= predicted
    run, *used = measured("train", folder, "--out", tmp_path / "m", *TRAINED)
    check(run, *used, usual=of_train)
    assert (tmp_path / "m" / "config.json").exists()
    if FILES[name][2] == "named":
        assert bad.name in run.stdout + run.stderr
