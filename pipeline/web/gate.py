"""What stands before the page: who may ask what, uploads with their limits, and the images of a visit.

Gradio has routes that open files and addresses which a visitor names. None of them passes: a request is let through
where its path is on a short list, and where its data are plain numbers and words.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from .visits import Visits

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
            receive = self._watched(request.query_params.get("session_hash", ""), receive)
        await (refused or self.app)(scope, receive, _with_headers(send))

    def _watched(self, session: str, receive: Receive) -> Receive:
        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.visits.leave(session)
            return message

        return watched

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
