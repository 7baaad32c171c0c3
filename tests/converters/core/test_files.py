"""Files written whole or not at all; files read by many threads."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from phosphene.converters.core.files import HEAD_BYTES, atomic_write, content_digest, read_head


def test_takes_its_name_once_all_is_written(tmp_path):
    path = tmp_path / "new" / "file.bin"
    with atomic_write(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail():
        with atomic_write(path) as file:
            file.write(b"ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x" * 250, "音" * 80, "🎵" * 60])
def test_names_as_long_as_they_may_be(tmp_path, name):
    with atomic_write(tmp_path / name) as file:
        file.write(b"x")
    assert (tmp_path / name).read_bytes() == b"x"


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "file") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_many_threads_read_large_files_at_once(tmp_path):
    """One open file serves head and digest of a large one; another thread's files must not close it."""
    contents = {}
    for number in range(200):
        path = tmp_path / f"{number}.bin"
        contents[path] = bytes([number]) * (HEAD_BYTES + number)
        path.write_bytes(contents[path])
    with ThreadPoolExecutor(16) as pool:
        heads = list(pool.map(read_head, contents))
        digests = list(pool.map(content_digest, contents))
    assert heads == [content[:HEAD_BYTES] for content in contents.values()]
    assert digests == [hashlib.blake2b(one, digest_size=16).hexdigest() + ".bin" for one in contents.values()]
