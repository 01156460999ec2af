"""The programs of recurrent autoencoders of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..model.architecture import Architecture
from ..model.closed_form import Correction
from ..model.interface import LengthCode
from ..model.layers import LinearMap, RecurrentLayer, directions_of
from ..model.recurrent import RecurrentDecoder, RecurrentEncoder
from ..sequences.scaling import MAX_FACTOR, Scaling
from .operations.affine import Affine, Join
from .operations.interface import Operation
from .operations.lengths import LengthIn
from .operations.recurrent import FinalState, Layer, Recurrent, RunFree
from .operations.scaling import Scale, Unscale
from .operations.steps import AddSteps, Beside, Cut, Flip, Mean, Repeat, StepAffine, TimeCode


def problem_of(plan: Architecture) -> str:
    """Which part of it is no operation yet, else ""."""
    steps = plan.encoder.steps
    if plan.takes_symbols:
        return "symbols"
    if steps.strides or steps.matrix_shape is not None:
        return "convolutions over steps"
    return "layers that read nothing" if plan.decoder.latent_as == "state" and plan.decoder.feedback is None else ""


def as_layer(layer: RecurrentLayer) -> Layer:
    """The weights of a module."""
    return Layer(
        layer.cell.kind,
        layer.cell.activation,
        *(_numbers(part) for part in (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh)),
    )


def stacked(stack: Sequence[Sequence[RecurrentLayer]], read: str, name: str) -> tuple[list[Operation], str]:
    """Operations of layers in one or both directions, and the name of the outputs of the last."""
    operations: list[Operation] = []
    for k, directions in enumerate(stack):
        outputs = [f"{name}{k}{'_back' if own.reverse else ''}" for own in directions]
        layers = [as_layer(own) for own in directions]
        for own, layer, output in zip(directions, layers, outputs, strict=True):
            operations.append(Recurrent((read,), output, layer, own.reverse))
        read = outputs[0]
        if len(outputs) > 1:
            read = f"{name}{k}_both"
            operations.append(Beside(tuple(outputs), read, tuple(layer.size for layer in layers)))
    return operations, read


def encoding(plan: Architecture, encoder: RecurrentEncoder, scaling: Scaling) -> tuple[Operation, ...]:
    """From `values` to `vector`."""
    stack, summary = encoder.recurrent_layers, plan.latent.summary
    operations: list[Operation] = [Scale(("values",), "scaled", scaling.centre, scaling.scale)]
    lower, top = stacked(stack if summary == "pooled" else stack[:-1], "scaled", "hidden")
    operations += lower
    if summary == "pooled":
        parts = ["mean"]
        operations.append(Mean((top,), "mean", operations[-1].size))
    else:
        parts = []
        reads = _inputs_of(stack, "scaled", "hidden")
        for k in range(len(stack)) if summary == "states" else [len(stack) - 1]:
            for own in stack[k]:
                parts.append(f"state{k}{'_back' if own.reverse else ''}")
                has_all = summary != "final"
                operations.append(FinalState((reads[k],), parts[-1], as_layer(own), own.reverse, has_all))
    operations += _projected(parts, operations, encoder.projection, encoder.length_code)
    return tuple(operations)


def _inputs_of(stack: Sequence[Sequence[RecurrentLayer]], read: str, name: str) -> list[str]:
    """What each layer of stacked() reads."""
    outputs = [f"{name}{k}{'_both' if len(directions) > 1 else ''}" for k, directions in enumerate(stack)]
    return [read, *outputs[:-1]]


def _projected(
    parts: list[str], before: list[Operation], projection: LinearMap | None, length_code: LengthCode | None
) -> list[Operation]:
    """From parts of the summary to `vector`."""
    sizes = {operation.writes: operation.size for operation in before}
    if projection is None:
        return [Join(tuple(parts), "vector", sum(sizes[part] for part in parts))]
    weight, offset = _numbers(projection.weight), _numbers(projection.bias)
    if length_code is None:
        return [Affine(tuple(parts), "vector", weight, offset)]
    mean, unit, longest = length_code.statistics.tolist()
    whole = np.concatenate([weight, _numbers(length_code.weight)[:, None]], axis=1)
    return [
        LengthIn(("scaled",), "usual_length", mean, unit, MAX_FACTOR * longest),
        Affine((*parts, "usual_length"), "vector", whole, offset),
    ]


def decoding(
    plan: Architecture, decoder: RecurrentDecoder, scaling: Scaling, latent_size: int, n_steps: int
) -> tuple[Operation, ...]:
    """From `vector` and `length` to `values`. n_steps: of every sequence, for vectors that are cut into steps."""
    layers = [as_layer(own) for (own,) in decoder.recurrent_layers]
    n_channels = decoder.n_channels
    operations: list[Operation] = []
    state = "vector"
    if decoder.conditioning.state_map is not None:
        told = decoder.conditioning.state_map
        operations.append(Affine(("vector",), "state", _numbers(told.weight), _numbers(told.bias)))
        state = "state"
    head = decoder.head
    weight = np.eye(n_channels) if head is None else _numbers(head.weight)
    offset = np.zeros(n_channels) if head is None else _numbers(head.bias)
    if decoder.start is not None:
        n_given = {"all": len(layers), "first": 1}[plan.decoder.fills]
        first = _numbers(decoder.start)
        operations.append(RunFree((state, "length"), "written", tuple(layers), n_given, weight, offset, first))
    else:
        operations += _unfed(plan, layers, latent_size, n_steps)
        if plan.decoder.readout == "final":
            last = operations.pop()
            operations.append(FinalState(last.reads, "final", layers[-1], False, False))
            operations.append(Cut(("final", "length"), "written_at_once", n_steps, n_channels))
        read = operations[-1].writes
        if decoder.attention is not None:  # over the vector alone, which is then its own context
            operations.append(Beside((read, "repeated"), "attended", (layers[-1].size, latent_size)))
            read = "attended"
        operations.append(StepAffine((read,), "written", weight, offset))
    if plan.decoder.is_reversed:
        operations.append(Flip(("written",), "in_order", n_channels))
    operations.append(Unscale((operations[-1].writes,), "values", scaling.centre, scaling.scale))
    return tuple(operations)


def _unfed(plan: Architecture, layers: list[Layer], latent_size: int, n_steps: int) -> list[Operation]:
    """Layers that read the vector at every step, or a part of it at each."""
    first = Repeat(("vector", "length"), "repeated", latent_size)
    if plan.decoder.latent_as == "steps":
        first = Cut(("vector", "length"), "cut", n_steps, latent_size // n_steps)
    operations: list[Operation] = [first]
    for k, layer in enumerate(layers):
        operations.append(Recurrent((operations[-1].writes,), f"hidden{k}", layer, False))
    return operations


def correcting(correction: Correction, curve: Operation) -> list[Operation]:
    """From `vector`, `length` and a curve to `corrected`: the curve, and what recurrent layers add to it."""
    projection, head = correction.projection, correction.head
    n_read = len(projection.bias)
    time = TimeCode(("length",), "time", correction.n_waves)
    layers, top = stacked(directions_of(correction.layers), "read", "hidden")
    return [
        Affine(("vector",), "told", _numbers(projection.weight), _numbers(projection.bias)),
        Repeat(("told", "length"), "repeated", n_read),
        time,
        Beside(("repeated", "time", curve.writes), "read", (n_read, time.size, curve.size)),
        *layers,
        StepAffine((top,), "correction", _numbers(head.weight), _numbers(head.bias)),
        AddSteps((curve.writes, "correction"), "corrected", curve.size),
    ]


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
