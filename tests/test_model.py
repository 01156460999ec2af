"""The modules against naive loops, and their shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqae.model.building import build
from seqae.model.layers import fill_orthogonal
from seqae.sequences.tensors import to_tensors

from .conftest import make_ragged
from .naive import gru, lstm


def numpy_weights(layer: torch.nn.Module) -> list[np.ndarray]:
    return [parameter.detach().numpy() for parameter in layer.parameters()]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_repeat_is_its_equations(cell: str, n_layers: int) -> None:
    """z = P [h_forward(n); h_backward(1)],  d(t) = cell(z, d(t-1)),  y(t) = W d(t) + b."""
    model = build("repeat", cell, n_channels=2, latent_size=3, hidden_size=4, n_layers=n_layers).double()
    model.initialise(0)
    run = lstm if cell == "lstm" else gru
    sequences = to_tensors(make_ragged([5, 1, 8], 2))
    latent, outputs = model.encoder(sequences), model(sequences)
    projection, head = model.encoder.projection, model.decoder.head
    for i, x in enumerate(sequences):
        steps = x.numpy()
        for layer in model.encoder.layers:
            ahead, final_ahead = run(steps, numpy_weights(layer[0]))
            back, final_back = run(steps[::-1], numpy_weights(layer[1]))
            steps = np.concatenate([ahead, back[::-1]], axis=1)
        z = projection.weight.detach().numpy() @ np.concatenate([final_ahead[0], final_back[0]])
        z = z + projection.bias.detach().numpy()
        np.testing.assert_allclose(latent[i].detach(), z, atol=1e-12)
        steps = np.repeat(z[None], len(x), axis=0)
        for layer in model.decoder.layers:
            steps, _ = run(steps, numpy_weights(layer))
        expected = steps @ head.weight.detach().numpy().T + head.bias.detach().numpy()
        np.testing.assert_allclose(outputs[i].detach(), expected, atol=1e-12)


def test_the_seed_alone_decides_the_parameters() -> None:
    models = [build("repeat", "lstm", n_channels=2, latent_size=3, hidden_size=4) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        model.initialise(seed)
    flat = [torch.cat([p.detach().ravel() for p in model.parameters()]) for model in models]
    assert torch.equal(flat[0], flat[1])
    assert not torch.equal(flat[0], flat[2])
    assert all(torch.isfinite(vector).all() for vector in flat)


def test_the_thread_count_does_not_change_the_parameters() -> None:
    before, flat = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            model = build("repeat", "lstm", n_channels=2, latent_size=3, hidden_size=96)
            model.initialise(0)
            flat.append(torch.cat([p.detach().ravel() for p in model.parameters()]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(flat[0], flat[1])
    assert torch.equal(flat[0], flat[2])


def test_recurrent_weights_start_orthogonal() -> None:
    matrix = torch.zeros(33, 33)
    fill_orthogonal(matrix, torch.Generator().manual_seed(0))
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(33))


def test_the_forget_gate_starts_open() -> None:
    model = build("repeat", "lstm", n_channels=2, latent_size=3, hidden_size=4)
    model.initialise(0)
    bias = model.decoder.layers[0].bias_ih
    assert bias.tolist() == [0] * 4 + [1] * 4 + [0] * 8
