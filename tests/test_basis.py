from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from seqae.features import shrinkage
from seqae.features.basis import Basis, fit_basis, points_for
from seqae.features.shrinkage import as_curves, by_frequency, cosines, moments_of, sum_of
from seqae.sequences.ragged import Ragged
from seqae.sequences.scaling import identity_scaling
from seqae.storage.vetting import Arrays
from seqae.training.batching import BatchLoader

from .conftest import make_ragged
from .naive import reading_matrix


def loader(sequences: Ragged) -> BatchLoader:
    return BatchLoader(sequences, identity_scaling(sequences.n_channels))


def smooth(n_sequences: int, lengths: tuple[int, int], n_channels: int, seed: int = 0) -> Ragged:
    """Sums of a few sines of relative time, with a little noise."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(n_sequences):
        n = int(rng.integers(*lengths, endpoint=True))
        time = np.linspace(0, 1, n)[:, None]
        waves = [rng.normal(size=n_channels) * np.sin(k * np.pi * time) / k for k in range(1, 6)]
        parts.append((sum(waves) + 0.05 * rng.normal(size=(n, n_channels)) + 0.3).astype(np.float32))
    return Ragged.from_any(parts)


@pytest.fixture
def unshrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shrinkage, "SHRINKAGES", (0.0,))


@pytest.mark.parametrize(("n_sequences", "n_components"), [(60, 5), (12, 8), (300, 3)])
def test_without_shrinkage_it_is_pca_of_sequences_of_one_length(
    unshrunk: None, n_sequences: int, n_components: int
) -> None:
    sequences = smooth(n_sequences, (20, 20), 2)
    rows = sequences.values.reshape(n_sequences, -1).astype(np.float64)
    basis, pca = fit_basis(loader(sequences), n_components), PCA(n_components, svd_solver="full").fit(rows)
    assert_allclose(basis.mean.reshape(-1), pca.mean_, atol=1e-6)
    assert_allclose(basis.variances, pca.explained_variance_ * (n_sequences - 1) / n_sequences, rtol=1e-5)
    flat = basis.components.reshape(n_components, -1)
    assert_allclose(np.abs(flat @ pca.components_.T), np.eye(n_components), atol=1e-3)
    assert_allclose(basis.encode(sequences), basis_rows(flat, rows - basis.mean.reshape(-1)), atol=2e-2)


def basis_rows(flat: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return rows @ flat.T


def shrunk_errors(rows: np.ndarray, fold: np.ndarray, n_channels: int, n_components: int, a: float) -> float:
    """Part of the left-out variance that is not explained, by explicit loops over folds and frequencies."""
    error = power = 0.0
    q = rows.shape[1]
    for k in np.unique(fold):
        known, left = rows[fold != k], rows[fold == k]
        mean = known.mean(axis=0)
        covariance = (known - mean).T @ (known - mean) / len(known)
        for i in range(q):
            for j in range(q):
                if i // n_channels != j // n_channels:
                    covariance[i, j] *= 1 - a
        _, vectors = np.linalg.eigh(covariance)
        kept = vectors[:, -n_components:]
        residual = (left - mean) - (left - mean) @ kept @ kept.T
        error += float((residual**2).sum())
        power += float(((left - mean) ** 2).sum())
    return error / power


def test_the_shrinkage_is_that_which_explains_most_of_what_is_left_out() -> None:
    rows = by_frequency(np.random.default_rng(0).normal(size=(30, 6, 2)).cumsum(axis=1))
    fold = np.arange(30) % 3
    whole = [moments_of(rows[fold == k] - rows[0], np.eye(12), 6) for k in range(3)]
    found = shrinkage.shrunk_directions(whole, np.eye(12), 3)
    errors = [shrunk_errors(rows, fold, 2, 3, a) for a in shrinkage.SHRINKAGES]
    assert found.shrinkage == shrinkage.SHRINKAGES[int(np.argmin(errors))]
    assert_allclose(found.unexplained, min(errors), rtol=1e-9)


def test_the_subspace_holds_nearly_what_a_whole_decomposition_finds() -> None:
    rows = by_frequency(np.random.default_rng(1).normal(size=(80, 40, 3)).cumsum(axis=1) / 5)
    rows -= rows.mean(axis=0)
    subspace = shrinkage.subspace_of(rows, 40, 8)
    assert subspace.shape[1] < rows.shape[1] / 1.5
    assert_allclose(subspace.T @ subspace, np.eye(subspace.shape[1]), atol=1e-10)
    small, whole = (
        shrinkage.shrunk_directions([moments_of(part, space, 40) for part in np.split(rows, 4)], space, 8)
        for space in (subspace, np.eye(rows.shape[1]))
    )
    assert_allclose(small.variances, whole.variances, rtol=1e-2)
    assert_allclose(small.unexplained, whole.unexplained, rtol=2e-2)


def test_moments_merge_and_tell_covariances() -> None:
    rng = np.random.default_rng(2)
    rows, subspace = rng.normal(size=(50, 12)) + 3, np.linalg.qr(rng.normal(size=(12, 5)))[0]
    parts = [moments_of(part, subspace, 4) for part in np.split(rows, [7, 30])]
    whole = sum_of(parts)
    assert_allclose(whole.covariance(subspace), np.cov(rows @ subspace, rowvar=False, bias=True))
    own = np.cov(rows, rowvar=False, bias=True)
    for i in range(12):
        for j in range(12):
            own[i, j] *= i // 3 == j // 3
    assert_allclose(whole.stationary(subspace), subspace.T @ own @ subspace, atol=1e-12)
    assert_allclose(whole.power(), rows.var(axis=0).sum())
    rest = whole - parts[1]
    power, squares = parts[1].squares_about(rest.mean, subspace)
    centred = rows[7:30] - np.delete(rows, range(7, 30), axis=0).mean(axis=0)
    assert_allclose(power, (centred**2).sum())
    assert_allclose(squares, subspace.T @ centred.T @ centred @ subspace, atol=1e-9)


def test_many_channels_keep_only_the_variances_of_a_frequency() -> None:
    rows = np.random.default_rng(3).normal(size=(20, 2 * 300))
    moments = moments_of(rows, np.eye(600), 2)
    assert moments.blocks.shape == (2, 300)
    assert_allclose(np.diag(moments.stationary(np.eye(600))), rows.var(axis=0))
    assert_allclose(moments.power(), rows.var(axis=0).sum())


def test_cosines_are_the_orthonormal_transform() -> None:
    dct = pytest.importorskip("scipy.fft").dct
    curves = np.random.default_rng(4).normal(size=(3, 9, 2))
    assert_allclose(by_frequency(curves).reshape(3, 9, 2), dct(curves, axis=1, norm="ortho"), atol=1e-12)
    assert_allclose(as_curves(by_frequency(curves), 9), curves, atol=1e-12)
    assert_allclose(cosines(1), [[1.0]])


def test_fewer_components_leave_more_unexplained() -> None:
    whole = fit_basis(loader(smooth(200, (20, 30), 2, seed=1)), 12)
    few, fitted = whole.first(5), fit_basis(loader(smooth(200, (20, 30), 2, seed=1)), 5)
    assert_allclose(few.variances, fitted.variances, rtol=0.1)
    assert_allclose(few.unexplained, fitted.unexplained, rtol=0.15)
    assert_allclose(few.noise, fitted.noise, rtol=0.15)
    assert_allclose(whole.first(20).noise, whole.noise)


def least_squares(basis: Basis, values: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """The z of one sequence by lstsq on what was observed and on the prior's equations, side by side."""
    reading = reading_matrix(len(values), basis.n_points)
    design = np.einsum("np,kpc->nck", reading, basis.components)
    target = values - reading @ basis.mean
    prior = np.diag(np.sqrt(basis.noise / basis.variances))
    rows = np.concatenate([design[observed], prior])
    return np.linalg.lstsq(rows, np.concatenate([target[observed], np.zeros(len(prior))]), rcond=None)[0]


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=6), is_masked=st.booleans(), seed=st.integers(0, 99))
def test_values_are_least_squares_through_the_decoder(lengths: list[int], is_masked: bool, seed: int) -> None:
    basis = FITTED
    sequences = make_ragged(lengths, 2, seed=seed, dtype=np.float32)
    observed = np.random.default_rng(seed).random(sequences.values.shape) > 0.4
    sequences = Ragged(sequences.values, sequences.starts, sequences.lengths, observed if is_masked else None)
    found = basis.encode(sequences)
    for i, values in enumerate(sequences):
        rows = slice(sequences.starts[i], sequences.starts[i] + sequences.lengths[i])
        known = observed[rows] if is_masked else np.ones_like(observed[rows])
        assert_allclose(found[i], least_squares(basis, values.astype(np.float64), known), rtol=1e-5, atol=1e-6)


