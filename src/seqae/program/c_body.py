"""Statements, constants and workspace of C functions, as operations write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from textwrap import indent

import numpy as np

TYPES = {
    np.dtype(np.float32): "float",
    np.dtype(np.float64): "double",
    np.dtype(np.int32): "int",
    np.dtype(np.uint8): "unsigned char",
}


@dataclass(slots=True)
class Memory:
    """Weights, and fields of the workspace, as they are declared. Numbers tell the operations' weights apart."""

    weights: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    n_weight_bytes: int = 0
    n_work_bytes: int = 0
    numbers: count[int] = field(default_factory=count)


class Body:
    """Statements of one operation, in a block of their own; n is the number of steps.

    read: expressions of what is read, arrays or numbers; read_sizes: their values; target: what is written.
    """

    def __init__(
        self, memory: Memory, read: tuple[str, ...], read_sizes: tuple[int, ...], target: str, longest: str
    ) -> None:
        self.read, self.read_sizes, self.target = read, read_sizes, target
        self._memory, self._longest, self._number = memory, longest, next(memory.numbers)
        self._parts: list[str | Body] = []
        self._declared: dict[str, str] = {}
        self._head = ""

    def say(self, *lines: str) -> Body:
        """Add statements."""
        self._parts.extend(lines)
        return self

    def loop(self, variable: str, end: str) -> Body:
        """A block for each value of a variable from 0 to below the end; its body."""
        inner = Body(self._memory, self.read, self.read_sizes, self.target, self._longest)
        inner._number, inner._declared = self._number, self._declared
        inner._head = f"for (int {variable} = 0; {variable} < {end}; {variable}++) "
        self._parts.append(inner)
        return inner

    def weight(self, name: str, array: np.ndarray, *, is_exact: bool = False) -> str:
        """The name of a constant array: whole numbers, and others as floats, or in their own type if is_exact."""
        if name not in self._declared:
            own, dtype = f"w{self._number}_{name}", _narrow(array.dtype, is_exact=is_exact)
            numbers = ", ".join(_number(x, dtype) for x in array.reshape(-1).tolist())
            self._memory.weights.append(f"static const {TYPES[dtype]} {own}[{array.size}] = {{{numbers}}};")
            self._memory.n_weight_bytes += dtype.itemsize * array.size
            self._declared[name] = own
        return self._declared[name]

    def scratch(self, name: str, size: int) -> str:
        """A double array of the workspace."""
        return self._field("double", 8, f"s{self._number}_{name}", str(size), size)

    def scratch_steps(self, size: int) -> str:
        """A float array of the workspace for steps of so many values."""
        return self._field("float", 4, f"s{self._number}_steps", f"{self._longest} * {size}", 0)

    def _field(self, kind: str, width: int, name: str, length: str, size: int) -> str:
        self._memory.fields.append(f"{kind} {name}[{length}];")
        self._memory.n_work_bytes += width * size
        return f"work->{name}"

    def __str__(self) -> str:
        return f"{self._head}{{\n{indent(chr(10).join(map(str, self._parts)), '    ')}\n}}"


def _narrow(dtype: np.dtype, *, is_exact: bool) -> np.dtype:
    """The type in C of weights."""
    if dtype.kind == "f":
        return dtype if is_exact else np.dtype(np.float32)
    return np.dtype(np.uint8 if dtype.kind == "b" else np.int32)


def _number(value: float, dtype: np.dtype) -> str:
    if dtype.kind != "f":
        return str(int(value))
    told = f"{np.float32(value):.9g}" if dtype.itemsize == 4 else f"{value!r}"
    told = told if any(mark in told for mark in ".en") else f"{told}.0"
    return f"{told}f" if dtype.itemsize == 4 else told
