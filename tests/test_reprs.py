"""What a person sees who prints an object, or ends a cell of a notebook with it: one line, or a picture."""

import io

import numpy as np
import PIL.Image
import pytest

import phosphene as ph
from phosphene.converters.core.signal import line_plot
from phosphene.datasets.scores import Scores

SIGNALS = [
    ph.Audio(np.zeros(8000), 8000),
    ph.Series(np.arange(300.0), 0.1),
    ph.MouseTrace([0, 1], [5, 9], [5, 5], [0, 2], (800, 600)),
    ph.Binary(bytes(range(256))),
]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.kind)
def test_a_signal_is_one_line_and_has_a_form_for_notebooks(signal):
    assert repr(signal) == f"{type(signal).__name__}({signal.describe()})"
    assert signal.describe() in signal._repr_html_()


def test_an_image_is_one_line_and_a_picture_with_axes():
    image = ph.make("mel")(SIGNALS[0])
    assert "\n" not in repr(image)
    assert "time [s]" in repr(image)
    for one in (image, ph.make("grid", size=64)(SIGNALS[3])):
        shown = PIL.Image.open(io.BytesIO(one._repr_png_()))
        assert min(shown.size) > 200


def test_scores_are_one_line_and_a_table():
    scores = Scores(2, 0.5, 0.4, None, ((1, 1), (0, 0)), ("a", "b"))
    assert repr(scores) == "Scores(n 2, accuracy 0.500, macro_f1 0.400)"
    assert scores.to_frame()["accuracy"].tolist() == [0.5]


def test_a_line_plot_leaves_gaps_where_values_are_missing():
    assert (
        line_plot(np.array([[0.0, 1.0, np.nan, 1.0, 0.0], [0.0, 1.0, 2.0, 1.0, 0.0]])).count("<polyline") == 3
    )


def test_a_converter_is_made_of_text():
    assert ph.make("gasf(size=64)") == ph.make("gasf", size=64)
    assert ph.make("gasf+gadf+mtf").spec == "gasf+gadf+mtf"
    with pytest.raises(ph.PhospheneError, match="one converter, got 2"):
        ph.make("gasf,gadf")
