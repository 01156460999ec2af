"""AnomalyDetector: what does not look like the normal data it was fitted on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.frozen import FrozenEstimator

from ..errors import InvalidParameter, InvalidSequence, NotFitted
from ..estimator import SequenceAutoencoder
from ..model.presets import as_architecture
from ..parameters import as_random_state, check_choice, check_count, check_fraction
from ..reading import Schema, Source, take
from ..sequences.ragged import Ragged
from ..storage.model_file import ModelFile, write_model_file
from ..training.progress import tracked
from .channels import as_channels, of_channels, suited_parts
from .finding import find_intervals
from .fingerprints import Fingerprints, fingerprints_of
from .fitting import Fitted, default_autoencoder, fit_autoencoder, fit_scorer, fit_sensors, training_windows
from .judging import Judge, learn_judge, suited_threshold
from .labels import anomalous_sequences, anomalous_steps
from .marks import Marker, above
from .result import Detection
from .scorer import Scorer, Series
from .scores import as_names, choose_parts
from .splitting import split_normal
from .thresholds import FBeta, FromScoredData, Threshold, as_threshold
from .windowing import as_window

ANY_SYMBOL = 2**31
"""Above all tokens: a detector takes symbols that fit() never saw, which are what it looks for."""


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Finds sequences, or steps of long series, that an autoencoder of normal data does not reproduce.

    Part of the normal data is held out: training never sees it, and what is usual, mu and S of the Mahalanobis score,
    and the threshold come from it. Errors are measured by what is usual for their channel, so that none outweighs.

    Parameters:
    autoencoder: a SequenceAutoencoder, of which a copy is fitted (None: one with its defaults); wrapped as
        sklearn.frozen.FrozenEstimator(ae) a fitted one is kept as it is, and X of fit() must then be new to it.
    window: None judges whole sequences; a number of steps judges every step of long series, through windows of so many
        steps that never span a gap in the times; "auto" takes the series' period.
    stride: steps from one window to the next; every step is in about window / stride of them, and gets their mean.
    score: one of the following, or a tuple of them, joined as the geometric mean of part / its held-out median.
        Errors weigh by the inverse of their held-out mean square, the best one 1; "nearest" weighs 16, with several
        channels 1.
        "error": mean over channels of |x - x'|, each in units of its held-out root mean square.
        "mahalanobis": (e - mu)^T S^-1 (e - mu) of the error vectors e = |x - x'| (Malhotra et al. 2016, 1607.00148).
        "latent": distance of a window's vector to the nearest of a normal one.
        "linear": as "error", of the principal components of whole windows, which need one length.
        "nearest": distance to the nearest normal sequence in whitened principal components, which needs one length too;
            of windows at any level, with that of each half to the nearest half, each by what is usual there.
        "prediction": as "error", of the future that a composite autoencoder predicts; "combined" with its past.
        "ngram": of tokens, the cross-entropy of each step given the four before it, by counting; of tokens, "error" is
        the autoencoder's. "symbols", "pairs": distance to the nearest normal sequence, by which symbols it holds, or by
        how often it holds each pair of neighbours.
        "auto" is ("error", "linear", "nearest"), or ("error", "latent") for whole sequences of different lengths, or
        ("error", "ngram", "symbols", "pairs") for tokens.
    threshold: "quantile", "sigmas", "fbeta", "peaks", "conformal", "scored", "dynamic", a Threshold, a number, or None.
    baseline: "pca" takes principal components of windows in the place of the autoencoder, all else being the same;
        "ngram", of tokens, the counts of n-grams.
    scored_channels: names or numbers of the channels whose errors, distances and shares count; None is all. The
        autoencoder and "linear" read all of them, "nearest" compares the scored ones alone; "latent" is of all at once.
    held_out_fraction: of the normal data; whole sequences, or the end of a long series after a gap of one window.
    random_state: an int makes the split, and an autoencoder without a random_state of its own, reproducible.
    verbose: "auto" shows a progress bar on a terminal, False is quiet.

    Learnt by fit: autoencoder_, window_, scorer_, threshold_ (the limit on anomaly_score) and offset_ = -threshold_,
    both of the present threshold, judge_, held_out_scores_, fingerprints_ (of what they are scores of), n_channels_,
    channel_names_, vocabulary_ (as the autoencoder's), scored_channels_ (their numbers, or None).
    """

    scorer_: Scorer
    autoencoder_: SequenceAutoencoder | None
    held_out_scores_: np.ndarray
    fingerprints_: Fingerprints

    def __init__(
        self,
        autoencoder: Any = None,
        *,
        window: int | Literal["auto"] | None = None,
        stride: int = 1,
        score: str | tuple[str, ...] = "auto",
        threshold: str | float | Threshold | None = "quantile",
        baseline: Literal["pca", "ngram"] | None = None,
        scored_channels: Sequence[int | str] | None = None,
        held_out_fraction: float = 0.2,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | Literal["auto"] = "auto",
    ) -> None:
        self.autoencoder = autoencoder
        self.window = window
        self.stride = stride
        self.score = score
        self.threshold = threshold
        self.baseline = baseline
        self.scored_channels = scored_channels
        self.held_out_fraction = held_out_fraction
        self.random_state = random_state
        self.verbose: bool | Literal["auto"] = verbose

    # -- learning --------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what is normal.

        X: normal sequences or series, as SequenceAutoencoder takes them. y: (n_sequences,) 1 for sequences that are
        anomalous: nothing but an "fbeta" threshold is learnt from them. Raises InvalidSequence or InvalidParameter.
        """
        threshold = suited_threshold(self.threshold, self.window)
        stride, fraction = self._checked()
        source = self._taken(X)
        is_anomaly = anomalous_sequences(y, len(source))
        if is_anomaly.all():
            raise InvalidSequence("y marks every sequence as anomalous; fit() needs normal ones")
        are_normal = np.flatnonzero(~is_anomaly)
        normal = Series(source.ragged[are_normal], source.times)
        channels = self._scored(source)
        window = as_window(self.window, of_channels(normal.ragged, channels), stride)
        names = choose_parts(self.score, self.baseline, normal.ragged, window)
        names = names if channels is None else suited_parts(names, self.score)
        seed = int(as_random_state(self.random_state).randint(2**31))
        split = split_normal(normal, fraction, seed, window)
        windows = training_windows(split.training, window, stride)
        self.autoencoder_ = None if self.baseline else self._fitted_autoencoder(windows, source, seed)
        sensors = fit_sensors(names, self.autoencoder_, windows, channels, is_windowed=window is not None)
        self._learn(fit_scorer(names, sensors, split.held_out, window, stride), source)
        self.fingerprints_ = fingerprints_of(source.ragged, are_normal[split.owners])
        self._learn_judge(threshold, source, np.flatnonzero(is_anomaly))
        return self

    def fit_held_out(self, X: Any) -> Self:
        """As fit() of an autoencoder that is given as FrozenEstimator, but all of X is what training never saw.

        X: whole normal sequences. Only scores that need nothing else can be learnt so: "error", "mahalanobis",
        "prediction", "combined". Raises InvalidParameter for the others.
        """
        if not isinstance(self.autoencoder, FrozenEstimator) or self.window is not None or self.baseline:
            raise InvalidParameter("fit_held_out() takes autoencoder=FrozenEstimator(ae), window=None and no baseline")
        threshold, source = suited_threshold(self.threshold, None), self._taken(X)
        names = as_names(self.score)
        if not {"error", "mahalanobis", "prediction", "combined"}.issuperset(names):
            raise InvalidParameter(f"score={self.score!r} compares with training data; use fit()")
        self.autoencoder_ = self._fitted_autoencoder(source.ragged, source, 0)
        sensors = fit_sensors(names, self.autoencoder_, source.ragged, self._scored(source), is_windowed=False)
        self._learn(fit_scorer(names, sensors, Series(source.ragged, source.times), None, 1), source)
        self.fingerprints_ = fingerprints_of(source.ragged)
        self._learn_judge(threshold, source, np.zeros(0, np.int64))
        return self

    def _taken(self, X: Any) -> Source:
        """Normal data, as the autoencoder that is given takes it."""
        given = None if self.baseline else self.autoencoder
        if isinstance(given, FrozenEstimator) and isinstance(given.estimator, SequenceAutoencoder):
            return take(X, given.estimator.schema_)
        is_of_symbols = isinstance(given, SequenceAutoencoder) and as_architecture(given.architecture).takes_symbols
        return take(X, takes_symbols=is_of_symbols or self.baseline == "ngram")

    def _scored(self, source: Source) -> np.ndarray | None:
        return as_channels(self.scored_channels, source.channel_names, are_tokens=source.ragged.is_tokens)

    def _learn(self, fitted: Fitted, source: Source) -> None:
        self.scorer_, self.held_out_scores_ = fitted.scorer, fitted.held_out_scores
        self.window_ = fitted.scorer.window
        self.n_channels_, self.channel_names_ = source.ragged.n_channels, source.channel_names
        self.scored_channels_ = self._scored(source)
        self.vocabulary_ = source.vocabulary

    def fit_threshold(self, X: Any, y: Any = None) -> Self:
        """Learn the threshold anew, from data that the detector was not fitted on; the scores stay as they are.

        y: None if all of X is normal; else labels, 1 for anomalous: (n_sequences,) for whole sequences, one vector per
        series for windows. Only an "fbeta" threshold looks at what is labelled anomalous, the others leave it out.
        """
        source = self._take(X)
        threshold = suited_threshold(self.threshold, self.window_)
        lengths = source.ragged.lengths
        is_anomaly = anomalous_sequences(y, len(lengths)) if self.window_ is None else anomalous_steps(y, lengths)
        scores = _joined(self.anomaly_score(source))
        is_known = np.isfinite(scores)
        normal, anomalous = scores[is_known & ~is_anomaly], scores[is_known & is_anomaly]
        fingerprints = fingerprints_of(source.ragged)
        self.judge_ = learn_judge(threshold, normal, anomalous, fingerprints, is_labelled=y is not None)
        return self

    def _learn_judge(self, threshold: Threshold | float | None, source: Source, anomalous: np.ndarray) -> None:
        """From the held-out normal scores, and where labels are needed those of sequences that are anomalous."""
        found, scores = self.fingerprints_, np.zeros(0)
        if isinstance(threshold, FBeta) and len(anomalous) and self.window_ is None:
            sequences = source.ragged[anomalous]
            scores = self._scores(Source(sequences, anomalous, None, self.channel_names_))
            found = found.and_of(sequences)
        self.judge_ = learn_judge(threshold, self.held_out_scores_, scores, found, is_labelled=len(scores) > 0)

    def _checked(self) -> tuple[int, float]:
        check_choice("baseline", self.baseline, (None, "pca", "ngram"))
        check_choice("verbose", self.verbose, (True, False, "auto"))
        fraction = check_fraction("held_out_fraction", self.held_out_fraction)
        if not fraction:
            raise InvalidParameter(
                "held_out_fraction must be above 0 and below 1: the threshold needs data that training never saw",
                parameter="held_out_fraction",
            )
        return check_count("stride", self.stride), fraction

    def _fitted_autoencoder(self, windows: Ragged, source: Source, seed: int) -> SequenceAutoencoder:
        given = default_autoencoder(windows, self.verbose) if self.autoencoder is None else self.autoencoder
        numbered = Source(windows, np.arange(len(windows)), None, source.channel_names, vocabulary=source.vocabulary)
        return fit_autoencoder(given, numbered, None if self.random_state is None else seed)

    # -- scoring ---------------------------------------------------------------------------------------------------

    def anomaly_score(self, X: Any) -> Any:
        """Higher is more anomalous: (n_sequences,), or with windows a list of (n_steps,), one for each series."""
        source = self._take(X)
        return self._scores(source) if self.window_ is None else self._score_list(source)

    def score_samples(self, X: Any) -> Any:
        """Minus anomaly_score: higher is more normal."""
        return _each(np.negative, self.anomaly_score(X))

    def decision_function(self, X: Any) -> Any:
        """score_samples - offset_: below 0 is anomalous. Raises NotFitted for "dynamic", which has no offset."""
        scores = self.anomaly_score(self._judged(X))
        limit = self._judge().limit_for(_joined(scores))
        return _each(lambda score: limit - score, scores)

    def predict(self, X: Any) -> Any:
        """-1 for what is anomalous, 1 for the rest; what was not observed at all counts as normal.

        Raises InvalidParameter if the threshold was fitted on a sequence of X.
        """
        scores = self.anomaly_score(self._judged(X))
        mark = self._judge().marker(_joined(scores))
        return _each(lambda score: np.where(mark(score).is_marked, -1, 1), scores)

    def fit_predict(self, X: Any, y: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """fit() and predict() of the same data. Raises InvalidParameter unless the threshold is "scored" by name."""
        if not isinstance(as_threshold(self.threshold), FromScoredData):
            raise InvalidParameter(
                "fit_predict() judges the data that the threshold is fitted on; predict() other data, "
                "or ask for it by name: threshold='scored'"
            )
        return self.fit(X, y).predict(X)

    def detect(self, X: Any) -> Detection:
        """Scores of all steps and the intervals above the threshold; a sequence that is judged whole is one interval.

        Without a threshold there are no intervals. Raises InvalidParameter as predict() does.
        """
        source = self._judged(X)
        names, scored = source.channel_names, self.scored_channels_
        scored_names = names if scored is None else tuple(names[k] for k in scored)
        return find_intervals(self.scorer_, source, self._read(source), self._marker(source), scored_names)

    def _marker(self, source: Source) -> Marker:
        judge = self._judge()
        if judge.threshold is None:
            return above(float("inf"))
        return judge.marker(_joined(self.anomaly_score(source)) if judge.is_joint else np.zeros(0))

    def _judge(self) -> Judge:
        """What was learnt, or, where the threshold was set after fit(), what the held-out scores say about it."""
        self._fitted()
        threshold = suited_threshold(self.threshold, self.window_)
        if threshold == self.judge_.threshold:
            return self.judge_
        return learn_judge(threshold, self.held_out_scores_, np.zeros(0), self.fingerprints_, is_labelled=False)

    @property
    def threshold_(self) -> float | None:
        """The limit on anomaly_score of what is judged alone; None where the present threshold gives none."""
        return self._judge().limit

    @property
    def offset_(self) -> float:
        """decision_function is score_samples minus this; where that depends on the data, minus another for them."""
        return -self._judge().single_limit

    def _judged(self, X: Any) -> Source:
        source = self._take(X)
        learnt_from = self._judge().learnt_from
        if learnt_from is not None:
            learnt_from.refuse(source.ragged)
        return source

    @property
    def schema_(self) -> Schema:
        """What new data is held against; symbols that fit() never saw are taken too."""
        n_symbols = ANY_SYMBOL if self._fitted().reads_tokens else None
        return Schema(self.channel_names_, n_symbols, self.vocabulary_, takes_unknown=True, keeps_float64=True)

    def _take(self, X: Any) -> Source:
        return take(X, self.schema_)

    def _read(self, source: Source) -> Iterator[tuple[np.ndarray, Ragged]]:
        series = Series(source.ragged, source.times)
        with tracked(self.verbose, lambda: self.scorer_.n_units(series)) as track:
            yield from self.scorer_.read(series, track)

    def _scores(self, source: Source) -> np.ndarray:
        """Of whole sequences, (n_sequences,)."""
        scores = np.empty(len(source))
        for indices, columns in self._read(source):
            scores[indices] = self.scorer_.sequence_scores(columns)
        return scores

    def _score_list(self, source: Source) -> list[np.ndarray]:
        """Of steps, one vector per series."""
        scores: list[np.ndarray] = [np.zeros(0)] * len(source)
        for indices, columns in self._read(source):
            steps = self.scorer_.step_scores(columns.values)
            for i, part in zip(indices, np.split(steps, columns.starts[1:]), strict=True):
                scores[i] = part
        return scores

    def _fitted(self) -> Scorer:
        if not self.__sklearn_is_fitted__():
            raise NotFitted("this AnomalyDetector is not fitted; call fit() first, or load() a saved one")
        return self.scorer_

    def __sklearn_is_fitted__(self) -> bool:
        return "scorer_" in vars(self)

    # -- keeping ---------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that was learnt, the autoencoder included, to one safetensors file, for seqae.load().

        What is loaded holds its autoencoder as FrozenEstimator: fit() learns anew what is normal, but trains nothing.
        """
        write_model_file(path, self.to_model_file())

    def to_model_file(self) -> ModelFile:
        """All that was learnt, as the content of a file; without verbose, which belongs to a process."""
        from .keeping import pack_detector

        return pack_detector(self, self._judge())

    @classmethod
    def from_model_file(cls, file: ModelFile) -> AnomalyDetector:
        """The detector that to_model_file() was called on. Raises ModelFileError if it is something else."""
        from .keeping import unpack_detector

        return unpack_detector(file)


def _each(function: Callable[[np.ndarray], np.ndarray], scores: Any) -> Any:
    """Of an array, or of each array in a list."""
    return [function(part) for part in scores] if isinstance(scores, list) else function(scores)


def _joined(scores: Any) -> np.ndarray:
    return np.concatenate(scores) if isinstance(scores, list) else scores
