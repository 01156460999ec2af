"""seqae info: what a model file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import options
from .fit import losses, steps
from .screen import counted, duration, facts, listed
from .training import REASONS

if TYPE_CHECKING:
    from ..detection.detector import AnomalyDetector
    from ..estimator import SequenceAutoencoder
    from ..model.interface import Part


def info(model: options.Model) -> None:
    """Say what a model is, what it was trained on and how that went."""
    from ..storage.loading import load
    from ..storage.model_file import read_model_file

    saved, file = load(model), read_model_file(model)
    written_by = ", ".join(f"{name} {version}" for name, version in file.versions.items())
    size = f"{model.stat().st_size / 1024:,.0f} KiB"
    told = {"autoencoder": of_autoencoder, "detector": of_detector}[file.kind](saved)
    facts({"file": f"{model} ({size})"} | told | {"written by": written_by})


def of_detector(detector: AnomalyDetector) -> dict[str, str]:
    """A detector, as names beside what they are, with its autoencoder."""
    window, limit, threshold = detector.window_, detector.threshold_, str(detector.rule_.threshold)
    model, scored = detector.autoencoder_, detector.scored_channels_
    names = listed(detector.vocabulary_ or detector.channel_names_)
    return {
        "kind": "detector",
        "judges": "whole sequences" if window is None else f"steps, through windows of {window:,}",
        "score": ", ".join(part.score.name for part in detector.scorer_.parts),
        **({} if scored is None else {"scored": listed(tuple(detector.channel_names_[k] for k in scored))}),
        "threshold": threshold if limit is None else f"{limit:.4g}, by {threshold}",
    } | ({"baseline": str(detector.baseline), "trained on": names} if model is None else of_autoencoder(model))


def of_autoencoder(estimator: SequenceAutoencoder) -> dict[str, str]:
    """An autoencoder and its training, as names beside what they are."""
    n_parameters = sum(parameter.numel() for parameter in estimator.model_.parameters())
    plan = estimator.architecture
    parts = {"encoder": estimator.model_.encoder, **estimator.model_.decoders}
    return {
        "architecture": plan if isinstance(plan, str) else repr(plan),
        **{name: _layers(part) for name, part in parts.items()},
        "vector": counted(estimator.latent_size, "value"),
        "parameters": f"{n_parameters:,}",
        **steps(estimator),
        **({"scaled": "yes, each channel" if estimator.scale else "no"} if estimator.shape_.n_symbols is None else {}),
        **_training(estimator),
    }


def _layers(part: Part) -> str:
    """The recurrent layers of an encoder or decoder: "2 layers of 16 and 8 lstm units"."""
    layers = part.recurrent_layers
    if not layers:
        return "no recurrent layers"
    sizes = [str(directions[0].weight_hh.shape[1]) for directions in layers]
    units = sizes[0] if len(set(sizes)) == 1 else f"{', '.join(sizes[:-1])} and {sizes[-1]}"
    cells = " and ".join(dict.fromkeys(layer.cell.kind for directions in layers for layer in directions))
    n_both = sum(len(directions) == 2 for directions in layers)
    both = "" if n_both == 0 else ", forward and backward in time"
    if 0 < n_both < len(layers):
        both = f", {n_both} of them forward and backward"
    return f"{counted(len(layers), 'layer')} of {units} {cells} units{both}"


def _training(estimator: SequenceAutoencoder) -> dict[str, str]:
    """How the training went; nothing is known of an imported model's."""
    history = estimator.history_
    if not history.epochs:
        return {"loss": estimator.loss_.kind, "training": "elsewhere: the model was imported"}
    return {
        "loss": f"{estimator.loss_.kind}: {losses(estimator)}",
        "best epoch": f"{history.best_epoch} of {len(history.epochs)} ({REASONS[history.stopped_by]})",
        "history": curve([epoch.monitored_loss for epoch in history.epochs]),
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
