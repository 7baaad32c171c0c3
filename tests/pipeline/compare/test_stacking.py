"""Log-linear pools: weights that left-out rows speak for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from phosphene.converters import ParameterError
from phosphene.pipeline.compare.fold_results import RIDGE, Stack, fit_stack
from phosphene.pipeline.strategies.ensemble import average, ensemble_weights


def evidence(targets, n_classes, rng, *, strength=1.0, too_sure=1.0):
    """Calibrated answers from a noisy look at each row; above 1 `too_sure` makes them over-confident."""
    means = strength * np.eye(n_classes)
    seen = means[targets] + rng.normal(size=(len(targets), n_classes))
    return log_softmax(too_sure * strength * seen, axis=1)


def log_loss(answers, targets):
    return -answers[np.arange(len(targets)), targets].mean()


def two_members(seed, *, n_rows, n_classes=4, **extra):
    """Two independent looks at some rows to fit to, and at many fresh ones."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, n_classes, n_rows + 4000)
    members = [evidence(targets, n_classes, rng, strength=1.5, **extra) for _ in range(2)]
    return [m[:n_rows] for m in members], targets[:n_rows], [m[n_rows:] for m in members], targets[n_rows:]


def test_a_pool_by_hand():
    stack = Stack(np.array([2.0, 0.5]), np.log([1.0, 3.0]))
    answers = stack.predict_log_proba([np.log([[0.6, 0.4]]), np.log([[0.36, 0.64]])])
    first, second = 0.6**2 * 0.6, 0.4**2 * 0.8 * 3
    assert np.exp(answers) == pytest.approx(np.array([[first, second]]) / (first + second))


def test_independent_looks_are_added_up():
    """The product of calibrated, independent evidence is right with weights of 1: many rows find that."""
    oof, targets, _, _ = two_members(0, n_rows=4000)
    assert fit_stack(oof, targets).weights == pytest.approx([1, 1], abs=0.08)


@pytest.mark.parametrize("too_sure", [0.5, 3.0])
def test_members_that_are_too_sure_or_too_timid_are_tempered(too_sure):
    oof, targets, _, _ = two_members(1, n_rows=4000, too_sure=too_sure)
    assert fit_stack(oof, targets).weights == pytest.approx([1 / too_sure] * 2, rel=0.1)


@pytest.mark.parametrize("n_rows", [20, 60, 400])
def test_together_they_beat_each_on_fresh_rows(n_rows):
    for seed in range(5):
        oof, targets, fresh, truth = two_members(seed, n_rows=n_rows, too_sure=1.5)
        both = log_loss(fit_stack(oof, targets).predict_log_proba(fresh), truth)
        assert both < min(log_loss(member, truth) for member in fresh) - 0.03


def test_products_beat_averages_on_independent_looks():
    """Why this is no average of probabilities, with its weights found in the best way."""
    oof, targets, fresh, truth = two_members(2, n_rows=200)
    product = log_loss(fit_stack(oof, targets).predict_log_proba(fresh), truth)
    mixture = log_loss(average(np.stack(fresh), ensemble_weights(np.stack(oof), targets)), truth)
    assert product < mixture - 0.1


def test_a_useless_member_gets_no_weight():
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 3, 2000)
    noise = evidence(rng.integers(0, 3, 2000), 3, rng, strength=2.0)
    good, useless = fit_stack([evidence(targets, 3, rng, strength=2.0), noise], targets).weights
    assert useless < 0.03
    assert good == pytest.approx(1, abs=0.1)


def test_a_perfect_member_dominates():
    rng = np.random.default_rng(4)
    targets = rng.integers(0, 3, 300)
    perfect = np.log(np.full((300, 3), 0.01) + np.eye(3)[targets] * 0.97)
    fair = evidence(targets, 3, rng)
    stack = fit_stack([perfect[:100], fair[:100]], targets[:100])
    answers = stack.predict_log_proba([perfect[100:], fair[100:]])
    assert (fair[100:].argmax(axis=1) != targets[100:]).sum() > 50
    assert (answers.argmax(axis=1) == targets[100:]).all()
    assert log_loss(answers, targets[100:]) < log_loss(perfect[100:], targets[100:])


