"""The rules of the house that a program can check: who may import whom, and what the library never does."""

import ast
import collections
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("converters", "datasets", "pipeline")
LIBRARY = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))

# Each folder imports from itself and from those above it alone; so do functions of it, whenever they run.
ORDER = (
    "converters/core",
    "converters/kernels",
    "converters/audio converters/series converters/mouse converters/binary",
    "converters",
    "datasets",
    "pipeline/augment",
    "pipeline/gpu",
    "pipeline/tiles",
    "pipeline/backbones",
    "pipeline/networks",
    "pipeline/strategies",
    "pipeline/export",
    "pipeline/classifier",
    "pipeline/explain",
    "pipeline/features",
    "pipeline/baselines",
    "pipeline/compare",
    "pipeline/report",
    "pipeline/web",
    "pipeline/app",
    "pipeline/front",
)
TORCH = ("torch", "torchvision", "fastai", "timm")

MAX_FUNCTION_LINES, MAX_FILE_LINES, MAX_MODULES = 40, 600, 12

# File, module: why it is let through all the same.
ALLOWED = {
    ("converters/core/apart.py", "pickle"): "speaks with processes that it started itself",
    ("converters/core/apart.py", "cloudpickle"): "speaks with processes that it started itself",
    ("pipeline/tiles/engines.py", "pickle"): "speaks with processes that it started itself",
    ("pipeline/tiles/engines.py", "cloudpickle"): "speaks with processes that it started itself",
    ("pipeline/tiles/process_pool.py", "cloudpickle"): "speaks with processes that it started itself",
    (
        "pipeline/baselines/tabular.py",
        "joblib",
    ): "settings of scikit-learn's threads, nothing is loaded",
}

CALLS_NEVER_MADE = {"print", "eval", "exec", "load_learner"}
MODULES_NEVER_IMPORTED = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def place(path):
    return path.relative_to(ROOT).as_posix()


def dotted(path):
    return ".".join(("phosphene", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {dotted(path): path for path in LIBRARY}


@functools.cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Every name that a file imports, wherever in it, as (module, name or ""), with relative modules made whole."""
    package = ("phosphene", *path.relative_to(ROOT).with_suffix("").parts)[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*start, *filter(None, [node.module])))
            yield from ((base, alias.name) for alias in node.names)


@functools.cache
def graph():
    """Module -> the modules it imports, functions included; `__init__` stubs count as what they name."""
    edges = collections.defaultdict(set)
    for name, path in MODULES.items():
        stub = path.with_suffix(".pyi")
        for base, what in [*imports(path), *(imports(stub) if stub.exists() else ())]:
            target = f"{base}.{what}" if f"{base}.{what}" in MODULES else base
            if target in MODULES and target != name:
                edges[name].add(target)
    return edges


def circles():
    """The sets of modules that import one another round about (Tarjan's strongly connected components)."""
    edges, index, low, stack, found = graph(), {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in list(MODULES):
        if node not in index:
            visit(node)
    return [circle for circle in found if len(circle) > 1]


def rank(path):
    """The place of a file's folder in the order; the deepest folder that is named counts."""
    found = [
        (len(folder), floor)
        for floor, folders in enumerate(ORDER)
        for folder in folders.split()
        if place(path).startswith(f"{folder}/")
    ]
    return max(found)[1]


def test_no_circle_of_imports():
    assert circles() == []


def test_each_folder_imports_from_those_above_it_alone():
    up = [
        f"{place(MODULES[name])} imports {other}"
        for name, others in graph().items()
        for other in others
        if MODULES[name].name != "__init__.py" and rank(MODULES[other]) > rank(MODULES[name])
    ]
    assert up == []


def test_kinds_do_not_know_one_another():
    kinds = ORDER[2].split()
    for name, others in graph().items():
        own = next((kind for kind in kinds if place(MODULES[name]).startswith(f"{kind}/")), None)
        for other in others:
            theirs = next((kind for kind in kinds if place(MODULES[other]).startswith(f"{kind}/")), None)
            assert not own or theirs in (None, own), f"{name} imports {other}"


def test_converters_and_data_sets_know_no_torch():
    found = [
        f"{place(path)} imports {module}"
        for path in LIBRARY
        if not place(path).startswith("pipeline/")
        for module, _ in imports(path)
        if module.partition(".")[0] in TORCH
    ]
    assert found == []


def test_no_public_name_has_two_meanings():
    homes = collections.defaultdict(set)
    for path in LIBRARY:
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and node.name[0] != "_":
                homes[node.name].add(place(path))
    assert {name: sorted(paths) for name, paths in homes.items() if len(paths) > 1} == {}


def test_folders_are_small():
    counts = collections.Counter(path.parent for path in LIBRARY if path.name[0] != "_")
    assert {place(folder): count for folder, count in counts.items() if count > MAX_MODULES} == {}


def calls(path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


def called(call):
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def test_what_the_library_never_does():
    for path in LIBRARY:
        nodes = list(ast.walk(tree(path)))
        bad = [n.lineno for n in nodes if isinstance(n, ast.Assert)]
        assert not bad, f"{place(path)}: assert in lines {bad}, for what a user gave"
        bad = [n.lineno for n in nodes if isinstance(n, ast.ExceptHandler) and n.type is None]
        assert not bad, f"{place(path)}: bare except in lines {bad}"
        assert not any(what == "*" for _, what in imports(path)), f"{place(path)}: import *"
        bare = [c for c in calls(path) if isinstance(c.func, ast.Name) or called(c) == "load_learner"]
        assert not {called(c) for c in bare} & CALLS_NEVER_MADE, place(path)


def test_nothing_is_unpickled():
    for path in LIBRARY:
        allowed = {module for where, module in ALLOWED if where == place(path)}
        roots = {module.partition(".")[0] for module, _ in imports(path)} - allowed
        assert not roots & MODULES_NEVER_IMPORTED, place(path)
        for call in calls(path):
            options = {word.arg: ast.unparse(word.value) for word in call.keywords}
            line = f"{place(path)}:{call.lineno}"
            assert options.get("allow_pickle", "False") == "False", line
            if ast.unparse(call.func) == "torch.load":
                assert options.get("weights_only") == "True", line


def test_functions_and_files_are_short():
    for path in LIBRARY:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES, place(path)
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert code_lines(node) <= MAX_FUNCTION_LINES, f"{place(path)}::{node.name}"


def code_lines(function):
    """Lines of a function without its docstring."""
    documented = ast.get_docstring(function) is not None
    doc = function.body[0].end_lineno - function.body[0].lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - doc


def in_fresh_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


HEAVY = (*TORCH, "matplotlib", "pandas", "scipy", "numba", "librosa", "sklearn")


@pytest.mark.parametrize("package", ["phosphene", "phosphene.converters", "phosphene.datasets"])
def test_importing_loads_nothing_heavy(package):
    assert in_fresh_process(f"import sys, {package}; print(*set({HEAVY}) & set(sys.modules))") == ""
