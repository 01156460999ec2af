"""Eigenvectors that have the same bits for any number of threads."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits


def symmetric_eigen(matrix: np.ndarray, n_largest: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues of a symmetric matrix, in descending order, and their eigenvectors.

    LAPACK runs on one thread, as the order of its sums depends on how many it has; of each eigenvector, the first of
    the entries that are largest in size is positive.
    matrix: (n, n), of which the lower triangle is read. n_largest: all where None.
    Returns (k,) and (n, k) float64, an eigenvector in each column.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        values, vectors = np.linalg.eigh(np.asarray(matrix, np.float64))
    kept = slice(None, None, -1) if n_largest is None else slice(None, -n_largest - 1, -1)
    values, vectors = values[kept], vectors[:, kept]
    peaks = np.argmax(np.abs(vectors), axis=0)
    signs = np.where(vectors[peaks, np.arange(len(values))] < 0, -1.0, 1.0)
    return np.ascontiguousarray(values), np.ascontiguousarray(vectors * signs)
