"""`phosphene convert` of ESC-10 to PNG on two cores, against decoding alone and against the script people write.

    PHOSPHENE_DATA=~/data python benchmarks/speed/convert.py

Starting processes is outside the clock on both sides: the peers' pools are started and warm; of `convert`, which starts
its own workers, the seconds of 400 files are taken from the seconds of 1,200, and what is left is 800 files' time. The
start is shown in a line of its own. The script draws what our `mel` draws, 224 bands of a 2,048-sample window at
librosa's own rate of 22.05 kHz and hop of 512, and saves a grey PNG of 224 x 224 by Pillow.
"""

import harness  # isort: skip  (limits the threads before NumPy is imported)

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import soundfile

from phosphene.converters import make
from phosphene.pipeline.tiles.convert import convert

Peer = Callable[[list[Path]], object]
WORKERS, SMALL, LARGE, ROUNDS = 2, 400, 1200, 5


def decode(path: Path) -> int:
    with soundfile.SoundFile(path) as sound:
        return len(sound.read(dtype="float32"))


def script(path: Path, out: Path) -> None:
    """What people write today."""
    import librosa
    import PIL.Image

    samples, rate_hz = librosa.load(path)
    mel = librosa.feature.melspectrogram(y=samples, sr=rate_hz, n_mels=224)
    level_db = librosa.power_to_db(mel, ref=np.max)
    grey = np.clip((level_db + 80) / 80 * 255, 0, 255).astype(np.uint8)[::-1]
    PIL.Image.fromarray(grey).resize((224, 224)).save(out / f"{path.name}.png")


def links(files: list[Path], folder: Path, count: int) -> list[Path]:
    """The same files again and again under other names, so that there are enough to be timed."""
    folder.mkdir()
    made = []
    for place in range(count):
        source = files[place % len(files)]
        made.append(folder / f"{place:05d}{source.suffix}")
        os.link(source, made[-1])
    return made


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Ours:
    """Seconds that `convert` takes for LARGE - SMALL files, its start taken off."""

    def __init__(self, files: list[Path], folder: Path) -> None:
        self.small, self.large = folder / "small", folder / "large"
        links(files, self.small, SMALL)
        links(files, self.large, LARGE)
        self.out = folder / "out"

    def __call__(self) -> tuple[float, float]:
        small, large = (self._seconds(source) for source in (self.small, self.large))
        each = (large - small) / (LARGE - SMALL)
        return each, small - SMALL * each

    def _seconds(self, source: Path) -> float:
        shutil.rmtree(self.out, ignore_errors=True)
        return seconds(
            lambda: convert(source, self.out, views=[make("mel")], workers=WORKERS, progress=False)
        )


def run(
    name: str, files: list[Path], folder: Path, peers: dict[str, tuple[Peer, float]]
) -> list[harness.Row]:
    folder.mkdir()
    ours = Ours(files, folder)
    some = sorted(ours.large.iterdir())[: LARGE - SMALL]
    rounds: dict[str, list[tuple[float, float]]] = {peer: [] for peer in peers}
    starts = []
    for call, _ in peers.values():
        call(some[:64])
    for _ in range(ROUNDS):
        each, start = ours()
        starts.append(start)
        for peer, (call, _) in peers.items():
            rounds[peer].append((each, seconds(lambda call=call: call(some)) / len(some)))
    print(f"{name}: convert takes {np.median(starts):.2f} s to start and end")
    return [
        harness.row_of(f"convert {name} to mel PNG, two workers, a file", peer, pairs, asked=peers[peer][1])
        for peer, pairs in rounds.items()
    ]


def main() -> None:
    audio = sorted((harness.data_folder() / "esc10" / "audio").glob("*.ogg"))
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(WORKERS) as pool,
        joblib.Parallel(n_jobs=WORKERS) as jobs,
    ):
        root = Path(folder)
        out = root / "peer"
        out.mkdir()
        wave, copies = root / "wave", root / "ogg"
        wave.mkdir()
        copies.mkdir()
        for path in audio:  # beside the results: hard links do not cross file systems
            shutil.copy(path, copies)
            samples, rate_hz = soundfile.read(path, dtype="int16")
            soundfile.write(wave / f"{path.stem}.wav", samples, rate_hz)

        def decoding(paths: list[Path]) -> None:
            list(pool.map(decode, paths, chunksize=16))

        def scripted(paths: list[Path]) -> None:
            jobs(joblib.delayed(script)(path, out) for path in paths)

        rows = run(
            "ESC-10 (Ogg)",
            sorted(copies.iterdir()),
            root / "a",
            {
                "two processes that only decode": (decoding, 0.85),
                "librosa, Pillow and joblib": (scripted, 1.3),
            },
        )
        rows += run(
            "ESC-10 as WAV",
            sorted(wave.iterdir()),
            root / "b",
            {"librosa, Pillow and joblib": (scripted, 2.5)},
        )
    harness.write(rows, packages=("librosa", "soundfile", "pillow", "joblib"))


if __name__ == "__main__":
    main()
