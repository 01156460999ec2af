"""Thresholds against plain loops and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, genpareto

from seqae.detection.conformal import p_values
from seqae.detection.limits import Limit, Threshold
from seqae.detection.thresholds import (
    Conformal,
    Events,
    FBeta,
    Fixed,
    FromScoredData,
    MeanPlusSigmas,
    PeaksOverThreshold,
    Quantile,
    Unlimited,
    as_threshold,
    threshold_from_json,
    threshold_to_json,
)
from seqae.errors import DataWarning, InvalidParameter, InvalidSequence, ModelFileError, NotFitted

NORMAL = np.random.default_rng(0).gamma(2.0, size=500)
few_scores = st.lists(st.integers(0, 8), min_size=1, max_size=12)


def learnt(threshold: Threshold, normal: np.ndarray, anomalous: np.ndarray | None = None) -> float:
    value = threshold.fit(normal, anomalous).value
    assert value is not None
    return value


def joint(threshold: Threshold, normal: np.ndarray, judged: np.ndarray) -> float:
    value = threshold.for_scores(threshold.fit(normal), judged).value
    assert value is not None
    return value


def naive_f_beta(scores: np.ndarray, labels: np.ndarray, limit: float, beta: float) -> float:
    alarms = scores > limit
    hits = np.sum(alarms & labels)
    if not hits:
        return 0.0
    precision, recall = hits / alarms.sum(), hits / labels.sum()
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def test_quantile_and_sigmas_are_numpy_s() -> None:
    assert learnt(Quantile(0.9), NORMAL) == np.quantile(NORMAL, 0.9)
    assert learnt(MeanPlusSigmas(2.0), NORMAL) == pytest.approx(NORMAL.mean() + 2 * NORMAL.std())


def naive_events(scores: list[float], high: float, low: float, merge: int) -> list[bool]:
    events: list[tuple[int, int]] = []
    first = None
    for k, score in enumerate([*scores, -np.inf]):
        if score > low:
            first = k if first is None else first
        elif first is not None:
            if max(scores[first:k]) > high:
                events.append((first, k))
            first = None
    marked = [False] * len(scores)
    for k, (first, last) in enumerate(events):
        joined = k > 0 and first - events[k - 1][1] <= merge
        for step in range(events[k - 1][1] if joined else first, last):
            marked[step] = not np.isnan(scores[step])
    return marked


@given(st.lists(st.sampled_from([0.0, 1.0, 3.0, 9.0, np.nan]), max_size=30), st.integers(0, 4))
def test_events_have_two_limits_and_are_merged(scores: list[float], merge: int) -> None:
    limit = Events(merge).fit(NORMAL)
    median, quantile = np.median(NORMAL), np.quantile(NORMAL, 0.99)
    assert 1 < np.sqrt(median * quantile) < 4 < quantile < limit.value
    assert limit.value == pytest.approx(quantile * np.sqrt(quantile / median))
    heights = {0.0: 0.1, 1.0: 1.0, 3.0: 0.9 * float(quantile), 9.0: 2 * float(limit.value)}
    judged = [heights.get(score, np.nan) for score in scores]
    marks = Events(merge).marks(np.array(judged, float), limit)
    assert marks.is_marked.tolist() == naive_events(judged, float(limit.value), np.sqrt(median * quantile), merge)
    assert (marks.limits == limit.value).all()


def test_events_of_scores_that_do_not_vary() -> None:
    for normal in (np.zeros(5), np.ones(5)):
        limit = Events().fit(normal)
        assert limit.value == normal[0]
        assert Events().marks(np.array([0.5, 2.0]), limit).is_marked.tolist() == [normal[0] == 0.0, True]
    assert learnt(Events(), np.array([0.0] * 60 + [1.0] * 40)) == pytest.approx(10.0)  # a median of a hundredth


def test_events_that_are_shorter_are_not_marked() -> None:
    limit = Events().fit(NORMAL)
    high, low = 2 * float(limit.value or 0), 0.1
    scores = np.array([low, high, low, high, high, low, low, high, low, high, low])
    assert Events(merge=0, shortest=2).marks(scores, limit).is_marked.tolist() == [False] * 3 + [True] * 2 + [False] * 6
    joined = Events(merge=1, shortest=3).marks(scores, limit).is_marked  # what is merged counts as one
    assert joined.tolist() == [False, *[True] * 4, False, False, *[True] * 3, False]


@pytest.mark.parametrize("most", [0.5, 1.0, 3.0, 100.0])
def test_no_more_events_of_normal_data_than_a_day_may_have(most: float) -> None:
    scores = np.random.default_rng(0).lognormal(sigma=1.5, size=4000)  # with heavy tails: many events
    steps_per_day, usual = 400.0, Events(merge=3)
    threshold = Events(merge=3, max_alarms_per_day=most)
    limit = threshold.fit_in_time(scores, None, steps_per_day)

    def n_events(limit: Limit) -> int:
        is_marked = usual.marks(scores, limit).is_marked
        return int(np.sum(np.diff(np.concatenate([[False], is_marked])) & is_marked))

    assert n_events(limit) <= most * 10
    assert limit.value is not None
    if n_events(usual.fit(scores)) <= most * 10:
        assert limit.value == usual.fit(scores).value
    else:
        assert n_events(Limit(limit.value * (1 - 1e-9), scores)) > most * 10


def test_held_out_days_that_are_too_few_for_a_rate_are_told() -> None:
    scores = np.random.default_rng(0).lognormal(sigma=1.5, size=400)
    with pytest.warns(DataWarning, match=r"the held-out 2 days are too few to tell a rate of 0\.1 alarms a day"):
        limit = Events(max_alarms_per_day=0.1).fit_in_time(scores, None, 200.0)
    assert not Events().marks(scores, limit).is_marked.any()
    with pytest.raises(InvalidParameter, match="needs dates as times"):
        Events(max_alarms_per_day=0.1).fit_in_time(scores, None, None)
    for wrong in ({"merge": -1}, {"shortest": 0}, {"max_alarms_per_day": 0.0}):
        with pytest.raises(InvalidParameter, match=f"Events.{next(iter(wrong))} must be"):
            Events(**wrong)


@given(few_scores, st.data(), st.sampled_from([0.1, 1.0, 2.0]))
def test_f_beta_is_the_best_of_all_cuts(values: list[int], data: st.DataObject, beta: float) -> None:
    scores = np.array(values, float)
    labels = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    limit = learnt(FBeta(beta), scores[~labels], scores[labels])
    if not labels.any():
        assert limit == scores.max()
        return
    cuts = [scores.min() - 1, *np.unique(scores)]
    best = max(naive_f_beta(scores, labels, cut, beta) for cut in cuts)
    assert naive_f_beta(scores, labels, limit, beta) == pytest.approx(best)


def test_f_beta_with_only_anomalies_flags_all() -> None:
    scores = np.array([1.0, 2.0])
    assert np.all(scores > learnt(FBeta(), scores[:0], scores))


def test_peaks_follow_the_tail_that_the_scores_come_from() -> None:
    scores = genpareto.rvs(0.1, size=20_000, random_state=np.random.default_rng(1))
    limit = learnt(PeaksOverThreshold(risk=1e-3, level=0.9), scores)
    assert limit == pytest.approx(genpareto.isf(1e-3, 0.1), rel=0.1)


@pytest.mark.parametrize("scores", [np.zeros(5), np.array([1.0]), np.array([1.0, 1.0, 1.0, 2.0])])
def test_every_threshold_is_finite_on_degenerate_scores(scores: np.ndarray) -> None:
    for threshold in (Quantile(), Events(), MeanPlusSigmas(), PeaksOverThreshold()):
        assert np.isfinite(learnt(threshold, scores))


@given(few_scores, few_scores)
def test_p_values_count_held_out_scores(held_out: list[int], scores: list[int]) -> None:
    expected = [(1 + sum(h >= s for h in held_out)) / (len(held_out) + 1) for s in scores]
    np.testing.assert_allclose(p_values(np.array(held_out), np.array(scores)), expected)


@given(st.lists(st.integers(0, 30), min_size=30, max_size=60), st.lists(st.integers(0, 60), min_size=1, max_size=30))
def test_conformal_rejects_what_benjamini_hochberg_does(held_out: list[int], scores: list[int]) -> None:
    normal, judged = np.array(held_out, float), np.array(scores, float)
    rate = 0.2
    limit = joint(Conformal(rate), normal, judged)
    expected = false_discovery_control(p_values(normal, judged), method="bh") <= rate + 1e-12
    np.testing.assert_array_equal(judged > limit, expected)


def test_conformal_keeps_the_false_discovery_rate() -> None:
    rng = np.random.default_rng(2)
    shares = []
    for _ in range(200):
        held_out, normal, anomalous = rng.normal(size=200), rng.normal(size=90), rng.normal(5, 1, size=10)
        limit = joint(Conformal(0.1), held_out, np.concatenate([normal, anomalous]))
        false, true = np.sum(normal > limit), np.sum(anomalous > limit)
        shares.append(false / max(false + true, 1))
    assert np.mean(shares) < 0.12


@pytest.mark.parametrize("threshold", ["quantile", "fbeta", "conformal", "scored", 1.5, None, PeaksOverThreshold(0.01)])
def test_json_round_trip(threshold: object) -> None:
    made = as_threshold(threshold)
    assert threshold_from_json(threshold_to_json(made)) == made


def test_wrong_thresholds_are_named() -> None:
    for wrong in ("median", True, float("nan"), [1]):
        with pytest.raises(InvalidParameter, match="threshold must be"):
            as_threshold(wrong)
    for make in (lambda: Quantile(1.0), lambda: Conformal(0), lambda: MeanPlusSigmas(-1), lambda: FBeta(0)):
        with pytest.raises(InvalidParameter, match="must be a number above 0"):
            make()
    with pytest.raises(InvalidParameter, match="FromScoredData takes"):
        FromScoredData(FBeta())  # pyright: ignore[reportArgumentType]


def test_f_beta_without_labels_gives_no_limit() -> None:
    threshold = FBeta()
    limit = threshold.fit(NORMAL)
    assert limit.value is None
    with pytest.raises(NotFitted, match="fit_threshold"):
        threshold.marks(NORMAL, limit)


def test_a_number_and_none_are_thresholds_too() -> None:
    assert as_threshold(1.5) == Fixed(1.5)
    assert as_threshold(None) == as_threshold("none") == Unlimited()
    scores = np.array([1.0, np.nan, 2.0])
    marks = Fixed(1.5).marks(scores, Fixed(1.5).fit(NORMAL))
    assert marks.is_marked.tolist() == [False, False, True]
    assert not Unlimited().marks(scores, Unlimited().fit(NORMAL)).is_marked.any()


def test_scored_data_is_judged_by_itself() -> None:
    judged = np.append(NORMAL, np.nan)
    assert joint(FromScoredData(Quantile(0.9)), np.zeros(0), judged) == np.quantile(NORMAL, 0.9)


@pytest.mark.parametrize("threshold", [Quantile(), MeanPlusSigmas(), PeaksOverThreshold(), Conformal(), FBeta()])
def test_nothing_is_learnt_from_nothing(threshold: Threshold) -> None:
    with pytest.raises(InvalidSequence, match="no normal scores"):
        threshold.fit(np.zeros(0), np.zeros(0))


def test_a_limit_that_must_have_been_learnt_is_missed() -> None:
    for threshold in (Quantile(), Events(), MeanPlusSigmas(), PeaksOverThreshold()):
        with pytest.raises(ModelFileError, match="limit is missing"):
            threshold.restored(None, NORMAL)
    assert FBeta().restored(None, NORMAL).value is None


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"name": "median"},
        {"name": 3},
        {"name": "quantile", "level": 2},
        {"name": "quantile", "share": 0.5},
        {"name": "scored", "threshold": 3},
        {"name": "scored", "threshold": {"name": "fbeta"}},
        {"name": "fixed", "value": None},
    ],
)
def test_saved_thresholds_that_cannot_be_are_refused(saved: dict[str, object]) -> None:
    with pytest.raises(ModelFileError, match="threshold"):
        threshold_from_json(saved)


def test_limits_come_back() -> None:
    for threshold in (Quantile(), Conformal(0.001), FBeta(), Fixed(2.0), FromScoredData(), Unlimited()):
        limit = threshold.fit(NORMAL)
        assert threshold.restored(limit.value, NORMAL).value == limit.value
    with pytest.raises(ModelFileError, match="no normal scores"):
        Conformal().restored(1.0, NORMAL[:0])


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.floats(0.01, 0.9))
def test_a_single_score_is_above_the_conformal_limit_where_its_p_value_is_low_enough(
    held_out: list[int], rate: float
) -> None:
    normal, judged = np.array(held_out, float), np.arange(-1.0, 32.0)
    limit = learnt(Conformal(rate), normal)
    np.testing.assert_array_equal(judged > limit, p_values(normal, judged) <= rate + 1e-12)
    for score in judged:
        assert (score > joint(Conformal(rate), normal, np.array([score]))) == (score > limit)
