"""A detector whose data change: limits that follow, and how far scores have moved, against SciPy and plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from seqae import AnomalyDetector, FBeta, Quantile, Stream, load, read
from seqae.detection.drift import distance_between, drift_between, stability_of
from seqae.errors import InvalidParameter, InvalidSequence

from .test_detect import WINDOW, broken_wave, detector, wave, whole_sequences

samples = st.lists(st.integers(0, 30).map(float), min_size=1, max_size=60).map(np.array)


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")  # of its p-value
@given(samples, samples)
def test_the_distance_is_scipy_s(before: np.ndarray, after: np.ndarray) -> None:
    assert distance_between(before, after) == pytest.approx(ks_2samp(before, after, method="exact").statistic)


def naive_stability(before: np.ndarray, after: np.ndarray) -> float:
    edges = sorted({float(np.quantile(before, k / 10)) for k in range(1, 10)})
    total = 0.0
    for low, high in zip([-np.inf, *edges], [*edges, np.inf], strict=True):
        q, p = (max(sum(low < x <= high for x in part), 0.5) / len(part) for part in (before, after))
        total += (p - q) * np.log(p / q)
    return total


@given(samples, samples)
def test_the_stability_is_that_of_a_loop(before: np.ndarray, after: np.ndarray) -> None:
    assert stability_of(before, after) == pytest.approx(naive_stability(before, after))
    assert stability_of(before, before) == pytest.approx(0.0)


def test_scores_that_moved_are_told_from_those_that_did_not() -> None:
    random = np.random.default_rng(0)
    before = random.lognormal(size=2000)
    same, moved = drift_between(before, random.lognormal(size=500)), drift_between(before, 2 * before, 5.0)
    assert not same.has_moved
    assert str(same).startswith("scores have not moved: population stability 0.0")
    assert moved.has_moved
    assert moved.ratio == pytest.approx(2.0)
    assert moved.usual_share == np.mean(before > 5) < np.mean(before > 2.5) == moved.share_above
    assert "scores have moved: " in str(moved)
    assert "median 2 times the usual one" in str(moved)
    assert "have moved a little" in str(drift_between(before, 1.4 * before))
    with pytest.raises(InvalidSequence, match="no normal scores"):
        drift_between(before, np.full(3, np.nan))


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return detector(baseline="pca", threshold=Quantile(0.95)).fit([wave(2000)])


def noisier(n_steps: int, seed: int) -> np.ndarray:
    """A wave whose noise has doubled."""
    return wave(n_steps, seed) + 0.09 * np.random.default_rng(seed + 99).normal(size=(n_steps, 2)).astype(np.float32)


def test_an_updated_limit_keeps_its_rate_of_false_alarms(fitted: AnomalyDetector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "d.seqae")
    made = load(tmp_path / "d.seqae")
    scores, judged = fitted.anomaly_score([noisier(2000, 5)]), noisier(4000, 6)
    assert fitted.drift([judged]).has_moved
    assert np.mean(made.predict([judged])[0] == -1) > 0.2
    held = len(made.held_out_scores_)
    made.update([noisier(2000, 5)])
    np.testing.assert_array_equal(made.held_out_scores_, np.asarray(scores[0])[:, 0])  # more than there were: all
    assert 0.02 < np.mean(made.predict([judged])[0] == -1) < 0.1
    assert not made.drift([judged]).has_moved
    np.testing.assert_array_equal(made.anomaly_score([judged])[0], fitted.anomaly_score([judged])[0])
    made.save(tmp_path / "d.seqae")
    again = load(tmp_path / "d.seqae")
    assert again.threshold_ == made.threshold_
    made.update([noisier(60, 7)])
    assert len(made.held_out_scores_) == 2000 > held
    np.testing.assert_array_equal(made.held_out_scores_[:-60], again.held_out_scores_[60:])
    assert made.threshold_ == np.quantile(made.held_out_scores_, 0.95)


def test_a_stream_follows_an_update(fitted: AnomalyDetector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "d.seqae")
    made = load(tmp_path / "d.seqae")
    stream = Stream(made)
    scores = np.array([stream.push(step) for step in noisier(1000, 6)])[WINDOW:]
    before = stream.is_anomaly(scores).mean()
    made.update([noisier(2000, 5)])
    assert 0.02 < stream.is_anomaly(scores).mean() < 0.1 < before


def test_whole_sequences_are_followed_too() -> None:
    made = detector(window=None, baseline="pca").fit(whole_sequences())
    newer = [x + 0.2 for x in whole_sequences()]
    made.update(newer)
    np.testing.assert_array_equal(made.held_out_scores_, made.anomaly_score(newer))
    assert made.threshold_ == np.quantile(made.held_out_scores_, 0.98)


def test_an_update_needs_normal_scores_and_no_labels(fitted: AnomalyDetector, tmp_path: Path) -> None:
    made = detector(baseline="pca", threshold=FBeta()).fit([wave(600)])
    with pytest.raises(InvalidParameter, match=r"update\(\) has no labels"):
        made.update([broken_wave()])
    with pytest.raises(InvalidSequence, match="no normal scores"):
        fitted.update(read(np.full((1, 50, 2), np.nan), missing="mask"))
