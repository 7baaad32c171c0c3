"""Three converters as the red, green and blue of one image."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .core.converter import Converter
from .core.errors import ParameterError
from .core.image import Image
from .core.signal import Kind, Signal


class Channels(Converter):
    """Three grey pictures of one signal as the channels of one RGB image; written `A+B+C` on the command line.

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


def _join(planes: list[np.ndarray]) -> np.ndarray:
    """Put grey planes (..., height, width, 1) side by side as channels."""
    shapes = [plane.shape[-3:] for plane in planes]
    if len(set(shapes)) > 1 or shapes[0][-1] != 1:
        raise ParameterError(f"Channels needs grey images of one size, got {' and '.join(map(str, shapes))}")
    return np.concatenate(planes, axis=-1)
