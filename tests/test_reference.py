"""Gather, loss and optimiser step of the reference, against loops and torch.optim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from seqae import Ragged
from seqae.recurrence import VALUE_LOSSES, AdamState, reference
from seqae.sequences.ragged import to_tensors

from .conftest import make_ragged
from .naive import mean_loss


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    seed=st.integers(0, 5),
    is_masked=st.booleans(),
    per_sequence=st.booleans(),
    kind=st.sampled_from(sorted(VALUE_LOSSES)),
)
def test_mean_loss_equals_loops(lengths: list[int], seed: int, is_masked: bool, per_sequence: bool, kind: str) -> None:
    rng = np.random.default_rng(seed)
    target = make_ragged(lengths, 2, seed=seed)
    if kind == "bce":
        target.values[:] = rng.uniform(size=target.values.shape)
    prediction = make_ragged(lengths, 2, seed=seed + 10)
    observed = rng.uniform(size=target.values.shape) < 0.7 if is_masked else np.ones(target.values.shape, bool)
    tensors = to_tensors(Ragged(target.values, target.starts, target.lengths, observed if is_masked else None))
    loss = reference.mean_loss(kind, to_tensors(prediction), tensors, per_sequence=per_sequence)
    masks = list(Ragged(observed, target.starts, target.lengths))
    expected = mean_loss(kind, list(prediction), list(target), masks, per_sequence=per_sequence)
    np.testing.assert_allclose(float(loss), expected, rtol=1e-10)


def test_gather_takes_overlapping_windows_and_masks() -> None:
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    observed = np.ones_like(values, bool)
    observed[3, 1] = False
    series = Ragged(values, np.array([0, 2, 2]), np.array([4, 3, 8]), observed)
    centre, scale = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])
    batch = reference.gather(to_tensors(series), centre, scale)
    for i, (start, length) in enumerate(zip(series.starts, series.lengths, strict=True)):
        expected = (values[start : start + length] - centre.numpy()) / scale.numpy()
        expected[~observed[start : start + length]] = 0
        np.testing.assert_array_equal(batch[i], expected)
        mask = batch.observed[batch.starts[i] : batch.starts[i] + batch.lengths[i]]
        np.testing.assert_array_equal(mask, observed[start : start + length])


@pytest.mark.parametrize("max_norm", [None, 0.5, 1e9])
def test_adam_step_equals_torch(max_norm: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(50, generator=generator, dtype=torch.float64)
    theirs = ours.clone().requires_grad_()
    state = AdamState(torch.zeros_like(ours), torch.zeros_like(ours))
    optimiser = torch.optim.Adam([theirs], lr=0.01)
    for _ in range(5):
        gradient = torch.randn(50, generator=generator, dtype=torch.float64)
        theirs.grad = gradient.clone()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_([theirs], max_norm)
        optimiser.step()
        norm = reference.adam_step(ours, gradient, state, learning_rate=0.01, max_norm=max_norm)
        assert norm == pytest.approx(float(gradient.norm()))
        assert_close(ours, theirs.detach(), rtol=0, atol=1e-7)


def test_adam_step_leaves_all_as_it_is_when_the_gradient_is_not_finite() -> None:
    parameters, state = torch.ones(3), AdamState(torch.zeros(3), torch.zeros(3))
    norm = reference.adam_step(parameters, torch.tensor([1.0, float("nan"), 0.0]), state, learning_rate=0.1)
    assert not np.isfinite(norm)
    assert_close(parameters, torch.ones(3))
    assert state.n_updates == 0
