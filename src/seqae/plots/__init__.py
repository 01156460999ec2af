"""Figures of results, with matplotlib: one function each, and all of a result in a folder.

They take results (History, Examination, Comparison, Detection), never estimators, and return a matplotlib Figure.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..comparison.result import Comparison
from ..detection.result import Detection
from ..errors import InvalidParameter
from ..examination.result import Examination
from ..training.history import History
from .detection import timeline
from .learning import architecture, comparison, draw_loss, loss
from .sequences import continuation, draw_reconstructions, error_map, lengths, reconstructions, walk
from .style import check_figure_target, figure, grid, save
from .vectors import Colour, spectrum, vectors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "architecture",
    "check_figure_target",
    "comparison",
    "continuation",
    "error_map",
    "lengths",
    "loss",
    "overview",
    "reconstructions",
    "save",
    "save_all",
    "spectrum",
    "timeline",
    "vectors",
    "walk",
]


def overview(examination: Examination) -> Figure:
    """The loss, and the worst, a typical and the best reconstruction: what `seqae fit --plot` draws."""
    rows = min(examination.errors.shape[1], 4)
    drawn = figure(10.0, 3.8 + 1.7 * rows)
    top, bottom = drawn.subfigures(2, 1, height_ratios=(2.8, 1.0 + 1.7 * rows))  # pyright: ignore[reportGeneralTypeIssues]
    draw_loss(grid(top)[0][0], examination.history)
    draw_reconstructions(bottom, examination)
    return drawn


def _of_examination(examination: Examination) -> dict[str, Callable[[], Figure]]:
    colours: tuple[Colour, ...] = ("error", "length", "kind", *(("label",) if examination.labels is not None else ()))
    maps = {f"map_by_{colour}": partial(vectors, examination, colour) for colour in colours}
    drawn = (architecture, reconstructions, error_map, lengths, spectrum)
    one = {function.__name__: partial(function, examination) for function in drawn}
    return {"loss": partial(loss, examination.history), **one, **maps}


_FIGURES: Mapping[type, Callable[..., dict[str, Callable[[], Figure]]]] = {
    History: lambda result: {"loss": lambda: loss(result)},
    Comparison: lambda result: {"comparison": lambda: comparison(result)},
    Detection: lambda result: {"timeline": lambda: timeline(result)},
    Examination: _of_examination,
}


def save_all(result: History | Examination | Comparison | Detection, folder: str | os.PathLike[str]) -> list[Path]:
    """Every figure of a result as a PNG in a folder, which is made; returns their paths.

    Raises InvalidParameter for anything else, and where the folder cannot be written.
    """
    if type(result) not in _FIGURES:
        kinds = ", ".join(kind.__name__ for kind in _FIGURES)
        raise InvalidParameter(f"result must be a {kinds}, got {type(result).__name__}; see seqae.examination.examine")
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameter(f"cannot make the folder {target}: {error.strerror}; choose another") from error
    paths = []
    for name, draw in _FIGURES[type(result)](result).items():
        paths.append(target / f"{name}.png")
        save(draw(), paths[-1])
    return paths
