"""AnomalyDetector: what it finds, what it promises, and what it says about bad input."""

from __future__ import annotations

import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_outlier_detector
from sklearn.frozen import FrozenEstimator

import seqae
from seqae import Ragged, SequenceAutoencoder
from seqae.detection.detector import AnomalyDetector
from seqae.detection.series import Series
from seqae.detection.thresholds import FBeta, FromScoredData, MeanPlusSigmas, Quantile
from seqae.errors import DataWarning, InvalidParameter, InvalidSequence, ModelFileError, NotFitted
from seqae.reading import read
from seqae.recurrence import active_kernel
from seqae.storage.model_file import ModelFile, read_model_file

WINDOW = 20
SPIKE = (300, 312)


def wave(n_steps: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n_steps)
    clean = np.stack([np.sin(2 * np.pi * t / WINDOW), np.cos(2 * np.pi * t / WINDOW)], axis=1)
    return (clean + 0.05 * rng.normal(size=clean.shape)).astype(np.float32)


def broken_wave(seed: int = 1) -> np.ndarray:
    x = wave(500, seed)
    x[SPIKE[0] : SPIKE[1], 1] = 0.9
    return x


def autoencoder(architecture: str = "repeat", **parameters: object) -> SequenceAutoencoder:
    settings = {"latent_size": 4, "hidden_size": 8, "max_epochs": 3, "batch_size": 64, "patience": 20}
    settings |= {"random_state": 0, "verbose": False} | parameters
    return SequenceAutoencoder(architecture, **settings)  # pyright: ignore[reportArgumentType]


def detector(**parameters: object) -> AnomalyDetector:
    settings = {"window": WINDOW, "random_state": 0, "verbose": False} | parameters
    return AnomalyDetector(settings.pop("autoencoder", autoencoder()), **settings)  # pyright: ignore


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return detector().fit([wave(600)])


@pytest.fixture(scope="module")
def fitted_whole() -> AnomalyDetector:
    return detector(window=None).fit(whole_sequences())


def whole_sequences() -> list[np.ndarray]:
    return [wave(600)[first : first + WINDOW] for first in range(0, 580, 10)]


def assert_same(left: np.ndarray, right: np.ndarray) -> None:
    """The same bits on the native kernel; the reference may differ in the last ones."""
    if active_kernel() == "reference":
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_array_equal(left, right)


# -- what it finds -----------------------------------------------------------------------------------------------------


def test_the_interval_is_found_and_blamed_on_its_channel(fitted: AnomalyDetector) -> None:
    found = max(fitted.detect([broken_wave()]).intervals, key=lambda interval: interval.score)
    assert found.start < SPIKE[1]
    assert found.end > SPIKE[0]
    assert SPIKE[0] - WINDOW <= found.peak < SPIKE[1] + WINDOW
    assert found.shares[1] > 0.5
    assert sum(found.shares) == pytest.approx(1)


@pytest.mark.parametrize("score", ["error", "mahalanobis", "latent", "linear", "nearest", ("error", "latent")])
def test_every_score_ranks_the_broken_part_first(score: str) -> None:
    scores = (
        detector(score=score, autoencoder=autoencoder(max_epochs=15)).fit([wave(600)]).anomaly_score([broken_wave()])
    )
    assert SPIKE[0] - WINDOW <= np.argmax(scores[0]) < SPIKE[1] + WINDOW


@pytest.mark.parametrize("score", ["prediction", "combined", "error"])
def test_composite_scores(score: str) -> None:
    model = autoencoder("composite", max_epochs=15)
    (scores,) = detector(score=score, autoencoder=model).fit([wave(600)]).anomaly_score([broken_wave()])
    assert np.isnan(scores).sum() == (WINDOW - 1 if score == "prediction" else 0)  # the first have no window before
    assert SPIKE[0] - WINDOW <= np.nanargmax(scores) < SPIKE[1] + WINDOW


