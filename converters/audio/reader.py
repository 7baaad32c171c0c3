"""Sound files to signals: everything libsndfile decodes."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..core.errors import ParameterError, ReadError, SignalError
from ..core.fragment import Fragment, Unit
from ..core.reader import Reader, read_head
from ..core.signal import Kind
from .magic import sounds_like
from .signal import Audio

if TYPE_CHECKING:
    from soundfile import SoundFile

_BLOCK_SAMPLES = 1 << 18
# Those of the last line cannot be decoded: as sound they get an error that says so, as bytes they pass.
# fmt: off
_SUFFIXES = frozenset({
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".oga", ".opus",
    ".mp3", ".mp2", ".au", ".snd", ".caf", ".voc", ".sph", ".nist", ".paf", ".pvf", ".8svx", ".16sv", ".xi",
    ".avr", ".ircam", ".wve", ".sds",
    ".m4a", ".aac", ".wma",
})
# fmt: on
# What libsndfile's log says where a header promises more than the file holds.
_CUT = re.compile(r"^ *(?:data|SSND|BODY|Data Size|riff) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_CUT_RF64 = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
# Programs that write into a pipe cannot go back to enter the length: they leave a number near a limit.
_UNKNOWN_LENGTH = 0x7FFF0000


class AudioReader(Reader):
    """Reads sound as float32 between -1 and 1, whole or from one second to another.

    WAV, AIFF, FLAC, Ogg Vorbis and Opus, MP3, CAF, AU, W64, RF64 and the other formats of libsndfile. A file
    that ends before its header says is an error, not a shorter sound. An Ogg file states no length; for an
    MP3 without a Xing header libsndfile guesses one from the bit rate, and does not reach past a short guess.

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

    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell by the signature of a sound format; for MP3 by a tag or by three frames in a row."""
        return sounds_like(head)

    def read(self, path: Path, fragment: Fragment | None) -> Audio:
        """Read a file, or the part of it that `#t=5,10` names; a part that reaches past the end stops there.

        Raises
        ------
        ReadError
            Not a sound file, cut short, without samples, NaN or infinity in it, an absurd rate, or a fragment
            that starts past the end.
        ParameterError
            The fragment counts something other than seconds.
        """
        if fragment is not None and fragment.unit != "t":
            raise ParameterError(f"{path}: sound is cut by seconds, #t=5,10, got #{fragment}")
        with _open(path) as sound:
            start, stop = _bounds(path, sound, fragment)
            samples = _decode(path, sound, start, stop)
            return _signal(path, samples, sound.samplerate)

    def extent(self, path: Path) -> float:
        """Return the length in seconds that the header states; where it states none, all is decoded first."""
        with _open(path) as sound:
            count = _count(sound) if _length_is_a_guess(path, sound) else sound.frames
            return float(count / sound.samplerate)


def _open(path: Path) -> "SoundFile":
    """Open a sound file whose header is whole and states at least one sample."""
    import soundfile

    if not path.is_file():
        read_head(path)  # says what it is instead; opening a pipe would wait for ever
    try:
        sound = soundfile.SoundFile(os.fsencode(path))  # bytes: a name need not be valid Unicode
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a .raw file has no header
        read_head(path)
        raise ReadError(
            f"{path}: no sound that can be decoded ({_reason(error)}); convert it to WAV"
        ) from error
    try:
        _check_length(path, sound)
    except ReadError:
        sound.close()
        raise
    return sound


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", str(error)).removeprefix("Error : ").rstrip(".")
    if isinstance(error, TypeError):
        return "a .raw file has no header that states rate and channels"
    return "the header states no sample rate" if "SF_INFO" in text else text


def _cut_short(path: Path, promised: str, held: int) -> ReadError:
    return ReadError(
        f"{path}: cut short, the header promises {promised} and the file holds {held}; get the whole file"
    )


def _check_length(path: Path, sound: "SoundFile") -> None:
    log = sound.extra_info
    if found := _CUT_RF64.search(log):
        raise _cut_short(path, f"{found[2]} samples", int(found[1]))
    if (found := _CUT.search(log)) and int(found[2]) < int(found[1]) < _UNKNOWN_LENGTH:
        raise _cut_short(path, f"{found[1]} bytes", int(found[2]))
    if sound.frames < 1:
        raise ReadError(f"{path}: sound without samples; remove it or record it again")


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


def _decode(path: Path, sound: "SoundFile", start: int, stop: int) -> np.ndarray:
    """Return samples `start` to `stop - 1` as float32 (channels, n)."""
    import soundfile

    try:
        samples = np.empty((sound.channels, stop - start), np.float32)
        _skip(sound, start)
        held = _fill(sound, samples)
    except (MemoryError, ValueError) as error:
        count = sound.channels * (stop - start)
        raise ReadError(f"{path}: {count} samples do not fit in memory; read parts, #t=0,60") from error
    except soundfile.SoundFileError as error:
        raise ReadError(f"{path}: damaged ({_reason(error)}); get the whole file") from error
    if held < samples.shape[1] and not _length_is_a_guess(path, sound):
        raise _cut_short(path, f"{stop} samples", start + held)
    return samples[:, :held]


def _skip(sound: "SoundFile", count: int) -> None:
    """Go to a sample; by decoding all before it where the codec cannot seek."""
    if sound.seekable():
        sound.seek(count)
        return
    while count > 0:
        count -= len(sound.read(min(count, _BLOCK_SAMPLES), dtype="float32")) or count


def _fill(sound: "SoundFile", samples: np.ndarray) -> int:
    """Decode into (channels, n) block by block, and return how many samples of each channel there were."""
    held, wanted = 0, samples.shape[1]
    step = max(1, _BLOCK_SAMPLES // sound.channels)
    while held < wanted:
        end = held + min(step, wanted - held)
        # One channel lies in memory as it is decoded.
        room = samples[0, held:end, None] if len(samples) == 1 else None
        block = sound.read(end - held, dtype="float32", always_2d=True, out=room)
        if not len(block):
            break
        if room is None:
            samples[:, held : held + len(block)] = block.T
        held += len(block)
    return held


def _count(sound: "SoundFile") -> int:
    """Return the number of samples by decoding all of them, without keeping them."""
    count = 0
    while block := len(sound.read(_BLOCK_SAMPLES // sound.channels, dtype="float32")):
        count += block
    return count


def _length_is_a_guess(path: Path, sound: "SoundFile") -> bool:
    """Tell whether the length is estimated from the bit rate: MP3 without a Xing header."""
    return sound.format == "MP3" and not any(tag in read_head(path) for tag in (b"Xing", b"Info", b"VBRI"))


def _signal(path: Path, samples: np.ndarray, rate_hz: int) -> Audio:
    try:
        return Audio(samples, rate_hz)
    except SignalError as error:
        raise ReadError(f"{path}: {error}; repair it or leave it out") from error
