"""Features of program files: EMBER's groups, and those of them that need no parser."""

import atexit
import functools
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np

from phosphene.converters.binary import Binary
from phosphene.converters.binary.bigram import CHARACTERS, text_blocks
from phosphene.converters.binary.signal import BLOCK_BYTES, LARGEST_BYTES, MEMORY_BYTES, Parser, blocks
from phosphene.converters.binary.signal import WORKER as PARSE_WORKER
from phosphene.converters.core.signal import Signal

from .feature_set import FeatureSet, Record, Table

WINDOW_BYTES, STEP_BYTES = 2048, 1024
SHORTEST_TEXT = 5
LENGTH_BINS = 8
MAGICS = {"mz": (b"MZ",), "elf": (b"\x7fELF",), "macho": (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")}
"""How a program begins: one inside of another is not at the beginning alone."""
PATTERNS = {
    "windows_path": (b"c:\\",),
    "unix_path": (b"/usr/", b"/lib/", b"/home/", b"/users/", b"/tmp/", b"/etc/", b"/bin/"),
    "url": (b"http://", b"https://"),
    "registry": (b"hkey_",),
}
"""What is counted in text, whatever the case of its letters."""


def measure_bytes(signal: Signal) -> Record:
    r"""Return counts of bytes, of bytes by the entropy around them, and of what the text is like.

    Large files are read in blocks, so that memory stays bounded.

    Returns
    -------
    dict of numpy.ndarray
        All int64: `bytes` (256,); `byte_entropy` (16, 16), by entropy and by the upper half of the byte; `magics` (3,);
        `characters` (95,); `text_lengths` (8,), by the logarithm of the length; `text` (3,): how many, how long
        together, and the longest; `patterns` (4,).

    Examples
    --------
    >>> record = measure_bytes(Binary(b"\0\0hello\0"))
    >>> record["bytes"][0], record["text"].tolist()
    (np.int64(3), [1, 5, 5])
    """
    data = cast(Binary, signal).data
    return {**_count_bytes(data), **_count_text(data)}


def _count_bytes(data: np.ndarray) -> Record:
    counts, by_entropy = np.zeros(256, np.int64), np.zeros((16, 16), np.int64)
    magics = np.zeros(len(MAGICS), np.int64)
    for at, block in blocks(data, stop=len(data), reach=STEP_BYTES):
        part = block[:BLOCK_BYTES]
        counts += np.bincount(part, minlength=256)
        # A file shorter than a window is one.
        by_entropy += byte_entropy(block, shortest=1 if len(data) < WINDOW_BYTES and not at else WINDOW_BYTES)
        text = block[: BLOCK_BYTES + 3].tobytes()
        for index, words in enumerate(MAGICS.values()):
            magics[index] += sum(text.count(word, 0, len(part) + len(word) - 1) for word in words)
    return {"bytes": counts, "byte_entropy": by_entropy, "magics": magics}


def byte_entropy(data: np.ndarray, *, shortest: int = WINDOW_BYTES) -> np.ndarray:
    """Count the upper halves of bytes by the entropy of the windows that they stand in: int64 (16, 16).

    The entropy is that of the upper halves, from 0 to 4 bits, and falls into 16 steps. A byte is counted once for each
    window that holds it.

    Examples
    --------
    >>> byte_entropy(np.zeros(4096, np.uint8))[0, 0]  # three windows
    np.int64(6144)
    """
    found = np.zeros((16, 16), np.int64)
    counts = _window_counts(data) if len(data) >= WINDOW_BYTES else _nibbles(data[None])
    if len(data) < shortest:
        return found
    shares = counts / counts.sum(axis=1, keepdims=True)
    entropy = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
    np.add.at(found, np.minimum(entropy * 4, 15).astype(int), counts)
    return found


def _window_counts(data: np.ndarray) -> np.ndarray:
    """Count the upper halves of the bytes in every whole window."""
    steps = len(data) // STEP_BYTES
    counts = _nibbles(data[: steps * STEP_BYTES].reshape(steps, STEP_BYTES))
    return np.asarray(counts[:-1] + counts[1:])


def _nibbles(rows: np.ndarray) -> np.ndarray:
    """Count the upper halves of the bytes in each row."""
    cells = (rows >> 4) + np.arange(len(rows))[:, None] * 16
    return np.bincount(cells.ravel(), minlength=16 * len(rows)).reshape(len(rows), 16)


def _count_text(data: np.ndarray) -> Record:
    characters, lengths = np.zeros(256, np.int64), np.zeros(LENGTH_BINS, np.int64)
    patterns, whole = np.zeros(len(PATTERNS), np.int64), np.zeros(3, np.int64)
    before = b""
    for block, runs in _runs(data):
        characters += np.bincount(block, minlength=256)
        lengths += np.bincount(length_bin(runs), minlength=LENGTH_BINS)
        whole += (len(runs), runs.sum(), 0)
        whole[2] = max(whole[2], runs.max(initial=0))
        text = block.tobytes().lower()
        patterns += [_count_new(before, text, words) for words in PATTERNS.values()]
        before = text[-16:]
    shown = characters[CHARACTERS.start : CHARACTERS.stop]
    return {"characters": shown, "text_lengths": lengths, "text": whole, "patterns": patterns}


def _count_new(before: bytes, text: bytes, words: Sequence[bytes]) -> int:
    """Count words that end in a block, also those that begin before it."""
    return sum((before[1 - len(word) :] + text).count(word) for word in words)


def _runs(data: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks in which all but text is zero, and the lengths of the runs of text that end in each."""
    open_length = 0
    for at, block in text_blocks(data, min_length=SHORTEST_TEXT, reach=0):
        edges = np.flatnonzero(np.diff(np.pad(block != 0, 1).astype(np.int8)))
        starts, stops = edges[::2], edges[1::2]
        lengths = stops - starts
        if open_length and block[0]:
            lengths[0] += open_length
        elif open_length:
            lengths = np.r_[open_length, lengths]
        goes_on = at + len(block) < len(data) and bool(block[-1])
        open_length = int(lengths[-1]) if goes_on else 0
        yield block, lengths[:-1] if goes_on else lengths


def length_bin(lengths: np.ndarray) -> np.ndarray:
    """Return in which bin the length of a text falls: 5 to 7 bytes, to 15, to 31, ..., 512 and more.

    Examples
    --------
    >>> length_bin(np.array([5, 7, 8, 511, 512, 9999])).tolist()
    [0, 0, 1, 6, 7, 7]
    """
    return np.asarray(np.searchsorted(2 ** np.arange(3, 3 + LENGTH_BINS - 1), lengths, side="right"))


def tabulate_bytes(records: Sequence[Record]) -> Table:
    r"""Return rows of records: shares of counts, and logarithms of numbers and lengths.

    Examples
    --------
    >>> table = tabulate_bytes([measure_bytes(Binary(b"\0\0hello\0"))])
    >>> table.values.shape, table.values[0, 0]
    ((1, 630), np.float32(0.375))
    """
    rows = np.array([_byte_row(record) for record in records], np.float32)
    return Table(rows.reshape(len(records), len(BYTE_NAMES)), BYTE_NAMES)


def _byte_row(record: Record) -> np.ndarray:
    n_bytes = record["bytes"].sum()
    number, total, longest = record["text"]
    shares = [share_of(record[name]) for name in ("bytes", "byte_entropy", "characters", "text_lengths")]
    numbers = [
        n_bytes,
        number,
        total,
        longest,
        total / max(number, 1),
        *record["magics"],
        *record["patterns"],
    ]
    rest = [entropy_bits(shares[0]), entropy_bits(shares[2]), total / max(n_bytes, 1)]
    return np.concatenate([*shares, np.log2(1 + np.array(numbers, float)), rest])


def share_of(counts: np.ndarray) -> np.ndarray:
    """Return counts as shares of their sum, zeros where there are none."""
    return np.asarray(counts.ravel() / max(counts.sum(), 1))


def entropy_bits(shares: np.ndarray) -> float:
    """Return the entropy of shares in bits.

    Examples
    --------
    >>> entropy_bits(np.array([0.25, 0.25, 0.5, 0]))
    1.5
    """
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum()) if len(some) else 0.0


BYTE_NAMES: tuple[str, ...] = (
    *(f"byte {value:02x}" for value in range(256)),
    *(f"entropy {level / 4:g} bits, byte {half:x}_" for level in range(16) for half in range(16)),
    *(f"character {chr(value)}" for value in CHARACTERS),
    *(f"texts of {2 ** (level + 2) if level else SHORTEST_TEXT} bytes on" for level in range(LENGTH_BINS)),
    *(f"log2 {name}" for name in ("size", "texts", "text bytes", "longest text", "mean text")),
    *(f"log2 {name} magics" for name in MAGICS),
    *(f"log2 {name} patterns" for name in PATTERNS),
    "entropy of bytes", "entropy of text", "share of text",
)  # fmt: skip


# Far above what files take: a record is kept, so that on a busy machine no file must be given up by chance.
TIMEOUT_S = 30.0
WORKER = (
    sys.executable, "-P", str(Path(__file__).with_name("_ember_worker.py")),
    str(MEMORY_BYTES), PARSE_WORKER[2],
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


def measure_parsed(signal: Binary, *, parser: Parser | None = None) -> Record:
    """Return format, header, sections, imports and exports of a whole file; empty ones where LIEF cannot tell.

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
    found: dict[str, Any] | str = f"larger than {LARGEST_BYTES >> 20} MB, which LIEF is not given"
    if is_part(signal):
        found = "a part of a file, which is not parsed"
    elif len(signal.data) <= LARGEST_BYTES:
        found = _ask(signal, parser or _parser(os.getpid()))
    return _parsed_record({"problem": found} if isinstance(found, str) else found)


def is_part(signal: Binary) -> bool:
    """Tell whether bytes are fewer than their file has."""
    if signal.offset or signal.path is None:
        return signal.offset > 0
    with suppress(OSError):
        return signal.path.stat().st_size != len(signal.data)
    return False


def _ask(signal: Binary, parser: Parser) -> dict[str, Any] | str:
    if signal.path is not None:
        return parser.ask(signal.path, _checked, timeout_s=TIMEOUT_S)
    try:
        with tempfile.TemporaryDirectory(prefix="phosphene-") as folder:
            path = Path(folder, "bytes")
            signal.data.tofile(path)
            return parser.ask(path, _checked, timeout_s=TIMEOUT_S)
    except OSError as error:
        return f"cannot be handed to LIEF ({error.strerror})"


def _checked(reply: Any) -> dict[str, Any]:
    """Return a reply that a record can be made of: a child that a hostile file has taken over may say anything."""
    try:
        _parsed_record(reply)
    except (LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"no reply: {error}") from error
    return dict(reply)


def _parsed_record(reply: dict[str, Any]) -> Record:
    rows = reply.get("sections", [])
    counts = reply.get("counts", {})
    return {
        "format": np.array(str(reply.get("format", ""))),
        "problem": np.array(str(reply["problem"])),
        **{name: pack(reply.get(name, [])) for name in LISTS},
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
def _parser(process_id: int) -> Parser:
    """Return the parser of this process: a forked one must not share the pipes of its parent."""
    parser = Parser(WORKER)
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
    numbers = np.array([_numbers(record) for record in records]).reshape(len(records), len(PARSED_NAMES))
    hashed = [_hashed(group, [_tokens(record, group) for record in records]) for group in HASHED]
    names = (
        *PARSED_NAMES,
        *(f"{group} hashed {at}" for group, width in HASHED.items() for at in range(width)),
    )
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


PARSED_NAMES: tuple[str, ...] = (
    "parsed", *FORMATS,
    *(f"log2 {name}" for name in (*COUNTS, *LISTS, "sections")),
    *(
        f"{kind} sections: {name}" for kind in KINDS
        for name in ("log2 number", "log2 bytes", "log2 memory", "mean entropy", "largest entropy")
    ),
)  # fmt: skip


_EMBER = "H. S. Anderson, P. Roth: EMBER, 2018, arXiv:1804.04637"


def measure(signal: Signal) -> Record:
    """Return the counts of bytes, and what LIEF says of the file.

    A file that LIEF cannot read, or that makes it hang or crash, has its bytes all the same; so has a part of a file.
    """
    return {**measure_bytes(signal), **measure_parsed(cast(Binary, signal))}


def tabulate(records: Sequence[Record]) -> Table:
    """Return rows of all groups."""
    tables = tabulate_bytes(records), tabulate_parsed(records)
    values = np.concatenate([table.values for table in tables], axis=1)
    return Table(values, tuple(name for table in tables for name in table.names))


EMBER = FeatureSet(
    name="ember",
    kind="binary",
    version=1,
    summary="bytes, byte entropy and text; headers, sections, imports and exports as LIEF finds them, hashed",
    source=_EMBER,
    measure=measure,
    tabulate=tabulate,
)
"""EMBER's groups for PE, ELF and Mach-O alike.

Names of imports and exports are among them, as they are in EMBER, and they can give the answer away: a Python module
exports `PyInit_name`, and the files of one project link the same libraries. Where that is not what is asked, compare
with `bytes`, which knows no names. The time at which a PE file says it was linked is left out: it tells a release, not
a program, and the other formats have none.
"""

BYTES = FeatureSet(
    name="bytes",
    kind="binary",
    version=1,
    summary="how often each byte occurs, at which entropy, and what the text in the file is like",
    source=f"{_EMBER}, the groups that need no parser",
    measure=measure_bytes,
    tabulate=tabulate_bytes,
)
"""What a file tells without its format: no parser that a hostile file could stop, and no names."""

FEATURE_SETS: tuple[FeatureSet, ...] = (EMBER, BYTES)