def test_whole_sequences_are_judged_whole(fitted_whole: AnomalyDetector) -> None:
    X = [wave(40, 3)[:WINDOW], broken_wave()[295:315]]
    assert fitted_whole.anomaly_score(X).shape == (2,)
    assert fitted_whole.predict(X).tolist() == [1, -1]
    detection = fitted_whole.detect(X)
    assert [(i.id, i.start, i.end) for i in detection.intervals] == [(1, 0, WINDOW)]
    assert detection.to_frame("sequence")["is_anomaly"].to_pylist() == [False, True]


def test_sequences_of_different_lengths_have_a_default_score() -> None:
    X = [wave(60, seed)[: 10 + seed] for seed in range(20)]
    assert np.isfinite(detector(window=None).fit(X).anomaly_score(X)).all()


def test_tokens_are_scored() -> None:
    X = Ragged.from_tokens([np.arange(12) % 4 for _ in range(20)])
    made = detector(window=None, autoencoder=autoencoder("tokens", loss="cross_entropy"), score="error").fit(X)
    assert np.isfinite(made.anomaly_score(X)).all()


def test_missing_values_are_no_evidence(fitted: AnomalyDetector) -> None:
    x = broken_wave()
    x[100], x[105, 0] = np.nan, np.nan
    scores = fitted.anomaly_score(Ragged.from_any([x], missing="mask"))[0]
    assert np.flatnonzero(np.isnan(scores[:, 0])).tolist() == [100]
    assert fitted.predict(Ragged.from_any([x], missing="mask"))[0][100] == 1


@pytest.mark.parametrize("score", ["auto", "error", "mahalanobis", "latent", "linear", "nearest"])
@pytest.mark.parametrize("window", [WINDOW, None])
def test_what_was_not_observed_has_no_score_and_counts_as_normal(score: str, window: int | None) -> None:
    n_steps = 60 if window else WINDOW
    normal = [wave(600)] if window else whole_sequences()
    made = detector(score=score, window=window, autoencoder=autoencoder(max_epochs=1)).fit(normal)
    values = np.concatenate([wave(n_steps, 5), wave(n_steps, 6)])
    is_observed = np.repeat([[False, False], [True, True]], n_steps, axis=0)
    X = Ragged(values, np.array([0, n_steps]), np.array([n_steps] * 2), is_observed)
    scores = made.anomaly_score(X)
    assert np.isnan(scores[0]).all()
    assert_same(np.asarray(scores[1]), np.asarray(made.anomaly_score([values[n_steps:]])[0]))
    unobserved = X[np.array([0])]
    for threshold in ("quantile", "conformal", "scored", *(("dynamic",) if window else ())):
        made.set_params(threshold=threshold)
        assert (np.asarray(made.predict(X)[0]) == 1).all()
        assert (np.asarray(made.predict(unobserved)[0]) == 1).all()
        found = made.detect(unobserved)
        assert found.intervals == ()
        assert np.isnan(found.to_columns("sequence")["score"]).all()
    for threshold in ("fbeta", "quantile"):
        labels = [np.zeros(n_steps, int)] if window else [0]
        with pytest.raises(InvalidSequence, match="no normal scores"):
            made.set_params(threshold=threshold).fit_threshold(unobserved, labels)


@pytest.mark.parametrize("score", ["auto", "error", "mahalanobis", "latent"])
def test_scores_of_huge_values_are_finite_and_shared_out(score: str) -> None:
    made = detector(score=score, autoencoder=autoencoder(max_epochs=1)).fit([1e-6 * wave(600)])
    found = made.detect([np.full((60, 2), 1e18)])
    assert np.isfinite(found.scores.values).all()
    assert [(interval.start, interval.end) for interval in found.intervals] == [(0, 60)]
    np.testing.assert_allclose(found.intervals[0].shares, 0.5, atol=0.05)


