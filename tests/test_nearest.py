"""Distances to the nearest parts of normal windows, against plain loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from seqae import Ragged
from seqae.detection.evidence.interface import Setting
from seqae.detection.evidence.nearest import NearestEvidence, parts_of

from . import naive
from .naive import Array


def walk(n_steps: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(n_steps, 2)).cumsum(axis=0).astype(np.float32)


def windows(values: Array, length: int, stride: int) -> Ragged:
    return Ragged.back_to_back(values, np.array([len(values)])).windows(length, stride)


def fit_nearest(known: Ragged, *, is_windowed: bool) -> NearestEvidence:
    length = int(known.lengths.max())
    setting = Setting(known.n_channels, known.n_channels, length if is_windowed else None, 1, are_tokens=False)
    return NearestEvidence.fit(known, ("nearest",), setting)


def naive_read(train: Array, starts: Sequence[int], length: int, unknown: list[Array], **settings: bool) -> Array:
    """Each step's distance: of the part from its start on, or of the last one, which ends with the window."""
    n_steps = len(unknown[0])
    firsts = [*range(0, n_steps - length, length), n_steps - length]
    parts = np.stack([window[first : first + length] for window in unknown for first in firsts])
    known = np.stack([train[start : start + length] for start in starts])
    distances = naive.nearest_parts(known, starts, parts, **settings)
    part_of = [max(k for k, first in enumerate(firsts) if first <= step) for step in range(n_steps)]
    return np.array([distances[i * len(firsts) + k] for i in range(len(unknown)) for k in part_of])


def check_distances(train: Array, test: Array, length: int, *, is_windowed: bool) -> None:
    known, unknown = windows(train, length, 3), windows(test, length, 5)
    evidence = fit_nearest(known, is_windowed=is_windowed)
    sizes = [length, (length + 1) // 2] if is_windowed else [length]
    expected = []
    for k, (size, scale) in enumerate(zip(sizes, evidence.scales, strict=True)):
        starts = range(len(train) - size + 1) if is_windowed else known.starts.tolist()
        scaling = scale.model.scaling
        normal, new = ((x - scaling.centre.astype(np.float64)) / scaling.scale for x in (train, test))
        whole = [new[start : start + length] for start in unknown.starts]
        expected.append(
            naive_read(normal, starts, size, whole, sees_level=not is_windowed or k == 1, is_scaled=is_windowed)
        )
    mean = np.prod(expected, axis=0) ** (1 / len(sizes))
    np.testing.assert_allclose(evidence.read(unknown)[0][:, 0], mean, rtol=1e-3)


@pytest.mark.parametrize("length", [14, 15])
@pytest.mark.parametrize("is_windowed", [True, False])
def test_distances_are_those_of_plain_loops(length: int, is_windowed: bool) -> None:
    check_distances(walk(300, 0), walk(90, 1), length, is_windowed=is_windowed)


def test_parts_cover_windows_of_any_length() -> None:
    lengths = np.array([3, 5, 10, 12, 1])
    parts = parts_of(Ragged.back_to_back(np.zeros((31, 1), np.float32), lengths), 5)
    assert parts.ragged.starts.tolist() == [0, 3, 8, 13, 18, 23, 25, 30]
    assert parts.ragged.lengths.tolist() == [3, 5, 5, 5, 5, 5, 5, 1]
    assert parts.n_own.tolist() == [3, 5, 5, 5, 5, 2, 5, 1]


def test_a_window_is_read_alike_alone_and_in_company() -> None:
    evidence = fit_nearest(windows(walk(300, 4), 11, 2), is_windowed=True)
    many = windows(walk(80, 5), 11, 3)
    together = evidence.read(many)[0]
    alone = [evidence.read(many[np.array([k])])[0] for k in range(len(many))]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def wave(n_steps: int) -> Array:
    return np.sin(np.arange(n_steps) * 0.3)[:, None].astype(np.float32)


def with_noise(n_steps: int, size: float | Array, rng: np.random.Generator) -> Array:
    return (wave(n_steps) + size * rng.normal(size=(n_steps, 1))).astype(np.float32)


def test_whole_windows_are_the_same_at_any_level_but_halves_are_not() -> None:
    evidence = fit_nearest(windows(walk(400, 6), 12, 1), is_windowed=True)
    unknown = walk(60, 7)
    whole, half = (
        [scale.distances(windows(unknown + level, 12, 5)) for level in (0.0, 3.0)] for scale in evidence.scales
    )
    np.testing.assert_allclose(whole[0], whole[1], rtol=1e-3)
    assert np.abs(half[0] / half[1] - 1).max() > 0.1


def test_what_is_noisy_in_normal_data_is_no_news() -> None:
    """Noise lies far from other noise; a wave that is too high lies nearer, yet is the odd one."""
    rng = np.random.default_rng(8)
    noise = np.where(np.arange(3000) < 2750, 0.02, 0.5)[:, None]
    evidence = fit_nearest(windows(with_noise(3000, noise, rng), 20, 1), is_windowed=True)
    noisy = windows(with_noise(200, 0.5, rng), 20, 1)
    odd = windows((2.0 * wave(200)).astype(np.float32), 20, 1)
    assert np.median(evidence.read(odd)[0]) > 1.5 * np.median(evidence.read(noisy)[0])
    for scale in evidence.scales:
        of_odd, of_noisy = (scale.neighbours.distances(scale.model.coefficients(x)) for x in (odd, noisy))
        assert np.median(of_odd) < np.median(of_noisy)


def test_what_repeats_itself_exactly_leaves_distances_finite() -> None:
    train = np.tile(wave(21), (20, 1))
    evidence = fit_nearest(windows(train, 21, 1), is_windowed=True)
    read = evidence.read(windows(train + 0.1, 21, 1))[0]
    assert np.isfinite(read).all()
    assert (read > 0).all()
