"""What the page shows of one file, computed and drawn in a process apart, under a limit on memory."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from phosphene.converters import Audio, Fragment, PhospheneError, ReadError, converters
from phosphene.converters.core.apart import hold_to
from phosphene.converters.registry import readers, recognise
from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import cut
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.explain.explanation import explain
from phosphene.pipeline.explain.grid import Grid
from phosphene.pipeline.explain.plot import signal_png
from phosphene.pipeline.explain.regions import WeightedRegion
from phosphene.pipeline.tiles.pictures import draw_sheet

Step = Literal["predict", "explain", "gallery"]
MOST_SHOWN_S = 120.0
"""Sound that can be played and is drawn as a wave; of longer recordings the beginning."""
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 48_000
"""Rates that every browser plays."""


@dataclass(frozen=True)
class Task:
    """A step, the file or `path#fragment` that it is about, and the folder that its images are written to."""

    step: Step
    address: str
    folder: Path


def make_analyser(model: Path, memory_bytes: int) -> Callable[[Task], dict[str, Any]]:
    """Load a classifier, and return what does tasks with it, in so much memory beyond."""
    logging.getLogger("phosphene").setLevel(logging.ERROR)  # notes are shown with the prediction
    classifier = Classifier.load(model)
    _limit_memory(memory_bytes)
    return partial(analyse, classifier)


def _limit_memory(more_bytes: int) -> None:
    """Limit the memory of this process to so much more than it holds, where the system tells that."""
    with suppress(OSError):
        status = Path("/proc/self/status").read_text().splitlines()
        held_kb = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
        hold_to((held_kb >> 10) + (more_bytes >> 20))


def analyse(classifier: Classifier, task: Task) -> dict[str, Any]:
    """Do one step; what is wrong with the file is in `error`, one line.

    Returns
    -------
    dict
        Names of images are those of files in the folder of the task.
    """
    try:
        with _cache(task.folder):
            items = classifier.items(task.address)
            found = _STEPS[task.step](classifier, items[0], task.folder)
    except MemoryError:
        return {"error": f"{Path(task.address).name}: needs more memory than a file is given here"}
    except PhospheneError as error:
        seen = _other_kind(classifier, task.address)
        return {"error": f"{error}{seen}".replace(f"{Path(task.address).parent}{os.sep}", "")}
    if len(items) > 1:
        found["notes"] = [f"{len(items)} items in the file; the first is shown", *found.get("notes", ())]
    return found


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """Keep what is computed of a visitor's file out of the cache of the user."""
    before, there = os.environ.get("PHOSPHENE_CACHE"), folder / "cache"
    os.environ["PHOSPHENE_CACHE"] = str(there)
    try:
        yield
    finally:
        shutil.rmtree(there, ignore_errors=True)
        del os.environ["PHOSPHENE_CACHE"]
        os.environ |= {} if before is None else {"PHOSPHENE_CACHE": before}


def _other_kind(classifier: Classifier, address: str) -> str:
    """Say of a file that failed what kind it seems to be, where that is another than the classifier takes."""
    with suppress(PhospheneError):
        kind = recognise(Path(address))
        if kind != classifier.kind:
            return f" (it looks like a {kind} file; this classifier takes {classifier.kind})"
    return ""


def _predict(classifier: Classifier, item: Item, folder: Path) -> dict[str, Any]:
    done = classifier.predict([item], workers=1)
    if done.failures:
        raise ReadError(done.failures[0].error)
    shown, notes = _shown(item, classifier)
    signal = shown.read(classifier.kind)
    start = shown.fragment.start if shown.fragment and shown.fragment.unit != "row" else 0.0
    (folder / "signal.png").write_bytes(signal_png(Grid.of(signal, start), ()))
    if isinstance(signal, Audio):
        _write_sound(signal, folder / "sound.wav")
    (window, *more), _ = cut([item], classifier.windows, classifier.kind)
    of_window = window.read(classifier.kind)
    images = []
    for number, view in enumerate(classifier.views):
        draw_sheet([(view.name, view(of_window))], folder / f"view{number}.png", columns=1)
        images.append((f"view{number}.png", view.spec))
    if more:
        notes.append(f"the images are of the first of {len(more) + 1} windows; the prediction is of all")
    return done[0].as_dict | {
        "kind": classifier.kind,
        "signal": signal.describe(),
        "notes": [*done[0].notes, *signal.notes, *notes],
        "images": images,
        "is_sound": isinstance(signal, Audio),
        "start_s": start,
    }


def _shown(item: Item, classifier: Classifier) -> tuple[Item, list[str]]:
    """Return the part of an item that is drawn and played, and a note where that is not all."""
    if classifier.kind != "audio" or item.fragment:
        return item, []
    length_s = readers()["audio"].extent(item.path)
    if length_s <= MOST_SHOWN_S:
        return item, []
    part = replace(item, fragment=Fragment("t", 0, MOST_SHOWN_S))
    return part, [f"the first {MOST_SHOWN_S:.0f} of {length_s:.0f} s can be played"]


def _write_sound(sound: Audio, path: Path) -> None:
    import soundfile
    from scipy.signal import resample_poly

    rate_hz = round(sound.rate_hz)
    played_hz = min(max(rate_hz, LOWEST_RATE_HZ), HIGHEST_RATE_HZ)
    samples = sound.samples.mean(axis=0)
    if played_hz != rate_hz:
        samples = resample_poly(samples, played_hz, rate_hz)
    soundfile.write(path, np.clip(samples, -1.0, 1.0), played_hz, format="WAV", subtype="PCM_16")


def _explain(classifier: Classifier, item: Item, folder: Path) -> dict[str, Any]:
    found = explain(classifier, item, sufficient=False)
    (folder / "explanation.png").write_bytes(found._repr_png_())
    regions = [
        {"weight": one.weight, "words": str(one), "view": one.view, "span_s": _span_s(one, classifier)}
        for one in found.regions
    ]
    return {"label": found.label, "regions": regions, "alone": found.alone, "without": found.without}


def _span_s(one: WeightedRegion, classifier: Classifier) -> tuple[float, float] | None:
    """Return begin and end of a region that can be heard, in seconds."""
    spans = one.region.of("time") if classifier.kind == "audio" else ()
    return (spans[0].start, spans[0].stop) if spans else None


def _gallery(classifier: Classifier, item: Item, folder: Path) -> dict[str, Any]:
    (window, *_), _ = cut([item], classifier.windows, classifier.kind)
    signal = window.read(classifier.kind)
    used = {view.name for view in classifier.views}
    images, failed = [], []
    for owner in converters(cast(Any, classifier.kind)):
        if owner.name in used:
            continue
        try:
            draw_sheet([(owner.name, owner()(signal))], folder / f"other-{owner.name}.png", columns=1)
            images.append((f"other-{owner.name}.png", owner.name))
        except PhospheneError as error:
            failed.append(f"{owner.name}: {error}")
    return {"images": images, "failed": failed}


_STEPS: dict[Step, Callable[[Classifier, Item, Path], dict[str, Any]]] = {
    "predict": _predict,
    "explain": _explain,
    "gallery": _gallery,
}
