"""Stream: the same scores as in batch, bounded memory, a state that can be kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike
from sklearn.base import clone

from seqae import Ragged, SequenceAutoencoder
from seqae.detection.detector import AnomalyDetector
from seqae.detection.gaps import segments_of
from seqae.detection.series import Series, split_series
from seqae.detection.stream import Stream
from seqae.detection.thresholds import FBeta, Quantile
from seqae.errors import InvalidParameter, InvalidSequence, ModelFileError, NotFitted
from seqae.reading import read
from seqae.recurrence import active_kernel
from seqae.storage.model_file import ModelFile, write_model_file

from .test_detect import WINDOW, assert_same, broken_wave, detector, wave, whole_sequences


@pytest.fixture(scope="module", params=["auto", "mahalanobis", ("error", "latent")])
def fitted(request: pytest.FixtureRequest) -> AnomalyDetector:
    return detector(score=request.param).fit([wave(600)])


def of_window(fitted: AnomalyDetector, steps: np.ndarray) -> float:
    return fitted.anomaly_score([steps])[0][-1, 0]


def test_a_step_scores_as_its_window_does_in_batch(fitted: AnomalyDetector) -> None:
    x, stream = broken_wave()[280:330], Stream(fitted)
    scores = np.array([stream.push(step) for step in x])
    assert np.isnan(scores[: WINDOW - 1]).all()
    expected = [of_window(fitted, x[end - WINDOW : end]) for end in range(WINDOW, len(x) + 1)]
    assert_same(scores[WINDOW - 1 :], np.array(expected))


def test_many_streams_score_as_each_alone(fitted: AnomalyDetector) -> None:
    series = np.stack([wave(3 * WINDOW, seed) for seed in range(40)])
    together, alone = Stream(fitted, 40), Stream(fitted)
    scores = np.stack([together.push(steps) for steps in series.swapaxes(0, 1)])
    assert_same(scores[:, 7], np.array([alone.push(step) for step in series[7]]))


def test_streams_need_not_go_at_one_pace(fitted: AnomalyDetector) -> None:
    x, stream = wave(2 * WINDOW, 3), Stream(fitted, 3)
    for step in x[: WINDOW - 1]:
        stream.push(step[None], [1])
    assert np.isnan(stream.push(np.stack([x[0], x[WINDOW - 1]]), [2, 1])).tolist() == [True, False]
    assert_same(stream.push(x[WINDOW][None], [1]), np.array([of_window(fitted, x[1 : WINDOW + 1])]))
    stream.reset([1])
    assert np.isnan(stream.push(x[:1], [1])[0])


def test_killed_and_restored_it_goes_on_bit_for_bit(fitted: AnomalyDetector, tmp_path: Path) -> None:
    x, whole, first = wave(60, 4), Stream(fitted, 2), Stream(fitted, 2)
    pushed = np.stack([x, x[::-1]], axis=1)
    expected = np.array([whole.push(steps) for steps in pushed])
    for steps in pushed[:33]:
        first.push(steps)
    first.save(tmp_path / "state")
    restored = Stream(fitted, 2)
    restored.load(tmp_path / "state")
    np.testing.assert_array_equal(np.array([restored.push(steps) for steps in pushed[33:]]), expected[33:])


def test_memory_is_bounded(fitted: AnomalyDetector) -> None:
    stream = Stream(fitted)
    size = stream.state_dict()["values"].nbytes
    for step in wave(3 * WINDOW):
        stream.push(step)
    assert stream.state_dict()["values"].nbytes == size == 2 * WINDOW * 2 * 4


def pushed(detector: AnomalyDetector, steps: np.ndarray) -> np.ndarray:
    """What a stream gives for the steps, from the first full window on."""
    stream = Stream(detector)
    return np.array([stream.push(step) for step in steps])[WINDOW - 1 :]


def test_the_limit_is_learnt_from_what_a_stream_gives() -> None:
    made = detector(stride=1, threshold="quantile").fit([wave(600)])
    (held_out,) = split_series(Series(Ragged.from_any([wave(600)])), made.held_out_fraction, 0, WINDOW)[1].ragged
    for normal in (held_out, wave(200, 5)):
        limit = np.quantile(pushed(made, normal), 0.99)
        assert limit != pytest.approx(made.threshold_)
        judged = Stream(made).is_anomaly([limit * 1.001, limit * 0.999, np.nan])
        assert judged.tolist() == [True, False, False]
        made.fit_threshold([wave(200, 5)])


def test_a_stream_alarms_as_often_as_it_should() -> None:
    made = detector(threshold=Quantile(0.95)).fit([wave(3000)])
    normal = np.concatenate([pushed(made, wave(1000, seed)) for seed in (5, 6, 7)])
    assert 0.025 < Stream(made).is_anomaly(normal).mean() < 0.1


def test_limits_that_are_not_of_normal_scores_are_kept(fitted: AnomalyDetector) -> None:
    for threshold in (2.5, FBeta()):
        made = clone(fitted).set_params(threshold=threshold).fit([wave(600)])
        if threshold == FBeta():
            with pytest.raises(NotFitted, match="has no limit yet"):
                Stream(made).is_anomaly(1.0)
            made.fit_threshold([broken_wave()], [np.arange(500) // 12 == 25])
        limit = made.threshold_
        assert limit is not None
        assert Stream(made).is_anomaly([limit + 1, limit, np.nan]).tolist() == [True, False, False]


def test_bad_input_is_named_and_nothing_is_taken(fitted: AnomalyDetector, tmp_path: Path) -> None:
    stream = Stream(fitted, 2)
    for steps, streams, message in (
        ([[1, 2]], None, r"steps must be \(2, 2\)"),
        ([[1, 2], [np.inf, 0]], None, "stream 1, channel 0 is inf"),
        ([[1e35, 0]], [1], "stream 1, channel 0 is 1"),
        ([["a", "b"]], [0], "a step"),
    ):
        with pytest.raises(InvalidSequence, match=message):
            stream.push(steps, streams)
    for streams in ([2], [0, 0], [0.5], []):
        with pytest.raises(InvalidParameter, match="different numbers from 0 to 1"):
            stream.push([[0, 0]], streams)
    assert stream.state_dict()["n_pushed"].tolist() == [0, 0]
    with pytest.raises(ModelFileError, match="does not fit"):
        stream.load_state_dict(Stream(fitted, 3).state_dict())
    for name, value in (("n_pushed", -1), ("values", np.nan)):
        damaged = stream.state_dict()
        damaged[name][0] = value
        with pytest.raises(ModelFileError, match="damaged"):
            stream.load_state_dict(damaged)
    write_model_file(tmp_path / "other", ModelFile("autoencoder", {}, {"x": np.zeros(1)}))
    with pytest.raises(ModelFileError, match="not the state"):
        stream.load(tmp_path / "other")


def test_it_needs_windows() -> None:
    whole = detector(window=None, score="error").fit(whole_sequences())
    with pytest.raises(InvalidParameter, match="needs a detector of windows"):
        Stream(whole)


def test_it_needs_a_fitted_detector(fitted: AnomalyDetector) -> None:
    with pytest.raises(NotFitted, match="call fit"):
        Stream(clone(fitted))
    with pytest.raises(InvalidParameter, match="detector must be an AnomalyDetector, got SequenceAutoencoder"):
        Stream(fitted.autoencoder_)  # pyright: ignore[reportArgumentType]


def test_one_channel_takes_numbers() -> None:
    model = SequenceAutoencoder(latent_size=2, hidden_size=4, max_epochs=1, verbose=False)
    made = AnomalyDetector(model, window=10, verbose=False, random_state=0).fit([wave(200)[:, :1]])
    stream = Stream(made)
    assert np.isfinite([stream.push(float(value)) for value in wave(12)[:, 0]][9:]).all()


def test_digits_that_float32_lacks_are_kept() -> None:
    """A counter beside a wave: both are exact in float64 alone."""
    x = np.stack([1.7e9 + 20 * np.sin(np.arange(400)), wave(400)[:, 0]], axis=1).astype(np.float64)
    made = AnomalyDetector(baseline="pca", window=WINDOW, verbose=False, random_state=0).fit([x])
    assert made.learnt_.setting.is_exact
    stream, broken = Stream(made), x[:60].copy()
    broken[40:, 0] += 30
    scores = np.array([stream.push(step) for step in broken])[WINDOW - 1 :]
    expected = [of_window(made, broken[end - WINDOW : end]) for end in range(WINDOW, 61)]
    assert_same(scores, np.array(expected))
    assert scores[21:].max() > 1.5 * scores[:20].max()


# -- missing values and times ------------------------------------------------------------------------------------------


def with_holes(n_steps: int, seed: int = 3) -> np.ndarray:
    """A wave of which some values, and at some steps all, are missing."""
    x, rng = wave(n_steps, seed), np.random.default_rng(seed)
    x[rng.random(n_steps) < 0.1, 1] = np.nan
    x[rng.random(n_steps) < 0.05] = np.nan
    return x


def of_holey_window(fitted: AnomalyDetector, steps: np.ndarray) -> float:
    return fitted.anomaly_score(read([steps], missing="mask"))[0][-1, 0]


def test_missing_values_count_as_in_batch(fitted: AnomalyDetector) -> None:
    x = with_holes(3 * WINDOW)
    stream, pair = Stream(fitted), Stream(fitted, 2)
    scores = np.array([stream.push(step) for step in x])
    expected = [of_holey_window(fitted, x[end - WINDOW : end]) for end in range(WINDOW, len(x) + 1)]
    assert_same(scores[WINDOW - 1 :], np.array(expected))
    whole = wave(len(x), 4)
    together = np.array([pair.push(steps) for steps in np.stack([x, whole], axis=1)])
    assert_same(together[:, 0], scores)
    assert_same(together[WINDOW - 1 :, 1], pushed(fitted, whole))


def test_a_dead_sensor_lowers_confidence_but_not_service(fitted: AnomalyDetector) -> None:
    x, stream = wave(2 * WINDOW), Stream(fitted)
    assert stream.observed_share().tolist() == [0.0]
    for step in x[:WINDOW]:
        stream.push(step)
    assert stream.observed_share().tolist() == [1.0]
    x[WINDOW:, 1] = np.nan
    shares = []
    for step in x[WINDOW:]:
        assert np.isfinite(stream.push(step))
        shares.append(stream.observed_share()[0])
    assert shares == pytest.approx([1 - k / (2 * WINDOW) for k in range(1, WINDOW + 1)])
    stream.reset()
    assert stream.observed_share().tolist() == [0.0]


def recorded(seed: int, n_steps: int = 170) -> tuple[np.ndarray, np.ndarray]:
    """A wave and its times, seconds after a start: some steps are missing, and there is a gap."""
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(rng.random(n_steps) > 0.08)
    return wave(n_steps, seed)[kept], kept + 40 * (kept > 0.6 * n_steps)


def batch_scores(fitted: AnomalyDetector, x: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The score of each step from its window alone, in the segments that batches are read in."""
    found = segments_of(Ragged.from_any([x]), times, fitted.max_gap)
    observed = found.ragged.observed
    assert observed is not None
    filled = np.where(observed, found.ragged.values, np.nan)
    scores = np.full(len(x), np.nan)
    for k, row in enumerate(found.rows):
        first = found.ragged.starts[found.ragged.starts <= row].max()
        if row - first + 1 >= WINDOW:
            scores[k] = of_holey_window(fitted, filled[row - WINDOW + 1 : row + 1])
    return scores


