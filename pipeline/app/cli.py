"""The command line: its words, and what becomes of errors. What a command does stands in `commands`.

Nothing heavy is imported before a command is known, so that help comes at once.
"""

import argparse
import contextlib
import json
import math
import numbers
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from phosphene.pipeline.networks.distributed import as_one, end_quietly, rank

DONE, SOME_FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

# Written out, since importing them where they live would cost the help its speed; a test holds them to that.
_STRATEGIES = ("auto", "probe", "head", "finetune", "scratch")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 all done, 1 some work failed, 2 wrong use.

    Wrong use is an option that breaks its rule, a package that is not installed, and a SRC, DIR or FILE that is not
    there or not what the command takes; a file that cannot be read while others are is work that failed.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parsed(words)
        with _ended_by_signals(), contextlib.redirect_stdout(sys.stderr):  # what libraries print is no answer
            status, result, text = _run(options)
    except KeyboardInterrupt:
        message = "interrupted; what was finished is kept, run it again to go on"
        status, result, text = _failure(message, INTERRUPTED)
    if rank() == 0:
        _write(sys.stdout, _as_json(result) if "--json" in words else text)
    return status


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Parse words; of several processes the first says what is wrong with them."""
    if rank() == 0:
        return make_parser().parse_args(words)
    try:
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            return make_parser().parse_args(words)
    except SystemExit as end:
        if end.code:
            end_quietly(wait=True)
        raise


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="phosphene",
        description="Turns sounds, time series, mouse sessions and program files into images, and tells them apart "
        "with CNNs that learned on photographs.",
        epilog="phosphene COMMAND --help says more. Exit status: 0 all done, 1 some work failed, 2 wrong use.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (words, add) in _COMMANDS.items():
        sentence = f"{words[0].upper()}{words[1:]}."
        command = commands.add_parser(name, help=words, description=sentence, allow_abbrev=False)
        add(command)
        command.add_argument(
            "--json", action="store_true", help="print one JSON object, and nothing else, on stdout"
        )
    return parser


def _run(options: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Carry out a command; return the exit status and the answer, for programs and for people."""
    from phosphene.converters.core.errors import MissingExtra, ParameterError, PhospheneError, ReadError

    try:
        from . import commands
        from .text import collected

        with as_one(), collected() as notes:
            outcome = commands.run(options)
    except PhospheneError as error:
        # Files that fail among others are collected: a ReadError that comes here is about what was named.
        wrong = isinstance(error, ParameterError | MissingExtra | ReadError)
        return _failure(str(error), WRONG_USE if wrong else SOME_FAILED)
    except OSError as error:
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        return _failure(
            f"{where}{error.strerror}; check the path, its permissions and the space there", SOME_FAILED
        )
    status = SOME_FAILED if outcome.failed and rank() == 0 else DONE
    return status, notes.result | outcome.result, f"{outcome.text}\n"


def _failure(message: str, status: int) -> tuple[int, dict[str, Any], str]:
    from .text import clean

    _write(sys.stderr, f"phosphene: {clean(message)}\n")
    return status, {"error": message}, ""


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_kind(parser, "list this kind only")
    parser.add_argument(
        "--gallery", type=Path, metavar="OUT", help="write an example image of every converter to this folder"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="published data sets for the gallery (default: synthetic files)",
    )


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help="a raw file, or a fragment of one: FILE#row=3, FILE#t=5,10"
    )
    parser.add_argument(
        "--as", dest="views", action="append", metavar="NAME", help="a converter; may be repeated"
    )
    _add_kind(parser, "kind of the file")
    _add_reading(parser)
    parser.add_argument(
        "--out", type=Path, metavar="PNG", help="image to write (NAME.show.png in this folder)"
    )
    parser.add_argument("--augment", metavar="NAME[,NAME]", help="augment the signal first: time_shift,noise")
    _add_seed(parser)