def test_equal_members_get_equal_weights():
    oof, targets, _, _ = two_members(5, n_rows=50)
    weights = fit_stack([oof[0]] * 3, targets).weights
    assert weights == pytest.approx([weights[0]] * 3, rel=1e-6)


def test_without_rows_members_weigh_the_same():
    stack = fit_stack([np.zeros((0, 4))] * 3, np.zeros(0, int))
    assert (stack.weights.tolist(), stack.bias.tolist()) == ([1 / 3] * 3, [0.0] * 4)


def test_few_rows_move_the_weights_little():
    """One row in which a member is right and the other wrong."""
    right, wrong = np.log([[0.9, 0.1]]), np.log([[0.1, 0.9]])
    weights = fit_stack([right, wrong], np.array([0])).weights
    assert 0.5 < weights[0] < 0.65
    assert 0.35 < weights[1] < 0.5


def test_a_bias_follows_classes_that_no_member_expects():
    rng = np.random.default_rng(6)
    targets = (rng.random(2000) < 0.9).astype(int)
    bias = fit_stack([evidence(targets, 2, rng)] * 2, targets).bias
    assert bias[1] - bias[0] == pytest.approx(np.log(9), abs=0.35)


def test_the_loss_is_least():
    """Against a slow search around the fit: no step in any direction that is allowed lowers the penalised loss."""
    oof, targets, _, _ = two_members(7, n_rows=30)
    known, stack = np.stack(oof), fit_stack(oof, targets)

    def loss(weights, bias):
        answers = log_softmax(np.einsum("m,mnc->nc", weights, known) + bias, axis=1)
        penalty = ((weights - 0.5) ** 2).sum() + (bias**2).sum()
        return len(targets) * log_loss(answers, targets) + RIDGE / 2 * penalty

    least = loss(stack.weights, stack.bias)
    for step in np.random.default_rng(0).normal(size=(200, 6)) * 0.02:
        assert loss(np.maximum(stack.weights + step[:2], 0), stack.bias + step[2:]) > least - 1e-6


numbers = st.floats(-60, 0) | st.just(-np.inf)


@given(st.data())
def test_answers_are_finite_and_add_up_to_one(data):
    n_members, n_rows, n_classes = (data.draw(st.integers(low, 5)) for low in (1, 0, 1))
    oof = data.draw(arrays(float, (n_members, n_rows, n_classes), elements=numbers))
    targets = data.draw(arrays(int, n_rows, elements=st.integers(0, n_classes - 1)))
    stack = fit_stack(list(oof), targets)
    assert np.isfinite(stack.weights).all()
    assert (stack.weights >= 0).all()
    answers = stack.predict_log_proba(list(oof))
    assert answers.shape == (n_rows, n_classes)
    assert np.isfinite(answers).all()
    assert np.exp(answers).sum(axis=1) == pytest.approx(np.ones(n_rows))


TWO = np.log([[0.5, 0.5], [0.9, 0.1]])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            lambda: fit_stack([], np.zeros(0, int)),
            "log_proba must be of one member or more, each (n, n_classes)",
        ),
        (lambda: fit_stack([TWO, TWO[:1]], np.zeros(2, int)), "same rows and classes, got (2, 2), (1, 2)"),
        (lambda: fit_stack([TWO[0]], np.zeros(2, int)), "got (2,)"),
        (lambda: fit_stack([TWO], np.zeros(3, int)), "targets must be one for each of 2 rows, got (3,)"),
        (lambda: fit_stack([TWO], np.array([0, 2])), "targets must be from 0 to 1, got 2"),
        (lambda: fit_stack([TWO], np.array([-1, 1])), "targets must be from 0 to 1, got -1"),
        (
            lambda: fit_stack([TWO * np.nan], np.array([0, 1])),
            "NaN or infinity; leave out rows that failed",
        ),
        (lambda: fit_stack([TWO], np.array([0, 1]), ridge=0), "ridge must be a number > 0, got 0"),
        (
            lambda: Stack(np.ones(2), np.zeros(2)).predict_log_proba([TWO]),
            "log_proba must be of 2 members for 2 classes, got 1 for 2",
        ),
    ],
)
def test_errors_say_what_is_wrong(what, message):
    with pytest.raises(ParameterError) as caught:
        what()
    assert message in str(caught.value)
