"""seqae export: a trained model as C or ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidParameter
from . import options
from .files import load_autoencoder
from .screen import say


def export(
    model: options.Model,
    c: Annotated[
        Path | None, typer.Option("--c", metavar="DIR", help="A folder for NAME.h and NAME.c.", show_default=False)
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option("--onnx", metavar="DIR", help="A folder for encode.onnx and so on.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="What C names begin with.")] = "model",
) -> None:
    """Write a trained model as C99 or ONNX, which give the vectors that seqae gives, to about six digits.

    encode is what embed computes, decode turns a vector back into steps, and length tells how many there were. Scaling
    is inside: values go in, and come out, in the units of the data. Values must not be missing.
    """
    if c is None and onnx is None:
        raise InvalidParameter("say what to write: --c DIR, --onnx DIR or both")
    from ..program import programs_of
    from ..program.writing import write_c, write_onnx

    programs = programs_of(load_autoencoder(model))
    for program in programs:
        say(str(program))
    if c is not None:
        made = write_c(c, programs, name)
        say(f"C: {c / name}.c, {made.n_flash:,} bytes of constants, {made.n_work:,} bytes of workspace")
    if onnx is not None:
        say(f"ONNX: {', '.join(map(str, write_onnx(onnx, programs)))}")
