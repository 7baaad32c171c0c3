"""Which sets of features a kind of signals has."""

from importlib import import_module

from phosphene.converters import ParameterError
from phosphene.converters.core.signal import Kind

from .feature_set import FeatureSet

_MODULES: dict[Kind, str] = {"audio": "audio", "series": "series", "mouse": "mouse", "binary": "binary"}


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
    if kind not in _MODULES:
        raise ParameterError(f"kind must be one of {', '.join(_MODULES)}, got {kind!r}")
    found: tuple[FeatureSet, ...] = import_module(f".{_MODULES[kind]}", __package__).FEATURE_SETS
    return found
