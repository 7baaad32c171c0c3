"""Files of every format with bytes changed, lost and repeated: read, or refused in one line, in bounded time.

`PHOSPHENE_MUTATIONS=3000` tries more of each than a test run should.
"""

import gzip
import io
import json
import os
import time
import zlib
from functools import partial

import h5py
import numpy as np
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io
import soundfile

from phosphene.converters import PhospheneError, default_views, read
from phosphene.datasets.sources import find_files

COUNT = int(os.environ.get("PHOSPHENE_MUTATIONS", "25"))
MOST_CPU_S = 5.0
WAVE = np.sin(np.arange(4000) / 7)
ROWS = "\n".join(f"{k},{np.sin(k / 3):.4f},{np.cos(k / 5):.4f}" for k in range(80))
ARFF = (
    "@relation x\n@attribute a numeric\n@attribute b numeric\n@attribute c {u,v}\n@data\n0.1,2,u\n3,4.5,v\n"
)
TS = "@problemName x\n@univariate true\n@classLabel true a b\n@data\n1,2,3,4:a\n2,3,4,5:b\n"


def of(write):
    """The bytes that a function writes to a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def sound(form, subtype=None):
    return of(lambda file: soundfile.write(file, WAVE, 8000, format=form, subtype=subtype))


def workbook():
    book = openpyxl.Workbook()
    for row in ROWS.splitlines():
        book.active.append([float(cell) for cell in row.split(",")])
    return of(book.save)


def hdf5(file):
    with h5py.File(file, "w") as store:
        store["x"] = WAVE


def moves():
    return [{"time": k / 50, "x": k, "y": 2 * k, "event": "move"} for k in range(80)]


def program():
    """An ELF file's first bytes, as far as its headers reach, and what follows."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + (62).to_bytes(2, "little")
    return head.ljust(64, b"\1") + bytes(range(256)) * 4


def edf():
    fields = [("0", 8), ("X", 80), ("Y", 80), ("01.01.20", 8), ("00.00.00", 8), ("512", 8), ("", 44), ("4", 8),
              ("1", 8), ("1", 4), ("ch", 16), ("", 80), ("uV", 8), ("-100", 8), ("100", 8), ("-2048", 8), ("2047", 8),
              ("", 80), ("50", 8), ("", 32)]  # fmt: skip
    head = "".join(text.ljust(width) for text, width in fields).encode()
    return head + np.arange(200, dtype="<i2").tobytes()


FILES = {
    "a.wav": lambda: sound("WAV"), "a.flac": lambda: sound("FLAC"), "a.ogg": lambda: sound("OGG"),
    "a.mp3": lambda: sound("MP3"), "a.aiff": lambda: sound("AIFF"), "a.caf": lambda: sound("CAF"),
    "a.au": lambda: sound("AU"),
    "a.csv": lambda: b"t,a,b\n" + ROWS.encode(), "b.tsv": lambda: ROWS.replace(",", "\t").encode(),
    "a.csv.gz": lambda: gzip.compress(b"t,a,b\n" + ROWS.encode(), mtime=0), "a.arff": ARFF.encode,
    "a.ts": TS.encode, "a.npy": lambda: of(lambda file: np.save(file, WAVE)),
    "a.npz": lambda: of(lambda file: np.savez_compressed(file, x=WAVE)),
    "a.mat": lambda: of(lambda file: scipy.io.savemat(file, {"x": WAVE})),
    "c.mat": lambda: of(lambda file: scipy.io.savemat(file, {"x": WAVE}, do_compression=True)),
    "a.h5": partial(of, hdf5), "a.xlsx": workbook, "a.edf": edf,
    "a.parquet": lambda: of(lambda file: pyarrow.parquet.write_table(pyarrow.table({"a": WAVE, "b": WAVE}), file)),
    "mouse.csv": ("time,x,y,event\n" + "".join(f"{k / 50},{k},{2 * k},move\n" for k in range(80))).encode,
    "mouse.jsonl": lambda: "\n".join(map(json.dumps, moves())).encode(),
    "a.elf": program, "a.hex": lambda: b"".join(b"%08x  %s\n" % (k, b"41 " * 16) for k in range(0, 640, 16)),
    "meta.csv": lambda: b"path,label,start,end\n" + b"".join(b"a%d.wav,c,%d,%d\n" % (k, k, k + 1) for k in range(20)),
}  # fmt: skip
ODD = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"9" * 30,
    b"-",
    b"nan",
    b"1e999",
    b"\n",
    b'"',
    b",",
)


def mutated(data, generator):
    """The bytes with one to eight changes: one byte, odd bytes written over or put in, a part lost or repeated."""
    data = bytearray(data)
    for _ in range(generator.integers(1, 9)):
        # Headers decide most; half of the changes lie in the first 200 bytes.
        most = len(data) if generator.random() < 0.5 else min(200, len(data))
        at, odd = int(generator.integers(0, max(most, 1))), ODD[generator.integers(len(ODD))]
        match generator.integers(5):
            case 0:
                data[at : at + 1] = generator.bytes(1)
            case 1:
                data[at : at + len(odd)] = odd
            case 2:
                data[at:at] = odd
            case 3:
                del data[at : at + int(generator.integers(1, max(2, 1 + len(data) // 2)))]
            case 4:
                data[at:at] = data[at : at + int(generator.integers(1, 400))] * int(generator.integers(1, 5))
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore::UserWarning")  # what libraries say of files
def test_a_changed_file_is_read_or_refused_in_one_line(tmp_path, name):
    whole, generator = FILES[name](), np.random.default_rng(zlib.crc32(name.encode()))
    for number in range(COUNT):
        path = tmp_path / f"{number}_{name}"
        path.write_bytes(mutated(whole, generator))
        begin = time.process_time()
        try:
            find_files(path)
            signal = read(path)
            if number % 10 == 0:
                default_views(signal.kind)[0](signal)
        except PhospheneError as error:
            assert "\n" not in str(error)
        assert time.process_time() - begin < MOST_CPU_S, path
        path.unlink()
