"""Any file as bytes."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from ...core.errors import ParameterError, ReadError
from ...core.fragment import Fragment, Unit
from ...core.reader import Reader, read_head
from ...core.signal import Kind
from ..signal import Binary

# A map of a file that somebody truncates later ends the process with SIGBUS, so small files are read instead.
MAPPED_FROM_BYTES = 16 << 20
MAGICS = (
    b"\x7fELF", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe", b"!<arch>\n", b"dex\n", b"\0asm", b"BC\xc0\xde",
)  # fmt: skip
DOS_HEADER_BYTES = 64


class BinaryReader(Reader):
    """Reads any file as bytes; it is asked last, so that other kinds take what is theirs.

    Examples
    --------
    >>> import sys
    >>> from pathlib import Path
    >>> BinaryReader().read(Path(sys.executable), Fragment("bytes", 0, 4)).describe()
    '4 bytes'
    """

    kind: ClassVar[Kind] = "binary"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        (
            ".a", ".bin", ".class", ".com", ".dex", ".dll", ".dylib", ".efi", ".elf", ".exe", ".ko", ".lib",
            ".o", ".obj", ".pyd", ".scr", ".so", ".sys", ".wasm",
        )
    )  # fmt: skip
    cut_by: ClassVar[Unit] = "bytes"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell whether the first bytes are those of a program, library, object or archive of them."""
        # Text may begin with MZ as well; the header behind it is never without zeros.
        return head.startswith(MAGICS) or (head[:2] == b"MZ" and 0 in head[:DOS_HEADER_BYTES])

    def read(self, path: Path, fragment: Fragment | None) -> Binary:
        """Read a file, or `#bytes=FIRST-LAST` of it as far as it has them; a large file is mapped."""
        if fragment and fragment.unit != "bytes":
            raise ParameterError(f"{path}#{fragment}: a program file is cut by bytes; write #bytes=0-65535")
        size = int(self.extent(path))
        start, stop, _ = (fragment.whole if fragment else slice(None)).indices(size)
        if start >= stop:
            raise ReadError(f"{path}: holds {size} bytes, none of #{fragment}; begin before its end")
        return Binary(_stretch(path, start, stop), start, path)

    def extent(self, path: Path) -> float:
        """Return the size in bytes."""
        read_head(path)
        if not path.is_file():
            raise ReadError(f"{path}: not a regular file; copy what it gives into one")
        return path.stat().st_size


def _stretch(path: Path, start: int, stop: int) -> np.ndarray:
    if stop - start >= MAPPED_FROM_BYTES:
        return np.memmap(path, np.uint8, mode="r", offset=start, shape=(stop - start,))
    try:
        with path.open("rb") as file:
            file.seek(start)
            return np.frombuffer(file.read(stop - start), np.uint8)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror}); check the disk") from error
