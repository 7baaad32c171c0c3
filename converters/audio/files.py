"""Sound files: the signatures by which they are known, headers that state no length, and what only FFmpeg decodes."""

import io
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.errors import MissingExtra, ReadError, short
from ..core.files import read_head
from ..core.signal import Fragment

# (offset, bytes) pairs that must all be there; each form is too long to turn up in other files by chance.
_FORMS: tuple[tuple[tuple[int, bytes], ...], ...] = (
    *(((0, riff), (8, b"WAVE")) for riff in (b"RIFF", b"RIFX", b"RF64", b"BW64")),
    *(((0, b"FORM"), (8, form)) for form in (b"AIFF", b"AIFC", b"8SVX", b"16SV")),
    ((0, b"fLaC"),),
    *(((0, b"OggS"), (28, codec)) for codec in (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")),
    ((0, b"caff\x00"), (8, b"desc")),
    ((0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"),),  # Sony Wave64
    ((0, b"Creative Voice File\x1a"),),
    ((0, b"NIST_1A\n"),),
    ((0, b"Extended Instrument: "),),
    ((0, b"ALawSoundFile**"),),
    ((0, b"2BIT\x00"),),
    ((0, b"PVF1\n"),),
    ((0, b" paf\x00\x00\x00\x00"),),
    *(((4, b"ftyp" + brand),) for brand in (b"M4A ", b"M4B ")),
)
_AU_ENCODINGS = range(1, 28)
_BIT_RATES_KBPS = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES_HZ = (44100, 48000, 32000)


def sounds_like(head: bytes) -> bool:
    r"""Tell whether the first bytes of a file are those of a sound file.

    Examples
    --------
    >>> sounds_like(b"RIFF\x24\x08\x00\x00WAVEfmt "), sounds_like(b"RIFF\x24\x08\x00\x00AVI LIST")
    (True, False)
    """
    signed = any(all(head.startswith(text, at) for at, text in form) for form in _FORMS)
    return signed or _is_au(head) or _has_id3_tag(head) or _is_mpeg(head)


def _is_au(head: bytes) -> bool:
    """Sun's header, in either byte order: the data offset and the encoding must make sense."""
    orders = {b".snd": ">", b"dns.": "<"}
    if head[:4] not in orders or len(head) < 24:
        return False
    offset, _, encoding = struct.unpack(orders[head[:4]] + "III", head[4:16])
    return 24 <= offset < 1 << 20 and encoding in _AU_ENCODINGS


def _has_id3_tag(head: bytes) -> bool:
    """Version 2 to 4, and a length in bytes of seven bits."""
    return head.startswith(b"ID3") and len(head) >= 10 and head[3] in (2, 3, 4) and max(head[6:10]) < 0x80


def _is_mpeg(head: bytes) -> bool:
    """Three frames of one layer and rate, each where the one before it ends; one alone matches too much."""
    index, first = 0, head[1:2]
    for _ in range(3):
        length = mpeg_frame_bytes(head[index : index + 4])
        if not length or head[index + 1 : index + 2] != first:
            return False
        index += length
    return True


def mpeg_frame_bytes(header: bytes) -> int:
    """Return how long the MPEG audio frame of a four-byte header is; 0 where it is no header.

    Examples
    --------
    >>> mpeg_frame_bytes(bytes([0xFF, 0xFB, 0x90, 0x00]))  # MPEG 1 layer III, 128 kbit/s at 44.1 kHz
    417
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (header[1] >> 3) & 3, 4 - ((header[1] >> 1) & 3)
    bit_rate, rate, padding = header[2] >> 4, (header[2] >> 2) & 3, (header[2] >> 1) & 1
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return 0
    bits_hz = _BIT_RATES_KBPS[version == 3, layer][bit_rate] * 1000
    rate_hz = _SAMPLE_RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bits_hz // rate_hz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits_hz // rate_hz + padding


def adts_frame_bytes(header: bytes) -> int:
    """Return how long the AAC frame of a seven-byte ADTS header is; 0 where it is no header.

    Examples
    --------
    >>> adts_frame_bytes(bytes([0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC]))
    16
    """
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or (header[2] >> 2) & 15 > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


def xing_frame(header: bytes, frames: int) -> bytes:
    r"""Return the frame that states how many frames an MP3 file has, made after the header of its first frame.

    Examples
    --------
    >>> xing_frame(bytes([0xFF, 0xFB, 0x90, 0x00]), 100)[36:48]
    b'Xing\x00\x00\x00\x01\x00\x00\x00d'
    """
    mono, mpeg1 = header[3] >> 6 == 3, (header[1] >> 3) & 3 == 3
    tag = 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17))
    for bit_rate in range(1, 15):
        head = bytes([0xFF, header[1] | 1, bit_rate << 4 | header[2] & 0x0C, header[3]])  # without a checksum
        length = mpeg_frame_bytes(head)
        if length >= tag + 12:
            break
    return (head + bytes(tag - 4) + b"Xing\0\0\0\1" + frames.to_bytes(4, "big")).ljust(length, b"\0")


_LONGEST_CHUNK = 0xFFFFFFFF
_LONGEST_PAGE = 1 << 17


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
    for offset, held in ((4, size - 8), (at + 4, size - start)):
        mended[offset : offset + 4] = min(held, _LONGEST_CHUNK).to_bytes(4, order)
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


def has_last_page(path: Path) -> bool:
    """Tell whether an Ogg file ends with a page that says that it is the last one."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_PAGE))
        tail = file.read()
    last = tail.rfind(b"OggS")
    return 0 <= last < len(tail) - 5 and bool(tail[last + 5] & 4)


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


_IMAGE_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
_SIGNATURES = (
    (b"#!AMR", "AMR sound"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA sound or WMV video"),
    (b"MAC ", "Monkey's Audio"),
    (b"wvpk", "WavPack sound"),
    (b"DSD ", "DSD sound"),
    (b"FRM8", "DSD sound"),
    (b"TTA1", "True Audio"),
    (b"MPCK", "Musepack sound"),
    (b"MP+", "Musepack sound"),
    (b".RMF\0", "RealMedia"),
)
_MOST_ERRORS = 0.05


def ffmpeg_format(head: bytes) -> str | None:
    r"""Name the format of sound, or of a film with sound, that only FFmpeg decodes; None for any other file.

    Examples
    --------
    >>> ffmpeg_format(b"#!AMR\n"), ffmpeg_format(b"\0\0\0\x20ftypisom"), ffmpeg_format(b"RIFF")
    ('AMR sound', 'an MP4 file', None)
    """
    if head[4:8] == b"ftyp" and head[8:12] not in _IMAGE_BRANDS:
        brand = head[8:12].decode("ascii", errors="replace").strip()
        return {"M4A": "M4A sound", "M4B": "M4A sound", "qt": "a QuickTime film"}.get(
            brand, "a 3GP file" if brand.startswith(("3gp", "3g2")) else "an MP4 file"
        )
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "a WebM file" if b"webm" in head[:64] else "a Matroska file"
    if _is_adts(head):
        return "AAC sound"
    return next((name for magic, name in _SIGNATURES if head.startswith(magic)), None)


def _is_adts(head: bytes) -> bool:
    """Tell three AAC frames, each where the one before it ends."""
    start = 0
    for _ in range(3):
        length = adts_frame_bytes(head[start : start + 7])
        if not length:
            return False
        start += length
    return True


def read_ffmpeg(path: Path, what: str, fragment: Fragment | None) -> tuple[np.ndarray, int]:
    """Decode the first stream of sound of a file, or a part of it, as float32 (channels, n), and its rate.

    Raises
    ------
    MissingExtra
        PyAV is not installed.
    ReadError
        The file has no stream of sound, or it cannot be decoded.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtra(
            f"{path}: no sound that can be decoded ({what} needs PyAV: pip install 'phosphene[files]'); "
            "convert it to WAV"
        ) from error
    try:
        # Titles of other encodings are an error before PyAV 19, which knows no such option.
        old: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
        with av.open(str(path), **old) as container:
            return _decoded(path, what, container, fragment)
    except ReadError:
        raise
    except Exception as error:  # FFmpeg has an error for each code, and some that are none of its own
        raise ReadError(
            f"{path}: no sound that can be decoded ({what}: {short(error)}); convert it to WAV"
        ) from error


def _decoded(path: Path, what: str, container: Any, fragment: Fragment | None) -> tuple[np.ndarray, int]:
    from av import AudioResampler, FFmpegError

    if not container.streams.audio:
        raise ReadError(f"{path}: {what} without sound; give one that has some")
    stream = container.streams.audio[0]
    rate_hz = int(stream.rate or stream.codec_context.sample_rate)
    resampler = AudioResampler(format="fltp", rate=rate_hz)
    stop = round(fragment.stop * rate_hz) if fragment else None
    blocks: list[np.ndarray] = []
    held = packets = errors = 0
    for packet in container.demux(stream):
        packets += 1
        try:
            frames = packet.decode()
        except FFmpegError:
            errors += 1
            continue
        for frame in frames:
            blocks += [block.to_ndarray() for block in resampler.resample(frame)]
        held = (
            sum(block.shape[1] for block in blocks[-64:]) if len(blocks) <= 64 else held + blocks[-1].shape[1]
        )
        if stop is not None and held >= stop + rate_hz:
            break
    if errors > _MOST_ERRORS * packets or not blocks:
        raise ReadError(
            f"{path}: no sound that can be decoded ({what}: {errors} of {packets} packets are damaged); "
            "convert it to WAV"
        )
    samples = np.concatenate(blocks, axis=1).astype(np.float32, copy=False)
    if fragment is None:
        return samples, rate_hz
    start = round(fragment.start * rate_hz)
    if start >= samples.shape[1]:
        raise ReadError(
            f"{path}: #{fragment} starts past the end at {samples.shape[1] / rate_hz:g} s; name an earlier part"
        )
    return samples[:, start : max(stop or 0, start + 1)], rate_hz
