"""EMBER's groups: bytes by hand and against slow loops, programs of three formats, and files that are none."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.random
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.converters import Binary, Fragment
from phosphene.converters.binary import BinaryReader
from phosphene.converters.binary.signal import Parser
from phosphene.datasets.synthetic import document, program
from phosphene.pipeline.features import binary, feature_sets

READY = "import json, os, sys, time\nprint('ready', flush=True)\nsys.stdin.readline()\n"


def pe():
    """Headers, 512 bytes of code, 512 of resources, 100 behind the end."""
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 2, 0, 0, 0, 240, 0x2022)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 512, 512, 0, 0x1000, 0x1000)
    optional += struct.pack(
        "<QIIHHHHHHIIIIHH", 1 << 32, 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x3000, 512, 0, 3, 0
    )
    optional += struct.pack("<QQQQII", 1 << 20, 4096, 1 << 20, 4096, 0, 16) + bytes(128)
    text = struct.pack("<8sIIIIIIHHI", b".text", 700, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    resources = struct.pack("<8sIIIIIIHHI", b".rsrc", 512, 0x2000, 512, 1024, 0, 0, 0, 0, 0x40000040)
    headers = (dos + coff + optional + text + resources).ljust(512, b"\0")
    return headers + b"\x90\xcc" * 256 + b"r" * 512 + b"o" * 100


def macho():
    """A dynamic library of 64 bytes of code and 64 of link data that needs one other library."""
    section = struct.pack(
        "<16s16sQQIIIIIIII", b"__text", b"__TEXT", 256, 64, 512, 0, 0, 0, 0x80000400, 0, 0, 0
    )
    segment = struct.pack("<II16sQQQQiiII", 0x19, 152, b"__TEXT", 0, 576, 0, 576, 5, 5, 1, 0) + section
    link = struct.pack("<II16sQQQQiiII", 0x19, 72, b"__LINKEDIT", 576, 64, 576, 64, 1, 1, 0, 0)
    library = struct.pack("<IIIIII", 0xC, 48, 24, 2, 0x10000, 0x10000) + b"/usr/lib/libz.1.dylib".ljust(
        24, b"\0"
    )
    commands = segment + link + library
    header = struct.pack("<IIIIIIII", 0xFEEDFACF, 0x0100000C, 0, 6, 3, len(commands), 0, 0)
    return (header + commands).ljust(512, b"\0") + b"c" * 64 + b"l" * 64


def elf():
    return program(np.random.default_rng(0))


def native():
    """A library that NumPy brings, in the format of this system."""
    return next(p for p in Path(numpy.random.__file__).parent.glob("_pcg64*") if p.suffix in (".so", ".pyd"))


def row(signal, features=binary.EMBER):
    table = features.tabulate([features.measure(signal)])
    return dict(zip(table.names, table.values[0].tolist(), strict=True))


def names(record, key):
    return binary.unpack(record[key])


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(binary, "BLOCK_BYTES", 4096)
    blocks, text_blocks = binary.blocks, binary.text_blocks
    monkeypatch.setattr(binary, "blocks", lambda *a, **k: blocks(*a, **k, step=4096))
    monkeypatch.setattr(binary, "text_blocks", lambda *a, **k: text_blocks(*a, **k, step=4096))


# Bytes


def test_a_few_bytes_by_hand():
    record = binary.measure_bytes(Binary(b"MZ\0\0hello\xffHTTP://a/usr/b\0hey"))
    assert record["bytes"].sum() == 28
    assert (record["bytes"][0], record["bytes"][ord("e")]) == (3, 2)
    assert record["text"].tolist() == [2, 19, 14]
    assert record["characters"].sum() == 19
    assert record["characters"][ord("/") - 32] == 4
    assert record["text_lengths"].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert record["patterns"].tolist() == [0, 1, 1, 0]
    assert record["magics"].tolist() == [1, 0, 0]


def test_shares_and_entropies_by_hand():
    found = row(Binary(b"\0\0ab"), binary.BYTES)
    assert (found["byte 00"], found["byte 61"], found["byte 62"]) == (0.5, 0.25, 0.25)
    assert found["entropy of bytes"] == 1.5
    # Halves: 0 twice, 6 twice: 1 bit, the fourth step.
    assert found["entropy 1 bits, byte 0_"] == found["entropy 1 bits, byte 6_"] == 0.5
    assert found["log2 size"] == pytest.approx(np.log2(5))
    assert found["share of text"] == found["log2 texts"] == 0


def slow_byte_entropy(data):
    """EMBER's histogram window by window."""
    found = np.zeros((16, 16), int)
    at = range(0, len(data) - 2047, 1024) if len(data) >= 2048 else [0]
    for start in at:
        counts = np.bincount(data[start : start + 2048] >> 4, minlength=16)
        shares = counts[counts > 0] / counts.sum()
        found[min(int(-(shares * np.log2(shares)).sum() * 4), 15)] += counts
    return found


