"""What people hold in their hands, as items: paths, signals, arrays with their rate, tensors, data frames."""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import (
    Audio,
    Binary,
    ParameterError,
    PhospheneError,
    ReadError,
    Series,
    Signal,
    SignalError,
)
from phosphene.converters.core.files import DEFAULTS, ReadOptions
from phosphene.converters.core.signal import Kind, parse_address
from phosphene.converters.registry import check_kind, recognise
from phosphene.datasets.manifest import Failure, Item, Manifest
from phosphene.datasets.parts import find_each
from phosphene.datasets.sources import find_files, open_manifest
from phosphene.datasets.tables import Found, check_labels, read_table
from phosphene.pipeline.tiles.remote import RemoteSource, is_remote

TAKEN = (
    "taken are a path, a folder, a signal, an array or tensor of numbers with rate_hz or step_s, a data frame of "
    "paths, a manifest, or a list of these"
)


@dataclass(frozen=True, kw_only=True)
class ArrayForm:
    """What the numbers of arrays mean.

    Parameters
    ----------
    kind
        As what they are taken: `series` (also for None, which asks files what they are), `audio` or (bytes) `binary`.
    rate_hz, step_s
        Samples a second, or seconds from one to the next; one of them at most. Sound needs it.
    channels
        Of each item, where that is known: it tells whether a table of numbers is one item or many.
    options
        How files are read.

    Examples
    --------
    >>> ArrayForm(kind="audio", rate_hz=8000).signal(np.zeros(4000)).describe()
    '0.500 s of mono sound at 8000 Hz'
    """

    kind: Kind | None = None
    rate_hz: float | None = None
    step_s: float | None = None
    channels: tuple[int, ...] = ()
    options: ReadOptions = DEFAULTS

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if self.rate_hz is not None and self.step_s is not None:
            raise ParameterError(
                f"give rate_hz or step_s, not both; got {self.rate_hz!r} and {self.step_s!r}"
            )
        for name in ("rate_hz", "step_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ParameterError(f"{name} must be a number > 0, got {value!r}")

    def signal(self, array: np.ndarray) -> Signal:
        """Return (samples,) or (channels, samples) as a signal; integer samples of sound are scaled to full scale.

        Raises
        ------
        ParameterError
            Sound without a rate, or a kind that no array of numbers is.
        SignalError
            Not numbers, or not what the signal can be.
        """
        if array.dtype.kind not in "biuf":
            raise SignalError(f"an array must hold real numbers, got {array.dtype}; convert it")
        if self.kind == "audio":
            if self.rate_hz is None and self.step_s is None:
                raise ParameterError("an array of sound needs its rate: rate_hz=44100")
            return Audio(_full_scale(array), self.rate_hz or 1 / float(self.step_s or 1))
        if self.kind in (None, "series"):
            return Series(array, 1 / self.rate_hz if self.rate_hz else self.step_s)
        if self.kind == "binary":
            return Binary(array)
        raise ParameterError(f"{self.kind} signals are no plain arrays; give signals or paths")

    def items_in(self, array: np.ndarray) -> list[np.ndarray]:
        """Return the items of an array.

        Raises
        ------
        ParameterError
            It has more than three dimensions, or other channels than each item has.
        """
        if array.ndim == 3:
            return list(array)
        if array.ndim == 1:
            return [array]
        if array.ndim == 2 and (not self.channels or 1 in self.channels):
            return list(array)
        if array.ndim == 2 and len(array) in self.channels:
            return [array]
        known = " or ".join(map(str, self.channels)) or "any"
        raise ParameterError(
            f"an array must be (samples,), (channels, samples) or (items, channels, samples) with {known} channels, "
            f"got shape {array.shape}"
        )


def input_items(source: Any, form: ArrayForm) -> tuple[Item, ...]:
    """Return what is to be predicted as items.

    Parameters
    ----------
    source
        A path (`str`, `Path`, `path#fragment`), a folder, an item or a manifest, a signal, an array or tensor
        (samples,), (items, samples) or (channels, samples), (items, channels, samples), a data frame with a column of
        paths, or any iterable of these.
    form
        What arrays mean, and the kind that all is read as.

    Raises
    ------
    ParameterError
        Anything else.

    Examples
    --------
    >>> form = ArrayForm(kind="series", step_s=0.1)
    >>> [str(item) for item in input_items(np.zeros((3, 50)), form)]
    ['array[0]', 'array[1]', 'array[2]']
    """
    if _is_list(source):
        some = list(source)
        if not some or not all(isinstance(one, int | float | np.number) for one in some):
            return tuple(item for number, one in enumerate(some) for item in _items(one, form, f"[{number}]"))
        source = np.asarray(some)
    return tuple(_items(source, form, ""))


def input_parts(
    sources: Iterable[str | Path], form: ArrayForm, *, most: int
) -> Iterator[tuple[list[Item], list[Failure]]]:
    """Yield the items of files, fragments, folders and tables, and what holds none, some thousands at a time.

    Parameters
    ----------
    sources
        Paths, or `path#fragment`.
    form
        The kind that all is read as, and how.
    most
        So many items are put together before they are yielded; fewer than twice as many are.

    Raises
    ------
    ParameterError
        The options mean nothing for the kind, or a folder holds several tables.
    """
    items, failures = list[Item](), list[Failure]()
    for source in sources:
        for some, failed in _listed(source, form, most):
            items += some
            failures += failed
            # What was fetched is there only until the next is asked for.
            if len(items) + len(failures) >= most or is_remote(source):
                yield items, failures
                items, failures = [], []
    if items or failures:
        yield items, failures


def _listed(
    source: str | Path, form: ArrayForm, most: int
) -> Iterator[tuple[Sequence[Item], Sequence[Failure]]]:
    if is_remote(source):
        try:
            with RemoteSource(str(source), kind=form.kind, options=form.options) as fetched:
                yield from ((items, ()) for items in fetched)
        except ReadError as error:
            yield (), [Failure(Item(Path(source)), str(error))]
        return
    path, fragment = parse_address(source)
    if fragment or not path.exists():
        yield [Item(path, fragment=fragment, options=form.options)], ()  # one that is missing fails by name
        return
    taken = 0
    try:
        for items, failures in find_each(source, most=most, kind=form.kind, options=form.options):
            yield items, failures
            taken += len(items)
    except ParameterError:
        raise
    except PhospheneError as error:
        rest = "; what comes after it is left out" if taken else ""
        yield (), [Failure(Item(path), f"{error}{rest}")]


def input_manifest(
    source: Any,
    y: Sequence[Any] | np.ndarray | None = None,
    *,
    kind: Kind | None = None,
    rate_hz: float | None = None,
    step_s: float | None = None,
) -> Manifest:
    """Return what is to be learned from as a manifest.

    Parameters
    ----------
    source
        What `open_manifest` takes, a manifest, a data frame of paths (with labels, unless `y` has them), an array or
        tensor (items, samples) or (items, channels, samples), or a list of signals, arrays of any length, or paths.
    y
        The label of each item, in the same order; None where the source has them.
    kind
        What it is read as; None takes arrays for `series` (`audio` must be named), and asks files.
    rate_hz, step_s
        Of arrays, one of both.

    Raises
    ------
    ParameterError
        Other numbers of items and labels, no labels, or nothing that is taken.

    Examples
    --------
    >>> manifest = input_manifest(np.zeros((4, 50)), [0, 1, 0, 1])
    >>> manifest.summary()
    'series: 4 signals, 2 classes from y: 0 2, 1 2'
    """
    form = ArrayForm(kind=kind, rate_hz=rate_hz, step_s=step_s)
    if isinstance(source, Manifest):
        manifest = source
    elif isinstance(source, str | Path):
        manifest = open_manifest(source, kind=kind, label=None if y is None else "none")
    elif _is_frame(source) and not _is_numbers(source):
        found = _frame(source, kind, need_labels=y is None)
        manifest = Manifest(
            found.items,
            kind or _common_kind(found.items),
            "the data frame",
            labelled_by=found.labelled_by,
            notes=found.notes,
        )
    else:
        if _is_array(source) or _is_frame(source):
            source = list(_checked(_array(source)))
        if not _is_list(source):
            raise ParameterError(f"training needs many items, got {type(source).__name__}; {TAKEN}")
        items = input_items(source, form)
        manifest = Manifest(items, kind or _common_kind(items), "the data")
    return manifest if y is None else _labelled(manifest, y)


def label_text(label: Any) -> str | None:
    """Return a label as text: whole numbers without a point, None for what is missing.

    Examples
    --------
    >>> label_text(np.int64(3)), label_text(2.0), label_text("cat"), label_text(float("nan"))
    ('3', '2', 'cat', None)
    """
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return None
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _labelled(manifest: Manifest, y: Sequence[Any] | np.ndarray) -> Manifest:
    given = y.to_numpy() if hasattr(y, "to_numpy") else y
    labels = [label_text(label) for label in given]
    if len(labels) != len(manifest):
        raise ParameterError(
            f"y must be one label for each of {len(manifest)} items, got {len(labels)}; "
            "give both in the same order, and paths of single files"
        )
    check_labels(labels, "y")
    items = tuple(replace(item, label=label) for item, label in zip(manifest.items, labels, strict=True))
    return replace(manifest, items=items, labelled_by="y")


def _items(source: Any, form: ArrayForm, index: str) -> Iterator[Item]:
    """Yield the items of one thing; `index` says which it is of a list."""
    if isinstance(source, Item):
        yield source
    elif isinstance(source, Manifest):
        yield from source.items
    elif isinstance(source, str | Path):
        yield from _file_items(source, form)
    elif isinstance(source, Signal):
        if form.kind not in (None, source.kind):
            raise ParameterError(
                f"signal{index} is {source.kind}, not {form.kind}: {source!r}; give {form.kind}"
            )
        yield _in_memory(f"signal{index}", source)
    elif _is_frame(source) and not _is_numbers(source):
        yield from _frame(source, form.kind, need_labels=False).items
    elif _is_array(source) or _is_frame(source) or (index and _is_list(source)):
        arrays = [_array(source)] if index else form.items_in(_array(source))
        for number, array in enumerate(arrays):
            name = f"array{index}" if len(arrays) == 1 else f"array[{number}]"
            yield _in_memory(name, form.signal(array))
    else:
        raise ParameterError(f"{type(source).__name__}{index} is nothing to classify; {TAKEN}")


def _in_memory(name: str, signal: Signal) -> Item:
    return Item(Path(name), kind=signal.kind, signal=signal)


def _file_items(path: str | Path, form: ArrayForm) -> tuple[Item, ...]:
    """Return the items of a path that a user named: the file, the part, or all of a folder, table or archive."""
    file, fragment = parse_address(path)
    if fragment:
        return (Item(file, fragment=fragment, options=form.options),)
    if file.is_dir():
        return find_files(file, kind=form.kind, options=form.options)
    try:
        return find_files(file, kind=form.kind, options=form.options)
    except PhospheneError:
        return (Item(file, options=form.options),)  # it fails by name when it is read


def _frame(frame: Any, kind: Kind | None, *, need_labels: bool) -> Found:
    """Return the items of a data frame of paths, whose columns mean what those of a table do."""
    text = io.StringIO()
    frame.to_csv(text, index=False)
    where = Path("data frame")
    data = text.getvalue().encode()
    return read_table(where, data, label=None, group=None, need_labels=need_labels, kind=kind, missing="any")


def _common_kind(items: Sequence[Item]) -> Kind:
    kinds = sorted({kind for item in items if (kind := item.kind or _kind_of(item.path))})
    if not kinds and items:
        recognise(items[0].path)  # says what is wrong
    if len(kinds) != 1:
        raise ParameterError(
            f"items must be of one kind, got {' and '.join(kinds) or 'no items'}; name the kind"
        )
    return kinds[0]


def _kind_of(path: Path) -> Kind | None:
    try:
        return recognise(path)
    except PhospheneError:
        return None  # it fails by name when it is read


def _is_array(source: Any) -> bool:
    return isinstance(source, np.ndarray) or type(source).__module__.partition(".")[0] == "torch"


def _is_frame(source: Any) -> bool:
    return type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "to_csv")


