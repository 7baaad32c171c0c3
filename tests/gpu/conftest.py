import sys
from pathlib import Path

import pytest

# The signals and the variants of converters that the contract tries stand there.
sys.path.append(str(Path(__file__).parents[1] / "contract"))


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    if request.param == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
    return request.param
