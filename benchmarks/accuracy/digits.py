"""Accuracy on spoken digits by voices that were never heard, short sounds of uneven length.

    python benchmarks/accuracy/digits.py

The digits are spoken by `espeak-ng` (`apt-get install espeak-ng`): ten words by 24 voices, four times each with another
pitch and speed, at 8 kHz, with noise and silence around them; 0.17 to 1.4 s. Views were chosen on the first twelve
voices alone. Here four of these are learned from, and the other twelve are predicted.

Ours with the default views, and with those of long sounds; a random forest and a support vector machine on mean and
deviation of 13 MFCC in eight time slots, of whole sounds and without silence at their ends. Rows go to
benchmarks/results/digits.csv, in the place of former ones.
"""

import io
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from results import origin, rows_of, write_rows

from phosphene.converters import Audio
from phosphene.converters.audio.spectrogram import trim

RATE_HZ = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LANGUAGES = (
    "en-gb", "en-us", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd",
)  # fmt: skip
VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5",
    "klatt", "klatt2", "klatt4", "Alex", "Andy", "Annie", "Gene", "Hugo", "Lee", "Mario", "Michael", "steph",
)  # fmt: skip
TAKES = 4
LEARNED, CHOSEN_BY = 4, 12
PACKAGES = ("phosphene", "torch", "timm", "numpy", "scikit-learn", "librosa")
LONG_SOUND_VIEWS = "mel,mel(duration_s=1,keep=loudest)"


@dataclass(frozen=True)
class Voice:
    """How a voice speaks; silence is at most so long before and after a word."""

    number: int
    name: str
    pitch: int
    words_a_minute: int
    noise_db: float
    silence_s: float


@dataclass(frozen=True)
class Spoken:
    """A word by a voice: float32 (n,)."""

    samples: np.ndarray
    word: str
    voice: int


def main() -> None:
    spoken = speak()
    learned = [one for one in spoken if one.voice < LEARNED]
    others = [one for one in spoken if one.voice >= CHOSEN_BY]
    for method, predict in METHODS.items():
        begin = time.monotonic()
        right = np.mean(np.array(predict(learned, others)) == [one.word for one in others])
        row = {
            "method": method,
            "n_train": str(len(learned)),
            "n_test": str(len(others)),
            "accuracy": f"{right:.4f}",
            "seconds": f"{time.monotonic() - begin:.1f}",
        } | origin(PACKAGES)
        print(", ".join(row.values()), flush=True)
        kept = [old for old in rows_of("digits") if old["method"] != method]
        write_rows("digits", [*kept, row])


def speak() -> list[Spoken]:
    """Let every voice speak every word."""
    rng, voices = np.random.default_rng(1), []
    for number, variant in enumerate(VARIANTS):
        name = f"{LANGUAGES[number % len(LANGUAGES)]}+{variant}"
        pitch, speed = int(rng.integers(15, 85)), int(rng.integers(90, 260))
        voices.append(Voice(number, name, pitch, speed, rng.uniform(20, 40), rng.uniform(0, 0.35)))
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_take, *zip(*product(voices, WORDS, range(TAKES)), strict=True)))


def _take(voice: Voice, word: str, take: int) -> Spoken:
    import soundfile
    from scipy.signal import resample_poly

    rng = np.random.default_rng(voice.number * 1000 + WORDS.index(word) * 10 + take)
    pitch = int(np.clip(voice.pitch + rng.normal(0, 6), 0, 99))
    speed = int(np.clip(voice.words_a_minute * rng.uniform(0.8, 1.25), 80, 400))
    asked = ["espeak-ng", "-v", voice.name, "-p", str(pitch), "-s", str(speed), "--stdout", word]
    wave, rate_hz = soundfile.read(io.BytesIO(subprocess.run(asked, capture_output=True, check=True).stdout))
    heard = np.flatnonzero(np.abs(wave) > 0.01 * np.abs(wave).max())
    wave = resample_poly(wave[heard[0] : heard[-1] + 1], RATE_HZ, rate_hz)
    before, after = (np.zeros(int(RATE_HZ * voice.silence_s * rng.uniform())) for _ in range(2))
    wave = np.concatenate([before, wave / np.abs(wave).max(), after]) * rng.uniform(0.1, 0.9)
    noise = rng.normal(size=len(wave)) * 10 ** (-(voice.noise_db + rng.normal(0, 3)) / 20)
    wave = wave + noise * np.sqrt(np.square(wave).mean())
    return Spoken(wave.astype(np.float32), word, voice.number)


Predict = Callable[[list[Spoken], list[Spoken]], Any]


def _images(views: str | None) -> Predict:
    import phosphene as ph

    def predict(learned: list[Spoken], others: list[Spoken]) -> list[str | None]:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["PHOSPHENE_CACHE"] = cache
            sounds, asked = ([Audio(one.samples, RATE_HZ) for one in part] for part in (learned, others))
            recipe = ph.Recipe(views=views, strategy="probe")
            made = ph.train(sounds, [one.word for one in learned], recipe, valid="none", progress=False)
            return [one.label for one in made.classifier.predict(asked)]

    return predict


def _slots(spoken: Spoken, *, trimmed: bool) -> np.ndarray:
    """Return mean and deviation of 13 MFCC in eight parts of a sound: (208,)."""
    import librosa

    samples = spoken.samples
    if trimmed:
        start, stop = trim(samples[None], block=RATE_HZ // 50)
        samples = samples[start:stop]
    mfcc = librosa.feature.mfcc(y=samples, sr=RATE_HZ, n_mfcc=13, n_fft=256, hop_length=80, n_mels=40)
    slots = np.array_split(mfcc, 8, axis=1)
    return np.concatenate([np.r_[slot.mean(axis=1), slot.std(axis=1)] for slot in slots])


def _tabular(model: str, *, trimmed: bool) -> Predict:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    def predict(learned: list[Spoken], others: list[Spoken]) -> np.ndarray:
        forest = RandomForestClassifier(500, random_state=0)
        fitted = forest if model == "forest" else make_pipeline(StandardScaler(), SVC(C=10))
        table, asked = (
            np.array([_slots(one, trimmed=trimmed) for one in part]) for part in (learned, others)
        )
        return np.asarray(fitted.fit(table, [one.word for one in learned]).predict(asked))

    return predict


METHODS: dict[str, Predict] = {
    "images": _images(None),
    "images, views of long sounds": _images(LONG_SOUND_VIEWS),
    "forest": _tabular("forest", trimmed=False),
    "forest, trimmed": _tabular("forest", trimmed=True),
    "svm": _tabular("svm", trimmed=False),
    "svm, trimmed": _tabular("svm", trimmed=True),
}

if __name__ == "__main__":
    main()