def _is_numbers(frame: Any) -> bool:
    """Tell a data frame (or a column) of numbers from one of paths."""
    dtypes = frame.dtypes if frame.ndim == 2 else [frame.dtype]
    return all(getattr(dtype, "kind", "O") in "biuf" for dtype in dtypes)


def _is_list(source: Any) -> bool:
    single = isinstance(source, str | bytes | dict | Path | Item | Manifest | Signal)
    return isinstance(source, Iterable) and not single and not _is_array(source) and not _is_frame(source)


def _array(source: Any) -> np.ndarray:
    """Return numbers of an array, tensor, data frame or list as an array."""
    if hasattr(source, "detach"):
        source = source.detach().cpu()
    try:
        array = source.to_numpy() if hasattr(source, "to_numpy") else np.asarray(source)
    except ValueError as error:
        raise ParameterError(f"rows of different lengths; give a list of arrays ({error})") from error
    return np.asarray(array)


def _checked(array: np.ndarray) -> np.ndarray:
    if array.dtype == object and array.ndim == 1:
        return array  # an array of paths, signals or arrays of different lengths
    if array.ndim not in (2, 3):
        raise ParameterError(
            "an array to learn from must be (items, samples) or (items, channels, samples), "
            f"got shape {array.shape}"
        )
    return array


def _full_scale(array: np.ndarray) -> np.ndarray:
    """Return samples of sound as floats from -1 to 1, integers by their type as in WAV files."""
    if array.dtype.kind not in "iu":
        return array
    half = (np.iinfo(array.dtype).max + 1) / (1 if array.dtype.kind == "i" else 2)
    shifted = array.astype(np.float64) - (half if array.dtype.kind == "u" else 0)
    return np.asarray(shifted / half, np.float32)
