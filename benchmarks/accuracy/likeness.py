"""How like photographs a range of pictures looks to EfficientNet-Lite0: photographs, textures, views of data, noise.

    python benchmarks/accuracy/likeness.py
    PHOSPHENE_DATA=~/data python benchmarks/accuracy/likeness.py [photographs] [plain] [synthetic/audio] [esc10] ...

Photographs are those that scikit-image and scikit-learn bring with them, cropped at random. Views are drawn of the
synthetic data sets and, with PHOSPHENE_DATA, of real ones. A row each goes to benchmarks/results/likeness.csv, ordered
by distance; those of what is not run, as named behind the command or without PHOSPHENE_DATA, stay as they were.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import skimage.data
import sklearn.datasets
from PIL import Image
from results import origin, rows_of, write_rows
from scipy.ndimage import gaussian_filter

from phosphene.converters import parse_views
from phosphene.datasets import open_protocol
from phosphene.datasets.windows import cut_each
from phosphene.pipeline.backbones.backbone import load_backbone
from phosphene.pipeline.backbones.domain_shift import THRESHOLD, measure_domain_shift
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore

PACKAGES = ("phosphene", "torch", "timm", "numpy", "scikit-image", "scikit-learn")
ARCH, SEED, N, SIZE = "efficientnet_lite0", 0, 32, 224
SKIMAGE = {
    "photographs": ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"),
    "grey photographs": ("camera.png", "coins.png", "moon.png"),
    "technical photographs": ("retina.jpg", "ihc.png", "hubble_deep_field.jpg", "page.png", "text.png"),
    "textures": ("brick.png", "grass.png", "gravel.png"),
}
SKLEARN = ("china.jpg", "flower.jpg")
VIEWS = {
    "audio": "mel,stft,cqt,mfcc,scalogram",
    "series": "gasf,gadf,recurrence,mtf,patches,line",
    "mouse": "trace,trace(scale=screen),motion,dwell",
    "binary": "grid(width_rule=nataraj),hilbert,bigram,entropy",
}
SORTS = {
    "audio": "pictures of sound",
    "series": "pictures of series",
    "mouse": "mouse traces",
    "binary": "byte images",
}
UCR = ("ACSF1", "ECG200", "GunPoint", "Lightning7", "OliveOil", "SwedishLeaf")
REAL = ("esc10", "balabit", "binaries", *(f"ucr/{name}" for name in UCR))

Group = tuple[str, str, np.ndarray]


def main() -> None:
    wanted = sys.argv[1:]
    backbone = load_backbone(ARCH)
    rows = {row["data"]: row for row in rows_of("likeness")}
    for source, groups in sources().items():
        for data, sort, pixels in groups() if not wanted or source in wanted else ():
            found = measure_domain_shift(backbone, pixels)
            rows[data] = {
                "data": data,
                "sort": sort,
                "n": str(len(pixels)),
                "distance": f"{found.distance:.4f}",
            }
            about = {"arch": ARCH, "seed": str(SEED)} | origin(PACKAGES)
            rows[data] |= {"verdict": "", "threshold": ""} | about
            print(data, found, sep="\t", flush=True)
    for row in rows.values():
        row["threshold"] = f"{THRESHOLD:g}"
        row["verdict"] = "like" if float(row["distance"]) < THRESHOLD else "unlike"
    write_rows("likeness", sorted(rows.values(), key=lambda row: float(row["distance"])))


def sources() -> dict[str, Callable[[], Iterator[Group]]]:
    """Return what gives groups of pictures: name, sort and pixels."""
    found: dict[str, Callable[[], Iterator[Group]]] = {"photographs": photographs, "plain": _plain}
    for kind in VIEWS:
        found[f"synthetic/{kind}"] = partial(_views, f"synthetic/{kind}", kind)
    for name in REAL if "PHOSPHENE_DATA" in os.environ else ():
        found[name] = partial(_views, name, open_protocol(name, _data()).kind)
    return found


def photographs() -> Iterator[Group]:
    """Crops of every photograph for itself, of all together, and of all without colour."""
    rng = np.random.default_rng(SEED)
    together = []
    for sort, files in _files().items():
        of_sort = []
        for file in files:
            crops = _crops(np.asarray(Image.open(file).convert("RGB")), N // 2, rng)
            yield f"{sort}/{file.stem}", f"{sort}, one scene", crops
            of_sort.append(crops[: -(-N // len(files))])
        together.append((sort, np.concatenate(of_sort)))
    for sort, pixels in together:
        yield sort, sort, pixels
    grey = together[0][1].mean(3, keepdims=True).astype(np.uint8)
    yield "photographs without colour", "grey photographs", grey


def _files() -> dict[str, list[Path]]:
    ours = Path(skimage.data.__file__).parent
    files = {sort: [ours / name for name in names] for sort, names in SKIMAGE.items()}
    theirs = Path(sklearn.datasets.__file__).parent / "images"
    files["photographs"] += [theirs / name for name in SKLEARN]
    return files


def _crops(image: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Cut squares of half to the whole height of a picture, the first as large as it goes."""
    height, width = image.shape[:2]
    crops = []
    for number in range(count):
        side = int(min(height, width) * (1.0 if number == 0 else rng.uniform(0.5, 1)))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        square = Image.fromarray(image[top : top + side, left : left + side])
        crops.append(np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BILINEAR)))
    return np.stack(crops)


def _plain() -> Iterator[Group]:
    """Pictures of nothing or nearly nothing."""
    rng = np.random.default_rng(SEED)
    shape = (N, SIZE, SIZE, 1)
    digits = sklearn.datasets.load_digits().images[:N] * (255 / 16)
    large = [Image.fromarray(digit.astype(np.uint8)).resize((SIZE, SIZE)) for digit in digits]
    yield "digits", "digits", np.stack(large)[..., None]
    yield "white noise", "noise", rng.integers(0, 256, shape, np.uint8)
    yield "white noise of each colour", "noise", rng.integers(0, 256, (N, SIZE, SIZE, 3), np.uint8)
    blurred = gaussian_filter(rng.standard_normal(shape[:3]), (0, 8, 8))
    yield "smooth noise", "noise", _grey(blurred)
    reach = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
    reach[0, 0] = np.inf
    yield "pink noise", "noise", _grey(np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape[:3])) / reach).real)
    levels = np.linspace(0, 255, N).astype(np.uint8)
    yield "constant", "constant", np.broadcast_to(levels[:, None, None, None], shape).copy()
    yield "black", "constant", np.zeros(shape, np.uint8)


def _grey(values: np.ndarray) -> np.ndarray:
    return (128 + 50 * values / values.std()).clip(0, 255).astype(np.uint8)[..., None]


def _views(name: str, kind: str) -> Iterator[Group]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) if name.startswith("synthetic/") else _data()
        items = open_protocol(name, home).items
        pieces = cut_each(_some(items), "events=150" if kind == "mouse" else None)
        views = parse_views(VIEWS[kind], kind=kind)
        tiles = render(_some(pieces), views, store=TileStore(Path(folder, "tiles")), progress=False)
        for place, view in enumerate(views):
            yield f"{name} as {view.spec}", SORTS[kind], tiles.pixels(tiles.drawn, place)


def _some(items: tuple) -> list:
    chosen = np.random.default_rng(SEED).permutation(len(items))[:N]
    return [items[place] for place in np.sort(chosen)]


def _data() -> Path:
    return Path(os.environ["PHOSPHENE_DATA"])


if __name__ == "__main__":
    sys.exit(main())
