"""seqae import: convert a model of another library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidParameter
from .files import check_model_target
from .screen import counted, say


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .keras file (Keras 3, 2.13 to 2.15) or .h5 file.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to save the model.", show_default=False)
    ],
    start: Annotated[
        str | None,
        typer.Option(
            metavar="STEP",
            help="What stands before the first step, where the decoder reads the step before: a token, or a value "
            "for each channel with commas between. Default: zero.",
        ),
    ] = None,
) -> None:
    """Read an autoencoder that Keras saved, and save it as seqae does. Keras is not needed; no code in it runs."""
    check_model_target(output, file)
    if file.suffix.lower() not in (".keras", ".h5", ".hdf5"):
        raise InvalidParameter(f"{file} must be a .keras file or a .h5 file; save it with model.save('name.keras')")
    from ..interop.keras import load_keras

    model = load_keras(file, start=None if start is None else _step(start))
    model.save(output)
    say(f"{file}: vectors of {counted(model.latent_size_, 'value')}, saved as {output}", beside=output)


def _step(text: str) -> int | list[float]:
    """A whole number is a token; anything else is values."""
    try:
        return int(text) if text.strip().isdigit() else [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidParameter(f"--start must be a token or values such as 0,0.5, got {text!r}") from error


import_model.__name__ = "import"  # `import` is a keyword
