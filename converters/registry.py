"""Kinds, readers and converters by name, ours and those of other packages; reading any file; and views written as text.

The module that an entry point of `phosphene.kinds` or `phosphene.converters` names is imported; importing it registers.

Views are written `gasf,gadf,recurrence`, `mel(n_mels=64)`, `gasf+gadf+mtf`: a comma parts them, a plus joins three
converters as the channels of one image, and parentheses hold parameters.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np

from .core.apart import LISTING, FileLimits, ask
from .core.converter import Converter, check_names, loaded_first, parse_value, registered, rules
from .core.errors import ParameterError, PhospheneError, SignalError
from .core.files import (
    DEFAULTS,
    KindSpec,
    Reader,
    ReadOptions,
    is_plain,
    read_head,
    register_kind,
    registered_kinds,
)
from .core.formats import refuse_foreign
from .core.image import Image
from .core.signal import Fragment, Kind, Signal, parse_address

T = TypeVar("T")
OWN_KINDS = ("audio", "mouse", "series", "binary")


@functools.cache
def _load_kinds() -> None:
    """Register our kinds and those that other packages bring."""
    for folder in OWN_KINDS:
        register_kind(import_module(f".{folder}.kind", __package__).KIND)
    _load_entry_points("phosphene.kinds")


@functools.cache
def _load_own() -> None:
    """Import our converters; importing them registers them."""
    for folder in OWN_KINDS:
        package = import_module(f".{folder}", __package__)
        for name in package.__all__:
            getattr(package, name)


loaded_first.append(_load_own)


@functools.cache
def _load_converters() -> None:
    """Import our converters and those that other packages bring."""
    _load_own()
    _load_kinds()
    _load_entry_points("phosphene.converters")


def _load_entry_points(group: str) -> None:
    from importlib.metadata import entry_points  # a tenth of the start of the command line

    for entry in entry_points(group=group):
        try:
            entry.load()
        except Exception as error:
            owner = entry.dist.name if entry.dist else entry.value
            what = group.rpartition(".")[2]
            raise PhospheneError(
                f"the package {owner} brings {what} that cannot be imported ({error}); update or uninstall it"
            ) from error


def kinds() -> Mapping[Kind, KindSpec]:
    """Return every kind by its name, in the order in which their readers are asked: any bytes are `binary` at last."""
    _load_kinds()
    return MappingProxyType(dict(sorted(registered_kinds.items(), key=lambda named: named[0] == "binary")))


def check_kind(kind: Kind | None) -> None:
    """Refuse a name that no kind has; None stands for any.

    Raises
    ------
    ParameterError
        There is no such kind.
    """
    if kind is not None and kind not in kinds():
        raise ParameterError(f"kind must be one of {', '.join(kinds())}, got {kind!r}")


def converters(kind: Kind | None = None) -> tuple[type[Converter], ...]:
    """Return every registered converter class, of one kind or of all, ordered by kind and name."""
    _load_converters()
    found = [converter for kinds in registered.values() for converter in kinds.values()]
    return tuple(
        sorted((c for c in found if kind in (None, c.accepts.kind)), key=lambda c: (c.accepts.kind, c.name))
    )


def converter_class(name: str, *, kind: Kind | None = None) -> type[Converter]:
    """Find a converter class by its registered name.

    Raises
    ------
    ParameterError
        No such name, or the name belongs to several kinds and `kind` says none.
    """
    _load_converters()
    found = {k: c for k, c in registered.get(name, {}).items() if kind in (None, k)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise ParameterError(
            f"{name!r} is a converter of several kinds ({', '.join(sorted(found))}); name the kind"
        )
    known = sorted({c.name for c in converters(kind)})
    of_kind = f" of {kind} signals" if kind else ""
    raise ParameterError(f"no converter{of_kind} is called {name!r}; there are {', '.join(known)}")


def readers() -> Mapping[Kind, Reader]:
    """Return the reader of each kind, in the order in which they are asked."""
    return {name: kind.reader for name, kind in kinds().items()}


def recognise(path: str | Path, head: bytes | None = None) -> Kind:
    """Tell the kind of a file: by its content first, by its suffix second; any other bytes are `binary`.

    Its first HEAD_BYTES bytes are read where they are not given. A suffix of a kind that another package brings decides
    before all else: who installed it wants it read so.

    Raises
    ------
    ReadError
        There is no such file, it is a folder, empty, or may not be read; or it is of a known format that is not ours.
    """
    path = Path(path)
    head = read_head(path) if head is None else head
    suffix = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    known = readers()
    named = [kind for kind, reader in known.items() if suffix.lower() in reader.suffixes]
    brought = [kind for kind in named if kind not in OWN_KINDS]
    by_content = (kind for kind, reader in known.items() if reader.recognises(head, path))
    found = next(chain(brought, by_content), None)
    if found is None:
        refuse_foreign(head, path)
    return found or next(iter(named), "binary")


def read(path: str | Path, kind: Kind | None = None, options: ReadOptions | None = None) -> Signal:
    """Read a file, or a part of one written `path#fragment`, as a signal.

    Parameters
    ----------
    path
        A file; or `file#row=12`, `file#t=5,10` (seconds), `file#bytes=0-65535`, `file#events=0-249`,
        `file#samples=0-999`.
    kind
        `audio`, `series`, `mouse` or `binary`; None decides by content first, by suffix second. The signal's
        `kind` says which was taken.
    options
        What the content does not settle: the layout of a table, its columns, and whether a loss is refused.

    Returns
    -------
    Signal
        Its `notes` say what was found in the file that is not plain.

    Raises
    ------
    ReadError
        The file is missing, a folder, empty, unreadable, not what it should be, or of a known format that is not ours.
    ParameterError
        No such kind, or a fragment of another kind.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "program.bin")
    ...     _ = file.write_bytes(bytes(range(256)))
    ...     read(file).kind
    'binary'
    """
    path, fragment = parse_address(path)
    check_kind(kind)
    if kind is None:
        kind = recognise(path)
    else:
        read_head(path)
    check_options(options or DEFAULTS, [kind], path)
    return readers()[kind].read(path, fragment, options or DEFAULTS)


def check_options(options: ReadOptions, kinds: Iterable[Kind], where: str | Path) -> None:
    """Refuse options that change nothing for any of the kinds that files are read as.

    Raises
    ------
    ParameterError
        The message names the option.

    Examples
    --------
    >>> check_options(ReadOptions(strict=True), ["audio"], "a.wav")
    """
    kinds = sorted(set(kinds))
    heeded = frozenset[str]().union(*(readers()[kind].heeds for kind in kinds))
    ignored = next((name for name in options.config if name not in heeded), None)
    if kinds and ignored and not (ignored == "label" and options.label == "none"):
        raise ParameterError(
            f"{where}: --{ignored} says how tables of numbers are read, and means nothing for {' and '.join(kinds)}; "
            "leave it out, or name the kind that the files are: --kind series"
        )


def asked(question: Callable[..., T], path: Path, *rest: Any, limits: FileLimits = LISTING) -> T:
    """Return `question(path, *rest)`, as `ask` does; of small text, and with kinds of other packages, here."""
    if is_plain(path) or not readers().keys() <= set(OWN_KINDS):
        return question(path, *rest)
    return ask(question, path, *rest, limits=limits)


def read_source(
    source: Path | Signal, fragment: Fragment | None, kind: Kind, options: ReadOptions = DEFAULTS
) -> Signal:
    """Return the signal of a file, or one that is in memory already, or a part of either.

    Raises
    ------
    ReadError, SignalError
        The file cannot be read, the signal is of another kind, or there is no such part.

    Examples
    --------
    >>> from phosphene.converters import Series
    >>> read_source(Series([1.0, 2.0, 4.0]), Fragment("samples", 1, 3), "series").values.tolist()
    [[2.0, 4.0]]
    """
    if isinstance(source, Signal):
        if source.kind != kind:
            raise SignalError(f"{source!r} is {source.kind}, not {kind}; give {kind} signals")
        return source.part(fragment) if fragment else source
    read_head(source)
    return readers()[kind].read(source, fragment, options)


class Channels(Converter):
    """Three grey images of one signal as the channels of one RGB image; written `A+B+C` on the command line.

    Parameters
    ----------
    red, green, blue
        Converters of one kind that draw grey images of one size.

    Raises
    ------
    ParameterError
        The three draw different kinds, images of different sizes, or one of them in colour.

    Examples
    --------
    >>> from phosphene.converters import Series, parse_views
    >>> (view,) = parse_views("gasf+gadf+recurrence")
    >>> view(Series([[0.0, 1.0, 2.0, 1.0] * 8])).pixels.shape
    (224, 224, 3)
    """

    name: ClassVar[str] = "channels"
    accepts: ClassVar[type[Signal]] = Signal  # type: ignore[type-abstract]  # of which kind, the parts say

    red: Converter
    green: Converter
    blue: Converter

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds = [part.kind for part in self.parts]
        if len(set(kinds)) > 1:
            raise ParameterError(f"Channels must join converters of one kind, got {', '.join(kinds)}")

    @classmethod
    def of(cls, red: Converter, green: Converter, blue: Converter) -> "Channels":
        """Join three converters in the order of the channels."""
        return cls(red=red, green=green, blue=blue)

    @property
    def parts(self) -> tuple[Converter, Converter, Converter]:
        """The three converters in the order of the channels."""
        return self.red, self.green, self.blue

    def resolve(self, signals: Sequence[Signal]) -> "Channels":
        """Resolve each of the three."""
        red, green, blue = (part.resolve(signals) for part in self.parts)
        return self.of(red, green, blue)

    @property
    def kind(self) -> Kind:
        """The kind that the three draw."""
        return self.red.kind

    @property
    def cells(self) -> tuple[int, int]:
        """Those of the three, where they have the same."""
        cells = {part.cells for part in self.parts}
        return cells.pop() if len(cells) == 1 else (1, 1)

    @property
    def mixes_channels(self) -> bool:
        """Whether all three do."""
        return all(part.mixes_channels for part in self.parts)

    @property
    def spec(self) -> str:
        """The three, joined by plus signs."""
        return "+".join(part.spec for part in self.parts)

    @property
    def config(self) -> dict[str, Any]:
        """Name and parameters, with a config in the place of each converter."""
        parts = {name: part.config for name, part in zip(("red", "green", "blue"), self.parts, strict=True)}
        return {"name": self.name, "kind": self.kind, "parameters": parts}

    @property
    def fingerprint(self) -> str:
        """The fingerprints of the three."""
        return "".join(part.fingerprint for part in self.parts)

    def _check_kind(self, signal: Signal) -> None:
        self.red._check_kind(signal)

    def _convert(self, signal: Signal) -> Image:
        images = [part(signal) for part in self.parts]
        return Image(
            _join([image.pixels for image in images]), images[0].layout, tuple(i.layout for i in images)
        )

    def _batch(self, signals: Sequence[Signal]) -> np.ndarray:
        return _join([part.batch(signals) for part in self.parts])


def _join(images: list[np.ndarray]) -> np.ndarray:
    """Put grey images (..., height, width, 1) side by side as channels."""
    shapes = [image.shape[-3:] for image in images]
    if len(set(shapes)) > 1 or shapes[0][-1] != 1:
        raise ParameterError(f"Channels needs grey images of one size, got {' and '.join(map(str, shapes))}")
    return np.concatenate(images, axis=-1)


Views = str | Converter | Sequence[str | Converter]
"""Views as text, as objects, or as a list of either."""

_TERM = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\((.*)\))?\s*", re.DOTALL)


def default_views(kind: Kind) -> tuple[Converter, ...]:
    """Return the views that a kind is drawn as when none are named."""
    return parse_views(kinds()[kind].views, kind=kind)


def make(name: str, *, kind: Kind | None = None, **values: Any) -> Converter:
    """Make a converter by its registered name; parameters may stand in parentheses behind it.

    Examples
    --------
    >>> make("gasf", size=64).fingerprint == make("gasf(size=64)").fingerprint
    True
    """
    if not any(mark in name for mark in "(+,"):
        owner = converter_class(name, kind=kind)
        check_names(owner, values)
        return owner(**values)
    views = parse_views(name, kind=kind)
    if len(views) > 1:
        raise ParameterError(f"make takes one converter, got {len(views)} in {name!r}; use parse_views")
    return views[0].replace(**values) if values else views[0]


def as_views(views: Views, *, kind: Kind | None = None) -> tuple[Converter, ...]:
    """Return converters that are given as text, as objects, or as a list of either.

    Examples
    --------
    >>> [view.spec for view in as_views(["gasf", make("gadf", size=64)])]
    ['gasf', 'gadf(size=64)']
    """
    if isinstance(views, str):
        return parse_views(views, kind=kind)
    if isinstance(views, Converter):
        return (views,)
    if not isinstance(views, Sequence) or not all(isinstance(view, str | Converter) for view in views):
        raise ParameterError(f"views must be text such as 'gasf,gadf' or converters, got {views!r:.80}")
    return tuple(one for view in views for one in as_views(view, kind=kind))


def views_by_kind(
    views: Views, *, kind: Kind | None = None
) -> tuple[Converter, ...] | dict[Kind, tuple[Converter, ...]]:
    """Return what `as_views` does; of a name that several kinds have, the converters of each kind, none of the others.

    Examples
    --------
    >>> {kind: len(views) for kind, views in views_by_kind("scalogram").items()}
    {'audio': 1, 'binary': 0, 'mouse': 0, 'series': 1}
    """
    try:
        return as_views(views, kind=kind)
    except ParameterError:
        of_kind: dict[Kind, tuple[Converter, ...]] = dict.fromkeys(sorted(kinds()), ())
        for one in of_kind if kind is None else ():
            with contextlib.suppress(ParameterError):
                of_kind[one] = as_views(views, kind=one)
        if sum(map(bool, of_kind.values())) < 2:
            raise
        return of_kind


def parse_views(text: str, *, kind: Kind | None = None) -> tuple[Converter, ...]:
    """Turn text into converters, one for each view.

    Raises
    ------
    ParameterError
        The text is no list of converters, names one that is not known, or mixes kinds.

    Examples
    --------
    >>> [view.spec for view in parse_views("gasf,gadf(size=64)")]
    ['gasf', 'gadf(size=64)']
    """
    views = tuple(_parse_view(part, kind) for part in split(text, ","))
    kinds = sorted({view.kind for view in views})
    if len(kinds) > 1:
        raise ParameterError(f"views must be of one kind, got {' and '.join(kinds)} in {text!r}")
    specs = [view.spec for view in views]
    twice = next((spec for spec in specs if specs.count(spec) > 1), None)
    if twice:
        raise ParameterError(f"the view {twice!r} is named twice in {text!r}")
    return views


def from_config(config: dict[str, Any]) -> Converter:
    """Make a converter again from its `config`.

    Raises
    ------
    ParameterError
        This is no config, or one of a converter or a parameter that is not known.

    Examples
    --------
    >>> view = make("gasf", size=64)
    >>> from_config(view.config) == view
    True
    """
    try:
        name, kind, values = config["name"], config["kind"], dict(config["parameters"])
        parts = [values[color] for color in ("red", "green", "blue")] if name == Channels.name else []
    except (KeyError, TypeError, ValueError) as error:
        raise ParameterError(
            f"a converter's config must hold name, kind and parameters, got {config!r:.200}"
        ) from error
    return Channels.of(*map(from_config, parts)) if parts else make(name, kind=kind, **values)


def set_parameters(views: Sequence[Converter], settings: dict[str, str]) -> tuple[Converter, ...]:
    """Set parameters, given as text, on every view that has them; one that no view has is an error."""
    for name in settings:
        if not any(name in rules(type(view)) for view in _leaves(views)):
            raise ParameterError(f"none of {', '.join(view.spec for view in views)} has a parameter {name!r}")
    return tuple(_with_settings(view, settings) for view in views)


def _leaves(views: Sequence[Converter]) -> list[Converter]:
    return [leaf for view in views for leaf in (view.parts if isinstance(view, Channels) else (view,))]


def _with_settings(view: Converter, settings: dict[str, str]) -> Converter:
    if isinstance(view, Channels):
        red, green, blue = (_with_settings(part, settings) for part in view.parts)
        return Channels.of(red, green, blue)
    known = rules(type(view))
    return view.replace(**{k: parse_value(known[k], v) for k, v in settings.items() if k in known})


def _parse_view(text: str, kind: Kind | None) -> Converter:
    parts = [_parse_term(part, kind) for part in split(text, "+")]
    if len(parts) == 1:
        return parts[0]
    if len(parts) != 3:
        raise ParameterError(f"an image has three channels, A+B+C, got {len(parts)} in {text.strip()!r}")
    return Channels.of(*parts)


def _parse_term(text: str, kind: Kind | None) -> Converter:
    name, values = parse_term(text, what="view")
    known = rules(converter_class(name, kind=kind))
    return make(
        name, kind=kind, **{k: parse_value(known[k], v) if k in known else v for k, v in values.items()}
    )


def parse_term(text: str, *, what: str) -> tuple[str, dict[str, str]]:
    """Turn `NAME` or `NAME(key=value,...)` into the name and the values, as text.

    Raises
    ------
    ParameterError
        The text is no such term; the message calls it a `what`.

    Examples
    --------
    >>> parse_term("mel(n_mels=64, fill=repeat)", what="view")
    ('mel', {'n_mels': '64', 'fill': 'repeat'})
    """
    found = _TERM.fullmatch(text)
    if not found:
        raise ParameterError(f"{text.strip()[:60]!r} is no {what}; write NAME or NAME(key=value,...)")
    name, inside = found.groups()
    values: dict[str, str] = {}
    for setting in split(inside, ",") if inside and inside.strip() else []:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise ParameterError(f"{setting.strip()[:60]!r} in {text.strip()[:60]!r} must be key=value")
        if key in values:
            raise ParameterError(f"{key[:60]!r} is set twice in {text.strip()[:60]!r}")
        values[key] = value
    return name, values


def split(text: str, mark: str) -> list[str]:
    """Split at a mark that stands outside parentheses.

    Examples
    --------
    >>> split("gasf,patches(width=4,size=64)", ",")
    ['gasf', 'patches(width=4,size=64)']
    """
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == mark and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]
