"""Whether an explanation is true: parts of the raw signal are removed, and the classifier is asked again.

Deletion removes the cells of most evidence first, insertion begins with nothing and puts them back; in both, random
stretches of the same shape are the control. The average increase, drop and gain compare the signal of the regions alone
with the whole one (A. Chattopadhay et al. 2018, "Grad-CAM++", https://arxiv.org/abs/1710.11063; H. Zhang et al. 2023,
"Opti-CAM", https://arxiv.org/abs/2301.07002, for the gain). A map that stays as it is when the classifier's weights are
shuffled is none of the classifier (J. Adebayo et al. 2018, https://arxiv.org/abs/1810.03292).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.strategies.build import load_model

from .explanation import Explanation
from .removal import ask, remove_each
from .search import top_cells

SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7)


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """What became of the probability of a class when parts of the signal were removed.

    Parameters
    ----------
    shares
        float64 (k,), which share of the cells it was.
    whole
        The probability for the whole signal.
    deletion, insertion
        float64 (k,), without the cells of most evidence, and with these alone.
    random_deletion, random_insertion
        The same for cells somewhere else, as many and of the same shape.
    """

    shares: np.ndarray
    whole: float
    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray


def measure(
    classifier: Classifier,
    explanation: Explanation,
    *,
    shares: Sequence[float] = SHARES,
    rng: np.random.Generator | None = None,
) -> Faithfulness:
    """Remove what an explanation names, and as much elsewhere, and ask again.

    Parameters
    ----------
    classifier
        The one that was explained.
    explanation
        Of an item.
    shares
        Of the cells, from 0 to 1.
    rng
        Draws where the control is; None takes a new one with seed 0.
    """
    rng = rng or np.random.default_rng(0)
    grid = explanation.grid
    masks = [top_cells(explanation.importance, share) for share in shares]
    others = [shifted(mask, rng) for mask in masks]
    signals = [grid.signal]
    for some in (masks, others):
        signals += remove_each(grid, some) + remove_each(grid, [~mask for mask in some])
    target = classifier.classes.index(explanation.label)
    whole, *proba = np.exp(ask(classifier, signals)[:, target])
    return Faithfulness(np.array(shares), float(whole), *np.array(proba).reshape(4, len(masks)))


def shifted(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a mask moved by chance, along the signal and across it; what leaves on one side enters on the other.

    Examples
    --------
    >>> int(shifted(np.eye(4, dtype=bool), np.random.default_rng(0)).sum())
    4
    """
    return np.asarray(np.roll(mask, [int(rng.integers(size)) for size in mask.shape], axis=(0, 1)))


def average_change(whole: np.ndarray, alone: np.ndarray) -> dict[str, float]:
    """Return how the probability changes when all but the regions is removed, in percent.

    Parameters
    ----------
    whole, alone
        float64 (n,), of the predicted class, for whole signals and for their regions alone.

    Returns
    -------
    dict
        `increase`: in how many items it rises; `drop`: by which share it falls, on average, where a rise counts as 0;
        `gain`: which share of what is missing to certainty is won, where a fall counts as 0.

    Examples
    --------
    >>> average_change(np.array([0.5, 0.8]), np.array([0.75, 0.4]))
    {'increase': 50.0, 'drop': 25.0, 'gain': 25.0}
    """
    drop = np.maximum(whole - alone, 0) / whole
    gain = np.maximum(alone - whole, 0) / np.maximum(1 - whole, 1e-9)
    parts = {"increase": (alone > whole).mean(), "drop": drop.mean(), "gain": gain.mean()}
    return {name: float(100 * part) for name, part in parts.items()}


def shuffled(classifier: Classifier, *, seed: int = 0) -> Classifier:
    """Return a classifier that has learned nothing: the weights of each of its tensors are in random order."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: tensor.flatten()[torch.randperm(tensor.numel(), generator=generator)].reshape(tensor.shape)
        for name, tensor in classifier.model.tensors().items()
    }
    backbones = copy.deepcopy(list(classifier.model.backbones))
    return replace(classifier, model=load_model(classifier.model.config, backbones, tensors))


def similarity(one: Explanation, other: Explanation) -> float:
    """Return the rank correlation of the importance in two explanations of one signal, from -1 to 1."""
    from scipy.stats import spearmanr

    found = spearmanr(one.importance.ravel(), other.importance.ravel())
    return float(found.statistic)
