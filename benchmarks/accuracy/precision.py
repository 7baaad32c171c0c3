"""What the fast forms of a frozen network cost in accuracy: probes on ESC-10 by each of them, over the official folds.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/precision.py

`plain` is the network as it is; `fused` is what runs by default. Rows go to benchmarks/results/precision.csv.
"""

import functools
import os
import sys
from pathlib import Path

from results import origin, write_rows

from phosphene.datasets import open_protocol
from phosphene.pipeline import Recipe, cross_validate
from phosphene.pipeline.backbones import features
from phosphene.pipeline.backbones.frozen import freeze


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds esc10/")
    manifest = open_protocol("esc10", Path(os.environ["PHOSPHENE_DATA"]))
    rows = []
    for form in ("plain", "fused"):
        features.freeze = functools.partial(freeze, form=form)
        done = cross_validate(manifest, Recipe(strategy="probe"), progress=False)
        row = {"set": "esc10", "engine": form, "precision": "float32"}
        rows.append(row | {"accuracy": f"{done.accuracy:.4f}", "macro_f1": f"{done.macro_f1:.4f}"})
        print(", ".join(rows[-1].values()), flush=True)
    write_rows("precision", [row | origin(("torch", "timm")) for row in rows])


if __name__ == "__main__":
    main()
