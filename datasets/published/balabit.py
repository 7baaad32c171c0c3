"""The Balabit Mouse Dynamics Challenge: whether a session is by the user whose account it is."""

from pathlib import Path

from phosphene.converters.core.errors import ReadError
from phosphene.datasets.manifest import Item

from ..protocol import Protocol, name_some, read_rows

_TABLE = "public_labels.csv"
_GENUINE = {"0": True, "1": False}


def _list_items(folder: Path) -> tuple[Item, ...]:
    trained = [
        Item(path, label=path.parent.name, split="train") for path in _sessions(folder, "training_files")
    ]
    genuine = _public_labels(folder / _TABLE)
    sessions = _sessions(folder, "test_files")
    _require_sessions(folder, genuine, sessions)
    tested = [_test_item(path, genuine[path.name]) for path in sessions if path.name in genuine]
    return (*trained, *tested)


def _test_item(path: Path, genuine: bool) -> Item:
    user = path.parent.name
    return Item(path, label=user if genuine else None, split="test", claim=user)


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
    layout=(_TABLE,),
    folders=("balabit", "Mouse-Dynamics-Challenge", "Mouse-Dynamics-Challenge-master"),
    list_items=_list_items,
)
