"""The rules of the house that a program can check: who may import whom, and what the library never does."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = sorted(
    path for folder in ("converters", "datasets", "pipeline") for path in (ROOT / folder).rglob("*.py")
)

# Folder or file: what nothing in it may import, at any depth of the code.
FORBIDDEN = {
    "converters": ("torch", "torchvision", "fastai", "timm", "phosphene.pipeline", "phosphene.datasets"),
    "datasets": (
        "torch",
        "torchvision",
        "fastai",
        "timm",
        "phosphene.pipeline.models",
        "phosphene.pipeline.app",
    ),
    "pipeline/data": ("phosphene.pipeline.models", "phosphene.pipeline.evaluation", "phosphene.pipeline.app"),
    "pipeline/models": ("phosphene.pipeline.evaluation", "phosphene.pipeline.app"),
    "pipeline/evaluation": ("phosphene.pipeline.app",),
}
# Batches begin at the loaders, and where a device draws them: what comes before knows no torch.
KNOWS_TORCH = {
    "augment.py",
    "device.py",
    "device_audio.py",
    "device_markov.py",
    "device_paths.py",
    "device_plain.py",
    "device_plain_audio.py",
    "device_series.py",
    "device_triton.py",
    "device_triton_audio.py",
    "loaders.py",
}

MAX_FUNCTION_LINES, MAX_FILE_LINES = 40, 400
# `PATH::FUNCTION` or `PATH`: why it may be longer, or do what is not done.
EXCUSED: dict[str, str] = {}

# (folder or file, module): why it is let through all the same.
ALLOWED = {
    ("pipeline/models", "phosphene.pipeline.evaluation.metrics"): "figures of arrays, of no stage",
    ("pipeline/data/engines.py", "pickle"): "speaks with processes that it started itself",
    ("pipeline/data/engines.py", "cloudpickle"): "speaks with processes that it started itself",
    ("pipeline/data/worker.py", "pickle"): "speaks with the process that started it",
}

CALLS_NEVER_MADE = {"print", "eval", "exec", "load_learner"}
MODULES_NEVER_IMPORTED = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}

every_module = pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix())


@functools.cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Every module that a file imports, wherever in it, with relative names made whole."""
    package = ("phosphene", *path.relative_to(ROOT).with_suffix("").parts)[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*start, *filter(None, [node.module])))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def calls(path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


def called(call):
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def is_allowed(path, module):
    place = path.relative_to(ROOT).as_posix()
    return any(
        f"{place}/".startswith(f"{part}/") and f"{module}.".startswith(f"{allowed}.")
        for part, allowed in ALLOWED
    )


def forbidden(path):
    place = path.relative_to(ROOT).as_posix()
    names = [name for part, banned in FORBIDDEN.items() if place.startswith(f"{part}/") for name in banned]
    if place.startswith("pipeline/data/") and path.name not in KNOWS_TORCH:
        names += ["torch", "torchvision", "fastai", "timm"]
    return names


@every_module
def test_no_stage_imports_a_later_one(path):
    banned = forbidden(path)
    found = [name for name in imports(path) if any(f"{name}.".startswith(f"{ban}.") for ban in banned)]
    assert [name for name in found if not is_allowed(path, name)] == []


@every_module
def test_what_the_library_never_does(path):
    nodes = list(ast.walk(tree(path)))
    assert not [n.lineno for n in nodes if isinstance(n, ast.Assert)], "assert, for what a user gave"
    assert not [n.lineno for n in nodes if isinstance(n, ast.ExceptHandler) and n.type is None], "bare except"
    stars = [n for n in nodes if isinstance(n, ast.ImportFrom) and any(a.name == "*" for a in n.names)]
    assert not [n.lineno for n in stars], "import *"
    bare = [c for c in calls(path) if isinstance(c.func, ast.Name) or called(c) == "load_learner"]
    assert not {called(c) for c in bare} & CALLS_NEVER_MADE


@every_module
def test_nothing_is_unpickled(path):
    roots = {name.partition(".")[0] for name in imports(path) if not is_allowed(path, name)}
    assert not roots & MODULES_NEVER_IMPORTED
    for call in calls(path):
        options = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert options.get("allow_pickle", "False") == "False", f"allow_pickle in line {call.lineno}"
        if ast.unparse(call.func) == "torch.load":
            assert options.get("weights_only") == "True", f"torch.load in line {call.lineno}"


@every_module
def test_functions_and_files_are_short(path):
    place = path.relative_to(ROOT).as_posix()
    if place not in EXCUSED:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert code_lines(node) <= MAX_FUNCTION_LINES or f"{place}::{node.name}" in EXCUSED, node.name


def code_lines(function):
    """Lines of a function without its docstring."""
    documented = ast.get_docstring(function) is not None
    doc = function.body[0].end_lineno - function.body[0].lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - doc


def test_excuses_are_used():
    for place in EXCUSED:
        assert (ROOT / place.partition("::")[0]).exists()


def in_fresh_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


HEAVY = (
    "torch",
    "torchvision",
    "fastai",
    "timm",
    "matplotlib",
    "pandas",
    "scipy",
    "numba",
    "librosa",
    "sklearn",
)


@pytest.mark.parametrize("package", ["converters", "datasets"])
def test_importing_loads_nothing_heavy(package):
    code = f"import sys, phosphene.{package}; print(*set({HEAVY}) & set(sys.modules))"
    assert in_fresh_process(code) == ""


def test_importing_the_converters_is_quick():
    # What a person waits; the best of ten, for what else the machine does is no matter of this test.
    code = "import time; s = time.perf_counter(); import phosphene.converters; print(time.perf_counter() - s)"
    times_s = []
    while len(times_s) < 10 and min(times_s, default=1.0) >= 0.3:
        times_s.append(float(in_fresh_process(code)))
    assert min(times_s) < 0.3, f"best of ten: {min(times_s):.2f} s"