def _add_convert(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument("out", type=_path_or_url, metavar="OUT", help="the folder for the images")
    parser.add_argument(
        "--as",
        dest="views",
        metavar="NAME",
        help="converters: mel, or gasf+gadf+mtf (one image), or grid,bigram (two)",
    )
    _add_kind(parser, "kind of all files")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="KEY=VALUE",
        help="converter parameter; may be repeated",
    )  # fmt: skip
    parser.add_argument("--size", metavar="PX", help="pixels of each side, or height x width, as 224x448")
    _add_windows(parser, "default: sound over ten minutes or 512 MB t=5, all else whole")
    _add_workers(parser)
    _add_device(parser, "draw on this device, such as cuda (the CPU)")
    _add_reading(parser)
    _add_engine(parser)
    parser.add_argument(
        "--to", choices=("png", "parquet", "webdataset"), default="png", help="output format (png)"
    )
    parser.add_argument(
        "--shard-size", type=int, metavar="N", help="items in each file of parquet and webdataset (256)"
    )


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output folder of the classifier"
    )
    _add_recipe(parser)
    parser.add_argument(
        "--valid", metavar="SPEC",
        help="validation items: 0.2, fold=5, split=test or none (default: the test or valid split, else 0.2)",
    )  # fmt: skip
    _add_report(parser)
    _add_device(parser, "device of the networks, such as cuda (cuda if there is one)")


def _add_cross_validate(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    _add_recipe(parser)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="raw files, fragments (FILE#t=5,10), folders or tables"
    )
    parser.add_argument("--out", type=_path_or_url, metavar="FILE", help="write the predictions to this file")
    parser.add_argument(
        "--to", choices=("csv", "raven", "audacity"), default="csv",
        help="format of --out: table, selections or label track (csv)",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", type=float, default=0.0, metavar="P",
        help="label unknown where the probability is below P (0)",
    )  # fmt: skip
    parser.add_argument(
        "--max-novelty", type=float, default=1.0, metavar="Q",
        help="label unknown what is farther from the training items than the share Q of them: 0.99 (1)",
    )  # fmt: skip
    _add_windows(parser, "default: one prediction for each item")
    _add_workers(parser)
    _add_engine(parser)
    _add_device(parser, "device of the networks, such as cuda (cuda if there is one)")
    _add_reading(parser)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "file", metavar="FILE", help="a raw file, or a fragment of one: FILE#row=3, FILE#t=5,10"
    )
    parser.add_argument("--class", dest="target", metavar="NAME", help="class to explain (the predicted one)")
    parser.add_argument(
        "--out", type=Path, metavar="PNG|WAV",
        help="write the signal and its images with the regions marked, or the sound with all else muted",
    )  # fmt: skip
    parser.add_argument("--most", type=_positive, default=10, metavar="N", help="most regions to list (10)")
    _add_device(parser, "device of the networks, such as cuda (cuda if there is one)")
    _add_reading(parser)


