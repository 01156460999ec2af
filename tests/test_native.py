"""The native kernel against the reference and torch.nn, value and gradient, and its guarantees bit for bit."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqae.recurrence import (
    VALUE_LOSSES,
    AdamState,
    Cell,
    Constant,
    First,
    Readout,
    Weights,
    active_kernel,
    native,
    reference,
    traced,
)
from seqae.sequences.ragged import Ragged

pytestmark = pytest.mark.skipif(not native.kernels(), reason="the native kernel is not built")

CELLS = [Cell(kind, activation) for kind, activation in product(("lstm", "gru"), ("tanh", "relu"))]
LAYOUTS = ("narrow", "1", "2")
"""What SEQAE_LAYOUT can force: a lane per unit, or tiles of one or two vectors of sequences."""

some = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tolerance(dtype: torch.dtype, n_steps: int) -> float:
    """Of values and gradients around 1: rounding errors add up with the steps, here by at most eight units each."""
    return 1e-10 if dtype == torch.float64 else 8 * (n_steps + 16) * torch.finfo(dtype).eps


def lengths_of(shape: str, n: int, rng: np.random.Generator) -> np.ndarray:
    return {
        "one step": np.ones(n),
        "equal": np.full(n, 9),
        "ragged": rng.integers(1, 20, n),
        "with empty": rng.integers(0, 6, n),
        "long tail": np.concatenate([[60], rng.integers(1, 5, n)])[:n],
    }[shape].astype(np.int64)


class Case:
    """A layer, a batch of overlapping sequences and all that may go in, made from a seed."""

    def __init__(
        self, cell: Cell, lengths: np.ndarray, *, hidden: int, inputs: int = 2, channels: int = 3,
        dtype: torch.dtype = torch.float64, seed: int = 0,
    ) -> None:  # fmt: skip
        self.cell, self.lengths = cell, lengths
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> torch.Tensor:
            scale = 0.7 / max(shape[-1], 1) ** 0.5
            return (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(dtype).requires_grad_()

        def layer(input_size: int) -> Weights:
            rows = cell.n_gates * hidden
            return Weights(draw(rows, input_size), draw(rows, hidden), draw(rows), draw(rows))

        n_rows = int(lengths.max(initial=0)) + 5
        starts = np.array([(3 * i) % (n_rows - length + 1) for i, length in enumerate(lengths)], np.int64)
        self.steps = Ragged(draw(n_rows, inputs), starts, lengths)
        self.constant = Constant(draw(len(lengths), inputs), lengths)
        self.weights, self.state = layer(inputs), self.states(draw, hidden)
        self.readout = Readout(draw(channels, hidden), draw(channels))
        self.first = draw(len(lengths), channels)
        self.stack = [layer(channels), layer(hidden)]
        self.stack_states = [self.states(draw, hidden), self.states(draw, hidden)]

    def states(self, draw: Callable[..., torch.Tensor], hidden: int) -> tuple[torch.Tensor, ...]:
        return tuple(draw(len(self.lengths), hidden) for _ in range(self.cell.n_states))


def _stack(module, x: Case, n_layers: int):
    return module.recur_feedback(x.cell, x.first, x.lengths, x.stack[:n_layers], x.stack_states[:n_layers], x.readout)


CALLS = {
    "steps": lambda m, x: m.recur(x.cell, x.steps, x.weights, x.state),
    "reversed": lambda m, x: m.recur(x.cell, x.steps, x.weights, reverse=True),
    "readout": lambda m, x: m.recur(x.cell, x.steps, x.weights, x.state, readout=x.readout),
    "state": lambda m, x: m.recur_state(x.cell, x.steps, x.weights),
    "constant": lambda m, x: m.recur(x.cell, x.constant, x.weights, x.state, readout=x.readout),
    "first": lambda m, x: m.recur(x.cell, First(x.constant.values, x.lengths), x.weights, x.state, readout=x.readout),
    "first reversed": lambda m, x: m.recur(x.cell, First(x.constant.values, x.lengths), x.weights, reverse=True),
    "feedback": lambda m, x: _stack(m, x, 1),
    "stack": lambda m, x: _stack(m, x, 2),
}


def tensors_in(tree) -> Iterator[torch.Tensor]:
    """Every tensor of a result or a case, in order."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Ragged):
        yield tree.values
    elif isinstance(tree, Weights):
        yield from (tree.input, tree.hidden, tree.input_bias, tree.hidden_bias)
    elif isinstance(tree, Readout):
        yield from (tree.weight, tree.bias)
    elif isinstance(tree, Constant):
        yield tree.values
    elif isinstance(tree, tuple | list):
        for part in tree:
            yield from tensors_in(part)


