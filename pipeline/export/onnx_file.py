"""A trained model as one ONNX file: written only when ONNX Runtime gives the probabilities that the model gives.

A classifier says which form of signal the graph takes, and which items are compared.
"""

import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from phosphene.converters import Converter, MissingExtra, ParameterError, PhospheneError, Signal
from phosphene.converters.core.files import atomic_write
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Item
from phosphene.datasets.synthetic import make_synthetic
from phosphene.datasets.windows import Windows, cut, evenly_spaced
from phosphene.pipeline.strategies.estimator import Model
from phosphene.pipeline.tiles.render import Tiles, render
from phosphene.pipeline.tiles.store import TileStore

from .networks import ImageShape, graph_of
from .signals import SignalForm, ViewGraph, made_up, values_of

Inputs = Literal["images", "signal"]
Precision = Literal["float32", "int8"]
Arrays = list[np.ndarray]

MOST_DIFFERENCE = 1e-4
"""Between probabilities of the model and of its file, in float32."""
MOST_OF_SOUND = 1e-3
"""The same where a graph draws sound: another FFT rounds otherwise, and one pixel of 50,000 has the next grey level."""
LEAST_SAME = 0.98
"""The share of items that an int8 file must give the label that the model gives."""
_BATCH = 16


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares with the classifier.

    Parameters
    ----------
    path
        The ONNX file.
    max_difference
        The largest difference between two probabilities, of all items and classes.
    same_labels
        How many items have the same label.
    n
        Of how many items.
    """

    path: Path
    max_difference: float
    same_labels: int
    n: int


def export_onnx(
    model: Model,
    views: Sequence[Converter],
    path: Path,
    *,
    items: Sequence[Item],
    form: SignalForm | None = None,
    precision: Precision = "float32",
    metadata: dict[str, str],
) -> Exported:
    """Write a model as one ONNX file, from images or samples to probabilities, if it is equal to the model.

    Parameters
    ----------
    model, views
        Of a classifier.
    path
        The file; written whole or not at all.
    items
        By which the two are compared, and int8 is calibrated.
    form
        Of the signals that the graph takes; None takes images, uint8 (n, height, width, channels), one input a view.
    precision
        `int8` quantises the convolutions.
    metadata
        Kept in the file.

    Raises
    ------
    ParameterError
        A view has no form as a graph, or no item has the form.
    MissingExtra
        A package for ONNX is not installed.
    PhospheneError
        The file would not give the predictions of the model.
    """
    _check_packages()
    with tempfile.TemporaryDirectory() as folder:
        items = _fitted(items, form) if form else items
        tiles = render(items, views, store=TileStore(Path(folder, "tiles")), progress=False)
        given = _inputs(tiles, form)
        expected = np.exp(model.log_probabilities(tiles)[tiles.drawn])
        content = _traced(_graph(model, tiles, form), given)
        if precision == "int8":
            content = _quantised(content, given, Path(folder))
        content = _with_metadata(content, metadata)
    found = _run(content, given)
    same = int((found.argmax(1) == expected.argmax(1)).sum())
    done = Exported(path, float(np.abs(found - expected).max()), same, len(expected))
    _check(done, precision, form)
    with atomic_write(path) as file:
        file.write(content)
    return done


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"export needs {error.name}: pip install 'phosphene[onnx]'") from error


def _fitted(items: Sequence[Item], form: SignalForm) -> list[Item]:
    """Return items in the form that a graph takes, those that have it or can be brought to it."""
    found = [(item, _read(item, form)) for item in items]
    return [Item(item.path, signal=signal) for item, signal in found if signal is not None]


def _read(item: Item, form: SignalForm) -> Signal | None:
    try:
        return form.fitted(item.read(form.kind))
    except PhospheneError:  # others are left
        return None


def _inputs(tiles: Tiles, form: SignalForm | None) -> Arrays:
    """Return the inputs of the graph for the items that were drawn."""
    rows = tiles.drawn
    if not len(rows):
        which = f" and have {form.channels} x {form.samples} samples" if form else ""
        which += f" at {form.rate_hz:g} Hz" if form and form.rate_hz else ""
        why = f" ({tiles.failures[0].error})" if tiles.failures else ""
        raise ParameterError(f"export compares by items that can be drawn{which}, got none{why}; name others")
    if form:
        return [np.stack([values_of(tiles.items[row].read(form.kind)) for row in rows.tolist()])]
    return [tiles.pixels(rows, view) for view in range(len(tiles.views))]


class _Graph(nn.Module):
    """Inputs to probabilities."""

    def __init__(self, views: ViewGraph | None, model: nn.Module) -> None:
        super().__init__()
        self.views, self.model = views, model

    def forward(self, *inputs: Tensor) -> Tensor:
        proba: Tensor = self.model(self.views(*inputs) if self.views else list(inputs))
        return proba


def _graph(model: Model, tiles: Tiles, form: SignalForm | None) -> nn.Module:
    first = int(tiles.drawn[0])
    shapes = []
    for index, view in enumerate(tiles.views):
        height, width, channels = tiles.tile(first, index).shape
        shapes.append(ImageShape(height, width, channels, view.cells, by_pixel=view.by_pixel))
    return _Graph(ViewGraph(tiles.views, form) if form else None, graph_of(model, shapes)).eval()


def _names(given: Arrays) -> list[str]:
    """Return the names of the inputs."""
    if given[0].dtype != np.uint8:
        return ["signal"]
    return ["image"] if len(given) == 1 else [f"image{index}" for index in range(len(given))]


def _traced(graph: nn.Module, given: Arrays) -> bytes:
    """Return the graph as an ONNX file, for any number of items."""
    examples = tuple(torch.from_numpy(np.resize(array, (2, *array.shape[1:]))) for array in given)
    batch = torch.export.Dim("n")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # what torch warns of while it traces itself tells nobody anything
        graph(*examples)  # keeps what is constant, so that it is not traced
        program: Any = torch.onnx.export(
            graph, examples, dynamo=True, verbose=False, external_data=False,
            input_names=_names(given), output_names=["proba"],
            dynamic_shapes={"inputs": tuple({0: batch} for _ in examples)},
        )  # fmt: skip
    content: bytes = program.model_proto.SerializeToString()
    return content


def _with_metadata(content: bytes, metadata: dict[str, str]) -> bytes:
    import onnx

    proto = onnx.load_from_string(content)
    proto.producer_name, proto.producer_version = "phosphene", metadata["phosphene"]
    onnx.helper.set_model_props(proto, metadata)
    return bytes(proto.SerializeToString())


def _quantised(content: bytes, given: Arrays, folder: Path) -> bytes:
    """Return a graph whose convolutions count in int8, with ranges as they are for the items."""
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = _batches(given)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    exact, ready, small = (folder / f"{name}.onnx" for name in ("exact", "ready", "small"))
    exact.write_bytes(content)
    q.quant_pre_process(exact, ready, skip_symbolic_shape=True)
    q.quantize_static(
        ready, small, Reader(), quant_format=q.QuantFormat.QDQ, op_types_to_quantize=["Conv"], per_channel=True,
        activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
        reduce_range=True,  # weights of 7 bits: sums of pairs of 8 overflow on a processor without VNNI, in silence
    )  # fmt: skip
    return small.read_bytes()


def _batches(given: Arrays) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, len(given[0]), _BATCH):
        yield {name: array[start : start + _BATCH] for name, array in zip(_names(given), given, strict=True)}


def _run(content: bytes, given: Arrays) -> np.ndarray:
    """Return float32 (n, n_classes), by ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["proba"], batch)[0] for batch in _batches(given)])


def _check(done: Exported, precision: Precision, form: SignalForm | None) -> None:
    """Raise PhospheneError unless a file gives what the model gives."""
    if precision == "int8":
        if done.same_labels < LEAST_SAME * done.n:
            raise PhospheneError(
                f"{done.path}: not written, in int8 {done.same_labels} of {done.n} labels are those of the classifier, "
                f"fewer than {LEAST_SAME:.0%}; take --precision float32"
            )
        return
    most = MOST_OF_SOUND if form and form.kind == "audio" else MOST_DIFFERENCE
    if not done.max_difference <= most:
        remedy = "export from images instead" if form else "train with another backbone"
        raise PhospheneError(
            f"{done.path}: not written, of {done.n} items a probability differs by {done.max_difference:.2g} from the "
            f"classifier's, more than {most:g}; {remedy}"
        )


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