def assert_alike(found: ArrayLike, expected: ArrayLike) -> None:
    """The same bits; on the reference kernel to float rounding, of which small distances are large multiples."""
    rounding = 1e-3 if active_kernel() == "reference" else 0.0
    np.testing.assert_allclose(found, expected, rtol=5 * rounding, atol=rounding)


@pytest.mark.parametrize("in_datetimes", [False, True])
def test_times_mean_what_they_mean_in_batch(fitted: AnomalyDetector, in_datetimes: bool) -> None:
    recordings = [recorded(seed) for seed in (0, 1)]
    stream, alone = Stream(fitted, 2), Stream(fitted)
    found: list[list[float]] = [[], []]
    start = np.datetime64("2026-01-01T00:00:00")
    for k in range(min(len(x) for x, _ in recordings)):
        steps, seconds = np.stack([x[k] for x, _ in recordings]), np.array([t[k] for _, t in recordings])
        times = start + seconds.astype("m8[s]") if in_datetimes else seconds
        scores = np.asarray(stream.push(steps, times=times))
        assert_alike(alone.push(steps[0], times=times[0]), scores[0])
        for own, score in zip(found, scores, strict=True):
            own.append(score)
    for (x, times), own in zip(recordings, found, strict=True):
        assert_alike(own, batch_scores(fitted, x, times)[: len(own)])
        assert np.isfinite(own).sum() > 2 * WINDOW
    assert stream.n_late.tolist() == [0, 0]


