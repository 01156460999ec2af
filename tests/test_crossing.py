"""Whole sequences held out once each, and sequences that hide one another."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import median_abs_deviation

from seqae import AnomalyDetector, Ragged, SequenceAutoencoder, load
from seqae.detection.crossing import deviations, fold_numbers, nearest_to_median
from seqae.errors import DataWarning, InvalidParameter, InvalidSequence

N_NORMAL = 60


def sines(n: int, *, seed: int = 0) -> list[np.ndarray]:
    """Sines of one period, of 40 steps, with noise and a phase of their own."""
    rng = np.random.default_rng(seed)
    steps = np.arange(40)
    return [np.sin(steps / 6 + rng.normal() / 5)[:, None] + rng.normal(size=(40, 1)) / 10 for _ in range(n)]


def with_bumps(sequences: list[np.ndarray]) -> list[np.ndarray]:
    """The same with a bump in the middle: anomalies that are alike."""
    return [x + 3 * np.exp(-(((np.arange(len(x)) - 20) / 3.0) ** 2))[:, None] for x in sequences]


def with_a_hole(x: np.ndarray) -> np.ndarray:
    """Some steps in the beginning are missing."""
    return np.where((np.arange(len(x)) // 3 == 1)[:, None], np.nan, x)


def linear() -> AnomalyDetector:
    return AnomalyDetector(SequenceAutoencoder("linear", verbose=False), random_state=0, verbose=False)


@given(st.integers(2, 60), st.integers(0, 70), st.integers(0, 9))
def test_folds_are_of_equal_size(n: int, n_folds: int, seed: int) -> None:
    folds = fold_numbers(n, n_folds, seed)
    sizes = np.bincount(folds)
    assert len(sizes) == min(max(n_folds, 2), n)
    assert sizes.max() - sizes.min() <= 1


@given(hnp.arrays(float, st.integers(3, 30), elements=st.floats(1e-3, 1e3)))
def test_deviations_are_those_of_scipy(scores: np.ndarray) -> None:
    is_known = np.arange(len(scores)) % 4 < 3
    logs = np.log(scores)
    scale = median_abs_deviation(logs[is_known], scale=1 / 1.4826)
    expected = (logs - np.median(logs[is_known])) / scale if scale > 0 else np.zeros(len(scores))
    np.testing.assert_allclose(deviations(scores, is_known), expected, rtol=1e-9, atol=1e-9)


def test_an_unknown_score_is_not_outside() -> None:
    assert deviations(np.array([1.0, 2.0, np.nan, 4.0]), np.ones(4, bool))[2] == 0


@pytest.mark.parametrize("change", [lambda x: x, lambda x: x[::2], with_a_hole])
def test_the_core_is_nearest_to_the_median(change: Callable[[np.ndarray], np.ndarray]) -> None:
    sequences = [change(x) for x in [*sines(16), *with_bumps(sines(4, seed=1))]]
    assert np.flatnonzero(~nearest_to_median(Ragged.from_any(sequences), 0.8)).tolist() == [16, 17, 18, 19]


def test_a_channel_in_large_units_does_not_decide_alone() -> None:
    apart = np.random.default_rng(0).normal(size=20)[:, None, None] * np.ones((1, 5, 1))
    both = np.concatenate([1e6 * apart[::-1], apart], axis=2)
    both[3, :, 1] = 30.0
    assert not nearest_to_median(Ragged.from_any(list(both)), 0.9)[3]


HIDDEN = [5, 17, 29, 41]


def contaminated() -> list[np.ndarray]:
    """Normal sequences, but four."""
    found = sines(N_NORMAL)
    for k, bumped in zip(HIDDEN, with_bumps(sines(4, seed=1)), strict=True):
        found[k] = bumped
    return found


def test_anomalies_that_hide_one_another_are_named() -> None:
    with pytest.warns(DataWarning, match=r"4 of 60 sequences \(numbers 5, 17, 29, 41\).* pass contamination=0.07"):
        found = linear().fit(contaminated())
    assert found.left_out_.size == 0
    assert len(found.held_out_scores_) == N_NORMAL


def test_numbers_count_the_labelled_ones() -> None:
    y = np.arange(N_NORMAL + 1) == 0
    with pytest.warns(DataWarning, match="numbers 6, 18, 30, 42"):
        linear().fit([sines(1, seed=5)[0], *contaminated()], y)


@pytest.fixture(scope="module")
def cleaned() -> AnomalyDetector:
    return linear().set_params(contamination=0.07).fit(contaminated())


def test_what_contaminates_is_left_out(cleaned: AnomalyDetector) -> None:
    found = cleaned
    assert set(HIDDEN) <= set(found.left_out_)
    assert len(found.left_out_) <= 8
    assert len(found.held_out_scores_) == N_NORMAL - len(found.left_out_)
    assert (found.predict(with_bumps(sines(20, seed=2))) == -1).all()
    assert (found.predict(sines(100, seed=3)) == 1).mean() > 0.9


def test_at_least_the_share_is_left_out() -> None:
    assert len(linear().set_params(contamination=0.25).fit(sines(N_NORMAL)).left_out_) >= 15


@pytest.mark.parametrize("n_alike", [1, 15])
def test_nothing_is_named_among(n_alike: int) -> None:
    training = sines(N_NORMAL)
    training[:n_alike] = with_bumps(sines(n_alike, seed=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        linear().fit(training)


@pytest.mark.parametrize("window", [None, 10])
def test_elsewhere_the_highest_scores_do_not_count(window: int | None) -> None:
    settings = {"max_epochs": 2, "verbose": False, "random_state": 0}
    given = SequenceAutoencoder("repeat", latent_size=2, hidden_size=4, **settings)
    plain, cleaned = (
        AnomalyDetector(given, window=window, random_state=0, verbose=False, contamination=share).fit(sines(N_NORMAL))
        for share in (None, 0.2)
    )
    limit = np.quantile(plain.held_out_scores_, 0.8)
    expected = plain.held_out_scores_[plain.held_out_scores_ <= limit]
    np.testing.assert_array_equal(cleaned.held_out_scores_, expected)
    assert cleaned.left_out_.size == 0


@pytest.mark.parametrize("share", [0.0, 0.5, -1, True, "auto"])
def test_a_wrong_share_is_refused(share: object) -> None:
    with pytest.raises(InvalidParameter, match=r"contamination must be a number above 0 and below 0\.5"):
        linear().set_params(contamination=share).fit(sines(4))


def test_it_survives_a_file(cleaned: AnomalyDetector, tmp_path: Path) -> None:
    cleaned.save(tmp_path / "d.seqae")
    assert load(tmp_path / "d.seqae").contamination == 0.07


def test_fewer_than_two_sequences_are_named() -> None:
    with pytest.raises(InvalidSequence, match="at least 2"):
        AnomalyDetector(window=None, verbose=False).fit(sines(1))


def test_a_contamination_of_steps_is_for_a_limit_that_is_learnt() -> None:
    with pytest.raises(InvalidParameter, match=r"contamination=0\.1 of steps is for a limit that is learnt"):
        AnomalyDetector(window=20, baseline="pca", contamination=0.1, threshold=2.0).fit([np.ones((90, 1))])