FITTED = fit_basis(loader(smooth(80, (5, 30), 2)), 6)


def test_decoding_reads_the_curve_at_any_length() -> None:
    z = np.random.default_rng(5).normal(size=(4, 6))
    lengths = np.array([1, 2, 30, 77])
    decoded = FITTED.decode(z, lengths)
    for i, n in enumerate(lengths):
        curve = FITTED.mean + np.tensordot(z[i], FITTED.components, 1)
        assert_allclose(decoded[i], reading_matrix(int(n), FITTED.n_points) @ curve, rtol=1e-5, atol=1e-6)


def test_a_sequence_has_the_same_bits_alone_and_in_company() -> None:
    sequences = smooth(70, (1, 90), 2, seed=7)
    together = FITTED.encode(sequences)
    for i in (0, 13, 69):
        assert_array_equal(FITTED.encode(sequences[[i]]), together[[i]])
        assert_array_equal(
            FITTED.decode(together[[i]], sequences.lengths[[i]])[0], FITTED.decode(together, sequences.lengths)[i]
        )


def test_missing_values_cost_little() -> None:
    sequences = smooth(40, (25, 40), 2, seed=8)
    observed = np.random.default_rng(8).random(sequences.values.shape) > 0.3
    spoilt = Ragged(np.where(observed, sequences.values, 1e6), sequences.starts, sequences.lengths, observed)
    whole, masked = (FITTED.decode(FITTED.encode(some), sequences.lengths).values for some in (sequences, spoilt))
    assert np.mean((masked - whole) ** 2) < 0.02 * np.var(sequences.values)
    errors = []
    for learnt in (fit_basis(loader(some), 6) for some in (sequences, spoilt)):
        again = learnt.decode(learnt.encode(spoilt), sequences.lengths).values
        errors.append(np.mean((again - sequences.values)[~observed] ** 2))
    assert errors[1] < 1.2 * errors[0] < 0.2 * np.var(sequences.values)