def mixed(rng, n):
    """Stretches of zeros, of noise and of text."""
    parts = []
    while sum(map(len, parts)) < n:
        length = int(rng.integers(1, 3000))
        kinds = (
            bytes(length),
            rng.bytes(length),
            (b"path /usr/lib c:\\x http://y HKEY_Z MZ " * length)[:length],
        )
        parts.append(kinds[int(rng.integers(3))])
    return b"".join(parts)[:n]


@given(st.integers(0, 10_000), st.integers(1, 30_000))
@settings(max_examples=15)
def test_any_bytes_against_slow_ways(seed, n):
    raw = mixed(np.random.default_rng(seed), n)
    record = binary.measure_bytes(Binary(raw))
    data = np.frombuffer(raw, np.uint8)
    check_slowly(record, raw, data)


def check_slowly(record, raw, data):
    texts = re.findall(rb"[ -~]{5,}", raw)
    lengths = [len(text) for text in texts]
    assert record["bytes"].tolist() == [raw.count(value) for value in range(256)]
    assert (record["byte_entropy"] == slow_byte_entropy(data)).all()
    assert record["text"].tolist() == [len(texts), sum(lengths), max(lengths, default=0)]
    assert record["characters"].tolist() == [b"".join(texts).count(value) for value in range(32, 127)]
    edges = [5, 8, 16, 32, 64, 128, 256, 512, 10**9]
    assert record["text_lengths"].tolist() == np.histogram(lengths, edges)[0].tolist()
    assert record["magics"][0] == raw.count(b"MZ")
    together = b"\0".join(texts).lower()
    assert record["patterns"][2:].tolist() == [together.count(b"http://"), together.count(b"hkey_")]


@pytest.mark.parametrize("n", [1, 2047, 2048, 3071, 4096, 4097, 5000, 8192, 9215, 9216, 40_000])
def test_blocks_leave_no_seam(small_blocks, n):
    raw = mixed(np.random.default_rng(n), n)
    check_slowly(binary.measure_bytes(Binary(raw)), raw, np.frombuffer(raw, np.uint8))


def test_text_longer_than_blocks(small_blocks):
    raw = b"\0" * 4090 + b"x" * 10_000 + b"\0" + b"http://" * 3000
    check_slowly(binary.measure_bytes(Binary(raw)), raw, np.frombuffer(raw, np.uint8))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is told by Linux")
