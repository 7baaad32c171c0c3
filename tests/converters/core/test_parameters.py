"""Rules of parameters: what they take, what they say, and what text becomes under them."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Between, ParameterError
from phosphene.converters.core.converter import check_parameters, describe, holds, parse_value, rules, settle

Bounded = Annotated[int, Between(8, 4096)]
Positive = Annotated[float, Between(above=0)]


@dataclass(frozen=True)
class Example:
    size: Bounded = 8
    rate: Positive | None = None
    scale: Literal["htk", "slaney"] = "htk"
    loud: bool = False


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "Example.size must be an integer >= 8 and <= 4096, got 0"),
        ({"size": 8.0}, "Example.size must be an integer >= 8 and <= 4096, got 8.0"),
        ({"size": True}, "Example.size must be an integer >= 8 and <= 4096, got True"),
        ({"size": "8"}, "Example.size must be an integer >= 8 and <= 4096, got '8'"),
        ({"rate": 0}, "Example.rate must be a number > 0 or none, got 0"),
        ({"rate": float("nan")}, "Example.rate must be a number > 0 or none, got nan"),
        ({"rate": float("inf")}, "Example.rate must be a number > 0 or none, got inf"),
        ({"rate": False}, "Example.rate must be a number > 0 or none, got False"),
        ({"scale": "mel"}, "Example.scale must be one of 'htk', 'slaney', got 'mel'"),
        ({"scale": ["htk"]}, "Example.scale must be one of 'htk', 'slaney', got ['htk']"),
        ({"loud": "False"}, "Example.loud must be true or false, got 'False'"),
        ({"loud": 1}, "Example.loud must be true or false, got 1"),
    ],
)
def test_messages(values, message):
    with pytest.raises(ParameterError) as caught:
        check_parameters(Example(**values))
    assert str(caught.value) == message


def test_numbers_beyond_any_float_break_the_rule():
    assert not holds(float, 10**400)
    assert not holds(Positive, 10**400)


def test_whole_numbers_for_a_float_become_floats():
    example = Example(rate=2)
    check_parameters(example)
    assert isinstance(example.rate, float)
    assert isinstance(settle(int | float, 2), int)
    assert settle(Positive | None, None) is None


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (Between(8, 4096), ">= 8 and <= 4096"),
        (Between(above=0), "> 0"),
        (Between(above=0, high=1), "> 0 and <= 1"),
        (Between(low=-80), ">= -80"),
    ],
)
def test_bounds_in_words(bounds, text):
    assert str(bounds) == text


def test_bounds_are_included_but_for_above():
    assert [Between(0, 1).holds(value) for value in (-0.1, 0, 1, 1.1)] == [False, True, True, False]
    assert [Between(above=0).holds(value) for value in (0, 1e-9)] == [False, True]


def test_rules_stand_in_the_order_of_the_fields():
    assert list(rules(Example)) == ["size", "rate", "scale", "loud"]
    assert describe(rules(Example)["loud"]) == "true or false"


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        (int, "12", 12),
        (float, "1e3", 1000.0),
        (float, "12", 12),
        (float, "inf", "inf"),
        (Bounded, "7", "7"),
        (bool, "TRUE", True),
        (bool, "1", "1"),
        (Positive | None, "none", None),
        (Literal[1, 2, 4], "2", 2),
        (Literal[1, 2, 4], "3", "3"),
        (Literal["none", "some"], "none", "none"),
        (str, "12", "12"),
        (float, "9" * 5000, "9" * 5000),
    ],
)
def test_text_becomes_what_the_rule_takes(rule, text, value):
    parsed = parse_value(rule, text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_can_be_written_and_read(number):
    assert parse_value(float, str(number)) == number
