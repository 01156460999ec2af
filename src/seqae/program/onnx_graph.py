"""Nodes of ONNX graphs, as operations write them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np


class Graph:
    """The nodes of one program.

    read: names of what the present operation reads.
    """

    def __init__(self, onnx: Any, padded: str | None) -> None:
        """padded: a name of steps, whose second axis tells n; None is the greatest of `lengths`."""
        self._onnx, self._padded = onnx, padded
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.read: tuple[str, ...] = ()
        self._named: dict[bytes, str] = {}

    @cached_property
    def steps(self) -> str:
        """The number of each step, (1, n) int64."""
        if self._padded is None:
            n = self.add("ReduceMax", "lengths", keepdims=0)
        else:
            n = self.add("Gather", self.add("Shape", self._padded), self.constant(np.int64(1)))
        numbers = self.add("Range", self.constant(np.int64(0)), n, self.constant(np.int64(1)))
        return self.reshape(numbers, [1, -1])

    @cached_property
    def is_step(self) -> str:
        """False for padding, (batch, n, 1) bool."""
        return self.reshape(self.add("Less", self.steps, self.column("lengths")), [0, -1, 1])

    def add(self, kind: str, *read: str, **attributes: object) -> str:
        """A node with one output; its name."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(read), [name], **attributes))
        return name

    def constant(self, array: np.ndarray | np.generic) -> str:
        """The name of a constant; equal ones are one."""
        array = np.asarray(array)
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = repr((array.dtype, array.shape)).encode() + array.tobytes()
        if key not in self._named:
            self._named[key] = f"c{len(self._named)}"
            self.constants.append(self._onnx.numpy_helper.from_array(array, self._named[key]))
        return self._named[key]

    def cast(self, name: str, dtype: np.dtype | type[np.generic]) -> str:
        """The same in another type."""
        return self.add("Cast", name, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reshape(self, name: str, shape: list[int]) -> str:
        """Another shape; 0 keeps an axis, -1 is what is left."""
        return self.add("Reshape", name, self.constant(np.array(shape)))

    def column(self, name: str) -> str:
        """(batch,) as (batch, 1)."""
        return self.reshape(name, [-1, 1])

    def slice(self, name: str, axis: int, first: int, end: int | None) -> str:
        """A part of an axis; None is its end."""
        last = np.iinfo(np.int64).max if end is None else end
        return self.add("Slice", name, *(self.constant(np.array([k])) for k in (first, last, axis)))

    def sum(self, name: str, axis: int) -> str:
        """The sum over an axis."""
        return self.add("ReduceSum", name, self.constant(np.array([axis])), keepdims=0)
