"""The reference against naive loops and against torch.nn, values and gradients; the choice of kernel."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from seqae import Ragged, active_kernel
from seqae.errors import KernelUnavailable
from seqae.recurrence import Cell, Constant, Readout, Weights, kernel_first, reference
from seqae.recurrence.native import operations
from seqae.recurrence.native.operations import n_kernel_threads
from seqae.sequences.ragged import to_tensors

from .conftest import make_ragged
from .naive import gru, lstm

CELLS = [Cell(kind, activation) for kind in ("lstm", "gru") for activation in ("tanh", "relu")]
lengths_strategy = st.lists(st.integers(0, 9), min_size=1, max_size=7)


def make_weights(cell: Cell, input_size: int, hidden_size: int, *, seed: int = 0) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    rows = cell.n_gates * hidden_size
    shapes = ((rows, input_size), (rows, hidden_size), (rows,), (rows,))
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64) * 0.4 for shape in shapes]
    return Weights(*(part.requires_grad_() for part in parts))


def parts_of(weights: Weights) -> tuple[torch.Tensor, ...]:
    return weights.input, weights.hidden, weights.input_bias, weights.hidden_bias


def numpy_parts(weights: Weights) -> list[np.ndarray]:
    return [part.detach().numpy() for part in parts_of(weights)]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("reverse", [False, True])
@given(lengths=lengths_strategy, hidden_size=st.integers(1, 5), input_size=st.integers(1, 3))
def test_equals_naive_loops(cell: Cell, reverse: bool, lengths: list[int], hidden_size: int, input_size: int) -> None:
    inputs = to_tensors(make_ragged(lengths, input_size))
    weights = make_weights(cell, input_size, hidden_size)
    start = tuple(torch.randn(len(lengths), hidden_size, dtype=torch.float64) for _ in range(cell.n_states))
    outputs, state = reference.recur(cell, inputs, weights, start, reverse=reverse)
    for i, x in enumerate(inputs):
        steps = x.numpy()[::-1] if reverse else x.numpy()
        layer = lstm if cell.kind == "lstm" else gru
        own = tuple(part[i].numpy() for part in start)
        expected, final = layer(steps, numpy_parts(weights), own, relu=cell.activation == "relu")
        np.testing.assert_allclose(outputs[i].detach(), expected[::-1] if reverse else expected, atol=1e-12)
        for part, expected_part in zip(state, final, strict=True):
            np.testing.assert_allclose(part[i].detach(), expected_part, atol=1e-12)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_equals_torch_and_its_gradients(kind: str) -> None:
    cell, lengths = Cell(kind), [4, 1, 7, 3]
    layer = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(3, 5).double()
    weights = Weights(*(part.detach().clone().requires_grad_() for part in layer.parameters()))
    inputs = to_tensors(make_ragged(lengths, 3))
    inputs.values.requires_grad_()
    outputs, state = reference.recur(cell, inputs, weights)
    (outputs.values.sin().sum() + sum(part.cos().sum() for part in state)).backward()

    values = inputs.values.detach().clone().requires_grad_()
    total = torch.zeros(())
    for start, length in zip(inputs.starts, lengths, strict=True):
        out, final = layer(values[start : start + length])
        total = total + out.sin().sum() + sum(p.cos().sum() for p in (final if kind == "lstm" else (final,)))
    total.backward()
    for ours, theirs in zip(parts_of(weights), layer.parameters(), strict=True):
        assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-12)
    assert_close(inputs.values.grad, values.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_a_constant_input_is_that_input_at_every_step(cell: Cell) -> None:
    lengths = np.array([3, 1, 5])
    vectors = torch.randn(3, 2, dtype=torch.float64)
    weights = make_weights(cell, 2, 4)
    readout = Readout(torch.randn(3, 4, dtype=torch.float64), torch.randn(3, dtype=torch.float64))
    outputs, _ = reference.recur(cell, Constant(vectors, lengths), weights, readout=readout)
    repeated = Ragged.back_to_back(vectors.repeat_interleave(torch.from_numpy(lengths), dim=0), lengths)
    hidden, _ = reference.recur(cell, repeated, weights)
    assert_close(outputs.values, hidden.values @ readout.weight.T + readout.bias)


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_feedback_is_step_by_step(cell: Cell, n_layers: int) -> None:
    lengths, n_channels, size = np.array([4, 6, 1]), 2, 3
    layers = [make_weights(cell, n_channels if k == 0 else size, size, seed=k) for k in range(n_layers)]
    states = [tuple(torch.randn(3, size, dtype=torch.float64) for _ in range(cell.n_states)) for _ in layers]
    readout = Readout(torch.randn(n_channels, size, dtype=torch.float64), torch.randn(n_channels, dtype=torch.float64))
    first = torch.randn(3, n_channels, dtype=torch.float64)
    outputs = reference.recur_feedback(cell, first, lengths, layers, states, readout)
    naive_layer = lstm if cell.kind == "lstm" else gru
    for i, length in enumerate(lengths):
        x, now = first[i].numpy(), [tuple(part[i].numpy() for part in state) for state in states]
        for t in range(length):
            for k, weights in enumerate(layers):
                out, now[k] = naive_layer(x[None], numpy_parts(weights), now[k], relu=cell.activation == "relu")
                x = out[0]
            x = readout.weight.numpy() @ x + readout.bias.numpy()
            np.testing.assert_allclose(outputs[i][t].detach(), x, atol=1e-12)


def test_unknown_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQAE_KERNEL", "abacus")
    with pytest.raises(KernelUnavailable, match=r"'abacus'.*can run only"):
        active_kernel()


def test_reference_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQAE_KERNEL", "reference")
    assert active_kernel() == "reference"


# -- who gets the cores ------------------------------------------------------------------------------------------------


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_torch_lends_its_threads_to_the_kernel_and_gets_them_back() -> None:
    def fail_within() -> None:
        with kernel_first():
            assert (torch.get_num_threads(), n_kernel_threads()) == (1, 3)
            with kernel_first():
                assert (torch.get_num_threads(), n_kernel_threads()) == (1, 3)
            assert (torch.get_num_threads(), n_kernel_threads()) == (1, 3)
            raise KeyError

    with pytest.raises(KeyError):
        fail_within()
    assert (torch.get_num_threads(), n_kernel_threads()) == (3, 3)


@pytest.mark.usefixtures("three_threads")
def test_every_python_thread_gets_its_threads_back() -> None:
    """One enters while another is inside, and each leaves in its turn."""
    seen: dict[str, list[tuple[int, int]]] = {"main": [], "other": []}
    is_inside, may_leave = threading.Event(), threading.Event()

    def look(name: str) -> None:
        seen[name].append((torch.get_num_threads(), n_kernel_threads()))

    def lend() -> None:
        with kernel_first():
            look("other")
            is_inside.set()
            may_leave.wait()
            look("other")
        look("other")

    other = threading.Thread(target=lend)
    with kernel_first():
        other.start()
        is_inside.wait()
        look("main")
    look("main")
    may_leave.set()
    other.join()
    look("main")
    assert seen == {"main": [(1, 3), (3, 3), (3, 3)], "other": [(1, 3), (1, 3), (3, 3)]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.usefixtures("three_threads")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_wait_for_threads_it_has_not() -> None:
    is_inside, may_leave = threading.Event(), threading.Event()

    def lend() -> None:
        with kernel_first(), operations._shared.lock:
            is_inside.set()
            may_leave.wait()

    other = threading.Thread(target=lend)
    other.start()
    is_inside.wait()
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        with kernel_first():
            is_right = n_kernel_threads() == 1
        os._exit(0 if is_right else 1)
    may_leave.set()
    other.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
