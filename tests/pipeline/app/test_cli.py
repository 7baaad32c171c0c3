"""What every command promises: quick help, one JSON object, exit statuses, no tracebacks."""

import io
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
from typing import get_args

import pytest

from phosphene.converters import converters
from phosphene.datasets import make_synthetic, protocols
from phosphene.pipeline.app import cli, commands
from phosphene.pipeline.backbones.catalog import TABULATED
from phosphene.pipeline.strategies.recipe import STRATEGIES
from phosphene.pipeline.tiles.convert import Form

COMMANDS = (
    "list",
    "show",
    "convert",
    "train",
    "cross-validate",
    "predict",
    "evaluate",
    "benchmark",
    "serve",
    "demo",
)
RULE_OF_SIZE = "an integer >= 8 and <= 4096 or (height, width), as text 224x448"
PROGRAM = "import sys; from phosphene.pipeline.app.cli import main; sys.exit(main())"
HEAVY = ("numpy", "torch", "matplotlib", "pandas", "scipy", "sklearn", "fastai", "phosphene.converters")


def in_process(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder of class folders."""
    folder = tmp_path_factory.mktemp("raw")
    make_synthetic("binary", folder, items_per_class=2)
    return folder


# Help


def test_help_imports_nothing_heavy():
    code = f"""
import sys
from phosphene.pipeline.app.cli import main
for command in ([], *([name] for name in {COMMANDS})):
    try:
        main([*command, "--help"])
    except SystemExit as done:
        assert done.code == 0
sys.stderr.write(" ".join(set({HEAVY}) & set(sys.modules)))
"""
    done = in_process(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("usage: phosphene") == 1 + len(COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"]], ids=" ".join)
def test_help_takes_less_than_half_a_second(arguments):
    # Time of the processor: what else the machine does is no matter of this test.
    def cost_s():
        before = os.times()
        assert in_process(PROGRAM, *arguments).returncode == 0
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert statistics.median(cost_s() for _ in range(10)) < 0.5


def test_the_commands_are_those_that_work(phosphene):
    words = phosphene("--help").out
    assert [name for name in COMMANDS if f"    {name}" in words] == list(COMMANDS)
    assert phosphene("fly").status == 2


def test_choices_are_those_of_the_library():
    assert cli._STRATEGIES == STRATEGIES
    options = cli.make_parser().parse_args(["convert", "a", "b"])
    assert options.to in get_args(Form)
    for form in get_args(Form):
        assert cli.make_parser().parse_args(["convert", "a", "b", "--to", form]).to == form


def test_version(phosphene):
    done = phosphene("--version")
    assert done.status == 0
    assert done.out.startswith("phosphene 0.")


# List


def test_list_as_json(phosphene):
    done = phosphene("list", "--json")
    assert (done.status, done.err) == (0, "")
    assert set(done.json) == {"converters", "backbones", "protocols"}
    assert [(c["name"], c["kind"]) for c in done.json["converters"]] == [
        (c.name, c.accepts.kind) for c in converters()
    ]
    assert done.json["backbones"] == list(TABULATED)
    assert [p["name"] for p in done.json["protocols"]] == list(protocols())
    (grid,) = (c for c in done.json["converters"] if c["name"] == "grid")
    assert grid["parameters"]["size"] == {"default": 224, "rule": RULE_OF_SIZE}


def test_list_of_one_kind_fits_the_terminal(phosphene, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    words = phosphene("list", "--kind", "series").out
    assert "gasf" in words
    assert "ucr/NAME" in words
    assert "mel" not in words.split()
    assert max(map(len, words.splitlines())) <= 80


def test_list_does_not_import_networks():
    code = "import sys; from phosphene.pipeline.app.cli import main; main(['list']); "
    code += (
        "sys.stderr.write(' '.join({'torch', 'timm', 'fastai', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = in_process(code)
    assert (done.returncode, done.stderr) == (0, "")


# Wrong use

WRONG = {
    "no command": ([], "arguments are required: COMMAND"),
    "unknown command": (["draw"], "invalid choice: 'draw'"),
    "abbreviated option": (["convert", "{raw}", "{out}", "--work", "2"], "unrecognized arguments: --work 2"),
    "no workers": (["convert", "{raw}", "{out}", "--workers", "0"], "--workers: must be an integer >= 1"),
    "workers in words": (["convert", "{raw}", "{out}", "--workers", "two"], "must be an integer >= 1"),
    "unknown strategy": (
        ["train", "{raw}", "--out", "{out}", "--strategy", "magic"],
        "invalid choice: 'magic'",
    ),
    "explained without a report": (["evaluate", "{out}", "{raw}", "--explained", "2"], "--report FILE.html"),
    "fewer than none explained": (
        ["evaluate", "{out}", "{raw}", "--explained", "-1"],
        "must be an integer >= 0",
    ),
    "seed below 0": (["train", "{raw}", "--out", "{out}", "--seed", "-1"], "--seed: must be an integer >= 0"),
}
WRONG_VALUES = {
    "missing source": (["convert", "missing", "{out}"], "missing: no such file or folder, and no protocol"),
    "empty source": (["convert", "", "{out}"], "SRC: no such file or folder"),
    "source without files": (["convert", "{empty}", "{out}"], "holds no files; name a folder that does"),
    "out is a file": (["convert", "{raw}", "{file}"], "a file, not a folder; name another folder"),
    "out below a file": (["convert", "{raw}", "{file}/out"], "a file, not a folder; name another folder"),
    "out is the source": (["convert", "{raw}", "{raw}"], "holds the raw files; name another folder"),
    "out holds the source": (["convert", "{raw}/program", "{raw}"], "holds the raw files; name another folder"),
    "unknown view": (["convert", "{raw}", "{out}", "--as", "magic"], "no converter is called 'magic'; there are "),
    "views of two kinds": (["convert", "{raw}", "{out}", "--as", "mel,grid"], "views must be of one kind, got audio"),
    "size too small": (["convert", "{raw}", "{out}", "--size", "3"], "MelSpectrogram.size must be an integer >= 8 and"),
    "setting without value": (["convert", "{raw}", "{out}", "--set", "size"], "--set takes KEY=VALUE, got 'size'"),
    "setting twice": (["convert", "{raw}", "{out}", "--set", "size=8", "--set", "size=9"], "'size' is set twice"),
    "size set twice": (["convert", "{raw}", "{out}", "--size", "8", "--set", "size=9"], "'size' is set twice"),
    "unknown setting": (["convert", "{raw}", "{out}", "--set", "colour=1"], "has a parameter 'colour'"),
    "protocol without data": (["convert", "esc10", "{out}"], "esc10 is a protocol; add --data DIR"),
    "protocol that is not there": (["train", "esc10", "--data", "{raw}", "--out", "{out}"], "no esc10 here"),
    "unknown protocol": (["train", "esc11", "--data", "{raw}", "--out", "{out}"], "protocol must be one of balabit"),
    "protocol of another kind": (
        ["train", "synthetic/mouse", "--data", "{empty}", "--kind", "audio", "--out", "{out}"],
        "synthetic/mouse holds mouse files, not audio",
    ),
    "no labels": (["train", "{raw}/program", "--out", "{out}"], "its items have no labels; lay the files out as one"),
    "unknown network": (["train", "{raw}", "--out", "{out}", "--arch", "resnet99"], "no network is called 'resnet99'"),
    "missing weights": (["train", "{raw}", "--out", "{out}", "--weights", "w.pth"], "w.pth: no such file of weights"),
    "bad holdout": (["train", "{raw}", "--out", "{out}", "--valid", "some"], "valid must be fold=NAME, split=test"),
    "missing file": (["show", "missing.wav"], "missing.wav: no such file; check the path"),
    "folder": (["show", "{raw}"], "a folder, not a file; name a file in it"),
    "bad fragment": (["show", "{file}#bytes=9-1"], "a fragment must begin at 0 or later and end after it begins"),
    "picture of another form": (["show", "{file}", "--out", "{out}.jpg"], "must end in .png"),
    "picture is a folder": (["show", "{file}", "--out", "{empty}"], "a folder, not a file; name a file in it"),
    "views of the wrong kind": (["show", "{file}", "--as", "grid", "--as", "mel"], "no converter of binary signals is"),
    "missing classifier": (["predict", "{empty}", "{file}"], "config.json: no such file; name a folder that"),
    "report of another form": (["evaluate", "{empty}", "{raw}", "--report", "r.txt"], "must end in .html or .htm"),
}  # fmt: skip


@pytest.fixture
def places(raw, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.bin").write_bytes(bytes(range(256)))
    return {"raw": raw, "out": tmp_path / "out", "empty": tmp_path / "empty", "file": tmp_path / "file.bin"}


@pytest.mark.parametrize("case", [*WRONG, *WRONG_VALUES])
def test_wrong_use_is_told_in_a_line(phosphene, places, case):
    arguments, message = (WRONG | WRONG_VALUES)[case]
    done = phosphene(*(text.format(**places) for text in arguments))
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.splitlines()[-1].startswith("phosphene")
    assert not places["out"].exists()


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_an_error_is_one_json_object_too(phosphene, places, case):
    arguments, message = WRONG_VALUES[case]
    done = phosphene(*(text.format(**places) for text in arguments), "--json")
    assert done.status == 2
    assert message in done.json["error"]
    assert list(done.json) == ["error"]


def test_an_optional_package_that_is_missing_is_wrong_use(phosphene, places, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = phosphene("convert", places["raw"], places["out"], "--engine", "ray")
    assert done.status == 2
    assert "pip install 'phosphene[ray]'" in done.err


# What else may happen


@pytest.mark.parametrize("as_json", [False, True])
def test_a_full_disk_is_told_without_a_traceback(phosphene, monkeypatch, as_json):
    def fail(options):
        raise OSError(28, "No space left on device", "/far/out.png")

    monkeypatch.setattr(commands, "run", fail)
    done = phosphene("list", *["--json"] * as_json)
    assert done.status == 1
    assert (
        done.err
        == "phosphene: /far/out.png: No space left on device; check the path, its permissions and the space there\n"
    )
    assert not as_json or list(done.json) == ["error"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_in_order(phosphene, monkeypatch, number):
    monkeypatch.setattr(commands, "run", lambda options: os.kill(os.getpid(), number))
    before = signal.getsignal(signal.SIGTERM)
    done = phosphene("list", "--json")
    assert done.status == 130
    assert done.err == "phosphene: interrupted; what was finished is kept, run it again to go on\n"
    assert "interrupted" in done.json["error"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_runs_in_a_thread(phosphene):
    done = []
    thread = threading.Thread(target=lambda: done.append(phosphene("list")))
    thread.start()
    thread.join()
    assert done[0].status == 0


def test_what_a_library_prints_is_no_answer(phosphene, monkeypatch):
    def chatter(options):
        print("loading ...")
        return commands.Outcome({"n": 1}, "one")

    monkeypatch.setattr(commands, "run", chatter)
    done = phosphene("list", "--json")
    assert done.json == {"n": 1}
    assert done.err == "loading ...\n"


def test_a_reader_that_goes_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "list"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_json_has_no_numbers_that_json_does_not_know():
    import numpy as np

    values = {"a": float("nan"), "b": np.float32(0.5), "c": np.int64(3), 5: (1, None, "x")}
    assert json.loads(cli._as_json(values)) == {"a": None, "b": 0.5, "c": 3, "5": [1, None, "x"]}


def test_names_that_the_terminal_has_no_letters_for():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    cli._write(stream, "caf\xe9 \udcff\n")
    assert stream.buffer.getvalue() == b"caf\\xe9 \\udcff\n"


def test_control_characters_of_a_name_do_not_reach_the_terminal(phosphene):
    assert "\x1b" not in phosphene("show", "a\x1b[31m.wav").err
