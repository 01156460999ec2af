"""Recurrent layers over ragged batches in plain PyTorch.

Sequences are sorted longest first, so that those that have step t are the first n_running(t) rows. The state of a
finished sequence is not changed any more, and no padding exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...sequences.ragged import Ragged, back_to_back, starts_of, step_numbers_of
from ..cells import Cell, Constant, First, Readout, State, Weights

P = ParamSpec("P")


def recur(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None = None,
    *,
    reverse: bool = False,
    readout: Readout | None = None,
) -> tuple[Ragged, State]:
    """See Backend.recur."""
    order = longest_first(inputs.lengths)
    lengths = inputs.lengths[order]
    project = _step_inputs(inputs, weights, order, reverse)
    now = tuple(part[order] for part in state) if state is not None else zero_state(cell, weights, len(order))
    steps = []
    for t, n_running in running(lengths):
        new = cell_step(cell, project(t, n_running), tuple(part[:n_running] for part in now), weights)
        steps.append(new[0])
        now = tuple(torch.cat([part, old[n_running:]]) for part, old in zip(new, now, strict=True))
    hidden = torch.cat(steps) if steps else weights.hidden.new_zeros(0, weights.hidden_size)
    outputs = hidden[time_major_rows(lengths, order, reverse)]  # (n_steps, hidden_size)
    if readout is not None:
        outputs = functional.linear(outputs, readout.weight, readout.bias)
    return back_to_back(outputs, inputs.lengths), tuple(part[_inverse(order)] for part in now)


def outputs_of(recur: Callable[P, tuple[Ragged, State]]) -> Callable[P, Ragged]:
    """recur_outputs() from recur(), for a backend that always computes the final state."""

    def recur_outputs(*arguments: P.args, **options: P.kwargs) -> Ragged:
        return recur(*arguments, **options)[0]

    return recur_outputs


def state_of(recur: Callable[P, tuple[Ragged, State]]) -> Callable[P, State]:
    """recur_state() from recur(), for a backend that always computes the outputs."""

    def recur_state(*arguments: P.args, **options: P.kwargs) -> State:
        return recur(*arguments, **options)[1]

    return recur_state


recur_outputs, recur_state = outputs_of(recur), state_of(recur)


def recur_feedback(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
) -> Ragged:
    """See Backend.recur_feedback."""

    def put_out(hidden: Tensor) -> tuple[Tensor, Tensor]:
        outputs = functional.linear(hidden, readout.weight, readout.bias)
        return outputs, outputs

    nothing = first.new_zeros(0, first.shape[1])
    return _run_free(cell, first, lengths, layers, states, put_out, nothing)


@torch.no_grad()
def recur_symbols(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
    embedding: Tensor,
) -> Ragged:
    """See Backend.recur_symbols."""

    def put_out(hidden: Tensor) -> tuple[Tensor, Tensor]:
        symbols = functional.linear(hidden, readout.weight, readout.bias).argmax(dim=1)
        return symbols.int(), embedding[symbols]

    return _run_free(cell, embedding[first], lengths, layers, states, put_out, first.new_zeros(0).int())


def _run_free(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    put_out: Callable[[Tensor], tuple[Tensor, Tensor]],
    nothing: Tensor,
) -> Ragged:
    """Run a stack on its own output. put_out: maps the top layer's h to the output and the next input."""
    order = longest_first(lengths)
    x = first[order]
    now = [tuple(part[order] for part in state) for state in states]
    steps = []
    for _, n_running in running(lengths[order]):
        x = x[:n_running]
        for k, weights in enumerate(layers):
            now[k] = cell_step(cell, _project(x, weights), tuple(part[:n_running] for part in now[k]), weights)
            x = now[k][0]
        output, x = put_out(x)
        steps.append(output)
    outputs = torch.cat(steps) if steps else nothing
    return back_to_back(outputs[time_major_rows(lengths[order], order, reverse=False)], lengths)


def cell_step(cell: Cell, projected: Tensor, state: State, weights: Weights) -> State:
    """One step of the cell. projected: (n, G * hidden_size), W_ih x + b_ih. Returns the new state."""
    activate = torch.tanh if cell.activation == "tanh" else torch.relu
    h = state[0]
    recurrent = functional.linear(h, weights.hidden, weights.hidden_bias)
    if cell.kind == "lstm":
        i, f, g, o = (projected + recurrent).chunk(4, dim=1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * activate(g)
        return torch.sigmoid(o) * activate(c), c
    x_r, x_z, x_n = projected.chunk(3, dim=1)
    h_r, h_z, h_n = recurrent.chunk(3, dim=1)
    z = torch.sigmoid(x_z + h_z)
    n = activate(x_n + torch.sigmoid(x_r + h_r) * h_n)
    return ((1 - z) * n + z * h,)


def zero_state(cell: Cell, weights: Weights, n_sequences: int) -> State:
    """The default state before the first step."""
    return tuple(weights.hidden.new_zeros(n_sequences, weights.hidden_size) for _ in range(cell.n_states))


def longest_first(lengths: np.ndarray) -> np.ndarray:
    """Indices of the sequences from the longest to the shortest, ties in order."""
    return np.argsort(-lengths, kind="stable")


def running(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """Each step t with the number of sequences longer than t. lengths: (n_sequences,) descending."""
    n_steps = int(lengths.max(initial=0))
    return zip(range(n_steps), np.searchsorted(-lengths, -np.arange(n_steps)).tolist(), strict=True)


def time_major_rows(lengths: np.ndarray, order: np.ndarray, reverse: bool) -> np.ndarray:
    """For each step in Ragged order, its row among steps stored by time, longest sequence first.

    lengths: (n_sequences,) descending; order: which sequence each is. Returns (n_steps,) int64.
    """
    counts = np.array([n for _, n in running(lengths)], np.int64)
    time_starts = starts_of(counts)
    rank = _inverse(order)
    own_lengths = lengths[rank]
    steps = step_numbers_of(own_lengths)
    if reverse:
        steps = np.repeat(own_lengths, own_lengths) - 1 - steps
    return time_starts[steps] + np.repeat(rank, own_lengths)


def _step_inputs(
    inputs: Ragged | Constant | First, weights: Weights, order: np.ndarray, reverse: bool
) -> Callable[[int, int], Tensor]:
    """A function of (t, n_running) that gives the projected inputs of step t."""
    kind, starts, values = inputs.kind, inputs.starts, inputs.values
    if starts is None:
        vectors = values[order]
        if kind == "constant":
            projected = _project(vectors, weights)
            return lambda t, n_running: projected[:n_running]
        return lambda t, n_running: _project(vectors[:n_running] * (t == 0), weights)
    starts, lengths = starts[order], inputs.lengths[order]

    def at(t: int, n_running: int) -> Tensor:
        steps = lengths[:n_running] - 1 - t if reverse else t
        return _project(values[starts[:n_running] + steps], weights)

    return at


def _project(x: Tensor, weights: Weights) -> Tensor:
    return functional.linear(x, weights.input, weights.input_bias)


def _inverse(order: np.ndarray) -> np.ndarray:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse
