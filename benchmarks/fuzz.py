"""Fuzz what reads things that nobody trusts, guided by coverage: readers, manifests, model folders, words of options.

    python -m pip install atheris
    python benchmarks/fuzz.py --seconds 1800 --out fuzzed audio series mouse binary manifest model words

Allowed is a result or a `PhospheneError` of one line that starts with the path at fault, within 5 s of CPU and 1 GB.
All else is a finding: its bytes and the traceback go to OUT/TARGET/findings, one for each line of code that raised. A
process that hangs, crashes or fills memory is replaced, its input kept there as crash-, timeout- or oom-. The folder
OUT/TARGET/corpus grows from run to run. Findings are mended as kinds and replayed by `tests/converters/test_fuzzed.py`.
`tests/pipeline/test_fuzz_replayed.py` runs the same targets for some seconds, without atheris.
"""

import argparse
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MOST_S, HANGS_S, MOST_MB, LARGEST = 5, 60, 1024, 1 << 16  # the first of CPU time
SUFFIXES = {
    "audio": ".wav .flac .ogg .mp3 .aiff .caf .au .m4a .w64",
    "series": ".csv .tsv .csv.gz .arff .ts .npy .npz .mat .h5 .xlsx .edf .parquet .hea .txt .jsonl .json",
    "mouse": ".csv .jsonl .json .txt .tsv",
    "binary": ".bin .exe .elf .hex .bytes .s19",
}
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
COMPILED = [
    f"phosphene.converters.{name}"
    for name in (
        "kernels.loops",
        "kernels.fft",
        "series.loops",
        "series.rocket_loops",
        "mouse.loops",
        "binary.loops",
    )
]
"""Numba compiles them, and would compile what atheris adds."""
Target = Callable[[bytes], None]


def seeds() -> dict[str, list[bytes]]:
    """Return the small files of the tests by target, each after a byte that chooses its name."""
    sys.path.insert(0, str(HERE.parent / "tests" / "converters"))
    from test_mutated_files import FILES

    found: dict[str, list[bytes]] = {"manifest": [b"\0" + FILES["meta.csv"]()]}
    for name, make in FILES.items():
        suffix = name[name.index(".") :]
        for kind, names in SUFFIXES.items():
            suffixes = names.split()
            if suffix in suffixes and not name.startswith("meta"):
                found.setdefault(kind, []).append(bytes([suffixes.index(suffix)]) + make())
    header = b"record 1 100 50\nrecord.dat 16 200 12 0 1 2 0 ECG\n"
    found["series"].append(bytes([SUFFIXES["series"].split().index(".hea")]) + header)
    found["manifest"] += [
        b"\0path,label,fold\na0.wav,x,1\na1.wav,y,2\n",
        b"\0filename;category;split\na0.wav;x;train\na1.wav;y;test\n",
        b"\1Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n"
        b"1\tSpectrogram 1\t1\t0.1\t0.4\t100\t900\tfinch\n",
        b"\0010.1\t0.3\tcall\n0.5\t0.9\tsong\n",
        b"\2a\nb\na\n",
        b"\0is_valid,fname,labels\nTrue,a0.wav,x\nFalse,a1.wav,y\n",
    ]
    found["words"] = [
        b"\0mel(size=64)+stft,gasf",
        b"\1t=5,2.5",
        b"\1events=150",
        b"\2a.csv#row=12",
        b"\2a.wav#t=5,10",
        b"\3train a --out b --lr 0.1 --seed 3 --as mel",
        b"\4time_shift,noise(level=0.1)",
        b"\5fold=5",
        b"\0grid(size=224x448)",
    ]
    return found


def files_of(kind: str) -> Target:
    """Return what lists, reads and draws a file that is made of bytes."""
    from phosphene.converters import default_views, read
    from phosphene.datasets.sources import find_files, open_manifest

    folder = Path(tempfile.mkdtemp())
    views = default_views(kind)
    for data in seeds()[kind]:  # compile what draws
        path = folder / f"a{SUFFIXES[kind].split()[data[0]]}"
        with _on_disk(path, data[1:]):
            for view in views:
                _allowed(lambda path=path, view=view: view(read(path, kind)))

    def run(data: bytes) -> None:
        suffixes = SUFFIXES[kind].split()
        path = folder / f"a{suffixes[data[0] % len(suffixes)]}"
        with _on_disk(path, data[1:]):
            find_files(path)
            signal = read(path)
            views[len(data) % len(views)](signal) if signal.kind == kind else None
            read(path, kind)
            open_manifest(path)

    return run


def manifests() -> Target:
    """Return what lists a folder of sounds by a table beside them, or labels beside an array."""
    import numpy as np
    import soundfile

    from phosphene.datasets.sources import find_files, open_manifest

    folder = Path(tempfile.mkdtemp())
    for number in range(4):
        soundfile.write(folder / f"a{number}.wav", np.zeros(800), 800)
    names = ("meta.csv", "a0.txt", "y_train.txt", "labels.tsv", "data.jsonl", "train.csv")
    np.save(folder / "X_train.npy", np.zeros((3, 1, 20), np.float32))

    def run(data: bytes) -> None:
        with _on_disk(folder / names[data[0] % len(names)], data[1:]) as table:
            for there in (table, folder):
                _allowed(lambda there=there: open_manifest(there).splits(), there)
                _allowed(lambda there=there: find_files(there), there)

    return run


