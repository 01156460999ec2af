"""The threshold that moves along a series, against its rule written out step by step."""

from __future__ import annotations

import numpy as np
import pytest

from seqae.detection.detector import AnomalyDetector
from seqae.detection.dynamic import Dynamic, running_mean
from seqae.detection.limits import Marks
from seqae.detection.thresholds import as_threshold, threshold_from_json, threshold_to_json
from seqae.errors import InvalidParameter, NotFitted

PLAIN = Dynamic(n_sigmas=3.0, stretch=1.0, stride=1.0, smoothing=0.0, padding=0, least_drop=0.0)


def noise(n_steps: int, seed: int, *spikes: tuple[int, int, float]) -> np.ndarray:
    scores = 1 + 0.1 * np.random.default_rng(seed).random(n_steps)
    for start, end, height in spikes:
        scores[start:end] += height
    return scores


def marked(rule: Dynamic, scores: np.ndarray) -> Marks:
    return rule.marks(scores, rule.fit(scores))


def naive_marks(scores: list[float], rule: Dynamic) -> list[bool]:
    n = len(scores)
    size = int(np.ceil(n * rule.stretch))
    stride = int(np.ceil(size * rule.stride))
    marked = [False] * n
    first = 0
    while True:
        part = scores[first : first + size]
        mean = sum(part) / len(part)
        limit = mean + (rule.n_sigmas or 0) * (sum((s - mean) ** 2 for s in part) / len(part)) ** 0.5
        near = [any(s > limit for s in part[max(0, i - rule.padding) : i + rule.padding + 1]) for i in range(len(part))]
        kept = naive_kept(part, near, rule.least_drop)
        for i in kept:
            marked[first + i] = True
        for edge, inside in ((first, 0), (first + len(part), len(part) - 1)):
            if 0 < edge < n and inside in kept and scores[edge - 1] > limit and scores[edge] > limit:
                start, end = edge, edge
                while start > 0 and scores[start - 1] > limit:
                    start -= 1
                while end < n and scores[end] > limit:
                    end += 1
                if end - start < len(part):
                    for i in range(max(0, start - rule.padding), min(n, end + rule.padding)):
                        marked[i] = True
        if first + size >= n:
            return marked
        first += stride


def naive_kept(part: list[float], near: list[bool], least_drop: float) -> list[int]:
    groups: list[list[int]] = []
    for i, is_near in enumerate(near):
        if is_near and i and near[i - 1]:
            groups[-1].append(i)
        elif is_near:
            groups.append([i])
    groups.sort(key=lambda group: -max(part[i] for i in group))
    heights = [max(part[i] for i in group) for group in groups]
    heights.append(max([part[i] for i in range(len(part)) if not near[i]], default=0.0))
    n_kept = 0
    for k in range(len(groups)):
        if (heights[k] - heights[k + 1]) / heights[k] >= least_drop:
            n_kept = k + 1
    return [i for group in groups[:n_kept] for i in group]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_smoothed", [1, 5])
def test_marks_follow_the_rule(seed: int, n_smoothed: int) -> None:
    rng = np.random.default_rng(seed)
    rule = Dynamic(float(rng.uniform(1.5, 4)), 0.33, 0.1, 0.0, int(rng.integers(0, 12)), float(rng.uniform(0, 0.3)))
    scores = running_mean(np.exp(rng.normal(size=int(rng.integers(50, 400)))), n_smoothed)
    assert marked(rule, scores).is_marked.tolist() == naive_marks(scores.tolist(), rule)
    assert n_smoothed > 1 or marked(rule, scores).is_marked.any()