def _add_embed(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument("out", type=_path_or_url, metavar="OUT", help="file to write: OUT.parquet")
    parser.add_argument(
        "--as", dest="views", metavar="VIEW[,VIEW]", help="views the network sees (default views of the kind)"
    )
    _add_kind(parser, "kind of all files")
    _add_windows(parser, "default: sound over ten minutes or 512 MB t=5, all else whole")
    parser.add_argument(
        "--arch", default="efficientnet_lite0", metavar="NAME", help="backbone (efficientnet_lite0)"
    )
    parser.add_argument(
        "--layer", metavar="NAME", help="layer of the backbone whose features are taken (last)"
    )
    _add_workers(parser)
    _add_engine(parser)
    _add_reading(parser, labelled=True)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_source(parser)
    _add_report(parser)
    parser.add_argument(
        "--explained", type=_not_negative, metavar="N",
        help="--report: explain the predictions of so many of the items shown, some seconds each (3)",
    )  # fmt: skip
    _add_workers(parser)
    _add_reading(parser, labelled=True)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("out", type=Path, metavar="OUT", help="file to write: OUT.onnx")
    parser.add_argument(
        "--from-signal", dest="inputs", action="store_const", const="signal", default="images",
        help="put the conversion inside the graph: samples in, not images",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=("float32", "int8"), default="float32",
        help="int8 is smaller, and needs --check (float32)",
    )  # fmt: skip
    parser.add_argument(
        "--check", metavar="SRC", help="files to compare the two by, like the training files (made up)"
    )
    parser.add_argument(
        "--samples", type=_positive, metavar="N", help="--from-signal: length of the signals (as in training)"
    )
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="--from-signal: their sampling rate (as in training)"
    )


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "src", metavar="PROTOCOL",
        help="a folder of class folders, a CSV with path,label[,split|fold|group]; with --data a protocol (see list), "
        "ucr for all its sets",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the data of the protocol")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for index.html, benchmark.csv and benchmark.json"
    )
    parser.add_argument(
        "--methods", metavar="NAME[;NAME]",
        help="estimators by name or part of a name: images; lightgbm; minirocket (all of the kind)",
    )  # fmt: skip
    parser.add_argument(
        "--on-leak", choices=("refuse", "tell"), default=None,
        help="items on both sides of a split: stop, or warn (own data: refuse; protocols: tell)",
    )  # fmt: skip
    _add_recipe(parser)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument(
        "--port", type=_port, default=7860, metavar="N", help="port; 0 takes a free one (7860)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to serve at (127.0.0.1: this machine alone)",
    )
    parser.add_argument(
        "--most-mb", type=_positive, default=50, metavar="N", help="size of the largest upload in MB (50)"
    )
    parser.add_argument(
        "--examples", type=Path, metavar="FOLDER", help="files to click at (made up ones of the kind)"
    )
    _add_workers(parser)
    group = parser.add_argument_group("review: label files on the page, and train again")
    group.add_argument("--review", type=Path, metavar="FOLDER", help="files to label, most uncertain first")
    group.add_argument(
        "--labels", type=Path, metavar="CSV", help="table of the labels given (FOLDER.labels.csv)"
    )
    group.add_argument("--also", metavar="SRC", help="labelled files that training again learns from too")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="output folder (demo)")
    _add_seed(parser)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--report", type=Path, metavar="HTML", help="write an HTML report to this file")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="DIR", help="folder of a trained classifier")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "src", metavar="SRC",
        help="a file, a folder of class folders, a CSV with path,label; with --data a protocol (see list)",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the data of the protocol SRC")


def _add_windows(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--windows", metavar="SPEC",
        help="window length and hop: t=5,2.5 (seconds), samples=1000, events=250, bytes=65536, pause=1, path=2000 "
        f"or none ({default})",
    )  # fmt: skip


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as",
        dest="views",
        metavar="VIEW[,VIEW]",
        help="views the network sees (default views of the kind)",
    )
    _add_kind(parser, "kind of all files")
    _add_windows(parser, "default: sound t=5,2.5, mouse sessions events=150, all else whole")
    parser.add_argument(
        "--arch", default="efficientnet_lite0", metavar="NAME[,NAME]",
        help="backbone; several are averaged (efficientnet_lite0)",
    )  # fmt: skip
    parser.add_argument(
        "--weights", type=Path, metavar="FILE",
        help="file of pretrained weights, or random (searched for)",
    )  # fmt: skip
    parser.add_argument("--strategy", choices=_STRATEGIES, default="auto", help="transfer strategy (auto)")
    parser.add_argument("--epochs", type=_positive, metavar="N", help="epochs of training (by strategy)")
    parser.add_argument(
        "--augment", metavar="NAME[,NAME]",
        help="augmentations of the raw signal: time_shift,noise, or default (none)",
    )  # fmt: skip
    parser.add_argument(
        "--copies", type=_positive, default=3, metavar="N", help="augmented copies of every item (3)"
    )
    _add_schedule(parser)
    _add_seed(parser)
    _add_workers(parser)
    _add_engine(parser)
    _add_reading(parser, labelled=True)


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training of networks (head, finetune, scratch)")
    group.add_argument("--lr", metavar="RATE", help="maximum learning rate, or find: by a range test")
    group.add_argument("--mixup", type=float, default=None, metavar="ALPHA", help="mixup alpha (0)")
    group.add_argument(
        "--label-smoothing", type=float, default=None, metavar="EPSILON", help="label smoothing epsilon (0)"
    )
    group.add_argument(
        "--class-weights", choices=("none", "balanced"), default=None, help="class weights of the loss (none)"
    )
    group.add_argument(
        "--patience", type=_positive, metavar="N",
        help="early stopping: epochs without improvement on held-out training items",
    )  # fmt: skip
    group.add_argument(
        "--members", type=_positive, default=1, metavar="N", help="ensemble of networks from N seeds (1)"
    )


