"""What every operation of a program states and can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from ..c_body import Body
    from ..onnx_graph import Graph

Value = np.ndarray | int
"""Of one sequence: steps (n, n_channels), a vector (n_values,), or a length, a whole number of steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation(ABC):
    """Reads named values, and writes one.

    A subclass is a frozen dataclass of weights, all NumPy arrays and numbers, beside `reads` and `writes`; those of a
    kind share a file. It computes the same in NumPy, in C and in ONNX; what it computes stands in its docstring.

    kind: of what it writes, "steps", "vector" or "length".
    """

    kind: ClassVar[str]

    reads: tuple[str, ...]
    writes: str

    @property
    @abstractmethod
    def size(self) -> int:
        """Values that it writes: of a vector, or of each step."""

    @property
    def dtype(self) -> np.dtype | type[np.generic]:
        """Of what it writes."""
        return np.int64 if self.kind == "length" else np.float32

    @abstractmethod
    def run(self, *values: Value) -> Value:
        """What it writes for one sequence. values: what it reads, in the order of `reads`."""

    @abstractmethod
    def to_c(self, body: Body) -> None:
        """Add its weights and statements to a C function; see Body."""

    @abstractmethod
    def to_onnx(self, graph: Graph) -> str:
        """Add its nodes; values have a first axis over sequences, and steps are padded. Returns the name of the last
        one's output, which has the dtype that run() gives; see Graph.
        """

    def weights(self) -> dict[str, np.ndarray]:
        """Its arrays by name."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}

    @property
    def shape(self) -> str:
        """Of what it writes."""
        return {"steps": f"(n, {self.size})", "vector": f"({self.size},)", "length": "n"}[self.kind]

    def __str__(self) -> str:
        name = type(self).__name__
        return f"{self.writes} {self.shape} = {name}({', '.join(self.reads)})"
