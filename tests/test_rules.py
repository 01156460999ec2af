"""By what a detector judges: the threshold that it has now, and a warning where it was learnt from the same data."""

from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import seqae
from seqae import Ragged
from seqae.detection.detector import AnomalyDetector
from seqae.detection.limits import Limit, Threshold
from seqae.detection.series import fingerprint_of
from seqae.detection.stream import Stream
from seqae.detection.thresholds import THRESHOLDS, Conformal, MeanPlusSigmas, PeaksOverThreshold, Quantile
from seqae.errors import DataWarning

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
    with pytest.warns(DataWarning, match=r"marks nothing: \d+ held-out scores give no p-value .* hold out 999 or more"):
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


def warns(made: AnomalyDetector, X: object) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made.predict(X)
    assert all(issubclass(warning.category, UserWarning) for warning in caught)
    assert len(caught) < 2
    return len(caught) == 1 and "the limit was learnt from these data" in str(caught[0].message)


@pytest.mark.parametrize("is_loaded", [False, True])
def test_judging_the_data_that_the_limit_was_learnt_from_warns(is_loaded: bool, tmp_path: Path) -> None:
    first, second, other = wave(600), wave(400, 3), wave(200, 4)
    made = detector(baseline="pca").fit([first])

    def now() -> AnomalyDetector:
        made.save(tmp_path / "d.seqae")
        return seqae.load(tmp_path / "d.seqae") if is_loaded else made

    assert warns(now(), [first])
    assert warns(now(), [first.astype(np.float64)])
    assert not warns(now(), [first[:-1]])
    assert not warns(now(), [other])
    made.set_params(threshold="sigmas")
    assert warns(now(), [first])
    made.fit_threshold([first, second])
    assert warns(now(), [first, second])
    assert not warns(now(), [first])
    made.set_params(threshold="peaks")  # learnt from what fit() held out
    assert warns(now(), [first])
    assert not warns(now(), [first, second])
    for threshold in ("scored", "dynamic", 1.0):
        assert not warns(now().set_params(threshold=threshold), [first])
    assert warns(now().set_params(threshold=Quantile(0.9)), [first])


def test_other_data_of_the_same_size_do_not_warn() -> None:
    X = [wave(30, seed) for seed in range(10)]
    made = detector(baseline="pca", window=None, held_out_fraction=0.3).fit(X)
    assert warns(made, X)
    assert not warns(made, [wave(30, seed) for seed in range(1, 11)])
    assert not warns(made, X[:9])


def test_looking_for_the_same_data_costs_no_more_than_a_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    series = Ragged.from_any([np.zeros((200_000, 3), np.float32)])
    hashed: list[int] = []

    class Digest:
        def __init__(self, start: bytes, **settings: int) -> None:
            hashed.append(len(start))

        def update(self, part: bytes) -> None:
            hashed.append(len(part))

        def digest(self) -> bytes:
            return bytes(16)

    monkeypatch.setattr("seqae.detection.series.blake2b", Digest)
    fingerprint_of(series)
    assert sum(hashed) == 16 + 8 + 1024 * 3 * 4


def test_only_what_is_labelled_normal_counts_for_a_quantile(fitted: AnomalyDetector) -> None:
    made = pickle.loads(pickle.dumps(fitted)).set_params(threshold=Quantile(0.9))
    labels = (np.arange(500) >= 250).astype(int)
    scores = made.anomaly_score([broken_wave()]).values[:, 0]
    assert made.fit_threshold([broken_wave()], [labels]).threshold_ == np.quantile(scores[:250], 0.9)


@dataclass(frozen=True, slots=True)
class Multiple(Threshold):
    """So many times the median normal score: a threshold that nobody foresaw."""

    factor: float = 1.5

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        return Limit(self.factor * float(np.median(normal)), normal)


def test_a_new_threshold_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(THRESHOLDS, "multiple", Multiple)
    named = detector(baseline="pca", threshold="multiple").fit([wave(600)])
    assert named.threshold_ == 1.5 * np.median(named.held_out_scores_)
    made = detector(baseline="pca", threshold=Multiple(2.0)).fit([wave(600)])
    assert made.threshold_ == 2 * np.median(made.held_out_scores_)
    made.save(tmp_path / "d.seqae")
    loaded = seqae.load(tmp_path / "d.seqae")
    assert loaded.threshold == Multiple(2.0)
    found = loaded.detect([broken_wave()])
    assert found.intervals == made.detect([broken_wave()]).intervals
    assert 0 < found.is_anomaly.sum() < 500
    stream = Stream(loaded)
    scores = np.array([stream.push(step) for step in broken_wave()])
    limit = 2 * np.median(made.learnt_.stream_scores)
    np.testing.assert_array_equal(stream.is_anomaly(scores), scores > limit)
    assert stream.is_anomaly(scores).any()


@pytest.mark.parametrize(
    ("threshold", "why"),
    [
        (MeanPlusSigmas(9.0), r"the highest score is [\d.]+, the limit [\d.]+"),
        ("conformal", r"the lowest of 100 p-values is [\d.]+, and alone it would have to be 0\.001; .* below [\d.]+"),
        (
            "dynamic",
            r"no smoothed score is 4 standard deviations above the mean of its stretch, and 0\.1 of itself",
        ),
        (None, r"Unlimited\(\) marks nothing"),
    ],
)
def test_it_is_told_why_nothing_is_marked(threshold: object, why: str, fitted: AnomalyDetector) -> None:
    made = pickle.loads(pickle.dumps(fitted)).set_params(threshold=threshold)
    found = made.detect([wave(100, 8)])
    assert not found.intervals
    assert re.match(why, made.rule_.why_nothing(found.judged_scores))
