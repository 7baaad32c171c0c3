"""Downloads, from a server on this machine."""

import hashlib
import io
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from phosphene.converters import ParameterError, ReadError
from phosphene.datasets import find_protocol, protocols
from phosphene.datasets.protocol import Download

TABLE = b"slice_file_name,fsID,fold,class\na.wav,1,1,siren\nb.wav,2,2,drilling\n"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def published(tmp_path, loopback):
    """UrbanSound8K with two files, at an address of this machine."""
    served = tmp_path / "served"
    served.mkdir()
    files = {
        "UrbanSound8K/metadata/UrbanSound8K.csv": TABLE,
        "UrbanSound8K/audio/fold1/a.wav": b"a",
        "UrbanSound8K/audio/fold2/b.wav": b"b",
    }
    data = tar_of(files)
    (served / "UrbanSound8K.tar.gz").write_bytes(data)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=served))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/UrbanSound8K.tar.gz"
    yield replace(
        find_protocol("urbansound8k"), archive=Download(url, f"md5:{hashlib.md5(data).hexdigest()}")
    )
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetch_unpacks_what_opens(published, tmp_path):
    folder = published.fetch(tmp_path / "data")
    assert folder == tmp_path / "data" / "UrbanSound8K"
    assert [item.label for item in published.open(tmp_path / "data").items] == ["siren", "drilling"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "UrbanSound8K",
        "UrbanSound8K.tar.gz",
    ]


def test_fetch_leaves_what_is_there(published, tmp_path):
    published.fetch(tmp_path)
    unreachable = replace(published, archive=Download("http://127.0.0.1:9/gone.tar.gz", "md5:0"))
    assert unreachable.fetch(tmp_path) == tmp_path / "UrbanSound8K"


@pytest.mark.parametrize("change", ["checksum", "address"])
def test_fetch_refuses_what_was_not_published(published, change, tmp_path):
    right = published.archive
    wrong = {
        "checksum": Download(right.url, "md5:" + "0" * 32),
        "address": Download(right.url.replace("Urban", "Rural"), right.checksum),
    }[change]
    with pytest.raises(ReadError, match="cannot be fetched from http://127"):
        replace(published, archive=wrong).fetch(tmp_path / "data")
    assert not list((tmp_path / "data").glob("UrbanSound8K*"))


def test_fetch_never_writes_outside_the_folder(published, tmp_path):
    data = tar_of({"../../outside.txt": b"x"})
    (tmp_path / "served" / "UrbanSound8K.tar.gz").write_bytes(data)
    archive = Download(published.archive.url, f"md5:{hashlib.md5(data).hexdigest()}")
    with pytest.raises(ReadError, match="cannot be fetched"):
        replace(published, archive=archive).fetch(tmp_path / "data")
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize(
    "name", [name for name, known in protocols().items() if known.layout and not known.archive]
)
def test_without_a_checksum_nothing_is_fetched(name, tmp_path):
    with pytest.raises(ParameterError, match=f"^{name} cannot be fetched, .* get it from "):
        find_protocol(name).fetch(tmp_path)
