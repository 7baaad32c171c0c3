"""Learning curves in words: at which share of the training items one method is ahead of another."""

from collections.abc import Sequence

from phosphene.pipeline.compare.summary import CurvePoint

from .words import plain

Points = dict[float, CurvePoint]


def curve_sentences(curves: Sequence[CurvePoint], images: str, tables: str, random: str) -> str:
    """Say from which share of the training items images pay, and pretrained weights.

    "Ahead" is by the mean alone; where intervals are apart is told besides.

    Parameters
    ----------
    curves
        Points of some methods.
    images, tables, random
        The names of their methods. Where there is no curve of `tables`, that of any other method stands for it.

    Examples
    --------
    >>> curve = [("images", 0.1, 40, 0.81), ("lightgbm", 0.1, 40, 0.65)]
    >>> curve += [("images", 1.0, 400, 0.95), ("lightgbm", 1.0, 400, 0.84)]
    >>> points = [CurvePoint(*point, point[3] - 0.02, point[3] + 0.02) for point in curve]
    >>> print(curve_sentences(points, "images", "without images", ""))
    Images are ahead at every share: with 10 % of the training items (40) 0.81 against 0.65 of lightgbm,
    with 100 % (400) 0.95 against 0.84; all of their intervals are apart.
    """
    by_method: dict[str, Points] = {}
    for point in curves:
        by_method.setdefault(point.method, {})[point.share] = point
    seen = by_method.get(images, {})
    rest = [name for name in by_method if name not in (images, random)]
    best = tables if tables in by_method or not rest else rest[0]
    name = "without images" if best == tables else f"of {plain(best)}"
    sentences = [
        _sentence("Images are", seen, by_method.get(best, {}), name),
        _sentence("Pretrained weights are", seen, by_method.get(random, {}), "with random ones"),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _sentence(subject: str, one: Points, other: Points, name: str) -> str:
    """Say where one curve is ahead of another; empty where they do not share two points."""
    shares = sorted(share for share in one if share in other)
    if len(shares) < 2:
        return ""
    ahead = [one[share].score > other[share].score for share in shares]
    where, told = _where(shares, ahead)
    points = [_point(one[share], other[share]) for share in told]
    points[0] = points[0].replace(" %", " % of the training items", 1) + f" {name}"
    apart = [share for share in shares if _apart(one[share], other[share])]
    clear = "all of their intervals are apart" if apart == shares else "none of their intervals are apart"
    if 0 < len(apart) < len(shares):
        clear = f"their intervals are apart at {_listed(apart)}"
    return f"{subject} ahead {where}: {', '.join(points)}; {clear}."


def _where(shares: Sequence[float], ahead: Sequence[bool]) -> tuple[str, tuple[float, float]]:
    """Return where the lead lies, and the two shares that show it best."""
    ends = shares[0], shares[-1]
    changes = [place for place in range(1, len(ahead)) if ahead[place] != ahead[place - 1]]
    if not changes:
        return ("at every share" if ahead[0] else "at no share"), ends
    if len(changes) > 1:
        return f"at {_listed([share for share, lead in zip(shares, ahead, strict=True) if lead])} only", ends
    before, after = shares[changes[0] - 1], shares[changes[0]]
    if ahead[0]:
        return f"up to {_percent(before)}", (before, after)
    return f"from {_percent(after)} on", (after, before)


def _point(one: CurvePoint, other: CurvePoint) -> str:
    return f"with {_percent(one.share)} ({one.n_items:.0f}) {one.score:.2f} against {other.score:.2f}"


def _apart(one: CurvePoint, other: CurvePoint) -> bool:
    return one.low > other.high or one.high < other.low


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _listed(shares: Sequence[float]) -> str:
    words = [_percent(share) for share in shares]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
