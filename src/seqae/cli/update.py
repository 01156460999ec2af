"""seqae update: a saved detector follows newer normal data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .files import DataFile, check_model_target, detector_file, save_model
from .screen import limit_shown, note, say


def update(
    detector: options.Detector,
    data: DataFile,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to keep it; may be DETECTOR itself.", show_default=False
        ),
    ],
) -> None:
    """Let a detector follow newer normal data: its limit keeps the rate of false alarms, its scores stay as they are.

    The scores of the data take the place of the oldest held-out ones. How far they have moved is told on stderr.
    """
    check_model_target(output, *data.inputs)
    from ..detection.detector import AnomalyDetector

    fitted, data = AnomalyDetector.from_model_file(detector_file(detector)), data.following(detector)
    source, before = data.read_for(fitted), fitted.threshold_
    note(str(fitted.drift(source)))
    fitted.update(source)
    save_model(fitted, output, data)
    say(f"limit {limit_shown(fitted.threshold_)}, before {limit_shown(before)}: {output}", beside=output)
