"""Range-based metrics, against numbers recorded with other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.range_metrics import range_precision, range_recall, vus_pr

RECORDED = {
    0: (0.560446, 0.106443, 0.573356, 0.786678),
    1: (0.355108, 0.265152, 0.176336, 0.588168),
    2: (0.324196, 0.113208, 0.105469, 0.552734),
    3: (0.217488, 0.016364, 0.35, 0.675),
    4: (0.775924, 0.164216, 0.238381, 0.619191),
    5: (0.344043, 0.096774, 0.050536, 0.425268),
    6: (0.268001, 0.135135, 0.096032, 0.548016),
    7: (0.539378, 0.188776, 0.263786, 0.631893),
}
"""By seed: VUS-PR at buffers up to 60 of TSB-AD 1.5 (RangeAUC_volume_opt); range-based precision, recall, and recall
with an existence weight of .5, flat and with reciprocal cardinality, of prts 1.0.0.3."""


def case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(300, 900))
    labels = np.zeros(n, int)
    for _ in range(int(rng.integers(1, 6))):
        start = int(rng.integers(0, n - 40))
        labels[start : start + int(rng.integers(1, 40))] = 1
    return labels, rng.normal(size=n) + labels * rng.uniform(0, 2)


@pytest.mark.parametrize("seed", RECORDED)
def test_numbers_are_those_of_others(seed: int) -> None:
    labels, scores = case(seed)
    marked = scores > 1
    found = (
        vus_pr(labels, scores, max_buffer=60),
        range_precision(labels, marked),
        range_recall(labels, marked),
        range_recall(labels, marked, existence=0.5),
    )
    assert found == pytest.approx(RECORDED[seed], abs=1e-6)


def test_perfect_scores_have_a_volume_of_one() -> None:
    labels, _ = case(4)
    assert vus_pr(labels, labels.astype(float), max_buffer=0) == pytest.approx(1, abs=0.01)
    assert range_recall(labels, labels) == range_precision(labels, labels) == 1


def test_what_is_unknown_ranks_last_and_no_anomaly_has_no_value() -> None:
    labels, scores = case(1)
    unknown = np.where(np.arange(len(scores)) % 7 == 0, np.nan, scores)
    assert vus_pr(labels, unknown) == vus_pr(labels, np.where(np.isnan(unknown), -1e9, scores))
    assert np.isnan(vus_pr(np.zeros(50), np.arange(50.0)))
    assert np.isnan(range_recall(np.zeros(50), np.ones(50)))
