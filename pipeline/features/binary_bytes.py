"""What the bytes of a file tell without its format: how often each occurs, how random they are, and its text."""

from collections.abc import Iterator, Sequence

import numpy as np

from phosphene.converters.binary import Binary
from phosphene.converters.binary.bigram import CHARACTERS, text_blocks
from phosphene.converters.binary.signal import BLOCK_BYTES, blocks

from .feature_set import Record, Table

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


def measure_bytes(signal: Binary) -> Record:
    r"""Return counts of bytes, of bytes by the entropy around them, and of what the text is like.

    Large files are read piece by piece, so that memory stays bounded.

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
    return {**_count_bytes(signal.data), **_count_text(signal.data)}


def _count_bytes(data: np.ndarray) -> Record:
    counts, by_entropy = np.zeros(256, np.int64), np.zeros((16, 16), np.int64)
    magics = np.zeros(len(MAGICS), np.int64)
    for at, block in blocks(data, stop=len(data), reach=STEP_BYTES):
        part = block[:BLOCK_BYTES]
        counts += np.bincount(part, minlength=256)
        # A file shorter than a window is one.
        by_entropy += byte_entropy(block, shortest=1 if len(data) < WINDOW_BYTES and not at else WINDOW_BYTES)
        text = block[: BLOCK_BYTES + 3].tobytes()
        for place, words in enumerate(MAGICS.values()):
            magics[place] += sum(text.count(word, 0, len(part) + len(word) - 1) for word in words)
    return {"bytes": counts, "byte_entropy": by_entropy, "magics": magics}


def byte_entropy(data: np.ndarray, *, shortest: int = WINDOW_BYTES) -> np.ndarray:
    """Count the upper halves of bytes by the entropy of the windows that they stand in.

    The entropy is that of the upper halves, from 0 to 4 bits, and is told in 16 steps. A byte is counted once for each
    window that holds it.

    Parameters
    ----------
    data
        uint8 (n,).
    shortest
        Windows of fewer bytes are left out: all are of 2,048, a step of 1,024 apart, but for that of a short file.

    Returns
    -------
    numpy.ndarray
        int64 (16, 16): by entropy, by upper half.

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
    places = (rows >> 4) + np.arange(len(rows))[:, None] * 16
    return np.bincount(places.ravel(), minlength=16 * len(rows)).reshape(len(rows), 16)


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
    """Count words that end in a piece, also those that begin before it."""
    return sum((before[1 - len(word) :] + text).count(word) for word in words)


def _runs(data: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pieces in which all but text is zero, and the lengths of the runs of text that end in each."""
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
    values = [_row(record) for record in records]
    return Table(np.array(values, np.float32).reshape(len(records), len(NAMES)), NAMES)


def _row(record: Record) -> np.ndarray:
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


NAMES: tuple[str, ...] = (
    *(f"byte {value:02x}" for value in range(256)),
    *(f"entropy {level / 4:g} bits, byte {half:x}_" for level in range(16) for half in range(16)),
    *(f"character {chr(value)}" for value in CHARACTERS),
    *(f"texts of {2 ** (level + 2) if level else SHORTEST_TEXT} bytes on" for level in range(LENGTH_BINS)),
    *(f"log2 {name}" for name in ("size", "texts", "text bytes", "longest text", "mean text")),
    *(f"log2 {name} magics" for name in MAGICS),
    *(f"log2 {name} patterns" for name in PATTERNS),
    "entropy of bytes", "entropy of text", "share of text",
)  # fmt: skip
