"""What a detector marks by the threshold that it has now, and what of its own data it does not judge."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import seqae
from seqae.tasks.detect import AnomalyDetector
from seqae.tasks.stream import Stream
from seqae.tasks.thresholds import Conformal, MeanPlusSigmas, PeaksOverThreshold, Quantile

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
