"""LSTM and GRU layers, in one direction of time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .interface import Operation, Value

if TYPE_CHECKING:
    from ..c_body import Body
    from ..onnx_graph import Graph


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Weights in torch's layout and gate order (i f g o; r z n); see seqae.recurrence.Cell. All float64.

    input: (G * hidden_size, input_size); hidden: (G * hidden_size, hidden_size); both biases: (G * hidden_size,).
    """

    cell: str
    activation: str
    input: np.ndarray
    hidden: np.ndarray
    input_bias: np.ndarray
    hidden_bias: np.ndarray

    @property
    def size(self) -> int:
        """Units."""
        return self.hidden.shape[1]

    @property
    def n_gates(self) -> int:
        """Blocks of rows."""
        return len(self.hidden) // self.size

    @property
    def n_states(self) -> int:
        """Vectors in a state: h, and c of an LSTM."""
        return 2 if self.cell == "lstm" else 1

    def step(self, x: np.ndarray, state: np.ndarray) -> np.ndarray:
        """The state after a step. x: (input_size,); state: (n_states * hidden_size,), h first."""
        activate = np.tanh if self.activation == "tanh" else _relu
        h, own = state[: self.size], self.input @ x + self.input_bias
        recurrent = self.hidden @ h + self.hidden_bias
        if self.cell == "lstm":
            i, f, g, o = np.split(own + recurrent, 4)
            c = _sigmoid(f) * state[self.size :] + _sigmoid(i) * activate(g)
            return np.concatenate([_sigmoid(o) * activate(c), c])
        (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(own, 3), np.split(recurrent, 3)
        z = _sigmoid(x_z + h_z)
        return (1 - z) * activate(x_n + _sigmoid(x_r + h_r) * h_n) + z * h

    def c_step(self, body: Body, x: str, state: str, name: str = "") -> None:
        """Statements that change a state in place. x, state: expressions of arrays; name: of this layer."""
        H, G, n_inputs = self.size, self.n_gates, self.input.shape[1]
        own, recurrent = (body.scratch(f"{name}{part}", G * H) for part in ("own", "recurrent"))
        gate = body.loop("i", str(G * H))
        gate.say(f"double sum = {body.weight(f'{name}input_bias', self.input_bias)}[i];")
        gate.loop("j", str(n_inputs)).say(
            f"sum += (double){body.weight(f'{name}input', self.input)}[i * {n_inputs} + j] * {x}[j];"
        )
        gate.say(f"{own}[i] = sum;", f"sum = {body.weight(f'{name}hidden_bias', self.hidden_bias)}[i];")
        gate.loop("j", str(H)).say(
            f"sum += (double){body.weight(f'{name}hidden', self.hidden)}[i * {H} + j] * {state}[j];"
        )
        gate.say(f"{recurrent}[i] = sum;")
        unit = body.loop("k", str(H))

        def activated(expression: str) -> str:
            return f"tanh({expression})" if self.activation == "tanh" else f"fmax({expression}, 0)"

        def gated(k: int) -> str:
            return f"(1 / (1 + exp(-({own}[{k * H} + k] + {recurrent}[{k * H} + k]))))"

        if self.cell == "lstm":
            candidate = f"{own}[{2 * H} + k] + {recurrent}[{2 * H} + k]"
            unit.say(
                f"double c = {gated(1)} * {state}[{H} + k] + {gated(0)} * {activated(candidate)};",
                f"{state}[{H} + k] = c;",
                f"{state}[k] = {gated(3)} * {activated('c')};",
            )
        else:
            unit.say(
                f"double z = {gated(1)};",
                f"double next = {activated(f'{own}[{2 * H} + k] + {gated(0)} * {recurrent}[{2 * H} + k]')};",
                f"{state}[k] = (1 - z) * next + z * {state}[k];",
            )

    def step_nodes(self, graph: Graph, x: str, state: list[str]) -> list[str]:
        """The parts of the state after a step, (batch, hidden_size). x: (batch, input_size)."""

        def mapped(values: str, weight: np.ndarray, bias: np.ndarray) -> list[str]:
            turned = graph.constant(np.ascontiguousarray(weight.T, np.float32))
            total = graph.add("Add", graph.add("MatMul", values, turned), graph.constant(bias.astype(np.float32)))
            return [graph.slice(total, 1, k * self.size, (k + 1) * self.size) for k in range(self.n_gates)]

        def plus(kind: str, a: str, b: str) -> str:
            return graph.add(kind, graph.add("Add", a, b))

        activate = "Tanh" if self.activation == "tanh" else "Relu"
        own, recurrent = mapped(x, self.input, self.input_bias), mapped(state[0], self.hidden, self.hidden_bias)
        if self.cell == "lstm":
            i, f, o = (plus("Sigmoid", own[k], recurrent[k]) for k in (0, 1, 3))
            new = graph.add("Mul", i, plus(activate, own[2], recurrent[2]))
            c = graph.add("Add", graph.add("Mul", f, state[1]), new)
            return [graph.add("Mul", o, graph.add(activate, c)), c]
        r, z = (plus("Sigmoid", own[k], recurrent[k]) for k in (0, 1))
        candidate = plus(activate, own[2], graph.add("Mul", r, recurrent[2]))
        moved = graph.add("Mul", z, graph.add("Sub", state[0], candidate))
        return [graph.add("Add", candidate, moved)]

    def nodes(self, graph: Graph, steps: str, *, is_reversed: bool) -> tuple[str, list[str]]:
        """Outputs, (batch, n, hidden_size), and the final state's parts, (batch, hidden_size)."""
        order = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}[self.cell]  # ONNX: i o f c; z r h

        def turned(array: np.ndarray) -> np.ndarray:
            return np.concatenate([np.split(array, self.n_gates)[k] for k in order]).astype(np.float32)[None]

        bias = np.concatenate([turned(self.input_bias), turned(self.hidden_bias)], axis=1)
        time_first = graph.add("Transpose", steps, perm=[1, 0, 2])
        read = [time_first, *(graph.constant(turned(part)) for part in (self.input, self.hidden)), graph.constant(bias)]
        read.append(graph.cast("lengths", np.int32))
        names = {"tanh": "Tanh", "relu": "Relu"}
        inner = names[self.activation]
        attributes: dict[str, object] = {
            "hidden_size": self.size,
            "direction": "reverse" if is_reversed else "forward",
            "activations": ["Sigmoid", inner, inner] if self.cell == "lstm" else ["Sigmoid", inner],
        }
        if self.cell == "gru":
            attributes["linear_before_reset"] = 1
        outputs, *final = graph.add_several(self.cell.upper(), 1 + self.n_states, *read, **attributes)
        batch_first = graph.add("Transpose", outputs, perm=[2, 0, 1, 3])  # (batch, n, 1, hidden_size)
        return (
            graph.reshape(batch_first, [0, 0, self.size]),
            [graph.add("Squeeze", part, graph.constant(np.array([0]))) for part in final],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Recurrence(Operation):
    """Reads steps, forward or in reverse, from a state of 0."""

    layer: Layer
    is_reversed: bool

    def weights(self) -> dict[str, np.ndarray]:
        """See Operation.weights."""
        own = self.layer
        return {name: getattr(own, name) for name in ("input", "hidden", "input_bias", "hidden_bias")}

    def states(self, steps: Value) -> Iterator[np.ndarray]:
        """The state after each step, in the order of reading."""
        own, read = self.layer, np.asarray(steps, np.float64)
        now = np.zeros(own.n_states * own.size)
        for x in read[::-1] if self.is_reversed else read:
            now = own.step(x, now)
            yield now

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        own = self.layer
        size, n_inputs = own.n_states * own.size, own.input.shape[1]
        state = body.scratch("state", size)
        body.loop("k", str(size)).say(f"{state}[k] = 0;")
        step = body.loop("s", "n")
        step.say(f"int t = {'n - 1 - s' if self.is_reversed else 's'};")
        step.say(f"const float *x = {body.read[0]} + t * {n_inputs};")
        own.c_step(step, "x", state)
        self.keep(step, state)

    @abstractmethod
    def keep(self, step: Body, state: str) -> None:
        """Write what is kept of the state after step t."""


@dataclass(frozen=True, slots=True, eq=False)
class Recurrent(Recurrence):
    """h(t) of every step."""

    kind = "steps"

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.layer.size

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        found = [state[: self.size] for state in self.states(values[0])]
        return np.array(found[::-1] if self.is_reversed else found, np.float32)

    def keep(self, step: Body, state: str) -> None:
        """See Recurrence.keep."""
        step.loop("k", str(self.size)).say(f"{step.target}[t * {self.size} + k] = (float){state}[k];")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        return self.layer.nodes(graph, graph.read[0], is_reversed=self.is_reversed)[0]


@dataclass(frozen=True, slots=True, eq=False)
class FinalState(Recurrence):
    """The state after the last step that is read: h, and c if has_all of an LSTM."""

    kind = "vector"

    has_all: bool

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.layer.size * (self.layer.n_states if self.has_all else 1)

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        *_, last = self.states(values[0])
        return last[: self.size].astype(np.float32)

    def keep(self, step: Body, state: str) -> None:
        """See Recurrence.keep."""
        step.loop("k", str(self.size)).say(f"{step.target}[k] = (float){state}[k];")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        _, final = self.layer.nodes(graph, graph.read[0], is_reversed=self.is_reversed)
        return graph.add("Concat", *final, axis=1) if self.has_all and len(final) > 1 else final[0]


@dataclass(frozen=True, slots=True, eq=False)
class RunFree(Operation):
    """y(t) = W d(t) + b of layers that read y(t - 1), and `first` before the first step.

    Reads the states of the first layers before the first step, one after another, [h; c] of each, and a length; the
    other layers start from 0. weight: W, (n_outputs, hidden_size); offset: b. first: (n_outputs,).
    """

    kind = "steps"

    layers: tuple[Layer, ...]
    n_given: int
    weight: np.ndarray
    offset: np.ndarray
    first: np.ndarray

    @property
    def size(self) -> int:
        """See Operation.size."""
        return len(self.offset)

    def weights(self) -> dict[str, np.ndarray]:
        """See Operation.weights."""
        names = ("input", "hidden", "input_bias", "hidden_bias")
        own = {f"{k}.{name}": getattr(layer, name) for k, layer in enumerate(self.layers) for name in names}
        return own | {"weight": self.weight, "offset": self.offset, "first": self.first}

    def _sizes(self) -> list[int]:
        """Values of each layer's state."""
        return [layer.n_states * layer.size for layer in self.layers]

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        given = np.asarray(values[0], np.float64)
        whole = np.concatenate([given, np.zeros(sum(self._sizes()) - len(given))])
        states = np.split(whole, np.cumsum(self._sizes())[:-1])
        x, found = self.first, []
        for _ in range(int(values[1])):
            for k, layer in enumerate(self.layers):
                states[k] = layer.step(x, states[k])
                x = states[k][: layer.size]
            x = self.weight @ x + self.offset
            found.append(x)
        return np.array(found, np.float32).reshape(-1, self.size)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        sizes, n = self._sizes(), self.size
        n_given = sum(sizes[: self.n_given])
        state, x = body.scratch("state", sum(sizes)), body.scratch("x", n)
        start = body.loop("k", str(sum(sizes)))
        start.say(f"{state}[k] = k < {n_given} ? {body.read[0]}[k] : 0;" if n_given else f"{state}[k] = 0;")
        body.loop("k", str(n)).say(f"{x}[k] = {body.weight('first', self.first)}[k];")
        step, read, before = body.loop("t", "n"), x, 0
        for k, (layer, size) in enumerate(zip(self.layers, sizes, strict=True)):
            own = f"({state} + {before})"
            layer.c_step(step, read, own, f"l{k}_")
            read, before = own, before + size
        n_inputs = self.weight.shape[1]
        output = step.loop("i", str(n))
        output.say(f"double sum = {body.weight('offset', self.offset)}[i];")
        output.loop("j", str(n_inputs)).say(
            f"sum += (double){body.weight('weight', self.weight)}[i * {n_inputs} + j] * {read}[j];"
        )
        output.say(f"{x}[i] = sum;", f"{body.target}[t * {n} + i] = (float)sum;")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx: a Loop over steps."""
        like = graph.slice(graph.read[0], 1, 0, 1)  # (batch, 1), for zeros of the batch's size
        zero = graph.add("Sub", like, like)
        start = [graph.add("Add", zero, graph.constant(self.first.astype(np.float32)[None]))]
        before = 0
        for k, layer in enumerate(self.layers):
            for _ in range(layer.n_states):
                given = graph.slice(graph.read[0], 1, before, before + layer.size)
                nothing = graph.add("Add", zero, graph.constant(np.zeros((1, layer.size), np.float32)))
                start.append(given if k < self.n_given else nothing)
                before += layer.size

        def step(inner: Graph, carried: list[str]) -> tuple[list[str], str]:
            x, *states = carried
            after: list[str] = []
            for layer in self.layers:
                own, states = states[: layer.n_states], states[layer.n_states :]
                after += layer.step_nodes(inner, x, own)
                x = after[-layer.n_states]
            turned = inner.constant(np.ascontiguousarray(self.weight.T, np.float32))
            offset = inner.constant(self.offset.astype(np.float32))
            told = inner.add("Add", inner.add("MatMul", x, turned), offset)
            return [told, *after], told

        return graph.add("Transpose", graph.loop(start, step), perm=[1, 0, 2])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)
