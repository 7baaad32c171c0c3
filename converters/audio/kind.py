"""Sound: decoded by libsndfile, or FFmpeg where PyAV is installed; drawn as spectrograms, cut by seconds."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..core.errors import ParameterError, ReadError, SignalError
from ..core.files import DEFAULTS, KindSpec, Note, Reader, ReadOptions, note_texts, read_head
from ..core.formats import refuse_foreign
from ..core.signal import Fragment, Kind, Unit
from .files import (
    ffmpeg_format,
    has_last_page,
    read_ffmpeg,
    sounds_like,
    with_flac_length,
    with_sizes,
    with_xing_frame,
)
from .signal import Audio

if TYPE_CHECKING:
    from soundfile import SoundFile

_BLOCK_SAMPLES = 1 << 18
# Those of the last two lines are FFmpeg's.
# fmt: off
_SUFFIXES = frozenset({
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".oga", ".opus",
    ".mp3", ".mp2", ".au", ".snd", ".caf", ".voc", ".sph", ".nist", ".paf", ".pvf", ".8svx", ".16sv", ".xi",
    ".avr", ".ircam", ".wve", ".sds",
    ".m4a", ".aac", ".wma", ".amr", ".3gp", ".3g2", ".mp4", ".m4b", ".mov", ".webm", ".mka", ".mkv", ".ape", ".wv",
    ".tta", ".dsf", ".mpc",
})
# fmt: on
# What libsndfile's log says where a header promises more than the file holds.
_CUT = re.compile(r"^ *(?:data|SSND|BODY|Data Size|riff) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_CUT_RF64 = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
# Programs that write into a pipe cannot go back to enter the length: they leave a number near a limit.
_UNKNOWN_LENGTH = 0x7FFF0000
_NO_LENGTH = 1 << 62
_MOST_SAMPLES_A_BYTE = 10_000


_FAR_ABOVE = 64.0


class AudioReader(Reader):
    """Reads sound as float32 between -1 and 1, whole or from one second to another.

    WAV, AIFF, FLAC, Ogg Vorbis and Opus, MP3, CAF, AU, W64, RF64 and the other formats of libsndfile; AMR, AAC, M4A,
    WMA and the sound of MP4, 3GP, WebM and the like by PyAV. Of a file that ends before its header says what is there
    is read, and noted. A header whose sizes were never written is mended. An Ogg file states no length; the frames
    of an MP3 without a Xing header are counted.

    Examples
    --------
    >>> import tempfile, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "silence.wav")
    ...     soundfile.write(path, np.zeros((8000, 2)), 8000)
    ...     AudioReader().read(path, Fragment("t", 0.25, 0.5)).describe()
    '0.250 s of stereo sound at 8000 Hz'
    """

    kind: ClassVar[Kind] = "audio"
    suffixes: ClassVar[frozenset[str]] = _SUFFIXES
    cut_by: ClassVar[Unit] = "t"
    heeds: ClassVar[frozenset[str]] = frozenset(("strict",))

    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell by the signature of a sound format; for MP3 by a tag or by three frames in a row."""
        return sounds_like(head) or ffmpeg_format(head) is not None

    def read(self, path: Path, fragment: Fragment | None, options: ReadOptions = DEFAULTS) -> Audio:
        """Read a file, or the part of it that `#t=5,10` names; a part that reaches past the end stops there.

        Raises
        ------
        ReadError
            Not a sound file, without samples, NaN or infinity in it, an absurd rate, or a fragment
            that starts past the end; or cut short, where reading is strict.
        MissingExtra
            PyAV is needed, and not installed.
        ParameterError
            The fragment counts something other than seconds.
        """
        if fragment is not None and fragment.unit != "t":
            raise ParameterError(f"{path}: sound is cut by seconds, #t=5,10, got #{fragment}")
        opened = _open(path)
        if isinstance(opened, str):
            return _signal(path, *read_ffmpeg(path, opened, fragment), ())
        with opened.sound as sound:
            start, stop = _bounds(path, sound, fragment)
            samples, notes = _decode(path, opened, start, stop)
            notes = opened.notes + notes + _far_above_full_scale(samples)
            texts = note_texts(notes, path=path, strict=options.strict)
            return _signal(path, samples, sound.samplerate, texts)

    def extent(self, path: Path, options: ReadOptions = DEFAULTS) -> float:
        """Return the length in seconds that the header states; where it states none, all is decoded first."""
        opened = _open(path)
        if isinstance(opened, str):
            samples, rate_hz = read_ffmpeg(path, opened, None)
            return samples.shape[1] / rate_hz
        with opened.sound as sound:
            if not opened.is_guess and _reaches_its_end(sound):
                return float(sound.frames / sound.samplerate)
        again = _open(path)  # a decoder that failed stays where it is
        with again.sound as sound:  # type: ignore[union-attr]
            return float(_count(sound) / sound.samplerate)


