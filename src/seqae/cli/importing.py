"""seqae import: a model of another library as one of seqae's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidParameter
from .files import check_model_target
from .screen import counted, say


def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .keras file of Keras 3.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to save the model.", show_default=False)
    ],
) -> None:
    """Read an autoencoder that Keras saved, and save it as seqae does. Keras is not needed; no code in it runs."""
    check_model_target(output, file)
    if file.suffix.lower() != ".keras":
        raise InvalidParameter(f"{file} must be a .keras file; save it with model.save('name.keras') in Keras 3")
    from ..interop.keras import load_keras

    model = load_keras(file)
    model.save(output)
    say(f"{file}: vectors of {counted(model.latent_size, 'value')}, saved as {output}")


import_model.__name__ = "import"  # the command's name, which Python keeps for itself
