"""What one field of a table says: a number, a date, a time of day, nothing; and lines to fields."""

import csv
import functools
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

MISSING = frozenset({"", "?", "nan", "-nan", "na", "n/a", "#n/a", "null", "none"})
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]|$)")
_OTHER_DATE = re.compile(
    r"(?:(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})|(?P<d2>\d{1,2})\.(?P<m2>\d{1,2})\.(?P<y2>\d{4}))"
    r"(?:,?[T ]+(?P<clock>\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?))?"
)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?")


def is_number(field: str, decimal: str = ".") -> bool:
    """Tell whether a field is a number; also an infinite one, which is refused later, with its line."""
    return number(field, decimal) is not None


def is_missing(field: str) -> bool:
    """Tell whether a field says that there is no value: empty, `?`, NaN, NA, null, none."""
    return field.strip().lower() in MISSING


def is_date(field: str) -> bool:
    """Tell whether a field is a date, or date and time, as ISO 8601 or `31.12.2024 23:59` has it, or a time of day."""
    field = field.strip()
    if is_clock(field):
        return True
    return bool(_DATE.match(field) or _OTHER_DATE.fullmatch(field)) and instant(field) is not None


def is_clock(field: str) -> bool:
    """Tell whether a field is a time of day: `23:59` or `23:59:59.5`."""
    return bool(_CLOCK.fullmatch(field.strip()))


def number(field: str, decimal: str) -> float | None:
    """Return a field as a number, None where it is none."""
    try:
        return None if "_" in field else float(field.replace(",", ".") if decimal == "," else field)
    except ValueError:
        return None


def instant(field: str) -> float | None:
    """Return a date as seconds since 1970, UTC where no zone is given; a time of day as seconds since midnight."""
    field = field.strip()
    if clock := _CLOCK.fullmatch(field):
        hours, minutes, seconds = clock.groups(default="0")
        return 3600.0 * int(hours) + 60.0 * int(minutes) + float(seconds)
    if found := _OTHER_DATE.fullmatch(field):
        year, month, day = (found[name] or found[f"{name}2"] for name in "ymd")
        field = (
            f"{year}-{int(month):02d}-{int(day):02d}T{(found['clock'] or '00:00').replace(',', '.').zfill(5)}"
        )
    try:
        moment = datetime.fromisoformat(field)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def instants(fields: Sequence[str]) -> np.ndarray:
    """Return dates as float64 seconds, NaN for what is none."""
    found = (instant(field or "") for field in fields)
    return np.array([np.nan if moment is None else moment for moment in found])


def split(line: str, delimiter: str) -> list[str]:
    """Return the fields of one line."""
    if delimiter == " ":
        return line.split() if '"' not in line else [field for field in _quoted(line, " ") if field]
    if '"' not in line:
        return line.split(delimiter)
    return _quoted(line, delimiter)


def _quoted(line: str, delimiter: str) -> list[str]:
    try:
        allow_long_fields()
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


@functools.cache
def allow_long_fields() -> None:
    """Lift the limit of 128 KiB a field, which a quoted series of one row is longer than."""
    csv.field_size_limit(sys.maxsize)
