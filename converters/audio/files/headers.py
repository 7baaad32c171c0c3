"""Headers of sound files that state no length, or a wrong one: the same file with what it should state."""

import io
from pathlib import Path
from typing import Any, Literal

from ...core.files import read_head
from .magic import mpeg_frame_bytes, xing_frame

_LONGEST_CHUNK = 0xFFFFFFFF


class SplicedFile(io.RawIOBase):
    """A file whose first bytes are replaced: `head`, and then the file from `offset` on."""

    def __init__(self, path: Path, head: bytes, offset: int) -> None:
        self._file = path.open("rb")
        self._head, self._offset, self._at = head, offset, 0
        self._size = len(head) + max(0, path.stat().st_size - offset)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Return the next byte."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there are bytes."""
        wanted = len(buffer)
        data = self._head[self._at : self._at + wanted]
        if len(data) < wanted:
            self._file.seek(self._offset + max(0, self._at + len(data) - len(self._head)))
            data += self._file.read(wanted - len(data))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def with_flac_length(path: Path, count: int) -> SplicedFile:
    """Return a FLAC file whose header states so many samples."""
    head = bytearray(read_head(path)[:42])
    packed = int.from_bytes(head[18:26], "big")
    head[18:26] = (packed >> 36 << 36 | count).to_bytes(8, "big")
    return SplicedFile(path, bytes(head), len(head))


def with_sizes(path: Path) -> SplicedFile | None:
    """Return a WAV file with the sizes that it has in place of the zeros that its header has."""
    head, size = read_head(path), path.stat().st_size
    orders: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"RIFX": "big"}
    order = orders.get(head[:4])
    if order is None or head[8:12] != b"WAVE":
        return None
    at = 12
    while at + 8 <= len(head) and head[at : at + 4] != b"data":
        length = int.from_bytes(head[at + 4 : at + 8], order)
        at += 8 + length + length % 2
    start = at + 8
    if start >= size or head[at : at + 4] != b"data":
        return None
    mended = bytearray(head[:start])
    for place, held in ((4, size - 8), (at + 4, size - start)):
        mended[place : place + 4] = min(held, _LONGEST_CHUNK).to_bytes(4, order)
    return SplicedFile(path, bytes(mended), start)


def with_xing_frame(path: Path) -> SplicedFile | None:
    """Count the frames of an MP3, and return the file with a frame in front that states how many there are."""
    data = path.read_bytes()
    first = _first_frame(data)
    if first is None or (data[first + 1] >> 1) & 3 != 1:  # layer III alone has such a frame
        return None
    at, frames = first, 0
    while at + 4 <= len(data):
        length = mpeg_frame_bytes(data[at : at + 4])
        if not length or (data[at + 1] ^ data[first + 1]) & 0xFE:
            if frames and data[at : at + 3] in (b"TAG", b"APE", b"ID3"):
                break
            at = _next_frame(data, at + 1, data[first + 1])
            continue
        frames += at + length <= len(data)
        at += length
    return SplicedFile(path, xing_frame(data[first : first + 4], frames), first) if frames else None


def _first_frame(data: bytes) -> int | None:
    start = 0
    while data[start : start + 3] == b"ID3" and len(data) > start + 10:
        size = data[start + 6 : start + 10]
        start += 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
    for at in range(start, min(start + (1 << 16), len(data) - 4)):
        length = mpeg_frame_bytes(data[at : at + 4])
        if length and mpeg_frame_bytes(data[at + length : at + length + 4]):
            return at
    return None


def _next_frame(data: bytes, start: int, version: int) -> int:
    """Return the next frame behind something that is none."""
    while (at := data.find(b"\xff", start)) >= 0:
        length = mpeg_frame_bytes(data[at : at + 4])
        if (
            length
            and not (data[at + 1] ^ version) & 0xFE
            and mpeg_frame_bytes(data[at + length : at + length + 4])
        ):
            return at
        start = at + 1
    return len(data)
