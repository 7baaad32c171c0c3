"""A kind: everything that the program has to know about one sort of raw data, in one object."""

from dataclasses import dataclass

from .errors import ParameterError
from .reader import Reader
from .signal import Kind, Signal


@dataclass(frozen=True)
class KindSpec:
    """One sort of raw data. `converters/audio/kind.py` is an example; `docs/new_kind.md` adds another.

    Parameters
    ----------
    signal
        The class of its signals; `signal.kind` is the name of the kind.
    reader
        Reads its files; `reader.cut_by` is the unit in which windows are counted.
    views
        The views that are drawn when none are named, as `parse_views` takes them.
    window
        Into what long items are cut for training, as `--windows` takes it; None leaves them whole.
    """

    signal: type[Signal]
    reader: Reader
    views: str
    window: str | None = None

    @property
    def name(self) -> Kind:
        """The name of the kind."""
        return self.signal.kind


registered_kinds: dict[Kind, KindSpec] = {}


def register_kind(kind: KindSpec) -> KindSpec:
    """Make a kind known by its name.

    Raises
    ------
    ParameterError
        Another kind has the name already.
    """
    if registered_kinds.setdefault(kind.name, kind) != kind:
        raise ParameterError(f"a kind {kind.name!r} is registered already, with {kind.reader}")
    return kind
