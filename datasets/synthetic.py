"""Made-up data from a seed: small labelled raw files of every kind, and signals that one planted thing tells apart."""

import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np

from phosphene.converters import Audio, Binary, MouseTrace, Series, Signal
from phosphene.converters.core.converter import Between, describe, holds
from phosphene.converters.core.errors import ParameterError
from phosphene.converters.core.files import atomic_write
from phosphene.converters.core.signal import Kind

from .manifest import Item, Manifest
from .protocol import Protocol

_SOUND_RATE_HZ = 16_000
_SOUND_S = 2.0
_SOUND_TIME_S = np.arange(int(_SOUND_RATE_HZ * _SOUND_S)) / _SOUND_RATE_HZ


def engine(rng: np.random.Generator) -> np.ndarray:
    """Return harmonics of a pitch that wavers, as (n,) samples about 1 in size."""
    pitch_hz = rng.uniform(35, 110) * (1 + rng.uniform(0.02, 0.12) * _wander(rng))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / _SOUND_RATE_HZ
    order = np.arange(1, int(rng.integers(15, 60)))
    loudness = rng.uniform(0.3, 1, len(order)) / order ** rng.uniform(0.6, 1.4)
    hum = sum(a * np.sin(k * phase + rng.uniform(0, 6.28)) for k, a in zip(order, loudness, strict=True))
    return _unit(np.asarray(hum)) + rng.uniform(0.2, 0.9) * _coloured_noise(rng, rng.uniform(0.3, 1.2))


def bird(rng: np.random.Generator) -> np.ndarray:
    """Return whistles and chirps that sweep, over the wind, as (n,) samples."""
    song = np.zeros(len(_SOUND_TIME_S))
    for _ in range(int(rng.integers(2, 9))):
        length = int(_SOUND_RATE_HZ * rng.uniform(0.06, 0.35))
        start = int(rng.integers(0, len(song) - length))
        song[start : start + length] += _chirp(rng, length)
    wind = _coloured_noise(rng, rng.uniform(0.2, 1.5))
    return np.asarray(song / np.abs(song).max() + rng.uniform(0.1, 0.5) * wind)


def rain(rng: np.random.Generator) -> np.ndarray:
    """Return a hiss with drops in it, as (n,) samples."""
    hiss = _coloured_noise(rng, rng.uniform(-0.2, 0.9))
    drops = np.zeros(len(_SOUND_TIME_S))
    for start in rng.integers(0, len(drops) - 800, int(rng.integers(30, 250))):
        decay = np.exp(-np.arange(800) / rng.uniform(20, 150))
        drops[start : start + 800] += rng.exponential(1.0) * decay * rng.standard_normal(800)
    return hiss + rng.uniform(0.3, 1.2) * _unit(drops)


def _chirp(rng: np.random.Generator, length: int) -> np.ndarray:
    """Return one note: from one pitch to another, bent on the way, swelling and dying."""
    progress = np.linspace(0, 1, length)
    low_hz, high_hz = rng.uniform(1200, 6500, 2)
    pitch_hz = (
        low_hz
        + (high_hz - low_hz) * progress ** rng.uniform(0.5, 2)
        + rng.uniform(0, 400) * np.sin(2 * np.pi * rng.uniform(0, 6) * progress)
    )
    phase = 2 * np.pi * np.cumsum(pitch_hz) / _SOUND_RATE_HZ
    overtone = rng.uniform(0, 0.3) * (pitch_hz < _SOUND_RATE_HZ / 4)
    note = np.sin(phase) + overtone * np.sin(2 * phase)
    return np.asarray(rng.uniform(0.4, 1) * np.sin(np.pi * progress) ** 0.7 * note)


def _wander(rng: np.random.Generator) -> np.ndarray:
    """Return a slow curve between -1 and 1."""
    knots = rng.uniform(-1, 1, 9)
    return np.interp(_SOUND_TIME_S, np.linspace(0, _SOUND_S, len(knots)), knots)