def test_the_linear_baseline_takes_missing_values_as_usual_ones() -> None:
    holes = np.random.default_rng(0).random((600, 2)) < 0.05
    normal = Ragged.from_any([np.where(holes, np.nan, wave(600))], missing="mask")
    made = detector(baseline="pca", stride=WINDOW).fit(normal)
    centre = made.scorer_.evidence[0].model.scaling.centre  # pyright: ignore[reportAttributeAccessIssue]
    x = broken_wave()
    is_missing = np.zeros_like(x, bool)
    is_missing[100], is_missing[105, 0] = True, True
    ((_, columns),) = made.scorer_.read(Series(Ragged.from_any([np.where(is_missing, np.nan, x)], missing="mask")))
    ((_, filled),) = made.scorer_.read(Series(Ragged.from_any([np.where(is_missing, centre, x)])))
    np.testing.assert_array_equal(columns.values, np.where(is_missing, np.nan, filled.values))
    (scores,) = made.anomaly_score(Ragged.from_any([np.where(is_missing, np.nan, x)], missing="mask"))
    assert np.flatnonzero(np.isnan(scores[:, 0])).tolist() == [100]
    assert SPIKE[0] - WINDOW <= np.nanargmax(scores) < SPIKE[1] + WINDOW


def test_missing_values_are_told_and_left_out() -> None:
    x = wave(600)
    x[7, 1] = np.nan
    with pytest.warns(DataWarning, match="1 of 1,200 values is missing, the first at sequence 0, step 7, channel '"):
        told = detector(baseline="pca").fit([x])
    masked = detector(baseline="pca").fit(Ragged.from_any([x], missing="mask"))
    assert told.threshold_ == masked.threshold_


# -- the ladder --------------------------------------------------------------------------------------------------------


def test_signs_follow_scikit_learn(fitted: AnomalyDetector) -> None:
    X = [broken_wave(), wave(100, 5)]
    for score, samples, decision, predicted in zip(
        fitted.anomaly_score(X), fitted.score_samples(X), fitted.decision_function(X), fitted.predict(X), strict=True
    ):
        assert score.shape[1] == samples.shape[1] == decision.shape[1] == predicted.shape[1] == 1
        np.testing.assert_array_equal(samples, -score)
        np.testing.assert_allclose(decision, samples - fitted.offset_)
        assert (predicted[score > fitted.threshold_] == -1).all()  # and what belongs to the same event


def test_the_estimator_contract() -> None:
    made = detector(threshold=Quantile(0.9), score=("error", "latent"))
    copy = clone(made)
    assert copy.get_params()["threshold"] == Quantile(0.9)
    assert copy.get_params()["autoencoder__hidden_size"] == 8
    with pytest.raises(NotFitted, match="call fit"):
        copy.predict([wave(50)])
    assert "autoencoder_" not in vars(made)


def test_fit_leaves_the_given_autoencoder_alone_and_keeps_a_frozen_one(fitted: AnomalyDetector) -> None:
    given = autoencoder()
    detector(autoencoder=given).fit([wave(300)])
    assert not hasattr(given, "model_")
    kept = detector(autoencoder=FrozenEstimator(fitted.autoencoder_)).fit([wave(300, 7)])
    assert kept.autoencoder_ is fitted.autoencoder_


def test_what_is_usual_comes_from_what_training_never_saw() -> None:
    x = wave(600)
    loud = x.copy()
    loud[480:] *= 3  # the held-out end
    quiet, louder = (detector(score="error", random_state=0).fit([part]) for part in (x, loud))
    assert louder.scorer_.parts[0].measure.usual[0] > 1.5 * quiet.scorer_.parts[0].measure.usual[0]
    for name, weights in quiet.autoencoder_.model_.state_dict().items():
        np.testing.assert_array_equal(weights, louder.autoencoder_.model_.state_dict()[name])


# -- promises ----------------------------------------------------------------------------------------------------------


def test_a_prefix_scores_alike_where_its_windows_agree(fitted: AnomalyDetector) -> None:
    x = broken_wave()
    whole, prefix = fitted.anomaly_score([x])[0], fitted.anomaly_score([x[:350]])[0]
    assert_same(prefix[: 351 - WINDOW], whole[: 351 - WINDOW])


def test_duplicating_the_series_changes_nothing(fitted: AnomalyDetector) -> None:
    x, other = broken_wave(), wave(137, 9)
    alone = fitted.anomaly_score([x])[0]
    for scores in fitted.anomaly_score([x, x]), fitted.anomaly_score([other, x, other])[1:2]:
        for score in scores:
            assert_same(score, alone)