def _add_kind(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--kind", metavar="KIND", help=f"{words}: audio, series, mouse, binary")


def _add_reading(parser: argparse.ArgumentParser, *, labelled: bool = False) -> None:
    group = parser.add_argument_group("how files are read, where their content does not settle it")
    group.add_argument(
        "--layout",
        choices=("rows", "columns", "long"),
        help="a table: an item a row, channels, or id,time,value",
    )
    group.add_argument(
        "--label", metavar="COLUMN", help="column of labels: name, number, first, last or none"
    )
    if labelled:
        group.add_argument(
            "--group", metavar="COLUMN", help="column of groups that stay on one side, or none"
        )
    group.add_argument(
        "--columns", metavar="A,B", help="columns or channels to read, by name or number (all)"
    )
    group.add_argument("--time", metavar="COLUMN", help="column of times, with its unit (t:ms), or none")
    group.add_argument(
        "--resample",
        choices=("linear", "none"),
        help="uneven times: interpolate, or take rows as they are (linear)",
    )
    group.add_argument("--strict", action="store_true", help="refuse files that can only be read with a loss")


def _add_device(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--device", metavar="NAME", help=words)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=_positive, metavar="N", help="worker processes (one a core)")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where the work runs (local)"
    )


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="random seed (0)")


_COMMANDS = {
    "list": ("list converters, backbones and protocols", _add_list),
    "show": ("show one file through every stage", _add_show),
    "convert": ("convert raw files to images", _add_convert),
    "train": ("train a classifier on labelled raw files", _add_train),
    "cross-validate": (
        "cross-validate by folds or by the official split",
        _add_cross_validate,
    ),
    "predict": ("predict the labels of raw files", _add_predict),
    "explain": ("show where in a raw file a prediction came from", _add_explain),
    "embed": ("write the features of a frozen backbone as a table", _add_embed),
    "evaluate": ("score a saved classifier on labelled files", _add_evaluate),
    "export": ("write a saved classifier as one ONNX file", _add_export),
    "benchmark": (
        "compare image classifiers with tabular baselines",
        _add_benchmark,
    ),
    "serve": ("serve a web page that explains predictions, and labels files", _add_serve),
    "demo": ("convert, train and predict on all four kinds, small and offline", _add_demo),
}


class _Version(argparse.Action):
    """Shows the version; looks it up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"phosphene {version('phosphene')}\n")
        parser.exit()


def _path_or_url(text: str) -> Path | str:
    from phosphene.pipeline.tiles.remote import is_remote

    return text if is_remote(text) else Path(text)  # a path would make one slash of two


def _positive(text: str) -> int:
    return _whole(text, 1, 2**31 - 1)


def _not_negative(text: str) -> int:
    return _whole(text, 0, 2**31 - 1)


def _port(text: str) -> int:
    return _whole(text, 0, 65535)


def _seed(text: str) -> int:
    return _whole(text, 0, 2**32 - 1)  # NumPy's old generators, which fastai draws from, take no more


def _whole(text: str, low: int, high: int) -> int:
    with contextlib.suppress(ValueError):
        if low <= int(text) <= high:
            return int(text)
    raise argparse.ArgumentTypeError(f"must be an integer >= {low} and <= {high}, got {text!r}")


def _as_json(result: dict[str, Any]) -> str:
    return json.dumps(_plain(result), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it: paths as text, what is not a number as null."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return str(value)


def _write(stream: TextIO, text: str) -> None:
    """Write text; letters that the stream has no bytes for (names of files can hold any) become escapes."""
    remote = sys.modules.get("phosphene.pipeline.tiles.remote")  # where files may have been fetched
    text = remote.named(text) if remote else text
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (
        BrokenPipeError
    ):  # the reader has gone, as `head` does: the rest goes nowhere, and nobody stumbles over it
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Take a request to end like Ctrl-C, so that workers and half-written files are cleared away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
