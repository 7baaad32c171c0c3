"""Batches drawn on a GPU: mel spectrograms against librosa, torchaudio and nnAudio, Gramian fields against copying.

    bash benchmarks/gpu/run.sh
    python benchmarks/gpu/convert.py --device cpu --quick     # a dry run, of a few signals

Signals lie in memory when the clock starts, and images on the device when it stops; of the peers also what they draw
from lies there already. Peers that are not installed get a row that says so.
"""

import argparse
import os
import sys

for _pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{_pool}_NUM_THREADS", "1")  # librosa on one core

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from timing import Row, Side, calls_for, compare, device_name, seconds, show, table, versions, write

from phosphene.converters import Audio, Series, make
from phosphene.pipeline.gpu.draw import batch_on

RATE_HZ, CLIP_S, N_FFT, HOP_LENGTH, N_MELS, LOW_HZ, HIGH_HZ = 44_100, 5, 2048, 441, 224, 20.0, 20_000.0
SAMPLES = 150  # of a series
SIZE = 224


class Bench:
    """What the rows share.

    Parameters
    ----------
    device
        Where.
    quick
        Few signals and rounds, to see that it runs.
    """

    def __init__(self, device: torch.device, *, quick: bool) -> None:
        self.device = device
        self.rounds = 2 if quick else 15
        self.clips, self.series = (2, 16) if quick else (512, 16_384)
        self.copied_bytes = 1 << 24 if quick else 1 << 31

    def goal(self, asked: float | None) -> float | None:
        """Return what is asked of a GPU, and of nothing else."""
        return asked if self.device.type == "cuda" else None

    def rows(self) -> Iterator[Row]:
        yield from self.agreement()
        yield from self.fields()
        yield from self.mel()

    def agreement(self) -> Iterator[Row]:
        """Count pixels that differ from the CPU's."""
        rng = np.random.default_rng(0)
        series = [Series(rng.standard_normal(SAMPLES).cumsum()) for _ in range(8)]
        sounds = [Audio(clip, RATE_HZ) for clip in sound(2)[:, None].numpy()]
        for name in ("gasf", "gadf", "mtf", "recurrence", "mel", "stft"):
            converter = make(name)
            signals = sounds if converter.kind == "audio" else series
            row = f"{name}, pixels on the device", "pixels on the CPU"
            try:
                expected = torch.from_numpy(converter.batch(signals)).int()
            except ImportError as error:
                yield told(Row(*row, note=f"not run: {error}"))
                continue
            found = batch_on(converter, signals, device=self.device).cpu().int()
            apart = (found - expected).abs()
            share = float((apart > 0).float().mean())
            note = f"differ by {int(apart.max())} grey level at most, in {share:.2%} of the pixels"
            yield told(Row(*row, note=note))

    def fields(self) -> Iterator[Row]:
        """Compare bytes written with bytes that a copy on the device moves, each byte read and written."""
        source = torch.randint(0, 256, (self.copied_bytes,), dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        copying = Side(lambda: target.copy_(source), 2 * self.copied_bytes / 1e9)
        noise = np.random.default_rng(0).standard_normal((self.series, SAMPLES))
        signals = [Series(walk) for walk in noise.cumsum(1)]
        for name in ("gasf", "gadf", "recurrence", "mtf"):
            draw = partial(batch_on, make(name, size=SIZE), signals, device=self.device)
            drawing = Side(draw, self.series * SIZE**2 / 1e9)
            yield compare(
                f"{name}, {self.series} series of {SAMPLES} samples, {SIZE} x {SIZE} uint8",
                "copy bandwidth",
                drawing,
                copying,
                device=self.device,
                unit="GB/s",
                rounds=self.rounds,
                note="bytes written a second over bytes read and written a second by a copy",
            )

    def mel(self) -> Iterator[Row]:
        """Compare mel spectrograms of clips, ours as finished pictures."""
        clips = sound(self.clips).to(self.device)
        mel = make("mel", size=SIZE, n_fft=N_FFT, hop_length=HOP_LENGTH, low_hz=LOW_HZ, high_hz=HIGH_HZ)
        signals = [Audio(clip, RATE_HZ) for clip in clips[:, None].cpu().numpy()]
        ours = Side(partial(batch_on, mel, signals, device=self.device), self.clips)
        work = f"mel, {self.clips} clips of {CLIP_S} s at {RATE_HZ} Hz, {SIZE} x {SIZE} uint8"
        for peer, prepare, asked, note in (
            ("librosa on one core", librosa_mel, 200.0, "mel and decibels, float32"),
            ("torchaudio", partial(torchaudio_mel, decibels=False), 1.0, "mel alone, float32"),
            (
                "torchaudio, decibels",
                partial(torchaudio_mel, decibels=True),
                None,
                "mel and decibels, float32",
            ),
            ("nnAudio", nnaudio_mel, 1.0, "mel alone, float32"),
        ):
            try:
                theirs = prepare(clips)
                yield compare(
                    work, peer, ours, theirs, device=self.device, unit="clips/s", rounds=self.rounds,
                    asked=self.goal(asked), note=note,
                )  # fmt: skip
            except Exception as error:  # whatever another package fails with is told in its row
                yield told(
                    Row(work, peer, asked=self.goal(asked), note=f"not run: {type(error).__name__}: {error}")
                )


def told(row: Row) -> Row:
    print(show(row), flush=True)
    return row


def sound(count: int) -> torch.Tensor:
    """Make clips, each a falling or rising tone in noise: float32 (count, samples)."""
    generator = torch.Generator().manual_seed(0)
    times_s = torch.arange(CLIP_S * RATE_HZ) / RATE_HZ
    pitch_hz = torch.rand(count, 2, generator=generator) * 4000 + 100
    phase = pitch_hz[:, :1] * times_s + (pitch_hz[:, 1:] - pitch_hz[:, :1]) * times_s**2 / (2 * CLIP_S)
    return 0.3 * torch.sin(2 * torch.pi * phase) + 0.02 * torch.randn(phase.shape, generator=generator)


def librosa_mel(clips: torch.Tensor) -> Side:
    import librosa

    few = clips[:4].cpu().numpy()
    options: dict[str, Any] = {
        "sr": RATE_HZ, "n_fft": N_FFT, "hop_length": HOP_LENGTH, "n_mels": N_MELS, "fmin": LOW_HZ, "fmax": HIGH_HZ,
    }  # fmt: skip

    def work() -> None:
        for clip in few:
            librosa.power_to_db(librosa.feature.melspectrogram(y=clip, **options), ref=np.max)

    return Side(work, len(few))


def torchaudio_mel(clips: torch.Tensor, *, decibels: bool) -> Side:
    from torchaudio import transforms

    draw = transforms.MelSpectrogram(
        RATE_HZ, N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS, f_min=LOW_HZ, f_max=HIGH_HZ, norm="slaney",
        mel_scale="slaney", pad_mode="constant",
    ).to(clips.device)  # fmt: skip
    level = transforms.AmplitudeToDB("power", top_db=80).to(clips.device)
    return best_batches((lambda some: level(draw(some))) if decibels else draw, clips)


def nnaudio_mel(clips: torch.Tensor) -> Side:
    from nnAudio.features import MelSpectrogram

    draw = MelSpectrogram(
        sr=RATE_HZ, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS, fmin=LOW_HZ, fmax=HIGH_HZ, pad_mode="constant",
        verbose=False,
    ).to(clips.device)  # fmt: skip
    return best_batches(draw, clips)


def best_batches(draw: Callable[[torch.Tensor], torch.Tensor], clips: torch.Tensor) -> Side:
    """Let a peer draw all clips, as many at a time as it is fastest with."""

    def all_of(size: int) -> None:
        with torch.no_grad():
            for some in clips.split(size):
                draw(some)

    sizes = [size for size in (32, 128, 512) if size <= len(clips)] or [len(clips)]
    timed = {}
    for size in sizes:
        work = partial(all_of, size)
        timed[seconds(work, clips.device, calls_for(work, clips.device))] = work
    return Side(timed[min(timed)], len(clips))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="few signals and rounds")
    options = parser.parse_args()
    device = torch.empty(0, device=options.device).device
    print(f"{device_name(device)}; {versions()}", flush=True)
    rows = list(Bench(device, quick=options.quick).rows())
    path = write(rows, device=device)
    print(f"\n{table(rows)}\n\nwritten: {path}")


if __name__ == "__main__":
    main()
