"""What the detection benchmarks measure, against scikit-learn and plain loops; and what they say without data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks import detect, detection_sets
from benchmarks.detection_methods import methods
from benchmarks.discord import Discord, is_installed, mean_over_windows, profile
from benchmarks.metrics import (
    Events,
    auroc,
    average_precision,
    best_f1,
    count_events,
    f1,
    interval,
    is_top_hit,
    segments,
)
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

needs_stumpy = pytest.mark.skipif(not is_installed(), reason="stumpy is not installed")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=30))
def test_ranking_is_scikit_learn_s(pairs: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([pair[0] for pair in pairs]), np.array([float(pair[1]) for pair in pairs])
    if not labels.any() or labels.all():
        assert np.isnan(auroc(labels, scores))
        return
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    assert f1(labels, scores > 3) == pytest.approx(f1_score(labels, scores > 3, zero_division=0))
    assert best_f1(labels, scores) == pytest.approx(max(f1(labels, scores >= limit) for limit in range(7)))
    unknown = np.where(scores == 0, np.nan, scores)
    for metric in (auroc, average_precision, best_f1):
        assert metric(labels, unknown) == metric(labels, scores)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=24))
def test_events_count_overlapping_segments(pairs: list[tuple[bool, bool]]) -> None:
    labels, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    true, marked = segments(labels), segments(predicted)
    assert [x for start, end in true for x in range(start, end)] == np.flatnonzero(labels).tolist()
    found = [any(a < d and c < b for c, d in marked) for a, b in true]
    false = [not any(a < d and c < b for a, b in true) for c, d in marked]
    assert count_events(labels, predicted) == Events(sum(found), len(found) - sum(found), sum(false))


def test_event_f1_and_top_hit() -> None:
    assert (Events(1, 1, 0) + Events(2, 0, 1)).f1 == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    assert Events(0, 0, 0).f1 == 0
    scores = np.eye(1, 500, 250)[0]
    assert is_top_hit(scores, 300, 310, slack=50)
    assert not is_top_hit(scores, 300, 310, slack=49)


def test_interval_is_student_s() -> None:
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert half == pytest.approx(4.302653 / 3**0.5, rel=1e-4)
    assert interval([5.0]) == (5.0, 0.0)


def test_absent_data_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(detection_sets, "DATA", tmp_path / "none")
    monkeypatch.setattr("sys.argv", ["detect"])
    detect.main()
    assert "no data" in capsys.readouterr().out


def test_a_step_gets_the_mean_over_the_windows_that_hold_it() -> None:
    distances, window = np.random.default_rng(0).normal(size=34), 7
    means = [np.mean([distances[k] for k in range(34) if k <= at < k + window]) for at in range(40)]
    np.testing.assert_allclose(mean_over_windows(distances, window), means)


@needs_stumpy
def test_discords_are_those_of_plain_loops() -> None:
    series, window = np.random.default_rng(0).normal(size=60).cumsum(), 7
    parts = [series[k : k + window] for k in range(54)]
    parts = [(part - part.mean()) / part.std() for part in parts]
    apart = [[other for k, other in enumerate(parts) if abs(k - i) > (window + 1) // 2] for i in range(54)]
    expected = [min(np.linalg.norm(part - other) for other in apart[i]) for i, part in enumerate(parts)]
    np.testing.assert_allclose(profile(series, window), expected, atol=1e-6)


@needs_stumpy
def test_a_discord_is_found() -> None:
    rng = np.random.default_rng(1)
    train, test = (np.sin(np.arange(n) / 4)[:, None] + 0.02 * rng.normal(size=(n, 1)) for n in (400, 500))
    test[300:312] *= 0.3
    (scores,) = Discord().fit([train]).anomaly_score([test])
    assert len(scores) == 500
    assert 290 <= np.argmax(scores) < 322


def test_the_better_choice_is_said() -> None:
    rows = [("seqae", [{"AP": 0.5, "F1": 0.5, "seconds": 9.0}]), ("linear", [{"AP": 0.6, "F1": 0.4, "seconds": 1.0}])]
    (line,) = detect.better_choices(rows)
    assert line.startswith("By AP the linear detector")
    assert detect.better_choices(rows[:1]) == []


def test_spacecraft_have_their_telemetry_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection_sets, "DATA", tmp_path)
    arrays = {}
    for name, n_channels in (("A", 25), ("B", 55)):
        x = np.random.default_rng(n_channels).normal(size=(6, n_channels))
        arrays |= {f"{name}__train": x, f"{name}__test": 2 * x, f"{name}__y": np.arange(6) == 3}
    np.savez(tmp_path / "smap_msl_dev.npz", **arrays)
    for set_name, name in (("smap", "A"), ("msl", "B")):
        (entity,) = detection_sets.entities(set_name)
        assert entity.name == name
        np.testing.assert_array_equal(entity.test, 2 * arrays[f"{name}__train"][:, :1])
        assert entity.labels.tolist() == [False, False, False, True, False, False]


@pytest.mark.long
def test_ecg5000_reaches_its_goal(shared_data: Path) -> None:
    train, test, labels = detection_sets.ecg5000()
    detector = methods()["seqae"](0).fit(train)
    assert auroc(labels, detector.anomaly_score(test)) >= 0.985
