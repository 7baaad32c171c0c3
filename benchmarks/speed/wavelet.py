"""Scalograms against PyWavelets, constant-Q spectrograms and cepstral coefficients against librosa.

Both sides end at the grey picture of 224 x 224 pixels. `pip install PyWavelets` first.

PHOSPHENE_DATA=FOLDER python benchmarks/speed/wavelet.py
"""

from harness import compare, data_folder, write  # isort: skip  # before NumPy: it limits the threads

import librosa
import numpy as np
import pywt

from phosphene.converters import Audio, Series, make, read

SIZE = 224
MORLET = "cmor2.0-1.0"  # omega0 = 2 pi, near our 6


def mean_columns(values: np.ndarray) -> np.ndarray:
    starts = np.arange(SIZE) * values.shape[1] // SIZE
    counts = np.diff(np.append(starts, values.shape[1]))
    return np.add.reduceat(values, starts, axis=1) / np.maximum(counts, 1)


def squeezed(power: np.ndarray) -> np.ndarray:
    if power.shape[1] < SIZE:
        return power[:, np.arange(SIZE) * power.shape[1] // SIZE]
    return mean_columns(power)


def grey(levels: np.ndarray) -> np.ndarray:
    return np.rint(levels / levels.max() * 255).astype(np.uint8)


def grey_db(power_db: np.ndarray) -> np.ndarray:
    return np.rint((power_db + 80) / 80 * 255).clip(0, 255).astype(np.uint8)


def scalogram_by_pywt(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scales = pywt.frequency2scale(MORLET, np.geomspace(low, high, SIZE))
    # The way that is the faster one for the length, and as many scales at a time as fit into memory.
    method = "conv" if len(values) < 1000 else "fft"
    step = SIZE if len(values) < 10_000 else 16
    parts = [
        pywt.cwt(values, scales[first : first + step], MORLET, method=method)[0]
        for first in range(0, SIZE, step)
    ]
    return np.concatenate([squeezed(np.abs(part) ** 2) for part in parts])


def cqt_by_librosa(sound: Audio) -> np.ndarray:
    power = np.abs(
        librosa.cqt(
            sound.samples[0], sr=sound.rate_hz, hop_length=256, fmin=32.7, n_bins=9 * 24, bins_per_octave=24,
            filter_scale=0.5,
        )
    )  # fmt: skip
    return grey_db(librosa.amplitude_to_db(np.sqrt(squeezed(power**2)), ref=np.max))


def mfcc_by_librosa(sound: Audio) -> np.ndarray:
    mfcc = librosa.feature.mfcc(
        y=sound.samples[0], sr=sound.rate_hz, n_mfcc=20, n_fft=2048, hop_length=441, lifter=40
    )
    low, high = mfcc[1:].min(), mfcc[1:].max()
    return squeezed(np.rint((mfcc - low) / (high - low) * 255).clip(0, 255)).astype(np.uint8)


def main() -> None:
    clip = read(sorted((data_folder() / "esc10").rglob("*.ogg"))[0])
    sound = Audio(clip.samples[:, : int(5 * clip.rate_hz)], clip.rate_hz)
    table = np.loadtxt(data_folder() / "ucr" / "ECG200" / "ECG200_TRAIN.tsv")[:20, 1:]
    long = np.random.default_rng(0).standard_normal(100_000).cumsum()
    series, audio = (make("scalogram", kind=kind) for kind in ("series", "audio"))
    signals = [Series(row) for row in table]
    low, high = 20 / sound.rate_hz, 20_000 / sound.rate_hz
    rows = [
        compare(
            "series scalogram, 20 series of ECG200, 96 samples",
            "PyWavelets",
            lambda: series.batch(signals),
            lambda: [grey(np.sqrt(scalogram_by_pywt(row, 1 / len(row), 0.5))) for row in table],
            asked=3,
            rounds=5,
        ),
        compare(
            "series scalogram, 100 000 samples",
            "PyWavelets",
            lambda: series(Series(long)),
            lambda: grey(np.sqrt(scalogram_by_pywt(long, 1e-4, 0.5))),
            asked=3,
            rounds=3,
        ),
        compare(
            "audio scalogram, 5 s at 44.1 kHz",
            "PyWavelets",
            lambda: audio(sound),
            lambda: grey_db(librosa.power_to_db(scalogram_by_pywt(sound.samples[0], low, high), ref=np.max)),
            asked=3,
            rounds=3,
        ),
        compare(
            "cqt, 5 s at 44.1 kHz",
            "librosa",
            lambda: make("cqt")(sound),
            lambda: cqt_by_librosa(sound),
            asked=1,
            rounds=5,
        ),
        compare(
            "mfcc, 5 s at 44.1 kHz",
            "librosa",
            lambda: make("mfcc")(sound),
            lambda: mfcc_by_librosa(sound),
            asked=1,
            rounds=5,
        ),
    ]
    write(rows, packages=("scipy", "librosa", "PyWavelets"))


if __name__ == "__main__":
    main()
