"""Attention within each sequence, against loops in NumPy; gradients against torch's; bits whatever the company."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqae import Ragged, recurrence
from seqae.recurrence import native, reference
from seqae.sequences.ragged import back_to_back

KERNELS = [*native.kernels(), "reference"]
QUERIES, MEMORIES = np.array([3, 1, 0, 40, 9]), np.array([5, 1, 2, 33, 16])


def drawn(lengths: np.ndarray, size: int, *, seed: int, dtype: torch.dtype = torch.float64) -> Ragged:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(int(lengths.sum()), size, generator=generator, dtype=torch.float64).to(dtype)
    return back_to_back(values.requires_grad_(), lengths)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [1, 7, 16, 33])
def test_contexts_are_weighted_means(kernel: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    queries, memory = drawn(QUERIES, size, seed=0), drawn(MEMORIES, size, seed=1)
    contexts = back_to_back(recurrence.attend(queries, memory).detach().numpy(), QUERIES)
    for i, n in enumerate(QUERIES):
        kept = memory[i].detach().numpy()
        for t in range(n):
            weights = np.exp([np.dot(m, queries[i][t].detach().numpy()) / np.sqrt(size) for m in kept])
            np.testing.assert_allclose(contexts[i][t], weights @ kept / weights.sum(), atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_torchs(kernel: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    gradients = []
    for attend in (recurrence.attend, reference.attend):
        parts = drawn(QUERIES, 6, seed=0, dtype=dtype), drawn(MEMORIES, 6, seed=1, dtype=dtype)
        attend(*parts).sin().sum().backward()
        gradients.append([part.values.grad for part in parts])
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    for actual, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(actual, wanted, atol=tolerance, rtol=tolerance)


def test_large_scores_do_not_overflow() -> None:
    one = np.array([1])
    memory = back_to_back(torch.tensor([[500.0], [-500.0]]), 2 * one)
    contexts = recurrence.attend(back_to_back(torch.tensor([[9.0]]), one), memory)
    torch.testing.assert_close(contexts, torch.tensor([[500.0]]))


@pytest.mark.skipif(not native.kernels(), reason="the native kernel is not built")
@pytest.mark.parametrize("kernel", native.kernels())
def test_company_and_threads_change_no_bit(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    n_threads = torch.get_num_threads()

    def run(chosen: list[int]) -> list[torch.Tensor]:
        """Context, and gradients of queries and memory, of the last of the chosen sequences."""
        parts = []
        for part in (drawn(QUERIES, 5, seed=0, dtype=torch.float32), drawn(MEMORIES, 5, seed=1, dtype=torch.float32)):
            compact = part[chosen].compact()
            parts.append(back_to_back(compact.values.detach().requires_grad_(), compact.lengths))
        contexts = recurrence.attend(*parts)
        contexts.sin().sum().backward()
        results = zip((contexts.detach(), *(part.values.grad for part in parts)), (parts[0], *parts), strict=True)
        return [values[-int(part.lengths[-1]) :] for values, part in results]

    try:
        for i in (0, 3, 4):
            alone = run([i])
            for n, chosen in ((1, [3, 1, 0, i]), (2, [3, 4, 1, 2, 0, i]), (3, [i, i])):
                torch.set_num_threads(n)
                assert all(map(torch.equal, run(chosen), alone))
    finally:
        torch.set_num_threads(n_threads)
