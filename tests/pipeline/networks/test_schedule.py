import dataclasses

import pytest

from phosphene.converters import ParameterError
from phosphene.pipeline.networks.schedule import Schedule


def test_defaults_train_plainly_to_the_end():
    schedule = Schedule()
    assert (schedule.lr, schedule.mixup, schedule.label_smoothing, schedule.patience) == (None, 0, 0, None)
    assert not schedule.holds_out


def test_it_is_frozen_compares_by_value_and_takes_keywords_only():
    assert Schedule(lr=1e-3) == Schedule(lr=1e-3) != Schedule()
    with pytest.raises(dataclasses.FrozenInstanceError):
        Schedule().lr = 1.0
    with pytest.raises(TypeError):
        Schedule(1e-3)


@pytest.mark.parametrize(
    "values",
    [
        {"lr": "find"},
        {"lr": 1},
        {"mixup": 0},
        {"patience": 1},
        {"valid_share": 0.5},
        {"label_smoothing": 0.99},
    ],
)
def test_values_at_the_border_are_taken(values):
    Schedule(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 0}, 'Schedule.lr must be a number above 0, "find" or None, got 0'),
        ({"lr": "fast"}, "got 'fast'"),
        ({"lr": True}, "got True"),
        ({"lr": float("nan")}, "got nan"),
        ({"lr": float("inf")}, "got inf"),
        ({"mixup": -0.1}, "Schedule.mixup must be a number >= 0, got -0.1"),
        ({"label_smoothing": 1}, "Schedule.label_smoothing must be a number >= 0 and below 1, got 1"),
        ({"patience": 0}, "Schedule.patience must be an integer >= 1 or None, got 0"),
        ({"patience": 1.5}, "got 1.5"),
        ({"valid_share": 0.6}, "Schedule.valid_share must be a number above 0, up to 0.5, got 0.6"),
        ({"class_weights": "equal"}, "Schedule.class_weights must be one of none, balanced, got 'equal'"),
        ({"unfreeze": "never"}, "Schedule.unfreeze must be one of at_once, gradual, got 'never'"),
    ],
)
def test_values_out_of_range(values, message):
    with pytest.raises(ParameterError) as caught:
        Schedule(**values)
    assert message in str(caught.value)
