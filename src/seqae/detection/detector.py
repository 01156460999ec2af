"""AnomalyDetector: find what differs from normal data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.frozen import FrozenEstimator

from ..cards import EstimatorCard
from ..errors import InvalidParameter, InvalidSequence, NotFitted
from ..estimator import SequenceAutoencoder
from ..model.presets import is_closed_form, takes_symbols
from ..parameters import as_random_state, check_choice, check_kind, check_optional_share, check_share, seeded_copy
from ..reading import Schema, Source, take
from ..sequences.ragged import Ragged, back_to_back, starts_of
from ..storage.model_file import ModelFile, write_model_file
from ..training.history import tracked
from .crossing import Crossing, Fit, tell_masked
from .evidence.interface import Score, Setting, Trained
from .evidence.registry import BASELINES, UNTRAINED, as_names, choose_scores, fit_evidence, scores, setting_of
from .explaining import explained
from .limits import Limit, Rule, Threshold
from .operating import Operated
from .result import Detection, find_intervals
from .scoring import columns_read, fit_scorer, lowest
from .series import (
    Series,
    anomalous_sequences,
    as_channels,
    as_stride,
    as_window,
    fingerprint_of,
    split_normal,
    steps_per_day,
)
from .storage import SAVED, Learnt, pack, unpack
from .thresholds import Unlimited, rule_by, suited

Fitting = Fit[SequenceAutoencoder | None]
ANY_SYMBOL = 2**31
"""Above all tokens: a detector accepts unknown symbols, since they are anomalies."""


class AnomalyDetector(EstimatorCard, Operated, OutlierMixin, BaseEstimator):
    """Finds sequences, or steps of long series, that an autoencoder of normal data does not reproduce.

    Parameters:
    autoencoder: a SequenceAutoencoder, of which a copy is fitted (None: "hybrid", or "tokens"). A fitted one that is
        wrapped as sklearn.frozen.FrozenEstimator(ae) is not trained again; X of fit() must then be new to it.
    window: None judges whole sequences; a number of steps judges every step of long series, through windows of that
        length, none of which spans a gap in the times. "auto" is None for several sequences of tokens or of up to 1000
        steps, else the period of the series.
    stride: steps from one window to the next; a step's score is the mean over its window / stride windows. "auto" is
        an eighth of the window, or 1 for "prediction" and "combined".
    score: a name, or a tuple of names, joined by the weighted geometric mean of score / held-out median: of an
        autoencoder "error", "mahalanobis", "latent", "prediction", "combined"; beside it "linear", "nearest"; of tokens
        "ngram", "symbols", "pairs"; see seqae.detection.evidence. "auto" is "error", "linear", "nearest"; or "error",
        "latent" for whole sequences of different lengths; or "error", "ngram", "symbols", "pairs" for tokens.
    threshold: a name of seqae.detection.thresholds, a Threshold, a number, or None. "auto" is Quantile(0.98) for whole
        sequences, of which 2 % of the normal ones are marked, and Events for steps.
    baseline: "pca", principal components of windows, or "ngram", counts of n-grams of tokens, for the autoencoder.
    scored_channels: names or numbers of the channels whose errors, distances and shares count; None is all. The
        autoencoder and "linear" read all channels, "nearest" compares the scored ones only; "latent" needs all.
    held_out_fraction: what is not trained on, but gives scales and threshold: the end of a series after a gap of one
        window, or a part of the sequences. If a fit is cheap, each sequence is held out once (Barber et al. 2021,
        1905.02928); a last fit has all that are not far outside.
    contamination: the share of anomalies in the data, None for none. Where each sequence is held out once, what is far
        outside their core, and at least this share, is left out; else the highest scores do not count for the limit.
    max_gap: the longest difference of times that is no gap, in usual ones, or as a duration such as "30min". None is 5
        where times are regular, else 10. Steps that are missing up to it are missing values.
    random_state: an int makes the split, and an autoencoder without a random_state of its own, reproducible.
    verbose: "auto" shows a progress bar on a terminal, False is quiet.

    Anomalies have a high anomaly_score, a low score_samples, a negative decision_function and, from predict, the label
    -1, as in scikit-learn; normal is 1. In labels y passed to fit, anomalous is 1 and normal is 0. Results are arrays
    (n_sequences,) for whole sequences, and Ragged with one channel for steps.

    Learnt by fit: autoencoder_, window_, scorer_, threshold_ (limit on anomaly_score) and offset_ = -threshold_, both
    of the present threshold, rule_, held_out_scores_, n_channels_, channel_names_, vocabulary_, scored_channels_ (None
    or numbers), learnt_ (all of it, as a value); and, not saved, left_out_ (numbers of sequences).

    >>> import numpy as np
    >>> wave = np.sin(np.arange(600) / 4)[:, None]
    >>> detector = AnomalyDetector(window=25, baseline="pca", random_state=0).fit([wave[:500]])
    >>> wave[550:560] = 0.0
    >>> [50 <= found.peak < 60 for found in detector.detect([wave[500:]]).intervals]
    [True]
    """

    learnt_: Learnt
    autoencoder_: SequenceAutoencoder | None

    def __init__(
        self,
        autoencoder: SequenceAutoencoder | FrozenEstimator | None = None,
        *,
        window: int | Literal["auto"] | None = "auto",
        stride: int | Literal["auto"] = "auto",
        score: str | tuple[str, ...] = "auto",
        threshold: str | float | Threshold | None = "auto",
        baseline: Literal["pca", "ngram"] | None = None,
        scored_channels: Sequence[int | str] | None = None,
        held_out_fraction: float = 0.2,
        contamination: float | None = None,
        max_gap: float | str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | Literal["auto"] = "auto",
    ) -> None:
        self.autoencoder = autoencoder
        self.window = window
        self.stride: int | Literal["auto"] = stride
        self.score = score
        self.threshold = threshold
        self.baseline = baseline
        self.scored_channels = scored_channels
        self.held_out_fraction = held_out_fraction
        self.contamination = contamination
        self.max_gap = max_gap
        self.random_state = random_state
        self.verbose: bool | Literal["auto"] = verbose

    def fit(self, X: object, y: object = None) -> Self:
        """Learn what is normal.

        X: normal data, as SequenceAutoencoder takes them. y: (n_sequences,) 1 for anomalous sequences, which only an
        "fbeta" threshold uses. Raises InvalidSequence or InvalidParameter.
        """
        fraction, source = self._checked(), self._taken(X)
        is_anomaly = anomalous_sequences(y, len(source))
        if is_anomaly.all():
            raise InvalidSequence("y marks every sequence as anomalous; fit() needs normal ones")
        numbers = np.flatnonzero(~is_anomaly)
        normal = replace(self._series(source), ragged=source.ragged[numbers])
        channels = self._scored_channels(source)
        window = as_window(self.window, normal, channels)
        threshold = suited(self.threshold, window, self.contamination)
        setting = setting_of(source.ragged, window, channels)
        chosen = choose_scores(self.score, self.baseline, normal.ragged, setting)
        setting = replace(setting, stride=as_stride(self.stride, window, is_sparse=any(s.is_sparse for s in chosen)))
        seed = int(as_random_state(self.random_state).randint(2**31))
        fit_on = partial(self._fit_on, source, chosen, setting, seed)
        if window is None and self._is_soon_fitted(setting):
            crossed = Crossing(fit_on, chosen, setting, round(1 / fraction), seed).fit(normal, self.contamination)
            tell_masked(numbers[crossed.masked], len(source))
            fit, columns, held_out, left_out = crossed.fit, crossed.columns, normal, crossed.left_out
        else:
            split = split_normal(normal, fraction, seed, window, setting.stride)
            fit, held_out, left_out = fit_on(split.windows), split.held_out, np.zeros(0, np.int64)
            columns = columns_read(fit[-1], held_out, setting)
        self.left_out_ = numbers[left_out]
        self._learn(fit, chosen, columns, source, held_out)
        return self._learn_rule(threshold, source.ragged[np.flatnonzero(is_anomaly)])

    def fit_held_out(self, X: object) -> Self:
        """As fit() with an autoencoder in a FrozenEstimator, but all of X is held out.

        X: whole normal sequences. Only for scores that need no training data: "error", "mahalanobis",
        "prediction", "combined". Raises InvalidParameter for the others.
        """
        if not isinstance(self.autoencoder, FrozenEstimator) or self.window not in (None, "auto") or self.baseline:
            raise InvalidParameter("fit_held_out() takes autoencoder=FrozenEstimator(ae), window=None and no baseline")
        threshold, source = suited(self.threshold, None), self._taken(X)
        chosen = tuple(scores()[name] for name in as_names(self.score))
        if not set(UNTRAINED).issuperset(kind for score in chosen for kind in score.kinds):
            raise InvalidParameter(f"score={self.score!r} compares with training data; use fit()", parameter="score")
        setting = setting_of(source.ragged, None, self._scored_channels(source))
        fit, held_out = self._fit_on(source, chosen, setting, 0, source.ragged), self._series(source)
        self.left_out_ = np.zeros(0, np.int64)
        self._learn(fit, chosen, columns_read(fit[-1], held_out, setting), source, held_out)
        return self._learn_rule(threshold, source.ragged[:0])

    def _taken(self, X: object) -> Source:
        """Normal data, read as the autoencoder takes them."""
        if self.baseline or self.autoencoder is None:
            return take(X, takes_symbols=self.baseline == "ngram")
        given = _estimator_of(self.autoencoder)
        if isinstance(self.autoencoder, FrozenEstimator):
            return take(X, given.schema_)
        return take(X, takes_symbols=takes_symbols(given.architecture))

    def _series(self, source: Source) -> Series:
        return Series(source.ragged, source.times, self.max_gap)

    def _scored_channels(self, source: Source) -> np.ndarray | None:
        return as_channels(self.scored_channels, source.channel_names, are_tokens=source.ragged.is_tokens)

    def _given(self, *, are_tokens: bool) -> SequenceAutoencoder | FrozenEstimator | None:
        """The autoencoder to fit copies of; None where a baseline stands for it."""
        if self.baseline is None and self.autoencoder is None:
            return own_autoencoder(are_tokens=are_tokens, verbose=self.verbose)
        return None if self.baseline else self.autoencoder

    def _is_soon_fitted(self, setting: Setting) -> bool:
        """Whether one fit more costs no long training: of a baseline, a fitted autoencoder or a closed form."""
        given = self._given(are_tokens=setting.are_tokens)
        is_ready = given is None or isinstance(given, FrozenEstimator)
        return is_ready or is_closed_form(_estimator_of(given).architecture, are_tokens=setting.are_tokens)

    def _fit_on(self, source: Source, chosen: tuple[Score, ...], setting: Setting, seed: int, part: Ragged) -> Fitting:
        """What one fit on normal sequences or windows of a source gives."""
        given = self._given(are_tokens=setting.are_tokens)
        if given is None:
            return None, setting, fit_evidence(chosen, part, setting, self.baseline)
        model = _estimator_of(given)
        if not isinstance(given, FrozenEstimator):
            read = Source(part, np.arange(len(part)), None, source.channel_names, vocabulary=source.vocabulary)
            model = seeded_copy(model, None if self.random_state is None else seed).fit(read)
        seen = Trained(model.model_, model.loss_, model.scaling_, model.shape_.n_symbols)
        setting = replace(setting, autoencoder=seen)
        return model, setting, fit_evidence(chosen, part, setting, self.baseline)

    def _learn(self, fit: Fitting, chosen: tuple[Score, ...], columns: Ragged, source: Source, held: Series) -> None:
        """Fit the scorer on columns of held-out data; not yet a rule."""
        model, setting, evidence = fit
        fitted = None if model is None else model.to_fitted()
        scorer, found = fit_scorer(chosen, evidence, columns, setting)
        found = found if len(self.left_out_) else lowest(found, 1 - (self.contamination or 0.0))
        data, names = fingerprint_of(source.ragged), source.channel_names
        rule = Rule(Unlimited(), Limit(None, found), steps_per_day=steps_per_day(held))
        streamed = scorer.stream_scores(held)
        self._keep(Learnt(fitted, scorer, setting, found, streamed, data, rule, names, source.vocabulary), model)

    def _keep(self, learnt: Learnt, model: SequenceAutoencoder | None) -> None:
        self.learnt_, self.autoencoder_, self.scorer_ = learnt, model, learnt.scorer
        self.held_out_scores_, self.window_ = learnt.held_out_scores, learnt.setting.window
        self.n_channels_, self.channel_names_ = learnt.setting.n_channels, learnt.channel_names
        self.scored_channels_, self.vocabulary_ = learnt.setting.channels, learnt.vocabulary

    def _learn_rule(self, threshold: Threshold, anomalous: Ragged) -> Self:
        """Learn the rule from held-out normal scores and, if labels are used, scores of anomalous sequences."""
        labelled = None
        if threshold.learns_from_labels and len(anomalous) and self.window_ is None:
            labelled = self._scores(Source(anomalous, np.arange(len(anomalous)), None, self.channel_names_))
        return self._change(rule=rule_by(threshold, self.learnt_, labelled))

    def _checked(self) -> float:
        """The fraction to hold out."""
        check_choice("baseline", self.baseline, (None, *BASELINES))
        check_choice("verbose", self.verbose, (True, False, "auto"))
        check_optional_share("contamination", self.contamination, below=0.5)
        return check_share("held_out_fraction", self.held_out_fraction)

    def anomaly_score(self, X: object) -> np.ndarray | Ragged:
        """Anomaly scores, higher is more anomalous: (n_sequences,), or with windows a Ragged with one channel."""
        source = self._take(X)
        return self._shaped(self._scores(source), source)

    def score_samples(self, X: object) -> np.ndarray | Ragged:
        """Negative anomaly_score: higher is more normal."""
        source = self._take(X)
        return self._shaped(-self._scores(source), source)

    def decision_function(self, X: object) -> np.ndarray | Ragged:
        """score_samples - offset_: below 0 is anomalous. Raises NotFitted for "dynamic", which has no offset."""
        source = self._take(X)
        rule, found = self._rule(source), self._scores(source)
        return self._shaped(rule.for_scores(found).single() - found, source)

    def predict(self, X: object) -> np.ndarray | Ragged:
        """-1 for anomalous, 1 for normal; what was not observed at all counts as normal.

        Warns if the limit was learnt from the same data. Raises NotFitted if there is no limit.
        """
        source = self._take(X)
        rule = self._rule(source)
        if rule.threshold.marks_nothing:
            rule.single()  # raises NotFitted with the reason
        found = self._scores(source)
        rule = rule.for_scores(found)
        parts = [found] if self.window_ is None else np.split(found, starts_of(source.ragged.lengths)[1:])
        is_marked = np.concatenate([rule.marks(part).is_marked for part in parts])
        return self._shaped(np.where(is_marked, -1, 1), source)

    def fit_predict(self, X: object, y: object = None) -> np.ndarray | Ragged:  # pyright: ignore[reportIncompatibleMethodOverride]
        """fit() and predict() on the same data; warns that the limit was learnt from them."""
        return self.fit(X, y).predict(X)

    def detect(self, X: object) -> Detection:
        """Scores of all steps, and the intervals above the threshold; an anomalous whole sequence is one interval.

        Without a threshold there are none. Warns as predict() does.
        """
        source = self._take(X)
        rule = self._rule(source)
        if rule.threshold.judges_together:
            rule = rule.for_scores(self._scores(source))
        names, scored = source.channel_names, self.scored_channels_
        scored_names = names if scored is None else tuple(names[k] for k in scored)
        found = find_intervals(self.scorer_, source, self._read(source), rule.marks, scored_names)
        return explained(found, self.scorer_.evidence[0], self._series(source), self.window_, scored)

    def _rule(self, source: Source) -> Rule:
        """The rule for source; warns if it was learnt from it."""
        self.rule_.warn_if_known(fingerprint_of(source.ragged))
        return self.rule_

    @property
    def rule_(self) -> Rule:
        """The present rule; if the threshold was set after fit(), learnt from the held-out scores."""
        learnt = self._fitted()
        threshold = suited(self.threshold, self.window_)
        return learnt.rule if threshold == learnt.rule.threshold else rule_by(threshold, learnt)

    @property
    def threshold_(self) -> float | None:
        """The limit on anomaly_score of a single sequence or step; None if the present threshold has none."""
        return self.rule_.limit.value

    @property
    def offset_(self) -> float:
        """decision_function is score_samples minus this, unless the limit depends on the data."""
        return -self.rule_.single()

    @property
    def schema_(self) -> Schema:
        """The channels, names and vocabulary of new data; unknown symbols are accepted."""
        setting = self._fitted().setting
        n_symbols, is_exact = ANY_SYMBOL if setting.are_tokens else None, setting.is_exact
        return Schema(self.channel_names_, n_symbols, self.vocabulary_, takes_unknown=True, keeps_float64=is_exact)

    def _take(self, X: object) -> Source:
        return take(X, self.schema_)

    def _read(self, source: Source) -> Iterator[tuple[np.ndarray, Ragged]]:
        series = self._series(source)
        with tracked(self.verbose, lambda: self.scorer_.n_units(series)) as track:
            yield from self.scorer_.read(series, track)

    def _scores(self, source: Source) -> np.ndarray:
        """Scores of whole sequences, (n_sequences,), or of all steps, (n_steps,), series after series."""
        scorer, batches = self.scorer_, self._read(source)
        if self.window_ is not None:  # groups are in order
            return np.concatenate([scorer.step_scores(columns.values) for _, columns in batches])
        found = np.empty(len(source))
        for indices, columns in batches:
            found[indices] = scorer.sequence_scores(columns)
        return found

    def _shaped(self, values: np.ndarray, source: Source) -> np.ndarray | Ragged:
        """Values in the form of results. values: (n_sequences,) or (n_steps,)."""
        return values if self.window_ is None else back_to_back(values[:, None], source.ragged.lengths)

    def _change(self, **parts: Any) -> Self:
        self.learnt_ = replace(self.learnt_, **parts)
        self.held_out_scores_ = self.learnt_.held_out_scores
        return self

    def _stream_scores(self, series: Series) -> np.ndarray:
        return self.scorer_.stream_scores(series)

    def _fitted(self) -> Learnt:
        if not self.__sklearn_is_fitted__():
            raise NotFitted("this AnomalyDetector is not fitted; call fit() first, or load() a saved one")
        return self.learnt_

    def __sklearn_is_fitted__(self) -> bool:
        return "learnt_" in vars(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector, autoencoder included, to one safetensors file, for seqae.load().

        A loaded detector has its autoencoder in a FrozenEstimator: fit() learns what is normal, without training.
        """
        write_model_file(path, self.to_model_file())

    def to_model_file(self) -> ModelFile:
        """The fitted detector as the content of a file, without verbose."""
        parameters = self.get_params(deep=False)
        return pack(replace(self.learnt_, rule=self.rule_), {name: parameters[name] for name in SAVED})

    @classmethod
    def from_model_file(cls, file: ModelFile) -> Self:
        """The inverse of to_model_file(). Raises ModelFileError for another kind of content."""
        learnt, parameters = unpack(file, cls.__init__)
        model = None if learnt.autoencoder is None else SequenceAutoencoder.from_fitted(learnt.autoencoder)
        self = cls(None if model is None else FrozenEstimator(model), threshold=learnt.rule.threshold, **parameters)
        self._keep(learnt, model)
        return self


def own_autoencoder(*, are_tokens: bool, verbose: bool | Literal["auto"] = "auto") -> SequenceAutoencoder:
    """Unfitted, for tokens or for numbers."""
    if not are_tokens:
        return SequenceAutoencoder("hybrid", verbose=verbose)
    return SequenceAutoencoder("tokens", latent_size=32, max_epochs=100, batch_size=64, patience=20, verbose=verbose)


def _estimator_of(given: object) -> SequenceAutoencoder:
    """The SequenceAutoencoder, perhaps in a FrozenEstimator. Raises InvalidParameter for another object."""
    estimator = given.estimator if isinstance(given, FrozenEstimator) else given
    return check_kind("autoencoder", estimator, SequenceAutoencoder)
