"""seqae report: one page about a model and a data set."""

from __future__ import annotations

import shlex
import warnings
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InvalidParameter
from . import options
from .files import DataFile, check_differs, load_autoencoder
from .screen import note, say

if TYPE_CHECKING:
    import numpy as np

    from ..detection.result import Detection
    from ..estimator import SequenceAutoencoder
    from ..examination import Examination
    from ..reading import Source


class MapName(StrEnum):
    """How vectors are placed on the map."""

    pca = "pca"
    tsne = "tsne"
    umap = "umap"


def report(
    model: options.Model,
    data: DataFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The .html file to write.", show_default=False)
    ],
    *,
    trained_on: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What the model learnt from, laid out alike: linear methods learn from it too."
        ),
    ] = None,
    normal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Normal data that the model has not seen: a limit is learnt from it."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="A column that is constant in each sequence, to colour the map by."),
    ] = None,
    map_name: Annotated[
        MapName,
        typer.Option("--map", help="pca, from whose plane vectors can be decoded; tsne; umap (needs the extra)."),
    ] = MapName.pca,
    max_size: Annotated[float, typer.Option(metavar="MB", help="Most megabytes of the file.")] = 5.0,
) -> None:
    """Write one page about a model and a data set: a file that opens anywhere, without a network.

    It tells what was learnt, from what, whether it is any good beside linear methods, which sequences are alike, which
    are strange and where; and it decodes vectors as you move over the map.
    """
    check_page_target(output, *data.inputs, model)
    from ..report import Origin, decoding_of, page_of, write_report

    estimator, data = load_autoencoder(model), data.following(model)
    source = data.read_for(estimator)
    learnt_from = None if trained_on is None else replace(data, paths=[str(trained_on)]).read_for(estimator)
    usual = None if normal is None else replace(data, paths=[str(normal)]).read_for(estimator)
    given = None if labels is None else data.read_labelled(labels)[1]
    note(f"looking at {len(source):,} sequences")
    examined = _examined(estimator, source, given, learnt_from)
    places = _places(examined, map_name)
    page = page_of(
        examined,
        decoding_of(estimator),
        origin=Origin(str(model), tuple(data.paths), layout_of(data)),
        detection=None if usual is None else _detected(estimator, usual, source),
        map_name=map_name.value,
        places=places,
        most_bytes=int(max_size * 1_000_000),
    )
    write_report(output, page)
    say(f"report of {len(page.encode()) / 1e6:.1f} MB: {output}", beside=output)


def check_page_target(output: Path, *inputs: Path) -> None:
    """Raise InvalidParameter unless a page can be written there."""
    from ..storage.files import check_target

    if output.suffix.lower() not in (".html", ".htm"):
        raise InvalidParameter(f"cannot write {output}: a page's extension must be .html")
    check_target(output)
    check_differs(output, *inputs)


def layout_of(data: DataFile) -> str:
    """The options that tell how the data is laid out, as they are written."""
    names = ("id", "time", "time_format", "channels", "names", "decimal", "na", "max_bytes")
    given = {f"--{name.replace('_', '-')}": getattr(data, name) for name in names}
    told = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    told += ["--wide"] if data.wide else []
    told += [] if data.header else ["--no-header"]
    told += [] if data.missing is None else ["--missing", data.missing.value]
    return shlex.join(told)


def _examined(
    estimator: SequenceAutoencoder, source: Source, labels: np.ndarray | None, learnt_from: Source | None
) -> Examination:
    from ..examination import examine

    return examine(estimator, source, labels, learnt_from=learnt_from)


def _places(examined: Examination, map_name: MapName) -> np.ndarray | None:
    from ..examination.vectors import placed

    return None if map_name is MapName.pca else placed(examined.vectors, map_name.value)


def _detected(estimator: SequenceAutoencoder, normal: Source, source: Source) -> Detection:
    """What a limit learnt from normal data marks; warnings become lines on stderr."""
    from sklearn.frozen import FrozenEstimator

    from ..detection.detector import AnomalyDetector

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        detector = AnomalyDetector(FrozenEstimator(estimator), random_state=0).fit(normal)
        detection = detector.detect(source)
    for warning in caught:
        note(f"note: {warning.message}")
    return detection
