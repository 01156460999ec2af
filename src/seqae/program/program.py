"""A fitted model as operations on one sequence, with names, sizes and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .operations.interface import Operation, Value


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """kind: "steps", "vector" or "length"; size: values of a vector, or of each step. dtype: of the values."""

    name: str
    kind: str
    size: int = 1
    dtype: type[np.generic] = np.float32

    def __str__(self) -> str:
        shape = {"steps": f"(n, {self.size})", "vector": f"({self.size},)", "length": "n"}[self.kind]
        return f"{self.name} {shape}"


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Operations in order; the last one writes the result.

    longest: most steps that it is meant for, for forms without memory of their own.
    """

    name: str
    inputs: tuple[Input, ...]
    operations: tuple[Operation, ...]
    longest: int

    @property
    def output(self) -> Operation:
        """The operation that writes the result."""
        return self.operations[-1]

    @property
    def has_steps(self) -> bool:
        """Whether steps come in or out."""
        return "steps" in {self.output.kind, *(given.kind for given in self.inputs)}

    @property
    def n_weights(self) -> int:
        """Numbers in all weights."""
        return sum(array.size for operation in self.operations for array in operation.weights().values())

    def run(self, **values: Value) -> Value:
        """The result for one sequence. values: the inputs by name.

        Raises KeyError for a missing one.
        """
        known = {given.name: values[given.name] for given in self.inputs}
        for operation in self.operations:
            known[operation.writes] = operation.run(*(known[name] for name in operation.reads))
        return known[self.output.writes]

    def sizes(self) -> dict[str, int]:
        """Values of each name, of a vector or of each step."""
        return {part.name: part.size for part in self.inputs} | {part.writes: part.size for part in self.operations}

    def __str__(self) -> str:
        head = f"{self.name}({', '.join(map(str, self.inputs))}): {self.n_weights:,} weights"
        return "\n".join([head, *(f"    {operation}" for operation in self.operations)])