@dataclass(frozen=True)
class _Opened:
    """An open sound file, whether the length it states is a guess, and what was found in its header."""

    sound: "SoundFile"
    is_guess: bool = False
    notes: tuple[Note, ...] = ()


def _open(path: Path) -> "_Opened | str":
    """Open a sound file that states at least one sample; return the name of its format where only FFmpeg decodes it."""
    import soundfile

    if not path.is_file():
        read_head(path)  # says what it is instead; opening a pipe would wait for ever
    try:
        sound = soundfile.SoundFile(os.fsencode(path))  # bytes: a name need not be valid Unicode
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a .raw file has no header
        head = read_head(path)
        if found := ffmpeg_format(head):
            return found
        refuse_foreign(head, path)
        raise ReadError(
            f"{path}: no sound that can be decoded ({_reason(error)}); convert it to WAV"
        ) from error
    try:
        return _checked(path, sound)
    except ReadError:
        sound.close()
        raise


def _checked(path: Path, sound: "SoundFile") -> _Opened:
    """Look at the length that the header states, and mend a header that states none."""
    import soundfile

    if sound.format == "MP3" and not any(tag in read_head(path) for tag in (b"Xing", b"Info", b"VBRI")):
        if spliced := with_xing_frame(path):
            sound.close()
            return _Opened(soundfile.SoundFile(spliced))
        return _Opened(sound, is_guess=True)
    if sound.frames > _MOST_SAMPLES_A_BYTE * path.stat().st_size:
        if sound.format != "FLAC" or sound.frames < _NO_LENGTH:
            raise ReadError(
                f"{path}: damaged, its header promises {sound.frames} samples; get the whole file"
            )
        return _flac_without_length(path, sound)
    if note := _cut_short(path, sound):
        return _Opened(sound, notes=(note,))
    if sound.frames < 1:
        if spliced := with_sizes(path):
            sound.close()
            mended = soundfile.SoundFile(spliced)
            if mended.frames > 0:
                note = Note(
                    f"its header says that it is empty; the {mended.frames} samples behind it are read",
                    loss=True,
                )
                return _Opened(mended, notes=(note,))
        raise ReadError(f"{path}: sound without samples; remove it or record it again")
    return _Opened(sound)


def _flac_without_length(path: Path, sound: "SoundFile") -> _Opened:
    """Open a FLAC file that was streamed, so that its header states no length: count, and state it."""
    import soundfile

    sound.close()
    with soundfile.SoundFile(with_flac_length(path, (1 << 36) - 1)) as longest:
        count = _count(longest)
    if not count:
        raise ReadError(f"{path}: sound without samples; remove it or record it again")
    return _Opened(soundfile.SoundFile(with_flac_length(path, count)))


def _reaches_its_end(sound: "SoundFile") -> bool:
    """Tell whether the last sample that the header promises is there, for formats that only decoding tells."""
    import soundfile

    if sound.format not in ("FLAC", "MP3") or not sound.seekable():
        return True
    try:
        sound.seek(sound.frames - 1)
        reached = len(sound.read(1, dtype="float32")) > 0
        sound.seek(0)
    except soundfile.SoundFileError:
        return False
    return reached


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", str(error)).removeprefix("Error : ").rstrip(".")
    if isinstance(error, TypeError):
        return "a .raw file has no header that states rate and channels"
    if "does not exist" in text:  # what libsndfile says of a file in which a decoder finds nothing
        return "Format not recognised"
    return "the header states no sample rate" if "SF_INFO" in text else text


def _cut_note(promised: str, held: str) -> Note:
    return Note(
        f"cut short: its header promises {promised} and the file holds {held}, which are read", loss=True
    )


def _cut_short(path: Path, sound: "SoundFile") -> Note | None:
    """Say where the header promises more than the file holds."""
    log = sound.extra_info
    note = None
    if sound.format == "OGG" and not has_last_page(path):
        note = Note("cut short: its last page is missing, and what is there is read", loss=True)
    if found := _CUT_RF64.search(log):
        note = _cut_note(f"{found[2]} samples", found[1])
    elif (found := _CUT.search(log)) and int(found[2]) < int(found[1]) < _UNKNOWN_LENGTH:
        note = _cut_note(f"{found[1]} bytes", found[2])
    if note and sound.frames < 1:
        raise ReadError(f"{path}: {note.text.replace(', which are read', '')}; get the whole file")
    return note


