"""Initial weights whose bits the generator alone decides: no LAPACK, whose rounding follows the thread count."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def fill_orthogonal(matrix: Tensor, generator: torch.Generator) -> None:
    """Fill a square matrix with a random rotation or reflection, in place (Saxe, McClelland & Ganguli 2014, 1312.6120).

    Gram-Schmidt in float64 over standard normal rows, each projected twice, which is as good as Householder.
    """
    size = matrix.shape[0]
    rows = torch.empty(size, size, dtype=torch.float64).normal_(generator=generator).numpy()
    for i in range(size):
        for _ in range(2):
            shares = (rows[:i] * rows[i]).sum(axis=1)
            rows[i] -= (shares[:, None] * rows[:i]).sum(axis=0)
        rows[i] /= np.sqrt((rows[i] ** 2).sum())
    matrix.copy_(torch.from_numpy(rows))
