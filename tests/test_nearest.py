"""Distances to the nearest parts of normal windows, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from seqae import Ragged
from seqae.scaling import Scaling
from seqae.tasks.nearest import fit_nearest, parts_of


def walk(n_steps: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_steps, 2)).cumsum(axis=0).astype(np.float32)


def windows(values: np.ndarray, length: int, stride: int) -> Ragged:
    return Ragged.back_to_back(values, np.array([len(values)])).windows(length, stride)


def naive_read(train: list[np.ndarray], window: np.ndarray, scaling: Scaling) -> list[float]:
    """Each step's distance: of the part from its start on, or of the last one, which ends with the window."""
    length, centre, scale = len(train[0]), scaling.centre.astype(np.float64), scaling.scale.astype(np.float64)
    flat = np.stack([((part - centre) / scale).ravel() for part in train])
    variances, axes = np.linalg.eigh(np.cov(flat.T, bias=True))
    kept = np.argsort(-variances)[: max(20, len(train) // 8)]
    whitener = axes[:, kept] / np.sqrt(variances[kept] + 0.05 * variances[kept].mean())
    memory = (flat - flat.mean(axis=0)) @ whitener
    firsts = [*range(0, len(window) - length, length), len(window) - length]
    distances = []
    for first in firsts:
        part = ((window[first : first + length] - centre) / scale).ravel()
        distances.append(np.linalg.norm((part - flat.mean(axis=0)) @ whitener - memory, axis=1).min())
    return [distances[max(k for k, first in enumerate(firsts) if first <= step)] for step in range(len(window))]


def check_distances(train: np.ndarray, test: np.ndarray, length: int, *, is_windowed: bool) -> None:
    known, unknown = windows(train, length, 3), windows(test, length, 5)
    sensor = fit_nearest(known, is_windowed=is_windowed)
    sizes = [length, (length + 1) // 2] if is_windowed else [length]
    expected = []
    for size, scale in zip(sizes, sensor.scales, strict=True):
        starts = range(len(train) - size + 1) if is_windowed else known.starts
        normal = [train[start : start + size] for start in starts]
        expected.append(np.concatenate([naive_read(normal, window, scale.model.scaling) for window in unknown]))
    mean = np.prod(expected, axis=0) ** (1 / len(sizes))
    np.testing.assert_allclose(sensor.read(unknown)[:, 0], mean, rtol=1e-3)


@pytest.mark.parametrize("length", [14, 15])
@pytest.mark.parametrize("is_windowed", [True, False])
def test_distances_are_those_of_plain_loops(length: int, is_windowed: bool) -> None:
    check_distances(walk(400, 0), walk(90, 1), length, is_windowed=is_windowed)


def test_parts_cover_windows_of_any_length() -> None:
    lengths = np.array([3, 5, 10, 12, 1])
    parts = parts_of(Ragged.back_to_back(np.zeros((31, 1), np.float32), lengths), 5)
    assert parts.ragged.starts.tolist() == [0, 3, 8, 13, 18, 23, 25, 30]
    assert parts.ragged.lengths.tolist() == [3, 5, 5, 5, 5, 5, 5, 1]
    assert parts.n_own.tolist() == [3, 5, 5, 5, 5, 2, 5, 1]


def test_a_window_is_read_alike_alone_and_in_company() -> None:
    sensor = fit_nearest(windows(walk(300, 4), 11, 2), is_windowed=True)
    many = windows(walk(80, 5), 11, 3)
    together = sensor.read(many)
    alone = [sensor.read(many[np.array([k])]) for k in range(len(many))]
    np.testing.assert_array_equal(together, np.concatenate(alone))