def test_steps_that_come_late_or_twice_are_passed_over(fitted: AnomalyDetector) -> None:
    x, strict, stream = wave(2 * WINDOW), Stream(fitted), Stream(fitted)
    for k, step in enumerate(x):
        score = stream.push(step, times=float(k))
        assert_same(np.asarray(score), np.asarray(strict.push(step, times=float(k))))
        assert np.isnan(stream.push(x[0], times=float(k)))
        assert np.isnan(stream.push(x[0], times=k - 3.0))
    assert stream.n_late.tolist() == [2 * len(x)]


def test_a_state_with_times_goes_on_bit_for_bit_and_an_earlier_one_is_taken(
    fitted: AnomalyDetector, tmp_path: Path
) -> None:
    x, seconds = recorded(5)
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=int(second)) for second in seconds]
    whole, first, restored = Stream(fitted), Stream(fitted), Stream(fitted)
    expected = [whole.push(step, times=time) for step, time in zip(x, times, strict=True)]
    for k in range(90):
        first.push(x[k], times=times[k])
    first.save(tmp_path / "state")
    restored.load(tmp_path / "state")
    assert_same(np.array([restored.push(x[k], times=times[k]) for k in range(90, len(x))]), np.array(expected[90:]))
    state = whole.state_dict()
    earlier = Stream(fitted)
    earlier.load_state_dict({name: state[name] for name in ("values", "n_pushed")})
    assert np.isfinite(earlier.push(x[0]))
    for name, value in (
        ("past_times", np.zeros((1, 3))),
        ("n_times", np.array([-1])),
        ("past_times", -state["past_times"]),
    ):
        with pytest.raises(ModelFileError, match=r"the state (does not fit|is damaged)"):
            earlier.load_state_dict(state | {name: value})


def test_times_that_make_no_sense_are_named(fitted: AnomalyDetector) -> None:
    stream = Stream(fitted)
    for times in ("noon", np.nan, [1.0, 2.0]):
        with pytest.raises(InvalidSequence, match="times must be 1 numbers or datetimes"):
            stream.push([0, 0], times=times)
    stream.push([0, 0], times=1.0)
    with pytest.raises(InvalidSequence, match="times must stay of one kind"):
        stream.push([0, 0], times=np.datetime64("2026-01-01"))
    assert stream.state_dict()["n_pushed"].tolist() == [1]
