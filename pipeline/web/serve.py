"""`phosphene serve`: what stands on the page, what each act of a visitor does, and the server.

It is reached from this machine alone unless told otherwise.
"""

import contextlib
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any, Literal, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from phosphene.converters import MissingExtra, ParameterError, PhospheneError
from phosphene.converters.core.signal import Kind, parse_address
from phosphene.datasets import make_synthetic
from phosphene.datasets.synthetic import SYNTHETIC_KINDS
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.report.verdict import percent, plain
from phosphene.pipeline.tiles.engines import TaskError
from phosphene.pipeline.tiles.process_pool import ProcessPool

from .analysis import Step, Task, make_analyser
from .gate import BUSY, UploadLimits, Visit, Visits, guarded
from .review import Review, check_review

_TEMPLATES = Path(__file__).with_name("templates")
_FONT = ["system-ui", "sans-serif"]
MOST_CLASSES = 10
"""Probabilities that are listed."""
Shown = tuple[str, str, str]


def import_gradio() -> Any:
    """Return Gradio, with its reports about use switched off.

    Raises
    ------
    MissingExtra
        It is not installed.
    """
    import os

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
    except ImportError as error:
        raise MissingExtra("the page needs Gradio: pip install 'phosphene[web]'") from error
    return gradio


@dataclass
class Desk:
    """What the acts of visitors work with; the pool is another one after training again."""

    pool: ProcessPool
    visits: Visits
    examples: Sequence[Path]
    title: str
    about: str
    limits: UploadLimits
    review: Review | None = None
    _turns: Iterator[int] = field(default_factory=count, init=False)

    def analyse(self, visit: Visit | None, missing: str) -> Iterator[Shown]:
        """Yield the parts of the page as they come: prediction, explanation, gallery. The upload is deleted."""
        if visit is None:
            yield _part("failure", missing), "", ""
            return
        shown: dict[Step, str] = dict.fromkeys(get_args(Step), "")
        start_s = 0.0
        try:
            yield _part("waiting", visit.title), "", ""
            for step in get_args(Step):
                found = self.ask(step, str(visit.file), visit)
                start_s = found.get("start_s", start_s)
                shown[step] = _shown(step, visit, found, start_s)
                yield shown["predict"], shown["explain"], shown["gallery"]
                if step == "predict" and "error" in found:
                    return
        finally:
            self.visits.finish(visit)

    def ask(self, step: Step, address: str, visit: Visit) -> dict[str, Any]:
        """Return what a process says, with an error of one line where it fails, is too slow or dies."""
        try:
            found = self.pool.run(Task(step, address, visit.shown))
        except PhospheneError as error:
            found = TaskError(str(error).splitlines()[0])
        if isinstance(found, TaskError):
            return {"error": f"{visit.title}: {found.why}"}
        return dict(found)

    def analyse_upload(self, token: object) -> Iterator[Shown]:
        """Analyse what was uploaded under a token."""
        yield from self.analyse(self.visits.start(token), "this upload is gone; drop the file again")

    def analyse_example(self, number: int) -> Iterator[Shown]:
        """Analyse an example, by its number."""
        path = self.examples[number]
        visit = self.visits.open(path.name)
        if visit is not None:
            shutil.copyfile(path, visit.file)
            visit = self.visits.start(visit.token)
        yield from self.analyse(visit, BUSY)

    def reviewed(self, error: str | None = None) -> str:
        """Return the panel of the review: what is wrong, else the next item, and the keys."""
        review = self.review
        if review is None:
            return ""
        one, found, base = review.current(), {}, ""
        if one:
            visit = self.visits.open_own(one.name)
            found, base = self.ask("predict", one.address, visit), f"result/{visit.token}"
        labels = sorted({*review.labels.values(), *found.get("probabilities", ())})
        error = error or found.get("error")
        return _part("review", base, one, found, error, labels, review.counts | {"turn": next(self._turns)})

    def act(self, act: str, item: str, label: str) -> str:
        """Do what was asked for of an item under review, and return the panel."""
        review = self.review
        if review is not None:
            acts: dict[str, Callable[[], None]] = {
                "label": partial(review.label, item, label),
                "skip": partial(review.skip, item),
                "back": review.back,
                "train": review.train,
            }
            try:
                acts.get(act, lambda: None)()
            except OSError as error:
                return self.reviewed(f"{review.file}: the label is not saved ({error.strerror})")
        return self.reviewed()


