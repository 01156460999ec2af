"""From normal data to a Scorer: models on the training part, what is usual on the held-out part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from ..errors import InvalidParameter, InvalidSequence
from ..estimator import SequenceAutoencoder
from ..reading import Source
from ..sequences.ragged import Ragged
from .channels import ScoredErrors, ScoredValues, of_channels
from .linear import fit_linear
from .nearest import NEAREST, NearestSensor, fit_nearest
from .neighbours import fit_neighbours
from .scorer import Scorer, Series, columns_for
from .scores import KINDS, fit_mean_error, fit_part, weighted, with_typical
from .sensors import LATENT, LINEAR, PREDICTION, RECONSTRUCTION, AutoencoderSensor, LinearSensor, Sensor
from .symbols import NGRAM, PAIRS, SYMBOLS, fit_symbols
from .windowing import split_at_gaps

TRAINING_WINDOWS = 4096
"""Long series are trained on about as many windows, evenly spaced: `stride` apart or further, but no further than one
right after the other, so that every step is in one; so very long series have more windows."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A scorer, and the scores of the held-out part: of sequences, or of steps where there are windows; (n,)."""

    scorer: Scorer
    held_out_scores: np.ndarray


def default_autoencoder(windows: Ragged, verbose: bool | Literal["auto"]) -> SequenceAutoencoder:
    """What suits the data, not fitted."""
    if windows.is_tokens:
        return SequenceAutoencoder("tokens", loss="cross_entropy", verbose=verbose)
    return SequenceAutoencoder(verbose=verbose)


def fit_autoencoder(given: Any, windows: Source, seed: int | None) -> SequenceAutoencoder:
    """A fitted copy; what is given as FrozenEstimator is kept as it is.

    seed: for one without a random_state of its own, or None. Raises InvalidParameter for what is no autoencoder.
    """
    estimator = given.estimator if isinstance(given, FrozenEstimator) else given
    if not isinstance(estimator, SequenceAutoencoder):
        raise InvalidParameter(f"autoencoder must be a SequenceAutoencoder, got {' '.join(repr(estimator).split())}")
    if isinstance(given, FrozenEstimator):
        return estimator
    return seeded_copy(estimator, seed).fit(windows)


def seeded_copy(autoencoder: SequenceAutoencoder, seed: int | None) -> SequenceAutoencoder:
    """Not fitted; the seed is for one without a random_state of its own."""
    copy = cast(SequenceAutoencoder, clone(autoencoder))
    if copy.random_state is None and seed is not None:
        copy.set_params(random_state=seed)
    return copy


def training_windows(training: Series, window: int | None, stride: int) -> Ragged:
    """The sequences to train on: whole ones, or windows of the parts between gaps that are long enough."""
    if window is None:
        return training.ragged
    segments = split_at_gaps(training.ragged, training.times).ragged
    longest = int(segments.lengths.max())
    segments = segments[np.flatnonzero(segments.lengths >= window)]
    if not len(segments):
        raise InvalidSequence(
            f"window={window} is too long: between gaps in the times there are at most {longest} steps to train on; "
            "choose a shorter one, or leave the times out"
        )
    n_windows = int(np.sum(segments.lengths - window + 1))
    return segments.windows(window, min(window, max(stride, n_windows // TRAINING_WINDOWS)))


def fit_sensors(
    names: tuple[str, ...],
    autoencoder: SequenceAutoencoder | None,
    windows: Ragged,
    channels: np.ndarray | None,
    *,
    is_windowed: bool,
) -> tuple[Sensor, ...]:
    """The models that the parts of a score look at.

    autoencoder: fitted; None is the linear baseline. windows: what it was trained on; is_windowed: of long series.
    channels: those that are scored, None for all.
    """
    kinds = {kind for name in names for kind in KINDS[name]} | {RECONSTRUCTION}
    own = tuple(kind for kind in (RECONSTRUCTION, PREDICTION, LATENT) if kind in kinds)
    counted = tuple(kind for kind in (NGRAM, SYMBOLS, PAIRS) if kind in kinds)
    if autoencoder is None and windows.is_tokens:
        return (fit_symbols(windows, (RECONSTRUCTION, *counted)),)
    if autoencoder is None:
        return scored((_with_memory(LinearSensor(fit_linear(windows), None, own), windows),), channels)
    if PREDICTION in kinds:
        autoencoder.model_.require_held_back()
    sensors: list[Sensor] = [_with_memory(AutoencoderSensor(autoencoder, None, own), windows)]
    if LINEAR in kinds:
        sensors.append(LinearSensor(fit_linear(windows), None, (LINEAR,)))
    if NEAREST in kinds:
        sensors.append(fit_nearest(of_channels(windows, channels), is_windowed=is_windowed))
    if counted:
        sensors.append(fit_symbols(windows, counted))
    return scored(tuple(sensors), channels)


def scored(sensors: tuple[Sensor, ...], channels: np.ndarray | None) -> tuple[Sensor, ...]:
    """The same models, of which only what they say of these channels counts; None is all."""
    if channels is None:
        return sensors
    return tuple(
        ScoredValues(sensor, channels)
        if isinstance(sensor, NearestSensor)
        else ScoredErrors(sensor, channels)
        if isinstance(sensor, AutoencoderSensor | LinearSensor)
        else sensor
        for sensor in sensors
    )


def fit_scorer(
    names: tuple[str, ...], sensors: tuple[Sensor, ...], held_out: Series, window: int | None, stride: int
) -> Fitted:
    """What is usual, from the held-out part."""
    scorer = Scorer(sensors, (), window, stride)
    batches = [columns for _, columns in scorer.read(held_out)]
    values = np.concatenate([columns.values for columns in batches])
    lengths = np.concatenate([columns.lengths for columns in batches])
    columns = Ragged.back_to_back(values, lengths)
    is_of_tokens = held_out.ragged.is_tokens
    parts = tuple(fit_part(name, columns_for(name, values, sensors), is_of_tokens=is_of_tokens) for name in names)
    channels = fit_mean_error(columns_for("error", values, sensors))
    scorer = replace(scorer, parts=parts, channels=channels)
    part_scores = scorer.sequence_part_scores(columns) if window is None else scorer.part_scores(values)
    parts = tuple(with_typical(part, scores) for part, scores in zip(parts, part_scores, strict=True))
    scorer = replace(scorer, parts=weighted(parts, sensors[0].width(RECONSTRUCTION)))
    scores = scorer.sequence_scores(columns) if window is None else scorer.step_scores(values)
    return Fitted(scorer, scores[np.isfinite(scores)])


def _with_memory(sensor: AutoencoderSensor | LinearSensor, windows: Ragged) -> AutoencoderSensor | LinearSensor:
    """The sensor, remembering the latent vectors of normal windows if it is asked for distances from them."""
    if LATENT not in sensor.kinds:
        return sensor
    size = 1024
    latent = [sensor.latent(windows[first : first + size]) for first in range(0, len(windows), size)]
    return replace(sensor, neighbours=fit_neighbours(np.concatenate(latent)))