def results(module, call: str, x: Case) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Values, and the gradients of a fixed random sum of them with respect to everything; zeros where unused."""
    values = list(tensors_in(CALLS[call](module, x)))
    leaves = list(tensors_in([x.steps, x.constant, x.weights, x.state, x.readout, x.first, x.stack, x.stack_states]))
    total = sum((value * _fixed(value)).sum() for value in values)
    if not total.requires_grad:
        return values, [torch.zeros_like(leaf) for leaf in leaves]
    gradients = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return [value.detach() for value in values], list(gradients)


def _fixed(value: torch.Tensor) -> torch.Tensor:
    return torch.randn(value.shape, generator=torch.Generator().manual_seed(1), dtype=value.dtype)


def assert_close(actual: list[torch.Tensor], expected: list[torch.Tensor], tolerance: float) -> None:
    for a, e in zip(actual, expected, strict=True):
        largest = float(e.detach().abs().max()) if e.numel() else 0.0  # sums over the batch are larger than their parts
        torch.testing.assert_close(a, e, rtol=tolerance, atol=tolerance * max(1.0, largest))


def assert_same(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert torch.equal(a, e), f"differ by up to {(a - e).abs().max()}"


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """New tensors hold NaN, so that a cell that is not written shows."""
    new_empty, empty_like = torch.Tensor.new_empty, torch.empty_like

    def poison(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.fill_(float("nan")) if tensor.is_floating_point() else tensor

    monkeypatch.setattr(torch.Tensor, "new_empty", lambda self, *a, **k: poison(new_empty(self, *a, **k)))
    monkeypatch.setattr(torch, "empty_like", lambda *a, **k: poison(empty_like(*a, **k)))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kernel", native.kernels())
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_every_kernel_agrees_with_the_reference(kernel, call, cell, monkeypatch):
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    for dtype, shape in ((torch.float64, "ragged"), (torch.float32, "with empty")):
        lengths = lengths_of(shape, 37, np.random.default_rng(0))
        x = Case(cell, lengths, hidden=9, dtype=dtype)
        expected, actual = results(reference, call, x), results(native, call, x)
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e, tolerance(dtype, 20))


@pytest.mark.parametrize("kernel", native.kernels())
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize(("hidden", "channels"), [(67, 37), (32, 16)])
def test_many_units_and_channels_agree_with_the_reference(kernel, call, kind, hidden, channels, monkeypatch):
    """Enough of them for panels of weight gradients and squares of steps, whole and not, in float32 too."""
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    for dtype, shape, n in ((torch.float32, "ragged", 40), (torch.float64, "equal", 17)):
        lengths = lengths_of(shape, n, np.random.default_rng(0))
        x = Case(Cell(kind), lengths, hidden=hidden, inputs=channels, channels=channels, dtype=dtype)
        for a, e in zip(results(native, call, x), results(reference, call, x), strict=True):
            assert_close(a, e, tolerance(dtype, 20))


@some
@pytest.mark.parametrize("call", CALLS)
@given(
    cell=st.sampled_from(CELLS), hidden=st.integers(1, 130), n=st.integers(0, 36),
    shape=st.sampled_from(["one step", "equal", "ragged", "with empty", "long tail"]), inputs=st.integers(1, 5),
    channels=st.integers(1, 9), seed=st.integers(0, 99),
)  # fmt: skip
def test_drawn_cases_agree_with_the_reference(call, cell, hidden, n, shape, inputs, channels, seed):
    lengths = lengths_of(shape, n, np.random.default_rng(seed))
    x = Case(cell, lengths, hidden=hidden, inputs=inputs, channels=channels, seed=seed)
    for a, e in zip(results(native, call, x), results(reference, call, x), strict=True):
        assert_close(a, e, tolerance(torch.float64, 60))


@some
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("reverse", [False, True])
@given(
    hidden=st.integers(1, 130), inputs=st.integers(1, 9), lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20)
)
def test_agrees_with_torch_nn(kind, reverse, hidden, inputs, lengths):
    """Outputs, final states and the gradients of weights, inputs and initial states."""
    x = Case(Cell(kind), np.array(lengths, np.int64), hidden=hidden, inputs=inputs)
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](inputs, hidden, dtype=torch.float64)
    x.weights = Weights(layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
    leaves = [*tensors_in(x.weights), x.steps.values, *x.state]
    outputs, state = native.recur(x.cell, x.steps, x.weights, x.state, reverse=reverse)
    found = [outputs.values, *state]
    seen, finals = [], []
    for i in range(len(lengths)):
        sequence, start = x.steps[i], tuple(part[i : i + 1] for part in x.state)
        expected, final = layer(sequence.flip(0) if reverse else sequence, start if kind == "lstm" else start[0])
        seen.append(expected.flip(0) if reverse else expected)
        finals.append(final if kind == "lstm" else (final,))
    wanted = [torch.cat(seen), *(torch.cat(parts) for parts in zip(*finals, strict=True))]
    assert_close(found, wanted, 1e-10)
    gradients = (
        torch.autograd.grad(sum((value * _fixed(value)).sum() for value in values), leaves)
        for values in (found, wanted)
    )
    assert_close(*(list(parts) for parts in gradients), 1e-10)


@pytest.mark.parametrize("kernel", native.kernels())
def test_counts_may_be_strided_and_read_only(kernel, monkeypatch):
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    x = Case(Cell(), np.array([3, 1, 4, 2, 5, 1], np.int64), hidden=4)
    chosen = x.steps[::2]
    chosen.lengths.flags.writeable = False
    found = native.recur_state(x.cell, chosen, x.weights)[0]
    expected = reference.recur_state(x.cell, chosen, x.weights)[0]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_other_python_threads_go_on_while_the_kernel_works():
    x = Case(Cell(), np.full(64, 400, np.int64), hidden=64)
    call_times = []

    def call():
        call_times.append(time.perf_counter())
        native.recur_state(x.cell, x.steps, x.weights)
        call_times.append(time.perf_counter())

    worker, seen = threading.Thread(target=call), []
    worker.start()
    while worker.is_alive():
        seen.append(time.perf_counter())
    begin, end = call_times
    assert sum(begin + 0.1 * (end - begin) < now < begin + 0.9 * (end - begin) for now in seen) > 10


def test_gather_refuses_what_is_no_matrix():
    values, counts = torch.zeros(4, 0, 3), np.array([1, 2], np.int64)
    with pytest.raises(ValueError, match="values must be a matrix"):
        native.gather(Ragged.view(values, np.array([0, 1]), counts), torch.zeros(0), torch.ones(0))


@pytest.mark.parametrize("layout", ["3", "0", "wide"])
def test_a_layout_that_there_is_not_is_refused(layout, monkeypatch):
    monkeypatch.setenv("SEQAE_LAYOUT", layout)
    x = Case(Cell(), np.array([3, 1], np.int64), hidden=4)
    with pytest.raises(ValueError, match="SEQAE_LAYOUT must be narrow, 1 or 2"):
        native.recur_state(x.cell, x.steps, x.weights)


@pytest.mark.parametrize("cell", CELLS[::2], ids=str)
@pytest.mark.parametrize("call", ["steps", "constant", "stack"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradcheck(cell, call, layout, monkeypatch):
    monkeypatch.setenv("SEQAE_LAYOUT", layout)
    x = Case(cell, np.array([3, 1, 0], np.int64), hidden=2)
    weights = list(tensors_in(x.weights)) + list(tensors_in(x.state)) + list(tensors_in(x.stack))

    def function(*_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(tensors_in(CALLS[call](native, x)))

    assert torch.autograd.gradcheck(function, (x.steps.values, x.constant.values, x.first, *weights), fast_mode=True)


# -- guarantee 1: alone or in company --------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", native.kernels())
@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("call", ["readout", "constant", "stack"])
def test_layouts_give_the_same_bits(kernel, cell, call, monkeypatch):
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    x = Case(cell, lengths_of("ragged", 50, np.random.default_rng(1)), hidden=21, dtype=torch.float32)
    seen = []
    for layout in LAYOUTS:
        monkeypatch.setenv("SEQAE_LAYOUT", layout)
        seen.append(results(native, call, x)[0])
    for one, other in pairwise(seen):
        assert_same(one, other)


@some
@given(n=st.integers(1, 70), hidden=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_sequence_has_the_same_bits_in_any_batch(n, hidden, seed):
    rng = np.random.default_rng(seed)
    cell = CELLS[seed % 4]
    x = Case(cell, lengths_of("ragged", n, rng), hidden=hidden, dtype=torch.float32)
    with torch.no_grad():
        all_outputs, all_states = native.recur(cell, x.steps, x.weights, x.state, readout=x.readout)
        chosen = rng.permutation(n)[: rng.integers(1, n + 1)]
        part = tuple(state[chosen] for state in x.state)
        outputs, states = native.recur(cell, x.steps[chosen], x.weights, part, readout=x.readout)
    for state, all_state in zip(states, all_states, strict=True):
        assert torch.equal(state, all_state[chosen])
    for i, sequence in enumerate(chosen):
        assert torch.equal(outputs[i], all_outputs[int(sequence)])


# -- guarantee 3: same bits for any number of threads ----------------------------------------------------------------


@pytest.mark.parametrize("call", ["steps", "readout", "constant", "stack"])
def test_thread_counts_give_the_same_bits(call, two_threads):
    x = Case(Cell(), lengths_of("ragged", 150, np.random.default_rng(2)), hidden=19, dtype=torch.float32)
    seen = []
    for n_threads in (1, 2, 3, 2):
        torch.set_num_threads(n_threads)
        seen.append([*results(native, call, x)[0], *results(native, call, x)[1]])
    for one, other in pairwise(seen):
        assert_same(one, other)


def test_several_python_threads_at_once(two_threads):
    x = Case(Cell(), lengths_of("ragged", 90, np.random.default_rng(3)), hidden=16, dtype=torch.float32)
    expected = results(native, "readout", x)
    with ThreadPoolExecutor(4) as pool:
        for actual in pool.map(lambda _: results(native, "readout", x), range(12)):
            for a, e in zip(actual, expected, strict=True):
                assert_same(a, e)


def test_a_forked_process_computes_too(two_threads):
    x = Case(Cell(), lengths_of("equal", 90, np.random.default_rng(3)), hidden=16, dtype=torch.float32)
    with torch.no_grad():
        (expected,) = native.recur_state(x.cell, x.steps, x.weights)[:1]
        child = os.fork()
        if child == 0:
            (actual,) = native.recur_state(x.cell, x.steps, x.weights)[:1]
            os._exit(0 if torch.equal(actual, expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- what ran, and misuse --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", native.kernels())
def test_the_forced_kernel_is_what_ran(kernel, monkeypatch):
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    x = Case(Cell(), np.array([2], np.int64), hidden=3)
    outputs, _ = native.recur(x.cell, x.steps, x.weights)
    assert active_kernel() == kernel
    assert outputs.values.grad_fn.operation.kernel == kernel


@pytest.mark.parametrize("call", ["readout", "stack"])
def test_a_second_backward_pass_gives_the_same(call):
    x = Case(Cell(), np.array([4, 2], np.int64), hidden=3)
    total = sum(value.sum() for value in tensors_in(CALLS[call](native, x)))
    first, second = (torch.autograd.grad(total, x.readout.weight, retain_graph=True) for _ in range(2))
    assert_same(list(first), list(second))


@pytest.mark.parametrize("is_linear", [False, True])
def test_a_gradient_of_a_gradient_is_refused(is_linear):
    x = Case(Cell(), np.array([4, 2], np.int64), hidden=3)
    state = native.recur_state(x.cell, x.steps, x.weights)[0]
    total = state.sum() if is_linear else state.square().sum()
    (gradient,) = torch.autograd.grad(total, x.weights.hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_weights_changed_before_backward_are_noticed():
    x = Case(Cell(), np.array([4, 2], np.int64), hidden=3)
    total = native.recur_state(x.cell, x.steps, x.weights)[0].sum()
    with torch.no_grad():
        x.weights.hidden.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("kernel", native.kernels())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activations_are_accurate_and_saturate(kernel, dtype, monkeypatch):
    """One step of an LSTM from c = 0 gives c = i g: either gate over its range while the other is saturated at 1."""
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    extremes = torch.tensor([-1e30, -700, -90, 0, 90, 700, 1e30], dtype=dtype)
    x = torch.cat([torch.linspace(-30, 30, 4001, dtype=dtype), extremes])
    steps, zeros = Ragged.back_to_back(x[:, None], np.ones(len(x), np.int64)), torch.zeros(4, 1, dtype=dtype)
    for at, saturated, exact in ((0, 2, torch.sigmoid(x.double())), (2, 0, torch.tanh(x.double()))):
        weight, bias = zeros.clone(), zeros[:, 0].clone()
        weight[at], bias[saturated] = 1, 2000
        _, c = native.recur_state(Cell(), steps, Weights(weight, zeros, bias, zeros[:, 0]))
        error = (c[:, 0].double() - exact).abs() / exact.abs().clamp(min=torch.finfo(dtype).eps)
        assert error.max() < 2 * torch.finfo(dtype).eps
        assert c.abs().max() <= 1


def test_nan_stays_in_its_own_sequence():
    values = torch.zeros(12, 1)
    values[5] = float("nan")
    x = Case(Cell(), np.full(3, 4, np.int64), hidden=4, inputs=1, dtype=torch.float32)
    (h, _) = native.recur_state(x.cell, Ragged.back_to_back(values, x.lengths), x.weights)
    assert torch.isnan(h).all(dim=1).tolist() == [False, True, False]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not tell where threads may run")
def test_helpers_are_kept_off_a_core_only_until_they_run(two_threads):
    x = Case(Cell(), np.full(64, 50, np.int64), hidden=16, dtype=torch.float32)
    for _ in range(50):
        time.sleep(0.01)  # the helper falls asleep
        native.recur_state(x.cell, x.steps, x.weights)
        allowed = {frozenset(os.sched_getaffinity(int(name))) for name in os.listdir("/proc/self/task")}
        if len(allowed) == 1:  # else it has not woken yet
            break
    assert allowed == {frozenset(os.sched_getaffinity(0))}


# -- around the recurrence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", native.kernels())
@pytest.mark.parametrize("channels", [1, 3, 8, 33])
@pytest.mark.parametrize("is_masked", [False, True])
def test_gather_gives_the_bits_of_the_reference(kernel, channels, is_masked, monkeypatch):
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(40, channels, generator=generator)
    observed = torch.rand(40, channels, generator=generator) < 0.7 if is_masked else None
    sequences = Ragged(values, np.array([3, 0, 20, 7]), np.array([17, 0, 20, 30]), observed)
    centre, scale = torch.randn(channels, generator=generator), torch.rand(channels, generator=generator) + 0.1
    actual, expected = native.gather(sequences, centre, scale), reference.gather(sequences, centre, scale)
    assert torch.equal(actual.values, expected.values)
    assert np.array_equal(actual.starts, expected.starts)
    if is_masked:
        assert torch.equal(actual.observed, expected.observed)


@pytest.mark.parametrize("kernel", native.kernels())
@pytest.mark.parametrize("kind", sorted(VALUE_LOSSES))
@pytest.mark.parametrize(("per_sequence", "is_masked"), list(product([False, True], repeat=2)))
def test_mean_loss_agrees_with_the_reference(kernel, kind, per_sequence, is_masked, monkeypatch):
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    generator = torch.Generator().manual_seed(0)
    lengths = np.array([13, 0, 1, 40], np.int64)
    for dtype, tol in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        values, target = (3 * torch.randn(54, 3, generator=generator, dtype=dtype) for _ in range(2))
        target[:3] = values[:3]
        observed = torch.rand(54, 3, generator=generator) < 0.7 if is_masked else None
        goal = Ragged.back_to_back(target, lengths, observed)
        seen = []
        for module in (native, reference):
            values = values.detach().requires_grad_()
            loss = module.mean_loss(kind, Ragged.back_to_back(values, lengths), goal, per_sequence=per_sequence)
            (3 * loss).backward()
            seen.append([loss.detach(), values.grad])
        assert_close(*seen, tol)


@pytest.mark.parametrize("max_norm", [None, 0.5, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam_step_agrees_with_the_reference(max_norm, dtype):
    tol = 1e-12 if dtype == torch.float64 else 1e-6
    parameters = [torch.linspace(-1, 1, 37, dtype=dtype).clone() for _ in range(2)]
    states = [AdamState(torch.zeros(37, dtype=dtype), torch.zeros(37, dtype=dtype)) for _ in range(2)]
    for seed in range(5):
        gradients = [torch.randn(37, generator=torch.Generator().manual_seed(seed), dtype=dtype) for _ in range(2)]
        norms = [
            module.adam_step(p, g, state, learning_rate=1e-2, max_norm=max_norm)
            for module, p, g, state in zip((native, reference), parameters, gradients, states, strict=True)
        ]
        assert norms[0] == pytest.approx(norms[1], rel=tol)
    torch.testing.assert_close(*parameters, rtol=tol, atol=tol)


@pytest.mark.parametrize("per_sequence", [False, True])
def test_what_surrounds_the_recurrence_has_the_bits_of_any_number_of_threads(per_sequence):
    """With enough values that several threads share them; and as the plain implementation has them."""
    lengths = np.array([9000, 1, 0, 20_000, 3000], np.int64)
    drawn = torch.randn(4, int(lengths.sum()), 3, generator=torch.Generator().manual_seed(0))

    def compute(module) -> list[torch.Tensor]:
        scaled = module.gather(Ragged.back_to_back(drawn[0], lengths), drawn[1, 0], drawn[1, 1].abs() + 1)
        prediction = drawn[2].clone().requires_grad_()
        loss = module.mean_loss("mse", Ragged.back_to_back(prediction, lengths), scaled, per_sequence=per_sequence)
        loss.backward()
        parameters, state = drawn[3].flatten().clone(), AdamState(torch.zeros(96_003), torch.zeros(96_003))
        norm = module.adam_step(parameters, prediction.grad.flatten(), state, learning_rate=0.1, max_norm=1e-3)
        return [scaled.values, loss.detach(), prediction.grad, parameters, torch.tensor(norm)]

    before = torch.get_num_threads()
    seen = []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            seen.append(compute(native))
    finally:
        torch.set_num_threads(before)
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))
    assert_close(seen[0], compute(reference), 1e-5)


def test_adam_step_refuses_a_gradient_that_is_not_finite():
    parameters, state = torch.ones(5), AdamState(torch.zeros(5), torch.zeros(5))
    norm = native.adam_step(parameters, torch.full((5,), float("inf")), state, learning_rate=1.0)
    assert not np.isfinite(norm)
    assert parameters.eq(1).all()
    assert state.n_updates == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_operations_agree_with_loops(dtype):
    """Joining, adding up losses, telling lengths: values, and gradients where the first part has none."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(3, k, generator=generator, dtype=dtype, requires_grad=k > 1) for k in (1, 2, 4)]
    joined = native.concatenate(parts)
    assert joined.tolist() == [[value for part in parts for value in part[i].tolist()] for i in range(3)]
    slopes = torch.arange(21, dtype=dtype).reshape(3, 7)
    of_parts = torch.autograd.grad((joined * slopes).sum(), parts[1:])
    assert [g.tolist() for g in of_parts] == [slopes[:, 1:3].tolist(), slopes[:, 3:].tolist()]
    losses = [torch.tensor(value, dtype=dtype, requires_grad=value > 1) for value in (1.0, 2.0, 4.0)]
    total = native.weighted_sum([(1, losses[0]), (0.5, losses[1]), (0.25, losses[2])])
    assert (total.item(), total.dtype) == (3.0, dtype)
    assert [g.item() for g in torch.autograd.grad(2 * total, losses[1:])] == [1.0, 0.5]
    told = native.standardised_lengths(np.array([4, 10, 99]), 8.0, 2.0, 20.0, losses[0])
    assert (told.tolist(), told.dtype) == ([[-2.0], [1.0], [6.0]], dtype)
    assert torch.equal(joined, reference.concatenate(parts))
    assert torch.equal(told, reference.standardised_lengths(np.array([4, 10, 99]), 8.0, 2.0, 20.0, losses[0]))