def test_a_large_mapped_file_takes_little_memory(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        for seed in range(12):
            file.write(np.random.default_rng(seed).bytes(1 << 24))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from phosphene.converters.binary import BinaryReader, Binary\n"
        "from phosphene.pipeline.features.binary import measure_bytes\n"
        "measure_bytes(Binary(bytes(3 << 20)))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "measure_bytes(BinaryReader().read(Path(sys.argv[1]), None))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64  # MiB, of 192


# Programs


def test_elf():
    record = binary.measure(Binary(elf()))
    assert (record["format"].item(), record["problem"].item()) == ("elf", "")
    assert {"machine=X86_64", "type=DYN", "class=ELF64", "segment=LOAD"} <= set(names(record, "header"))
    # LIEF calls the empty first section by no name.
    kinds = dict(zip(names(record, "section_names"), names(record, "section_kinds"), strict=True))
    assert (kinds[".text"], kinds[".rodata"], kinds[".dynstr"]) == ("code", "data", "imports")


def test_pe():
    record = binary.measure(Binary(pe()))
    assert record["format"].item() == "pe"
    assert {"machine=AMD64", "class=PE32_PLUS", "type=DYN", "flag=DLL"} <= set(names(record, "header"))
    assert names(record, "section_names") == [".text", ".rsrc"]
    assert names(record, "section_kinds") == ["code", "resources"]
    # The code has two values, each half of the time: 1 bit.
    assert record["sections"].tolist() == [[512, 700, pytest.approx(1)], [512, 512, 0]]
    assert record["counts"][binary.COUNTS.index("overlay")] == 100
    assert names(record, "section_flags")[0] == "CNT_CODE MEM_EXECUTE MEM_READ"


def test_macho():
    record = binary.measure(Binary(macho()))
    assert record["format"].item() == "macho"
    assert {"machine=ARM64", "type=DYLIB", "class=64", "command=LOAD_DYLIB"} <= set(names(record, "header"))
    assert names(record, "section_names") == ["__TEXT,__text"]
    assert names(record, "libraries") == ["/usr/lib/libz.1.dylib"]
    assert record["counts"][binary.COUNTS.index("segments")] == 2


def test_the_parts_of_a_file_for_several_processors_come_together():
    part = macho()
    head = b"\xca\xfe\xba\xbe" + struct.pack(">I", 2)
    for cpu, offset in ((0x0100000C, 4096), (0x01000007, 8192)):
        head += struct.pack(">IIIII", cpu, 0, offset, len(part), 12)
    second = part[:4] + struct.pack("<I", 0x01000007) + part[8:]
    record = binary.measure(Binary(head.ljust(4096, b"\0") + part.ljust(4096, b"\0") + second))
    assert {"machine=ARM64", "machine=X86_64"} <= set(names(record, "header"))
    assert names(record, "section_names") == ["__TEXT,__text"] * 2
    assert names(record, "libraries") == ["/usr/lib/libz.1.dylib"]
    assert record["counts"][binary.COUNTS.index("segments")] == 4


@pytest.mark.skipif(not shutil.which("nm"), reason="needs nm")
def test_imports_and_exports_are_those_of_nm():
    if native().read_bytes()[:4] != b"\x7fELF":
        pytest.skip("programs are not ELF here")
    record = binary.measure(BinaryReader().read(native(), None))

    def listed(option):
        command = ["nm", "-D", "--without-symbol-versions", "--format=just-symbols", option, native()]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    assert {name.removeprefix(":") for name in names(record, "functions")} == listed("--undefined-only")
    assert set(names(record, "exports")) == listed("--defined-only")
    assert "PyInit__pcg64" in names(record, "exports")


def test_numbers_in_the_table():
    found = row(Binary(pe()))
    assert [found[name] for name in ("parsed", "elf", "pe", "macho")] == [1, 0, 1, 0]
    assert found["log2 sections"] == pytest.approx(np.log2(3))
    assert found["code sections: log2 number"] == 1
    assert found["code sections: log2 bytes"] == pytest.approx(np.log2(513))
    assert found["code sections: log2 memory"] == pytest.approx(np.log2(701))
    assert found["code sections: mean entropy"] == pytest.approx(1)
    assert found["data sections: log2 number"] == 0
    assert found["log2 overlay"] == pytest.approx(np.log2(101))


def test_names_are_hashed_as_ever():
    # MurmurHash3 with seed 0, as scikit-learn publishes it: its absolute value modulo the width, its sign the weight.
    from sklearn.utils import murmurhash3_32

    tokens = ["libz.1.dylib", "libz"]
    want = np.zeros(256)
    for token in tokens:
        code = int(murmurhash3_32(token, seed=0))
        want[abs(code) % 256] += 1 if code >= 0 else -1
    found = row(Binary(macho()))
    assert [found[f"libraries hashed {at}"] for at in range(256)] == want.tolist()


def test_the_same_function_of_two_formats_has_a_column_in_common():
    assert binary._function_tokens("python312.dll:PyList_New") & binary._function_tokens(":PyList_New")
    assert binary._function_tokens(":PyList_New") == {"PyList_New"}


def test_sections_add_what_they_measure():
    found = row(Binary(pe()))
    sizes = sorted(abs(found[f"section sizes hashed {at}"]) for at in range(50))
    assert sizes[-2:] == pytest.approx([np.log2(513), np.log2(513)])
    entropies = sorted(abs(found[f"section entropies hashed {at}"]) for at in range(50))
    assert entropies[-2:] == pytest.approx([0, 1])


def test_a_part_of_a_file_is_not_parsed(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(pe())
    whole, part, later = (
        BinaryReader().read(path, fragment)
        for fragment in (None, Fragment("bytes", 0, 1000), Fragment("bytes", 512, 1024))
    )
    assert row(whole)["parsed"] == 1
    for piece in (part, later):
        assert row(piece)["parsed"] == 0
        assert "part of a file" in binary.measure(piece)["problem"].item()
    assert row(later)["byte 90"] == row(later)["byte cc"] == 0.5


# What cannot be parsed


def others():
    rng = np.random.default_rng(1)
    return [
        b"x",
        b"MZ",
        b"\x7fELF",
        b"\xcf\xfa\xed\xfe",
        bytes(5000),
        rng.bytes(5000),
        document(rng),
    ]


@pytest.mark.parametrize("data", others(), ids=lambda data: repr(data[:6]))
def test_other_bytes_have_their_bytes_and_no_more(data):
    record = binary.measure(Binary(data))
    table = binary.tabulate([record])
    parsed = table.names.index("parsed")
    assert record["problem"].item()
    assert record["bytes"].sum() == len(data)
    assert np.isfinite(table.values).all()
    assert not table.values[0, parsed:].any()
    np.testing.assert_array_equal(table.values[0, :parsed], binary.tabulate_bytes([record]).values[0])


@settings(max_examples=30)
@given(st.data())
def test_damaged_programs_never_raise(data):
    damaged = bytearray(data.draw(st.sampled_from([pe(), macho(), elf(), native().read_bytes()])))
    for _ in range(data.draw(st.integers(0, 20))):
        damaged[data.draw(st.integers(4, min(len(damaged), 2048) - 1))] = data.draw(st.integers(0, 255))
    kept = bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    assert np.isfinite(binary.tabulate([binary.measure(Binary(kept))]).values).all()


@pytest.fixture
def acting():
    """Return parsers whose child is a few lines of Python in the place of LIEF."""
    made = []

    def make(lines):
        made.append(Parser([sys.executable, "-c", READY + lines]))
        return made[-1]

    yield make
    for parser in made:
        parser.close()


def test_a_hanging_child_is_stopped(acting, monkeypatch):
    monkeypatch.setattr(binary, "TIMEOUT_S", 0.2)
    record = binary.measure_parsed(Binary(pe()), parser=acting("time.sleep(600)"))
    assert record["problem"].item() == "LIEF took longer than 0.2 s"


@pytest.mark.parametrize(
    "answer",
    [
        "os.abort()",
        "os._exit(0)",
        "print('no JSON', flush=True)",
        "print('[]', flush=True)",
        "print('{}', flush=True)",
        """print('{"problem": "", "sections": [[]]}', flush=True)""",
        """print('{"problem": "", "sections": [["a", "code", "x", 1, 2, ""]]}', flush=True)""",
        """print('{"problem": "", "counts": [1]}', flush=True)""",
    ],
)
def test_a_child_that_dies_or_babbles_is_a_problem(acting, answer):
    parser = acting(answer)
    for _ in range(2):
        record = binary.measure_parsed(Binary(pe()), parser=parser)
        assert record["problem"].item() == "LIEF crashed or ran out of memory"
        assert not binary.tabulate_parsed([record]).values.any()


def test_absurd_numbers_and_names_stay_finite(acting):
    says = {
        "problem": "", "format": "pe", "counts": {"virtual_size": 2**64, "symbols": -5},
        "sections": [["a\nb", "code", 2**70, -1, float("nan"), "X"]], "exports": ["\ud800\n", "", "ä"],
    }  # fmt: skip
    parser = acting(f"print({json.dumps(says)!r}, flush=True)")
    record = binary.measure_parsed(Binary(pe()), parser=parser)
    assert record["problem"].item() == ""
    assert names(record, "exports") == ["? ", "", "ä"]
    assert names(record, "section_names") == ["a b"]
    assert record["sections"].tolist() == [[2.0**70, 0, 0]]
    assert np.isfinite(binary.tabulate_parsed([record]).values).all()


def test_too_large_a_file(monkeypatch):
    monkeypatch.setattr(binary, "LARGEST_BYTES", 1000)
    assert binary.measure(Binary(pe()))["problem"].item() == "larger than 0 MB, which LIEF is not given"


def test_memory_is_limited(tmp_path):
    pytest.importorskip("resource")
    small = Parser([*binary.WORKER[:3], str(400 << 20), binary.WORKER[4]])
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(pe())
        file.truncate(350 << 20)
    large = Binary(np.memmap(path, np.uint8, mode="r"), path=path)
    assert binary.measure_parsed(large, parser=small)["problem"].item()
    assert binary.measure_parsed(Binary(pe()), parser=small)["problem"].item() == ""
    small.close()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_starts_a_child_of_its_own(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(pe())
    code = (
        "import os, sys; from pathlib import Path\n"
        "from phosphene.converters.binary import BinaryReader\n"
        "from phosphene.pipeline.features import binary\n"
        "look = lambda: binary.measure(BinaryReader().read(Path(sys.argv[1]), None))['format'].item()\n"
        "assert look() == 'pe'\n"
        "child = os.fork()\n"
        "assert look() == 'pe'\n"
        "assert child == 0 or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=60)


# Records and tables


def test_records_hold_numbers_and_text_alone():
    for data in (pe(), b"none"):
        for array in binary.measure(Binary(data)).values():
            assert isinstance(array, np.ndarray)
            assert array.dtype.kind in "iufU"


def test_columns_are_the_same_for_all():
    records = [binary.measure(Binary(data)) for data in (pe(), macho(), elf(), b"none")]
    together = binary.tabulate(records)
    assert together.values.dtype == np.float32
    assert len(set(together.names)) == len(together.names) == together.values.shape[1]
    for place, record in enumerate(records):
        np.testing.assert_array_equal(binary.tabulate([record]).values[0], together.values[place])
    assert binary.tabulate([]).values.shape == (0, len(together.names))


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))))
def test_names_come_out_as_they_went_in(words):
    assert binary.unpack(binary.pack(words)) == words


def test_the_kind_finds_them():
    assert feature_sets("binary") == (binary.EMBER, binary.BYTES)
    assert {features.kind for features in feature_sets("binary")} == {"binary"}


def test_bytes_know_no_parser(monkeypatch):
    monkeypatch.setattr(binary, "_parser", None)
    assert row(Binary(pe()), binary.BYTES)["log2 mz magics"] == 1


@pytest.mark.data
def test_real_files_of_three_formats(data):
    for form in binary.FORMATS:
        path = sorted((data / "binaries" / "files" / form).rglob("*.*"))[0]
        record = binary.measure(BinaryReader().read(path, None))
        assert (record["format"].item(), record["problem"].item()) == (form, "")
        assert any(name.startswith("PyInit_") for name in names(record, "exports"))
        assert any(name.endswith(":PyModuleDef_Init") for name in names(record, "functions"))
        assert len(names(record, "libraries"))
        assert {"code", "data"} <= set(names(record, "section_kinds"))
