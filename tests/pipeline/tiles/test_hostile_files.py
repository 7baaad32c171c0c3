"""Files made to end a run: each costs itself, by name, in bounded time and memory; the good file is drawn."""

import gzip
import io
import json
import os
import struct
import time
import zipfile

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io
import soundfile

from phosphene.converters import make
from phosphene.pipeline.tiles.convert import convert

MOST_CPU_S = 10.0
MOST_KB = 1 << 20
VIEWS = {
    "series": (make("line", size=32),),
    "audio": (make("mel", size=32),),
    "binary": (make("grid", size=32),),
}


def of(write):
    """Bytes that a function writes to a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def npy(header):
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(100)


def bomb():
    """An NPZ file of 300 kB that unpacks to 300 MB."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % (300 << 17)  # of 8 bytes
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("arr_0.npy", npy(header.ljust(117) + b"\n")[:-100] + bytes(300 << 20))
    return file.getvalue()


def packed_table():
    return gzip.compress(b"a,b\n" + b"1,2\n" * (75 << 20), 1)


def packed_numbers():
    return table_of(["a", "b"], [np.zeros(1 << 25), np.zeros(1 << 25)])


def hdf5_of_nothing():
    """Eight terabytes in one kilobyte: chunks that were never written."""
    return of(
        lambda file: (
            h5py.File(file, "w").create_dataset("x", (1 << 40,), "f8", chunks=(1 << 20,)).file.close()
        )
    )


def packed_matlab():
    return of(lambda file: scipy.io.savemat(file, {"x": np.zeros((1, 34 << 20))}, do_compression=True))


def dump_of_repeats():
    lines = b"".join(b"%08x  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41\n" % (k << 4) for k in range(8))
    return lines + b"".join(b"*\n%08x  41\n" % (k * 0x3FFFFFF) for k in range(1, 20))


def streamed_flac():
    """A sound whose header states no length, as programs write that cannot go back to it; nothing is wrong with it."""
    sound = np.sin(np.arange(8000) / 5)
    data = bytearray(of(lambda file: soundfile.write(file, sound, 8000, format="FLAC")))
    packed = int.from_bytes(data[18:26], "big")
    data[18:26] = (packed >> 36 << 36).to_bytes(8, "big")
    return bytes(data)


def table_of(names, columns):
    return of(lambda file: pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, names), file))


