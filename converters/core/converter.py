"""The base of every converter, and `register`, which makes one known by its name.

A converter is a frozen dataclass that is its parameters. A subclass names itself and the signal it draws, declares its
parameters as annotated fields, and writes one method, `_convert`. The base checks the parameters when constructed, the
signal when called, and what came back.
"""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Self, TypeVar, dataclass_transform

import numpy as np

from . import parameters
from .errors import ParameterError, SignalError
from .image import Image
from .parameters import Between
from .signal import Kind, Signal

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
        parameters.check(self)

    @property
    def cells(self) -> tuple[int, int]:
        """Into how many rows and columns of cells the image falls in which one pattern means different things.

        Low notes and high ones, for instance; (1, 1) where a pattern means the same wherever it stands.
        """
        return (1, 1)

    @property
    def by_pixel(self) -> bool:
        """Whether each pixel is a feature by itself, for a linear head; a network would see nothing in the image."""
        return False

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
            f"{field.name}={parameters.spelled(getattr(self, field.name))}"
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
        parameters.check_names(type(self), changes)
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
