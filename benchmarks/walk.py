"""How far a file goes: the files and functions that run for a command, and how often one file is opened.

`python benchmarks/walk.py` prints a row a command; `--files convert` lists the files of one, in the order of first
call. Processes that a command starts are counted with it; what runs while modules are imported is not.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

import phosphene as ph
from phosphene.datasets import make_synthetic

# Runs in every process of a command: notes each function of the library at its first call, and each opening of a file.
NOTED = """
import os, sys, threading
_out = os.open(os.environ["WALK_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_seen, _watched = set(), os.environ["WALK_FILE"]
def _note(frame, event, _):
    code = frame.f_code
    if event == "call" and code not in _seen:
        _seen.add(code)
        if "/converters/" in code.co_filename or "/datasets/" in code.co_filename or "/pipeline/" in code.co_filename:
            # Modules and class bodies lack the flag CO_OPTIMIZED: they run at import.
            if "site-packages" not in code.co_filename and code.co_flags & 1 and code.co_name[0] != "<":
                os.write(_out, f"call\\t{code.co_filename}\\t{code.co_qualname}\\n".encode())
def _opened(event, arguments):
    if event == "open" and str(arguments[0]) == _watched and str(arguments[1] or "r")[0] == "r":
        os.write(_out, b"open\\t\\t\\n")
sys.setprofile(_note)
threading.setprofile(_note)
sys.addaudithook(_opened)
"""


def walk(words: list[object], watched: Path) -> tuple[list[str], int, int]:
    """Run a command; return the files in the order of their first call, the number of functions, and of openings."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "sitecustomize.py").write_text(NOTED)
        out = Path(scratch, "out")
        paths = os.pathsep.join(filter(None, [scratch, os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": paths, "WALK_OUT": str(out), "WALK_FILE": str(watched)}
        env["PHOSPHENE_CACHE"] = str(Path(scratch, "cache"))
        command = [sys.executable, "-P", "-m", "phosphene", *map(str, words)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        rows = [line.split("\t") for line in out.read_text().splitlines()]
    calls = dict.fromkeys((path, name) for what, path, name in rows if what == "call")
    return list(dict.fromkeys(path for path, _ in calls)), len(calls), sum(row[0] == "open" for row in rows)


def examples(folder: Path) -> dict[str, tuple[list[object], Path]]:
    """Make the inputs of each command: its words, and the file whose openings are counted."""
    wav, csv = folder / "one.wav", folder / "one.csv"
    soundfile.write(wav, np.sin(np.arange(80_000) * 0.3), 16_000)
    make_synthetic("series", folder / "series", items_per_class=7)
    csv.write_bytes((folder / "series" / "normal" / "000.csv").read_bytes())
    model = folder / "model"
    ph.train(folder / "series", ph.Recipe(views="gasf", strategy="probe"), out=model, progress=False)
    series: list[object] = [folder / "series", "--as", "gasf", "--workers", 1]
    five = "images;lightgbm, catch22;nearest, raw;minirocket;majority"
    return {
        "convert": (["convert", wav, folder / "images", "--as", "mel"], wav),
        "convert csv": (["convert", csv, folder / "fields", "--as", "gasf"], csv),
        "train": (["train", *series, "--out", folder / "other"], folder / "series" / "normal" / "000.csv"),
        "predict": (["predict", model, csv], csv),
        "benchmark": (["benchmark", *series, "--methods", five, "--out", folder / "page"], csv),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", metavar="COMMAND", help="list the files that one command runs through")
    listed = parser.parse_args().files
    with tempfile.TemporaryDirectory() as scratch:
        print(f"{'command':12} {'files':>6} {'functions':>10} {'openings':>9}")
        for name, (words, watched) in examples(Path(scratch).resolve()).items():
            if listed in (None, name):
                files, functions, openings = walk(words, watched)
                print(f"{name:12} {len(files):6} {functions:10} {openings:9}")
                if listed:
                    print("\n".join(files))


if __name__ == "__main__":
    main()
