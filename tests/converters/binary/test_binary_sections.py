import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_programs import build_macho, build_pe, native_file

from phosphene.converters import Binary, Fragment, parse_views
from phosphene.converters.binary import BinaryReader, Section, Structure
from phosphene.converters.binary import signal as sections

READY = "print('ready', flush=True)\n"


@pytest.fixture
def parser():
    parser = sections.Parser()
    yield parser
    parser.close()


@pytest.fixture
def acting():
    """Return parsers whose child is a few lines of Python in the place of LIEF."""
    made = []

    def make(lines):
        made.append(sections.Parser([sys.executable, "-c", "import json, os, sys, time\n" + READY + lines]))
        return made[-1]

    yield make
    for parser in made:
        parser.close()


def test_pe(pe):
    found = sections.parse_file(pe)
    assert found == Structure(
        "pe",
        (
            Section("PE headers", "header", 0, 512),
            Section(".text", "code", 512, 1024),
            Section(".rsrc", "resources", 1024, 1536),
            Section("overlay", "overlay", 1536, 1636),
        ),
    )


def test_macho(macho):
    found = sections.parse_file(macho)
    assert found.format == "macho"
    assert found.sections == (
        Section("Mach-O header", "header", 0, 256),
        Section("__TEXT,__text", "code", 256, 320),
        Section("__LINKEDIT", "other", 320, 384),
    )


def test_several_architectures_are_told_apart(tmp_path):
    part = build_macho()
    entries = [(0x0100000C, 4096), (0x01000007, 8192)]
    head = b"\xca\xfe\xba\xbe" + (2).to_bytes(4, "big")
    for cpu, offset in entries:
        head += b"".join(n.to_bytes(4, "big") for n in (cpu, 0, offset, len(part), 12))
    path = tmp_path / "fat"
    second = part[:4] + (0x01000007).to_bytes(4, "little") + part[8:]
    path.write_bytes(head.ljust(4096, b"\0") + part.ljust(4096, b"\0") + second)
    code = [s for s in sections.parse_file(path).sections if s.kind == "code"]
    assert code == [
        Section("ARM64:__TEXT,__text", "code", 4096 + 256, 4096 + 320),
        Section("X86_64:__TEXT,__text", "code", 8192 + 256, 8192 + 320),
    ]


@pytest.mark.skipif(not shutil.which("readelf"), reason="needs readelf")
def test_elf_sections_are_those_of_readelf(native):
    if native.read_bytes()[:4] != b"\x7fELF":
        pytest.skip("programs are not ELF here")
    listed = subprocess.run(["readelf", "-SW", native], capture_output=True, text=True, check=True).stdout
    rows = [line.partition("]")[2].split() for line in listed.splitlines() if line.lstrip().startswith("[")]
    want = {
        (row[0], int(row[3], 16), int(row[3], 16) + int(row[4], 16))
        for row in rows
        if row and row[0].startswith(".") and row[1] != "NOBITS" and int(row[4], 16)
    }
    found = {
        (s.name, s.start, s.stop) for s in sections.parse_file(native).sections if s.name.startswith(".")
    }
    assert found == want


