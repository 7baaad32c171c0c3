"""The gate: what it lets through, and what becomes of uploads; before a page that says what reached it."""

import asyncio
import contextlib
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from phosphene.pipeline.web import gate as module
from phosphene.pipeline.web.gate import Gate, UploadLimits, Visits, guarded, safe_name

HOST = "127.0.0.1:7860"


async def echo(request):
    return JSONResponse({"path": request.url.path, "body": (await request.body()).decode()})


@pytest.fixture
def visits(tmp_path):
    return Visits(tmp_path, most_waiting=2)


@pytest.fixture
def ask(visits):
    page = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    app = guarded(
        page, visits, hosts=frozenset({"127.0.0.1", "localhost"}), limits=UploadLimits(1000, most_s=0.5)
    )

    def send(method, path, **options):
        async def once():
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url=f"http://{HOST}"
            ) as client:
                return await client.request(method, path, **options)

        return asyncio.run(once())

    return send


@pytest.mark.parametrize(
    "path", ["/", "/config", "/assets/index.js", "/gradio_api/queue/data?session_hash=1", "/theme.css"]
)
def test_what_the_page_reads_passes(path, ask):
    reply = ask("GET", path)
    assert reply.status_code == 200
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert "http" not in reply.headers["content-security-policy"]  # no other machine is allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/file/etc/passwd"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1/"),
        ("GET", "/gradio_api/queue/join"),
        ("GET", "/monitoring"),
        ("GET", "/svelte/../../etc/passwd"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/stream/1"),
        ("POST", "/"),
        ("PUT", "/upload"),
        ("DELETE", "/gradio_api/queue/join"),
    ],
)
def test_all_else_is_not_there(method, path, ask):
    assert ask(method, path).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": f"http://{HOST}"}, 200),
        ({"origin": "http://example.org"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "localhost:7860"}, 200),
        ({"host": "LOCALHOST:7860"}, 200),
        ({"host": "rebound.example.org:7860"}, 421),
        ({"host": "127.0.0.1.example.org"}, 421),
        ({"host": ""}, 421),
    ],
)
def test_pages_of_others_are_refused(headers, status, ask):
    body = json.dumps({"data": ["token"], "fn_index": 0})
    assert ask("POST", "/gradio_api/queue/join", content=body, headers=headers).status_code == status


def test_a_link_from_another_site_opens_the_page(ask):
    assert ask("GET", "/", headers={"sec-fetch-site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": ["token", 3, None, True]}, 200),
        ({"data": [], "event_data": {"act": "label", "item": "a.wav"}}, 200),
        ({"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}, 400),
        ({"data": [["/etc/passwd"]]}, 400),
        ({"data": {"path": "/etc/passwd"}}, 400),
        ({"data": [], "event_data": {"a": {"path": "/etc/passwd"}}}, 400),
        ({"data": [], "event_data": [{"path": "/etc/passwd"}]}, 400),
        ({"data": ["x" * 70_000]}, 400),
        ([1], 400),
    ],
)
def test_data_are_words_and_numbers(body, status, ask):
    reply = ask("POST", "/gradio_api/queue/join", json=body)
    assert reply.status_code == status
    if status == 200:
        assert json.loads(reply.json()["body"]) == body


def test_nonsense_in_place_of_json_is_refused(ask):
    for body in (b"", b"{", b"[" * 60_000):
        assert ask("POST", "/gradio_api/queue/join", content=body).status_code == 400


def test_an_upload_is_kept_once_under_a_token(ask, visits, tmp_path):
    token = ask("POST", "/upload?name=../../bird.wav", content=b"abc").json()["token"]
    visit = visits.start(token)
    assert visit.file.read_bytes() == b"abc"
    assert visit.file.is_relative_to(tmp_path)
    assert visit.file.name == "bird.wav"
    assert visits.start(token) is None  # it is analysed once
    visits.finish(visit)
    assert not visit.file.exists()
    assert visits.start(token) is None


