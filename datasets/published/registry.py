"""Every protocol by its name."""

import re
from pathlib import Path

from phosphene.converters.core.errors import ParameterError

from ..manifest import Manifest
from ..protocol import Protocol
from ..synthetic.makers import SYNTHETIC
from .balabit import BALABIT
from .binaries import BINARIES
from .esc import ESC10, ESC50
from .malimg import MALIMG
from .ucr import UCR_SETS, ucr_protocol
from .urbansound import URBANSOUND8K

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
