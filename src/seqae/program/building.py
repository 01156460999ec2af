"""From a fitted autoencoder to its programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from ..errors import InvalidParameter
from ..features.closed_form import ClosedEncoder
from ..features.description import Shares as FittedShares
from ..model.architecture import Architecture
from ..model.autoencoder import Autoencoder
from ..model.closed_form import ClosedFormEncoder, HybridDecoder
from ..model.hybrid import Hybrid
from ..model.interface import LengthHead
from ..model.losses import Loss
from ..model.plans import DataShape, Plan
from ..model.recurrent import RecurrentDecoder, RecurrentEncoder
from ..sequences.scaling import MAX_FACTOR, Scaling
from .operations.affine import Affine
from .operations.curves import CurveFit, CurveRead
from .operations.describing import Shares, Statistics
from .operations.interface import Operation
from .operations.lengths import LengthIn, LengthOut
from .operations.scaling import Scale, Unscale
from .program import Input, Program
from .recurrent_forms import correcting, decoding, encoding, problem_of


class Fitted(Protocol):
    """What a fitted SequenceAutoencoder has."""

    model_: Autoencoder
    scaling_: Scaling
    shape_: DataShape
    n_channels_: int
    latent_size_: int

    @property
    def loss_(self) -> Loss:
        """How errors are measured."""
        ...


def programs_of(estimator: Fitted) -> tuple[Program, ...]:
    """The programs of a fitted autoencoder: `encode` as transform(), `decode` as inverse_transform(), `length` as
    lengths_of(), all for one sequence without missing values.

    estimator: a fitted SequenceAutoencoder. Raises InvalidParameter for a model whose parts are no operations yet.
    """
    family = _FAMILIES.get(type(estimator.model_.architecture))
    if family is None:
        raise _unwritten("this model's layers")
    return family(estimator)


def _unwritten(what: str) -> InvalidParameter:
    return InvalidParameter(
        f"{what} are no operations of a program yet; docs/exports.md has a table of the architectures that are",
        parameter="architecture",
    )


def _closed_form(estimator: Fitted) -> tuple[Program, ...]:
    model, scaling = estimator.model_, estimator.scaling_
    encoder: ClosedFormEncoder = model.encoder  # pyright: ignore[reportAssignmentType]
    decoder: HybridDecoder = model.reconstructor  # pyright: ignore[reportAssignmentType]
    head: LengthHead = model.length_head  # pyright: ignore[reportAssignmentType]
    form = encoder.closed_form.value
    longest = max(int(MAX_FACTOR * form.lengths.longest), 1)
    vector, length = Input("vector", "vector", estimator.latent_size_), Input("length", "length")
    values = Input("values", "steps", estimator.n_channels_, scaling.centre.dtype.type)
    return (
        Program("encode", (values,), _encode(form, scaling), longest),
        Program("decode", (vector, length), _decode(decoder, scaling), longest),
        Program("length", (vector,), _length(head), longest),
    )


def _encode(form: ClosedEncoder, scaling: Scaling) -> tuple[Operation, ...]:
    basis, description, lengths = form.basis, form.description, form.lengths
    prior = basis.noise / basis.variances
    return (
        Scale(("values",), "scaled", scaling.centre, scaling.scale),
        CurveFit(("scaled",), "curve_values", basis.mean, basis.components, prior),
        _shares("plain", description.plain),
        _shares("standardised", description.standardised),
        Statistics(("scaled",), "statistics", basis.mean.shape[1]),
        Affine(
            ("plain", "standardised", "statistics"),
            "description",
            description.weight.astype(np.float64),
            description.offset.astype(np.float64),
        ),
        LengthIn(("scaled",), "usual_length", lengths.mean, lengths.unit, MAX_FACTOR * lengths.longest),
        Affine(
            ("curve_values", "description", "usual_length"),
            "vector",
            form.rotation.T * form.scales,
            np.zeros(form.latent_size),
        ),
    )


def _shares(name: str, fitted: FittedShares) -> Shares:
    which = fitted.convolutions
    return Shares(
        ("scaled",), name, which.dilations, which.channels, which.n_biases, fitted.thresholds, which.is_standardised
    )


def _decode(decoder: HybridDecoder, scaling: Scaling) -> tuple[Operation, ...]:
    form = decoder.closed_form.value
    n_points, n_channels = form.mean.shape
    operations: list[Operation] = [
        Affine(("vector",), "points", np.ascontiguousarray(form.weight.T), form.mean.reshape(-1)),
        CurveRead(("points", "length"), "curve", n_points, n_channels),
    ]
    if decoder.correction is not None and decoder.is_corrected:
        operations += correcting(decoder.correction, operations[-1])
    return (*operations, Unscale((operations[-1].writes,), "values", scaling.centre, scaling.scale))


def _length(head: LengthHead) -> tuple[Operation, ...]:
    mean, unit, longest = head.statistics.tolist()
    weight, bias = (part.detach().cpu().double().numpy() for part in (head.map.weight, head.map.bias))
    return (
        Affine(("vector",), "usual_length", weight, bias),
        LengthOut(("usual_length",), "length", mean, unit, MAX_FACTOR * longest),
    )


def _recurrent(estimator: Fitted) -> tuple[Program, ...]:
    model, scaling, size = estimator.model_, estimator.scaling_, estimator.latent_size_
    plan: Architecture = model.architecture  # pyright: ignore[reportAssignmentType]
    encoder: RecurrentEncoder = model.encoder  # pyright: ignore[reportAssignmentType]
    decoder: RecurrentDecoder = model.reconstructor  # pyright: ignore[reportAssignmentType]
    head: LengthHead = model.length_head  # pyright: ignore[reportAssignmentType]
    problem = problem_of(plan) or ("probabilities" if estimator.loss_.kind == "bce" else "")
    if problem:
        raise _unwritten(problem)
    longest = max(int(MAX_FACTOR * head.statistics[2].item()), 1)
    values = Input("values", "steps", estimator.n_channels_, scaling.centre.dtype.type)
    vector, length = Input("vector", "vector", size), Input("length", "length")
    return (
        Program("encode", (values,), encoding(plan, encoder, scaling), longest),
        Program(
            "decode", (vector, length), decoding(plan, decoder, scaling, size, estimator.shape_.n_steps or 1), longest
        ),
        Program("length", (vector,), _length(head), longest),
    )


_FAMILIES: Mapping[type[Plan], Callable[[Fitted], tuple[Program, ...]]] = {
    Hybrid: _closed_form,
    Architecture: _recurrent,
}
