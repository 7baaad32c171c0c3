"""What stands before the page: who may ask what, uploads with their limits, and what visitors leave.

Gradio has routes that open files and addresses which a visitor names. None of them passes: a request is let through
where its path is on a short list, and where its data are plain numbers and words. An upload stays until it is analysed,
its images for some minutes; they are found by tokens, never by paths.
"""

import asyncio
import json
import re
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

KEPT_S = 600.0
"""Images are there for so long, for a browser to fetch them."""
UNUSED_S = 120.0
"""An upload that nobody asks to be analysed is deleted after so long."""
MOST_KEPT = 100


@dataclass(frozen=True)
class Visit:
    """One file of a visitor, and the images drawn of it, in a folder of their own.

    Parameters
    ----------
    token
        Known to the visitor alone.
    folder
        For all of it.
    title
        What the visitor calls the file.
    begun_s
        When, by the clock of `time.monotonic`.
    """

    token: str
    folder: Path
    title: str
    begun_s: float

    @property
    def file(self) -> Path:
        """The upload."""
        return self.folder / "upload" / safe_name(self.title)

    @property
    def shown(self) -> Path:
        """The folder of its images."""
        return self.folder / "shown"


class Visits:
    """The visits of a server.

    Parameters
    ----------
    scratch
        The folder for all that they leave.
    most_waiting
        Uploads that may wait to be analysed, or are.
    """

    def __init__(self, scratch: Path, most_waiting: int) -> None:
        self.scratch, self.most_waiting = scratch, most_waiting
        self._all: dict[str, Visit] = {}
        self._waiting = set[str]()
        self._started = set[str]()
        self._sessions: dict[str, str] = {}
        self._lock = threading.Lock()

    def open(self, name: str) -> Visit | None:
        """Return a new visit with a folder for its file; None where too many wait."""
        self.sweep()
        with self._lock:
            if len(self._waiting) >= self.most_waiting:
                return None
            visit = self._new(name)
            self._waiting.add(visit.token)
        return visit

    def open_own(self, name: str) -> Visit:
        """Return a visit for images of a file of the server's own."""
        with self._lock:
            return self._new(name)

    def _new(self, name: str) -> Visit:
        token = secrets.token_urlsafe(18)
        visit = Visit(token, self.scratch / token, name, time.monotonic())
        for folder in (visit.file.parent, visit.shown):
            folder.mkdir(parents=True)
        self._all[token] = visit
        return visit

    def start(self, token: object) -> Visit | None:
        """Return the visit of an upload that was not analysed yet; None for any other token."""
        with self._lock:
            if not isinstance(token, str) or token not in self._waiting - self._started:
                return None
            self._started.add(token)
            return self._all[token]

    def join(self, token: object, session: str) -> None:
        """Note whose session an upload is of; any other token changes nothing."""
        with self._lock:
            if isinstance(token, str) and token in self._waiting:
                self._sessions[token] = session

    def leave(self, session: str) -> None:
        """Delete the uploads of a session that ends before they are analysed."""
        with self._lock:
            unused = self._waiting - self._started
            left = [self._all[token] for token in unused if self._sessions.get(token) == session]
        for visit in left:
            self.drop(visit)

    def finish(self, visit: Visit) -> None:
        """Delete an upload; its images stay for a while."""
        visit.file.unlink(missing_ok=True)
        with self._lock:
            self._forget(visit)

    def drop(self, visit: Visit) -> None:
        """Delete all of a visit."""
        with self._lock:
            self._forget(visit)
            self._all.pop(visit.token, None)
        shutil.rmtree(visit.folder, ignore_errors=True)

    def _forget(self, visit: Visit) -> None:
        self._waiting.discard(visit.token)
        self._started.discard(visit.token)
        self._sessions.pop(visit.token, None)

    def result(self, token: str, name: str) -> Path | None:
        """Return an image or a sound that was made for a visit; None where there is none of that name."""
        visit = self._all.get(token)
        if visit is None or not re.fullmatch(r"\w[\w-]*\.(png|wav)", name, re.ASCII):
            return None
        path = visit.shown / name
        return path if path.is_file() else None

    def sweep(self) -> None:
        """Delete what is old, and the oldest where there is much."""
        now_s = time.monotonic()
        with self._lock:
            unused = self._waiting - self._started
            done = [visit for visit in self._all.values() if visit.token not in self._waiting]
            old = done[: max(0, len(done) - MOST_KEPT)]
            for visit in self._all.values():
                kept_s = UNUSED_S if visit.token in unused else KEPT_S
                old += [visit] if now_s - visit.begun_s > kept_s else []
        for visit in old:
            self.drop(visit)


