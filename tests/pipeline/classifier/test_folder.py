"""The model card: every fact in it, in a table that no name can break."""

import pytest

from phosphene.converters import parse_views
from phosphene.pipeline.classifier.folder import held_out_words, model_card


def config(**notes):
    return {
        "phosphene": "0.1.0",
        "kind": "mouse",
        "classes": ["bot", "person"],
        "views": [
            view.config for view in parse_views("trace,trace(scale=screen),dwell+dwell(spot_px=4)+trace")
        ],
        "windows": {"unit": "events", "length": 250, "hop": 125, "most": None},
        "backbones": [{"name": "efficientnet_lite0", "weights": "in1k from the package"}],
        "notes": notes,
    }


NOTES = {
    "strategy": "probe",
    "why": "the default",
    "seed": 3,
    "data": "sessions",
    "learned_from": 80,
    "held_out": "0.2",
    "metrics": {
        "n": 20,
        "accuracy": 0.95,
        "accuracy_interval": [0.76, 0.99],
        "macro_f1": 0.9,
        "ece": 0.041,
        "ece_interval": [0.02, 0.07],
    },
    "oof": {"accuracy": 0.925, "n": 40, "words": "accuracy 92.5 % on 40 training items"},
}


def rows(card):
    lines = [line for line in card.splitlines() if line.startswith("| ") and not line.startswith("| |")]
    return dict(line[2:-2].split(" | ", 1) for line in lines)


def test_every_fact():
    card = model_card(config(**NOTES) | {"novelty": {"names": ["a", "b"], "labels": ["bot", "person"]}})
    assert card.startswith("---\nlibrary_name: phosphene\n")
    assert "# Classifier of sessions\n\nTells mouse files apart: bot, person.\n" in card
    assert rows(card) == {
        "looks at": "trace, trace(scale=screen), dwell+dwell(spot_px=4.0)+trace",
        "windows": "250 events, one every 125 events",
        "backbone": "efficientnet_lite0, weights: in1k from the package",
        "strategy": "probe: the default",
        "learned from": "80 items of sessions",
        "held out": "20 % of the items: accuracy 0.950 (0.760 to 0.990), macro-F1 0.900 on 20 items",
        "out of fold": "accuracy 92.5 % on 40 training items",
        "calibration": "error 0.041 (95 % interval 0.020 to 0.070)",
        "novelty": "told by the distance from 2 training items, whose names are in config.json",
        "seed": "3",
        "made by": "phosphene 0.1.0",
    }


def test_what_is_not_known_is_said():
    facts = rows(model_card(config(held_out="none") | {"windows": None}))
    assert facts["held out"] == "nothing: nobody knows how good it is"
    assert facts["windows"] == "none, items stay whole"
    assert facts["strategy"] == "unknown: unknown"
    assert facts["out of fold"] == facts["calibration"] == facts["novelty"] == "unknown"
    assert facts["learned from"] == "unknown items of files without a name"


def test_seconds_are_seconds():
    windows = {"unit": "t", "length": 5.0, "hop": 2.5, "most": None}
    assert rows(model_card(config() | {"windows": windows}))["windows"] == "5 s, one every 2.5 s"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("0.2", "20 % of the items"),
        (".125", "12.5 % of the items"),
        ("test", "the test split"),
        ("valid", "the valid split"),
        ("none", "nothing"),
        ("5", "fold 5"),
        ("1.5", "fold 1.5"),
        ("nan", "fold nan"),
        ("spring", "fold spring"),
    ],
)
def test_what_was_held_out_in_words(name, words):
    assert held_out_words(name) == words


def test_names_stay_in_their_cells():
    card = model_card(
        config(**NOTES | {"data": "a|b\n# <b>", "why": "{kind} | \n"}) | {"classes": ["{x}", "y\nz"]}
    )
    assert "# Classifier of a\\|b # &lt;b>\n" in card
    assert "Tells mouse files apart: {x}, y z.\n" in card
    assert rows(card)["strategy"] == "probe: {kind} \\|"
