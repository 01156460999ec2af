"""A linear map of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .interface import Operation, Value

if TYPE_CHECKING:
    from ..c_body import Body
    from ..onnx_graph import Graph


@dataclass(frozen=True, slots=True, eq=False)
class Affine(Operation):
    """W [u; v; ...] + b, of all vectors that are read, one after another; sums in float64, rounded to float32.

    weight: W, (n_outputs, n_inputs); offset: b, (n_outputs,). Both float64.
    """

    kind: ClassVar[str] = "vector"

    weight: np.ndarray
    offset: np.ndarray

    @property
    def size(self) -> int:
        """See Operation.size."""
        return len(self.offset)

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return (self.weight @ np.concatenate(values, dtype=np.float64) + self.offset).astype(np.float32)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        weight, n_inputs, first = body.weight("weight", self.weight), self.weight.shape[1], 0
        row = body.loop("i", str(self.size))
        row.say(f"double sum = {body.weight('offset', self.offset)}[i];")
        for name, size in zip(body.read, body.read_sizes, strict=True):
            row.loop("j", str(size)).say(f"sum += (double){weight}[i * {n_inputs} + {first} + j] * {name}[j];")
            first += size
        row.say(f"{body.target}[i] = (float)sum;")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        read = [graph.cast(name, np.float64) for name in graph.read]
        joined = read[0] if len(read) == 1 else graph.add("Concat", *read, axis=1)
        product = graph.add("MatMul", joined, graph.constant(np.ascontiguousarray(self.weight.T)))
        return graph.cast(graph.add("Add", product, graph.constant(self.offset)), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Join(Operation):
    """[u; v; ...], all vectors that are read, one after another. n_values: of all."""

    kind: ClassVar[str] = "vector"

    n_values: int

    @property
    def size(self) -> int:
        """See Operation.size."""
        return self.n_values

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return np.concatenate(values)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        first = 0
        for name, size in zip(body.read, body.read_sizes, strict=True):
            body.loop("j", str(size)).say(f"{body.target}[{first} + j] = {name}[j];")
            first += size

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        return graph.add("Concat", *graph.read, axis=1)
