"""Linear maps and eigenvectors whose bits depend neither on the number of threads nor, for a map, on other rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from ..recurrence import sequencewise

P = ParamSpec("P")
T = TypeVar("T")

LEAST_VARIANCE = 1e-9  # along a direction, relative to the first one
FEW = 4  # where at most one in four eigenvectors is wanted, computing only those is faster


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """The function, with BLAS and LAPACK on one thread while it runs: its bits then depend on the machine alone."""

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> T:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*arguments, **options)

    return run


@cache
def _controller() -> ThreadpoolController:
    """Of all libraries; looking for them takes milliseconds."""
    import scipy.linalg  # noqa: F401 (SciPy brings its own)

    return ThreadpoolController()


def affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x weight' + bias. x: (n, k); weight: (m, k), best as the transpose of a (k, m) in C order; bias: (m,); one dtype.

    Returns (n, m).
    """
    return sequencewise.affine(x, weight.T, bias)


@one_thread
def symmetric_eigen(matrix: np.ndarray, n_largest: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues of a symmetric matrix, in descending order, and their eigenvectors.

    LAPACK runs on one thread, as the order of its sums depends on how many it has; of each eigenvector, the first of
    the entries that are largest in size is positive.
    matrix: (n, n), of which the lower triangle is read. n_largest: all where None.
    Returns (k,) and (n, k) float64, an eigenvector in each column.
    """
    matrix = np.asarray(matrix, np.float64)
    wanted = len(matrix) if n_largest is None else min(n_largest, len(matrix))
    values, vectors = _few(matrix, wanted) if 0 < FEW * wanted <= len(matrix) else np.linalg.eigh(matrix)
    values, vectors = values[::-1][:wanted], vectors[:, ::-1][:, :wanted]
    peaks = np.argmax(np.abs(vectors), axis=0)
    signs = np.where(vectors[peaks, np.arange(wanted)] < 0, -1.0, 1.0)
    return np.ascontiguousarray(values), np.ascontiguousarray(vectors * signs)


def _few(matrix: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues alone, ascending."""
    from scipy.linalg import eigh

    return eigh(matrix, subset_by_index=(len(matrix) - wanted, len(matrix) - 1), check_finite=False)


@one_thread
def leading_directions(rows: np.ndarray, n_largest: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Principal directions about zero: those along which rows vary most, and the sum of squares along each.

    By the smaller of the two Gram matrices. Directions along which nothing varies are left out.
    rows: (n, q). n_largest: all where None. Returns (q, k), orthonormal columns, and (k,), float64, largest first.
    """
    n, q = rows.shape
    values, vectors = symmetric_eigen(rows @ rows.T if n < q else rows.T @ rows, n_largest)
    is_kept = values > LEAST_VARIANCE * max(float(values[0]), float(np.finfo(np.float64).tiny))
    values, vectors = values[is_kept], vectors[:, is_kept]
    return rows.T @ (vectors / np.sqrt(values)) if n < q else vectors, values


def random_rotation(n_parts: int, n_values: int, seed: int) -> np.ndarray:
    """Orthonormal rows that the seed decides, (n_parts, n_values) float64."""
    normal = np.random.default_rng(seed).standard_normal((n_values, n_parts))
    columns, triangle = np.linalg.qr(normal)
    return np.ascontiguousarray((columns * np.sign(np.diag(triangle))).T)