def safe_name(name: str) -> str:
    """Return the name of a file without folders, and without what could mean anything to a reader or a shell.

    Examples
    --------
    >>> safe_name("../../etc/passwd"), safe_name("bird song (1).wav"), safe_name("a#t=0,5.wav"), safe_name("..")
    ('passwd', 'bird_song__1_.wav', 'a_t_0_5.wav', 'file')
    """
    plain = re.sub(r"[^\w.-]", "_", re.split(r"[/\\]", name)[-1], flags=re.ASCII).lstrip(".-")
    return plain[-80:].lstrip(".-") or "file"


_READ = frozenset({"/", "/config", "/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt"})
_READ_BELOW = ("/assets/", "/static/", "/result/", "/gradio_api/heartbeat/")
_API_READ = frozenset(
    {f"/gradio_api/{name}" for name in ("info", "queue/data", "startup-events", "theme.css")}
)
_API_WRITE = frozenset({f"/gradio_api/{name}" for name in ("queue/join", "cancel", "reset")})
_JOIN, _EVENTS = "/gradio_api/queue/join", "/gradio_api/queue/data"
_LARGEST_JSON = 64 * 1024
_JSON_S = 10.0
_SWEEP_EVERY_S = 15.0
_LEFT_S = 2.0
BUSY = "busy: many files are waiting; try again in a moment"
_HEADERS = {
    # Also keeps the browser from asking any other machine for anything.
    "content-security-policy": "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class UploadLimits:
    """What an upload may weigh, and how long it may take."""

    most_bytes: int = 50 * 2**20
    most_s: float = 60.0


def guarded(page: Any, visits: Visits, *, hosts: frozenset[str], limits: UploadLimits) -> "Gate":
    """Return the application: the page behind the gate, with uploads and images beside it.

    Parameters
    ----------
    page
        The ASGI application of the page.
    visits
        Takes uploads.
    hosts
        Names that the server may be called by; empty for any.
    limits
        Of uploads.
    """

    async def upload(request: Request) -> Response:
        return await _upload(request, visits, limits)

    async def result(request: Request) -> Response:
        path = visits.result(request.path_params["token"], request.path_params["name"])
        if path is None:
            return PlainTextResponse("no such image", 404)
        return FileResponse(path, headers={"cache-control": "private, max-age=600"})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        sweeper = asyncio.create_task(_sweep(visits))
        async with page.router.lifespan_context(page):
            yield
        sweeper.cancel()

    routes = [
        Route("/upload", upload, methods=["POST"]),
        Route("/result/{token}/{name}", result),
        Mount("/", page),
    ]
    return Gate(Starlette(routes=routes, lifespan=lifespan), hosts, visits)


async def _sweep(visits: Visits) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S)
        visits.sweep()


