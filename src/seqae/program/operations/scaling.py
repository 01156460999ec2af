"""From the units of the data to scaled values, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .interface import Operation, Value

if TYPE_CHECKING:
    from ..c_body import Body
    from ..onnx_graph import Graph


@dataclass(frozen=True, slots=True, eq=False)
class Scale(Operation):
    """(x - centre) / scale, rounded to float32. centre, scale: (n_channels,), float32, or float64 where x is."""

    kind: ClassVar[str] = "steps"

    centre: np.ndarray
    scale: np.ndarray

    @property
    def size(self) -> int:
        """See Operation.size."""
        return len(self.centre)

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        steps = np.asarray(values[0], self.centre.dtype)
        return np.asarray((steps - self.centre) / self.scale, np.float32)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        centre, scale = (body.weight(name, getattr(self, name), is_exact=True) for name in ("centre", "scale"))
        body.loop("i", f"n * {self.size}").say(
            f"int c = i % {self.size};",
            f"{body.target}[i] = (float)(({body.read[0]}[i] - {centre}[c]) / {scale}[c]);",
        )

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx; padding becomes 0."""
        centred = graph.add("Sub", graph.read[0], graph.constant(self.centre))
        scaled = graph.cast(graph.add("Div", centred, graph.constant(self.scale)), np.float32)
        return graph.add("Where", graph.is_step, scaled, graph.constant(np.float32(0)))


@dataclass(frozen=True, slots=True, eq=False)
class Unscale(Operation):
    """x scale + centre, of the type of the scaling. centre, scale: (n_channels,)."""

    kind: ClassVar[str] = "steps"

    centre: np.ndarray
    scale: np.ndarray

    @property
    def size(self) -> int:
        """See Operation.size."""
        return len(self.centre)

    @property
    def dtype(self) -> np.dtype:
        """See Operation.dtype."""
        return self.scale.dtype

    def run(self, *values: Value) -> Value:
        """See Operation.run."""
        return np.asarray(values[0] * self.scale + self.centre, self.centre.dtype)

    def to_c(self, body: Body) -> None:
        """See Operation.to_c."""
        centre, scale = (body.weight(name, getattr(self, name), is_exact=True) for name in ("centre", "scale"))
        body.loop("i", f"n * {self.size}").say(
            f"int c = i % {self.size};",
            f"{body.target}[i] = {body.read[0]}[i] * {scale}[c] + {centre}[c];",
        )

    def to_onnx(self, graph: Graph) -> str:
        """See Operation.to_onnx; padding is 0."""
        wide = graph.cast(graph.read[0], self.scale.dtype)
        told = graph.add("Add", graph.add("Mul", wide, graph.constant(self.scale)), graph.constant(self.centre))
        return graph.add("Where", graph.is_step, told, graph.constant(np.zeros((), self.scale.dtype)))
