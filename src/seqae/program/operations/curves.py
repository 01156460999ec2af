"""Curves on a grid of relative time: fitted to steps, and read at steps.

Step t of n lies at p = t (n_points - 1) / (n - 1) of the grid, one step alone in its middle; R (n, n_points) holds the
weights of linear interpolation, max(0, 1 - |p - j|).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .interface import Operation, Value

if TYPE_CHECKING:
    from ..c_body import Body
    from ..onnx_graph import Graph


@dataclass(frozen=True, slots=True, eq=False)
class CurveFit(Operation):
    """The values z of a curve M + B z through the steps x, by regularised least squares:

        z = (B' R' R B + diag(prior))^-1 B' R' (x - R M).

    mean: M, (n_points, n_channels); components: B', (n_values, n_points, n_channels); prior: (n_values,). All float64.
    """

    kind: ClassVar[str] = "vector"

    mean: np.ndarray
    components: np.ndarray
    prior: np.ndarray

    @property
    def size(self) -> int:
        """See Operation.size."""
        return len(self.components)

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        steps = np.asarray(values[0], np.float64)
        weights = interpolation(len(steps), len(self.mean))
        design = np.tensordot(weights, self.components, (1, 1)).transpose(0, 2, 1).reshape(-1, self.size)
        left = design.T @ design + np.diag(self.prior)
        return np.linalg.solve(left, design.T @ (steps - weights @ self.mean).reshape(-1)).astype(np.float32)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c: sums step by step, and Cholesky's factor."""
        k, (n_points, n_channels) = self.size, self.mean.shape
        mean, components = body.weight("mean", self.mean), body.weight("components", self.components)
        left, right, row = (body.scratch(name, size) for name, size in (("left", k * k), ("right", k), ("row", k)))
        start = body.loop("i", str(k))
        start.say(f"{right}[i] = 0;")
        start.loop("j", str(k)).say(
            f"{left}[i * {k} + j] = i == j ? (double){body.weight('prior', self.prior)}[i] : 0.0;"
        )
        step = body.loop("t", "n")
        place(step, n_points)
        channel = step.loop("c", str(n_channels))
        channel.say(
            f"double x = (double){body.read[0]}[t * {n_channels} + c]",
            f"    - (1 - w) * {mean}[p * {n_channels} + c] - w * {mean}[q * {n_channels} + c];",
        )
        part = f"{components}[(i * {n_points} + %s) * {n_channels} + c]"
        channel.loop("i", str(k)).say(f"{row}[i] = (1 - w) * {part % 'p'} + w * {part % 'q'};")
        sums = channel.loop("i", str(k))
        sums.say(f"{right}[i] += {row}[i] * x;")
        sums.loop("j", "i + 1").say(f"{left}[i * {k} + j] += {row}[i] * {row}[j];")
        factor = body.loop("i", str(k))
        entry = factor.loop("j", "i + 1")
        entry.say(f"double sum = {left}[i * {k} + j];")
        entry.loop("m", "j").say(f"sum -= {left}[i * {k} + m] * {left}[j * {k} + m];")
        entry.say(f"{left}[i * {k} + j] = i == j ? sqrt(sum) : sum / {left}[j * {k} + j];")
        forward = body.loop("i", str(k))
        forward.loop("m", "i").say(f"{right}[i] -= {left}[i * {k} + m] * {right}[m];")
        forward.say(f"{right}[i] /= {left}[i * {k} + i];")
        backward = body.loop("h", str(k))
        backward.say(f"int i = {k - 1} - h;")
        backward.loop("m", f"{k} - 1 - i").say(f"{right}[i] -= {left}[(i + 1 + m) * {k} + i] * {right}[i + 1 + m];")
        backward.say(f"{right}[i] /= {left}[i * {k} + i];", f"{body.target}[i] = (float){right}[i];")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx: Gauss-Jordan elimination, one step for each value."""
        k, (n_points, n_channels) = self.size, self.mean.shape
        weights = interpolation_nodes(graph, n_points)  # (batch, n, n_points), 0 for padding
        flat = graph.constant(self.components.transpose(1, 2, 0).reshape(n_points, n_channels * k))
        design = graph.reshape(graph.add("MatMul", weights, flat), [0, -1, k])  # rows: steps and channels
        apart = graph.add(
            "Sub", graph.cast(graph.read[0], np.float64), graph.add("MatMul", weights, graph.constant(self.mean))
        )
        turned = graph.add("Transpose", design, perm=[0, 2, 1])
        left = graph.add("Add", graph.add("MatMul", turned, design), graph.constant(np.diag(self.prior)))
        right = graph.add("MatMul", turned, graph.reshape(apart, [0, -1, 1]))
        both = graph.add("Concat", left, right, axis=2)
        for i in range(k):
            row = graph.slice(both, 1, i, i + 1)
            column = graph.slice(both, 2, i, i + 1)
            pivot = graph.add("Div", row, graph.slice(row, 2, i, i + 1))
            factor = graph.add("Sub", column, graph.constant(np.eye(k)[:, [i]]))
            both = graph.add("Sub", both, graph.add("Mul", factor, pivot))
        return graph.cast(graph.reshape(graph.slice(both, 2, k, k + 1), [0, k]), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CurveRead(Operation):
    """R c, the steps of a curve c, given as the vector of its points, channels of a point together; float32."""

    kind: ClassVar[str] = "steps"

    n_points: int
    n_channels: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.n_channels

    def run(self, *values: Value) -> Value:
        """See Operation.run. values: the curve, and a length."""
        curve = np.reshape(values[0], (self.n_points, self.n_channels)).astype(np.float64)
        return (interpolation(int(values[1]), self.n_points) @ curve).astype(np.float32)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        step = body.loop("t", "n")
        place(step, self.n_points)
        point = f"{body.read[0]}[%s * {self.n_channels} + c]"
        step.loop("c", str(self.n_channels)).say(
            f"{body.target}[t * {self.n_channels} + c] = (float)((1 - w) * {point % 'p'} + w * {point % 'q'});"
        )

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        curve = graph.reshape(graph.cast(graph.read[0], np.float64), [0, self.n_points, self.n_channels])
        weights = interpolation_nodes(graph, self.n_points)
        return graph.cast(graph.add("MatMul", weights, curve), np.float32)


def interpolation(n: int, n_points: int) -> np.ndarray:
    """R, (n, n_points) float64."""
    places = np.arange(n) * ((n_points - 1) / (n - 1)) if n > 1 else np.array([(n_points - 1) / 2])
    return np.maximum(1 - np.abs(places[:, None] - np.arange(n_points)), 0)


def place(step: Body, n_points: int) -> None:
    """Declare, for step t of n: the points p before and q after it, and the weight w of q."""
    step.say(
        f"int over = n == 1 ? {n_points - 1} : t * {n_points - 1}, under = n == 1 ? 2 : n - 1;",
        f"int p = over / under < {max(n_points - 2, 0)} ? over / under : {max(n_points - 2, 0)};",
        f"int q = p + 1 < {n_points} ? p + 1 : p;",
        "double w = (double)(over - p * under) / under;",
    )


def interpolation_nodes(graph: Graph, n_points: int) -> str:
    """R of each sequence, (batch, n, n_points) float64; 0 for padding."""
    last = graph.add("Sub", graph.cast("lengths", np.float64), graph.constant(np.float64(1)))
    is_one = graph.add("Equal", last, graph.constant(np.float64(0)))
    unit = graph.add(
        "Div", graph.constant(np.float64(n_points - 1)), graph.add("Max", last, graph.constant(np.float64(1)))
    )
    per_step = graph.reshape(unit, [0, 1])
    steps = graph.cast(graph.steps, np.float64)
    places = graph.add("Mul", per_step, steps)  # (batch, n)
    middle = graph.constant(np.float64((n_points - 1) / 2))
    places = graph.reshape(graph.add("Where", graph.reshape(is_one, [0, 1]), middle, places), [0, 0, 1])
    apart = graph.add("Abs", graph.add("Sub", places, graph.constant(np.arange(n_points, dtype=np.float64))))
    tent = graph.add("Max", graph.add("Sub", graph.constant(np.float64(1)), apart), graph.constant(np.float64(0)))
    return graph.add("Where", graph.is_step, tent, graph.constant(np.float64(0)))
