"""Visitors of the page, many at once: python benchmarks/web_load.py MODEL FILE [--visitors 50] [--seconds 120]

Starts `phosphene serve MODEL` on a free port of this machine, and lets visitors open the page, upload FILE and wait
for all its parts. One visit in eight is a bad one: an upload over the limit, of the wrong kind, broken off, too slow, a
path in place of a token, a file as Gradio writes it, another origin. Prints the counts, the seconds of a visit, and
the memory of the server and its processes. Exit status 1 if a request failed in any way but an honest "busy".
"""

import argparse
import asyncio
import collections
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

MOST_VISITORS, MOST_SECONDS = 200, 600
THINKS_S = 1.0


class Visitors:
    """Visitors of one server, and what became of their visits."""

    def __init__(self, url: str, file: Path) -> None:
        self.url, self.file, self.data = url, file, file.read_bytes()
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: collections.Counter[str] = collections.Counter()
        self.seconds: list[float] = []
        self.numbers = itertools.count(1)

    async def come_and_go(self, until_s: float) -> None:
        """Visit again and again."""
        while time.monotonic() < until_s:
            number = next(self.numbers)
            bad = BAD[number // 8 % len(BAD)] if number % 8 == 0 else None
            begin = time.monotonic()
            try:
                async with httpx.AsyncClient(base_url=self.url, timeout=180) as client:
                    said = await (bad(self, client) if bad else self.visit(client))
            except (httpx.HTTPError, OSError, AssertionError) as error:
                said = "failed"
                self.failures[f"{bad.__name__ if bad else 'visit'}: {type(error).__name__}: {error}"] += 1
            self.counts[said] += 1
            if said == "done":
                self.seconds.append(time.monotonic() - begin)
            await asyncio.sleep(THINKS_S)

    async def visit(
        self, client: httpx.AsyncClient, name: str | None = None, data: bytes | None = None
    ) -> str:
        """Open the page, upload, wait for all parts and fetch their images."""
        page = await self.get(client, "/")
        asset = re.search(r"\./(assets/index-[\w-]+\.js)", page.text)
        await self.get(client, f"/{asset[1]}" if asset else "/theme.css")
        content = self.data if data is None else data
        reply = await client.post("/upload", params={"name": name or self.file.name}, content=content)
        if reply.status_code == 503 and "busy" in reply.text:
            return "busy"
        self.check(reply)
        parts = await self.ask(client, reply.json()["token"])
        if parts is None:
            return "busy"
        text = "".join(parts)
        if 'class="wrong"' in text:
            assert data is not None, f"an error for a good file: {text[:300]}"
            return "wrong kind, told so"
        assert all(f'aria-label="{part}"' in text for part in ("Prediction", "Explanation", "Gallery")), text[
            :300
        ]
        for image in re.findall(r'src="(result/[^"]+)"', text):
            await self.get(client, f"/{image}")
        return "done"

    async def ask(self, client: httpx.AsyncClient, token: Any) -> list[str] | None:
        """Join the queue with a token; return the last state of the parts, None where the queue is full."""
        session = os.urandom(6).hex()
        body = {
            "data": [token],
            "fn_index": 0,
            "session_hash": session,
            "event_data": None,
            "trigger_id": None,
        }
        joined = await client.post("/gradio_api/queue/join", json=body)
        if joined.status_code == 503:
            return None
        self.check(joined)
        parts = ["", "", ""]
        stream = client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session})
        async with stream as events:
            async for line in events.aiter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("msg") == "process_generating":
                    parts = apply_changes(parts, message["output"].get("data", []))
                if message.get("msg") == "process_completed":
                    assert message["success"], str(message)[:300]
                    break
        return parts

    async def get(self, client: httpx.AsyncClient, path: str) -> httpx.Response:
        reply = await client.get(path)
        self.check(reply)
        return reply

    @staticmethod
    def check(reply: httpx.Response, status: int = 200) -> None:
        assert reply.status_code == status, (
            f"{reply.request.url.path}: {reply.status_code} {reply.text[:100]}"
        )


def apply_changes(parts: list[str], data: list[Any]) -> list[str]:
    """Return the parts after a message: the first holds them whole, later ones the changes."""
    found = list(parts)
    for index, change in enumerate(data):
        if isinstance(change, str):
            found[index] = change
            continue
        for act, _, value in change or []:
            found[index] = found[index] + value if act == "append" else value
    return found


