"""The page as a visitor meets it, in a real browser; and the server behind it, as somebody meets it who means ill."""

import csv
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest

pytestmark = [pytest.mark.web, pytest.mark.timeout(600)]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENT_MS = 120_000  # on a busy machine


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs a browser: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    options = ("--no-sandbox", "--autoplay-policy=no-user-gesture-required")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(planted, tmp_path_factory):
    """The classifier, and a folder of eight files to label."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(planted / "model", folder / "model")
    (folder / "new").mkdir()
    for number in range(8):
        label = "planted" if number % 2 else "background"
        shutil.copy(planted / "sounds" / label / f"{number}.wav", folder / "new" / f"{number}.wav")
    return folder


@pytest.fixture(scope="module")
def server(folder, loopback):
    """The address of a server with a review, and the folder of its temporary files."""
    (folder / "tmp").mkdir()
    command = [sys.executable, "-m", "phosphene", "serve", folder / "model", "--port", "0", "--most-mb", "1"]
    command += ["--review", folder / "new", "--workers", "1", "--json"]
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"}
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=folder, **pipes) as process:
        lines = iter(process.stderr.readline, "")
        url = next(found[0] for line in lines if (found := re.search(r"http://\S+/", line)))
        yield url
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out) == {"url": url}
    assert list((folder / "tmp").glob("phosphene-*")) == []


@pytest.fixture
def page(browser, server):
    """A fresh page; it asked no other machine for anything, and nothing went wrong in it."""
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENT_MS)
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(server)
    page.wait_for_selector("#drop")
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((server, "data:", "blob:"))] == []
    assert wrong == []


def part(page, name):
    return page.locator(f'section[aria-label="{name}"]:visible')


def uploads(folder):
    """The uploads that are on the disk; folders that go while they are listed are passed over."""
    found = os.walk(folder / "tmp")
    return [name for place, _, names in found for name in names if place.endswith("/upload")]


def test_a_file_is_predicted_explained_and_drawn_by_every_converter(page, planted, folder):
    page.set_input_files("#file", planted / "sounds" / "planted" / "1.wav")
    part(page, "Gallery").wait_for()
    text = part(page, "Prediction").inner_text()
    assert "audio: 2.000 s of mono sound at 8000 Hz" in text
    assert re.search(r"planted\s+\d+\.\d %\s+background\s+\d+\.\d %", text)
    assert "Novelty 0." in text
    images = page.locator("section img:visible")
    page.wait_for_function(
        "() => [...document.querySelectorAll('section img')].every(image => image.complete)"
    )
    widths = images.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(widths) == 1 + 1 + 1 + 4  # signal, view, explanation, the other converters
    assert min(widths) > 200
    assert all(images.evaluate_all("images => images.map(image => image.alt.length > 3)"))
    assert uploads(folder) == []


def test_a_region_of_the_explanation_can_be_heard(page, planted):
    page.set_input_files("#file", planted / "sounds" / "planted" / "1.wav")
    button = part(page, "Explanation").locator("button").first
    button.wait_for()
    start, stop = (float(button.get_attribute(f"data-{end}")) for end in ("start", "stop"))
    assert 0 <= start < stop <= 2
    sound = part(page, "Prediction").locator("audio")
    sound.evaluate("sound => new Promise(go => sound.readyState > 3 ? go() : sound.oncanplaythrough = go)")
    sound.evaluate(
        "sound => { sound.times = []; sound.ontimeupdate = () => sound.times.push(sound.currentTime); }"
    )
    button.click()
    page.wait_for_function("s => s.times.length > 1 && s.paused", arg=sound.element_handle())
    times = sound.evaluate("sound => sound.times")
    assert min(times) >= start - 0.01
    assert stop - 0.05 <= max(times) < stop + 0.6


def test_an_example_can_be_clicked(page):
    page.get_by_role("button", name=re.compile(r"bird-000\.wav")).click()
    part(page, "Prediction").wait_for()
    assert "mono sound" in part(page, "Prediction").inner_text()
    part(page, "Gallery").wait_for()


def test_a_bad_file_is_one_message_and_the_next_one_is_taken(page, planted, tmp_path, folder):
    (tmp_path / "notes.txt").write_text("This is no recording.\n" * 9)
    page.set_input_files("#file", tmp_path / "notes.txt")
    page.wait_for_selector(".wrong")
    assert page.locator(".wrong").count() == 1
    text = page.locator(".wrong").inner_text()
    assert "notes.txt" in text
    assert "takes audio" in text
    assert str(folder) not in text
    assert page.locator("section:visible").count() == 0
    assert uploads(folder) == []
    page.set_input_files("#file", planted / "sounds" / "planted" / "1.wav")
    part(page, "Gallery").wait_for()
    assert page.locator(".wrong").count() == 0


def test_a_file_over_the_limit_is_not_sent(page, tmp_path):
    (tmp_path / "big.wav").write_bytes(bytes(2**20 + 1))
    page.set_input_files("#file", tmp_path / "big.wav")
    page.wait_for_function("() => document.querySelector('#said').textContent.includes('limit')")
    assert page.locator("#said").inner_text() == "big.wav: larger than 1 MB, the limit here"


def test_a_name_is_shown_and_never_run(page, planted, tmp_path):
    name = "<img src=x onerror=alert(1)>{{7*7}}${7*7} ä.wav"
    page.on("dialog", lambda dialog: pytest.fail(f"ran: {dialog.message}"))
    file = tmp_path / name
    shutil.copy(planted / "sounds" / "planted" / "1.wav", file)
    page.set_input_files("#file", file)
    part(page, "Gallery").wait_for()
    assert part(page, "Prediction").locator("h2").inner_text() == name


def labels(folder):
    with (folder / "new.labels.csv").open(newline="") as rows:
        return {row["path"]: row["label"] for row in csv.DictReader(rows)}


def next_item(page, before):
    page.wait_for_function(
        "before => { const r = document.querySelector('.review'); return r && r.dataset.item !== before; }",
        arg=before,
    )
    return page.locator(".review").get_attribute("data-item")


def press(page, key):
    before = page.locator(".review").get_attribute("data-item")
    page.keyboard.press(key)
    return before, next_item(page, before)


def test_a_folder_is_labelled_by_keys_and_trained_again(page, folder, planted):
    page.get_by_role("tab", name="Review").click()
    page.wait_for_selector(".review audio")
    keys = {
        name: page.locator(f'[data-label="{name}"]').get_attribute("data-key")
        for name in ("background", "planted")
    }
    assert sorted(keys.values()) == ["1", "2"]
    shown = page.locator(".review .bars").inner_text()
    for expected in range(1, 8):
        item = page.locator(".review").get_attribute("data-item")
        name = "planted" if int(item[0]) % 2 else "background"
        done, _ = press(page, keys[name])
        assert done == item
        assert len(labels(folder)) == expected
        assert labels(folder)[f"new/{item}"] == name

    last = page.locator(".review").get_attribute("data-item")
    press(page, "0")
    page.get_by_text("All are labelled or skipped.").wait_for()
    assert press(page, "Backspace")[1] == last
    page.fill("#other", "planted")
    page.press("#other", "1")  # a digit in the field is no label
    page.fill("#other", "planted" if int(last[0]) % 2 else "background")
    page.press("#other", "Enter")
    page.get_by_text("All are labelled or skipped.").wait_for()
    assert len(labels(folder)) == 8

    page.locator("[data-act=train]").click()
    page.get_by_text(re.compile("trained on 8 items")).wait_for()
    assert (folder / "model-again" / "model.safetensors").is_file()
    page.get_by_text(re.compile(r"predicting .* done")).wait_for()
    page.get_by_role("tab", name="One file").click()
    page.set_input_files("#file", planted / "sounds" / "planted" / "1.wav")
    part(page, "Gallery").wait_for()
    assert part(page, "Prediction").locator(".bars").inner_text() != shown


def test_the_table_of_labels_trains_from_the_command_line(folder, tmp_path):
    rows = "".join(f"new/{number}.wav,{'planted' if number % 2 else 'background'}\n" for number in range(8))
    (folder / "again.csv").write_text(f"path,label\n{rows}")
    assert labels(folder) == {f"new/{n}.wav": "planted" if n % 2 else "background" for n in range(8)}
    command = [sys.executable, "-m", "phosphene", "train", folder / "new.labels.csv", "--out", tmp_path / "m"]
    options = [
        "--as",
        "mel(size=96)",
        "--windows",
        "none",
        "--strategy",
        "probe",
        "--valid",
        "none",
        "--workers",
        "1",
    ]
    done = subprocess.run([*command, *options, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"] == ["background", "planted"]


SESSIONS = (f"session{number}" for number in itertools.count())


def join(client, token, session):
    body = {"data": [token], "fn_index": 0, "session_hash": session}
    return client.post("/gradio_api/queue/join", json=body)


def events_of(client, session):
    return client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session})


def answer(client, token):
    """Join the queue with a token, and return all that is said until it is done."""
    session, said = next(SESSIONS), []
    assert join(client, token, session).status_code == 200
    with events_of(client, session) as events:
        for line in events.iter_lines():
            said.append(line)
            if '"msg":"process_completed"' in line:
                return "".join(said)
    raise AssertionError(f"the stream ended early: {said}")


def test_no_path_of_a_visitor_is_opened(server, folder):
    secret = folder / "new" / "0.wav"
    with httpx.Client(base_url=server, timeout=120) as client:
        for token in (str(secret), f"file://{secret}", "../../new/0.wav", "", "x" * 1000):
            said = answer(client, token)
            assert "this upload is gone" in said
            assert "mono sound" not in said
        for data in ({"path": str(secret), "meta": {"_type": "gradio.FileData"}}, [str(secret)]):
            assert join(client, data, next(SESSIONS)).status_code == 400
        for path in (
            f"file={secret}",
            f"file/{secret}",
            "proxy=http://127.0.0.1/",
            "upload",
            f"stream/{secret}",
        ):
            assert client.get(f"/gradio_api/{path}").status_code == 404


def test_other_origins_are_refused(server):
    with httpx.Client(base_url=server, timeout=120) as client:
        for origin in ("http://example.org", "null", "http://127.0.0.1:1"):
            for path in ("/upload?name=a.wav", "/gradio_api/queue/join"):
                assert client.post(path, content=b"{}", headers={"origin": origin}).status_code == 403
        assert client.get("/", headers={"host": "rebound.example.org"}).status_code == 421


def test_a_page_of_another_origin_gets_nothing(browser, server, folder):
    """The browser itself carries out what the other page asks of it."""
    other = server.replace("127.0.0.1", "localhost")  # another origin to the browser
    before = uploads(folder)
    context = browser.new_context()
    page = context.new_page()
    page.goto(other)
    statuses = []
    page.on("response", lambda reply: statuses.append(reply.status) if "/upload" in reply.url else None)
    page.evaluate(
        "url => fetch(url + 'upload?name=a.wav', {method: 'POST', body: 'x', mode: 'no-cors'}).catch(() => 0)",
        server,
    )
    context.close()
    assert set(statuses) <= {403}
    assert uploads(folder) == before


def test_visitors_who_leave_while_they_wait_take_no_place(server, folder, planted):
    data = (planted / "sounds" / "planted" / "1.wav").read_bytes()
    for _ in range(10):
        with httpx.Client(base_url=server, timeout=120) as client:
            reply = client.post("/upload?name=gone.wav", content=data)
            until_s = time.monotonic() + 60
            while reply.status_code == 503 and time.monotonic() < until_s:
                time.sleep(0.5)
                reply = client.post("/upload?name=gone.wav", content=data)
            assert reply.status_code == 200
            session = next(SESSIONS)
            assert join(client, reply.json()["token"], session).status_code == 200
            with events_of(client, session) as events:
                next(events.iter_lines())
    until_s = time.monotonic() + 60
    while uploads(folder) and time.monotonic() < until_s:
        time.sleep(0.5)
    assert uploads(folder) == []


def test_uploads_that_are_broken_off_or_never_used_leave_the_server_well(server, folder, planted):
    data = (planted / "sounds" / "planted" / "1.wav").read_bytes()

    def half():
        yield data[:1000]
        raise ConnectionAbortedError

    with httpx.Client(base_url=server, timeout=120) as client:
        for _ in range(12):
            with pytest.raises(ConnectionAbortedError):
                client.post("/upload?name=half.wav", content=half())
        until_s, n_empty = time.monotonic() + 60, 0
        while (
            n_empty < 15 and time.monotonic() < until_s
        ):  # for three seconds: the last may only now be on their way
            n_empty = 0 if uploads(folder) else n_empty + 1
            time.sleep(0.2)
        assert uploads(folder) == []
        replies = [client.post("/upload?name=a.wav", content=data) for _ in range(12)]
        codes = [reply.status_code for reply in replies]
        assert codes.count(200) >= 8
        assert set(codes) == {200, 503}
        assert all("busy" in reply.text for reply in replies if reply.status_code == 503)
        token = next(reply.json()["token"] for reply in replies if reply.status_code == 200)
        assert "Gallery" in answer(client, token)


def test_noise_under_every_suffix_is_one_message(server):
    noise = np.random.default_rng(0).bytes(3000)
    with httpx.Client(base_url=server, timeout=300) as client:
        for name in ("a.wav", "a.mp3", "a.csv", "a.npz", "a.mat", "a.parquet", "a"):
            reply = client.post("/upload", params={"name": name}, content=noise)
            if reply.status_code == 503:  # those of the test above wait until they are swept
                continue
            assert "wrong" in answer(client, reply.json()["token"])
