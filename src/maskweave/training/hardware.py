"""Choose device and precision by what the machine can do, and keep freed memory in the process.

Large tensors of a training step are then reused instead of mapped again.

Measured on two cores with the compact network: 3 to 10 images/s with glibc's defaults, 15 with these settings.
"""

from __future__ import annotations

import ctypes
import math
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from maskweave.training.errors import TrainingError

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_ROUNDS, _CLEARLY_FASTER = 12, 0.85


def keep_freed_memory() -> bool:
    """Tell glibc not to hand freed blocks back to the system; False where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**28))
    accepted = [bool(mallopt(option, value)) for option, value in settings]
    return all(accepted)


def choose_device(asked: str) -> torch.device:
    """The device to train on.

    Raises:
        TrainingError: CUDA was asked for and is not there.
    """
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise TrainingError(
            f'device "{asked}": this torch sees no CUDA device. Use --device cpu, or install torch for CUDA.'
        )
    return torch.device(asked)


def choose_precision(asked: str, device: torch.device) -> str:
    """Resolve "auto" to "fp32" or "bf16": a convolution is timed in both, and bf16 must be clearly faster.

    CPUs that list avx512_bf16 differ: measured from twice as fast as fp32 to half as fast.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    times = {"fp32": math.inf, "bf16": math.inf}
    for _ in range(_ROUNDS):  # in turns, so that other work on the machine slows both
        for name, best in times.items():
            times[name] = min(best, _time_convolution(name))
    return "bf16" if times["bf16"] < _CLEARLY_FASTER * times["fp32"] else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Compute in "bf16" in a ``with`` block, or in "fp32" as without it."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def _time_convolution(precision: str) -> float:
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    image = torch.ones(8, 96, 28, 28, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(96, 96, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    start = time.perf_counter()
    torch.nn.functional.conv2d(image, weight, padding=1)
    return time.perf_counter() - start
