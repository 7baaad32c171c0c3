"""What LIEF says of a program file, measured in a process that can be stopped, and its names hashed into columns."""

import atexit
import functools
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters.binary import Binary, sections

from .feature_set import Record, Table

# Far above what files take: a record is kept, so that on a busy machine no file must be given up by chance.
TIMEOUT_S = 30.0
WORKER = (
    sys.executable, "-P", str(Path(__file__).with_name("_ember_worker.py")),
    str(sections.MEMORY_BYTES), str(Path(sections.__file__).with_name("_parse_worker.py")),
)  # fmt: skip
FORMATS = ("elf", "pe", "macho")
KINDS = ("header", "code", "data", "imports", "resources", "overlay", "other")
LISTS = ("header", "libraries", "functions", "exports")
COUNTS = (
    "segments", "commands", "symbols", "relocations", "virtual_size", "overlay", "signatures", "resources",
    "debug", "tls",
)  # fmt: skip
HASHED = {
    "header": 64, "libraries": 256, "functions": 1024, "exports": 128,
    "section sizes": 50, "section memory": 50, "section entropies": 50, "section flags": 50,
}  # fmt: skip
"""Columns of each hashed group, as EMBER has them; headers get more, as they hold what three formats say."""


def measure_parsed(signal: Binary, *, parser: sections.Parser | None = None) -> Record:
    """Return format, header, sections, imports and exports of a whole file; empty ones where LIEF cannot tell.

    Parameters
    ----------
    signal
        A file, or bytes in memory. A part of a file is not parsed.
    parser
        The process that parses; this process's own where none is given.

    Returns
    -------
    dict of numpy.ndarray
        `format` and `problem`, text; `header`, `libraries`, `functions`, `exports`, `section_names`, `section_kinds`
        and `section_flags`, uint8: UTF-8, a name a line, see `unpack`; `sections` float64 (n, 3): bytes in the file, in
        memory, and entropy in bits a byte; `counts` float64 (10,).

    Examples
    --------
    >>> record = measure_parsed(Binary(b"no program"))
    >>> str(record["problem"])
    'not an ELF, PE or Mach-O file that LIEF can parse'
    """
    return _record(_answer(signal, parser or _parser(os.getpid())))


def _answer(signal: Binary, parser: sections.Parser) -> dict[str, Any]:
    problem = f"larger than {sections.LARGEST_BYTES >> 20} MB, which LIEF is not given"
    if is_part(signal):
        problem = "a part of a file, which is not parsed"
    elif len(signal.data) <= sections.LARGEST_BYTES:
        found = _ask(signal, parser)
        if not isinstance(found, str):
            return found
        problem = found
    return {"problem": problem}


def is_part(signal: Binary) -> bool:
    """Tell whether bytes are fewer than their file has."""
    if signal.offset or signal.path is None:
        return signal.offset > 0
    with suppress(OSError):
        return signal.path.stat().st_size != len(signal.data)
    return False


def _ask(signal: Binary, parser: sections.Parser) -> dict[str, Any] | str:
    if signal.path is not None:
        return parser.ask(signal.path, _checked, timeout_s=TIMEOUT_S)
    try:
        with tempfile.TemporaryDirectory(prefix="phosphene-") as folder:
            path = Path(folder, "bytes")
            signal.data.tofile(path)
            return parser.ask(path, _checked, timeout_s=TIMEOUT_S)
    except OSError as error:
        return f"cannot be handed to LIEF ({error.strerror})"


def _checked(answer: Any) -> dict[str, Any]:
    """Return an answer that a record can be made of: a child that a hostile file has taken over may say anything."""
    try:
        _record(answer)
    except (LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"no answer: {error}") from error
    return dict(answer)


def _record(answer: dict[str, Any]) -> Record:
    rows = answer.get("sections", [])
    counts = answer.get("counts", {})
    return {
        "format": np.array(str(answer.get("format", ""))),
        "problem": np.array(str(answer["problem"])),
        **{name: pack(answer.get(name, [])) for name in LISTS},
        "section_names": pack(row[0] for row in rows),
        "section_kinds": pack(row[1] for row in rows),
        "section_flags": pack(row[5] for row in rows),
        "sections": _finite([row[2:5] for row in rows]).reshape(-1, 3),
        "counts": _finite([counts.get(name, 0) for name in COUNTS]),
    }


def _finite(values: list[Any]) -> np.ndarray:
    """Return float64 numbers, 0 for what is none or below 0: sizes in malformed headers may be anything."""
    return np.maximum(np.nan_to_num(np.array(values, np.float64), posinf=0), 0)


@functools.cache
def _parser(process_id: int) -> sections.Parser:
    """Return the parser of this process: a forked one must not share the pipes of its parent."""
    parser = sections.Parser(WORKER)
    atexit.register(parser.close)
    return parser


