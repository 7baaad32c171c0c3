"""UrbanSound8K: sounds of the city, up to four seconds each."""

from pathlib import Path

from phosphene.datasets.manifest import Item

from ..protocol import Download, Protocol, read_rows

_TABLE = "metadata/UrbanSound8K.csv"


def _list_items(folder: Path) -> tuple[Item, ...]:
    rows = read_rows(folder / _TABLE, ("slice_file_name", "fsID", "fold", "class"))
    return tuple(
        Item(
            folder / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
            label=row["class"],
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
    layout=(_TABLE,),
    folders=("urbansound8k", "UrbanSound8K"),
    list_items=_list_items,
    archive=Download(
        "https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz", "md5:9aa69802bbf37fb986f71ec1483a196e"
    ),
)
