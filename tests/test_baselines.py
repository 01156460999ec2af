"""The linear baselines, against NumPy's interpolation and a PCA by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from seqae import Ragged
from seqae.baselines import MeanSequence, ResampledPCA, explained_variance, resample, stretch
from seqae.errors import InvalidSequence
from seqae.sequences.scaling import fit_scaling, identity_scaling

from .conftest import make_ragged


def interpolated(sequence: np.ndarray, n_steps: int) -> np.ndarray:
    """One sequence at n_steps relative times, channel by channel."""
    here, there = np.linspace(0, 1, len(sequence)), np.linspace(0, 1, n_steps)
    return np.stack([np.interp(there, here, channel) for channel in sequence.T], axis=1)


@pytest.mark.parametrize("n_steps", [2, 5, 30])
def test_resample_is_linear_interpolation(n_steps: int) -> None:
    sequences = make_ragged([2, 7, 5, 30], n_channels=3)
    expected = [interpolated(sequence, n_steps) for sequence in sequences]
    assert_allclose(resample(sequences, n_steps), expected, rtol=1e-12, atol=1e-12)


def test_stretch_is_linear_interpolation() -> None:
    curves = np.random.default_rng(0).normal(size=(3, 6, 2))
    stretched = stretch(curves, np.array([2, 9, 6]))
    for curve, sequence, length in zip(curves, stretched, (2, 9, 6), strict=True):
        assert_allclose(sequence, interpolated(curve, length), rtol=1e-6, atol=1e-6)


def test_resampling_to_its_own_length_gives_a_sequence_back() -> None:
    sequences = make_ragged([5, 5], n_channels=2)
    assert_allclose(stretch(resample(sequences, 5), sequences.lengths).values, sequences.values, atol=1e-6)


def test_one_step_stands_for_the_whole_time() -> None:
    sequences = Ragged.from_any([np.array([[3.0]]), np.array([[1.0], [2.0]])])
    assert_allclose(resample(sequences, 3)[:, :, 0], [[3, 3, 3], [1, 1.5, 2]])
    assert_allclose(resample(sequences, 1)[:, :, 0], [[3], [1.5]])
    assert_allclose(stretch(resample(sequences, 3), np.array([1, 1])).values[:, 0], [3, 1.5])


def test_overlapping_windows_are_taken() -> None:
    windows = make_ragged([20], n_channels=2).windows(6, 3)
    assert_allclose(resample(windows, 4), [interpolated(window, 4) for window in windows], atol=1e-12)


def test_missing_values_are_refused() -> None:
    sequences = Ragged.from_any([[[1.0], [np.nan], [2.0]]], missing="mask")
    with pytest.raises(InvalidSequence, match="need every value"):
        resample(sequences, 3)


def test_mean_sequence_of_equal_lengths_is_the_mean() -> None:
    sequences = make_ragged([4] * 9, n_channels=2)
    mean = sequences.values.reshape(9, 4, 2).mean(axis=0)
    assert_allclose(MeanSequence.fit(sequences).reconstruct(sequences).values, np.tile(mean, (9, 1)), atol=1e-6)


def test_pca_is_the_singular_value_decomposition() -> None:
    sequences = make_ragged([4] * 9, n_channels=2)
    pca = ResampledPCA.fit(sequences, n_components=3)
    scaling = fit_scaling(sequences)
    rows = ((sequences.values - scaling.centre) / scaling.scale).reshape(9, 8)
    mean = rows.mean(axis=0)
    u, s, v = np.linalg.svd(rows - mean, full_matrices=False)
    assert_allclose(np.abs(pca.transform(sequences)), np.abs(u[:, :3] * s[:3]), rtol=1e-6, atol=1e-6)
    expected = ((u[:, :3] * s[:3]) @ v[:3] + mean).reshape(-1, 2) * scaling.scale + scaling.centre
    assert_allclose(pca.reconstruct(sequences).values, expected, rtol=1e-5, atol=1e-5)


def test_pca_takes_as_many_components_as_there_are() -> None:
    sequences = make_ragged([4, 4, 4], n_channels=2)
    pca = ResampledPCA.fit(sequences, n_components=50)
    assert pca.transform(sequences).shape == (3, 3)
    assert_allclose(pca.reconstruct(sequences).values, sequences.values, atol=1e-6)


def test_explained_variance() -> None:
    sequences = make_ragged([3, 5], n_channels=2)
    scaling = fit_scaling(sequences)
    centre = Ragged.back_to_back(np.tile(scaling.centre, (8, 1)), sequences.lengths)
    assert explained_variance(sequences, sequences, scaling) == 1.0
    assert explained_variance(sequences, centre, scaling) == pytest.approx(0, abs=1e-6)
    halved = Ragged.back_to_back(sequences.values / 2, sequences.lengths)
    assert explained_variance(sequences, halved, identity_scaling(2)) == pytest.approx(0.75)
