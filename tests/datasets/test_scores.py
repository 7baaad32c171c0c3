"""Accuracy, macro-F1, confusion and AUC: by hand, against scikit-learn, and what cannot be judged."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import ParameterError, SignalError
from phosphene.datasets.manifest import Item
from phosphene.datasets.scores import area_under_curve, confusion_counts, judge, macro_f1, share_interval


def items(*labels, claims=None):
    claims = claims or [None] * len(labels)
    return [
        Item(Path(str(n)), label=label, claim=c)
        for n, (label, c) in enumerate(zip(labels, claims, strict=True))
    ]


def answers(*names, classes="abc"):
    """Log-probabilities that say each of these names."""
    return np.log([[0.8 if name == known else 0.1 for known in classes] for name in names])


# By hand


def test_five_answers():
    # a: answered a, b; b: answered b, b; c: answered a.
    scores = judge(items("a", "a", "b", "b", "c"), answers("a", "b", "b", "b", "a"), "abc")
    assert scores.n == 5
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.confusion == ((1, 1, 0), (0, 2, 0), (1, 0, 0))
    # F1 of a: 2*1/(2+2) = 1/2; of b: 2*2/(3+2) = 4/5; of c: 0.
    assert scores.macro_f1 == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)
    assert scores.auc is None
    assert scores.classes == ("a", "b", "c")


def test_a_class_that_does_not_occur_does_not_count():
    assert judge(items("a", "b"), answers("a", "b"), "abc").macro_f1 == 1.0


def test_a_label_that_is_no_class_can_only_be_missed():
    scores = judge(items("a", "z"), answers("a", "a"), "abc")
    assert scores.accuracy == 0.5
    assert scores.classes == ("a", "b", "c", "z")
    assert scores.confusion[3] == (1, 0, 0, 0)


def test_items_without_a_label_are_not_counted():
    scores = judge(items("a", None, "b"), answers("a", "a", "a"), "abc")
    assert (scores.n, scores.accuracy) == (2, 0.5)


def test_claims_are_judged_by_how_likely_they_are():
    # Genuine: 0.8 and 0.1; not genuine: 0.1 twice. Above: 2 of 4 pairs; ties: 2, which count half.
    claimed = items("a", "b", None, None, claims=["a", "b", "a", "b"])
    scores = judge(claimed, answers("a", "a", "c", "c"), "abc")
    assert scores.auc == pytest.approx((2 + 2 / 2) / 4)
    assert (scores.n, scores.accuracy) == (4, 0.5)
    assert scores.metric("auc") == scores.auc
    assert scores.metric("accuracy") == 0.5


def test_claims_alone_have_no_accuracy():
    claimed = items(None, None, claims=["a", "b"])
    scores = judge(claimed, answers("a", "b"), "abc")
    assert np.isnan([scores.accuracy, scores.macro_f1, scores.metric("auc")]).all()
    assert (scores.n, scores.confusion, scores.auc) == (2, (), None)


def test_probabilities_of_zero_are_ordered_too():
    assert area_under_curve(np.array([-np.inf, -1.0, -np.inf]), np.array([False, True, False])) == 1.0
    assert area_under_curve(np.array([-np.inf, -np.inf]), np.array([False, True])) == 0.5


def test_interval_of_a_share():
    # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3.
    assert share_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert share_interval(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert share_interval(0 / 20, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert share_interval(1 / 29, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


# What cannot be judged


@pytest.mark.parametrize(
    ("asked", "told", "error", "message"),
    [
        (
            items(None, None),
            answers("a", "b"),
            SignalError,
            "none of the items has a label, so there is nothing",
        ),
        (
            [],
            np.zeros((0, 3)),
            SignalError,
            "no item has a prediction, so there is nothing to judge predictions by",
        ),
        (
            items("a"),
            answers("a", "b"),
            ParameterError,
            r"must be \(n_items, n_classes\) = \(1, 3\), got \(2, 3\)",
        ),
        (
            items("a"),
            np.full((1, 3), np.nan),
            ParameterError,
            "^0: has no log-probabilities; leave out items",
        ),
        (
            items("a", claims=["z"]),
            answers("a"),
            SignalError,
            "^0: claims to be 'z', which is none of a, b, c$",
        ),
    ],
)
def test_errors(asked, told, error, message):
    with pytest.raises(error, match=message):
        judge(asked, told, "abc")


# Against scikit-learn


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_confusion_and_f1_are_those_of_scikit_learn(pairs):
    from sklearn.metrics import confusion_matrix, f1_score

    truth, said = (list(column) for column in zip(*pairs, strict=True))
    counts = confusion_counts(truth, said, "abcd")
    assert np.array_equal(counts, confusion_matrix(truth, said, labels=list("abcd")))
    assert macro_f1(counts) == pytest.approx(f1_score(truth, said, average="macro", zero_division=0))


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_area_is_that_of_scikit_learn(pairs):
    from sklearn.metrics import roc_auc_score

    scores, genuine = np.array([s for s, _ in pairs], float), np.array([g for _, g in pairs])
    if genuine.all() or not genuine.any():
        return
    assert area_under_curve(scores, genuine) == pytest.approx(roc_auc_score(genuine, scores))


@given(st.integers(1, 1000), st.floats(0, 1))
def test_an_interval_holds_its_share(n, share):
    low, high = share_interval(share, n)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
