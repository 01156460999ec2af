"""The path on CUDA devices against the reference; its code is torch's, so it is tested on the CPU as well."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from seqae import Ragged, SequenceAutoencoder
from seqae.recurrence import Cell, Constant, First, Readout, Weights, cudnn, recur, reference
from seqae.sequences.ragged import to_tensors

from .conftest import make_ragged, make_waves
from .test_recurrence import CELLS, make_weights, parts_of

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"))


def to(tensor: torch.Tensor, device: str) -> torch.Tensor:
    return tensor.detach().to(device).requires_grad_()


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("lengths", [[4, 1, 7, 3], [0, 5, 0, 2], [3], [0, 0]])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("source", [None, Constant, First])
@pytest.mark.parametrize("cell", CELLS)
def test_equals_the_reference(cell: Cell, source: type | None, reverse: bool, lengths: list[int], device: str) -> None:
    torch.manual_seed(0)
    parameters = [to(part, device) for part in parts_of(make_weights(cell, 2, 3))]
    readout = [to(torch.randn(shape, dtype=torch.float64), device) for shape in ((2, 3), (2,))]
    state = [to(torch.randn(len(lengths), 3, dtype=torch.float64), device) for _ in range(cell.n_states)]
    ragged = to_tensors(make_ragged(lengths, 2))
    values = to(torch.randn(len(lengths), 2, dtype=torch.float64) if source else ragged.values, device)
    leaves = [*parameters, *readout, *state, values]

    def run(implementation: object) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        inputs = source(values, np.array(lengths)) if source else Ragged.view(values, ragged.starts, ragged.lengths)
        outputs, final = implementation.recur(
            cell, inputs, Weights(*parameters), tuple(state), reverse=reverse, readout=Readout(*readout)
        )
        total = outputs.values.sin().sum() + sum(part.cos().sum() for part in final)
        gradients = torch.autograd.grad(total, leaves, allow_unused=True)
        found = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, gradients, strict=True)]
        return [outputs.values, *final], found

    for ours, expected in zip(run(cudnn), run(reference), strict=True):
        for a, b in zip(ours, expected, strict=True):
            assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_an_autoencoder_trains_on_cuda() -> None:
    waves = make_waves(64, seed=0)
    settings = {"latent_size": 8, "hidden_size": 16, "max_epochs": 30, "random_state": 0, "verbose": False}
    on_gpu = SequenceAutoencoder(**settings, device="cuda").fit(waves)
    on_cpu = SequenceAutoencoder(**settings, device="cpu").fit(waves)
    assert next(on_gpu.model_.parameters()).is_cuda
    assert on_gpu.score(waves) == pytest.approx(on_cpu.score(waves), abs=0.1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_tensors_go_to_cudnn() -> None:
    weights = Weights(*(part.detach().cuda() for part in parts_of(make_weights(Cell(), 2, 3))))
    ragged = make_ragged([3, 2], 2)
    inputs = Ragged.view(torch.from_numpy(ragged.values).cuda(), ragged.starts, ragged.lengths)
    assert recur(Cell(), inputs, weights)[0].values.is_cuda
