"""Compiled loops over bytes; each takes contiguous read-only uint8, so that it is compiled once."""

import numba
import numpy as np

SUM, LARGEST, FIRST = 0, 1, 2
PAIRS_AT_ONCE = 4096


@numba.njit(cache=True, nogil=True)
def fold_spans(
    block: np.ndarray, at: int, starts: np.ndarray, stops: np.ndarray, folded: np.ndarray, how: int
) -> None:
    """Fold what a block holds of each span into what was found in the blocks before.

    Parameters
    ----------
    block, at
        uint8 (n,), and where in the file it begins.
    starts, stops
        int64 (cells,): half-open spans of the file.
    folded
        int64 (cells,), changed in place.
    how
        SUM, LARGEST or FIRST.
    """
    for cell in range(starts.size):
        part = block[max(starts[cell] - at, 0) : max(stops[cell] - at, 0)]
        if part.size == 0:
            continue
        if how == SUM:
            total = np.int64(0)
            for value in part:
                total += value
            folded[cell] += total
        elif how == LARGEST:
            most = np.uint8(0)
            for value in part:
                most = max(most, value)
            folded[cell] = max(folded[cell], np.int64(most))
        elif starts[cell] >= at:
            folded[cell] = part[0]


@numba.njit(cache=True, nogil=True)
def fold_table(
    block: np.ndarray, width: int, rows: np.ndarray, columns: np.ndarray, folded: np.ndarray, how: int
) -> None:
    """Fold what a block holds of each rectangle of a table into what was found in the blocks before.

    Parameters
    ----------
    block
        uint8 (n,): whole rows of the table, the last one of which may be short.
    width
        Bytes in a row, of which fewer than 2**24 rows are in the block.
    rows, columns
        int64 (2, n_rows) and (2, n_columns), starts and stops; rows are counted from the first one in the block, so
        that those before it are negative.
    folded
        int64 (n_rows, n_columns), changed in place.
    how
        SUM, LARGEST or FIRST.
    """
    line = np.zeros(width, np.uint32)
    last = -(-block.size // width)
    for y in range(rows.shape[1]):
        low, high = max(rows[0, y], 0), min(rows[1, y], last)
        if how == FIRST:
            low, high = rows[0, y], min(rows[0, y] + 1, high)
        if low < 0 or low >= high:
            continue
        line[:] = 0
        for row in range(low, high):
            part = block[row * width : (row + 1) * width]
            if how == SUM:
                for x in range(part.size):
                    line[x] += part[x]
            else:
                for x in range(part.size):
                    line[x] = max(line[x], np.uint32(part[x]))
        for x in range(columns.shape[1]):
            cell = folded[y, x]
            for value in line[columns[0, x] : columns[1, x]]:
                cell = cell + np.int64(value) if how == SUM else max(cell, np.int64(value))
                if how == FIRST:
                    break
            folded[y, x] = cell


@numba.njit(cache=True, nogil=True)
def tally_pairs(block: np.ndarray, distance: int, counts: np.ndarray) -> None:
    """Add the pairs of bytes `distance` apart in a block to int64 counts (65536,): 256 * first + second."""
    # Pairs are made many at a time, which is vectorised, and read as four in a word: fewer loads than byte by byte. A
    # counter that was just written is slow to read again, so that runs of zeros, the usual padding, are skipped. One
    # table: a second one, in turns, would help other runs, but two fall out of a cache of 512 KB.
    table, zeros = np.zeros(65536, np.uint32), 0
    pairs = np.empty(PAIRS_AT_ONCE, np.uint16)
    words = pairs.view(np.uint64)
    one, low = np.uint32(1), np.uint64(0xFFFF)
    first, second = block[: max(block.size - distance, 0)], block[distance:]
    for at in range(0, first.size, PAIRS_AT_ONCE):
        a, b = first[at : at + PAIRS_AT_ONCE], second[at : at + PAIRS_AT_ONCE]
        for i in range(a.size):
            pairs[i] = (np.uint16(a[i]) << np.uint16(8)) | np.uint16(b[i])
        for word in words[: a.size // 4]:
            if word == 0:
                zeros += 4
            else:
                table[word & low] += one
                table[(word >> np.uint64(16)) & low] += one
                table[(word >> np.uint64(32)) & low] += one
                table[word >> np.uint64(48)] += one
        for pair in pairs[a.size // 4 * 4 : a.size]:
            table[pair] += one
    counts[0] += zeros
    for pair in range(65536):
        counts[pair] += np.int64(table[pair])


@numba.njit(cache=True, nogil=True)
def slide_entropy(
    data: np.ndarray, first: int, window: int, hop: int, gains: np.ndarray, levels: np.ndarray
) -> None:
    """Write the entropy around each byte as a grey level, 8 bits a byte as 255.

    Parameters
    ----------
    data
        uint8 (n,).
    first
        The first byte whose level is written, a multiple of `hop`.
    window, hop
        Bytes in a window, at most n, and bytes between the beginnings of windows.
    gains
        int64 (window,): by how much c log2 c grows when the count c of a byte grows by one, in 2**-16 bits.
    levels
        uint8, changed in place: as many as bytes are asked for.
    """
    counts = np.zeros(256, np.uint64)
    most = gains.sum()
    scale = 255 / (8.0 * 65536 * window)
    total, low, high = 0, 0, 0  # the sum of c log2 c in the window from low to high
    for at in range(0, levels.size, hop):
        begin = min(max(first + at + hop // 2 - window // 2, 0), data.size - window)
        if begin >= high:
            counts[:] = 0
            total = _enter(data[begin : begin + window], counts, gains)
        else:
            total += _enter(data[high : begin + window], counts, gains)
            total -= _leave(data[low:begin], counts, gains)
        low, high = begin, begin + window
        levels[at : at + hop] = np.uint8((most - total) * scale + 0.5)


@numba.njit(cache=True, nogil=True)
def _enter(part: np.ndarray, counts: np.ndarray, gains: np.ndarray) -> int:
    """Count bytes; return by how much the sum of c log2 c grows."""
    gain, one = 0, np.uint64(1)
    for byte in part:
        gain += gains[counts[byte]]
        counts[byte] += one
    return gain


@numba.njit(cache=True, nogil=True)
def _leave(part: np.ndarray, counts: np.ndarray, gains: np.ndarray) -> int:
    """Count bytes no longer; return by how much the sum of c log2 c shrinks."""
    gain, one = 0, np.uint64(1)
    for byte in part:
        counts[byte] -= one
        gain += gains[counts[byte]]
    return gain


@numba.njit(cache=True, nogil=True)
def find_words(
    block: np.ndarray, at: int, min_length: int, n_pixels: int, state: np.ndarray, words: np.ndarray
) -> int:
    """Find the runs of letters that end in a block, and by a hash the pixel of each; return how many.

    Parameters
    ----------
    block, at
        uint8 (n,), and where in the file it begins.
    min_length
        Letters in a run, at least.
    n_pixels
        Fewer than 2**32.
    state
        int64 (2,), changed in place: hash and letters of the run that the block before ended in; zeros at first.
    words
        int64 (3, n // (min_length + 1) + 1), written: pixel, where the run begins, and the first byte behind it.
    """
    found, hashed, length = 0, np.uint32(state[0]), state[1]
    for i in range(block.size):
        letter = block[i] | np.uint8(0x20)  # small
        if np.uint8(97) <= letter <= np.uint8(122):
            hashed = np.uint32((hashed ^ np.uint32(letter)) * np.uint32(16777619))  # as FNV does
            length += 1
        elif length:
            if length >= min_length:
                mixed = np.uint32((hashed ^ (hashed >> np.uint32(16))) * np.uint32(0x85EBCA6B))
                mixed ^= mixed >> np.uint32(13)
                words[0, found] = np.int64((np.uint64(mixed) * np.uint64(n_pixels)) >> np.uint64(32))
                words[1, found], words[2, found] = at + i - length, at + i
                found += 1
            hashed, length = np.uint32(0), np.int64(0)
    state[0], state[1] = hashed, length
    return found