def models(out: Path) -> Target:
    """Return what loads a model folder whose configuration, or the header of whose weights, is changed."""
    from phosphene.pipeline import Classifier

    folders = [trained(out, strategy) for strategy in ("probe", "scratch")]
    whole = {
        folder: [(folder / name).read_bytes() for name in ("config.json", "model.safetensors")]
        for folder in folders
    }
    scratch = Path(tempfile.mkdtemp())

    def run(data: bytes) -> None:
        config, weights = whole[folders[data[0] % 2]]
        match data[0] // 2 % 3:
            case 0:
                config = data[1:]
            case 1:
                config = json.dumps(_changed(json.loads(config), data[1:])).encode()
            case 2:
                length = int.from_bytes(weights[:8], "little")
                header = json.dumps(_changed(json.loads(weights[8 : 8 + length]), data[1:])).encode()
                weights = len(header).to_bytes(8, "little") + header + weights[8 + length :]
                checksum = hashlib.sha256(weights).hexdigest().encode()
                config = re.sub(rb'(weights_sha256": ")\w+', rb"\g<1>" + checksum, config)
        (scratch / "config.json").write_bytes(config)
        (scratch / "model.safetensors").write_bytes(weights)
        _allowed(lambda: Classifier.load(scratch), scratch / "config.json")

    return run


VALUES = (
    None, True, 0, 1, -1, 2, 3, 64, 1 << 31, 1 << 62, 0.5, 1e308, float("nan"), "", "mel", "gasf", "lenet", "probe",
    "series", "audio", "t", [], {}, [1], [[]], {"a": 1}, "x" * 300, ["a", "b", "c"], [0, 1], [[1, 2], [3, 4]], "F32",
)  # fmt: skip


def _changed(tree: Any, data: bytes) -> Any:
    """Return JSON with values replaced, lost or moved: three bytes a change, which say where and to what."""
    for at in range(0, min(len(data) - 2, 24), 3):
        nodes = [(tree, key) for key in _keys(tree)]
        for parent, key in nodes:  # it grows while it is walked
            nodes += [(parent[key], inner) for inner in _keys(parent[key])]
        if not nodes:
            break
        parent, key = nodes[int.from_bytes(data[at : at + 2], "little") % len(nodes)]
        how = data[at + 2]
        if how >= 248:
            del parent[key]
        elif how >= 240:
            parent[key] = [parent[key]]
        elif how >= 224:
            other, there = nodes[how * 7 % len(nodes)]
            parent[key] = json.loads(json.dumps(other[there]))
        else:
            parent[key] = json.loads(json.dumps(VALUES[how % len(VALUES)]))
    return tree


def _keys(tree: Any) -> list[Any]:
    return list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []


def trained(out: Path, strategy: str) -> Path:
    """Return a small model, trained once; its weights are cut down to what a fuzzer can change."""
    from phosphene.datasets import make_synthetic
    from phosphene.pipeline import Recipe, train

    folder = out / "models" / strategy
    if not folder.exists():
        make_synthetic("series", out / "files", items_per_class=4)
        weights, epochs = (Path("random"), None) if strategy == "probe" else (None, 1)
        recipe = Recipe(
            views="gasf(size=16)", arch="lenet", strategy=strategy, weights=weights, epochs=epochs, workers=1
        )
        train(out / "files", recipe, valid="none", out=folder, progress=False)
    return folder


def words() -> Target:
    """Return what parses the text forms of options, and whole command lines."""
    import contextlib
    import io

    from phosphene.converters import parse_views
    from phosphene.converters.core.signal import parse_address
    from phosphene.datasets.manifest import Item, Manifest
    from phosphene.datasets.windows import parse_windows
    from phosphene.pipeline.app.arguments import recipe_of
    from phosphene.pipeline.app.cli import make_parser
    from phosphene.pipeline.augment.views import parse_augmentations

    parser = make_parser()
    manifest = Manifest(tuple(Item(Path(f"{n}.bin"), label="ab"[n % 2]) for n in range(40)), "binary", "x")

    def command(text: str) -> None:
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            recipe_of(parser.parse_args(text.split()))

    parsers = (
        parse_views,
        parse_windows,
        parse_address,
        command,
        lambda text: parse_augmentations(text, kind="audio"),
        lambda text: manifest.valid_split(text, seed=0),
    )

    def run(data: bytes) -> None:
        parsers[data[0] % len(parsers)](data[1:400].decode("utf-8", "surrogateescape").replace("\n", " "))

    return run


