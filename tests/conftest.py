"""What every test stands on: no window, no cache of the user's, the same random examples in every CI run."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("COLUMNS", None)  # as wide as a pipe is, whoever runs the tests

# Threads that wait do so asleep: where others share the cores, those that spin take several times the work's time.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

# A process that a test starts finds the program compiled, as a user's does, whatever the shell says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a shell starts in the background ignores Ctrl-C, and so would all that these tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine must not fail a property: how long one example takes is measured by the benchmarks, not here.
settings.register_profile(
    "phosphene",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("phosphene")


def pytest_configure(config):
    """Compile librosa's generalised ufuncs before two test processes do, which may cache what crashes the next one.

    It is numba's issue 10128. Tests ask librosa whether our numbers are right; the program calls none of these.
    """
    if config.getoption("numprocesses", None):
        import librosa.beat
        import librosa.core.pitch
        import librosa.util.utils  # noqa: F401


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep what a run caches away from the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOSPHENE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data."""
    folder = os.environ.get("PHOSPHENE_DATA")
    if not folder:
        pytest.skip("needs real data: set PHOSPHENE_DATA to its folder")
    if not Path(folder).is_dir():
        pytest.fail(f"PHOSPHENE_DATA={folder} is no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def loopback() -> None:
    """A machine that reaches itself; one cut off from every network, as by `unshare -n`, does not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            socket.create_connection(server.getsockname(), timeout=5).close()
        except OSError as error:
            pytest.skip(f"needs the loopback interface up: {error}")


# A process between, since the memory of what starts a process counts towards it: this one is small, as is time -v.
# Beside the most memory it tells what of it is not mapped from files: of libraries more or less is there by chance.
MEASURE = """
import os, subprocess, sys, time

def held(pid):
    most, found = 0, ""
    try:
        with open(f"/proc/{pid}/status") as status:
            most = sum(int(line.split()[1]) for line in status if line.startswith(("RssAnon:", "RssShmem:")))
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as children:
                found += children.read()
    except OSError:
        pass  # it has ended
    return max([most, *map(held, found.split())])

child, most = subprocess.Popen(sys.argv[1:]), 0
while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
    most = max(most, held(child.pid))
    time.sleep(0.01)
print(f"\\n{ended[2].ru_utime + ended[2].ru_stime} {ended[2].ru_maxrss} {most}")
sys.exit(os.waitstatus_to_exitcode(ended[1]))
"""


@pytest.fixture(scope="session")
def measured() -> Callable[..., tuple[subprocess.CompletedProcess, float, int, int]]:
    """Run `phosphene WORDS --json` in a process: what it said, the seconds of CPU, the most KiB it or a worker held.

    Of these KiB come those with what is mapped from files first, then those without.
    """

    def run(*words: object) -> tuple[subprocess.CompletedProcess, float, int, int]:
        command = [sys.executable, "-m", "phosphene", *map(str, words), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=False
        )
        done.stdout, _, figures = done.stdout.rstrip().rpartition("\n")
        cpu_s, most_kb, unmapped_kb = figures.split()
        assert int(unmapped_kb) > 0, "nothing was measured"
        return done, float(cpu_s), int(most_kb), int(unmapped_kb)

    return run