def test_the_running_mean_is_centred() -> None:
    values = np.array([1.0, np.nan, 3.0, 5.0, 7.0, np.nan, np.nan, np.nan])
    for n_steps in (2, 3):
        around = [values[max(0, i - n_steps // 2) : i + (n_steps + 1) // 2] for i in range(len(values))]
        expected = [np.mean(part[~np.isnan(part)]) if (~np.isnan(part)).any() else np.nan for part in around]
        np.testing.assert_allclose(running_mean(values, n_steps), np.array(expected))
    np.testing.assert_array_equal(running_mean(values, 1), values)


def test_a_level_that_drifts_hides_nothing() -> None:
    scores = np.linspace(1, 10, 3000) * noise(3000, 0, (400, 420, 3.0))
    assert not marked(PLAIN, scores).is_marked[400:420].any()
    assert marked(Dynamic(padding=0, smoothing=0.0), scores).is_marked[400:420].all()


@pytest.mark.parametrize("start", range(150, 500, 25))
def test_a_run_too_long_for_its_stretch_is_marked_from_one_that_cuts_it(start: int) -> None:
    scores = noise(1000, start, (start, start + 60, 3.0))  # 18 % of a stretch: 4 deviations are beyond it
    marks = marked(Dynamic(stride=0.05, smoothing=0.0, padding=0), scores)
    assert np.flatnonzero(marks.is_marked).tolist() == list(range(start, start + 60))
    assert (scores[marks.is_marked] > marks.limits[marks.is_marked]).all()


def test_of_a_new_level_the_beginning_alone_is_marked() -> None:
    marks = marked(Dynamic(stride=0.05, smoothing=0.0, padding=0), noise(1000, 5, (400, 1000, 3.0)))
    found = np.flatnonzero(marks.is_marked)
    assert found[0] == 400
    assert found[-1] < 420


def test_alarms_that_hardly_stand_out_are_dropped() -> None:
    scores = noise(3000, 1, (1000, 1010, 3.0))
    scores[[200, 700, 2500]] = scores.max() / 3
    kept = marked(Dynamic(2.0, stretch=1.0, smoothing=0.0, padding=5, least_drop=0.5), scores)
    assert np.flatnonzero(kept.is_marked).tolist() == list(range(995, 1015))


def test_the_searched_limit_parts_the_spikes_from_the_rest() -> None:
    scores = noise(2000, 2, (300, 305, 4.0), (900, 903, 5.0))
    marks = marked(Dynamic(None, stretch=1.0, smoothing=0.0, padding=0), scores)
    assert np.flatnonzero(marks.is_marked).tolist() == [*range(300, 305), *range(900, 903)]
    assert scores.max() > marks.limits[0] > 1.1


@pytest.mark.parametrize("n_sigmas", [4.0, None])
@pytest.mark.parametrize("scores", [np.ones(300), np.zeros(5), np.full(7, np.nan), np.array([3.0])])
def test_nothing_stands_out_of_what_is_constant(scores: np.ndarray, n_sigmas: float | None) -> None:
    assert not marked(Dynamic(n_sigmas), scores).is_marked.any()


def test_steps_without_a_score_start_no_alarm() -> None:
    scores = noise(1000, 3, (500, 510, 3.0))
    unknown = scores.copy()
    unknown[100:200] = np.nan
    rule = Dynamic(smoothing=0.0, padding=0)
    np.testing.assert_array_equal(marked(rule, unknown).is_marked, marked(rule, scores).is_marked)


def test_detection_predict_and_table_agree() -> None:
    rng = np.random.default_rng(4)
    train, test = (np.sin(np.arange(n) / 3)[:, None] + 0.05 * rng.normal(size=(n, 1)) for n in (600, 900))
    test[500:510] += 1.5
    detector = AnomalyDetector(baseline="pca", window=20, threshold="dynamic", verbose=False).fit([train])
    found = detector.detect([test, train])
    assert [(interval.id, interval.start < 500, interval.end > 510) for interval in found.intervals] == [
        (0, True, True)
    ]
    assert 500 <= found.intervals[0].peak < 510
    np.testing.assert_array_equal(detector.predict([test, train]).values[:, 0] == -1, found.is_anomaly)
    assert found.to_columns("sequence")["is_anomaly"].tolist() == [True, False]
    assert found.to_columns("step")["threshold"].shape == (1500,)
    with pytest.raises(NotFitted, match="no limit"):
        detector.decision_function([test])
    with pytest.raises(InvalidParameter, match="needs window="):
        AnomalyDetector(baseline="pca", threshold="dynamic", verbose=False).fit(test.reshape(30, 30, 1))


def test_it_is_named_and_saved() -> None:
    assert as_threshold("dynamic") == Dynamic()
    assert threshold_from_json(threshold_to_json(Dynamic(None, padding=3))) == Dynamic(None, padding=3)


@pytest.mark.parametrize(
    "parameters",
    [{"n_sigmas": 0}, {"stretch": 1.5}, {"stride": 0}, {"smoothing": 1}, {"padding": -1}, {"least_drop": "a"}],
)
def test_wrong_settings_are_named(parameters: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter, match=f"Dynamic.{next(iter(parameters))} must be"):
        Dynamic(**parameters)  # pyright: ignore[reportArgumentType]