def whole(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def in_drops(pause_s=0.0, number=3, size=1):
    async def body():
        for _ in range(number):
            yield b"x" * size
            await asyncio.sleep(pause_s)

    return body()


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"content": b"x" * 1001}, 413, "a.wav: larger than"),
        ({"content": in_drops(number=30, size=100)}, 413, "larger than"),
        ({"content": b"", "headers": {"content-length": "99999999999"}}, 413, "larger than"),
        ({"content": b"", "headers": {"content-length": "-1"}}, 413, "larger than"),
        ({"content": in_drops(pause_s=0.4)}, 408, "longer than 0.5 s"),
        ({"content": b""}, 400, "empty"),
    ],
)
def test_a_bad_upload_is_one_line_and_leaves_nothing(options, status, words, ask, tmp_path):
    reply = ask("POST", "/upload?name=a.wav", **options)
    assert reply.status_code == status
    assert words in reply.text
    assert len(reply.text.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_upload_of_just_the_limit_is_taken(ask):
    assert ask("POST", "/upload?name=a.wav", content=b"x" * 1000).status_code == 200


def test_an_upload_that_is_broken_off_leaves_nothing(visits, tmp_path):
    async def broken_off():
        app = guarded(Starlette(), visits, hosts=frozenset(), limits=UploadLimits())
        sent = iter(
            [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"}]
        )
        scope = {
            "type": "http", "method": "POST", "path": "/upload", "query_string": b"name=a.wav", "headers": [],
            "scheme": "http", "root_path": "", "http_version": "1.1",
        }  # fmt: skip

        async def receive():
            return next(sent)

        async def send(_):
            pass

        with contextlib.suppress(StopIteration):
            await app(scope, receive, send)

    asyncio.run(broken_off())
    assert list(tmp_path.iterdir()) == []


def test_when_too_many_wait_it_says_busy(ask, visits):
    tokens = [ask("POST", "/upload?name=a.wav", content=b"x").json()["token"] for _ in range(2)]
    reply = ask("POST", "/upload?name=a.wav", content=b"x")
    assert (reply.status_code, "busy" in reply.text) == (503, True)
    visits.finish(visits.start(tokens[0]))
    assert ask("POST", "/upload?name=a.wav", content=b"x").status_code == 200


def events_until_the_visitor_leaves(visits, session, *, again=False):
    """Open the stream of a session before a page that waits, and break it off; perhaps open another meanwhile."""
    left = asyncio.Event()

    async def page(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass

    scope = {
        "type": "http", "method": "GET", "path": "/gradio_api/queue/data", "headers": [],
        "query_string": f"session_hash={session}".encode(),
    }  # fmt: skip

    async def waits():
        await left.wait()
        return {"type": "http.disconnect"}

    async def visit():
        gate = Gate(page, frozenset(), visits)
        messages = iter([{"type": "http.request", "body": b""}, {"type": "http.disconnect"}])

        async def receive():
            return next(messages)

        other = asyncio.create_task(gate(scope, waits, None)) if again else None
        await gate(scope, receive, None)
        await asyncio.sleep(3 * module._LEFT_S)
        waiting = [visit.title for visit in visits._all.values() if visit.file.exists()]
        left.set()
        if other:
            await other
        await asyncio.sleep(3 * module._LEFT_S)
        return waiting

    return asyncio.run(visit())


def test_an_upload_goes_with_the_visitor_who_leaves(ask, visits, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LEFT_S", 0.05)
    token = ask("POST", "/upload?name=a.wav", content=b"x").json()["token"]
    ask("POST", "/gradio_api/queue/join", json={"data": [token], "session_hash": "one"})
    ask("GET", "/gradio_api/queue/data?session_hash=one")  # ends by itself: all that was asked for is done
    events_until_the_visitor_leaves(visits, "other")
    assert whole(tmp_path) == ["a.wav"]
    events_until_the_visitor_leaves(visits, "one")
    assert whole(tmp_path) == []


def test_an_upload_stays_where_the_page_opens_another_stream(ask, visits, tmp_path, monkeypatch):
    """As it does where the ticks of a review end a stream just before an upload is asked for."""
    monkeypatch.setattr(module, "_LEFT_S", 0.05)
    token = ask("POST", "/upload?name=a.wav", content=b"x").json()["token"]
    ask("POST", "/gradio_api/queue/join", json={"data": [token], "session_hash": "one"})
    assert events_until_the_visitor_leaves(visits, "one", again=True) == ["a.wav"]
    assert whole(tmp_path) == []  # with the other one


def test_images_are_found_by_their_token_alone(ask, visits):
    visit = visits.open_own("a.wav")
    visit.file.write_bytes(b"secret")
    (visit.shown / "view0.png").write_bytes(b"pixels")
    assert ask("GET", f"/result/{visit.token}/view0.png").content == b"pixels"
    for path in (
        f"/result/{visit.token}/view1.png",
        f"/result/{visit.token}/a.wav",
        f"/result/{visit.token}/..%2fupload%2fa.wav",
        "/result/other/view0.png",
        f"/result/../{visit.token}/view0.png",
    ):
        assert ask("GET", path).status_code == 404, path


@given(st.text(max_size=300))
def test_a_name_is_that_of_a_file_in_a_folder(name):
    safe = safe_name(name)
    assert 1 <= len(safe) <= 80
    assert safe[0] not in ".-"
    assert not set(safe) & set("/\\#=\0\n ")


def test_the_suffix_of_a_long_name_stays():
    assert safe_name("a" * 300 + ".tar.gz").endswith(".tar.gz")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now_s = 1000.0

        def monotonic(self):
            return self.now_s

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_what_nobody_asks_for_is_deleted(tmp_path, clock):
    visits = Visits(tmp_path, 5)
    waiting, started = visits.open("a.wav"), visits.open("b.wav")
    visits.start(started.token)
    clock.now_s += module.UNUSED_S + 1
    visits.sweep()
    assert not waiting.folder.exists()
    assert started.folder.exists()
    assert visits.start(waiting.token) is None
    clock.now_s += module.KEPT_S
    visits.sweep()  # whoever began it is gone
    assert not started.folder.exists()
    assert all(visits.open("c.wav") for _ in range(5))


def test_images_go_after_a_while(tmp_path, clock):
    visits = Visits(tmp_path, 5)
    visit = visits.open("a.wav")
    visits.finish(visits.start(visit.token))
    (visit.shown / "view0.png").write_bytes(b"")
    clock.now_s += module.KEPT_S - 1
    visits.sweep()
    assert visits.result(visit.token, "view0.png")
    clock.now_s += 2
    visits.sweep()
    assert visits.result(visit.token, "view0.png") is None
    assert list(tmp_path.iterdir()) == []


def test_of_many_the_oldest_go(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    visits = Visits(tmp_path, 5)
    some = [visits.open_own("a.wav") for _ in range(5)]
    visits.sweep()
    assert [visit.folder.exists() for visit in some] == [False, False, True, True, True]


def test_who_leaves_before_his_turn_takes_no_place(tmp_path):
    visits = Visits(tmp_path, 2)
    begun, waiting = visits.open("a.wav"), visits.open("b.wav")
    for visit in (begun, waiting):
        visits.join(visit.token, "session")
    visits.join("no token", "session")
    visits.start(begun.token)
    visits.leave("another")
    assert visits.open("c.wav") is None
    visits.leave("session")
    assert not waiting.folder.exists()
    assert begun.file.parent.exists()
    assert visits.open("c.wav")
