"""Scores, neighbours and the linear model against scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from seqae import Ragged
from seqae.detection.covariance import fit_mahalanobis
from seqae.detection.evidence.interface import Score
from seqae.detection.evidence.linear import fit_linear, fit_neighbours
from seqae.detection.evidence.registry import as_names, scores
from seqae.detection.scoring import MeanError, Part, fit_mean_error, joint, weighted
from seqae.errors import InvalidParameter, InvalidSequence

RNG = np.random.default_rng(0)


def named(name: str) -> Score:
    return scores()[name]


def test_mahalanobis_is_that_of_ledoit_wolf() -> None:
    errors = np.abs(RNG.normal(size=(80, 5)) @ RNG.normal(size=(5, 5)))
    scores = fit_mahalanobis(errors).score(errors)
    np.testing.assert_allclose(scores, LedoitWolf().fit(errors).mahalanobis(errors), rtol=1e-3)


@pytest.mark.parametrize(
    "errors",
    [np.zeros((10, 3)), np.ones((1, 4)), np.outer(np.arange(6.0), [1, 2, 3]), np.full((5, 2), np.nan)],
    ids=["constant", "one step", "rank one", "nothing known"],
)
def test_mahalanobis_of_degenerate_errors_is_finite(errors: np.ndarray) -> None:
    model = fit_mahalanobis(errors)
    assert np.isfinite(model.score(np.ones((3, errors.shape[1])))).all()


def test_mahalanobis_learns_from_what_is_known() -> None:
    rng = np.random.default_rng(1)
    errors = rng.normal(size=(4000, 4)) @ (np.eye(4) + 0.4 * rng.random((4, 4))) + [1.0, 2.0, 3.0, 4.0]
    holes = np.where(rng.random(errors.shape) < 0.6, np.nan, errors)  # few rows know all four
    new = rng.normal(size=(50, 4)) * 3
    np.testing.assert_allclose(fit_mahalanobis(holes).score(new), fit_mahalanobis(errors).score(new), rtol=0.3)
    dead = np.insert(errors, 2, np.nan, axis=1)
    scores = fit_mahalanobis(dead).score(np.insert(new, 2, np.nan, axis=1))
    np.testing.assert_allclose(scores, fit_mahalanobis(errors).score(new), rtol=0.02)
    alive = fit_mahalanobis(dead).score(np.insert(new, 2, 2.5, axis=1))
    np.testing.assert_allclose(alive, scores, rtol=0.05)


def test_a_step_s_score_does_not_depend_on_the_others() -> None:
    errors = np.abs(RNG.normal(size=(50, 7)))
    for model in (fit_mahalanobis(errors), fit_mean_error(errors)):
        alone = [model.score(errors[i : i + 1])[0] for i in range(50)]
        np.testing.assert_array_equal(model.score(errors), alone)


def test_mean_error_divides_by_what_is_usual_and_skips_what_is_unknown() -> None:
    model = MeanError(np.array([1.0, 2.0]))
    scores = model.score(np.array([[1.0, 4.0], [3.0, np.nan], [np.nan, np.nan]]))
    np.testing.assert_array_equal(scores, [1.5, 3.0, np.nan])
    assert fit_mean_error(np.array([[3.0, 0.0], [4.0, np.nan]])).usual == pytest.approx([12.5**0.5, 0.1])


def test_joint_is_a_weighted_mean_of_logarithms() -> None:
    model = MeanError(np.ones(1))
    parts = weighted((Part(named("error"), model, 2.0), Part(named("nearest"), model, 1.0)))
    score = joint(parts, [np.array([4.0, 4.0, np.nan]), np.array([1.0, np.nan, np.nan])])
    expected = [(2.01 * 1.01**16) ** (1 / 17), 2.01, np.nan]
    np.testing.assert_allclose(score, expected)
    np.testing.assert_array_equal(joint(parts[:1], [np.array([4.0])]), [4.0])


def test_a_poor_model_weighs_less() -> None:
    parts = (Part(named("error"), MeanError(np.array([0.8]))), Part(named("linear"), MeanError(np.array([0.2]))))
    assert [part.weight for part in weighted(parts)] == pytest.approx([1 / 16, 1.0])


@pytest.mark.parametrize("score", ["errors", (), ("error", "error"), 3])
def test_unknown_scores_are_named(score: object) -> None:
    with pytest.raises(InvalidParameter, match="score must be"):
        as_names(score)


@given(st.integers(2, 40), st.integers(1, 6))
def test_distances_are_those_of_all_pairs(n_vectors: int, size: int) -> None:
    vectors = np.random.default_rng(n_vectors).normal(size=(n_vectors, size)).astype(np.float32)
    others = np.random.default_rng(size).normal(size=(5, size)).astype(np.float32)
    memory = fit_neighbours(vectors)
    white = (others - memory.centre) @ memory.whitener.T
    expected = np.linalg.norm(white[:, None] - memory.vectors, axis=2).min(axis=1)
    np.testing.assert_allclose(memory.distances(others), expected, rtol=1e-3, atol=1e-4)


def test_whitening_gives_components_like_size() -> None:
    vectors = (RNG.normal(size=(400, 3)) * [1.0, 2.0, 3.0]).astype(np.float32)
    deviations = fit_neighbours(vectors).vectors.std(axis=0)
    assert deviations.min() > 0.8
    assert deviations.max() < 1.05


def windows(n: int, length: int, n_channels: int) -> Ragged:
    rng = np.random.default_rng(1)
    basis = rng.normal(size=(3, length * n_channels))
    flat = rng.normal(size=(n, 3)) @ basis + 0.1 * rng.normal(size=(n, length * n_channels))
    return Ragged.from_any(flat.reshape(n, length, n_channels))


@pytest.mark.parametrize(("n", "length", "n_channels"), [(100, 8, 2), (12, 30, 2)], ids=["tall", "wide"])
def test_linear_residual_is_that_of_pca(n: int, length: int, n_channels: int) -> None:
    X = windows(n, length, n_channels)
    model = fit_linear(X, n_components=3)
    scaled = ((X.values - model.scaling.centre) / model.scaling.scale).reshape(n, -1)
    pca = PCA(3, svd_solver="full").fit(scaled)
    expected = np.abs(scaled - pca.inverse_transform(pca.transform(scaled)))
    errors, coefficients = model.read(X)
    np.testing.assert_allclose(errors.reshape(n, -1), expected, atol=2e-3)
    assert coefficients.shape == (n, 3)


def test_linear_takes_shorter_and_longer_windows_and_constants() -> None:
    X = windows(50, 10, 2)
    model = fit_linear(X)
    errors, _ = model.read(Ragged.from_any([X[0][:4], np.concatenate([X[1], X[2][:3]])]))
    whole, _ = model.read(X[1:2])
    assert errors.shape == (17, 2)
    assert np.isfinite(errors).all()
    np.testing.assert_array_equal(errors[4:14], whole)
    errors, _ = fit_linear(Ragged.from_any(np.ones((5, 4, 1)))).read(Ragged.from_any(np.full((1, 4, 1), 3.0)))
    np.testing.assert_allclose(errors, 2.0)


def test_linear_needs_one_length() -> None:
    with pytest.raises(InvalidSequence, match="one length"):
        fit_linear(Ragged.from_any([np.ones((3, 1)), np.ones((4, 1)), np.ones((5, 1))]))
