"""One page about a model and a data set: a file that needs nothing else, and decodes vectors as the reader moves."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
from dataclasses import dataclass
from html import escape
from importlib import resources

import numpy as np

from ..detection.result import Detection
from ..errors import InvalidParameter
from ..examination.result import Examination
from ..storage.files import refused, written_whole
from ..version import __version__
from . import sections
from .content import MOST_POINTS, Content, content_of
from .decoding import Decoding, decoding_of

__all__ = ["MOST_BYTES", "Decoding", "Origin", "decoding_of", "page_of", "write_report"]

MOST_BYTES = 5_000_000
BYTES_PER_NAME, BYTES_PER_CHANNEL = 30, 500
SCRIPTS = ("uPlot.iife.min.js", "decoder.js", "core.js", "sections.js", "map.js")
STYLES = ("uPlot.min.css", "page.css")
MAPS = {
    "pca": "The axes are those of greatest variance (PCA), and show {share:.0%} of it.",
    "tsne": "Places are by t-SNE: near ones are alike, distances across the map say little.",
    "umap": "Places are by UMAP: near ones are alike, distances across the map say little.",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where model and data come from, for the commands on the page. layout: options, such as --id engine."""

    model: str = "model.seqae"
    data: tuple[str, ...] = ("data.csv",)
    layout: str = ""


def page_of(
    examination: Examination,
    decoding: Decoding,
    *,
    origin: Origin = Origin(),
    detection: Detection | None = None,
    map_name: str = "pca",
    places: np.ndarray | None = None,
    most_bytes: int = MOST_BYTES,
) -> str:
    """The page, of at most about most_bytes; the same bytes for the same arguments.

    detection: by a limit learnt from normal data. map_name, places: "pca", or another map and its places.
    Raises InvalidParameter if most_bytes has no room for anything.
    """
    code = [_text(name) for name in SCRIPTS]
    style = "".join(_text(name) for name in STYLES)
    n_names = min(len(examination), MOST_POINTS)
    texts = 60_000 + BYTES_PER_NAME * n_names + BYTES_PER_CHANNEL * examination.errors.shape[1]
    room = most_bytes - sum(map(len, code)) - len(style) - texts
    if room < 100_000:
        raise InvalidParameter(
            f"the most bytes of a page must leave room for data, got {most_bytes:,}; give at least 500,000"
        )
    content = content_of(examination, decoding, room, map_name=map_name, places=places)
    shares = examination.map.shares
    parts = _texts(examination, content, decoding, detection, origin) | {
        "style": style,
        "scripts": "\n".join(f"<script>{part}</script>" for part in code),
        "hashes": " ".join(_hash(part) for part in code),
        "connect": "'none'",
        "version": __version__,
        "map_told": escape(MAPS[map_name].format(share=shares.sum())),
        "map_table": sections.map_table(
            examination, content.shown, examination.map.places if places is None else places
        ),
        "content": json.dumps(content.header, separators=(",", ":"), allow_nan=False, ensure_ascii=False).replace(
            "<", "\\u003c"
        ),
        "arrays": content.packing.to_base64(),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _text("page.html"))


def write_report(path: str | os.PathLike[str], page: str) -> None:
    """Write a page whole, or not at all. Raises InvalidParameter if it cannot be written."""
    with refused(path), written_whole(path) as file:
        file.write(page.encode())


def _texts(
    examination: Examination, content: Content, decoding: Decoding, detection: Detection | None, origin: Origin
) -> dict[str, str]:
    can_decode, n_channels = content.header["decoder"] is not None, examination.errors.shape[1]
    problem = next((text for text in content.left_out if text.startswith("Live decoding")), decoding.problem)
    told = examination.history.diagnostics
    return {
        "title": escape(f"{_named(origin.data)} through {os.path.basename(origin.model)}"),
        "in_short": sections.listed(sections.in_short(examination, detection, len(told))),
        "data": sections.data_section(examination),
        "training": sections.training_section(examination),
        "no_epochs": "" if examination.history.epochs else " hidden",
        "quality": sections.quality_section(examination.quality),
        "kinds": escape(sections.kinds_sentence(examination)),
        "decodes": "" if can_decode else "hidden",
        "no_decodes": "hidden" if can_decode else "",
        "decoding_problem": escape(problem),
        "one_channel": "" if n_channels > 1 else " hidden",
        "one_channel_bare": "" if n_channels > 1 else "hidden",
        "strange": sections.strange_section(examination, content.shown),
        "detection": sections.detection_section(detection),
        "diagnostics": sections.listed(told) if told else "<p>Nothing stands out.</p>",
        "use": _use(origin),
        "left_out": sections.listed(content.left_out) if content.left_out else "<p>Nothing.</p>",
    }


def _named(paths: tuple[str, ...]) -> str:
    first = os.path.basename(paths[0].rstrip("/"))
    return first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"


def _use(origin: Origin) -> str:
    model, data = shlex.quote(origin.model), shlex.join(origin.data)
    layout = f" {origin.layout}" if origin.layout else ""
    commands = {
        "A vector for each sequence, to search, cluster or classify:": (
            f"seqae embed {model} {data}{layout} -o vectors.parquet"
        ),
        "Each sequence encoded and decoded, and its error:": (
            f"seqae reconstruct {model} {data}{layout} -o again.csv --errors errors.csv"
        ),
        "What is unlike normal data; the normal file must be one that the model has not learnt from:": (
            f"seqae detect {data}{layout} --normal NORMAL_FILE --model {model} -o found.csv"
        ),
    }
    return "".join(f"<p>{escape(text)}</p><pre><code>{escape(line)}</code></pre>" for text, line in commands.items())


def _text(name: str) -> str:
    return (resources.files(__package__ or "seqae.report") / "page" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
