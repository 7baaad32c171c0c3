"""Malimg: malware of 25 families, published as grey images of its bytes, here turned back into bytes."""

from collections.abc import Sequence
from pathlib import Path

from phosphene.converters.core.errors import ReadError
from phosphene.converters.core.files import atomic_write
from phosphene.datasets.manifest import Item, Manifest

from ..protocol import Protocol

N_FOLDS = 10
CACHE = "malimg-bytes"
_PUBLISHED = "malimg_paper_dataset_imgs"


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


def _list_items(folder: Path) -> tuple[Item, ...]:
    folder = next(iter(folder.glob(_PUBLISHED)), folder)
    if any(True for _ in folder.glob("*/*.png")):
        paths: Sequence[Path] = unpack_malimg(folder, folder.parent / CACHE)
    else:
        paths = sorted(folder.glob("*/*.bin"))
    items = tuple(Item(path, label=path.parent.name) for path in paths)
    return Manifest(items, kind="binary", name=MALIMG.name).with_folds(N_FOLDS, seed=0).items


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
    home=f"https://www.kaggle.com/ (the data set malimg, folder {_PUBLISHED})",
    layout=(f"{_PUBLISHED}/*/*.png", "*/*.png", "*/*.bin"),
    folders=("malimg", _PUBLISHED, CACHE),
    list_items=_list_items,
)