@pytest.mark.parametrize("write", [build_macho, lambda: native_file().read_bytes()], ids=["macho", "native"])
def test_a_type_of_section_that_is_not_known_costs_no_section(tmp_path, write):
    data = bytearray(write())
    path = tmp_path / "odd"
    path.write_bytes(data)
    want = sections.parse_file(path).sections
    if data[:4] == b"\x7fELF":
        headers, count = int.from_bytes(data[40:48], "little"), int.from_bytes(data[60:62], "little")
        at = headers + 64 * (count // 2) + 4
    else:
        at = data.index((0x80000400).to_bytes(4, "little"))
    data[at : at + 4] = (0x12345).to_bytes(4, "little")
    path.write_bytes(data)
    found = sections.parse_file(path)
    assert found.problem == ""
    assert {(section.name, section.start, section.stop) for section in want} == {
        (section.name, section.start, section.stop) for section in found.sections
    }


def test_kinds_of_a_real_library(native):
    kinds = {s.kind for s in sections.parse_file(native).sections}
    assert {"header", "code", "data"} <= kinds


def test_sections_are_looked_for_only_when_asked_for(native, monkeypatch):
    program = BinaryReader().read(native, None)
    monkeypatch.setattr(sections, "_parser", None)
    program.describe()
    for view in parse_views("grid,grid(width_rule=nataraj),bigram,runs"):
        view(program)
    monkeypatch.undo()
    assert program.format in ("elf", "pe", "macho")
    assert program.structure is program.structure


def test_a_part_has_the_sections_of_its_file(pe):
    part = BinaryReader().read(pe, Fragment("bytes", 600, 1200))
    assert part.name(600, 1200) == [(600, 1024, ".text"), (1024, 1200, ".rsrc")]


def test_bytes_in_memory(pe):
    assert Binary(pe.read_bytes()).sections == sections.parse_file(pe).sections
    assert Binary(pe.read_bytes(), offset=1000).sections[1] == Section(".text", "code", 1512, 2024)


@pytest.mark.parametrize("data", [b"x", b"plain text", b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", bytes(1000)])
def test_other_bytes_have_no_sections(data):
    found = sections.parse_bytes(np.frombuffer(data, np.uint8))
    assert (found.format, found.sections) == ("unknown", ())
    assert found.problem


def test_a_missing_file_is_a_problem_not_an_error(tmp_path):
    assert "FileNotFoundError" in sections.parse_file(tmp_path / "none").problem


def test_too_large_a_file(pe, monkeypatch):
    monkeypatch.setattr(sections, "LARGEST_BYTES", 1000)
    assert sections.parse_file(pe).problem == "larger than 0 MB, which LIEF is not given"
    assert Binary(pe.read_bytes()).format == "unknown"


def test_odd_file_names(tmp_path):
    for name in ("with space\nand line", "äöü", os.fsdecode(b"\xff\xfe")):
        path = tmp_path / name
        try:
            path.write_bytes(build_pe())
        except OSError:
            continue
        assert sections.parse_file(path).format == "pe"


def originals():
    return [build_pe(), build_macho(), native_file().read_bytes()]


@settings(max_examples=40)
@given(st.data())
def test_damaged_files_never_raise(data):
    damaged = bytearray(data.draw(st.sampled_from(originals())))
    headers = min(len(damaged), 2048)
    for _ in range(data.draw(st.integers(0, 20))):
        damaged[data.draw(st.integers(4, headers - 1))] = data.draw(st.integers(0, 255))
    kept = bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    found = Binary(kept).structure
    starts = [section.start for section in found.sections]
    assert starts == sorted(starts)
    assert all(0 <= section.start < section.stop <= len(kept) for section in found.sections)
    assert bool(found.problem) == (found.format == "unknown")
    assert_partition(found, 0, len(kept))


def assert_partition(structure, start, stop):
    parts = structure.cut(start, stop)
    assert [parts[0][0], parts[-1][1]] == [start, stop]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20)), max_size=6),
    st.integers(0, 30),
    st.integers(1, 30),
)
def test_cut_names_each_byte_after_the_shortest_section(stretches, start, length):
    made = tuple(Section(f"{low}+{size}", "data", low, low + size) for low, size in stretches)
    structure = Structure("elf", made)
    assert_partition(structure, start, start + length)
    for low, high, name in structure.cut(start, start + length):
        for byte in range(low, high):
            covering = [s for s in made if s.start <= byte < s.stop]
            shortest = min((s.stop - s.start for s in covering), default=None)
            assert name in ({s.name for s in covering if s.stop - s.start == shortest} or {""})


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be halted here")
def test_a_slow_parser_is_stopped_and_replaced(parser, pe):
    assert parser.parse(pe).format == "pe"
    first = parser._child
    first.send_signal(signal.SIGSTOP)
    assert parser.parse(pe, timeout_s=0.1) == Structure(problem="LIEF took longer than 0.1 s")
    assert first.poll() is not None
    assert parser.parse(pe).format == "pe"
    assert parser._child.pid != first.pid


def test_a_hanging_child_is_stopped(acting, pe):
    parser = acting("sys.stdin.readline(); time.sleep(600)")
    began = time.monotonic()
    assert parser.parse(pe, timeout_s=0.2).problem == "LIEF took longer than 0.2 s"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "lines",
    [
        "sys.stdin.readline(); os.abort()",
        "sys.stdin.readline(); os._exit(0)",
        "os._exit(1)",
        "sys.stdin.readline(); print('no JSON', flush=True)",
        "sys.stdin.readline(); print('[]', flush=True)",
    ],
)
def test_a_crashing_child_is_a_problem(acting, pe, lines):
    parser = acting(lines)
    for _ in range(2):
        assert parser.parse(pe).problem == "LIEF crashed or ran out of memory"


def test_a_program_that_cannot_start(pe):
    parser = sections.Parser(["/no/such/program"])
    assert parser.parse(pe).problem == "LIEF crashed or ran out of memory"


@pytest.mark.slow
def test_a_child_killed_between_files_is_replaced(parser, pe):
    assert parser.parse(pe).format == "pe"
    parser._child.kill()
    parser._child.wait()
    assert parser.parse(pe).format == "pe"


def test_memory_is_limited(tmp_path):
    pytest.importorskip("resource")
    small = sections.Parser([*sections.WORKER[:-1], str(400 << 20)])
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(build_pe())
        file.truncate(350 << 20)
    assert small.parse(path).problem
    assert small.parse(native_file()).format != "unknown"
    small.close()


def test_threads_share_one_child(parser, pe, macho):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(parser.parse, [pe, macho] * 20))
    assert [f.format for f in found] == ["pe", "macho"] * 20


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_starts_a_child_of_its_own(pe):
    code = (
        "import os, sys\n"
        "from phosphene.converters.binary import signal as sections\n"
        "first = sections.parse_file(sys.argv[1])\n"
        "child = os.fork()\n"
        "assert sections.parse_file(sys.argv[1]) == first and first.format == 'pe'\n"
        "assert child == 0 or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
    )
    subprocess.run([sys.executable, "-c", code, pe], check=True, timeout=60)


def test_importing_needs_no_lief():
    code = "import sys, phosphene.converters.binary; sys.exit('lief' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_worker_leaves_nothing_behind(pe):
    code = (
        "import sys; from phosphene.converters.binary import signal as s; import os\n"
        "s.parse_file(sys.argv[1]); print(s._parser(os.getpid())._child.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, pe], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert not Path(f"/proc/{done.stdout.strip()}").exists()
