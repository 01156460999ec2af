"""The machine, and how fast it multiplies large matrices: what a kernel can hope for."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..recurrence import active_kernel

MATRIX_SIZE = 2048


@dataclass(frozen=True, slots=True)
class Machine:
    """n_threads: that torch uses; kernel: the active one; matrix_rate: float32 operations per second."""

    processor: str
    n_threads: int
    kernel: str
    torch_version: str
    matrix_rate: float


def describe_machine() -> Machine:
    """The machine this process runs on."""
    return Machine(_processor(), torch.get_num_threads(), active_kernel(), torch.__version__, matrix_rate())


def matrix_rate(n_repeats: int = 8) -> float:
    """The best float32 rate of a large matrix product, in operations per second, of all that torch can multiply with.

    That is its BLAS and, where it is built in, oneDNN: either may make use of half a processor's vectors only.
    """
    a, b = torch.randn(2, MATRIX_SIZE, MATRIX_SIZE).unbind()
    products = [partial(torch.mm, a, b)]
    if torch.backends.mkldnn.is_available():
        products.append(partial(torch.nn.functional.linear, a.to_mkldnn(), b))
    with torch.no_grad():
        fastest = min(seconds(product) for product in products for _ in range(n_repeats))
    return 2 * MATRIX_SIZE**3 / fastest


def seconds(function: Callable[..., Any], *arguments: Any) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
