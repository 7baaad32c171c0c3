"""The model card: what a stranger should know before using a classifier."""

from typing import Any

from phosphene.converters import from_config

_CARD = """\
---
library_name: phosphene
license: unknown
tags: [{kind}, phosphene]
---

# {title}

Tells {kind} files apart: {classes}.

| | |
|---|---|
| looks at | {views} |
| windows | {windows} |
| backbone | {backbone}, weights: {weights} |
| strategy | {strategy}: {why} |
| learned from | {learned_from} items of {data} |
| held out | {held_out}: {metrics} |
| out of fold | {oof} |
| calibration | {calibration} |
| novelty | {novelty} |
| seed | {seed} |
| made by | phosphene {version} |

```python
from phosphene.pipeline import Classifier

classifier = Classifier.load("this folder")
classifier.predict("a file")[0]
```

The figures hold for files like those it learned from. Say what is different about yours before you rely on it.
"""


def model_card(config: dict[str, Any]) -> str:
    """Return the card of a classifier as Markdown, from its configuration."""
    notes = config["notes"]
    values = {
        "title": f"Classifier of {notes.get('data') or config['kind'] + ' files'}",
        "classes": ", ".join(config["classes"]),
        "views": ", ".join(from_config(view).spec for view in config["views"]),
        "windows": windows_words(config["windows"]),
        "backbone": ", ".join(one["name"] for one in config["backbones"]),
        "weights": ", ".join(dict.fromkeys(one["weights"] for one in config["backbones"])),
        "data": notes.get("data") or "files without a name",
        "held_out": held_out_words(
            notes.get("held_out", "unknown"),
            n=notes.get("n_held_out"),
            learned_from=notes.get("learned_from"),
        ),
        "metrics": _metrics(notes.get("metrics")),
        "oof": (notes.get("oof") or {}).get("words", "unknown"),
        "calibration": _calibration(notes.get("metrics")),
        "novelty": _novelty(config.get("novelty")),
        "version": config["phosphene"],
    }
    values |= {name: notes.get(name, "unknown") for name in ("strategy", "why", "learned_from", "seed")}
    return _CARD.format(kind=config["kind"], **{name: _cell(value) for name, value in values.items()})


def held_out_words(name: str, *, n: int | None = None, learned_from: int | None = None) -> str:
    """Say what was held out to judge a classifier by, from the name of the split and the counts of both sides.

    A share that was asked for is not what classes and groups that stay whole allow: the counts say what it is.

    Examples
    --------
    >>> [held_out_words(name) for name in ("0.2", "test", "5", "none")]
    ['20 % of the items', 'the test split', 'fold 5', 'nothing']
    >>> held_out_words("0.34", n=20, learned_from=60)
    '25 % of the items'
    """
    if name in ("train", "valid", "test"):
        return f"the {name} split"
    if name == "none":
        return "nothing"
    try:
        share = float(name)
    except ValueError:
        share = 1.0
    if not 0 < share < 1:
        return f"fold {name}"
    if n is not None and learned_from is not None:
        share = n / (n + learned_from)
    return f"{100 * share:.3g} % of the items"


def windows_words(windows: dict[str, Any] | None) -> str:
    """Say how items are cut, from the configuration of windows; None leaves them whole."""
    if not windows:
        return "none, items stay whole"
    unit = "s" if windows["unit"] == "t" else windows["unit"]
    return f"{windows['length']:g} {unit}, one every {windows['hop']:g} {unit}"


def _metrics(metrics: dict[str, Any] | None) -> str:
    if not metrics:
        return "nobody knows how good it is"
    words = {"accuracy": "accuracy", "macro_f1": "macro-F1", "auc": "AUC of claims"}
    known = [
        f"{word} {metrics[name]:.3f}{_interval(metrics.get(f'{name}_interval'))}"
        for name, word in words.items()
        if metrics.get(name) is not None
    ]
    return f"{', '.join(known) or 'nothing known'} on {metrics['n']} items"


def _interval(ends: list[float] | None) -> str:
    return f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""


def _calibration(metrics: dict[str, Any] | None) -> str:
    if not metrics or metrics.get("ece") is None:
        return "unknown"
    low, high = metrics["ece_interval"]
    return f"error {metrics['ece']:.3f} (95 % interval {low:.3f} to {high:.3f})"


def _novelty(novelty: dict[str, Any] | None) -> str:
    if not novelty:
        return "unknown"
    return f"told by the distance from {len(novelty['names'])} training items, whose names are in config.json"


def _cell(value: object) -> str:
    """Return text that stays in its cell of a Markdown table, whatever classes and files are called."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
