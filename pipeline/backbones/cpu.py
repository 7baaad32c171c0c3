"""Plain PyTorch on a CPU spends most of its time giving memory back and asking for it again: two remedies."""

import copy
import ctypes
import functools
import itertools
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import ThreadpoolController
from torch import nn

# Numbers of parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST_INT = 2**31 - 1
_TOP_PAD_BYTES = 64 << 20
_ROUNDING = 1e-3


@functools.cache
def keep_memory() -> bool:
    """Tell glibc to keep freed memory for the next layer instead of giving it back to the kernel.

    Feature maps are larger than glibc's threshold for fresh pages, so each layer's output is mapped, filled with
    zeros by the kernel page by page, and unmapped again. The setting holds for the whole process, is made once, and
    costs nothing but that the process stays as large as it once was. The environment variable
    `PHOSPHENE_KEEP_MEMORY=0` refuses it.

    Returns
    -------
    bool
        Whether memory is kept; False on systems without glibc, or when refused.
    """
    if os.environ.get("PHOSPHENE_KEEP_MEMORY") == "0" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST_INT), (_TOP_PAD, _TOP_PAD_BYTES))
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)


def fold_batch_norms(body: nn.Module, *, size: int) -> nn.Module:
    """Return a copy for inference, in which every batch normalisation right behind a convolution is part of it.

    What follows what is guessed from the order of the submodules; where the copy then answers differently the body
    itself is returned. Names of submodules stay, and what comes out of a normalisation, but not its parameters.

    Parameters
    ----------
    body
        float32 (n, 3, size, size) to a feature map; it stays as it is, but for being put into evaluation mode.
    size
        Side of its input, in pixels.
    """
    folded = copy.deepcopy(body.eval())
    for parent in list(folded.modules()):
        for first, second in itertools.pairwise(list(parent._modules)):
            _fold_pair(parent, first, second)
    return folded if _agree(body, folded, size) else body


def _agree(body: nn.Module, folded: nn.Module, size: int) -> bool:
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected, got = body(noise), folded(noise)
    return bool((expected - got).abs().max() <= _ROUNDING * expected.abs().max())


def _fold_pair(parent: nn.Module, first: str, second: str) -> None:
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    conv, norm = parent._modules[first], parent._modules[second]
    if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        return
    if norm.running_mean is None or conv.out_channels != norm.num_features:
        return
    setattr(parent, first, fuse_conv_bn_eval(conv, norm))
    # timm's normalisations hold their activation; torch's do nothing more.
    rest = [
        module for module in (getattr(norm, "drop", None), getattr(norm, "act", None)) if module is not None
    ]
    setattr(parent, second, nn.Sequential(*rest))


def multiplies_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 itself: elsewhere that was ten times as slow as float32."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the thread that calls this compute alone; other threads of the process keep theirs.

    `torch.set_num_threads` would change what threads started later take, too.
    """
    torch.get_num_threads()  # the first question in a thread makes torch set it; what is set after that holds
    with _pools().limit(limits=1, user_api="openmp"):
        yield


@functools.cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()