def test_few_sequences_have_more_components_than_directions_of_their_own() -> None:
    basis = fit_basis(loader(smooth(6, (30, 30), 2, seed=9)), 12)
    assert basis.n_components == 12
    assert basis.shrinkage > 0


@pytest.mark.parametrize("sequences", [Ragged.from_any([np.ones((4, 2), np.float32)] * 3), make_ragged([5], 1)])
def test_what_does_not_vary_has_no_components(sequences: Ragged) -> None:
    sequences = Ragged(sequences.values.astype(np.float32), sequences.starts, sequences.lengths)
    basis = fit_basis(loader(sequences), 4)
    assert basis.encode(sequences).shape == (len(sequences), 0)
    decoded = basis.decode(np.zeros((len(sequences), 0)), sequences.lengths)
    assert_allclose(decoded.values, sequences.values, atol=1e-6)


def test_the_grid_is_bounded() -> None:
    assert points_for(loader(make_ragged([7, 3], 2, dtype=np.float32))) == 7
    assert points_for(loader(make_ragged([2000], 1, dtype=np.float32))) == 512
    assert points_for(loader(make_ragged([300], 8, dtype=np.float32))) == 128
    assert points_for(loader(make_ragged([300], 200, dtype=np.float32))) == 16


def test_it_is_the_same_from_its_arrays() -> None:
    again = Basis.from_arrays(Arrays(FITTED.to_arrays()))
    sequences = smooth(3, (4, 9), 2)
    assert_array_equal(again.encode(sequences), FITTED.encode(sequences))
    assert (again.noise, again.shrinkage, again.unexplained) == (FITTED.noise, FITTED.shrinkage, FITTED.unexplained)
