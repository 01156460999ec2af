"""Whether the parts of a detector that was read from a file fit together, so that none fails when it comes to score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..parameters import check_count, check_positive
from ..sequences.ragged import Ragged
from .channels import ScoredErrors, ScoredValues
from .dynamic import Dynamic
from .judging import Judge
from .linear import LinearModel
from .nearest import NearestSensor
from .neighbours import Neighbours
from .scorer import Scorer
from .scores import KINDS, Mahalanobis, MeanError, Part
from .sensors import LATENT, LINEAR, PREDICTION, RECONSTRUCTION, AutoencoderSensor, Sensor, columns_of
from .symbols import NGRAM, PAIRS, SYMBOLS, SymbolSensor
from .thresholds import Conformal, FBeta, FromScoredData

if TYPE_CHECKING:
    from .detector import AnomalyDetector

SHORT_WINDOW = 8


def vet_values(tensors: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError for an array that holds anything but numbers, NaN or infinite ones included."""
    for name, array in tensors.items():
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise ValueError(f"{name} holds values that are not finite")


def vet_detector(detector: AnomalyDetector) -> None:
    """Raise ValueError or InvalidParameter for what no fit() made. Nothing is as large as a number in the file says
    before an array in the file is seen to be.
    """
    scorer, n_channels = detector.scorer_, check_count("n_channels", detector.n_channels_)
    _vet_words("channel_names", detector.channel_names_)
    _must(len(detector.channel_names_) == n_channels, f"there are {n_channels} channels, but not as many names")
    if detector.vocabulary_ is not None:
        _vet_words("vocabulary", detector.vocabulary_)
    _must(check_count("stride", scorer.stride) <= _n_steps(scorer.window, scorer.stride), "the stride skips steps")
    _vet_judge(detector.judge_)
    _must(_is_vector(detector.held_out_scores_, None, np.float64), "held_out_scores is no vector")
    _must(len(scorer.sensors) > 0 and len(scorer.parts) > 0, "there is nothing to score by")
    for sensor in scorer.sensors:
        _vet_sensor(sensor, n_channels)
        _must(scorer.window in (None, _length(sensor) or scorer.window), "a model is of windows of another length")
    kinds = [kind for sensor in scorer.sensors for kind in sensor.kinds]
    _must(len(set(kinds)) == len(kinds) and RECONSTRUCTION in kinds, "sensors do not fit together")
    _must(len({sensor.reads_tokens for sensor in scorer.sensors}) == 1, "sensors read different data")
    widths = {kind: place.stop - place.start for kind, place in columns_of(scorer.sensors).items()}
    for part in scorer.parts:
        _must(set(widths).issuperset(KINDS.get(part.name, ("",))), f"there is nothing to score {part.name!r} by")
        _vet_part(part, sum(widths[kind] for kind in KINDS[part.name]))
    if scorer.channels is not None:
        _vet_model(scorer.channels, widths[RECONSTRUCTION])
    _score_zeros(scorer, n_channels)


def _score_zeros(scorer: Scorer, n_channels: int) -> None:
    """A last look at all together: one short window of zeros, and one as long as the models have."""
    lengths = np.array([SHORT_WINDOW, max(SHORT_WINDOW, *(_length(sensor) for sensor in scorer.sensors), 0)])
    n_steps = int(lengths.sum())
    values = np.zeros(n_steps, np.int32) if scorer.reads_tokens else np.zeros((n_steps, n_channels), np.float32)
    with np.errstate(all="ignore"):
        scorer.last_scores(Ragged.view(values, np.array([0, SHORT_WINDOW]), lengths))


def _length(sensor: Sensor) -> int:
    """Steps that a model's windows have; 0 where it takes any."""
    if isinstance(sensor, ScoredErrors | ScoredValues):
        return _length(sensor.sensor)
    if isinstance(sensor, NearestSensor):
        return max(scale.model.length for scale in sensor.scales)
    return 0 if isinstance(sensor, AutoencoderSensor | SymbolSensor) else sensor.model.length


def _n_steps(window: Any, stride: int) -> int:
    """Of a window; whole sequences have no stride."""
    return stride if window is None else check_count("window", window, least=2)


def _vet_judge(judge: Judge) -> None:
    _must(_is_vector(judge.held_out, None, np.float64), "judge.held_out is no vector")
    limit, threshold = judge.limit, judge.threshold
    if limit is None:
        can_lack = threshold is None or isinstance(threshold, FromScoredData | Dynamic | FBeta)
        _must(can_lack, f"threshold {threshold!r} lacks its limit")
        return
    is_number = isinstance(limit, float | int) and not isinstance(limit, bool)
    _must(is_number and (np.isfinite(limit) or (isinstance(threshold, Conformal) and limit > 0)), "limit is no number")
    _must(not isinstance(threshold, Conformal) or len(judge.held_out) > 0, "judge.held_out is empty")


