"""What a detector found, as values and as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from seqae import Ragged, read
from seqae.detection.detector import AnomalyDetector
from seqae.detection.result import Detection, Interval

from .test_detect import SPIKE, WINDOW, broken_wave, detector, wave, whole_sequences


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return detector(baseline="pca").fit([wave(600)])


def test_its_repr_is_one_line(fitted: AnomalyDetector) -> None:
    found = fitted.detect([broken_wave(), wave(100, 3)])
    top = max(found.intervals, key=lambda interval: interval.score)
    assert repr(found) == (
        f"Detection({len(found.intervals)} intervals in 600 steps of 2 sequences; highest score {top.score:.4g}: "
        f"sequence {top.id}, steps {top.start}..{top.end - 1})"
    )
    nothing = fitted.set_params(threshold=1e9).detect([wave(100, 3)])
    assert repr(nothing) == "Detection(no intervals in 100 steps of 1 sequences)"
    fitted.set_params(threshold="quantile")


def made(scores: list[float], is_anomaly: list[bool], times: np.ndarray | None = None) -> Detection:
    lengths = np.array([2, 3])
    interval = Interval("b", 1, 3, 2, 9.0, (1.0,), *((None,) * 3 if times is None else times[[3, 4, 4]]))
    return Detection(
        np.array(["a", "b"], object),
        Ragged.back_to_back(np.array(scores)[:, None], lengths),
        np.full(5, 2.0),
        np.array(is_anomaly),
        (interval,),
        ("x",),
        times,
        time_name=None if times is None else "when",
        time_zone=None if times is None else "Asia/Tokyo",
    )


def test_tables_of_steps_sequences_and_intervals() -> None:
    found = made([1, np.nan, 0, 3, 9], [False, False, False, True, True])
    assert found.to_frame("step").to_pydict() == {
        "sequence": ["a", "a", "b", "b", "b"],
        "step": [0, 1, 0, 1, 2],
        "score": pytest.approx([1, np.nan, 0, 3, 9], nan_ok=True),
        "threshold": [2.0] * 5,
        "is_anomaly": [False, False, False, True, True],
    }
    assert found.to_frame("sequence").to_pydict() == {
        "sequence": ["a", "b"],
        "score": [1, 9],
        "threshold": [2, 2],
        "is_anomaly": [False, True],
    }
    assert found.to_frame().to_pydict() == {
        "sequence": ["b"], "start": [1], "end": [3], "peak": [2], "score": [9], "share_x": [1],
    }  # fmt: skip


def test_times_keep_their_zone_in_pandas_and_polars() -> None:
    times = np.datetime64("2026-01-01T15:00", "us") + np.arange(5) * np.timedelta64(1, "h")
    found = made([1, 2, 0, 3, 9], [False] * 3 + [True] * 2, times)
    frame = found.to_frame().to_pandas()
    assert str(frame["start_time"].dt.tz) == "Asia/Tokyo"
    assert frame["start_time"][0] == pd.Timestamp("2026-01-01T18:00Z")
    assert frame["end_time"][0] == pd.Timestamp("2026-01-02T04:00", tz="Asia/Tokyo")  # of the last step, end - 1
    steps = pl.from_arrow(found.to_frame("step"))
    assert steps["when"].dtype == pl.Datetime("us", "Asia/Tokyo")  # pyright: ignore


def test_an_interval_is_a_slice_of_its_sequence(fitted: AnomalyDetector) -> None:
    times = pd.date_range("2026-01-01", periods=500, freq="min")
    x = broken_wave()
    found = fitted.detect(read(pd.DataFrame({"t": times, "channel_0": x[:, 0], "channel_1": x[:, 1]}), time="t"))
    assert found.intervals
    marked = np.zeros(500, bool)
    for interval in found.intervals:
        marked[interval.start : interval.end] = True
        assert pd.Timestamp(interval.start_time) == times[interval.start]
        assert pd.Timestamp(interval.end_time) == times[interval.end - 1]
        assert found.scores[0][interval.start : interval.end].max() == interval.score
    np.testing.assert_array_equal(marked, found.is_anomaly)
    assert marked[SPIKE[0] : SPIKE[1]].any()


@pytest.mark.parametrize("parameters", [{"window": WINDOW}, {"window": None}])
def test_a_score_of_a_step_is_a_ragged_and_of_a_sequence_an_array(parameters: dict[str, object]) -> None:
    X = [wave(WINDOW, seed) for seed in range(9)]
    judge = detector(baseline="pca", **parameters).fit([wave(600)] if parameters["window"] else whole_sequences())
    for method in (judge.anomaly_score, judge.score_samples, judge.decision_function, judge.predict):
        for given in (X, np.stack(X), Ragged.from_any(X), X[:1]):
            found = method(given)
            if parameters["window"]:
                assert found.values.shape == (found.n_steps, 1)
                np.testing.assert_array_equal(found.lengths, [WINDOW] * len(given))
            else:
                assert found.shape == (len(given),)