async def _upload(request: Request, visits: Visits, limits: UploadLimits) -> Response:
    """Keep the body of a request as the file of a new visit, and return its token."""
    name = request.query_params.get("name", "file")[-200:]
    too_large = PlainTextResponse(
        f"{name}: larger than {limits.most_bytes / 2**20:g} MB, the limit here", 413
    )
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > limits.most_bytes:
        return too_large
    visit = visits.open(name)
    if visit is None:
        return PlainTextResponse(BUSY, 503, {"retry-after": "10"})
    response: Response = JSONResponse({"token": visit.token})
    size = 0
    try:
        async with asyncio.timeout(limits.most_s):
            with visit.file.open("xb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > limits.most_bytes:
                        break
                    file.write(chunk)
    except TimeoutError:
        response = PlainTextResponse(f"{name}: took longer than {limits.most_s:g} s to arrive", 408)
    except ClientDisconnect:
        response = PlainTextResponse(f"{name}: broken off", 400)
    except OSError as error:
        response = PlainTextResponse(f"{name}: cannot be kept ({error.strerror}); try again later", 507)
    if size > limits.most_bytes:
        response = too_large
    if not size and response.status_code == 200:
        response = PlainTextResponse(f"{name}: empty", 400)
    if response.status_code != 200:
        visits.drop(visit)
    return response


class Gate:
    """Refuses other origins and names of the server, all but a few paths, and data that could name a file.

    Parameters
    ----------
    app
        What it lets requests through to.
    hosts
        Names that the server may be called by, against names that others let point here; empty for any.
    visits
        Told whose session an upload is of, and which sessions end.
    """

    def __init__(self, app: Any, hosts: frozenset[str], visits: Visits) -> None:
        self.app, self.hosts, self.visits = app, hosts, visits
        self._streams = Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # web sockets are closed
        request = Request(scope)
        refused = self._refused(request)
        if refused is None and scope["path"] in _API_WRITE:
            body = await _json_body(receive)
            if body is None:
                refused = PlainTextResponse("not what the page sends", 400)
            elif scope["path"] == _JOIN:
                self._join(json.loads(body))
            receive = _again(body or b"", receive)
        if refused is None and scope["path"] == _EVENTS:
            await self._stream(request.query_params.get("session_hash", ""), scope, receive, send)
        else:
            await (refused or self.app)(scope, receive, _with_headers(send))

    async def _stream(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the events of a session through, and note where its visitor breaks them off."""
        broken_off = False

        async def watched() -> Message:
            nonlocal broken_off
            message = await receive()
            broken_off = broken_off or message["type"] == "http.disconnect"
            return message

        self._streams[session] += 1
        try:
            await self.app(scope, watched, _with_headers(send))
        finally:
            self._streams[session] -= 1
            self._streams += Counter()  # forgets sessions without a stream
            if broken_off:
                asyncio.get_running_loop().call_later(_LEFT_S, self._leave, session)

    def _leave(self, session: str) -> None:
        """Delete what waits of a session, unless it has opened another stream: the page does between two events."""
        if not self._streams[session]:
            self.visits.leave(session)

    def _join(self, found: dict[str, Any]) -> None:
        for token in found.get("data") or ():
            self.visits.join(token, str(found.get("session_hash")))

    def _refused(self, request: Request) -> Response | None:
        host, path = request.headers.get("host", ""), request.scope["path"]
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "none")
        if self.hosts and _hostname(host) not in self.hosts:
            return PlainTextResponse(f"this server is not called {host[:100]!r}", 421)
        if origin is not None and origin.partition("://")[2] != host:
            return PlainTextResponse("requests from pages of other origins are refused", 403)
        if site not in ("none", "same-origin") and path != "/":
            return PlainTextResponse("requests from pages of other sites are refused", 403)
        if ".." not in path and _is_known(request.method, path):
            return None
        return PlainTextResponse("no such page", 404)


def _is_known(method: str, path: str) -> bool:
    if method == "POST":
        return path in _API_WRITE | {"/upload"}
    return method in ("GET", "HEAD") and (path in _READ | _API_READ or path.startswith(_READ_BELOW))


async def _json_body(receive: Receive) -> bytes | None:
    """Return the body of a request where it is a small object whose values are plain; None for any other."""
    body = b""
    with suppress(TimeoutError, ValueError, RecursionError):
        async with asyncio.timeout(_JSON_S):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if len(body) > _LARGEST_JSON:
                    return None
                more = message.get("more_body", False)
        return body if _is_plain(json.loads(body)) else None
    return None


def _is_plain(found: Any) -> bool:
    """Tell an object whose data are words and numbers alone: what Gradio takes for a file is an object.

    Examples
    --------
    >>> _is_plain({"data": ["token", 3, None]}), _is_plain({"data": [{"path": "/etc/passwd"}]})
    (True, False)
    """
    if not isinstance(found, dict):
        return False
    data, event = found.get("data") or [], found.get("event_data")
    values = (
        [*data, *(event.values() if isinstance(event, dict) else [event])] if isinstance(data, list) else [{}]
    )
    return all(one is None or isinstance(one, str | int | float) for one in values)


def _hostname(host: str) -> str | None:
    """Return the name in `name:port`, in small letters; None for what has none.

    Examples
    --------
    >>> _hostname("LocalHost:7860"), _hostname("[::1]:80"), _hostname("")
    ('localhost', '::1', None)
    """
    with suppress(ValueError):
        return urlsplit(f"//{host}").hostname
    return None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then goes on."""
    given = False

    async def first() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return first


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *ours]
        await send(message)

    return with_headers
