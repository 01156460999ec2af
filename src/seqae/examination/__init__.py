"""Look at a data set through a fitted model: vectors, errors, reconstructions, groups, and linear methods beside it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ..errors import InvalidParameter
from ..estimator import SequenceAutoencoder
from ..model.layers import RecurrentLayer
from ..reading import take
from ..reading.source import Source
from ..sequences.ragged import Ragged
from ..sequences.scaling import Scaling, fit_scaling
from .quality import Measured, beside_linear, of_symbols
from .result import Examination, Layers, choice_of
from .vectors import Kinds, Map, kinds_of, map_of

__all__ = ["Examination", "Kinds", "Layers", "Map", "examine"]

MOST_SHOWN = 120
MOST_STEPS = 1_000_000
CHUNK_STEPS = 1 << 18


def examine(
    estimator: SequenceAutoencoder,
    X: object,
    labels: object = None,
    *,
    learnt_from: object = None,
    n_shown: int = MOST_SHOWN,
) -> Examination:
    """What a fitted model makes of the sequences of X.

    labels: one for each sequence. learnt_from: the sequences that the model learnt from, if X are others: linear
    methods then learn from them too. n_shown: the most sequences to keep the reconstruction of.
    Raises InvalidParameter for labels of another number, and for a model that only predicts.
    """
    source = take(X, estimator.schema_)
    given = None if labels is None else np.array([str(label) for label in np.asarray(labels)], object)
    if given is not None and len(given) != len(source):
        raise InvalidParameter(f"labels must be one for each of {len(source)} sequences, got {len(given)}")
    vectors = estimator.transform(source)
    errors = np.asarray(estimator.reconstruction_error(source, per="channel"))
    error = np.asarray(estimator.reconstruction_error(source))
    shown = choice_of(error, source.ragged.lengths, n_shown, MOST_STEPS)
    chosen = source[shown]
    losses: Ragged = estimator.reconstruction_error(chosen, per="value")  # pyright: ignore[reportAssignmentType]
    train = None if learnt_from is None else take(learnt_from, estimator.schema_).ragged
    explained, whole = _explained(estimator, source)
    has_head = estimator.model_.length_head is not None
    return Examination(
        source=source,
        labels=given,
        architecture=str(estimator.architecture_),
        layers=_layers(estimator),
        loss=estimator.loss_.kind,
        vectors=vectors,
        told_lengths=estimator.lengths_of(vectors) if has_head else None,
        errors=errors,
        error=error,
        explained=explained,
        shown=shown,
        again=estimator.reconstruct(chosen),
        losses=losses,
        map=map_of(vectors),
        kinds=kinds_of(vectors),
        quality=_measured(estimator, source, whole, train),
        history=estimator.history_,
    )


def _chunks(source: Source) -> Iterator[Source]:
    """The sequences some at a time, so that their reconstructions fit into memory."""
    ends = np.cumsum(source.ragged.lengths)
    cuts = np.searchsorted(ends, np.arange(CHUNK_STEPS, ends[-1] + CHUNK_STEPS, CHUNK_STEPS), side="right")
    edges = np.unique([0, *cuts.tolist(), len(source)])
    for first, last in pairwise(edges):
        yield source[first:last]


def _explained(estimator: SequenceAutoencoder, source: Source) -> tuple[np.ndarray, float]:
    """The part of each channel's variance that comes back, (n_channels,), and of all; of tokens the share of steps."""
    if source.ragged.is_tokens:
        return np.full(1, np.nan), estimator.accuracy(source)
    scaling = _scaling(estimator, source.ragged)
    left, power = np.zeros(len(scaling.scale)), np.zeros(len(scaling.scale))
    for part in _chunks(source):
        actual = part.ragged.compact()
        values = np.asarray(actual.values, np.float64)
        wrong = (np.asarray(estimator.reconstruct(part).values, np.float64) - values) / scaling.scale
        spread = (values - scaling.centre) / scaling.scale
        if actual.observed is not None:
            wrong, spread = np.where(actual.observed, wrong, 0), np.where(actual.observed, spread, 0)
        left, power = left + (wrong**2).sum(axis=0), power + (spread**2).sum(axis=0)
    is_constant = power <= 1e-12 * max(float(power.max()), 1e-12)
    each = 1 - np.divide(left, power, out=np.full(len(power), np.nan), where=~is_constant)
    total = float(power.sum())
    return each, 1 - float(left.sum()) / total if total > 0 else 0.0


def _scaling(estimator: SequenceAutoencoder, sequences: Ragged) -> Scaling:
    """The model's; that of the data where the model takes values as they are."""
    scaling = estimator.scaling_
    return scaling if estimator.scale and estimator.loss_.takes_scaled else fit_scaling(sequences)


def _measured(estimator: SequenceAutoencoder, source: Source, whole: float, train: Ragged | None) -> Measured:
    if source.ragged.is_tokens:
        return of_symbols(source.ragged, whole, estimator.shape_.n_symbols or 1)
    size = estimator.latent_size_
    decoding = estimator.encoder_.n_decoding or size
    sizes = tuple(dict.fromkeys((decoding, size)))
    return beside_linear(source.ragged, whole, _scaling(estimator, source.ragged), sizes, train)


def _layers(estimator: SequenceAutoencoder) -> tuple[Layers, ...]:
    """The parts of the model, from the data to the data."""
    n_channels, n_symbols = estimator.n_channels_, estimator.shape_.n_symbols
    step = f"{n_channels} channels" if n_symbols is None else f"one of {n_symbols:,} symbols"
    model = estimator.model_
    vector = Layers("vector", "", f"{estimator.latent_size_} values")
    parts = [Layers("encoder", _told(model.encoder.recurrent_layers), ""), vector]
    parts += [Layers(name, _told(part.recurrent_layers), step) for name, part in model.decoders.items()]
    return (Layers("sequence", "", f"n steps of {step}"), *parts)


def _told(stack: list[list[RecurrentLayer]]) -> str:
    """The recurrent layers in words: "lstm 64, both ways"."""
    if not stack:
        return "closed form"
    return "; ".join(
        f"{layer[0].cell.kind} {layer[0].weight_hh.shape[1]}" + (", both ways" if len(layer) > 1 else "")
        for layer in stack
    )
