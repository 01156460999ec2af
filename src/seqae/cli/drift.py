"""seqae drift: how far scores have moved since a detector learnt its limit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .files import DataFile, check_table_target, detector_file
from .screen import counted, say


def drift(
    detector: options.Detector,
    data: DataFile,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write its numbers, a row of a .parquet or .csv."),
    ] = None,
) -> None:
    """Tell how far the scores of newer data have moved from those of the normal data held out.

    The population stability index is over the tenths of the held-out scores: above 0.25 they have moved. If the data
    are normal, seqae update lets the detector follow them.
    """
    if output is not None:
        check_table_target(output, detector, *data.inputs)
    from ..detection.detector import AnomalyDetector

    fitted, data = AnomalyDetector.from_model_file(detector_file(detector)), data.following(detector)
    moved = fitted.drift(data.read_for(fitted))
    if output is not None:
        import numpy as np

        from ..storage.tables import write_table

        missing = float("nan")
        numbers = {name: missing if value is None else value for name, value in asdict(moved).items()}
        write_table(output, {name: np.array([value]) for name, value in numbers.items()})
    say(f"{counted(moved.n_scores, 'score')}: {moved}", beside=output)
