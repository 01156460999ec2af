"""Gaps in the times of series, and the steps that are filled in between regular times, against plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae import AnomalyDetector, Ragged, load, read
from seqae.detection.gaps import MaxGap, Segments, segments_of
from seqae.errors import InvalidParameter, InvalidSequence


def series(*lengths: int) -> Ragged:
    return Ragged.from_any([np.arange(1, n + 1, dtype=np.float32)[:, None] for n in lengths])


def segments(times: np.ndarray, max_gap: MaxGap = None) -> Segments:
    return segments_of(series(len(times)), times, max_gap)


def n_given(found: Segments) -> list[int]:
    """The given steps of each segment."""
    ends = np.searchsorted(found.rows, found.ragged.starts + found.ragged.lengths)
    return np.diff(np.append(np.searchsorted(found.rows, found.ragged.starts[0]), ends)).tolist()


def expected(times: np.ndarray, max_gap: float | None = None) -> list[int]:
    """Missing steps before each step, -1 for a gap, by the words of the docstring."""
    steps, found = np.diff(times), [0, 0]
    for k in range(1, len(steps)):
        past = steps[max(0, k - 100) : k]
        usual, step = np.median(past), steps[k]
        near = [abs(other - usual) <= 0.1 * usual for other in past]
        is_regular = len(past) >= 3 and sum(near) >= 0.75 * len(near)
        n_usual = np.rint(step / usual) if is_regular else step / usual
        if n_usual > (max_gap or (5 if is_regular else 10)):
            found.append(-1)
            continue
        places = [place for place, other in enumerate(past) if other >= 0.9 * step]
        apart = np.diff(places)
        is_rest = step <= 3.5 * usual and len(places) >= 3 and sum(apart == np.median(apart)) >= 0.75 * len(apart)
        found.append(max(int(n_usual) - 1, 1) if is_regular and step > 1.5 * usual and not is_rest else 0)
    return found


@given(st.integers(0, 10_000), st.integers(2, 400), st.sampled_from([None, 1.2, 3.0, 20.0]))
def test_segments_are_told_from_the_times_before_alone(seed: int, n_kept: int, max_gap: float | None) -> None:
    rng = np.random.default_rng(seed)
    rates = np.repeat(rng.choice([1.0, 5.0, 60.0], size=8), 50)
    late = np.where(rng.random(400) < 0.05, rng.choice([2.0, 3.0, 5.0, 40.0], size=400), 1.0)
    times = np.cumsum(rates * (rng.uniform(0.5, 2.0, 400) if seed % 2 else 1.0) * late)
    whole, prefix = segments(times, max_gap), segments(times[:n_kept], max_gap)
    assert prefix.rows.tolist() == whole.rows[:n_kept].tolist()
    missing = expected(times, max_gap)
    assert n_given(whole) == np.diff([*(k for k, n in enumerate(missing) if k == 0 or n < 0), 400]).tolist()
    assert (np.diff(whole.rows) - 1).tolist() == [max(n, 0) for n in missing[1:]]
    observed = np.zeros(len(whole.ragged.values), bool) if whole.ragged.observed is not None else np.ones(400, bool)
    observed[whole.rows] = True
    assert whole.ragged.observed is None or np.array_equal(whole.ragged.observed[:, 0], observed)
    assert whole.ragged.values[whole.rows, 0].tolist() == list(range(1, 401))


def test_missing_steps_stand_as_not_observed() -> None:
    days = np.datetime64("2026-01-01") + np.array([0, 1, 2, 3, 6, 7, 20, 21]) * np.timedelta64(1, "D")
    found = segments(days)
    assert found.ragged.lengths.tolist() == [8, 2]
    assert found.rows.tolist() == [0, 1, 2, 3, 6, 7, 8, 9]
    assert found.ragged.observed[:, 0].tolist() == [True] * 4 + [False] * 2 + [True] * 4


def test_weekends_are_neither_gaps_nor_missing() -> None:
    weekdays = np.cumsum(np.tile([1, 1, 1, 1, 3], 60))
    found = segments(np.append(0, weekdays[:-1]))
    assert len(found.ragged) == 1
    assert found.ragged.n_steps == 300 + 3 * 2  # the first three are not known to come back
    nights = np.cumsum(np.tile([*[1] * 19, 600], 20))
    assert segments(nights).ragged.lengths.tolist() == [19, *[20] * 19, 1]


def test_irregular_times_have_gaps_but_no_missing_steps() -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.5, 2, size=100))
    times[60:] += 100
    found = segments(times)
    assert found.ragged.lengths.tolist() == [60, 40]
    assert found.ragged.observed is None


@pytest.mark.parametrize(
    ("max_gap", "lengths"),
    [(None, [10, 10]), (8, [27]), (2, [10, 10]), ("9min", [27]), ("479s", [10, 10]), ("0.1h", [10, 10])],
)
def test_the_longest_difference_can_be_said(max_gap: MaxGap, lengths: list[int]) -> None:
    minutes = np.concatenate([np.arange(10), np.arange(17, 27)])
    times = np.datetime64("2026-01-01T00:00") + minutes.astype("m8[m]")
    assert segments(times, max_gap).ragged.lengths.tolist() == lengths


def test_a_first_difference_can_exceed_a_duration_alone() -> None:
    times = np.datetime64("2026-01-01") + np.array([0, 90, 91, 92]).astype("m8[m]")
    assert segments(times, "1h").ragged.lengths.tolist() == [1, 3]
    assert segments(times).ragged.lengths.tolist() == [4]


def test_symbols_are_never_filled_in() -> None:
    tokens = Ragged.from_tokens([np.arange(8)])
    found = segments_of(tokens, np.array([0, 1, 2, 3, 5, 6, 20, 21]))
    assert found.ragged.lengths.tolist() == [6, 2]
    assert found.ragged.observed is None


def test_times_and_longest_differences_that_make_no_sense_are_named() -> None:
    with pytest.raises(InvalidSequence, match="series 1, step 2"):
        segments_of(series(3, 4), np.array([0, 1, 2, 5, 6, 6, 7]))
    with pytest.raises(InvalidParameter, match="is a duration, but the times are numbers"):
        segments(np.arange(5), "30min")
    for wrong in ("30 parsecs", "0s", 0, -1.0, "", float("nan")):
        with pytest.raises(InvalidParameter, match="max_gap must be"):
            AnomalyDetector(max_gap=wrong, window=20, baseline="pca").fit([np.ones((90, 1))])


def dropped(n_steps: int, share: float, seed: int = 0, spike: float = 0.0) -> pa.Table:
    """A wave, with times, of which a share of the steps is missing."""
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(rng.random(n_steps) >= share)
    x = np.sin(2 * np.pi * np.arange(n_steps) / 25) + 0.05 * rng.normal(size=n_steps)
    x[400:405] += spike
    return pa.table({"time": np.datetime64("2026-01-01T00:00:00") + 60 * kept.astype("m8[s]"), "x": x[kept]})


def pca(**parameters: object) -> AnomalyDetector:
    return AnomalyDetector(baseline="pca", random_state=0, verbose=False, **parameters)  # pyright: ignore


def test_scores_of_given_steps_are_those_with_missing_values_between(tmp_path: Path) -> None:
    detector = pca(window=25, max_gap=20).fit(read(dropped(2000, 0.05), time="time"))
    judged = dropped(400, 0.08, seed=1)
    times = judged["time"].to_numpy().astype(np.int64) // 60
    filled = np.full((int(times[-1] - times[0]) + 1, 1), np.nan)
    filled[times - times[0], 0] = judged["x"].to_numpy()
    by_hand = np.asarray(detector.anomaly_score(read([filled], missing="mask"))[0])[times - times[0], 0]
    assert np.array_equal(detector.detect(read(judged, time="time")).scores[0][:, 0], by_hand)
    detector.save(tmp_path / "d.seqae")
    assert load(tmp_path / "d.seqae").max_gap == 20


def test_a_spike_is_found_at_its_time() -> None:
    detector = pca().fit(read(dropped(3000, 0.05), time="time"))
    assert abs(int(detector.window_ or 0) - 25) <= 1
    found = detector.detect(read(dropped(800, 0.05, seed=1, spike=4.0), time="time"))
    highest = max(found.intervals, key=lambda interval: interval.score)
    start = np.datetime64("2026-01-01T06:40")
    assert start <= highest.peak_time < start + np.timedelta64(5, "m")