def test_row_order_does_not_matter(fitted_whole: AnomalyDetector) -> None:
    X = whole_sequences()
    order = np.random.default_rng(0).permutation(len(X))
    assert_same(fitted_whole.anomaly_score([X[i] for i in order]), fitted_whole.anomaly_score(X)[order])


def test_the_stride_only_thins_windows(fitted: AnomalyDetector) -> None:
    thin = detector(stride=7, autoencoder=FrozenEstimator(fitted.autoencoder_)).fit([wave(600)])
    assert np.isfinite(thin.anomaly_score([broken_wave()])[0]).all()


def test_windows_do_not_span_gaps(fitted: AnomalyDetector) -> None:
    x = broken_wave()
    times = np.arange(500.0)
    times[250:] += 50
    source = read(_frame(times, x), time="time")
    parts = fitted.anomaly_score([x[:250], x[250:]])
    assert_same(fitted.anomaly_score(source)[0], np.concatenate(parts))
    found = fitted.detect(source)
    assert found.intervals[0].peak_time == times[found.intervals[0].peak]
    assert found.to_frame("step")["time"].to_pylist() == times.tolist()


def _frame(times: np.ndarray, x: np.ndarray) -> object:
    import pandas as pd

    return pd.DataFrame({"time": times, "a": x[:, 0], "b": x[:, 1]})


def test_saved_and_loaded_it_is_the_same(fitted: AnomalyDetector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "d.seqae")
    loaded = seqae.load(tmp_path / "d.seqae")
    X = [broken_wave()]
    np.testing.assert_array_equal(loaded.score_samples(X)[0], fitted.score_samples(X)[0])
    assert loaded.detect(X).intervals == fitted.detect(X).intervals
    assert loaded.get_params()["score"] == fitted.score
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(X)[0], fitted.score_samples(X)[0])


@pytest.mark.parametrize("score", ["auto", "latent"])
def test_it_scores_from_read_only_memory(score: str, tmp_path: Path) -> None:
    made = detector(score=score).fit([wave(300)])
    joblib.dump(made, tmp_path / "d.joblib")
    mapped = joblib.load(tmp_path / "d.joblib", mmap_mode="r")
    X = [broken_wave()]
    np.testing.assert_array_equal(mapped.score_samples(X)[0], made.score_samples(X)[0])


@pytest.mark.parametrize("parameters", [{"baseline": "pca", "score": "latent"}, {"score": "mahalanobis"}])
def test_every_part_is_saved(parameters: dict[str, object], tmp_path: Path) -> None:
    made = detector(threshold="conformal", **parameters).fit([wave(300)])
    made.save(tmp_path / "d.seqae")
    loaded = seqae.load(tmp_path / "d.seqae")
    np.testing.assert_array_equal(loaded.decision_function([wave(90, 2)])[0], made.decision_function([wave(90, 2)])[0])


def test_a_threshold_that_was_set_after_fit_is_saved_with_what_it_learnt(
    fitted: AnomalyDetector, tmp_path: Path
) -> None:
    made = pickle.loads(pickle.dumps(fitted)).set_params(threshold=MeanPlusSigmas(1.0))
    assert made.offset_ != fitted.offset_
    made.save(tmp_path / "d.seqae")
    assert seqae.load(tmp_path / "d.seqae").offset_ == made.offset_


def test_a_file_that_does_not_fit_together_is_named(fitted: AnomalyDetector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "d.seqae")
    file = read_model_file(tmp_path / "d.seqae")
    with pytest.raises(ModelFileError, match="not a detector"):
        AnomalyDetector.from_model_file(ModelFile("autoencoder", file.config, file.tensors))
    for name in ("parts", "evidence", "autoencoder"):
        broken = {key: value for key, value in file.config.items() if key != name}
        with pytest.raises(ModelFileError, match="does not fit together"):
            AnomalyDetector.from_model_file(ModelFile("detector", broken, file.tensors))
    without = {name: array for name, array in file.tensors.items() if not name.startswith("evidence1.")}
    with pytest.raises(ModelFileError, match="does not fit together"):
        AnomalyDetector.from_model_file(ModelFile("detector", file.config, without))