def pack(names: Iterable[str]) -> np.ndarray:
    """Return names as UTF-8, one a line: an array of text would give each the room of the longest.

    Examples
    --------
    >>> unpack(pack(["malloc", "", "free"]))
    ['malloc', '', 'free']
    """
    lines = (f"{str(name).replace(chr(10), ' ')}\n" for name in names)
    return np.frombuffer("".join(lines).encode("utf-8", "replace"), np.uint8)


def unpack(packed: np.ndarray) -> list[str]:
    """Return names that `pack` put together."""
    return packed.tobytes().decode().split("\n")[:-1]


def tabulate_parsed(records: Sequence[Record]) -> Table:
    """Return rows of records: numbers, then names hashed by the 32-bit MurmurHash3 of scikit-learn's FeatureHasher.

    A name adds 1 or -1, as one bit of its hash says, to the column that the rest of it says; sections add the logarithm
    of their size, or their entropy, or the number of their flags. Numbers of things and of bytes are logarithms.

    Examples
    --------
    >>> table = tabulate_parsed([measure_parsed(Binary(b"no program"))])
    >>> table.values.shape, table.names[0], table.values[0, 0]
    ((1, 1726), 'parsed', np.float32(0.0))
    """
    numbers = np.array([_numbers(record) for record in records]).reshape(len(records), len(NUMBERS))
    hashed = [_hashed(group, [_tokens(record, group) for record in records]) for group in HASHED]
    names = (*NUMBERS, *(f"{group} hashed {at}" for group, width in HASHED.items() for at in range(width)))
    return Table(np.concatenate([numbers, *hashed], axis=1).astype(np.float32), names)


def _numbers(record: Record) -> list[float]:
    parsed = [float(record["problem"].item() == ""), *(record["format"].item() == form for form in FORMATS)]
    lengths = [np.count_nonzero(record[name] == ord("\n")) for name in (*LISTS, "section_names")]
    kinds = np.array(unpack(record["section_kinds"]), object)
    by_kind = [_kind_numbers(record["sections"][kinds == kind]) for kind in KINDS]
    counts = np.log2(1 + np.array([*record["counts"], *lengths]))
    return [*parsed, *counts, *np.ravel(by_kind)]


def _kind_numbers(rows: np.ndarray) -> list[float]:
    """Return of sections of a kind how many, bytes in the file and in memory, mean and largest entropy."""
    sums = rows.sum(axis=0)
    sizes = np.log2(1 + np.array([len(rows), sums[0], sums[1]]))
    return [*sizes, sums[2] / max(len(rows), 1), rows[:, 2].max(initial=0.0)]


def _hashed(group: str, tokens: list[list[tuple[str, float]]]) -> np.ndarray:
    from sklearn.feature_extraction import FeatureHasher

    if not tokens:
        return np.empty((0, HASHED[group]))
    hasher = FeatureHasher(HASHED[group], input_type="pair", dtype=np.float32)
    return np.asarray(hasher.transform(tokens).toarray())


def _tokens(record: Record, group: str) -> list[tuple[str, float]]:
    """Return what is hashed into the columns of a group, with the weight of each."""
    if group.startswith("section"):
        return list(_section_tokens(record, group))
    names = unpack(record[group])
    if group == "libraries":
        names = [token for name in names for token in _library_tokens(name)]
    elif group == "functions":
        names = [token for name in names for token in _function_tokens(name)]
    return [(name, 1.0) for name in names]


def _section_tokens(record: Record, group: str) -> Iterator[tuple[str, float]]:
    names, flags = unpack(record["section_names"]), unpack(record["section_flags"])
    size, memory, entropy = record["sections"].T
    if group == "section flags":
        for name, words in zip(names, flags, strict=True):
            yield from ((f"{name} {word}", 1.0) for word in words.split())
    else:
        weights = {"section sizes": np.log2(1 + size), "section memory": np.log2(1 + memory)}
        yield from zip(names, weights.get(group, entropy).tolist(), strict=True)


def _library_tokens(name: str) -> set[str]:
    """Return a library's name without folders, and without what stands for its version.

    Examples
    --------
    >>> sorted(_library_tokens("@loader_path/.dylibs/libhdf5.320.0.0.dylib"))
    ['libhdf5', 'libhdf5.320.0.0.dylib']
    """
    file = name.replace("\\", "/").rpartition("/")[2].lower()
    return {file, file.partition(".")[0].partition("-")[0]}


def _function_tokens(name: str) -> set[str]:
    """Return the function alone, which formats agree on, and with its library where that is known."""
    library, _, function = name.rpartition(":")
    return {function, f"{library.lower()}:{function}"} if library else {function}


NUMBERS: tuple[str, ...] = (
    "parsed", *FORMATS,
    *(f"log2 {name}" for name in (*COUNTS, *LISTS, "sections")),
    *(
        f"{kind} sections: {name}" for kind in KINDS
        for name in ("log2 number", "log2 bytes", "log2 memory", "mean entropy", "largest entropy")
    ),
)  # fmt: skip
