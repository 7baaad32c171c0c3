"""Sound that libsndfile does not decode: from films, phones and messengers, by PyAV (FFmpeg) where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import MissingExtra, ReadError
from ...core.signal import Fragment
from .magic import adts_frame_bytes

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
        with av.open(str(path), metadata_errors="ignore") as container:
            return _decoded(path, what, container, fragment)
    except ReadError:
        raise
    except Exception as error:  # FFmpeg has an error for each code, and some that are none of its own
        raise ReadError(
            f"{path}: no sound that can be decoded ({what}: {_short(error)}); convert it to WAV"
        ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


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