async def over_the_limit(self: Visitors, client: httpx.AsyncClient) -> str:
    address = client.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = f"POST /upload?name=big.wav HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
    writer.write(head.encode() + b"Content-Length: 1000000000\r\n\r\n" + b"x" * 1000)
    said = await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    assert b" 413 " in said, said
    return "over the limit, refused"


async def of_the_wrong_kind(self: Visitors, client: httpx.AsyncClient) -> str:
    return await self.visit(client, "notes.txt", b"This is no recording.\n" * 50)


async def broken_off(self: Visitors, client: httpx.AsyncClient) -> str:
    async def half() -> AsyncIterator[bytes]:
        yield self.data[: len(self.data) // 2]
        raise ConnectionAbortedError

    try:
        await client.post("/upload?name=half.wav", content=half())
    except ConnectionAbortedError:
        return "broken off"
    return "failed"


async def slow(self: Visitors, client: httpx.AsyncClient) -> str:
    async def drops() -> AsyncIterator[bytes]:
        for index in range(8):
            yield self.data[index : index + 1]
            await asyncio.sleep(1)

    reply = await client.post("/upload?name=slow.wav", content=drops())
    if reply.status_code == 503:
        return "busy"
    self.check(reply)
    return "slow, let be"


async def a_path(self: Visitors, client: httpx.AsyncClient) -> str:
    parts = await self.ask(client, "/etc/passwd")
    assert parts is None or "gone" in parts[0], str(parts)[:200]
    return "busy" if parts is None else "path, not opened"


async def a_file_of_gradio(self: Visitors, client: httpx.AsyncClient) -> str:
    token = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    body = {"data": [token], "fn_index": 0, "session_hash": "x"}
    self.check(await client.post("/gradio_api/queue/join", json=body), 400)
    self.check(await client.get("/gradio_api/file=/etc/passwd"), 404)
    return "path, refused"


async def another_origin(self: Visitors, client: httpx.AsyncClient) -> str:
    headers = {"origin": "http://example.org"}
    self.check(await client.post("/upload?name=a.wav", content=self.data, headers=headers), 403)
    return "other origin, refused"


BAD = (over_the_limit, of_the_wrong_kind, broken_off, slow, a_path, a_file_of_gradio, another_origin)


def memory_mb(pid: int) -> dict[str, float]:
    """Return the resident memory of a process, and of its children together, in MB."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        parents[int(status.parent.name)] = (int(fields["PPid"]), fields.get("VmRSS", "0 kB"))
    below = {pid}
    while more := {child for child, (parent, _) in parents.items() if parent in below} - below:
        below |= more
    held = {child: int(parents[child][1].split()[0]) / 1024 for child in below if child in parents}
    return {"server": held.pop(pid, 0.0), "processes": sum(held.values())}


async def run(visitors: Visitors, count: int, seconds: float, pid: int) -> None:
    """Let visitors come for so long, and print the memory meanwhile."""
    async with httpx.AsyncClient(base_url=visitors.url, timeout=300) as client:
        for _ in range(4):
            await visitors.visit(client)
    print("s\tserver MB\tprocesses MB\tvisits")
    begin = time.monotonic()
    tasks = [asyncio.create_task(visitors.come_and_go(begin + seconds)) for _ in range(count)]
    while True:
        held = memory_mb(pid)
        passed = time.monotonic() - begin
        print(
            f"{passed:.0f}\t{held['server']:.0f}\t{held['processes']:.0f}\t{sum(visitors.counts.values())}",
            flush=True,
        )
        if all(task.done() for task in tasks):
            break
        await asyncio.wait(tasks, timeout=15)
    for task in tasks:
        task.result()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    count, seconds = min(options.visitors, MOST_VISITORS), min(options.seconds, MOST_SECONDS)
    command = [sys.executable, "-m", "phosphene", "serve", str(options.model), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        url = None
        while url is None:
            line = server.stderr.readline()
            if not line:
                return 2
            found = re.search(r"http://\S+(?=/)", line)
            url = found[0] if found else None
        visitors = Visitors(url, options.file)
        try:
            asyncio.run(run(visitors, count, seconds, server.pid))
        finally:
            server.send_signal(signal.SIGINT)
    print(f"{count} visitors for {seconds:.0f} s: {sum(visitors.counts.values())} visits")
    for what, n in visitors.counts.most_common():
        print(f"{n}\t{what}")
    for what, n in visitors.failures.most_common(10):
        print(f"{n}\tfailure\t{what}")
    if visitors.seconds:
        print(
            f"seconds of a visit that was done: median {statistics.median(visitors.seconds):.1f}, "
            f"most {max(visitors.seconds):.1f}"
        )
    return int(bool(visitors.failures) or visitors.counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
