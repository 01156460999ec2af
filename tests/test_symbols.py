"""Stacks that run on the symbols they choose: against a loop in NumPy, and bit for bit whatever the company."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from seqae import Ragged, recurrence
from seqae.recurrence import Cell, Readout, State, Weights, native

from .naive import gru, lstm

KERNELS = [*native.kernels(), "reference"]
LENGTHS = np.array([4, 0, 11, 1, 30, 7])


class Stack:
    """A random stack of layers, its readout and its symbols' vectors."""

    def __init__(
        self, kind: str, n_layers: int, n_symbols: int, *, n_sequences: int = len(LENGTHS), dtype: torch.dtype
    ) -> None:
        generator = torch.Generator().manual_seed(0)

        def draw(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

        self.cell = Cell(kind)  # pyright: ignore[reportArgumentType]
        rows, sizes = self.cell.n_gates * 5, [3, *[5] * n_layers]
        self.layers = [
            Weights(draw(rows, size), draw(rows, 5), 0.1 * draw(rows), draw(rows) * 0.1) for size in sizes[:-1]
        ]
        self.states: list[State] = [
            tuple(draw(n_sequences, 5) for _ in range(self.cell.n_states)) for _ in range(n_layers)
        ]
        self.readout = Readout(draw(n_symbols, 5), 0.1 * draw(n_symbols))
        self.embedding = 4 * draw(n_symbols + 1, 3)
        self.first = torch.randint(0, n_symbols + 1, (n_sequences,), generator=generator)

    def run(self, lengths: np.ndarray = LENGTHS, chosen: Sequence[int] | slice = slice(None)) -> Ragged:
        """The symbols of the chosen sequences."""
        states = [tuple(part[chosen] for part in state) for state in self.states]
        return recurrence.recur_symbols(
            self.cell, self.first[chosen], lengths[chosen], self.layers, states, self.readout, self.embedding
        )

    def by_hand(self, i: int, length: int) -> list[int]:
        """The symbols of one sequence, step by step."""
        run = {"lstm": lstm, "gru": gru}[self.cell.kind]
        now = [tuple(part[i].numpy() for part in state) for state in self.states]
        symbol, symbols = int(self.first[i]), []
        for _ in range(length):
            step = self.embedding[symbol].numpy()[None]
            for k, w in enumerate(self.layers):
                arrays = [part.numpy() for part in (w.input, w.hidden, w.input_bias, w.hidden_bias)]
                step, now[k] = run(step, arrays, now[k])
            symbol = int(np.argmax(self.readout.weight.numpy() @ step[0] + self.readout.bias.numpy()))
            symbols.append(symbol)
        return symbols


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize(("n_layers", "n_symbols"), [(1, 1), (1, 7), (2, 600)])
def test_each_symbol_is_the_likeliest(
    kernel: str, kind: str, n_layers: int, n_symbols: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    stack = Stack(kind, n_layers, n_symbols, dtype=torch.float64)
    symbols = stack.run()
    assert symbols.values.dtype == torch.int32
    assert [part.tolist() for part in symbols] == [stack.by_hand(i, int(n)) for i, n in enumerate(LENGTHS)]
    assert n_symbols == 1 or len(symbols.values.unique()) > 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_of_equals_the_first_is_taken(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the equal ones lie in different blocks of the product, with the same bits."""
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    stack = Stack("lstm", 1, 700, dtype=torch.float32)
    weight, bias = stack.readout.weight[:233].repeat(3, 1), stack.readout.bias[:233].repeat(3)
    stack.readout = Readout(weight, bias)
    if kernel != "reference":  # BLAS adds up differently at the edge of a matrix
        assert int(stack.run().values.max()) < 233
    stack.readout = Readout(torch.zeros(700, 5), torch.cat([torch.zeros(1), torch.ones(699)]))
    assert stack.run().values.tolist() == [1] * int(LENGTHS.sum())


@pytest.mark.skipif(not native.kernels(), reason="the native kernel is not built")
@pytest.mark.parametrize("kernel", native.kernels())
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_company_layout_and_threads_change_no_symbol(kernel: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQAE_KERNEL", kernel)
    lengths = np.random.default_rng(0).integers(1, 40, 90)
    stack = Stack(kind, 2, 50, n_sequences=90, dtype=torch.float32)
    base = torch.randn(1, 5, generator=torch.Generator().manual_seed(1))
    stack.readout = Readout(base + 2e-7 * stack.readout.weight, torch.zeros(50))  # rounding decides
    whole = stack.run(lengths)
    assert len(whole.values.unique()) > 2
    for layout in ("narrow", "1", "2"):
        monkeypatch.setenv("SEQAE_LAYOUT", layout)
        assert torch.equal(stack.run(lengths).values, whole.values)
    monkeypatch.delenv("SEQAE_LAYOUT")
    for chosen in ([7], [3, 88], list(range(89, -1, -1))):
        for part, i in zip(stack.run(lengths, chosen), chosen, strict=True):
            assert torch.equal(part, whole[i])
    n_threads = torch.get_num_threads()
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            assert torch.equal(stack.run(lengths).values, whole.values)
    finally:
        torch.set_num_threads(n_threads)
