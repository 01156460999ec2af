"""seqae info: what a model file holds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError
from . import options
from .screen import best_epoch, counted, duration, explained, facts, listed, losses, steps

if TYPE_CHECKING:
    from ..storage.description import Description, Layers
    from ..storage.model_file import ModelFile
    from ..training.history import History


def info(model: options.Model) -> None:
    """Say what a model is, what it was trained on and how that went."""
    from ..storage.model_file import read_model_file

    file = read_model_file(model)
    if file.kind not in ("autoencoder", "detector"):
        raise ModelFileError(f"{model} holds a {file.kind}, not a model")
    written_by = ", ".join(f"{name} {version}" for name, version in file.versions.items())
    size = f"{model.stat().st_size / 1024:,.0f} KiB"
    reads = {"reads": layout_shown(file.layout)} if file.layout else {}
    facts({"file": f"{model} ({size})"} | description(file) | reads | {"written by": written_by})


def layout_shown(layout: Mapping[str, str]) -> str:
    """The options that new data follow, as they are written."""
    return shlex.join(part for name, value in layout.items() for part in (f"--{name.replace('_', '-')}", value))


def description(file: ModelFile) -> dict[str, str]:
    """What was saved, as names beside what they are: an autoencoder with its training, alone or in a detector."""
    from ..storage.description import describe

    return _detector(file.config) if file.kind == "detector" else _autoencoder(describe(file.config))


def _detector(config: Mapping[str, Any]) -> dict[str, str]:
    from ..detection.thresholds import threshold_from_json
    from ..storage.description import describe
    from ..storage.vetting import as_mapping, decoded

    window: int | None = decoded(int | None, config.get("window"), "window")  # pyright: ignore[reportArgumentType]
    limit: float | None = decoded(float | None, config.get("limit"), "limit")  # pyright: ignore[reportArgumentType]
    threshold = str(threshold_from_json(as_mapping(config.get("threshold"), "threshold")))
    parts = decoded(tuple[Mapping[str, str | float], ...], config.get("parts"), "parts")
    names = decoded(tuple[str, ...], config.get("channel_names"), "channel_names")
    scored = config.get("scored_channels")
    told = {
        "kind": "detector",
        "judges": "whole sequences" if window is None else f"steps, through windows of {window:,}",
        "score": ", ".join(str(part.get("score")) for part in parts),
        **({} if scored is None else {"scored": listed(tuple(names[k] for k in scored))}),
        "threshold": threshold if limit is None else f"{limit:.4g}, by {threshold}",
    }
    if config.get("autoencoder") is not None:
        return told | _autoencoder(describe(as_mapping(config["autoencoder"], "autoencoder")))
    baseline = as_mapping(config.get("parameters"), "parameters").get("baseline")
    return told | {"baseline": str(baseline), "trained on": listed(tuple(config.get("vocabulary") or names))}


def _autoencoder(told: Description) -> dict[str, str]:
    return {
        "architecture": told.architecture,
        **{layers.part: _layers(layers) for layers in told.structure.layers},
        "vector": counted(told.latent_size, "value"),
        "parameters": f"{told.structure.n_parameters:,}",
        **steps(told.n_symbols, told.channel_names, told.vocabulary),
        **({"scaled": "yes, each channel" if told.is_scaled else "no"} if told.n_symbols is None else {}),
        **_training(told.loss, told.history),
    }


def _layers(layers: Layers) -> str:
    """The recurrent layers of an encoder or decoder: "2 layers of 16 and 8 lstm units"."""
    n_layers = len(layers.sizes)
    if not n_layers:
        return "no recurrent layers"
    sizes = [str(size) for size in layers.sizes]
    units = sizes[0] if len(set(sizes)) == 1 else f"{', '.join(sizes[:-1])} and {sizes[-1]}"
    both = "" if layers.n_both == 0 else ", forward and backward in time"
    if 0 < layers.n_both < n_layers:
        both = f", {layers.n_both} of them forward and backward"
    return f"{counted(n_layers, 'layer')} of {units} {' and '.join(layers.cells)} units{both}"


def _training(loss: str, history: History) -> dict[str, str]:
    """How the training went; nothing is known of an imported model's."""
    if not history.epochs and history.closed_form is None:
        return {"loss": loss, "training": "elsewhere: the model was imported"}
    return {
        **explained(history, {}),
        "loss": ": ".join(part for part in (loss, losses(history)) if part),
        "best epoch": best_epoch(history),
        **({"history": curve([epoch.monitored_loss for epoch in history.epochs])} if history.epochs else {}),
        "time": duration(history.seconds),
    }


def curve(values: list[float], width: int = 40) -> str:
    """Values as bars of text on a logarithmic scale, first and last in figures beside them."""
    import numpy as np

    places = np.linspace(0, len(values) - 1, min(width, len(values))).round().astype(int)
    logs = np.log(np.maximum(np.array(values)[places], np.finfo(float).tiny))
    heights = (logs - logs.min()) / max(np.ptp(logs), np.finfo(float).tiny)
    bars = "".join("▁▂▃▄▅▆▇█"[round(7 * height)] for height in heights)
    return f"{values[0]:.4g} {bars} {values[-1]:.4g}"