class _on_disk:  # noqa: N801  (used as a word)
    """A file that exists inside a `with`; errors of reading it must start with its path."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        path.write_bytes(data)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.path.unlink()


class MessageError(Exception):
    """A message is not one line that starts with the path at fault."""


def _allowed(function: Callable[[], object], place: Path | None = None) -> None:
    """Run a function; a `PhospheneError` of one line that starts with a path is what it may raise."""
    from phosphene.converters import PhospheneError, ReadError

    try:
        function()
    except PhospheneError as error:
        text = str(error)
        named = place is None or not isinstance(error, ReadError) or text.startswith(str(place.parent))
        if "\n" in text or len(text) > 1500 or not named:
            raise MessageError(text) from error


def target_of(name: str, out: Path) -> Target:
    """Return what takes the bytes of a target; models are trained into a folder."""
    make: dict[str, Callable[[], Target]] = {
        "manifest": manifests,
        "model": lambda: models(out),
        "words": words,
    }
    return make.get(name, lambda: files_of(name))()


def fuzz(target: str, folder: Path, seconds: int) -> None:
    """Fuzz one target in this process, until libFuzzer ends it."""
    import atheris

    sys.path.insert(0, str(HERE.parent / "tests" / "converters"))
    with atheris.instrument_imports(include=["phosphene"], exclude=COMPILED):
        from phosphene.converters.core.apart import ask_nobody

        ask_nobody()  # what another process reads is not guided by coverage
        run = target_of(target, folder.parent)
        # What is imported at the first use is instrumented too.
        for data in corpus(target, folder.parent):
            _tried(run, data, folder / "findings")
    limits = [
        f"-max_total_time={seconds}",
        f"-timeout={HANGS_S}",
        f"-rss_limit_mb={2 * MOST_MB}",
        f"-malloc_limit_mb={MOST_MB}",
        f"-max_len={LARGEST}",
        f"-artifact_prefix={folder}/findings/",
        "-print_final_stats=1",
    ]
    logging.disable()
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", RuntimeWarning)
    atheris.Setup(
        [sys.argv[0], str(folder / "corpus"), *limits],
        lambda data: _tried(run, data, folder / "findings") if data else None,
        enable_python_coverage=True,
    )
    atheris.Fuzz()


def _tried(run: Target, data: bytes, findings: Path) -> None:
    begin = time.process_time()
    try:
        _allowed(lambda: run(data))
        if time.process_time() - begin > MOST_S:
            raise TimeoutError("more than 5 s of CPU time")
    except (Exception, SystemExit) as error:
        where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        ours = [place for place in where if "phosphene" in place or str(HERE.parent) in place]
        mark = hashlib.sha1(f"{type(error).__name__} {ours[-1:]} {where[-1:]}".encode()).hexdigest()[:10]
        if not (findings / mark).exists():
            (findings / mark).write_bytes(data)
            (findings / f"{mark}.txt").write_text("".join(traceback.format_exception(error)))


def corpus(target: str, out: Path) -> list[bytes]:
    """Return what fuzzing starts from."""
    if target != "model":
        return seeds()[target]
    whole = [
        bytes([n]) + (trained(out, kind) / "config.json").read_bytes()
        for n, kind in enumerate(("probe", "scratch"))
    ]
    return whole + [bytes([sort, *range(1, 1 + 3 * n)]) for sort in range(2, 6) for n in (1, 2)]


def main() -> None:
    """Fuzz targets one after the other, each in a process that is replaced when it dies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=1800, help="of each target")
    parser.add_argument("--out", type=Path, default=Path("fuzzed"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for target in options.targets:
        folder = options.out.resolve() / target
        for name in ("corpus", "findings"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if options.here:
            fuzz(target, folder, options.seconds)
        else:
            print(json.dumps(_in_processes(target, folder, options.seconds)), flush=True)


def _in_processes(target: str, folder: Path, seconds: int) -> dict[str, Any]:
    for number, data in enumerate(corpus(target, folder.parent)):
        (folder / "corpus" / f"seed{number}").write_bytes(data)
    end, tried, ended = time.monotonic() + seconds, 0, 0
    while (left := int(end - time.monotonic())) > 5:
        words = [target, "--here", "--seconds", str(left), "--out", str(folder.parent)]
        with tempfile.TemporaryFile("w+") as log, tempfile.TemporaryDirectory(dir=IN_MEMORY) as scratch:
            there = os.environ | {"TMPDIR": scratch, "PHOSPHENE_CACHE": f"{scratch}/cache"}
            done = subprocess.run(
                [sys.executable, __file__, *words], stderr=log, stdout=log, check=False, env=there
            )
            log.seek(0)
            text = log.read()
        (folder / "last.log").write_text(text)
        executed = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)", text, re.MULTILINE)
        if not executed:
            sys.exit(f"{target}: cannot be fuzzed, see {folder / 'last.log'}")
        tried += int(max(executed[-1]))
        ended += done.returncode != 0
    findings = len(list((folder / "findings").glob("*.txt")))
    return {
        "target": target, "seconds": seconds, "inputs": tried, "findings": findings, "processes_ended": ended
    }  # fmt: skip


if __name__ == "__main__":
    main()
