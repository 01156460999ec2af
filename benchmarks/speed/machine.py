"""The machine and its rate of matrix multiplication, an upper bound for a kernel."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from seqae.recurrence import active_kernel

MATRIX_SIZE = 2048


@dataclass(frozen=True, slots=True)
class Machine:
    """n_threads: of torch; kernel: the active one; matrix_rate: float32 operations per second."""

    processor: str
    n_threads: int
    kernel: str
    torch_version: str
    matrix_rate: float


def describe_machine() -> Machine:
    """The machine this process runs on."""
    return Machine(_processor(), torch.get_num_threads(), active_kernel(), torch.__version__, matrix_rate())


def matrix_rate(n_repeats: int = 8) -> float:
    """The best float32 rate of a large matrix product in torch, in operations per second.

    Measured with its BLAS and, if built in, oneDNN: either may use only half of a processor's vector width.
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
