"""Spectrograms against scripts that people write with librosa: the same windows, bands and decibels, one thread.

PHOSPHENE_DATA=FOLDER python benchmarks/speed/audio.py
"""

from harness import Row, compare, data_folder, write  # isort: skip  # before NumPy: it limits the threads

from collections.abc import Callable, Iterator

import librosa
import numpy as np
import PIL.Image
import soundfile

from phosphene.converters import Audio, make
from phosphene.converters.audio.dsp import band_blocks, decibels
from phosphene.converters.audio.mel import mel_filterbank

RATE_HZ, N_FFT, HOP_LENGTH, N_MELS = 22050, 2048, 512, 128
ROUNDS = 25  # of every comparison; each round draws a clip a few times
REPEATS = 8

rng = np.random.default_rng(0)
clip = (rng.standard_normal(5 * RATE_HZ) * rng.random(5 * RATE_HZ)).astype(np.float32)
sound = Audio(clip, RATE_HZ)
bank = mel_filterbank(
    rate_hz=RATE_HZ, n_fft=N_FFT, ends_hz=(0, RATE_HZ / 2), n_mels=N_MELS, mel_scale="slaney"
)
settings = {"n_fft": N_FFT, "hop_length": HOP_LENGTH, "low_hz": 0.0}


def our_mel_db() -> np.ndarray:
    power = np.concatenate(list(band_blocks(sound.samples, bank, n_fft=N_FFT, hop_length=HOP_LENGTH)), axis=1)
    return decibels(power, floor_db=-80)


def their_mel_db() -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=clip, sr=RATE_HZ, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS, pad_mode="constant"
    )
    return librosa.power_to_db(power, ref=np.max, top_db=80)


def their_stft_db() -> np.ndarray:
    spectrum = librosa.stft(clip, n_fft=N_FFT, hop_length=HOP_LENGTH, pad_mode="constant")
    return librosa.amplitude_to_db(np.abs(spectrum), ref=np.max, top_db=80)


def grey(level_db: np.ndarray, size: int) -> np.ndarray:
    """What scripts do next: decibels to bytes, low frequencies at the bottom, to the size of the network."""
    pixels = ((level_db + 80) * (255 / 80)).astype(np.uint8)[::-1]
    return np.asarray(PIL.Image.fromarray(pixels).resize((size, size), PIL.Image.Resampling.BILINEAR))


def times(call: Callable[[], object]) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(REPEATS):
            call()

    return repeated


def against_librosa(work: str, ours: Callable[[], object], theirs: Callable[[], object]) -> Row:
    return compare(work, "librosa", times(ours), times(theirs), asked=2.5, rounds=ROUNDS)


def rows_of_a_clip() -> Iterator[Row]:
    """Five seconds at 22.05 kHz."""
    difference = np.abs(our_mel_db() - their_mel_db()).max()
    if difference > 1e-3:
        raise SystemExit(f"the two sides differ by {difference:.2g} dB: this compares nothing")
    yield against_librosa("mel decibels, 5 s, 128 bands, float32", our_mel_db, their_mel_db)
    for size in (128, 224):
        mel = make("mel", size=size, n_mels=N_MELS, **settings)
        work = f"mel converter, 5 s, 128 bands, {size} x {size} uint8"
        yield against_librosa(work, lambda mel=mel: mel(sound), lambda s=size: grey(their_mel_db(), s))
    stft = make("stft", **settings)
    work = "stft converter, 5 s, 224 x 224 uint8"
    yield against_librosa(work, lambda: stft(sound), lambda: grey(their_stft_db(), 224))


def row_of_clips() -> Row:
    """Decoding ten clips of ESC-10 alone, against decoding and drawing them with the defaults."""
    paths = sorted((data_folder() / "esc10").rglob("*.ogg"))[::40]
    mel = make("mel")

    def decoded() -> list[Audio]:
        read = [soundfile.read(path, dtype="float32", always_2d=True) for path in paths]
        return [Audio(samples.T, rate_hz) for samples, rate_hz in read]

    def drawn() -> list[np.ndarray]:
        return [mel(clip).pixels for clip in decoded()]

    return compare(
        "10 ESC-10 clips, decoded and drawn", "decoding alone", drawn, decoded, asked=0.87, rounds=ROUNDS
    )


if __name__ == "__main__":
    write([*rows_of_a_clip(), row_of_clips()], packages=["librosa", "numba", "scipy", "pillow", "soundfile"])
