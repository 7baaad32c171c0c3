"""Features of sound: what librosa measures in each frame, and the statistics of it over all frames."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import cast

import numpy as np

from phosphene.converters import Audio
from phosphene.converters.core.signal import Signal

from .feature_set import FeatureSet, Record, Table, finite32

RATE_HZ = 22_050
"""Sound is resampled to librosa's own rate first: a frame, a coefficient and a band of contrast then mean the same in
every file, whatever it was recorded with, and half the work remains of the usual 44,100 Hz."""

N_FFT, HOP_LENGTH = 2048, 512
_N_MELS, _N_MFCC, _N_CHROMA, _N_BANDS = 128, 20, 12, 6
_LOUDEST = 1e6  # of full scale: the power of anything louder might be infinite
_AT_A_TIME = 1024  # frames whose spectra, 24 s of sound, are in memory together
_LONGEST_BEAT = 384  # frames, 9 s, as in librosa's tempogram

_QUANTILES = (0.1, 0.5, 0.9)
STATISTICS = ("mean", "deviation", "quantile_10", "quantile_50", "quantile_90")

FRAME_NAMES = (
    *(f"{order}mfcc_{n:02d}" for order in ("", "delta_", "delta2_") for n in range(_N_MFCC)),
    *(f"chroma_{n:02d}" for n in range(_N_CHROMA)),
    *(f"contrast_{n}" for n in range(_N_BANDS + 1)),
    "centroid_hz",
    "bandwidth_hz",
    "rolloff_hz",
    "flatness",
    "zero_crossing_rate",
    "rms",
)
"""What is measured in each frame."""


def frame_features(samples: np.ndarray) -> np.ndarray:
    """Return what librosa measures in each frame of a sound at RATE_HZ: float32 (len(FRAME_NAMES), frames).

    Notes
    -----
    Two things differ from librosa's defaults. Pitch classes are those of A at 440 Hz, since what a noise is tuned
    to is chance. Beyond both ends coefficients stand still where their changes are taken, so that a sound of few
    frames has changes too.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    >>> frames = frame_features(tone)
    >>> frames.shape, int(frames[60:72].mean(axis=1).argmax())  # pitch class 9 is A
    ((85, 44), 9)
    """
    frames, log_mel = _blockwise(samples)
    return np.concatenate([_cepstral(log_mel), frames])


def tempo_bpm(log_mel: np.ndarray) -> float:
    """Return the tempo of a sound in beats a minute, from its mel levels in dB, (n_mels, frames).

    From the autocorrelation of all onsets at once, where librosa takes the mean of that of 9 s around each frame: no
    different in a short sound, at a tenth of the time.

    Examples
    --------
    >>> beats = np.full((128, 431), -80.0, np.float32)
    >>> beats[:, ::20] = 0  # every 20 of 43 frames a second
    >>> round(tempo_bpm(beats))
    129
    """
    import librosa

    onsets = librosa.onset.onset_strength(S=log_mel, sr=RATE_HZ, hop_length=HOP_LENGTH)
    echoes = np.zeros((_LONGEST_BEAT, 1))
    found = librosa.autocorrelate(onsets, max_size=_LONGEST_BEAT)
    echoes[: len(found), 0] = found.clip(0) / max(found.max(), 1e-20)
    return float(librosa.feature.tempo(tg=echoes, sr=RATE_HZ, hop_length=HOP_LENGTH)[0])


def _blockwise(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what is measured in each frame for itself, (features, frames), and mel levels in dB, (n_mels, frames)."""
    import librosa

    frames, mel = zip(*map(_block, *_blocks(samples)), strict=True)
    return np.concatenate(frames, axis=1), librosa.power_to_db(np.concatenate(mel, axis=1))


def _blocks(samples: np.ndarray) -> tuple[Iterator[np.ndarray], Iterator[np.ndarray]]:
    """Return the samples of some frames after the other, as librosa pads them for spectra and for crossings of zero."""
    n_frames = 1 + len(samples) // HOP_LENGTH

    def cut(padded: np.ndarray) -> Iterator[np.ndarray]:
        for first in range(0, n_frames, _AT_A_TIME):
            stop = min(first + _AT_A_TIME, n_frames)
            yield padded[first * HOP_LENGTH : (stop - 1) * HOP_LENGTH + N_FFT]

    half = N_FFT // 2
    return cut(np.pad(samples, half)), cut(np.pad(samples, half, mode="edge"))


