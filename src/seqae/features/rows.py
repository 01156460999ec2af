"""Linear maps of rows; the bits of a row do not depend on other rows or the number of threads."""

from __future__ import annotations

import numpy as np
import torch

from ..recurrence import linear


def affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x weight' + bias. x: (n, k); weight: (m, k) or the transpose of a (k, m) in C order; bias: (m,); one dtype.

    Returns (n, m).
    """
    if not x.size or not weight.size:
        return np.broadcast_to(bias, (len(x), len(bias))).copy()
    tensors = (torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(weight), torch.from_numpy(bias))
    return linear(*tensors).numpy()
