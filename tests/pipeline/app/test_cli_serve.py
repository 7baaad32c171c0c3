"""`phosphene serve`: wrong use is one line, before anything is served. The page itself: tests/pipeline/web."""

import socket

import pytest

from phosphene.pipeline.web.serve import ServeOptions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--labels", "l.csv"), "add --review"),
        (("--also", "sounds"), "add --review"),
        (("--review", "{folder}/none"), "no such folder"),
        (("--review", "{folder}", "--labels", "{folder}/l.csv"), "--labels"),
        (("--review", "{folder}", "--also", "{folder}/none"), "--also"),
        (("--review", "{folder}", "--host", "0.0.0.0"), "strangers"),
        (("--review", "{folder}", "--host", "example.org"), "strangers"),
        (("--port", "70000"), "65535"),
        (("--most-mb", "0"), "integer"),
        ((), "no such file"),
    ],
)
def test_wrong_use_is_one_line(options, words, phosphene, tmp_path):
    (tmp_path / "new").mkdir()
    named = [option.format(folder=tmp_path / "new") for option in options]
    done = phosphene("serve", tmp_path / "model", *named)
    assert done.status == 2
    assert words in done.err.splitlines()[-1]


def test_it_is_this_machine_alone_unless_told_otherwise():
    assert ServeOptions().is_loopback
    assert ServeOptions(host="::1").is_loopback
    assert not ServeOptions(host="0.0.0.0").is_loopback
    assert not ServeOptions(host="192.168.1.2").is_loopback


def test_a_port_that_is_taken_is_one_line(loopback):
    from phosphene.converters import ParameterError
    from phosphene.pipeline.web.serve import _bound

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ParameterError, match=rf"{port}.*--port"), _bound(ServeOptions(port=port)):
            pass
