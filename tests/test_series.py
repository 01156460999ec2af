"""Windows of series: their length, the gaps they do not span, and means over them, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae import Ragged
from seqae.detection.period import choose_window
from seqae.detection.series import (
    Series,
    StepMeans,
    as_stride,
    as_window,
    split_at_gaps,
    split_normal,
    split_sequences,
    split_series,
    training_windows,
    windows_of,
)
from seqae.errors import InvalidParameter, InvalidSequence


def series(*lengths: int) -> Ragged:
    return Ragged.from_any([np.arange(n, dtype=np.float32)[:, None] for n in lengths])


@pytest.mark.parametrize("period", [20, 37, 144])
def test_window_is_the_period(period: int) -> None:
    t = np.arange(period * 12)
    noise = 0.1 * np.random.default_rng(0).normal(size=(len(t), 1))
    wave = np.sin(2 * np.pi * t / period)[:, None] + 0.3 * np.sin(6 * np.pi * t / period)[:, None]
    assert abs(choose_window(Ragged.from_any([wave + noise])) - period) <= 1


@pytest.mark.parametrize("values", [np.zeros((500, 2)), np.arange(500.0)[:, None], np.ones((3, 1)), np.ones((1, 1))])
def test_window_of_series_without_period_is_usable(values: np.ndarray) -> None:
    assert 2 <= choose_window(Ragged.from_any([values])) <= 125


def test_gaps_split_regular_and_irregular_times() -> None:
    regular = np.concatenate([np.arange(10), np.arange(12, 20)])
    parts = split_at_gaps(series(18), regular)
    assert parts.lengths.tolist() == [10, 8]
    rng = np.random.default_rng(0)
    irregular = np.cumsum(rng.uniform(0.5, 2, size=100))
    irregular[60:] += 100
    assert split_at_gaps(series(100), irregular).lengths.tolist() == [60, 40]
    days = np.datetime64("2026-01-01") + np.array([0, 1, 2, 3, 9, 10, 11]) * np.timedelta64(1, "D")
    assert split_at_gaps(series(7), days).lengths.tolist() == [4, 3]


def test_steps_that_are_dropped_now_and_then_are_no_gaps() -> None:
    rng = np.random.default_rng(0)
    steps = np.where(rng.random(4999) < 0.06, 2, 1)
    parts = split_at_gaps(series(5000), np.append(0, np.cumsum(steps)))
    assert parts.lengths[-1] > 4900  # at most the first drop is a gap: it is not known to be usual yet
    weekdays = np.cumsum(np.tile([1, 1, 1, 1, 3], 60))
    assert split_at_gaps(series(300), np.append(0, weekdays[:-1])).lengths.tolist() == [5, 295]
    bursts = np.cumsum(np.tile([*[1] * 19, 600], 20))
    assert split_at_gaps(series(400), bursts).lengths.tolist() == [19, *[20] * 19, 1]


@given(st.integers(0, 10_000), st.integers(2, 400))
def test_gaps_are_told_from_the_times_before_alone(seed: int, n_kept: int) -> None:
    rng = np.random.default_rng(seed)
    rates = np.repeat(rng.choice([1.0, 5.0, 60.0], size=8), 50)
    steps = rates * (rng.uniform(0.5, 2.0, 400) if seed % 2 else 1.0) * np.where(rng.random(400) < 0.02, 40.0, 1.0)
    times = np.cumsum(steps)
    whole = split_at_gaps(series(400), times)
    prefix = split_at_gaps(series(n_kept), times[:n_kept])
    assert prefix.starts.tolist() == whole.starts[whole.starts < n_kept].tolist()
    expected = [0]
    for k in range(1, 399):
        past = steps[1:][max(0, k - 100) : k]
        near = np.abs(past - np.median(past)) <= 0.1 * np.median(past)
        factor = 1.5 if len(past) >= 3 and near.mean() >= 0.75 else 10
        step, before = np.diff(times)[k], np.diff(times)[max(0, k - 100) : k]
        is_drop = factor == 1.5 and step <= 3.5 * np.median(before) and (before >= 0.9 * step).any()
        if step > factor * np.median(before) and not is_drop:
            expected.append(k + 1)
    assert whole.starts.tolist() == expected


def test_training_windows_leave_no_step_out() -> None:
    for n_steps, window, stride, distance in ((200_000, 25, 1, 25), (20_000, 25, 1, 4), (20_000, 25, 9, 9)):
        windows = training_windows(Series(series(n_steps)), window, stride)
        assert np.diff(windows.starts)[:-1].tolist() == [distance] * (len(windows) - 2)
        is_covered = np.zeros(n_steps, bool)
        for start in windows.starts:
            is_covered[start : start + window] = True
        assert is_covered.all()


def test_training_windows_do_not_span_gaps() -> None:
    times = np.arange(100.0) + 50.0 * (np.arange(100) >= 40)
    windows = training_windows(Series(series(100), times), 30, 1)
    assert windows.starts.tolist() == [*range(11), *range(40, 71)]


def test_unsorted_times_are_named() -> None:
    with pytest.raises(InvalidSequence, match="series 1, step 2"):
        split_at_gaps(series(3, 4), np.array([0, 1, 2, 5, 6, 6, 7]))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(2, 9), st.integers(1, 5), st.integers(1, 50))
def test_step_means_are_those_of_a_loop(lengths: list[int], window: int, stride: int, batch_size: int) -> None:
    ragged = series(*lengths)
    chosen = windows_of(ragged, window, min(stride, window))
    rng = np.random.default_rng(sum(lengths))
    columns = [rng.normal(size=(n, 2)) for n in chosen.lengths]
    sums, counts = np.zeros((len(ragged.values), 2)), np.zeros(len(ragged.values))
    for start, values in zip(chosen.starts, columns, strict=True):
        sums[start : start + len(values)] += values
        counts[start : start + len(values)] += 1
    means = StepMeans(len(ragged.values), 2)
    for first in range(0, len(chosen), batch_size):
        means.add(chosen[first : first + batch_size], np.concatenate(columns[first : first + batch_size]))
    assert counts.min() >= 1  # every step is in a window, also of short series
    np.testing.assert_array_equal(means.means(slice(None)), sums / counts[:, None])


def test_what_is_unknown_does_not_weigh() -> None:
    means = StepMeans(3, 1)
    means.add(series(3).windows(2), np.array([[1.0], [np.nan], [5.0], [np.nan]]))
    np.testing.assert_array_equal(means.means(slice(None)), [[1.0], [5.0], [np.nan]])


def test_windows_share_memory() -> None:
    ragged = series(50, 3)
    assert windows_of(ragged, 10, 1).values is ragged.values


@given(st.integers(60, 200), st.floats(0.05, 0.5))
def test_held_out_steps_are_a_window_away_from_training(n_steps: int, fraction: float) -> None:
    training, held_out = (part.ragged for part in split_series(Series(series(n_steps)), fraction, 0, window=10))
    assert held_out.starts[0] - (training.starts[0] + training.lengths[0]) == 10
    assert held_out.starts[0] + held_out.lengths[0] == n_steps
    windows = split_normal(Series(series(n_steps)), fraction, 0, 10, 1).windows
    assert windows.starts.tolist() == list(range(int(training.lengths[0]) - 9))


def test_sequences_are_split_without_overlap() -> None:
    first, rest = split_sequences(Series(series(*range(1, 11))), 0.3, seed=0)
    training, held_out = first.ragged, rest.ragged
    assert len(held_out) == 3
    assert sorted([*training.lengths, *held_out.lengths]) == list(range(1, 11))


def test_too_little_data_is_named() -> None:
    with pytest.raises(InvalidSequence, match="at least 2"):
        split_sequences(Series(series(5)), 0.2, seed=0)
    with pytest.raises(InvalidSequence, match="window=10 is too long"):
        split_series(Series(series(25)), 0.2, 0, window=10)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([1000] * 3, None), ([1001, 20], 100), ([400], 100), ([3, 7], None), ([5000] * 9, 100)],
)
def test_several_short_sequences_are_judged_whole(lengths: list[int], expected: int | None) -> None:
    assert as_window("auto", Ragged.from_any([np.ones((n, 1)) for n in lengths])) == expected
    assert as_window(None, series(400)) is None
    tokens = Ragged.from_tokens([np.zeros(n, int) for n in (2000, 2000)])
    assert as_window("auto", tokens) is None
    assert as_window("auto", tokens[:1]) is not None


def test_each_step_lies_in_eight_windows() -> None:
    assert [as_stride("auto", window, is_sparse=False) for window in (None, 2, 16, 100)] == [1, 1, 2, 12]
    assert as_stride("auto", 100, is_sparse=True) == 1
    assert as_stride(3, 100, is_sparse=False) == as_stride(3, 100, is_sparse=True) == 3
    with pytest.raises(InvalidParameter, match="stride=11 skips steps"):
        as_stride(11, 10, is_sparse=False)


def test_a_weak_period_is_none() -> None:
    random = np.random.default_rng(0)
    wave, noise = np.sin(np.arange(2000) * 2 * np.pi / 37), random.normal(size=2000)
    for share, expected in ((3.0, 37), (0.4, 100)):  # correlations at the period of about .8 and .1
        assert as_window("auto", Ragged.from_any([(share * wave + noise)[:, None]])) == expected
