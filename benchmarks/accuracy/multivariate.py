"""Accuracy on the series of several channels that aeon ships, by their default split.

    python benchmarks/accuracy/multivariate.py [SET ...]

Ours with the default views and the strategy `probe`, and with the views that series of one channel have; MiniRocket
(aeon), for which series of unequal lengths are stretched to the longest; and a random forest on mean, standard
deviation, lowest and highest value of each channel. Rows go to benchmarks/results/multivariate.csv, in the place of
former ones; the seconds hold fitting and predicting, ours with an empty tile cache.
"""

import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from results import origin, rows_of, write_rows

from phosphene.converters import Series
from phosphene.converters.registry import kinds
from phosphene.converters.series.levels import statistics

SETS = ("BasicMotions", "JapaneseVowels")
PACKAGES = ("phosphene", "torch", "timm", "numpy", "aeon", "scikit-learn")
SeriesList = list[np.ndarray]


def main() -> None:
    for name in sys.argv[1:] or SETS:
        train, labels, test, expected = _load(name)
        for method, predict in METHODS.items():
            begin = time.monotonic()
            accuracy = float((predict(train, labels, test) == expected).mean())
            row = {
                "set": name,
                "method": method,
                "channels": str(len(train[0])),
                "n_train": str(len(train)),
                "n_test": str(len(test)),
                "accuracy": f"{accuracy:.4f}",
                "seconds": f"{time.monotonic() - begin:.1f}",
            } | origin(PACKAGES)
            print(", ".join(row.values()), flush=True)
            others = [old for old in rows_of("multivariate") if (old["set"], old["method"]) != (name, method)]
            write_rows("multivariate", [*others, row])


def _load(name: str) -> tuple[SeriesList, np.ndarray, SeriesList, np.ndarray]:
    from aeon.datasets import load_basic_motions, load_japanese_vowels

    load = {"BasicMotions": load_basic_motions, "JapaneseVowels": load_japanese_vowels}[name]
    (train, labels), (test, expected) = load(split="train"), load(split="test")
    return list(train), np.array(labels), list(test), np.array(expected)


def _images(train: SeriesList, labels: np.ndarray, test: SeriesList, views: str | None = None) -> np.ndarray:
    import phosphene as ph

    with tempfile.TemporaryDirectory() as cache:
        os.environ["PHOSPHENE_CACHE"] = cache
        recipe = ph.Recipe(views=views, strategy="probe")
        made = ph.train([Series(x) for x in train], labels, recipe, valid="none", progress=False)
        predictions = made.classifier.predict([Series(x) for x in test])
    return np.array([prediction.label for prediction in predictions])


def _minirocket(train: SeriesList, labels: np.ndarray, test: SeriesList) -> np.ndarray:
    from aeon.classification.convolution_based import MiniRocketClassifier

    length = max(x.shape[1] for x in (*train, *test))
    fitted = MiniRocketClassifier(random_state=0).fit(_stretched(train, length), labels)
    return np.asarray(fitted.predict(_stretched(test, length)))


def _stretched(series: SeriesList, length: int) -> np.ndarray:
    return np.array(
        [
            [np.interp(np.linspace(0, len(row) - 1, length), np.arange(len(row)), row) for row in one]
            for one in series
        ]
    )


def _forest(train: SeriesList, labels: np.ndarray, test: SeriesList) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    table, questions = (np.array([statistics(x).ravel() for x in part]) for part in (train, test))
    return np.asarray(RandomForestClassifier(500, random_state=0).fit(table, labels).predict(questions))


METHODS: dict[str, Callable[[SeriesList, np.ndarray, SeriesList], np.ndarray]] = {
    "images": _images,
    "images, views of one channel": functools.partial(_images, views=kinds()["series"].views),
    "minirocket": _minirocket,
    "forest": _forest,
}

if __name__ == "__main__":
    main()
