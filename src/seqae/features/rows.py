"""Linear maps of rows; the bits of a row do not depend on other rows or the number of threads."""

from __future__ import annotations

import numpy as np

from ..recurrence import sequencewise


def affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x weight' + bias. x: (n, k); weight: (m, k), best as the transpose of a (k, m) in C order; bias: (m,); one dtype.

    Returns (n, m).
    """
    return sequencewise.affine(x, weight.T, bias)
