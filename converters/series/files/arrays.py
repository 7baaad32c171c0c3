"""Series in NumPy files, and arrays from any other file."""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.errors import ReadError, short
from ...core.files import HEAD_BYTES, MAPPED_FROM_BYTES, Note, ReadOptions, check_npy_header, check_unpacked
from .archives import Archive, OneSeries, Recording, finite, labels_beside
from .times import UnevenTimeError, alike, evenly

_LABELS = re.compile(
    r"(?:.*[/_])?(y|ys|labels?|targets?|class(?:es)?|y_(?:train|test)|category)", re.IGNORECASE
)
_RATES = re.compile(
    r"(?:.*[/_])?(fs|sfreq|srate|sampling_?(?:rate|freq|frequency)|sample_?rate|rate_hz|freq_hz)",
    re.IGNORECASE,
)
_TIMES = re.compile(r"(?:.*[/_])?(t|time|times|timestamps?)", re.IGNORECASE)
_MANY_COLUMNS = 16
_MANY_CHANNELS = 10
_SAMPLED_ROWS = 50
_MOST_ARRAYS = 64


def is_npz(head: bytes) -> bool:
    """Tell a zip file whose first member is an array, by its local header (name from byte 30 on)."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def is_rate(name: str) -> bool:
    """Tell whether an array or attribute of this name is a sampling rate in hertz."""
    return _RATES.fullmatch(name) is not None


def open_arrays(path: Path, options: ReadOptions) -> "Recording | Archive":
    """Open an NPY or NPZ file; three dimensions, (items, channels, samples), are an archive without labels.

    Raises
    ------
    ReadError
        The file is cut short, holds pickled objects, no numbers, none or several arrays, or other dimensions.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
            file.seek(0)
            if not zipped:
                check_npy_header(file.read(HEAD_BYTES), path)
        how: Literal["r"] | None = "r" if path.stat().st_size >= MAPPED_FROM_BYTES else None
        arrays = _load_zipped(path) if zipped else {"": np.load(path, mmap_mode=how, allow_pickle=False)}
    except ReadError:
        raise
    except Exception as error:  # of a damaged header also those of the tokenizer, of zipfile and zlib
        why = f"is damaged or cut short ({short(error)})"
        if "pickle" in str(error) or "Python objects" in str(error):
            why = "holds Python objects, which are never loaded"
        raise ReadError(f"{path}: {why}; save plain numbers with numpy.save") from error
    return arranged(arrays, path, options)


def _load_zipped(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        for member in archive.infolist()[:_MOST_ARRAYS]:
            with archive.open(member) as file:
                check_npy_header(file.read(HEAD_BYTES), path)
    check_unpacked(path, size)
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files[:_MOST_ARRAYS]}


def arranged(arrays: Mapping[str, np.ndarray], path: Path, options: ReadOptions) -> "Recording | Archive":
    """Make a series or an archive of the arrays of a file: values, and beside them labels, times or a rate.

    Raises
    ------
    ReadError
        There is none of numbers, or several that could be meant.
    """
    numbers = {
        name: array
        for name, array in arrays.items()
        if array.dtype.kind in "biuf" and array.size and array.ndim
    }
    wanted = [name for name in options.columns if name in arrays]
    if options.columns and not wanted:
        raise ReadError(f"{path}: has no array {options.columns[0]!r}, it has {', '.join(arrays)[:200]}")
    values = {name: numbers[name] for name in wanted if name in numbers} or {
        name: array for name, array in numbers.items() if array.size > 1 or len(arrays) == 1
    }
    beside = [name for name in values if len(values) > 1 and name not in wanted and _is_beside(name, values)]
    values = {name: array for name, array in values.items() if name not in beside}
    if not values:
        some = next(iter(arrays.values()), np.empty(0))
        raise ReadError(
            f"{path}: holds {some.dtype} {some.shape}, no series; save real numbers of shape (n,), "
            "(channels, n) or (items, channels, n)"
        )
    if len(values) > 1:
        raise ReadError(
            f"{path}: holds {len(values)} arrays ({', '.join(list(values)[:8])}); save one array a file, or name it "
            f"with --columns {next(iter(values))}"
        )
    name, array = next(iter(values.items()))
    labels = _labels_beside(name, arrays, len(array), options)
    found = _shaped(array, labels, path, options)
    if labels is None and options.label is None:
        notes = [Note(
            f"array {name!r} is called like labels, but there is not one for each item, and is left out; "
            f"--columns {name} takes it",
            loss=True,
        ) for name in beside if _LABELS.fullmatch(name)]  # fmt: skip
        found = replace(found, notes=(*found.notes, *notes))
    return _with_time(found, arrays, path, options)


