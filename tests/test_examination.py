"""What a model makes of a data set, beside NumPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from seqae import Ragged, SequenceAutoencoder, read
from seqae.baselines import ResampledPCA, explained_variance
from seqae.errors import InvalidParameter
from seqae.examination import examine
from seqae.examination.result import choice_of
from seqae.examination.vectors import kinds_of, map_of, neighbours_of, reach_of
from seqae.sequences.scaling import fit_scaling

from .conftest import make_waves


@pytest.fixture(scope="module")
def estimator() -> SequenceAutoencoder:
    return SequenceAutoencoder("linear", latent_size=8, random_state=0, verbose=False).fit(make_waves(60, seed=0))


def test_errors_and_reconstructions_are_the_estimators(estimator: SequenceAutoencoder) -> None:
    waves = make_waves(30, seed=1)
    found = examine(estimator, waves, n_shown=10)
    assert_array_equal(found.vectors, estimator.transform(waves))
    assert_array_equal(found.error, estimator.reconstruction_error(waves))
    again = estimator.reconstruct(waves)
    for place, i in enumerate(found.shown):
        assert_array_equal(found.again[place], again[i])
        assert_allclose(found.losses[place].mean(axis=0), found.errors[i], rtol=1e-5)
    assert found.error.argmax() in found.shown
    assert found.error.argmin() in found.shown
    frame = found.to_frame()
    assert frame.num_rows == 30
    assert_array_equal(frame["error_channel_1"], found.errors[:, 1])


def test_explained_variance_is_that_of_numpy(estimator: SequenceAutoencoder) -> None:
    waves = make_waves(30, seed=1)
    found = examine(estimator, waves)
    values = np.concatenate(waves)
    again = np.concatenate(list(estimator.reconstruct(waves)))
    scale, centre = estimator.scaling_.scale, estimator.scaling_.centre
    left, power = (((again - values) / scale) ** 2).sum(axis=0), (((values - centre) / scale) ** 2).sum(axis=0)
    assert_allclose(found.explained, 1 - left / power, rtol=1e-5)
    assert found.quality.rows[0].explained == pytest.approx(1 - left.sum() / power.sum(), rel=1e-6)


def test_pca_stands_beside_the_model(estimator: SequenceAutoencoder) -> None:
    train, test = Ragged.from_any(make_waves(60, seed=0)), Ragged.from_any(make_waves(30, seed=1))
    pca = ResampledPCA.fit(train, 4)
    wanted = explained_variance(test, pca.reconstruct(test), estimator.scaling_)
    rows = examine(estimator, test, learnt_from=train).quality.rows
    assert [row.name for row in rows] == [
        "this model", "mean sequence", "PCA, 4 components", "PCA, 8 components",
    ]  # fmt: skip
    assert rows[2].explained == pytest.approx(wanted)
    assert {row.has_seen for row in rows} == {False}
    unknown = examine(estimator, test).quality
    assert [row.has_seen for row in unknown.rows] == [None, True, False, False, True]
    assert unknown.rows[4].explained > unknown.rows[2].explained  # PCA that has seen them
    assert "PCA" in unknown.verdict


def test_missing_values_count_nowhere() -> None:
    waves = make_waves(30, seed=0)
    waves[3][1, 0] = np.nan
    source = read(waves, missing="mask")
    model = SequenceAutoencoder("linear", latent_size=8, random_state=0, verbose=False).fit(source)
    found = examine(model, source)
    values, again = np.concatenate(waves), np.concatenate(list(model.reconstruct(source)))
    left = np.nansum(((again - values) / model.scaling_.scale) ** 2)
    power = np.nansum(((values - model.scaling_.centre) / model.scaling_.scale) ** 2)
    assert found.quality.rows[0].explained == pytest.approx(1 - left / power, rel=1e-5)
    assert len(found.quality.rows) == 5
    assert found.errors[3, 0] == pytest.approx(np.nanmean(found.losses[3][:, 0]), rel=1e-5)


def test_tokens_stand_beside_the_commonest() -> None:
    rng = np.random.default_rng(0)
    tokens = Ragged.from_tokens([rng.choice(4, n, p=[0.7, 0.1, 0.1, 0.1]) for n in rng.integers(2, 9, 20)])
    model = SequenceAutoencoder("tokens", latent_size=4, hidden_size=8, max_epochs=2, random_state=0, verbose=False)
    found = examine(model.fit(tokens), tokens)
    assert found.quality.measure == "steps"
    assert found.quality.rows[0].explained == model.accuracy(tokens)
    assert found.quality.rows[1].explained == np.bincount(tokens.values).max() / len(tokens.values)


def test_labels_must_be_as_many(estimator: SequenceAutoencoder) -> None:
    with pytest.raises(InvalidParameter, match="one for each of 30 sequences, got 2"):
        examine(estimator, make_waves(30, seed=1), labels=["a", "b"])


def test_one_sequence_of_one_step(estimator: SequenceAutoencoder) -> None:
    found = examine(estimator, [np.zeros((1, 2))])
    assert found.map.reach == 0
    assert len(found.kinds.sizes) == 1
    assert found.quality.problem


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_map_is_pca(n: int, size: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, size)) * np.arange(1, size + 1)
    found = map_of(vectors)
    count = min(2, n, size)
    wanted = PCA(count).fit_transform(vectors) if n > 1 else np.zeros((1, count))
    assert_allclose(np.abs(found.places[:, :count]), np.abs(wanted), atol=1e-6 * size)
    assert_allclose(found.places[:, min(2, size) :], 0)
    assert 0 <= found.shares.sum() <= 1 + 1e-12


def test_reach_and_neighbours_are_those_of_a_loop() -> None:
    points = np.random.default_rng(0).normal(size=(50, 3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert reach_of(points, points) == pytest.approx(np.percentile(distances.min(axis=1), 99))
    assert_array_equal(neighbours_of(points, np.array([4, 9]), 3), np.argsort(distances[[4, 9]], axis=1)[:, :3])


def test_kinds_are_found_where_there_are_any() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat([[0, 0, 0], [9, 0, 0], [0, 9, 9]], [50, 30, 20], axis=0)
    found = kinds_of(centres + rng.normal(size=(100, 3)))
    assert_array_equal(found.of, np.repeat([0, 1, 2], [50, 30, 20]))
    assert len(kinds_of(rng.normal(size=(100, 8))).sizes) == 1  # one cloud
    assert len(kinds_of(np.zeros((5, 3))).sizes) == 1
    lone = np.concatenate([rng.normal(size=(99, 3)), [[99, 99, 99]]])
    assert len(kinds_of(lone).sizes) == 1  # a single strange one is no kind


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(3, 30), st.integers(1, 500))
def test_chosen_fit_the_budget_and_hold_the_worst(lengths: list[int], count: int, most_steps: int) -> None:
    error = np.random.default_rng(len(lengths)).normal(size=len(lengths))
    chosen = choice_of(error, np.array(lengths), count, most_steps)
    assert len(set(chosen.tolist())) == len(chosen) <= count
    assert error.argmax() in chosen
    assert len(chosen) == 1 or np.array(lengths)[chosen].sum() <= most_steps
    if sum(lengths) <= most_steps:
        assert len(chosen) == min(count, len(lengths))


def test_shares_name_the_channel_that_is_wrong() -> None:
    waves = make_waves(60, seed=0, shortest=20)
    model = SequenceAutoencoder("linear", latent_size=8, random_state=0, verbose=False).fit(waves)
    waves[7][5:9, 1] += 5
    found = examine(model, waves)
    assert found.worst_first[0] == 7
    assert found.shares[7].argmax() == 1
    assert found.times_usual[7] > 5
    assert_allclose(found.shares.sum(axis=1)[found.shares.any(axis=1)], 1)


def test_scaling_that_the_model_lacks_is_that_of_the_data() -> None:
    waves = make_waves(30, seed=0)
    model = SequenceAutoencoder("linear", latent_size=8, scale=False, random_state=0, verbose=False).fit(waves)
    ragged = Ragged.from_any(waves)
    wanted = explained_variance(ragged, model.reconstruct(ragged), fit_scaling(ragged))
    assert examine(model, waves).quality.rows[0].explained == pytest.approx(wanted, rel=1e-5)
