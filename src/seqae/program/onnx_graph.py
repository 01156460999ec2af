"""Nodes of ONNX graphs, as operations write them."""

from __future__ import annotations

from collections.abc import Callable
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
        self._prefix = ""

    @cached_property
    def n(self) -> str:
        """The number of steps, padding included; int64."""
        if self._padded is None:
            return self.add("ReduceMax", "lengths", keepdims=0)
        return self.add("Gather", self.add("Shape", self._padded), self.constant(np.int64(1)))

    @cached_property
    def steps(self) -> str:
        """The number of each step, (1, n) int64."""
        numbers = self.add("Range", self.constant(np.int64(0)), self.n, self.constant(np.int64(1)))
        return self.reshape(numbers, [1, -1])

    @cached_property
    def is_step(self) -> str:
        """False for padding, (batch, n, 1) bool."""
        return self.reshape(self.add("Less", self.steps, self.column("lengths")), [0, -1, 1])

    def add(self, kind: str, *read: str, **attributes: object) -> str:
        """A node with one output; its name."""
        name = f"{self._prefix}v{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(read), [name], **attributes))
        return name

    def add_several(self, kind: str, n: int, *read: str, **attributes: object) -> list[str]:
        """A node with n outputs; their names."""
        names = [f"{self._prefix}v{len(self.nodes)}_{k}" for k in range(n)]
        self.nodes.append(self._onnx.helper.make_node(kind, list(read), names, **attributes))
        return names

    def constant(self, array: np.ndarray | np.generic) -> str:
        """The name of a constant; equal ones are one."""
        array = np.asarray(array)
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = repr((array.dtype, array.shape)).encode() + array.tobytes()
        if key not in self._named:
            self._named[key] = f"{self._prefix}c{len(self._named)}"
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

    def loop(self, start: list[str], step: Callable[[Graph, list[str]], tuple[list[str], str]]) -> str:
        """What a step gives, (n, batch, k) float32, for each of n steps; start: what the first one is given, float32.

        step: adds nodes to a graph of its own; from what it is given, to what the next one is given, and a result.
        """
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        inner, prefix = Graph(self._onnx, None), f"{self._prefix}b{len(self.nodes)}_"
        inner._prefix = prefix
        given = [f"{prefix}in{k}" for k in range(len(start))]
        carried, result = step(inner, given)
        ends = [inner.add("Identity", name) for name in (*carried, result)]
        goes_on = inner.add("Identity", f"{prefix}goes_on")
        inputs = [
            helper.make_tensor_value_info(f"{prefix}number", kinds.INT64, []),
            helper.make_tensor_value_info(f"{prefix}goes_on", kinds.BOOL, []),
            *(helper.make_tensor_value_info(name, kinds.FLOAT, ["batch", None]) for name in given),
        ]
        outputs = [
            helper.make_tensor_value_info(goes_on, kinds.BOOL, []),
            *(helper.make_tensor_value_info(name, kinds.FLOAT, ["batch", None]) for name in ends),
        ]
        body = helper.make_graph(inner.nodes, f"{prefix}step", inputs, outputs, inner.constants)
        return self.add_several("Loop", len(start) + 1, self.n, "", *start, body=body)[-1]
