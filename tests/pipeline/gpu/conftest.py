import sys
from pathlib import Path

import pytest

# The signals and the variants of converters that the contract tries stand there.
sys.path.append(str(Path(__file__).parents[2] / "contract"))


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    if request.param == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
    return request.param


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Keep what is small from waiting for threads on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