ARFF = "@relation X\n@attribute r relational\n@attribute a numeric\n@end r\n@attribute target {a,b}\n@data\n'"
ROW = ",".join(["1.5"] * 40_000)
# What the file is called, its bytes, and what is said of it: None where it is drawn.
FILES = {
    "a header of blanks and no letters": ("a.csv", b"t" + b"_" * 60_000 + b"!,b\n1,2\n2,3\n", None),
    "digits that part in many ways": ("a.txt", b"00000000 " + b"41" * 200 + b"!\n" + b"1\n" * 9, None),
    "comments and no image": ("a.txt", b"<!---->" * 5000 + b"\n", ""),
    "notes and no image": ("a.txt", b"P1 " + b"# " * 5000 + b"\n", ""),
    "a long cell of ARFF": ("a.arff", f"{ARFF}{ROW}\\n{ROW}',a\n".encode(), None),
    "a long cell of a table": ("a.csv", b'a,b\n"' + b"1," * 70_000 + b'",2\n3,4\n', "is not a number"),
    "a column that is not UTF-8": (
        "a.parquet",
        table_of(["abcdefgh"], [[1.0, 2.0]]).replace(b"abcdefgh", b"ab\xff\xfeefgh"),
        "damaged or cut short",
    ),
    "two columns of one name": ("a.parquet", table_of(["a", "a"], [[1.0, 2.0, 3.0]] * 2), None),
    "4,000 columns": ("a.parquet", table_of([f"c{i}" for i in range(4000)], [[1.0, 2.0]] * 4000), None),
    "a zero byte far down": ("a_TRAIN.tsv", b"1\t0.5\t0.5\n" * 8000 + b"\0\n", "zero byte"),
    "a control character": ("a.csv", b"time,x,y,event\n1,2,3,move\n\x1c2,2,3,move\n", "line 3: time"),
    "a streamed FLAC": ("a.flac", streamed_flac(), None),
    "a bomb": ("a.npz", bomb, "unpacks to 300 MB"),
    "a bomb of text": ("a.csv.gz", packed_table, "unpacks to 257 MB or more"),
    "a bomb of columns": ("a.parquet", packed_numbers, "unpacks to 512 MB"),
    "a bomb of nothing": ("a.h5", hdf5_of_nothing, "unpacks to 8388608 MB"),
    "a bomb of MATLAB": ("a.mat", packed_matlab, "unpacks to 272 MB"),
    "a bomb of bytes": ("a.hex", dump_of_repeats, "unpacks to 319 MB"),
    "a header that never ends": (
        "a.npy",
        npy(b"{'descr': '<f8', 'shape': (10** \n" + b" " * 9900 + b"$"),
        "damaged or cut short",
    ),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    there = tmp_path / "src"
    there.mkdir()
    there.joinpath("good.csv").write_text("a\n" + "\n".join(map(str, np.sin(np.arange(60)))))
    return there


SLOW = {"a bomb of MATLAB"}  # to make


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FILES]
)
def test_a_file_costs_itself_at_most(folder, tmp_path, name):
    called, data, why = FILES[name]
    folder.joinpath(called).write_bytes(data() if callable(data) else data)
    begin = time.process_time()
    done = convert(folder, tmp_path / "out", views=VIEWS, progress=False)
    assert time.process_time() - begin < MOST_CPU_S
    assert (tmp_path / "out/good.csv.png").exists() or (tmp_path / "out/line-size=32/good.csv.png").exists()
    if why is None:
        assert not done.failed
    else:
        (failure,) = done.failed
        assert failure.error.startswith(str(folder / called))
        assert why in failure.error


SPECIAL = {
    "a pipe": (os.mkfifo, "a pipe, which can be read only once"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a device, not a file"),
    "a link to nothing": (lambda path: path.symlink_to(path.parent / "gone"), "a link to nothing"),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_what_is_no_file_is_named_and_never_opened(folder, tmp_path, name):
    make_it, why = SPECIAL[name]
    make_it(folder / "a.csv")
    done = convert(folder, tmp_path / "out", views=VIEWS, progress=False)
    assert [failure.error.partition(";")[0] for failure in done.failed] == [f"{folder}/a.csv: {why}"]
    assert done.converted == 1


@pytest.mark.slow
def test_all_of_them_at_once_from_the_command_line(measured, folder, tmp_path):
    for number, (called, data, _) in enumerate(FILES.values()):
        folder.joinpath(f"{number}_{called}").write_bytes(data() if callable(data) else data)
    os.mkfifo(folder / "pipe.csv")
    run, cpu_s, most_kb, _ = measured("convert", folder, tmp_path / "out")
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert cpu_s < len(FILES) * MOST_CPU_S
    assert most_kb < MOST_KB
    failed = {failure["path"] for failure in json.loads(run.stdout)["failed"]}
    assert {f"{folder}/{n}_{called}" for n, (called, _, why) in enumerate(FILES.values()) if why} <= failed
    assert f"{folder}/good.csv" not in failed


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'shape': (10** \n" + b" " * 9900 + b"$",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }\n",
    ],
)
def test_labels_beside_that_are_no_labels_cost_their_own_file(folder, tmp_path, header):
    np.save(folder / "X_train.npy", np.ones((4, 1, 30), np.float32))
    folder.joinpath("y_train.npy").write_bytes(npy(header))
    begin = time.process_time()
    done = convert(folder, tmp_path / "out", views=VIEWS, progress=False)
    assert time.process_time() - begin < MOST_CPU_S
    assert done.converted >= 1
    assert all("_train.npy" in failure.error for failure in done.failed)
