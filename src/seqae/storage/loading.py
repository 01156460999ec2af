"""Load any saved model."""

from __future__ import annotations

import os
from typing import Any

from ..errors import ModelFileError
from ..estimator import SequenceAutoencoder
from .autoencoder import KIND
from .model_file import read_model_file


def load(path: str | os.PathLike[str]) -> Any:
    """The SequenceAutoencoder or AnomalyDetector that was saved to path. Runs no code from the file.

    Raises ModelFileError for a file that is missing, damaged, of another kind, or from a newer or older version.

    >>> load("walks.seqae")
    Traceback (most recent call last):
    seqae.errors.ModelFileError: walks.seqae cannot be opened: No such file or directory
    """
    file = read_model_file(path)
    if file.kind == KIND:
        return SequenceAutoencoder.from_model_file(file)
    if file.kind == "detector":
        from ..detection.detector import AnomalyDetector

        return AnomalyDetector.from_model_file(file)
    raise ModelFileError(f"{os.fspath(path)} holds a {file.kind}, not a model")
