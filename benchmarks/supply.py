"""What phosphene stands on: its oldest and newest versions tried, licences, a software bill of materials, an audit.

    python -m pip install uv
    python benchmarks/supply.py try --resolution lowest-direct --python python3.11
    python benchmarks/supply.py try --resolution highest --python python3.13
    python benchmarks/supply.py licences
    python benchmarks/supply.py sbom --out sbom.json
    python benchmarks/supply.py audit

`try` needs about 8 GB of disk for a while, and adds a row to benchmarks/results/supply.csv. The others tell of the
environment that runs this script; `licences` writes docs/licences.md.
"""

import argparse
import csv
import datetime
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS, LICENCES = ROOT / "benchmarks/results/supply.csv", ROOT / "docs/licences.md"
SHOWN = ("numpy", "torch", "librosa", "numba", "scikit-learn", "pandas", "lief")
TESTS = ("tests/contract", "tests/converters", "tests/datasets", "tests/pipeline/classifier/test_classifier.py",
         "tests/pipeline/strategies/test_transfer.py", "tests/pipeline/tiles/test_render.py")  # fmt: skip
# What metadata leave out or say at length, as the packages' own files have it.
KNOWN = {"BSD License": "BSD", "MIT License": "MIT", "Apache Software License": "Apache-2.0"}


def try_versions(resolution: str, python: str, tests: list[str]) -> int:
    """Install versions into an environment of their own, run tests there, and note what came of it."""
    uv = [sys.executable, "-m", "uv"]
    with tempfile.TemporaryDirectory() as folder:
        pins, there = Path(folder, "pins.txt"), Path(folder, "venv/bin/python")
        compiled = [
            "pip",
            "compile",
            "-q",
            "--prerelease",
            "disallow",
            "--resolution",
            resolution,
            "--extra",
            "dev",
        ]
        subprocess.run([*uv, *compiled, "--python", python, ROOT / "pyproject.toml", "-o", pins], check=True)
        subprocess.run([*uv, "venv", "--quiet", "--python", python, Path(folder, "venv")], check=True)
        install = [*uv, "pip", "install", "--quiet", "--python", there]
        subprocess.run([*install, "-r", pins], check=True)
        subprocess.run([*install, "--no-deps", "-e", ROOT], check=True)
        # Loops that another version compiled would be written over, and compiled again there.
        own = os.environ | {"NUMBA_CACHE_DIR": f"{folder}/numba"}
        done = subprocess.run(
            [there, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(tests or TESTS)],
            cwd=ROOT, env=own, capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(done.stdout[-20_000:])
        versions = dict(re.findall(r"^([\w-]+)==(\S+)", pins.read_text(), re.MULTILINE))
    counts = {
        word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout[-400:])
    }
    row = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "resolution": resolution,
        "python": python,
        **{name: versions.get(name, "") for name in SHOWN},
        **{word: counts.get(word, 0) for word in ("passed", "failed", "skipped")},
    }
    is_new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        writer.writeheader() if is_new else None
        writer.writerow(row)
    return done.returncode


def licence_of(name: str) -> tuple[str, str]:
    """Return version and licence of a package, as its metadata say."""
    about = metadata(name)
    classified = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if "License ::" in line
    ]
    licence = about.get("License-Expression") or " or ".join(KNOWN.get(one, one) for one in classified)
    text = (about.get("License") or "").strip().splitlines()
    return about["Version"], licence or (text[0][:60] if text else "not said")


def licences() -> str:
    """Return a table of the packages that phosphene names, and of what their metadata say of their licence."""
    rows, seen = [], set[str]()
    for line in requires("phosphene") or ():
        name = re.match(r"[\w.-]+", line)[0]  # type: ignore[index]
        extra = re.search(r"extra == ['\"](\w+)", line)
        if name in seen or name == "phosphene" or (extra and extra[1] in ("dev", "benchmarks", "all")):
            continue
        seen.add(name)
        try:
            version, licence = licence_of(name)
        except PackageNotFoundError:
            version, licence = "not installed here", ""
        rows.append(f"| {name} | {extra[1] if extra else ''} | {version} | {licence} |")
    return "\n".join(["| package | extra | version | licence |", "|---|---|---|---|", *rows]) + "\n"


def with_tool(package: str, command: str, *words: object) -> int:
    """Run a tool about this environment that is installed for the moment, in an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([f"{folder}/bin/python", "-m", "pip", "install", "--quiet", package], check=True)
        return subprocess.run([f"{folder}/bin/{command}", *map(str, words)], check=False).returncode


def main() -> int:
    """Do what is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("try", "licences", "sbom", "audit"))
    parser.add_argument("tests", nargs="*", help="of try: what to run instead of the fast tests that matter")
    parser.add_argument("--resolution", choices=("lowest-direct", "highest"), default="lowest-direct")
    parser.add_argument("--python", default="python3.11")
    parser.add_argument("--out", type=Path, default=Path("sbom.json"))
    options = parser.parse_intermixed_args()  # tests may follow options
    match options.what:
        case "try":
            return try_versions(options.resolution, options.python, options.tests)
        case "sbom":
            return with_tool(
                "cyclonedx-bom", "cyclonedx-py", "environment", sys.executable, "-o", options.out
            )
        case "audit":
            site = next(path for path in sys.path if path.endswith("site-packages"))
            return with_tool("pip-audit", "pip-audit", "--path", site)
    before = LICENCES.read_text() if LICENCES.exists() else ""
    LICENCES.write_text(before.partition("| package |")[0] + licences())
    return 0


if __name__ == "__main__":
    sys.exit(main())
