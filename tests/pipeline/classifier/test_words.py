"""Short sounds of uneven lengths: when they get a view of their own, and what it is worth."""

import numpy as np
import pytest

from phosphene.converters import Audio, Series
from phosphene.pipeline import Recipe, train
from phosphene.pipeline.classifier.per_split import WORD_VIEW, word_views


def _silence(*lengths_s):
    return [Audio(np.zeros(round(length * 800)), 800) for length in lengths_s]


@pytest.mark.parametrize(
    ("lengths_s", "expected"),
    [
        ((0.4, 0.6, 0.9), True),
        ((5.0, 5.0, 5.0), False),  # ESC-10
        ((1.0, 1.0, 1.0), False),
        ((1.0, 1.2, 1.4), False),
        ((1.0, 2.0, 4.0), False),
        ((0.5, *[1.0] * 40), False),  # a single odd one
        ((0.4, 0.8, *[0.5] * 40, *[1.0] * 40, 9.0), True),
        ((), False),
    ],
)
def test_short_sounds_of_uneven_lengths_have_a_view_of_their_own(lengths_s, expected):
    assert [view.spec for view in word_views(_silence(*lengths_s))] == [WORD_VIEW] * expected


def test_other_kinds_have_none():
    assert word_views([Series(np.arange(9.0)), Series(np.arange(20.0))]) == ()


def _word(rng, label):
    """Two noises, rising or falling, spoken at any speed with silence before and after."""
    n = int(rng.integers(1200, 6000))
    noise, time = rng.normal(size=n), np.arange(n) / n
    smooth = np.convolve(noise, np.ones(4) / 4, "same")
    share = time if label == "rises" else 1 - time
    silence = [np.zeros(rng.integers(0, 4000)) for _ in range(2)]
    return Audio(
        np.concatenate(
            [silence[0], 0.1 * (share * np.diff(noise, prepend=0) + (1 - share) * smooth), silence[1]]
        ),
        8000,
    )


def test_words_are_told_apart_at_any_speed(tmp_path, monkeypatch):
    monkeypatch.setenv("PHOSPHENE_CACHE", str(tmp_path))
    rng, labels = np.random.default_rng(0), ["rises", "falls"] * 5
    recipe = Recipe(strategy="probe")
    made = train([_word(rng, label) for label in labels], labels, recipe, valid="none", progress=False)
    assert made.classifier.views[-1].keep == "trimmed"
    found = made.classifier.predict([_word(rng, label) for label in labels])
    assert sum(one.label == label for one, label in zip(found, labels, strict=True)) >= 8
