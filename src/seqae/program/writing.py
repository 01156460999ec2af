"""Write programs as files for C and ONNX."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import InvalidParameter
from ..storage.files import refused, written_whole
from .c_source import Source, c_source
from .onnx_model import onnx_model
from .program import Program

C_NAME = re.compile(r"[a-z][a-z0-9_]*")


def write_c(folder: str | os.PathLike[str], programs: tuple[Program, ...], name: str = "model") -> Source:
    """Write NAME.h and NAME.c to a folder, which is made if need be. name: begins each C name.

    Raises InvalidParameter for a name that is none in C.
    """
    if not C_NAME.fullmatch(name):
        raise InvalidParameter(
            f"name must be of a-z, 0-9 and _, and begin with a letter, got {name!r}", parameter="name"
        )
    made = c_source(name, programs)
    for suffix, text in ((".h", made.header), (".c", made.source)):
        _write(Path(folder) / f"{name}{suffix}", text.encode())
    return made


def write_onnx(folder: str | os.PathLike[str], programs: tuple[Program, ...]) -> tuple[Path, ...]:
    """Write encode.onnx and so on to a folder, which is made if need be. Returns the files.

    Raises MissingExtra without the package onnx.
    """
    models = [(Path(folder) / f"{program.name}.onnx", onnx_model(program)) for program in programs]
    for path, model in models:
        _write(path, model.SerializeToString())
    return tuple(path for path, _ in models)


def _write(path: Path, content: bytes) -> None:
    with refused(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as file:
            file.write(content)
