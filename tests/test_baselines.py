"""The linear baselines, against NumPy's interpolation and a PCA by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from seqae import Ragged
from seqae.baselines import MeanSequence, ResampledPCA, explained_variance
from seqae.sequences.scaling import fit_scaling, identity_scaling

from .conftest import make_ragged


def interpolated(sequence: np.ndarray, n_steps: int) -> np.ndarray:
    """One sequence at n_steps relative times, channel by channel; NaN is interpolated over."""
    here, there = np.linspace(0, 1, len(sequence)), np.linspace(0, 1, n_steps)
    known = ~np.isnan(sequence)
    of_channels = [np.interp(there, here[k], x[k]) for x, k in zip(sequence.T, known.T, strict=True)]
    return np.stack(of_channels, axis=1)


def by_hand(sequences: list[np.ndarray], n_components: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Mean curve, scores and reconstructions, by a singular value decomposition in scaled units."""
    steps = np.concatenate(sequences)
    centre, scale = np.nanmean(steps, axis=0), np.nanstd(steps, axis=0)
    longest = max(map(len, sequences))
    curves = np.stack([(interpolated(sequence, longest) - centre) / scale for sequence in sequences])
    rows, mean = curves.reshape(len(curves), -1), curves.mean(axis=0)
    u, s, v = np.linalg.svd(rows - mean.reshape(-1), full_matrices=False)
    scores = u[:, :n_components] * s[:n_components]
    rebuilt = (scores @ v[:n_components]).reshape(curves.shape) + mean
    made = [interpolated(curve, len(own)) * scale + centre for curve, own in zip(rebuilt, sequences, strict=True)]
    return mean * scale + centre, scores, made


SEQUENCES = [np.asarray(sequence, np.float64) for sequence in make_ragged([2, 7, 5, 30, 12, 4, 9], n_channels=3)]
GAPPED = [sequence.copy() for sequence in SEQUENCES]
GAPPED[1][2:4, 0] = GAPPED[3][0, 1] = GAPPED[5][-1, 2] = np.nan


@pytest.mark.parametrize("known", [SEQUENCES, GAPPED], ids=["whole", "gapped"])
def test_both_are_what_is_computed_by_hand(known: list[np.ndarray]) -> None:
    sequences = Ragged.from_any(known, missing="mask")
    mean, scores, made = by_hand(known, 3)
    of_mean = MeanSequence.fit(sequences).reconstruct(sequences)
    for own, sequence in zip(of_mean, known, strict=True):
        assert_allclose(own, interpolated(mean, len(sequence)), rtol=1e-5, atol=1e-5)
    pca = ResampledPCA.fit(sequences, 3)
    assert_allclose(np.abs(pca.transform(sequences)), np.abs(scores), rtol=1e-4, atol=1e-4)
    assert_allclose(pca.reconstruct(sequences).values, np.concatenate(made), rtol=1e-4, atol=1e-4)


def test_one_step_stands_for_the_whole_time() -> None:
    sequences = Ragged.from_any([np.array([[3.0]]), np.array([[1.0], [2.0]])])
    assert_allclose(MeanSequence.fit(sequences).reconstruct(sequences).values[:, 0], [2.25, 2.0, 2.5], rtol=1e-6)


def test_scores_have_the_same_bits_alone() -> None:
    windows = make_ragged([40], n_channels=2).windows(6, 3)
    pca = ResampledPCA.fit(windows, 4)
    alone = np.concatenate([pca.transform(windows[np.array([i])]) for i in range(len(windows))])
    assert_array_equal(pca.transform(windows), alone)


def test_pca_takes_as_many_components_as_there_are() -> None:
    sequences = make_ragged([4, 4, 4], n_channels=2)
    pca = ResampledPCA.fit(sequences, n_components=50)
    assert pca.transform(sequences).shape == (3, 2)
    assert_allclose(pca.reconstruct(sequences).values, sequences.values, atol=1e-6)


def test_equal_sequences_are_their_mean() -> None:
    sequences = Ragged.from_any([[[1.0], [2.0]]] * 3)
    pca = ResampledPCA.fit(sequences, 2)
    assert_allclose(pca.reconstruct(sequences).values, sequences.values, atol=1e-6)


def test_explained_variance() -> None:
    sequences = make_ragged([3, 5], n_channels=2)
    scaling = fit_scaling(sequences)
    centre = Ragged.back_to_back(np.tile(scaling.centre, (8, 1)), sequences.lengths)
    assert explained_variance(sequences, sequences, scaling) == 1.0
    assert explained_variance(sequences, centre, scaling) == pytest.approx(0, abs=1e-6)
    halved = Ragged.back_to_back(sequences.values / 2, sequences.lengths)
    assert explained_variance(sequences, halved, identity_scaling(2)) == pytest.approx(0.75)


def test_what_was_not_observed_is_not_to_be_explained() -> None:
    sequences = Ragged.from_any([[[1.0], [np.nan], [3.0]]], missing="mask")
    made = Ragged.from_any([[[1.0], [9.0], [2.0]]])
    assert explained_variance(sequences, made, identity_scaling(1)) == pytest.approx(1 - 1 / 10)
