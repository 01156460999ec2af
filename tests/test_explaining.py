"""What was expected where something was marked, against the autoencoder's own reconstruction."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from seqae import AnomalyDetector, read
from seqae.detection.result import Detection, Interval

from .test_detect import SPIKE, WINDOW, broken_wave, detector, wave, whole_sequences


def window_around(interval: Interval, n_steps: int) -> int:
    """The first step of the window around a peak."""
    return int(np.clip(interval.peak - WINDOW // 2, 0, n_steps - WINDOW))


@pytest.mark.parametrize("parameters", [{}, {"baseline": "pca"}, {"score": "nearest"}])
def test_the_expected_values_are_those_of_a_window_around_the_peak(parameters: dict[str, object]) -> None:
    made, x = detector(**parameters).fit([wave(600)]), broken_wave()
    found = made.detect([x])
    assert found.intervals
    for interval in found.intervals:
        assert interval.observed == tuple(x[interval.peak].astype(float))
        first = window_around(interval, len(x))
        window, at = x[first : first + WINDOW], interval.peak - first
        if made.autoencoder_ is not None:
            expected = made.autoencoder_.reconstruct([window])[0][at]
        else:
            model = made.scorer_.evidence[0].model  # pyright: ignore[reportAttributeAccessIssue]
            flat = ((window - model.scaling.centre) / model.scaling.scale).reshape(-1) - model.mean
            rebuilt = (flat @ model.basis.T @ model.basis + model.mean).reshape(WINDOW, -1)
            expected = (rebuilt * model.scaling.scale + model.scaling.centre)[at]
        np.testing.assert_allclose(interval.expected, expected, rtol=1e-4, atol=1e-4)


def test_whole_sequences_are_explained_by_their_reconstruction() -> None:
    made = detector(window=None).fit(whole_sequences())
    strange = [whole_sequences()[0], whole_sequences()[1][:20] + 3.0]
    found = made.detect(strange)
    (interval,) = found.intervals
    assert interval.id == 1
    assert made.autoencoder_ is not None
    expected = made.autoencoder_.reconstruct([strange[1]])[0][interval.peak]
    np.testing.assert_allclose(interval.expected, expected, rtol=1e-5, atol=1e-5)


def test_windows_around_peaks_span_no_gap_and_hold_missing_steps() -> None:
    x, kept = broken_wave(), np.r_[0:290, 292:303, 304:500]
    seconds = kept + 500 * (kept >= 320)
    table = {"t": np.datetime64("2026-01-01T00:00:00") + seconds.astype("m8[s]"), "a": x[kept, 0], "b": x[kept, 1]}
    made = detector(baseline="pca").fit([wave(600)])
    made.channel_names_ = ("a", "b")
    found = made.detect(read(pa.table(table), time="t"))
    interval = max(found.intervals, key=lambda one: one.score)
    place = kept[interval.peak]
    filled = x[:320].copy()
    filled[[290, 291, 303]] = np.nan
    first = int(np.clip(place - WINDOW // 2, 0, 320 - WINDOW))
    source = read([filled[first : first + WINDOW]], missing="mask")
    expected = made.scorer_.evidence[0].expected(source.ragged)
    assert expected is not None
    np.testing.assert_array_equal(interval.expected, expected[place - first])


def test_an_interval_is_told_in_words_and_columns() -> None:
    made = AnomalyDetector(window=WINDOW, baseline="pca", random_state=0).fit([wave(600)])
    found = made.detect([broken_wave()])
    interval = max(found.intervals, key=lambda one: one.score)
    told = found.in_words(interval)
    assert told.startswith(f"channel_1 has {interval.shares[1]:.0%} of the error (0.9 where ")
    assert f"{interval.expected[1]:.4g} was expected), channel_0 has" in told
    columns = found.to_columns()
    k = found.intervals.index(interval)
    assert columns["words"][k] == told
    assert columns["observed_channel_1"][k] == interval.observed[1]
    assert columns["expected_channel_0"][k] == interval.expected[0]
    assert SPIKE[0] <= interval.peak < SPIKE[1]


def test_words_name_channels_with_large_shares_and_leave_out_what_is_unknown() -> None:
    def told(shares: tuple[float, ...], observed: tuple[float, ...] = (), expected: tuple[float, ...] = ()) -> str:
        interval = Interval("s", 0, 1, 0, 2.0, shares, observed=observed, expected=expected)
        names = tuple("abcd"[: len(shares)])
        empty = np.zeros(0)
        found = Detection(empty, read([[0.0]]).ragged, empty, empty, (interval,), names)
        return found.in_words(interval)

    assert told((0.1, 0.6, 0.3)) == "b has 60% of the error, c has 30% of the error"
    assert told((0.9, 0.1), (np.nan, 1.0), (2.0, 3.0)) == "a has 90% of the error"
    assert told((0.25,) * 4) == "a has 25% of the error, b has 25% of the error, c has 25% of the error"
