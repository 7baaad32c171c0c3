"""ESC-50 and its subset ESC-10: five-second recordings of the environment."""

from pathlib import Path

from phosphene.datasets.manifest import Item

from ..protocol import Protocol, read_rows

_SOURCE = (
    "K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015, "
    "doi:10.1145/2733373.2806390"
)
_HOME = "https://github.com/karolpiczak/ESC-50"
_ORIGINAL = "meta/esc50.csv"
_SMALL = "meta.csv"


def _list_esc50(folder: Path) -> tuple[Item, ...]:
    return tuple(_item(folder, row) for row in _original_rows(folder))


def _list_esc10(folder: Path) -> tuple[Item, ...]:
    if (folder / _ORIGINAL).exists():
        return tuple(_item(folder, row) for row in _original_rows(folder) if row["esc10"] == "True")
    rows = read_rows(folder / _SMALL, ("path", "label", "fold", "clip"))
    return tuple(
        Item(folder / row["path"], label=row["label"], fold=row["fold"], group=row["clip"]) for row in rows
    )


def _original_rows(folder: Path) -> list[dict[str, str]]:
    return read_rows(folder / _ORIGINAL, ("filename", "fold", "category", "esc10", "src_file"))


def _item(folder: Path, row: dict[str, str]) -> Item:
    path = folder / "audio" / row["filename"]
    return Item(path, label=row["category"], fold=row["fold"], group=row["src_file"])


ESC50 = Protocol(
    name="esc50",
    kind="audio",
    metric="accuracy",
    summary="2,000 five-second recordings of the environment, 50 classes; the 5 official folds",
    source=_SOURCE,
    licence="CC BY-NC 3.0",
    home=_HOME,
    layout=(_ORIGINAL,),
    folders=("esc50", "ESC-50", "ESC-50-master"),
    list_items=_list_esc50,
)

ESC10 = Protocol(
    name="esc10",
    kind="audio",
    metric="accuracy",
    summary="400 five-second recordings of the environment, 10 classes; the 5 official folds",
    source=_SOURCE,
    licence="CC BY 3.0",
    home=_HOME,
    layout=(_ORIGINAL, _SMALL),
    folders=("esc10", "ESC-10", *ESC50.folders),
    list_items=_list_esc10,
)
