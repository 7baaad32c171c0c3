"""The UCR archive of time series: many small data sets, each with a training and a test file."""

from functools import partial
from pathlib import Path

from phosphene.converters.core.errors import ReadError
from phosphene.converters.core.signal import Fragment
from phosphene.converters.registry import readers
from phosphene.datasets.manifest import Item
from phosphene.datasets.splits import SplitName

from ..protocol import Protocol

UCR_SETS = (
    "OliveOil", "Coffee", "Beef", "Meat", "Wine", "Ham", "Car", "BirdChicken", "BeetleFly", "ECG200",
    "GunPoint", "Lightning7", "FaceFour", "Trace", "ArrowHead", "OSULeaf",
)  # fmt: skip
"""The sets that the benchmark runs over; every other set of the archive opens in the same way."""

_SUFFIXES = (".tsv", ".ts", ".txt", ".arff")
_ARCHIVES = ("ucr", "UCRArchive_2018", "Univariate_ts", "Univariate_arff")
_SPLITS: tuple[tuple[SplitName, str], ...] = (("train", "TRAIN"), ("test", "TEST"))


def ucr_protocol(name: str) -> Protocol:
    """Return the protocol of one data set of the archive: its default split.

    Examples
    --------
    >>> ucr_protocol("OliveOil").name
    'ucr/OliveOil'
    """
    return Protocol(
        name=f"ucr/{name}",
        kind="series",
        metric="accuracy",
        summary=f"{name} of the UCR archive of time series; the default split",
        source=(
            "H. A. Dau et al., The UCR time series archive, IEEE/CAA Journal of Automatica Sinica 6(6), "
            "2019, doi:10.1109/JAS.2019.1911747"
        ),
        licence="for research; no licence stated",
        home="https://www.cs.ucr.edu/~eamonn/time_series_data_2018/",
        layout=tuple(f"{name}_{part}.*" for _, part in _SPLITS),
        folders=(name, *(f"{archive}/{name}" for archive in _ARCHIVES)),
        list_items=partial(_list_items, name),
    )


def _list_items(name: str, folder: Path) -> tuple[Item, ...]:
    return tuple(item for split, part in _SPLITS for item in _rows(_file(folder, f"{name}_{part}"), split))


def _file(folder: Path, stem: str) -> Path:
    paths = [folder / f"{stem}{suffix}" for suffix in _SUFFIXES]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise ReadError(
            f"{paths[0]}: no such file, nor with {', '.join(_SUFFIXES[1:])}; unpack the set again"
        )
    return found


def _rows(path: Path, split: SplitName) -> list[Item]:
    labels = readers()["series"].labels(path)
    if not labels:
        raise ReadError(f"{path}: has no rows with labels; unpack the set again")
    return [
        Item(path, label=label, fragment=Fragment("row", row, row + 1), split=split)
        for row, label in enumerate(labels)
    ]
