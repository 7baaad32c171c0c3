"""What a classifier says to its export: which form of signal a graph takes, and items to compare by."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from phosphene.converters import Converter, ParameterError
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Item
from phosphene.datasets.synthetic import make_synthetic
from phosphene.datasets.windows import Windows, cut, evenly_spaced

from .signals import SignalForm, made_up


class Learned(Protocol):
    """What signals were learned from, as the signature of a classifier says it: the different ones, rising.

    `length` and `values` are the smallest and the largest of all; of sound, seconds.
    """

    @property
    def channels(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def rates_hz(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def length(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def values(self) -> tuple[float, ...]: ...  # noqa: D102


N_COMPARED = 100
"""Items by which a file is compared with the classifier, at most."""


def signal_form(
    signature: Learned | None,
    views: Sequence[Converter],
    windows: Windows | None,
    *,
    samples: int | None,
    rate_hz: float | None,
) -> SignalForm:
    """Return the one form of signal that a graph takes.

    Parameters
    ----------
    signature, views, windows
        Of the classifier.
    samples, rate_hz
        What the caller chose, where the training signals had several.

    Raises
    ------
    ParameterError
        Another kind, or several lengths, rates or numbers of channels, and the caller chose none.
    """
    kind = views[0].kind
    if kind not in ("audio", "series"):
        raise ParameterError(
            f"a graph takes samples of audio or series, got a classifier of {kind}; export from images"
        )
    if signature is None:
        raise ParameterError("the classifier does not say what it learned from; train it again")
    channels = signature.channels[:1] if all(view.mixes_channels for view in views) else signature.channels
    if rate_hz is not None and (kind != "audio" or not rate_hz > 0):
        raise ParameterError(f"rate_hz is a number > 0 for sound, got {rate_hz!r} for {kind}; leave it out")
    rate = _one("rates", signature.rates_hz, rate_hz, "--rate HZ") if kind == "audio" else 0.0
    return SignalForm(
        kind=kind,
        channels=int(
            _one("numbers of channels", channels, None, "signals of one number of channels in training")
        ),
        samples=samples or _samples(signature, views, windows, rate),
        rate_hz=rate,
    )


def _samples(signature: Learned, views: Sequence[Converter], windows: Windows | None, rate_hz: float) -> int:
    lengths: Sequence[float] = sorted(set(signature.length))
    if windows is not None and windows.unit in ("t", "samples"):
        lengths = [windows.length]
    elif rate_hz:
        drawn = [getattr(view, "duration_s", None) for view in views]
        lengths = [max(one for one in drawn if one)] if any(drawn) else lengths
    return round(_one("lengths", lengths, None, "--samples N") * (rate_hz or 1))


def _one(what: str, known: Sequence[float], chosen: float | None, remedy: str) -> float:
    if chosen is not None:
        return chosen
    if len(known) != 1:
        some = ", ".join(f"{value:g}" for value in known) or "none"
        raise ParameterError(
            f"a graph takes signals of one form, and the classifier learned from {what} {some}; name {remedy}"
        )
    return known[0]


@contextmanager
def compared_items(
    given: Sequence[Item] | None,
    kind: Kind,
    signature: Learned | None,
    windows: Windows | None,
    form: SignalForm | None,
) -> Iterator[tuple[Item, ...]]:
    """Return windows of the given items, or make up items like the training items, there as long as the context."""
    if given is not None:
        yield some_windows(given, windows, kind)
        return
    with tempfile.TemporaryDirectory() as folder:
        if kind in ("audio", "series"):
            low, high = (signature.values if signature else ()) or (-1.0, 1.0)
            signals = made_up(form or _usual(signature, kind), N_COMPARED, low=low, high=high)
            yield tuple(Item(Path(f"made up [{index}]"), signal=one) for index, one in enumerate(signals))
        else:
            yield some_windows(
                make_synthetic(kind, folder, items_per_class=N_COMPARED // 2).items, windows, kind
            )


def _usual(signature: Learned | None, kind: Kind) -> SignalForm:
    """Return the form of the longest training signals."""
    channels = signature.channels[:1] if signature else ()
    rates_hz = signature.rates_hz if signature else (16_000.0,)
    length = signature.length if signature else (1.0,)
    rate_hz = rates_hz[-1] if kind == "audio" and rates_hz else 0.0
    samples = round(length[-1] * (rate_hz or 1)) if length and length[-1] * (rate_hz or 1) > 1 else 1024
    return SignalForm(kind, channels[0] if channels else 1, samples, rate_hz)


def some_windows(items: Sequence[Item], windows: Windows | None, kind: Kind) -> tuple[Item, ...]:
    """Return at most N_COMPARED windows of items, evenly spread over them."""
    cut_up, _ = cut(items, windows, kind)
    return tuple(cut_up[index] for index in evenly_spaced(len(cut_up), N_COMPARED))


def metadata(config: dict[str, Any], form: SignalForm | None, precision: str) -> dict[str, str]:
    """Return what an ONNX file says about itself: text by name, JSON where it is a list or a table."""
    held = {name: json.dumps(config[name]) for name in ("classes", "views", "windows")}
    held |= {"phosphene": config["phosphene"], "kind": config["kind"], "precision": precision}
    if form:
        held |= {
            "signal": json.dumps(
                {"channels": form.channels, "samples": form.samples, "rate_hz": form.rate_hz}
            )
        }
    return held