def _shown(step: Step, visit: Visit, found: dict[str, Any], start_s: float) -> str:
    """Return a part of the page about a step."""
    if "error" in found:
        return _part("failure", found["error"])
    base = f"result/{visit.token}"
    if step == "predict":
        return _part("prediction", base, visit.title, found)
    if step == "explain":
        return _part("explanation", base, found, start_s)
    return _part("gallery", base, found)


def _part(name: str, *values: Any) -> str:
    """Render a macro of the template; all that comes from outside is escaped."""
    return str(getattr(_templates().get_template("parts.html").module, name)(*values)).strip()


@cache
def _templates() -> Environment:
    def finalize(value: object) -> object:
        return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined, finalize=finalize,
    )  # fmt: skip
    made.globals |= {"percent": percent, "ranked": _ranked}
    return made


def _ranked(probabilities: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(probabilities.items(), key=lambda one: -one[1])[:MOST_CLASSES]


def make_page(desk: Desk) -> Any:
    """Return the page as an ASGI application."""
    gr = import_gradio()
    from fastapi import FastAPI

    workers = desk.pool.workers
    with gr.Blocks(title=desk.title, analytics_enabled=False) as blocks:
        gr.Markdown(f"# {desk.title}\n\n{desk.about}", sanitize_html=True)
        if desk.review is None:
            _add_one_file(gr, desk)
        else:
            with gr.Tab("One file"):
                _add_one_file(gr, desk)
            with gr.Tab("Review"):
                _add_review(gr, desk, desk.review)
    blocks.queue(max_size=desk.visits.most_waiting, default_concurrency_limit=workers, api_open=False)
    script = f"<script>{_text('page.js')}</script>"
    return gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None), blocks, path="/", footer_links=[],
        run_history=False, ssr_mode=False, mcp_server=False, pwa=False, enable_monitoring=False,
        theme=gr.themes.Base(font=_FONT, font_mono=["ui-monospace", "monospace"]),
        css=_text("page.css"), head=script, show_error=False, allowed_paths=[], max_file_size=1,
    )  # fmt: skip


def _add_one_file(gr: Any, desk: Desk) -> None:
    drop = gr.HTML(
        "", html_template=_text("drop.html"), js_on_load=_text("drop.js"), said="",
        most_bytes=desk.limits.most_bytes,
    )  # fmt: skip
    buttons = []
    if desk.examples:
        gr.Markdown("Or an example:")
        with gr.Row():
            buttons = [gr.Button(path.name, size="sm", min_width=120) for path in desk.examples]
    parts = [gr.HTML(js_on_load=None) for _ in get_args(Step)]
    settings: dict[str, Any] = {
        "outputs": parts, "concurrency_id": "analysis", "concurrency_limit": desk.pool.workers,
        "show_progress": "hidden", "api_visibility": "private", "trigger_mode": "once",
    }  # fmt: skip
    drop.submit(desk.analyse_upload, inputs=drop, **settings)
    for number, button in enumerate(buttons):
        button.click(partial(desk.analyse_example, number), **settings)


def _add_review(gr: Any, desk: Desk, review: Review) -> None:
    said = gr.HTML(js_on_load=None)
    panel = gr.HTML(desk.reviewed, js_on_load=_text("review.js"))
    seen = gr.State(-1)

    def act(event: gr.EventData) -> str:
        data = {name: str(event._data.get(name, "")) for name in ("act", "item", "label")}
        return desk.act(**data)

    def look(version: int) -> tuple[Any, Any, int]:
        panel = desk.reviewed() if review.version != version else gr.skip()
        return _part("job", review.words), panel, review.version

    settings: dict[str, Any] = {
        "concurrency_id": "review", "concurrency_limit": 1, "show_progress": "hidden", "api_visibility": "private"
    }  # fmt: skip
    panel.act(act, outputs=panel, **settings)
    gr.Timer(2.0).tick(look, inputs=seen, outputs=[said, panel, seen], **settings)


def _text(name: Literal["drop.html", "drop.js", "page.js", "page.css", "review.js"]) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


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
