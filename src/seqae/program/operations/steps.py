"""What is made of steps: joined, mapped, added, averaged; and steps of a vector or a length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .interface import Operation, Value

if TYPE_CHECKING:
    from ..c_body import Body
    from ..onnx_graph import Graph


@dataclass(frozen=True, slots=True, eq=False)
class Beside(Operation):
    """The values of several steps, side by side. sizes: of each."""

    kind: ClassVar[str] = "steps"

    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """See Operation.size."""
        return sum(self.sizes)

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return np.concatenate(values, axis=1)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        first = 0
        for name, size in zip(body.read, self.sizes, strict=True):
            body.loop("t", "n").loop("c", str(size)).say(
                f"{body.target}[t * {self.size} + {first} + c] = {name}[t * {size} + c];"
            )
            first += size

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        return graph.add("Concat", *graph.read, axis=2)


@dataclass(frozen=True, slots=True, eq=False)
class StepAffine(Operation):
    """W x(t) + b at every step. weight: W, (n_outputs, n_inputs); offset: b, (n_outputs,)."""

    kind: ClassVar[str] = "steps"

    weight: np.ndarray
    offset: np.ndarray

    @property
    def size(self) -> int:
        """See Operation.size."""
        return len(self.offset)

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return (np.asarray(values[0], np.float64) @ self.weight.T + self.offset).astype(np.float32)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        n_inputs = self.weight.shape[1]
        output = body.loop("t", "n").loop("i", str(self.size))
        output.say(f"double sum = {body.weight('offset', self.offset)}[i];")
        weight, read = body.weight("weight", self.weight), body.read[0]
        output.loop("j", str(n_inputs)).say(
            f"sum += (double){weight}[i * {n_inputs} + j] * {read}[t * {n_inputs} + j];"
        )
        output.say(f"{body.target}[t * {self.size} + i] = (float)sum;")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        turned = np.ascontiguousarray(self.weight.T)
        product = graph.add("MatMul", graph.cast(graph.read[0], np.float64), graph.constant(turned))
        return graph.cast(graph.add("Add", product, graph.constant(self.offset)), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class AddSteps(Operation):
    """x(t) + y(t). n_values: of a step."""

    kind: ClassVar[str] = "steps"

    n_values: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.n_values

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return np.asarray(values[0]) + np.asarray(values[1])

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        body.loop("i", f"n * {self.n_values}").say(f"{body.target}[i] = {body.read[0]}[i] + {body.read[1]}[i];")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        return graph.add("Add", *graph.read)


@dataclass(frozen=True, slots=True, eq=False)
class Flip(Operation):
    """The steps from the last to the first. n_values: of a step."""

    kind: ClassVar[str] = "steps"

    n_values: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.n_values

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return np.asarray(values[0])[::-1]

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        body.loop("t", "n").loop("c", str(self.n_values)).say(
            f"{body.target}[t * {self.n_values} + c] = {body.read[0]}[(n - 1 - t) * {self.n_values} + c];"
        )

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        return graph.add("ReverseSequence", graph.read[0], "lengths", batch_axis=0, time_axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Mean(Operation):
    """The mean step. n_values: of a step."""

    kind: ClassVar[str] = "vector"

    n_values: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.n_values

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return np.asarray(np.mean(values[0], axis=0, dtype=np.float64), np.float32)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        value = body.loop("c", str(self.n_values))
        value.say("double sum = 0;")
        value.loop("t", "n").say(f"sum += {body.read[0]}[t * {self.n_values} + c];")
        value.say(f"{body.target}[c] = (float)(sum / n);")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        known = graph.add("Where", graph.is_step, graph.cast(graph.read[0], np.float64), graph.constant(np.float64(0)))
        n = graph.cast(graph.column("lengths"), np.float64)
        return graph.cast(graph.add("Div", graph.sum(known, 1), n), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Repeat(Operation):
    """The vector at every step of a length. n_values: of the vector."""

    kind: ClassVar[str] = "steps"

    n_values: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.n_values

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return np.tile(values[0], (int(values[1]), 1))

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        body.loop("i", f"n * {self.n_values}").say(f"{body.target}[i] = {body.read[0]}[i % {self.n_values}];")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        return graph.add(
            "Mul", graph.reshape(graph.read[0], [0, 1, self.n_values]), graph.cast(graph.is_step, np.float32)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Cut(Operation):
    """A vector, cut into steps of n_values each. The length must be n_steps, the number of these steps."""

    kind: ClassVar[str] = "steps"

    n_steps: int
    n_values: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.n_values

    def run(self, *values: Value) -> Value:
        """See Operation.run. Raises ValueError for another length."""
        return np.reshape(values[0], (int(values[1]), self.n_values))

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        body.say(f"if (n != {self.n_steps}) return -1;")
        body.loop("i", f"n * {self.n_values}").say(f"{body.target}[i] = {body.read[0]}[i];")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        return graph.reshape(graph.read[0], [0, self.n_steps, self.n_values])


@dataclass(frozen=True, slots=True, eq=False)
class TimeCode(Operation):
    """Relative time u = (t + 0.5) / n, 1 - u, and sines, then cosines, of 2 pi k u for k up to n_waves."""

    kind: ClassVar[str] = "steps"

    n_waves: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return 2 + 2 * self.n_waves

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        time = (np.arange(int(values[0])) + 0.5)[:, None] / int(values[0])
        angles = 2 * np.pi * time * np.arange(1, self.n_waves + 1)
        return np.concatenate([time, 1 - time, np.sin(angles), np.cos(angles)], axis=1, dtype=np.float32)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        step = body.loop("t", "n")
        step.say(
            "double time = (t + 0.5) / n;",
            f"float *own = {body.target} + t * {self.size};",
            "own[0] = (float)time;",
            "own[1] = (float)(1 - time);",
        )
        step.loop("k", str(self.n_waves)).say(
            f"double angle = {2 * np.pi!r} * time * (k + 1);",
            "own[2 + k] = (float)sin(angle);",
            f"own[{2 + self.n_waves} + k] = (float)cos(angle);",
        )

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        half = graph.add("Add", graph.cast(graph.steps, np.float64), graph.constant(np.float64(0.5)))
        time = graph.reshape(graph.add("Div", half, graph.cast(graph.column("lengths"), np.float64)), [0, 0, 1])
        rest = graph.add("Sub", graph.constant(np.float64(1)), time)
        angles = graph.add("Mul", time, graph.constant(2 * np.pi * np.arange(1.0, self.n_waves + 1)))
        narrow = graph.cast(angles, np.float32)  # sines of float64 are not in every runtime
        waves = [graph.cast(graph.add(kind, narrow), np.float64) for kind in ("Sin", "Cos")]
        return graph.cast(graph.add("Concat", time, rest, *waves, axis=2), np.float32)