def _block(samples: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the features and the power in mel bands of some frames: all from one spectrum."""
    import librosa
    from librosa import feature

    spectrum = np.abs(librosa.stft(samples, n_fft=N_FFT, hop_length=HOP_LENGTH, center=False))
    power = spectrum**2
    mel_bands, pitch_classes = _filters()
    centroid = feature.spectral_centroid(S=spectrum, sr=RATE_HZ)
    features = (
        librosa.util.normalize(pitch_classes @ power, norm=np.inf, axis=0),
        feature.spectral_contrast(S=spectrum, sr=RATE_HZ, n_bands=_N_BANDS),
        centroid,
        feature.spectral_bandwidth(S=spectrum, sr=RATE_HZ, centroid=centroid),
        feature.spectral_rolloff(S=spectrum, sr=RATE_HZ),
        feature.spectral_flatness(S=power, power=1.0),
        _zero_crossing_rate(held)[None],
        feature.rms(y=samples, frame_length=N_FFT, hop_length=HOP_LENGTH, center=False),
    )
    return np.concatenate(features).astype(np.float32), mel_bands @ power


def _zero_crossing_rate(samples: np.ndarray) -> np.ndarray:
    """Return the share of the samples of each frame whose sign is not that of the sample before, (frames,).

    Equal to `librosa.feature.zero_crossing_rate`, whose compiled loop is not called: where two processes compile it
    for the first time at once, the next one to load it may crash (numba issue 10128).
    """
    is_below = samples < -1e-10
    changes = np.concatenate([[0], np.cumsum(is_below[1:] != is_below[:-1])])
    first = np.arange(0, len(samples) - N_FFT + 1, HOP_LENGTH)
    return np.asarray((changes[first + N_FFT - 1] - changes[first]) / N_FFT)


@cache
def _filters() -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of mel bands and of pitch classes, (bands, bins)."""
    from librosa import filters

    return (
        filters.mel(sr=RATE_HZ, n_fft=N_FFT, n_mels=_N_MELS),
        filters.chroma(sr=RATE_HZ, n_fft=N_FFT, n_chroma=_N_CHROMA),
    )


def _cepstral(log_mel: np.ndarray) -> np.ndarray:
    """Return mel-frequency cepstral coefficients, their changes, and the changes of these."""
    from librosa import feature

    mfcc = feature.mfcc(S=log_mel, n_mfcc=_N_MFCC)
    deltas: list[np.ndarray] = [feature.delta(mfcc, order=order, mode="nearest") for order in (1, 2)]
    return np.asarray(np.concatenate([mfcc, *deltas]), np.float32)


def _resampled(sound: Audio) -> np.ndarray:
    """Return the mean of the channels at RATE_HZ, float32 (n,)."""
    import librosa

    mono = sound.samples.mean(axis=0, dtype=np.float64).clip(-_LOUDEST, _LOUDEST).astype(np.float32)
    return librosa.resample(mono, orig_sr=sound.rate_hz, target_sr=RATE_HZ)


def _measure(signal: Signal) -> Record:
    plain, log_mel = _blockwise(_resampled(cast(Audio, signal)))
    frames = np.concatenate([_cepstral(log_mel), plain])
    quantiles = np.quantile(frames, _QUANTILES, axis=1)
    # In double precision, since the sums of thousands of frames are long.
    mean, deviation = frames.mean(axis=1, dtype=np.float64), frames.std(axis=1, dtype=np.float64)
    statistics = np.stack([mean, deviation, *quantiles], axis=1)
    return {"statistics": finite32(statistics), "tempo_bpm": np.array(tempo_bpm(log_mel))}


def _tabulate(records: Sequence[Record]) -> Table:
    names = (*(f"{frame}_{statistic}" for frame in FRAME_NAMES for statistic in STATISTICS), "tempo_bpm")
    rows = [np.append(record["statistics"].ravel(), record["tempo_bpm"]) for record in records]
    return Table(finite32(np.array(rows).reshape(len(records), len(names))), names)


FEATURE_SETS: tuple[FeatureSet, ...] = (
    FeatureSet(
        name="statistics",
        kind="audio",
        version=1,
        summary="mean, deviation and quantiles over frames of MFCC, their first and second changes, chroma, spectral "
        "contrast, centroid, bandwidth, roll-off, flatness, crossings of zero and level; tempo",
        source="Piczak 2015, https://doi.org/10.1145/2733373.2806390, whose forest saw statistics of MFCC and of "
        "crossings of zero; the rest as librosa measures it, McFee et al. 2015, "
        "https://doi.org/10.25080/Majora-7b98e3ed-003",
        measure=_measure,
        tabulate=_tabulate,
    ),
)
