"""Recurrent layers one upon the other, in one or both directions of time."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..recurrence import Cell, Constant, Readout, State, concatenate
from ..sequences.ragged import Ragged
from .draw import Draw
from .layer import RecurrentLayer
from .rows import with_values


def bidirectional_layers(cell: Cell, input_size: int, sizes: Sequence[int], *, is_bidirectional: bool) -> nn.ModuleList:
    """For each layer its one or two directions, each above the first reading both of the layer below."""
    directions = (False, True) if is_bidirectional else (False,)
    input_sizes = [input_size, *(size * len(directions) for size in sizes)]
    return nn.ModuleList(
        nn.ModuleList(RecurrentLayer(cell, input_size, size, reverse=reverse) for reverse in directions)
        for input_size, size in zip(input_sizes, sizes, strict=False)
    )


def layers(cell: Cell, input_size: int, sizes: Sequence[int]) -> nn.ModuleList:
    """Layers forward in time."""
    input_sizes = [input_size, *sizes]
    return nn.ModuleList(RecurrentLayer(cell, *pair) for pair in zip(input_sizes, sizes, strict=False))


def directions_of(stack: nn.ModuleList) -> list[list[RecurrentLayer]]:
    """The layers that bidirectional_layers() made, layer by layer."""
    return [list(layer.children()) for layer in stack]  # pyright: ignore[reportReturnType]


def outputs_and_states(
    stack: list[list[RecurrentLayer]], inputs: Ragged, dropout: float, draw: Draw | None
) -> tuple[Ragged, list[State]]:
    """The top layer's outputs of both directions, and the final states, layer by layer, forward first."""
    states = []
    for k, directions in enumerate(stack):
        inputs = inputs if k == 0 else dropped_out(inputs, dropout, draw)
        parts = [direction(inputs) for direction in directions]
        states += [state for _, state in parts]
        inputs = side_by_side([outputs for outputs, _ in parts])
    return inputs, states


def final_states(stack: list[list[RecurrentLayer]], inputs: Ragged, dropout: float, draw: Draw | None) -> list[State]:
    """The final states alone: the top layer never writes its outputs."""
    *lower, top = stack
    states = []
    if lower:
        inputs, states = outputs_and_states(lower, inputs, dropout, draw)
        inputs = dropped_out(inputs, dropout, draw)
    return [*states, *(direction.final_state(inputs) for direction in top)]


def run(
    stack: Sequence[RecurrentLayer],
    inputs: Ragged | Constant,
    states: Sequence[State] | None,
    *,
    readout: Readout | None = None,
    dropout: float = 0.0,
    draw: Draw | None = None,
) -> Ragged:
    """Outputs of the top layer, or what its readout makes of them. states: before the first step, one per layer."""
    starts = [None] * len(stack) if states is None else states
    *lower, top = stack
    for layer, state in zip(lower, starts, strict=False):
        inputs = dropped_out(layer.outputs(inputs, state), dropout, draw)
    return top.outputs(inputs, starts[-1], readout=readout)


def run_to_end(stack: Sequence[RecurrentLayer], inputs: Ragged | Constant) -> Tensor:
    """The top layer's last hidden state, (n_sequences, hidden_size), from zero states."""
    *lower, top = stack
    for layer in lower:
        inputs = layer.outputs(inputs)
    return top.final_state(inputs)[0]


def side_by_side(outputs: list[Ragged]) -> Ragged:
    """Both directions' outputs joined, step by step."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    return with_values(first, concatenate([part.values for part in outputs]))


def dropped_out(inputs: Ragged, dropout: float, draw: Draw | None) -> Ragged:
    """In training, inputs with that fraction of their values zeroed."""
    if draw is None or dropout == 0:
        return inputs
    return with_values(inputs, draw.dropout(inputs.values, dropout))
