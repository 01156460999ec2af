"""Programs as ONNX: opset 17, IR 8, batches of any size, padded to the longest sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MissingExtra
from .onnx_graph import Graph
from .program import Program

if TYPE_CHECKING:
    import onnx

OPSET, IR = 17, 8


def onnx_model(program: Program) -> onnx.ModelProto:
    """A model whose inputs are the program's, with a first axis over sequences.

    Steps, (batch, n, n_channels), come with `lengths`, (batch,) int64; what lies beyond a length is not read, and is 0
    in results. Raises MissingExtra without the package onnx.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("onnx") from error
    given = {part.name: part for part in program.inputs}
    graph = Graph(onnx, next((name for name, part in given.items() if part.kind == "steps"), None))
    known = {name: "lengths" if part.kind == "length" else name for name, part in given.items()}
    for operation in program.operations:
        graph.read = tuple(known[name] for name in operation.reads)
        known[operation.writes] = operation.to_onnx(graph)
    graph.nodes.append(onnx.helper.make_node("Identity", [known[program.output.writes]], [program.output.writes]))
    inputs = [
        _info(onnx, part.name, part.kind, part.size, part.dtype) for part in given.values() if part.kind != "length"
    ]
    inputs += [_info(onnx, "lengths", "length", 1, np.int64)] if program.has_steps else []
    result = program.output
    output = _info(onnx, result.writes, result.kind, result.size, result.dtype)
    made = onnx.helper.make_graph(graph.nodes, f"seqae_{program.name}", inputs, [output], graph.constants)
    model = onnx.helper.make_model(
        made, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="seqae"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _info(onnx: Any, name: str, kind: str, size: int, dtype: np.dtype | type[np.generic]) -> Any:
    shape = {"steps": ["batch", "n", size], "vector": ["batch", size], "length": ["batch"]}[kind]
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