def _bounds(path: Path, sound: "SoundFile", fragment: Fragment | None) -> tuple[int, int]:
    """Return the first sample and the one after the last."""
    if fragment is None:
        return 0, sound.frames
    start = round(fragment.start * sound.samplerate)
    if start >= sound.frames:
        length_s = sound.frames / sound.samplerate
        raise ReadError(f"{path}: #{fragment} starts past the end at {length_s:g} s; name an earlier part")
    stop = round(min(fragment.stop * sound.samplerate, sound.frames))
    return start, max(stop, start + 1)


def _decode(path: Path, opened: _Opened, start: int, stop: int) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Return samples `start` to `stop - 1` as float32 (channels, n), as far as they are there, and what was found."""
    import soundfile

    sound = opened.sound
    try:
        samples = np.empty((sound.channels, stop - start), np.float32)
        _skip(sound, start)
        held, damaged = _fill(sound, samples)
    except (MemoryError, ValueError) as error:
        count = sound.channels * (stop - start)
        raise ReadError(f"{path}: {count} samples do not fit in memory; read parts, #t=0,60") from error
    except soundfile.SoundFileError as error:
        raise ReadError(f"{path}: damaged ({_reason(error)}); get the whole file") from error
    if held == samples.shape[1] or opened.is_guess:
        return samples[:, :held], ()
    if not held:
        raise ReadError(f"{path}: damaged ({damaged or 'it ends before that'}); get the whole file")
    kept = samples[:, :held].copy()
    return kept, (_cut_note(f"{stop} samples", str(start + held)),)


def _skip(sound: "SoundFile", count: int) -> None:
    """Go to a sample; by decoding all before it where the codec cannot seek."""
    if sound.seekable():
        sound.seek(count)
        return
    while count > 0:
        count -= len(sound.read(min(count, _BLOCK_SAMPLES), dtype="float32")) or count


def _fill(sound: "SoundFile", samples: np.ndarray) -> tuple[int, str]:
    """Decode into (channels, n) block by block; return how many samples a channel there were, and what ended it."""
    held, wanted = 0, samples.shape[1]
    step = max(1, _BLOCK_SAMPLES // sound.channels)
    while held < wanted:
        end = held + min(step, wanted - held)
        # One channel lies in memory as it is decoded.
        room = samples[0, held:end, None] if len(samples) == 1 else None
        block, damage = _next_block(sound, end - held, room)
        if room is None:
            samples[:, held : held + len(block)] = block.T
        held += len(block)
        if damage or not len(block):
            return held, damage
    return held, ""


def _next_block(sound: "SoundFile", count: int, room: np.ndarray | None = None) -> tuple[np.ndarray, str]:
    """Decode the next samples, (n, channels), into the room where there is one; also say what ended them too early."""
    import soundfile

    if room is None:
        room = np.empty((count, sound.channels), np.float32)
    if sound.format == "FLAC":
        room[:] = np.nan
    try:
        return sound.read(count, dtype="float32", always_2d=True, out=room), ""
    except soundfile.SoundFileError as error:
        # Of a damaged FLAC file libsndfile has decoded what stands before the damage.
        there = np.isfinite(room[:, 0]) if sound.format == "FLAC" else np.zeros(count, bool)
        return room[: count if there.all() else int(there.argmin())], _reason(error)


def _count(sound: "SoundFile") -> int:
    """Return the number of samples by decoding all of them, without keeping them."""
    count, damage = 0, ""
    block = np.empty((max(1, _BLOCK_SAMPLES // sound.channels), sound.channels), np.float32)
    while not damage:
        held, damage = _next_block(sound, len(block), block)
        count += len(held)
        if not len(held):
            break
    return count


def _far_above_full_scale(samples: np.ndarray) -> tuple[Note, ...]:
    """Tell of floats that are rather whole numbers of 16 or more bits."""
    peak = float(np.abs(samples).max(initial=0))
    if not peak > _FAR_ABOVE:
        return ()
    return (Note(f"its samples reach {peak:.3g} times full scale: rather whole numbers, written as floats"),)


def _signal(path: Path, samples: np.ndarray, rate_hz: int, notes: tuple[str, ...]) -> Audio:
    try:
        return Audio(samples, rate_hz, notes=notes)
    except SignalError as error:
        raise ReadError(f"{path}: {error}; repair it or leave it out") from error


# Frozen networks take several plain grey views, their features side by side, better than one clever colour image. A
# third one that keeps the level, mel(size=96,reference=full_scale), took ESC-10 from 0.958 to 0.945.
KIND = KindSpec(Audio, AudioReader(), views="mel,mel(duration_s=1,keep=loudest)", window="t=5,2.5")
