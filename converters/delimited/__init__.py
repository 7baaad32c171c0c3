"""Tables written as text, for every kind that comes as one: fields, bytes, layout, and lines to numbers."""

from .fields import allow_long_fields, instant, instants, is_clock, is_date, is_missing, is_number, split
from .plain import BLANKS, PlainText, is_packed, plain_head, text_lines
from .rows import few, parse_block, parse_fields
from .sheet import Form, Sheet, looks_numeric, sniff_sheet

__all__ = [
    "BLANKS",
    "Form",
    "PlainText",
    "Sheet",
    "allow_long_fields",
    "few",
    "instant",
    "instants",
    "is_clock",
    "is_date",
    "is_missing",
    "is_number",
    "is_packed",
    "looks_numeric",
    "parse_block",
    "parse_fields",
    "plain_head",
    "sniff_sheet",
    "split",
    "text_lines",
]
