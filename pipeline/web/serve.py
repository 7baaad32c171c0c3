"""`phosphene serve`: the server of the page, on this machine alone unless told otherwise."""

import contextlib
import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from phosphene.converters import ParameterError
from phosphene.converters.core.signal import Kind, parse_address
from phosphene.datasets import make_synthetic
from phosphene.datasets.synthetic import SYNTHETIC_KINDS
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.tiles.process_pool import ProcessPool

from .analysis import make_analyser
from .gate import UploadLimits, guarded
from .page import Desk, import_gradio, make_page
from .review import Review, check_review
from .visits import Visits

TASK_S = 60.0
MEMORY_BYTES = 2 * 2**30
WAITING_PER_WORKER = 8
MOST_CONNECTIONS = 500
MOST_EXAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Where the page is served, and what is on it.

    Parameters
    ----------
    host, port
        The address; port 0 takes a free one.
    most_mb
        Size of the largest upload.
    examples
        A folder whose first files are the examples; None makes some up.
    review
        A folder of files to label; None for no review. Whoever sees the page can label and train.
    labels
        The CSV of the labels; None for one beside the folder.
    also
        A source of labelled files that training again learns from too.
    workers
        Processes that analyse; None for one a core.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    most_mb: int = 50
    examples: Path | None = None
    review: Path | None = None
    labels: Path | None = None
    also: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.review is None and (self.labels or self.also):
            raise ParameterError("--labels and --also are of a review; add --review FOLDER")
        if self.also and not parse_address(self.also)[0].exists():
            raise ParameterError(f"{self.also}: no such file or folder; --also takes labelled files")
        if self.review is not None:
            check_review(self.review, self.csv)
            if not self.is_loopback:
                raise ParameterError(
                    f"--review on {self.host} would let strangers label and train; leave --host out"
                )

    @property
    def csv(self) -> Path:
        """The CSV of the labels."""
        folder = (self.review or Path()).absolute()
        return self.labels or folder.with_name(f"{folder.name}.labels.csv")

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"


def serve(model: Path, options: ServeOptions) -> str:
    """Serve the page of a classifier until Ctrl-C; return its address.

    Raises
    ------
    ReadError
        The folder holds no classifier.
    ParameterError
        The address is taken or is none of this machine's, or no such folder is there.
    MissingExtra
        Gradio is not installed.
    """
    import_gradio()
    import uvicorn

    classifier = Classifier.load(model)
    with _bound(options) as listening, tempfile.TemporaryDirectory(prefix="phosphene-") as scratch:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(scratch, "gradio"))
        url = f"http://{_shown_host(options.host)}:{listening.getsockname()[1]}/"
        with _desk(model, classifier, options, Path(scratch)) as desk:
            hosts = frozenset({"127.0.0.1", "localhost", "::1"} if options.is_loopback else ())
            app = guarded(make_page(desk), desk.visits, hosts=hosts, limits=desk.limits)
            server = uvicorn.Server(
                uvicorn.Config(
                    app, log_level="warning", access_log=False, limit_concurrency=MOST_CONNECTIONS,
                    timeout_graceful_shutdown=2, ws="none", server_header=False,
                )
            )  # fmt: skip
            sys.stderr.write(f"{model}: {url} (Ctrl-C ends it)\n")
            sys.stderr.flush()
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listening])
    return url


@contextlib.contextmanager
def _bound(options: ServeOptions) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((options.host, options.port))
        except (OSError, OverflowError) as error:
            raise ParameterError(
                f"cannot serve at {options.host} port {options.port} ({error}); name another with --port"
            ) from error
        yield listening


def _shown_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextlib.contextmanager
def _desk(model: Path, classifier: Classifier, options: ServeOptions, scratch: Path) -> Iterator[Desk]:
    """Start the processes that analyse, and what the review needs; end them all."""
    pool = _pool(model, options)
    visits = Visits(scratch / "visits", WAITING_PER_WORKER * pool.workers)
    desk = Desk(
        pool, visits, _examples(classifier.kind, options.examples, scratch),
        title=f"phosphene: {model.resolve().name}", about=_about(classifier),
        limits=UploadLimits(options.most_mb * 2**20),
    )  # fmt: skip

    def swap(new: Path) -> None:
        before, desk.pool = desk.pool, _pool(new, options)
        before.close(patient_s=TASK_S)

    try:
        if options.review:
            desk.review = Review(
                model, options.review, options.csv, also=options.also, scratch=scratch, swap=swap
            )
            desk.review.start()
        yield desk
    finally:
        if desk.review:
            desk.review.close()
        desk.pool.close()


def _pool(model: Path, options: ServeOptions) -> ProcessPool:
    make = partial(make_analyser, model.absolute(), MEMORY_BYTES)
    return ProcessPool(make, workers=options.workers, limit_s=TASK_S)


def _about(classifier: Classifier) -> str:
    names = [name if len(name) < 40 else f"{name[:36]}…" for name in classifier.classes[:12]]
    more = f" and {len(classifier.classes) - 12} more" if len(classifier.classes) > 12 else ""
    return f"Takes {classifier.kind} files; classes: {', '.join(names)}{more}."


def _examples(kind: Kind, folder: Path | None, scratch: Path) -> list[Path]:
    """Return files to click at: the first of a folder, or made up ones of the kind."""
    if folder is not None:
        if not folder.is_dir():
            raise ParameterError(f"{folder}: no such folder; --examples takes a folder of files")
        found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
        step = max(1, len(found) // MOST_EXAMPLES)
        return found[::step][:MOST_EXAMPLES]
    if kind not in SYNTHETIC_KINDS:
        return []
    items = make_synthetic(kind, scratch / "made", items_per_class=2).items[:MOST_EXAMPLES]
    examples = []
    for item in items:
        path = scratch / "examples" / f"{item.label}-{item.path.name}"
        path.parent.mkdir(exist_ok=True)
        examples.append(item.path.rename(path))
    return examples
