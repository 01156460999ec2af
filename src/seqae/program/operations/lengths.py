"""Lengths as values of a vector, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .interface import Operation, Value

if TYPE_CHECKING:
    from ..c_body import Body
    from ..onnx_graph import Graph


@dataclass(frozen=True, slots=True, eq=False)
class LengthIn(Operation):
    """(min(n, most) - mean) / unit of steps (n, n_channels), or 0 if the unit is 0."""

    kind: ClassVar[str] = "vector"

    mean: float
    unit: float
    most: float

    @property
    def size(self) -> int:
        """See Operation.size."""
        return 1

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        n = len(values[0])  # pyright: ignore[reportArgumentType]
        return np.array([(min(n, self.most) - self.mean) / self.unit if self.unit else 0.0], np.float32)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        told = f"((n < {self.most!r} ? n : {self.most!r}) - {self.mean!r}) / {self.unit!r}" if self.unit else "0"
        body.say(f"{body.target}[0] = (float)({told});")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        n = graph.add("Unsqueeze", graph.cast("lengths", np.float64), graph.constant(np.array([1])))
        least = graph.add("Min", n, graph.constant(np.float64(self.most)))
        centred = graph.add("Sub", least, graph.constant(np.float64(self.mean)))
        factor = graph.constant(np.float64(1 / self.unit if self.unit else 0.0))
        return graph.cast(graph.add("Mul", centred, factor), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class LengthOut(Operation):
    """The whole number of steps nearest to x unit + mean, from 1 to most, for the vector (x,)."""

    kind: ClassVar[str] = "length"

    mean: float
    unit: float
    most: float

    @property
    def size(self) -> int:
        """See Operation.size."""
        return 1

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        told = np.float64(values[0][0]) * self.unit + self.mean  # pyright: ignore[reportIndexIssue]
        return int(np.clip(np.rint(told), 1, self.most))

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        body.say(f"double told = rint((double){body.read[0]}[0] * {self.unit!r} + {self.mean!r});")
        body.say(f"{body.target} = (int)(told < 1 ? 1 : told > {self.most!r} ? {self.most!r} : told);")

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx."""
        wide = graph.add("Squeeze", graph.cast(graph.read[0], np.float64), graph.constant(np.array([1])))
        product = graph.add("Mul", wide, graph.constant(np.float64(self.unit)))
        told = graph.add("Round", graph.add("Add", product, graph.constant(np.float64(self.mean))))
        bounds = [graph.constant(np.float64(bound)) for bound in (1, self.most)]
        return graph.cast(graph.add("Clip", told, *bounds), np.int64)
