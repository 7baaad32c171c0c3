"""Compiled extension modules of six projects for three systems, and from which project each comes."""

from pathlib import Path

from phosphene.datasets.manifest import Item

from ..protocol import Protocol, read_rows

_TABLE = "meta.csv"


def _list_items(folder: Path) -> tuple[Item, ...]:
    rows = read_rows(folder / _TABLE, ("path", "label", "format", "group", "fold"))
    return tuple(
        Item(folder / row["path"], label=row["label"], fold=row["fold"], group=row["group"]) for row in rows
    )


BINARIES = Protocol(
    name="binaries",
    kind="binary",
    metric="accuracy",
    summary="480 extension modules (PE, Mach-O, ELF) of 6 projects; 5 folds, all builds of a module in one",
    source="h5py, pandas, scikit-image, scikit-learn, SciPy and spaCy, from their published wheels",
    licence="BSD and MIT",
    home="the projects' wheels on PyPI",
    layout=(_TABLE,),
    folders=("binaries",),
    list_items=_list_items,
)
