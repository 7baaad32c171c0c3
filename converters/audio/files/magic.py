"""The signatures by which sound files are known."""

import struct

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
    place, first = 0, head[1:2]
    for _ in range(3):
        length = mpeg_frame_bytes(head[place : place + 4])
        if not length or head[place + 1 : place + 2] != first:
            return False
        place += length
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
