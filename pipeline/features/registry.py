"""Which sets of features a kind of signals has."""

from importlib import import_module

from phosphene.converters import ParameterError
from phosphene.converters.core.signal import Kind

from .feature_set import FeatureSet

_HOMES: dict[Kind, str] = {kind: f"{__package__}.{kind}" for kind in ("audio", "series", "mouse", "binary")}


def register_features(kind: Kind, module: str) -> None:
    """Name the module whose `FEATURE_SETS` are those of a kind; it is imported when they are first asked for."""
    _HOMES[kind] = module


def feature_sets(kind: Kind) -> tuple[FeatureSet, ...]:
    """Return the sets of features that a kind of signals has, the first being what it is known for.

    Raises
    ------
    ParameterError
        There is no such kind.

    Examples
    --------
    >>> [features.name for features in feature_sets("series")]
    ['catch22', 'summary', 'raw', 'joint']
    """
    if kind not in _HOMES:
        raise ParameterError(f"there are features of {', '.join(_HOMES)} signals, got kind {kind!r}")
    found: tuple[FeatureSet, ...] = import_module(_HOMES[kind]).FEATURE_SETS
    return found