def test_calls_are_traced_for_one_python_thread_alone():
    x = Case(Cell(), np.array([2, 3], np.int64), hidden=3)
    with traced() as calls:
        other = threading.Thread(target=lambda: native.recur_state(x.cell, x.steps, x.weights))
        other.start()
        other.join()
        assert not calls
        native.recur_state(x.cell, x.steps, x.weights)
    native.recur_state(x.cell, x.steps, x.weights)
    assert len(calls) == 1


@pytest.mark.parametrize("has_direction", [False, True])
@pytest.mark.parametrize("n_frozen", [0, 1, 2])
def test_linear_gives_each_row_its_own_bits(has_direction, n_frozen):
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, direction = (torch.randn(*s, generator=generator) for s in ((9, 21), (37, 21), (37,), (37,)))
    amounts = torch.linspace(-2, 2, 9)[:, None]
    loops = np.zeros((9, 37))
    for n, i in np.ndindex(9, 37):
        loops[n, i] = float(bias[i]) + has_direction * float(amounts[n]) * float(direction[i])
        loops[n, i] += sum(float(weight[i, k]) * float(x[n, k]) for k in range(21))
    along = (amounts, direction) if has_direction else None
    leaves = [leaf.requires_grad_() for leaf in ([x, weight, bias] + [direction] * has_direction)[n_frozen:]]
    y = native.linear(x, weight, bias, along=along)
    np.testing.assert_allclose(y.detach().numpy(), loops, rtol=1e-5, atol=1e-5)
    alone = (amounts[4:5], direction) if has_direction else None
    assert torch.equal(native.linear(x[4:5], weight, bias, along=alone)[0], y[4])
    assert torch.equal(native.linear(x, weight.t().contiguous().t(), bias, along=along), y)
    expected = torch.autograd.grad(reference.linear(x, weight, bias, along=along).pow(2).sum(), leaves)
    assert_close(list(torch.autograd.grad(y.pow(2).sum(), leaves)), list(expected), 1e-4)
