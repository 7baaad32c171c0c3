"""Published data sets with their protocols: where each item's label, fold and group stand."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from phosphene.converters.core.errors import ParameterError, ReadError
from phosphene.converters.core.files import atomic_write
from phosphene.converters.core.signal import Fragment
from phosphene.converters.registry import readers

from .manifest import Item, Manifest
from .protocol import Download, Protocol, name_some, read_rows
from .splits import SplitName
from .synthetic import SYNTHETIC

_ESC_SOURCE = (
    "K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015, "
    "doi:10.1145/2733373.2806390"
)
_ESC_HOME = "https://github.com/karolpiczak/ESC-50"
_ESC50_TABLE = "meta/esc50.csv"
_ESC10_TABLE = "meta.csv"


def _list_esc(folder: Path, *, ten: bool = False) -> tuple[Item, ...]:
    rows = read_rows(folder / _ESC50_TABLE, ("filename", "fold", "category", "esc10", "src_file"))
    return tuple(
        Item(folder / "audio" / row["filename"], row["category"], fold=row["fold"], group=row["src_file"])
        for row in rows
        if not ten or row["esc10"] == "True"
    )


def _list_esc10(folder: Path) -> tuple[Item, ...]:
    if (folder / _ESC50_TABLE).exists():
        return _list_esc(folder, ten=True)
    rows = read_rows(folder / _ESC10_TABLE, ("path", "label", "fold", "clip"))
    return tuple(
        Item(folder / row["path"], row["label"], fold=row["fold"], group=row["clip"]) for row in rows
    )


ESC50 = Protocol(
    name="esc50",
    kind="audio",
    metric="accuracy",
    summary="2,000 five-second recordings of the environment, 50 classes; the 5 official folds",
    source=_ESC_SOURCE,
    licence="CC BY-NC 3.0",
    home=_ESC_HOME,
    layout=(_ESC50_TABLE,),
    folders=("esc50", "ESC-50", "ESC-50-master"),
    list_items=_list_esc,
)

ESC10 = Protocol(
    name="esc10",
    kind="audio",
    metric="accuracy",
    summary="400 five-second recordings of the environment, 10 classes; the 5 official folds",
    source=_ESC_SOURCE,
    licence="CC BY 3.0",
    home=_ESC_HOME,
    layout=(_ESC50_TABLE, _ESC10_TABLE),
    folders=("esc10", "ESC-10", *ESC50.folders),
    list_items=_list_esc10,
)


_URBANSOUND_TABLE = "metadata/UrbanSound8K.csv"


def _list_urbansound(folder: Path) -> tuple[Item, ...]:
    rows = read_rows(folder / _URBANSOUND_TABLE, ("slice_file_name", "fsID", "fold", "class"))
    audio = folder / "audio"
    return tuple(
        Item(
            audio / f"fold{row['fold']}" / row["slice_file_name"],
            row["class"],
            fold=row["fold"],
            group=row["fsID"],
        )
        for row in rows
    )


URBANSOUND8K = Protocol(
    name="urbansound8k",
    kind="audio",
    metric="accuracy",
    summary="8,732 sounds of the city of up to 4 s, 10 classes; the 10 official folds",
    source=(
        "J. Salamon, C. Jacoby and J. P. Bello, A Dataset and Taxonomy for Urban Sound Research, "
        "ACM Multimedia 2014, doi:10.1145/2647868.2655045"
    ),
    licence="CC BY-NC 3.0",
    home="https://zenodo.org/records/1203745",
    layout=(_URBANSOUND_TABLE,),
    folders=("urbansound8k", "UrbanSound8K"),
    list_items=_list_urbansound,
    archive=Download(
        "https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz", "md5:9aa69802bbf37fb986f71ec1483a196e"
    ),
)


UCR_SETS = (
    "OliveOil", "Coffee", "Beef", "Meat", "Wine", "Ham", "Car", "BirdChicken", "BeetleFly", "ECG200",
    "GunPoint", "Lightning7", "FaceFour", "Trace", "ArrowHead", "OSULeaf",
)  # fmt: skip
"""The sets that the benchmark runs over; every other set of the archive opens in the same way."""

_UCR_SUFFIXES = (".tsv", ".ts", ".txt", ".arff")
_UCR_ARCHIVES = ("ucr", "UCRArchive_2018", "Univariate_ts", "Univariate_arff")
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
        folders=(name, *(f"{archive}/{name}" for archive in _UCR_ARCHIVES)),
        list_items=partial(_list_ucr, name),
    )


def _list_ucr(name: str, folder: Path) -> tuple[Item, ...]:
    items: list[Item] = []
    for split, part in _SPLITS:
        paths = [folder / f"{name}_{part}{suffix}" for suffix in _UCR_SUFFIXES]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            others = ", ".join(_UCR_SUFFIXES[1:])
            raise ReadError(f"{paths[0]}: no such file, nor with {others}; unpack the set again")
        labels = readers()["series"].labels(path)
        if not labels:
            raise ReadError(f"{path}: has no rows with labels; unpack the set again")
        rows = (Fragment("row", row, row + 1) for row in range(len(labels)))
        items += [Item(path, label, row, split=split) for label, row in zip(labels, rows, strict=True)]
    return tuple(items)


_BALABIT_TABLE = "public_labels.csv"
_GENUINE = {"0": True, "1": False}


def _list_balabit(folder: Path) -> tuple[Item, ...]:
    trained = [
        Item(path, label=path.parent.name, split="train") for path in _sessions(folder, "training_files")
    ]
    genuine = _public_labels(folder / _BALABIT_TABLE)
    sessions = _sessions(folder, "test_files")
    _require_sessions(folder, genuine, sessions)
    tested = [
        Item(path, user if genuine[path.name] else None, split="test", claim=user)
        for path in sessions
        if path.name in genuine and (user := path.parent.name)
    ]
    return (*trained, *tested)


def _sessions(folder: Path, part: str) -> list[Path]:
    """Return the session files of every user, in order."""
    paths = sorted((folder / part).glob("user*/session_*"))
    if not paths:
        raise ReadError(f"{folder / part}: should hold userN/session_N files and has none; unpack it again")
    return paths


def _public_labels(path: Path) -> dict[str, bool]:
    """Return whether each labelled session is by the user whose account it is."""
    rows = read_rows(path, ("filename", "is_illegal"))
    wrong = next((row for row in rows if row["is_illegal"] not in _GENUINE), None)
    if wrong:
        raise ReadError(
            f"{path}: is_illegal of {wrong['filename']} must be 0 or 1, "
            f"got {wrong['is_illegal']!r}; unpack it again"
        )
    return {row["filename"]: _GENUINE[row["is_illegal"]] for row in rows}


def _require_sessions(folder: Path, genuine: dict[str, bool], sessions: list[Path]) -> None:
    there = {path.name for path in sessions}
    missing = [folder / "test_files" / name for name in genuine if name not in there]
    if missing:
        raise ReadError(
            f"{folder}: {len(missing)} of {len(genuine)} labelled sessions are missing: "
            f"{name_some(folder / 'test_files', missing)}; get them from {BALABIT.home}"
        )


BALABIT = Protocol(
    name="balabit",
    kind="mouse",
    metric="auc",
    summary="mouse sessions of 10 users; is a test session by the owner of the account? one AUC over all",
    source=(
        "Á. Fülöp, L. Kovács, T. Kurics and E. Windhager-Pokol, Balabit Mouse Dynamics "
        "Challenge data set, 2016"
    ),
    licence="no licence stated; made accessible for research",
    home="https://github.com/balabit/Mouse-Dynamics-Challenge",
    layout=(_BALABIT_TABLE,),
    folders=("balabit", "Mouse-Dynamics-Challenge", "Mouse-Dynamics-Challenge-master"),
    list_items=_list_balabit,
)


MALIMG_FOLDS = 10
_MALIMG_BYTES = "malimg-bytes"
_MALIMG_IMAGES = "malimg_paper_dataset_imgs"


def unpack_malimg(folder: str | Path, out: str | Path) -> tuple[Path, ...]:
    """Turn images of bytes back into the bytes, row by row: `FAMILY/NAME.png` to `out/FAMILY/NAME.bin`.

    Files that are there already stay as they are, so that an interrupted run goes on where it was. The last
    row of an image may hold bytes that the program does not have.

    Parameters
    ----------
    folder
        Folders of families with PNG images.
    out
        Where the bytes go; made as needed.

    Returns
    -------
    tuple of Path
        The files of bytes, in the order of the images.

    Raises
    ------
    ReadError
        There are no images, or one is not a grey PNG of 8 bits.
    """
    from tqdm import tqdm

    folder, out = Path(folder), Path(out)
    images = sorted(folder.glob("*/*.png"))
    if not images:
        raise ReadError(f"{folder}: should hold FAMILY/NAME.png and has none; get it from {MALIMG.home}")
    paths = tuple(out / image_path.parent.name / f"{image_path.stem}.bin" for image_path in images)
    todo = [pair for pair in zip(images, paths, strict=True) if not pair[1].exists()]
    for image_path, path in tqdm(todo, desc="images to bytes", unit="file", disable=not todo):
        data = _read_bytes(image_path)
        with atomic_write(path) as file:
            file.write(data)
    return paths


def _read_bytes(image_path: Path) -> bytes:
    from PIL import Image

    try:
        with Image.open(image_path, formats=["PNG"]) as image:
            mode, data = image.mode, image.tobytes()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ReadError(f"{image_path}: is no PNG image ({error}); unpack it again") from error
    if mode != "L":
        raise ReadError(
            f"{image_path}: must be grey with 8 bits, as published, is of mode {mode}; get it from {MALIMG.home}"
        )
    return data


def _list_malimg(folder: Path) -> tuple[Item, ...]:
    folder = next(iter(folder.glob(_MALIMG_IMAGES)), folder)
    if any(True for _ in folder.glob("*/*.png")):
        paths: Sequence[Path] = unpack_malimg(folder, folder.parent / _MALIMG_BYTES)
    else:
        paths = sorted(folder.glob("*/*.bin"))
    items = tuple(Item(path, label=path.parent.name) for path in paths)
    return Manifest(items, kind="binary", name=MALIMG.name).with_folds(MALIMG_FOLDS, seed=0).items


MALIMG = Protocol(
    name="malimg",
    kind="binary",
    metric="accuracy",
    summary="9,339 malware files of 25 families; 10 stratified folds from seed 0, since none are official",
    source=(
        "L. Nataraj, S. Karthikeyan, G. Jacob and B. S. Manjunath, Malware Images: Visualization and "
        "Automatic Classification, VizSec 2011, doi:10.1145/2016904.2016908"
    ),
    licence="no licence stated",
    home=f"https://www.kaggle.com/ (the data set malimg, folder {_MALIMG_IMAGES})",
    layout=(f"{_MALIMG_IMAGES}/*/*.png", "*/*.png", "*/*.bin"),
    folders=("malimg", _MALIMG_IMAGES, _MALIMG_BYTES),
    list_items=_list_malimg,
)


_BINARIES_TABLE = "meta.csv"


def _list_binaries(folder: Path) -> tuple[Item, ...]:
    rows = read_rows(folder / _BINARIES_TABLE, ("path", "label", "format", "group", "fold"))
    return tuple(
        Item(folder / row["path"], row["label"], fold=row["fold"], group=row["group"]) for row in rows
    )


BINARIES = Protocol(
    name="binaries",
    kind="binary",
    metric="accuracy",
    summary="480 extension modules (PE, Mach-O, ELF) of 6 projects; 5 folds, all builds of a module in one",
    source="h5py, pandas, scikit-image, scikit-learn, SciPy and spaCy, from their published wheels",
    licence="BSD and MIT",
    home="the projects' wheels on PyPI",
    layout=(_BINARIES_TABLE,),
    folders=("binaries",),
    list_items=_list_binaries,
)


_UCR_NAME = re.compile(r"ucr/(\w+)")


def protocols() -> dict[str, Protocol]:
    """Return the protocols by name: one for each data set, for each of UCR_SETS and for each synthetic kind.

    Examples
    --------
    >>> [name for name in protocols() if "/" not in name]
    ['balabit', 'binaries', 'esc10', 'esc50', 'malimg', 'urbansound8k']
    """
    published = (BALABIT, BINARIES, ESC10, ESC50, MALIMG, URBANSOUND8K)
    series = (ucr_protocol(name) for name in UCR_SETS)
    return {known.name: known for known in (*published, *SYNTHETIC, *series)}


def find_protocol(name: str) -> Protocol:
    """Return the protocol of a name; `ucr/NAME` also for a set that `protocols` does not list.

    Raises
    ------
    ParameterError
        There is no such protocol; the message lists the names.

    Examples
    --------
    >>> find_protocol("balabit").metric
    'auc'
    """
    known = protocols()
    if name in known:
        return known[name]
    found = _UCR_NAME.fullmatch(name)
    if found:
        return ucr_protocol(found[1])
    names = ", ".join(name for name in known if not name.startswith("ucr/"))
    raise ParameterError(f"protocol must be one of {names}, ucr/NAME, got {name!r}")


def open_protocol(name: str, data: str | Path) -> Manifest:
    """Open a data set by the name of its protocol.

    Parameters
    ----------
    name
        As listed by `protocols`, or `ucr/NAME`.
    data
        The folder of the data set, or one that holds it under its usual name (`esc10/`, `ucr/NAME/`, ...).
        The synthetic ones are made below it.

    Raises
    ------
    ParameterError
        There is no such protocol; the message lists the names.
    ReadError
        The data set or some of its files are missing; the message says what should be there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manifest = open_protocol("synthetic/binary", folder)
    >>> manifest.name, len(manifest.items)
    ('synthetic/binary', 40)
    """
    return find_protocol(name).open(data)
