"""Rules for the parameters of a converter, written once beside each field and checked by the base class.

A rule is the annotation of the field: `int`, `float`, `bool` and `str` as they are, `Literal[...]` for a choice,
`X | None`, `Annotated[int, Between(8, 4096)]` for a number with bounds, `tuple[float, ...]` for several numbers,
`tuple[int, int]` for a height and a width.
"""

import dataclasses
import functools
import math
import re
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from .errors import ParameterError

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


def check(instance: Any) -> None:
    """Raise ParameterError for the first field of a dataclass instance that breaks its rule; settle the others.

    So 2 and 2.0 for a `float` are one parameter, with one spec and one fingerprint.
    """
    owner: type = type(instance)
    for name, rule in rules(owner).items():
        value = getattr(instance, name)
        if not holds(rule, value):
            raise ParameterError(f"{owner.__name__}.{name} must be {describe(rule)}, got {value!r}")
        object.__setattr__(instance, name, settle(rule, value))


def parse(rule: Any, text: str) -> object:
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
    """Return a value as the text that `parse` turns into it.

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
