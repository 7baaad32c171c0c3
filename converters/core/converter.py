"""The base of every converter, the rules of its parameters, and `register`, which makes one known by its name.

A converter is a frozen dataclass that is its parameters. A subclass names itself and the signal it draws, declares its
parameters as annotated fields, and writes one method, `_convert`. The base checks the parameters when constructed, the
signal when called, and what came back.

A rule is the annotation of the field: `int`, `float`, `bool` and `str` as they are, `Literal[...]` for a choice,
`X | None`, `Annotated[int, Between(8, 4096)]` for a number with bounds, `tuple[float, ...]` for several numbers,
`tuple[int, int]` for a height and a width.
"""

import dataclasses
import functools
import hashlib
import json
import math
import re
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from .errors import ParameterError, SignalError
from .image import Image
from .signal import Kind, Signal

ByPixel = Literal["", "standardised", "in proportion"]

_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "none"}
_PLURALS = {int: "integers", float: "numbers"}
_PAIR = re.compile(r"(\d{1,9}) ?[x×] ?(\d{1,9})|\( ?(\d{1,9}) ?, ?(\d{1,9}) ?\)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Between:
    """Bounds of a number, both included; `above` is a bound that is not. `what` says what the number is."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    what: str = ""

    def holds(self, value: float) -> bool:
        """Tell whether `value` lies within the bounds."""
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )

    def __str__(self) -> str:
        bounds = ((">", self.above), (">=", self.low), ("<=", self.high))
        within = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
        return f"{within}, {self.what}" if self.what else within


@functools.cache
def rules(owner: type) -> dict[str, Any]:
    """Return the annotation of every parameter of the dataclass `owner`, in order."""
    hints = get_type_hints(owner, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(owner)}


def describe(rule: Any) -> str:
    """Say a rule in words: `an integer >= 8`, `one of 'htk', 'slaney'`."""
    origin, arguments = get_origin(rule), get_args(rule)
    if origin is Annotated:
        return f"{describe(arguments[0])} {' and '.join(str(bound) for bound in arguments[1:])}"
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(describe(choice) for choice in arguments)
    if origin is tuple and Ellipsis not in arguments:
        return "(height, width), as text 224x448"
    if origin is tuple:
        return f"{_PLURALS[arguments[0]]} in parentheses"
    return _WORDS.get(rule, getattr(rule, "__name__", str(rule)))


def holds(rule: Any, value: object) -> bool:
    """Tell whether `value` obeys a rule; a whole number is also a number, true and false are neither."""
    origin, arguments = get_origin(rule), get_args(rule)
    if origin is Annotated:
        return holds(arguments[0], value) and all(bound.holds(value) for bound in arguments[1:])
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(holds(choice, value) for choice in arguments)
    if origin is tuple:  # JSON has lists
        return (
            isinstance(value, tuple | list)
            and (Ellipsis in arguments or len(value) == 2)
            and all(holds(arguments[0], each) for each in value)
        )
    if isinstance(value, bool):
        return rule is bool
    return _is_finite(value) if rule is float else isinstance(value, rule)


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def settle(rule: Any, value: Any) -> Any:
    """Return a value that obeys its rule as the type that the rule names: a whole number for `float` as a float."""
    origin, arguments = get_origin(rule), get_args(rule)
    if origin is Annotated:
        return settle(arguments[0], value)
    if origin in (Union, types.UnionType):
        return settle(next(choice for choice in arguments if holds(choice, value)), value)
    if origin is tuple:
        values = tuple(settle(arguments[0], each) for each in value)
        # A height that is the width is a square, with the fingerprint of one.
        return values[0] if Ellipsis not in arguments and len(set(values)) == 1 else values
    return float(value) if rule is float else value


def check_parameters(instance: Any) -> None:
    """Raise ParameterError for the first field of a dataclass instance that breaks its rule; settle the others.

    So 2 and 2.0 for a `float` are one parameter, with one spec and one fingerprint.
    """
    owner: type = type(instance)
    for name, rule in rules(owner).items():
        value = getattr(instance, name)
        if not holds(rule, value):
            raise ParameterError(f"{owner.__name__}.{name} must be {describe(rule)}, got {value!r}")
        object.__setattr__(instance, name, settle(rule, value))


def parse_value(rule: Any, text: str) -> object:
    """Turn text from a command line into a value that the rule takes; text that fits nothing stays text."""
    candidates = (_whole, _number, _truth, _nothing, _pair, _numbers)
    for candidate in candidates:
        value = candidate(text)
        if value is not NotImplemented and holds(rule, value):
            return value
    return text


def _whole(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return NotImplemented


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return NotImplemented


def _truth(text: str) -> object:
    return {"true": True, "false": False}.get(text.lower(), NotImplemented)


def _nothing(text: str) -> object:
    return None if text.lower() == "none" else NotImplemented


def _pair(text: str) -> object:
    found = _PAIR.fullmatch(text)
    return tuple(int(side) for side in found.groups() if side) if found else NotImplemented


def spelled(value: object) -> str:
    """Return a value as the text that `parse_value` turns into it.

    Examples
    --------
    >>> spelled((224, 448)), spelled((-1.0, 1.0)), spelled("db")
    ('224x448', '(-1.0, 1.0)', 'db')
    """
    if isinstance(value, tuple) and all(isinstance(side, int) for side in value):
        return "x".join(map(str, value))
    return str(value)


def _numbers(text: str) -> object:
    if not (text.startswith("(") and text.endswith(")")):
        return NotImplemented
    numbers = tuple(_number(part) for part in text[1:-1].split(",") if part.strip())
    return NotImplemented if NotImplemented in numbers else numbers


def check_names(owner: type, values: dict[str, Any]) -> None:
    """Refuse values for parameters that a class does not have."""
    known = rules(owner)
    for name in values:
        if name not in known:
            raise ParameterError(
                f"{owner.__name__} has no parameter {name!r}; it has {', '.join(known) or 'none'}"
            )


Side = Annotated[int, Between(8, 4096, what="the side of a square")]
"""Pixels along each side of an image that is a square always."""
Size = (
    Annotated[int, Between(8, 4096)]
    | tuple[Annotated[int, Between(8, 4096)], Annotated[int, Between(8, 4096)]]
)
"""Pixels of an image: of each side, or height and width."""


def height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of an image of a size.

    Examples
    --------
    >>> height_width(224), height_width((224, 448))
    ((224, 224), (224, 448))
    """
    return (size, size) if isinstance(size, int) else size


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,))
@dataclasses.dataclass(frozen=True, kw_only=True)
class Converter(ABC):
    """Signal in, image out; equal parameters give equal pixels, always.

    Class data of a subclass: `name` (in the registry), `accepts` (the signal class), and `version`, a number to raise
    when the same parameters give other pixels than before. Subclasses become frozen keyword-only dataclasses by
    themselves.
    """

    name: ClassVar[str]
    accepts: ClassVar[type[Signal]]
    version: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def cells(self) -> tuple[int, int]:
        """Into how many rows and columns of cells the image falls in which one pattern means different things.

        Low notes and high ones, for instance; (1, 1) where a pattern means the same wherever it stands.
        """
        return (1, 1)

    @property
    def by_pixel(self) -> ByPixel:
        """How a linear head takes each pixel as a feature, where a network would see nothing in the image; "" is not.

        Each is standardised by itself, or all are divided by the same, which keeps those that hardly change small.
        """
        return ""

    def __call__(self, signal: Signal) -> Image:
        """Draw one signal.

        Raises
        ------
        SignalError
            The signal is of another kind, or has too little in it to be drawn.
        """
        self._check_kind(signal)
        image = self._convert(signal)
        if not isinstance(image, Image):
            raise TypeError(
                f"{type(self).__name__}._convert must return an Image, got {type(image).__name__}"
            )
        return image

    def batch(self, signals: Sequence[Signal]) -> np.ndarray:
        """Draw many signals: uint8 (n, height, width, channels), the same pixels as one by one."""
        if not signals:
            raise SignalError(f"{type(self).__name__}.batch needs at least one signal, got none")
        for signal in signals:
            self._check_kind(signal)
        return self._batch(signals)

    def resolve(self, signals: Sequence[Signal]) -> Self:
        """Return this converter with numbers for what it would otherwise take from each signal it draws.

        Called once, with signals to learn from, so that all images of a classifier mean the same: the same row the
        same pitch, the same grey the same level. A converter that takes nothing from a signal returns itself.
        """
        del signals
        return self

    @property
    def family(self) -> str:
        """Views of one family tell the same sort of thing: where weights of views are fitted, they share one."""
        return self.name

    @property
    def mixes_channels(self) -> bool:
        """Whether an image means the same however many channels the signal has."""
        return False

    @abstractmethod
    def _convert(self, signal: Any) -> Image:
        """Draw one signal that is of the accepted kind."""

    def _batch(self, signals: Sequence[Any]) -> np.ndarray:
        return np.stack([self._convert(signal).pixels for signal in signals])

    def _check_kind(self, signal: Signal) -> None:
        if not isinstance(signal, self.accepts):
            raise SignalError(f"{self.name} draws {self.accepts.kind} signals, got {type(signal).__name__}")

    @property
    def kind(self) -> Kind:
        """The kind of signal that this converter draws."""
        return self.accepts.kind

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def spec(self) -> str:
        """The shortest text that `parse_views` turns into this converter: `mel(n_mels=64)`."""
        changed = [
            f"{field.name}={spelled(getattr(self, field.name))}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{self.name}({','.join(changed)})" if changed else self.name

    @property
    def config(self) -> dict[str, Any]:
        """Everything that makes this converter again, as JSON takes it, for `from_config`."""
        return {"name": self.name, "kind": self.kind, "parameters": self.parameters}

    @property
    def fingerprint(self) -> str:
        """A short digest of name, parameters and version of the algorithm: the same for the same pixels."""
        text = json.dumps([self.config, self.version], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def replace(self, **changes: Any) -> Self:
        """Return this converter with some parameters changed."""
        check_names(type(self), changes)
        return dataclasses.replace(self, **changes)


Registered = TypeVar("Registered", bound=type[Converter])
loaded_first: list[Callable[[], None]] = []
"""Loads our own converters before another package registers one, so that it cannot take a name of ours."""
registered: dict[str, dict[Kind, type[Converter]]] = {}


def register(converter: Registered) -> Registered:
    """Make a converter known by its name; used as a decorator of the class.

    Raises
    ------
    ParameterError
        Another converter of the kind has the name already.
    """
    if not converter.__module__.startswith("phosphene."):
        for load in loaded_first:
            load()
    known = registered.setdefault(converter.name, {}).setdefault(converter.accepts.kind, converter)
    if known.__qualname__ != converter.__qualname__ or known.__module__ != converter.__module__:
        raise ParameterError(
            f"{converter.accepts.kind} converter {converter.name!r} is registered already, by {known}"
        )
    return converter