def _is_beside(name: str, values: Mapping[str, np.ndarray]) -> bool:
    """Tell labels, times and rates from values, by their name and one dimension."""
    flat = max(values[name].shape) == values[name].size
    return flat and any(form.fullmatch(name) for form in (_LABELS, _RATES, _TIMES))


def _labels_beside(
    values: str, arrays: Mapping[str, np.ndarray], count: int, options: ReadOptions
) -> tuple[str, ...] | None:
    """Return labels that another array of the file holds, one for each of `count` items."""
    if options.label == "none":
        return None
    half = next((word for word in ("train", "test") if word in values.lower()), "")
    for name, array in arrays.items():
        named = name == options.label or (_LABELS.fullmatch(name) and half in name.lower())
        if named and name != values and array.size == count == max(array.shape, default=0) and count > 1:
            flat = array.reshape(-1)
            whole = flat.dtype.kind == "f" and bool((flat % 1 == 0).all())
            return tuple(str(int(value)) if whole else str(value).strip() for value in flat)
    return None


def _shaped(
    array: np.ndarray, labels: tuple[str, ...] | None, path: Path, options: ReadOptions
) -> OneSeries | Archive:
    notes: list[Note] = []
    if array.ndim == 1:
        return OneSeries(path, array[None])
    if array.ndim == 3:
        deep, wide = array.shape[1:]
        if options.layout == "columns" or (options.layout is None and deep > wide):
            array = array.swapaxes(1, 2)
            if wide > 1:
                notes.append(_turned(f"each of {len(array)} items of shape ({deep}, {wide})", deep, wide))
        return Archive(path, tuple(finite(item, path) for item in array), labels, notes=tuple(notes))
    if array.ndim != 2:
        raise ReadError(
            f"{path}: holds {array.dtype} {array.shape}, no series; save real numbers of shape (n,), "
            "(channels, n) or (items, channels, n)"
        )
    high, wide = array.shape
    if options.layout == "rows" or (
        options.layout is None
        and (labels or (options.label != "none" and labels_beside(path, high)[0]) or _rows_are_items(array))
    ):
        if options.layout is None:
            notes.append(Note(
                f"each of its {high} rows is taken as an item of {wide} samples; "
                "--layout columns takes columns as channels"
            ))  # fmt: skip
        return Archive(path, tuple(finite(row[None], path) for row in array), labels, notes=tuple(notes))
    if options.layout == "columns" or (options.layout is None and high > wide):
        if wide > 1 and options.layout is None:
            notes.append(_turned(f"shape ({high}, {wide})", high, wide))
        array = array.T
    elif options.layout is None and high >= _MANY_CHANNELS:
        notes.append(Note(
            f"shape ({high}, {wide}) is taken as {high} channels of {wide} samples; "
            "--layout rows takes each row as an item"
        ))  # fmt: skip
    return OneSeries(path, array, notes=tuple(notes))


def _turned(what: str, samples: int, channels: int) -> Note:
    return Note(
        f"{what} is taken as {samples} samples of {channels} channels, since more channels than samples are rare; "
        "--layout rows takes each row as an item, --layout columns each column as a channel"
    )


def _rows_are_items(array: np.ndarray) -> bool:
    """Tell rows that are series of their own: many, long, smooth along the row and not from row to row."""
    if array.shape[0] <= array.shape[1] or array.shape[1] < _MANY_COLUMNS:
        return False
    some = np.asarray(array[:_SAMPLED_ROWS], np.float64)
    return bool(np.isfinite(some).all()) and alike(some) > 0.8 and alike(some.T) < 0.4


def _with_time(
    found: OneSeries | Archive, arrays: Mapping[str, np.ndarray], path: Path, options: ReadOptions
) -> "Recording | Archive":
    """Give the step that a rate or times beside the values state."""
    for name, array in arrays.items():
        rate = array.reshape(-1)[0] if array.size == 1 and array.dtype.kind in "iuf" else 0
        if is_rate(name) and rate > 0:
            step = 1 / float(rate)
            if isinstance(found, Archive):
                return replace(found, steps=(step,) * len(found.items))
            note = Note(f"its step is 1 / {name}, {step:g} s")
            return replace(found, step_s=step, notes=(*found.notes, note))
    if isinstance(found, Archive) or options.time == "none":
        return found
    for name, array in arrays.items():
        if _TIMES.fullmatch(name) and array.size == found.count > 1 and array.dtype.kind in "iuf":
            times = np.asarray(array, np.float64).reshape(-1)
            try:
                values, step_s, notes = evenly(found.values, times, resample=options.resample)
            except UnevenTimeError as error:
                raise ReadError(f"{path}: array {name!r}: {error}; mend it, or --time none") from error
            note = Note(f"its times are those of {name!r}")
            return OneSeries(path, values, step_s, (*found.notes, *notes, note))
    return found