def _coloured_noise(rng: np.random.Generator, slope: float) -> np.ndarray:
    """Return noise of unit size whose amplitude falls as frequency to the power of `slope`."""
    spectrum = np.fft.rfft(rng.standard_normal(len(_SOUND_TIME_S)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0) ** slope
    return _unit(np.fft.irfft(spectrum, len(_SOUND_TIME_S)))


def _unit(samples: np.ndarray) -> np.ndarray:
    return np.asarray(samples / samples.std())


def _to_wav(sound: Callable[[np.random.Generator], np.ndarray], rng: np.random.Generator) -> bytes:
    """Write a sound, as loud as chance has it, as a 16-bit WAV file."""
    from scipy.io import wavfile

    samples = sound(rng)
    loud = samples / np.abs(samples).max() * rng.uniform(0.2, 0.9)
    file = io.BytesIO()
    wavfile.write(file, _SOUND_RATE_HZ, np.round(loud * 32767).astype(np.int16))
    return file.getvalue()


_MACHINE_RATE_HZ = 800
_MACHINE_LENGTH = 400
_TURN_HZ = (5.0, 10.0)
_MACHINE_TIME_S = np.arange(_MACHINE_LENGTH) / _MACHINE_RATE_HZ
_IMPACTS_PER_TURN = 3.58
"""Of the outer ring of a common ball bearing."""


def normal(rng: np.random.Generator) -> np.ndarray:
    """Return acceleration in g, (2, n): radial and axial, of a machine in order."""
    return _running(rng, unbalance_g=rng.uniform(0.02, 0.1))


def imbalance(rng: np.random.Generator) -> np.ndarray:
    """Return acceleration in g, (2, n), with one strong push a turn, above all in the radial channel."""
    return _running(rng, unbalance_g=rng.uniform(0.4, 0.9))


def bearing(rng: np.random.Generator) -> np.ndarray:
    """Return acceleration in g, (2, n), with the ringing of impacts at the rate of a damaged outer ring."""
    turn_hz = rng.uniform(*_TURN_HZ)
    impacts = _impacts(rng, _IMPACTS_PER_TURN * turn_hz) * rng.uniform(0.6, 1.4)
    running = _running(rng, unbalance_g=rng.uniform(0.03, 0.2), turn_hz=turn_hz)
    return running + np.stack([impacts, rng.uniform(0.3, 0.8) * impacts])


def _running(rng: np.random.Generator, *, unbalance_g: float, turn_hz: float | None = None) -> np.ndarray:
    """Return the first two harmonics of a turning shaft in noise."""
    phase = 2 * np.pi * (turn_hz or rng.uniform(*_TURN_HZ)) * _MACHINE_TIME_S + rng.uniform(0, 2 * np.pi)
    second = rng.uniform(0.02, 0.12) * np.sin(2 * phase + rng.uniform(0, 2 * np.pi))
    radial = unbalance_g * np.sin(phase) + second
    axial = rng.uniform(0.1, 0.4) * unbalance_g * np.sin(phase + rng.uniform(0.5, 2.5)) + second
    return np.stack([radial, axial]) + rng.uniform(0.06, 0.15) * rng.standard_normal((2, _MACHINE_LENGTH))


def _impacts(rng: np.random.Generator, rate_hz: float) -> np.ndarray:
    """Return decaying oscillations that begin at a nearly even rate."""
    ring_hz, decay_s = rng.uniform(90, 180), rng.uniform(0.006, 0.015)
    gaps_s = rng.normal(1 / rate_hz, 0.02 / rate_hz, int(rate_hz * _MACHINE_LENGTH / _MACHINE_RATE_HZ) + 2)
    since_s = _MACHINE_TIME_S - (np.cumsum(gaps_s) - rng.uniform(0, 2 / rate_hz))[:, None]
    begun_s = np.maximum(since_s, 0)
    ringing = (since_s >= 0) * np.exp(-begun_s / decay_s) * np.cos(2 * np.pi * ring_hz * begun_s)
    return np.asarray((ringing * rng.uniform(0.6, 1.2, (len(gaps_s), 1))).sum(axis=0))


def _to_csv(machine: Callable[[np.random.Generator], np.ndarray], rng: np.random.Generator) -> bytes:
    """Write the two channels of a machine as CSV with a header."""
    columns = zip(_MACHINE_TIME_S, *machine(rng), strict=True)
    rows = (f"{t:.5f},{radial:.4f},{axial:.4f}\n" for t, radial, axial in columns)
    return ("time,radial_g,axial_g\n" + "".join(rows)).encode()


_SCREEN = (1920, 1080)


@dataclass
class _Session:
    """Rows of a session as they come, and the clock."""

    rows: list[str] = field(default_factory=list)
    time_s: float = 0.0

    def add(self, wait_s: float, position: np.ndarray, event: str) -> None:
        self.time_s += wait_s
        x, y = (min(max(round(at), 0), size - 1) for at, size in zip(position.tolist(), _SCREEN, strict=True))
        self.rows.append(f"{self.time_s:.3f},{x},{y},{event}\n")

    def to_csv(self) -> bytes:
        return ("time,x,y,event\n" + "".join(self.rows)).encode()


def person(rng: np.random.Generator) -> bytes:
    """Return a session of curved strokes with bell-shaped speed, tremor, corrections and pauses."""
    session, here = _Session(), _target(rng)
    for _ in range(int(rng.integers(8, 14))):
        there = _target(rng)
        missed = there + rng.normal(0, 0.03, 2) * np.abs(there - here).max()
        event = "drag" if rng.random() < 0.15 else "move"
        _reach(session, rng, here, missed, event)
        if rng.random() < 0.6:
            _reach(session, rng, missed, there, event)
        here = there
        _finish(session, rng, here, hold_s=rng.uniform(0.06, 0.16), rest_s=rng.exponential(0.5))
    return session.to_csv()


def bot(rng: np.random.Generator) -> bytes:
    """Return a session of straight strokes at constant speed with even clicks, sometimes a little shaken."""
    session, here = _Session(), _target(rng)
    speed_px, shake_px = rng.uniform(8, 30), rng.choice([0.0, 0.6, 1.5])
    hold_s, rest_s = rng.uniform(0.02, 0.12), rng.uniform(0.1, 0.8)
    for _ in range(int(rng.integers(8, 14))):
        there = _target(rng)
        steps = max(2, int(np.linalg.norm(there - here) / speed_px))
        event = "drag" if rng.random() < 0.15 else "move"
        for position in np.linspace(here, there, steps):
            session.add(_tick_s(rng), position + shake_px * rng.standard_normal(2), event)
        here = there
        _finish(session, rng, here, hold_s=hold_s, rest_s=rest_s)
    return session.to_csv()


def _reach(
    session: _Session, rng: np.random.Generator, start: np.ndarray, stop: np.ndarray, event: str
) -> None:
    """Add a stroke of least jerk (Flash and Hogan 1985, doi:10.1523/JNEUROSCI.05-07-01688.1985), bent."""
    way = stop - start
    length_px = float(np.linalg.norm(way))
    steps = max(4, int((0.1 + 0.12 * np.log2(1 + length_px / 20)) * rng.uniform(0.8, 1.4) / 0.016))
    part = np.linspace(0, 1, steps)[:, None]
    eased = 10 * part**3 - 15 * part**4 + 6 * part**5
    bow = rng.normal(0, 0.10) * np.array([-way[1], way[0]]) * np.sin(np.pi * eased)
    for position in start + eased * way + bow + rng.normal(0, 0.8, (steps, 2)):
        session.add(_tick_s(rng), position, event)


def _finish(
    session: _Session, rng: np.random.Generator, here: np.ndarray, *, hold_s: float, rest_s: float
) -> None:
    """Add what is done at a target: mostly a click, sometimes a few turns of the wheel; then a rest."""
    if rng.random() < 0.8:
        session.add(_tick_s(rng), here, "press")
        session.add(hold_s, here, "release")
    else:
        for _ in range(int(rng.integers(2, 7))):
            session.add(hold_s, here, "scroll")
    session.time_s += rest_s


def _target(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform((60, 60), (_SCREEN[0] - 60, _SCREEN[1] - 60))


def _tick_s(rng: np.random.Generator) -> float:
    """Return the time to the next report of the mouse, about 1/60 s for people and bots alike."""
    return float(rng.uniform(0.014, 0.019))


_FREQUENT = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an "
    "they which one you were her all she there would their we him been has when who will more no if out so "
    "said engine signal window letter report number system memory picture machine value record winter"
)
_VOCABULARY = _FREQUENT.split()
_INSTRUCTIONS = (
    b"\x48\x8b\x45%", b"\x48\x89\x45%", b"\x8b\x45%", b"\x89\x45%", b"\xe8%%\xff\xff", b"\xe8%%\x00\x00",
    b"\x0f\x84%%\x00\x00", b"\x74%", b"\x75%", b"\xeb%", b"\x89\xc7", b"\x31\xc0", b"\x48\x83\xc4%",
    b"\x48\x83\xec%", b"\x48\x8d\x3d%%\x00\x00", b"\xc7\x45%%\x00\x00\x00", b"\x85\xc0", b"\x48\x63\xd0",
    b"\x0f\xb6\x00", b"\xf2\x0f\x58\xc1", b"\x48\x01\xd0",
)  # fmt: skip
"""Instructions that compilers emit most; % stands for a byte that chance fills in."""


def program(rng: np.random.Generator) -> bytes:
    """Return a shared object: code, constants, data and sometimes a packed part, under ELF headers."""
    sections = {
        ".text": _code(rng, int(rng.integers(40, 250))),
        ".rodata": _constants(rng),
        ".data": _addresses(rng, int(rng.integers(100, 800))),
        ".dynstr": b"\0".join(_symbol(rng) for _ in range(int(rng.integers(20, 200)))) + b"\0",
    }
    if rng.random() < 0.3:
        sections[".packed"] = rng.bytes(int(rng.integers(2_000, 12_000)))
    return _elf(sections)


def document(rng: np.random.Generator) -> bytes:
    """Return a text, a page, a table, records, or a paged document with packed parts."""
    formats = (_prose, _page, _table, _records, _paged)
    return formats[int(rng.integers(len(formats)))](rng)


def _elf(sections: dict[str, bytes]) -> bytes:
    """Lay sections out behind an ELF64 header and one segment that holds all, their table at the end."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    body, table = bytearray(128), [struct.pack("<IIQQQQIIQQ", *[0] * 10)]
    for name, data in {**sections, ".shstrtab": names}.items():
        body += bytes(-len(body) % 16)
        name_offset = names.index(b"\0" + name.encode() + b"\0") + 1
        sort, flags = (3, 0) if name in (".dynstr", ".shstrtab") else (1, 6 if name == ".text" else 2)
        table.append(
            struct.pack("<IIQQQQIIQQ", name_offset, sort, flags, len(body), len(body), len(data), 0, 0, 16, 0)
        )
        body += data
    body += bytes(-len(body) % 8)
    head = struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, len(body), 0, 64, 56, 1, 64, len(table), len(table) - 1
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, len(body), len(body), 4096)
    body[:120] = b"\x7fELF\x02\x01\x01" + bytes(9) + head + segment
    return bytes(body) + b"".join(table)


def _code(rng: np.random.Generator, n_functions: int) -> bytes:
    """Return functions of chance instructions, each at a multiple of 16 bytes."""
    code = bytearray()
    favour = rng.dirichlet(np.full(len(_INSTRUCTIONS), 2.0))
    for _ in range(n_functions):
        chosen = rng.choice(len(_INSTRUCTIONS), size=int(rng.integers(8, 60)), p=favour)
        body = np.frombuffer(b"".join(_INSTRUCTIONS[index] for index in chosen), np.uint8).copy()
        holes = body == ord("%")
        body[holes] = rng.integers(256, size=int(holes.sum()))
        code += b"\x55\x48\x89\xe5" + body.tobytes() + b"\x5d\xc3"
        code += b"\x90" * (-len(code) % 16)
    return bytes(code)


def _constants(rng: np.random.Generator) -> bytes:
    messages = b"\0".join(_sentence(rng).encode() for _ in range(int(rng.integers(10, 60))))
    return (
        messages
        + bytes(-len(messages) % 8)
        + rng.normal(0, 1, int(rng.integers(20, 300))).astype("<f8").tobytes()
    )


def _addresses(rng: np.random.Generator, count: int) -> bytes:
    rising = 0x4000 + np.cumsum(rng.integers(8, 256, count))
    return np.where(rng.random(count) < 0.4, 0, rising).astype("<u8").tobytes()


def _symbol(rng: np.random.Generator) -> bytes:
    return "_".join(_words(rng, int(rng.integers(1, 4)))).encode()


def _words(rng: np.random.Generator, count: int) -> list[str]:
    """Return words, the n-th about 1 / n as often as the first (Zipf's law)."""
    rank = len(_VOCABULARY) ** rng.random(count)
    return [_VOCABULARY[int(number) - 1] for number in rank]


def _sentence(rng: np.random.Generator) -> str:
    return " ".join(_words(rng, int(rng.integers(4, 16)))).capitalize() + "."


def _sentences(rng: np.random.Generator, low: int, high: int) -> list[str]:
    return [_sentence(rng) for _ in range(int(rng.integers(low, high)))]


def _prose(rng: np.random.Generator) -> bytes:
    return "\n\n".join(" ".join(_sentences(rng, 3, 12)) for _ in range(int(rng.integers(8, 60)))).encode()


def _page(rng: np.random.Generator) -> bytes:
    lines = [f'<div class="{_VOCABULARY[-9]}">\n  <p>{text}</p>\n</div>' for text in _sentences(rng, 40, 300)]
    return "\n".join(["<!DOCTYPE html>", "<html><body>", *lines, "</body></html>", ""]).encode()


def _table(rng: np.random.Generator) -> bytes:
    amounts = rng.normal(50, 20, int(rng.integers(150, 1200)))
    rows = (f"{i},{' '.join(_words(rng, 2))},{amount:.2f}\n" for i, amount in enumerate(amounts))
    return ("number,name,amount\n" + "".join(rows)).encode()


def _records(rng: np.random.Generator) -> bytes:
    texts = _sentences(rng, 80, 500)
    return "".join(json.dumps({"id": i, "note": text}) + "\n" for i, text in enumerate(texts)).encode()


def _paged(rng: np.random.Generator) -> bytes:
    """Return what lies in a PDF: numbered objects, most of them packed and so without any pattern."""
    parts = [b"%PDF-1.4\n"]
    for number in range(1, int(rng.integers(8, 40))):
        packed = rng.bytes(int(rng.integers(200, 900)))
        head = f"{number} 0 obj\n<< /Length {len(packed)} /Filter /FlateDecode >>\nstream\n".encode()
        parts += [head, packed, b"\nendstream\nendobj\n"]
        parts += [f"<< /Title ({text}) >>\n".encode() for text in _sentences(rng, 1, 6)]
    return b"".join([*parts, b"trailer\n%%EOF\n"])


N_FOLDS = 5

Maker = Callable[[np.random.Generator], bytes]

_MAKERS: dict[Kind, tuple[str, dict[str, Maker]]] = {
    "audio": (".wav", {sound.__name__: partial(_to_wav, sound) for sound in (bird, engine, rain)}),
    "series": (".csv", {state.__name__: partial(_to_csv, state) for state in (bearing, imbalance, normal)}),
    "mouse": (".csv", {"bot": bot, "person": person}),
    "binary": (".bin", {"document": document, "program": program}),
}
SYNTHETIC_KINDS: tuple[Kind, ...] = tuple(_MAKERS)


def make_synthetic(kind: Kind, folder: str | Path, *, items_per_class: int = 20, seed: int = 0) -> Manifest:
    """Write labelled files of one kind as `folder/CLASS/NNN.*`, the same bytes for the same seed.

    =========  ===================================================================================
    `audio`    `bird`, `engine`, `rain`: 16-bit WAV, 2 s at 16 kHz
    `series`   `bearing`, `imbalance`, `normal`: vibration of a machine, two channels, CSV
    `mouse`    `bot`, `person`: sessions with moves, drags, clicks and the wheel, CSV
    `binary`   `document`, `program`: texts, pages and tables; ELF files with sections
    =========  ===================================================================================

    Parameters
    ----------
    kind
        `audio`, `series`, `mouse` or `binary`.
    folder
        Made as needed; files of the same name are written anew.
    items_per_class
        How many files of each class, at least 1; a file does not depend on it.
    seed
        At least 0.

    Returns
    -------
    Manifest
        The files, in five folds.

    Raises
    ------
    ParameterError
        No such kind, or a number out of bounds.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manifest = make_synthetic("mouse", folder, items_per_class=2)
    >>> [(item.path.name, item.label, item.fold) for item in manifest.items[:2]]
    [('000.csv', 'bot', '1'), ('001.csv', 'bot', '2')]
    """
    if kind not in _MAKERS:
        raise ParameterError(f"make_synthetic.kind must be one of {', '.join(_MAKERS)}, got {kind!r}")
    for name, value, least in (("items_per_class", items_per_class, 1), ("seed", seed, 0)):
        rule = Annotated[int, Between(least)]
        if not holds(rule, value):
            raise ParameterError(f"make_synthetic.{name} must be {describe(rule)}, got {value!r}")
    suffix, makers = _MAKERS[kind]
    items = []
    for class_index, (label, make) in enumerate(makers.items()):
        for number in range(items_per_class):
            path = Path(folder) / label / f"{number:03d}{suffix}"
            with atomic_write(path) as file:
                file.write(make(np.random.default_rng((seed, class_index, number))))
            items.append(Item(path, label=label, fold=str(number % N_FOLDS + 1)))
    return Manifest(tuple(items), kind=kind, name=f"synthetic/{kind}")


def _list_items(kind: Kind, folder: Path) -> tuple[Item, ...]:
    return make_synthetic(kind, folder / "synthetic" / kind).items


SYNTHETIC = tuple(
    Protocol(
        name=f"synthetic/{kind}",
        kind=kind,
        metric="accuracy",
        summary=f"20 files of each of {', '.join(makers)}, made from seed 0; 5 folds",
        source="phosphene itself",
        licence="CC0 1.0",
        home="phosphene.datasets.make_synthetic",
        layout=(),
        folders=(),
        list_items=partial(_list_items, kind),
    )
    for kind, (_, makers) in _MAKERS.items()
)


BACKGROUND, PLANTED = "background", "planted"


@dataclass(frozen=True)
class Planted:
    """A signal, and where the thing is that makes its class; None where there is none. It is an explanation's truth.

    The thing is a tone burst, a step, clicks, or a pattern of bytes.

    Parameters
    ----------
    signal
        The signal.
    stretch
        In seconds of sound, samples, events or bytes, half-open.
    """

    signal: Signal
    stretch: tuple[float, float] | None

    @property
    def label(self) -> str:
        """The class."""
        return BACKGROUND if self.stretch is None else PLANTED


def plant(kind: Kind, count: int, *, seed: int = 0) -> list[Planted]:
    """Make signals of a kind, those of the two classes in turn.

    Examples
    --------
    >>> [one.label for one in plant("series", 2)]
    ['background', 'planted']
    """
    rng = np.random.default_rng(seed)
    return [_PLANTERS[kind](rng, index % 2 == 1) for index in range(count)]


def _planted_sound(rng: np.random.Generator, with_it: bool) -> Planted:
    """Return 2 s of noise; a quarter of a second of a tone, some 10 dB above the noise in its band."""
    rate_hz = 8000
    samples = 0.05 * rng.standard_normal(2 * rate_hz)
    start = int(rng.uniform(0.1, 1.65) * rate_hz)
    time_s = np.arange(rate_hz // 4) / rate_hz
    if with_it:
        tone = np.sin(2 * np.pi * rng.uniform(800, 3000) * time_s) * np.hanning(len(time_s)) ** 0.25
        samples[start : start + len(tone)] += 0.15 * tone
    return Planted(Audio(samples, rate_hz), (start / rate_hz, start / rate_hz + 0.25) if with_it else None)


def _planted_series(rng: np.random.Generator, with_it: bool) -> Planted:
    """Return 300 samples of a slow wave with noise; a step up, and down again after 40 samples."""
    count, width = 300, 40
    phase = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / rng.uniform(60, 120)
    values = np.sin(phase) + 0.2 * rng.standard_normal(count)
    start = int(rng.integers(10, count - width - 10))
    if with_it:
        values[start : start + width] += 2.5
    return Planted(Series(values), (start, start + width) if with_it else None)


def _planted_session(rng: np.random.Generator, with_it: bool) -> Planted:
    """Return 150 movements along a smooth way; six clicks in a row at one place."""
    count, clicks = 150, 12
    turns = np.cumsum(rng.normal(0, 0.25, count))
    x = 960 + np.cumsum(8 * np.cos(turns))
    y = 540 + np.cumsum(8 * np.sin(turns))
    event = np.zeros(count, np.uint8)
    start = int(rng.integers(5, count - clicks - 5))
    if with_it:
        x[start : start + clicks], y[start : start + clicks] = x[start], y[start]
        event[start : start + clicks] = [2, 3] * (clicks // 2)
    time_s = np.cumsum(rng.uniform(0.01, 0.03, count))
    return Planted(
        MouseTrace(time_s, x, y, event, (1920, 1080)), (start, start + clicks) if with_it else None
    )


def _planted_file(rng: np.random.Generator, with_it: bool) -> Planted:
    """Return 16 kB of words and noise; 1.5 kB that repeat a pattern of eight bytes."""
    words = [bytes(rng.integers(97, 123, rng.integers(3, 9)).astype(np.uint8)) for _ in range(60)]
    text = b" ".join(words[index] for index in rng.integers(0, 60, 2000))[:8192]
    data = np.frombuffer(text + rng.bytes(16384 - len(text)), np.uint8).copy()
    length = 1536
    start = int(rng.integers(0, len(data) - length))
    if with_it:
        pattern = np.array([0xFE, 0x01, 0xFD, 0x02, 0xFE, 0x03, 0xFB, 0x04], np.uint8)
        data[start : start + length] = np.tile(pattern, length // 8)
    return Planted(Binary(data), (start, start + length) if with_it else None)


_PLANTERS: dict[Kind, Callable[[np.random.Generator, bool], Planted]] = {
    "audio": _planted_sound,
    "series": _planted_series,
    "mouse": _planted_session,
    "binary": _planted_file,
}
