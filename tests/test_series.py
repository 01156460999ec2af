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
    assert as_window("auto", Series(Ragged.from_any([np.ones((n, 1)) for n in lengths]))) == expected
    assert as_window(None, Series(series(400))) is None
    tokens = Ragged.from_tokens([np.zeros(n, int) for n in (2000, 2000)])
    assert as_window("auto", Series(tokens)) is None
    assert as_window("auto", Series(tokens[:1])) is not None


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
        assert as_window("auto", Series(Ragged.from_any([(share * wave + noise)[:, None]]))) == expected