# -- thresholds --------------------------------------------------------------------------------------------------------


def test_judging_the_data_of_the_threshold_works_and_warns_unless_named(fitted: AnomalyDetector) -> None:
    made = detector(autoencoder=FrozenEstimator(fitted.autoencoder_)).fit([wave(600)])
    X = [broken_wave()]
    made.fit_threshold(X, [np.arange(500) // 12 == 25])
    for judge in (made.predict, made.detect, made.decision_function):
        with pytest.warns(UserWarning, match="the limit was learnt from these data") as caught:
            judge(X)
        assert len(caught) == 1
        assert caught[0].filename == __file__
    made.score_samples(X)
    made.predict([wave(100, 4)])
    with pytest.warns(UserWarning, match="the limit was learnt from these data") as caught:
        marks = made.fit_predict([wave(600)])
    assert len(caught) == 1
    assert np.mean(marks.values == -1) < 0.05
    named = clone(made).set_params(threshold=FromScoredData(MeanPlusSigmas(4.0)))
    assert (named.fit_predict([wave(600)])[0] == 1).mean() > 0.9
    assert named.detect(X).intervals


def test_f_beta_learns_from_labelled_sequences() -> None:
    X, broken = whole_sequences(), [broken_wave(seed)[295:315] for seed in range(2, 8)]
    made = detector(window=None, threshold=FBeta(0.5)).fit([*X, *broken], np.repeat([0, 1], [len(X), len(broken)]))
    assert made.predict([broken_wave(20)[295:315]]).tolist() == [-1]
    with pytest.raises(NotFitted, match="fit_threshold"):
        detector(window=None, threshold="fbeta").fit(X).predict(X)


@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_kind(label: int) -> None:
    X = whole_sequences()
    labels = np.full(len(X), label)
    made = detector(window=None, threshold="fbeta")
    if label:
        with pytest.raises(InvalidSequence, match="needs normal ones"):
            made.fit(X, labels)
        made.fit(X)
    else:
        made.fit(X, labels).fit_threshold(X, labels)
    made.fit_threshold(X[:9], labels[:9])
    assert np.isfinite(made.threshold_)


def test_without_a_threshold_there_are_scores_and_no_intervals() -> None:
    made = detector(threshold=None).fit([wave(300)])
    assert made.detect([broken_wave()]).intervals == ()
    with pytest.raises(NotFitted, match="choose another"):
        made.predict([broken_wave()])


def test_a_number_is_a_fixed_limit(fitted: AnomalyDetector) -> None:
    made = clone(fitted).set_params(threshold=1.25, autoencoder=FrozenEstimator(fitted.autoencoder_)).fit([wave(300)])
    assert made.offset_ == -1.25


# -- degenerate and wrong input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["auto", "mahalanobis", "latent"])
def test_constant_and_copied_channels(score: str) -> None:
    x = wave(300)
    wide = np.concatenate([x, x[:, :1], np.ones((300, 1), np.float32)], axis=1)  # rank-deficient errors
    made = detector(score=score).fit([wide])
    assert np.isfinite(made.anomaly_score([wide[:60]])[0]).all()
    assert np.isfinite(made.threshold_)


def test_a_constant_series_is_scored() -> None:
    made = detector(window="auto").fit([np.ones((400, 1))])
    assert np.isfinite(made.anomaly_score([np.ones((50, 1)), np.full((1, 1), 5.0)])[0]).all()


@pytest.mark.parametrize("n_steps", [1, 2, WINDOW - 1, WINDOW])
def test_series_shorter_than_a_window_have_finite_scores(fitted: AnomalyDetector, n_steps: int) -> None:
    (scores,) = fitted.anomaly_score([wave(n_steps)])
    assert scores.shape == (n_steps, 1)
    assert np.isfinite(scores).all()


def test_bad_input_is_named(fitted: AnomalyDetector) -> None:
    x = wave(300)
    with pytest.raises(InvalidSequence, match="window=200 is too long"):
        detector(window=200).fit([x])
    with pytest.raises(InvalidSequence, match="window=1000000000000000000000 is too long"):
        detector(window=10**21).fit([x])
    with pytest.raises(InvalidSequence, match="window=20 is too long"):
        detector().fit([x[:1]])
    with pytest.raises(InvalidSequence, match="at least 2 normal"):
        detector(window=None).fit([x])
    with pytest.raises(InvalidSequence, match="must have 2 channels"):
        fitted.predict([x[:, :1]])
    with pytest.raises(InvalidParameter, match="one label for each"):
        detector(window=None).fit(whole_sequences(), [0, 1])
    with pytest.raises(InvalidParameter, match="1 for anomalous and 0"):
        detector(window=None).fit([x[:30], x[30:60]], [1, -1])
    with pytest.raises(InvalidSequence, match="y marks every sequence as anomalous"):
        detector(window=None).fit(whole_sequences()[:3], [1, 1, 1])
    with pytest.raises(InvalidParameter, match="rows must be one of"):
        fitted.detect([x]).to_frame("rows")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidParameter, match="of lengths"):
        fitted.fit_threshold([x], [[0, 1]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window": 1}, "window must be"),
        ({"stride": 0}, "stride must be"),
        ({"stride": 21}, "skips steps"),
        ({"baseline": "lof"}, "baseline must be"),
        ({"held_out_fraction": 0}, "must be a number above 0"),
        ({"threshold": "median"}, "threshold must be"),
        ({"score": "density"}, "score must be"),
        ({"baseline": "pca", "score": "linear"}, "baseline='pca' has"),
        ({"autoencoder": "lstm"}, "must be a SequenceAutoencoder, got 'lstm'"),
        ({"autoencoder": FrozenEstimator(AnomalyDetector())}, r"must be a SequenceAutoencoder, got AnomalyDetector\("),
        (
            {"autoencoder": SequenceAutoencoder(max_epochs=10**9), "threshold": "dynamic", "window": None},
            "it needs window",
        ),
        ({"score": "prediction"}, "predicts no steps"),
    ],
)
def test_wrong_parameters_are_named(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        detector(**parameters).fit([wave(300)])


def test_unsorted_times_are_named(fitted: AnomalyDetector) -> None:
    from dataclasses import replace

    source = read([wave(50)])
    with pytest.raises(InvalidSequence, match="sort the series by time"):
        fitted.detect(replace(source, times=np.arange(50)[::-1], time_name="time"))


def test_gaps_and_held_out_parts_that_leave_nothing_to_train_on_are_named() -> None:
    x = wave(600)
    times = np.arange(600.0) + 50 * (np.arange(600) // 15)
    with pytest.raises(InvalidSequence, match="window=20 is too long: between gaps in the times there are at most 15"):
        detector().fit(read(_frame(times, x), time="time"))
    with pytest.raises(
        InvalidSequence, match=r"held_out_fraction=0.99 of series of at most 600 steps leaves no window"
    ):
        detector(held_out_fraction=0.99).fit([x])


def test_scikit_learn_takes_it_for_an_outlier_detector() -> None:
    assert is_outlier_detector(detector())


def test_a_whole_sequence_s_error_is_the_root_mean_square_of_its_steps(fitted_whole: AnomalyDetector) -> None:
    made = detector(window=None, score="error", autoencoder=FrozenEstimator(fitted_whole.autoencoder_))
    made.fit(whole_sequences())
    X = [broken_wave()[295:315], wave(WINDOW, 4)]
    model = made.scorer_.parts[0].measure
    squares = fitted_whole.autoencoder_.reconstruction_error(X, per="value")
    errors = [np.sqrt(part.astype(np.float64)) for part in squares]
    steps = [(part / model.usual).mean(axis=1) for part in errors]  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(made.anomaly_score(X), [np.sqrt(np.mean(part**2)) for part in steps], rtol=1e-5)


def test_the_stride_is_that_of_the_windows_that_are_read() -> None:
    made = detector(baseline="pca", stride=7).fit([wave(600)])
    assert made.scorer_.n_units(Series(Ragged.from_any([wave(90)]))) == 11
