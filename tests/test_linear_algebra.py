"""Eigenvectors against their equation, principal directions against singular values, and their bits."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from seqae.features.linear_algebra import leading_directions, symmetric_eigen


def drawn_covariance(n: int) -> np.ndarray:
    rows = np.random.default_rng(n).normal(size=(n + 20, n))
    return rows.T @ rows


@pytest.mark.parametrize("n_largest", [None, 5])
def test_they_solve_the_equation(n_largest: int | None) -> None:
    matrix = drawn_covariance(40)
    values, vectors = symmetric_eigen(matrix, n_largest)
    assert vectors.shape == (40, n_largest or 40)
    assert (np.diff(values) < 0).all()
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1][:n_largest])
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-10)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(values)), atol=1e-12)
    assert (vectors[np.argmax(np.abs(vectors), axis=0), np.arange(len(values))] > 0).all()


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
@pytest.mark.parametrize("n_largest", [None, 3])
def test_principal_directions_are_singular_vectors(shape: tuple[int, int], n_largest: int | None) -> None:
    rows = np.random.default_rng(0).normal(size=shape)
    directions, squares = leading_directions(rows, n_largest)
    _, singular, right = np.linalg.svd(rows, full_matrices=False)
    np.testing.assert_allclose(squares, singular[:n_largest] ** 2)
    np.testing.assert_allclose(np.abs(directions.T @ right[:n_largest].T), np.eye(len(squares)), atol=1e-10)


def test_threads_change_no_bit() -> None:
    matrix = drawn_covariance(300)
    bits = set()
    for n in (1, 2, 3):
        with threadpool_limits(n, "blas"):
            bits.add(tuple(array.tobytes() for array in symmetric_eigen(matrix)))
    assert len(bits) == 1
