"""Weights of models by hand, by another solver, and what holds of all of them."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.converters import ParameterError
from phosphene.pipeline.strategies.ensemble import average, ensemble_weights


def _random(n_models: int, n: int, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    answers = np.log(rng.dirichlet(np.full(n_classes, 0.7), size=(n_models, n)).clip(1e-9))
    return answers, rng.integers(0, n_classes, n)


def test_a_model_that_is_always_right_beside_one_that_is_always_wrong():
    """Every item is explained by the first alone: (n + s / 2) / (n + s) is its share of n items and s that are even."""
    with np.errstate(divide="ignore"):
        answers = np.log(np.array([[[1.0, 0.0]] * 30, [[0.0, 1.0]] * 30]))
    weights = ensemble_weights(answers, np.zeros(30, int), shrinkage=10)
    assert weights == pytest.approx([35 / 40, 5 / 40])


def test_one_item_by_hand():
    """The root of w = (w p / (w p + (1 - w) q) + s / 2) / (1 + s) with p = 0.8, q = 0.2, s = 2."""
    first = ensemble_weights(np.log([[[0.8, 0.2]], [[0.2, 0.8]]]), np.array([0]), shrinkage=2)[0]
    assert first == pytest.approx((0.8 * first / (0.8 * first + 0.2 * (1 - first)) + 1) / 3, abs=1e-8)
    assert 0.5 < first < 2 / 3


@pytest.mark.parametrize("seed", range(4))
def test_no_other_solver_finds_less_loss(seed):
    answers, targets = _random(3, 40, 4, seed)
    shrinkage = 6.0
    known = np.exp(answers[:, np.arange(40), targets])

    def loss(weights):
        return -np.log(weights @ known).sum() - shrinkage / 3 * np.log(weights).sum()

    def of_free(free):
        return loss(np.exp(free) / np.exp(free).sum())

    other = scipy.optimize.minimize(of_free, np.zeros(3), method="Nelder-Mead", options={"fatol": 1e-10}).fun
    assert loss(ensemble_weights(answers, targets, shrinkage=shrinkage)) <= other + 1e-6


@given(st.integers(1, 5), st.integers(0, 20), st.integers(2, 4), st.floats(0, 50), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_weights_are_shares_and_follow_the_order_of_the_models(n_models, n, n_classes, shrinkage, seed):
    answers, targets = _random(n_models, n, n_classes, seed)
    weights = ensemble_weights(answers, targets, shrinkage=shrinkage)
    assert weights.dtype == np.float64
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    turned = ensemble_weights(answers[::-1], targets, shrinkage=shrinkage)
    assert turned[::-1] == pytest.approx(weights, abs=1e-6)
    more = ensemble_weights(answers, targets, shrinkage=shrinkage + 1e7)
    assert more == pytest.approx(np.full(n_models, 1 / n_models), abs=1e-4)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_averages_are_probabilities_between_those_of_the_models(n_models, n, seed):
    answers, _ = _random(n_models, n, 3, seed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(n_models))
    mixed = np.exp(average(answers, weights))
    assert mixed.sum(axis=1) == pytest.approx(np.ones(n))
    assert (mixed <= np.exp(answers).max(axis=0) + 1e-12).all()
    assert (mixed >= np.exp(answers).min(axis=0) - 1e-12).all()
    assert np.exp(average(answers)) == pytest.approx(np.exp(answers).mean(axis=0))


def test_the_weighted_average_loses_no_more_than_the_even_one():
    answers, targets = _random(4, 200, 5, 1)
    answers[2, np.arange(200), targets] += 2
    answers[2] -= np.log(np.exp(answers[2]).sum(axis=1, keepdims=True))
    rows = np.arange(200)
    weights = ensemble_weights(answers, targets)
    assert weights.argmax() == 2
    assert average(answers, weights)[rows, targets].mean() > average(answers)[rows, targets].mean()


def test_models_that_give_an_item_no_chance_leave_numbers():
    answers = np.full((2, 1, 2), -np.inf)
    answers[:, :, 1] = 0
    assert ensemble_weights(answers, np.array([0])).tolist() == [0.5, 0.5]
    assert average(answers)[0].tolist() == [pytest.approx(np.log(1e-30)), 0]


@pytest.mark.parametrize(
    ("answers", "targets", "shrinkage", "message"),
    [
        (np.zeros((2, 3)), np.zeros(3, int), 1, r"got \(2, 3\) and \(3,\)"),
        (np.zeros((0, 3, 2)), np.zeros(3, int), 1, "one or more models"),
        (np.zeros((2, 3, 2)), np.zeros(4, int), 1, r"and targets \(n,\), got \(2, 3, 2\) and \(4,\)"),
        (np.zeros((2, 3, 2)), np.full(3, 2), 1, "targets must be from 0 to 1, got 2"),
        (np.zeros((2, 3, 2)), np.zeros(3, int), -1, "shrinkage must be a number >= 0, got -1"),
    ],
)
def test_wrong_use_of_weights(answers, targets, shrinkage, message):
    with pytest.raises(ParameterError, match=message):
        ensemble_weights(answers, targets, shrinkage=shrinkage)


@pytest.mark.parametrize("weights", [[0.5], [0.7, 0.7], [1.5, -0.5]])
def test_wrong_weights_of_an_average(weights):
    with pytest.raises(ParameterError, match="weights must be 2 numbers >= 0 that add up to 1"):
        average(np.zeros((2, 1, 2)), weights)