def _vet_sensor(sensor: Sensor, n_channels: int) -> None:
    if isinstance(sensor, ScoredErrors):
        _vet_sensor(sensor.sensor, n_channels)
    elif isinstance(sensor, ScoredValues):
        _vet_sensor(sensor.sensor, len(sensor.channels))
    elif isinstance(sensor, NearestSensor):
        for scale in sensor.scales:
            _vet_linear(scale.model, n_channels)
            _vet_neighbours(scale.neighbours, len(scale.model.basis))
            _must(_is_vector(scale.usual, len(scale.neighbours.vectors), np.float32, least=0.0), "usual does not fit")
    elif isinstance(sensor, SymbolSensor):
        _must(n_channels == 1 and {RECONSTRUCTION, NGRAM, SYMBOLS, PAIRS}.issuperset(sensor.kinds), "kinds do not fit")
    else:
        is_autoencoder = isinstance(sensor, AutoencoderSensor)
        order = (RECONSTRUCTION, PREDICTION, LATENT) if is_autoencoder else (RECONSTRUCTION, LINEAR, LATENT)
        _must(sensor.kinds == tuple(kind for kind in order if kind in sensor.kinds), "kinds do not fit")
        _must((LATENT in sensor.kinds) == (sensor.neighbours is not None), "neighbours do not fit")
        if isinstance(sensor, AutoencoderSensor):
            _must(sensor.autoencoder.n_channels_ == n_channels, "the autoencoder has other channels")
            size = None  # the latent vector's: the window of zeros tells
        else:
            _vet_linear(sensor.model, n_channels)
            size = len(sensor.model.basis)
        if sensor.neighbours is not None:
            _vet_neighbours(sensor.neighbours, size)


def _vet_linear(model: LinearModel, n_channels: int) -> None:
    centre, scale, basis = model.scaling.centre, model.scaling.scale, model.basis
    _must(_is_vector(centre, n_channels, np.float32), "a linear model's centre does not fit")
    _must(_is_vector(scale, n_channels, np.float32, least=0.0), "a linear model's scale does not fit")
    n_values = model.length * n_channels
    _must(n_values > 0 and _is_vector(model.mean, n_values, np.float32), "a linear model's mean does not fit")
    is_basis = basis.dtype == np.float32 and basis.ndim == 2 and basis.shape[1] == n_values
    _must(is_basis and _is_vector(model.variances, len(basis), np.float32), "a linear model's basis does not fit")
    _must(model.noise >= 0, "a linear model's noise is negative")


def _vet_neighbours(neighbours: Neighbours, size: int | None) -> None:
    """size: of the vectors before they are whitened."""
    vectors, whitener = neighbours.vectors, neighbours.whitener
    is_matrix = all(array.dtype == np.float32 and array.ndim == 2 for array in (vectors, whitener))
    _must(is_matrix and len(vectors) > 0 and vectors.shape[1] == len(whitener), "neighbours do not fit together")
    size = whitener.shape[1] if size is None else size
    _must(whitener.shape[1] == size and _is_vector(neighbours.centre, size, np.float32), "neighbours have another size")
    _must(_is_vector(neighbours.half_norms, len(vectors), np.float32), "half_norms does not fit")


def _vet_part(part: Part, n_columns: int) -> None:
    check_positive("typical", part.typical)
    check_positive("weight", part.weight)
    _vet_model(part.model, n_columns)


def _vet_model(model: Any, n_columns: int) -> None:
    if isinstance(model, Mahalanobis):
        _must(_is_vector(model.mean, n_columns, np.float64), "mean does not fit")
        _must(model.whitener.shape == (n_columns, n_columns), "whitener does not fit")
        return
    n_columns = n_columns if isinstance(model, MeanError) else 1
    _must(_is_vector(model.typical, n_columns, np.float64, least=0.0), "typical does not fit")


def _vet_words(name: str, words: Any) -> None:
    _must(isinstance(words, tuple) and all(isinstance(word, str) for word in words), f"{name} must be a list of words")


def _is_vector(array: np.ndarray, size: int | None, dtype: Any, *, least: float | None = None) -> bool:
    """Whether array is a vector of that size, None for any, and lies above least."""
    is_fit = array.ndim == 1 and array.dtype == dtype and size in (None, len(array))
    return is_fit and (least is None or bool((array > least).all()))


def _must(is_so: bool, problem: str) -> None:
    if not is_so:
        raise ValueError(problem)
