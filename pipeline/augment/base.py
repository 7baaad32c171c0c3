"""The base of every augmentation, and what those of several kinds share.

An augmentation is named by what it does to the raw signal, and draws from a generator that it is given: the same
generator, the same change.
"""

import dataclasses
from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from phosphene.converters import Between, Signal, SignalError
from phosphene.converters.core import parameters as rules
from phosphene.converters.core.signal import Kind

Share = Annotated[float, Between(0, 1)]
Factor = Annotated[float, Between(0, 0.9)]


@dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation(ABC):
    """Signal and random generator in, changed signal out; neither the signal nor any global seed is touched.

    Class data of a subclass: `name` (in the registry), `accepts` (the signal class), and `version`, a number to raise
    when the same generator gives another change than before. Its parameters are annotated fields, checked as those of
    a converter.
    """

    name: ClassVar[str]
    accepts: ClassVar[type[Signal]]
    version: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        rules.check(self)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        """Return a changed copy.

        Raises
        ------
        SignalError
            The signal is of another kind.
        """
        if not isinstance(signal, self.accepts):
            raise SignalError(f"{self.name} changes {self.accepts.kind} signals, got {type(signal).__name__}")
        return self._change(signal, rng)

    @property
    def spec(self) -> str:
        """The shortest text that `parse_augmentations` turns into this augmentation: `gain(most_db=6.0)`."""
        fields = dataclasses.fields(self)
        values = {f.name: getattr(self, f.name) for f in fields if getattr(self, f.name) != f.default}
        inside = ",".join(f"{name}={value}" for name, value in values.items())
        return f"{self.name}({inside})" if inside else self.name

    @property
    def config(self) -> dict[str, Any]:
        """Everything that decides the change but chance, as JSON takes it."""
        return {"name": self.name, "version": self.version, "parameters": dataclasses.asdict(self)}

    @abstractmethod
    def _change(self, signal: Any, rng: np.random.Generator) -> Signal:
        """Return a changed copy of a signal that is of the accepted kind."""


Registered = TypeVar("Registered", bound=type[Augmentation])
registered: dict[tuple[Kind, str], type[Augmentation]] = {}


def register_augmentation(augmentation: Registered) -> Registered:
    """Make an augmentation known by its name; used as a decorator of the class."""
    registered[augmentation.accepts.kind, augmentation.name] = augmentation
    return augmentation


def stretch(count: int, most: float, rng: np.random.Generator) -> slice:
    """Return a stretch of at most this share of `count` places, wherever it fits."""
    length = round(rng.uniform(0, most) * count)
    start = int(rng.integers(0, count - length + 1))
    return slice(start, start + length)


def sampled(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return float64 (channels, n) at places between samples, on straight lines; missing where the nearest sample is.

    A channel of which only missing samples would be left is drawn through instead, for a signal must hold something.

    Examples
    --------
    >>> sampled(np.array([[0.0, np.nan, 4.0, 6.0]]), np.array([0.4, 1.0, 2.5])).tolist()
    [[0.8, nan, 5.0]]
    """
    return np.stack([_sampled(channel, places) for channel in values.astype(np.float64)])


def _sampled(channel: np.ndarray, places: np.ndarray) -> np.ndarray:
    there = ~np.isnan(channel)
    line = np.interp(places, np.flatnonzero(there), channel[there])
    missing = ~there[np.rint(places).astype(int)]
    return line if missing.all() else np.where(missing, np.nan, line)
