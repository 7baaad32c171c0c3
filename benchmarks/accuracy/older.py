"""Program families from older releases than those that were learned from: accuracy of the default probe and a forest.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/older.py WHEELS

All files of the protocol `binaries` are learned from. WHEELS is a folder of wheels of the same six packages, here those
for Python 3.9 that `pip download --no-deps --only-binary=:all: --python-version 3.9 --platform PLATFORM PACKAGE` finds
for h5py 3.6.0, pandas 1.3.5, scikit-image 0.19.3, scikit-learn 1.0.2, scipy 1.7.3 and spacy 3.2.4 on win_amd64,
macosx_10_9_x86_64 (or 10_13) and manylinux2014_x86_64 (or 2010). Of each at most 30 extension modules of no more than
2 MB are asked about. One probe has the views of networks alone. The forest sees how often each byte occurs. Rows go to
benchmarks/results/older.csv.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from results import origin, write_rows
from sklearn.ensemble import RandomForestClassifier

import phosphene as ph
from phosphene.converters import default_views
from phosphene.datasets import open_protocol
from phosphene.datasets.windows import evenly_spaced

MOST_FILES, MOST_BYTES = 30, 2_000_000


def unpack(wheels: Path, folder: Path) -> list[tuple[Path, str]]:
    """Return extension modules of the wheels, and the package that each is of."""
    found = []
    for wheel in sorted(wheels.glob("*.whl")):
        package = wheel.name.split("-")[0].lower()
        with zipfile.ZipFile(wheel) as archive:
            modules = [
                one
                for one in sorted(archive.infolist(), key=lambda one: one.filename)
                if one.filename.endswith((".so", ".pyd")) and one.file_size <= MOST_BYTES
            ]
            for index in evenly_spaced(len(modules), MOST_FILES):
                found.append((Path(archive.extract(modules[index], folder / wheel.stem)), package))
    return found


def shares(path: Path) -> np.ndarray:
    """Return how often each byte occurs, as shares: (256,)."""
    data = np.fromfile(path, np.uint8)
    return np.bincount(data, minlength=256) / len(data)


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ or len(sys.argv) != 2:
        sys.exit("set PHOSPHENE_DATA to the folder that holds binaries/, and name the folder of wheels")
    manifest = open_protocol("binaries", Path(os.environ["PHOSPHENE_DATA"]))
    with tempfile.TemporaryDirectory() as folder:
        asked = unpack(Path(sys.argv[1]), Path(folder))
        labels = np.array([label for _, label in asked])
        answers = {}
        for method, views in (("images", None), ("images without words", default_views("binary"))):
            recipe = ph.Recipe(strategy="probe", views=views)
            done = ph.train(manifest, recipe, valid="none", progress=False)
            answers[method] = [one.label for one in done.classifier.predict([path for path, _ in asked])]
        learned = np.array([shares(item.path) for item in manifest.items])
        forest = RandomForestClassifier(500, random_state=0).fit(learned, manifest.labels.astype(str))
        answers["forest of byte counts"] = list(forest.predict(np.array([shares(path) for path, _ in asked])))
    rows = []
    for method, found in answers.items():
        right = np.array(found) == labels
        of_class = {str(name): right[labels == name].mean() for name in np.unique(labels)}
        told = ";".join(f"{name}={share:.2f}" for name, share in of_class.items())
        rows.append({"method": method, "learned": str(len(manifest)), "asked": str(len(asked))})
        rows[-1] |= {"accuracy": f"{right.mean():.4f}", "of_class": told}
        print(", ".join(rows[-1].values()), flush=True)
    write_rows("older", [row | origin(("phosphene", "torch", "timm", "numpy")) for row in rows])


if __name__ == "__main__":
    main()
