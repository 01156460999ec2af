"""What a detector marks by the threshold that it has now, and what of its own data it does not judge."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import seqae
from seqae import Ragged
from seqae.detection.detector import AnomalyDetector
from seqae.detection.stream import Stream
from seqae.detection.thresholds import Conformal, MeanPlusSigmas, PeaksOverThreshold, Quantile
from seqae.errors import InvalidParameter

from .test_detect import WINDOW, broken_wave, detector, wave


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return detector(baseline="pca").fit([wave(600)])


@pytest.mark.parametrize(
    "threshold",
    [Quantile(0.5), MeanPlusSigmas(1.0), PeaksOverThreshold(0.01), Conformal(0.2), "scored", "dynamic", 1.25, "fbeta"],
)
def test_a_threshold_set_after_fit_is_the_one_that_judges_and_is_saved(
    threshold: object, fitted: AnomalyDetector, tmp_path: Path
) -> None:
    made = pickle.loads(pickle.dumps(fitted)).set_params(threshold=threshold)
    made.save(tmp_path / "d.seqae")
    loaded = seqae.load(tmp_path / "d.seqae")
    assert loaded.threshold_ == made.threshold_
    if threshold in ("scored", "dynamic", "fbeta"):
        assert made.threshold_ is None
    else:
        assert made.threshold_ == -made.offset_ != fitted.threshold_
    if threshold != "fbeta":
        marks = made.predict([broken_wave()])[0]
        assert 0 < np.sum(marks == -1) < 500
        np.testing.assert_array_equal(loaded.predict([broken_wave()])[0], marks)


def test_too_few_held_out_scores_for_the_rate_mark_nothing() -> None:
    made = detector(baseline="pca", threshold=Conformal(0.001), held_out_fraction=0.1).fit([wave(600)])
    assert len(made.held_out_scores_) < 999
    far = broken_wave()[290:310] + 50
    assert made.threshold_ == np.inf
    assert np.isposinf(made.decision_function([far])[0]).all()
    assert (made.predict([far])[0] == 1).all()
    stream = Stream(made)
    scores = np.array([stream.push(step) for step in far])
    assert np.isfinite(scores[WINDOW - 1])
    assert not stream.is_anomaly(scores).any()


def refuses(made: AnomalyDetector, X: object) -> bool:
    try:
        made.predict(X)
    except InvalidParameter as error:
        return "by name: threshold='scored'" in str(error)
    return False


@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_series_that_the_threshold_was_learnt_from_is_not_judged(is_loaded: bool, tmp_path: Path) -> None:
    first, second, other = wave(600), wave(400, 3), wave(200, 4)
    made = detector(baseline="pca").fit([first])

    def now() -> AnomalyDetector:
        made.save(tmp_path / "d.seqae")
        return seqae.load(tmp_path / "d.seqae") if is_loaded else made

    assert refuses(now(), [other, first])
    assert not refuses(now(), [other, first[:-1]])
    made.set_params(threshold="sigmas")
    assert refuses(now(), [first])
    made.fit_threshold([first, second])
    for X in ([second], [second, first], [second, second], [other, second.astype(np.float64)]):
        assert refuses(now(), X)
    assert not refuses(now(), [other])
    made.set_params(threshold="peaks")
    assert refuses(now(), [first])
    assert not refuses(now(), [second])
    for threshold in ("scored", "dynamic", 1.0):
        assert not refuses(now().set_params(threshold=threshold), [first])
    assert refuses(now().set_params(threshold=Quantile(0.9)), [first])


def test_sequences_that_were_held_out_are_not_judged_but_those_trained_on_are() -> None:
    X = [wave(30, seed) for seed in range(10)]
    made = detector(baseline="pca", window=None, held_out_fraction=0.3).fit(X)
    assert len(made.held_out_scores_) == 3
    assert sum(refuses(made, [x]) for x in X) == 3
    assert refuses(made, X[::-1])
    series = [wave(10), *(wave(60, seed) for seed in range(6))]
    made = detector(baseline="pca", held_out_fraction=0.4).fit(series)
    assert [refuses(made, [x]) for x in series].count(True) == 2


def test_labelled_anomalies_that_the_threshold_was_learnt_from_are_not_judged() -> None:
    X, broken = [wave(30, seed) for seed in range(10)], [3 * wave(30, 11)]
    made = detector(baseline="pca", window=None, threshold="fbeta").fit([*X, *broken], [0] * 10 + [1])
    assert refuses(made, broken)
    assert not refuses(made, [3 * wave(30, 12)])


def test_equal_sequences_that_can_be_others_are_judged_unless_all_are_the_same() -> None:
    zeros, tokens = np.zeros((30, 2)), Ragged.from_tokens([[1, 2, 3, 1, 2, 3]] * 8)
    made = detector(baseline="pca", window=None).fit([zeros] * 4 + [wave(30, seed) for seed in range(4)])
    assert not refuses(made, [zeros])
    counted = detector(baseline="ngram", window=None, autoencoder=None).fit(tokens)
    assert not refuses(counted, tokens[:3])
    assert refuses(counted, tokens)


def test_only_what_is_labelled_normal_counts_for_a_quantile(fitted: AnomalyDetector) -> None:
    made = pickle.loads(pickle.dumps(fitted)).set_params(threshold=Quantile(0.9))
    labels = (np.arange(500) >= 250).astype(int)
    (scores,) = made.anomaly_score([broken_wave()])
    assert made.fit_threshold([broken_wave()], [labels]).threshold_ == np.quantile(scores[:250], 0.9)
