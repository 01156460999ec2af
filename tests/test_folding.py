"""The folded decoder against the one step by step, value and gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqae import recurrence
from seqae.recurrence import Cell, Readout, Weights, cudnn, native, reference
from seqae.recurrence.folding import fold, is_foldable, recur_folded

from .test_recurrence import make_weights, parts_of

BACKENDS = [reference, cudnn, *([native] if native.kernels() else [])]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.__name__.rpartition(".")[2])
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_folded_decoder_is_the_one_step_by_step(backend, n_channels, activation, monkeypatch) -> None:
    monkeypatch.delenv("SEQAE_KERNEL", raising=False)
    cell, size, lengths = Cell("lstm", activation), 7, np.array([4, 1, 0, 9])
    weights = make_weights(cell, n_channels, size)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=generator, dtype=torch.float64) / 3).requires_grad_()

    readout, first = Readout(draw(n_channels, size), draw(n_channels)), draw(4, n_channels)
    state = draw(4, size), draw(4, size)
    arguments = cell, first, lengths, [weights], [state], readout
    wanted, folded = reference.recur_feedback(*arguments), recur_folded(backend, *arguments)
    torch.testing.assert_close(folded.values, wanted.values, atol=1e-10, rtol=1e-10)
    leaves = [*parts_of(weights), readout.weight, readout.bias, first, *state]
    gradients = [torch.autograd.grad(result.values.square().sum(), leaves) for result in (folded, wanted)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-8, rtol=1e-8)


def test_what_is_folded_is_its_equation() -> None:
    weights = make_weights(Cell(), 2, 3)
    readout = Readout(torch.randn(2, 3, dtype=torch.float64), torch.randn(2, dtype=torch.float64))
    folded = fold(weights, readout)
    for i, j in np.ndindex(12, 3):
        by_hand = weights.hidden[i, j] + sum(weights.input[i, k] * readout.weight[k, j] for k in range(2))
        torch.testing.assert_close(folded.hidden[i, j], by_hand)
        by_hand = weights.hidden_bias[i] + sum(weights.input[i, k] * readout.bias[k] for k in range(2))
        torch.testing.assert_close(folded.hidden_bias[i], by_hand)


@pytest.mark.parametrize(("kind", "n_layers", "is_folded"), [("lstm", 1, True), ("lstm", 2, False), ("gru", 1, False)])
def test_only_a_single_lstm_layer_folds(kind, n_layers, is_folded, monkeypatch) -> None:
    cell = Cell(kind)
    layers = [make_weights(cell, 2 if k == 0 else 3, 3, seed=k) for k in range(n_layers)]
    assert is_foldable(cell, layers) == is_folded
    seen = []
    monkeypatch.setattr(recurrence, "recur_folded", lambda *arguments: seen.append("folded"))
    readout = Readout(torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    states = [tuple(torch.zeros(1, 3, dtype=torch.float64) for _ in range(cell.n_states)) for _ in layers]
    recurrence.recur_feedback(cell, torch.zeros(1, 2, dtype=torch.float64), np.array([2]), layers, states, readout)
    assert bool(seen) == is_folded
    assert isinstance(layers[0], Weights)
